//! How many reads may be under way at once, how long they pause, and when they sleep: multiplicative down, additive up.
//!
//! Trouble takes a worker away, down to one, and then doubles the pause between reads. Calm takes the pause back in steps,
//! and then gives the workers back one by one. In critical load all reads sleep, and then a small one probes. It ends
//! nothing: from any state, calm reads bring it back to where it began.

use std::time::Duration;

use crate::model::pace::{Action, Cause, Signs};

/// Reads in a row in trouble before something is done: a single one may have met a checkpoint or a backup.
const STRIKES: u32 = 2;

/// Reads in a row without trouble before something is taken back: more than it takes to do it, or the source would be
/// driven back into its trouble each time.
const CALM_READS: u32 = 4;

/// The first pause, an eighth of the time that a query should take, and the longest: with it the one worker that is left
/// reads for an eighth of the time.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(16);

/// What calm takes off the pause in one step: the longest is gone after 64 calm reads, in about ten minutes.
const PAUSE_STEP: Duration = Duration::from_secs(1);

/// The first and the longest sleep. A server that starves has to work off what waits for it, and five minutes without a
/// read cost a run of hours little.
const SLEEP_FIRST: Duration = Duration::from_secs(30);
const SLEEP_MAX: Duration = Duration::from_secs(300);

/// The average wait for a page above which a disk is slow: Microsoft's pages on slow I/O call 10 to 15 ms the bound of what
/// is good, and this is thrice that.
const PAGE_READ_SLOW_MS: f64 = 45.0;

/// The same for the log, which is written in order and faster.
const LOG_WRITE_SLOW_MS: f64 = 30.0;

/// What the signs of a server say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing against reads.
    Calm,
    /// Something suffers, and perhaps from these reads.
    Trouble(String),
    /// It cannot do its work.
    Critical(String),
}

/// How hard the source may be read.
#[derive(Debug, Clone)]
pub(super) struct Pressure {
    workers: usize,
    max: usize,
    pause: Duration,
    strikes: u32,
    calm: u32,
    sleep: Option<Sleep>,
    /// The length of the next sleep.
    next_sleep: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Sleep {
    until: Duration,
    /// Whether the read that probes is under way.
    is_probed: bool,
}

/// Whether a read may begin, as far as it is up to the state of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// It may.
    Begin,
    /// It may, alone and small.
    Probe,
    /// Not before this time.
    At(Duration),
    /// Not before another read has ended.
    Later,
}

impl Pressure {
    pub(super) fn new(max: usize) -> Self {
        Pressure {
            workers: max,
            max,
            pause: Duration::ZERO,
            strikes: 0,
            calm: 0,
            sleep: None,
            next_sleep: SLEEP_FIRST,
        }
    }

    /// Reads that may be under way at once.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// The most that there may be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The pause between two reads. There is one only while there is one worker, so that it is that worker's.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether all reads sleep.
    pub(super) fn is_asleep(&self) -> bool {
        self.sleep.is_some()
    }

    /// Changes the most reads at once. Those that trouble took away come back by calm alone.
    pub(super) fn set_max(&mut self, max: usize) {
        let was_whole = self.workers == self.max && self.pause.is_zero();
        self.max = max.max(1);
        self.workers = if was_whole {
            self.max
        } else {
            self.workers.min(self.max)
        };
    }

    /// Whether another read may begin beside `reading` others, the last of which ended at `ended`.
    pub(super) fn may(&self, now: Duration, reading: usize, ended: Option<Duration>) -> May {
        match self.sleep {
            Some(sleep) if now < sleep.until => return May::At(sleep.until),
            Some(sleep) if sleep.is_probed || reading > 0 => return May::Later,
            Some(_) => return May::Probe,
            None => {}
        }
        if reading >= self.workers {
            return May::Later;
        }
        match ended.map(|ended| ended + self.pause) {
            Some(at) if !self.pause.is_zero() && now < at => May::At(at),
            _ => May::Begin,
        }
    }

    /// The read that probes has begun, or has ended without a word on the source.
    pub(super) fn probe(&mut self, begins: bool) {
        if let Some(sleep) = &mut self.sleep {
            sleep.is_probed = begins;
        }
    }

    /// A read ended in trouble.
    pub(super) fn trouble(&mut self, now: Duration) -> Option<Action> {
        self.calm = 0;
        if self.sleep.is_some() {
            return Some(self.critical(now));
        }
        self.strikes += 1;
        if self.strikes < STRIKES {
            return None;
        }
        self.harder()
    }

    /// Something is to be done at once: one worker fewer, or a longer pause.
    pub(super) fn harder(&mut self) -> Option<Action> {
        (self.strikes, self.calm) = (0, 0);
        if self.workers > 1 {
            self.workers -= 1;
            return Some(Action::Workers {
                from: self.workers + 1,
                to: self.workers,
            });
        }
        let pause = (self.pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX);
        self.pauses(pause)
    }

    /// All reads sleep, each time twice as long as before.
    pub(super) fn critical(&mut self, now: Duration) -> Action {
        (self.strikes, self.calm) = (0, 0);
        self.sleep = Some(Sleep {
            until: now.saturating_add(self.next_sleep),
            is_probed: false,
        });
        self.next_sleep = (self.next_sleep * 2).min(SLEEP_MAX);
        Action::Held(Cause::Latency)
    }

    /// A read ended without trouble.
    pub(super) fn calm(&mut self, was_probe: bool) -> Option<Action> {
        self.strikes = 0;
        if was_probe && self.sleep.take().is_some() {
            // It begins again with as little as there is.
            (self.workers, self.calm) = (1, 0);
            self.pause = self.pause.max(PAUSE_FIRST);
            return Some(Action::Released(Cause::Latency));
        }
        self.calm += 1;
        if self.calm < CALM_READS {
            return None;
        }
        self.calm = 0;
        if !self.pause.is_zero() {
            return self.pauses(self.pause.saturating_sub(PAUSE_STEP));
        }
        if self.workers < self.max {
            self.workers += 1;
            return Some(Action::Workers {
                from: self.workers - 1,
                to: self.workers,
            });
        }
        self.next_sleep = SLEEP_FIRST;
        None
    }

    fn pauses(&mut self, to: Duration) -> Option<Action> {
        let from = std::mem::replace(&mut self.pause, to);
        let millis = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        (from != to).then_some(Action::PauseMs {
            from: millis(from),
            to: millis(to),
        })
    }
}

/// What signs say. One is trouble; several at once, or a server without threads or memory for its requests, are critical.
pub(super) fn weather(signs: &Signs) -> Weather {
    let mut bad = Vec::new();
    if let Some(blocked @ 1..) = signs.blocked_by_us {
        bad.push(format!(
            "{blocked} requests of others wait for a lock of this program"
        ));
    }
    if let Some(slow) = signs.page_read_ms.filter(|wait| *wait > PAGE_READ_SLOW_MS) {
        bad.push(format!("a page from disk takes {slow:.0} ms on average"));
    }
    if let Some(slow) = signs.log_write_ms.filter(|wait| *wait > LOG_WRITE_SLOW_MS) {
        bad.push(format!("a write of the log takes {slow:.0} ms on average"));
    }
    let starved = signs.starved.is_some_and(|starved| starved > 0);
    if let Some(starved @ 1..) = signs.starved {
        bad.push(format!("{starved} requests waited for a thread or for memory"));
    }
    match bad.len() {
        0 => Weather::Calm,
        1 if !starved => Weather::Trouble(bad.concat()),
        _ => Weather::Critical(bad.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    /// Workers and pause in milliseconds after each of these: `t` trouble, `c` calm.
    fn after(max: usize, reads: &str) -> Vec<(usize, u128)> {
        let mut pressure = Pressure::new(max);
        let mut states = Vec::new();
        for read in reads.chars() {
            match read {
                't' => pressure.trouble(ZERO),
                _ => pressure.calm(false),
            };
            states.push((pressure.workers, pressure.pause.as_millis()));
        }
        states
    }

    #[test]
    fn trouble_takes_workers_and_then_time_and_calm_gives_them_back() {
        assert_eq!(after(3, "tt"), [(3, 0), (2, 0)]);
        assert_eq!(after(3, "tcttt"), [(3, 0), (3, 0), (3, 0), (2, 0), (2, 0)]);
        assert_eq!(after(3, "tttttttt").last(), Some(&(1, 500)));
        assert_eq!(after(1, &"t".repeat(40)).last(), Some(&(1, 16_000)));
        assert_eq!(after(3, "ttttcccc").last(), Some(&(2, 0)));
        assert_eq!(after(3, "ttttcccccccc").last(), Some(&(3, 0)));
        // Half a second is gone in one step, then the workers come back one by one.
        assert_eq!(after(3, "ttttttttcccc").last(), Some(&(1, 0)));
        assert_eq!(after(3, "ttttttttcccccccccccc").last(), Some(&(3, 0)));
    }

    #[test]
    fn critical_load_sleeps_longer_each_time_and_one_read_probes() {
        let mut pressure = Pressure::new(2);
        let mut now = ZERO;
        let mut lengths = Vec::new();
        pressure.critical(now);
        for _ in 0..6 {
            let May::At(until) = pressure.may(now, 0, None) else {
                panic!("it sleeps")
            };
            lengths.push((until - now).as_secs());
            now = until;
            assert_eq!(pressure.may(now, 1, None), May::Later, "a read from before");
            assert_eq!(pressure.may(now, 0, None), May::Probe);
            pressure.probe(true);
            assert_eq!(pressure.may(now, 0, None), May::Later, "only one probes");
            pressure.trouble(now);
        }
        assert_eq!(lengths, [30, 60, 120, 240, 300, 300]);
        now += SLEEP_MAX;
        pressure.probe(true);
        assert_eq!(pressure.calm(true), Some(Action::Released(Cause::Latency)));
        assert_eq!((pressure.workers, pressure.pause), (1, PAUSE_FIRST));
        assert_eq!(pressure.may(now, 0, Some(now)), May::At(now + PAUSE_FIRST));
    }

    #[test]
    fn signs_are_weighed() {
        let signs = Signs::default();
        assert_eq!(weather(&signs), Weather::Calm);
        let table = [
            (
                Signs {
                    blocked_by_us: Some(0),
                    page_read_ms: Some(20.0),
                    log_write_ms: Some(5.0),
                    starved: Some(0),
                    ..signs
                },
                0,
            ),
            (
                Signs {
                    blocked_by_us: Some(1),
                    ..signs
                },
                1,
            ),
            (
                Signs {
                    page_read_ms: Some(80.0),
                    ..signs
                },
                1,
            ),
            (
                Signs {
                    log_write_ms: Some(80.0),
                    ..signs
                },
                1,
            ),
            (
                Signs {
                    starved: Some(1),
                    ..signs
                },
                2,
            ),
            (
                Signs {
                    page_read_ms: Some(80.0),
                    log_write_ms: Some(80.0),
                    ..signs
                },
                2,
            ),
        ];
        for (signs, weight) in table {
            let found = match weather(&signs) {
                Weather::Calm => 0,
                Weather::Trouble(_) => 1,
                Weather::Critical(_) => 2,
            };
            assert_eq!(found, weight, "{signs:?}");
        }
    }

    #[test]
    fn tuned_workers_come_at_once_unless_trouble_took_them() {
        let mut pressure = Pressure::new(2);
        pressure.set_max(4);
        assert_eq!(pressure.workers(), 4);
        pressure.harder();
        pressure.set_max(6);
        assert_eq!(pressure.workers(), 3);
        pressure.set_max(1);
        assert_eq!(pressure.workers(), 1);
    }
}
