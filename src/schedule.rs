//! A run: preflight, then one table after another, and in each table up to `max_workers` windows at once.
//!
//! Tables never overlap: ten tables times two workers would be twenty connections to a server that rings up
//! sales. A window that fails for good does not stop the others; what does end the run is what would make every
//! further row wrong or unwanted: the wrong server, a lost lease, a store that cannot be written.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::checkpoint::{Change, RunRecord, Store, TableRecord};
use crate::clock::SharedClock;
use crate::config::{Config, Mode, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::extract::Limits;
use crate::migrate::migrate;
use crate::mssql::{Proof, Session, Timeouts, catalog, predicate};
use crate::pipeline::{Outcome, TableContext, WindowResult, run_window, wait_or_give_up};
use crate::plan::TablePlan;
use crate::receipt::{self, Holder, Lease};
use crate::report::{Event, Progress, RunSummary, TableSummary};
use crate::resume::{Comparison, Standing, WindowWork, settled};
use crate::retry::Attempts;
use crate::row::Value;
use crate::sessions::Sessions;
use crate::table::Identifier;
use crate::target::Target;
use crate::window::DateRange;

pub use crate::stop::StopSignal;

/// Times a table's windows are gone through in one run: again only after rows moved between windows meanwhile.
const PASSES_MAX: usize = 3;

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
    store.commit(&[Change::Run(record.clone())])?;
    let run = Run {
        config,
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        options,
        identity,
        progress,
        stop,
        run_id: record.run_id,
    };
    let result = run.tables().await;
    record.ended_at = Some(clock.now());
    let exit = match &result {
        Ok(summary) => summary.exit,
        Err(error) => {
            record.error = Some(error.chain());
            error.kind().exit_code()
        }
    };
    record.exit_code = Some(exit as u8);
    store.commit(&[Change::Run(record)])?;
    let summary = result?;
    let elapsed = clock.monotonic().saturating_sub(started);
    run.progress.event(Event::RunDone {
        summary: &summary,
        elapsed,
    });
    Ok(summary)
}

struct Run<'a> {
    config: &'a Config,
    store: Arc<Store>,
    clock: SharedClock,
    options: RunOptions,
    identity: Identity,
    progress: Arc<dyn Progress>,
    stop: StopSignal,
    run_id: u128,
}

impl Run<'_> {
    async fn tables(&self) -> Result<RunSummary> {
        let config = self.config;
        let tables = self.chosen()?;
        self.progress.event(Event::RunStarted {
            run_id: self.run_id,
            range: self.options.range,
            tables: tables.len(),
            max_workers: self.max_workers(),
        });
        if !config.source.require_replica {
            self.progress.event(Event::Note(
                "require_replica = false: the source may be a primary that shops are selling on; \
                 set it to true to have every connection prove that it is a replica",
            ));
        }
        if let (true, Proof::Named(names)) = (config.source.require_replica, &config.source.guard.proof) {
            self.progress.event(Event::Note(&format!(
                "The source is trusted by name ({}), not by a READ_ONLY database",
                names.join(", ")
            )));
        }
        let timeouts = Timeouts::default();
        let sources = Arc::new(Sessions::new(
            config.source.endpoint.clone(),
            Some(config.source.guard.clone()),
            timeouts,
        ));
        let targets = Arc::new(Sessions::new(config.target.endpoint.clone(), None, timeouts));
        // The source first: where it is the wrong server, nothing at all is done.
        let mut source = sources.take().await?;
        let server = catalog::server(&mut source).await?;
        let mut plans = VecDeque::new();
        for table in &tables {
            if table.mode == Mode::Monthly {
                plans.push_back(self.plan(&mut source, table, &server.database).await?);
            }
        }
        let mut target = targets.take().await?;
        for name in migrate(&mut target).await? {
            self.progress.event(Event::Note(&format!(
                "Target: applied migration {name} to schema [sync]"
            )));
        }
        sources.put(source);
        targets.put(target);
        let mut summaries = Vec::new();
        for table in tables {
            let name = table.name.as_str();
            let summary = match table.mode {
                Mode::Full => self.left_out(name),
                Mode::Monthly => match plans.pop_front() {
                    Some(plan) => self.table_with_retries(&plan, &sources, &targets).await?,
                    None => continue,
                },
            };
            summaries.push(summary);
            if self.stop.is_stopped() {
                break;
            }
        }
        let exit = exit_of(&summaries, self.stop.is_stopped());
        Ok(RunSummary {
            tables: summaries,
            exit,
        })
    }

    /// The configured tables that the run goes through, in the configuration's order.
    fn chosen(&self) -> Result<Vec<TableConfig>> {
        let Some(asked) = &self.options.tables else {
            return Ok(self.config.tables.clone());
        };
        for name in asked {
            if !self
                .config
                .tables
                .iter()
                .any(|table| table.name.same_as(name.as_str()))
            {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!(
                        "--tables names {name}, which {} does not have; add a [[table]] for it",
                        self.config.path.display()
                    ),
                ));
            }
        }
        let chosen = self
            .config
            .tables
            .iter()
            .filter(|table| asked.iter().any(|name| table.name.same_as(name.as_str())));
        Ok(chosen.cloned().collect())
    }

    fn left_out(&self, name: &str) -> TableSummary {
        let text = format!("Table {name}: mode = \"full\" is not in this version, so the table is left out");
        self.progress.event(Event::Warning(&text));
        TableSummary {
            name: name.to_owned(),
            error: Some(text),
            ..TableSummary::default()
        }
    }

    fn max_workers(&self) -> usize {
        self.options.max_workers.unwrap_or(self.config.run.max_workers)
    }

    async fn plan(&self, source: &mut Session, table: &TableConfig, database: &str) -> Result<TablePlan> {
        let name = self.config.source_table(table);
        let schema = catalog::describe(source, &name).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!(
                    "Source database {database} has no table {name} that this login may see; \
                     check the table's name and schema in {}, or grant SELECT on it",
                    self.config.path.display()
                ),
            )
        })?;
        let date_column = table.date_column.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "Table {} has no date_column; set it, or set mode = \"full\"",
                    table.name
                ),
            )
        })?;
        let plan = TablePlan::monthly(
            &table.name,
            schema,
            self.config.target_table(table),
            date_column,
            table.key.as_deref(),
            database,
        )?;
        for note in &plan.notes {
            self.progress.event(Event::Note(note));
        }
        Ok(plan)
    }

    /// A table's turn, taken again when a connection breaks outside of its windows: all of it can be repeated.
    async fn table_with_retries(
        &self,
        plan: &TablePlan,
        sources: &Arc<Sessions>,
        targets: &Arc<Sessions>,
    ) -> Result<TableSummary> {
        let mut attempts = Attempts::new(&self.clock, self.config.run.outage_max);
        loop {
            let error = match self.table(plan, sources, targets).await {
                Ok(summary) => return Ok(summary),
                Err(error) => error.within(format!("Table {}", plan.name)),
            };
            let tell = |attempt, wait, error: &Error| {
                self.progress.event(Event::Retrying {
                    table: plan.name.as_str(),
                    window: None,
                    attempt,
                    wait,
                    error,
                });
            };
            match wait_or_give_up(&mut attempts, error, &self.clock, &self.stop, tell).await {
                Err(error) if error.kind() == ErrorKind::Stopped => {
                    let name = plan.name.as_str().to_owned();
                    return Ok(TableSummary {
                        name,
                        ..TableSummary::default()
                    });
                }
                waited => waited?,
            }
        }
    }

    async fn table(
        &self,
        plan: &TablePlan,
        sources: &Arc<Sessions>,
        targets: &Arc<Sessions>,
    ) -> Result<TableSummary> {
        let started = self.clock.monotonic();
        let name = plan.name.as_str().to_owned();
        // Holds the table's applock until the table is done.
        let mut keeper = targets.take().await?;
        let holder = Holder {
            run_id: self.run_id,
            host: self.identity.host.clone(),
            process_id: self.identity.process_id,
        };
        let lease = receipt::take_lease(&mut keeper, &plan.target, &holder).await?;
        let prepared = self.prepare(&mut keeper, plan).await;
        let target = match prepared {
            Ok(target) => target,
            // The table cannot be worked on; the others can.
            Err(error) if matches!(error.kind(), ErrorKind::Preflight | ErrorKind::Plan) => {
                self.progress.event(Event::Warning(&error.chain()));
                let failed = Some(error.chain());
                return Ok(TableSummary {
                    name,
                    error: failed,
                    preflight: Some(error.kind().exit_code()),
                    ..TableSummary::default()
                });
            }
            Err(error) => return Err(error),
        };
        let mut summary = TableSummary {
            name: name.clone(),
            ..TableSummary::default()
        };
        for pass in 0..PASSES_MAX {
            let standing = self.compare(&mut keeper, plan, &target, &lease, sources).await?;
            for warning in &standing.warnings {
                self.progress.event(Event::Warning(warning));
            }
            if pass == 0 {
                self.announce(plan, sources, &standing, &mut summary).await?;
            }
            let displaced = self
                .windows(plan, &target, &lease, standing, sources, targets, &mut summary)
                .await?;
            if displaced == 0 {
                break;
            }
            self.progress.event(Event::Warning(&format!(
                "Table {name}: {displaced} rows had moved to another date; the windows they left are loaded again"
            )));
        }
        receipt::release(&mut keeper, &lease).await?;
        targets.put(keeper);
        let elapsed = self.clock.monotonic().saturating_sub(started);
        self.progress.event(Event::TableDone {
            table: &name,
            rows: summary.rows_loaded,
            elapsed,
        });
        Ok(summary)
    }

    /// Finds or makes the target table, and sees to it that the plan is the one it was loaded by.
    async fn prepare(&self, session: &mut Session, plan: &TablePlan) -> Result<Target> {
        match receipt::plan(session, &plan.target).await? {
            Some(older) => {
                let differences = plan.differences(&older);
                if !differences.is_empty() {
                    return Err(Error::new(
                        ErrorKind::Plan,
                        format!(
                            "Table {}: what it was loaded by has changed ({}); set it back, or load the table anew \
                             with `sync forget --table {}`",
                            plan.name,
                            differences.join("; "),
                            plan.name
                        ),
                    ));
                }
            }
            None => {
                receipt::put_plan(
                    session,
                    &plan.target,
                    plan.access_path.as_str(),
                    &plan.fingerprint,
                )
                .await?;
            }
        }
        let (target, made) = Target::open(session, plan).await?;
        if made {
            self.progress.event(Event::Note(&format!(
                "Table {}: made target table {}",
                plan.name, plan.target
            )));
        }
        Ok(target)
    }

    async fn compare(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        target: &Target,
        lease: &Lease,
        sources: &Sessions,
    ) -> Result<Standing> {
        let mut source = sources.take().await?;
        let now = catalog::server(&mut source).await?.now;
        sources.put(source);
        let comparison = Comparison {
            plan,
            target,
            lease,
            range: self.options.range,
            settled: settled(now, self.config.run.settle_minutes),
            store: &self.store,
            clock: &self.clock,
        };
        comparison.run(session).await
    }

    /// Says what a table's turn begins with, and records the table.
    async fn announce(
        &self,
        plan: &TablePlan,
        sources: &Sessions,
        standing: &Standing,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let name = plan.name.as_str();
        let left = standing.windows.iter().filter(|work| needs_work(work)).count();
        let known = self.store.table(name)?.and_then(|record| record.undated_rows);
        let undated_rows = match known {
            // Counted once, and again only when the table is read anyway.
            Some(count) if left == 0 => Some(count),
            _ if left > 0 => self.count_undated(plan, sources).await?,
            _ => None,
        };
        if let Some(count) = undated_rows
            && count > 0
        {
            let text = format!(
                "Table {name}: {count} rows have no {} and are in no month; they are not loaded",
                plan.date().name
            );
            self.progress.event(Event::Warning(&text));
            summary.error = Some(text);
        }
        self.store.commit(&[Change::Table(TableRecord {
            name: name.to_owned(),
            source: plan.source.name.to_string(),
            target: plan.target.to_string(),
            fingerprint: plan.fingerprint.clone(),
            access_path: plan.access_path,
            undated_rows,
            notes: plan.notes.clone(),
        })])?;
        summary.already_complete = left == 0;
        let rows_done = standing.windows.iter().map(|work| work.verified_rows).sum();
        self.progress.event(Event::TableStarted {
            table: name,
            windows: left,
            rows_done,
            rows_expected: None,
        });
        Ok(())
    }

    /// Number of rows whose date is NULL; `None` where the column cannot be.
    async fn count_undated(&self, plan: &TablePlan, sources: &Sessions) -> Result<Option<u64>> {
        if !plan.date().nullable {
            return Ok(None);
        }
        let mut session = sources.take().await?;
        let (proof, names) = predicate(&self.config.source.guard, 1);
        let params: Vec<Value<'_>> = names.iter().map(|name| Value::Text(name)).collect();
        let sql = format!(
            "IF {proof} SELECT COUNT_BIG(*) FROM {} WHERE {} IS NULL",
            plan.source.name.quoted(),
            plan.date().name.quoted()
        );
        let rows = session.rows(&sql, &params).await?;
        sources.put(session);
        match rows.first().map(|row| row.value(0)).transpose()? {
            Some(Value::Integer(count)) => Ok(Some(count.cast_unsigned())),
            _ => Err(Error::new(
                ErrorKind::WrongServer,
                "The source no longer proves to be the server that may be read",
            )),
        }
    }

    /// Runs the windows that need it, so many at once; returns the number of rows that moved between windows.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a table's windows share, gathered here into their context"
    )]
    async fn windows(
        &self,
        plan: &TablePlan,
        target: &Target,
        lease: &Lease,
        standing: Standing,
        sources: &Arc<Sessions>,
        targets: &Arc<Sessions>,
        summary: &mut TableSummary,
    ) -> Result<u64> {
        let context = Arc::new(TableContext {
            plan: plan.clone(),
            target: target.clone(),
            lease: lease.clone(),
            guard: self.config.source.guard.clone(),
            limits: Limits {
                rows: self.options.chunk_rows.unwrap_or(self.config.run.chunk_rows) as usize,
                bytes: self.config.run.chunk_bytes_max,
            },
            outage_max: self.config.run.outage_max,
            sources: Arc::clone(sources),
            targets: Arc::clone(targets),
            load_turn: tokio::sync::Mutex::new(()),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            progress: Arc::clone(&self.progress),
            stop: self.stop.clone(),
        });
        summary.windows_done = standing.windows.iter().filter(|work| !needs_work(work)).count();
        summary.rows_total = standing.windows.iter().map(|work| work.verified_rows).sum();
        (summary.windows_open, summary.windows_failed, summary.mismatched) = (0, 0, 0);
        let mut waiting: VecDeque<WindowWork> = standing.windows.into_iter().filter(needs_work).collect();
        let mut running = JoinSet::new();
        let mut displaced = 0;
        let mut fatal = None;
        loop {
            while running.len() < self.max_workers() && fatal.is_none() && !self.stop.is_stopped() {
                let Some(work) = waiting.pop_front() else { break };
                running.spawn(run_window(Arc::clone(&context), work));
            }
            let Some(ended) = running.join_next().await else {
                break;
            };
            let ended: WindowResult = ended.map_err(|error| {
                Error::new(
                    ErrorKind::Internal,
                    format!("A window of table {} broke down", plan.name),
                )
                .with_source(error)
            })?;
            summary.rows_loaded += ended.rows_loaded;
            summary.rows_total += ended.rows_loaded;
            displaced += ended.displaced;
            match ended.outcome {
                Outcome::Complete => summary.windows_done += 1,
                Outcome::Open | Outcome::Stopped => summary.windows_open += 1,
                Outcome::Mismatched(_) => summary.mismatched += 1,
                Outcome::Failed(error) if ends_the_run(error.kind()) => {
                    fatal.get_or_insert(error);
                }
                Outcome::Failed(_) => summary.windows_failed += 1,
            }
        }
        summary.windows_open += waiting.len();
        match fatal {
            Some(error) => Err(error),
            None => Ok(displaced),
        }
    }
}

/// Whether a window has anything that can be read now.
fn needs_work(work: &WindowWork) -> bool {
    !work.redo.is_empty() || (work.next.is_some() && work.bounds.start < work.bounds.end)
}

/// Whether an error makes every further window pointless or wrong.
fn ends_the_run(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::WrongServer
        | ErrorKind::Login
        | ErrorKind::Outage
        | ErrorKind::TargetFull
        | ErrorKind::Busy
        | ErrorKind::State
        | ErrorKind::Plan
        | ErrorKind::Internal => true,
        ErrorKind::Usage
        | ErrorKind::Config
        | ErrorKind::Connection
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Transient
        | ErrorKind::Preflight
        | ErrorKind::Statement
        | ErrorKind::Mismatch
        | ErrorKind::Stopped => false,
    }
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
