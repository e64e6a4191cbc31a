//! Who serves a directory of databases: one `sync emulator` at a time, or the commands with an embedded end.
//!
//! A server locks `emulator.lock` in the directory as long as it lives, so that a killed one leaves no lock. Commands with
//! an embedded end share the lock, because each of them serves the directory for its own time. What cannot share it is told
//! who has it, from `emulator.holder` beside it.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::private;

const LOCK: &str = "emulator.lock";
const HOLDER: &str = "emulator.holder";

/// The right to serve a directory. It lasts as long as this lives.
#[derive(Debug)]
pub(super) struct Serving {
    /// Its lock goes with the file.
    _lock: File,
}

impl Serving {
    /// Takes the directory for one server alone.
    ///
    /// # Errors
    /// `Busy`, naming who serves it; `Usage` if the directory cannot be used.
    pub(super) fn alone(data: &Path) -> Result<Serving> {
        Serving::take(data, File::try_lock)
    }

    /// Takes it beside other commands with an embedded end.
    ///
    /// # Errors
    /// As [`Serving::alone`].
    pub(super) fn together(data: &Path) -> Result<Serving> {
        Serving::take(data, File::try_lock_shared)
    }

    fn take(data: &Path, lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Serving> {
        let failed = |error: std::io::Error| {
            let text = format!(
                "The directory {} of the embedded server cannot be used; see to it",
                data.display()
            );
            Error::new(ErrorKind::Usage, text).with_source(error)
        };
        private::directory(data).map_err(failed)?;
        let file = private::open(&data.join(LOCK)).map_err(failed)?;
        match lock(&file) {
            Ok(()) => Ok(Serving { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(busy(data)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Leaves word for those that cannot serve the directory meanwhile.
    pub(super) fn name(&self, data: &Path, who: &str) {
        // The word is a help, and the lock is what counts.
        let _ = private::write(&data.join(HOLDER), who.as_bytes());
    }
}

fn busy(data: &Path) -> Error {
    let holder = std::fs::read_to_string(data.join(HOLDER)).ok();
    // A command that shares the lock leaves no word, and what is there may be of a server that has ended.
    let who = match holder.filter(|_| private::open(&data.join(LOCK)).is_ok_and(|file| is_alone(&file))) {
        Some(who) => format!("`sync emulator` ({})", crate::base::text::shown(who.trim())),
        None => "a command that is at work".to_owned(),
    };
    let text = format!(
        "The databases in {} are served by {who}; stop it, or connect to it, or give another directory",
        data.display()
    );
    Error::new(ErrorKind::Busy, text)
}

/// Whether the lock is held by one alone: others cannot share it.
fn is_alone(lock: &File) -> bool {
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_serves_a_directory_and_commands_share_it() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let first = Serving::alone(&data).unwrap();
        first.name(&data, "process 7 at 127.0.0.1:1");
        for refused in [Serving::alone(&data), Serving::together(&data)] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy);
            assert!(
                error
                    .to_string()
                    .contains("`sync emulator` (process 7 at 127.0.0.1:1)"),
                "{error}"
            );
        }
        drop(first);
        let commands = [
            Serving::together(&data).unwrap(),
            Serving::together(&data).unwrap(),
        ];
        let error = Serving::alone(&data).unwrap_err();
        assert!(
            error.to_string().contains("by a command that is at work"),
            "{error}"
        );
        drop(commands);
        Serving::alone(&data).unwrap();
    }
}
