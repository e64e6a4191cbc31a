//! Comparing again: every verified chunk of the tables, table after table, so many windows at once; and loading again,
//! in place, what differs.
//!
//! Without the source nothing at all is asked of it: the plan is the one that the target recorded. A chunk that was
//! found to be the same is put down, so that a pass that was cut short goes on after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::turn::{At, Ends, ends_the_run};
use super::{Identity, Run, RunOptions};
use crate::beside::{self, Way};
use crate::checkpoint::{Change, Pass, Store};
use crate::clock::SharedClock;
use crate::config::{Config, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::lease;
use crate::migrate;
use crate::mssql::{Guard, Session, catalog};
use crate::plan::TablePlan;
use crate::receipt::{self, Receipt};
use crate::reconcile::{Difference, Subject};
use crate::report::{Event, Progress, TableSummary};
use crate::resume::Asked;
use crate::retrier::Retrier;
use crate::sessions::Sessions;
use crate::stop::{StopSignal, stopped};
use crate::table::Identifier;
use crate::target::Target;
use crate::window::{DateRange, Window};

/// A pass that was cut short is gone on with for a week; then what it found first is too old to count.
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
    /// Windows at once, instead of the configuration's.
    pub max_workers: Option<usize>,
}

/// A chunk that differs.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its table.
    pub table: String,
    /// Its window.
    pub window: Window,
    /// Its number.
    pub ordinal: u32,
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
        } else if self.stopped || !self.left_out.is_empty() {
            ExitCode::Incomplete
        } else {
            ExitCode::Done
        }
    }
}

/// Compares, and repairs where it is asked to.
///
/// # Errors
/// What ends a run as a whole; what was found to be the same stays put down.
pub async fn reconcile(
    config: &Config,
    store: Arc<Store>,
    clock: SharedClock,
    options: ReconcileOptions,
    identity: Identity,
    progress: Arc<dyn Progress>,
    stop: StopSignal,
) -> Result<Reconciled> {
    let today = clock.now().date_naive();
    let run = Run {
        config,
        options: RunOptions {
            range: options
                .range
                .map_or_else(|| DateRange::inclusive(today, today), Ok)?,
            tables: options.tables.clone(),
            max_workers: options.max_workers,
            chunk_rows: None,
            force: false,
        },
        identity,
        run_id: clock.random(),
        retrier: Retrier {
            clock: Arc::clone(&clock),
            stop,
            store: Arc::clone(&store),
            progress,
            outage_max: config.run.outage_max,
        },
    };
    let mut pass = begin(&store, &clock, &options, &run)?;
    store.commit(&[Change::Waiting(None), Change::Pass(pass.clone())])?;
    let (sources, targets) = run.sessions()?;
    let ends = Ends {
        sources: &sources,
        targets: &targets,
    };
    let mut done = Reconciled {
        source: options.source,
        ..Reconciled::default()
    };
    for table in run.chosen()? {
        run.reconcile_table(table, &options, pass.id, ends, &mut done)
            .await?;
        if run.retrier.stop.is_stopped() {
            done.stopped = true;
            break;
        }
    }
    pass.differing = done.findings.iter().filter(|finding| !finding.repaired).count() as u64;
    pass.same += done.chunks - pass.differing;
    if !done.stopped {
        pass.ended_at = Some(clock.now());
    }
    store.commit(&[Change::Waiting(None), Change::Pass(pass)])?;
    Ok(done)
}

/// The pass that was cut short, or a new one.
fn begin(store: &Store, clock: &SharedClock, options: &ReconcileOptions, run: &Run<'_>) -> Result<Pass> {
    let now = clock.now();
    let last = store.view()?.pass()?.filter(|pass| {
        let recent = now.signed_duration_since(pass.started_at) < TimeDelta::days(PASS_AGE_MAX_DAYS);
        pass.ended_at.is_none() && pass.source == options.source && recent
    });
    if let Some(pass) = last {
        run.retrier.progress.event(Event::Note(&format!(
            "The comparing that began at {} was cut short and is gone on with; chunks that it found to be the same are \
             not read again",
            pass.started_at.format("%Y-%m-%d %H:%M:%S UTC")
        )));
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

/// What the windows of a table share.
struct Shared {
    plan: TablePlan,
    target: Target,
    guard: Guard,
    /// Whether the source is compared.
    source: bool,
    bytes_max: usize,
    pass: u128,
    sources: Arc<Sessions>,
    targets: Arc<Sessions>,
    retrier: Retrier,
}

/// What came of a window.
#[derive(Default)]
struct WindowDone {
    chunks: u64,
    rows: u64,
    chunks_before: u64,
    findings: Vec<Finding>,
    broken: Option<String>,
}

impl Run<'_> {
    /// A table, compared again when a connection breaks outside of its windows.
    async fn reconcile_table(
        &self,
        table: &TableConfig,
        options: &ReconcileOptions,
        pass: u128,
        ends: Ends<'_>,
        done: &mut Reconciled,
    ) -> Result<()> {
        let name = table.name.as_str();
        let mut attempts = self.retrier.attempts();
        // What an attempt that failed has compared is found put down by the next.
        let mut compared = 0;
        loop {
            let mut this = Reconciled::default();
            let ended = self.try_reconcile(table, options, pass, ends, &mut this).await;
            done.chunks += this.chunks;
            done.rows += this.rows;
            let error = match ended {
                Ok(()) => {
                    self.retrier.succeeded(&attempts)?;
                    done.tables += this.tables;
                    done.chunks_before += this.chunks_before.saturating_sub(compared);
                    done.findings.append(&mut this.findings);
                    done.left_out.append(&mut this.left_out);
                    return Ok(());
                }
                Err(error) => error.within(format!("Table {name}")),
            };
            compared += this.chunks - this.findings.len() as u64;
            let Err(error) = self.retrier.wait(&mut attempts, error, name, None).await else {
                continue;
            };
            match error.kind() {
                ErrorKind::Stopped => return Ok(()),
                kind if ends_the_run(kind) || kind == ErrorKind::Plan => return Err(error),
                _ => {
                    self.retrier.progress.event(Event::Warning(&error.chain()));
                    done.left_out.push(error.chain());
                    return Ok(());
                }
            }
        }
    }

    async fn try_reconcile(
        &self,
        table: &TableConfig,
        options: &ReconcileOptions,
        pass: u128,
        ends: Ends<'_>,
        done: &mut Reconciled,
    ) -> Result<()> {
        let mut keeper = ends.targets.take().await?;
        let nothing = format!(
            "Table {}: nothing of it is loaded, so there is nothing to compare",
            table.name
        );
        if migrate::version(&mut keeper).await? == 0 {
            self.retrier.progress.event(Event::Note(&nothing));
            ends.targets.put(keeper);
            return Ok(());
        }
        let target_name = self.config.target_table(table);
        let Some((access_path, fingerprint)) = receipt::plan(&mut keeper, &target_name).await? else {
            self.retrier.progress.event(Event::Note(&nothing));
            ends.targets.put(keeper);
            return Ok(());
        };
        let plan = if options.source {
            self.plan_now(table, ends).await?
        } else {
            TablePlan::recorded(&table.name, target_name.clone(), access_path, fingerprint)?
        };
        self.hold_to_plan(&mut keeper, &plan).await?;
        let Some(schema) = catalog::describe(&mut keeper, &target_name).await? else {
            return Err(Error::new(
                ErrorKind::Preflight,
                format!(
                    "Target table {target_name} is not there, and there are receipts of it; a run with its dates loads it again"
                ),
            ));
        };
        let mut target = Target::new(&plan, &schema)?;
        if plan.is_full() && matches!(beside::way(&mut keeper, &plan).await?, Way::InPlace(..)) {
            target = target.by_row(&plan);
        }
        let lease = self.lease(&mut keeper, &plan).await?;
        self.retrier.progress.event(Event::Comparing {
            table: table.name.as_str(),
        });
        let mut windows = receipt::windows(&mut keeper, &target_name).await?;
        windows.retain(|window| options.range.is_none_or(|range| window.is_asked(range)));
        let shared = Arc::new(Shared {
            plan,
            target,
            guard: self.config.source.guard.clone(),
            source: options.source,
            bytes_max: self.config.run.chunk_bytes_max.saturating_mul(2),
            pass,
            sources: Arc::clone(ends.sources),
            targets: Arc::clone(ends.targets),
            retrier: self.retrier.clone(),
        });
        done.tables += 1;
        self.windows_again(&shared, windows, done).await?;
        self.retrier.progress.event(Event::Compared {
            table: table.name.as_str(),
            chunks: done.chunks,
            differing: done.findings.len() as u64,
        });
        if options.repair && !done.findings.is_empty() && !self.retrier.stop.is_stopped() {
            // What was only compared with the target's own records is loaded by what the source is now.
            let plan = if options.source {
                shared.plan.clone()
            } else {
                self.plan_now(table, ends).await?
            };
            self.hold_to_plan(&mut keeper, &plan).await?;
            self.repair(&mut keeper, &plan, &shared.target, &lease, ends, done)
                .await?;
        }
        if lease::release(&mut keeper, &lease).await.is_ok() {
            ends.targets.put(keeper);
        }
        Ok(())
    }

    /// The table's plan by the source's catalog.
    async fn plan_now(&self, table: &TableConfig, ends: Ends<'_>) -> Result<TablePlan> {
        let mut source = ends.sources.take().await?;
        let database = catalog::server(&mut source).await?.database;
        let plan = self.plan(&mut source, table, &database).await?;
        ends.sources.put(source);
        Ok(plan)
    }

    async fn windows_again(
        &self,
        shared: &Arc<Shared>,
        windows: Vec<Window>,
        done: &mut Reconciled,
    ) -> Result<()> {
        let mut waiting = windows.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.max_workers() && !self.retrier.stop.is_stopped() {
                let Some(window) = waiting.next() else { break };
                running.spawn(window_again(Arc::clone(shared), window));
            }
            let Some(ended) = running.join_next().await else {
                break;
            };
            let ended = ended.map_err(|error| {
                Error::new(ErrorKind::Internal, "Comparing a window broke down").with_source(error)
            })?;
            let mut ended = match ended {
                Err(error) if error.kind() == ErrorKind::Stopped => continue,
                ended => ended?,
            };
            done.chunks += ended.chunks;
            done.rows += ended.rows;
            done.chunks_before += ended.chunks_before;
            done.left_out.extend(ended.broken);
            done.findings.append(&mut ended.findings);
        }
        done.findings
            .sort_by_key(|finding| (finding.window, finding.ordinal));
        Ok(())
    }

    /// Loads the chunks that differ again, in place.
    async fn repair(
        &self,
        keeper: &mut Session,
        plan: &TablePlan,
        target: &Target,
        lease: &lease::Lease,
        ends: Ends<'_>,
        done: &mut Reconciled,
    ) -> Result<()> {
        let windows: BTreeSet<Window> = done.findings.iter().map(|finding| finding.window).collect();
        for window in &windows {
            let of_window = done.findings.iter().filter(|finding| finding.window == *window);
            let ordinals: Vec<u32> = of_window.map(|finding| finding.ordinal).collect();
            receipt::mark_all_stale(keeper, lease, *window, &ordinals).await?;
        }
        let at = At {
            plan,
            target,
            lease,
            asked: Asked::Stale(&windows),
        };
        let mut summary = TableSummary::default();
        self.passes(keeper, at, ends, &mut summary).await?;
        for window in &windows {
            let verified: BTreeSet<u32> = receipt::read(keeper, &plan.target, *window)
                .await?
                .into_iter()
                .filter(|receipt| {
                    receipt.chunk.state == crate::chunk::ChunkState::Verified
                        && receipt.incarnation == target.incarnation
                })
                .map(|receipt| receipt.chunk.ordinal)
                .collect();
            for finding in done
                .findings
                .iter_mut()
                .filter(|finding| finding.window == *window)
            {
                finding.repaired = verified.contains(&finding.ordinal);
            }
        }
        done.left_out.extend(summary.error);
        Ok(())
    }
}

/// Compares the chunks of a window, one after another.
async fn window_again(shared: Arc<Shared>, window: Window) -> Result<WindowDone> {
    let name = shared.plan.name.as_str();
    let mut session = shared.targets.take().await?;
    let receipts = receipt::read(&mut session, &shared.plan.target, window).await?;
    shared.targets.put(session);
    let mut done = WindowDone {
        broken: gap(&receipts).map(|ordinal| {
            format!(
                "Table {name}, window {window}: receipts are missing before chunk {ordinal}; a run with its dates loads what \
                 they were about"
            )
        }),
        ..WindowDone::default()
    };
    let store = Arc::clone(&shared.retrier.store);
    let checkpoints = store.chunks(name, window)?;
    for receipt in &receipts {
        let chunk = &receipt.chunk;
        if shared.retrier.stop.is_stopped() {
            return Ok(done);
        }
        if store
            .view()?
            .is_checked(name, window, chunk.ordinal, shared.pass, chunk.load_id)?
        {
            done.chunks_before += 1;
            continue;
        }
        let subject = Subject {
            plan: &shared.plan,
            target: &shared.target,
            window,
            receipt,
            checkpoint: checkpoints.iter().find(|known| known.ordinal == chunk.ordinal),
        };
        let difference = with_retries(&shared, &subject).await?;
        done.chunks += 1;
        done.rows += chunk.tally.row_count;
        shared.retrier.progress.event(Event::ChunkCompared {
            table: name,
            window,
            ordinal: chunk.ordinal,
            row_count: chunk.tally.row_count,
        });
        match difference {
            None => {
                let table = name.to_owned();
                let mut changes = vec![Change::Checked {
                    table: table.clone(),
                    window,
                    ordinal: chunk.ordinal,
                    pass: shared.pass,
                    load_id: chunk.load_id,
                }];
                // A run that was killed after a commit has not written its checkpoint.
                let known = subject.checkpoint;
                if known.is_none_or(|known| (known.load_id, known.state) != (chunk.load_id, chunk.state)) {
                    let chunk = chunk.clone();
                    changes.push(Change::Chunk { table, window, chunk });
                }
                store.commit(&changes)?;
            }
            Some(difference) => done.findings.push(Finding {
                table: name.to_owned(),
                window,
                ordinal: chunk.ordinal,
                difference,
                repaired: false,
            }),
        }
    }
    Ok(done)
}

/// The first chunk that does not follow on the one before it.
fn gap(receipts: &[Receipt]) -> Option<u32> {
    let mut expected = (0, None);
    for Receipt { chunk, .. } in receipts {
        if (chunk.ordinal, chunk.range.after.as_ref()) != expected {
            return Some(chunk.ordinal);
        }
        expected = (chunk.ordinal + 1, chunk.range.through.as_ref());
    }
    None
}

async fn with_retries(shared: &Shared, subject: &Subject<'_>) -> Result<Option<Difference>> {
    let name = shared.plan.name.as_str();
    let mut attempts = shared.retrier.attempts();
    loop {
        if shared.retrier.stop.is_stopped() {
            return Err(stopped());
        }
        match compare(shared, subject).await {
            Ok(difference) => {
                shared.retrier.succeeded(&attempts)?;
                return Ok(difference);
            }
            Err(error) => {
                let error = error.within(format!(
                    "Table {name}, window {}, chunk {}",
                    subject.window, subject.receipt.chunk.ordinal
                ));
                shared
                    .retrier
                    .wait(&mut attempts, error, name, Some(subject.window))
                    .await?;
            }
        }
    }
}

/// One chunk, at the target and, where it is asked for, at the source.
async fn compare(shared: &Shared, subject: &Subject<'_>) -> Result<Option<Difference>> {
    let mut target = shared.targets.take().await?;
    let mut difference = subject.compare_target(&mut target).await?;
    if shared.source {
        let mut source = shared.sources.take().await?;
        if difference.is_some() || !subject.is_same_at_source(&mut source, &shared.guard).await? {
            let rows = subject
                .compare_rows(&mut source, &mut target, &shared.guard, shared.bytes_max)
                .await?;
            let mut found = difference.take().unwrap_or_default();
            found.why.extend(rows.why.iter().copied());
            difference = Some(Difference {
                why: found.why,
                ..rows
            });
        }
        shared.sources.put(source);
    }
    shared.targets.put(target);
    Ok(difference)
}
