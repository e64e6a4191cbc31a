//! Aggregates, and the few window functions that SQLite computes the same way.

use sqlparser::ast::{Expr, WindowType};

use super::binder::Binder;
use super::bound::Bound;
use super::convert::key;
use crate::sql::errors::{error, unsupported, wrong_arguments};
use crate::sql::types;
use crate::store::type_code::encode;
use crate::types::{SqlError, SqlType};

impl Binder<'_> {
    /// COUNT, COUNT_BIG, SUM, MIN, MAX and AVG.
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        star: bool,
        distinct: bool,
    ) -> Result<Bound, SqlError> {
        if !self.aggregates {
            let text = "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.";
            return Err(error(147, 15, 1, text));
        }
        let count_type = if name == "COUNT_BIG" {
            SqlType::BigInt
        } else {
            SqlType::Int
        };
        self.grouping.aggregated = true;
        if star {
            let counts = matches!(name, "COUNT" | "COUNT_BIG") && arguments.is_empty() && !distinct;
            return if counts {
                Ok(Bound::new("count(*)".into(), count_type).not_null())
            } else {
                Err(error(102, 15, 1, "Incorrect syntax near '*'."))
            };
        }
        let [argument] = arguments else {
            return Err(wrong_arguments(&name.to_ascii_lowercase(), "1"));
        };
        self.aggregates = false;
        let masked_reads = self.masked_reads;
        let value = self.expr(argument);
        self.aggregates = true;
        let value = value?;
        let collation = value.collation.clone();
        let distinct_word = if distinct { "DISTINCT " } else { "" };
        match name {
            "COUNT" | "COUNT_BIG" => {
                self.masked_reads = masked_reads;
                let sql = format!("count({distinct_word}{})", key(&value, Some(&collation)));
                Ok(Bound::new(sql, count_type).not_null())
            }
            "MIN" | "MAX" => extreme(name, &value),
            _ if distinct => Err(unsupported(format!("{name}(DISTINCT {argument})"))),
            "SUM" => {
                let ty = sum_type(value.ty).ok_or_else(|| invalid(value.ty, name))?;
                Ok(Bound::new(
                    format!("tsql_sum({}, {}, {})", value.sql, encode(value.ty), encode(ty)),
                    ty,
                ))
            }
            _ => {
                let ty = average_type(sum_type(value.ty).ok_or_else(|| invalid(value.ty, name))?);
                Ok(Bound::new(
                    format!("tsql_avg({}, {}, {})", value.sql, encode(value.ty), encode(ty)),
                    ty,
                ))
            }
        }
    }

    /// `ROW_NUMBER() OVER (...)` and similar functions.
    pub(super) fn window(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        star: bool,
        over: &WindowType,
    ) -> Result<Bound, SqlError> {
        let WindowType::WindowSpec(spec) = over else {
            return Err(unsupported(name));
        };
        if spec.window_name.is_some() || spec.window_frame.is_some() {
            return Err(unsupported(spec));
        }
        let mut parts = Vec::new();
        let mut partition = Vec::new();
        for expr in &spec.partition_by {
            let bound = self.expr(expr)?;
            partition.push(key(&bound, Some(&bound.collation.clone())));
        }
        if !partition.is_empty() {
            parts.push(format!("PARTITION BY {}", partition.join(", ")));
        }
        let mut order = Vec::new();
        for item in &spec.order_by {
            let bound = self.expr(&item.expr)?;
            let descending = matches!(item.options.sort, Some(sqlparser::ast::OrderBySort::Desc));
            let word = if descending { " DESC" } else { "" };
            order.push(format!("{}{word}", key(&bound, Some(&bound.collation.clone()))));
        }
        if !order.is_empty() {
            parts.push(format!("ORDER BY {}", order.join(", ")));
        }
        let function = match (name, arguments) {
            ("ROW_NUMBER" | "RANK" | "DENSE_RANK", []) if !order.is_empty() => {
                format!("{}()", name.to_ascii_lowercase())
            }
            ("COUNT_BIG", []) if star => "count(*)".to_owned(),
            _ => return Err(unsupported(format!("{name}(...) OVER (...)"))),
        };
        Ok(Bound::new(
            format!("{function} OVER ({})", parts.join(" ")),
            SqlType::BigInt,
        ))
    }
}

/// MIN and MAX.
fn extreme(name: &str, value: &Bound) -> Result<Bound, SqlError> {
    if matches!(value.ty, SqlType::Bit | SqlType::Xml) {
        return Err(invalid(value.ty, name));
    }
    let function = name.to_ascii_lowercase();
    let sql = match value.ty {
        SqlType::DateTimeOffset(_) => format!("{function}({})", value.sql),
        _ => format!("{function}({})", key(value, Some(&value.collation))),
    };
    Ok(Bound {
        collation: value.collation.clone(),
        ..Bound::new(sql, value.ty)
    })
}

/// The type of a sum.
fn sum_type(ty: SqlType) -> Option<SqlType> {
    Some(match ty {
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int => SqlType::Int,
        SqlType::BigInt => SqlType::BigInt,
        SqlType::Decimal { scale, numeric, .. } => SqlType::Decimal {
            precision: 38,
            scale,
            numeric,
        },
        SqlType::Money | SqlType::SmallMoney => SqlType::Money,
        SqlType::Real | SqlType::Float => SqlType::Float,
        _ => return None,
    })
}

/// The type of an average of a sum of that type.
fn average_type(sum: SqlType) -> SqlType {
    match sum {
        SqlType::Decimal {
            precision,
            scale,
            numeric,
        } => SqlType::Decimal {
            precision,
            scale: scale.max(6),
            numeric,
        },
        ty => ty,
    }
}

fn invalid(ty: SqlType, name: &str) -> SqlError {
    let text = format!(
        "Operand data type {} is invalid for {} operator.",
        types::name(ty),
        name.to_ascii_lowercase()
    );
    error(8117, 16, 1, text)
}
