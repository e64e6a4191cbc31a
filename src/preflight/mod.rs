//! The preflight of a command: the checks and preparations before any row is read.
//!
//! The source comes first: on the wrong server the command does nothing at all. Once it has proven itself, its catalog is
//! read while the target is opened and looked at. Then both ends are compared, so that no table is its own target, the
//! target is prepared, and an interrupted `forget` is finished.

pub mod clocks;
pub mod context;
pub(crate) mod ends;
pub(crate) mod kept;
pub mod plan;

use crate::base::error::Result;
use crate::config::TableConfig;
use crate::model::plan::TablePlan;
use crate::mssql::{Proof, ServerInfo, Session, catalog};
use crate::pipeline::forget::{self, Finish};
use crate::pipeline::pool::Pooled;
use crate::pipeline::resume::refuse_dates;
use crate::pipeline::retrier::Place;
use crate::source::{SourceSession, sight, versions};
use crate::target::migrate::{migrate, newest, version};

use clocks::ClockReading;
use context::RunContext;

/// Proves the source, plans the tables and prepares the target. An end that this run or an earlier one has worked with is
/// waited for. On a first contact an error of the connection is final, because the configuration may name the wrong server.
///
/// A table that is not there, or not fit to be copied, has its error in place of a plan, as in a preview, and stops no
/// other. If there is no other, the target is not waited for, and nothing is written to it. The plans are those of
/// tables of which nothing is loaded: only the holder of a table's lease knows by what it was loaded ([`kept::hold`]).
///
/// # Errors
/// That of the table if there is only one; `WrongServer`; those of the sessions.
pub(crate) async fn prepare(run: &RunContext<'_>, tables: &[&TableConfig]) -> Result<Vec<Result<TablePlan>>> {
    let place = Place::of("preflight");
    let plans = run.retrier.retry(place, || prepare_once(run, tables)).await;
    run.record_reached()?;
    plans
}

/// Connects to the target, and to the source if `source` is set, as [`prepare`] does, so that a command that
/// works table by table meets an end that is not there before its first table, and once.
///
/// # Errors
/// Those of the sessions.
pub(crate) async fn contact(run: &RunContext<'_>, source: bool) -> Result<()> {
    run.assume_known()?;
    let contacted = run
        .retrier
        .retry(Place::of("preflight"), || async move {
            if source {
                let session = run.pools.source.take().await?;
                run.pools.source.put(session);
            }
            let session = run.pools.target.take().await?;
            run.pools.target.put(session);
            Ok(())
        })
        .await;
    run.record_reached()?;
    contacted
}

/// Tells what protects the connections, and on what the source is trusted if not on a READ_ONLY database.
fn tell_trust(run: &RunContext<'_>, source_sent_on: Option<&str>, target_sent_on: Option<&str>) {
    let (source, target) = (&run.config.source, &run.config.target);
    let from = ends::protection(&source.endpoint, source.embedded, source_sent_on);
    let into = ends::protection(&target.endpoint, target.embedded, target_sent_on);
    for (text, _) in from.chain(into) {
        run.note_once(&text);
    }
    if let Proof::Named(names) = &source.guard.proof {
        run.note_once(&format!(
            "The source is trusted by name ({}), not by a READ_ONLY database",
            names.join(", ")
        ));
    }
}

/// The warning that a `forget` of a table stays interrupted.
pub(crate) fn left_forgetting(table: &str) -> String {
    format!(
        "Table {table}: an interrupted forget cannot be finished now, because another run is loading the table; \
         the next run finishes it"
    )
}

async fn prepare_once(run: &RunContext<'_>, tables: &[&TableConfig]) -> Result<Vec<Result<TablePlan>>> {
    if let [table] = tables {
        run.name_source(table.name.as_str());
    }
    // It has proven itself once it is there.
    let mut source = run.pools.source.take().await?;
    // What is wrong with the source, or with all of its tables, comes before an error of the target, and waits for none.
    let surveyed = async {
        match survey(run, &mut source, tables).await {
            Ok(Survey { plans, .. }) if plans.iter().all(Result::is_err) => Err(all_refused(plans)),
            surveyed => surveyed.map_err(Err),
        }
    };
    let opened = async { Ok(open_target(run).await) };
    let (Survey { plans, clock }, mut opened) = match tokio::try_join!(surveyed, opened) {
        Ok(both) => both,
        Err(outcome) => return outcome,
    };
    let sent_on = source.redirected().map(str::to_owned);
    if let (Ok(target), Some(table)) = (&mut opened, ends::read_and_written(run.config)?) {
        ends::refuse_one_database(run.config, &table, &mut source, &mut target.session).await?;
    }
    run.pools.source.put(source);
    // A target that is not there hides no table that is refused.
    if opened.is_err() {
        let refused = plans.iter().filter_map(|plan| plan.as_ref().err());
        refused.for_each(|error| run.warn_once(&error.chain()));
    }
    let mut target = opened?;
    tell_trust(run, sent_on.as_deref(), target.session.redirected());
    if let Some(error) = ends::read_only(&target.server) {
        return Err(error);
    }
    run.compare_clocks(clock, target.clock);
    if target.version? != newest() {
        for name in migrate(&mut target.session).await? {
            run.note(&format!("Target: applied migration {name} to schema [sync]"));
        }
    }
    finish_forgetting(run, &mut target.session, tables).await?;
    run.pools.target.put(target.session);
    Ok(plans)
}

/// The outcome if no table can be copied: its error if there is only one.
fn all_refused(plans: Vec<Result<TablePlan>>) -> Result<Vec<Result<TablePlan>>> {
    match plans.len() {
        1 => plans.into_iter().collect::<Result<Vec<_>>>().map(|_| Vec::new()),
        _ => Ok(plans),
    }
}

/// What a survey of the source comes to.
struct Survey {
    plans: Vec<Result<TablePlan>>,
    clock: ClockReading,
}

/// Plans the tables by the source's catalog, and tells what of it may not be seen.
async fn survey(run: &RunContext<'_>, source: &mut SourceSession, tables: &[&TableConfig]) -> Result<Survey> {
    let server = source.server().await?;
    let clock = run.reading(server.clock);
    let origin = plan::origin(run.config, source, &server);
    if let Some(unseen) = sight::unseen(source).await? {
        run.note_once(unseen);
    }
    if let Some(text) = versions::missing(source) {
        run.note_once(text);
    }
    let mut plans = Vec::new();
    for table in tables {
        match plan::of_source(run.config, source, table, &origin).await {
            Err(error) if source.is_broken() || !error.kind().is_of_the_table() => return Err(error),
            planned => plans.push(planned.and_then(|plan| {
                refuse_dates(&plan, run.options.range)?;
                Ok(plan)
            })),
        }
    }
    if run.config.source.ceilings.lag_max.is_some() {
        // The first chunk must not be read before the lag is known.
        run.pools.look(source).await;
    }
    Ok(Survey { plans, clock })
}

/// The target, as it was found.
struct Opened {
    session: Pooled<Session>,
    server: ServerInfo,
    clock: ClockReading,
    /// The newest migration that it records.
    version: Result<i32>,
}

/// Connects to the target and looks at it. Writes nothing there, so that it need not wait for what the source is.
async fn open_target(run: &RunContext<'_>) -> Result<Opened> {
    let mut session = run.pools.target.take().await?;
    let server = catalog::server(&mut session).await?;
    let clock = run.reading(server.clock);
    let version = version(&mut session).await;
    Ok(Opened {
        session,
        server,
        clock,
        version,
    })
}

/// Finishes the `forget`s that were interrupted.
async fn finish_forgetting(
    run: &RunContext<'_>,
    target: &mut Session,
    tables: &[&TableConfig],
) -> Result<()> {
    for tombstone in run.retrier.store.view()?.tombstones()? {
        let name = &tombstone.table;
        let is_concerned = tables.iter().any(|table| table.name.same_as(name));
        let holder = run.holder();
        match forget::finish(target, &run.retrier, &holder, &tombstone, is_concerned).await? {
            Finish::Finished => run.note(&format!("Table {name}: an interrupted forget is finished now")),
            Finish::Busy => run.warn(&left_forgetting(name)),
            Finish::Elsewhere(text) => run.warn_once(&text),
        }
    }
    Ok(())
}
