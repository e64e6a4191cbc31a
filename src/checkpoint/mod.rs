//! The checkpoint store: an embedded redb file that remembers where every table, window and chunk stands.
//!
//! It is a cache of the receipts in the target, so losing it costs no rows; but a damaged one is never taken for
//! an empty one: whatever is wrong with the file is an error that names it, and the file is left as it is. One
//! process writes it, any number may read it at the same time. Every value carries its version and a check over
//! its key and its bytes. `docs/format.md` has every byte.

mod codec;
mod open;
mod record;
mod rehearsal;
mod replace;
mod v1;
mod write;

use std::path::{Path, PathBuf};

use redb::{
    Database, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, TableError,
};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::model::chunk::Chunk;
use crate::model::window::Window;
use write::{Fault, Tables};

pub use record::{
    Change, Counts, FoundEqual, Pass, RunRecord, TableRecord, Tombstone, Waiting, WindowRecord, WindowState,
    load_mark,
};
pub use replace::Replacement;

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

const META: Bytes = TableDefinition::new("meta");
const TABLES: Bytes = TableDefinition::new("tables");
const WINDOWS: Bytes = TableDefinition::new("windows");
const COUNTS: Bytes = TableDefinition::new("counts");
const CHUNKS: Bytes = TableDefinition::new("chunks");
const RUNS: Bytes = TableDefinition::new("runs");

/// Key in `meta` of the process that opened the store for writing last.
const WRITER_KEY: &[u8] = b"writer";

/// Sums of load marks, a window each; not in the first stores of this format, where they are made when it is opened.
const MARKS: Bytes = TableDefinition::new("marks");
/// What is to be forgotten; not in the first stores of this format.
const TOMBSTONES: Bytes = TableDefinition::new("tombstones");

/// When a window's counts were equal at both ends, and which loads that rests on; not in the first stores of this
/// format. Those have a table `settled`, whose marks rest on nothing that can be checked: it is not read any more.
const FOUND_EQUAL: Bytes = TableDefinition::new("found_equal");

/// Rows that left a table's target and could not be followed; not in the first stores of this format.
const UNFOLLOWED: Bytes = TableDefinition::new("unfollowed");

/// Chunks that were compared again; not in the first stores of this format.
const CHECKED: Bytes = TableDefinition::new("checked");

/// Names of the tables that the first stores of this format do not have.
const LATER: [&str; 5] = ["marks", "tombstones", "found_equal", "unfollowed", "checked"];

/// Key in `meta` of the server that a run waits for.
const WAITING_KEY: &[u8] = b"waiting";

/// Key in `meta` of the pass that began last.
const PASS_KEY: &[u8] = b"pass";

/// Key in `meta` of the two servers that a run has worked with.
const REACHED_KEY: &[u8] = b"reached";

/// All tables of a store, made when it is.
const ALL: [Bytes; 11] = [
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

/// The store, open for writing: no other process writes it meanwhile.
#[derive(Debug)]
pub struct Store {
    database: Database,
    path: PathBuf,
    /// Locked as long as the store is open: how a reader knows that somebody writes.
    presence: std::fs::File,
}

/// The store, open for reading, also while another process writes it.
pub struct Reader {
    database: ReadOnlyDatabase,
    path: PathBuf,
}

/// One consistent view of a store.
pub struct View<'a> {
    transaction: ReadTransaction,
    path: &'a Path,
}

impl Store {
    /// Opens the store at `path`, or makes it when there is nothing at all. Waits for another process that is just
    /// opening it, never for one that has it open.
    ///
    /// # Errors
    /// `Busy` when another process writes it, naming its run; `State` when what is there is no whole store.
    pub fn create_or_open(path: &Path) -> Result<Store> {
        open::create_or_open(path)
    }

    /// Writes all the changes, or none. Once this returns they are durable.
    ///
    /// # Errors
    /// `State` when they cannot be written: the run must stop.
    pub fn commit(&self, changes: &[Change]) -> Result<()> {
        self.try_commit(changes).map_err(|error| self.unwritten(error))
    }

    /// Puts down which process writes the store, for a second one to name.
    fn sign(&self) -> Result<()> {
        self.try_sign().map_err(|error| self.unwritten(error))
    }

    fn try_sign(&self) -> std::result::Result<(), Fault> {
        let writer = v1::Writer {
            pid: std::process::id(),
        };
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let mut tables = Tables::open(&transaction, &self.path)?;
        tables.sign(&writer)?;
        tables.mark_all()?;
        drop(tables);
        transaction.commit().map_err(redb::Error::from)?;
        Ok(())
    }

    fn unwritten(&self, fault: Fault) -> Error {
        match fault {
            Fault::Ours(error) => error,
            Fault::Redb(error) => Error::new(
                ErrorKind::State,
                format!(
                    "The checkpoint store {} cannot be written; see to the disk, then run again",
                    self.path.display()
                ),
            )
            .with_source(error),
        }
    }

    fn try_commit(&self, changes: &[Change]) -> std::result::Result<(), Fault> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let mut tables = Tables::open(&transaction, &self.path)?;
        for change in changes {
            tables.apply(change)?;
        }
        drop(tables);
        failpoint::step("checkpoint: before the commit");
        transaction.commit().map_err(redb::Error::from)?;
        failpoint::step("checkpoint: after the commit");
        Ok(())
    }

    /// A view of the store as it is now.
    ///
    /// # Errors
    /// `State` when the store cannot be read.
    pub fn view(&self) -> Result<View<'_>> {
        View::new(&self.database, &self.path)
    }

    /// See [`View::table`].
    pub fn table(&self, name: &str) -> Result<Option<TableRecord>> {
        self.view()?.table(name)
    }

    /// See [`View::windows`].
    pub fn windows(&self, table: &str) -> Result<Vec<WindowRecord>> {
        self.view()?.windows(table)
    }

    /// See [`View::chunks`].
    pub fn chunks(&self, table: &str, window: Window) -> Result<Vec<Chunk>> {
        self.view()?.chunks(table, window)
    }
}

impl Reader {
    /// Opens the store at `path` for reading; `None` when there is nothing.
    ///
    /// # Errors
    /// `State` when what is there is no whole store.
    pub fn open(path: &Path) -> Result<Option<Reader>> {
        open::read(path)
    }

    /// Whether a process has the store open for writing.
    pub fn is_being_written(&self) -> bool {
        open::is_being_written(&self.path)
    }

    /// A view of the store as it is now.
    ///
    /// # Errors
    /// `State` when the store cannot be read.
    pub fn view(&self) -> Result<View<'_>> {
        View::new(&self.database, &self.path)
    }
}

impl<'a> View<'a> {
    fn new(database: &impl ReadableDatabase, path: &'a Path) -> Result<Self> {
        let transaction = database.begin_read().map_err(|error| damaged(path, error))?;
        Ok(View { transaction, path })
    }

    /// All tables, by name.
    ///
    /// # Errors
    /// `State` when a record is damaged; so for every read below.
    pub fn tables(&self) -> Result<Vec<TableRecord>> {
        self.scan::<v1::Table, TableRecord>(TABLES, &[])
    }

    /// One table.
    pub fn table(&self, name: &str) -> Result<Option<TableRecord>> {
        Ok(self
            .get::<v1::Table>(TABLES, &codec::table_key(name))?
            .map(Into::into))
    }

    /// A table's windows, by date.
    pub fn windows(&self, table: &str) -> Result<Vec<WindowRecord>> {
        self.scan::<v1::Window, WindowRecord>(WINDOWS, &codec::prefix(table))
    }

    /// A window's chunks, by ordinal.
    pub fn chunks(&self, table: &str, window: Window) -> Result<Vec<Chunk>> {
        self.scan::<v1::Chunk, Chunk>(CHUNKS, &codec::window_key(table, window))
    }

    /// What a window's chunks come to, without reading them.
    pub fn counts(&self, table: &str, window: Window) -> Result<Counts> {
        let counts = self.get::<v1::Counts>(COUNTS, &codec::window_key(table, window))?;
        Ok(counts.map(Into::into).unwrap_or_default())
    }

    /// The sum of the load marks of a window's verified chunks.
    pub fn marks(&self, table: &str, window: Window) -> Result<i64> {
        let key = codec::window_key(table, window);
        let sum = self.get::<v1::Marks>(MARKS, &key)?;
        Ok(sum.map_or(0, |sum| sum.sum))
    }

    /// A window's last chunk.
    pub fn last_chunk(&self, table: &str, window: Window) -> Result<Option<Chunk>> {
        let Some(chunks) = self.open(CHUNKS)? else {
            return Ok(None);
        };
        let (first, last) = (
            codec::chunk_key(table, window, 0),
            codec::chunk_key(table, window, u32::MAX),
        );
        let range = chunks.range(first.as_slice()..=last.as_slice());
        match range.map_err(|error| damaged(self.path, error))?.next_back() {
            Some(entry) => {
                let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
                Ok(Some(
                    codec::decode::<v1::Chunk>(self.path, key.value(), value.value())?.into(),
                ))
            }
            None => Ok(None),
        }
    }

    /// When a window was last found equal at both ends, and what that rests on.
    pub fn found_equal(&self, table: &str, window: Window) -> Result<Option<FoundEqual>> {
        let found = self.get::<v1::FoundEqual>(FOUND_EQUAL, &codec::window_key(table, window))?;
        Ok(found.map(Into::into))
    }

    /// Rows that left a table's target and could not be followed to where they are now.
    pub fn unfollowed(&self, table: &str) -> Result<u64> {
        let unfollowed = self.get::<v1::Unfollowed>(UNFOLLOWED, &codec::table_key(table))?;
        Ok(unfollowed.map_or(0, |unfollowed| unfollowed.rows))
    }

    /// The comparing again that began last.
    pub fn pass(&self) -> Result<Option<Pass>> {
        Ok(self.get::<v1::Pass>(META, PASS_KEY)?.map(Into::into))
    }

    /// Whether a pass has found a load of a chunk to be the same.
    pub fn is_checked(
        &self,
        table: &str,
        window: Window,
        ordinal: u32,
        pass: u128,
        load_id: u128,
    ) -> Result<bool> {
        let checked = self.get::<v1::Checked>(CHECKED, &codec::chunk_key(table, window, ordinal))?;
        Ok(checked.is_some_and(|checked| (checked.pass, checked.load_id) == (pass, load_id)))
    }

    /// What is still to be forgotten.
    pub fn tombstones(&self) -> Result<Vec<Tombstone>> {
        self.scan::<v1::Tombstone, Tombstone>(TOMBSTONES, &[])
    }

    /// The process that opened the store for writing last.
    pub fn writer(&self) -> Result<Option<u32>> {
        Ok(self.get::<v1::Writer>(META, WRITER_KEY)?.map(|writer| writer.pid))
    }

    /// Where the source and the target are that a run has worked with last.
    pub fn reached(&self) -> Result<Option<(String, String)>> {
        let reached = self.get::<v1::Reached>(META, REACHED_KEY)?;
        Ok(reached.map(|reached| (reached.source, reached.target)))
    }

    /// The server that is waited for.
    pub fn waiting(&self) -> Result<Option<Waiting>> {
        Ok(self.get::<v1::Waiting>(META, WAITING_KEY)?.map(Into::into))
    }

    /// The run that began last.
    pub fn last_run(&self) -> Result<Option<RunRecord>> {
        let Some(runs) = self.open(RUNS)? else {
            return Ok(None);
        };
        match runs.last().map_err(|error| damaged(self.path, error))? {
            Some((key, value)) => Ok(Some(
                codec::decode::<v1::Run>(self.path, key.value(), value.value())?.into(),
            )),
            None => Ok(None),
        }
    }

    /// A table of the store; `None` where the store is older than that table.
    fn open(&self, definition: Bytes) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        match self.transaction.open_table(definition) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(name)) if LATER.contains(&name.as_str()) => Ok(None),
            Err(error) => Err(damaged(self.path, error)),
        }
    }

    fn get<S: serde::de::DeserializeOwned>(&self, definition: Bytes, key: &[u8]) -> Result<Option<S>> {
        let Some(table) = self.open(definition)? else {
            return Ok(None);
        };
        let found = table.get(key).map_err(|error| damaged(self.path, error))?;
        found
            .map(|value| codec::decode::<S>(self.path, key, value.value()))
            .transpose()
    }

    fn scan<S, T>(&self, definition: Bytes, prefix: &[u8]) -> Result<Vec<T>>
    where
        S: serde::de::DeserializeOwned,
        T: From<S>,
    {
        let mut records = Vec::new();
        let Some(table) = self.open(definition)? else {
            return Ok(records);
        };
        for entry in table.range(prefix..).map_err(|error| damaged(self.path, error))? {
            let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            records.push(codec::decode::<S>(self.path, key.value(), value.value())?.into());
        }
        Ok(records)
    }
}

/// What to do about a store that is none: it is a cache of the receipts.
const WAY_OUT: &str = "`sync rebuild` keeps it aside and makes it anew from the target's receipts";

fn damaged(path: &Path, error: impl Into<redb::Error>) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The checkpoint store {} is damaged; it is left as it is: {WAY_OUT}",
            path.display()
        ),
    )
    .with_source(error.into())
}
