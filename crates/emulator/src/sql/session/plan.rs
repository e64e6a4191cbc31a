//! Bound statements and their execution: parameters in, rows into the sink. They are kept with their batch.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::CachedStatement;
use sqlparser::ast::{Expr, Query};

use super::constraint::is_duplicate;
use super::state::{Batch, Prepared, Ran, SqlSession, Stop, Variable, sent};
use crate::sql::ast::{Statement, Stmt};
use crate::sql::bind::dml::Change;
use crate::sql::bind::{Binder, Mode, Parameter, System};
use crate::sql::errors::{error, unsupported};
use crate::sql::shared::lock;
use crate::sql::sqlite::{Bindable, cell};
use crate::sql::{ast, types};
use crate::store::access::is_owner;
use crate::store::{catalog, fold};
use crate::types::{Cell, Column, OwnedCell, Sink, SqlError, SqlType};

/// The rows between two checks of the cancel flag.
const ROWS_BETWEEN_LOOKS: u64 = 256;

impl SqlSession {
    /// The plan of a statement, or of one of its expressions (`part` from 1). It is the kept one if nothing that it
    /// was bound to has changed, or else a new one.
    fn prepared(
        &mut self,
        batch: &Batch,
        id: usize,
        part: usize,
        bind: impl Fn(&mut Binder<'_>) -> Result<Bound, SqlError>,
    ) -> Result<Arc<Prepared>, SqlError> {
        let slot = batch.plans.get(id);
        if let Some(kept) = slot.and_then(|s| plans(s).get(&part).cloned())
            && self.is_current(&kept)?
        {
            // The session that was waited for may have altered a table that the plan was bound to.
            if !self.wait_for_tables(&kept.uses.reads)? || self.is_current(&kept)? {
                return Ok(kept);
            }
        }
        let variables: HashMap<String, SqlType> =
            self.variables.iter().map(|(n, v)| (n.clone(), v.ty)).collect();
        let identity_insert = self.settings.identity_insert;
        let database = self.core.current.id;
        let (bound, parameters, uses) = loop {
            let mut binder = Binder::new(&mut self.core, &variables);
            let bound = bind(&mut binder);
            let (parameters, uses) = (binder.parameters, binder.uses);
            if !self.wait_for_tables(&uses.reads)? {
                break (bound?, parameters, uses);
            }
        };
        self.check_needs(&uses.needs)?;
        let prepared = Arc::new(Prepared {
            sql: bound.sql,
            parameters,
            uses,
            temp_version: self.core.temp_version,
            database,
            identity_insert,
            columns: bound.columns,
            assigns: bound.assigns,
            change: bound.change,
        });
        if let Some(slot) = slot {
            plans(slot).insert(part, Arc::clone(&prepared));
        }
        Ok(prepared)
    }

    fn is_current(&mut self, kept: &Prepared) -> Result<bool, SqlError> {
        if kept.database != self.core.current.id
            || kept.identity_insert != self.settings.identity_insert
            || kept.temp_version != self.core.temp_version
        {
            return Ok(false);
        }
        for (database, version) in &kept.uses.catalogs {
            if self.core.catalog(database)?.version != *version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The plan of a query.
    pub(super) fn prepare_query(
        &mut self,
        batch: &Batch,
        statement: &Statement,
        query: &Query,
    ) -> Result<Arc<Prepared>, SqlError> {
        self.prepared(batch, statement.id, 0, |binder| {
            let query = binder.subquery(query)?;
            Ok(Bound {
                columns: query.columns.iter().map(|c| c.column()).collect(),
                assigns: query.assigns,
                sql: query.sql,
                change: None,
            })
        })
    }

    /// The plan of INSERT, UPDATE or DELETE.
    pub(super) fn prepare_change(
        &mut self,
        batch: &Batch,
        statement: &Statement,
    ) -> Result<Arc<Prepared>, SqlError> {
        let identity_insert = self.settings.identity_insert;
        self.prepared(batch, statement.id, 0, |binder| {
            let change = match &statement.kind {
                Stmt::Insert(insert) => binder.insert(insert, identity_insert)?,
                Stmt::Update(update) => binder.update(update)?,
                Stmt::Delete(delete) => binder.delete(delete)?,
                _ => return Err(unsupported("a change that is not INSERT, UPDATE or DELETE")),
            };
            Ok(Bound {
                sql: change.sql.clone(),
                columns: Vec::new(),
                assigns: Vec::new(),
                change: Some(change),
            })
        })
    }

    /// The value of a condition.
    pub(super) fn condition(&mut self, batch: &Batch, id: usize, condition: &Expr) -> Result<bool, SqlError> {
        let prepared = self.prepared(batch, id, 1, |binder| {
            let sql = binder.predicate(condition)?;
            Ok(Bound {
                sql: format!("SELECT CASE WHEN {sql} THEN 1 ELSE 0 END"),
                ..Bound::default()
            })
        })?;
        Ok(self.single(&prepared)? == OwnedCell::Integer(1))
    }

    /// The value of an expression, of its own type or converted to one. `part` distinguishes a statement's
    /// expressions.
    pub(super) fn scalar(
        &mut self,
        batch: &Batch,
        id: usize,
        part: usize,
        expr: &Expr,
        to: Option<SqlType>,
    ) -> Result<Variable, SqlError> {
        let prepared = self.prepared(batch, id, 2 + part, |binder| {
            let mut value = binder.expr(expr)?;
            if let Some(to) = to {
                value = binder.convert(value, to, None, Mode::Cast)?;
            }
            let column = Column {
                name: String::new(),
                ty: value.ty,
                nullable: true,
                identity: false,
                updateable: false,
                collation: None,
            };
            Ok(Bound {
                sql: format!("SELECT {}", value.sql),
                columns: vec![column],
                ..Bound::default()
            })
        })?;
        let ty = prepared.columns.first().map_or(SqlType::Int, |c| c.ty);
        Ok(Variable {
            ty,
            value: self.single(&prepared)?,
        })
    }

    fn single(&mut self, prepared: &Prepared) -> Result<OwnedCell, SqlError> {
        self.before_running(prepared)?;
        let values = self.values(prepared)?;
        let mut statement = self.statement(&prepared.sql, &values)?;
        let value = match statement.raw_query().next() {
            Ok(Some(row)) => {
                let value = row.get_ref(0).map_err(|e| self.core.sqlite_error(&e))?;
                Ok(crate::value::cell::to_owned(cell(value)?))
            }
            Ok(None) => Ok(OwnedCell::Null),
            Err(e) => Err(self.core.sqlite_error(&e)),
        };
        self.core.count_steps(&statement);
        value
    }

    fn before_running(&mut self, prepared: &Prepared) -> Result<(), SqlError> {
        self.before_reading(&prepared.uses.reads)?;
        if prepared.uses.names {
            self.core.refresh_names()
        } else {
            Ok(())
        }
    }

    /// The values of a plan's parameters, now.
    fn values(&mut self, prepared: &Prepared) -> Result<Vec<OwnedCell>, SqlError> {
        let offset = self.core.current.clock_offset();
        let now = self.core.server.now_100ns() + offset * 10_000_000;
        let mut values = Vec::with_capacity(prepared.parameters.len());
        for parameter in &prepared.parameters {
            values.push(match parameter {
                Parameter::Variable(name) => self
                    .variables
                    .get(name)
                    .map_or(OwnedCell::Null, |v| v.value.clone()),
                Parameter::Constant(value) => value.clone(),
                Parameter::System(value) => self.system(*value, now)?,
                Parameter::View(view, database) => OwnedCell::Text(self.core.view_rows(view, database)?),
            });
        }
        Ok(values)
    }

    fn system(&self, value: System, now: i64) -> Result<OwnedCell, SqlError> {
        let text = |s: &str| OwnedCell::Text(s.to_owned());
        let int = |n: i64| OwnedCell::Integer(n);
        let caught = self.caught.last().map(|c| &c.0);
        let of_caught = |f: fn(&SqlError) -> OwnedCell| caught.map_or(OwnedCell::Null, f);
        Ok(match value {
            System::Now(SqlType::DateTime) => {
                int(self.core.server.now_datetime() + self.core.current.clock_offset() * 300)
            }
            System::Now(ty) => {
                let exact = SqlType::DateTime2(7);
                crate::sql::values::cast(Cell::Integer(now), exact, ty, false)?
            }
            System::TranCount => int(i64::from(self.transaction.count)),
            System::RowCount => int(self.row_count),
            System::Error => int(i64::from(self.last_error)),
            System::Spid => int(i64::from(self.core.options.spid)),
            System::DatabaseName => text(&self.core.current.name),
            System::DatabaseId => int(i64::from(self.core.current.id)),
            System::XactState => int(match (self.transaction.count, self.transaction.doomed) {
                (0, _) => 0,
                (_, true) => -1,
                (_, false) => 1,
            }),
            System::ScopeIdentity => match lock(&self.core.shared).last_identity {
                Some(value) => crate::value::decimal::to_cell(i128::from(value), 38),
                None => OwnedCell::Null,
            },
            System::LockTimeout => int(self
                .settings
                .lock_timeout
                .map_or(-1, |t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX))),
            System::Login => text(&self.core.options.login),
            System::User if is_owner(&self.core.options.login) => text("dbo"),
            System::User => text(&self.core.options.login),
            System::Application => text(&self.core.options.application),
            System::Host => text(&self.core.options.host),
            System::ErrorNumber => of_caught(|e| OwnedCell::Integer(i64::from(e.number))),
            System::ErrorMessage => of_caught(|e| OwnedCell::Text(e.message.clone())),
            System::ErrorSeverity => of_caught(|e| OwnedCell::Integer(i64::from(e.class))),
            System::ErrorState => of_caught(|e| OwnedCell::Integer(i64::from(e.state))),
            System::ErrorLine => of_caught(|e| OwnedCell::Integer(i64::from(e.line))),
        })
    }

    fn statement(&self, sql: &str, values: &[OwnedCell]) -> Result<CachedStatement<'_>, SqlError> {
        let wrap = |e: rusqlite::Error| self.core.sqlite_error(&e);
        let mut statement = self.core.connection.prepare_cached(sql).map_err(wrap)?;
        for (at, value) in values.iter().enumerate().take(statement.parameter_count()) {
            statement
                .raw_bind_parameter(at + 1, Bindable(value.as_cell()))
                .map_err(wrap)?;
        }
        Ok(statement)
    }

    /// Runs a query into the sink, or into variables.
    pub(super) fn run_query(&mut self, prepared: &Prepared, sink: &mut dyn Sink) -> Ran<()> {
        self.before_running(prepared)?;
        let values = self.values(prepared)?;
        if !prepared.assigns.is_empty() {
            return self.assign_from(prepared, &values);
        }
        let count = {
            let mut statement = self.statement(&prepared.sql, &values)?;
            sent(sink.columns(&prepared.columns))?;
            let width = prepared.columns.len();
            let mut rows = statement.raw_query();
            let mut count = 0_u64;
            let mut spare: Vec<Cell<'static>> = Vec::with_capacity(width);
            while let Some(row) = rows.next().map_err(|e| self.core.sqlite_error(&e))? {
                let mut cells = recycled(spare);
                for at in 0..width {
                    cells.push(cell(row.get_ref_unwrap(at))?);
                }
                sent(sink.row(&cells))?;
                spare = recycled(cells);
                count += 1;
                if count.is_multiple_of(ROWS_BETWEEN_LOOKS)
                    && self.core.options.cancel.load(Ordering::Relaxed)
                {
                    return Err(Stop::Gone(crate::sql::errors::cancelled()));
                }
            }
            drop(rows);
            self.core.count_steps(&statement);
            count
        };
        self.row_count = i64::try_from(count).unwrap_or(i64::MAX);
        sent(sink.done((!self.settings.no_count).then_some(count)))
    }

    fn assign_from(&mut self, prepared: &Prepared, values: &[OwnedCell]) -> Ran<()> {
        let mut last: Option<Vec<OwnedCell>> = None;
        let mut count = 0;
        {
            let mut statement = self.statement(&prepared.sql, values)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(|e| self.core.sqlite_error(&e))? {
                let cells: Result<Vec<OwnedCell>, SqlError> = (0..prepared.assigns.len())
                    .map(|at| Ok(crate::value::cell::to_owned(cell(row.get_ref_unwrap(at))?)))
                    .collect();
                last = Some(cells?);
                count += 1;
            }
            drop(rows);
            self.core.count_steps(&statement);
        }
        self.row_count = count;
        for (name, value) in prepared.assigns.iter().zip(last.into_iter().flatten()) {
            if let Some(variable) = self.variables.get_mut(name) {
                variable.value = value;
            }
        }
        Ok(())
    }

    /// Runs INSERT, UPDATE or DELETE, and returns whether it did. If it waited for the write lock and the tables
    /// have changed since it was bound, the statement must be bound again.
    pub(super) fn run_change(&mut self, prepared: &Prepared, sink: &mut dyn Sink) -> Ran<bool> {
        let Some(change) = &prepared.change else {
            return Err(unsupported(&prepared.sql).into());
        };
        self.before_running(prepared)?;
        let values = self.values(prepared)?;
        let database = change.table.database.clone();
        let count = self.change(database.as_ref(), change.table.def.object_id, |session| {
            if !session.is_current(prepared)? {
                return Ok(None);
            }
            session.start_identity(change)?;
            let count = match session.execute(&prepared.sql, &values) {
                Err(e) if change.verb == "UPDATE" && is_duplicate(&e) => {
                    session.update_keys(&prepared.sql, change, &values)?
                }
                ran => ran.map_err(|e| session.constraint_error(&e, change, &values))?,
            };
            session.check_self_references(&change.table, change.verb)?;
            session.end_identity(change)?;
            Ok(Some(count))
        })?;
        let Some(count) = count else {
            return Ok(false);
        };
        self.row_count = i64::try_from(count).unwrap_or(i64::MAX);
        sent(sink.done((!self.settings.no_count).then_some(count as u64)))?;
        Ok(true)
    }

    pub(super) fn execute(&self, sql: &str, values: &[OwnedCell]) -> rusqlite::Result<usize> {
        let mut statement = self.core.connection.prepare_cached(sql)?;
        for (at, value) in values.iter().enumerate().take(statement.parameter_count()) {
            statement.raw_bind_parameter(at + 1, Bindable(value.as_cell()))?;
        }
        let count = statement.raw_execute();
        self.core.count_steps(&statement);
        count
    }

    /// `SELECT ... INTO`: makes the table, then fills it.
    pub(super) fn select_into(&mut self, filling: &Statement, sink: &mut dyn Sink) -> Ran<()> {
        let Stmt::Insert(insert) = &filling.kind else {
            return Err(unsupported("a SELECT INTO that does not insert").into());
        };
        let ast::InsertSource::Query(query) = &insert.source else {
            return Err(unsupported("a SELECT INTO without a query").into());
        };
        let variables: HashMap<String, SqlType> =
            self.variables.iter().map(|(n, v)| (n.clone(), v.ty)).collect();
        let mut binder = Binder::new(&mut self.core, &variables);
        let bound = binder.subquery(query)?;
        let needs = binder.uses.needs;
        self.check_needs(&needs)?;
        let mut columns = Vec::with_capacity(bound.columns.len());
        for (at, column) in bound.columns.iter().enumerate() {
            if column.name.is_empty() {
                let text = format!(
                    "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name (column {}).",
                    at + 1
                );
                return Err(error(1038, 15, 5, text).into());
            }
            let column = column.column();
            columns.push(catalog::ColumnDef {
                id: i32::try_from(at + 1).unwrap_or(i32::MAX),
                name: column.name,
                ty: column.ty,
                collation: if types::is_text(column.ty) {
                    column.collation
                } else {
                    None
                },
                nullable: column.nullable,
                identity: None,
                default: None,
                sysname: false,
                alias: None,
                mask: None,
                encryption: None,
            });
        }
        self.create_plain_table(&insert.table, columns)?;
        let scratch = Batch {
            parsed: ast::Batch::default(),
            plans: Vec::new(),
        };
        loop {
            let prepared = self.prepare_change(&scratch, filling)?;
            if self.run_change(&prepared, sink)? {
                return Ok(());
            }
        }
    }

    /// Sets a variable that has been declared.
    pub(super) fn set_variable(&mut self, name: &str, value: OwnedCell) {
        if let Some(variable) = self.variables.get_mut(&fold(name)) {
            variable.value = value;
        }
    }

    /// Declares variables of those types in the session, for tests.
    #[cfg(test)]
    pub(crate) fn declare_for_test(&mut self, declarations: &str) {
        let batch = crate::sql::parse::parse(&format!("DECLARE {declarations}")).unwrap();
        let Stmt::Declare(declared) = &batch.statements[0].kind else {
            panic!("{declarations}")
        };
        self.variables = declared
            .iter()
            .map(|d| {
                let (ty, _) = types::sql_type(&d.ty, types::Place::Declaration).unwrap();
                (
                    fold(&d.name),
                    Variable {
                        ty,
                        value: OwnedCell::Null,
                    },
                )
            })
            .collect();
    }

    /// SQLite's plan of a query, for tests.
    #[cfg(test)]
    pub(crate) fn explain(&mut self, sql: &str) -> Vec<String> {
        let batch = self.parsed(sql).unwrap();
        let Stmt::Query(query) = &batch.parsed.statements[0].kind else {
            panic!("not a query: {sql}")
        };
        let prepared = self
            .prepare_query(&batch, &batch.parsed.statements[0], query)
            .unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {}", prepared.sql);
        let mut statement = self.core.connection.prepare(&explain).unwrap();
        let rows = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        rows.map(Result::unwrap).collect()
    }
}

fn plans(slot: &Mutex<HashMap<usize, Arc<Prepared>>>) -> MutexGuard<'_, HashMap<usize, Arc<Prepared>>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result of binding.
#[derive(Default)]
struct Bound {
    sql: String,
    columns: Vec<Column>,
    assigns: Vec<String>,
    change: Option<Change>,
}

/// The same vector, emptied, for cells of another lifetime. It keeps its allocation.
fn recycled<'b>(mut cells: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    cells.clear();
    cells.into_iter().map(|_| Cell::Null).collect()
}
