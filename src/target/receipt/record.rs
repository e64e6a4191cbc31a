//! A receipt as a row of `[sync].[receipt]`, and reads of receipts.

use std::collections::BTreeMap;

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use crate::model::row::{Digest, Tally, Value};
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::mssql::{Row, Session};
use crate::tsql::predicate::day;

/// The columns of a receipt that [`Receipt::from_row`] reads.
pub(super) const COLUMNS: &str = "[window_start], [window_end], [ordinal], [state], [load_id], [key_after], [key_through], \
                       [row_count], [byte_count], [digest], [target_object_id], [target_created]";

/// The most receipts that one statement reads, which bounds the memory for its rows; a window may have more.
const RECEIPTS_MAX: u64 = 10_000;

/// The most windows whose receipts one statement reads: each is a parameter, and SQL Server takes 2100.
const WINDOWS_MAX: usize = 1_000;

/// The identity of a target table: a different `object_id` or `create_date` means that the table was recreated.
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
    /// The window of the chunk.
    pub window: Window,
    /// The chunk, `Verified` or `Stale`.
    pub chunk: Chunk,
    /// The table that its rows went into.
    pub incarnation: Incarnation,
}

/// The windows of a target table that have receipts, by date.
///
/// # Errors
/// `State` if a receipt is not as this version writes it; those of [`Session::rows`]. So for every read of receipts.
pub async fn windows(session: &mut Session, table: &TableName) -> Result<Vec<Window>> {
    let name = table.exact();
    let sql = "SELECT DISTINCT [window_start], [window_end] FROM [sync].[receipt] WHERE [table_name] = @P1 \
               ORDER BY [window_start]";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    rows.iter()
        .map(|row| Window::from_stored(row.date("window_start")?, row.date("window_end")?))
        .collect()
}

/// The receipts of a window, by ordinal.
pub async fn read(session: &mut Session, table: &TableName, window: Window) -> Result<Vec<Receipt>> {
    let name = table.exact();
    let sql = format!(
        "SELECT {COLUMNS} FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2 ORDER BY [ordinal]"
    );
    let params = [Value::Text(&name), day(window.stored_start())];
    let rows = session.rows(&sql, &params).await?;
    rows.iter().map(Receipt::from_row).collect()
}

/// The receipts of windows that have these numbers of them, by window, and by ordinal in each. One statement
/// reads those of many windows.
pub async fn read_windows(
    session: &mut Session,
    table: &TableName,
    windows: &[(Window, u64)],
) -> Result<BTreeMap<Window, Vec<Receipt>>> {
    let name = table.exact();
    let mut found: BTreeMap<Window, Vec<Receipt>> = BTreeMap::new();
    for group in together(windows) {
        let starts: Vec<String> = (0..group.len()).map(|n| format!("@P{}", n + 2)).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] IN ({}) \
             ORDER BY [window_start], [ordinal]",
            starts.join(", ")
        );
        let starts = group.iter().map(|window| day(window.stored_start()));
        let params: Vec<Value<'_>> = std::iter::once(Value::Text(&name)).chain(starts).collect();
        for row in session.rows(&sql, &params).await? {
            let receipt = Receipt::from_row(&row)?;
            found.entry(receipt.window).or_default().push(receipt);
        }
    }
    Ok(found)
}

/// Windows, each with the number of its receipts, in groups whose receipts are read at once.
fn together(windows: &[(Window, u64)]) -> Vec<Vec<Window>> {
    let mut groups: Vec<Vec<Window>> = Vec::new();
    let mut receipts = 0_u64;
    for (window, count) in windows {
        receipts = receipts.saturating_add(*count);
        match groups.last_mut() {
            Some(group) if receipts <= RECEIPTS_MAX && group.len() < WINDOWS_MAX => group.push(*window),
            _ => {
                groups.push(vec![*window]);
                receipts = *count;
            }
        }
    }
    groups
}

impl Receipt {
    pub(super) fn from_row(row: &Row) -> Result<Receipt> {
        let key = |column: &str| Ok(row.optional_bytes(column)?.map(|bytes| KeyBytes(bytes.to_vec())));
        let count = |column: &str| u64::try_from(row.integer(column)?).map_err(|_| unreadable());
        let digest: &[u8; 32] = row.bytes("digest")?.try_into().map_err(|_| unreadable())?;
        let state = match row.text("state")? {
            "verified" => ChunkState::Verified,
            "stale" => ChunkState::Stale,
            _ => return Err(unreadable()),
        };
        Ok(Receipt {
            window: Window::from_stored(row.date("window_start")?, row.date("window_end")?)?,
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

pub(in crate::target) fn id_of(bytes: &[u8]) -> Result<u128> {
    Ok(u128::from_be_bytes(bytes.try_into().map_err(|_| unreadable())?))
}

pub(super) fn unreadable() -> Error {
    Error::new(
        ErrorKind::State,
        "A receipt in [sync].[receipt] is not as this version writes it; it was changed by hand or by another version",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_together_as_long_as_they_have_few_receipts() {
        let windows = [4_000, 6_000, 1, 20_000, 1].map(|receipts| (Window::Undated, receipts));
        let sizes: Vec<usize> = together(&windows).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        let many = vec![windows[2]; WINDOWS_MAX + 1];
        let sizes: Vec<usize> = together(&many).iter().map(Vec::len).collect();
        assert_eq!(sizes, [WINDOWS_MAX, 1]);
        assert!(together(&[]).is_empty());
    }
}
