//! The account of what was asked of the source, as a sentence for people.

use std::time::Duration;

use indicatif::HumanBytes;

use crate::base::text::{counted, duration, rows, thousands};
use crate::model::account::{Account, LongestQuery};
use crate::model::pace::Cause;

/// The shortest wait that a person is told. Less is no wait.
const TOLD_MIN: Duration = Duration::from_millis(100);

/// The account in a sentence; empty if the source was asked nothing.
pub(crate) fn line(account: &Account) -> String {
    if account.queries == 0 && account.connections_opened == 0 {
        return String::new();
    }
    let mut text = format!(
        "Source: {}, {}, {} in {}",
        match account.queries {
            1 => "1 query".to_owned(),
            count => format!("{} queries", thousands(count)),
        },
        rows(account.rows),
        HumanBytes(account.received_bytes),
        duration(account.reading)
    );
    if let Some(longest) = &account.longest {
        text.push_str(&format!(
            "; longest {} ({})",
            duration(longest.took),
            place_of(longest)
        ));
    }
    text.push_str(&format!(
        "; at most {} at once",
        counted(account.connections_most, "connection")
    ));
    for level in &account.isolation {
        text.push_str(&format!(", {}", level.as_str()));
    }
    let waits: Vec<String> = account
        .waits
        .iter()
        .filter(|(_, time)| *time >= TOLD_MIN)
        .map(|(cause, time)| format!("{} {}", duration(time), why(cause)))
        .collect();
    if !waits.is_empty() {
        text.push_str(&format!("; waited {}", waits.join(", ")));
    }
    let target = account.waits.for_target();
    if target >= TOLD_MIN {
        text.push_str(&format!(
            "; waited {} for a target that was away",
            duration(target)
        ));
    }
    if account.read_again > 0 {
        text.push_str(&format!("; {} read again", counted(account.read_again, "chunk")));
    }
    text.push('.');
    text
}

/// What a wait was for.
fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Pace => "to keep the pace",
        Cause::Latency => "because it answered slowly",
        Cause::Lag => "for the replica to catch up",
        Cause::Hours => "for its hours",
        Cause::Pause => "while paused",
        Cause::Outage => "because it was away",
    }
}

/// What the query read, as far as it is known: `SALES 2025-03`, or its kind.
fn place_of(longest: &LongestQuery) -> String {
    match (longest.table.as_str(), &longest.window) {
        ("", _) | (_, None) => longest.statement.clone(),
        (table, Some(window)) => format!("{table} {window}"),
    }
}
