//! A run: preflight, then one table after another, and in each table up to `max_workers` windows at once.
//!
//! Tables never overlap: ten tables times two workers would be twenty connections to a server that rings up
//! sales. A window that fails for good does not stop the others; what does end the run is what would make every
//! further row wrong or unwanted: the wrong server, a lost lease, a store that cannot be written.

mod ahead;
mod preview;
mod reconcile;
mod refresh;
mod turn;
mod windows;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::checkpoint::{Change, RunRecord, Store};
use crate::clock::SharedClock;
use crate::clocks::Clocks;
use crate::config::{Config, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::failpoint;
use crate::forget;
use crate::lease::Holder;
use crate::migrate::migrate;
use crate::mssql::{Proof, Session, catalog, sight};
use crate::plan::{Origin, SOURCE_IDENTITY, TablePlan};
use crate::report::{Event, Progress, RunSummary, TableSummary};
use crate::resume::is_in_step;
use crate::retrier::Retrier;
use crate::sessions::Sessions;
use crate::table::Identifier;
use crate::target::Target;
use crate::window::DateRange;

use crate::stop::stopped;
use turn::Ends;

pub use crate::stop::StopSignal;
pub use preview::{Found, RefreshWay, TablePreview, Undated, WindowPreview, Work, preview};
pub use reconcile::{About, Finding, ReconcileOptions, Reconciled, reconcile};

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
    /// Tables that rows may leave however many they are.
    pub allow_deletes: Vec<Identifier>,
    /// Whether the source may be another database than the one that was loaded from before.
    pub accept_source: bool,
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
        clocks: OnceCell::new(),
        told_server: AtomicBool::new(false),
        retrier: Retrier {
            clock: Arc::clone(&clock),
            stop: stop.clone(),
            store: Arc::clone(&store),
            progress: Arc::clone(&progress),
            outage_max: config.run.outage_max,
            broke: Arc::default(),
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
    /// How the clocks stood when they were first needed.
    clocks: OnceCell<Clocks>,
    /// Whether it was said that the source is reached elsewhere than before.
    told_server: AtomicBool,
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
        let plans = self.prepared(&tables, &sources, &targets).await?;
        let (source, target) = self.addresses();
        if self.retrier.store.view()?.reached()?.as_ref() != Some(&(source.clone(), target.clone())) {
            self.retrier.store.commit(&[Change::Reached { source, target }])?;
        }
        let ends = Ends {
            sources: &sources,
            targets: &targets,
        };
        let mut summaries = Vec::new();
        for plan in &plans {
            summaries.push(self.table_with_retries(plan, ends).await?);
            if self.retrier.stop.is_stopped() {
                break;
            }
        }
        self.look_back(&plans, ends, &mut summaries).await?;
        let dated = plans.iter().any(|plan| !plan.is_full());
        let doubtful = dated && !self.clocks(ends).await?.agree();
        let exit = exit_of(&summaries, self.retrier.stop.is_stopped() || doubtful);
        Ok(RunSummary {
            tables: summaries,
            exit,
        })
    }

    /// Where a connection broke, a server may have failed over and lost what it had committed, of tables that were done as
    /// well: those whose receipts are not what the store has are gone through again.
    async fn look_back(
        &self,
        plans: &VecDeque<TablePlan>,
        ends: Ends<'_>,
        summaries: &mut [TableSummary],
    ) -> Result<()> {
        for (plan, summary) in plans.iter().zip(summaries) {
            let broke = self.retrier.broke.load(Ordering::Relaxed);
            if !broke || self.retrier.stop.is_stopped() || plan.is_full() || summary.is_unfinished() {
                continue;
            }
            let mut attempts = self.retrier.attempts();
            let holds = loop {
                match self.still_holds(plan, ends).await {
                    Ok(holds) => break holds,
                    Err(error) => {
                        let name = plan.name.as_str();
                        self.retrier.wait(&mut attempts, error, name, None).await?;
                    }
                }
            };
            self.retrier.succeeded(&attempts)?;
            if !holds {
                self.retrier.progress.event(Event::Warning(&format!(
                    "Table {}: the target lost rows that it had committed; they are loaded again",
                    plan.name
                )));
                let loaded = summary.rows_loaded;
                *summary = self.table_with_retries(plan, ends).await?;
                summary.rows_loaded += loaded;
            }
        }
        Ok(())
    }

    /// Whether the target still has the receipts that the store has of a table.
    async fn still_holds(&self, plan: &TablePlan, ends: Ends<'_>) -> Result<bool> {
        let mut session = ends.targets.take().await?;
        let there = catalog::describe(&mut session, &plan.target).await?;
        let target = there.map(|schema| Target::new(plan, &schema)).transpose()?;
        let holds = match &target {
            Some(target) => {
                is_in_step(&mut session, &self.retrier.store, plan, target, &BTreeSet::new()).await?
            }
            None => false,
        };
        ends.targets.put(session);
        Ok(holds)
    }

    /// How the clocks stand, asked once a run and said where they disagree.
    async fn clocks(&self, ends: Ends<'_>) -> Result<Clocks> {
        let asked = self.clocks.get_or_try_init(async || {
            let mut source = ends.sources.take().await?;
            let mut target = ends.targets.take().await?;
            let there = catalog::server(&mut source).await?;
            let here = catalog::server(&mut target).await?;
            let clocks = Clocks::new(&there, &here, self.retrier.clock.now());
            ends.sources.put(source);
            ends.targets.put(target);
            if let Some(text) = clocks.warning() {
                self.retrier.progress.event(Event::Warning(&text));
            }
            Ok::<_, Error>(clocks)
        });
        asked.await.copied()
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
        let origin = origin(self.config, &mut source).await?;
        if let Some(unseen) = sight::unseen(&mut source).await? {
            self.retrier.progress.event(Event::Note(unseen));
        }
        let mut plans = VecDeque::new();
        for table in tables {
            plans.push_back(self.plan(&mut source, table, &origin).await?);
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

    async fn plan(&self, source: &mut Session, table: &TableConfig, origin: &Origin) -> Result<TablePlan> {
        let plan = plan_of(self.config, source, table, origin).await?;
        for note in &plan.notes {
            self.retrier.progress.event(Event::Note(note));
        }
        Ok(plan)
    }
}

/// Which database the source is.
async fn origin(config: &Config, source: &mut Session) -> Result<Origin> {
    let server = catalog::server(source).await?;
    Ok(Origin {
        identity: catalog::identity(source).await?,
        // The embedded server takes another port each time.
        server: match config.source.embedded {
            true => server.server_name,
            false => format!("{} at {}", server.server_name, config.source.endpoint.address()),
        },
        database: server.database,
    })
}

/// The plan of a table by the source's catalog.
async fn plan_of(
    config: &Config,
    source: &mut Session,
    table: &TableConfig,
    origin: &Origin,
) -> Result<TablePlan> {
    let database = &origin.database;
    let name = config.source_table(table);
    let mut schema = catalog::describe(source, &name).await?.ok_or_else(|| {
        Error::new(
            ErrorKind::Preflight,
            format!(
                "Source database {database} has no table {name} that this login may see; \
                 check the table's name and schema in {}, or grant SELECT on it",
                config.path.display()
            ),
        )
    })?;
    let filters = sight::examine(source, &config.source.guard, &mut schema).await?;
    let mut plan = TablePlan::of(table, schema, config.target_table(table), database)?.from_origin(origin);
    plan.notes
        .extend(sight::filtered(&filters).map(|text| format!("Table {}: {text}", table.name)));
    Ok(plan)
}

/// Refuses a plan that is not the one that its target was loaded by.
fn refuse_changes(plan: &TablePlan, differences: &[(&str, String)]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let other = differences.iter().any(|(part, _)| *part == SOURCE_IDENTITY);
    let texts: Vec<&str> = differences.iter().map(|(_, text)| text.as_str()).collect();
    let accept = if other {
        "; or, where it is the same data at another place, run with --accept-source and then compare it by `sync reconcile \
         --source`"
    } else {
        ""
    };
    Err(Error::new(
        ErrorKind::Plan,
        format!(
            "Table {name}: what it was loaded by has changed ({}); set it back, or run `sync forget --table \
             {name}` and then this command again to load the table anew{accept}",
            texts.join("; "),
            name = plan.name
        ),
    ))
}

/// The worst of what came of the tables: a difference before a refused table before unfinished work.
fn exit_of(tables: &[TableSummary], stopped: bool) -> ExitCode {
    if tables.iter().any(|table| table.mismatched + table.held > 0) {
        return ExitCode::Mismatch;
    }
    if let Some(code) = tables.iter().filter_map(|table| table.preflight).max() {
        return code;
    }
    if stopped
        || tables
            .iter()
            .any(|table| table.is_unfinished() || table.rows_ahead + table.rows_unfollowed > 0)
    {
        return ExitCode::Incomplete;
    }
    ExitCode::Done
}
