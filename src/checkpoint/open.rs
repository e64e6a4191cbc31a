//! Opening a store: for writing, for reading, and telling what is wrong with one that is none.
//!
//! A new store is made beside its place and linked into it when it is whole, so that a crash leaves a store or
//! nothing. What is already there is never written over.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind as IoErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, ConcurrencyMode, DatabaseError, ReadableDatabase};

use super::{ALL, META, Reader, Store, View, damaged};
use crate::error::{Error, ErrorKind, Result};

/// redb's cache: a run touches the end of a window, a status the counts.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Key and value by which a redb file is known for a checkpoint store.
const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"mssql-sync checkpoints 1";

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

pub(super) fn create_or_open(path: &Path) -> Result<Store> {
    if !inspect(path)? {
        create(path)?;
    }
    let opened = guarded(path, || builder().set_check_integrity_on_open(true).open(path))?;
    let database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => busy(path),
        error => damaged(path, error),
    })?;
    check_format(&database, path)?;
    // A status that looks for a writer holds this for a moment at most.
    let presence = presence_file(path)?;
    presence.lock().map_err(|error| unusable(path, error))?;
    Ok(Store {
        database,
        path: path.to_owned(),
        _presence: presence,
    })
}

pub(super) fn read(path: &Path) -> Result<Option<Reader>> {
    if !inspect(path)? {
        return Ok(None);
    }
    let mut opened = guarded(path, || builder().open_read_only(path))?;
    if matches!(opened, Err(DatabaseError::RepairAborted)) {
        // A writer was killed: opening the store for writing once repairs it.
        drop(guarded(path, || builder().open(path))?);
        opened = guarded(path, || builder().open_read_only(path))?;
    }
    let database = opened.map_err(|error| damaged(path, error))?;
    check_format(&database, path)?;
    Ok(Some(Reader {
        database,
        path: path.to_owned(),
    }))
}

pub(super) fn is_being_written(path: &Path) -> bool {
    match presence_file(path) {
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

/// Whether there is something at `path`; an error when it cannot be a store.
fn inspect(path: &Path) -> Result<bool> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, error)),
    };
    let fault = if metadata.is_dir() {
        "is a directory; name a file with --state"
    } else if metadata.len() == 0 {
        "is empty, which a checkpoint store never is; put it aside and make it anew from the target's receipts with \
         `sync rebuild`"
    } else {
        return Ok(true);
    };
    Err(Error::new(
        ErrorKind::State,
        format!("The checkpoint store {} {fault}", path.display()),
    ))
}

fn create(path: &Path) -> Result<()> {
    if let Some(directory) = path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty())
    {
        fs::create_dir_all(directory).map_err(|error| unusable(path, error))?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".new-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let made = make(&beside).map_err(|error| {
        Error::new(
            ErrorKind::State,
            format!(
                "The checkpoint store {} cannot be made; see to the disk",
                path.display()
            ),
        )
        .with_source(error)
    });
    let placed = made.and_then(|()| match fs::hard_link(&beside, path) {
        Ok(()) => Ok(()),
        // Another process was faster: its store is as good.
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => Ok(()),
        // A file system without links.
        Err(_) => fs::rename(&beside, path).map_err(|error| unusable(path, error)),
    });
    let _ = fs::remove_file(&beside);
    placed
}

fn make(path: &Path) -> std::result::Result<(), redb::Error> {
    let database = builder().create(path)?;
    let transaction = database.begin_write()?;
    for table in ALL {
        transaction.open_table(table)?;
    }
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    transaction.commit()?;
    database.close()?;
    Ok(())
}

fn check_format(database: &impl ReadableDatabase, path: &Path) -> Result<()> {
    let fault = |text: &str| Error::new(ErrorKind::State, format!("{} {text}", path.display()));
    let foreign =
        || fault("is a redb file, but no checkpoint store of this program; name another file with --state");
    let found = guarded(path, || -> Result<Option<Vec<u8>>> {
        let view = View::new(database, path)?;
        let Ok(meta) = view.transaction.open_table(META) else {
            return Ok(None);
        };
        let value = meta.get(FORMAT_KEY).map_err(|error| damaged(path, error))?;
        Ok(value.map(|value| value.value().to_vec()))
    })??;
    match found {
        Some(found) if found == FORMAT => Ok(()),
        Some(_) => Err(fault(
            "is a checkpoint store of another version; use the program that wrote it",
        )),
        None => Err(foreign()),
    }
}

/// Runs something of redb's that may panic on a damaged file.
fn guarded<T>(path: &Path, action: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|_| {
        let text = "redb gave up on it";
        damaged(path, redb::Error::Corrupted(text.to_owned()))
    })
}

fn presence_file(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options
        .open(PathBuf::from(name))
        .map_err(|error| unusable(path, error))
}

/// Names the run that has the store, as far as it can be read.
fn busy(path: &Path) -> Error {
    let run = read(path)
        .ok()
        .flatten()
        .and_then(|reader| reader.view().ok()?.last_run().ok()?);
    let who = run
        .filter(|run| run.ended_at.is_none())
        .map_or_else(String::new, |run| {
            format!(
                " (process {} on {}, started {})",
                run.pid,
                run.host,
                run.started_at.format("%Y-%m-%d %H:%M:%S UTC")
            )
        });
    Error::new(
        ErrorKind::Busy,
        format!(
            "Another run{who} has the checkpoint store {} open; wait for it to end, or stop it, then run again",
            path.display()
        ),
    )
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The checkpoint store {} cannot be opened; see to its place and its permissions",
            path.display()
        ),
    )
    .with_source(error)
}
