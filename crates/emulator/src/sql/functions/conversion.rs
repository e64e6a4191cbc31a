//! Conversions between types, and the functions that a bound statement needs of its own.

use std::sync::atomic::Ordering;

use super::registry::{Answer, Registry, argument, broken, integer, sql_type};
use crate::sql::errors::error;
use crate::sql::shared::lock;
use crate::sql::values;
use crate::types::OwnedCell;

/// The flag of the conversion functions for a UTF-8 target.
pub(crate) const UTF8: i64 = 1;
/// The flag of the conversion functions for NULL instead of an error.
pub(crate) const TRY: i64 = 2;

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.pure("tsql_cast", 4, |context| {
        let flags = integer(context, 3)?.unwrap_or(0);
        let (from, to) = (sql_type(context, 1)?, sql_type(context, 2)?);
        or_null(
            flags,
            values::cast(argument(context, 0)?, from, to, flags & UTF8 != 0),
        )
    })?;
    registry.pure("tsql_assign", 4, |context| {
        let flags = integer(context, 3)?.unwrap_or(0);
        let (from, to) = (sql_type(context, 1)?, sql_type(context, 2)?);
        values::assign(argument(context, 0)?, from, to, flags & UTF8 != 0)
    })?;
    registry.pure("tsql_convert", 5, |context| {
        let flags = integer(context, 3)?.unwrap_or(0);
        let Some(style) = integer(context, 4)? else {
            return Ok(OwnedCell::Null);
        };
        let (from, to) = (sql_type(context, 1)?, sql_type(context, 2)?);
        or_null(flags, values::convert(argument(context, 0)?, from, to, style))
    })?;
    registry.pure("tsql_rows", 1, |context| match integer(context, 0)? {
        Some(n) if n >= 0 => Ok(OwnedCell::Integer(n)),
        _ => Err(error(
            1060,
            15,
            1,
            "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.",
        )),
    })?;
    registry.session("tsql_newid", 0, |_, shared| {
        let random = lock(shared).names.server.as_ref().map(|s| s.clock.random());
        random.map(values::new_guid).ok_or_else(broken)
    })?;
    registry.session("tsql_many", 0, |_, _| {
        let text = "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.";
        Err(error(512, 16, 1, text))
    })?;
    registry.session("tsql_identity", 0, |_, shared| {
        let mut shared = lock(shared);
        let Some((counter, increment)) = shared.identity.clone() else {
            return Err(broken());
        };
        let value = counter.fetch_add(increment, Ordering::SeqCst) + increment;
        shared.last_identity = Some(value);
        Ok(OwnedCell::Integer(value))
    })
}

fn or_null(flags: i64, answer: Answer) -> Answer {
    match answer {
        Err(_) if flags & TRY != 0 => Ok(OwnedCell::Null),
        answer => answer,
    }
}
