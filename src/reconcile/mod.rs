//! Comparing again: every verified chunk of the tables, table after table, so many windows at once; and loading again,
//! in place, what differs.
//!
//! Without the source nothing at all is asked of it: the plan is the one that the target recorded. A chunk that was
//! found to be the same is recorded, so that a pass that was cut short goes on after it. What the store holds verified
//! and the target has no receipt of is a finding, too: nothing that was once loaded is missed without a word.

pub mod compare;
mod repair;
mod table;
mod window;

use std::sync::Arc;

use chrono::TimeDelta;

use crate::base::clock::SharedClock;
use crate::base::error::{ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::stop::StopSignal;
use crate::checkpoint::{Change, Pass, Store};
use crate::config::{Config, TableConfig};
use crate::model::table::Identifier;
use crate::model::window::{DateRange, Window};
use crate::pipeline::retrier::{Place, Retrier};
use crate::preflight::context::{Identity, RunContext, RunOptions};
use crate::progress::Progress;
use crate::reconcile::compare::Difference;

/// A pass that was cut short is resumed for a week; then what it found first is too old to count.
const PASS_AGE_MAX_DAYS: i64 = 7;

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct ReconcileOptions {
    /// Whether the source's rows of today are compared, too.
    pub source: bool,
    /// Whether chunks that differ are loaded again.
    pub repair: bool,
    /// Only windows with a day of these, and those without dates.
    pub range: Option<DateRange>,
    /// Only these tables.
    pub tables: Option<Vec<Identifier>>,
    /// Tables that any number of rows may leave.
    pub allow_deletes: Vec<Identifier>,
    /// Windows at once, instead of the configuration's.
    pub max_workers: Option<usize>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A chunk that has a receipt.
    Chunk,
    /// A chunk that the store holds verified and the target has no receipt of.
    Lost,
    /// Receipts that are missing before a chunk, of which the store does not know.
    Gap,
    /// A window whose end has passed and whose last receipt ends at a key.
    Unfinished,
    /// Rows of a window at the target that are in no receipt's range.
    Uncovered,
}

/// A chunk that differs, or a window that does.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its table.
    pub table: String,
    /// Its window.
    pub window: Window,
    /// The chunk's number; `None` where it is about the window.
    pub ordinal: Option<u32>,
    /// What it is about.
    pub about: About,
    /// In what.
    pub difference: Difference,
    /// Whether it was loaded again and is verified now.
    pub repaired: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Reconciled {
    /// Whether the source was compared, too.
    pub source: bool,
    /// Tables that were compared.
    pub tables: u64,
    /// Chunks compared by this command.
    pub chunks: u64,
    /// Their rows, by their receipts.
    pub rows: u64,
    /// Chunks that an earlier command of the same pass found to be the same.
    pub chunks_before: u64,
    /// What differs.
    pub findings: Vec<Finding>,
    /// What could not be compared, or repaired, and why.
    pub left_out: Vec<String>,
    /// Whether it was asked to stop.
    pub stopped: bool,
}

impl Reconciled {
    /// How the command ends.
    pub fn exit(&self) -> ExitCode {
        if self.findings.iter().any(|finding| !finding.repaired) {
            ExitCode::Mismatch
        } else if self.stopped || !self.left_out.is_empty() || self.is_empty() {
            ExitCode::Incomplete
        } else {
            ExitCode::Done
        }
    }

    /// Whether no chunk was compared and nothing was found: that proves nothing.
    pub fn is_empty(&self) -> bool {
        self.chunks + self.chunks_before == 0 && self.findings.is_empty()
    }

    /// Compared chunks that differ.
    fn differing(&self) -> u64 {
        let chunks = self.findings.iter();
        chunks.filter(|finding| finding.about == About::Chunk).count() as u64
    }
}

/// Compares, and repairs where it is asked to.
///
/// # Errors
/// What ends a run as a whole; what was found to be the same stays recorded.
pub async fn reconcile(
    config: &Config,
    store: Arc<Store>,
    clock: SharedClock,
    options: ReconcileOptions,
    identity: Identity,
    progress: Arc<dyn Progress>,
    stop: StopSignal,
) -> Result<Reconciled> {
    config.knows("--allow-deletes", &options.allow_deletes)?;
    let today = clock.now().date_naive();
    let range = options.range;
    let run_options = RunOptions {
        range: range.map_or_else(|| DateRange::inclusive(today, today), Ok)?,
        tables: options.tables.clone(),
        max_workers: options.max_workers,
        chunk_rows: None,
        force: false,
        allow_deletes: options.allow_deletes.clone(),
        accept_source: false,
    };
    let retrier = Retrier {
        clock: Arc::clone(&clock),
        stop,
        store: Arc::clone(&store),
        progress,
        outage_max: config.run.outage_max,
        broke: Arc::default(),
    };
    let run = RunContext::new(config, run_options, identity, clock.random(), retrier)?;
    let mut pass = begin(&store, &clock, &options, &run)?;
    store.commit(&[Change::Waiting(None), Change::Pass(pass.clone())])?;
    let mut done = Reconciled {
        source: options.source,
        ..Reconciled::default()
    };
    for table in run.chosen()? {
        reconcile_table(&run, table, &options, pass.id, &mut done).await?;
        if run.is_stopped() {
            done.stopped = true;
            break;
        }
    }
    let unrepaired = done.findings.iter().filter(|finding| !finding.repaired);
    pass.differing = unrepaired.clone().count() as u64;
    let chunks = unrepaired.filter(|finding| finding.about == About::Chunk);
    pass.same += done.chunks.saturating_sub(chunks.count() as u64);
    if !done.stopped {
        pass.ended_at = Some(clock.now());
    }
    store.commit(&[Change::Waiting(None), Change::Pass(pass)])?;
    Ok(done)
}

/// The pass that was cut short, or a new one.
fn begin(
    store: &Store,
    clock: &SharedClock,
    options: &ReconcileOptions,
    run: &RunContext<'_>,
) -> Result<Pass> {
    let now = clock.now();
    let last = store.view()?.pass()?.filter(|pass| {
        let recent = now.signed_duration_since(pass.started_at) < TimeDelta::days(PASS_AGE_MAX_DAYS);
        pass.ended_at.is_none() && pass.source == options.source && recent
    });
    if let Some(pass) = last {
        run.note(&format!(
            "The comparing that began at {} was cut short and is gone on with; chunks that it found to be the same are \
             not read again",
            pass.started_at.format("%Y-%m-%d %H:%M:%S UTC")
        ));
        return Ok(pass);
    }
    Ok(Pass {
        id: clock.random(),
        source: options.source,
        started_at: now,
        ended_at: None,
        same: 0,
        differing: 0,
    })
}

/// A table, compared again when a connection breaks outside of its windows.
async fn reconcile_table(
    run: &RunContext<'_>,
    table: &TableConfig,
    options: &ReconcileOptions,
    pass: u128,
    done: &mut Reconciled,
) -> Result<()> {
    let name = table.name.as_str();
    let mut attempts = run.retrier.attempts();
    // What an attempt that failed has compared is found recorded by the next.
    let mut compared = 0;
    loop {
        let mut this = Reconciled::default();
        let ended = table::try_reconcile(run, table, options, pass, &mut this).await;
        done.chunks += this.chunks;
        done.rows += this.rows;
        let error = match ended {
            Ok(()) => {
                run.retrier.succeeded(&attempts)?;
                done.tables += this.tables;
                done.chunks_before += this.chunks_before.saturating_sub(compared);
                done.findings.append(&mut this.findings);
                done.left_out.append(&mut this.left_out);
                return Ok(());
            }
            Err(error) => error.within(format!("Table {name}")),
        };
        compared += this.chunks - this.differing();
        let Err(error) = run.retrier.wait(&mut attempts, error, Place::of(name)).await else {
            continue;
        };
        match error.kind() {
            ErrorKind::Stopped => return Ok(()),
            kind if kind.ends_the_run() || kind == ErrorKind::Plan => return Err(error),
            _ => {
                run.warn(&error.chain());
                done.left_out.push(error.chain());
                return Ok(());
            }
        }
    }
}
