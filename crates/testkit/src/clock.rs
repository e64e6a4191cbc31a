//! The clock of tests: time passes by being looked at, and nobody waits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mssql_sync::base::clock::{Clock, SharedClock};

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
