//! The replacement of a store that is damaged or lost. The new store is created beside the old one, and moved to its
//! place when it is whole.
//!
//! The old file is kept under another name and never changed. At every instant the store's path leads to a whole
//! store or to the old file. A crash before the end leaves the old file, and beside it a file that the next attempt
//! begins anew.

use std::fs::{self, File};
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::record::Change;
use super::store::{Reader, Store};
use super::{lock, open};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;

/// A store that will take the place of another. No other process writes at the store's path meanwhile.
#[derive(Debug)]
pub struct Replacement {
    store: Store,
    /// The future path of the store.
    path: PathBuf,
}

impl Replacement {
    /// Begins an empty store for the place at `path`.
    ///
    /// # Errors
    /// `Busy` if another process writes the store there; `State` if the place cannot be used, or is a directory.
    pub fn begin(path: &Path) -> Result<Replacement> {
        let path = &open::resolved(path)?;
        let new = lock::named(path, ".rebuilt");
        Ok(Replacement {
            store: open::begin(path, &new)?,
            path: path.to_owned(),
        })
    }

    /// The old store; `None` if there is none.
    ///
    /// # Errors
    /// `State` if it cannot be read.
    pub fn old(&self) -> Result<Option<Reader>> {
        open::read_only(&self.path)
    }

    /// Commits changes to the new store, as [`Store::commit`] does.
    ///
    /// # Errors
    /// Those of [`Store::commit`].
    pub fn commit(&self, changes: &[Change]) -> Result<()> {
        self.store.commit(changes)
    }

    /// Moves the new store to its place, where it is durable and whole. Returns the new path of the old file, if
    /// there was one. `now` becomes part of its name.
    ///
    /// # Errors
    /// `State` if a file cannot be moved; the old file is then still in its place.
    pub fn place(self, now: DateTime<Utc>) -> Result<Option<PathBuf>> {
        let path = self.path;
        let Store {
            database,
            path: new,
            presence,
            ..
        } = self.store;
        drop(database);
        failpoint::step("rebuild: before the old store is put aside");
        let moved = |error| {
            // It may have taken its place, and only its name was not made durable.
            let _ = fs::remove_file(&new);
            unmoved(&path, error)
        };
        let aside = keep_aside(&path, now).map_err(moved)?;
        failpoint::step("rebuild: after the old store is put aside");
        let unmoved_aside = |error| {
            // The old file is still in its place, under its own name.
            if let Some(aside) = &aside {
                let _ = fs::remove_file(aside);
            }
            moved(error)
        };
        fs::rename(&new, &path).map_err(unmoved_aside)?;
        open::sync_directory(&path).map_err(moved)?;
        failpoint::step("rebuild: after the new store is placed");
        drop(presence);
        Ok(aside)
    }

    /// Removes the new store again, as far as the system allows: the next attempt begins anew in any case. The old store
    /// stays as it is.
    pub fn discard(self) {
        let Store {
            database,
            path: new,
            presence,
            ..
        } = self.store;
        drop(database);
        let _ = fs::remove_file(new);
        drop(presence);
    }
}

/// Gives the file at `path` a second name that holds the time `now`; `None` if there is no file.
fn keep_aside(path: &Path, now: DateTime<Utc>) -> std::io::Result<Option<PathBuf>> {
    for attempt in 0.. {
        let mut suffix = now.format(".aside-%Y%m%dT%H%M%SZ").to_string();
        if attempt > 0 {
            suffix.push_str(&format!("-{attempt}"));
        }
        let aside = lock::named(path, &suffix);
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(Some(aside)),
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == IoErrorKind::AlreadyExists => {}
            // Without links, make a copy that is complete before the old name goes to the new store.
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
            "The rebuilt state file cannot be moved to {}; end the programs that read that file, see to its directory, \
             then run `sync rebuild` again",
            path.display()
        ),
    )
    .with_source(error)
}
