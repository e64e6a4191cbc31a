//! What a state file knows of the plan that a table was loaded by.
//!
//! A target tells by its own record which columns its receipts' keys are of. If it lost that record, a state file tells
//! it, but only one that has checkpoints of these very receipts: another one may be of a time before `sync forget`, when
//! the table was loaded by another key.

use std::collections::BTreeMap;

use crate::base::error::{Error, ErrorKind, Result};
use crate::checkpoint::{Change, TableRecord, View};
use crate::model::plan::TablePlan;
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::receipt;

/// The table of a plan as the state file has it. A shadow table is recorded under the name of its target.
pub fn record(plan: &TablePlan) -> Change {
    Change::Table(TableRecord {
        name: plan.name.as_str().to_owned(),
        source: plan.source.name.exact(),
        target: plan.loaded_into().to_owned(),
        fingerprint: plan.fingerprint.clone(),
        access_path: plan.access_path,
        notes: plan.notes.clone(),
    })
}

/// A table in a state file.
pub struct Known<'a> {
    view: View<'a>,
    /// Its record, with the plan of its checkpoints.
    pub record: TableRecord,
}

impl<'a> Known<'a> {
    /// The table of this name in the configuration; `None` if the state file has no record of it.
    ///
    /// # Errors
    /// `Plan` if it has one under another spelling: two records of one table would each lack what the other has. `State`
    /// if a record is damaged. So for every read below.
    pub fn of(view: View<'a>, table: &str) -> Result<Option<Known<'a>>> {
        if let Some(record) = view.table(table)? {
            return Ok(Some(Known { view, record }));
        }
        let mut others = view.tables()?.into_iter();
        match others.find(|other| other.name.to_lowercase() == table.to_lowercase()) {
            Some(other) => Err(Error::new(
                ErrorKind::Plan,
                format!(
                    "Table {table}: the state file knows it as {0}; write name = \"{0}\" in the configuration, as it was \
                     when it was loaded",
                    other.name
                ),
            )),
            None => Ok(None),
        }
    }

    /// The number of rows that left the table and could not be followed.
    pub fn unfollowed(&self) -> Result<u64> {
        self.view.unfollowed(&self.record.name)
    }

    /// All its windows.
    pub fn windows(&self) -> Result<Vec<Window>> {
        let windows = self.view.windows(&self.record.name)?.into_iter();
        Ok(windows.map(|window| window.window).collect())
    }

    /// Its windows that have chunks that are loaded, or were once.
    pub fn loaded(&self) -> Result<Vec<Window>> {
        let mut loaded = Vec::new();
        for window in self.windows()? {
            let counts = self.view.counts(&self.record.name, window)?;
            loaded.extend((counts.verified + counts.stale > 0).then_some(window));
        }
        Ok(loaded)
    }

    /// Its windows that have chunks that were loaded, or attempted.
    pub fn remembered(&self) -> Result<Vec<Window>> {
        let mut remembered = Vec::new();
        for window in self.windows()? {
            let counts = self.view.counts(&self.record.name, window)?;
            remembered.extend((counts.remembered() > 0).then_some(window));
        }
        Ok(remembered)
    }

    /// Whether one of the target's receipts is of a load that the state file has a checkpoint of. All receipts of a
    /// table are of one plan, so its plan is then theirs.
    ///
    /// # Errors
    /// `State` if a receipt or a record is damaged; those of the session.
    pub async fn has_receipts(&self, session: &mut Session, target: &TableName) -> Result<bool> {
        for window in &self.loaded()? {
            let chunks = self.view.chunks(&self.record.name, *window)?;
            let loads: BTreeMap<u32, u128> = chunks
                .iter()
                .map(|chunk| (chunk.ordinal, chunk.load_id))
                .collect();
            let receipts = receipt::read(session, target, *window).await?;
            let mut receipts = receipts.iter().map(|receipt| &receipt.chunk);
            if receipts.any(|chunk| loads.get(&chunk.ordinal) == Some(&chunk.load_id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
