//! A session. It runs batches, calls and bulk loads into a sink, statement by statement.
//!
//! It owns the session's settings, variables, transaction and plans. An error ends the statement, the batch or the
//! transaction exactly as in SQL Server (XACT_ABORT, severity). Nothing of a failed statement stays.

mod alter;
mod bulk;
mod constraint;
mod control;
mod ddl;
mod declare;
mod define;
mod load;
mod permission;
mod physical;
mod plan;
mod procedure;
mod rename;
mod state;
mod transaction;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::core::Core;
use super::errors::error;
use super::parse;
use crate::sql::ast::IsolationLevel;
use crate::store::live::LiveRequest;
use crate::store::{ServerState, fold};
use crate::types::{
    BulkTarget, Cell, Column, Param, Session, SessionOptions, Sink, SqlError, SqlType, TransactionRequest,
};
use state::{Batch, Ran, Settings, Stop, Transaction, Variable, sent};

pub(super) use state::SqlSession;

/// The SQLite virtual machine steps between two checks of the cancel flag.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;
/// The most parameters that a request may have.
const PARAMETERS_MAX: usize = 2100;
/// The most parsed batches that a session keeps.
const BATCHES_MAX: usize = 256;
/// The longest batch that is kept. Longer ones carry data and do not come again.
const BATCH_LENGTH_MAX: usize = 64 << 10;

impl SqlSession {
    /// Opens a session; 4060 when there is no such database.
    pub fn open(server: Arc<ServerState>, options: SessionOptions) -> Result<SqlSession, SqlError> {
        let name = if options.database.is_empty() {
            "master"
        } else {
            &options.database
        };
        let database = server.database(name).ok_or_else(|| {
            let text = format!("Cannot open database \"{name}\" requested by the login. The login failed.");
            error(4060, 11, 1, text)
        })?;
        let cancel = Arc::clone(&options.cancel);
        let mut core = Core::open(server, options, database)?;
        core.connection
            .progress_handler(STEPS_BETWEEN_LOOKS, Some(move || cancel.load(Ordering::Relaxed)))
            .map_err(|e| core.sqlite_error(&e))?;
        Ok(SqlSession {
            core,
            settings: Settings::default(),
            transaction: Transaction::default(),
            variables: HashMap::new(),
            batches: HashMap::new(),
            row_count: 0,
            last_error: 0,
            caught: Vec::new(),
            tries: 0,
            nested: 0,
            identities: HashMap::new(),
            pending_bulk: None,
            bulk: None,
        })
    }

    /// Parses a batch, or takes the one parsed before. Its plans depend on the variables' types.
    fn parsed(&mut self, sql: &str) -> Result<Arc<Batch>, SqlError> {
        let key = {
            let mut types: Vec<(&String, SqlType)> = self.variables.iter().map(|(n, v)| (n, v.ty)).collect();
            types.sort_by(|a, b| a.0.cmp(b.0));
            format!("{types:?}\0{sql}")
        };
        if let Some(batch) = self.batches.get(&key) {
            return Ok(Arc::clone(batch));
        }
        let parsed = parse::parse(sql)?;
        let plans = (0..parsed.ids).map(|_| Mutex::default()).collect();
        let batch = Arc::new(Batch { parsed, plans });
        if sql.len() <= BATCH_LENGTH_MAX {
            if self.batches.len() >= BATCHES_MAX {
                self.batches.clear();
            }
            self.batches.insert(key, Arc::clone(&batch));
        }
        Ok(batch)
    }

    /// Runs a text as a batch of its own.
    fn run_text(&mut self, sql: &str, sink: &mut dyn Sink) -> Ran<()> {
        let batch = match self.parsed(sql) {
            Ok(batch) => batch,
            Err(e) => {
                self.last_error = e.number;
                sent(sink.error(&e))?;
                return Err(Stop::Reported);
            }
        };
        self.run_statements(&batch, &batch.parsed.statements, sink)
            .map(|_| ())
    }

    /// Runs a text in a scope of its own, as `sp_executesql` and EXEC(...) do. Its variables, temp tables and SET
    /// options end with it. 266 is raised if it leaves more or fewer transactions open than it found.
    fn run_scope(
        &mut self,
        sql: &str,
        parameters: HashMap<String, Variable>,
        sink: &mut dyn Sink,
    ) -> Ran<HashMap<String, Variable>> {
        /// The nesting limit of SQL Server.
        const NESTING_MAX: u32 = 32;
        if self.core.depth >= NESTING_MAX {
            let text =
                "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).";
            return Err(error(217, 16, 1, text).into());
        }
        let settings = self.settings.clone();
        let outer = std::mem::replace(&mut self.variables, parameters);
        let count = self.transaction.count;
        self.core.depth += 1;
        let ran = self.run_text(sql, sink);
        let inner = std::mem::replace(&mut self.variables, outer);
        self.settings = settings;
        // A session whose client has left may have rolled its transaction back already.
        let ended = self.core.end_scope();
        match ran {
            Ok(()) => {
                ended?;
                if self.transaction.count != count {
                    let text = format!(
                        "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT \
                         statements. Previous count = {count}, current count = {}.",
                        self.transaction.count
                    );
                    self.last_error = 266;
                    sent(sink.error(&error(266, 16, 2, text)))?;
                }
                Ok(inner)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Begins a request, whose end [`SqlSession::finish`] is.
    fn start(&mut self, text: &str) {
        let since = self.core.server.now_datetime();
        let command: String = text
            .trim_start()
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        let request = LiveRequest {
            since,
            command: command.to_ascii_uppercase(),
        };
        self.core
            .server
            .live
            .change(self.core.session, |live| live.request = Some(request));
    }

    /// Ends a request. The sink has been told every error except that its own client has left.
    fn finish(&mut self, ran: Ran<()>, sink: &mut dyn Sink) -> Result<(), SqlError> {
        let ended = self.end_request(ran, sink);
        let (transactions, temps) = (self.transaction.count, self.core.temps.len());
        let lock_timeout = self.settings.lock_timeout;
        let isolation = match self.settings.isolation {
            IsolationLevel::Uncommitted => 1,
            IsolationLevel::Waiting => 2,
            IsolationLevel::Snapshot => 5,
        };
        self.core.server.live.change(self.core.session, |live| {
            live.request = None;
            (live.transactions, live.temps, live.isolation) = (transactions, temps, isolation);
            live.lock_timeout = lock_timeout.map_or(-1, |t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX));
        });
        ended
    }

    fn end_request(&mut self, ran: Ran<()>, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.tries = 0;
        self.caught.clear();
        let ended = match ran {
            Ok(()) | Err(Stop::Reported) => Ok(()),
            Err(Stop::Error(e)) => sink.error(&e),
            Err(Stop::Gone(e)) => {
                if self.settings.xact_abort && self.transaction.count > 0 {
                    self.roll_back_all();
                }
                Err(e)
            }
        };
        if self.transaction.doomed {
            let descriptor = self.transaction.descriptor;
            self.roll_back_all();
            let text = "Uncommittable transaction is detected at the end of the batch. The transaction is rolled back.";
            sink.error(&error(3998, 16, 1, text))?;
            sink.transaction(crate::types::TransactionEvent::RolledBack, descriptor)?;
        }
        ended
    }
}

impl Session for SqlSession {
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.start(sql);
        self.variables.clear();
        self.pending_bulk = None;
        let ran = self.run_text(sql, sink);
        self.finish(ran, sink)
    }

    fn execute_sql(&mut self, sql: &str, params: Vec<Param>, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.start(sql);
        self.variables.clear();
        self.pending_bulk = None;
        if params.len() > PARAMETERS_MAX {
            let text = "The incoming request has too many parameters. The server supports a maximum of 2100 parameters. Reduce the number of parameters and resend the request.";
            return self.finish(Err(error(8003, 16, 1, text).into()), sink);
        }
        let outputs: Vec<(String, SqlType)> = params
            .iter()
            .filter(|p| p.output)
            .map(|p| (p.name.clone(), p.ty))
            .collect();
        let parameters = params
            .into_iter()
            .map(|p| {
                (
                    fold(&p.name),
                    Variable {
                        ty: p.ty,
                        value: p.value,
                    },
                )
            })
            .collect();
        let ran = match self.run_scope(sql, parameters, sink) {
            Ok(variables) => {
                let mut ran = sent(sink.output(None, SqlType::Int, Cell::Integer(0)));
                for (name, ty) in outputs {
                    let value = variables
                        .get(&fold(&name))
                        .map_or(Cell::Null, |v| v.value.as_cell());
                    ran = ran.and_then(|()| sent(sink.output(Some(&name), ty, value)));
                }
                ran
            }
            Err(stop) => Err(stop),
        };
        self.finish(ran, sink)
    }

    fn call(&mut self, procedure: &str, params: Vec<Param>, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.start("EXECUTE");
        self.variables.clear();
        let ran = self.call_procedure(procedure, params, sink);
        self.finish(ran, sink)
    }

    fn transaction(&mut self, request: TransactionRequest, sink: &mut dyn Sink) -> Result<(), SqlError> {
        let ran = match request {
            TransactionRequest::Begin => self.begin(sink),
            TransactionRequest::Commit => self.commit(sink),
            TransactionRequest::Rollback => self.roll_back(None, sink),
        };
        self.finish(ran, sink)
    }

    fn take_steps(&mut self) -> u64 {
        std::mem::take(self.core.steps.get_mut())
    }

    fn take_bulk(&mut self) -> Option<BulkTarget> {
        self.announce_bulk()
    }

    fn bulk_begin(&mut self, columns: &[Column]) -> Result<(), SqlError> {
        self.begin_load(columns)
    }

    fn bulk_row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        self.load_row(cells)
    }

    fn bulk_end(&mut self, keep: bool) -> Result<u64, SqlError> {
        self.end_load(keep)
    }

    fn transaction_descriptor(&self) -> u64 {
        if self.transaction.count == 0 {
            0
        } else {
            self.transaction.descriptor
        }
    }

    fn reset(&mut self) {
        self.roll_back_all();
        self.settings = Settings::default();
        self.variables.clear();
        self.pending_bulk = None;
        self.bulk = None;
        self.row_count = 0;
        self.last_error = 0;
        self.core.depth = 0;
        // A temp table that cannot be dropped stays until the connection ends. Nothing can name it any more.
        let _ = self.core.end_scope();
        self.core.server.locks.release_apps(self.core.session, None);
        // It was attached when the session began. If it is gone, the next statement reports that.
        let _ = self.core.use_home();
    }
}

impl Drop for SqlSession {
    fn drop(&mut self) {
        self.roll_back_all();
        self.core.server.locks.release_apps(self.core.session, None);
    }
}
