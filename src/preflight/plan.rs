//! The plan of a table from the configuration and the source's catalog, as for a table that nothing is loaded of.

use crate::base::error::{Error, ErrorKind, Result};
use crate::config::{Config, Mode, TableConfig};
use crate::model::plan::{Origin, TablePlan};
use crate::model::table::{TableName, TableSchema};
use crate::mssql::ServerInfo;
use crate::source::{SourceSession, absent, sight};

/// The identity of the source's database on `server`.
pub(crate) fn origin(config: &Config, source: &SourceSession, server: &ServerInfo) -> Origin {
    Origin {
        identity: source.identity().to_owned(),
        // The embedded server has another port each time.
        server: match config.source.embedded {
            true => server.server_name.clone(),
            false => format!("{} at {}", server.server_name, config.source.endpoint.address()),
        },
        database: server.database.clone(),
    }
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
    let Some(mut schema) = source.describe(&name).await? else {
        let text = format!(
            "Source database {database} has {}check the table's name and schema in {}, or grant SELECT on it",
            absent(source, &name).await,
            config.path.display()
        );
        return Err(Error::new(ErrorKind::Preflight, text));
    };
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
