//! Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the source.
//!
//! The modules stand in the order of a row's way from the command line to the servers. Each imports only from those
//! below it; `tests/tidy/` holds that order.

/// The commands, one file or folder each.
pub mod cli;

/// The live page.
pub mod web;

/// Metrics in the text format of Prometheus.
pub mod metrics;

/// Notices about a run to a URL and to a command.
pub mod notify;

/// Where every table, window and run stands.
pub(crate) mod status;

/// A local socket beside the state file, by which other commands speak to the run that is going.
pub mod control;

/// Renders the events of a run: bars, plain lines, log records.
pub mod report;

/// Checks what stands between a configuration and a run.
pub mod doctor;

/// A run: the tables in sequence; the preview of a run.
pub mod run;

/// Compares every verified chunk again, and repairs what differs.
pub mod reconcile;

/// Refreshes a reference table: shadow table, carry-over, cutover; or in place.
pub mod refresh;

/// Loads the windows of a dated table until none is left.
pub mod backfill;

/// Compares recent windows by their counts a day.
pub mod late_rows;

/// What all tables of a command share, and what must hold before any row is read.
pub mod preflight;

/// One window: read ahead, load, checkpoint; resume; retries; connection pools.
pub mod pipeline;

/// Paces the reads of the source.
pub mod governor;

/// Reads of the source.
pub mod source;

/// Writes to the target: staging, merge, load, receipt, lease, migrations.
pub mod target;

/// The checkpoint store.
pub mod checkpoint;

/// The configuration file.
pub mod config;

/// The events and the summary of a run.
pub mod progress;

/// The driver.
pub mod mssql;

/// SQL as text.
pub mod tsql;

/// Tables, windows, chunks, rows and plans; pure.
pub mod model;

/// Clock, errors, exit codes, failpoints, retry policy, texts.
pub mod base;
