//! The SQL side without a network: tests drive sessions directly and collect the answers.

mod access;
mod bulk;
mod catalog;
mod dated;
mod deep;
mod errors;
mod hidden;
mod plans;
mod relations;
mod rename;
mod state;
mod statements;
mod transactions;
mod types;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::session::SqlSession;
use crate::store::{LockMode, Role, ServerConfig, ServerState};
use crate::types::{
    Cell, Column, OwnedCell, Param, Session, SessionOptions, Sink, SqlError, SqlType, TransactionEvent,
};
use crate::value::render::render;

/// A server over a scratch directory, with one database.
pub(super) struct Server {
    pub state: Arc<ServerState>,
    directory: tempfile::TempDir,
}

impl Server {
    pub fn new() -> Server {
        Server::with(LockMode::Versioned)
    }

    pub fn with(locks: LockMode) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let state = open(directory.path(), locks);
        state.create_database("db").unwrap();
        Server { state, directory }
    }

    /// The same files, opened by a new server.
    pub fn reopened(self) -> Server {
        let Server { state, directory } = self;
        assert_eq!(Arc::strong_count(&state), 1, "a session is still open");
        drop(state);
        Server {
            state: open(directory.path(), LockMode::Versioned),
            directory,
        }
    }

    pub fn session(&self) -> SqlSession {
        self.session_with(Arc::new(AtomicBool::new(false)))
    }

    pub fn session_with(&self, cancel: Arc<AtomicBool>) -> SqlSession {
        self.session_of("sa", cancel)
    }

    /// A session of another login than `sa`.
    pub fn session_as(&self, login: &str) -> SqlSession {
        self.session_of(login, Arc::new(AtomicBool::new(false)))
    }

    fn session_of(&self, login: &str, cancel: Arc<AtomicBool>) -> SqlSession {
        let options = SessionOptions {
            login: login.into(),
            database: "db".into(),
            application: "tests".into(),
            host: "here".into(),
            spid: 51,
            cancel,
        };
        SqlSession::open(Arc::clone(&self.state), options).unwrap()
    }

    pub fn set_secondary(&self, secondary: bool) {
        self.state.set_role(
            "db",
            if secondary {
                Role::ReadableSecondary
            } else {
                Role::Primary
            },
        );
    }
}

fn open(path: &std::path::Path, locks: LockMode) -> Arc<ServerState> {
    ServerState::open(ServerConfig {
        data: path.to_owned(),
        server_name: "SRV".into(),
        version: crate::store::VERSION_TEXT.into(),
        locks,
    })
    .unwrap()
}

/// The whole answer to a request.
#[derive(Default, Debug)]
pub(super) struct Answer {
    pub sets: Vec<(Vec<Column>, Vec<Vec<String>>)>,
    pub errors: Vec<SqlError>,
    pub infos: Vec<SqlError>,
    pub dones: Vec<Option<u64>>,
    pub outputs: Vec<(Option<String>, String)>,
    pub events: Vec<TransactionEvent>,
    pub databases: Vec<String>,
    /// The sink fails from that row on, as with a client that has left.
    pub gone_at_row: Option<usize>,
}

impl Sink for Answer {
    fn columns(&mut self, columns: &[Column]) -> Result<(), SqlError> {
        self.sets.push((columns.to_vec(), Vec::new()));
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        let (columns, rows) = self.sets.last_mut().unwrap();
        if self.gone_at_row == Some(rows.len()) {
            return Err(SqlError {
                number: 0,
                state: 0,
                class: 20,
                message: "gone".into(),
                line: 1,
            });
        }
        assert_eq!(columns.len(), cells.len());
        rows.push(
            cells
                .iter()
                .zip(columns.iter())
                .map(|(c, k)| render(*c, k.ty))
                .collect(),
        );
        Ok(())
    }

    fn done(&mut self, row_count: Option<u64>) -> Result<(), SqlError> {
        self.dones.push(row_count);
        Ok(())
    }

    fn info(&mut self, message: &SqlError) -> Result<(), SqlError> {
        self.infos.push(message.clone());
        Ok(())
    }

    fn error(&mut self, error: &SqlError) -> Result<(), SqlError> {
        self.errors.push(error.clone());
        Ok(())
    }

    fn database_changed(&mut self, _: &str, new: &str) -> Result<(), SqlError> {
        self.databases.push(new.to_owned());
        Ok(())
    }

    fn transaction(&mut self, event: TransactionEvent, descriptor: u64) -> Result<(), SqlError> {
        assert_ne!(descriptor, 0);
        self.events.push(event);
        Ok(())
    }

    fn output(&mut self, name: Option<&str>, ty: SqlType, value: Cell<'_>) -> Result<(), SqlError> {
        self.outputs.push((name.map(str::to_owned), render(value, ty)));
        Ok(())
    }
}

/// Runs a batch, whatever its outcome.
pub(super) fn run(session: &mut SqlSession, sql: &str) -> Answer {
    let mut answer = Answer::default();
    session.batch(sql, &mut answer).unwrap();
    answer
}

/// Runs a batch that must succeed.
pub(super) fn ok(session: &mut SqlSession, sql: &str) -> Answer {
    let answer = run(session, sql);
    assert!(answer.errors.is_empty(), "{sql}\n{:?}", answer.errors);
    answer
}

/// The rows of a batch's only result set.
pub(super) fn rows(session: &mut SqlSession, sql: &str) -> Vec<Vec<String>> {
    let mut answer = ok(session, sql);
    assert_eq!(answer.sets.len(), 1, "{sql}");
    answer.sets.remove(0).1
}

/// The only value of a batch.
pub(super) fn one(session: &mut SqlSession, sql: &str) -> String {
    let rows = rows(session, sql);
    assert_eq!(
        (rows.len(), rows.first().map(Vec::len)),
        (1, Some(1)),
        "{sql}: {rows:?}"
    );
    rows[0][0].clone()
}

/// The first column of a batch's only result set.
pub(super) fn column(session: &mut SqlSession, sql: &str) -> Vec<String> {
    rows(session, sql).into_iter().map(|mut r| r.remove(0)).collect()
}

/// The only error of a batch.
pub(super) fn fails(session: &mut SqlSession, sql: &str) -> SqlError {
    let mut answer = run(session, sql);
    assert_eq!(answer.errors.len(), 1, "{sql}: {:?}", answer.errors);
    answer.errors.remove(0)
}

/// Runs `sp_executesql`.
pub(super) fn call(session: &mut SqlSession, sql: &str, params: Vec<Param>) -> Answer {
    let mut answer = Answer::default();
    session.execute_sql(sql, params, &mut answer).unwrap();
    answer
}

/// Parameters `@P1`, `@P2`, ...
pub(super) fn params(values: &[(SqlType, OwnedCell)]) -> Vec<Param> {
    let numbered = values.iter().enumerate();
    numbered
        .map(|(i, (ty, value))| Param {
            name: format!("@P{}", i + 1),
            ty: *ty,
            value: value.clone(),
            output: false,
        })
        .collect()
}

/// A text parameter of the driver's type.
pub(super) fn text(value: &str) -> (SqlType, OwnedCell) {
    (
        SqlType::NVarChar(crate::types::Len::N(4000)),
        OwnedCell::Text(value.into()),
    )
}

/// An int parameter.
pub(super) fn int(value: i64) -> (SqlType, OwnedCell) {
    (SqlType::Int, OwnedCell::Integer(value))
}
