//! The gate that each read of the source passes, shared by all workers of a run: the clock, the waits and the telling
//! around what the governor decides.
//!
//! A wait ends at once when something changes or the run is asked to stop. What all reads wait for is told when it begins
//! and when it ends, and kept for `sync status`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::base::stop::{StopSignal, stopped};
use crate::checkpoint::{Change, Store};
use crate::governor::decide::{Answer, Ask, Decided, Governor, Grant, Measured, Wait};
use crate::model::pace::{Action, Cause, Ceilings, Decision, Figures, Hold, Signs, Tuning};
use crate::mssql::Meter;
use crate::progress::{Event, Progress};

/// The shortest hold that is told, and that closes idle connections: less is over before a person has read of it.
pub(super) const HOLD_MIN: Duration = Duration::from_secs(1);

/// What is said of a read outside of the hours.
const CLOSED: &str = "it is outside the hours in which the source may be read";

/// The longest sleep before the hours are looked at again: the clock of a machine that slept or was set leaps.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The time between two looks at the signs of the source: a look costs it about as much as one small chunk, and a person
/// who is kept waiting notices after about as long.
const SIGNS_EVERY: Duration = Duration::from_secs(10);

/// The time after which a hold that has not changed is told again, for one who looks into the log in the morning.
const REMIND_AFTER: Duration = Duration::from_secs(30 * 60);

/// The time between two looks after which their difference says nothing of the present.
const SIGNS_OLD: Duration = Duration::from_secs(25);

/// The time over which the rows a second are shown, and the least that tells anything.
const RATE_OVER: Duration = Duration::from_secs(60);
const RATE_OVER_MIN: Duration = Duration::from_secs(1);

/// Tells until when the source may not be read, if it may not at an instant.
pub type ClosedUntil = Arc<dyn Fn(DateTime<Utc>) -> Option<DateTime<Utc>> + Send + Sync>;

/// The gate of a run. All workers share it.
pub struct Throttle {
    /// The clock, the stop signal, and the receivers of what it decides.
    pub clock: SharedClock,
    /// Whether to stop.
    pub stop: StopSignal,
    /// Keeps what it waits for and what it decided, for `sync status`.
    pub store: Arc<Store>,
    /// The receiver of the same, for a person who looks on.
    pub progress: Arc<dyn Progress>,
    /// What is counted of the source, to which it adds the waits.
    pub meter: Arc<Meter>,
    /// How far the replica may be behind its primary.
    pub lag_max: Option<Duration>,
    closed_until: Option<ClosedUntil>,
    state: Mutex<State>,
    /// The hold that was told. It is locked while it is told, so that what is kept is what was told last.
    told: Mutex<Option<Told>>,
    /// Wakes whoever waits.
    pub(super) changed: watch::Sender<u64>,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

/// What a throttle is made of.
pub struct Parts {
    /// See [`Throttle`].
    pub clock: SharedClock,
    /// See [`Throttle`].
    pub stop: StopSignal,
    /// See [`Throttle`].
    pub store: Arc<Store>,
    /// See [`Throttle`].
    pub progress: Arc<dyn Progress>,
    /// See [`Throttle`].
    pub meter: Arc<Meter>,
    /// The ceilings of the configuration.
    pub ceilings: Ceilings,
    /// The most windows of a table at once.
    pub max_workers: usize,
    /// The most rows of a chunk.
    pub chunk_rows: usize,
    /// The hours in which the source may be read; `None` for any.
    pub closed_until: Option<ClosedUntil>,
    /// Whether they are ignored from the start.
    pub ignores_hours: bool,
}

struct State {
    table: String,
    governor: Governor,
    ignores_hours: bool,
    signs: Option<Signs>,
    /// When the signs were last seen.
    seen_at: Option<Duration>,
    /// When the signs may be looked at again.
    next_look: Duration,
    /// The rows that were read over the last minute, each with its time.
    recent: VecDeque<(Duration, u64)>,
    /// Since when they count: a run or a pace that began since says nothing of a whole minute.
    recent_since: Duration,
    hold: Option<Hold>,
    /// By cause, how many reads wait and since when.
    waiting: [(usize, Duration); Cause::ALL.len()],
    /// Whether it was said that queries of this table take as long as they need.
    is_lifted: bool,
}

/// A hold that was told.
struct Told {
    hold: Hold,
    /// Its start on the monotonic clock.
    since: Duration,
    /// When it was last told.
    told_at: Duration,
}

/// A read that waits. The time counts for its cause until this is dropped, once however many wait.
pub(super) struct Waiting<'a> {
    throttle: &'a Throttle,
    pub(super) cause: Cause,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let throttle = self.throttle;
        let now = throttle.clock.monotonic();
        let mut state = throttle.state();
        let (count, since) = &mut state.waiting[self.cause as usize];
        *count -= 1;
        let over = (*count == 0).then(|| now.saturating_sub(*since));
        drop(state);
        if let Some(time) = over {
            throttle.meter.waited(self.cause, time);
        }
    }
}

impl Throttle {
    /// The gate of a run that begins.
    pub fn new(parts: Parts) -> Self {
        let now = parts.clock.monotonic();
        let governor = Governor::new(&parts.ceilings, parts.max_workers, parts.chunk_rows as u64);
        Throttle {
            clock: parts.clock,
            stop: parts.stop,
            store: parts.store,
            progress: parts.progress,
            meter: parts.meter,
            lag_max: parts.ceilings.lag_max,
            closed_until: parts.closed_until,
            state: Mutex::new(State {
                table: String::new(),
                governor,
                ignores_hours: parts.ignores_hours,
                signs: None,
                seen_at: None,
                next_look: Duration::ZERO,
                recent: VecDeque::new(),
                recent_since: now,
                hold: None,
                waiting: Default::default(),
                is_lifted: false,
            }),
            told: Mutex::new(None),
            changed: watch::Sender::new(0),
        }
    }

    /// Waits until another query of a read may begin.
    pub(super) async fn admit_again(&self) -> Result<()> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let now = self.clock.monotonic();
            let Some((cause, at)) = self.state().governor.ask_again(now) else {
                return Ok(());
            };
            if self.stop.is_stopped() {
                return Err(stopped());
            }
            let _waiting = self.waits(cause, now);
            self.wait(Some(at), &mut changed).await;
        }
    }

    /// Whether a read may begin, and what was decided meanwhile.
    pub(super) fn ask(&self, now: Duration, ask: Ask) -> (Answer, Vec<Decided>) {
        let wall = self.clock.now();
        let mut state = self.state();
        let is_open = state.ignores_hours || state.governor.is_paused || ask == Ask::Part;
        let closed_until = self.closed_until.as_ref().filter(|_| !is_open);
        let answer = match closed_until.and_then(|closed_until| closed_until(wall)) {
            Some(until) => {
                let left = (until - wall).to_std().unwrap_or_default();
                Answer::Wait(Wait {
                    cause: Some(Cause::Hours),
                    until: Some(now + left.clamp(HOLD_MIN, LOOK_AGAIN)),
                    hold: CLOSED.to_owned(),
                })
            }
            None => state.governor.ask(now, ask),
        };
        if let Answer::Go(_) = answer {
            self.meter.admitted();
        }
        (answer, state.governor.take_decided())
    }

    /// Waits until this time on the monotonic clock, for a change, or for the request to stop.
    pub(super) async fn wait(&self, until: Option<Duration>, changed: &mut watch::Receiver<u64>) {
        let passed = async {
            match until {
                Some(until) => {
                    self.clock
                        .sleep(until.saturating_sub(self.clock.monotonic()))
                        .await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = passed => {}
            // The sender is in `self`, so waiting cannot fail.
            _ = changed.changed() => {}
            () = self.stop.stopped() => {}
        }
    }

    pub(super) fn waits(&self, cause: Cause, now: Duration) -> Waiting<'_> {
        let mut state = self.state();
        let (count, since) = &mut state.waiting[cause as usize];
        if *count == 0 {
            *since = now;
        }
        *count += 1;
        drop(state);
        Waiting {
            throttle: self,
            cause,
        }
    }

    /// What the hours of the source hold all reads for now.
    fn hours_now(&self) -> Option<Hold> {
        let now = self.clock.now();
        let closed_until = self
            .closed_until
            .as_ref()
            .filter(|_| !self.state().ignores_hours)?;
        Some(Hold {
            cause: Cause::Hours,
            since: now,
            until: Some(closed_until(now)?),
            detail: CLOSED.to_owned(),
        })
    }

    /// A hold that begins now, as it is told.
    pub(super) fn held(&self, cause: Cause, wait: &Wait, time: Option<Duration>) -> Hold {
        let now = self.clock.now();
        let until = match (&self.closed_until, cause) {
            (Some(closed_until), Cause::Hours) => closed_until(now),
            _ => time.and_then(|time| now.checked_add_signed(TimeDelta::from_std(time).ok()?)),
        };
        Hold {
            cause,
            since: now,
            until,
            detail: wait.hold.clone(),
        }
    }

    /// Tells what all reads wait for from now on, if that is news.
    pub(super) fn tell(&self, hold: Option<Hold>) -> Result<()> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        let is_new = told.as_ref().map(|told| told.hold.cause) != hold.as_ref().map(|hold| hold.cause);
        if hold.is_some() {
            self.meter.held(is_new);
        }
        let (hold, since) = match (&*told, hold) {
            (None, None) => return Ok(()),
            (Some(before), None) => {
                let cause = before.hold.cause;
                let waited = now.saturating_sub(before.since);
                *told = None;
                self.state().hold = None;
                let why = format!("after {}", crate::base::text::duration(waited));
                self.progress.event(Event::Released { cause, waited });
                return self.publish_with(Some(Change::Held(None)), vec![(Action::Released(cause), why)]);
            }
            (Some(before), Some(hold)) if !is_new => {
                let is_same = before.hold.detail == hold.detail
                    && match (before.hold.until, hold.until) {
                        (Some(before), Some(until)) => (until - before).abs() < TimeDelta::seconds(1),
                        (before, until) => before == until,
                    };
                if is_same && now.saturating_sub(before.told_at) < REMIND_AFTER {
                    return Ok(());
                }
                let since = before.hold.since;
                (Hold { since, ..hold }, before.since)
            }
            (before, Some(hold)) => {
                if let Some(Told {
                    hold: before, since, ..
                }) = before
                {
                    let (cause, waited) = (before.cause, now.saturating_sub(*since));
                    self.progress.event(Event::Released { cause, waited });
                }
                (hold, now)
            }
        };
        *told = Some(Told {
            hold: hold.clone(),
            since,
            told_at: now,
        });
        self.state().hold = Some(hold.clone());
        self.progress.event(Event::Held { hold: &hold });
        let mut decided = Vec::new();
        if is_new {
            decided.push((Action::Held(hold.cause), hold.detail.clone()));
        }
        self.publish_with(Some(Change::Held(Some(hold))), decided)
    }

    pub(super) fn publish(&self, decided: Vec<Decided>) -> Result<()> {
        self.publish_with(None, decided)
    }

    /// Tells and keeps what was decided.
    fn publish_with(&self, change: Option<Change>, decided: Vec<Decided>) -> Result<()> {
        let mut changes = Vec::from_iter(change);
        if !decided.is_empty() {
            let (at, table) = (self.clock.now(), self.state().table.clone());
            for (action, why) in decided {
                let table = table.clone();
                let decision = Decision {
                    at,
                    table,
                    action,
                    why,
                };
                self.progress.event(Event::Decided { decision: &decision });
                changes.push(Change::Decided(decision));
            }
        }
        match changes.is_empty() {
            true => Ok(()),
            false => self.store.commit(&changes),
        }
    }

    /// A query of a read has ended.
    pub(super) fn measured(&self, ask: Ask, grant: &mut Grant, read: Measured) -> Result<()> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.governor.measured(now, ask, grant, read);
        state.recent.push_back((now, read.rows));
        state.forget(now);
        let decided = state.governor.take_decided();
        drop(state);
        self.wake();
        self.publish(decided)
    }

    /// A read is over.
    pub(super) fn end(&self, grant: Grant) {
        let now = self.clock.monotonic();
        self.state().governor.end(now, grant);
        self.wake();
    }

    /// A table begins: what was learnt of the one before says nothing of it.
    pub fn begin_table(&self, table: &str) {
        let mut state = self.state();
        if state.table != table {
            table.clone_into(&mut state.table);
            state.governor.begin_table();
            state.is_lifted = false;
        }
    }

    /// Lets no further read begin, until [`Throttle::resume`]. Returns whether it was going before.
    pub fn pause(&self) -> bool {
        let was_going = !std::mem::replace(&mut self.state().governor.is_paused, true);
        // What waits for something else waits for this from now on.
        self.wake();
        was_going
    }

    /// Lets reads begin again. Returns whether it was paused.
    pub fn resume(&self) -> bool {
        let was_paused = std::mem::replace(&mut self.state().governor.is_paused, false);
        if was_paused {
            // A store that cannot be written ends the run at its next write.
            let _ = self.tell(self.hours_now());
        }
        self.wake();
        was_paused
    }

    /// Changes the settings of the run.
    pub fn tune(&self, tuning: Tuning) {
        let mut state = self.state();
        let ignores = tuning
            .ignore_hours
            .filter(|ignores| *ignores != state.ignores_hours);
        let tuning = Tuning {
            ignore_hours: ignores,
            ..tuning
        };
        state.governor.tune(tuning);
        state.ignores_hours = ignores.unwrap_or(state.ignores_hours);
        state.recent.clear();
        state.recent_since = self.clock.monotonic();
        let decided = state.governor.take_decided();
        let rows_per_second = state.governor.rows.per_second();
        drop(state);
        self.wake();
        self.progress.event(Event::Paced { rows_per_second });
        // A store that cannot be written ends the run at its next write.
        let _ = self.publish(decided);
    }

    /// The most windows of a table at once, as set now.
    pub fn max_workers(&self) -> usize {
        self.state().governor.pressure.max()
    }

    /// Waits until there may be more windows at once than these.
    pub async fn more_workers_than(&self, workers: usize) {
        let mut changed = self.changed.subscribe();
        while self.max_workers() <= workers {
            // The sender is in `self`, so waiting cannot fail.
            let _ = changed.changed().await;
        }
    }

    /// The most rows of a chunk, as set now.
    pub fn chunk_rows(&self) -> usize {
        usize::try_from(self.state().governor.chunk_rows).unwrap_or(usize::MAX)
    }

    /// Whether somebody who has a connection in hand should look at the signs of the source. Only one is told so.
    pub fn wants_signs(&self) -> bool {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let wants = now >= state.next_look;
        if wants {
            state.next_look = now + SIGNS_EVERY;
        }
        wants
    }

    /// Takes note of what the source shows. Returns false if the read that was admitted has to wait after all: it gives its
    /// permit back, and asks for another.
    pub fn seen(&self, signs: Signs) -> bool {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let signs = match state.seen_at.replace(now) {
            Some(before) if now.saturating_sub(before) <= SIGNS_OLD => signs,
            // Averages over a sleep or a night say nothing of now.
            _ => Signs {
                page_read_ms: None,
                log_write_ms: None,
                starved: None,
                ..signs
            },
        };
        state.signs = Some(signs);
        let may_read = state.governor.seen(now, &signs);
        let decided = state.governor.take_decided();
        drop(state);
        self.wake();
        // A store that cannot be written ends the run at its next write.
        let _ = self.publish(decided);
        may_read
    }

    /// A look has shown nothing. Returns whether the read that was admitted may begin: a replica that was too far behind is
    /// taken to be still.
    pub fn unseen(&self) -> bool {
        let now = self.clock.monotonic();
        self.state().governor.unseen(now)
    }

    /// Says, once a table, that a query may take as long as it needs.
    pub fn tell_lifted(&self) {
        let mut state = self.state();
        let is_news = !std::mem::replace(&mut state.is_lifted, true);
        let table = state.table.clone();
        drop(state);
        if is_news {
            self.progress.event(Event::Note(&format!(
                "Table {table}: the source sends no row within ten times query_ms_target, however few are asked for; such \
                 a query takes the time it needs"
            )));
        }
    }

    /// The state of the reads.
    pub fn figures(&self) -> Figures {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.forget(now);
        let rows: u64 = state.recent.iter().map(|(_, rows)| rows).sum();
        let over = now
            .saturating_sub(state.recent_since)
            .clamp(RATE_OVER_MIN, RATE_OVER);
        let governor = &state.governor;
        Figures {
            table: state.table.clone(),
            is_paused: governor.is_paused,
            hold: state.hold.clone(),
            reading: governor.reading,
            workers: governor.pressure.workers(),
            max_workers: governor.pressure.max(),
            chunk_rows: governor.next_rows(),
            chunk_rows_max: governor.chunk_rows,
            pause_ms: u64::try_from(governor.pressure.pause().as_millis()).unwrap_or(u64::MAX),
            rows_per_second: governor.rows.per_second(),
            rows_read_per_second: rows as f64 / over.as_secs_f64(),
            connections: usize::try_from(self.meter.connections()).unwrap_or(usize::MAX),
            ignores_hours: state.ignores_hours,
            signs: state.signs,
        }
    }

    /// Lets whoever waits ask again.
    fn wake(&self) {
        self.changed
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops the reads of more than a minute ago.
    fn forget(&mut self, now: Duration) {
        while let Some((at, _)) = self.recent.front()
            && *at + RATE_OVER < now
        {
            self.recent.pop_front();
        }
    }
}
