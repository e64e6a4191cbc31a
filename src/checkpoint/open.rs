//! The opening of a store, for writing or for reading, and the diagnosis of a file that is no whole store.
//!
//! A new store is created beside its place and linked into it when it is whole, so that a crash leaves a whole store or
//! nothing. An existing file is never overwritten. It is tried on a rehearsal before redb may write to it, so that a
//! damaged file stays unchanged.
//!
//! Whoever opens a store holds the lock of openings, and a writer the lock that shows it: `lock.rs` has both. The files
//! are their owner's alone, and those that an older version left open to others are taken from them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind as IoErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use redb::backends::FileBackend;
use redb::{Builder, ConcurrencyMode, DatabaseError, ReadOnlyDatabase, ReadableDatabase, StorageError};

use super::layout::{ALL, META, WAY_OUT, WRITER_KEY, damaged};
use super::lock::{self, OPENING, OPENING_WAIT_MAX, PRESENCE, named};
use super::rehearsal::Rehearsal;
use super::store::{Reader, Store, full_disk};
use super::view::View;
use super::{codec, v1};
use crate::base::disk::full;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{failpoint, private, process};

/// The size of redb's cache: a run touches the end of a window, and a status the counts.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Key and value that identify a redb file as a checkpoint store.
const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"mssql-sync checkpoints 1";

/// The most links that lead from one to the next; systems follow as many.
const LINKS_MAX: usize = 40;

/// Attempts of a reader: a writer that it found alive may be killed before the reader has opened the store.
const READ_ATTEMPTS: usize = 3;

/// A file whose every page was checked while nobody wrote it, by what a write changes.
#[derive(Debug, Default)]
pub struct Whole(Option<(u64, SystemTime)>);

impl Whole {
    fn of(path: &Path) -> Whole {
        let metadata = fs::metadata(path).ok();
        Whole(metadata.and_then(|metadata| Some((metadata.len(), metadata.modified().ok()?))))
    }

    fn is_still(&self, path: &Path) -> bool {
        self.0.is_some() && self.0 == Whole::of(path).0
    }
}

impl Store {
    /// Opens the store at `path`, or creates it if there is no file. Waits for another process that is just opening
    /// it, never for one that has it open.
    ///
    /// # Errors
    /// `Busy`, naming its run or the process, if another one writes it or keeps its lock; `State` if the file is no
    /// whole store.
    pub fn create_or_open(path: &Path) -> Result<Store> {
        create_or_open(path)
    }
}

impl Reader {
    /// Opens the store at `path` for reading; `None` if there is no file.
    ///
    /// # Errors
    /// `State` if the file is no whole store.
    pub fn open(path: &Path) -> Result<Option<Reader>> {
        read(path, &mut Whole::default())
    }

    /// The same for who looks again and again: each page of the file is checked only if the file changed since `whole` was
    /// told of it.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_again(path: &Path, whole: &mut Whole) -> Result<Option<Reader>> {
        read(path, whole)
    }

    /// Whether a process has the store open for writing.
    pub fn is_being_written(&self) -> bool {
        is_being_written(&self.path)
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

pub(super) fn create_or_open(path: &Path) -> Result<Store> {
    let path = &resolved(path)?;
    if !inspect(path)?
        && let Some(directory) = directory(path)
    {
        private::directory(directory).map_err(|error| unusable(path, error))?;
    }
    let (_opening, presence) = lock(path)?;
    if !inspect(path)? {
        create(path)?;
    }
    let tightened = tighten(path)?;
    verify(path)?;
    let database = guarded(path, || builder().open(path))?.map_err(|error| refused(path, error))?;
    let store = Store {
        database,
        path: path.to_owned(),
        presence,
        tightened,
        full: OnceLock::new(),
    };
    store.sign()?;
    Ok(store)
}

/// Creates an empty store at `new`, for its later move to `path`. Until then this process is the writer of both.
pub(super) fn begin(path: &Path, new: &Path) -> Result<Store> {
    if path.is_dir() {
        inspect(path)?;
    }
    if let Some(directory) = directory(path) {
        private::directory(directory).map_err(|error| unusable(path, error))?;
    }
    let (_opening, presence) = lock(path)?;
    remove(new).map_err(|error| unusable(path, error))?;
    let database = make(new)
        .and_then(|()| Ok(builder().open(new)?))
        .map_err(|error| unmade(path, error))?;
    Ok(Store {
        database,
        path: new.to_owned(),
        presence,
        tightened: tighten(path)?,
        full: OnceLock::new(),
    })
}

/// Takes the files of a store from all but their owner; returns whether the store itself was open to others.
fn tighten(path: &Path) -> Result<bool> {
    let tighten = |path: &Path| private::tighten(path).map_err(|error| unusable(path, error));
    tighten(&named(path, OPENING))?;
    tighten(&named(path, PRESENCE))?;
    tighten(path)
}

/// Takes the lock of openings. It waits for others that open the store, and not for ever.
fn lock_opening(path: &Path, opening: File, limit: Duration) -> Result<File> {
    lock::within(opening, limit)
        .map_err(|error| unusable(path, error))?
        .ok_or_else(|| kept_out(path, limit))
}

/// Takes the lock of openings, and the lock that shows this process as the writer.
fn lock(path: &Path) -> Result<(File, File)> {
    let opening = lock_opening(path, beside(path, OPENING)?, OPENING_WAIT_MAX)?;
    let presence = beside(path, PRESENCE)?;
    match presence.try_lock() {
        Ok(()) => Ok((opening, presence)),
        Err(TryLockError::WouldBlock) => Err(busy(path)),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
    }
}

pub(super) fn read(path: &Path, whole: &mut Whole) -> Result<Option<Reader>> {
    let path = &resolved(path)?;
    if !inspect(path)? {
        return Ok(None);
    }
    // A process that may only read can neither look for a writer nor repair the store, so redb alone decides.
    let (Ok(opening), Ok(_)) = (beside(path, OPENING), for_writing(path)) else {
        let database = open_read_only(path)?.map_err(|error| refused(path, error))?;
        return Ok(Some(reader(database, path)?));
    };
    let _opening = lock_opening(path, opening, OPENING_WAIT_MAX)?;
    let mut attempt = 1;
    let database = loop {
        let written = beside(path, PRESENCE).is_ok_and(|file| lock::is_held(&file));
        if !written && !whole.is_still(path) {
            let checked = Whole::of(path);
            verify(path)?;
            *whole = checked;
        }
        match open_read_only(path)? {
            Ok(database) => break database,
            // A writer was killed, and opening the store for writing repairs it.
            Err(DatabaseError::RepairAborted) if !written => {
                drop(guarded(path, || builder().open(path))?.map_err(|error| refused(path, error))?);
            }
            Err(DatabaseError::RepairAborted) if attempt < READ_ATTEMPTS => {}
            Err(error) => return Err(refused(path, error)),
        }
        attempt += 1;
    };
    Ok(Some(reader(database, path)?))
}

/// Opens the store at `path`, whose locks this process holds, for reading; `None` if there is no file.
pub(super) fn read_only(path: &Path) -> Result<Option<Reader>> {
    if !inspect(path)? {
        return Ok(None);
    }
    verify(path)?;
    let opened = match open_read_only(path)? {
        Err(DatabaseError::RepairAborted) => {
            drop(guarded(path, || builder().open(path))?.map_err(|error| refused(path, error))?);
            open_read_only(path)?
        }
        opened => opened,
    };
    Ok(Some(reader(opened.map_err(|error| refused(path, error))?, path)?))
}

fn open_read_only(path: &Path) -> Result<std::result::Result<ReadOnlyDatabase, DatabaseError>> {
    guarded(path, || builder().open_read_only(path))
}

fn reader(database: ReadOnlyDatabase, path: &Path) -> Result<Reader> {
    check_format(&database, path)?;
    Ok(Reader {
        database,
        path: path.to_owned(),
    })
}

pub(super) fn is_being_written(path: &Path) -> bool {
    // Only under the lock of openings does a held `.lock` mean a writer, and not a process that looks for one.
    let opening = lock::beside(path, OPENING).and_then(|opening| lock::within(opening, OPENING_WAIT_MAX));
    opening.is_ok() && beside(path, PRESENCE).is_ok_and(|file| lock::is_held(&file))
}

/// Opens the store as a writer would, and checks and repairs every page, without writing a byte of the file.
fn verify(path: &Path) -> Result<()> {
    let file = for_writing(path)?;
    let database = guarded(path, || {
        builder()
            .set_check_integrity_on_open(true)
            .create_with_backend(Rehearsal::new(file)?)
    })?
    .map_err(|error| refused(path, error))?;
    check_format(&database, path)
}

fn for_writing(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path);
    file.map_err(|error| unusable(path, error))
}

/// The path that a symbolic link at `path` leads to, whether a file is there or not. The locks and the other files of
/// a store lie beside the store, by whatever link it is named.
///
/// # Errors
/// `State` for links that lead to no end.
pub fn resolved(path: &Path) -> Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&place) {
            Ok(to) => place = place.with_file_name("").join(to),
            // Not a link, or nothing at all.
            Err(_) => return Ok(place),
        }
    }
    let text = "its name is a link that leads to no end; name a file with --state";
    Err(Error::new(
        ErrorKind::State,
        format!("The state file {} cannot be opened: {text}", path.display()),
    ))
}

/// Whether there is a file at `path`.
///
/// # Errors
/// `State` if it cannot be a store.
fn inspect(path: &Path) -> Result<bool> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, error)),
    };
    let fault = if metadata.is_dir() {
        "is a directory; name a file with --state".to_owned()
    } else if metadata.len() == 0 {
        format!("is empty, which a state file never is; {WAY_OUT}")
    } else {
        return Ok(true);
    };
    Err(Error::new(
        ErrorKind::State,
        format!("The state file {} {fault}", path.display()),
    ))
}

/// Creates a store if there is none. The caller holds the lock of openings.
fn create(path: &Path) -> Result<()> {
    let new = named(path, ".new");
    // A crash may have left a file of an earlier attempt. Only whoever holds the lock of openings uses this name.
    remove(&new).map_err(|error| unusable(path, error))?;
    make(&new).map_err(|error| unmade(path, error))?;
    failpoint::step("checkpoint: before a new store is placed");
    let placed = match fs::hard_link(&new, path) {
        Ok(()) => fs::remove_file(&new),
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => Err(error),
        // A file system without links.
        Err(_) => fs::rename(&new, path),
    };
    placed
        .and_then(|()| sync_directory(path))
        .map_err(|error| unusable(path, error))
}

/// Makes the names in the directory of `path` durable. Only Unix needs it: elsewhere a directory cannot be opened,
/// and its changes are journaled.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(directory(path).unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != IoErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unmade(path: &Path, error: redb::Error) -> Error {
    let text = match full_disk(path, &error) {
        Some(full) => format!("The state file {full}"),
        None => format!(
            "The state file {} cannot be created; see to the disk",
            path.display()
        ),
    };
    Error::new(ErrorKind::State, text).with_source(error)
}

fn make(path: &Path) -> std::result::Result<(), redb::Error> {
    let database = builder().create_with_backend(FileBackend::new(private::create_new(path)?)?)?;
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
    let foreign = || {
        fault(&format!(
            "is a redb file, but no state file of this program; name another file with --state, or \
             {WAY_OUT}"
        ))
    };
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
        Some(_) => Err(fault(&format!(
            "is a state file of another version; use the program that wrote it, or {WAY_OUT}"
        ))),
        None => Err(foreign()),
    }
}

/// Runs code of redb that may panic on a damaged file.
fn guarded<T>(path: &Path, action: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|_| {
        let text = "redb gave up on it";
        damaged(path, redb::Error::Corrupted(text.to_owned()))
    })
}

/// Opens one of the empty lock files beside the store.
fn beside(path: &Path, suffix: &str) -> Result<File> {
    lock::beside(path, suffix).map_err(|error| unusable(path, error))
}

fn directory(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|directory| !directory.as_os_str().is_empty())
}

/// Who has the store at `path` open for writing, as the beginning of a sentence: `Another run (process 4711 on vm)`;
/// `None` if nobody has.
///
/// # Errors
/// `State` for a name that leads to no file.
pub fn holder(path: &Path) -> Result<Option<String>> {
    let path = &resolved(path)?;
    Ok(is_being_written(path).then(|| who(path)))
}

/// The error for a store that another process has.
fn busy(path: &Path) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!(
            "{} has the state file {} open; wait for it to end, or stop it, then run again",
            who(path),
            path.display()
        ),
    )
}

/// The process that has a store: its run as the store has recorded it, if that process is the one, or the process that
/// the system names.
fn who(path: &Path) -> String {
    let mut holders = lock::holders(&named(path, PRESENCE));
    holders.extend(lock::holders(path));
    let recorded = open_read_only(path)
        .ok()
        .and_then(std::result::Result::ok)
        .and_then(|database| recorded(&View::new(&database, path).ok()?));
    match recorded {
        Some((pid, run)) if holders.contains(&pid) => format!("Another run (process {pid}{run})"),
        _ if !holders.is_empty() => format!("Another program ({})", processes(&holders)),
        Some((pid, run)) => match process::is_alive(pid) {
            Some(true) => format!("Another run (process {pid}{run})"),
            Some(false) => {
                format!("Another program, not the last run there (process {pid}), which has ended,")
            }
            None => format!("Another run (the last one there was process {pid}{run})"),
        },
        None => "Another run".to_owned(),
    }
}

/// The error for a lock of openings that is not given up: no opening takes that long.
fn kept_out(path: &Path, waited: Duration) -> Error {
    let file = named(path, OPENING);
    let who = match &lock::holders(&file)[..] {
        [] => "another process".to_owned(),
        holders => processes(holders),
    };
    Error::new(
        ErrorKind::Busy,
        format!(
            "The state file {} cannot be opened: {who} has locked {} for {} s, which a command locks for a moment; \
             end that process, or have it leave the file alone, then run again",
            path.display(),
            file.display(),
            waited.as_secs()
        ),
    )
}

fn processes(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("process {id}")).collect();
    ids.join(", ")
}

/// The process that last opened the store for writing, and its run.
fn recorded(view: &View<'_>) -> Option<(u32, String)> {
    let meta = view.transaction.open_table(META).ok()?;
    let value = meta.get(WRITER_KEY).ok()??;
    let pid = codec::decode::<v1::Writer>(view.path, WRITER_KEY, value.value())
        .ok()?
        .pid;
    // The last run may be one that was killed, if the writer has not recorded its own yet.
    let run = view.last_run().ok()?;
    let run = run.filter(|run| run.pid == pid && run.ended_at.is_none());
    let of_run = run.map_or_else(String::new, |run| {
        let started = run.started_at.format("%Y-%m-%d %H:%M:%S UTC");
        format!(" on {}, started {started}", run.host)
    });
    Some((pid, of_run))
}

/// The error for a store that redb does not open: the fault lies in the place, or in the store.
fn refused(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => busy(path),
        DatabaseError::RepairAborted => Error::new(
            ErrorKind::State,
            format!(
                "The state file {} was left by a run that was killed, and cannot be repaired from here; run \
                 again as a user that may write it and its directory",
                path.display()
            ),
        ),
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(
                error.kind(),
                IoErrorKind::InvalidData | IoErrorKind::InvalidInput | IoErrorKind::UnexpectedEof
            ) =>
        {
            unusable(path, error)
        }
        error => damaged(path, error),
    }
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    let text = match full(path, &error) {
        Some(full) => format!("The state file {full}"),
        None => format!(
            "The state file {} cannot be opened; see to its place, its permissions and the room on its disk",
            path.display()
        ),
    };
    Error::new(ErrorKind::State, text).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_read_is_not_called_damage() {
        let says = |kind: IoErrorKind| {
            let error = refused(
                Path::new("store"),
                DatabaseError::Storage(StorageError::Io(kind.into())),
            );
            assert_eq!(error.kind(), ErrorKind::State);
            error.to_string()
        };
        assert!(says(IoErrorKind::PermissionDenied).contains("cannot be opened; see to its place"));
        assert!(says(IoErrorKind::StorageFull).contains("the disk that it is on is full"));
        assert!(says(IoErrorKind::InvalidData).contains(WAY_OUT));
        assert!(says(IoErrorKind::UnexpectedEof).contains(WAY_OUT));
    }

    #[test]
    fn who_keeps_others_from_opening_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let held = beside(&path, OPENING).unwrap();
        held.lock().unwrap();
        let error = lock_opening(&path, beside(&path, OPENING).unwrap(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        if cfg!(target_os = "linux") {
            let named = format!("process {} has locked", std::process::id());
            assert!(error.to_string().contains(&named), "{error}");
        }
        drop(held);
        assert!(Reader::open(&path).unwrap().is_none());
    }

    #[test]
    fn a_file_is_checked_again_only_if_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        drop(create_or_open(&path).unwrap());
        let mut whole = Whole::default();
        for _ in 0..2 {
            assert!(Reader::open_again(&path, &mut whole).unwrap().is_some());
            assert!(whole.is_still(&path));
        }
        fs::write(&path, "another").unwrap();
        assert!(!whole.is_still(&path));
        assert!(Reader::open_again(&path, &mut whole).is_err());
    }

    #[test]
    fn a_format_of_another_version_is_refused_as_such() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let database = builder().create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let newer: &[u8] = b"mssql-sync checkpoints 2";
        transaction
            .open_table(META)
            .unwrap()
            .insert(FORMAT_KEY, newer)
            .unwrap();
        transaction.commit().unwrap();
        drop(database);
        for error in [
            create_or_open(&path).unwrap_err(),
            Reader::open(&path).err().unwrap(),
        ] {
            assert_eq!(error.kind(), ErrorKind::State);
            assert!(error.to_string().contains("of another version"), "{error}");
        }
    }
}
