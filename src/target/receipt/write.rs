//! The receipt of a load, written in its transaction after its rows were read back.

use super::record::{Incarnation, Receipt, seal};
use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::mssql::Session;
use crate::target::lease::Lease;
use crate::tsql::predicate::day;

/// Writes a receipt in place of an older one of the chunk, within the caller's transaction: of a load whose rows proved
/// equal, or with `stale` of a chunk that is to be loaded again.
///
/// # Errors
/// `Statement` if the table is not the one that the receipt names, because somebody dropped or replaced it;
/// those of [`Session::rows`].
pub async fn write(
    session: &mut Session,
    lease: &Lease,
    table: &TableName,
    receipt: &Receipt,
    stale: bool,
) -> Result<()> {
    let state = if stale { "stale" } else { "verified" };
    let ordinal = Value::Integer(i64::from(receipt.chunk.ordinal));
    let start = day(receipt.window.stored_start());
    let chunk = &receipt.chunk;
    let (load_id, run_id) = (chunk.load_id.to_be_bytes(), lease.run_id.to_be_bytes());
    let digest = chunk.tally.digest.to_bytes();
    let mut params = vec![
        Value::Text(&lease.table),
        start,
        day(receipt.window.to_stored().1),
        ordinal,
        Value::Bytes(&load_id),
        Value::Bytes(&run_id),
        Value::Integer(receipt.epoch),
        Value::Integer(chunk.tally.row_count.cast_signed()),
        Value::Integer(chunk.tally.byte_count.cast_signed()),
        Value::Bytes(&digest),
        Value::Integer(i64::from(receipt.incarnation.object_id)),
        Value::Text(&receipt.incarnation.created),
        Value::Text(table.schema.as_str()),
        Value::Text(table.name.as_str()),
    ];
    // The statement spells NULL out: a parameter without a value has no type.
    let seal = session
        .receipt_key()
        .filter(|_| !stale)
        .map(|key| seal(key, receipt));
    let [after, through] = chunk.range.ends();
    let mut optional = Vec::new();
    for (bytes, data_type) in [
        (after, "varbinary(max)"),
        (through, "varbinary(max)"),
        (seal.as_ref().map(|seal| &seal[..]), "binary(32)"),
    ] {
        optional.push(match bytes {
            Some(bytes) => {
                params.push(Value::Bytes(bytes));
                format!("CAST(@P{} AS {data_type})", params.len())
            }
            None => "NULL".to_owned(),
        });
    }
    let optional = optional.join(", ");
    let sql = format!(
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4; \
         INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], \
         [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], \
         [key_through], [seal], [loaded_at]) SELECT @P1, @P2, @P3, @P4, N'{state}', CAST(@P5 AS binary(16)), \
         CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, {optional}, SYSUTCDATETIME() \
         FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
         WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int); \
         SELECT @@ROWCOUNT AS [written]"
    );
    let rows = session.rows(&sql, &params).await?;
    match rows.first().map(|row| row.integer("written")).transpose()? {
        Some(1) => Ok(()),
        _ => Err(another_table(table)),
    }
}

/// Checks that a target table is still the one that the work on it began with.
///
/// # Errors
/// As [`write()`].
pub async fn is_here(session: &mut Session, table: &TableName, incarnation: &Incarnation) -> Result<()> {
    let sql = "SELECT COUNT(*) AS [found] FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
               WHERE s.name = @P1 AND t.name = @P2 AND t.object_id = CAST(@P3 AS int)";
    let params = [
        Value::Text(table.schema.as_str()),
        Value::Text(table.name.as_str()),
        Value::Integer(i64::from(incarnation.object_id)),
    ];
    let rows = session.rows(sql, &params).await?;
    match rows.first().map(|row| row.integer("found")).transpose()? {
        Some(1) => Ok(()),
        _ => Err(another_table(table)),
    }
}

/// The error for a target table that was dropped or replaced since the work on it began.
pub fn another_table(table: &TableName) -> Error {
    Error::new(
        ErrorKind::Statement,
        format!(
            "Target table {table} was dropped or replaced during the run, which loads nothing more into it; run again to \
             load the missing rows"
        ),
    )
}
