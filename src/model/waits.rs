//! The words for what reads of the source wait for and for what the governor decided, for bars, lines and the status alike.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::text::{counted, duration, rows, thousands};
use crate::model::hours::Wall;
use crate::model::pace::{Action, Cause, Hold};

/// What a wait is for, as short as a bar has room for: `waiting until 22:00 for the source's hours`.
pub fn short(hold: &Hold, wall: Wall, now: DateTime<Utc>) -> String {
    let until = until(hold, |until| format!(" until {}", wall.named(until, now)));
    match hold.cause {
        Cause::Pace | Cause::Lag => gist(hold).to_owned(),
        Cause::Latency => format!("waiting{until}: {}", gist(hold)),
        Cause::Hours => format!("waiting{until} for the source's hours"),
        Cause::Pause => "paused".to_owned(),
        Cause::Outage => "waiting for the source".to_owned(),
    }
}

/// The same in full, with what ends it: the time, or what a person can do.
pub fn long(hold: &Hold, wall: Wall, now: DateTime<Utc>) -> String {
    let detail = &hold.detail;
    let at = until(hold, |until| wall.named(until, now));
    let by = |words: &str| match at.is_empty() {
        true => String::new(),
        false => format!("; {words} {at}"),
    };
    match hold.cause {
        Cause::Pace => detail.clone(),
        Cause::Latency => format!("waiting: {detail}{}", by("tried again at")),
        Cause::Lag => format!("waiting: {detail}{}", by("looked at again at")),
        Cause::Hours => format!(
            "waiting{} for the source's hours; `sync tune --ignore-hours` reads at once",
            match at.is_empty() {
                true => String::new(),
                false => format!(" until {at}"),
            }
        ),
        Cause::Pause => "paused: no further read of the source begins; `sync resume` ends it".to_owned(),
        Cause::Outage => format!("waiting for the source: {detail}{}", by("tried again at")),
    }
}

/// What is told once a wait is over.
pub fn over(cause: Cause, waited: Duration) -> String {
    let time = duration(waited);
    match cause {
        Cause::Pace => format!("reads go on after {time}"),
        Cause::Latency => format!("reads of the source go on after {time}"),
        Cause::Lag => format!("the replica is near enough to its primary again, after {time}"),
        Cause::Hours => format!("the source is read again: waited {time} for its hours"),
        Cause::Pause => format!("resumed after a pause of {time}"),
        Cause::Outage => format!("the source is back after {time}"),
    }
}

/// The end of a wait in some words; empty without one.
fn until(hold: &Hold, words: impl Fn(DateTime<Utc>) -> String) -> String {
    hold.until.map_or_else(String::new, words)
}

/// What a wait is about, without the setting that it follows from.
fn gist(hold: &Hold) -> &str {
    let detail = hold.detail.as_str();
    detail.split_once(", ").map_or(detail, |(gist, _)| gist)
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Action::ChunkRows { from, to } => {
                write!(f, "chunks of {}, from {}", rows(to), thousands(from))
            }
            Action::Workers { from, to } => write!(f, "{}, from {from}", counted(to as u64, "worker")),
            Action::PauseMs { from, to } => write!(f, "pause of {}, from {}", millis(to), millis(from)),
            Action::Held(cause) => write!(f, "reads wait ({})", cause.as_str()),
            Action::Released(cause) => write!(f, "reads go on ({})", cause.as_str()),
            Action::Cancelled { rows: most, took_ms } => {
                write!(
                    f,
                    "cancelled a query for {} after {}",
                    rows(most),
                    millis(took_ms)
                )
            }
            Action::Tuned => write!(f, "settings changed"),
        }
    }
}

/// `250 ms` below a second, else as a duration.
pub fn millis(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => duration(Duration::from_millis(ms)),
    }
}

impl Action {
    /// Its name in logs and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::ChunkRows { .. } => "chunk_rows",
            Action::Workers { .. } => "workers",
            Action::PauseMs { .. } => "pause_ms",
            Action::Held(_) => "held",
            Action::Released(_) => "released",
            Action::Cancelled { .. } => "cancelled",
            Action::Tuned => "tuned",
        }
    }

    /// The number before and after, of those that change one.
    pub fn numbers(&self) -> Option<(u64, u64)> {
        match *self {
            Action::ChunkRows { from, to } | Action::PauseMs { from, to } => Some((from, to)),
            Action::Workers { from, to } => Some((from as u64, to as u64)),
            Action::Held(_) | Action::Released(_) | Action::Cancelled { .. } | Action::Tuned => None,
        }
    }

    /// What it waits for or waited for, of those that are about a wait.
    pub fn cause(&self) -> Option<Cause> {
        match *self {
            Action::Held(cause) | Action::Released(cause) => Some(cause),
            _ => None,
        }
    }

    /// Whether it is told while it happens. Sizes and pauses change often, and waits have lines of their own.
    pub fn is_told(&self) -> bool {
        matches!(
            self,
            Action::Workers { .. } | Action::Cancelled { .. } | Action::Tuned
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(cause: Cause, until: Option<&str>, detail: &str) -> Hold {
        Hold {
            cause,
            since: "2025-11-24T10:00:00Z".parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn each_wait_says_what_for_until_when_and_what_ends_it() {
        let zone = "Asia/Kuala_Lumpur".parse().unwrap();
        let now = "2025-11-24T10:00:00Z".parse().unwrap();
        let mut told = String::new();
        for hold in [
            hold(Cause::Hours, Some("2025-11-24T14:00:00Z"), "outside"),
            hold(Cause::Pause, None, "a person paused the run"),
            hold(
                Cause::Lag,
                Some("2025-11-24T10:00:30Z"),
                "the replica is 95 s behind, more than replica_lag_max_seconds = 60",
            ),
            hold(
                Cause::Latency,
                Some("2025-11-24T10:00:30Z"),
                "requests of the source wait for memory, the third look in a row",
            ),
            hold(Cause::Outage, None, "it is a primary now"),
            hold(Cause::Pace, None, "at most 5,000 rows/s"),
        ] {
            let wall = Wall::new(zone, Some(zone));
            told.push_str(&format!(
                "{}\n  {}\n  {}\n",
                short(&hold, wall, now),
                long(&hold, wall, now),
                over(hold.cause, Duration::from_secs(14_220))
            ));
        }
        insta::assert_snapshot!(told, @r"
        waiting until 22:00 for the source's hours
          waiting until 22:00 for the source's hours; `sync tune --ignore-hours` reads at once
          the source is read again: waited 3 h 57 min for its hours
        paused
          paused: no further read of the source begins; `sync resume` ends it
          resumed after a pause of 3 h 57 min
        the replica is 95 s behind
          waiting: the replica is 95 s behind, more than replica_lag_max_seconds = 60; looked at again at 18:00:30
          the replica is near enough to its primary again, after 3 h 57 min
        waiting until 18:00:30: requests of the source wait for memory
          waiting: requests of the source wait for memory, the third look in a row; tried again at 18:00:30
          reads of the source go on after 3 h 57 min
        waiting for the source
          waiting for the source: it is a primary now
          the source is back after 3 h 57 min
        at most 5,000 rows/s
          at most 5,000 rows/s
          reads go on after 3 h 57 min
        ");
        let elsewhere = Wall::new(zone, None);
        assert_eq!(
            short(
                &hold(Cause::Hours, Some("2025-11-24T14:00:00Z"), ""),
                elsewhere,
                now
            ),
            "waiting until 22:00 Asia/Kuala_Lumpur for the source's hours"
        );
    }

    #[test]
    fn each_action_has_words() {
        let told = [
            Action::ChunkRows {
                from: 20_000,
                to: 8_000,
            },
            Action::Workers { from: 2, to: 1 },
            Action::PauseMs { from: 0, to: 250 },
            Action::PauseMs {
                from: 500,
                to: 16_000,
            },
            Action::Held(Cause::Hours),
            Action::Released(Cause::Pause),
            Action::Cancelled {
                rows: 20_000,
                took_ms: 21_000,
            },
            Action::Tuned,
        ]
        .map(|action| action.to_string())
        .join("\n");
        insta::assert_snapshot!(told, @r"
        chunks of 8,000 rows, from 20,000
        1 worker, from 2
        pause of 250 ms, from 0 ms
        pause of 16 s, from 500 ms
        reads wait (hours)
        reads go on (pause)
        cancelled a query for 20,000 rows after 21 s
        settings changed
        ");
    }
}
