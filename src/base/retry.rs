//! The retry policy of each kind of error, and the waits before the retries.
//!
//! | kind | policy | why |
//! |---|---|---|
//! | Connection | wait the outage out | networks and servers come back, and a backfill has time |
//! | Broken | retry some times | a new connection is enough, or fails, which is an outage; a statement may break every connection, so retries are limited |
//! | OutcomeUnknown | retry some times | the next attempt looks for the receipt before it writes anything |
//! | Transient | retry some times | deadlocks, lock timeouts, shortages of memory and lost row versions pass |
//! | FailedOver | wait the outage out | the replica comes back, or the listener leads to another one; nothing is read meanwhile |
//! | LoginAgain | wait it out | a server that starts refuses logins for a minute; the pool decides when that is over |
//! | Timeout | retry a few times | the server may have been busy, but a slow statement is expensive |
//! | Outage | give up | the run has waited as long as it may |
//! | Login, WrongServer, Preflight, Usage, Config | give up | only a person can change it |
//! | TargetFull, Statement, TooLarge, Mismatch, Held | give up | a retry would fail the same way |
//! | Busy, State, Plan, Internal | give up | further work could make a wrong row |
//! | Stopped | give up | an operator asked for it |
//!
//! `mssql/fault.rs` maps a server's errors to kinds. What one retrier has given up is final for those around it.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

use crate::base::clock::SharedClock;
use crate::base::error::ErrorKind;

/// The first wait: longer than a failed-over listener needs to answer, shorter than a person notices.
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest wait: a run notices the end of an outage within half a minute.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Attempts after passing errors. With these waits they take one and a half to three minutes.
const ATTEMPTS_MAX: u32 = 12;
/// Attempts at a statement that times out.
const TIMEOUT_ATTEMPTS_MAX: u32 = 3;

/// The reaction to a kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Make up to so many attempts in all.
    Again(u32),
    /// Retry until the outage has lasted too long.
    WaitOut,
    /// Treat the error as final.
    GiveUp,
}

fn policy(kind: ErrorKind) -> Policy {
    match kind {
        ErrorKind::Connection | ErrorKind::FailedOver | ErrorKind::LoginAgain => Policy::WaitOut,
        ErrorKind::Broken | ErrorKind::OutcomeUnknown | ErrorKind::Transient => Policy::Again(ATTEMPTS_MAX),
        ErrorKind::Timeout => Policy::Again(TIMEOUT_ATTEMPTS_MAX),
        ErrorKind::Outage
        | ErrorKind::Login
        | ErrorKind::WrongServer
        | ErrorKind::Preflight
        | ErrorKind::Usage
        | ErrorKind::Config
        | ErrorKind::TargetFull
        | ErrorKind::Statement
        | ErrorKind::TooLarge
        | ErrorKind::Mismatch
        | ErrorKind::Held
        | ErrorKind::Busy
        | ErrorKind::State
        | ErrorKind::Plan
        | ErrorKind::Internal
        | ErrorKind::Stopped => Policy::GiveUp,
    }
}

/// The reaction to one failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Wait so long, then retry.
    Again(Duration),
    /// Give up: the error is final.
    GiveUp,
}

/// The attempts at one piece of work.
#[derive(Debug)]
pub struct Attempts {
    clock: SharedClock,
    outage_max: Duration,
    backoff: ExponentialBackoff,
    made: u32,
    passing: u32,
    /// The start of the outage, on the monotonic clock.
    away_since: Option<Duration>,
    /// Whether the work has waited for an outage.
    waited_out: bool,
}

impl Attempts {
    /// No attempt yet. `outage_max` is the longest outage that is waited out.
    pub fn new(clock: &SharedClock, outage_max: Duration) -> Self {
        let backoff = ExponentialBackoff {
            current_interval: WAIT_FIRST,
            initial_interval: WAIT_FIRST,
            max_interval: WAIT_MAX,
            multiplier: 2.0,
            // The clock supplies the randomness and ends the wait.
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Attempts {
            clock: clock.clone(),
            outage_max,
            backoff,
            made: 0,
            passing: 0,
            away_since: None,
            waited_out: false,
        }
    }

    /// The number of failed attempts.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// Whether the work has ever waited for an outage.
    pub fn waited_out(&self) -> bool {
        self.waited_out
    }

    /// The duration of the current outage; `None` without one.
    pub fn away(&self) -> Option<Duration> {
        let since = self.away_since?;
        Some(self.clock.monotonic().saturating_sub(since))
    }

    /// Counts an attempt that failed with an error of this kind, and decides the reaction.
    pub fn after(&mut self, kind: ErrorKind) -> Verdict {
        self.made += 1;
        match policy(kind) {
            Policy::GiveUp => return Verdict::GiveUp,
            Policy::Again(attempts_max) => {
                self.away_since = None;
                self.passing += 1;
                if self.passing >= attempts_max {
                    return Verdict::GiveUp;
                }
            }
            Policy::WaitOut => {
                self.waited_out = true;
                let now = self.clock.monotonic();
                let since = *self.away_since.get_or_insert(now);
                if now.saturating_sub(since) >= self.outage_max {
                    return Verdict::GiveUp;
                }
            }
        }
        let whole = self.backoff.next_backoff().unwrap_or(WAIT_MAX);
        // Between half the wait and all of it, so that workers that failed together do not retry together.
        let spread = u32::try_from(self.clock.random() % 512).unwrap_or_default();
        Verdict::Again(whole / 2 + whole / 2 * spread / 511)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use chrono::{DateTime, Utc};

    use super::*;
    use crate::base::clock::Clock;

    #[derive(Debug, Default)]
    struct TestClock {
        seconds: AtomicU64,
        chance: u128,
    }

    impl Clock for TestClock {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }
        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.seconds.load(Ordering::Relaxed))
        }
        fn random(&self) -> u128 {
            self.chance
        }
        fn sleep(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(async {})
        }
    }

    #[test]
    fn waits_grow_to_a_cap() {
        let clock: SharedClock = Arc::new(TestClock {
            chance: 511,
            ..TestClock::default()
        });
        let mut attempts = Attempts::new(&clock, Duration::from_secs(3600));
        let mut waits = Vec::new();
        for _ in 0..10 {
            let Verdict::Again(wait) = attempts.after(ErrorKind::Connection) else {
                panic!("an outage is waited out")
            };
            waits.push(wait.as_millis());
        }
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000]
        );
    }

    #[test]
    fn chance_shortens_a_wait_by_half_at_most() {
        let clock: SharedClock = Arc::new(TestClock::default());
        let mut attempts = Attempts::new(&clock, Duration::from_secs(3600));
        assert_eq!(
            attempts.after(ErrorKind::Transient),
            Verdict::Again(Duration::from_millis(250))
        );
    }

    #[test]
    fn passing_errors_are_tried_a_few_times() {
        let clock: SharedClock = Arc::new(TestClock::default());
        let mut attempts = Attempts::new(&clock, Duration::ZERO);
        for _ in 1..ATTEMPTS_MAX {
            assert!(matches!(attempts.after(ErrorKind::Transient), Verdict::Again(_)));
        }
        assert_eq!(attempts.after(ErrorKind::Transient), Verdict::GiveUp);
        assert_eq!(attempts.made(), ATTEMPTS_MAX);
    }

    #[test]
    fn a_slow_statement_is_not_asked_for_often() {
        let clock: SharedClock = Arc::new(TestClock::default());
        let mut attempts = Attempts::new(&clock, Duration::from_secs(3600));
        assert!(matches!(attempts.after(ErrorKind::Timeout), Verdict::Again(_)));
        assert!(matches!(attempts.after(ErrorKind::Timeout), Verdict::Again(_)));
        assert_eq!(attempts.after(ErrorKind::Timeout), Verdict::GiveUp);
    }

    #[test]
    fn a_statement_that_breaks_every_connection_is_not_asked_for_all_night() {
        let clock: SharedClock = Arc::new(TestClock::default());
        let mut attempts = Attempts::new(&clock, Duration::from_secs(12 * 3600));
        for _ in 1..ATTEMPTS_MAX {
            assert!(matches!(attempts.after(ErrorKind::Broken), Verdict::Again(_)));
            // The next connection is opened without trouble, or after some.
            assert!(matches!(attempts.after(ErrorKind::Connection), Verdict::Again(_)));
        }
        assert_eq!(attempts.after(ErrorKind::Broken), Verdict::GiveUp);
    }

    #[test]
    fn an_outage_ends_a_run_when_it_lasts_too_long() {
        let clock = Arc::new(TestClock::default());
        let shared: SharedClock = clock.clone();
        let mut attempts = Attempts::new(&shared, Duration::from_secs(60));
        assert!(matches!(attempts.after(ErrorKind::Connection), Verdict::Again(_)));
        clock.seconds.store(59, Ordering::Relaxed);
        assert!(matches!(attempts.after(ErrorKind::Connection), Verdict::Again(_)));
        clock.seconds.store(60, Ordering::Relaxed);
        assert_eq!(attempts.after(ErrorKind::Connection), Verdict::GiveUp);
    }

    #[test]
    fn a_failover_is_one_outage_with_the_time_that_nobody_listened() {
        let clock = Arc::new(TestClock::default());
        let shared: SharedClock = clock.clone();
        let mut attempts = Attempts::new(&shared, Duration::from_secs(60));
        for (seconds, kind) in [(0, ErrorKind::FailedOver), (30, ErrorKind::Connection)] {
            clock.seconds.store(seconds, Ordering::Relaxed);
            assert!(matches!(attempts.after(kind), Verdict::Again(_)));
        }
        clock.seconds.store(60, Ordering::Relaxed);
        assert_eq!(attempts.away(), Some(Duration::from_secs(60)));
        assert_eq!(attempts.after(ErrorKind::FailedOver), Verdict::GiveUp);
    }

    #[test]
    fn passing_errors_between_outages_do_not_make_one_outage_of_them() {
        let clock = Arc::new(TestClock::default());
        let shared: SharedClock = clock.clone();
        let mut attempts = Attempts::new(&shared, Duration::from_secs(60));
        assert!(matches!(attempts.after(ErrorKind::Connection), Verdict::Again(_)));
        clock.seconds.store(59, Ordering::Relaxed);
        assert!(matches!(attempts.after(ErrorKind::Transient), Verdict::Again(_)));
        clock.seconds.store(118, Ordering::Relaxed);
        assert!(matches!(attempts.after(ErrorKind::Connection), Verdict::Again(_)));
    }

    #[test]
    fn what_cannot_get_better_is_final() {
        let clock: SharedClock = Arc::new(TestClock::default());
        for kind in [
            ErrorKind::Outage,
            ErrorKind::Usage,
            ErrorKind::Config,
            ErrorKind::Login,
            ErrorKind::WrongServer,
            ErrorKind::Preflight,
            ErrorKind::TargetFull,
            ErrorKind::Statement,
            ErrorKind::TooLarge,
            ErrorKind::Mismatch,
            ErrorKind::Held,
            ErrorKind::Busy,
            ErrorKind::State,
            ErrorKind::Plan,
            ErrorKind::Stopped,
            ErrorKind::Internal,
        ] {
            assert_eq!(
                Attempts::new(&clock, Duration::from_secs(9)).after(kind),
                Verdict::GiveUp,
                "{kind:?}"
            );
        }
    }
}
