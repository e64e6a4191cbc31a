//! Receipts, leases and plans in the target: the truth about what was loaded, in the same database as the rows.
//!
//! A receipt is committed in the transaction that commits its chunk's rows, so that there is never one without
//! the other. A lease says which run may write a table: taking it raises its epoch, and every load transaction
//! begins by writing the lease's row under its own epoch, so that a run that lost the lease commits nothing
//! more, and a second session of the same run waits there for the outcome of the first.

use chrono::NaiveDate;

use crate::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use crate::error::{Error, ErrorKind, Result};
use crate::mssql::Session;
use crate::predicate::day;
use crate::row::{Digest, Tally, Value};
use crate::table::TableName;
use crate::window::Window;

/// How long one try for a table's applock waits at the server.
const APPLOCK_TRY_MS: i64 = 1_000;

/// Tries for a table's applock: a server keeps a dead session's locks for a while after a power cut, until it
/// notices that nobody is there.
const APPLOCK_TRIES: u32 = 60;

/// The columns of a receipt, in the order [`Receipt::from_row`] reads them.
const COLUMNS: &str = "[window_start], [window_end], [ordinal], [state], [load_id], [key_after], [key_through], \
                       [row_count], [byte_count], [digest], [target_object_id], [target_created]";

/// Who is writing: named in the lease, so that another run can say who holds it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The run.
    pub run_id: u128,
    /// The machine.
    pub host: String,
    /// The process.
    pub process_id: u32,
}

/// The right to write a target table, as long as its epoch is the newest.
#[derive(Debug, Clone)]
pub struct Lease {
    table: String,
    epoch: i64,
    run_id: u128,
}

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

/// Takes the lease of a target table for a run: waits up to a minute for another session to let go of it.
/// The applock lives as long as `session`; the epoch outlives it.
///
/// # Errors
/// `Busy`, naming the holder, when another run keeps it.
pub async fn take_lease(session: &mut Session, table: &TableName, holder: &Holder) -> Result<Lease> {
    let name = table.to_string();
    let mut taken = false;
    for _ in 0..APPLOCK_TRIES {
        if applock(session, &format!("sync:{name}")).await? {
            taken = true;
            break;
        }
    }
    if !taken {
        return Err(held_by_another(session, &name).await);
    }
    let run_id = holder.run_id.to_be_bytes();
    let params = [
        Value::Text(&name),
        Value::Bytes(&run_id),
        Value::Text(&holder.host),
        Value::Integer(i64::from(holder.process_id)),
    ];
    let sql = "UPDATE [sync].[lease] SET [epoch] = [epoch] + 1, [run_id] = CAST(@P2 AS binary(16)), [host] = @P3, \
               [process_id] = @P4, [renewed_at] = SYSUTCDATETIME() WHERE [table_name] = @P1";
    if session.execute(sql, &params).await? == 0 {
        let sql = "INSERT INTO [sync].[lease] ([table_name], [epoch], [run_id], [host], [process_id], [renewed_at]) \
                   VALUES (@P1, 1, CAST(@P2 AS binary(16)), @P3, @P4, SYSUTCDATETIME())";
        session.execute(sql, &params).await?;
    }
    let rows = session
        .rows(
            "SELECT [epoch] FROM [sync].[lease] WHERE [table_name] = @P1",
            &params[..1],
        )
        .await?;
    let epoch = rows.first().ok_or_else(|| lost(&name))?.integer(0)?;
    Ok(Lease {
        table: name,
        epoch,
        run_id: holder.run_id,
    })
}

/// Lets go of the applock that [`take_lease`] took, so that the session can be used for another table.
pub async fn release(session: &mut Session, lease: &Lease) -> Result<()> {
    release_applock(session, &format!("sync:{}", lease.table)).await
}

/// Lets go of a session-owned applock.
pub async fn release_applock(session: &mut Session, resource: &str) -> Result<()> {
    let sql =
        "DECLARE @r int; EXEC @r = sp_releaseapplock @Resource = @P1, @LockOwner = N'Session'; SELECT @r";
    session.rows(sql, &[Value::Text(resource)]).await.map(|_| ())
}

/// Asks once for a session-owned exclusive applock.
pub async fn applock(session: &mut Session, resource: &str) -> Result<bool> {
    let sql = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = @P1, @LockMode = N'Exclusive', \
               @LockOwner = N'Session', @LockTimeout = @P2; SELECT @r";
    let rows = session
        .rows(sql, &[Value::Text(resource), Value::Integer(APPLOCK_TRY_MS)])
        .await?;
    let granted = rows.first().map(|row| row.integer(0)).transpose()?;
    Ok(granted.is_some_and(|code| code >= 0))
}

async fn held_by_another(session: &mut Session, name: &str) -> Error {
    let sql = "SELECT [host], [process_id] FROM [sync].[lease] WHERE [table_name] = @P1";
    let holder = match session.rows(sql, &[Value::Text(name)]).await {
        Ok(rows) => rows
            .first()
            .and_then(|row| Some((row.text(0).ok()?.to_owned(), row.integer(1).ok()?))),
        Err(_) => None,
    };
    let who = holder.map_or_else(String::new, |(host, pid)| format!(" (process {pid} on {host})"));
    Error::new(
        ErrorKind::Busy,
        format!(
            "Another run{who} is loading target table {name}; wait for it to end, or stop it, then run again"
        ),
    )
}

fn lost(table: &str) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("Another run has taken over target table {table}; this run commits nothing more to it"),
    )
}

/// Writes the lease's row inside a load's transaction: waits for any other load of the table, and proves that the
/// lease is still this run's.
///
/// # Errors
/// `Busy` when another run has taken the lease.
pub async fn fence(session: &mut Session, lease: &Lease) -> Result<()> {
    let sql = "UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME() \
               WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16))";
    let run_id = lease.run_id.to_be_bytes();
    let params = [
        Value::Text(&lease.table),
        Value::Integer(lease.epoch),
        Value::Bytes(&run_id),
    ];
    match session.execute(sql, &params).await? {
        1 => Ok(()),
        _ => Err(lost(&lease.table)),
    }
}

/// All receipts of a target table, by window and ordinal.
pub async fn read_all(session: &mut Session, table: &TableName) -> Result<Vec<Receipt>> {
    let name = table.to_string();
    let sql = format!(
        "SELECT {COLUMNS} FROM [sync].[receipt] WHERE [table_name] = @P1 ORDER BY [window_start], [ordinal]"
    );
    let rows = session.rows(&sql, &[Value::Text(&name)]).await?;
    rows.iter().map(Receipt::from_row).collect()
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
    rows.first().map(|row| row.bytes(0).and_then(id_of)).transpose()
}

/// Claims a chunk: its receipt, in state `loading` until [`prove`] within the same transaction. An older receipt
/// of the chunk goes.
pub async fn claim(session: &mut Session, lease: &Lease, receipt: &Receipt) -> Result<()> {
    let ordinal = Value::Integer(i64::from(receipt.chunk.ordinal));
    let start = day(receipt.window.start());
    let sql =
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3";
    session
        .execute(sql, &[Value::Text(&lease.table), start, ordinal])
        .await?;
    let chunk = &receipt.chunk;
    let key = |key: &Option<KeyBytes>| key.clone().map(|key| key.0);
    let (after, through) = (key(&chunk.range.after), key(&chunk.range.through));
    let (load_id, run_id) = (chunk.load_id.to_be_bytes(), lease.run_id.to_be_bytes());
    let digest = chunk.tally.digest.to_bytes();
    let params = [
        Value::Text(&lease.table),
        start,
        day(receipt.window.end()),
        ordinal,
        Value::Bytes(&load_id),
        Value::Bytes(&run_id),
        Value::Integer(lease.epoch),
        after.as_deref().map_or(Value::Null, Value::Bytes),
        through.as_deref().map_or(Value::Null, Value::Bytes),
        Value::Integer(chunk.tally.row_count.cast_signed()),
        Value::Integer(chunk.tally.byte_count.cast_signed()),
        Value::Bytes(&digest),
        Value::Integer(i64::from(receipt.incarnation.object_id)),
        Value::Text(&receipt.incarnation.created),
    ];
    let sql = "INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], \
               [run_id], [epoch], [key_after], [key_through], [row_count], [byte_count], [digest], [target_object_id], \
               [target_created], [loaded_at]) VALUES (@P1, @P2, @P3, @P4, N'loading', CAST(@P5 AS binary(16)), \
               CAST(@P6 AS binary(16)), @P7, CAST(@P8 AS varbinary(max)), CAST(@P9 AS varbinary(max)), @P10, @P11, \
               CAST(@P12 AS binary(32)), @P13, @P14, SYSUTCDATETIME())";
    session.execute(sql, &params).await?;
    Ok(())
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

/// Marks the receipts of the windows that hold `date` as stale, but for the window `except`: rows of theirs moved.
pub async fn mark_stale(
    session: &mut Session,
    lease: &Lease,
    date: NaiveDate,
    except: Window,
) -> Result<u64> {
    let sql = "UPDATE [sync].[receipt] SET [state] = N'stale' WHERE [table_name] = @P1 AND [window_start] <= @P2 \
               AND [window_end] > @P2 AND [window_start] <> @P3";
    session
        .execute(sql, &[Value::Text(&lease.table), day(date), day(except.start())])
        .await
}

/// Drops the receipts of a window from `ordinal` on, so that the window is loaded again from there.
pub async fn cut(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    let sql =
        "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] >= @P3";
    session
        .execute(
            sql,
            &[
                Value::Text(&lease.table),
                day(window.start()),
                Value::Integer(i64::from(ordinal)),
            ],
        )
        .await?;
    session.commit().await
}

/// The plan that a target table was loaded by, as [`put_plan`] wrote it.
pub async fn plan(session: &mut Session, table: &TableName) -> Result<Option<Vec<(String, String)>>> {
    let name = table.to_string();
    let sql = "SELECT [fingerprint] FROM [sync].[plan] WHERE [table_name] = @P1";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    serde_json::from_str(row.text(0)?).map(Some).map_err(|error| {
        Error::new(
            ErrorKind::State,
            format!("The plan of target table {name} in [sync].[plan] cannot be read"),
        )
        .with_source(error)
    })
}

/// Writes the plan of a target table, once.
pub async fn put_plan(
    session: &mut Session,
    table: &TableName,
    access_path: &str,
    fingerprint: &[(String, String)],
) -> Result<()> {
    let name = table.to_string();
    let fingerprint = serde_json::to_string(fingerprint).map_err(|error| {
        Error::new(ErrorKind::Internal, "A plan cannot be written as JSON").with_source(error)
    })?;
    let sql = "INSERT INTO [sync].[plan] ([table_name], [access_path], [fingerprint], [planned_at]) \
               VALUES (@P1, @P2, @P3, SYSUTCDATETIME())";
    session
        .execute(
            sql,
            &[
                Value::Text(&name),
                Value::Text(access_path),
                Value::Text(&fingerprint),
            ],
        )
        .await?;
    Ok(())
}

impl Receipt {
    fn from_row(row: &crate::mssql::Row) -> Result<Receipt> {
        let key = |column: usize| Ok(row.optional_bytes(column)?.map(|bytes| KeyBytes(bytes.to_vec())));
        let count = |column: usize| u64::try_from(row.integer(column)?).map_err(|_| unreadable());
        let digest: &[u8; 32] = row.bytes(9)?.try_into().map_err(|_| unreadable())?;
        let state = match row.text(3)? {
            "verified" => ChunkState::Verified,
            "stale" => ChunkState::Stale,
            _ => return Err(unreadable()),
        };
        Ok(Receipt {
            window: Window::new(row.date(0)?, row.date(1)?)?,
            chunk: Chunk {
                ordinal: u32::try_from(row.integer(2)?).map_err(|_| unreadable())?,
                range: KeyRange {
                    after: key(5)?,
                    through: key(6)?,
                },
                state,
                tally: Tally {
                    row_count: count(7)?,
                    byte_count: count(8)?,
                    digest: Digest::from_bytes(digest),
                },
                attempts: 1,
                error: None,
                load_id: id_of(row.bytes(4)?)?,
            },
            incarnation: Incarnation {
                object_id: i32::try_from(row.integer(10)?).map_err(|_| unreadable())?,
                created: row.text(11)?.to_owned(),
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
