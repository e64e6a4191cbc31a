//! The account of a run: what it asked of its source, a table, and what it waited for.
//!
//! It holds names, kinds of statements, numbers and times, and no value.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::pace::Cause;

/// How a session keeps what it reads from changing meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// By locks: a read waits for a writer of the same rows, and a writer for the read.
    ReadCommitted,
    /// By row versions, for the database has READ_COMMITTED_SNAPSHOT on: nobody waits.
    ReadCommittedSnapshot,
    /// By row versions, because the session asked for them: nobody waits.
    Snapshot,
}

impl Isolation {
    /// All of them.
    pub const ALL: [Isolation; 3] = [
        Isolation::ReadCommitted,
        Isolation::ReadCommittedSnapshot,
        Isolation::Snapshot,
    ];

    /// Its name, as SQL Server has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::ReadCommittedSnapshot => "READ COMMITTED SNAPSHOT",
            Isolation::Snapshot => "SNAPSHOT",
        }
    }

    /// The one of this name; `None` for a name that is not known.
    pub fn named(name: &str) -> Option<Isolation> {
        Isolation::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// The query that took longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongestQuery {
    /// Its kind, such as `SELECT dbo.SALES`.
    pub statement: String,
    /// The table that was worked on; empty outside of tables.
    pub table: String,
    /// The window that it read, if it read one.
    pub window: Option<String>,
    /// The time from the request to the end of the answer.
    pub took: Duration,
}

/// Times waited: for the source by cause, and for a target that was away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    source: [Duration; Cause::ALL.len()],
    target: Duration,
}

impl Waits {
    /// Adds a wait.
    pub fn add(&mut self, cause: Cause, time: Duration) {
        for (of, sum) in Cause::ALL.into_iter().zip(&mut self.source) {
            if of == cause {
                *sum = sum.saturating_add(time);
            }
        }
    }

    /// Adds a wait for a target that was away.
    pub fn add_for_target(&mut self, time: Duration) {
        self.target = self.target.saturating_add(time);
    }

    /// The time for which a target was away. It is no cause of reads, so that no hold and no decision has it.
    pub fn for_target(&self) -> Duration {
        self.target
    }

    /// All causes with their times, also those that nothing was waited for.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, Duration)> + '_ {
        Cause::ALL.into_iter().zip(self.source)
    }
}

/// The identity under which the accounts of a comparison or a repair are kept. It is no run, and a process may do both under
/// one identity, as the demo does.
pub fn of_comparison(run_id: u128) -> u128 {
    !run_id
}

/// What was asked of the source for a table, or outside of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The table; empty for what belongs to none, and for the sum of all.
    pub table: String,
    /// Statements sent: reads, and those that open a session, prove the server and look at its catalog. Logins are none.
    pub queries: u64,
    /// Rows received.
    pub rows: u64,
    /// Bytes received, as they were on the wire, logins included.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Time from requests to the ends of their answers. Those of parallel sessions add up.
    pub reading: Duration,
    /// The query that took longest.
    pub longest: Option<LongestQuery>,
    /// Connections opened.
    pub connections_opened: u64,
    /// The most connections that were open at once.
    pub connections_most: u64,
    /// How the sessions read.
    pub isolation: BTreeSet<Isolation>,
    /// Times waited, by cause. Those of parallel windows add up.
    pub waits: Waits,
    /// Chunks that the source was asked for again, because their rows did not arrive or were lost before they were
    /// committed.
    pub read_again: u64,
    /// Rows that were read and committed at the target.
    pub rows_loaded: u64,
}

impl Account {
    /// An account of a table without entries.
    pub fn of(table: &str) -> Account {
        Account {
            table: table.to_owned(),
            ..Account::default()
        }
    }

    /// The sum of accounts, which has no table.
    pub fn total<'a>(accounts: impl IntoIterator<Item = &'a Account>) -> Account {
        let mut total = Account::default();
        for account in accounts {
            total.add(account);
        }
        total
    }

    /// Whether it is of a later time than another account of the same work: each of its numbers only grows.
    pub fn is_after(&self, other: &Account) -> bool {
        let grown = |account: &Account| {
            let waited = account.waits.iter().map(|(_, time)| time).sum::<Duration>();
            let waited = waited + account.waits.for_target();
            (
                (
                    account.queries,
                    account.rows,
                    account.received_bytes,
                    account.sent_bytes,
                ),
                (
                    account.rows_loaded,
                    account.read_again,
                    account.connections_opened,
                ),
                (account.reading, waited),
            )
        };
        grown(self) > grown(other)
    }

    fn add(&mut self, other: &Account) {
        self.queries += other.queries;
        self.rows += other.rows;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.reading += other.reading;
        self.took(other.longest.as_ref());
        self.connections_opened += other.connections_opened;
        self.connections_most = self.connections_most.max(other.connections_most);
        self.isolation.extend(&other.isolation);
        for (cause, time) in other.waits.iter() {
            self.waits.add(cause, time);
        }
        self.waits.add_for_target(other.waits.for_target());
        self.read_again += other.read_again;
        self.rows_loaded += other.rows_loaded;
    }

    fn took(&mut self, query: Option<&LongestQuery>) {
        if let Some(query) = query
            && self
                .longest
                .as_ref()
                .is_none_or(|longest| longest.took < query.took)
        {
            self.longest = Some(query.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(table: &str, rows: u64, took: u64) -> Account {
        let mut account = Account {
            queries: 2,
            rows,
            received_bytes: 100,
            sent_bytes: 10,
            reading: Duration::from_secs(took),
            longest: Some(LongestQuery {
                statement: format!("SELECT dbo.{table}"),
                table: table.to_owned(),
                window: Some("2025-10".to_owned()),
                took: Duration::from_secs(took),
            }),
            connections_opened: 2,
            connections_most: rows,
            isolation: [Isolation::Snapshot].into(),
            read_again: 1,
            ..Account::of(table)
        };
        account.waits.add(Cause::Hours, Duration::from_secs(60));
        account.waits.add_for_target(Duration::from_secs(7));
        account
    }

    #[test]
    fn accounts_add_up_but_for_what_is_the_most_of_all() {
        let mut other = account("B", 3, 9);
        other.waits.add(Cause::Pace, Duration::from_secs(1));
        other.isolation = [Isolation::ReadCommitted].into();
        let total = Account::total([&account("A", 2, 5), &other]);
        assert_eq!((total.table.as_str(), total.queries, total.rows), ("", 4, 5));
        assert_eq!((total.received_bytes, total.sent_bytes), (200, 20));
        assert_eq!(total.reading, Duration::from_secs(14));
        assert_eq!((total.connections_opened, total.connections_most), (4, 3));
        assert_eq!(total.longest.unwrap().statement, "SELECT dbo.B");
        assert_eq!(
            total.isolation,
            [Isolation::ReadCommitted, Isolation::Snapshot].into()
        );
        assert_eq!(total.read_again, 2);
        let waits: Vec<_> = total.waits.iter().filter(|(_, time)| !time.is_zero()).collect();
        assert_eq!(
            waits,
            [
                (Cause::Pace, Duration::from_secs(1)),
                (Cause::Hours, Duration::from_secs(120))
            ]
        );
        assert_eq!(total.waits.for_target(), Duration::from_secs(14));
    }

    #[test]
    fn each_level_is_found_by_its_name() {
        for level in Isolation::ALL {
            assert_eq!(Isolation::named(level.as_str()), Some(level));
        }
        assert_eq!(Isolation::named("CHAOS"), None);
    }
}
