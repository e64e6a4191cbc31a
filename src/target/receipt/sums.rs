//! Sums over a window's receipts, by which a store and a target are compared without reading a receipt.

use std::collections::BTreeMap;

use super::record::{Incarnation, refuse_overlaps, unreadable, window_of};
use crate::base::error::Result;
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::mssql::Session;

/// Sums over a window's receipts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Receipts of any state.
    pub chunks: u64,
    /// Verified receipts.
    pub verified: u64,
    /// Receipts whose rows went into the table that now bears the name.
    pub here: u64,
    /// Rows of all receipts.
    pub rows: u64,
    /// Canonical bytes of all receipts.
    pub bytes: u64,
    /// Sum of [`crate::checkpoint::mark`] over all receipts.
    pub marks: i64,
}

/// Sums over the receipts of each window of a target table. The server returns one row a window, however many
/// receipts there are.
///
/// # Errors
/// `State` if a receipt is not as this version writes it; those of [`Session::many_rows`].
pub async fn sums(
    session: &mut Session,
    table: &TableName,
    incarnation: &Incarnation,
) -> Result<BTreeMap<Window, Sums>> {
    let name = table.exact();
    let sql = "SELECT [window_start], [window_end], COUNT_BIG(*) AS [chunks], \
               SUM(CASE WHEN [state] = N'verified' THEN 1 ELSE 0 END) AS [verified], \
               SUM(CASE WHEN [target_object_id] = @P2 AND [target_created] = @P3 THEN 1 ELSE 0 END) AS [here], \
               SUM([row_count]) AS [rows], SUM([byte_count]) AS [bytes], \
               SUM(CAST(CAST(SUBSTRING([load_id], 1, 4) AS int) AS bigint) \
               + CAST(CAST(SUBSTRING([digest], 1, 4) AS int) AS bigint)) AS [marks] \
               FROM [sync].[receipt] WHERE [table_name] = @P1 GROUP BY [window_start], [window_end]";
    let params = [
        Value::Text(&name),
        Value::Integer(i64::from(incarnation.object_id)),
        Value::Text(&incarnation.created),
    ];
    let mut sums = BTreeMap::new();
    for row in session.many_rows(sql, &params).await? {
        let count = |column: &str| u64::try_from(row.integer(column)?).map_err(|_| unreadable());
        sums.insert(
            window_of(&row)?,
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
    refuse_overlaps(table, &sums.keys().copied().collect::<Vec<_>>())?;
    Ok(sums)
}
