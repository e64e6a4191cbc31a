//! The columns of an existing target table that do not hold every value of the source's.
//!
//! A value that such a column cuts or rounds is refused when it is read back, which may be years of rows later. So a table
//! with a narrower column is refused before a row is read, and so is one that no value survives. A column of another type
//! or code page may hold all there is, so it is a warning.

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::plan::TablePlan;
use crate::model::table::{Column, TableName};
use crate::model::width::{Fit, fit, wider};
use crate::target::create::column_sql;
use crate::target::table::Target;

/// A column of a target table that does not hold every value of the source's column.
#[derive(Debug, Clone, Copy)]
pub struct Misfit<'a> {
    source: &'a Column,
    target: &'a Column,
    /// How it holds them; never [`Fit::Every`].
    pub fit: Fit,
    /// Whether it is in an index of the target.
    indexed: bool,
}

impl Target {
    /// The columns that do not hold every value of the source's.
    pub fn misfits<'a>(&'a self, plan: &'a TablePlan) -> impl Iterator<Item = Misfit<'a>> {
        (0..plan.columns().len()).filter_map(|position| self.misfit(plan, position))
    }

    /// The column at a position of the plan's, if it does not hold every value of the source's.
    pub fn misfit<'a>(&'a self, plan: &'a TablePlan, position: usize) -> Option<Misfit<'a>> {
        let (source, target) = (&plan.columns()[position], &self.columns[position]);
        let fit = fit(source, target);
        (fit != Fit::Every).then_some(Misfit {
            source,
            target,
            fit,
            indexed: self.in_index[position],
        })
    }

    /// Refuses a table with columns that have less room than the source's, or to which no value of the source's converts.
    ///
    /// # Errors
    /// `Preflight`, which names each such column with both types and the statement that changes it.
    pub fn refuse_misfits(&self, plan: &TablePlan) -> Result<()> {
        let here = format!("at target table {}", plan.target);
        let refused = self.misfits(plan).filter(Misfit::is_refused);
        let texts: Vec<String> = refused.map(|misfit| misfit.text(&plan.target, &here)).collect();
        if texts.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Preflight,
            format!("The {}", texts.join("; the ")),
        ))
    }

    /// The warnings of a run about columns that hold only some values.
    pub fn misfit_warnings(&self, plan: &TablePlan) -> Vec<String> {
        let here = format!("at target table {}", plan.target);
        let texts = self.misfits(plan).map(|misfit| misfit.text(&plan.target, &here));
        texts.map(|text| format!("Table {}: {text}", plan.name)).collect()
    }
}

impl Misfit<'_> {
    /// Whether its table is refused.
    pub fn is_refused(&self) -> bool {
        match self.fit {
            Fit::Every | Fit::Part => false,
            Fit::Narrow | Fit::Never => true,
        }
    }

    /// The misfit with its fix, as a text for an operator, which begins with a small letter. `here` says
    /// where the target's column is.
    pub fn text(&self, table: &TableName, here: &str) -> String {
        let Misfit {
            source, target, fit, ..
        } = *self;
        let why = match fit {
            Fit::Every | Fit::Part => {
                "which does not hold each of its values exactly: a chunk with one that it does not hold is not committed"
            }
            Fit::Narrow => "which has less room: a longer or finer value would be cut, rounded or refused",
            Fit::Never => "to which no server converts its values",
        };
        let way_out = match self.alter_sql(table) {
            Some(sql) if self.indexed => format!(
                "{sql} after you have dropped the indexes and constraints on it, or drop the table, and a run creates it"
            ),
            Some(sql) => format!("{sql}, or drop the table, and a run creates it"),
            None => "no type holds the values of both, so drop the column or the table, and a run creates the table".to_owned(),
        };
        format!(
            "column {} is {} at the source and {} {here}, {why}; {way_out}",
            source.name,
            described(source, target),
            described(target, source),
        )
    }

    /// The statement that makes the column wide enough, and keeps all that it holds; `None` if no type does.
    pub fn alter_sql(&self, table: &TableName) -> Option<String> {
        if self.fit == Fit::Never {
            // A server that does not convert the values does not alter the type either.
            return None;
        }
        let column = Column {
            data_type: wider(self.source, self.target)?,
            ..self.target.clone()
        };
        Some(format!(
            "ALTER TABLE {} ALTER COLUMN {}",
            table.quoted(),
            column_sql(&column)
        ))
    }
}

/// The type of a column, and its collation if another column of text has another one.
fn described(column: &Column, other: &Column) -> String {
    match (&column.collation, &other.collation) {
        (Some(own), Some(others)) if own != others => format!("{} in {own}", column.data_type),
        _ => column.data_type.to_string(),
    }
}
