//! What reads of the source waited for, and what the governor decided.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::pace;

#[derive(Serialize, Deserialize)]
enum Cause {
    Pace,
    Latency,
    Lag,
    Hours,
    Pause,
    Outage,
}

#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct Hold {
    cause: Cause,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    detail: String,
}

#[derive(Serialize, Deserialize)]
enum Action {
    ChunkRows { from: u64, to: u64 },
    Workers { from: u64, to: u64 },
    PauseMs { from: u64, to: u64 },
    Held(Cause),
    Released(Cause),
    Cancelled { rows: u64, took_ms: u64 },
    Tuned,
}

#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct Decision {
    at: DateTime<Utc>,
    table: String,
    action: Action,
    why: String,
}

super::same_variants!(Cause, pace::Cause, Pace, Latency, Lag, Hours, Pause, Outage);

impl From<pace::Action> for Action {
    fn from(action: pace::Action) -> Self {
        match action {
            pace::Action::ChunkRows { from, to } => Action::ChunkRows { from, to },
            pace::Action::Workers { from, to } => Action::Workers {
                from: from as u64,
                to: to as u64,
            },
            pace::Action::PauseMs { from, to } => Action::PauseMs { from, to },
            pace::Action::Held(cause) => Action::Held(cause.into()),
            pace::Action::Released(cause) => Action::Released(cause.into()),
            pace::Action::Cancelled { rows, took_ms } => Action::Cancelled { rows, took_ms },
            pace::Action::Tuned => Action::Tuned,
        }
    }
}

impl From<Action> for pace::Action {
    fn from(stored: Action) -> Self {
        let workers = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        match stored {
            Action::ChunkRows { from, to } => pace::Action::ChunkRows { from, to },
            Action::Workers { from, to } => pace::Action::Workers {
                from: workers(from),
                to: workers(to),
            },
            Action::PauseMs { from, to } => pace::Action::PauseMs { from, to },
            Action::Held(cause) => pace::Action::Held(cause.into()),
            Action::Released(cause) => pace::Action::Released(cause.into()),
            Action::Cancelled { rows, took_ms } => pace::Action::Cancelled { rows, took_ms },
            Action::Tuned => pace::Action::Tuned,
        }
    }
}

impl From<&pace::Hold> for Hold {
    fn from(hold: &pace::Hold) -> Self {
        Hold {
            cause: hold.cause.into(),
            since: hold.since,
            until: hold.until,
            detail: hold.detail.clone(),
        }
    }
}

impl From<Hold> for pace::Hold {
    fn from(stored: Hold) -> Self {
        pace::Hold {
            cause: stored.cause.into(),
            since: stored.since,
            until: stored.until,
            detail: stored.detail,
        }
    }
}

impl From<&pace::Decision> for Decision {
    fn from(decision: &pace::Decision) -> Self {
        Decision {
            at: decision.at,
            table: decision.table.clone(),
            action: decision.action.into(),
            why: decision.why.clone(),
        }
    }
}

impl From<Decision> for pace::Decision {
    fn from(stored: Decision) -> Self {
        pace::Decision {
            at: stored.at,
            table: stored.table,
            action: stored.action.into(),
            why: stored.why,
        }
    }
}
