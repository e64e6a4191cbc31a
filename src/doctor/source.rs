//! Checks of the source: its identity, its guard, and whether a run could read every configured table.

use super::report::{Found, Lost, Report, introduce, protected};
use super::subject::{Records, Subject};
use super::{reach, standing, tables};
use crate::base::error::{Error, ErrorKind, Result};
use crate::model::plan::{Origin, TablePlan};
use crate::model::row::Value;
use crate::model::table::{TableName, TableSchema};
use crate::mssql::{Flow, Proof};
use crate::preflight::plan::{configured, exclude, origin};
use crate::source::{SourceQuery, SourceSession, absent, sight, versions};
use crate::tsql::expression::select_list;

const PLACE: &str = "source";

pub(super) async fn examine(
    report: &mut Report,
    subject: &Subject<'_>,
    found: &mut [Found<'_>],
    records: &mut Records<'_>,
) -> Result<(), Lost> {
    let Subject {
        config,
        timeouts,
        now,
    } = subject;
    let endpoint = &config.source.endpoint;
    reach::examine(report, endpoint, timeouts).await?;
    let guard = &config.source.guard;
    // The guard is proven before any other query: a refusal names the server.
    let mut session = match SourceSession::open(endpoint, guard, timeouts).await {
        Ok(session) => session,
        Err(error) => {
            report.error(PLACE, &error);
            // A server that is refused by its name, and a host that the password may not go to, are left alone.
            if error.kind() == ErrorKind::WrongServer && !error.is_given_up() {
                standing::examine_refused(report, config, timeouts).await;
            }
            return Err(Lost);
        }
    };
    let server = match session.server().await {
        Ok(server) => server,
        Err(error) => {
            report.error(PLACE, &error);
            return Err(Lost);
        }
    };
    introduce(report, PLACE, &server, *now);
    protected(report, endpoint, config.source.embedded, session.redirected());
    match &guard.proof {
        Proof::ReadOnly => report.ok(PLACE, "It proves to be a replica: its database is READ_ONLY"),
        Proof::Named(names) => report.ok(
            PLACE,
            format!("It is trusted by name ({}), not by a READ_ONLY database", names.join(", ")),
        ),
        Proof::None => report.warning(
            PLACE,
            "require_replica = false: this may be the primary that shops are selling on; set it to true to have every \
             connection prove that it is a replica",
        ),
    }
    standing::examine(report, config, &mut session, &server).await?;
    match sight::unseen(&mut session).await {
        Ok(Some(text)) => report.warning(PLACE, text),
        Ok(None) => {}
        Err(error) => {
            let what = "Whether rows are kept from this login";
            report.unchecked(session.is_broken(), PLACE, what, &error)?;
        }
    }
    if let Some(text) = versions::missing(&session) {
        report.warning(PLACE, text);
    }
    let origin = origin(config, &session, &server);
    for found in found {
        let name = config.source_table(found.table);
        let place = format!("source table {}", found.table.name);
        let Some(mut schema) = described(report, &mut session, (&place, &origin), &name).await? else {
            continue;
        };
        if let Err(error) = exclude(config, found.table, &mut schema) {
            report.error(place, &error);
            found.schema = Some(schema);
            continue;
        }
        let target = config.target_table(found.table);
        table(
            report,
            (&mut session, records),
            (&place, &origin),
            found,
            (schema, target),
        )
        .await?;
    }
    Ok(())
}

/// Describes a table; `None`, and it is reported, if that cannot be done.
async fn described(
    report: &mut Report,
    session: &mut SourceSession,
    (place, origin): (&str, &Origin),
    name: &TableName,
) -> Result<Option<TableSchema>, Lost> {
    match session.describe(name).await {
        Ok(Some(schema)) => return Ok(Some(schema)),
        Ok(None) => report.failure(
            place,
            format!(
                "Database {} has {}check its name and `schema`, or grant SELECT and VIEW DEFINITION on it (as the script \
                 does that `sync migrate --admin reader` prints)",
                origin.database,
                absent(session, name).await
            ),
        ),
        Err(error) => {
            report.error(place, &error);
            if session.is_broken() {
                return Err(Lost);
            }
        }
    }
    Ok(None)
}

async fn table(
    report: &mut Report,
    (session, records): (&mut SourceSession, &mut Records<'_>),
    (place, origin): (&str, &Origin),
    found: &mut Found<'_>,
    (mut schema, target): (TableSchema, TableName),
) -> Result<(), Lost> {
    let before = report.checks.len();
    readable(report, session, place, &mut schema).await?;
    match configured(found.table, schema.clone(), target, &origin.database) {
        Ok(fresh) => {
            let fresh = fresh.from_origin(origin);
            let plan = match records.kept(&fresh).await {
                Ok(plan) => plan,
                Err(error) => {
                    found.unkept = Some(error);
                    fresh
                }
            };
            planned(report, session, place, &plan).await?;
            if report.checks.len() == before {
                let by = plan
                    .date()
                    .map_or_else(|| "whole".to_owned(), |date| format!("by {}", date.name));
                report.ok(place, format!("It can be read {by} (key {})", plan.key_names()));
            }
            let excluded = plan.source.refused.iter().filter(|column| column.is_excluded());
            for text in excluded.map(tables::left_out) {
                report.ok(place, text);
            }
            if let Some(text) = plan.lookups() {
                report.ok(place, tables::sentence(&text));
            }
            if plan.is_full() {
                found.rows_estimated = session.estimate(&plan.source).await.unwrap_or_default();
            }
            found.plan = Some(plan);
        }
        Err(error) => report.error(place, &error),
    }
    found.schema = Some(schema);
    Ok(())
}

/// Reports whether the login may read the table, and the rows and columns that it does not get.
async fn readable(
    report: &mut Report,
    session: &mut SourceSession,
    place: &str,
    schema: &mut TableSchema,
) -> Result<(), Lost> {
    let seen = sight::examine(session, schema).await;
    let filters = seen.as_ref().map_or(&[][..], Vec::as_slice);
    let read = match &seen {
        Ok(_) => selectable(session, schema).await,
        Err(_) => Ok(()),
    };
    for error in seen.as_ref().err().into_iter().chain(read.as_ref().err()) {
        report.error(place, error);
        if session.is_broken() {
            return Err(Lost);
        }
    }
    if let Some(text) = sight::filtered(filters) {
        report.warning(place, text);
    }
    let refused = schema.refused.iter().filter(|column| !column.is_excluded());
    for text in refused.map(tables::left_out) {
        report.warning(place, text);
    }
    Ok(())
}

/// Reports the costs and limits of reading the table by its plan.
async fn planned(
    report: &mut Report,
    session: &mut SourceSession,
    place: &str,
    plan: &TablePlan,
) -> Result<(), Lost> {
    for text in plan.scans().into_iter().chain(plan.keyless()) {
        report.warning(place, tables::sentence(&text));
    }
    undated(report, session, place, plan).await
}

/// Sends the SELECT of a run for no rows: the server checks the right to every column.
async fn selectable(session: &mut SourceSession, schema: &TableSchema) -> Result<()> {
    if schema.columns.is_empty() {
        let text = format!(
            "Table {} has no column that can be copied; leave it out",
            schema.name
        );
        return Err(Error::new(ErrorKind::Preflight, text));
    }
    let select = format!(
        "SELECT TOP (0) {} FROM {}",
        select_list(&schema.columns),
        schema.name.quoted()
    );
    proven(session, select, &schema.name).await.map(|_| ())
}

/// Counts the rows without a date, if an index answers that.
async fn undated(
    report: &mut Report,
    session: &mut SourceSession,
    place: &str,
    plan: &TablePlan,
) -> Result<(), Lost> {
    let Some(date) = plan.date().filter(|date| date.nullable) else {
        return Ok(());
    };
    let says = "rows without a date are in no month and are loaded as a window of their own, `undated`";
    if !plan.source.begins_with(&date.name) {
        report.warning(
            place,
            format!(
                "{} may be NULL: {says}; no index begins with it, so they are not counted here",
                date.name
            ),
        );
        return Ok(());
    }
    let select = format!(
        "SELECT COUNT_BIG(*) FROM {} WHERE {} IS NULL",
        plan.source.name.quoted(),
        date.name.quoted()
    );
    match proven(session, select, &plan.source.name).await {
        Ok(Some(0)) => {}
        Ok(count) => report.warning(
            place,
            format!("{} rows have no {}: {says}", count.unwrap_or_default(), date.name),
        ),
        Err(error) => report.unchecked(session.is_broken(), place, "How many rows have no date", &error)?,
    }
    Ok(())
}

/// Runs a SELECT behind the guard and returns its integer; `None` without a row.
async fn proven(session: &mut SourceSession, select: String, table: &TableName) -> Result<Option<i64>> {
    let mut found = None;
    let query = SourceQuery::new(select, Vec::new());
    let read = session.stream(query, |row| {
        if let Value::Integer(number) = row.value(0)? {
            found = Some(number);
        }
        Ok(Flow::Continue)
    });
    read.await.map_err(|error| sight::unreadable(error, table))?;
    Ok(found)
}
