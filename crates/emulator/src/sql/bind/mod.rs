//! The binder: gives every expression of a statement a type and a collation, and writes the statement as SQLite SQL
//! over the storage form.
//!
//! Columns compare natively where both sides have one storage form; otherwise the side of lower precedence is
//! converted by a registered deterministic function, so that an index on the other side is used. Nothing is guessed:
//! an expression that it does not know is an error that quotes it.

mod aggregate;
mod convert;
mod dates;
pub(crate) mod dml;
mod expr;
mod function;
mod grouping;
mod mask;
mod predicate;
pub(crate) mod query;
mod set_operation;
mod source;

use std::collections::HashMap;
use std::sync::Arc;

use super::core::{Core, TableRef};
use super::views::View;
use crate::store::access::Permission;
use crate::store::catalog::{DEFAULT_COLLATION, TableDef};
use crate::store::database::Database;
use crate::types::{OwnedCell, SqlError, SqlType};
pub(crate) use convert::Mode;
use source::Scope;

/// Where the value of a numbered SQLite parameter comes from when the statement runs.
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

/// How an expression's collation came about, in rising precedence.
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
    /// The table column that it is.
    pub column: Option<Origin>,
}

/// The table column that an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub name: String,
    pub identity: bool,
    /// SQLite knows its collation without COLLATE.
    pub native: bool,
    /// The login reads its mask in place of its value.
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

/// A permission on a table that a statement needs.
#[derive(Clone)]
pub(crate) struct Need {
    pub permission: Permission,
    pub database: Arc<Database>,
    pub table: Arc<TableDef>,
}

/// What a bound statement depends on.
#[derive(Default, Clone)]
pub(crate) struct Uses {
    /// Databases whose catalog it was bound to, with the catalog's version.
    pub catalogs: Vec<(Arc<Database>, i64)>,
    /// Tables that it reads or changes, whose locks it waits for: database and object id.
    pub reads: Vec<(i32, i32)>,
    /// What it may only do if nobody denies it.
    pub needs: Vec<Need>,
    /// Whether it looks names up while it runs.
    pub names: bool,
    /// Whether it names a temp table.
    pub temps: bool,
}

/// See the module.
pub(crate) struct Binder<'a> {
    pub core: &'a mut Core,
    variables: &'a HashMap<String, SqlType>,
    pub parameters: Vec<Parameter>,
    pub uses: Uses,
    scopes: Vec<Scope>,
    ctes: Vec<HashMap<String, query::BoundQuery>>,
    next_alias: usize,
    /// Whether aggregates may stand where the binder is.
    aggregates: bool,
    grouping: grouping::Grouping,
    /// How many masked columns were read so far.
    masked_reads: usize,
}

impl<'a> Binder<'a> {
    /// A binder for one statement.
    pub fn new(core: &'a mut Core, variables: &'a HashMap<String, SqlType>) -> Binder<'a> {
        Binder {
            core,
            variables,
            parameters: Vec::new(),
            uses: Uses::default(),
            scopes: Vec::new(),
            ctes: Vec::new(),
            next_alias: 0,
            aggregates: false,
            grouping: grouping::Grouping::default(),
            masked_reads: 0,
        }
    }

    /// Notes that the statement depends on a database's catalog.
    pub fn use_catalog(&mut self, database: &Arc<Database>) -> Result<(), SqlError> {
        if !self.uses.catalogs.iter().any(|(d, _)| Arc::ptr_eq(d, database)) {
            let version = self.core.catalog(database)?.version;
            self.uses.catalogs.push((Arc::clone(database), version));
        }
        Ok(())
    }

    /// Notes that the statement needs a permission on a table.
    fn need(&mut self, permission: Permission, table: &TableRef) {
        if let Some(database) = &table.database {
            self.uses.needs.push(Need {
                permission,
                database: Arc::clone(database),
                table: Arc::clone(&table.def),
            });
        }
    }

    /// A parameter's number as SQLite writes it.
    fn parameter(&mut self, parameter: Parameter) -> String {
        let same = |p: &Parameter| match (p, &parameter) {
            (Parameter::Variable(a), Parameter::Variable(b)) => a == b,
            (Parameter::System(a), Parameter::System(b)) => a == b,
            _ => false,
        };
        let at = self.parameters.iter().position(same).unwrap_or_else(|| {
            self.parameters.push(parameter.clone());
            self.parameters.len() - 1
        });
        format!("?{}", at + 1)
    }

    /// A value of the session.
    fn system(&mut self, value: System, ty: SqlType) -> Bound {
        Bound::new(self.parameter(Parameter::System(value)), ty)
    }

    fn alias(&mut self) -> String {
        self.next_alias += 1;
        format!("t{}", self.next_alias)
    }
}
