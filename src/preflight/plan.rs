//! The plan of a table from the source's catalog, and its comparison with the plan that the target was loaded
//! by.

use std::sync::atomic::Ordering;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::config::{Config, Mode, TableConfig};
use crate::model::plan::{AccessPath, Origin, SOURCE_IDENTITY, SOURCE_SERVER, TablePlan};
use crate::model::table::{TableName, TableSchema};
use crate::mssql::Session;
use crate::preflight::context::RunContext;
use crate::source::{SourceSession, sight};
use crate::target::receipt;

/// The identity of the source's database.
///
/// # Errors
/// Those of the session.
pub(crate) async fn origin(config: &Config, source: &mut SourceSession) -> Result<Origin> {
    let server = source.server().await?;
    Ok(Origin {
        identity: source.identity().await?,
        // The embedded server has another port each time.
        server: match config.source.embedded {
            true => server.server_name,
            false => format!("{} at {}", server.server_name, config.source.endpoint.address()),
        },
        database: server.database,
    })
}

/// The plan by the access path that the table was loaded by, of which `recorded` is the target's record. A target that
/// lost its record may have its chunks loaded again by the store's. The user sees the plan's notes.
pub(crate) fn kept(run: &RunContext<'_>, plan: TablePlan, recorded: Option<AccessPath>) -> Result<TablePlan> {
    let recorded = match recorded {
        Some(path) => Some(path),
        None => run
            .retrier
            .store
            .table(plan.name.as_str())?
            .map(|record| record.access_path),
    };
    let plan = match recorded {
        Some(path) => plan.keeping(path),
        None => plan,
    };
    for note in &plan.notes {
        run.note(note);
    }
    Ok(plan)
}

/// The plan of a table from the source's catalog alone, as for a table that nothing is loaded of.
///
/// # Errors
/// `Preflight` for a table that this login cannot see or that cannot be copied.
pub(crate) async fn of_source(
    config: &Config,
    source: &mut SourceSession,
    table: &TableConfig,
    origin: &Origin,
) -> Result<TablePlan> {
    let database = &origin.database;
    let name = config.source_table(table);
    let mut schema = source.describe(&name).await?.ok_or_else(|| {
        Error::new(
            ErrorKind::Preflight,
            format!(
                "Source database {database} has no table {name} that this login may see; \
                 check the table's name and schema in {}, or grant SELECT on it",
                config.path.display()
            ),
        )
    })?;
    exclude(config, table, &mut schema)?;
    let filters = sight::examine(source, &mut schema).await?;
    let mut plan = configured(table, schema, config.target_table(table), database)?.from_origin(origin);
    plan.notes
        .extend(sight::filtered(&filters).map(|text| format!("Table {}: {text}", table.name)));
    Ok(plan)
}

/// Leaves the columns out that the configuration excludes. Nobody looks at them then, nor minds a mask on them.
///
/// # Errors
/// As [`TableSchema::exclude`], with the line of the configuration.
pub fn exclude(config: &Config, table: &TableConfig, schema: &mut TableSchema) -> Result<()> {
    for column in &table.exclude_columns {
        let place = || format!("{}, line {}", config.path.display(), column.line);
        let excluded = schema.exclude(&column.name, table.key.as_deref());
        excluded.map_err(|error| error.within(place()))?;
    }
    Ok(())
}

/// Plans a table by its configuration.
///
/// # Errors
/// As [`TablePlan::monthly`] and [`TablePlan::full`]; `Config` for a monthly table without a date column.
pub fn configured(
    table: &TableConfig,
    source: TableSchema,
    target: TableName,
    source_database: &str,
) -> Result<TablePlan> {
    let key = table.key.as_deref();
    match (table.mode, &table.date_column) {
        (Mode::Full, _) => TablePlan::full(&table.name, source, target, key, source_database),
        (Mode::Monthly, Some(date)) => {
            TablePlan::monthly(&table.name, source, target, date, key, source_database)
        }
        (Mode::Monthly, None) => Err(Error::new(
            ErrorKind::Config,
            format!(
                "Table {} has no date_column; set it, or set mode = \"full\"",
                table.name
            ),
        )),
    }
}

/// Refuses a plan that differs from the one that its target was loaded by.
///
/// # Errors
/// `Plan`, which names every difference.
pub(crate) fn refuse_changes(plan: &TablePlan, differences: &[(&str, String)]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let other = differences.iter().any(|(part, _)| *part == SOURCE_IDENTITY);
    let texts: Vec<&str> = differences.iter().map(|(_, text)| text.as_str()).collect();
    let accept = if other {
        "; or, if it is the same data at another place, run with --accept-source and then compare it by \
         `sync reconcile --source`"
    } else {
        ""
    };
    Err(Error::new(
        ErrorKind::Plan,
        format!(
            "Table {name}: what it was loaded by has changed ({}); undo the change, or run `sync forget \
             --table {name}` and then this command again to load the table anew{accept}",
            texts.join("; "),
            name = plan.name
        ),
    ))
}

/// Checks that the plan equals the one that the target table was loaded by, and records the parts that may
/// change.
///
/// # Errors
/// `Plan`, which names every difference; those of the session.
pub(crate) async fn hold_to(run: &RunContext<'_>, session: &mut Session, plan: &TablePlan) -> Result<()> {
    let Some((_, older)) = receipt::plan(session, &plan.target).await? else {
        refuse_changes(plan, &moved(run, plan)?)?;
        receipt::put_plan(session, &plan.target, plan.access_path, &plan.fingerprint).await?;
        failpoint::step("plan: after it is written");
        return Ok(());
    };
    let mut differences = plan.differences(&older);
    if run.options.accept_source {
        let (accepted, rest) = differences
            .into_iter()
            .partition(|(part, _)| *part == SOURCE_IDENTITY);
        differences = rest;
        for (_, text) in accepted {
            run.warn(&format!("Table {}: {text}", plan.name));
        }
    }
    refuse_changes(plan, &differences)?;
    for (part, text) in plan.told_changes(&older) {
        if part != SOURCE_SERVER || !run.told_server.swap(true, Ordering::Relaxed) {
            run.warn(&format!("Table {}: {text}", plan.name));
        }
    }
    let mut renewed = older.clone();
    for (part, now) in &plan.fingerprint {
        match renewed.iter_mut().find(|(name, _)| name == part) {
            Some((_, then)) => then.clone_from(now),
            None => renewed.push((part.clone(), now.clone())),
        }
    }
    if renewed != older {
        receipt::renew_plan(session, &plan.target, &renewed).await?;
        failpoint::step("plan: after it is renewed");
    }
    Ok(())
}

/// The differences between a plan that the target does not know and the one in the store. Loading a table
/// into another target than before would silently leave the old one behind.
fn moved(run: &RunContext<'_>, plan: &TablePlan) -> Result<Vec<(&'static str, String)>> {
    let known = run.retrier.store.table(plan.name.as_str())?;
    let (now, then) = (plan.target.to_string(), known.map(|record| record.target));
    Ok(then
        .filter(|then| *then != now)
        .map(|then| ("target table", format!("target table: was {then}, is {now}")))
        .into_iter()
        .collect())
}
