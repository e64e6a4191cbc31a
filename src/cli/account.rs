//! The account of what was asked of the source, as the commands print it and as JSON.

use std::time::Duration;

use serde::Serialize;

use crate::cli::screen::Screen;
use crate::model::account::Account;
use crate::model::pace::Cause;
use crate::status::account_line;

/// The sum of accounts in a line, for stdout; nothing if the source was asked nothing.
pub(super) fn told(accounts: &[Account], screen: &Screen) -> String {
    match account_line(&Account::total(accounts)) {
        line if line.is_empty() => line,
        line => screen.prose(&line),
    }
}

/// What was asked of the source. Times of parallel connections add up, and so do their waits.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct AccountView {
    /// The most connections that were open at once.
    connections_most: u64,
    /// Connections opened.
    connections_opened: u64,
    /// How the sessions read: `SNAPSHOT`, `READ COMMITTED SNAPSHOT` or `READ COMMITTED`.
    isolation: Vec<&'static str>,
    /// The query that took longest.
    longest: Option<LongestView>,
    /// Statements sent, also those that open a session.
    queries: u64,
    /// Chunks that the source was asked for again.
    read_again: u64,
    /// Time from requests to the ends of their answers.
    reading_ms: u64,
    /// Bytes received on the wire.
    received_bytes: u64,
    /// Rows received.
    rows: u64,
    /// Bytes sent.
    sent_bytes: u64,
    /// Times waited, by cause.
    waits_ms: WaitsView,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LongestView {
    /// Its kind, such as `SELECT dbo.SALES`.
    statement: String,
    /// The table that was worked on; empty outside of tables.
    table: String,
    took_ms: u64,
    /// The window that it read; empty if it read none.
    window: String,
}

#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WaitsView {
    /// For the hours in which the source may be read.
    hours: u64,
    /// For a replica that was behind its primary.
    lag: u64,
    /// Because the source answered slowly.
    latency: u64,
    /// For a source that was away.
    outage: u64,
    /// To keep a ceiling of rows, bytes or queries a second.
    pace: u64,
    /// While a person had paused the run.
    pause: u64,
    /// For a target that was away.
    target_outage: u64,
}

impl AccountView {
    pub(super) fn of(account: &Account) -> AccountView {
        let mut waits = WaitsView {
            target_outage: millis(account.waits.for_target()),
            ..WaitsView::default()
        };
        for (cause, time) in account.waits.iter() {
            let of = match cause {
                Cause::Pace => &mut waits.pace,
                Cause::Latency => &mut waits.latency,
                Cause::Lag => &mut waits.lag,
                Cause::Hours => &mut waits.hours,
                Cause::Pause => &mut waits.pause,
                Cause::Outage => &mut waits.outage,
            };
            *of = millis(time);
        }
        AccountView {
            connections_most: account.connections_most,
            connections_opened: account.connections_opened,
            isolation: account.isolation.iter().map(|level| level.as_str()).collect(),
            longest: account.longest.as_ref().map(|longest| LongestView {
                statement: longest.statement.clone(),
                table: longest.table.clone(),
                took_ms: millis(longest.took),
                window: longest.window.clone().unwrap_or_default(),
            }),
            queries: account.queries,
            read_again: account.read_again,
            reading_ms: millis(account.reading),
            received_bytes: account.received_bytes,
            rows: account.rows,
            sent_bytes: account.sent_bytes,
            waits_ms: waits,
        }
    }

    /// The account of a table among all; `None` if the source was asked nothing for it.
    pub(super) fn of_table(accounts: &[Account], table: &str) -> Option<AccountView> {
        let account = accounts.iter().find(|account| account.table == table)?;
        (!table.is_empty()).then(|| AccountView::of(account))
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::account::{Isolation, LongestQuery};

    /// An account with an entry of each kind.
    pub(in crate::cli) fn account() -> Account {
        let mut account = Account {
            queries: 1204,
            rows: 3_400_112,
            received_bytes: 512 << 20,
            sent_bytes: 400_000,
            reading: Duration::from_secs(14 * 60),
            longest: Some(LongestQuery {
                statement: "SELECT dbo.SALES".to_owned(),
                table: "SALES".to_owned(),
                window: Some("2025-03".to_owned()),
                took: Duration::from_millis(3_100),
            }),
            connections_opened: 3,
            connections_most: 2,
            isolation: [Isolation::ReadCommitted].into(),
            read_again: 1,
            rows_loaded: 3_399_000,
            ..Account::of("SALES")
        };
        account.waits.add(Cause::Hours, Duration::from_secs(120));
        account.waits.add(Cause::Pace, Duration::from_millis(1));
        account
    }

    #[test]
    fn an_account_is_a_sentence() {
        assert_eq!(
            account_line(&account()),
            "Source: 1,204 queries, 3,400,112 rows, 512.00 MiB in 14 min 00 s; longest 3.1 s (SALES 2025-03); \
             at most 2 connections at once, READ COMMITTED; waited 2 min 00 s for its hours; 1 chunk read again."
        );
        assert_eq!(account_line(&Account::default()), "");
    }

    #[test]
    fn a_query_outside_of_windows_is_named_by_its_kind() {
        let mut account = account();
        let longest = account.longest.as_mut().unwrap();
        (longest.window, longest.statement) = (None, "SELECT COUNT dbo.SALES".to_owned());
        assert!(account_line(&account).contains("(SELECT COUNT dbo.SALES)"));
    }

    #[test]
    fn each_wait_is_in_its_field() {
        let json = serde_json::to_value(AccountView::of(&account())).unwrap();
        assert_eq!(json["waits_ms"]["hours"], 120_000);
        assert_eq!(json["waits_ms"]["pace"], 1);
        assert_eq!(json["waits_ms"]["outage"], 0);
        assert_eq!(json["longest"]["window"], "2025-03");
    }
}
