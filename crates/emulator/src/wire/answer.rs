//! The sink that a session answers into. It writes the tokens in the right order and with the right bits.
//!
//! A DONE says whether more follows, so each is held back until the next token or the end of the request. Once the
//! client has cancelled or left, only changes of state (transactions, the current database) are written. Every
//! other call then returns an error that makes the session stop.

use std::sync::Arc;

use crate::faults::{Action, Armed, At, Faults};
use crate::log::Outcome;
use crate::types::{Cell, Column, OwnedCell, Sink, SqlError, SqlType, TransactionEvent};
use crate::wire::link::Link;
use crate::wire::packet::{Gone, PacketWriter};
use crate::wire::token;

/// DONE's command codes. Clients tell a SELECT's count from an INSERT's by them.
const COMMAND_SELECT: u16 = 0xC1;
const COMMAND_INSERT: u16 = 0xC3;

/// A connection's way out, and the session's state as the client knows it.
pub(crate) struct Wire {
    pub(crate) writer: PacketWriter,
    pub(crate) link: Arc<Link>,
    pub(crate) server_name: String,
    /// The current database.
    pub(crate) database: String,
    /// The open transaction that the client knows of, 0 without one.
    pub(crate) transaction: u64,
}

/// The reason why an answer stopped before the session was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client cancelled or left.
    Cancelled,
    /// A fault failed the request. `fatal` ends the connection with it, and `rolls_back` the transaction.
    Failed { fatal: bool, rolls_back: bool },
    /// A fault ends the connection, or nobody reads any more.
    Ended,
}

struct Done {
    token: u8,
    status: u16,
    command: u16,
    rows: u64,
}

/// The answer to one request.
pub(crate) struct Answer<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) armed: Vec<Armed>,
    faults: &'a Faults,
    roles: &'a dyn Fn(&str, crate::store::Role),
    pub(crate) stop: Option<Stop>,
    pub(crate) outcome: Outcome,
    /// Faults that must wait until the session is free.
    pub(crate) deferred: Vec<Armed>,
    /// Statements end in DONEINPROC and the call in DONEPROC.
    in_procedure: bool,
    pending: Option<Done>,
    columns: Vec<Column>,
    in_result_set: bool,
    failed: bool,
    last_error: Option<SqlError>,
    status: Option<i32>,
    values: Vec<(String, SqlType, OwnedCell)>,
    packets_max: Option<u64>,
    /// The time that each row takes beside its own.
    slow: std::time::Duration,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(
        wire: &'a mut Wire,
        faults: &'a Faults,
        roles: &'a dyn Fn(&str, crate::store::Role),
    ) -> Answer<'a> {
        Answer {
            wire,
            armed: Vec::new(),
            faults,
            roles,
            stop: None,
            outcome: Outcome::default(),
            deferred: Vec::new(),
            in_procedure: false,
            pending: None,
            columns: Vec::new(),
            in_result_set: false,
            failed: false,
            last_error: None,
            status: None,
            values: Vec::new(),
            packets_max: None,
            slow: std::time::Duration::ZERO,
        }
    }

    /// Starts the answer to a request (or to one call of an RPC message) that meets these faults.
    pub(crate) fn start(&mut self, armed: Vec<Armed>, in_procedure: bool) {
        self.packets_max = armed
            .iter()
            .filter_map(|armed| match armed.at {
                At::AfterPacketsOut(packets) => Some(packets),
                _ => None,
            })
            .min();
        self.armed = armed;
        self.slow = std::time::Duration::ZERO;
        self.in_procedure = in_procedure;
        self.outcome = Outcome::default();
        (self.failed, self.in_result_set, self.last_error) = (false, false, None);
        self.status = None;
        self.values.clear();
    }

    /// Reports the error that a session's call returned, unless a stop caused it or it was reported already.
    pub(crate) fn report(&mut self, error: &SqlError) {
        if self.stop.is_none() && !self.wire.link.is_cancelled() && self.last_error.as_ref() != Some(error) {
            self.put_error(error);
        }
    }

    /// Ends a batch: its last DONE, or one for a batch that had none.
    pub(crate) fn end_batch(&mut self) {
        if self.pending.is_none() || self.failed {
            let status = if self.failed { token::DONE_ERROR } else { 0 };
            self.hold(Done {
                token: token::DONE,
                status,
                command: 0,
                rows: 0,
            });
        }
        self.failed = false;
    }

    /// Ends a call with its return status, its output values and DONEPROC.
    pub(crate) fn end_call(&mut self, ordinals: &[String]) {
        self.release(true);
        let failed = self.outcome.error.is_some();
        let out = &mut self.wire.writer.payload;
        // `sp_executesql` and related procedures return the number of the error.
        token::return_status(out, self.status.or(self.outcome.error).unwrap_or(0));
        for (name, ty, value) in std::mem::take(&mut self.values) {
            let ordinal = ordinals.iter().position(|ordinal| *ordinal == name).unwrap_or(0) as u16;
            let out = &mut self.wire.writer.payload;
            if let Err(error) = token::return_value(out, ordinal, &name, ty, value.as_cell()) {
                self.put_error(&error);
            }
        }
        let status = if failed { token::DONE_ERROR } else { 0 };
        self.hold(Done {
            token: token::DONE_PROC,
            status,
            command: 0xE0,
            rows: 0,
        });
        (self.failed, self.in_procedure) = (false, false);
    }

    /// Ends the request's answer with the tokens held back, or with the answer to an attention, and sends it all.
    pub(crate) fn finish(&mut self, attention: bool) -> Result<(), Gone> {
        let mut fires_after = false;
        if let Some(max) = self.packets_max {
            let (sent, packets) = self.wire.writer.packets();
            let is_error = |armed: &Armed| {
                matches!(
                    (armed.at, &armed.action),
                    (At::AfterPacketsOut(_), Action::Error { .. })
                )
            };
            // An error must come before the end of the answer, a drop after the last of its packets.
            if sent + packets > max || (sent + packets == max && self.armed.iter().any(is_error)) {
                self.wire.writer.send_full(max - sent.min(max))?;
                self.packets_fault();
            } else {
                fires_after = sent + packets == max;
            }
        }
        match self.stop {
            Some(Stop::Ended) => return Err(Gone),
            Some(Stop::Failed { .. }) if self.failed => self.end_batch(),
            _ => {}
        }
        self.release(attention);
        if attention {
            token::done(
                &mut self.wire.writer.payload,
                token::DONE,
                token::DONE_ATTENTION,
                0,
                0,
            );
        }
        self.wire.writer.finish()?;
        if fires_after {
            self.packets_fault();
        }
        match self.stop {
            Some(Stop::Ended | Stop::Failed { fatal: true, .. }) => Err(Gone),
            _ => Ok(()),
        }
    }

    /// Writes the DONE that was held back.
    fn release(&mut self, more: bool) {
        let Some(done) = self.pending.take() else { return };
        let mut status = done.status;
        if more || done.token == token::DONE_IN_PROC {
            status |= token::DONE_MORE;
        }
        if self.wire.transaction != 0 {
            status |= token::DONE_IN_TRANSACTION;
        }
        token::done(
            &mut self.wire.writer.payload,
            done.token,
            status,
            done.command,
            done.rows,
        );
    }

    fn hold(&mut self, done: Done) {
        self.release(true);
        self.pending = Some(done);
    }

    /// Tells the client of a rollback that the session could not report, because the client had cancelled.
    pub(crate) fn settle_transaction(&mut self, open: u64) {
        let known = self.wire.transaction;
        if open == 0 && known != 0 {
            self.release(true);
            token::transaction(&mut self.wire.writer.payload, TransactionEvent::RolledBack, known);
            self.wire.transaction = 0;
        }
    }

    /// Writes an error in any state.
    pub(crate) fn put_error(&mut self, error: &SqlError) {
        self.release(true);
        token::message(&mut self.wire.writer.payload, error, &self.wire.server_name);
        if error.class > 10 {
            self.failed = true;
            self.outcome.error = self.outcome.error.or(Some(error.number));
            self.last_error = Some(error.clone());
        }
    }

    /// Stops the session if there is nobody to answer to.
    fn check(&mut self) -> Result<(), SqlError> {
        if self.stop.is_none() && self.wire.link.is_cancelled() {
            self.stop = Some(Stop::Cancelled);
        }
        match self.stop {
            None => Ok(()),
            Some(_) => Err(stopped()),
        }
    }

    fn send_full(&mut self) {
        let (sent, _) = self.wire.writer.packets();
        let limit = self.packets_max.map_or(u64::MAX, |max| max.saturating_sub(sent));
        if self.wire.writer.send_full(limit).is_err() {
            self.stop = Some(Stop::Ended);
        } else if self
            .packets_max
            .is_some_and(|max| self.wire.writer.packets().0 >= max)
        {
            self.packets_fault();
        }
    }

    fn packets_fault(&mut self) {
        self.packets_max = None;
        self.fire(|at| matches!(at, At::AfterPacketsOut(_)));
    }

    /// Fires the faults whose point `is_due`. Faults that need the session are deferred.
    pub(crate) fn fire(&mut self, is_due: impl Fn(At) -> bool) {
        let due: Vec<Armed> = self.armed.extract_if(.., |armed| is_due(armed.at)).collect();
        for armed in due {
            if self.stop.is_some() {
                break;
            }
            self.act(armed);
        }
    }

    fn act(&mut self, armed: Armed) {
        if matches!(armed.action, Action::Run(_)) {
            self.deferred.push(armed);
            return;
        }
        self.faults.count(armed.id);
        match armed.action {
            // A login past its check cannot be refused any more, so its connection is dropped.
            Action::Drop | Action::RefuseLogin => self.stop = Some(Stop::Ended),
            Action::Error {
                number,
                state,
                class,
                message,
            } => {
                self.put_error(&SqlError {
                    number,
                    state,
                    class,
                    message,
                    line: 1,
                });
                self.stop = Some(Stop::Failed {
                    fatal: class >= 20,
                    rolls_back: number == 1205,
                });
            }
            Action::Stall => {
                let link = self.wire.link.clone();
                self.faults.stall(armed.id, || link.is_cancelled());
            }
            Action::Slow(a_row) => self.slow = a_row,
            Action::SetRole(database, role) => (self.roles)(&database, role),
            Action::Run(_) => {}
        }
    }

    /// Sends the answer so far to the client, so that the client sees a fault after n rows there.
    fn rows_fault(&mut self) {
        let rows = self.outcome.rows_sent;
        if self.armed.iter().any(|armed| armed.at == At::AfterRows(rows)) {
            if self.wire.writer.send_partial().is_err() {
                self.stop = Some(Stop::Ended);
                return;
            }
            self.fire(|at| at == At::AfterRows(rows));
        }
    }
}

/// The error that a sink's call returns once its client has left or cancelled.
fn stopped() -> SqlError {
    let message = "The client is gone or has cancelled the request.".to_owned();
    SqlError {
        number: 3617,
        state: 1,
        class: 16,
        message,
        line: 1,
    }
}

impl Sink for Answer<'_> {
    fn columns(&mut self, columns: &[Column]) -> Result<(), SqlError> {
        self.check()?;
        self.release(true);
        token::columns(&mut self.wire.writer.payload, columns);
        self.columns.clear();
        self.columns.extend_from_slice(columns);
        self.in_result_set = true;
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        self.check()?;
        debug_assert_eq!(
            cells.len(),
            self.columns.len(),
            "a row has a cell for every column"
        );
        token::row(&mut self.wire.writer.payload, &self.columns, cells)?;
        self.outcome.rows_sent += 1;
        if !self.slow.is_zero() {
            let link = self.wire.link.clone();
            self.faults.pass(self.slow, || link.is_cancelled());
        }
        if self.wire.writer.is_full() {
            self.send_full();
        }
        if !self.armed.is_empty() {
            self.rows_fault();
        }
        self.check()
    }

    fn done(&mut self, row_count: Option<u64>) -> Result<(), SqlError> {
        self.check()?;
        let command = match (self.in_result_set, row_count) {
            (true, _) => COMMAND_SELECT,
            (false, Some(_)) => COMMAND_INSERT,
            (false, None) => 0,
        };
        let mut status = 0;
        if row_count.is_some() {
            status |= token::DONE_COUNT;
        }
        if self.failed {
            status |= token::DONE_ERROR;
        }
        let token = if self.in_procedure {
            token::DONE_IN_PROC
        } else {
            token::DONE
        };
        self.hold(Done {
            token,
            status,
            command,
            rows: row_count.unwrap_or(0),
        });
        (self.in_result_set, self.failed) = (false, false);
        Ok(())
    }

    fn info(&mut self, message: &SqlError) -> Result<(), SqlError> {
        self.check()?;
        self.put_error(message);
        Ok(())
    }

    fn error(&mut self, error: &SqlError) -> Result<(), SqlError> {
        self.check()?;
        self.put_error(error);
        Ok(())
    }

    fn database_changed(&mut self, old: &str, new: &str) -> Result<(), SqlError> {
        self.release(true);
        token::database_changed(&mut self.wire.writer.payload, new, old);
        new.clone_into(&mut self.wire.database);
        Ok(())
    }

    fn transaction(&mut self, event: TransactionEvent, descriptor: u64) -> Result<(), SqlError> {
        self.release(true);
        token::transaction(&mut self.wire.writer.payload, event, descriptor);
        self.wire.transaction = if event == TransactionEvent::Begun {
            descriptor
        } else {
            0
        };
        Ok(())
    }

    fn output(&mut self, name: Option<&str>, ty: SqlType, value: Cell<'_>) -> Result<(), SqlError> {
        self.check()?;
        match (name, value) {
            (None, Cell::Integer(status)) => self.status = Some(status as i32),
            (None, _) => self.status = Some(0),
            (Some(name), cell) => {
                let owned = match cell {
                    Cell::Null => OwnedCell::Null,
                    Cell::Integer(v) => OwnedCell::Integer(v),
                    Cell::Real(v) => OwnedCell::Real(v),
                    Cell::Text(v) => OwnedCell::Text(v.to_owned()),
                    Cell::Blob(v) => OwnedCell::Blob(v.to_vec()),
                };
                self.values.push((name.to_owned(), ty, owned));
            }
        }
        Ok(())
    }
}
