//! The preflight of a command: the checks and preparations before any row is read.
//!
//! The source comes first: on the wrong server the command does nothing at all. Then both ends are compared, so that
//! no table is its own target, the target is prepared, and an interrupted `forget` is finished.

pub mod clocks;
pub mod context;
pub(crate) mod ends;
pub(crate) mod kept;
pub mod plan;

use crate::base::error::Result;
use crate::config::TableConfig;
use crate::model::plan::TablePlan;
use crate::mssql::{Proof, catalog};
use crate::pipeline::forget;
use crate::pipeline::resume::refuse_dates;
use crate::pipeline::retrier::Place;
use crate::source::{sight, versions};
use crate::target::migrate::migrate;

use context::RunContext;

/// Proves the source, plans the tables and prepares the target. An end that this run or an earlier one has worked with is
/// waited for. On a first contact an error of the connection is final, because the configuration may name the wrong server.
///
/// A table that is not there, or not fit to be copied, has its error in place of a plan, as in a preview, and stops no
/// other. If there is no other, nothing is asked of the target. The plans are those of tables that nothing is loaded of:
/// only who has a table's lease knows by what it was loaded ([`kept::hold`]).
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
    let mut source = run.pools.source.take().await?;
    let origin = plan::origin(run.config, &mut source).await?;
    if let Some(unseen) = sight::unseen(&mut source).await? {
        run.note_once(unseen);
    }
    if let Some(text) = versions::missing(&mut source).await? {
        run.note_once(text);
    }
    let mut plans = Vec::new();
    for table in tables {
        match plan::of_source(run.config, &mut source, table, &origin).await {
            Err(error) if source.is_broken() || !error.kind().is_of_the_table() => return Err(error),
            planned => plans.push(planned.and_then(|plan| {
                refuse_dates(&plan, run.options.range)?;
                Ok(plan)
            })),
        }
    }
    if run.config.source.ceilings.lag_max.is_some() {
        // The first chunk must not be read before the lag is known.
        run.pools.look(&mut source).await;
    }
    let sent_on = source.redirected().map(str::to_owned);
    run.pools.source.put(source);
    if plans.iter().all(Result::is_err) {
        return match plans.len() {
            1 => plans.into_iter().collect::<Result<Vec<_>>>().map(|_| Vec::new()),
            _ => Ok(plans),
        };
    }
    ends::refuse_once(run).await?;
    let mut target = run.pools.target.take().await?;
    tell_trust(run, sent_on.as_deref(), target.redirected());
    if let Some(error) = ends::read_only(&catalog::server(&mut target).await?) {
        return Err(error);
    }
    for name in migrate(&mut target).await? {
        run.note(&format!("Target: applied migration {name} to schema [sync]"));
    }
    for tombstone in run.retrier.store.view()?.tombstones()? {
        let name = &tombstone.table;
        let is_concerned = tables.iter().any(|table| table.name.same_as(name));
        let holder = run.holder();
        match forget::finish(&mut target, &run.retrier, &holder, &tombstone, is_concerned).await? {
            true => run.note(&format!("Table {name}: an interrupted forget is finished now")),
            false => run.warn(&left_forgetting(name)),
        }
    }
    run.pools.target.put(target);
    Ok(plans)
}
