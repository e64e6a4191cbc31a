//! Merges the staged rows into a range of the table, row by row: deletes the rows that are gone, updates
//! those that stay, and inserts the new ones.
//!
//! A server checks foreign keys and unique indexes at the end of each statement, so the order of the three decides what
//! holds: a new row may take a unique value only after the row that had it is gone, and a row may go only after those that
//! point at it point at a new one. An order that is refused is tried in another transaction as another one.
//!
//! A reference table that other tables point at by foreign keys cannot lose its rows and get them back, not
//! even within one transaction. The rows of the range are read back after the merge and proven like any other
//! load.

use crate::base::error::{Error, Result};
use crate::base::failpoint;
use crate::model::plan::TablePlan;
use crate::model::table::Column;
use crate::mssql::shape::is_pointed_at;
use crate::mssql::{Session, is_conflict, is_duplicate_key};
use crate::target::stage::identity_insert;
use crate::target::table::Target;
use crate::tsql::expression::stage_expression;
use crate::tsql::expression::{STAGE, staged};
use crate::tsql::seek::Seeks;

/// The order of a merge's statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A value of a unique index passes from a row that goes to one that comes.
    DeletesFirst,
    /// Rows of the table point at each other.
    InsertsFirst,
    /// Both: all rows of the range go in one statement and come back in another. Nothing else may point at them, and the
    /// table has no other columns than those that are copied.
    Anew,
}

/// The orders of one merge that constraints have refused.
#[derive(Debug, Default)]
pub struct Orders {
    /// The first refusal, which is the one to tell: the later orders meet what only they do.
    refused: Option<Error>,
}

impl Orders {
    /// The order to try in another transaction, after `error` ended the one in `order`.
    ///
    /// # Errors
    /// The error, if no constraint refused rows; the first refusal, if there is no other order; those of the session.
    pub async fn after(
        &mut self,
        session: &mut Session,
        target: &Target,
        order: Order,
        error: Error,
    ) -> Result<Order> {
        if !is_duplicate_key(&error) && !is_conflict(&error) {
            return Err(error);
        }
        session.rollback().await?;
        let first = self.refused.take().unwrap_or(error);
        let next = match order {
            Order::DeletesFirst => Order::InsertsFirst,
            Order::InsertsFirst if may_go_at_once(session, target).await? => Order::Anew,
            Order::InsertsFirst | Order::Anew => return Err(first),
        };
        self.refused = Some(first);
        Ok(next)
    }
}

/// Whether all rows of a range may be deleted and inserted again. A foreign key of another table would refuse it, and a
/// column that is not copied would lose its values.
async fn may_go_at_once(session: &mut Session, target: &Target) -> Result<bool> {
    Ok(!target.has_more_columns && !is_pointed_at(session, target.incarnation.object_id).await?)
}

/// Merges the staged rows into the rows of `range`, within the caller's transaction. The plan has a key.
///
/// # Errors
/// Those of the session, above all 547: a row is gone at the source, but a foreign key still points at it.
pub async fn merge(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    range: &Seeks<'_>,
    order: Order,
) -> Result<()> {
    let statements = Statements::new(plan, target);
    let [on, off] = identity_insert(target);
    let insert = format!("{on}{}; {off}", statements.insert());
    let update = statements.update();
    let update = update.as_deref();
    let delete = |which| statements.delete(range, which);
    match order {
        Order::DeletesFirst => {
            session.execute(&delete(Which::Gone), &range.params).await?;
            failpoint::step("merge: after DELETE");
            if let Some(sql) = update {
                session.execute(sql, &[]).await?;
            }
            failpoint::step("merge: after UPDATE");
            session.execute(&insert, &[]).await?;
        }
        Order::InsertsFirst => {
            session.execute(&insert, &[]).await?;
            if let Some(sql) = update {
                session.execute(sql, &[]).await?;
            }
            session.execute(&delete(Which::Gone), &range.params).await?;
        }
        Order::Anew => {
            session.execute(&delete(Which::All), &range.params).await?;
            session.execute(&insert, &[]).await?;
        }
    }
    Ok(())
}

/// The rows of a range that a merge deletes.
#[derive(Clone, Copy)]
enum Which {
    Gone,
    All,
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

    fn delete(&self, range: &Seeks<'_>, which: Which) -> String {
        let gone = match which {
            Which::Gone => format!(
                " AND NOT EXISTS (SELECT 1 FROM {STAGE} AS l WHERE {})",
                self.same_key
            ),
            Which::All => String::new(),
        };
        let deletes = range
            .pieces
            .iter()
            .map(|piece| format!("DELETE t FROM {} AS t WHERE {piece}{gone}", self.table));
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
