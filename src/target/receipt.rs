//! Receipts and plans in the target: the truth about what was loaded, in the same database as the rows.
//!
//! A receipt is committed in the transaction that commits its chunk's rows, so that there is never one without
//! the other. Whoever changes receipts holds the table's lease (`lease.rs`) and writes it first.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::model::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use crate::model::plan::AccessPath;
use crate::model::row::{Digest, Tally, Value};
use crate::model::table::TableName;
use crate::model::window::{Kind, Window};
use crate::mssql::Session;
use crate::target::lease::{Lease, fence};
use crate::tsql::predicate::day;

/// What a table was loaded by, part by part: a name and a value each.
pub type Fingerprint = Vec<(String, String)>;

/// The columns of a receipt that [`Receipt::from_row`] reads.
const COLUMNS: &str = "[window_start], [window_end], [ordinal], [state], [load_id], [key_after], [key_through], \
                       [row_count], [byte_count], [digest], [target_object_id], [target_created]";

/// Which table the rows are in: another `object_id` or `create_date` means it was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// `sys.tables.object_id`.
    pub object_id: i32,
    /// `sys.tables.create_date`, to the millisecond.
    pub created: String,
}

/// A chunk as the target proves it.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The window.
    pub window: Window,
    /// The chunk, `Verified` or `Stale`.
    pub chunk: Chunk,
    /// The table that its rows went into.
    pub incarnation: Incarnation,
}

/// What a window's receipts come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Receipts of any state.
    pub chunks: u64,
    /// Verified ones.
    pub verified: u64,
    /// Those whose rows went into the table that is there now.
    pub here: u64,
    /// Rows of all.
    pub rows: u64,
    /// Canonical bytes of all.
    pub bytes: u64,
    /// Sum of [`crate::checkpoint::load_mark`] of all.
    pub marks: i64,
}

/// What the receipts of each window of a target table come to: one row a window, however many receipts there are.
///
/// # Errors
/// `State` when a receipt is not as this version writes it; what the session returns. So for all reads below.
pub async fn sums(
    session: &mut Session,
    table: &TableName,
    incarnation: &Incarnation,
) -> Result<BTreeMap<Window, Sums>> {
    let name = table.to_string();
    let sql = "SELECT [window_start], [window_end], COUNT_BIG(*) AS [chunks], \
               SUM(CASE WHEN [state] = N'verified' THEN 1 ELSE 0 END) AS [verified], \
               SUM(CASE WHEN [target_object_id] = @P2 AND [target_created] = @P3 THEN 1 ELSE 0 END) AS [here], \
               SUM([row_count]) AS [rows], SUM([byte_count]) AS [bytes], \
               SUM(CAST(CAST(SUBSTRING([load_id], 1, 4) AS int) AS bigint)) AS [marks] \
               FROM [sync].[receipt] WHERE [table_name] = @P1 GROUP BY [window_start], [window_end]";
    let params = [
        Value::Text(&name),
        Value::Integer(i64::from(incarnation.object_id)),
        Value::Text(&incarnation.created),
    ];
    let mut sums = BTreeMap::new();
    for row in session.rows(sql, &params).await? {
        let count = |column: &str| u64::try_from(row.integer(column)?).map_err(|_| unreadable());
        sums.insert(
            Window::stored(row.date("window_start")?, row.date("window_end")?)?,
            Sums {
                chunks: count("chunks")?,
                verified: count("verified")?,
                here: count("here")?,
                rows: count("rows")?,
                bytes: count("bytes")?,
                marks: row.integer("marks")?,
            },
        );
    }
    Ok(sums)
}

/// The windows of a target table that have receipts.
pub async fn windows(session: &mut Session, table: &TableName) -> Result<Vec<Window>> {
    let name = table.to_string();
    let sql = "SELECT DISTINCT [window_start], [window_end] FROM [sync].[receipt] WHERE [table_name] = @P1 \
               ORDER BY [window_start]";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    rows.iter()
        .map(|row| Window::stored(row.date("window_start")?, row.date("window_end")?))
        .collect()
}

/// The receipts of a window, by ordinal.
pub async fn read(session: &mut Session, table: &TableName, window: Window) -> Result<Vec<Receipt>> {
    let name = table.to_string();
    let sql = format!(
        "SELECT {COLUMNS} FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 ORDER BY [ordinal]"
    );
    let params = [Value::Text(&name), day(window.start())];
    let rows = session.rows(&sql, &params).await?;
    rows.iter().map(Receipt::from_row).collect()
}

/// The target tables that there are plans of, as receipts name them.
pub async fn tables(session: &mut Session) -> Result<Vec<String>> {
    let sql = "SELECT [table_name] FROM [sync].[plan] ORDER BY [table_name]";
    let rows = session.rows(sql, &[]).await?;
    rows.iter()
        .map(|row| Ok(row.text("table_name")?.to_owned()))
        .collect()
}

/// The load that the receipt of a chunk names, where there is one.
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
                day(window.start()),
                Value::Integer(i64::from(ordinal)),
            ],
        )
        .await?;
    rows.first()
        .map(|row| row.bytes("load_id").and_then(id_of))
        .transpose()
}

/// Claims a chunk: its receipt, in state `loading` until [`prove`] within the same transaction. An older receipt
/// of the chunk goes. Nothing is claimed where the table is not the one that the receipt names: somebody has dropped it, or
/// put another in its place, since it was looked at.
///
/// # Errors
/// `Statement` when the table is another one; what the session returns.
pub async fn claim(session: &mut Session, lease: &Lease, table: &TableName, receipt: &Receipt) -> Result<()> {
    let ordinal = Value::Integer(i64::from(receipt.chunk.ordinal));
    let start = day(receipt.window.start());
    let sql =
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3";
    session
        .execute(sql, &[Value::Text(&lease.table), start, ordinal])
        .await?;
    put(session, lease, table, receipt, "loading").await
}

/// Writes a receipt in a state, where the table is the one that it names.
async fn put(
    session: &mut Session,
    lease: &Lease,
    table: &TableName,
    receipt: &Receipt,
    state: &'static str,
) -> Result<()> {
    let ordinal = Value::Integer(i64::from(receipt.chunk.ordinal));
    let start = day(receipt.window.start());
    let chunk = &receipt.chunk;
    let (load_id, run_id) = (chunk.load_id.to_be_bytes(), lease.run_id.to_be_bytes());
    let digest = chunk.tally.digest.to_bytes();
    let mut params = vec![
        Value::Text(&lease.table),
        start,
        day(receipt.window.end()),
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
    // NULL is written out: a parameter without a value has no type.
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

/// Sees to it that a target table is the one that it was when the work on it began.
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

/// That a target table is not the one that it was when the work on it began.
pub fn another_table(table: &TableName) -> Error {
    Error::new(
        ErrorKind::Statement,
        format!(
            "Target table {table} was dropped or replaced while it was worked on, and nothing more is loaded into it now; \
             run again to load what it lacks"
        ),
    )
}

/// Turns the claim into the proof, once the rows were read back and are equal.
pub async fn prove(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<()> {
    let sql = "UPDATE [sync].[receipt] SET [state] = N'verified' \
               WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3 AND [state] = N'loading'";
    let params = [
        Value::Text(&lease.table),
        day(window.start()),
        Value::Integer(i64::from(ordinal)),
    ];
    match session.execute(sql, &params).await? {
        1 => Ok(()),
        count => Err(Error::new(
            ErrorKind::Internal,
            format!(
                "The receipt of table {}, window {window}, chunk {ordinal} was found {count} times",
                lease.table
            ),
        )),
    }
}

/// The key ranges of the receipts of all windows that hold one of `dates`, or rows without one where `undated`, but
/// for a chunk that is being loaded.
pub async fn ranges(
    session: &mut Session,
    lease: &Lease,
    dates: &[NaiveDate],
    undated: bool,
) -> Result<Vec<(Window, u32, KeyRange)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM [sync].[receipt] WHERE [table_name] = @P1 AND [state] <> N'loading' \
         AND (([window_start] >= @P5 AND [window_start] <= @P2 AND [window_end] > @P3) OR [window_start] IN (@P4, @P6))"
    );
    // Where no row has a date, no window of dates is around this one.
    let nowhere = Window::ALL.start();
    let first = dates.iter().min().copied().unwrap_or(nowhere);
    let last = dates.iter().max().copied().unwrap_or(nowhere);
    let params = [
        Value::Text(&lease.table),
        day(last),
        day(first),
        day(Window::UNDATED.start()),
        // A window is within one month: it does not begin before the month of its days.
        day(first.with_day(1).unwrap_or(first)),
        day(Window::ALL.start()),
    ];
    let mut ranges = Vec::new();
    for row in session.rows(&sql, &params).await? {
        let Receipt { window, chunk, .. } = Receipt::from_row(&row)?;
        let concerned = match window.kind() {
            Kind::Dates => dates.iter().any(|date| window.has(*date)),
            Kind::Undated | Kind::All => undated,
        };
        if concerned {
            ranges.push((window, chunk.ordinal, chunk.range));
        }
    }
    Ok(ranges)
}

/// Marks a chunk's receipt as stale: rows of it moved to another chunk.
pub async fn mark_stale(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<u64> {
    let sql = "UPDATE [sync].[receipt] SET [state] = N'stale' \
               WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3";
    let params = [
        Value::Text(&lease.table),
        day(window.start()),
        Value::Integer(i64::from(ordinal)),
    ];
    session.execute(sql, &params).await
}

/// Marks chunks of a window as stale, so that this run or any later one loads them again.
///
/// # Errors
/// `Busy` when the lease was lost; what the session returns.
pub async fn mark_all_stale(
    session: &mut Session,
    lease: &Lease,
    window: Window,
    ordinals: &[u32],
) -> Result<()> {
    if ordinals.is_empty() {
        return Ok(());
    }
    session.begin().await?;
    fence(session, lease).await?;
    for ordinal in ordinals {
        mark_stale(session, lease, window, *ordinal).await?;
    }
    failpoint::step("stale: before COMMIT");
    session.commit().await?;
    failpoint::step("stale: after COMMIT");
    Ok(())
}

/// Cuts a window at `ordinal`, so that it is loaded again from there: the receipts behind it go, its own becomes stale. It
/// stays, because a window without any receipt is one that nobody would come back to; where the target has lost it, `lost` is
/// written in its place.
///
/// # Errors
/// `Busy` when the lease was lost; what the session returns.
pub async fn cut(
    session: &mut Session,
    lease: &Lease,
    window: Window,
    ordinal: u32,
    lost: Option<(&TableName, &Receipt)>,
) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    if mark_stale(session, lease, window, ordinal).await? == 0
        && let Some((table, lost)) = lost
    {
        put(session, lease, table, lost, "stale").await?;
    }
    delete_from(session, lease, window, i64::from(ordinal) + 1).await?;
    failpoint::step("cut: before COMMIT");
    session.commit().await?;
    failpoint::step("cut: after COMMIT");
    Ok(())
}

/// Drops the receipts of a window from `ordinal` on, of which those before do not need them.
///
/// # Errors
/// As [`cut`].
pub async fn drop_from(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    delete_from(session, lease, window, i64::from(ordinal)).await?;
    session.commit().await
}

async fn delete_from(session: &mut Session, lease: &Lease, window: Window, ordinal: i64) -> Result<()> {
    let sql =
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] >= @P3";
    let params = [
        Value::Text(&lease.table),
        day(window.start()),
        Value::Integer(ordinal),
    ];
    session.execute(sql, &params).await.map(|_| ())
}

/// The access path and fingerprint that a target table was loaded by, as [`put_plan`] wrote them.
///
/// # Errors
/// `State` when they are not as this version writes them; what the session returns.
pub async fn plan(session: &mut Session, table: &TableName) -> Result<Option<(AccessPath, Fingerprint)>> {
    let name = table.to_string();
    let sql = "SELECT [access_path], [fingerprint] FROM [sync].[plan] WHERE [table_name] = @P1";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let unreadable = || {
        Error::new(
            ErrorKind::State,
            format!("The plan of target table {name} in [sync].[plan] is not as this version writes it"),
        )
    };
    let access_path = AccessPath::named(row.text("access_path")?).ok_or_else(unreadable)?;
    let fingerprint =
        serde_json::from_str(row.text("fingerprint")?).map_err(|error| unreadable().with_source(error))?;
    Ok(Some((access_path, fingerprint)))
}

/// Writes the plan of a target table that has none.
pub async fn put_plan(
    session: &mut Session,
    table: &TableName,
    access_path: AccessPath,
    fingerprint: &Fingerprint,
) -> Result<()> {
    let name = table.to_string();
    let fingerprint = written(fingerprint)?;
    let sql = "INSERT INTO [sync].[plan] ([table_name], [access_path], [fingerprint], [planned_at]) \
               VALUES (@P1, @P2, @P3, SYSUTCDATETIME())";
    let params = [
        Value::Text(&name),
        Value::Text(access_path.as_str()),
        Value::Text(&fingerprint),
    ];
    session.execute(sql, &params).await.map(|_| ())
}

/// Writes over the fingerprint of a target table's plan, where parts of it were not known before or may change.
pub async fn renew_plan(session: &mut Session, table: &TableName, fingerprint: &Fingerprint) -> Result<()> {
    let name = table.to_string();
    let fingerprint = written(fingerprint)?;
    let sql = "UPDATE [sync].[plan] SET [fingerprint] = @P2 WHERE [table_name] = @P1";
    let params = [Value::Text(&name), Value::Text(&fingerprint)];
    session.execute(sql, &params).await.map(|_| ())
}

/// The part of a plan that tells how many rows left the table and could not be followed.
const UNFOLLOWED: &str = "rows not followed";

/// How many rows left a target table and could not be followed.
pub async fn unfollowed(session: &mut Session, table: &TableName) -> Result<u64> {
    let known = plan(session, table).await?;
    Ok(known.map_or(0, |(_, fingerprint)| count_of(&fingerprint)))
}

fn count_of(fingerprint: &Fingerprint) -> u64 {
    let part = fingerprint.iter().find(|(part, _)| part == UNFOLLOWED);
    part.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

/// Adds to that number, within the caller's transaction: the number is committed with the rows' leaving.
pub async fn add_unfollowed(session: &mut Session, table: &TableName, more: u64) -> Result<()> {
    let Some((_, mut fingerprint)) = plan(session, table).await? else {
        return Ok(());
    };
    let count = count_of(&fingerprint).saturating_add(more);
    fingerprint.retain(|(part, _)| part != UNFOLLOWED);
    fingerprint.push((UNFOLLOWED.to_owned(), count.to_string()));
    renew_plan(session, table, &fingerprint).await
}

/// Takes the number back: all of the table was compared with the source.
///
/// # Errors
/// `Busy` when the lease was lost; what the session returns.
pub async fn all_followed(session: &mut Session, lease: &Lease, table: &TableName) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    if let Some((_, mut fingerprint)) = plan(session, table).await? {
        fingerprint.retain(|(part, _)| part != UNFOLLOWED);
        renew_plan(session, table, &fingerprint).await?;
    }
    session.commit().await
}

fn written(fingerprint: &Fingerprint) -> Result<String> {
    serde_json::to_string(fingerprint).map_err(|error| {
        Error::new(ErrorKind::Internal, "A plan cannot be written as JSON").with_source(error)
    })
}

/// Drops the receipts and the plan of the lease's table, within the caller's transaction.
pub async fn drop_all(session: &mut Session, lease: &Lease) -> Result<()> {
    for sql in [
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1",
        "DELETE FROM [sync].[plan] WHERE [table_name] = @P1",
    ] {
        session.execute(sql, &[Value::Text(&lease.table)]).await?;
    }
    Ok(())
}

/// Makes the receipts of one table those of another, whose own go, within the caller's transaction.
pub async fn pass_on(session: &mut Session, from: &Lease, to: &Lease) -> Result<()> {
    let (from, to) = (Value::Text(&from.table), Value::Text(&to.table));
    let sql = "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1";
    session.execute(sql, &[to]).await?;
    let sql = "UPDATE [sync].[receipt] SET [table_name] = @P1 WHERE [table_name] = @P2";
    session.execute(sql, &[to, from]).await?;
    let sql = "DELETE FROM [sync].[plan] WHERE [table_name] = @P1";
    session.execute(sql, &[from]).await.map(|_| ())
}

/// Drops the receipts of a table, or of the windows that begin within `days` (the first, and the day after the
/// last), and with all of them the table's plan. Once it returns, the next run loads what they covered anew.
///
/// # Errors
/// `Busy` when the lease was lost; what the session returns.
pub async fn forget(
    session: &mut Session,
    lease: &Lease,
    days: Option<(NaiveDate, NaiveDate)>,
) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    let table = Value::Text(&lease.table);
    match days {
        Some((first, end)) => {
            let sql = "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] >= @P2 \
                       AND [window_start] < @P3";
            session.execute(sql, &[table, day(first), day(end)]).await?;
        }
        None => drop_all(session, lease).await?,
    }
    failpoint::step("forget: before COMMIT");
    session.commit().await?;
    failpoint::step("forget: after COMMIT");
    Ok(())
}

impl Receipt {
    fn from_row(row: &crate::mssql::Row) -> Result<Receipt> {
        let key = |column: &str| Ok(row.optional_bytes(column)?.map(|bytes| KeyBytes(bytes.to_vec())));
        let count = |column: &str| u64::try_from(row.integer(column)?).map_err(|_| unreadable());
        let digest: &[u8; 32] = row.bytes("digest")?.try_into().map_err(|_| unreadable())?;
        let state = match row.text("state")? {
            "verified" => ChunkState::Verified,
            "stale" => ChunkState::Stale,
            _ => return Err(unreadable()),
        };
        Ok(Receipt {
            window: Window::stored(row.date("window_start")?, row.date("window_end")?)?,
            chunk: Chunk {
                ordinal: u32::try_from(row.integer("ordinal")?).map_err(|_| unreadable())?,
                range: KeyRange {
                    after: key("key_after")?,
                    through: key("key_through")?,
                },
                state,
                tally: Tally {
                    row_count: count("row_count")?,
                    byte_count: count("byte_count")?,
                    digest: Digest::from_bytes(digest),
                },
                attempts: 1,
                error: None,
                load_id: id_of(row.bytes("load_id")?)?,
            },
            incarnation: Incarnation {
                object_id: i32::try_from(row.integer("target_object_id")?).map_err(|_| unreadable())?,
                created: row.text("target_created")?.to_owned(),
            },
        })
    }
}

fn id_of(bytes: &[u8]) -> Result<u128> {
    Ok(u128::from_be_bytes(bytes.try_into().map_err(|_| unreadable())?))
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::State,
        "A receipt in [sync].[receipt] is not as this version writes it; it was changed by hand or by another version",
    )
}
