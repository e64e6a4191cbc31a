//! The target table of a plan: made where it is missing, found where it is there, and asked about its ranges.

use crate::chunk::KeyRange;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::mssql::{Session, catalog};
use crate::plan::TablePlan;
use crate::predicate::{Extent, Where};
use crate::receipt::Incarnation;
use crate::row::Value;
use crate::table::{Column, TableSchema};
use crate::window::Kind;

/// SQL Server's limit of a name, for the names of constraints that are made from a table's.
const NAME_UNITS_MAX: usize = 128;

/// A target table as a run writes it.
#[derive(Debug, Clone)]
pub struct Target {
    /// `[schema].[name]`.
    pub quoted: String,
    /// The target's column for each of the plan's columns, in the plan's order.
    pub columns: Vec<Column>,
    /// Which table it is.
    pub incarnation: Incarnation,
}

impl Target {
    /// Finds the plan's target table, or makes it: the source's columns, clustered on the key, with the unique
    /// index's columns as a nonclustered primary key. Returns whether it was made.
    ///
    /// # Errors
    /// `Preflight` when a table is there that lacks a column; what the session returns.
    pub async fn open(session: &mut Session, plan: &TablePlan) -> Result<(Target, bool)> {
        if let Some(schema) = catalog::describe(session, &plan.target).await? {
            return Ok((Target::new(plan, &schema)?, false));
        }
        failpoint::step("target: before the table is made");
        // DDL of one transaction: a crash leaves the table with its indexes, or no table.
        session
            .batch(&format!(
                "BEGIN TRANSACTION; {} COMMIT TRANSACTION;",
                create_sql(plan)
            ))
            .await?;
        failpoint::step("target: after the table is made");
        let schema = catalog::describe(session, &plan.target).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!(
                    "Target table {} was made and cannot be seen; grant VIEW DEFINITION on its schema",
                    plan.target
                ),
            )
        })?;
        Ok((Target::new(plan, &schema)?, true))
    }

    /// The target table for a plan.
    ///
    /// # Errors
    /// `Preflight` when a column of the plan is missing there.
    pub fn new(plan: &TablePlan, schema: &TableSchema) -> Result<Target> {
        let mut columns = Vec::with_capacity(plan.columns().len());
        for column in plan.columns() {
            let position = schema.position(column.name.as_str()).ok_or_else(|| {
                Error::new(
                    ErrorKind::Preflight,
                    format!(
                        "Target table {} has no column {} ({}); add it there, or drop the table to have it made anew",
                        plan.target, column.name, column.data_type
                    ),
                )
            })?;
            columns.push(schema.columns[position].clone());
        }
        Ok(Target {
            quoted: plan.target.quoted(),
            columns,
            incarnation: Incarnation {
                object_id: schema.object_id,
                created: schema.create_date.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            },
        })
    }

    fn key_columns(&self, plan: &TablePlan, kind: Kind) -> Vec<&Column> {
        plan.key
            .order(kind)
            .into_iter()
            .map(|position| &self.columns[position])
            .collect()
    }

    /// The target's date column, where the table has windows of dates.
    pub fn date(&self, plan: &TablePlan) -> Option<&Column> {
        plan.key.date.map(|position| &self.columns[position])
    }

    /// The WHERE clause of a chunk at the target.
    pub fn range<'a>(
        &self,
        plan: &TablePlan,
        extent: Extent,
        range: &'a KeyRange,
    ) -> Result<(String, Vec<Value<'a>>)> {
        let mut clause = Where::default();
        clause.extent(self.date(plan), extent);
        let columns = self.key_columns(plan, extent.kind());
        if let Some(after) = &range.after {
            clause.after(&columns, after)?;
        }
        if let Some(through) = &range.through {
            clause.through(&columns, through)?;
        }
        Ok(clause.finish())
    }

    /// Number of rows of a chunk's range at the target.
    pub async fn count(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        extent: Extent,
        range: &KeyRange,
    ) -> Result<u64> {
        let (filter, params) = self.range(plan, extent, range)?;
        let rows = session
            .rows(
                &format!("SELECT COUNT_BIG(*) FROM {}{filter}", self.quoted),
                &params,
            )
            .await?;
        let count = rows
            .first()
            .map(|row| row.integer(0))
            .transpose()?
            .unwrap_or_default();
        Ok(count.cast_unsigned())
    }
}

/// The statements that make a plan's target table.
pub fn create_sql(plan: &TablePlan) -> String {
    let mut parts: Vec<String> = plan
        .columns()
        .iter()
        .map(|column| {
            let collation = match &column.collation {
                Some(collation) if column.data_type.is_text() => format!(" COLLATE {collation}"),
                _ => String::new(),
            };
            let null = if column.nullable { "NULL" } else { "NOT NULL" };
            format!("{} {}{collation} {null}", column.name.quoted(), column.data_type)
        })
        .collect();
    let unique: Vec<String> = plan
        .key
        .unique
        .iter()
        .map(|position| plan.columns()[*position].name.quoted())
        .collect();
    let table = plan.target.quoted();
    parts.push(format!(
        "CONSTRAINT {} PRIMARY KEY NONCLUSTERED ({})",
        named("PK_", plan.target.name.as_str()),
        unique.join(", ")
    ));
    let key: Vec<String> = plan
        .key_columns(Kind::Dates)
        .iter()
        .map(|column| column.name.quoted())
        .collect();
    format!(
        "CREATE TABLE {table} ({}); CREATE UNIQUE CLUSTERED INDEX {} ON {table} ({});",
        parts.join(", "),
        named("CX_", plan.target.name.as_str()),
        key.join(", ")
    )
}

fn named(prefix: &str, table: &str) -> String {
    let mut name = String::from(prefix);
    for c in table.chars() {
        if name.encode_utf16().count() + c.len_utf16() > NAME_UNITS_MAX {
            break;
        }
        name.push(c);
    }
    format!("[{}]", name.replace(']', "]]"))
}
