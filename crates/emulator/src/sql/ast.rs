//! The statements of a batch, as far as T-SQL differs from sqlparser's grammar. Queries, expressions and data types
//! inside them are sqlparser's.

use crate::store::access::Permission;
use crate::store::catalog::IndexOptions;
use sqlparser::ast::{DataType, Expr, Ident, ObjectName, Query, TableWithJoins};

/// A statement with its place in the batch.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub kind: Stmt,
    /// Its line in the batch, from 1.
    pub line: u32,
    /// Its number in the batch, under which the session keeps its plan.
    pub id: usize,
}

/// A parsed batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    pub statements: Vec<Statement>,
    /// The number of statement ids.
    pub ids: usize,
}

/// The kinds of statements.
#[derive(Debug, Clone)]
pub(crate) enum Stmt {
    Query(Box<Query>),
    /// `SELECT ... INTO`: the INSERT that fills the table.
    SelectInto(Box<Statement>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    CreateTable(Box<CreateTable>),
    DropTable {
        names: Vec<ObjectName>,
        if_exists: bool,
    },
    Truncate(ObjectName),
    CreateIndex {
        table: ObjectName,
        index: IndexSpec,
    },
    DropIndex {
        name: Ident,
        table: ObjectName,
        if_exists: bool,
    },
    AlterTable {
        table: ObjectName,
        change: Box<AlterTable>,
    },
    CreateStatistics {
        name: Ident,
        table: ObjectName,
        columns: Vec<Ident>,
    },
    CreateType {
        name: ObjectName,
        base: DataType,
        nullable: bool,
    },
    DropType {
        name: ObjectName,
        if_exists: bool,
    },
    CreatePolicy(Box<CreatePolicy>),
    DropPolicy {
        name: ObjectName,
        if_exists: bool,
    },
    /// With its owner.
    CreateSchema(Ident, Option<Ident>),
    DropSchema {
        name: Ident,
        if_exists: bool,
    },
    CreateDatabase(Ident),
    DropDatabase {
        names: Vec<Ident>,
        if_exists: bool,
    },
    AlterDatabase {
        name: Option<Ident>,
        option: DatabaseOption,
    },
    Use(Ident),
    Begin,
    Commit,
    /// With the name of a savepoint, or of the transaction.
    Rollback(Option<String>),
    Save(String),
    If {
        condition: Box<Expr>,
        then: Box<Statement>,
        otherwise: Option<Box<Statement>>,
    },
    While {
        condition: Box<Expr>,
        body: Box<Statement>,
    },
    Block(Vec<Statement>),
    TryCatch {
        body: Vec<Statement>,
        handler: Vec<Statement>,
    },
    Break,
    Continue,
    Return(Option<Box<Expr>>),
    Declare(Vec<Declaration>),
    SetVariable {
        name: String,
        value: Box<Expr>,
    },
    SetOption(SetOption),
    ExecString(Vec<Expr>),
    Exec {
        status: Option<String>,
        procedure: ObjectName,
        arguments: Vec<Argument>,
    },
    InsertBulk {
        table: ObjectName,
        columns: Vec<BulkColumn>,
        options: Vec<String>,
    },
    Permission(Box<PermissionChange>),
    Principal(Box<PrincipalChange>),
    Print(Box<Expr>),
    RaiseError(Vec<Expr>),
    Throw(Vec<Expr>),
}

/// `DECLARE @name type [= value]`.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub name: String,
    pub ty: DataType,
    pub value: Option<Expr>,
}

/// An argument of EXEC.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub name: Option<String>,
    pub value: Expr,
    pub output: bool,
}

/// A column of INSERT BULK.
#[derive(Debug, Clone)]
pub(crate) struct BulkColumn {
    pub name: Ident,
    pub ty: DataType,
}

/// GRANT, DENY or REVOKE.
#[derive(Debug, Clone)]
pub(crate) struct PermissionChange {
    pub verb: PermissionVerb,
    pub permissions: Vec<Permission>,
    pub on: Securable,
    pub principals: Vec<Ident>,
}

/// A change of a login or a user.
#[derive(Debug, Clone)]
pub(crate) enum PrincipalChange {
    CreateLogin {
        name: String,
        password: String,
    },
    AlterLogin {
        name: String,
        password: Option<String>,
    },
    /// With a password, for a user that has no login.
    CreateUser {
        name: String,
        password: Option<String>,
    },
    AlterUser {
        name: String,
    },
}

/// The verb of a permission change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PermissionVerb {
    Grant,
    GrantWithOption,
    Deny,
    Revoke,
}

/// The object that a permission is on.
#[derive(Debug, Clone)]
pub(crate) enum Securable {
    Database,
    Object(ObjectName),
    Schema(Ident),
    Type(ObjectName),
}

/// CREATE SECURITY POLICY.
#[derive(Debug, Clone)]
pub(crate) struct CreatePolicy {
    pub name: ObjectName,
    /// The function with its arguments, as T-SQL, and the table.
    pub predicates: Vec<(String, ObjectName)>,
    pub enabled: bool,
}

/// INSERT.
#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub table: ObjectName,
    pub columns: Vec<Ident>,
    pub source: InsertSource,
}

/// The source of an INSERT's rows. `None` in a row is DEFAULT.
#[derive(Debug, Clone)]
pub(crate) enum InsertSource {
    Values(Vec<Vec<Option<Expr>>>),
    Query(Box<Query>),
    DefaultValues,
}

/// UPDATE.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub top: Option<Expr>,
    pub target: ObjectName,
    pub assignments: Vec<(Vec<Ident>, Option<Expr>)>,
    pub from: Vec<TableWithJoins>,
    pub selection: Option<Expr>,
}

/// DELETE.
#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub top: Option<Expr>,
    pub target: ObjectName,
    pub from: Vec<TableWithJoins>,
    pub selection: Option<Expr>,
}

/// CREATE TABLE.
#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub name: ObjectName,
    pub columns: Vec<ColumnSpec>,
    pub constraints: Vec<ConstraintSpec>,
}

/// A column of CREATE TABLE or ALTER TABLE.
#[derive(Debug, Clone)]
pub(crate) struct ColumnSpec {
    pub name: Ident,
    pub ty: DataType,
    pub collation: Option<String>,
    pub nullable: Option<bool>,
    pub identity: Option<(i64, i64)>,
    /// The function of MASKED WITH.
    pub mask: Option<String>,
    /// The `encryption_type` of ENCRYPTED WITH.
    pub encryption: Option<u8>,
    pub constraints: Vec<ConstraintSpec>,
}

/// A constraint of a table, or of a column (whose name is then in `columns`).
#[derive(Debug, Clone)]
pub(crate) struct ConstraintSpec {
    pub name: Option<Ident>,
    pub kind: ConstraintKind,
}

/// The kinds of constraints.
#[derive(Debug, Clone)]
pub(crate) enum ConstraintKind {
    Key(IndexSpec),
    /// The expression, as T-SQL.
    Default {
        column: Ident,
        sql: String,
    },
    /// The condition, as T-SQL.
    Check {
        column: Option<Ident>,
        sql: String,
    },
    ForeignKey {
        columns: Vec<Ident>,
        parent: ObjectName,
        parent_columns: Vec<Ident>,
    },
}

/// An index, or the index of a key constraint.
#[derive(Debug, Clone)]
pub(crate) struct IndexSpec {
    pub name: Option<Ident>,
    pub primary: bool,
    pub constraint: bool,
    pub unique: bool,
    pub clustered: Option<bool>,
    pub keys: Vec<(Ident, bool)>,
    pub include: Vec<Ident>,
    /// The WHERE of a filtered index, as T-SQL.
    pub filter: Option<String>,
    pub options: IndexOptions,
}

/// The changes of ALTER TABLE.
#[derive(Debug, Clone)]
pub(crate) enum AlterTable {
    Add {
        columns: Vec<ColumnSpec>,
        constraints: Vec<ConstraintSpec>,
    },
    DropConstraints {
        names: Vec<Ident>,
        if_exists: bool,
    },
    DropColumns {
        names: Vec<Ident>,
        if_exists: bool,
    },
    AlterColumn(ColumnSpec),
    /// SET (LOCK_ESCALATION = ...), as `sys.tables` numbers it.
    LockEscalation(u8),
    /// ADD MASKED, or DROP MASKED without a function.
    Mask {
        column: Ident,
        function: Option<String>,
    },
}

/// An option of ALTER DATABASE ... SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseOption {
    ReadOnly(bool),
    SingleUser(bool),
    AllowSnapshot(bool),
    ReadCommittedSnapshot(bool),
    /// As `sys.databases` numbers it.
    RecoveryModel(u8),
    /// As `sys.databases` numbers it.
    DelayedDurability(u8),
    /// An option that changes nothing here.
    Neutral,
}

/// A SET statement that changes the session.
#[derive(Debug, Clone)]
pub(crate) enum SetOption {
    Switches { names: Vec<String>, on: bool },
    IdentityInsert { table: ObjectName, on: bool },
    IsolationLevel(IsolationLevel),
    Value { name: String, value: Box<Expr> },
}

/// How a session reads rows that others change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum IsolationLevel {
    /// It waits for writers: READ COMMITTED and those above it.
    #[default]
    Waiting,
    /// It takes no locks on rows, and waits for none: READ UNCOMMITTED.
    Uncommitted,
    /// It reads by row versions.
    Snapshot,
}
