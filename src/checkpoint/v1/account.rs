//! Version 1 of an account. It is frozen, as all of this folder.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::account;
use crate::model::account::Isolation;
use crate::model::pace::Cause;

/// The name of the wait for a target that was away, which is no cause of reads.
const TARGET_AWAY: &str = "target away";

#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct Account {
    table: String,
    queries: u64,
    rows: u64,
    received_bytes: u64,
    sent_bytes: u64,
    reading_ns: u64,
    longest: Option<LongestQuery>,
    connections_opened: u64,
    connections_most: u64,
    /// Names of levels. One that is not known is passed over.
    isolation: Vec<String>,
    /// Names of causes, with nanoseconds. One that is not known is passed over.
    waits: Vec<(String, u64)>,
    read_again: u64,
    rows_loaded: u64,
}

#[derive(Serialize, Deserialize)]
struct LongestQuery {
    statement: String,
    window: Option<String>,
    took_ns: u64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl From<&account::Account> for Account {
    fn from(account: &account::Account) -> Self {
        let account = account.clone();
        let causes = account.waits.iter().map(|(cause, time)| (cause.as_str(), time));
        let waits = causes.chain([(TARGET_AWAY, account.waits.for_target())]);
        let waits = waits.filter(|(_, time)| !time.is_zero());
        Account {
            waits: waits.map(|(name, time)| (name.to_owned(), nanos(time))).collect(),
            isolation: account
                .isolation
                .iter()
                .map(|level| level.as_str().to_owned())
                .collect(),
            table: account.table,
            queries: account.queries,
            rows: account.rows,
            received_bytes: account.received_bytes,
            sent_bytes: account.sent_bytes,
            reading_ns: nanos(account.reading),
            longest: account.longest.map(|longest| LongestQuery {
                statement: longest.statement,
                window: longest.window,
                took_ns: nanos(longest.took),
            }),
            connections_opened: account.connections_opened,
            connections_most: account.connections_most,
            read_again: account.read_again,
            rows_loaded: account.rows_loaded,
        }
    }
}

impl From<Account> for account::Account {
    fn from(stored: Account) -> Self {
        let mut waits = account::Waits::default();
        for (name, time_ns) in stored.waits {
            if name == TARGET_AWAY {
                waits.add_for_target(Duration::from_nanos(time_ns));
            }
            if let Some(cause) = Cause::ALL.into_iter().find(|cause| cause.as_str() == name) {
                waits.add(cause, Duration::from_nanos(time_ns));
            }
        }
        account::Account {
            queries: stored.queries,
            rows: stored.rows,
            received_bytes: stored.received_bytes,
            sent_bytes: stored.sent_bytes,
            reading: Duration::from_nanos(stored.reading_ns),
            longest: stored.longest.map(|longest| account::LongestQuery {
                statement: longest.statement,
                table: stored.table.clone(),
                window: longest.window,
                took: Duration::from_nanos(longest.took_ns),
            }),
            connections_opened: stored.connections_opened,
            connections_most: stored.connections_most,
            isolation: stored
                .isolation
                .iter()
                .filter_map(|name| Isolation::named(name))
                .collect(),
            waits,
            table: stored.table,
            read_again: stored.read_again,
            rows_loaded: stored.rows_loaded,
        }
    }
}
