//! What the governor decides: whether a read may begin now, how large it may be, and what is to change after it.
//!
//! It is pure. It is told the time, and what reads took and what the source shows; it answers, and keeps what it decided
//! until somebody takes it. It has no clock, waits for nothing and sends nothing.

use std::time::Duration;

use crate::base::text::rows as counted_rows;
use crate::governor::baseline::Baseline;
use crate::governor::debt::Debt;
use crate::governor::pressure::{May, Pressure, Weather, weather};
use crate::governor::size::{LEAST_ROWS, Size, Sized};
use crate::model::pace::{Action, Cause, Ceilings, Signs, Tuning};

/// How many times as long as it should a query may take before it is cut.
const BUDGET_FACTOR: u32 = 10;

/// The time between two looks at a replica that is too far behind.
pub(super) const LAG_LOOK: Duration = Duration::from_secs(30);

/// How the source finds the rows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// By an index, so that fewer rows take less time.
    ByIndex,
    /// By a walk that passes rows of other dates, for as long as there are some.
    ByWalk,
    /// By a scan, whatever their number.
    ByScan,
}

/// A read that asks to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A new chunk, which may have as many rows as is decided.
    Chunk {
        /// The most that its caller takes.
        rows: u64,
        /// How its rows are found.
        found: Found,
    },
    /// A chunk that was read before, of about so many rows. It keeps its range, or is split.
    Again {
        /// The rows that are expected.
        rows: u64,
        /// How they are found.
        found: Found,
    },
    /// Another read, of about so many rows: it is what it is, and takes its time.
    Whole {
        /// The rows that are expected; 0 for a count.
        rows: u64,
    },
    /// A part of the work on a chunk that is under way: nothing holds it, but it has the same pace as others.
    Part,
}

impl Ask {
    /// Whether an index finds its rows, so that its time tells something of its source.
    fn is_sought(self) -> bool {
        let (Ask::Chunk { found, .. } | Ask::Again { found, .. }) = self else {
            return false;
        };
        found == Found::ByIndex
    }
}

/// A query that has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Rows that came.
    pub rows: u64,
    /// Their canonical bytes.
    pub bytes: u64,
    /// The time from the request to the end of the answer.
    pub took: Duration,
    /// Whether the source has more.
    pub full: bool,
    /// Whether it was cut, because it took longer than it may.
    pub cut: bool,
}

/// What a read may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// The most rows.
    pub(super) rows: u64,
    /// The most bytes of a new chunk.
    pub(super) bytes: u64,
    /// What was taken of the ceiling of rows.
    pub(super) reserved: u64,
    /// The time that a query of it may take, if fewer rows can help.
    pub(super) budget: Option<Duration>,
    /// Whether it is the one that probes, after all reads slept or while the replica was too far behind.
    pub(super) is_probe: bool,
}

/// Why a read may not begin yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    /// What it waits for; `None` for a turn among the workers that are set, which is no wait.
    pub(super) cause: Option<Cause>,
    /// When to ask again, on the monotonic clock; `None` once something has changed.
    pub(super) until: Option<Duration>,
    /// Whether all reads wait, in words and numbers; empty if it is but the time between two of them.
    pub(super) hold: String,
}

/// Whether a read may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may.
    Go(Grant),
    /// It may not yet.
    Wait(Wait),
}

/// What was decided, and why.
pub(super) type Decided = (Action, String);

/// The state of the reads of a run.
#[derive(Debug, Clone)]
pub(super) struct Governor {
    pub(super) query_target: Duration,
    lag_max: Option<Duration>,
    /// The most rows of a chunk, as set. A table may need more.
    pub(super) chunk_rows: u64,
    pub(super) size: Size,
    baseline: Baseline,
    pub(super) pressure: Pressure,
    pub(super) rows: Debt,
    bytes: Debt,
    queries: Debt,
    pub(super) is_paused: bool,
    /// How far the replica was too far behind, and when to look again.
    lag: Option<(Duration, Duration)>,
    /// Reads under way.
    pub(super) reading: usize,
    /// When the last read ended.
    ended: Option<Duration>,
    /// Why all reads sleep.
    asleep: String,
    /// Whether the last look has shown trouble.
    is_bad_weather: bool,
    decided: Vec<Decided>,
}

impl Governor {
    pub(super) fn new(ceilings: &Ceilings, max_workers: usize, chunk_rows: u64) -> Self {
        Governor {
            query_target: ceilings.query_target,
            lag_max: ceilings.lag_max,
            chunk_rows,
            size: Size::new(chunk_rows),
            baseline: Baseline::default(),
            pressure: Pressure::new(max_workers),
            rows: Debt::new(ceilings.rows_per_second),
            bytes: Debt::new(ceilings.bytes_per_second),
            queries: Debt::new(ceilings.queries_per_second),
            is_paused: false,
            lag: None,
            reading: 0,
            ended: None,
            asleep: String::new(),
            is_bad_weather: false,
            decided: Vec::new(),
        }
    }

    /// What was decided since the last time.
    pub(super) fn take_decided(&mut self) -> Vec<Decided> {
        std::mem::take(&mut self.decided)
    }

    /// A table begins. What its chunks take is its own; what the server suffers from is not.
    pub(super) fn begin_table(&mut self) {
        self.size = Size::new(self.chunk_rows);
        self.baseline = Baseline::default();
    }

    /// Whether a read may begin at `now`. If it may, it has begun.
    pub(super) fn ask(&mut self, now: Duration, ask: Ask) -> Answer {
        if ask == Ask::Part {
            return match self.owed(now) {
                Some(at) => Answer::Wait(between(Cause::Pace, Some(at))),
                None => Answer::Go(self.begin(now, ask, false)),
            };
        }
        if self.is_paused {
            return hold(
                Cause::Pause,
                None,
                "a person paused the run; `sync resume` lets it go on",
            );
        }
        let mut is_probe = false;
        if let Some((behind, look)) = self.lag {
            if now < look || self.reading > 0 {
                return hold(
                    Cause::Lag,
                    Some(look.max(now)).filter(|at| now < *at),
                    &self.lag_text(behind),
                );
            }
            is_probe = true;
        }
        match self.pressure.may(now, self.reading, self.ended) {
            May::Begin => {}
            May::Probe => is_probe = true,
            May::At(at) if self.pressure.is_asleep() => return hold(Cause::Latency, Some(at), &self.asleep),
            May::At(at) => return Answer::Wait(between(Cause::Latency, Some(at))),
            May::Later if self.pressure.is_asleep() => return hold(Cause::Latency, None, &self.asleep),
            May::Later => {
                let is_fewer = self.pressure.workers() < self.pressure.max();
                return Answer::Wait(Wait {
                    cause: is_fewer.then_some(Cause::Latency),
                    until: None,
                    hold: String::new(),
                });
            }
        }
        if let Some(at) = self.owed(now) {
            return Answer::Wait(between(Cause::Pace, Some(at)));
        }
        Answer::Go(self.begin(now, ask, is_probe))
    }

    /// Whether another query of a read that has begun may begin; its time otherwise. Nothing holds a chunk that is under
    /// way, but its queries have the same pace as others.
    pub(super) fn ask_again(&mut self, now: Duration) -> Option<(Cause, Duration)> {
        if let Some(at) = self.owed(now) {
            return Some((Cause::Pace, at));
        }
        let paused = self.ended.map(|ended| ended + self.pressure.pause());
        if let Some(at) = paused.filter(|at| !self.pressure.pause().is_zero() && now < *at) {
            return Some((Cause::Latency, at));
        }
        self.queries.take(now, 1);
        None
    }

    /// The time at which no ceiling is owed anything, if it is to come.
    fn owed(&self, now: Duration) -> Option<Duration> {
        let debts = [&self.rows, &self.bytes, &self.queries];
        let paid_at = debts.map(Debt::paid_at).into_iter().max()?;
        (now < paid_at).then_some(paid_at)
    }

    /// The most rows of a read under the ceiling: a second's worth, so that there is no burst; but no query for a handful.
    fn at_once(&self) -> u64 {
        self.rows
            .per_second()
            .map_or(u64::MAX, |most| most.max(LEAST_ROWS))
    }

    /// The most rows of the next chunk.
    pub(super) fn next_rows(&self) -> u64 {
        self.size.rows().min(self.at_once())
    }

    fn begin(&mut self, now: Duration, ask: Ask, is_probe: bool) -> Grant {
        let (rows, reserved) = match ask {
            Ask::Chunk { rows, found } => {
                self.size.fit(rows);
                let decided = match found {
                    // Smaller ones are more scans.
                    Found::ByScan => self.size.max(),
                    Found::ByIndex | Found::ByWalk if is_probe => self.size.least(),
                    Found::ByIndex | Found::ByWalk => self.size.rows(),
                };
                let at_once = match found {
                    Found::ByScan => u64::MAX,
                    Found::ByIndex | Found::ByWalk => self.at_once(),
                };
                let rows = rows.min(decided).min(at_once);
                (rows, rows)
            }
            // What is known to take too long is read in parts, and split.
            Ask::Again {
                rows,
                found: Found::ByIndex,
            } if self.size.is_known() && rows > self.size.rows() => (self.size.rows(), self.size.rows()),
            Ask::Again { rows, .. } | Ask::Whole { rows } => (u64::MAX, rows),
            Ask::Part => (u64::MAX, 0),
        };
        self.rows.take(now, reserved);
        self.queries.take(now, 1);
        self.reading += 1;
        if is_probe {
            self.pressure.probe(true);
        }
        let bytes = match ask {
            Ask::Chunk {
                found: Found::ByIndex | Found::ByWalk,
                ..
            } => self.bytes.per_second().unwrap_or(u64::MAX),
            Ask::Chunk { .. } | Ask::Again { .. } | Ask::Whole { .. } | Ask::Part => u64::MAX,
        };
        Grant {
            rows,
            bytes,
            reserved,
            budget: ask
                .is_sought()
                .then(|| self.query_target.saturating_mul(BUDGET_FACTOR)),
            is_probe,
        }
    }

    /// A query of a read has ended at `now`.
    pub(super) fn measured(&mut self, now: Duration, ask: Ask, grant: &mut Grant, read: Measured) {
        self.ended = Some(now);
        let reserved = std::mem::take(&mut grant.reserved);
        match read.rows.checked_sub(reserved) {
            Some(more) => self.rows.take(now, more),
            None => self.rows.give_back(reserved - read.rows),
        }
        self.bytes.take(now, read.bytes);
        let (rows, took) = (read.rows, read.took);
        let asked = match ask {
            Ask::Again { rows, .. } | Ask::Whole { rows } => rows.min(grant.rows),
            Ask::Chunk { .. } | Ask::Part => grant.rows,
        };
        let why = format!(
            "{} took {}, and query_ms_target is {}",
            counted_rows(rows),
            seconds(took),
            self.query_target.as_millis()
        );
        let resized = match ask {
            Ask::Chunk { found, .. } | Ask::Again { found, .. } if found != Found::ByScan => {
                let sized = Sized {
                    rows,
                    took,
                    full: read.full,
                };
                match read.cut && rows == 0 {
                    true => self.size.cancelled(asked),
                    false => self.size.follow(sized, self.query_target),
                }
            }
            _ => None,
        };
        if read.cut {
            let action = Action::Cancelled {
                rows: asked,
                took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            };
            self.decided.push((action, format!("{why}; what came is kept")));
        }
        if let Some((from, to)) = resized {
            self.decided.push((Action::ChunkRows { from, to }, why));
        }
        if !ask.is_sought() {
            // Its time depends on more than its rows, and says nothing of the state of its source.
            return self.went_well(std::mem::take(&mut grant.is_probe));
        }
        let expected = self.baseline.expected(rows);
        // One that was cut with its rows is too large for its source, which is no trouble if they came as fast as ever.
        let is_trouble = (read.cut && rows == 0) || self.baseline.is_trouble(rows, took, self.query_target);
        self.baseline.learn(rows, took);
        if !is_trouble {
            return self.went_well(std::mem::take(&mut grant.is_probe));
        }
        let than = expected.map(|expected| format!(", where the first chunks took {}", seconds(expected)));
        let why = format!(
            "{} took {}{}",
            counted_rows(rows),
            seconds(took),
            than.unwrap_or_default()
        );
        grant.is_probe = false;
        let action = self.pressure.trouble(now);
        self.decide(action, why);
    }

    fn went_well(&mut self, was_probe: bool) {
        if self.is_bad_weather && !was_probe {
            // What its server suffers from is not over because reads are fast.
            return;
        }
        let action = self.pressure.calm(was_probe);
        self.decide(action, "reads are as fast as they were again".to_owned());
    }

    fn decide(&mut self, action: Option<Action>, why: String) {
        let Some(action) = action else { return };
        match action {
            // They are decided where all reads are held and released.
            Action::Held(_) => self.asleep = why,
            Action::Released(_) => {}
            action => self.decided.push((action, why)),
        }
    }

    /// A read is over, whether or not it told anything.
    pub(super) fn end(&mut self, now: Duration, grant: Grant) {
        self.reading = self.reading.saturating_sub(1);
        self.ended = Some(now);
        // What was taken for rows that never came.
        self.rows.give_back(grant.reserved);
        if grant.is_probe {
            self.pressure.probe(false);
        }
    }

    /// What the source shows. Returns whether a read may go on whose connection it was seen by.
    pub(super) fn seen(&mut self, now: Duration, signs: &Signs) -> bool {
        self.lag = match (signs.lag, self.lag_max) {
            (Some(behind), Some(most)) if behind > most => Some((behind, now.saturating_add(LAG_LOOK))),
            // A replica whose lag nobody can see is not held for it: that was said when the run began.
            _ => None,
        };
        let mut is_critical = false;
        let weather = weather(signs);
        self.is_bad_weather = weather != Weather::Calm;
        match weather {
            Weather::Calm => {}
            Weather::Trouble(why) if !self.pressure.is_asleep() => {
                let action = self.pressure.harder();
                self.decide(action, why);
            }
            Weather::Trouble(why) | Weather::Critical(why) => {
                is_critical = true;
                let action = self.pressure.critical(now);
                self.decide(Some(action), why);
            }
        }
        self.lag.is_none() && !is_critical
    }

    /// A look has shown nothing. Returns whether a read may go on: the lag that was seen is taken to last.
    pub(super) fn unseen(&mut self, now: Duration) -> bool {
        if let Some((_, next)) = &mut self.lag {
            *next = now.saturating_add(LAG_LOOK);
        }
        self.lag.is_none()
    }

    /// A person changes settings.
    pub(super) fn tune(&mut self, tuning: Tuning) {
        let mut told = Vec::new();
        if let Some(workers) = tuning
            .max_workers
            .filter(|workers| *workers != self.pressure.max())
        {
            told.push(format!("max_workers {} to {workers}", self.pressure.max()));
            self.pressure.set_max(workers);
        }
        let before = self.rows.per_second().unwrap_or(0);
        if let Some(rows) = tuning.rows_per_second.filter(|rows| *rows != before) {
            told.push(format!("rows_per_second {before} to {rows}"));
            self.rows.set(Some(rows));
        }
        if let Some(rows) = tuning.chunk_rows.filter(|rows| *rows as u64 != self.chunk_rows) {
            told.push(format!("chunk_rows {} to {rows}", self.chunk_rows));
            self.chunk_rows = rows as u64;
            self.size.set_max(self.chunk_rows);
        }
        if let Some(ignores) = tuning.ignore_hours {
            told.push(format!("hours {}", if ignores { "ignored" } else { "heeded" }));
        }
        if !told.is_empty() {
            self.decided.push((Action::Tuned, told.join(", ")));
        }
    }

    fn lag_text(&self, behind: Duration) -> String {
        format!(
            "the replica is {} s behind, more than replica_lag_max_seconds = {}",
            behind.as_secs(),
            self.lag_max.unwrap_or_default().as_secs()
        )
    }
}

fn hold(cause: Cause, until: Option<Duration>, why: &str) -> Answer {
    Answer::Wait(Wait {
        cause: Some(cause),
        until,
        hold: why.to_owned(),
    })
}

fn between(cause: Cause, until: Option<Duration>) -> Wait {
    Wait {
        cause: Some(cause),
        until,
        hold: String::new(),
    }
}

/// A time as people read it.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
