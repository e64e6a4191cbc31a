//! The types that the emulator's parts share: types, columns, cells, errors, and the two traits between the wire
//! and the SQL side.
//!
//! The wire knows TDS and nothing of SQL; the SQL side knows SQLite and nothing of packets. They meet here: the
//! wire calls a [`Session`], and the session answers into a [`Sink`].

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A declared length of a character or binary type. It counts characters for `nchar`/`nvarchar` and bytes
/// otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Len {
    /// `type(n)`.
    N(u16),
    /// `type(max)`.
    Max,
}

/// A SQL Server data type, with everything that changes the storage or the wire form of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the SQL type of the same name")]
pub(crate) enum SqlType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    /// `numeric` is a synonym that the catalog and the wire still distinguish.
    Decimal {
        precision: u8,
        scale: u8,
        numeric: bool,
    },
    Money,
    SmallMoney,
    Real,
    Float,
    Char(u16),
    VarChar(Len),
    NChar(u16),
    NVarChar(Len),
    Binary(u16),
    VarBinary(Len),
    Date,
    Time(u8),
    DateTime,
    SmallDateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    UniqueIdentifier,
    Xml,
}

/// A result or table column as COLMETADATA describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name. It is empty for an expression without one.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// Whether it is an identity column.
    pub identity: bool,
    /// Whether a client may write it (false for expressions).
    pub updateable: bool,
    /// Collation name of a character column.
    pub collation: Option<Arc<str>>,
}

/// One value in storage form (see the table in the crate's README).
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "SQLite's storage classes")]
pub(crate) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// An owned [`Cell`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "SQLite's storage classes")]
pub(crate) enum OwnedCell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl OwnedCell {
    /// Borrows it.
    pub fn as_cell(&self) -> Cell<'_> {
        match self {
            OwnedCell::Null => Cell::Null,
            OwnedCell::Integer(v) => Cell::Integer(*v),
            OwnedCell::Real(v) => Cell::Real(*v),
            OwnedCell::Text(v) => Cell::Text(v),
            OwnedCell::Blob(v) => Cell::Blob(v),
        }
    }
}

/// A parameter of an RPC: `@P1` with the type that the client declared for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Param {
    /// With its `@`. It is empty when the client sent none.
    pub name: String,
    /// The declared type.
    pub ty: SqlType,
    /// The value.
    pub value: OwnedCell,
    /// Whether the client asks for its value back.
    pub output: bool,
}

/// An error as the ERROR token carries it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number}: {message}")]
pub struct SqlError {
    /// SQL Server's error number.
    pub number: i32,
    /// Its state.
    pub state: u8,
    /// Its severity.
    pub class: u8,
    /// Its text.
    pub message: String,
    /// The line in the batch, from 1.
    pub line: u32,
}

/// The receiver of a [`Session`]'s answers. Calls come in the order of the tokens on the wire.
///
/// An `Err` means that the client has left or cancelled. The session stops the statement and returns the error.
pub(crate) trait Sink {
    /// A new result set.
    fn columns(&mut self, columns: &[Column]) -> Result<(), SqlError>;
    /// One row of the result set announced last.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError>;
    /// A statement is done, with its row count if it has one.
    fn done(&mut self, row_count: Option<u64>) -> Result<(), SqlError>;
    /// An informational message (class up to 10), such as 5701 after USE.
    fn info(&mut self, message: &SqlError) -> Result<(), SqlError>;
    /// A statement failed. The batch may go on after it.
    fn error(&mut self, error: &SqlError) -> Result<(), SqlError>;
    /// The current database changed: ENVCHANGE 1.
    fn database_changed(&mut self, old: &str, new: &str) -> Result<(), SqlError>;
    /// A transaction began, or ended by commit or by rollback: ENVCHANGE 8, 9, 10 with its descriptor.
    fn transaction(&mut self, event: TransactionEvent, descriptor: u64) -> Result<(), SqlError>;
    /// The value of an output parameter, or the return status of a procedure (`None` name).
    fn output(&mut self, name: Option<&str>, ty: SqlType, value: Cell<'_>) -> Result<(), SqlError>;
}

/// The ways in which a transaction's state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum TransactionEvent {
    Begun,
    Committed,
    RolledBack,
}

/// A transaction manager request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum TransactionRequest {
    Begin,
    Commit,
    Rollback,
}

/// Target of the bulk load that an `INSERT BULK` statement announced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BulkTarget {
    /// The columns that the statement names, with the types it declares, in its order.
    pub declared: Vec<Column>,
}

/// One logged-in connection's SQL side. It runs on the connection's own thread and may block.
///
/// The wire sets `cancel` in [`SessionOptions`] when an attention arrives or the client leaves. A statement that
/// runs or waits for a lock sees it and returns an error.
pub(crate) trait Session {
    /// Runs a SQL batch.
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), SqlError>;
    /// Runs `sp_executesql`. Temp tables and SET options end with its scope.
    fn execute_sql(&mut self, sql: &str, params: Vec<Param>, sink: &mut dyn Sink) -> Result<(), SqlError>;
    /// Calls a procedure by name. The wire handles `sp_prepare` and its relatives itself.
    fn call(&mut self, procedure: &str, params: Vec<Param>, sink: &mut dyn Sink) -> Result<(), SqlError>;
    /// Begins, commits or rolls back by a transaction manager request.
    fn transaction(&mut self, request: TransactionRequest, sink: &mut dyn Sink) -> Result<(), SqlError>;
    /// The bulk load that the last batch announced, if it was an `INSERT BULK`. The next message is its BULK LOAD.
    /// Takes it.
    fn take_bulk(&mut self) -> Option<BulkTarget>;

    /// The steps of the store's virtual machine since the last call.
    fn take_steps(&mut self) -> u64 {
        0
    }
    /// Starts writing the bulk rows. `columns` are those of the client's COLMETADATA. The error is 4816 if they
    /// differ from the declared ones or from the table's.
    fn bulk_begin(&mut self, columns: &[Column]) -> Result<(), SqlError>;
    /// One bulk row, in the order of `columns`.
    fn bulk_row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError>;
    /// Ends the bulk load and returns the number of rows. With `keep` false the rows are undone.
    fn bulk_end(&mut self, keep: bool) -> Result<u64, SqlError>;
    /// The open transaction's descriptor, 0 without one.
    fn transaction_descriptor(&self) -> u64;
    /// Resets the session (RESETCONNECTION): rolls back, drops temp tables, and restores the default options.
    fn reset(&mut self);
}

/// The options that a session is opened with.
#[derive(Debug, Clone)]
pub(crate) struct SessionOptions {
    /// The login's name.
    pub login: String,
    /// The database to open. If it is empty, the login's default, `master`.
    pub database: String,
    /// The client's name for itself.
    pub application: String,
    /// The host name that the client sent.
    pub host: String,
    /// `@@SPID`.
    pub spid: i16,
    /// Set when the running request is cancelled or the client has left.
    pub cancel: Arc<AtomicBool>,
}
