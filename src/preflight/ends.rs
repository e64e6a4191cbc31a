//! Refuses two ends that are one database if a table of it would be both read and written.
//!
//! The configuration can tell that only by the names of the servers, and a server has several: an alias, a listener, an
//! address. A load would delete rows of the source, and a cutover would drop its table. So the two servers are asked
//! before anything is written. They are asked only if the configuration has one name for both databases, and for a
//! table that is read and one that is written. A target that nobody may write is refused as well.

use crate::base::error::{Error, ErrorKind, Result};
use crate::config::{Config, Mode};
use crate::model::table::TableName;
use crate::mssql::{Database, Endpoint, ServerInfo, Session};
use crate::pipeline::retrier::Place;
use crate::preflight::context::RunContext;
use crate::source::SourceSession;

/// The first table that would be both read and written, if both ends were one database.
pub(crate) fn read_and_written(config: &Config) -> Result<Option<TableName>> {
    let (source, target) = (&config.source.endpoint, &config.target.endpoint);
    if source.database.to_lowercase() != target.database.to_lowercase() {
        return Ok(None);
    }
    let read: Vec<TableName> = config
        .tables
        .iter()
        .map(|table| config.source_table(table))
        .collect();
    for table in &config.tables {
        let target = config.target_table(table);
        let shadow = match table.mode {
            Mode::Full => Some(target.shadow()?),
            Mode::Monthly => None,
        };
        for written in std::iter::once(target).chain(shadow) {
            let is_read = |read: &TableName| {
                read.schema.same_as(written.schema.as_str()) && read.name.same_as(written.name.as_str())
            };
            if read.iter().any(is_read) {
                return Ok(Some(written));
            }
        }
    }
    Ok(None)
}

/// Refuses if both sessions are in one database, where `table` would be both read and written.
///
/// # Errors
/// `Preflight`, which names the table and the fix; those of the sessions.
pub(crate) async fn refuse_one_database(
    config: &Config,
    table: &TableName,
    source: &mut SourceSession,
    target: &mut Session,
) -> Result<()> {
    let (there, here) = (source.database().await?, Database::of(target).await?);
    if !there.is(&here) {
        return Ok(());
    }
    let (from, to) = (config.source.endpoint.address(), config.target.endpoint.address());
    Err(Error::new(
        ErrorKind::Preflight,
        format!(
            "The source at {from} and the target at {to} are one database, {} on server {}, and its table {table} would be \
             both read and written; give [target] another server, database, schema or table_prefix in {}",
            here.name,
            here.server,
            config.path.display()
        ),
    ))
}

async fn refuse_once(run: &RunContext<'_>) -> Result<()> {
    let Some(table) = read_and_written(run.config)? else {
        return Ok(());
    };
    let mut source = run.pools.source.take().await?;
    let mut target = run.pools.target.take().await?;
    refuse_one_database(run.config, &table, &mut source, &mut target).await?;
    run.pools.source.put(source);
    run.pools.target.put(target);
    Ok(())
}

/// The same, repeated while a server is away that this command or an earlier one has worked with.
///
/// # Errors
/// As [`refuse_one_database`].
pub(crate) async fn refuse(run: &RunContext<'_>) -> Result<()> {
    run.retrier
        .retry(Place::of("preflight"), || refuse_once(run))
        .await
}

/// What protects the connection to an end, where its server sent it on to, and of each whether somebody in between could
/// read or change it. Of the server inside this program there is nothing to tell.
pub(crate) fn protection(
    endpoint: &Endpoint,
    embedded: bool,
    redirected: Option<&str>,
) -> impl Iterator<Item = (String, bool)> {
    let protected = (!embedded).then(|| endpoint.protected());
    let sent_on = redirected.map(|to| {
        let (label, from) = (endpoint.label, endpoint.address());
        (
            format!("The {label} at {from} sent the connection on to {to}"),
            false,
        )
    });
    protected.into_iter().chain(sent_on)
}

/// The error for a target whose database nobody may write; `None` for any other.
pub(crate) fn read_only(target: &ServerInfo) -> Option<Error> {
    (target.updateability == "READ_ONLY").then(|| {
        Error::new(
            ErrorKind::Preflight,
            format!(
                "Database {} is READ_ONLY and cannot be loaded; name the warehouse, or set it READ_WRITE",
                target.database
            ),
        )
    })
}
