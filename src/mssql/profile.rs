//! Counts a command's statements by end and kind: how often, how long, how many bytes.
//!
//! It holds labels and numbers only, and no value of a statement. A session without a profile labels nothing. The time
//! of a statement runs from its request to the end of its answer, and includes what this program does with rows as
//! they arrive.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::SharedClock;

/// The label of a login, with the connection and its encryption.
pub(super) const LOGIN: &str = "log in";

/// The counts of all sessions that share it.
#[derive(Debug)]
pub struct Profile {
    clock: SharedClock,
    kinds: Mutex<BTreeMap<(&'static str, String), Spent>>,
}

/// What one kind of statement took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Number of statements.
    pub count: u64,
    /// Time from request to the end of the answer, of all of them. Sessions work at once, so kinds may add up to
    /// more than the command's own time.
    pub elapsed: Duration,
    /// Bytes sent, as they were on the wire.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
}

/// A kind of statement, and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// `source` or `target`.
    pub end: &'static str,
    /// Its label, such as `DELETE dbo.t_SALES`.
    pub statement: String,
    /// What it took.
    pub spent: Spent,
}

/// Two profiles are equal if they are the same one.
impl PartialEq for Profile {
    fn eq(&self, other: &Profile) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Profile {}

impl Profile {
    /// A profile without counts.
    pub fn new(clock: SharedClock) -> Self {
        Profile {
            clock,
            kinds: Mutex::default(),
        }
    }

    /// All kinds, those first that took longest.
    pub fn kinds(&self) -> Vec<Kind> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kinds: Vec<Kind> = kinds
            .iter()
            .map(|((end, statement), spent)| Kind {
                end,
                statement: statement.clone(),
                spent: *spent,
            })
            .collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.spent.elapsed));
        kinds
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Adds a statement whose answer has ended, or failed.
    pub(super) fn add(&self, end: &'static str, label: String, spent: &Spent) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = kinds.entry((end, label)).or_default();
        sum.count += spent.count;
        sum.elapsed += spent.elapsed;
        sum.sent_bytes += spent.sent_bytes;
        sum.received_bytes += spent.received_bytes;
    }
}
