//! Performs one request: the log entry, the faults on its way, the session's call, the end of the answer.

use std::collections::HashMap;

use crate::faults::{Action, Armed, At, Subject};
use crate::log::Statement;
use crate::types::{Cell, OwnedCell, Param, Session, Sink, SqlError, SqlType, TransactionRequest};
use crate::value::render;
use crate::wire::answer::{Answer, Stop};
use crate::wire::declaration;
use crate::wire::quiet::Quiet;
use crate::wire::request::TransactionAction;
use crate::wire::rpc::{self, Call, Procedure};
use crate::wire::server::Server;

/// The client of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) spid: i16,
    pub(crate) login: String,
    pub(crate) application: String,
}

/// A statement that a client prepared.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    declaration: String,
    statement: String,
}

/// The statements that a connection has prepared.
#[derive(Debug, Default)]
pub(crate) struct PreparedStatements {
    last_handle: i32,
    by_handle: HashMap<i32, Prepared>,
}

impl PreparedStatements {
    fn add(&mut self, prepared: Prepared) -> i32 {
        self.last_handle += 1;
        self.by_handle.insert(self.last_handle, prepared);
        self.last_handle
    }

    /// Forgets them all, as a reset of the connection does.
    pub(crate) fn clear(&mut self) {
        self.by_handle.clear();
    }
}

/// An `INSERT BULK` whose rows come next.
#[derive(Debug)]
pub(crate) struct PendingBulk {
    pub(crate) sequence: u64,
    /// The faults of the statement that have not fired.
    pub(crate) armed: Vec<Armed>,
}

/// One request while it is performed.
pub(crate) struct Turn<'a> {
    pub(crate) server: &'a Server,
    pub(crate) peer: &'a Peer,
    pub(crate) session: &'a mut dyn Session,
    pub(crate) answer: Answer<'a>,
    pub(crate) prepared: &'a mut PreparedStatements,
    /// The number of packets that the request came in.
    pub(crate) packets_in: u64,
    pub(crate) pending_bulk: Option<PendingBulk>,
}

impl Turn<'_> {
    /// Runs a SQL batch.
    pub(crate) fn batch(&mut self, sql: &str) {
        self.perform(sql, Vec::new(), false, |session, answer| {
            session.batch(sql, answer)
        });
        self.answer.end_batch();
    }

    /// Runs the steps of a transaction manager request.
    pub(crate) fn transaction(&mut self, actions: &[TransactionAction]) {
        for action in actions {
            match action {
                TransactionAction::Batch(sql) => {
                    self.perform(sql, Vec::new(), false, |session, answer| {
                        session.batch(sql, answer)
                    });
                }
                TransactionAction::Request(request, text) => {
                    self.perform(text, Vec::new(), false, |session, answer| {
                        session.transaction(*request, answer)
                    });
                }
            }
            if self.answer.outcome.error.is_some() {
                break;
            }
        }
        self.answer.end_batch();
    }

    /// Runs the calls of an RPC message.
    pub(crate) fn calls(&mut self, calls: Vec<Call>) {
        for call in calls {
            let ordinals = self.call(call);
            if matches!(self.answer.stop, Some(Stop::Ended)) {
                return;
            }
            self.answer.end_call(&ordinals);
            if self.answer.stop.is_some() {
                return;
            }
        }
    }

    /// Makes one call. Returns the names of its parameters in their order.
    fn call(&mut self, call: Call) -> Vec<String> {
        let mut params = call.params.into_iter();
        match call.procedure {
            Procedure::ExecuteSql => {
                let statement = rpc::text_argument(params.next().as_ref(), "@statement", "sp_executesql");
                let declaration = match params.next() {
                    None => Ok(String::new()),
                    declared => rpc::text_argument(declared.as_ref(), "@params", "sp_executesql"),
                };
                self.execute(statement, declaration, params.collect(), 2)
            }
            Procedure::Prepare => {
                let handle = self.prepare(params.nth(1), params.next());
                self.give_handle(handle)
            }
            Procedure::PrepareAndExecute => self.prepare_and_execute(params),
            Procedure::Execute => self.execute_prepared(params),
            Procedure::Unprepare => {
                let removed = rpc::handle_argument(params.next().as_ref()).and_then(|handle| {
                    self.prepared
                        .by_handle
                        .remove(&handle)
                        .map(drop)
                        .ok_or_else(|| rpc::no_such_handle(handle))
                });
                self.silently(removed)
            }
            Procedure::Cursor(name) => self.silently(Err(SqlError {
                number: 16901,
                state: 1,
                class: 16,
                message: format!(
                    "{name}: The emulator has no cursors; ask for a forward-only, read-only result."
                ),
                line: 1,
            })),
            Procedure::Named(name) => {
                let params: Vec<Param> = params.collect();
                let ordinals = params.iter().map(|param| param.name.clone()).collect();
                let text = format!("EXEC {name}");
                self.perform(&text, rendered(&params), true, |session, answer| {
                    session.call(&name, params, answer)
                });
                ordinals
            }
        }
    }

    /// Prepares a statement and executes it. Returns the names of the call's parameters in their order.
    fn prepare_and_execute(&mut self, mut params: impl Iterator<Item = Param>) -> Vec<String> {
        if let Ok(old) = rpc::handle_argument(params.next().as_ref()) {
            // A client that sends a handle here no longer uses it.
            self.prepared.by_handle.remove(&old);
        }
        let handle = self.prepare(params.next(), params.next());
        let (statement, declaration) = match handle.as_ref().map(|handle| &self.prepared.by_handle[handle]) {
            Ok(prepared) => (Ok(prepared.statement.clone()), Ok(prepared.declaration.clone())),
            Err(error) => (Err(error.clone()), Err(error.clone())),
        };
        let mut ordinals = self.execute(statement, declaration, params.collect(), 3);
        ordinals[0] = "@handle".to_owned();
        if let Ok(handle) = handle {
            self.output_handle(handle);
        }
        ordinals
    }

    /// Executes a prepared statement by its handle. Returns the names of the call's parameters in their order.
    fn execute_prepared(&mut self, mut params: impl Iterator<Item = Param>) -> Vec<String> {
        let prepared = rpc::handle_argument(params.next().as_ref()).and_then(|handle| {
            self.prepared
                .by_handle
                .get(&handle)
                .cloned()
                .ok_or_else(|| rpc::no_such_handle(handle))
        });
        let (statement, declaration) = match prepared {
            Ok(prepared) => (Ok(prepared.statement), Ok(prepared.declaration)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        self.execute(statement, declaration, params.collect(), 1)
    }

    /// Runs a statement with its parameters. `before` of the call's parameters precede those of the statement.
    fn execute(
        &mut self,
        statement: Result<String, SqlError>,
        declaration: Result<String, SqlError>,
        values: Vec<Param>,
        before: usize,
    ) -> Vec<String> {
        let mut ordinals = vec![String::new(); before];
        let bound = statement.and_then(|statement| {
            let declaration = declaration?;
            let params = declaration::bind(&declaration, &statement, values)?;
            Ok((statement, params))
        });
        match bound {
            Ok((statement, params)) => {
                ordinals.extend(params.iter().map(|param| param.name.clone()));
                self.perform(&statement, rendered(&params), true, |session, answer| {
                    session.execute_sql(&statement, params, answer)
                });
            }
            Err(error) => {
                self.silently(Err(error));
            }
        }
        ordinals
    }

    fn prepare(&mut self, declaration: Option<Param>, statement: Option<Param>) -> Result<i32, SqlError> {
        let declaration = rpc::text_argument(declaration.as_ref(), "@params", "sp_prepare")?;
        let statement = rpc::text_argument(statement.as_ref(), "@stmt", "sp_prepare")?;
        Ok(self.prepared.add(Prepared {
            declaration,
            statement,
        }))
    }

    fn give_handle(&mut self, handle: Result<i32, SqlError>) -> Vec<String> {
        match handle {
            Ok(handle) => {
                self.answer.start(Vec::new(), true);
                self.output_handle(handle);
            }
            Err(error) => {
                self.silently(Err(error));
            }
        }
        vec!["@handle".to_owned()]
    }

    fn output_handle(&mut self, handle: i32) {
        // An error means that nobody waits for the handle any more.
        let _ = self
            .answer
            .output(Some("@handle"), SqlType::Int, Cell::Integer(i64::from(handle)));
    }

    /// Answers a call that runs no SQL. It is not logged and meets no faults.
    fn silently(&mut self, result: Result<(), SqlError>) -> Vec<String> {
        self.answer.start(Vec::new(), true);
        if let Err(error) = result {
            self.answer.put_error(&error);
        }
        Vec::new()
    }

    /// Answers a message that cannot be read.
    pub(crate) fn refuse(&mut self, error: &SqlError) {
        self.answer.start(Vec::new(), false);
        self.answer.put_error(error);
        self.answer.end_batch();
        if error.class >= 20 {
            self.answer.stop = Some(Stop::Failed {
                fatal: true,
                rolls_back: false,
            });
        }
    }

    fn perform(
        &mut self,
        text: &str,
        params: Vec<(String, String)>,
        in_procedure: bool,
        work: impl FnOnce(&mut dyn Session, &mut Answer<'_>) -> Result<(), SqlError>,
    ) {
        let database = self.answer.wire.database.clone();
        let sequence = self.server.log.start(Statement {
            sequence: 0,
            spid: self.peer.spid,
            login: self.peer.login.clone(),
            application: self.peer.application.clone(),
            database: database.clone(),
            text: text.to_owned(),
            params,
            rows_sent: 0,
            bulk_rows: 0,
            steps: 0,
            error: None,
            started: 0,
            ended: None,
        });
        let subject = Subject {
            statement: Some(text),
            database: &database,
            application: &self.peer.application,
        };
        self.answer.start(self.server.faults.arm(&subject), in_procedure);
        let packets = self.packets_in;
        self.answer
            .fire(|at| at == At::Before || matches!(at, At::AfterPacketsIn(n) if n <= packets));
        self.run_deferred();
        if self.answer.stop.is_none() && self.answer.outcome.error.is_none() {
            let result = work(self.session, &mut self.answer);
            if let Err(error) = result {
                self.answer.report(&error);
            }
        }
        let is_bulk = self.session.take_bulk().is_some();
        if is_bulk && self.answer.stop.is_none() && self.answer.outcome.error.is_none() {
            // Its faults and the end of its log entry belong to the rows that come next.
            let armed = std::mem::take(&mut self.answer.armed);
            self.pending_bulk = Some(PendingBulk { sequence, armed });
        } else {
            self.end(sequence);
        }
    }

    /// Ends the request: fires its last faults and ends its log entry.
    pub(crate) fn end(&mut self, sequence: u64) {
        self.answer.fire(|at| at == At::After);
        self.run_deferred();
        if let Some(Stop::Failed { rolls_back: true, .. }) = self.answer.stop
            && self.session.transaction_descriptor() != 0
        {
            let mut quiet = Quiet {
                answer: &mut self.answer,
                error: None,
            };
            // The client gets the fault's error. An error of the rollback would only hide it.
            let _ = self.session.transaction(TransactionRequest::Rollback, &mut quiet);
        }
        self.answer
            .settle_transaction(self.session.transaction_descriptor());
        self.answer.outcome.steps = self.session.take_steps();
        if !matches!(self.answer.stop, Some(Stop::Ended)) {
            self.server.log.end(sequence, self.answer.outcome);
        }
    }

    /// Runs the SQL of the faults that waited for the session.
    pub(crate) fn run_deferred(&mut self) {
        for armed in std::mem::take(&mut self.answer.deferred) {
            let Action::Run(sql) = &armed.action else { continue };
            let mut quiet = Quiet {
                answer: &mut self.answer,
                error: None,
            };
            let result = self.session.batch(sql, &mut quiet);
            if let Some(error) = quiet.error.or(result.err()) {
                let message = format!(
                    "The SQL of a fault failed with {}: {}",
                    error.number, error.message
                );
                self.answer.put_error(&SqlError {
                    number: 50000,
                    state: 1,
                    class: 16,
                    message,
                    line: 1,
                });
            }
            // It is counted after it ran, so that a test that waits for the count finds its effect.
            self.server.faults.count(armed.id);
        }
    }
}

fn rendered(params: &[Param]) -> Vec<(String, String)> {
    let value = |param: &Param| match &param.value {
        OwnedCell::Null => "NULL".to_owned(),
        value => render::render(value.as_cell(), param.ty),
    };
    params
        .iter()
        .map(|param| (param.name.clone(), value(param)))
        .collect()
}
