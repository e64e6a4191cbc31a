//! Log files: the lines of a day in files of a bounded size, which are kept for some days.
//!
//! Several processes may append to one file: each line is one write at its end, and nobody renames a file. So no line is torn
//! by another one, and no process rotates a file away that another one has open. A file is its owner's alone. What cannot be
//! written is dropped and warned of once: no log ends a command.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{Days, NaiveDate};

use crate::base::clock::SharedClock;
use crate::base::private;
use crate::config::{LogFiles, LogFormat};

/// A file that was removed while it is open is noticed after so long.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// After an error, lines are dropped for so long before the next attempt: a full disk is not asked for each line.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The most files that are kept, whatever their age.
const FILES_MAX: usize = 100;

/// The log files of a command.
pub struct Files {
    settings: LogFiles,
    clock: SharedClock,
    state: Mutex<State>,
    warn: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// When the file was last seen in its place, on the monotonic clock.
    seen_at: Duration,
    /// The time of the next attempt after an error.
    retry_at: Option<Duration>,
    has_warned: bool,
}

struct Open {
    file: File,
    path: PathBuf,
    day: NaiveDate,
    /// Whether the last line has no end, because its writer was killed or the disk was full.
    is_torn: bool,
}

impl Files {
    /// Files by these settings; the first line makes the first one. `warn` is called once, if a line cannot be written.
    pub fn new(settings: LogFiles, clock: SharedClock, warn: impl Fn(&str) + Send + Sync + 'static) -> Files {
        Files {
            settings,
            clock,
            state: Mutex::default(),
            warn: Box::new(warn),
        }
    }

    /// Appends a line, which has its end.
    pub fn line(&self, line: &[u8]) {
        // The lock is free while it is warned, which may write a line.
        let warning = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.append(&mut state, line)
                .err()
                .and_then(|error| self.failed(&mut state, &error))
        };
        if let Some(warning) = warning {
            (self.warn)(&warning);
        }
    }

    fn append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        let now = self.clock.monotonic();
        if state.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        state.retry_at = None;
        let today = self.clock.now().date_naive();
        let mut open = match state.open.take() {
            Some(open) if self.is_fit(state, &open, today, now)? => open,
            _ => {
                state.seen_at = now;
                self.open(today)?
            }
        };
        let whole = match std::mem::take(&mut open.is_torn) {
            true => [b"\n", line].concat(),
            false => line.to_vec(),
        };
        // One write a line: a second one could come after another process's.
        if open.file.write(&whole)? < whole.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.open = Some(open);
        Ok(())
    }

    /// Whether the open file takes the next line: it is of today, not too large, and still in its place.
    fn is_fit(&self, state: &mut State, open: &Open, today: NaiveDate, now: Duration) -> io::Result<bool> {
        if open.day != today || open.file.metadata()?.len() >= self.settings.rotate_bytes {
            return Ok(false);
        }
        if now.saturating_sub(state.seen_at) < LOOK_EVERY {
            return Ok(true);
        }
        state.seen_at = now;
        Ok(open.path.exists())
    }

    /// Opens the newest file of a day, or the one after it if that is full. Removes those that are too old.
    fn open(&self, today: NaiveDate) -> io::Result<Open> {
        let directory = &self.settings.directory;
        private::directory(directory)?;
        let end = match self.settings.format {
            LogFormat::Text => "log",
            LogFormat::Json => "jsonl",
        };
        let found = named(directory)?;
        let of_today = found
            .iter()
            .filter(|name| name.day == today && name.path.extension().is_some_and(|found| found == end));
        let newest = of_today.map(|name| name.number).max().unwrap_or(1);
        for number in newest.. {
            let path = directory.join(format!("sync-{today}.{number}.{end}"));
            let mut file = private::append(&path)?;
            let length = file.metadata()?.len();
            if length >= self.settings.rotate_bytes {
                continue;
            }
            let is_torn = length > 0 && last_byte(&mut file)? != b'\n';
            self.remove_old(found, today, &path);
            return Ok(Open {
                file,
                path,
                day: today,
                is_torn,
            });
        }
        Err(io::Error::other("there is no free number for a file of this day"))
    }

    /// Removes files that are too old or too many. One that stays is removed by a later command.
    fn remove_old(&self, mut found: Vec<Name>, today: NaiveDate, current: &Path) {
        found.retain(|name| name.path != current);
        found.sort_by_key(|name| (name.day, name.number));
        let oldest = today.checked_sub_days(Days::new(self.settings.keep_days.into()));
        let too_many = (found.len() + 1).saturating_sub(FILES_MAX);
        for (at, name) in found.iter().enumerate() {
            if at < too_many || oldest.is_some_and(|oldest| name.day < oldest) {
                // Another process may have removed it.
                let _ = std::fs::remove_file(&name.path);
            }
        }
    }

    /// Records an error; returns the warning, once.
    fn failed(&self, state: &mut State, error: &io::Error) -> Option<String> {
        state.open = None;
        state.retry_at = Some(self.clock.monotonic() + RETRY_AFTER);
        let is_first = !std::mem::replace(&mut state.has_warned, true);
        is_first.then(|| {
            format!(
                "The log file in {} cannot be written, and lines are missing there: {error}; give the directory room, or \
                 have this user write to it. The work goes on, and the log with it once that is done",
                self.settings.directory.display()
            )
        })
    }
}

/// A log file by its name.
struct Name {
    day: NaiveDate,
    number: u32,
    path: PathBuf,
}

/// The log files of a directory.
fn named(directory: &Path) -> io::Result<Vec<Name>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some((day, number)) = name.and_then(parsed) {
            found.push(Name { day, number, path });
        }
    }
    Ok(found)
}

/// The day and the number in a name like `sync-2025-11-30.1.jsonl`.
fn parsed(name: &str) -> Option<(NaiveDate, u32)> {
    let (rest, end) = name.strip_prefix("sync-")?.rsplit_once('.')?;
    let (day, number) = rest.split_once('.')?;
    let is_ours = ["log", "jsonl"].contains(&end);
    is_ours.then_some((day.parse().ok()?, number.parse().ok()?))
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}
