//! Runs one statement after another: control flow, SET, variables, and the effect of an error on the rest.

use std::sync::Arc;
use std::time::Duration;

use sqlparser::ast::{Expr, Query};

use super::state::{Batch, Caught, Ran, SqlSession, Stop, Variable, sent};
use crate::sql::ast::{DatabaseOption, Declaration, SetOption, Statement, Stmt};
use crate::sql::errors::{self, error, unsupported};
use crate::sql::types::{Place, sql_type};
use crate::store::database::{Database, Setting};
use crate::store::fold;
use crate::types::{Cell, Len, OwnedCell, Sink, SqlError, SqlType};
use crate::value::render::render;

/// The deepest nesting of statements that run, over all EXEC. One batch may have 120 levels, and EXEC 32 batches.
const NESTED_MAX: usize = 250;

/// The next step of control after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return,
}

impl SqlSession {
    pub(super) fn run_statements(
        &mut self,
        batch: &Arc<Batch>,
        statements: &[Statement],
        sink: &mut dyn Sink,
    ) -> Ran<Flow> {
        for statement in statements {
            let flow = self.run_statement(batch, statement, sink)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn run_statement(&mut self, batch: &Arc<Batch>, statement: &Statement, sink: &mut dyn Sink) -> Ran<Flow> {
        if self
            .core
            .options
            .cancel
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return Err(Stop::Gone(errors::cancelled()));
        }
        self.nested += 1;
        let ran = match self.nested > NESTED_MAX {
            true => Err(errors::too_deep().into()),
            false => self.dispatch(batch, statement, sink),
        };
        self.nested -= 1;
        match ran {
            Ok(flow) => {
                if !matches!(
                    statement.kind,
                    Stmt::If { .. }
                        | Stmt::While { .. }
                        | Stmt::Block(_)
                        | Stmt::TryCatch { .. }
                        | Stmt::RaiseError(_)
                ) {
                    self.last_error = 0;
                }
                Ok(flow)
            }
            Err(Stop::Error(mut failure)) => {
                if failure.line <= 1 {
                    failure.line = statement.line;
                }
                self.last_error = failure.number;
                self.row_count = 0;
                if self.tries > 0 && failure.class < 20 {
                    return Err(Stop::Error(failure));
                }
                sent(sink.error(&failure))?;
                self.after_error(&failure, sink)?;
                sent(sink.done(None))?;
                Ok(Flow::Next)
            }
            Err(stop) => Err(stop),
        }
    }

    fn dispatch(&mut self, batch: &Arc<Batch>, statement: &Statement, sink: &mut dyn Sink) -> Ran<Flow> {
        let id = statement.id;
        match &statement.kind {
            Stmt::Query(query) => self.query_statement(batch, statement, query, sink)?,
            Stmt::SelectInto(filling) => {
                self.implicit_begin(sink)?;
                self.select_into(filling, sink)?;
            }
            Stmt::Insert(_) | Stmt::Update(_) | Stmt::Delete(_) => {
                self.implicit_begin(sink)?;
                loop {
                    let prepared = self.prepare_change(batch, statement)?;
                    if self.run_change(&prepared, sink)? {
                        break;
                    }
                }
            }
            Stmt::If {
                condition,
                then,
                otherwise,
            } => {
                return if self.condition(batch, id, condition)? {
                    self.run_statement(batch, then, sink)
                } else {
                    sent(sink.done(None))?;
                    match otherwise {
                        Some(otherwise) => self.run_statement(batch, otherwise, sink),
                        None => Ok(Flow::Next),
                    }
                };
            }
            Stmt::While { condition, body } => {
                while self.condition(batch, id, condition)? {
                    match self.run_statement(batch, body, sink)? {
                        Flow::Break => break,
                        Flow::Return => return Ok(Flow::Return),
                        Flow::Next | Flow::Continue => {}
                    }
                }
            }
            Stmt::Block(statements) => return self.run_statements(batch, statements, sink),
            Stmt::TryCatch { body, handler } => return self.try_catch(batch, body, handler, sink),
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Return(status) => {
                if let Some(status) = status {
                    // The value goes nowhere, because there are no stored procedures.
                    self.scalar(batch, id, 0, status, Some(SqlType::Int))?;
                }
                return Ok(Flow::Return);
            }
            Stmt::Declare(declarations) => self.declare(batch, id, declarations)?,
            Stmt::SetVariable { name, value } => {
                let Some(ty) = self.variables.get(&fold(name)).map(|v| v.ty) else {
                    return Err(errors::no_variable(name).into());
                };
                let value = self.scalar(batch, id, 0, value, Some(ty))?.value;
                self.set_variable(name, value);
            }
            Stmt::SetOption(option) => {
                self.set_option(batch, id, option)?;
                sent(sink.done(None))?;
            }
            Stmt::Begin => {
                self.begin(sink)?;
                sent(sink.done(None))?;
            }
            Stmt::Commit => {
                self.commit(sink)?;
                sent(sink.done(None))?;
            }
            Stmt::Rollback(name) => {
                self.roll_back(name.as_deref(), sink)?;
                sent(sink.done(None))?;
            }
            Stmt::Save(name) => {
                self.save(name)?;
                sent(sink.done(None))?;
            }
            Stmt::Use(name) => self.use_database(&name.value, sink)?,
            Stmt::ExecString(parts) => self.exec_string(batch, id, parts, sink)?,
            Stmt::Exec {
                status,
                procedure,
                arguments,
            } => {
                self.exec(batch, id, status.as_deref(), procedure, arguments, sink)?;
            }
            Stmt::InsertBulk {
                table,
                columns,
                options,
            } => self.prepare_bulk(table, columns, options)?,
            Stmt::Print(message) => self.print(batch, statement, message, sink)?,
            Stmt::RaiseError(arguments) => self.raise_error(batch, id, arguments, sink)?,
            Stmt::Throw(arguments) => return Err(self.throw(batch, id, arguments)?.into()),
            Stmt::CreateDatabase(_) | Stmt::DropDatabase { .. } | Stmt::AlterDatabase { .. } => {
                self.database_statement(&statement.kind)?;
                sent(sink.done(None))?;
            }
            _ => {
                self.implicit_begin(sink)?;
                self.define(&statement.kind)?;
                sent(sink.done(None))?;
            }
        }
        Ok(Flow::Next)
    }

    /// SELECT to the client.
    fn query_statement(
        &mut self,
        batch: &Batch,
        statement: &Statement,
        query: &Query,
        sink: &mut dyn Sink,
    ) -> Ran<()> {
        self.implicit_begin(sink)?;
        let prepared = self.prepare_query(batch, statement, query)?;
        self.run_query(&prepared, sink)
    }

    /// EXEC (...).
    fn exec_string(&mut self, batch: &Batch, id: usize, parts: &[Expr], sink: &mut dyn Sink) -> Ran<()> {
        let mut sql = String::new();
        for (at, part) in parts.iter().enumerate() {
            let text = self.scalar(batch, id, at, part, Some(SqlType::NVarChar(Len::Max)))?;
            if let Cell::Text(text) = text.value.as_cell() {
                sql.push_str(text);
            }
        }
        self.run_scope(&sql, std::collections::HashMap::new(), sink)?;
        Ok(())
    }

    /// PRINT.
    fn print(
        &mut self,
        batch: &Batch,
        statement: &Statement,
        message: &Expr,
        sink: &mut dyn Sink,
    ) -> Ran<()> {
        let text = self.scalar(
            batch,
            statement.id,
            0,
            message,
            Some(SqlType::NVarChar(Len::N(4000))),
        )?;
        let message = render(text.value.as_cell(), text.ty);
        sent(sink.info(&SqlError {
            number: 0,
            state: 1,
            class: 0,
            message,
            line: statement.line,
        }))
    }

    fn try_catch(
        &mut self,
        batch: &Arc<Batch>,
        body: &[Statement],
        handler: &[Statement],
        sink: &mut dyn Sink,
    ) -> Ran<Flow> {
        self.tries += 1;
        let ran = self.run_statements(batch, body, sink);
        self.tries -= 1;
        let failure = match ran {
            Err(Stop::Error(failure)) => failure,
            other => return other,
        };
        if self.transaction.count > 0 {
            if failure.number == 1205 {
                let descriptor = self.transaction.descriptor;
                self.roll_back_all();
                sent(sink.transaction(crate::types::TransactionEvent::RolledBack, descriptor))?;
            } else if self.settings.xact_abort || errors::ends_transaction(failure.number) {
                self.transaction.doomed = true;
            }
        }
        self.caught.push(Caught(failure));
        let handled = self.run_statements(batch, handler, sink);
        self.caught.pop();
        handled
    }

    fn declare(&mut self, batch: &Arc<Batch>, id: usize, declarations: &[Declaration]) -> Ran<()> {
        for (at, declaration) in declarations.iter().enumerate() {
            let (ty, _) = sql_type(&declaration.ty, Place::Declaration)?;
            let value = match &declaration.value {
                Some(value) => self.scalar(batch, id, at, value, Some(ty))?.value,
                None => OwnedCell::Null,
            };
            let name = fold(&declaration.name);
            // In a loop the declaration runs again and keeps its variable.
            self.variables
                .entry(name)
                .and_modify(|v| v.value = value.clone())
                .or_insert(Variable { ty, value });
        }
        Ok(())
    }

    fn set_option(&mut self, batch: &Arc<Batch>, id: usize, option: &SetOption) -> Ran<()> {
        match option {
            SetOption::Switches { names, on } => {
                for name in names {
                    match (name.as_str(), *on) {
                        ("XACT_ABORT", on) => self.settings.xact_abort = on,
                        ("NOCOUNT", on) => self.settings.no_count = on,
                        ("IMPLICIT_TRANSACTIONS", on) => self.settings.implicit_transactions = on,
                        (
                            "FMTONLY" | "NOEXEC" | "NUMERIC_ROUNDABORT" | "STATISTICS" | "FORCEPLAN"
                            | "ARITHIGNORE",
                            true,
                        ) => {
                            return Err(unsupported(format!("SET {name} ON")).into());
                        }
                        ("ANSI_NULLS" | "CONCAT_NULL_YIELDS_NULL" | "QUOTED_IDENTIFIER", false) => {
                            return Err(unsupported(format!("SET {name} OFF")).into());
                        }
                        // The emulator works that way anyway, or the option changes none of its answers.
                        _ => {}
                    }
                }
            }
            SetOption::IdentityInsert { table, on } => {
                let found = self.core.table(table)?;
                let found = found.ok_or_else(|| {
                    errors::cannot_find(1088, 11, &table.to_string().replace(['[', ']'], ""))
                })?;
                if found.def.identity_column().is_none() {
                    let text = format!(
                        "Table '{}' does not have the identity property. Cannot perform SET operation.",
                        found.def.full_name()
                    );
                    return Err(error(8106, 16, 1, text).into());
                }
                self.check_alter(&found, table)?;
                match (on, self.settings.identity_insert) {
                    (true, Some(other)) if other != found.def.object_id => {
                        let text =
                            "IDENTITY_INSERT is already ON for another table. Cannot perform SET operation.";
                        return Err(error(8107, 16, 1, text).into());
                    }
                    (true, _) => self.settings.identity_insert = Some(found.def.object_id),
                    (false, _) => self.settings.identity_insert = None,
                }
            }
            // At every level but SNAPSHOT, readers see the last commit, or wait for writers in strict mode.
            SetOption::IsolationLevel(level) => self.settings.isolation = *level,
            SetOption::Value { name, value } => self.set_value(batch, id, name, value)?,
        }
        Ok(())
    }

    fn set_value(&mut self, batch: &Arc<Batch>, id: usize, name: &str, value: &Expr) -> Ran<()> {
        let word = match value {
            Expr::Identifier(ident) if !ident.value.starts_with('@') => {
                Some(ident.value.to_ascii_lowercase())
            }
            _ => None,
        };
        match (name, word.as_deref()) {
            ("DEADLOCK_PRIORITY", Some("low" | "normal" | "high"))
            | ("LANGUAGE", Some("us_english"))
            | ("DATEFORMAT", Some("mdy" | "ymd")) => Ok(()),
            ("DATEFORMAT" | "LANGUAGE", _) | (_, Some(_)) => {
                Err(unsupported(format!("SET {name} {value}")).into())
            }
            _ => {
                let number = self.scalar(batch, id, 0, value, Some(SqlType::BigInt))?.value;
                let OwnedCell::Integer(number) = number else {
                    return Err(unsupported(format!("SET {name} {value}")).into());
                };
                match name {
                    "LOCK_TIMEOUT" => {
                        self.settings.lock_timeout = u64::try_from(number).ok().map(Duration::from_millis);
                        Ok(())
                    }
                    "DEADLOCK_PRIORITY" | "TEXTSIZE" => Ok(()),
                    "ROWCOUNT" if number == 0 => Ok(()),
                    "DATEFIRST" if number == 7 => Ok(()),
                    _ => Err(unsupported(format!("SET {name} {value}")).into()),
                }
            }
        }
    }

    fn use_database(&mut self, name: &str, sink: &mut dyn Sink) -> Ran<()> {
        let database = self
            .core
            .server
            .database(name)
            .ok_or_else(|| errors::no_database(name))?;
        if database.is_closed_to(self.core.session) {
            let text = "is already open and can only have one user at a time.";
            return Err(error(924, 14, 1, format!("Database '{}' {text}", database.name)).into());
        }
        let old = self.core.current.name.clone();
        let new = database.name.clone();
        self.core.use_database(database)?;
        sent(sink.database_changed(&old, &new))?;
        let text = format!("Changed database context to '{new}'.");
        sent(sink.info(&error(5701, 0, 2, text)))?;
        sent(sink.done(None))
    }

    /// RAISERROR(message, severity, state, arguments...).
    fn raise_error(
        &mut self,
        batch: &Arc<Batch>,
        id: usize,
        arguments: &[Expr],
        sink: &mut dyn Sink,
    ) -> Ran<()> {
        let [message, severity, state, rest @ ..] = arguments else {
            return Err(error(102, 15, 1, "Incorrect syntax near ')'.").into());
        };
        let mut text = self.word(batch, id, 0, message)?;
        let severity = self.number(batch, id, 1, severity)?;
        let state = self.number(batch, id, 2, state)?;
        for (at, argument) in rest.iter().enumerate() {
            let value = self.word(batch, id, 3 + at, argument)?;
            let place = ["%s", "%d", "%i", "%u"].iter().filter_map(|p| text.find(p)).min();
            if let Some(place) = place {
                text.replace_range(place..place + 2, &value);
            }
        }
        let raised = error(
            50_000,
            u8::try_from(severity).unwrap_or(16),
            u8::try_from(state).unwrap_or(1),
            text,
        );
        if severity <= 10 {
            sent(sink.info(&raised))
        } else {
            Err(raised.into())
        }
    }

    fn throw(&mut self, batch: &Arc<Batch>, id: usize, arguments: &[Expr]) -> Result<SqlError, Stop> {
        match arguments {
            [] => match self.caught.last() {
                Some(caught) => Ok(caught.0.clone()),
                None => {
                    let text = "To rethrow an error, a THROW statement must be used inside a CATCH block.";
                    Ok(error(10704, 15, 1, text))
                }
            },
            [number, message, state] => {
                let number = self.number(batch, id, 0, number)?;
                let message = self.word(batch, id, 1, message)?;
                let state = self.number(batch, id, 2, state)?;
                Ok(error(
                    i32::try_from(number).unwrap_or(50_000),
                    16,
                    u8::try_from(state).unwrap_or(1),
                    message,
                ))
            }
            _ => Ok(error(102, 15, 1, "Incorrect syntax near 'THROW'.")),
        }
    }

    fn word(&mut self, batch: &Arc<Batch>, id: usize, part: usize, expr: &Expr) -> Result<String, SqlError> {
        let value = self.scalar(batch, id, part, expr, Some(SqlType::NVarChar(Len::Max)))?;
        Ok(match value.value {
            OwnedCell::Text(text) => text,
            _ => String::new(),
        })
    }

    fn number(&mut self, batch: &Arc<Batch>, id: usize, part: usize, expr: &Expr) -> Result<i64, SqlError> {
        let value = self.scalar(batch, id, part, expr, Some(SqlType::BigInt))?;
        Ok(match value.value {
            OwnedCell::Integer(v) => v,
            _ => 0,
        })
    }

    /// CREATE, DROP and ALTER DATABASE.
    fn database_statement(&mut self, statement: &Stmt) -> Ran<()> {
        if self.transaction.count > 0 {
            let text =
                "CREATE, DROP or ALTER DATABASE statement not allowed within multi-statement transaction.";
            return Err(error(226, 16, 6, text).into());
        }
        let server = Arc::clone(&self.core.server);
        match statement {
            Stmt::CreateDatabase(name) => {
                if server.database(&name.value).is_some() {
                    let text = format!(
                        "Database '{}' already exists. Choose a different database name.",
                        name.value
                    );
                    return Err(error(1801, 16, 3, text).into());
                }
                server.create_database(&name.value)?;
            }
            Stmt::DropDatabase { names, if_exists } => {
                for name in names {
                    let Some(database) = server.database(&name.value) else {
                        if *if_exists {
                            continue;
                        }
                        return Err(errors::cannot_drop("database", &name.value, 1).into());
                    };
                    let users = database.users.load(std::sync::atomic::Ordering::SeqCst);
                    let mine = Arc::ptr_eq(&database, &self.core.current);
                    let taken = database.is_single_user() && !database.is_closed_to(self.core.session);
                    if mine || database.id < crate::store::database::FIRST_USER_ID || users > 0 && !taken {
                        let text = format!(
                            "Cannot drop database \"{}\" because it is currently in use.",
                            database.name
                        );
                        return Err(error(3702, 16, 3, text).into());
                    }
                    self.core.forget(&database)?;
                    server.drop_database(&name.value)?;
                }
            }
            Stmt::AlterDatabase { name, option } => {
                let name = name
                    .as_ref()
                    .map_or_else(|| self.core.current.name.clone(), |n| n.value.clone());
                let database = server.database(&name).ok_or_else(|| {
                    let text = format!("User does not have permission to alter database '{name}', the database does not exist, or the database is not in a state that allows access checks.");
                    error(5011, 14, 5, text)
                })?;
                self.alter_database(&database, *option)?;
            }
            _ => return Err(unsupported("a database statement").into()),
        }
        Ok(())
    }

    /// ALTER DATABASE ... SET.
    fn alter_database(&mut self, database: &Database, option: DatabaseOption) -> Ran<()> {
        let server = Arc::clone(&self.core.server);
        let locks = &server.locks;
        match option {
            DatabaseOption::ReadOnly(on) => {
                let wait = locks.lock_writer(database.id, self.waiter());
                if !matches!(
                    wait,
                    crate::store::lock::Wait::Granted | crate::store::lock::Wait::GrantedLater
                ) {
                    return Err(errors::lock_timeout().into());
                }
                let set = database.set_read_only(on);
                locks.unlock_writer(database.id, self.core.session);
                set?;
            }
            DatabaseOption::SingleUser(true) => database.set_single_user(self.core.session),
            DatabaseOption::SingleUser(false) => database.set_single_user(0),
            DatabaseOption::AllowSnapshot(on) => database.allow_snapshot(on),
            DatabaseOption::ReadCommittedSnapshot(on) => {
                database.set(Setting::ReadCommittedSnapshot, u8::from(on))
            }
            DatabaseOption::RecoveryModel(model) => database.set(Setting::RecoveryModel, model),
            DatabaseOption::DelayedDurability(forced) => database.set(Setting::DelayedDurability, forced),
            DatabaseOption::Neutral => {}
        }
        Ok(())
    }
}
