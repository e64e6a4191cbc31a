//! Faults on demand: a list of rules, each of which names requests and the fault that they meet.
//!
//! A rule is matched once a request, when the request starts, and fires at its point in that request. One mutex
//! guards all of it, and no fault acts while the mutex is held. A stalled request waits on a condition variable. It
//! wakes when its rule is released or removed, when its client cancels, or when its connection ends.

mod rule;
mod spec;

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use rule::{Action, At, Match, Rule, RuleId};
pub use spec::parse_role;

pub(crate) use rule::Subject;

/// A rule that will fire in the request at hand.
#[derive(Debug, Clone)]
pub(crate) struct Armed {
    pub(crate) id: RuleId,
    pub(crate) at: At,
    pub(crate) action: Action,
}

struct Active {
    id: RuleId,
    rule: Rule,
    matches: u64,
    released: bool,
}

#[derive(Default)]
struct State {
    last_id: u64,
    rules: Vec<Active>,
    fired: HashMap<RuleId, u64>,
}

/// What lets time pass.
type Passing = Arc<dyn Fn(Duration) + Send + Sync>;

/// The faults of a server.
pub struct Faults {
    state: Mutex<State>,
    /// What passes the time of slow requests, if it is not the machine's.
    passing: Mutex<Option<Passing>>,
    /// Something has happened that a stalled request may be waiting for.
    woken: Condvar,
    /// Changes whenever a rule fires.
    firings: watch::Sender<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            state: Mutex::default(),
            passing: Mutex::default(),
            woken: Condvar::new(),
            firings: watch::Sender::new(0),
        }
    }
}

impl Faults {
    /// Adds a rule. Requests that start from now on are matched against it.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.lock();
        state.last_id += 1;
        let id = RuleId(state.last_id);
        state.rules.push(Active {
            id,
            rule,
            matches: 0,
            released: false,
        });
        id
    }

    /// Removes a rule. Requests that it stalls go on. Its count stays readable.
    pub fn remove(&self, id: RuleId) {
        self.lock().rules.retain(|active| active.id != id);
        self.woken.notify_all();
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.lock().rules.clear();
        self.woken.notify_all();
    }

    /// Lets the requests that a rule stalls go on, now and from now on.
    pub fn release(&self, id: RuleId) {
        for active in &mut self.lock().rules {
            active.released |= active.id == id;
        }
        self.woken.notify_all();
    }

    /// The number of times that a rule has fired.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.lock().fired.get(&id).copied().unwrap_or(0)
    }

    /// Waits until a rule has fired `count` times.
    pub async fn wait_fired(&self, id: RuleId, count: u64) {
        let mut firings = self.firings.subscribe();
        while self.fired(id) < count {
            // The sender lives in `self`, so it cannot be gone.
            let _ = firings.changed().await;
        }
    }

    /// The rules that fire in a request that starts now.
    pub(crate) fn arm(&self, subject: &Subject<'_>) -> Vec<Armed> {
        let mut state = self.lock();
        let mut armed = Vec::new();
        for active in state
            .rules
            .iter_mut()
            .filter(|active| active.rule.is_about(subject))
        {
            active.matches += 1;
            let when = &active.rule.when;
            let first = when.nth.max(1);
            if active.matches >= first && active.matches - first < when.times {
                armed.push(Armed {
                    id: active.id,
                    at: active.rule.at,
                    action: active.rule.action.clone(),
                });
            }
        }
        armed
    }

    /// Counts a firing.
    pub(crate) fn count(&self, id: RuleId) {
        *self.lock().fired.entry(id).or_insert(0) += 1;
        self.firings.send_modify(|firings| *firings += 1);
    }

    /// Waits until a rule is released or gone, or until `ended` says that nobody waits any more.
    pub(crate) fn stall(&self, id: RuleId, ended: impl Fn() -> bool) {
        let mut state = self.lock();
        while !ended()
            && state
                .rules
                .iter()
                .any(|active| active.id == id && !active.released)
        {
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets `passing` pass the time of slow requests from now on, so that a test need not wait for it.
    pub fn pass_time_by(&self, passing: impl Fn(Duration) + Send + Sync + 'static) {
        *self.passing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(passing));
    }

    /// Lets time pass for a slow request, or as much of it as there is before `ended` says that nobody waits any more.
    pub(crate) fn pass(&self, time: Duration, ended: impl Fn() -> bool) {
        let passing = self
            .passing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match passing {
            Some(passing) => passing(time),
            None => {
                let waited = self.woken.wait_timeout_while(self.lock(), time, |_| !ended());
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Makes stalled requests check again whether they have ended.
    pub(crate) fn wake(&self) {
        // The mutex is taken so that a request between its check and its wait is not missed.
        drop(self.lock());
        self.woken.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject<'a>(statement: &'a str, database: &'a str) -> Subject<'a> {
        Subject {
            statement: Some(statement),
            database,
            application: "sync",
        }
    }

    fn rule(when: Match) -> Rule {
        Rule {
            when,
            at: At::After,
            action: Action::Drop,
        }
    }

    #[test]
    fn a_rule_fires_from_its_nth_match_as_often_as_it_says() {
        let faults = Faults::default();
        faults.add(rule(Match {
            nth: 2,
            times: 2,
            ..Match::statement("commit")
        }));
        let fires: Vec<usize> = (0..5)
            .map(|_| faults.arm(&subject("COMMIT TRANSACTION", "a")).len())
            .collect();
        assert_eq!(fires, [0, 1, 1, 0, 0]);
        assert_eq!(faults.arm(&subject("SELECT 1", "a")).len(), 0);
    }

    #[test]
    fn all_that_a_rule_names_has_to_hold() {
        let faults = Faults::default();
        let when = Match {
            database: Some("Source".into()),
            application: Some("SYNC".into()),
            ..Match::statement("select")
        };
        faults.add(rule(Match {
            times: u64::MAX,
            ..when
        }));
        assert_eq!(faults.arm(&subject("select 1", "source")).len(), 1);
        assert_eq!(faults.arm(&subject("select 1", "other")).len(), 0);
        assert_eq!(faults.arm(&subject("delete t", "source")).len(), 0);
        let other = Subject {
            statement: Some("select 1"),
            database: "source",
            application: "tsql",
        };
        assert_eq!(faults.arm(&other).len(), 0);
        let more = Subject {
            application: "sync/1.0 run 7",
            ..other
        };
        assert_eq!(faults.arm(&more).len(), 1);
    }

    #[test]
    fn login_rules_and_statement_rules_are_told_apart() {
        let faults = Faults::default();
        let login = faults.add(Rule {
            when: Match::default(),
            at: At::AtLogin,
            action: Action::RefuseLogin,
        });
        let armed = faults.arm(&Subject {
            statement: None,
            database: "a",
            application: "b",
        });
        assert_eq!(armed.iter().map(|armed| armed.id).collect::<Vec<_>>(), [login]);
        assert_eq!(faults.arm(&subject("SELECT 1", "a")).len(), 0);
    }

    #[tokio::test]
    async fn a_stall_ends_by_release_by_removal_and_by_the_end_of_its_client() {
        let faults = std::sync::Arc::new(Faults::default());
        let stall = || Rule {
            when: Match::default(),
            at: At::Before,
            action: Action::Stall,
        };
        for end in 0..3 {
            let id = faults.add(stall());
            let gone = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let waiting = std::thread::spawn({
                let (faults, gone) = (faults.clone(), gone.clone());
                move || {
                    faults.count(id);
                    faults.stall(id, || gone.load(std::sync::atomic::Ordering::Relaxed));
                }
            });
            faults.wait_fired(id, 1).await;
            assert_eq!(faults.fired(id), 1);
            match end {
                0 => faults.release(id),
                1 => faults.remove(id),
                _ => {
                    gone.store(true, std::sync::atomic::Ordering::Relaxed);
                    faults.wake();
                }
            }
            waiting.join().unwrap();
        }
    }
}
