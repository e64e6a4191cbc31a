//! A receipt as a row of `[sync].[receipt]`, and reads of receipts.

use std::collections::BTreeMap;

use chrono::Datelike;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::secret::Secret;
use crate::model::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use crate::model::row::{Digest, Tally, Value};
use crate::model::table::{TableName, TableSchema};
use crate::model::window::Window;
use crate::mssql::{Row, Session};
use crate::tsql::predicate::day;

/// The columns of a receipt that [`Receipt::from_row`] reads.
pub(super) const COLUMNS: &str = "[window_start], [window_end], [ordinal], [state], [load_id], [epoch], [key_after], \
                       [key_through], [row_count], [byte_count], [digest], [target_object_id], \
                       [target_created]";

/// The server's error for a column that a table does not have.
const NO_COLUMN: u32 = 207;

/// The most receipts that one statement reads, which bounds the memory for its rows; a window may have more.
const RECEIPTS_MAX: u64 = 10_000;

/// The most windows whose receipts one statement reads: each is a parameter, and SQL Server takes 2100.
const WINDOWS_MAX: usize = 1_000;

/// The purpose of `receipt_key`, for its derivation.
const CONTEXT: &str = "mssql-sync 2026-11 the seal of a receipt";

/// The identity of a target table: a different `object_id` or `create_date` means that the table was recreated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// `sys.tables.object_id`.
    pub object_id: i32,
    /// `sys.tables.create_date`, to the millisecond.
    pub created: String,
}

impl Incarnation {
    /// That of a table as the catalog has it.
    pub fn of(schema: &TableSchema) -> Incarnation {
        Incarnation {
            object_id: schema.object_id,
            created: schema.create_date.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        }
    }
}

/// A chunk as the target proves it.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The window of the chunk.
    pub window: Window,
    /// The chunk, `Verified` or `Stale`.
    pub chunk: Chunk,
    /// The epoch of the lease under which it was written.
    pub epoch: i64,
    /// The table that its rows went into.
    pub incarnation: Incarnation,
    /// What its seal says.
    pub seal: Seal,
}

/// What the seal of a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Nothing: there is no key to check it by, or the receipt is stale.
    Unasked,
    /// The receipt was made with this key, and is as it was made.
    Fits,
    /// There is none: the receipt was made without a key.
    Missing,
    /// It was made with another key, or the receipt was changed by hand.
    Wrong,
}

/// Refuses a key that fits none of a table's seals: it is mistyped more likely than all receipts are forged, and to
/// believe none of them would load all of the table again, on each machine in turn.
///
/// # Errors
/// `Preflight`.
pub fn refuse_other_key(table: &TableName, seals: impl IntoIterator<Item = Seal>) -> Result<()> {
    let seals: Vec<Seal> = seals.into_iter().collect();
    if seals.contains(&Seal::Fits) || !seals.contains(&Seal::Wrong) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!(
            "The seals of {table} are of another receipt_key; give the one that its loads were made with, or, if it is lost, run \
             `sync forget` for the table and load it anew"
        ),
    ))
}

/// The windows of a target table that have receipts, by date.
///
/// # Errors
/// `State` if a receipt is not as this version writes it; those of [`Session::many_rows`]. So for every read of receipts.
pub async fn windows(session: &mut Session, table: &TableName) -> Result<Vec<Window>> {
    let name = table.exact();
    let sql = "SELECT DISTINCT [window_start], [window_end] FROM [sync].[receipt] WHERE [table_name] = @P1 \
               ORDER BY [window_start]";
    let rows = session.many_rows(sql, &[Value::Text(&name)]).await?;
    let windows = rows.iter().map(window_of);
    let windows: Vec<Window> = windows.collect::<Result<_>>()?;
    refuse_overlaps(table, &windows)?;
    Ok(windows)
}

/// Refuses windows of which two share days, by their starts: no run makes such receipts, and they would displace each
/// other's rows for ever.
pub(super) fn refuse_overlaps(table: &TableName, windows: &[Window]) -> Result<()> {
    match windows.windows(2).find(|pair| pair[0].overlaps(pair[1])) {
        None => Ok(()),
        Some(pair) => Err(Error::new(
            ErrorKind::State,
            format!(
                "The receipts of {table} in [sync].[receipt] have the windows {} and {}, which overlap, so somebody changed \
                 them by hand; put them back from a backup, or run `sync forget` for the month and then load it again",
                pair[0], pair[1]
            ),
        )),
    }
}

/// The receipts of a window, by ordinal.
pub async fn read(session: &mut Session, table: &TableName, window: Window) -> Result<Vec<Receipt>> {
    let name = table.exact();
    let params = [Value::Text(&name), day(window.stored_start())];
    select(session, "[window_start] = @P2 ORDER BY [ordinal]", &params).await
}

/// The receipts of the table `@P1` that `which` selects and orders. Seals are read if there is a key to check them by.
async fn select(session: &mut Session, which: &str, params: &[Value<'_>]) -> Result<Vec<Receipt>> {
    let seal = session.receipt_key().map_or("", |_| ", [seal]");
    let sql = format!("SELECT {COLUMNS}{seal} FROM [sync].[receipt] WHERE [table_name] = @P1 AND {which}");
    let rows = session.many_rows(&sql, params).await.map_err(|error| match error.number() {
        Some(NO_COLUMN) => Error::new(
            ErrorKind::Preflight,
            "The target's receipts have no seals yet, which receipt_key asks for; run `sync migrate`, then this command again",
        )
        .with_source(error),
        _ => error,
    })?;
    let receipts = rows
        .iter()
        .map(|row| Receipt::from_row(row, session.receipt_key()));
    receipts.collect()
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
        let which = format!(
            "[window_start] IN ({}) ORDER BY [window_start], [ordinal]",
            starts.join(", ")
        );
        let starts = group.iter().map(|window| day(window.stored_start()));
        let params: Vec<Value<'_>> = std::iter::once(Value::Text(&name)).chain(starts).collect();
        for receipt in select(session, &which, &params).await? {
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
    /// A receipt as it is read. If there is a key, one that lacks its seal is stale, whatever it says.
    pub(super) fn from_row(row: &Row, key: Option<&Secret>) -> Result<Receipt> {
        let end = |column: &str| Ok(row.optional_bytes(column)?.map(|bytes| KeyBytes(bytes.to_vec())));
        let count = |column: &str| u64::try_from(row.integer(column)?).map_err(|_| unreadable());
        let digest: &[u8; 32] = row.bytes("digest")?.try_into().map_err(|_| unreadable())?;
        let state = match row.text("state")? {
            "verified" => ChunkState::Verified,
            "stale" => ChunkState::Stale,
            _ => return Err(unreadable()),
        };
        let mut receipt = Receipt {
            window: window_of(row)?,
            chunk: Chunk {
                ordinal: u32::try_from(row.integer("ordinal")?).map_err(|_| unreadable())?,
                range: KeyRange {
                    after: end("key_after")?,
                    through: end("key_through")?,
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
            epoch: row.integer("epoch")?,
            incarnation: Incarnation {
                object_id: i32::try_from(row.integer("target_object_id")?).map_err(|_| unreadable())?,
                created: row.text("target_created")?.to_owned(),
            },
            seal: Seal::Unasked,
        };
        if let (Some(key), ChunkState::Verified) = (key, state) {
            receipt.seal = match row.optional_bytes("seal")? {
                None => Seal::Missing,
                Some(found) if is_sealed(key, &receipt, found) => Seal::Fits,
                Some(_) => Seal::Wrong,
            };
            if receipt.seal != Seal::Fits {
                receipt.chunk.state = ChunkState::Stale;
            }
        }
        Ok(receipt)
    }
}

/// The window of a receipt.
pub(super) fn window_of(row: &Row) -> Result<Window> {
    Window::from_stored(row.date("window_start")?, row.date("window_end")?)
        .map_err(|error| unreadable().with_source(error))
}

/// The seal of a verified receipt: a keyed hash of all that it proves, so that nobody without the key writes one that counts.
/// `docs/format.md` has every byte. It covers neither the table's name nor the ordinal, because a cutover renames the one
/// and a split renumbers the other.
pub(super) fn seal(key: &Secret, receipt: &Receipt) -> [u8; 32] {
    let key = blake3::derive_key(CONTEXT, key.expose().as_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    let (start, end) = receipt.window.to_stored();
    let (chunk, incarnation) = (&receipt.chunk, &receipt.incarnation);
    let numbers = [
        i64::from(start.num_days_from_ce()),
        i64::from(end.num_days_from_ce()),
        chunk.tally.row_count.cast_signed(),
        chunk.tally.byte_count.cast_signed(),
        i64::from(incarnation.object_id),
        receipt.epoch,
    ];
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&chunk.load_id.to_be_bytes());
    hasher.update(&chunk.tally.digest.to_bytes());
    let [after, through] = chunk.range.ends();
    for part in [Some(incarnation.created.as_bytes()), after, through] {
        match part {
            None => hasher.update(&[0]),
            Some(bytes) => hasher
                .update(&[1])
                .update(&(bytes.len() as u64).to_le_bytes())
                .update(bytes),
        };
    }
    *hasher.finalize().as_bytes()
}

/// Whether a receipt bears its seal. The comparison takes the same time wherever they differ.
fn is_sealed(key: &Secret, receipt: &Receipt, found: &[u8]) -> bool {
    let expected = blake3::Hash::from(seal(key, receipt));
    <[u8; 32]>::try_from(found).is_ok_and(|found| expected == blake3::Hash::from(found))
}

pub(in crate::target) fn id_of(bytes: &[u8]) -> Result<u128> {
    Ok(u128::from_be_bytes(bytes.try_into().map_err(|_| unreadable())?))
}

pub(super) fn unreadable() -> Error {
    Error::new(
        ErrorKind::State,
        "A receipt in [sync].[receipt] is not as this version writes it; it was changed by hand or by another version; \
         put it back from a backup, or run `sync forget` for its table and then load it again",
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
