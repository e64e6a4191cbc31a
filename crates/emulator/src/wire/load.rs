//! One bulk load on its way from packets into the session.
//!
//! After a failure the rest of the message is read and thrown away, because the client sends all of it before it
//! reads the answer.

use crate::faults::At;
use crate::types::{Cell, Session, Sink, SqlError};
use crate::wire::answer::Answer;
use crate::wire::bulk::{BulkReader, Event};
use crate::wire::protocol::protocol_error;

/// The way in which the message of a bulk load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadEnd {
    Whole,
    /// The client marked it as one to ignore.
    TakenBack,
    /// An attention came before its end.
    Cancelled,
}

/// A bulk load while its rows arrive.
#[derive(Default)]
pub(crate) struct Load {
    reader: BulkReader,
    begun: bool,
    rows: u64,
    failed: Option<SqlError>,
}

impl Load {
    /// Rejects every row of the load.
    pub(crate) fn refuse(&mut self, error: SqlError) {
        self.refuse_as_is(SqlError { class: 16, ..error });
    }

    fn refuse_as_is(&mut self, error: SqlError) {
        self.reader = BulkReader::default();
        self.failed = Some(error);
    }

    /// The bytes of the row that has arrived in part.
    pub(crate) fn held_bytes(&self) -> usize {
        self.reader.held_bytes()
    }

    /// Hands the rows of a packet to the session.
    pub(crate) fn feed(&mut self, payload: &[u8], session: &mut dyn Session, answer: &mut Answer<'_>) {
        if self.failed.is_some() || answer.stop.is_some() {
            return;
        }
        self.reader.push(payload);
        if let Err(error) = self.take(session, answer) {
            self.refuse_as_is(error);
        }
    }

    fn take(&mut self, session: &mut dyn Session, answer: &mut Answer<'_>) -> Result<(), SqlError> {
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Columns(columns) => {
                    session.bulk_begin(&columns)?;
                    self.begun = true;
                }
                Event::Row => {
                    let cells: Vec<Cell<'_>> = self.reader.cells.iter().map(|cell| cell.as_cell()).collect();
                    session.bulk_row(&cells)?;
                    self.rows += 1;
                    let rows = self.rows;
                    answer.fire(|at| at == At::AfterBulkRows(rows));
                    if answer.stop.is_some() {
                        return Ok(());
                    }
                }
                Event::End => {}
            }
        }
        Ok(())
    }

    /// Keeps the rows or undoes them, and answers.
    pub(crate) fn end(&mut self, end: LoadEnd, session: &mut dyn Session, answer: &mut Answer<'_>) {
        let taken_back = end != LoadEnd::Whole || answer.stop.is_some();
        if self.failed.is_none() && !taken_back && !self.reader.is_whole() {
            self.refuse(protocol_error("a bulk load that is cut off"));
        }
        let keep = self.failed.is_none() && !taken_back;
        let ended = if self.begun { session.bulk_end(keep) } else { Ok(0) };
        match (self.failed.take(), ended) {
            _ if taken_back => {}
            (Some(error), _) | (None, Err(error)) => answer.report(&error),
            (None, Ok(rows)) => {
                answer.outcome.bulk_rows = rows;
                // An error means that the client has cancelled or left. The end of the message reports it again.
                let _ = answer.done(Some(rows));
            }
        }
    }
}
