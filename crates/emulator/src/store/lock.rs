//! Locks between the sessions of a server: one FIFO write lock for each database, table locks for readers that
//! wait, and application locks.
//!
//! One mutex with one condition variable guards everything, and only bookkeeping runs while it is held. A waiter
//! records the sessions that it waits for. So a cycle is found when it closes, and its last member is the victim. A
//! wait ends by a grant, by time, or by the session's cancel flag. The flag is polled because the wire only sets
//! it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// The interval at which a waiter checks its cancel flag.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// The outcome of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Granted,
    /// Granted after waiting for another session.
    GrantedLater,
    TimedOut,
    Cancelled,
    Deadlock,
}

/// A waiter, and the conditions that end its wait.
#[derive(Clone, Copy)]
pub(crate) struct Waiter<'a> {
    pub session: u64,
    /// `None` waits for ever.
    pub timeout: Option<Duration>,
    pub cancel: &'a AtomicBool,
}

/// The mode of an application lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppMode {
    IntentShared,
    Shared,
    Update,
    IntentExclusive,
    Exclusive,
}

impl AppMode {
    /// SQL Server's compatibility of lock modes.
    /// The mode of this name, in any case.
    pub fn parse(name: &str) -> Option<AppMode> {
        Some(match name.to_ascii_lowercase().as_str() {
            "shared" => AppMode::Shared,
            "update" => AppMode::Update,
            "exclusive" => AppMode::Exclusive,
            "intentshared" => AppMode::IntentShared,
            "intentexclusive" => AppMode::IntentExclusive,
            _ => return None,
        })
    }

    fn goes_with(self, other: AppMode) -> bool {
        use AppMode::{Exclusive, IntentExclusive, IntentShared, Shared, Update};
        match (self, other) {
            (Exclusive, _) | (_, Exclusive) => false,
            (IntentShared, _) | (_, IntentShared) => true,
            (IntentExclusive, IntentExclusive) | (Shared, Shared | Update) | (Update, Shared) => true,
            (IntentExclusive, _) | (_, IntentExclusive) | (Update, Update) => false,
        }
    }
}

/// The owner of an application lock, with whose end the lock ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppOwner {
    Session,
    Transaction,
}

#[derive(Debug)]
struct AppHold {
    session: u64,
    mode: AppMode,
    owner: AppOwner,
}

#[derive(Default)]
struct Queue {
    holder: Option<u64>,
    waiting: Vec<u64>,
}

#[derive(Default)]
struct AppLock {
    holds: Vec<AppHold>,
    waiting: Vec<(u64, AppMode)>,
}

#[derive(Default)]
struct State {
    writers: HashMap<i32, Queue>,
    /// A session that has written a table in its open transaction.
    tables: HashMap<(i32, i32), u64>,
    apps: HashMap<(i32, String), AppLock>,
    waits: HashMap<u64, Vec<u64>>,
}

impl State {
    /// Whether `session`, by waiting for `blockers`, would wait for itself.
    fn closes_cycle(&self, session: u64, blockers: &[u64]) -> bool {
        let mut seen = Vec::new();
        let mut todo = blockers.to_vec();
        while let Some(next) = todo.pop() {
            if next == session {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                todo.extend(self.waits.get(&next).into_iter().flatten());
            }
        }
        false
    }
}

/// All locks of a server.
pub(crate) struct LockManager {
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

impl LockManager {
    /// A manager without any locks. The clock times the waits.
    pub fn new(clock: Clock) -> LockManager {
        LockManager {
            clock,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Takes a database's write lock, in the order of the requests. It is held until
    /// [`LockManager::unlock_writer`].
    pub fn lock_writer(&self, database: i32, waiter: Waiter<'_>) -> Wait {
        let me = waiter.session;
        let mut state = self.state();
        let queue = state.writers.entry(database).or_default();
        if queue.holder == Some(me) {
            return Wait::Granted;
        }
        queue.waiting.push(me);
        let (mut state, wait) = self.wait(state, waiter, |state| {
            let Some(queue) = state.writers.get(&database) else {
                return Vec::new();
            };
            let ahead = queue.waiting.iter().copied().take_while(|&s| s != me);
            queue.holder.into_iter().chain(ahead).collect()
        });
        let queue = state.writers.entry(database).or_default();
        queue.waiting.retain(|&s| s != me);
        if matches!(wait, Wait::Granted | Wait::GrantedLater) {
            queue.holder = Some(me);
        }
        drop(state);
        self.changed.notify_all();
        wait
    }

    /// Gives the write lock back, and the marks of the tables written under it.
    pub fn unlock_writer(&self, database: i32, session: u64) {
        let mut state = self.state();
        state
            .tables
            .retain(|(d, _), owner| *d != database || *owner != session);
        if let Some(queue) = state.writers.get_mut(&database)
            && queue.holder == Some(session)
        {
            queue.holder = None;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Marks a table as written by the open transaction of the holder of the write lock.
    pub fn mark_table(&self, database: i32, table: i32, session: u64) {
        self.state().tables.insert((database, table), session);
    }

    /// Waits until no other session's open transaction has written the table.
    pub fn wait_for_table(&self, database: i32, table: i32, waiter: Waiter<'_>) -> Wait {
        let me = waiter.session;
        let state = self.state();
        let blockers = |state: &State| {
            state
                .tables
                .get(&(database, table))
                .copied()
                .filter(|&owner| owner != me)
                .into_iter()
                .collect()
        };
        self.wait(state, waiter, blockers).1
    }

    /// `sp_getapplock`.
    pub fn lock_app(&self, key: (i32, String), mode: AppMode, owner: AppOwner, waiter: Waiter<'_>) -> Wait {
        let me = waiter.session;
        let mut state = self.state();
        state
            .apps
            .entry(key.clone())
            .or_default()
            .waiting
            .push((me, mode));
        let (mut state, wait) = self.wait(state, waiter, |state| {
            let Some(lock) = state.apps.get(&key) else {
                return Vec::new();
            };
            let held = lock
                .holds
                .iter()
                .filter(|h| h.session != me && !mode.goes_with(h.mode))
                .map(|h| h.session);
            // A session that holds the lock already does not queue behind the sessions that wait for it.
            let queue = if lock.holds.iter().any(|h| h.session == me) {
                &[][..]
            } else {
                &lock.waiting[..]
            };
            let ahead = queue
                .iter()
                .take_while(|w| w.0 != me)
                .filter(|w| !mode.goes_with(w.1))
                .map(|w| w.0);
            held.chain(ahead).collect()
        });
        let lock = state.apps.entry(key.clone()).or_default();
        if let Some(at) = lock.waiting.iter().position(|w| *w == (me, mode)) {
            lock.waiting.remove(at);
        }
        if matches!(wait, Wait::Granted | Wait::GrantedLater) {
            lock.holds.push(AppHold {
                session: me,
                mode,
                owner,
            });
        }
        if lock.holds.is_empty() && lock.waiting.is_empty() {
            state.apps.remove(&key);
        }
        drop(state);
        self.changed.notify_all();
        wait
    }

    /// `APPLOCK_TEST`: whether the session would be granted the lock at once.
    pub fn can_lock_app(&self, key: &(i32, String), mode: AppMode, session: u64) -> bool {
        let state = self.state();
        let others = state.apps.get(key).into_iter().flat_map(|lock| &lock.holds);
        let mut others = others.filter(|hold| hold.session != session);
        others.all(|hold| mode.goes_with(hold.mode))
    }

    /// `sp_releaseapplock`: gives one hold back. Returns whether there was one.
    pub fn unlock_app(&self, key: &(i32, String), owner: AppOwner, session: u64) -> bool {
        let mut state = self.state();
        let Some(lock) = state.apps.get_mut(key) else {
            return false;
        };
        let Some(at) = lock
            .holds
            .iter()
            .rposition(|h| h.session == session && h.owner == owner)
        else {
            return false;
        };
        lock.holds.remove(at);
        if lock.holds.is_empty() && lock.waiting.is_empty() {
            state.apps.remove(key);
        }
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Ends a session's application locks: those of its transaction, or all of them.
    pub fn release_apps(&self, session: u64, only: Option<AppOwner>) {
        let mut state = self.state();
        state.apps.retain(|_, lock| {
            lock.holds
                .retain(|h| h.session != session || only.is_some_and(|o| o != h.owner));
            !(lock.holds.is_empty() && lock.waiting.is_empty())
        });
        drop(state);
        self.changed.notify_all();
    }

    /// The sessions that each session waits for now.
    pub fn waits(&self) -> HashMap<u64, Vec<u64>> {
        self.state().waits.clone()
    }

    /// The number of sessions that wait for something now.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.state().waits.len()
    }

    fn wait<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        waiter: Waiter<'_>,
        blockers: impl Fn(&State) -> Vec<u64>,
    ) -> (MutexGuard<'s, State>, Wait) {
        let started = self.clock.monotonic();
        let mut result = Wait::Granted;
        loop {
            let in_the_way = blockers(&state);
            if in_the_way.is_empty() {
                break;
            }
            let left = waiter
                .timeout
                .map(|t| t.saturating_sub(self.clock.monotonic() - started));
            if state.closes_cycle(waiter.session, &in_the_way) {
                result = Wait::Deadlock;
            } else if waiter.cancel.load(Ordering::SeqCst) {
                result = Wait::Cancelled;
            } else if left == Some(Duration::ZERO) {
                result = Wait::TimedOut;
            } else {
                result = Wait::GrantedLater;
            }
            if result != Wait::GrantedLater {
                break;
            }
            state.waits.insert(waiter.session, in_the_way);
            let nap = left.map_or(CANCEL_POLL, |l| l.min(CANCEL_POLL));
            state = self
                .changed
                .wait_timeout(state, nap)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.waits.remove(&waiter.session);
        (state, result)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn waiter(session: u64, cancel: &AtomicBool) -> Waiter<'_> {
        Waiter {
            session,
            timeout: None,
            cancel,
        }
    }

    fn until_waiting(locks: &LockManager, sessions: usize) {
        while locks.waiting() != sessions {
            std::thread::yield_now();
        }
    }

    #[test]
    fn writers_are_served_in_the_order_of_asking() {
        let (locks, go) = (LockManager::new(Clock::start()), AtomicBool::new(false));
        assert_eq!(locks.lock_writer(5, waiter(1, &go)), Wait::Granted);
        let (sender, order) = mpsc::channel();
        std::thread::scope(|scope| {
            for session in 2..5 {
                let (locks, go, sender) = (&locks, &go, sender.clone());
                scope.spawn(move || {
                    assert_eq!(locks.lock_writer(5, waiter(session, go)), Wait::GrantedLater);
                    sender.send(session).unwrap();
                    locks.unlock_writer(5, session);
                });
                until_waiting(locks, session as usize - 1);
            }
            locks.unlock_writer(5, 1);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_wait_ends_by_time_by_cancel_and_by_deadlock() {
        let (locks, go, stop) = (
            LockManager::new(Clock::start()),
            AtomicBool::new(false),
            AtomicBool::new(true),
        );
        locks.lock_writer(5, waiter(1, &go));
        let in_time = Waiter {
            timeout: Some(Duration::ZERO),
            ..waiter(2, &go)
        };
        assert_eq!(locks.lock_writer(5, in_time), Wait::TimedOut);
        assert_eq!(locks.lock_writer(5, waiter(2, &stop)), Wait::Cancelled);
        locks.lock_writer(6, waiter(2, &go));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| locks.lock_writer(5, waiter(2, &go)));
            until_waiting(&locks, 1);
            assert_eq!(locks.lock_writer(6, waiter(1, &go)), Wait::Deadlock);
            locks.unlock_writer(5, 1);
            assert_eq!(second.join().unwrap(), Wait::GrantedLater);
        });
    }

    #[test]
    fn application_locks_share_and_exclude() {
        let (locks, go) = (LockManager::new(Clock::start()), AtomicBool::new(false));
        let key = || (5, "a".to_owned());
        let now = |session| Waiter {
            timeout: Some(Duration::ZERO),
            ..waiter(session, &go)
        };
        let shared = |s| locks.lock_app(key(), AppMode::Shared, AppOwner::Session, now(s));
        assert_eq!(shared(1), Wait::Granted);
        assert_eq!(shared(2), Wait::Granted);
        assert_eq!(
            locks.lock_app(key(), AppMode::Exclusive, AppOwner::Transaction, now(1)),
            Wait::TimedOut
        );
        assert!(locks.unlock_app(&key(), AppOwner::Session, 2));
        assert_eq!(
            locks.lock_app(key(), AppMode::Exclusive, AppOwner::Transaction, now(1)),
            Wait::Granted
        );
        assert_eq!(shared(2), Wait::TimedOut);
        locks.release_apps(1, Some(AppOwner::Transaction));
        assert_eq!(shared(2), Wait::Granted);
        locks.release_apps(1, None);
        assert!(!locks.unlock_app(&key(), AppOwner::Session, 1));
    }
}
