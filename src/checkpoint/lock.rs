//! The two empty files beside a store that processes lock, and the processes that hold them.
//!
//! A writer locks `.lock` as long as it lives. A process locks `.opening` while it opens, creates or repairs the store.
//! So a process that waits for `.opening` waits for an opening, never for a run, and while it holds `.opening`, the
//! state of `.lock` tells truly whether a writer lives.
//!
//! Any program that may read a file may lock it: a backup, say. So no wait has no limit, and on Linux the system is
//! asked who holds a lock, whatever a store has recorded.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::base::{private, process};

/// The longest wait for another process that opens the store. It checks each page of it: seconds of a large store.
pub(super) const OPENING_WAIT_MAX: Duration = Duration::from_secs(30);

/// The file whose lock is held while a store is opened.
pub(super) const OPENING: &str = ".opening";

/// The file whose lock shows a writer.
pub(super) const PRESENCE: &str = ".lock";

/// The path of a store with something behind its name.
pub(super) fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens one of the files beside the store at `path`.
pub(super) fn beside(path: &Path, suffix: &str) -> io::Result<File> {
    private::open(&named(path, suffix))
}

/// Locks a file, and waits for it; `None` if another process has kept it for all of `limit`.
pub(super) fn within(file: File, limit: Duration) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => return Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The system's own wait has no limit. A lock that comes too late goes with its file, which nobody takes.
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        // Nobody takes it after the limit.
        let _ = sender.send(locked);
    });
    match receiver.recv_timeout(limit) {
        Ok(locked) => locked.map(Some),
        Err(_) => Ok(None),
    }
}

/// Whether another open file has an exclusive lock.
pub(super) fn is_held(file: &File) -> bool {
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The living processes that hold a lock of the file at `path`; none where the system does not tell.
pub(super) fn holders(path: &Path) -> Vec<u32> {
    let (Some(file), Ok(locks)) = (identity(path), std::fs::read_to_string("/proc/locks")) else {
        return Vec::new();
    };
    let mut holders = holders_in(&locks, &file);
    holders.retain(|pid| process::is_alive(*pid) != Some(false));
    holders
}

/// A file as the list of locks names it.
#[cfg(target_os = "linux")]
fn identity(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path).ok()?;
    let device = file.dev();
    Some(format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        file.ino()
    ))
}

#[cfg(not(target_os = "linux"))]
fn identity(_: &Path) -> Option<String> {
    None
}

/// The processes that hold a lock of `file`, by lines as `1: FLOCK ADVISORY WRITE 4711 fd:00:131 0 EOF`. Those that wait
/// have an arrow before the kind, and a lock of an open file has no process.
fn holders_in(locks: &str, file: &str) -> Vec<u32> {
    let mut holders: Vec<u32> = locks
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, _, _, _, pid, of, ..] = fields[..] else {
                return None;
            };
            let pid = pid.parse().ok()?;
            (of == file && pid != 0).then_some(pid)
        })
        .collect();
    holders.sort_unstable();
    holders.dedup();
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_an_end_and_leaves_no_lock_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let open = || beside(&path, OPENING).unwrap();
        let held = open();
        held.lock().unwrap();
        assert!(within(open(), Duration::ZERO).unwrap().is_none());
        drop(held);
        // The wait that was given up may have the lock for a moment.
        assert!(within(open(), OPENING_WAIT_MAX).unwrap().is_some());
        assert!(within(open(), OPENING_WAIT_MAX).unwrap().is_some());
    }

    #[test]
    fn who_waits_is_no_holder() {
        let locks = "1: FLOCK  ADVISORY  WRITE 4711 fd:00:131 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 4712 fd:00:131 0 EOF\n\
                     2: OFDLCK ADVISORY  READ -1 fd:00:131 0 EOF\n\
                     3: POSIX  ADVISORY  READ 4713 fd:00:131 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 4714 fd:00:132 0 EOF\n";
        assert_eq!(holders_in(locks, "fd:00:131"), [4711, 4713]);
        assert!(holders_in(locks, "fd:00:13").is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_holder_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let file = beside(&path, PRESENCE).unwrap();
        assert!(holders(&named(&path, PRESENCE)).is_empty());
        file.lock_shared().unwrap();
        assert_eq!(holders(&named(&path, PRESENCE)), [std::process::id()]);
    }
}
