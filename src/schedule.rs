//! A run: preflight, then one table after another, and in each table up to `max_workers` windows at once.
//!
//! Tables never overlap: ten tables times two workers would be twenty connections to a server that rings up
//! sales. A window that fails for good does not stop the others; what does end the run is what would make every
//! further row wrong or unwanted: the wrong server, a lost lease, a store that cannot be written.

mod preview;
mod reconcile;
mod refresh;
mod turn;
mod windows;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::{Change, RunRecord, Store};
use crate::clock::SharedClock;
use crate::config::{Config, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::failpoint;
use crate::forget;
use crate::lease::Holder;
use crate::migrate::migrate;
use crate::mssql::{Proof, Session, catalog};
use crate::plan::TablePlan;
use crate::report::{Event, Progress, RunSummary, TableSummary};
use crate::retrier::Retrier;
use crate::sessions::Sessions;
use crate::table::Identifier;
use crate::window::DateRange;

use crate::stop::stopped;
use turn::Ends;

pub use crate::stop::StopSignal;
pub use preview::{Found, RefreshWay, TablePreview, Undated, WindowPreview, Work, preview};
pub use reconcile::{Finding, ReconcileOptions, Reconciled, reconcile};

/// How long chunks in flight may take once the run is asked to stop: a system that shuts down, or an operator who
/// waits, gives a program about ten seconds.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// What a run is asked to do, beside what the configuration says.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The dates.
    pub range: DateRange,
    /// Only these tables.
    pub tables: Option<Vec<Identifier>>,
    /// Windows at once, instead of the configuration's.
    pub max_workers: Option<usize>,
    /// Rows a chunk, instead of the configuration's.
    pub chunk_rows: Option<u32>,
    /// Whether reference tables are loaded again even where the source's rows are those in place.
    pub force: bool,
}

/// Who a run is, for its record and its leases.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The machine.
    pub host: String,
    /// The process.
    pub process_id: u32,
}

/// Runs the backfill to its end, or as far as it gets.
///
/// Once this returns `Ok`, everything counted as loaded is committed and proven at the target and recorded in the
/// store.
///
/// # Errors
/// What ends a run as a whole: nothing listening, the wrong server, a missing table, a lease that another run
/// holds, a store that cannot be written. What was loaded before stays, and the next run goes on from there.
pub async fn run(
    config: &Config,
    store: Arc<Store>,
    clock: SharedClock,
    options: RunOptions,
    identity: Identity,
    progress: Arc<dyn Progress>,
    stop: StopSignal,
) -> Result<RunSummary> {
    let started = clock.monotonic();
    let mut record = RunRecord {
        run_id: clock.random(),
        pid: identity.process_id,
        host: identity.host.clone(),
        started_at: clock.now(),
        ended_at: None,
        exit_code: None,
        range: options.range,
        error: None,
    };
    failpoint::step("run: before its record");
    store.commit(&[Change::Waiting(None), Change::Run(record.clone())])?;
    let run = Run {
        config,
        options,
        identity,
        run_id: record.run_id,
        retrier: Retrier {
            clock: Arc::clone(&clock),
            stop: stop.clone(),
            store: Arc::clone(&store),
            progress: Arc::clone(&progress),
            outage_max: config.run.outage_max,
        },
    };
    let result = tokio::select! {
        result = run.tables() => result,
        // What is still under way then is dropped, and with its connection the target rolls it back.
        () = grace(&clock, &stop) => Err(stopped()),
    };
    failpoint::step("run: before its end");
    record.ended_at = Some(clock.now());
    let exit = match &result {
        Ok(summary) => summary.exit,
        Err(error) => {
            record.error = Some(error.chain());
            error.kind().exit_code()
        }
    };
    record.exit_code = Some(exit as u8);
    store.commit(&[Change::Waiting(None), Change::Run(record)])?;
    let summary = result?;
    let elapsed = clock.monotonic().saturating_sub(started);
    progress.event(Event::RunDone {
        summary: &summary,
        elapsed,
    });
    Ok(summary)
}

/// Ends so long after the run was asked to stop that what is under way had time to end by itself.
async fn grace(clock: &SharedClock, stop: &StopSignal) {
    stop.stopped().await;
    clock.sleep(STOP_GRACE).await;
}

struct Run<'a> {
    config: &'a Config,
    options: RunOptions,
    identity: Identity,
    run_id: u128,
    retrier: Retrier,
}

impl Run<'_> {
    async fn tables(&self) -> Result<RunSummary> {
        let config = self.config;
        let tables = self.chosen()?;
        self.retrier.progress.event(Event::RunStarted {
            run_id: self.run_id,
            range: self.options.range,
            tables: tables.len(),
            max_workers: self.max_workers(),
        });
        if !config.source.require_replica {
            self.retrier.progress.event(Event::Note(
                "require_replica = false: the source may be a primary that shops are selling on; \
                 set it to true to have every connection prove that it is a replica",
            ));
        }
        if let (true, Proof::Named(names)) = (config.source.require_replica, &config.source.guard.proof) {
            self.retrier.progress.event(Event::Note(&format!(
                "The source is trusted by name ({}), not by a READ_ONLY database",
                names.join(", ")
            )));
        }
        let (sources, targets) = self.sessions()?;
        let mut plans = self.prepared(&tables, &sources, &targets).await?;
        let (source, target) = self.addresses();
        if self.retrier.store.view()?.reached()?.as_ref() != Some(&(source.clone(), target.clone())) {
            self.retrier.store.commit(&[Change::Reached { source, target }])?;
        }
        let mut summaries = Vec::new();
        for _ in &tables {
            let Some(plan) = plans.pop_front() else { break };
            let ends = Ends {
                sources: &sources,
                targets: &targets,
            };
            summaries.push(self.table_with_retries(&plan, ends).await?);
            if self.retrier.stop.is_stopped() {
                break;
            }
        }
        let exit = exit_of(&summaries, self.retrier.stop.is_stopped());
        Ok(RunSummary {
            tables: summaries,
            exit,
        })
    }

    /// The connections to both ends; none is opened yet. Where an earlier run has worked with these very servers, one
    /// that is away now is waited for from the start.
    fn sessions(&self) -> Result<(Arc<Sessions>, Arc<Sessions>)> {
        let config = self.config;
        let timeouts = config.run.timeouts;
        let sources = Arc::new(Sessions::new(
            config.source.endpoint.clone(),
            Some(config.source.guard.clone()),
            timeouts,
            &self.retrier.clock,
        ));
        let targets = Arc::new(Sessions::new(
            config.target.endpoint.clone(),
            None,
            timeouts,
            &self.retrier.clock,
        ));
        if self.retrier.store.view()?.reached()? == Some(self.addresses()) {
            sources.assume_known();
            targets.assume_known();
        }
        Ok((sources, targets))
    }

    /// Where the source and the target are.
    fn addresses(&self) -> (String, String) {
        let config = self.config;
        (config.source.endpoint.address(), config.target.endpoint.address())
    }

    /// The preflight, made again while an end is away that was there in an earlier run. A first run fails at once:
    /// the name of a server may be wrong.
    async fn prepared(
        &self,
        tables: &[&TableConfig],
        sources: &Sessions,
        targets: &Sessions,
    ) -> Result<VecDeque<TablePlan>> {
        let mut attempts = self.retrier.attempts();
        loop {
            let error = match self.preflight(tables, sources, targets).await {
                Ok(plans) => {
                    self.retrier.succeeded(&attempts)?;
                    return Ok(plans);
                }
                Err(error) => error,
            };
            if !(sources.is_known() && targets.is_known()) {
                return Err(error);
            }
            self.retrier.wait(&mut attempts, error, "preflight", None).await?;
        }
    }

    /// The source first: where it is the wrong server, nothing at all is done. Then the target is prepared, and
    /// what an earlier command was to forget is forgotten.
    async fn preflight(
        &self,
        tables: &[&TableConfig],
        sources: &Sessions,
        targets: &Sessions,
    ) -> Result<VecDeque<TablePlan>> {
        let mut source = sources.take().await?;
        let server = catalog::server(&mut source).await?;
        let mut plans = VecDeque::new();
        for table in tables {
            plans.push_back(self.plan(&mut source, table, &server.database).await?);
        }
        sources.put(source);
        let mut target = targets.take().await?;
        for name in migrate(&mut target).await? {
            self.retrier.progress.event(Event::Note(&format!(
                "Target: applied migration {name} to schema [sync]"
            )));
        }
        for tombstone in self.retrier.store.view()?.tombstones()? {
            forget::finish(&mut target, &self.retrier, &self.holder(), &tombstone).await?;
            self.retrier.progress.event(Event::Note(&format!(
                "Table {}: was being forgotten when that was cut short; it is now",
                tombstone.table
            )));
        }
        targets.put(target);
        Ok(plans)
    }

    /// Who this run is, for the leases it takes.
    fn holder(&self) -> Holder {
        Holder {
            run_id: self.run_id,
            host: self.identity.host.clone(),
            process_id: self.identity.process_id,
        }
    }

    /// The configured tables that the run goes through, in the configuration's order.
    fn chosen(&self) -> Result<Vec<&TableConfig>> {
        self.config.chosen(self.options.tables.as_deref())
    }

    fn max_workers(&self) -> usize {
        self.options.max_workers.unwrap_or(self.config.run.max_workers)
    }

    async fn plan(&self, source: &mut Session, table: &TableConfig, database: &str) -> Result<TablePlan> {
        let plan = plan_of(self.config, source, table, database).await?;
        for note in &plan.notes {
            self.retrier.progress.event(Event::Note(note));
        }
        Ok(plan)
    }
}

/// The plan of a table by the source's catalog.
async fn plan_of(
    config: &Config,
    source: &mut Session,
    table: &TableConfig,
    database: &str,
) -> Result<TablePlan> {
    let name = config.source_table(table);
    let schema = catalog::describe(source, &name).await?.ok_or_else(|| {
        Error::new(
            ErrorKind::Preflight,
            format!(
                "Source database {database} has no table {name} that this login may see; \
                 check the table's name and schema in {}, or grant SELECT on it",
                config.path.display()
            ),
        )
    })?;
    TablePlan::of(table, schema, config.target_table(table), database)
}

/// Refuses a plan that is not the one that its target was loaded by.
fn refuse_changes(plan: &TablePlan, differences: &[String]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Plan,
        format!(
            "Table {name}: what it was loaded by has changed ({}); set it back, or run `sync forget --table \
             {name}` and then this command again to load the table anew",
            differences.join("; "),
            name = plan.name
        ),
    ))
}

/// The worst of what came of the tables: a difference before a refused table before unfinished work.
fn exit_of(tables: &[TableSummary], stopped: bool) -> ExitCode {
    if tables.iter().any(|table| table.mismatched > 0) {
        return ExitCode::Mismatch;
    }
    if let Some(code) = tables.iter().filter_map(|table| table.preflight).max() {
        return code;
    }
    if stopped
        || tables
            .iter()
            .any(|table| table.windows_failed > 0 || table.error.is_some())
    {
        return ExitCode::Incomplete;
    }
    ExitCode::Done
}
