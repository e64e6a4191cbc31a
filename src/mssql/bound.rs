//! The bounds of answers: how many bytes one may have, and how long it may take.
//!
//! [`crate::mssql::socket`] says how they are counted. Every statement has one of the bounds below, so every exchange
//! ends, whatever the server sends. [`crate::mssql::Timeouts`] has the times.

use std::time::Duration;

/// Bytes of a login: its packets, and TLS with a long chain of certificates. Both take some KiB.
pub(super) const LOGIN_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a collected answer, with what its rows take in memory: the catalog of a table of 1,000 columns takes two
/// MiB, and its indexes take about as much.
pub(super) const COLLECTED_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a collected answer of many rows: 100,000 receipts with their keys take a little more than half of it.
pub(super) const MANY_BYTES_MAX: u64 = 256 << 20;
/// Bytes on the wire of the largest row whose columns all have a declared length: 1,024 columns of 8,000 bytes, and as
/// much for the rest of the protocol.
const SIZED_ROW_BYTES_MAX: u64 = 16 << 20;

/// Bytes that a row takes in memory beside its values, and that each of its values takes beside its text or bytes.
const ROW_BYTES: usize = 64;
const CELL_BYTES: usize = 64;

/// The most of an answer, or of what comes from one row of it to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    /// Bytes.
    pub(super) bytes: u64,
    /// Time from the request, or from the row before.
    pub(super) whole: Duration,
}

/// The bytes that a row of a table may have on the wire, if a chunk has `chunk_bytes_max` canonical bytes: a text has
/// twice as many there, and every row of columns of declared lengths fits.
pub fn row_bytes_max(chunk_bytes_max: u64) -> u64 {
    chunk_bytes_max
        .saturating_mul(2)
        .saturating_add(SIZED_ROW_BYTES_MAX)
}

/// The memory that a row takes beside the bytes that it had on the wire.
pub(super) fn weight(row: &tiberius::Row) -> usize {
    ROW_BYTES + CELL_BYTES * row.len()
}
