//! Counts a command's statements by end and kind: how often, how long, how many bytes.
//!
//! It holds labels and numbers only, and no value of a statement. A session without a profile labels nothing. The time
//! of a statement runs from its request to the end of its answer, and includes what this program does with rows as
//! they arrive.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::mssql::socket::Watch;
use crate::tsql::label::label;

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

/// A statement under way.
#[derive(Debug)]
pub(super) struct Exchange {
    statement: String,
    started: Duration,
    /// Bytes of the connection before it, sent and received.
    before: (u64, u64),
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

    /// Starts a statement.
    pub(super) fn start(&self, sql: &str, watch: &Watch) -> Exchange {
        Exchange {
            statement: label(sql),
            started: self.clock.monotonic(),
            before: watch.bytes(),
        }
    }

    /// Starts a login. Its connection has no bytes yet.
    pub(super) fn start_login(&self) -> Exchange {
        Exchange {
            statement: LOGIN.to_owned(),
            started: self.clock.monotonic(),
            before: (0, 0),
        }
    }

    /// Counts a statement whose answer has ended, or failed.
    pub(super) fn count(&self, end: &'static str, exchange: Exchange, watch: &Watch) {
        let elapsed = self.clock.monotonic().saturating_sub(exchange.started);
        let (sent, received) = watch.bytes();
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = kinds.entry((end, exchange.statement)).or_default();
        spent.count += 1;
        spent.elapsed += elapsed;
        spent.sent_bytes += sent.saturating_sub(exchange.before.0);
        spent.received_bytes += received.saturating_sub(exchange.before.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    #[test]
    fn statements_of_one_kind_add_up_and_ends_are_apart() {
        let profile = Profile::new(SystemClock::shared());
        let bound = crate::mssql::bound::Bound {
            bytes: 1 << 20,
            whole: Duration::from_secs(1),
        };
        let watch = Watch::new(Duration::ZERO, Duration::ZERO, bound);
        for (end, sql) in [
            ("source", "SELECT [A] FROM [dbo].[T] WHERE [A] > 1"),
            ("source", "SELECT [A] FROM [dbo].[T] WHERE [A] > 2"),
            ("target", "SELECT [A] FROM [dbo].[T]"),
        ] {
            let exchange = profile.start(sql, &watch);
            watch.add_bytes(10, 100);
            profile.count(end, exchange, &watch);
        }
        profile.count("target", profile.start_login(), &watch);
        let mut kinds: Vec<_> = profile
            .kinds()
            .into_iter()
            .map(
                |Kind {
                     end,
                     statement,
                     spent,
                 }| {
                    (
                        end,
                        statement,
                        spent.count,
                        spent.sent_bytes,
                        spent.received_bytes,
                    )
                },
            )
            .collect();
        kinds.sort_unstable();
        assert_eq!(
            kinds,
            [
                ("source", "SELECT dbo.T".to_owned(), 2, 20, 200),
                ("target", "SELECT dbo.T".to_owned(), 1, 10, 100),
                ("target", LOGIN.to_owned(), 1, 30, 300),
            ]
        );
    }
}
