//! SUM and AVG. They are exact over the exact types, in i128.

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::Value;

use super::arith::{exact, exact_cell};
use super::registry::{Registry, argument, raise, sql_type};
use crate::sql::errors::overflow;
use crate::sql::shared::Shared;
use crate::sql::sqlite::value;
use crate::sql::types;
use crate::types::{Cell, OwnedCell, SqlError, SqlType};
use std::sync::{Arc, Mutex};

/// A running sum.
struct Sum {
    exact: i128,
    real: f64,
    rows: i64,
    from: Option<(SqlType, SqlType)>,
}

/// SUM or AVG.
struct Summing {
    average: bool,
    shared: Arc<Mutex<Shared>>,
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for (name, average) in [("tsql_sum", false), ("tsql_avg", true)] {
        let summing = Summing {
            average,
            shared: Arc::clone(registry.shared),
        };
        registry
            .connection
            .create_aggregate_function(name, 3, flags, summing)?;
    }
    Ok(())
}

impl Summing {
    fn add(context: &Context<'_>, sum: &mut Sum) -> Result<(), SqlError> {
        let (from, to) = match sum.from {
            Some(types) => types,
            None => *sum.from.insert((sql_type(context, 1)?, sql_type(context, 2)?)),
        };
        match argument(context, 0)? {
            Cell::Null => return Ok(()),
            Cell::Real(v) => sum.real += v,
            cell => {
                let (v, _) = exact(cell, from)?;
                sum.exact = sum
                    .exact
                    .checked_add(v)
                    .ok_or_else(|| overflow(types::name(to)))?;
            }
        }
        sum.rows += 1;
        Ok(())
    }

    fn result(&self, sum: &Sum) -> Result<OwnedCell, SqlError> {
        let Some((from, to)) = sum.from.filter(|_| sum.rows > 0) else {
            return Ok(OwnedCell::Null);
        };
        if to == SqlType::Float {
            #[allow(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
            let rows = if self.average { sum.rows as f64 } else { 1.0 };
            return Ok(OwnedCell::Real(sum.real / rows));
        }
        let scale = |ty| match ty {
            SqlType::Decimal { scale, .. } => u32::from(scale),
            _ => 0,
        };
        let grown = 10_i128
            .checked_pow(scale(to).saturating_sub(scale(from)))
            .and_then(|f| sum.exact.checked_mul(f))
            .ok_or_else(|| overflow(types::name(to)))?;
        exact_cell(
            if self.average {
                grown / i128::from(sum.rows)
            } else {
                grown
            },
            to,
        )
    }
}

impl Aggregate<Sum, Value> for Summing {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Sum> {
        Ok(Sum {
            exact: 0,
            real: 0.0,
            rows: 0,
            from: None,
        })
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> rusqlite::Result<()> {
        Summing::add(context, sum).map_err(|e| raise(&self.shared, e))
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> rusqlite::Result<Value> {
        let Some(sum) = sum else { return Ok(Value::Null) };
        self.result(&sum).map(value).map_err(|e| raise(&self.shared, e))
    }
}
