//! The names of the store's tables and keys, and the error for a file without them.

use std::path::Path;

use redb::TableDefinition;

use crate::base::error::{Error, ErrorKind};

pub(super) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const META: Bytes = TableDefinition::new("meta");
pub(super) const TABLES: Bytes = TableDefinition::new("tables");
pub(super) const WINDOWS: Bytes = TableDefinition::new("windows");
pub(super) const COUNTS: Bytes = TableDefinition::new("counts");
pub(super) const CHUNKS: Bytes = TableDefinition::new("chunks");
pub(super) const RUNS: Bytes = TableDefinition::new("runs");

/// Key in `meta` of the last process that opened the store for writing.
pub(super) const WRITER_KEY: &[u8] = b"writer";

/// Sums of the marks of chunks, one a window. Earlier stores lack it; opening such a store for writing fills it.
pub(super) const MARKS: Bytes = TableDefinition::new("chunk_marks");
/// Tombstones of tables and months to forget. The first stores of this format lack it.
pub(super) const TOMBSTONES: Bytes = TableDefinition::new("tombstones");

/// The time at which a window's counts were equal at both ends, and the loads behind it. The first stores of this
/// format lack it. They have a table `settled`, whose marks cannot be checked, so it is no longer read.
pub(super) const FOUND_EQUAL: Bytes = TableDefinition::new("found_equal");

/// Rows that left a table's target and could not be followed. The first stores of this format lack it.
pub(super) const UNFOLLOWED: Bytes = TableDefinition::new("unfollowed");

/// Chunks that a pass compared. The first stores of this format lack it.
pub(super) const CHECKED: Bytes = TableDefinition::new("checked");

/// Passes with their scopes. The first stores of this format lack it; they have the last pass in `meta`.
pub(super) const PASSES: Bytes = TableDefinition::new("passes");

/// The ends that the last run worked with, a row each. The first stores of this format lack it; they have the addresses
/// alone in `meta`, as `reached`.
pub(super) const REACHED: Bytes = TableDefinition::new("reached_ends");

/// What runs asked of their source, a table. The first stores of this format lack it.
pub(super) const ACCOUNTS: Bytes = TableDefinition::new("accounts");

/// The commits of chunks, with the times of their stages. The first stores of this format lack it.
pub(super) const TIMINGS: Bytes = TableDefinition::new("chunk_timings");

/// For each table, the sum of those accounts of runs that are no longer kept one by one. The first stores of this format
/// lack it.
pub(super) const DROPPED_ACCOUNTS: Bytes = TableDefinition::new("dropped_accounts");

/// Names of the tables that the first stores of this format lack.
pub(super) const LATER: [&str; 10] = [
    "chunk_marks",
    "tombstones",
    "found_equal",
    "unfollowed",
    "checked",
    "passes",
    "reached_ends",
    "accounts",
    "chunk_timings",
    "dropped_accounts",
];

/// Key in `meta` of the server that a run waits for.
pub(super) const WAITING_KEY: &[u8] = b"waiting";

/// Key in `meta` of what all reads of the source wait for. Absent in a store of an earlier program, as are decisions.
pub(super) const HELD_KEY: &[u8] = b"held";

/// Prefix of the keys in `meta` of the governor's last decisions: each has the next number.
pub(super) const DECIDED: &[u8] = b"decided ";

/// So many decisions are kept: as many as a person looks through, and those of a bad night.
pub(super) const DECISIONS_MAX: u64 = 50;

/// Key in `meta` of the last pass, in a store that no pass with a scope has begun in.
pub(super) const PASS_KEY: &[u8] = b"pass";

/// Key in `meta` of the addresses of both ends, in a store that no run of a later program has worked with.
pub(super) const REACHED_KEY: &[u8] = b"reached";

/// Key in `meta` of how fast this machine last loaded.
pub(super) const LOAD_RATE_KEY: &[u8] = b"load rate";

/// Key in `meta` of the tables that the last run was asked for. Absent in a store of an earlier program, as is each key
/// of the prefixes below.
pub(super) const ASKED_KEY: &[u8] = b"asked";

/// Prefix of the keys in `meta` of the reasons why tables could not be finished.
pub(super) const REFUSED: &[u8] = b"refused ";

/// Prefix of the keys in `meta` of the numbers of rows that tables will have.
pub(super) const EXPECTED: &[u8] = b"expected ";

/// Prefix of the keys in `meta` of months that were forgotten.
pub(super) const FORGOTTEN: &[u8] = b"forgotten ";

/// Prefix of the keys in `meta` of the databases that tombstones are about. An earlier program passes over them.
pub(super) const FORGETTING_IN: &[u8] = b"forgetting in ";

/// Prefix of the keys in `meta` of the differences that passes found.
pub(super) const DIFFERING: &[u8] = b"differing ";

/// Prefix of the keys in `meta` of the numbers of differences that were found in tables.
pub(super) const MISMATCHES: &[u8] = b"mismatches ";

/// Prefix of the keys in `meta` of the times of stages over all chunks: each has the stage's name.
pub(super) const STAGE_TIMES: &[u8] = b"stage times ";

/// All tables of a store, created with it.
pub(super) const ALL: [Bytes; 16] = [
    META,
    TABLES,
    WINDOWS,
    COUNTS,
    CHUNKS,
    RUNS,
    MARKS,
    TOMBSTONES,
    FOUND_EQUAL,
    UNFOLLOWED,
    CHECKED,
    PASSES,
    REACHED,
    ACCOUNTS,
    TIMINGS,
    DROPPED_ACCOUNTS,
];

/// The fix for a file that is no whole store, which is only a cache of the receipts.
pub(super) const WAY_OUT: &str = "`sync rebuild` keeps it aside and makes it anew from the target's receipts";

pub(super) fn damaged(path: &Path, error: impl Into<redb::Error>) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The state file {} is damaged; it is left as it is: {WAY_OUT}",
            path.display()
        ),
    )
    .with_source(error.into())
}
