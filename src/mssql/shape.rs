//! The shape of a table: its indexes, and the obstacles to a shadow table that would take its place with the same
//! columns.

use std::collections::BTreeMap;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::shown;
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
    /// The options that are not as they are by default, as WITH takes them.
    pub options: Vec<String>,
}

/// Statistics that somebody created, over these columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsShape {
    /// Their name.
    pub name: Identifier,
    /// Their columns.
    pub columns: Vec<Identifier>,
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
    /// The statistics that a statement can recreate.
    pub statistics: Vec<StatisticsShape>,
    /// The LOCK_ESCALATION of the table; `None` for the default.
    pub lock_escalation: Option<&'static str>,
    /// The features that a copy would lack, as an operator reads them.
    pub obstacles: Vec<String>,
}

const INDEXES: &str = "SELECT i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.is_unique_constraint, \
    i.has_filter, i.is_disabled, ic.is_descending_key, ic.is_included_column, c.name AS [column_name] \
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
    JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id \
    WHERE i.object_id = @P1 AND i.is_hypothetical = 0 ORDER BY i.index_id, ic.is_included_column, ic.key_ordinal, \
    ic.index_column_id";

/// The options of the indexes, and how their rows are compressed.
const OPTIONS: &str = "SELECT i.index_id, i.fill_factor, i.is_padded, i.ignore_dup_key, i.allow_row_locks, i.allow_page_locks, \
    s.no_recompute, p.data_compression FROM sys.indexes AS i \
    JOIN sys.partitions AS p ON p.object_id = i.object_id AND p.index_id = i.index_id AND p.partition_number = 1 \
    LEFT JOIN sys.stats AS s ON s.object_id = i.object_id AND s.stats_id = i.index_id WHERE i.object_id = @P1";

/// `sys.partitions.data_compression` of rows and of pages. The others are those of columnstores.
const COMPRESSIONS: [(i64, &str); 2] = [(1, "ROW"), (2, "PAGE")];

/// Statistics that neither an index nor the server itself made.
const STATISTICS: &str = "SELECT s.stats_id, s.name AS [statistics_name], s.no_recompute, s.has_filter, c.name AS [column_name] \
    FROM sys.stats AS s JOIN sys.stats_columns AS sc ON sc.object_id = s.object_id AND sc.stats_id = s.stats_id \
    JOIN sys.columns AS c ON c.object_id = sc.object_id AND c.column_id = sc.column_id \
    WHERE s.object_id = @P1 AND s.user_created = 1 ORDER BY s.stats_id, sc.stats_column_id";

/// When the server locks the whole table for a statement that locks much of it.
const ESCALATION: &str = "SELECT lock_escalation FROM sys.tables WHERE object_id = @P1";

/// `sys.tables.lock_escalation`, where it is not the default.
const ESCALATIONS: [(i64, &str); 2] = [(1, "DISABLE"), (2, "AUTO")];

/// A feature, and the query that counts how many of it the table has.
const PROBES: [(&str, &str); 21] = [
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
        "partitions, or the compression of a heap or a columnstore",
        "SELECT COUNT(*) AS [found] FROM sys.partitions WHERE object_id = @P1 \
         AND (partition_number > 1 OR data_compression > 2 OR (index_id = 0 AND data_compression > 0))",
    ),
    (
        "a filegroup that is not the default",
        "SELECT COUNT(*) AS [found] FROM sys.indexes AS i JOIN sys.data_spaces AS d ON d.data_space_id = i.data_space_id \
         WHERE i.object_id = @P1 AND d.is_default = 0",
    ),
    (
        "extended properties",
        "SELECT COUNT(*) AS [found] FROM sys.extended_properties WHERE class IN (1, 7) AND major_id = @P1",
    ),
    (
        "sensitivity classifications",
        "SELECT COUNT(*) AS [found] FROM sys.sensitivity_classifications WHERE class = 1 AND major_id = @P1",
    ),
    (
        "an audit of it",
        "SELECT COUNT(*) AS [found] FROM sys.database_audit_specification_details WHERE major_id = @P1",
    ),
    (
        "storage in memory",
        "SELECT COUNT(*) AS [found] FROM sys.tables WHERE object_id = @P1 AND is_memory_optimized = 1",
    ),
    (
        "a filegroup for large values that is not the default",
        "SELECT COUNT(*) AS [found] FROM sys.tables AS t JOIN sys.data_spaces AS d ON d.data_space_id = t.lob_data_space_id \
         WHERE t.object_id = @P1 AND d.is_default = 0",
    ),
    (
        "options of sp_tableoption",
        "SELECT COUNT(*) AS [found] FROM sys.tables WHERE object_id = @P1 \
         AND (text_in_row_limit > 0 OR large_value_types_out_of_row = 1)",
    ),
    (
        "an index that is optimized for sequential keys",
        "SELECT COUNT(*) AS [found] FROM sys.indexes WHERE object_id = @P1 AND optimize_for_sequential_key = 1",
    ),
];

/// The foreign keys of a table to itself.
const TO_ITSELF: &str = "SELECT COUNT(*) AS [found] FROM sys.foreign_keys WHERE parent_object_id = @P1 \
    AND referenced_object_id = @P1";

/// The foreign keys of other tables to a table.
const FROM_OTHERS: &str = "SELECT COUNT(*) AS [found] FROM sys.foreign_keys WHERE parent_object_id <> @P1 \
    AND referenced_object_id = @P1";

/// A login that may not see all permissions would mistake a table with grants for one without. The owner of the
/// database sees all of them, even on a server that lacks this permission.
///
/// The same goes for classifications, which a login without their own permission does not see. A server that has
/// none answers NULL.
const SEES: &str = "SELECT CASE WHEN USER_NAME() = N'dbo' THEN 1 \
    ELSE HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW DEFINITION') END AS [sees_grants], \
    CASE WHEN USER_NAME() = N'dbo' THEN 1 \
    ELSE COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW ANY SENSITIVITY CLASSIFICATION'), 1) END \
    AS [sees_classifications]";

/// What a login may not see without which right, by the column that says whether it has it.
const UNSEEN: [(&str, &str); 2] = [
    (
        "sees_grants",
        "permissions that this login may not see (VIEW DEFINITION on the database shows them)",
    ),
    (
        "sees_classifications",
        "sensitivity classifications that this login may not see (VIEW ANY SENSITIVITY CLASSIFICATION on the database \
         shows them)",
    ),
];

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
    let options = options(&told(session, OPTIONS, &id).await?)?;
    let mut shape = indexes(&session.rows(INDEXES, &id).await?, &options)?;
    statistics(&told(session, STATISTICS, &id).await?, &mut shape)?;
    for row in told(session, ESCALATION, &id).await? {
        let escalation = row.optional_integer("lock_escalation")?;
        shape.lock_escalation = named(&ESCALATIONS, escalation);
    }
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
    shape.obstacles.extend(unseen(session).await?);
    for (what, sql) in PROBES {
        match count(session, sql, &id).await {
            Ok(0) => {}
            Ok(_) => shape.obstacles.push(what.to_owned()),
            Err(error) if is_lacking(&error) => {}
            // Another vendor's server has its own numbers, so ask it for the view.
            Err(error) if error.kind() == ErrorKind::Statement && !has_view(session, sql).await? => {}
            Err(error) if error.kind().is_of_the_statement() => {
                shape.obstacles.push(format!(
                    "{what}, which this login may not see (the script that `sync migrate --admin etl-user` prints grants that)"
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(shape)
}

/// Whether a foreign key of a table points at the table itself.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn points_at_itself(session: &mut Session, object_id: i32) -> Result<bool> {
    let id = [Value::Integer(i64::from(object_id))];
    Ok(count(session, TO_ITSELF, &id).await? > 0)
}

/// Whether a foreign key of another table points at a table.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn is_pointed_at(session: &mut Session, object_id: i32) -> Result<bool> {
    let id = [Value::Integer(i64::from(object_id))];
    Ok(count(session, FROM_OTHERS, &id).await? > 0)
}

/// The rows of a catalog query; none if the server lacks the view or a column of it, and with it the feature.
async fn told(session: &mut Session, sql: &str, id: &[Value<'_>]) -> Result<Vec<Row>> {
    match session.rows(sql, id).await {
        Err(error) if error.kind() == ErrorKind::Statement || is_lacking(&error) => Ok(Vec::new()),
        told => told,
    }
}

/// Whether the server lacks the view, or the column in it.
fn is_lacking(error: &Error) -> bool {
    let number = error.number();
    number.is_some_and(|number| NO_SUCH_OBJECT.contains(&number))
}

fn named(names: &[(i64, &'static str)], number: Option<i64>) -> Option<&'static str> {
    let found = names.iter().find(|(of, _)| Some(*of) == number);
    found.map(|(_, name)| *name)
}

/// The options of each index, by its number.
fn options(rows: &[Row]) -> Result<BTreeMap<i64, Vec<String>>> {
    let mut all = BTreeMap::new();
    for row in rows {
        let mut options = Vec::new();
        // 0 and 100 are the same.
        let fill_factor = row.integer("fill_factor")? % 100;
        if fill_factor > 0 {
            options.push(format!("FILLFACTOR = {fill_factor}"));
        }
        for (column, usual, option) in [
            ("is_padded", false, "PAD_INDEX"),
            ("ignore_dup_key", false, "IGNORE_DUP_KEY"),
            ("allow_row_locks", true, "ALLOW_ROW_LOCKS"),
            ("allow_page_locks", true, "ALLOW_PAGE_LOCKS"),
            ("no_recompute", false, "STATISTICS_NORECOMPUTE"),
        ] {
            let on = match row.is_null(column)? {
                true => usual,
                false => row.flag(column)?,
            };
            if on != usual {
                options.push(format!("{option} = {}", if on { "ON" } else { "OFF" }));
            }
        }
        if let Some(compression) = named(&COMPRESSIONS, row.optional_integer("data_compression")?) {
            options.push(format!("DATA_COMPRESSION = {compression}"));
        }
        all.insert(row.integer("index_id")?, options);
    }
    Ok(all)
}

/// Adds the statistics that somebody created. Those of a part of the rows, or which are never brought up to date, would be
/// others over a new table.
fn statistics(rows: &[Row], shape: &mut Shape) -> Result<()> {
    for row in rows {
        let name = Identifier::new(row.text("statistics_name")?)?;
        if row.flag("has_filter")? || row.flag("no_recompute")? {
            let text = format!("statistics {name}, which are filtered or not recomputed");
            if !shape.obstacles.contains(&text) {
                shape.obstacles.push(text);
            }
            continue;
        }
        let column = Identifier::new(row.text("column_name")?)?;
        match shape.statistics.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns.push(column),
            None => shape.statistics.push(StatisticsShape {
                name,
                columns: vec![column],
            }),
        }
    }
    Ok(())
}

/// What the login may not see of any table.
async fn unseen(session: &mut Session) -> Result<Vec<String>> {
    let rows = match session.rows(SEES, &[]).await {
        Ok(rows) => rows,
        Err(error) if error.kind().is_of_the_statement() => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut unseen = Vec::new();
    for (column, text) in UNSEEN {
        let sees = match rows.first() {
            Some(row) => row.optional_integer(column)? == Some(1),
            None => false,
        };
        if !sees {
            unseen.push(text.to_owned());
        }
    }
    Ok(unseen)
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

fn indexes(rows: &[Row], options: &BTreeMap<i64, Vec<String>>) -> Result<Shape> {
    let mut shape = Shape::default();
    let mut last = None;
    for row in rows {
        let (id, kind) = (row.integer("index_id")?, row.integer("type")?);
        let first = last != Some(id);
        last = Some(id);
        let plain = kind == CLUSTERED || kind == NONCLUSTERED;
        if !plain || row.flag("has_filter")? || row.flag("is_disabled")? {
            if first {
                let name = shown(row.optional_text("index_name")?.unwrap_or_default());
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
                options: options.get(&id).cloned().unwrap_or_default(),
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
