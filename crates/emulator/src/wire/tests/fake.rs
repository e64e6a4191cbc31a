//! A session without SQL. It knows a handful of words and reports its requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use crate::store::Role;
use crate::types::{
    BulkTarget, Cell, Column, Len, Param, Session, SessionOptions, Sink, SqlError, SqlType, TransactionEvent,
    TransactionRequest,
};
use crate::wire::server::Backend;

pub(super) type Events = mpsc::UnboundedReceiver<String>;

pub(super) struct FakeBackend {
    pub(super) events: mpsc::UnboundedSender<String>,
}

impl Backend for FakeBackend {
    fn open(&self, options: SessionOptions) -> Result<Box<dyn Session>, SqlError> {
        if options.database == "nowhere" {
            return Err(error(
                4060,
                "Cannot open database \"nowhere\" requested by the login. The login failed.",
            ));
        }
        Ok(Box::new(FakeSession {
            events: self.events.clone(),
            options,
            descriptor: 0,
            bulk: false,
            rows: 0,
        }))
    }

    fn password(&self, _: &str) -> Option<String> {
        None
    }

    fn set_role(&self, database: &str, role: Role) {
        let _ = self.events.send(format!("role {database} {role:?}"));
    }
}

pub(super) fn error(number: i32, message: &str) -> SqlError {
    SqlError {
        number,
        state: 1,
        class: 16,
        message: message.into(),
        line: 1,
    }
}

pub(super) fn column(name: &str, ty: SqlType) -> Column {
    let collation = matches!(ty, SqlType::NVarChar(_)).then(|| Arc::from("SQL_Latin1_General_CP1_CI_AS"));
    Column {
        name: name.into(),
        ty,
        nullable: true,
        identity: false,
        updateable: true,
        collation,
    }
}

struct FakeSession {
    events: mpsc::UnboundedSender<String>,
    options: SessionOptions,
    descriptor: u64,
    bulk: bool,
    rows: u64,
}

impl FakeSession {
    fn tell(&self, event: impl Into<String>) {
        // A test that is over does not listen any more.
        let _ = self.events.send(event.into());
    }

    /// `rows N`: that many rows of a number and a text, every third text NULL. `for-ever`: rows without end.
    fn rows(&mut self, count: u64, sink: &mut dyn Sink) -> Result<(), SqlError> {
        sink.columns(&[
            column("n", SqlType::Int),
            column("s", SqlType::NVarChar(Len::N(4000))),
        ])?;
        let text = "x".repeat(100);
        for n in 0..count {
            let s = if n % 3 == 0 { Cell::Null } else { Cell::Text(&text) };
            sink.row(&[Cell::Integer(n as i64), s])?;
        }
        sink.done(Some(count))
    }

    fn statement(&mut self, statement: &str, sink: &mut dyn Sink) -> Result<(), SqlError> {
        let (word, rest) = statement.split_once(' ').unwrap_or((statement, ""));
        match word {
            "rows" => self.rows(rest.parse().unwrap(), sink),
            "for-ever" => self.rows(u64::MAX, sink),
            "count" => sink.done(Some(rest.parse().unwrap())),
            "nothing" => Ok(()),
            "fail" => {
                sink.error(&error(547, "It conflicted."))?;
                sink.done(None)
            }
            "abort" => Err(error(8134, "Divide by zero error encountered.")),
            "wait" => {
                self.tell("waiting");
                while !self.options.cancel.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                Err(error(3617, "Cancelled."))
            }
            "use" => sink.database_changed("master", rest),
            "USE" => sink.database_changed("other", rest.trim_matches(['[', ']'])),
            "vanish" => {
                self.descriptor = 0;
                Ok(())
            }
            "insert-bulk" => {
                (self.bulk, self.rows) = (true, 0);
                Ok(())
            }
            "begin" => self.transaction(TransactionRequest::Begin, sink),
            other => {
                self.tell(format!("ran {other}"));
                sink.done(None)
            }
        }
    }
}

impl Session for FakeSession {
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.tell(format!("batch {sql}"));
        // The driver's bulk_insert sends these around its statement.
        if sql.starts_with("SELECT TOP 0") {
            return self.statement("rows 0", sink);
        }
        if sql.starts_with("INSERT BULK") {
            return self.statement("insert-bulk", sink);
        }
        sql.split(';')
            .try_for_each(|statement| self.statement(statement.trim(), sink))
    }

    fn execute_sql(&mut self, sql: &str, params: Vec<Param>, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.tell(format!(
            "execute {sql} {:?}",
            params.iter().map(|p| (&*p.name, &p.value)).collect::<Vec<_>>()
        ));
        for param in params.iter().filter(|param| param.output) {
            sink.output(Some(&param.name), SqlType::Int, Cell::Integer(42))?;
        }
        self.statement(sql, sink)
    }

    fn call(&mut self, procedure: &str, params: Vec<Param>, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.tell(format!("call {procedure} {}", params.len()));
        sink.output(None, SqlType::Int, Cell::Integer(3))
    }

    fn transaction(&mut self, request: TransactionRequest, sink: &mut dyn Sink) -> Result<(), SqlError> {
        self.tell(format!("transaction {request:?}"));
        match request {
            TransactionRequest::Begin => {
                self.descriptor = 7;
                sink.transaction(TransactionEvent::Begun, 7)
            }
            _ if self.descriptor == 0 => Err(error(3902, "There is no transaction.")),
            TransactionRequest::Commit => {
                self.descriptor = 0;
                sink.transaction(TransactionEvent::Committed, 7)
            }
            TransactionRequest::Rollback => {
                self.descriptor = 0;
                sink.transaction(TransactionEvent::RolledBack, 7)
            }
        }
    }

    fn take_bulk(&mut self) -> Option<BulkTarget> {
        std::mem::take(&mut self.bulk).then(|| BulkTarget { declared: Vec::new() })
    }

    fn bulk_begin(&mut self, columns: &[Column]) -> Result<(), SqlError> {
        self.tell(format!(
            "bulk {:?}",
            columns.iter().map(|c| &*c.name).collect::<Vec<_>>()
        ));
        Ok(())
    }

    fn bulk_row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        if cells[0] == Cell::Integer(-1) {
            return Err(error(515, "Cannot insert the value NULL."));
        }
        self.rows += 1;
        Ok(())
    }

    fn bulk_end(&mut self, keep: bool) -> Result<u64, SqlError> {
        self.tell(format!("bulk-end {keep} {}", self.rows));
        Ok(self.rows)
    }

    fn transaction_descriptor(&self) -> u64 {
        self.descriptor
    }

    fn reset(&mut self) {
        self.descriptor = 0;
        self.tell("reset");
    }
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.tell(format!("dropped {}", self.options.cancel.load(Ordering::SeqCst)));
    }
}
