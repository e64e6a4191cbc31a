//! The preflight of a command: the checks and preparations before any row is read.
//!
//! The source comes first: on the wrong server the command does nothing at all. Then both ends are compared, so that
//! no table is its own target, the target is prepared, and an interrupted `forget` is finished.

pub mod clocks;
pub mod context;
pub(crate) mod ends;
pub(crate) mod kept;
pub mod plan;

use crate::base::error::{ErrorKind, Result};
use crate::checkpoint::Change;
use crate::config::TableConfig;
use crate::model::plan::TablePlan;
use crate::mssql::catalog;
use crate::pipeline::forget;
use crate::pipeline::resume::refuse_dates;
use crate::pipeline::retrier::Place;
use crate::source::{sight, versions};
use crate::target::migrate::migrate;

use context::RunContext;

/// Proves the source, plans the tables and prepares the target. If an earlier run has worked with a server,
/// the preflight is repeated while that server is away. A first run fails at once, because its configuration
/// may name the wrong server.
///
/// A table that is not there, or not fit to be copied, has its error in place of a plan. The plans are those of tables
/// that nothing is loaded of: only who has a table's lease knows by what it was loaded ([`kept::hold`]).
///
/// # Errors
/// `Preflight` or `Usage` if no table can be planned; `WrongServer`; those of the sessions.
pub(crate) async fn prepare(run: &RunContext<'_>, tables: &[&TableConfig]) -> Result<Vec<Result<TablePlan>>> {
    let place = Place::of("preflight");
    let plans = run
        .retrier
        .retry_if(
            place,
            || run.pools.source.is_known() && run.pools.target.is_known(),
            || prepare_once(run, tables),
        )
        .await?;
    let (source, target) = run.addresses();
    if run.retrier.store.view()?.reached()?.as_ref() != Some(&(source.clone(), target.clone())) {
        run.retrier.store.commit(&[Change::Reached { source, target }])?;
    }
    Ok(plans)
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
        run.note(unseen);
    }
    if let Some(text) = versions::missing(&mut source).await? {
        run.note(text);
    }
    let mut plans = Vec::new();
    for table in tables {
        match plan::of_source(run.config, &mut source, table, &origin).await {
            Err(error) if error.kind() != ErrorKind::Preflight || source.is_broken() => return Err(error),
            planned => plans.push(planned.and_then(|plan| {
                refuse_dates(&plan, run.options.range)?;
                Ok(plan)
            })),
        }
    }
    if plans.iter().all(Result::is_err) {
        plans.into_iter().collect::<Result<Vec<_>>>()?;
        return Ok(Vec::new());
    }
    run.pools.source.put(source);
    ends::refuse_once(run).await?;
    let mut target = run.pools.target.take().await?;
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
