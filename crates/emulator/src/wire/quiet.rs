//! A sink for SQL that a fault runs. It drops the results and passes changes of state to the client.

use crate::types::{Cell, Column, Sink, SqlError, SqlType, TransactionEvent};
use crate::wire::answer::Answer;

/// Keeps the first error and passes changes of state on.
pub(crate) struct Quiet<'a, 'b> {
    pub(crate) answer: &'a mut Answer<'b>,
    pub(crate) error: Option<SqlError>,
}

impl Sink for Quiet<'_, '_> {
    fn columns(&mut self, _: &[Column]) -> Result<(), SqlError> {
        Ok(())
    }

    fn row(&mut self, _: &[Cell<'_>]) -> Result<(), SqlError> {
        Ok(())
    }

    fn done(&mut self, _: Option<u64>) -> Result<(), SqlError> {
        Ok(())
    }

    fn info(&mut self, _: &SqlError) -> Result<(), SqlError> {
        Ok(())
    }

    fn error(&mut self, error: &SqlError) -> Result<(), SqlError> {
        self.error.get_or_insert_with(|| error.clone());
        Ok(())
    }

    fn database_changed(&mut self, old: &str, new: &str) -> Result<(), SqlError> {
        self.answer.database_changed(old, new)
    }

    fn transaction(&mut self, event: TransactionEvent, descriptor: u64) -> Result<(), SqlError> {
        self.answer.transaction(event, descriptor)
    }

    fn output(&mut self, _: Option<&str>, _: SqlType, _: Cell<'_>) -> Result<(), SqlError> {
        Ok(())
    }
}
