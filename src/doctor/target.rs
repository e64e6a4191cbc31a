//! Checks of the target: the login's rights, the schemas, and the fit of existing tables.

use super::report::{Found, Level, Lost, Report, introduce, protected};
use super::subject::Subject;
use super::{database, reach, tables};
use crate::base::error::{ErrorKind, Result};
use crate::base::text::{counted, shown};
use crate::config::{Config, Mode, Target};
use crate::model::plan::TablePlan;
use crate::model::row::Value;
use crate::model::table::{Identifier, TableName, TableSchema};
use crate::mssql::{ServerInfo, Session, catalog};
use crate::preflight::ends::read_only;
use crate::refresh::shadow_table;
use crate::refresh::shadow_table::RefreshStrategy;
use crate::refresh::together::limits;
use crate::target::migrate::{newest, version};
use crate::target::receipt;
use crate::target::table::takes_rows;

const PLACE: &str = "target";

/// The schema of receipts, leases and plans.
const OWN_SCHEMA: &str = "sync";

/// The fix for missing rights.
const RIGHTS: &str = "the script that `sync migrate --admin etl-user` prints grants what is needed";

/// The rights that a run needs on a target table.
const TABLE_RIGHTS: [&str; 3] = ["SELECT", "INSERT", "DELETE"];

/// DML triggers, in T-SQL and CLR.
const TRIGGERS: &str = "SELECT o.name FROM sys.objects AS o WHERE o.parent_object_id = @P1 AND o.type IN (N'TR', N'TA') \
    ORDER BY o.name";

const FOREIGN_KEYS: &str = "SELECT f.name FROM sys.foreign_keys AS f \
    WHERE f.parent_object_id = @P1 OR f.referenced_object_id = @P1 ORDER BY f.name";

/// A session at the target, and what its server tells of itself.
pub(super) struct Opened {
    pub(super) session: Session,
    server: ServerInfo,
}

/// Opens a session at the target.
pub(super) async fn open(subject: &Subject<'_>) -> Result<Opened> {
    let endpoint = &subject.config.target.endpoint;
    let mut session = Session::open(endpoint, None, &subject.timeouts).await?;
    let server = catalog::server(&mut session).await?;
    Ok(Opened { session, server })
}

pub(super) async fn examine(
    report: &mut Report,
    subject: &Subject<'_>,
    found: &[Found<'_>],
    opened: Result<Opened>,
) -> Result<(), Lost> {
    let Subject {
        config,
        timeouts,
        now,
    } = subject;
    reach::examine(report, &config.target.endpoint, timeouts).await?;
    let Opened { mut session, server } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            report.error(PLACE, &error);
            return Err(Lost);
        }
    };
    introduce(report, PLACE, &server, *now);
    let Target {
        endpoint, embedded, ..
    } = &config.target;
    protected(report, endpoint, *embedded, session.redirected());
    if let Some(error) = read_only(&server) {
        report.error(PLACE, &error);
    }
    let session = &mut session;
    database::examine(report, session, PLACE).await?;
    // A reference table is loaded into a new shadow table, even if the target table exists.
    let makes_tables = tables(report, session, config, found).await? > 0
        || config.tables.iter().any(|table| table.mode == Mode::Full);
    let configured = &endpoint.database;
    // A name with characters that are not shown is known by the configuration alone.
    let database = quoted(match shown(configured) == server.database {
        true => configured,
        false => &server.database,
    });
    own_schema(report, session, &database, makes_tables).await?;
    schema(report, session, &database, &config.target.schema, makes_tables).await
}

/// A database's name in brackets; unchanged if it cannot be quoted, which the server will report.
fn quoted(database: &str) -> String {
    Identifier::new(database).map_or_else(|_| database.to_owned(), |name| name.quoted())
}

/// Checks the existing tables; returns the number of missing ones.
async fn tables(
    report: &mut Report,
    session: &mut Session,
    config: &Config,
    found: &[Found<'_>],
) -> Result<u64, Lost> {
    let mut missing = 0;
    for found in found {
        let place = format!("target table {}", found.table.name);
        let name = config.target_table(found.table);
        let before = report.checks.len();
        if found.table.mode == Mode::Monthly {
            leftover(report, session, &place, &found.table.name, &name).await?;
        }
        match &found.unkept {
            Some(error) if error.kind() == ErrorKind::Plan => report.error(&place, error),
            Some(error) => report.unchecked(session.is_broken(), &place, "The way it was loaded", error)?,
            None => {}
        }
        match catalog::describe(session, &name).await {
            Ok(None) => missing += 1,
            Ok(Some(schema)) => {
                table(report, session, config, &place, found, &schema).await?;
                if report.checks.len() == before {
                    report.ok(&place, format!("{name} fits, and may be loaded"));
                }
            }
            Err(error) => report.unchecked(session.is_broken(), &place, "The table", &error)?,
        }
    }
    if missing > 0 {
        report.ok(
            PLACE,
            format!(
                "{} not there yet; a run makes what is missing",
                counted(missing, "table")
            ),
        );
    }
    Ok(missing)
}

async fn table(
    report: &mut Report,
    session: &mut Session,
    config: &Config,
    place: &str,
    found: &Found<'_>,
    schema: &TableSchema,
) -> Result<(), Lost> {
    if let Some(plan) = &found.plan {
        for (level, text) in tables::compare(plan, schema) {
            report.add(level, place, text);
        }
        for text in [tables::unindexed(plan, schema), tables::costly(plan, schema)] {
            text.into_iter().for_each(|text| report.warning(place, text));
        }
        let chunk_rows = config.run.chunk_rows as usize;
        together(
            report,
            session,
            place,
            (plan, schema),
            (found.rows_estimated, chunk_rows),
        )
        .await?;
        match takes_rows(session, plan, schema).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Preflight => report.error(place, &error),
            Err(error) => report.unchecked(session.is_broken(), place, "What it needs", &error)?,
        }
    }
    let id = [Value::Integer(i64::from(schema.object_id))];
    let consequences = [
        (
            TRIGGERS,
            "Its triggers",
            "fire for every row that is loaded, also for one that is loaded again, and one that changes rows makes their chunk \
             differ when it is read back; disable them while it is loaded",
        ),
        (
            FOREIGN_KEYS,
            "Its foreign keys",
            "can refuse rows that are loaded or replaced before those they refer to; drop or disable them",
        ),
    ];
    for (sql, what, consequence) in consequences {
        match names(session, sql, &id).await {
            Ok(names) if names.is_empty() => {}
            Ok(names) => report.warning(place, format!("{what} ({}) {consequence}", names.join(", "))),
            Err(error) => report.unchecked(session.is_broken(), place, what, &error)?,
        }
    }
    let mut rights = TABLE_RIGHTS.to_vec();
    // IDENTITY_INSERT needs ALTER, and so does the cutover of a reference table.
    if found.table.mode == Mode::Full || schema.columns.iter().any(|column| column.identity) {
        rights.push("ALTER");
    }
    // A reference table without a cutover is refreshed row by row.
    if found.table.mode == Mode::Full {
        rights.push("UPDATE");
    }
    let quoted = schema.name.quoted();
    permitted(report, session, place, (&quoted, "OBJECT"), &rights).await
}

/// Warns of a reference table that is refreshed in place, and whose rows may have to change together and cannot.
async fn together(
    report: &mut Report,
    session: &mut Session,
    place: &str,
    (plan, schema): (&TablePlan, &TableSchema),
    (rows, chunk_rows): (Option<u64>, usize),
) -> Result<(), Lost> {
    if !plan.is_full() {
        return Ok(());
    }
    let look = async {
        match shadow_table::strategy(session, plan).await? {
            RefreshStrategy::InPlace(..) => limits(session, plan, schema, rows, chunk_rows).await,
            RefreshStrategy::Swap(_) => Ok(None),
        }
    };
    match look.await {
        Ok(text) => text.into_iter().for_each(|text| report.warning(place, text)),
        Err(error) => report.unchecked(session.is_broken(), place, "The way it is refreshed", &error)?,
    }
    Ok(())
}

/// Names the shadow table that a monthly table has from the time when it was copied whole. No run uses it.
async fn leftover(
    report: &mut Report,
    session: &mut Session,
    place: &str,
    table: &Identifier,
    target: &TableName,
) -> Result<(), Lost> {
    let look = async {
        match version(session).await? {
            0 => Ok(None),
            _ => receipt::left_shadow(session, target).await,
        }
    };
    match look.await {
        Ok(None) => Ok(()),
        Ok(Some(shadow)) => {
            let text = format!(
                "{shadow} is left of a refresh, from when the table was copied whole, and no run uses it; \
                 `sync forget --table {table}` drops it, and has the table loaded again"
            );
            report.warning(place, text);
            Ok(())
        }
        Err(error) => report.unchecked(session.is_broken(), place, "The shadow table", &error),
    }
}

async fn names(session: &mut Session, sql: &str, params: &[Value<'_>]) -> Result<Vec<String>> {
    let rows = session.rows(sql, params).await?;
    rows.iter().map(|row| row.text(0).map(shown)).collect()
}

/// Checks that the schema of the tables exists and, if `makes_tables`, that the login may create tables in it.
async fn schema(
    report: &mut Report,
    session: &mut Session,
    database: &str,
    schema: &Identifier,
    makes_tables: bool,
) -> Result<(), Lost> {
    match is_there(session, schema.as_str()).await {
        Ok(true) => {}
        Ok(false) => {
            report.failure(
                PLACE,
                format!(
                    "There is no schema {schema}; CREATE SCHEMA {}, or correct `schema`; {RIGHTS}",
                    schema.quoted()
                ),
            );
            return Ok(());
        }
        Err(error) => return report.unchecked(session.is_broken(), PLACE, "The schema", &error),
    }
    let before = report.count(Level::Failure);
    if makes_tables {
        let quoted = schema.quoted();
        permitted(
            report,
            session,
            PLACE,
            (&quoted, "SCHEMA"),
            &["ALTER", "SELECT", "INSERT", "DELETE"],
        )
        .await?;
        permitted(report, session, PLACE, (database, "DATABASE"), &["CREATE TABLE"]).await?;
    }
    if report.count(Level::Failure) == before {
        report.ok(PLACE, format!("Schema {schema} is there"));
    }
    Ok(())
}

/// Checks schema `[sync]`: its version, and the rights to use or create it.
async fn own_schema(
    report: &mut Report,
    session: &mut Session,
    database: &str,
    makes_tables: bool,
) -> Result<(), Lost> {
    let applied = match version(session).await {
        Ok(applied) => applied,
        Err(error) => {
            report.error(PLACE, &error);
            return if session.is_broken() { Err(Lost) } else { Ok(()) };
        }
    };
    let newest = newest();
    if applied == newest {
        report.ok(PLACE, format!("Schema [{OWN_SCHEMA}] is of version {newest}"));
    } else {
        report.ok(
            PLACE,
            format!("Schema [{OWN_SCHEMA}] is of version {applied} of {newest}; a run or `sync migrate` brings it there"),
        );
    }
    let there = match is_there(session, OWN_SCHEMA).await {
        Ok(there) => there,
        Err(error) => return report.unchecked(session.is_broken(), PLACE, "Schema [sync]", &error),
    };
    if !there {
        permitted(report, session, PLACE, (database, "DATABASE"), &["CREATE SCHEMA"]).await?;
    } else if applied > 0 {
        // A later migration alters its tables.
        let rights = ["SELECT", "INSERT", "UPDATE", "DELETE", "ALTER"];
        let rights = &rights[..if applied < newest { 5 } else { 4 }];
        permitted(report, session, PLACE, ("[sync]", "SCHEMA"), rights).await?;
    } else {
        permitted(report, session, PLACE, ("[sync]", "SCHEMA"), &["ALTER"]).await?;
    }
    // With `makes_tables`, the check of the tables' schema asks for this right.
    if applied == 0 && !makes_tables {
        permitted(report, session, PLACE, (database, "DATABASE"), &["CREATE TABLE"]).await?;
    }
    Ok(())
}

async fn is_there(session: &mut Session, schema: &str) -> Result<bool> {
    let rows = session
        .rows("SELECT SCHEMA_ID(@P1)", &[Value::Text(schema)])
        .await?;
    Ok(rows
        .first()
        .map(|row| row.optional_integer(0))
        .transpose()?
        .flatten()
        .is_some())
}

/// Reports the rights that the login lacks on a securable, given as its quoted name and its class.
async fn permitted(
    report: &mut Report,
    session: &mut Session,
    place: &str,
    (securable, class): (&str, &str),
    rights: &[&str],
) -> Result<(), Lost> {
    let mut lacking = Vec::new();
    for right in rights {
        let params = [Value::Text(securable), Value::Text(class), Value::Text(right)];
        let asked = async {
            let rows = session
                .rows("SELECT HAS_PERMS_BY_NAME(@P1, @P2, @P3)", &params)
                .await?;
            let allowed = rows.first().map(|row| row.optional_integer(0)).transpose()?;
            Ok(allowed.flatten())
        };
        let what = format!("The right to {right}");
        match asked.await {
            Ok(Some(0)) => lacking.push(*right),
            Ok(Some(_)) => {}
            Ok(None) => report.warning(
                place,
                format!("{what} could not be checked: the server does not say"),
            ),
            Err(error) => report.unchecked(session.is_broken(), place, &what, &error)?,
        }
    }
    if !lacking.is_empty() {
        report.failure(
            place,
            format!(
                "The login may not {} on {} {securable}; grant it: {RIGHTS}",
                lacking.join(", "),
                class.to_lowercase()
            ),
        );
    }
    Ok(())
}
