//! Bound expressions: their types, their collations, and the parameters that they take when they run.

use std::sync::Arc;

use crate::sql::types;
use crate::sql::views::View;
use crate::store::catalog::DEFAULT_COLLATION;
use crate::store::database::Database;
use crate::types::{OwnedCell, SqlType};

/// The source of a numbered SQLite parameter's value when the statement runs.
#[derive(Clone)]
pub(crate) enum Parameter {
    /// A variable or a parameter of the RPC, by folded name.
    Variable(String),
    /// A value that cannot be written as a literal.
    Constant(OwnedCell),
    /// A value of the session, the same for the whole statement.
    System(System),
    /// The rows of a catalog view, as JSON.
    View(&'static View, Arc<Database>),
}

/// Values of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the functions")]
pub(crate) enum System {
    /// The time, in the storage form of this type.
    Now(SqlType),
    TranCount,
    RowCount,
    Error,
    Spid,
    DatabaseName,
    DatabaseId,
    XactState,
    ScopeIdentity,
    LockTimeout,
    Login,
    User,
    Application,
    Host,
    ErrorNumber,
    ErrorMessage,
    ErrorSeverity,
    ErrorState,
    ErrorLine,
}

/// The origin of an expression's collation, in rising precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Collation {
    /// Of a literal or a variable.
    Default,
    /// Of a column.
    Implicit(Arc<str>),
    /// By COLLATE.
    Explicit(Arc<str>),
}

impl Collation {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Collation::Default => DEFAULT_COLLATION,
            Collation::Implicit(name) | Collation::Explicit(name) => name,
        }
    }

    /// The collation of a column that holds such values.
    pub fn column_name(&self, ty: SqlType) -> Option<Arc<str>> {
        if !types::is_text(ty) {
            return None;
        }
        Some(match self {
            Collation::Default => Arc::from(DEFAULT_COLLATION),
            Collation::Implicit(name) | Collation::Explicit(name) => Arc::clone(name),
        })
    }
}

/// An expression with its type, as SQLite SQL.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub sql: String,
    pub ty: SqlType,
    pub collation: Collation,
    pub nullable: bool,
    /// Its value, when it is a literal.
    pub constant: Option<OwnedCell>,
    /// The literal NULL, which takes any type.
    pub untyped_null: bool,
    /// The table column that it is, if it is one.
    pub column: Option<Origin>,
}

/// A table column that an expression stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub name: String,
    pub identity: bool,
    /// SQLite knows its collation without COLLATE.
    pub native: bool,
    /// The login reads the column's mask in place of its value.
    pub masked: bool,
}

impl Bound {
    /// An expression that is neither a literal nor a column.
    pub fn new(sql: String, ty: SqlType) -> Bound {
        Bound {
            sql,
            ty,
            collation: Collation::Default,
            nullable: true,
            constant: None,
            untyped_null: false,
            column: None,
        }
    }

    /// The same, never NULL.
    pub fn not_null(mut self) -> Bound {
        self.nullable = false;
        self
    }
}
