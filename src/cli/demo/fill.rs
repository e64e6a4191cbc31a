//! Fills the demo's source over the wire, one table after another, each once.
//!
//! A filled table has a row in `[dbo].[demo_table]`, written after the table's last row. A table without one, as
//! after a kill, is dropped and filled from the start.

use std::sync::Arc;

use super::rows::{Recipe, Rows};
use super::spec::TableSpec;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::thousands;
use crate::model::row::Value;
use crate::model::table::{Column, Identifier};
use crate::mssql::{Endpoint, Session, StageColumn, Timeouts};
use crate::tsql::expression::stage_expression;

/// Rows of a batch: some 10 MB. The next batch is generated while one is inserted.
const BATCH_ROWS: u64 = 20_000;

/// The session's table that receives batches.
const STAGE: &str = "#fill";

/// The row of `[dbo].[demo_table]` that records that rows were changed and mended. No table has its name.
const MENDED: &str = "(changed and mended)";

/// The steps that earlier commands finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filled {
    /// Whether an earlier command changed and mended the demo's rows.
    pub(super) was_mended: bool,
}

/// A session that may write: the source's endpoint declares the intent to read only, which this one does not.
pub(super) async fn writer(endpoint: &Endpoint) -> Result<Session> {
    let endpoint = Endpoint {
        read_only_intent: false,
        ..endpoint.clone()
    };
    Session::open(&endpoint, None, &Timeouts::default()).await
}

/// Fills the tables that are not filled yet; `say` receives a line per table.
///
/// # Errors
/// `Usage` if another recipe filled the source.
pub(super) async fn fill(
    endpoint: &Endpoint,
    schema: &Identifier,
    recipe: Recipe,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Filled> {
    let mut session = writer(endpoint).await?;
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
    for rows in Rows::of_all(recipe) {
        let table = rows.table;
        if is_filled(&mut session, &rows, recipe).await? {
            continue;
        }
        say(&format!(
            "demo: filling {} with {} rows",
            table.name,
            thousands(rows.row_count())
        ));
        let row_count = rows.row_count();
        fill_table(&mut session, schema, table, &Arc::new(rows)).await?;
        record(&mut session, table.name, row_count, recipe).await?;
    }
    Ok(Filled {
        was_mended: recorded(&mut session, MENDED).await?.is_some(),
    })
}

/// Drops tables that an interrupted fill has left.
pub(super) async fn drop_unfilled(endpoint: &Endpoint, schema: &Identifier, recipe: Recipe) -> Result<()> {
    let mut session = writer(endpoint).await?;
    for rows in Rows::of_all(recipe) {
        if recorded(&mut session, rows.table.name).await?.is_none() {
            let name = rows.table.name_in(schema).quoted();
            session.batch(&format!("DROP TABLE IF EXISTS {name}")).await?;
        }
    }
    Ok(())
}

/// Records that the demo's rows were changed and mended.
pub(super) async fn mended(endpoint: &Endpoint, recipe: Recipe) -> Result<()> {
    record(&mut writer(endpoint).await?, MENDED, 0, recipe).await
}

/// Records a finished step and its rows.
async fn record(session: &mut Session, name: &str, row_count: u64, recipe: Recipe) -> Result<()> {
    let sql = "INSERT INTO [dbo].[demo_table] ([table_name], [row_count], [seed]) VALUES (@P1, @P2, @P3)";
    let row_count = Value::Integer(row_count.cast_signed());
    let seed = Value::Integer(recipe.seed.cast_signed());
    session
        .execute(sql, &[Value::Text(name), row_count, seed])
        .await?;
    Ok(())
}

/// The rows and the seed of a recorded step; `None` if it is not recorded.
async fn recorded(session: &mut Session, name: &str) -> Result<Option<(u64, u64)>> {
    let sql = "SELECT [row_count], [seed] FROM [dbo].[demo_table] WHERE [table_name] = @P1";
    let found = session.rows(sql, &[Value::Text(name)]).await?;
    let pair = found
        .first()
        .map(|row| Ok((row.integer(0)?.cast_unsigned(), row.integer(1)?.cast_unsigned())));
    pair.transpose()
}

async fn is_filled(session: &mut Session, rows: &Rows, recipe: Recipe) -> Result<bool> {
    let Some((row_count, seed)) = recorded(session, rows.table.name).await? else {
        return Ok(false);
    };
    if (row_count, seed) == (rows.row_count(), recipe.seed) {
        return Ok(true);
    }
    let scale = match rows.table.date_column {
        Some(_) => "--scale",
        None => "--reference-scale",
    };
    let text = format!(
        "The demo there was made with --seed {seed} and {} rows in {}; give the {scale} and --seed it was made with, \
         or another --dir",
        thousands(row_count),
        rows.table.name
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
    let names: Vec<String> = columns.iter().map(|column| column.name.quoted()).collect();
    let values: Vec<String> = columns
        .iter()
        .zip(&staged)
        .map(|(column, staged)| stage_expression(&staged.name.quoted(), staged.data_type, column))
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
        session.empty_stage(STAGE, &staged).await?;
        session.bulk_load(STAGE, 0, &batch, &staged).await?;
        session.execute(&insert, &[]).await?;
    }
    for index in table.index_sql(schema) {
        session.batch(&index).await?;
    }
    Ok(())
}

/// Generates the batch that starts at row `from`, on a thread of its own.
fn make(rows: &Arc<Rows>, from: u64) -> tokio::task::JoinHandle<Result<crate::model::row::Batch>> {
    let rows = Arc::clone(rows);
    let to = (from + BATCH_ROWS).min(rows.row_count());
    tokio::task::spawn_blocking(move || rows.batch(from, to))
}
