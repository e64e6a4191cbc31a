//! The shape of a table: its indexes, and the obstacles to a shadow table that would take its place with the same
//! columns.

use crate::base::error::{ErrorKind, Result};
use crate::model::row::Value;
use crate::model::table::{Identifier, TableSchema};
use crate::mssql::{Row, Session};

/// An index, as a CREATE INDEX or a constraint makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexShape {
    /// Its name.
    pub name: Identifier,
    /// Its kind.
    pub kind: IndexKind,
    /// Whether it is clustered: the rows are stored in its order.
    pub clustered: bool,
    /// Its key columns, and whether each is descending.
    pub columns: Vec<(Identifier, bool)>,
    /// Its included columns.
    pub included: Vec<Identifier>,
}

/// The kind of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// The primary key.
    PrimaryKey,
    /// A unique constraint.
    UniqueConstraint,
    /// A unique index.
    Unique,
    /// An index that is not unique.
    Plain,
}

/// The indexes of a table, and the obstacles to its replacement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// The indexes that a statement can recreate.
    pub indexes: Vec<IndexShape>,
    /// The features that a copy would lack, as an operator reads them.
    pub obstacles: Vec<String>,
}

const INDEXES: &str = "SELECT i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.is_unique_constraint, \
    i.has_filter, i.is_disabled, ic.is_descending_key, ic.is_included_column, c.name AS [column_name] \
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
    JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id \
    WHERE i.object_id = @P1 AND i.is_hypothetical = 0 ORDER BY i.index_id, ic.is_included_column, ic.key_ordinal, \
    ic.index_column_id";

/// A feature, and the query that counts how many of it the table has.
const PROBES: [(&str, &str); 15] = [
    (
        "permissions granted on it",
        "SELECT COUNT(*) AS [found] FROM sys.database_permissions WHERE class = 1 AND major_id = @P1",
    ),
    (
        "triggers",
        "SELECT COUNT(*) AS [found] FROM sys.triggers WHERE parent_id = @P1",
    ),
    (
        "foreign keys that point at it",
        "SELECT COUNT(*) AS [found] FROM sys.foreign_keys WHERE referenced_object_id = @P1",
    ),
    (
        "foreign keys",
        "SELECT COUNT(*) AS [found] FROM sys.foreign_keys WHERE parent_object_id = @P1 AND referenced_object_id <> @P1",
    ),
    (
        "check constraints",
        "SELECT COUNT(*) AS [found] FROM sys.check_constraints WHERE parent_object_id = @P1",
    ),
    (
        "column defaults",
        "SELECT COUNT(*) AS [found] FROM sys.default_constraints WHERE parent_object_id = @P1",
    ),
    (
        "schema-bound views or functions on it",
        "SELECT COUNT(*) AS [found] FROM sys.sql_expression_dependencies WHERE referenced_id = @P1 \
         AND is_schema_bound_reference = 1 AND referencing_id <> @P1",
    ),
    (
        "masked columns",
        "SELECT COUNT(*) AS [found] FROM sys.masked_columns WHERE object_id = @P1 AND is_masked = 1",
    ),
    (
        "row-level security",
        "SELECT COUNT(*) AS [found] FROM sys.security_predicates WHERE target_object_id = @P1",
    ),
    (
        "a full-text index",
        "SELECT COUNT(*) AS [found] FROM sys.fulltext_indexes WHERE object_id = @P1",
    ),
    (
        "change tracking",
        "SELECT COUNT(*) AS [found] FROM sys.change_tracking_tables WHERE object_id = @P1",
    ),
    (
        "change data capture, replication or system versioning",
        "SELECT COUNT(*) AS [found] FROM sys.tables WHERE object_id = @P1 \
         AND (is_tracked_by_cdc = 1 OR is_replicated = 1 OR temporal_type <> 0)",
    ),
    (
        "partitions or compression",
        "SELECT COUNT(*) AS [found] FROM sys.partitions WHERE object_id = @P1 AND (partition_number > 1 OR data_compression > 0)",
    ),
    (
        "a filegroup that is not the default",
        "SELECT COUNT(*) AS [found] FROM sys.indexes AS i JOIN sys.data_spaces AS d ON d.data_space_id = i.data_space_id \
         WHERE i.object_id = @P1 AND d.is_default = 0",
    ),
    (
        "extended properties",
        "SELECT COUNT(*) AS [found] FROM sys.extended_properties WHERE class = 1 AND major_id = @P1",
    ),
];

/// A login that may not see all permissions would mistake a table with grants for one without. The owner of the
/// database sees all of them, even on a server that lacks this permission.
const SEES_GRANTS: &str = "SELECT CASE WHEN USER_NAME() = N'dbo' THEN 1 \
    ELSE HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'VIEW DEFINITION') END AS [sees]";

/// Error numbers of a server without the view, or without the column in it: it lacks the feature.
const NO_SUCH_OBJECT: [u32; 2] = [208, 207];

/// `sys.indexes.type` of the two kinds that a plain CREATE INDEX makes.
const CLUSTERED: i64 = 1;
const NONCLUSTERED: i64 = 2;

/// Reads the shape of a table. A feature that the login may not see counts as an obstacle.
///
/// # Errors
/// Those of [`Session::rows`], except for views that the server lacks or hides.
pub async fn shape(session: &mut Session, table: &TableSchema) -> Result<Shape> {
    let id = [Value::Integer(i64::from(table.object_id))];
    let mut shape = indexes(&session.rows(INDEXES, &id).await?)?;
    for column in &table.refused {
        shape
            .obstacles
            .push(format!("column {} ({})", column.name, column.reason));
    }
    for column in table.columns.iter().filter(|column| column.identity) {
        shape
            .obstacles
            .push(format!("column {}, which the server numbers", column.name));
    }
    if !sees_grants(session).await? {
        shape.obstacles.push(
            "permissions that this login may not see (VIEW DEFINITION on the database shows them)".to_owned(),
        );
    }
    for (what, sql) in PROBES {
        match count(session, sql, &id).await {
            Ok(0) => {}
            Ok(_) => shape.obstacles.push(what.to_owned()),
            Err(error)
                if error
                    .number()
                    .is_some_and(|number| NO_SUCH_OBJECT.contains(&number)) => {}
            // Another vendor's server has its own numbers, so ask it for the view.
            Err(error) if error.kind() == ErrorKind::Statement && !has_view(session, sql).await? => {}
            Err(error) if matches!(error.kind(), ErrorKind::Statement | ErrorKind::Preflight) => {
                shape.obstacles.push(format!(
                    "{what}, which this login may not see (migrations/admin/setup_etl_user.sql grants that)"
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(shape)
}

async fn sees_grants(session: &mut Session) -> Result<bool> {
    match session.rows(SEES_GRANTS, &[]).await {
        Ok(rows) => match rows.first() {
            Some(row) => Ok(row.optional_integer("sees")? == Some(1)),
            None => Ok(false),
        },
        Err(error) if matches!(error.kind(), ErrorKind::Statement | ErrorKind::Preflight) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the server has the view that a probe reads first.
async fn has_view(session: &mut Session, probe: &str) -> Result<bool> {
    let view = probe
        .split_whitespace()
        .find(|word| word.starts_with("sys."))
        .unwrap_or_default();
    let rows = session
        .rows("SELECT OBJECT_ID(@P1) AS [object_id]", &[Value::Text(view)])
        .await?;
    match rows.first() {
        Some(row) => Ok(row.optional_integer("object_id")?.is_some()),
        None => Ok(false),
    }
}

async fn count(session: &mut Session, sql: &str, id: &[Value<'_>]) -> Result<i64> {
    let rows = session.rows(sql, id).await?;
    Ok(rows
        .first()
        .map(|row| row.integer("found"))
        .transpose()?
        .unwrap_or_default())
}

fn indexes(rows: &[Row]) -> Result<Shape> {
    let mut shape = Shape::default();
    let mut last = None;
    for row in rows {
        let (id, kind) = (row.integer("index_id")?, row.integer("type")?);
        let first = last != Some(id);
        last = Some(id);
        let plain = kind == CLUSTERED || kind == NONCLUSTERED;
        if !plain || row.flag("has_filter")? || row.flag("is_disabled")? {
            if first {
                let name = row.optional_text("index_name")?.unwrap_or_default();
                shape.obstacles.push(format!(
                    "index {name}, which is filtered, disabled or of another kind"
                ));
            }
            continue;
        }
        if first {
            shape.indexes.push(IndexShape {
                name: Identifier::new(row.text("index_name")?)?,
                kind: match (
                    row.flag("is_primary_key")?,
                    row.flag("is_unique_constraint")?,
                    row.flag("is_unique")?,
                ) {
                    (true, _, _) => IndexKind::PrimaryKey,
                    (_, true, _) => IndexKind::UniqueConstraint,
                    (_, _, true) => IndexKind::Unique,
                    _ => IndexKind::Plain,
                },
                clustered: kind == CLUSTERED,
                columns: Vec::new(),
                included: Vec::new(),
            });
        }
        if let Some(index) = shape.indexes.last_mut() {
            let column = Identifier::new(row.text("column_name")?)?;
            if row.flag("is_included_column")? {
                index.included.push(column);
            } else {
                index.columns.push((column, row.flag("is_descending_key")?));
            }
        }
    }
    Ok(shape)
}
