//! The tables of a schema as the catalog describes them: four statements, whatever their number.
//!
//! A table or a column whose name cannot be put into a statement makes its own table unfit and hides no other.

use std::collections::HashMap;

use crate::base::error::{Error, Result};
use crate::model::row::Value;
use crate::model::table::{Identifier, TableName, TableSchema};
use crate::mssql::catalog::{self, COLUMNSTORES};
use crate::mssql::{Row, Session};

/// The tables that the login sees, and whether it may read them: NULL if the server does not tell. Without those that the
/// server has made for itself, as replication does, and those whose rows are on another server.
const TABLES: &str = "SELECT t.object_id, t.create_date, t.name AS [table_name], \
    HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(t.name), N'OBJECT', N'SELECT') AS [may_select] \
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
    WHERE s.name = @P1 AND t.is_ms_shipped = 0 AND t.is_external = 0 ORDER BY t.name";

/// The number of rows of each table in the server's statistics: that of its heap or clustered index.
const ROW_COUNTS: &str = "SELECT p.object_id, SUM(p.rows) AS [row_count] FROM sys.partitions AS p \
    JOIN sys.tables AS t ON t.object_id = p.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
    WHERE s.name = @P1 AND p.index_id IN (0, 1) GROUP BY p.object_id";

/// As the catalog's statement on the columns of one table.
const COLUMNS: &str = "SELECT c.object_id, c.name AS [column_name], ty.name AS [type_name], ty.is_user_defined, \
    c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name, \
    base.name AS [base_type_name] FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id \
    JOIN sys.schemas AS s ON s.schema_id = t.schema_id LEFT JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id \
    LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id \
    WHERE s.name = @P1 ORDER BY c.object_id, c.column_id";

/// As the catalog's statement on the indexes of one table.
const INDEXES: &str = "SELECT i.object_id, i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, \
    i.has_filter, i.is_disabled, ic.is_descending_key, ic.key_ordinal, ic.partition_ordinal, c.name AS [column_name] \
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
    JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id \
    JOIN sys.tables AS t ON t.object_id = i.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
    WHERE s.name = @P1 AND i.is_hypothetical = 0 ORDER BY i.object_id, i.index_id, ic.key_ordinal, ic.index_column_id";

/// A table of a schema.
#[derive(Debug)]
pub struct Listed {
    /// Its name, exactly.
    pub name: String,
    /// Its number of rows in the server's statistics; `None` if the login may not see it.
    pub rows: Option<u64>,
    /// Whether the login may read it, as far as the server tells.
    pub may_read: bool,
    /// Its description, or why it has none.
    pub schema: Result<TableSchema>,
}

/// The tables of a schema that the login sees, by name.
///
/// # Errors
/// Those of [`Session::many_rows`].
pub async fn tables(session: &mut Session, schema: &Identifier) -> Result<Vec<Listed>> {
    let name = [Value::Text(schema.as_str())];
    let found = session.many_rows(TABLES, &name).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut columns = by_table(session.many_rows(COLUMNS, &name).await?)?;
    let mut indexes = by_table(session.many_rows(INDEXES, &name).await?)?;
    let counts = row_counts(session, schema).await?;
    let mut listed = Vec::new();
    for row in &found {
        let object_id = row.integer("object_id")?;
        let columns = columns.remove(&object_id).unwrap_or_default();
        let indexes = indexes.remove(&object_id).unwrap_or_default();
        listed.push(Listed {
            name: row.text("table_name")?.to_owned(),
            rows: counts.get(&object_id).copied(),
            may_read: row.optional_integer("may_select")? != Some(0),
            schema: described(schema, row, &columns, &indexes),
        });
    }
    Ok(listed)
}

fn described(schema: &Identifier, row: &Row, columns: &[Row], indexes: &[Row]) -> Result<TableSchema> {
    let name = TableName {
        schema: schema.clone(),
        name: catalog::identifier(row, "table_name")?,
    };
    let within = |error: Error| error.within(&name);
    let (columns, refused) = catalog::columns(columns).map_err(within)?;
    let mut columnstore = false;
    for row in indexes {
        columnstore |= COLUMNSTORES.contains(&row.integer("type")?);
    }
    let indexes = catalog::indexes(indexes).map_err(within)?;
    Ok(TableSchema {
        object_id: catalog::object_id(row)?,
        create_date: row.datetime("create_date")?,
        columns,
        refused,
        indexes,
        columnstore,
        name,
    })
}

/// Rows by the table that they are about, in their order.
fn by_table(rows: Vec<Row>) -> Result<HashMap<i64, Vec<Row>>> {
    let mut tables: HashMap<i64, Vec<Row>> = HashMap::new();
    for row in rows {
        tables.entry(row.integer("object_id")?).or_default().push(row);
    }
    Ok(tables)
}

/// The number of rows of each table; none if the login may not see them.
async fn row_counts(session: &mut Session, schema: &Identifier) -> Result<HashMap<i64, u64>> {
    let name = [Value::Text(schema.as_str())];
    let rows = match session.many_rows(ROW_COUNTS, &name).await {
        Ok(rows) => rows,
        Err(error) if error.kind().is_of_the_statement() => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut counts = HashMap::new();
    for row in &rows {
        if let Some(count) = row.optional_integer("row_count")? {
            counts.insert(row.integer("object_id")?, count.cast_unsigned());
        }
    }
    Ok(counts)
}
