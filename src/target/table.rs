//! The target table of a plan: creates it if it is missing, finds it if it exists, and counts the rows of its
//! ranges.

use chrono::NaiveDateTime;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::model::chunk::KeyRange;
use crate::model::plan::TablePlan;
use crate::model::row::Value;
use crate::model::table::{Column, DataType, Identifier, TableSchema};
use crate::model::window::{Bounds, Extent, Kind, Window};
use crate::mssql::{Session, catalog};
use crate::target::create::{create_sql, no_escalation_sql};
use crate::target::receipt::Incarnation;
use crate::tsql::expression::staged;
use crate::tsql::expression::{collate, read_expression, stage_expression};
use crate::tsql::predicate::{Where, near, next_midnight};
use crate::tsql::seek::{Seeks, Span};

/// The least rows that a server compresses as they come; fewer wait in a delta rowgroup.
const COLUMNSTORE_ROWS_MIN: usize = 102_400;

/// A target table as a run writes it.
#[derive(Debug, Clone)]
pub struct Target {
    /// `[schema].[name]`.
    pub quoted: String,
    /// The target's column for each of the plan's columns, in the plan's order.
    pub columns: Vec<Column>,
    /// The same columns with the collations by which keys are compared. The order of chunks follows the
    /// source's collations, and only these tell all keys apart. If the target has the same collations, its
    /// index serves.
    compared: Vec<Column>,
    /// For each of the columns whether an index over all rows begins with it.
    indexed: Vec<bool>,
    /// For each of the columns whether an index has it, which keeps its type from being changed.
    pub in_index: Vec<bool>,
    /// Whether a unique index refuses a second row of a unique key, by the source's comparison.
    pub enforces_key: bool,
    /// Whether it has columns that the plan has not, whose values go with a row that is deleted and inserted again.
    pub has_more_columns: bool,
    /// Whether a columnstore keeps its rows.
    columnstore: bool,
    /// The identity of the table.
    pub incarnation: Incarnation,
    /// Whether chunks are merged into it row by row, because foreign keys may point at its rows.
    pub by_row: bool,
}

impl Target {
    /// Finds the plan's target table, or creates it: the source's columns, clustered on the key, with the
    /// unique index's columns as the primary key, and an index on the date if the key has none. Returns whether it was created.
    ///
    /// # Errors
    /// `Preflight` when the table exists but lacks a column, cannot take rows or holds no value of a column; those of
    /// the session.
    pub async fn open(session: &mut Session, plan: &TablePlan) -> Result<(Target, bool)> {
        if let Some(schema) = catalog::describe(session, &plan.target).await? {
            takes_rows(session, plan, &schema).await?;
            let target = Target::new(plan, &schema)?;
            target.refuse_misfits(plan)?;
            return Ok((target, false));
        }
        failpoint::step("target: before the table is made");
        // One transaction holds the DDL, so that a crash leaves the table with its indexes, or no table.
        session
            .batch(&format!(
                "BEGIN TRANSACTION; {} COMMIT TRANSACTION;",
                create_sql(plan)
            ))
            .await?;
        failpoint::step("target: after the table is made");
        match session.batch(&no_escalation_sql(&plan.target)).await {
            Err(error) if error.kind() != ErrorKind::Statement => return Err(error),
            _ => {}
        }
        Ok((Target::made(session, plan).await?, true))
    }

    /// The plan's target table, just after it was created.
    ///
    /// # Errors
    /// `Preflight` when it cannot be seen; those of the session.
    pub async fn made(session: &mut Session, plan: &TablePlan) -> Result<Target> {
        let schema = catalog::describe(session, &plan.target).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!(
                    "Target table {} was created, but the login cannot see it; grant VIEW DEFINITION on its \
                     schema",
                    plan.target
                ),
            )
        })?;
        Target::new(plan, &schema)
    }

    /// The target table for a plan.
    ///
    /// # Errors
    /// `Preflight` when a column of the plan is missing there.
    pub fn new(plan: &TablePlan, schema: &TableSchema) -> Result<Target> {
        let mut columns = Vec::with_capacity(plan.columns().len());
        let mut missing = Vec::new();
        for column in plan.columns() {
            match schema.position(column.name.as_str()) {
                Some(position) => columns.push(schema.columns[position].clone()),
                None => missing.push(format!("{} ({})", column.name, column.data_type)),
            }
        }
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorKind::Preflight,
                format!(
                    "Target table {} has no column {}; add it there, or drop the table to have it recreated",
                    plan.target,
                    missing.join(", ")
                ),
            ));
        }
        let compared = columns.iter().zip(plan.columns()).map(|(column, source)| Column {
            collation: source.collation.clone().or_else(|| column.collation.clone()),
            ..column.clone()
        });
        Ok(Target {
            quoted: plan.target.quoted(),
            compared: compared.collect(),
            enforces_key: enforces_key(plan, schema, &columns),
            // An index in another collation finds no key of this one.
            indexed: columns
                .iter()
                .zip(plan.columns())
                .map(|(own, source)| {
                    schema.begins_with(&own.name)
                        && (source.collation.is_none() || own.collation == source.collation)
                })
                .collect(),
            in_index: columns.iter().map(|own| schema.is_indexed(&own.name)).collect(),
            has_more_columns: schema.columns.len() + schema.refused.len() > columns.len(),
            columns,
            columnstore: schema.columnstore,
            incarnation: Incarnation::of(schema),
            by_row: false,
        })
    }

    /// The most rows of a chunk that is loaded into it, where `configured` is what the user asks for. Into a columnstore
    /// they are enough for the server to compress them at once, unless their bytes are too many for a chunk.
    pub fn chunk_rows(&self, configured: usize) -> usize {
        match self.columnstore {
            true => configured.max(COLUMNSTORE_ROWS_MIN),
            false => configured,
        }
    }

    /// What the table's storage asks of a run, for whom it is planned.
    pub fn storage_note(&self, configured: usize) -> Option<String> {
        (self.chunk_rows(configured) > configured).then(|| {
            format!(
                "{} is a columnstore, so chunks have up to {COLUMNSTORE_ROWS_MIN} rows, not {configured}, because the \
                 server compresses so many at once; raise chunk_bytes_max if it ends them before",
                self.quoted
            )
        })
    }

    /// Whether a NULL of the source may meet a column that takes none, so that only some rows are refused.
    pub fn refuses_some(&self, plan: &TablePlan) -> bool {
        let mut columns = self.columns.iter().zip(plan.columns());
        columns.any(|(own, source)| source.nullable && !own.nullable)
    }

    /// The same table, loaded row by row if its rows have a key.
    pub fn by_row(self, plan: &TablePlan) -> Target {
        Target {
            by_row: plan.has_key(),
            ..self
        }
    }

    /// Whether an index finds the keys of the chunks of a kind of window.
    pub fn finds_keys(&self, plan: &TablePlan, kind: Kind) -> bool {
        let order = plan.key.order(kind);
        order.first().is_none_or(|first| self.indexed[*first])
    }

    /// The columns that a window's rows are ordered by, with the collations by which keys are compared.
    pub fn key_columns(&self, plan: &TablePlan, kind: Kind) -> Vec<&Column> {
        plan.key
            .order(kind)
            .into_iter()
            .map(|position| &self.compared[position])
            .collect()
    }

    /// The key columns whose own collation differs from the source's in order or equality.
    pub fn reordered(&self, plan: &TablePlan) -> impl Iterator<Item = &Column> {
        let unique = plan.key.unique.iter();
        unique
            .map(|position| (&self.columns[*position], &self.compared[*position]))
            .filter(|(own, compared)| own.collation != compared.collation)
            .map(|(own, _)| own)
    }

    /// The condition that a row `t` of the table and a staged row `l` have the same unique key. If the
    /// collations differ, the keys must be equal in both: in the table's own, so that its index can be used,
    /// and in the source's.
    pub fn same_key(&self, plan: &TablePlan) -> String {
        let mut equal = Vec::new();
        for position in &plan.key.unique {
            let (own, compared) = (&self.columns[*position], &self.compared[*position]);
            let source = plan.columns()[*position].data_type;
            let value = stage_expression(&format!("l.[{}]", staged(*position)), source, own);
            equal.push(format!("t.{} = {value}", own.name.quoted()));
            if own.collation != compared.collation {
                equal.push(format!("t.{} = {value}{}", own.name.quoted(), collate(compared)));
            }
        }
        equal.join(" AND ")
    }

    /// The condition that a row `t` of the table has the values `v.[k0]`, `v.[k1]` and so on in the columns at `positions`, by
    /// the source's comparison.
    pub fn same_values(&self, positions: &[usize]) -> String {
        let equal = positions.iter().enumerate().map(|(number, position)| {
            let name = self.columns[*position].name.quoted();
            format!("t.{name} = v.[k{number}]{}", collate(&self.compared[*position]))
        });
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// The condition that a row `t` of this table and a row `n` of another table of the plan have the same
    /// unique key.
    pub fn same_key_as(&self, plan: &TablePlan, other: &Target) -> String {
        let equal = plan.key.unique.iter().map(|position| {
            let (own, theirs) = (&self.columns[*position], &other.columns[*position]);
            let collation = collate(&self.compared[*position]);
            format!(
                "t.{} = n.{}{}",
                own.name.quoted(),
                theirs.name.quoted(),
                if own.collation == theirs.collation {
                    ""
                } else {
                    &collation
                }
            )
        });
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// ` ORDER BY` the columns of `t` that a window's rows are ordered by, each by the collation that it is
    /// compared by.
    pub fn order_by(&self, plan: &TablePlan, kind: Kind) -> String {
        let columns = plan.key.order(kind).into_iter().map(|position| {
            let (own, compared) = (&self.columns[position], &self.compared[position]);
            let collation = match own.collation == compared.collation {
                true => String::new(),
                false => collate(compared),
            };
            format!("t.{}{collation}", own.name.quoted())
        });
        format!(" ORDER BY {}", columns.collect::<Vec<_>>().join(", "))
    }

    /// The target's date column, if the table has windows of dates.
    pub fn date(&self, plan: &TablePlan) -> Option<&Column> {
        plan.key.date.map(|position| &self.columns[position])
    }

    /// The select list that reads the columns back in the source's types.
    pub fn select(&self, plan: &TablePlan) -> String {
        let expressions = self.expressions(plan).map(|(read, _)| read);
        expressions.collect::<Vec<_>>().join(", ")
    }

    /// The expression that reads each column back, and the source's type.
    fn expressions(&self, plan: &TablePlan) -> impl Iterator<Item = (String, DataType)> {
        let columns = self.columns.iter().zip(plan.columns());
        columns.map(|(column, source)| (read_expression(column, source.data_type), source.data_type))
    }

    /// The same for a SELECT whose rows are staged. A `datetime` is staged as the milliseconds that it prints, which is
    /// how the driver stages it: the server would turn it into a `datetime2` of other digits.
    pub fn select_to_stage(&self, plan: &TablePlan) -> String {
        let expressions = self.expressions(plan).map(|(read, data_type)| match data_type {
            DataType::DateTime => format!("CAST({read} AS datetime2(3))"),
            _ => read,
        });
        expressions.collect::<Vec<_>>().join(", ")
    }

    /// The names of its columns, for a SELECT.
    pub fn names(&self) -> String {
        let names = self.columns.iter().map(|column| column.name.quoted());
        names.collect::<Vec<_>>().join(", ")
    }

    /// The rows of a key range within `extent`.
    ///
    /// # Errors
    /// As [`Seeks::of`].
    pub fn range<'a>(&self, plan: &TablePlan, extent: Extent, range: &'a KeyRange) -> Result<Seeks<'a>> {
        self.range_after(plan, extent, range, Vec::new())
    }

    /// The same, for a statement that has `params` already.
    ///
    /// # Errors
    /// As [`Seeks::of`].
    pub fn range_after<'a>(
        &self,
        plan: &TablePlan,
        extent: Extent,
        range: &'a KeyRange,
        params: Vec<Value<'a>>,
    ) -> Result<Seeks<'a>> {
        let span = Span {
            extent,
            date: self.date(plan),
            key: &self.key_columns(plan, extent.kind()),
            range,
            in_pieces: self.finds_keys(plan, extent.kind()),
        };
        Seeks::of(span, params)
    }

    /// The part of a window that may be read: what is before `cutoff`. If keys have no date, it is extended to the last
    /// day of which the target has rows: a chunk's range may hold these, and a receipt proves all rows in its range.
    /// They are there because they were old enough once.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn readable(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        window: Window,
        cutoff: NaiveDateTime,
    ) -> Result<Extent> {
        let whole = Extent::of_window(window);
        let old = whole.before(cutoff);
        let (Some(date), Extent::Dates(all), Extent::Dates(readable)) = (self.date(plan), whole, old) else {
            return Ok(old);
        };
        if plan.key.date_first || readable == all {
            return Ok(old);
        }
        let young = Bounds {
            start: readable.end,
            ..all
        };
        let mut clause = Where::default();
        clause.extent(Some(date), Extent::Dates(young));
        let (filter, params) = clause.finish();
        let sql = format!(
            "SELECT CAST(MAX({}) AS date) AS [last] FROM {}{filter}",
            date.name.quoted(),
            self.quoted
        );
        let rows = session.rows(&sql, &params).await?;
        let last = match rows.first() {
            Some(row) if !row.is_null("last")? => row.date("last")?,
            _ => return Ok(old),
        };
        let end = next_midnight(*near(last, date.data_type).end());
        Ok(Extent::Dates(Bounds {
            end: end.clamp(readable.end, all.end),
            ..all
        }))
    }

    /// The number of rows of a window at the target, with or without a receipt.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn count_window(&self, session: &mut Session, plan: &TablePlan, window: Window) -> Result<u64> {
        let all = KeyRange {
            after: None,
            through: None,
        };
        self.count(session, plan, Extent::of_window(window), &all).await
    }

    /// The number of rows of a chunk's range at the target.
    pub async fn count(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        extent: Extent,
        range: &KeyRange,
    ) -> Result<u64> {
        let seeks = self.range(plan, extent, range)?;
        let sql = format!(
            "SELECT COUNT_BIG(*) FROM {}",
            seeks.from(&self.quoted, "1 AS [one]", "")
        );
        let rows = session.rows(&sql, &seeks.params).await?;
        let count = rows.first().map(|row| row.count(0)).transpose()?;
        Ok(count.unwrap_or_default())
    }
}

/// What would make a load change rows that it does not own, or refuse every one.
const TRAPS: &str = "SELECT (SELECT COUNT(*) FROM sys.foreign_keys WHERE referenced_object_id = @P1 \
    AND delete_referential_action <> 0 AND is_disabled = 0) AS [cascades], \
    (SELECT COUNT(*) FROM sys.tables WHERE object_id = @P1 AND is_memory_optimized = 1) AS [in_memory]";

/// Refuses a table whose rows cannot be loaded again without harm.
async fn no_traps(session: &mut Session, plan: &TablePlan, schema: &TableSchema) -> Result<()> {
    let id = [Value::Integer(i64::from(schema.object_id))];
    let rows = session.rows(TRAPS, &id).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let why = if row.integer("cascades")? > 0 {
        "is pointed at by a foreign key with ON DELETE CASCADE, SET NULL or SET DEFAULT: a chunk that is loaded again would \
         change or delete rows of the other table. Make it NO ACTION, disable it, or drop it"
    } else if row.integer("in_memory")? > 0 {
        "is memory-optimized, and a chunk's transaction cannot load it; copy into a table on disk"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Preflight,
        format!("Target table {} {why}", plan.target),
    ))
}

/// Checks that the table takes a plan's rows: each column that needs a value gets one, and no load changes other rows.
///
/// # Errors
/// `Preflight` for a column that needs a value and is none of the plan's, for a foreign key that deletes other rows, and
/// for a memory-optimized table; those of the session.
pub async fn takes_rows(session: &mut Session, plan: &TablePlan, schema: &TableSchema) -> Result<()> {
    let copied = |name: &Identifier| {
        let mut columns = plan.columns().iter();
        columns.any(|column| column.name.same_as(name.as_str()))
    };
    no_traps(session, plan, schema).await?;
    let needed = catalog::needed(session, schema).await?;
    let with_type = |name: &Identifier| match schema.position(name.as_str()) {
        Some(position) => format!("{name} ({})", schema.columns[position].data_type),
        None => name.to_string(),
    };
    let without: Vec<String> = needed
        .iter()
        .filter(|name| !copied(name))
        .map(with_type)
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!(
            "Target table {} takes no NULL in {}, which is not copied from the source, and has no default for it; \
             add a default, make it NULL, or drop it",
            plan.target,
            without.join(", ")
        ),
    ))
}

/// Whether a unique index over all rows has no column beside the unique key's, in the source's collations.
fn enforces_key(plan: &TablePlan, schema: &TableSchema, columns: &[Column]) -> bool {
    let unique = schema
        .indexes
        .iter()
        .filter(|index| index.unique && index.complete);
    let of_key = |name: &Identifier| {
        plan.key.unique.iter().any(|position| {
            let (own, source) = (&columns[*position], &plan.columns()[*position]);
            own.name.same_as(name.as_str()) && own.collation == source.collation
        })
    };
    unique.into_iter().any(|index| index.columns.iter().all(of_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::create::testing::{monthly, source};

    #[test]
    fn a_columnstore_takes_chunks_that_are_compressed_at_once() {
        let mut schema = source(&[("D", DataType::DateTime), ("ID", DataType::Int)]);
        let plan = monthly(schema.clone());
        let rows = Target::new(&plan, &schema).unwrap();
        assert_eq!(
            (rows.chunk_rows(20_000), rows.storage_note(20_000)),
            (20_000, None)
        );
        schema.columnstore = true;
        let columns = Target::new(&plan, &schema).unwrap();
        assert_eq!(columns.chunk_rows(20_000), 102_400);
        assert_eq!(columns.chunk_rows(500_000), 500_000);
        let note = columns.storage_note(20_000).unwrap();
        assert!(note.contains("[dbo].[t_S] is a columnstore"), "{note}");
        assert_eq!(columns.storage_note(102_400), None);
    }
}
