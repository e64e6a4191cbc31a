//! The clocks of tests: time passes by being looked at or waited for, and nobody waits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mssql_sync::base::clock::{Clock, SharedClock, SystemClock};
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

/// A clock whose time passes only when somebody waits for a short while, or lets it pass. So a run with pauses is over in a
/// moment, and what waits for longer waits until so much time has passed otherwise.
#[derive(Debug)]
pub struct Passing {
    machine: SharedClock,
    began: DateTime<Utc>,
    /// The time that has passed.
    passed: watch::Sender<Duration>,
    /// Waits for less than this pass at once.
    waits_max: Duration,
}

impl Passing {
    /// A clock that begins at the machine's present time.
    pub fn new(waits_max: Duration) -> Arc<Self> {
        let machine = SystemClock::shared();
        Arc::new(Passing {
            began: machine.now(),
            machine,
            passed: watch::Sender::new(Duration::ZERO),
            waits_max,
        })
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.passed.send_modify(|passed| *passed += time);
    }
}

impl Clock for Passing {
    fn now(&self) -> DateTime<Utc> {
        self.began + *self.passed.borrow()
    }

    fn monotonic(&self) -> Duration {
        *self.passed.borrow()
    }

    fn random(&self) -> u128 {
        self.machine.random()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.monotonic() + duration;
        Box::pin(async move {
            if duration < self.waits_max {
                self.passed.send_modify(|passed| *passed = until.max(*passed));
                return tokio::task::yield_now().await;
            }
            let mut passed = self.passed.subscribe();
            // The sender is in `self`, so waiting cannot fail.
            let _ = passed.wait_for(|passed| *passed >= until).await;
        })
    }
}
