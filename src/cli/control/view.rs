//! What was done, as JSON; and the state of a run's reads.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::control::{Ask, Done};
use crate::model::pace::{Figures, Hold};

/// What was done, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    /// Whether anything is otherwise than before.
    changed: bool,
    /// The command that is going: `run` or `reconcile`.
    command: &'a str,
    /// `paused`, `resumed`, `stopping` or `tuned`.
    outcome: &'static str,
    /// Its process.
    pid: u32,
    reads: ReadsView<'a>,
    /// Whether it reads rows of the source, which is all that a pause holds.
    reads_source: bool,
    run_id: String,
    /// Whether it was asked to stop, now or before.
    stopping: bool,
}

/// The state of the reads of a run that is going, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct ReadsView<'a> {
    /// The most rows of the next chunk, as the governor has decided.
    chunk_rows: u64,
    /// The same, as set.
    chunk_rows_max: u64,
    /// Connections to the source that are open.
    connections: usize,
    /// What all reads wait for; `None` if they do not.
    hold: Option<HoldView<'a>>,
    /// Whether the hours of the source are ignored.
    ignores_hours: bool,
    /// The most windows of a table at once, as set.
    max_workers: usize,
    /// The pause between two reads of a worker.
    pause_ms: u64,
    /// Whether a person has paused it.
    paused: bool,
    /// Reads under way.
    reading: usize,
    /// The ceiling of rows a second; `None` for any number.
    rows_per_second: Option<u64>,
    /// Rows read a second over the last minute.
    rows_read_per_second: f64,
    /// The table that is read; `None` outside of tables.
    table: Option<&'a str>,
    /// Reads that may be under way at once, as the governor has decided.
    workers: usize,
}

/// A wait of all reads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct HoldView<'a> {
    /// `pace`, `latency`, `lag`, `hours`, `pause` or `outage`.
    cause: &'static str,
    /// What it is about.
    detail: &'a str,
    since: DateTime<Utc>,
    /// Its end, or the time of the next look; `None` if only a person ends it.
    until: Option<DateTime<Utc>>,
}

impl View<'_> {
    pub(super) fn of(ask: Ask, done: &Done) -> View<'_> {
        View {
            changed: done.changed,
            command: &done.work.command,
            outcome: match ask {
                Ask::Pause => "paused",
                Ask::Resume => "resumed",
                Ask::Stop => "stopping",
                Ask::Tune(_) => "tuned",
                Ask::Figures => "told",
            },
            pid: done.work.process_id,
            reads: ReadsView::of(&done.now),
            reads_source: done.work.reads_source,
            run_id: format!("{:032x}", done.work.run_id),
            stopping: done.is_stopping,
        }
    }
}

impl ReadsView<'_> {
    pub(in crate::cli) fn of(figures: &Figures) -> ReadsView<'_> {
        ReadsView {
            chunk_rows: figures.chunk_rows,
            chunk_rows_max: figures.chunk_rows_max,
            connections: figures.connections,
            hold: figures.hold.as_ref().map(HoldView::of),
            ignores_hours: figures.ignores_hours,
            max_workers: figures.max_workers,
            pause_ms: figures.pause_ms,
            paused: figures.is_paused,
            reading: figures.reading,
            rows_per_second: figures.rows_per_second,
            rows_read_per_second: figures.rows_read_per_second,
            table: Some(figures.table.as_str()).filter(|table| !table.is_empty()),
            workers: figures.workers,
        }
    }
}

impl HoldView<'_> {
    pub(in crate::cli) fn of(hold: &Hold) -> HoldView<'_> {
        HoldView {
            cause: hold.cause.as_str(),
            detail: &hold.detail,
            since: hold.since,
            until: hold.until,
        }
    }
}
