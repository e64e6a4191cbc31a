//! A connection to the source, and the only statements that it runs on a table's rows.
//!
//! A [`SourceQuery`] is a SELECT. The session puts the proof in front of it, in the same batch, and limits it
//! to one processor of the server. If the proof fails, there is no result set at all, which is an error and
//! never an empty answer. Code outside of this folder cannot read rows without the proof, because the session keeps
//! its connection to itself. The catalog is read without a proof: it holds no rows.

use crate::base::error::Result;
use crate::model::row::Value;
use crate::model::table::{Identifier, TableName, TableSchema};
use crate::mssql::{
    Database, Endpoint, Flow, Guard, Listed, Row, RowReader, ServerClock, ServerInfo, Session, Streamed,
    Timeouts, catalog, predicate, tables, unproven,
};
use crate::tsql::label::remarked;

/// One read of the source: a SELECT and the values of its parameters `@P1`, `@P2`, ….
#[derive(Debug, Clone)]
pub struct SourceQuery<'a> {
    select: String,
    hints: &'static str,
    /// Whether the server may send nothing for long in the middle of the answer, because it looks for rows.
    pauses: bool,
    /// What it is about, as the server's administrator sees it.
    about: Option<String>,
    params: Vec<Value<'a>>,
}

impl<'a> SourceQuery<'a> {
    /// A SELECT without an OPTION clause.
    pub fn new(select: String, params: Vec<Value<'a>>) -> Self {
        SourceQuery {
            select,
            hints: "MAXDOP 1",
            pauses: false,
            about: None,
            params,
        }
    }

    /// A SELECT that is compiled for its own values: a plan that was made for the few rows of one range may sort or scan
    /// for another, which costs the source more than to compile one statement a chunk.
    pub fn recompiled(select: String, params: Vec<Value<'a>>) -> Self {
        SourceQuery {
            select,
            hints: "MAXDOP 1, RECOMPILE",
            pauses: false,
            about: None,
            params,
        }
    }

    /// The same query, whose answer may pause as long as any may take to begin: a walk over a key sends nothing while it
    /// passes rows of other dates.
    pub fn pausing(self) -> Self {
        SourceQuery { pauses: true, ..self }
    }

    /// The same query with a remark in front of it, which tells the server's administrator, and the account, the window
    /// that it reads. Only a query that is compiled for its own values may have one: the server would keep a plan for each
    /// remark of another.
    pub fn about(self, window: String) -> Self {
        SourceQuery {
            about: Some(window),
            ..self
        }
    }

    /// The statement with the proof in front of it. The proof's parameters come after the query's own.
    fn behind<'b>(self, (proof, names): &'b (String, Vec<String>)) -> (String, Vec<Value<'b>>)
    where
        'a: 'b,
    {
        let sql = format!("IF {proof} {} OPTION ({})", self.select, self.hints);
        let sql = match &self.about {
            Some(window) => remarked(window, &sql),
            None => sql,
        };
        let mut params: Vec<Value<'b>> = self.params;
        params.extend(names.iter().map(|name| Value::Text(name)));
        (sql, params)
    }
}

/// The features of a server that may hide values or rows, and the login's right to see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sights {
    /// `sys.columns` tells masks and encryption.
    pub(super) columns: bool,
    pub(super) policies: Policies,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policies {
    /// The server has none.
    None,
    /// There may be some that the login does not see.
    Hidden,
    Seen,
}

/// A connection to the source.
#[derive(Debug)]
pub struct SourceSession {
    pub(super) session: Session,
    /// The features of the server that may hide values or rows, once asked.
    pub(super) sights: Option<Sights>,
    guard: Guard,
    identity: String,
    /// Whether the proof has failed since the connection was opened. Then it is not used again.
    unproven: bool,
}

impl SourceSession {
    /// Connects, and has the server prove that it may be read.
    ///
    /// # Errors
    /// `WrongServer` when it does not; those of [`Session::open`] and of [`catalog::identity`].
    pub async fn open(endpoint: &Endpoint, guard: &Guard, timeouts: &Timeouts) -> Result<Self> {
        let mut session = Session::open(endpoint, Some(guard), timeouts).await?;
        Ok(SourceSession {
            identity: catalog::identity(&mut session).await?,
            session,
            sights: None,
            guard: guard.clone(),
            unproven: false,
        })
    }

    /// Whether the connection cannot be used any more.
    pub fn is_broken(&self) -> bool {
        self.session.is_broken() || self.unproven
    }

    /// Whether the connection itself has ended, as [`Session::is_lost`] says, or leads to a server that does not prove
    /// itself any more: so may those that were opened before it.
    pub fn is_lost(&self) -> bool {
        self.session.is_lost() || self.unproven
    }

    /// What came of a statement behind the proof: nothing at all if the proof failed.
    fn proven<T>(&mut self, result: Option<T>) -> Result<T> {
        self.unproven |= result.is_none();
        result.ok_or_else(unproven)
    }

    /// The server that the connection was sent on to, as [`Session::redirected`] says.
    pub fn redirected(&self) -> Option<&str> {
        self.session.redirected()
    }

    /// The one row of an aggregate.
    ///
    /// # Errors
    /// `FailedOver` when the server no longer proves to be the one that may be read; those of the session.
    pub async fn row(&mut self, query: SourceQuery<'_>) -> Result<Row> {
        let proof = predicate(&self.guard, query.params.len() + 1);
        let (sql, params) = query.behind(&proof);
        let rows = self.session.rows(&sql, &params).await?;
        self.proven(rows.into_iter().next())
    }

    /// Streams the rows of a query into `each` as they arrive, as [`Session::stream`] does.
    ///
    /// # Errors
    /// `FailedOver` when the server no longer proves to be the one that may be read; those of the session.
    pub async fn stream(
        &mut self,
        query: SourceQuery<'_>,
        each: impl FnMut(RowReader<'_>) -> Result<Flow>,
    ) -> Result<()> {
        let never = std::future::pending();
        self.stream_until(query, never, each).await.map(|_| ())
    }

    /// The same, but that it ends once `over` comes: the statement is cancelled at the server, and the connection is
    /// broken. Returns whether that happened. A query that was cut says nothing of what else there is.
    ///
    /// # Errors
    /// Those of [`SourceSession::stream`].
    pub async fn stream_until(
        &mut self,
        query: SourceQuery<'_>,
        over: impl Future<Output = ()>,
        each: impl FnMut(RowReader<'_>) -> Result<Flow>,
    ) -> Result<bool> {
        let proof = predicate(&self.guard, query.params.len() + 1);
        if query.pauses {
            self.session.let_next_pause();
        }
        let (sql, params) = query.behind(&proof);
        let streamed = self.session.stream_until(&sql, &params, over, each).await?;
        match streamed {
            // Without an answer so far, nothing is proven, and nothing was read.
            Streamed { cut: true, .. } => Ok(true),
            Streamed { count, .. } => self.proven(count).map(|_| false),
        }
    }

    /// The names of a query's columns. Give it a query of no rows.
    ///
    /// # Errors
    /// `FailedOver` when the server no longer proves to be the one that may be read; those of the session.
    pub async fn column_names(&mut self, query: SourceQuery<'_>) -> Result<Vec<String>> {
        let proof = predicate(&self.guard, query.params.len() + 1);
        let (sql, params) = query.behind(&proof);
        let columns = self.session.column_names(&sql, &params).await?;
        self.proven(columns)
    }

    /// The server, as it names itself.
    ///
    /// # Errors
    /// As [`catalog::server`].
    pub async fn server(&mut self) -> Result<ServerInfo> {
        catalog::server(&mut self.session).await
    }

    /// The server's clock.
    ///
    /// # Errors
    /// As [`catalog::clock`].
    pub async fn clock(&mut self) -> Result<ServerClock> {
        catalog::clock(&mut self.session).await
    }

    /// The identity of the database, as [`catalog::identity`] has it; empty if the server does not tell it.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The database, as its server tells it from others.
    ///
    /// # Errors
    /// As [`Database::of`].
    pub async fn database(&mut self) -> Result<Database> {
        Database::of(&mut self.session).await
    }

    /// A table as the catalog describes it; `None` if this login sees no such table.
    ///
    /// # Errors
    /// As [`catalog::describe`].
    pub async fn describe(&mut self, table: &TableName) -> Result<Option<TableSchema>> {
        catalog::describe(&mut self.session, table).await
    }

    /// All tables of a schema that this login sees, as the catalog describes them.
    ///
    /// # Errors
    /// As [`tables::tables`].
    pub async fn tables(&mut self, schema: &Identifier) -> Result<Vec<Listed>> {
        tables::tables(&mut self.session, schema).await
    }

    /// The number of rows of a table, as far as the server knows without counting.
    ///
    /// # Errors
    /// As [`catalog::estimate`].
    pub async fn estimate(&mut self, table: &TableSchema) -> Result<Option<u64>> {
        catalog::estimate(&mut self.session, table).await
    }
}
