//! The machine's clock and random numbers: no other file reads them.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The machine's clock, as the sessions of one server share it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: std::time::Instant,
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
impl Clock {
    /// A clock whose monotonic time starts now.
    pub fn start() -> Clock {
        Clock {
            started: std::time::Instant::now(),
        }
    }

    /// Now, in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// Time since the clock was started. It never goes back.
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// A random number, for identifiers.
    pub fn random(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}
