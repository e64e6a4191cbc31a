//! The names of the store's tables and keys, and what is said of a file that has not got them.

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

/// Key in `meta` of the process that opened the store for writing last.
pub(super) const WRITER_KEY: &[u8] = b"writer";

/// Sums of load marks, a window each; not in the first stores of this format, where they are made when it is opened.
pub(super) const MARKS: Bytes = TableDefinition::new("marks");
/// What is to be forgotten; not in the first stores of this format.
pub(super) const TOMBSTONES: Bytes = TableDefinition::new("tombstones");

/// When a window's counts were equal at both ends, and which loads that rests on; not in the first stores of this
/// format. Those have a table `settled`, whose marks rest on nothing that can be checked: it is not read any more.
pub(super) const FOUND_EQUAL: Bytes = TableDefinition::new("found_equal");

/// Rows that left a table's target and could not be followed; not in the first stores of this format.
pub(super) const UNFOLLOWED: Bytes = TableDefinition::new("unfollowed");

/// Chunks that were compared again; not in the first stores of this format.
pub(super) const CHECKED: Bytes = TableDefinition::new("checked");

/// Names of the tables that the first stores of this format do not have.
pub(super) const LATER: [&str; 5] = ["marks", "tombstones", "found_equal", "unfollowed", "checked"];

/// Key in `meta` of the server that a run waits for.
pub(super) const WAITING_KEY: &[u8] = b"waiting";

/// Key in `meta` of the pass that began last.
pub(super) const PASS_KEY: &[u8] = b"pass";

/// Key in `meta` of the two servers that a run has worked with.
pub(super) const REACHED_KEY: &[u8] = b"reached";

/// All tables of a store, made when it is.
pub(super) const ALL: [Bytes; 11] = [
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
];

/// What to do about a store that is none: it is a cache of the receipts.
pub(super) const WAY_OUT: &str = "`sync rebuild` keeps it aside and makes it anew from the target's receipts";

pub(super) fn damaged(path: &Path, error: impl Into<redb::Error>) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The checkpoint store {} is damaged; it is left as it is: {WAY_OUT}",
            path.display()
        ),
    )
    .with_source(error.into())
}
