//! A run: preflight, then one table after another, and in each table up to `max_workers` windows at once.
//!
//! Tables never overlap: ten tables times two workers would be twenty connections to a server that rings up
//! sales. A window that fails for good does not stop the others. Only an error that would make every further
//! row wrong or unwanted ends the run: the wrong server, a lost lease, a store that cannot be written.

mod preview;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::clock::SharedClock;
use crate::base::error::{ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::failpoint;
use crate::base::stop::{STOPPED, StopSignal, stopped};
use crate::checkpoint::{Asked, Change, LoadRate, Refusal, RunRecord, Store};
use crate::config::{Config, Mode};
use crate::governor::Reins;
use crate::model::account::Account;
use crate::model::plan::TablePlan;
use crate::model::window::DateRange;
use crate::mssql::{Limit, Meter, catalog};
use crate::pipeline::resume::is_in_step;
use crate::pipeline::retrier::{Place, Retrier};
use crate::preflight;
use crate::preflight::context::{Identity, RunContext, RunOptions};
use crate::progress::{Event, Progress, RunSummary, TableSummary};
use crate::target::table::Target;

use table::{refused, run_table};

pub use preview::{Found, Preview, RefreshWay, TablePreview, Undated, WindowPreview, Work, preview};

/// The time that chunks in flight may take once the run is asked to stop. A system that shuts down, or an
/// operator who waits, gives a program about ten seconds.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// The fewest rows that tell how fast this machine loads. A run that loads less spends its time on other things.
const RATE_ROWS_MIN: u64 = 10_000;

/// Runs the backfill to its end, or as far as it gets.
///
/// Once this returns `Ok`, everything counted as loaded is committed and proven at the target and recorded in
/// the store.
///
/// # Errors
/// The errors that end a run as a whole: nothing listening, the wrong server, a missing table, a lease that
/// another run holds, a store that cannot be written. The target keeps the rows that were loaded before, and
/// the next run resumes there.
pub async fn run(
    config: &Config,
    store: Arc<Store>,
    clock: SharedClock,
    options: RunOptions,
    identity: Identity,
    progress: Arc<dyn Progress>,
    reins: Reins,
) -> Result<RunSummary> {
    let started = clock.monotonic();
    let mut record = RunRecord {
        run_id: identity.run_id,
        pid: identity.process_id,
        host: identity.host.clone(),
        started_at: clock.now(),
        ended_at: None,
        exit_code: None,
        range: options.range,
        error: None,
    };
    failpoint::step("run: before its record");
    store.commit(&begun(config, &options, &record))?;
    let retrier = Retrier {
        clock: Arc::clone(&clock),
        stop: reins.stop.clone(),
        store: Arc::clone(&store),
        progress: Arc::clone(&progress),
        outage_max: config.run.outage_max,
        meter: Arc::new(Meter::new(&clock)),
        broke: Arc::default(),
    };
    let limits = [
        config.run.source_rows_max.map(Limit::Rows),
        config.run.source_bytes_max.map(Limit::Bytes),
    ];
    retrier.meter.limit(limits.into_iter().flatten());
    let run = RunContext::new(config, options, identity, retrier);
    reins.give(&run.pools.throttle);
    let result = tokio::select! {
        result = all_tables(&run) => result,
        // Dropping the work under way also drops its connections, so the target rolls it back.
        () = grace(&clock, &reins.stop) => Err(stopped()),
    };
    failpoint::step("run: before its end");
    record.ended_at = Some(clock.now());
    let exit = match &result {
        Ok(summary) => summary.exit,
        Err(error) => error.kind().exit_code(),
    };
    record.error = match &result {
        Ok(summary) => summary.was_stopped().then(|| STOPPED.to_owned()),
        // What the stop cut off is no cause of it.
        Err(error) if error.kind() == ErrorKind::Stopped => Some(STOPPED.to_owned()),
        Err(error) => Some(error.chain()),
    };
    record.exit_code = Some(exit as u8);
    let elapsed = clock.monotonic().saturating_sub(started);
    let range = record.range;
    let mut over = vec![Change::Waiting(None), Change::Held(None), Change::Run(record)];
    over.extend(run.accounts());
    if let Ok(summary) = &result {
        over.extend(told_by(summary, range, clock.now(), elapsed));
    }
    store.commit(&over)?;
    let total = Account::total(&run.retrier.meter.accounts());
    progress.event(Event::Accounted { account: &total });
    let summary = result?;
    progress.event(Event::RunDone {
        summary: &summary,
        elapsed,
    });
    Ok(summary)
}

/// The record of a run that begins, and of its tables.
fn begun(config: &Config, options: &RunOptions, record: &RunRecord) -> Vec<Change> {
    let mut changes = vec![
        Change::Waiting(None),
        Change::Held(None),
        Change::Run(record.clone()),
    ];
    if let Ok(tables) = config.chosen(options.tables.as_deref()) {
        let tables = tables.iter().map(|table| table.name.as_str().to_owned());
        changes.push(Change::Asked(Asked {
            run_id: record.run_id,
            tables: tables.collect(),
        }));
    }
    changes
}

/// What is recorded of a run that has ended: the tables that it could not finish, each with its error, and how fast it
/// loaded.
fn told_by(summary: &RunSummary, range: DateRange, at: DateTime<Utc>, elapsed: Duration) -> Vec<Change> {
    let refused = summary.tables.iter().filter_map(|table| {
        Some(Change::Refused(Refusal {
            table: table.name.clone(),
            at,
            error: table.error.clone()?,
            first: range.start,
            end: range.end,
        }))
    });
    let rows = summary.rows_loaded();
    let rate = (rows >= RATE_ROWS_MIN).then(|| {
        Change::LoadRate(LoadRate {
            at,
            rows,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        })
    });
    refused.chain(rate).collect()
}

/// Returns after the run was asked to stop and the work under way had the time to finish.
async fn grace(clock: &SharedClock, stop: &StopSignal) {
    stop.stopped().await;
    clock.sleep(STOP_GRACE).await;
}

async fn all_tables(run: &RunContext<'_>) -> Result<RunSummary> {
    run.assume_known()?;
    let tables = run.chosen()?;
    run.retrier.progress.event(Event::RunStarted {
        run_id: run.run_id,
        range: tables
            .iter()
            .any(|table| table.mode == Mode::Monthly)
            .then_some(run.options.range),
        tables: tables.len(),
        max_workers: run.max_workers(),
    });
    if !run.config.source.require_replica {
        run.note(
            "require_replica = false: the source may be a primary that shops are selling on; \
             set it to true to have every connection prove that it is a replica",
        );
    }
    let planned = preflight::prepare(run, &tables).await?;
    let mut summaries = Vec::new();
    let mut plans = Vec::new();
    for (table, planned) in tables.iter().zip(planned) {
        match planned {
            Ok(plan) => plans.push(plan),
            Err(error) => summaries.push(refused(run, table.name.as_str(), error)),
        }
    }
    let dated = plans.iter().any(|plan| !plan.is_full());
    for plan in &plans {
        summaries.push(match run.is_stopped() {
            true => TableSummary {
                name: plan.name.as_str().to_owned(),
                ..TableSummary::default()
            },
            false => run_table(run, plan).await?,
        });
    }
    look_back(run, &plans, &mut summaries).await?;
    let place = |summary: &TableSummary| tables.iter().position(|table| table.name.same_as(&summary.name));
    summaries.sort_by_key(place);
    if let Some(limit) = run.limit_reached() {
        run.note(&format!(
            "{} = {} is reached, so no further chunk is read; run the same command again to go on",
            limit.key(),
            limit.most()
        ));
    }
    let doubtful = dated && run.clocks_disagreed();
    let exit = exit_of(&summaries, run.is_stopped() || doubtful);
    Ok(RunSummary {
        tables: summaries,
        exit,
        is_stopped: run.retrier.stop.is_stopped(),
        is_doubtful: doubtful,
        limit: run.limit_reached(),
        accounts: run.retrier.meter.accounts(),
    })
}

/// Runs a table again if its receipts differ from the store once a connection has broken. A server that
/// failed over may have lost committed rows, also of tables that were done.
async fn look_back(run: &RunContext<'_>, plans: &[TablePlan], summaries: &mut [TableSummary]) -> Result<()> {
    for summary in summaries {
        let Some(plan) = plans.iter().find(|plan| plan.name.same_as(&summary.name)) else {
            continue;
        };
        let broke = run.retrier.broke.load(Ordering::Relaxed);
        if !broke || run.is_stopped() || plan.is_full() || summary.is_unfinished() {
            continue;
        }
        let place = Place::of(plan.name.as_str());
        let holds = run.retrier.retry(place, || still_holds(run, plan)).await?;
        if !holds {
            run.warn(&format!(
                "Table {}: the target lost rows that it had committed; they are loaded again",
                plan.name
            ));
            let loaded = summary.rows_loaded;
            *summary = run_table(run, plan).await?;
            summary.rows_loaded += loaded;
        }
    }
    Ok(())
}

/// Whether the target still has the receipts that the store recorded for a table.
async fn still_holds(run: &RunContext<'_>, plan: &TablePlan) -> Result<bool> {
    let mut session = run.pools.target.take().await?;
    let there = catalog::describe(&mut session, &plan.target).await?;
    let target = there.map(|schema| Target::new(plan, &schema)).transpose()?;
    let holds = match &target {
        Some(target) => is_in_step(&mut session, &run.retrier.store, plan, target, &BTreeSet::new()).await?,
        None => false,
    };
    run.pools.target.put(session);
    Ok(holds)
}

/// The exit code of the worst table: a difference comes before a refused table, and that before unfinished
/// work.
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
