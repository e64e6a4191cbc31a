//! Merges the staged rows into a range of the table, row by row: deletes the rows that are gone, updates
//! those that stay, and inserts the new ones.
//!
//! A reference table that other tables point at by foreign keys cannot lose its rows and get them back, not
//! even within one transaction. The rows of the range are read back after the merge and proven like any other
//! load.

use crate::base::error::Result;
use crate::base::failpoint;
use crate::model::plan::TablePlan;
use crate::model::table::Column;
use crate::mssql::Session;
use crate::target::stage::identity_insert;
use crate::target::table::Target;
use crate::tsql::expression::stage_expression;
use crate::tsql::expression::{STAGE, staged};
use crate::tsql::seek::Seeks;

/// Merges the staged rows into the rows of `range`, within the caller's transaction. The plan has a key.
///
/// # Errors
/// Those of the session, above all 547: a row is gone at the source, but a foreign key still points at it.
pub async fn merge(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    range: &Seeks<'_>,
) -> Result<()> {
    let statements = Statements::new(plan, target);
    session.execute(&statements.delete(range), &range.params).await?;
    failpoint::step("merge: after DELETE");
    if let Some(sql) = statements.update() {
        session.execute(&sql, &[]).await?;
    }
    failpoint::step("merge: after UPDATE");
    let [on, off] = identity_insert(target);
    let insert = format!("{on}{}; {off}", statements.insert());
    session.execute(&insert, &[]).await.map(|_| ())
}

struct Statements<'a> {
    table: &'a str,
    /// The target's columns, each with its staged value.
    columns: Vec<(&'a Column, String)>,
    same_key: String,
}

impl<'a> Statements<'a> {
    fn new(plan: &'a TablePlan, target: &'a Target) -> Self {
        let columns = target.columns.iter().enumerate().map(|(position, column)| {
            let source = plan.columns()[position].data_type;
            let value = stage_expression(&format!("l.[{}]", staged(position)), source, column);
            (column, value)
        });
        Statements {
            table: &target.quoted,
            columns: columns.collect(),
            same_key: target.same_key(plan),
        }
    }

    fn delete(&self, range: &Seeks<'_>) -> String {
        let deletes = range.pieces.iter().map(|piece| {
            format!(
                "DELETE t FROM {} AS t WHERE {} AND NOT EXISTS (SELECT 1 FROM {STAGE} AS l WHERE {})",
                self.table, piece, self.same_key
            )
        });
        deletes.collect::<Vec<_>>().join("; ")
    }

    /// The update writes every row that stays: rows that compare equal may still differ, by case, by trailing
    /// blanks or by their offset, in the key as well. `None` if the server numbers all columns.
    fn update(&self) -> Option<String> {
        let written = self.columns.iter().filter(|(column, _)| !column.identity);
        let set: Vec<String> = written
            .map(|(column, value)| format!("{} = {value}", column.name.quoted()))
            .collect();
        (!set.is_empty()).then(|| {
            format!(
                "UPDATE t SET {} FROM {} AS t JOIN {STAGE} AS l ON {}",
                set.join(", "),
                self.table,
                self.same_key
            )
        })
    }

    fn insert(&self) -> String {
        let (names, values): (Vec<String>, Vec<&str>) = self
            .columns
            .iter()
            .map(|(column, value)| (column.name.quoted(), value.as_str()))
            .unzip();
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {STAGE} AS l WHERE NOT EXISTS (SELECT 1 FROM {} AS t WHERE {})",
            self.table,
            names.join(", "),
            values.join(", "),
            self.table,
            self.same_key
        )
    }
}
