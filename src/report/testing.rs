//! A clock that tests advance by hand, and a sample window.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::base::clock::Clock;
use crate::model::hours::Wall;
use crate::model::pace::{Action, Cause, Decision, Hold};
use crate::model::window::Window;

#[derive(Debug, Default)]
pub(super) struct Hand(Mutex<Duration>);

impl Hand {
    pub(super) fn shared() -> Arc<Hand> {
        Arc::default()
    }

    pub(super) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn random(&self) -> u128 {
        0
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

pub(super) fn window() -> Window {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    Window::new(day("2025-10-01"), day("2025-11-01")).unwrap()
}

/// A month of 2025.
pub(super) fn month(number: u32) -> Window {
    let first = NaiveDate::from_ymd_opt(2025, number, 1).unwrap();
    Window::new(first, first + chrono::Months::new(1)).unwrap()
}

/// The wall clock of Bangkok, seven hours ahead then as today, on a machine that is there.
pub(super) fn wall() -> Wall {
    let zone = "Asia/Bangkok".parse().unwrap();
    Wall::new(zone, Some(zone))
}

/// A wait that began with the clock, at 07:00 in Bangkok.
pub(super) fn hold(cause: Cause, until: Option<Duration>, detail: &str) -> Hold {
    Hold {
        cause,
        since: DateTime::UNIX_EPOCH,
        until: until.map(|until| DateTime::UNIX_EPOCH + until),
        detail: detail.to_owned(),
    }
}

/// The waits of a run: for hours until 22:00, for a person, and for a replica.
pub(super) fn holds() -> [Hold; 3] {
    let hour = |hours: u64| Some(Duration::from_secs(hours * 60 * 60));
    [
        hold(Cause::Hours, hour(15), "outside of the hours"),
        hold(Cause::Pause, None, "a person paused the run"),
        hold(
            Cause::Lag,
            Some(Duration::from_secs(30)),
            "the replica is 95 s behind, more than replica_lag_max_seconds = 60",
        ),
    ]
}

/// A decision about the table SALES.
pub(super) fn decision(action: Action, why: &str) -> Decision {
    Decision {
        at: DateTime::UNIX_EPOCH,
        table: "SALES".to_owned(),
        action,
        why: why.to_owned(),
    }
}
