//! A new store in the place of one that is damaged or lost: made beside it, and put there when it is whole.
//!
//! What was there is kept under another name and never changed. At every instant there is a whole store or the
//! old file at the store's path; a crash before the end leaves the old one, and beside it a file that the next
//! attempt begins anew.

use std::fs::{self, File};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::open;
use super::record::{Change, Tombstone};
use super::store::Store;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;

/// A store that is to take the place of another. No other process writes the store's path meanwhile.
#[derive(Debug)]
pub struct Replacement {
    store: Store,
    /// Where the store is to be.
    path: PathBuf,
}

impl Replacement {
    /// Begins an empty store that is to be at `path`.
    ///
    /// # Errors
    /// `Busy` when another process writes the store there; `State` when the place cannot be used, or is a directory.
    pub fn begin(path: &Path) -> Result<Replacement> {
        let new = PathBuf::from(open::named(path, ".rebuilt"));
        Ok(Replacement {
            store: open::begin(path, &new)?,
            path: path.to_owned(),
        })
    }

    /// What the store that is to be replaced has still to forget.
    ///
    /// # Errors
    /// `State` when it cannot be read; none where there is no store.
    pub fn tombstones(&self) -> Result<Vec<Tombstone>> {
        open::read_only(&self.path)?.map_or_else(|| Ok(Vec::new()), |reader| reader.view()?.tombstones())
    }

    /// See [`Store::commit`].
    pub fn commit(&self, changes: &[Change]) -> Result<()> {
        self.store.commit(changes)
    }

    /// Puts the new store into its place. Once this returns it is there, durable and whole; the path is that of
    /// what was there before, if anything was.
    ///
    /// # Errors
    /// `State` when a file cannot be moved: what was there is there still.
    pub fn place(self, now: DateTime<Utc>) -> Result<Option<PathBuf>> {
        let path = self.path;
        let Store {
            database,
            path: new,
            presence,
        } = self.store;
        drop(database);
        failpoint::step("rebuild: before the old store is put aside");
        let moved = |error| unmoved(&path, error);
        let aside = keep_aside(&path, now).map_err(moved)?;
        failpoint::step("rebuild: after the old store is put aside");
        fs::rename(&new, &path).map_err(moved)?;
        open::sync_directory(&path).map_err(moved)?;
        failpoint::step("rebuild: after the new store is placed");
        drop(presence);
        Ok(aside)
    }
}

/// Gives the file at `path` a second name that says when it was put aside; `None` when there is no file.
fn keep_aside(path: &Path, now: DateTime<Utc>) -> std::io::Result<Option<PathBuf>> {
    for attempt in 0.. {
        let mut suffix = now.format(".aside-%Y%m%dT%H%M%SZ").to_string();
        if attempt > 0 {
            suffix.push_str(&format!("-{attempt}"));
        }
        let aside = PathBuf::from(open::named(path, &suffix));
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(Some(aside)),
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == IoErrorKind::AlreadyExists => {}
            // A file system without links: a copy, complete before the old name goes to the new store.
            Err(_) => {
                fs::copy(path, &aside)?;
                File::open(&aside)?.sync_all()?;
                return Ok(Some(aside));
            }
        }
    }
    Ok(None)
}

fn unmoved(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The rebuilt checkpoint store cannot be put at {}; end what reads that file, see to its directory, then \
             run `sync rebuild` again",
            path.display()
        ),
    )
    .with_source(error)
}
