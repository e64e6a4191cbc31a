//! The state of a session between its statements, and the ways in which a statement ends.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::load::{Load, Pending};
use crate::sql::ast::{self, IsolationLevel};
use crate::sql::bind::dml::Change;
use crate::sql::bind::{Parameter, Uses};
use crate::sql::core::{Core, Temp};
use crate::sql::errors;
use crate::store::database::Database;
use crate::types::{Column, OwnedCell, SqlError, SqlType};

/// The reason why a statement failed.
#[derive(Debug)]
pub(super) enum Stop {
    /// An error of the statement.
    Error(SqlError),
    /// An error that the sink has been told. The batch is over.
    Reported,
    /// The client has left or cancelled.
    Gone(SqlError),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Stop {
        if error == errors::cancelled() {
            Stop::Gone(error)
        } else {
            Stop::Error(error)
        }
    }
}

pub(super) type Ran<T> = Result<T, Stop>;

/// Turns a sink's answer into the outcome of a statement.
pub(super) fn sent(result: Result<(), SqlError>) -> Ran<()> {
    result.map_err(Stop::Gone)
}

/// The settings that SET changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) xact_abort: bool,
    pub(super) no_count: bool,
    pub(super) implicit_transactions: bool,
    /// `None` waits for ever.
    pub(super) lock_timeout: Option<Duration>,
    /// The table whose identity column may be given a value.
    pub(super) identity_insert: Option<i32>,
    pub(super) isolation: IsolationLevel,
}

/// A variable's type and value.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) ty: SqlType,
    pub(super) value: OwnedCell,
}

/// A bound statement and the state that it was bound to.
pub(super) struct Prepared {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) uses: Uses,
    pub(super) temp_version: u64,
    pub(super) database: i32,
    pub(super) identity_insert: Option<i32>,
    pub columns: Vec<Column>,
    /// `SELECT @a = ...`.
    pub(super) assigns: Vec<String>,
    pub change: Option<Change>,
}

/// The state of a session's transaction.
#[derive(Default)]
pub(super) struct Transaction {
    /// `@@TRANCOUNT`.
    pub count: u32,
    pub descriptor: u64,
    /// XACT_STATE() is -1: after an error inside TRY it can only be rolled back.
    pub doomed: bool,
    /// SQLite's transaction is open.
    pub(super) open: bool,
    /// The databases whose write lock it holds.
    pub(super) locked: Vec<Arc<Database>>,
    /// The temp tables at its beginning.
    pub(super) temps: Vec<Temp>,
    pub(super) savepoints: Vec<(String, Vec<Temp>)>,
}

/// A parsed batch with the plans made of its statements.
pub(super) struct Batch {
    pub(super) parsed: ast::Batch,
    pub(super) plans: Vec<Mutex<HashMap<usize, Arc<Prepared>>>>,
}

/// The error that a CATCH block handles.
#[derive(Debug, Clone)]
pub(super) struct Caught(pub(super) SqlError);

/// See the module.
pub(crate) struct SqlSession {
    pub(super) core: Core,
    pub(super) settings: Settings,
    pub(super) transaction: Transaction,
    pub(super) variables: HashMap<String, Variable>,
    pub(super) batches: HashMap<String, Arc<Batch>>,
    pub(super) row_count: i64,
    pub(super) last_error: i32,
    pub(super) caught: Vec<Caught>,
    /// The number of open TRY blocks.
    pub(super) tries: u32,
    /// The number of statements that run inside each other: blocks, branches and EXEC.
    pub(super) nested: usize,
    pub(super) identities: HashMap<i32, Arc<AtomicI64>>,
    pub(super) pending_bulk: Option<Pending>,
    pub(super) bulk: Option<Load>,
}
