//! The receipt of a chunk that is being loaded: claimed before its rows are merged, proven after they are
//! read back.

use super::record::{Incarnation, Receipt, id_of};
use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::lease::Lease;
use crate::tsql::predicate::day;

/// Claims a chunk: replaces an older receipt of the chunk by `receipt`, in state `loading`. [`prove`] turns
/// the claim into the proof within the same transaction.
///
/// # Errors
/// `Statement` if the table is not the one that the receipt names, because somebody dropped or replaced it;
/// those of [`Session::execute`].
pub async fn claim(session: &mut Session, lease: &Lease, table: &TableName, receipt: &Receipt) -> Result<()> {
    let ordinal = Value::Integer(i64::from(receipt.chunk.ordinal));
    let start = day(receipt.window.stored_start());
    let sql =
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3";
    session
        .execute(sql, &[Value::Text(&lease.table), start, ordinal])
        .await?;
    put(session, lease, table, receipt, "loading").await
}

/// Writes a receipt in a state, if the table is the one that the receipt names.
///
/// # Errors
/// As [`claim`].
pub(super) async fn put(
    session: &mut Session,
    lease: &Lease,
    table: &TableName,
    receipt: &Receipt,
    state: &'static str,
) -> Result<()> {
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
        Value::Integer(lease.epoch),
        Value::Integer(chunk.tally.row_count.cast_signed()),
        Value::Integer(chunk.tally.byte_count.cast_signed()),
        Value::Bytes(&digest),
        Value::Integer(i64::from(receipt.incarnation.object_id)),
        Value::Text(&receipt.incarnation.created),
        Value::Text(table.schema.as_str()),
        Value::Text(table.name.as_str()),
    ];
    // The statement spells NULL out: a parameter without a value has no type.
    let mut keys = Vec::new();
    for key in [&chunk.range.after, &chunk.range.through] {
        keys.push(match key {
            Some(key) => {
                params.push(Value::Bytes(&key.0));
                format!("CAST(@P{} AS varbinary(max))", params.len())
            }
            None => "NULL".to_owned(),
        });
    }
    let keys = keys.join(", ");
    let sql = format!(
        "INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], \
         [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], \
         [key_through], [loaded_at]) SELECT @P1, @P2, @P3, @P4, N'{state}', CAST(@P5 AS binary(16)), \
         CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, {keys}, SYSUTCDATETIME() \
         FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
         WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int)"
    );
    match session.execute(&sql, &params).await? {
        1 => Ok(()),
        _ => Err(another_table(table)),
    }
}

/// Turns the claim of a chunk into its proof, after the rows that were read back proved equal.
///
/// # Errors
/// `Internal` if the chunk has no claim; those of [`Session::execute`].
pub async fn prove(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<()> {
    let sql = "UPDATE [sync].[receipt] SET [state] = N'verified' \
               WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3 AND [state] = N'loading'";
    let params = [
        Value::Text(&lease.table),
        day(window.stored_start()),
        Value::Integer(i64::from(ordinal)),
    ];
    match session.execute(sql, &params).await? {
        1 => Ok(()),
        count => Err(Error::new(
            ErrorKind::Internal,
            format!(
                "Table {}, window {window}, chunk {ordinal} has {count} claims where it must have one; run again",
                lease.table
            ),
        )),
    }
}

/// Checks that a target table is still the one that the work on it began with.
///
/// # Errors
/// As [`claim`].
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

/// The load that the verified receipt of a chunk names; `None` without such a receipt.
///
/// # Errors
/// `State` if the receipt is not as this version writes it; those of [`Session::rows`].
pub async fn load_id(
    session: &mut Session,
    lease: &Lease,
    window: Window,
    ordinal: u32,
) -> Result<Option<u128>> {
    let sql = "SELECT [load_id] FROM [sync].[receipt] \
               WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3 AND [state] = N'verified'";
    let rows = session
        .rows(
            sql,
            &[
                Value::Text(&lease.table),
                day(window.stored_start()),
                Value::Integer(i64::from(ordinal)),
            ],
        )
        .await?;
    rows.first()
        .map(|row| row.bytes("load_id").and_then(id_of))
        .transpose()
}
