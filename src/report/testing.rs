//! A clock that tests advance by hand, and a sample window.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::base::clock::Clock;
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
