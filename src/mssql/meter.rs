//! Counts what a command asks of an end: statements, rows, bytes, connections, and the time of all these, a table.
//!
//! It holds names of tables and numbers only, and no value. Every session of an endpoint that has one adds to it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::pace::Cause;

/// The counts of all sessions that share it.
#[derive(Debug, Default)]
pub struct Meter {
    /// The table that is worked on; empty outside of tables.
    table: Mutex<String>,
}

/// Two meters are equal if they are the same one.
impl PartialEq for Meter {
    fn eq(&self, other: &Meter) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Meter {}

impl Meter {
    /// What is counted from now on belongs to this table; to none, if the name is empty.
    pub fn begin(&self, table: &str) {
        let mut current = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.clone_into(&mut current);
    }

    /// Adds a wait.
    pub fn waited(&self, _cause: Cause, _time: Duration) {}

    /// Adds a read of a chunk that was read before.
    pub fn read_again(&self) {}
}
