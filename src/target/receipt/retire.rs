//! Receipts that no longer hold: stale ones, and those that are dropped or passed on.

use chrono::{Datelike, NaiveDate};

use super::record::{COLUMNS, Receipt, seal};
use super::write::write;
use crate::base::error::Result;
use crate::base::failpoint;
use crate::model::chunk::Chunk;
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::lease::{Lease, fence};
use crate::tsql::predicate::day;

/// The chunks of every window that holds one of `dates`, and with `undated` of the windows of rows without a date, by their
/// receipts.
///
/// # Errors
/// `State` if a receipt is not as this version writes it; those of [`Session::many_rows`].
pub async fn of_days(
    session: &mut Session,
    lease: &Lease,
    dates: &[NaiveDate],
    undated: bool,
) -> Result<Vec<(Window, Chunk)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM [sync].[receipt] WHERE [table_name] = @P1 \
         AND (([window_start] >= @P5 AND [window_start] <= @P2 AND [window_end] > @P3) OR [window_start] IN (@P4, @P6))"
    );
    // If no row has a date, the start of `ALL` stands in: no window of dates holds it.
    let nowhere = Window::All.stored_start();
    let first = dates.iter().min().copied().unwrap_or(nowhere);
    let last = dates.iter().max().copied().unwrap_or(nowhere);
    let params = [
        Value::Text(&lease.table),
        day(last),
        day(first),
        day(Window::Undated.stored_start()),
        // A window lies within one month, so it does not begin before the first day of that month.
        day(first.with_day(1).unwrap_or(first)),
        day(Window::All.stored_start()),
    ];
    let mut chunks = Vec::new();
    for row in session.many_rows(&sql, &params).await? {
        let Receipt { window, chunk, .. } = Receipt::from_row(&row, None)?;
        let concerned = match window {
            Window::Dates(_) => dates.iter().any(|date| window.has(*date)),
            Window::Undated | Window::All => undated,
        };
        if concerned {
            chunks.push((window, chunk));
        }
    }
    Ok(chunks)
}

/// Marks a chunk's receipt as stale, because rows of it moved to another chunk. Returns the number of
/// receipts: 0 or 1.
///
/// # Errors
/// Those of [`Session::execute`].
pub async fn mark_stale(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<u64> {
    let sql = "UPDATE [sync].[receipt] SET [state] = N'stale', [seal] = NULL \
               WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3";
    let params = [
        Value::Text(&lease.table),
        day(window.stored_start()),
        Value::Integer(i64::from(ordinal)),
    ];
    session.execute(sql, &params).await
}

/// Marks chunks of a window as stale, so that this run or a later one reloads them.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
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

/// Seals receipts that were made without the key and are known to be true.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
pub async fn put_seals(session: &mut Session, lease: &Lease, receipts: &[Receipt]) -> Result<()> {
    let Some(key) = session.receipt_key().cloned().filter(|_| !receipts.is_empty()) else {
        return Ok(());
    };
    session.begin().await?;
    fence(session, lease).await?;
    for receipt in receipts {
        let (load_id, seal) = (receipt.chunk.load_id.to_be_bytes(), seal(&key, receipt));
        let params = [
            Value::Text(&lease.table),
            day(receipt.window.stored_start()),
            Value::Integer(i64::from(receipt.chunk.ordinal)),
            Value::Bytes(&load_id),
            Value::Bytes(&seal),
        ];
        let sql = "UPDATE [sync].[receipt] SET [seal] = CAST(@P5 AS binary(32)) WHERE [table_name] = @P1 \
                   AND [window_start] = @P2 AND [ordinal] = @P3 AND [load_id] = CAST(@P4 AS binary(16)) \
                   AND [state] = N'verified'";
        session.execute(sql, &params).await?;
    }
    failpoint::step("seals: before COMMIT");
    session.commit().await?;
    failpoint::step("seals: after COMMIT");
    Ok(())
}

/// Cuts a window at `ordinal`, so that it is reloaded from there: the receipt of `ordinal` becomes stale, and
/// those after it are deleted.
///
/// The stale receipt stays, because no run would return to a window without receipts.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
pub async fn cut(session: &mut Session, lease: &Lease, window: Window, ordinal: u32) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    mark_stale(session, lease, window, ordinal).await?;
    delete_from(session, lease, window, i64::from(ordinal) + 1).await?;
    failpoint::step("cut: before COMMIT");
    session.commit().await?;
    failpoint::step("cut: after COMMIT");
    Ok(())
}

/// Splits a chunk in two, whose receipts are stale and take the place of its own. The receipts behind it take the next
/// ordinal. A second call for the same `parts` changes nothing.
///
/// # Errors
/// As [`cut`], and those of [`write()`].
pub async fn split(
    session: &mut Session,
    lease: &Lease,
    table: &TableName,
    parts: &[Receipt; 2],
) -> Result<()> {
    let [first, rest] = parts;
    session.begin().await?;
    fence(session, lease).await?;
    let load_id = rest.chunk.load_id.to_be_bytes();
    let place = [
        Value::Text(&lease.table),
        day(first.window.stored_start()),
        Value::Integer(i64::from(first.chunk.ordinal)),
        Value::Bytes(&load_id),
    ];
    let of_window = "[table_name] = @P1 AND [window_start] = @P2";
    // An answer to an earlier COMMIT may have been lost.
    let done = format!(
        "SELECT 1 FROM [sync].[receipt] WHERE {of_window} AND [ordinal] > @P3 AND [load_id] = CAST(@P4 AS binary(16))"
    );
    if !session.rows(&done, &place).await?.is_empty() {
        return session.rollback().await;
    }
    // By way of negative numbers, so that no ordinal is there twice, in whatever order a server takes the rows.
    for (new, which) in [("-1 - [ordinal]", "> @P3"), ("-[ordinal]", "< 0")] {
        let sql =
            format!("UPDATE [sync].[receipt] SET [ordinal] = {new} WHERE {of_window} AND [ordinal] {which}");
        session
            .execute(&sql, if which == "< 0" { &place[..2] } else { &place[..3] })
            .await?;
    }
    write(session, lease, table, first, true).await?;
    write(session, lease, table, rest, true).await?;
    failpoint::step("split: before COMMIT");
    session.commit().await?;
    failpoint::step("split: after COMMIT");
    Ok(())
}

/// Drops the receipts of a window from `ordinal` on; the ones before it remain valid.
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
        day(window.stored_start()),
        Value::Integer(ordinal),
    ];
    session.execute(sql, &params).await.map(|_| ())
}

/// Drops the receipts and the plan of a table, named as receipts name it, within the caller's transaction. Returns the
/// number of receipts.
///
/// # Errors
/// Those of [`Session::execute`].
pub async fn drop_all(session: &mut Session, table: &str) -> Result<u64> {
    let sql = "DELETE FROM [sync].[plan] WHERE [table_name] = @P1";
    session.execute(sql, &[Value::Text(table)]).await?;
    let sql = "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1";
    session.execute(sql, &[Value::Text(table)]).await
}

/// Drops a table with its receipts and its plan: a shadow table that an earlier load left. `lease` is its own,
/// or that of the table that it stands beside.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
pub async fn drop_with_table(session: &mut Session, lease: &Lease, table: &TableName) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    drop_table(session, table).await?;
    session.commit().await
}

/// The same within the caller's transaction, which has the lease's row.
///
/// # Errors
/// Those of [`Session::execute`].
pub async fn drop_table(session: &mut Session, table: &TableName) -> Result<()> {
    session
        .batch(&format!("DROP TABLE IF EXISTS {}", table.quoted()))
        .await?;
    drop_all(session, &table.exact()).await.map(|_| ())
}

/// Passes the receipts of one table on to another, whose own are dropped, within the caller's transaction.
///
/// # Errors
/// Those of [`Session::execute`].
pub async fn pass_on(session: &mut Session, from: &Lease, to: &Lease) -> Result<()> {
    let (from, to) = (Value::Text(&from.table), Value::Text(&to.table));
    let sql = "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1";
    session.execute(sql, &[to]).await?;
    let sql = "UPDATE [sync].[receipt] SET [table_name] = @P1 WHERE [table_name] = @P2";
    session.execute(sql, &[to, from]).await?;
    let sql = "DELETE FROM [sync].[plan] WHERE [table_name] = @P1";
    session.execute(sql, &[from]).await.map(|_| ())
}

/// Drops the receipts and the plan of a table; with `days` (the first, and the day after the last) only the
/// receipts of windows that begin within them. The next run reloads those windows. Returns the number of receipts.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
pub async fn forget(
    session: &mut Session,
    lease: &Lease,
    days: Option<(NaiveDate, NaiveDate)>,
) -> Result<u64> {
    session.begin().await?;
    fence(session, lease).await?;
    let table = Value::Text(&lease.table);
    let dropped = match days {
        Some((first, end)) => {
            let sql = "DELETE FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] >= @P2 \
                       AND [window_start] < @P3";
            session.execute(sql, &[table, day(first), day(end)]).await?
        }
        None => drop_all(session, &lease.table).await?,
    };
    failpoint::step("forget: before COMMIT");
    session.commit().await?;
    failpoint::step("forget: after COMMIT");
    Ok(dropped)
}
