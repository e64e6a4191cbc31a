//! The state of a run's reads as JSON, for each command that shows it. Fields are declared in the order in which they are
//! printed.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::pace::{Figures, Hold, Signs};

/// What all reads of the source wait for, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HeldView<'a> {
    /// `pace`, `latency`, `lag`, `hours`, `pause` or `outage`.
    cause: &'static str,
    /// What it is about.
    detail: &'a str,
    /// The start of the wait.
    since: DateTime<Utc>,
    /// Its end, or the time of the next look; `null` if only a person ends it.
    until: Option<DateTime<Utc>>,
}

/// The state of the reads, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct FiguresView<'a> {
    /// The most rows of the next chunk, as decided.
    chunk_rows: u64,
    /// The same, as set.
    chunk_rows_max: u64,
    /// Connections to the source that are open.
    connections: usize,
    /// Whether the hours are ignored.
    ignores_hours: bool,
    /// Reads that may be under way at once, as set.
    max_workers: usize,
    /// The pause between two reads of a worker.
    pause_ms: u64,
    /// Whether a person has paused the run.
    paused: bool,
    /// Reads under way.
    reading: usize,
    /// The ceiling; `null` for none.
    rows_per_second: Option<u64>,
    /// The rows that were read a second over the last minute.
    rows_read_per_second: f64,
    /// What the source shows of itself; `null` if nobody has looked.
    signs: Option<SignsView>,
    /// The table that is read; `null` outside of tables.
    table: Option<&'a str>,
    /// Reads that may be under way at once, as decided.
    workers: usize,
}

/// What the login may not see, or the server does not have, is `null`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SignsView {
    /// Requests that wait for a lock of one of this program's sessions.
    blocked_by_us: Option<u64>,
    /// How far the replica is behind its primary.
    lag_ms: Option<u64>,
    /// The average wait for the disk of the log.
    log_write_ms: Option<f64>,
    /// The average wait for a page from disk.
    page_read_ms: Option<f64>,
    /// The log that the replica has still to redo.
    redo_queue_kib: Option<u64>,
    /// The log that its primary has still to send to it.
    send_queue_kib: Option<u64>,
    /// Requests that waited for a worker thread or for memory.
    starved: Option<u64>,
}

impl HeldView<'_> {
    pub(super) fn of(hold: &Hold) -> HeldView<'_> {
        HeldView {
            cause: hold.cause.as_str(),
            detail: &hold.detail,
            since: hold.since,
            until: hold.until,
        }
    }
}

/// The name of a table; `None` outside of tables.
pub(super) fn named(table: &str) -> Option<&str> {
    (!table.is_empty()).then_some(table)
}

impl FiguresView<'_> {
    pub(super) fn of(figures: &Figures) -> FiguresView<'_> {
        FiguresView {
            chunk_rows: figures.chunk_rows,
            chunk_rows_max: figures.chunk_rows_max,
            connections: figures.connections,
            ignores_hours: figures.ignores_hours,
            max_workers: figures.max_workers,
            pause_ms: figures.pause_ms,
            paused: figures.is_paused,
            reading: figures.reading,
            rows_per_second: figures.rows_per_second,
            rows_read_per_second: figures.rows_read_per_second,
            signs: figures.signs.as_ref().map(SignsView::of),
            table: named(&figures.table),
            workers: figures.workers,
        }
    }
}

impl SignsView {
    fn of(signs: &Signs) -> SignsView {
        SignsView {
            blocked_by_us: signs.blocked_by_us,
            lag_ms: signs
                .lag
                .map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            log_write_ms: signs.log_write_ms,
            page_read_ms: signs.page_read_ms,
            redo_queue_kib: signs.redo_queue_kib,
            send_queue_kib: signs.send_queue_kib,
            starved: signs.starved,
        }
    }
}
