//! The clocks of tests: time passes by being looked at or waited for, and nobody waits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
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

/// A clock on which time passes by waiting alone, and whose waits are over at once.
struct Waiting {
    /// For the hour, which a run compares with those of its servers.
    machine: SharedClock,
    waited_ms: AtomicU64,
    each: Box<dyn Fn(Duration) + Send + Sync>,
}

/// A wait that is as long as this never ends: it is the most that a query may take, and none takes so long.
const NEVER: Duration = Duration::from_secs(600);

/// A clock on which time passes by waiting alone. A wait of less than ten minutes is over at once, after `each` was called
/// with the time that was waited in all, this wait included.
pub fn waiting(each: impl Fn(Duration) + Send + Sync + 'static) -> SharedClock {
    Arc::new(Waiting {
        machine: SystemClock::shared(),
        waited_ms: AtomicU64::new(0),
        each: Box::new(each),
    })
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl Clock for Waiting {
    fn now(&self) -> DateTime<Utc> {
        self.machine.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.waited_ms.load(Ordering::SeqCst))
    }

    fn random(&self) -> u128 {
        self.machine.random()
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if wait >= NEVER {
                return std::future::pending().await;
            }
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let before = self.waited_ms.fetch_add(ms, Ordering::SeqCst);
            (self.each)(Duration::from_millis(before + ms));
        })
    }
}
