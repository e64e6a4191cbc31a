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
mod v1;

use std::path::{Path, PathBuf};

use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use crate::chunk::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::window::Window;

pub use record::{AccessPath, Change, Counts, RunRecord, TableRecord, WindowRecord, WindowState};

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

const META: Bytes = TableDefinition::new("meta");
const TABLES: Bytes = TableDefinition::new("tables");
const WINDOWS: Bytes = TableDefinition::new("windows");
const COUNTS: Bytes = TableDefinition::new("counts");
const CHUNKS: Bytes = TableDefinition::new("chunks");
const RUNS: Bytes = TableDefinition::new("runs");

/// Key in `meta` of the process that opened the store for writing last.
const WRITER_KEY: &[u8] = b"writer";

/// All tables of a store, made when it is.
const ALL: [Bytes; 6] = [META, TABLES, WINDOWS, COUNTS, CHUNKS, RUNS];

/// The store, open for writing: no other process writes it meanwhile.
#[derive(Debug)]
pub struct Store {
    database: Database,
    path: PathBuf,
    /// Locked as long as the store is open: how a reader knows that somebody writes.
    _presence: std::fs::File,
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
        let mut meta = transaction.open_table(META).map_err(redb::Error::from)?;
        put(&mut meta, WRITER_KEY, &codec::encode(WRITER_KEY, &writer)?)?;
        drop(meta);
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
        {
            let mut tables = transaction.open_table(TABLES).map_err(redb::Error::from)?;
            let mut windows = transaction.open_table(WINDOWS).map_err(redb::Error::from)?;
            let mut counts = transaction.open_table(COUNTS).map_err(redb::Error::from)?;
            let mut chunks = transaction.open_table(CHUNKS).map_err(redb::Error::from)?;
            let mut runs = transaction.open_table(RUNS).map_err(redb::Error::from)?;
            for change in changes {
                match change {
                    Change::Table(record) => {
                        let key = codec::table_key(&record.name);
                        put(&mut tables, &key, &codec::encode(&key, &v1::Table::from(record))?)?;
                    }
                    Change::Window { table, record } => {
                        let key = codec::window_key(table, record.window);
                        put(
                            &mut windows,
                            &key,
                            &codec::encode(&key, &v1::Window::from(record))?,
                        )?;
                    }
                    Change::Chunk { table, window, chunk } => {
                        self.count(
                            &mut counts,
                            &mut chunks,
                            table,
                            *window,
                            chunk.ordinal,
                            Some(chunk),
                        )?;
                        let key = codec::chunk_key(table, *window, chunk.ordinal);
                        put(&mut chunks, &key, &codec::encode(&key, &v1::Chunk::from(chunk))?)?;
                    }
                    Change::RemoveChunk {
                        table,
                        window,
                        ordinal,
                    } => {
                        self.count(&mut counts, &mut chunks, table, *window, *ordinal, None)?;
                        let key = codec::chunk_key(table, *window, *ordinal);
                        chunks.remove(key.as_slice()).map_err(redb::Error::from)?;
                    }
                    Change::Run(record) => {
                        let key = codec::run_key(record);
                        put(&mut runs, &key, &codec::encode(&key, &v1::Run::from(record))?)?;
                    }
                }
            }
        }
        transaction.commit().map_err(redb::Error::from)?;
        Ok(())
    }

    /// Keeps a window's counts in step with its chunks: the old chunk out, the new one in.
    fn count(
        &self,
        counts: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
        chunks: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
        table: &str,
        window: Window,
        ordinal: u32,
        new: Option<&Chunk>,
    ) -> std::result::Result<(), Fault> {
        let chunk_key = codec::chunk_key(table, window, ordinal);
        let old: Option<Chunk> = match chunks.get(chunk_key.as_slice()).map_err(redb::Error::from)? {
            Some(value) => Some(codec::decode::<v1::Chunk>(&self.path, &chunk_key, value.value())?.into()),
            None => None,
        };
        let key = codec::window_key(table, window);
        let mut sums: Counts = match counts.get(key.as_slice()).map_err(redb::Error::from)? {
            Some(value) => codec::decode::<v1::Counts>(&self.path, &key, value.value())?.into(),
            None => Counts::default(),
        };
        if let Some(old) = &old {
            sums.remove(old);
        }
        if let Some(new) = new {
            sums.add(new);
        }
        put(counts, &key, &codec::encode(&key, &v1::Counts::from(&sums))?)
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
        let key = codec::table_key(name);
        let table = self
            .transaction
            .open_table(TABLES)
            .map_err(|error| damaged(self.path, error))?;
        match table
            .get(key.as_slice())
            .map_err(|error| damaged(self.path, error))?
        {
            Some(value) => Ok(Some(
                codec::decode::<v1::Table>(self.path, &key, value.value())?.into(),
            )),
            None => Ok(None),
        }
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
        let key = codec::window_key(table, window);
        let counts = self
            .transaction
            .open_table(COUNTS)
            .map_err(|error| damaged(self.path, error))?;
        match counts
            .get(key.as_slice())
            .map_err(|error| damaged(self.path, error))?
        {
            Some(value) => Ok(codec::decode::<v1::Counts>(self.path, &key, value.value())?.into()),
            None => Ok(Counts::default()),
        }
    }

    /// The run that began last.
    pub fn last_run(&self) -> Result<Option<RunRecord>> {
        let runs = self
            .transaction
            .open_table(RUNS)
            .map_err(|error| damaged(self.path, error))?;
        match runs.last().map_err(|error| damaged(self.path, error))? {
            Some((key, value)) => Ok(Some(
                codec::decode::<v1::Run>(self.path, key.value(), value.value())?.into(),
            )),
            None => Ok(None),
        }
    }

    fn scan<S, T>(&self, definition: Bytes, prefix: &[u8]) -> Result<Vec<T>>
    where
        S: serde::de::DeserializeOwned,
        T: From<S>,
    {
        let table = self
            .transaction
            .open_table(definition)
            .map_err(|error| damaged(self.path, error))?;
        let mut records = Vec::new();
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

/// Why a commit failed: an error of ours, or one of redb's.
enum Fault {
    Ours(Error),
    Redb(redb::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Ours(error)
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        Fault::Redb(error)
    }
}

fn put(
    table: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    key: &[u8],
    value: &[u8],
) -> std::result::Result<(), Fault> {
    table.insert(key, value).map_err(redb::Error::from)?;
    Ok(())
}

/// What to do about a store that is none: it is a cache, and a run brings it in line with the receipts.
const WAY_OUT: &str = "put it aside and run again; a run makes it anew from the target's receipts";

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
