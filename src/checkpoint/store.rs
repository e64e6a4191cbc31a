//! The store, open for writing or for reading.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::{Database, ReadOnlyDatabase};

use crate::base::disk::full;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::checkpoint::record::{Change, TableRecord, WindowRecord};
use crate::checkpoint::v1;
use crate::checkpoint::view::View;
use crate::checkpoint::write::{Fault, Tables};
use crate::model::chunk::Chunk;
use crate::model::window::Window;

/// The store, open for writing: no other process writes it meanwhile.
#[derive(Debug)]
pub struct Store {
    pub(super) database: Database,
    pub(super) path: PathBuf,
    /// The file that is locked as long as the store is open. Its lock shows readers that a process writes.
    pub(super) presence: std::fs::File,
    pub(super) tightened: bool,
    /// That its disk was full, and the way out, once it was.
    pub(super) full: OnceLock<String>,
}

/// The store, open for reading, also while another process writes it.
pub struct Reader {
    pub(super) database: ReadOnlyDatabase,
    pub(super) path: PathBuf,
}

impl Store {
    /// Its place. This process is its only writer as long as the value lives.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others than its owner could read the file until this process opened it.
    pub fn was_open_to_others(&self) -> bool {
        self.tightened
    }

    /// Writes all changes, or none. After success they are durable.
    ///
    /// # Errors
    /// `State` if they cannot be written; the run must then stop.
    pub fn commit(&self, changes: &[Change]) -> Result<()> {
        self.try_commit(changes).map_err(|error| self.unwritten(error))
    }

    /// Records this process as the writer, for a second one to name.
    pub(super) fn sign(&self) -> Result<()> {
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
            Fault::Redb(error) => {
                // After its first error, redb says no more than that there was one.
                let full = match full_disk(&self.path, &error) {
                    Some(full) => Some(self.full.get_or_init(|| full).clone()),
                    None => self.full.get().cloned(),
                };
                let text = match full {
                    Some(full) => {
                        format!("The state file {full}, then run again; what the target has is safe")
                    }
                    None => format!(
                        "The state file {} cannot be written; see to the disk, then run again",
                        self.path.display()
                    ),
                };
                Error::new(ErrorKind::State, text).with_source(error)
            }
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
    /// `State` if the store cannot be read.
    pub fn view(&self) -> Result<View<'_>> {
        View::new(&self.database, &self.path)
    }

    /// Reads as [`View::table`], from a view of its own.
    ///
    /// # Errors
    /// Those of [`View::table`].
    pub fn table(&self, name: &str) -> Result<Option<TableRecord>> {
        self.view()?.table(name)
    }

    /// Reads as [`View::windows`], from a view of its own.
    ///
    /// # Errors
    /// Those of [`View::windows`].
    pub fn windows(&self, table: &str) -> Result<Vec<WindowRecord>> {
        self.view()?.windows(table)
    }

    /// Reads as [`View::chunks`], from a view of its own.
    ///
    /// # Errors
    /// Those of [`View::chunks`].
    pub fn chunks(&self, table: &str, window: Window) -> Result<Vec<Chunk>> {
        self.view()?.chunks(table, window)
    }
}

impl Reader {
    /// A view of the store as it is now.
    ///
    /// # Errors
    /// `State` if the store cannot be read.
    pub fn view(&self) -> Result<View<'_>> {
        View::new(&self.database, &self.path)
    }
}

/// The text for a store whose disk is full, if that is what redb met.
pub(super) fn full_disk(path: &Path, error: &redb::Error) -> Option<String> {
    match error {
        redb::Error::Io(error) => full(path, error),
        _ => None,
    }
}
