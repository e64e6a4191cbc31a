//! The clocks of tests: time passes by being looked at, or is moved by hand, and nobody waits for the machine's.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mssql_sync::base::clock::{Clock, SharedClock};
use tokio::sync::watch;

/// A clock whose every look is a step later than the one before.
#[derive(Debug)]
struct Leaping {
    step: Duration,
    looks: AtomicU32,
}

/// A clock whose every look is so much later than the one before.
pub fn leaping(step: Duration) -> SharedClock {
    Arc::new(Leaping {
        step,
        looks: AtomicU32::new(0),
    })
}

impl Clock for Leaping {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        self.step * self.looks.fetch_add(1, Ordering::Relaxed)
    }

    fn random(&self) -> u128 {
        1
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// A clock that a test moves by hand: it stands still otherwise, and who sleeps wakes once it has come that far.
#[derive(Debug)]
pub struct Hand {
    start: DateTime<Utc>,
    passed: watch::Sender<Duration>,
    drawn: AtomicU64,
}

impl Hand {
    /// A clock that stands at a time.
    pub fn at(start: DateTime<Utc>) -> Arc<Hand> {
        Arc::new(Hand {
            start,
            passed: watch::Sender::new(Duration::ZERO),
            drawn: AtomicU64::new(0),
        })
    }

    /// Moves it on to a time.
    pub fn move_to(&self, time: DateTime<Utc>) {
        let passed = (time - self.start).to_std().expect("it is not moved back");
        self.passed.send_replace(passed);
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        self.start + TimeDelta::from_std(self.monotonic()).expect("a test is shorter")
    }

    fn monotonic(&self) -> Duration {
        *self.passed.borrow()
    }

    fn random(&self) -> u128 {
        // Numbers that differ in their first bytes as well, as random ones do.
        let number = u128::from(self.drawn.fetch_add(1, Ordering::Relaxed) + 1);
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.monotonic() + duration;
        let mut passed = self.passed.subscribe();
        Box::pin(async move {
            // The sender is in `self`, so waiting cannot fail.
            let _ = passed.wait_for(|passed| *passed >= until).await;
        })
    }
}
