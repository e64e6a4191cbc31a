//! Fills the demo's source over the wire: a table at a time, and none twice.
//!
//! A table that is filled has a row in `[dbo].[demo_table]`, written after its last row. A table without one, as
//! after a kill, is dropped and filled from the start.

use std::sync::Arc;

use super::calendar::Calendar;
use super::rows::Rows;
use super::tables::{TABLES, TableSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::mssql::{Endpoint, Session, StageColumn, Timeouts, stage_expression, stage_table};
use crate::report::text::thousands;
use crate::row::Value;
use crate::table::{Column, Identifier};

/// Rows sent at once: some 10 MB, made while those before them are being inserted.
const BATCH_ROWS: u64 = 20_000;

/// The session's table that rows are sent into.
const STAGE: &str = "#fill";

/// What a demo is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recipe {
    pub(super) seed: u64,
    pub(super) scale: f64,
}

/// Fills what is not filled yet; `say` hears a line a table.
///
/// # Errors
/// `Usage` when the source was filled by another recipe.
pub(super) async fn fill(
    endpoint: &Endpoint,
    schema: &Identifier,
    recipe: Recipe,
    say: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    // The source's login says that it only reads; this one writes.
    let endpoint = Endpoint {
        read_only_intent: false,
        ..endpoint.clone()
    };
    let mut session = Session::open(&endpoint, None, &Timeouts::default()).await?;
    let name = schema.as_str().replace('\'', "''");
    session
        .batch(&format!(
            "IF SCHEMA_ID(N'{name}') IS NULL EXEC(N'CREATE SCHEMA {}')",
            schema.quoted().replace('\'', "''")
        ))
        .await?;
    session
        .batch(
            "IF OBJECT_ID(N'[dbo].[demo_table]', N'U') IS NULL CREATE TABLE [dbo].[demo_table] \
             ([table_name] nvarchar(128) NOT NULL CONSTRAINT [PK_demo_table] PRIMARY KEY CLUSTERED, \
             [row_count] bigint NOT NULL, [seed] bigint NOT NULL)",
        )
        .await?;
    let calendar = Arc::new(Calendar::new());
    for (number, table) in TABLES.iter().enumerate() {
        let rows = Arc::new(Rows::new(
            recipe.seed,
            recipe.scale,
            number,
            Arc::clone(&calendar),
        ));
        if is_filled(&mut session, table, &rows, recipe).await? {
            continue;
        }
        say(&format!(
            "demo: filling {} with {} rows",
            table.name,
            thousands(rows.row_count())
        ));
        fill_table(&mut session, schema, table, &rows).await?;
        let sql = "INSERT INTO [dbo].[demo_table] ([table_name], [row_count], [seed]) VALUES (@P1, @P2, @P3)";
        let row_count = Value::Integer(rows.row_count().cast_signed());
        let seed = Value::Integer(recipe.seed.cast_signed());
        session
            .execute(sql, &[Value::Text(table.name), row_count, seed])
            .await?;
    }
    Ok(())
}

async fn is_filled(session: &mut Session, table: &TableSpec, rows: &Rows, recipe: Recipe) -> Result<bool> {
    let sql = "SELECT [row_count], [seed] FROM [dbo].[demo_table] WHERE [table_name] = @P1";
    let found = session.rows(sql, &[Value::Text(table.name)]).await?;
    let Some(found) = found.first() else {
        return Ok(false);
    };
    let wanted = (rows.row_count().cast_signed(), recipe.seed.cast_signed());
    if (found.integer(0)?, found.integer(1)?) == wanted {
        return Ok(true);
    }
    let text = format!(
        "The demo there was made with --seed {} and {} rows in {}; give the --scale and --seed it was made with, \
         or another --dir",
        found.integer(1)?.cast_unsigned(),
        thousands(found.integer(0)?.cast_unsigned()),
        table.name
    );
    Err(Error::new(ErrorKind::Usage, text))
}

async fn fill_table(
    session: &mut Session,
    schema: &Identifier,
    table: &TableSpec,
    rows: &Arc<Rows>,
) -> Result<()> {
    let name = table.name_in(schema).quoted();
    session.batch(&format!("DROP TABLE IF EXISTS {name}")).await?;
    session.batch(&table.create_sql(schema)).await?;
    let columns: Vec<Column> = table.columns().map(|column| column.column()).collect();
    let staged = columns
        .iter()
        .enumerate()
        .map(|(position, column)| {
            let name = Identifier::new(format!("c{}", position + 1))?;
            Ok(StageColumn {
                name,
                data_type: column.data_type,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    session
        .batch(&format!(
            "DROP TABLE IF EXISTS {STAGE}; {}",
            stage_table(STAGE, &staged)
        ))
        .await?;
    let names: Vec<String> = columns.iter().map(|column| column.name.quoted()).collect();
    let values: Vec<String> = columns
        .iter()
        .zip(&staged)
        .map(|(column, staged)| stage_expression(&staged.name.quoted(), column))
        .collect();
    let insert = format!(
        "INSERT INTO {name} ({}) SELECT {} FROM {STAGE}",
        names.join(", "),
        values.join(", ")
    );
    let mut next = make(rows, 0);
    let mut from = 0;
    while from < rows.row_count() {
        let batch = next.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "The demo's rows could not be made").with_source(error)
        })??;
        from += batch.row_count() as u64;
        next = make(rows, from);
        session.bulk_load(STAGE, &batch, &staged).await?;
        session.execute(&insert, &[]).await?;
        session.batch(&format!("TRUNCATE TABLE {STAGE}")).await?;
    }
    if let Some(index) = table.index_sql(schema) {
        session.batch(&index).await?;
    }
    Ok(())
}

/// Makes the rows from `from` on, beside whatever else is going on.
fn make(rows: &Arc<Rows>, from: u64) -> tokio::task::JoinHandle<Result<crate::row::Batch>> {
    let rows = Arc::clone(rows);
    let to = (from + BATCH_ROWS).min(rows.row_count());
    tokio::task::spawn_blocking(move || rows.batch(from, to))
}
