//! The runs that the state file keeps, each with its accounts.

use crate::base::error::Result;
use crate::checkpoint::{Reader, RunRecord};
use crate::model::account::Account;

/// A run that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) record: RunRecord,
    /// Whether it is going.
    pub(crate) running: bool,
    /// What it asked of the source, a table; none if that is not kept.
    pub(crate) accounts: Vec<Account>,
}

/// Reads the last runs, the latest first.
pub(crate) fn read(reader: &Reader, count: usize) -> Result<Vec<Kept>> {
    // The lock is read before the records: a run that ends in between then counts as ended.
    let is_written = reader.is_being_written();
    let view = reader.view()?;
    let writer = view.writer()?.filter(|_| is_written);
    let records = view.last_runs(count)?;
    let mut runs = Vec::new();
    for (at, record) in records.into_iter().enumerate() {
        let running = at == 0 && record.is_going(writer);
        runs.push(Kept {
            accounts: view.accounts(record.run_id)?,
            running,
            record,
        });
    }
    Ok(runs)
}
