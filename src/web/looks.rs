//! The looks at the state file, shared by all readers of the page.
//!
//! A look opens the file, reads, and lets go of it at once. There is at most one look a second, however many readers there
//! are, and none while nobody reads; the rates alone are sampled every ten seconds. Looks and drawing are done on a few
//! threads beside those of the run.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::seen::{ChunkLine, PassDifferences, Rate, Seen, Subject};
use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::checkpoint::{Reader, Whole};
use crate::config::Config;
use crate::metrics;
use crate::model::account::Account;
use crate::model::chunk::ChunkState;
use crate::model::table::Identifier;
use crate::mssql::Endpoint;
use crate::status::{Status, complete, kept, runs};

/// A look is shown for so long.
const LOOK_AGE: Duration = Duration::from_secs(1);

/// The time between two samples of the rates.
const SAMPLE_PERIOD: Duration = Duration::from_secs(10);

/// An hour of samples.
const RATES_MAX: usize = 360;

/// Runs that a look has.
const RUNS_MAX: usize = 50;

/// Chunks that a page lists.
const LINES_MAX: usize = 1_000;

/// Looks and drawings at once: more would take processors from a run.
const JOBS_MAX: usize = 2;

/// Where the looks go.
#[derive(Debug, Clone)]
pub struct Place {
    /// The state file.
    pub state: PathBuf,
    /// The configuration, which adds the tables that no run has reached, and the hours of the source.
    pub config: PathBuf,
}

/// What a look found, or why it failed, as `sync status` would say it.
pub(super) type Look = std::result::Result<Seen, String>;

/// What was looked at.
pub(super) struct Looks {
    pub(super) place: Place,
    pub(super) clock: SharedClock,
    last: Mutex<Option<(Duration, Arc<Look>)>>,
    whole: Mutex<Whole>,
    rates: Mutex<Rates>,
    jobs: Arc<Semaphore>,
}

impl Looks {
    pub(super) fn new(place: Place, clock: SharedClock) -> Looks {
        Looks {
            place,
            clock,
            last: Mutex::default(),
            whole: Mutex::default(),
            rates: Mutex::default(),
            jobs: Arc::new(Semaphore::new(JOBS_MAX)),
        }
    }

    /// Does work that blocks, on a thread of its own.
    ///
    /// # Errors
    /// A sentence, if the work panicked: on a damaged file, say.
    pub(super) async fn job<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Looks) -> T + Send + 'static,
    ) -> std::result::Result<T, String> {
        let permit = Arc::clone(&self.jobs).acquire_owned().await;
        let looks = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            // A reader that went away leaves its work behind, which counts until it is done.
            let _permit = permit;
            work(&looks)
        });
        done.await
            .map_err(|_| "The page could not be drawn; `sync status` may say more".to_owned())
    }

    /// The last look, or a new one if that is too old. It blocks.
    pub(super) fn seen(&self) -> Arc<Look> {
        let mut last = locked(&self.last);
        let now = self.clock.monotonic();
        if let Some((at, look)) = &*last
            && now.saturating_sub(*at) < LOOK_AGE
        {
            return Arc::clone(look);
        }
        let look = Arc::new(self.look().map_err(|error| error.chain()));
        *last = Some((self.clock.monotonic(), Arc::clone(&look)));
        look
    }

    fn look(&self) -> Result<Seen> {
        let (config, config_error) = match self.config() {
            Ok(config) => (Some(config), None),
            Err(error) => (None, Some(error.chain())),
        };
        let reader = self.open()?;
        let mut status = kept(reader.as_ref(), config.as_ref())?;
        let runs = reader.as_ref().map(|reader| runs(reader, RUNS_MAX)).transpose()?;
        drop(reader);
        self.complete(&mut status, config.as_ref());
        Ok(Seen {
            subject: self.subject(config.as_ref()),
            status,
            runs: runs.unwrap_or_default(),
            rates: locked(&self.rates).rates.iter().copied().collect(),
            config_error,
        })
    }

    fn subject(&self, config: Option<&Config>) -> Subject {
        let end = |endpoint: &Endpoint, is_embedded: bool, schema: &Identifier| {
            let server = match is_embedded {
                true => "the embedded server".to_owned(),
                false => endpoint.address(),
            };
            format!("{}.{schema} on {server}", endpoint.database)
        };
        Subject {
            ends: config.map(|Config { source, target, .. }| {
                (
                    end(&source.endpoint, source.embedded, &source.schema),
                    end(&target.endpoint, target.embedded, &target.schema),
                )
            }),
            config: self.place.config.display().to_string(),
            state: self.place.state.display().to_string(),
        }
    }

    /// Adds to a status what the run that is going tells.
    fn complete(&self, status: &mut Status, config: Option<&Config>) {
        Handle::current().block_on(complete(status, &self.place.state, config, &self.clock));
    }

    /// The configuration as it is now.
    pub(super) fn config(&self) -> Result<Config> {
        Config::load(&self.place.config, &|name| std::env::var(name).ok())
    }

    fn open(&self) -> Result<Option<Reader>> {
        Reader::open_again(&self.place.state, &mut locked(&self.whole))
    }

    /// The chunks of a window that is opened, by ordinal: those that are not verified, and others up to a thousand.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub(super) fn chunks(&self, seen: &Seen, table: &str, window: &str) -> Result<Vec<ChunkLine>> {
        let table = seen.status.tables.iter().find(|of| of.name == table);
        let found = table.and_then(|table| {
            let mut windows = table.windows.iter().map(|of| of.window);
            Some((table, windows.find(|of| of.to_string() == window)?))
        });
        let (Some((table, window)), Some(reader)) = (found, self.open()?) else {
            return Ok(Vec::new());
        };
        let view = reader.view()?;
        let mut chunks = view.chunks(&table.name, window)?;
        let is_verified = |state: ChunkState| state == ChunkState::Verified;
        let others = chunks.iter().filter(|chunk| !is_verified(chunk.state)).count();
        let mut left = LINES_MAX.saturating_sub(others);
        chunks.retain(|chunk| {
            let is_shown = !is_verified(chunk.state) || left > 0;
            left -= usize::from(is_shown && is_verified(chunk.state));
            is_shown
        });
        chunks.truncate(LINES_MAX);
        let mut timings = view.timings(&table.name, window)?.into_iter().peekable();
        let lines = chunks.into_iter().map(|chunk| {
            while timings.next_if(|(ordinal, _)| *ordinal < chunk.ordinal).is_some() {}
            let timing = timings.next_if(|(ordinal, _)| *ordinal == chunk.ordinal);
            ChunkLine {
                timing: timing.map(|(_, timing)| timing),
                chunk,
            }
        });
        Ok(lines.collect())
    }

    /// The differences that each pass left.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub(super) fn differing(&self) -> Result<Vec<PassDifferences>> {
        let Some(reader) = self.open()? else {
            return Ok(Vec::new());
        };
        let view = reader.view()?;
        let mut all = Vec::new();
        for pass in view.passes()? {
            all.push(PassDifferences {
                pass_id: pass.id,
                chunks: view.differing(pass.id)?,
            });
        }
        Ok(all)
    }

    /// The metrics, of a look of their own: whoever scrapes them sets the pace.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub(super) fn metrics(&self) -> Result<String> {
        let config = self.config().ok();
        let reader = self.open()?;
        let mut status = kept(reader.as_ref(), config.as_ref())?;
        self.complete(&mut status, config.as_ref());
        metrics::text(reader.as_ref(), status)
    }

    /// Samples the rates for ever.
    pub(super) async fn sample(self: Arc<Self>) {
        loop {
            // A sample that failed is one less: the next look says why.
            let _ = self.job(Looks::sample_once).await;
            self.clock.sleep(SAMPLE_PERIOD).await;
        }
    }

    fn sample_once(&self) {
        let sums = self.open().and_then(|reader| match reader {
            Some(reader) => reader.view()?.account_sums(),
            None => Ok(Vec::new()),
        });
        let Ok(sums) = sums else { return };
        let Account {
            rows, rows_loaded, ..
        } = Account::total(&sums);
        let sample = Sample {
            since: self.clock.monotonic(),
            read: rows,
            loaded: rows_loaded,
        };
        locked(&self.rates).add(self.clock.now(), sample);
    }
}

/// What was read and loaded at a time, by all runs.
#[derive(Debug, Clone, Copy)]
struct Sample {
    since: Duration,
    read: u64,
    loaded: u64,
}

#[derive(Debug, Default)]
struct Rates {
    last: Option<Sample>,
    rates: VecDeque<Rate>,
}

impl Rates {
    fn add(&mut self, at: DateTime<Utc>, sample: Sample) {
        let Some(last) = self.last.replace(sample) else {
            return;
        };
        let seconds = sample.since.saturating_sub(last.since).as_secs_f64();
        // A state file that was made anew begins its sums anew.
        if seconds <= 0.0 || sample.read < last.read || sample.loaded < last.loaded {
            return;
        }
        while self.rates.len() >= RATES_MAX {
            self.rates.pop_front();
        }
        self.rates.push_back(Rate {
            at,
            read_per_second: (sample.read - last.read) as f64 / seconds,
            loaded_per_second: (sample.loaded - last.loaded) as f64 / seconds,
        });
    }
}

/// The value of a lock, also after a look that panicked: each is whole between two statements.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_samples_and_of_an_hour_at_most() {
        let mut rates = Rates::default();
        let mut add = |second: u64, read: u64, loaded: u64| {
            let sample = Sample {
                since: Duration::from_secs(second),
                read,
                loaded,
            };
            rates.add(DateTime::UNIX_EPOCH + sample.since, sample);
            let last = rates.rates.back();
            last.map(|rate| (rate.read_per_second, rate.loaded_per_second))
        };
        assert_eq!(add(0, 1_000, 900), None);
        assert_eq!(add(10, 2_000, 1_000), Some((100.0, 10.0)));
        assert_eq!(add(20, 2_000, 1_000), Some((0.0, 0.0)));
        // A new state file: what came before is no rate, and no fall.
        assert_eq!(add(30, 50, 0), Some((0.0, 0.0)));
        assert_eq!(add(40, 150, 100), Some((10.0, 10.0)));
        for second in 5..1_000 {
            add(second * 10, 150, 100);
        }
        assert_eq!(rates.rates.len(), RATES_MAX);
    }
}
