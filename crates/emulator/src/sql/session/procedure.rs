//! The system procedures that clients call: application locks, sp_rename, sp_executesql, and the procedures that
//! drivers call at login.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlparser::ast::{Expr, ObjectName};

use super::state::{Batch, Ran, SqlSession, Stop, Variable, sent};
use crate::sql::ast::{Argument, Stmt};
use crate::sql::errors::{self, error};
use crate::sql::name::NameParts;
use crate::sql::parse;
use crate::sql::types::{Place, sql_type};
use crate::store::fold;
use crate::store::lock::{AppMode, AppOwner, Wait, Waiter};
use crate::types::{Cell, Len, OwnedCell, Param, Sink, SqlError, SqlType};

/// A procedure's arguments, by name or by place.
pub(super) struct Arguments(Vec<Param>);

impl Arguments {
    fn find(&self, name: &str, place: usize) -> Option<&Param> {
        let named = self.0.iter().find(|p| p.name.eq_ignore_ascii_case(name));
        named.or_else(|| self.0.get(place).filter(|p| p.name.is_empty()))
    }

    pub(super) fn text(&self, name: &str, place: usize) -> Option<String> {
        match self.find(name, place)?.value.as_cell() {
            Cell::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }

    fn number(&self, name: &str, place: usize) -> Option<i64> {
        match self.find(name, place)?.value.as_cell() {
            Cell::Integer(n) => Some(n),
            _ => None,
        }
    }
}

impl SqlSession {
    /// EXEC procedure.
    pub(super) fn exec(
        &mut self,
        batch: &Arc<Batch>,
        id: usize,
        status: Option<&str>,
        procedure: &ObjectName,
        arguments: &[Argument],
        sink: &mut dyn Sink,
    ) -> Ran<()> {
        let mut values = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.iter().enumerate() {
            let Variable { ty, value } = match &argument.value {
                // A bare word is a string here.
                Expr::Identifier(ident) if !ident.value.starts_with('@') => Variable {
                    ty: SqlType::NVarChar(Len::N(4000)),
                    value: OwnedCell::Text(ident.value.clone()),
                },
                value => self.scalar(batch, id, at, value, None)?,
            };
            let name = argument.name.clone().unwrap_or_default();
            values.push(Param {
                name,
                ty,
                value,
                output: argument.output,
            });
        }
        if let Some(status) = status
            && !self.variables.contains_key(&fold(status))
        {
            return Err(errors::no_variable(status).into());
        }
        let ran = self.procedure(&procedure.to_string(), values, sink);
        if let (Err(Stop::Error(failure)), Some(status)) = (&ran, status)
            && errors::raised_by_procedure(failure.number)
        {
            self.set_variable(status, OwnedCell::Integer(1));
        }
        let (answer, outputs) = ran?;
        for argument in arguments.iter().filter(|a| a.output) {
            if let (Some(name), Expr::Identifier(variable)) = (&argument.name, &argument.value)
                && let Some(value) = outputs.get(&fold(name))
            {
                self.set_variable(&variable.value, value.value.clone());
            }
        }
        if let Some(status) = status {
            self.set_variable(status, OwnedCell::Integer(answer));
        }
        Ok(())
    }

    /// An RPC by a procedure's name.
    pub(super) fn call_procedure(
        &mut self,
        procedure: &str,
        params: Vec<Param>,
        sink: &mut dyn Sink,
    ) -> Ran<()> {
        let asked: Vec<(String, SqlType)> = params
            .iter()
            .filter(|p| p.output)
            .map(|p| (p.name.clone(), p.ty))
            .collect();
        let (answer, outputs) = self.procedure(procedure, params, sink)?;
        sent(sink.output(None, SqlType::Int, Cell::Integer(answer)))?;
        for (name, ty) in asked {
            let value = outputs
                .get(&fold(&name))
                .map_or(Cell::Null, |v| v.value.as_cell());
            sent(sink.output(Some(&name), ty, value))?;
        }
        Ok(())
    }

    fn procedure(
        &mut self,
        name: &str,
        params: Vec<Param>,
        sink: &mut dyn Sink,
    ) -> Ran<(i64, HashMap<String, Variable>)> {
        let bare = NameParts::parse(name).map_or_else(|| name.to_owned(), |p| p.name);
        let arguments = Arguments(params);
        let status = match bare.to_ascii_lowercase().as_str() {
            "sp_getapplock" => self.get_app_lock(&arguments)?,
            "sp_releaseapplock" => self.release_app_lock(&arguments)?,
            "sp_rename" => {
                self.rename(&arguments)?;
                let text =
                    "Caution: Changing any part of an object name could break scripts and stored procedures.";
                sent(sink.info(&error(15477, 0, 1, text)))?;
                0
            }
            "sp_executesql" => return self.execute_sql_procedure(arguments, sink),
            "sp_datatype_info" | "sp_datatype_info_90" | "sp_datatype_info_100" => {
                self.datatype_info(&arguments, sink)?;
                0
            }
            "sp_reset_connection" => {
                crate::types::Session::reset(self);
                0
            }
            _ => return Err(errors::no_procedure(name).into()),
        };
        sent(sink.done(None))?;
        Ok((status, HashMap::new()))
    }

    /// The lock that a call names. Its owner is the argument at the given place.
    fn app_key(&self, arguments: &Arguments, owner_place: usize) -> Option<((i32, String), AppOwner)> {
        let resource = arguments.text("@Resource", 0).filter(|r| !r.is_empty())?;
        let owner = match arguments
            .text("@LockOwner", owner_place)
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "session" => AppOwner::Session,
            "" | "transaction" => AppOwner::Transaction,
            _ => return None,
        };
        Some(((self.core.current.id, resource), owner))
    }

    /// The result: 0 granted, 1 granted after waiting, -1 timed out, -2 cancelled, -3 deadlock, -999 bad call.
    fn get_app_lock(&mut self, arguments: &Arguments) -> Result<i64, SqlError> {
        const BAD_CALL: i64 = -999;
        let Some(mode) = AppMode::parse(&arguments.text("@LockMode", 1).unwrap_or_default()) else {
            return Ok(BAD_CALL);
        };
        let Some((key, owner)) = self.app_key(arguments, 2) else {
            return Ok(BAD_CALL);
        };
        if owner == AppOwner::Transaction && self.transaction.count == 0 {
            return Ok(BAD_CALL);
        }
        let timeout = match arguments.number("@LockTimeout", 3) {
            None => self.settings.lock_timeout,
            Some(millis) => u64::try_from(millis).ok().map(Duration::from_millis),
        };
        let waiter = Waiter {
            timeout,
            ..self.waiter()
        };
        match self.core.server.locks.lock_app(key, mode, owner, waiter) {
            Wait::Granted => Ok(0),
            Wait::GrantedLater => Ok(1),
            Wait::TimedOut => Ok(-1),
            Wait::Cancelled => Err(errors::cancelled()),
            Wait::Deadlock => Ok(-3),
        }
    }

    fn release_app_lock(&mut self, arguments: &Arguments) -> Result<i64, SqlError> {
        let Some((key, owner)) = self.app_key(arguments, 1) else {
            return Ok(-999);
        };
        if self.core.server.locks.unlock_app(&key, owner, self.core.session) {
            return Ok(0);
        }
        let text = format!(
            "Cannot release the application lock (Database Principal: 'public', Resource: '{}') because it is not currently held.",
            key.1
        );
        Err(error(1223, 16, 1, text))
    }

    fn execute_sql_procedure(
        &mut self,
        mut arguments: Arguments,
        sink: &mut dyn Sink,
    ) -> Ran<(i64, HashMap<String, Variable>)> {
        let Some(sql) = arguments
            .text("@stmt", 0)
            .or_else(|| arguments.text("@statement", 0))
        else {
            let text = "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.";
            return Err(error(214, 16, 2, text).into());
        };
        let declared = arguments.text("@params", 1).unwrap_or_default();
        let mut parameters = HashMap::new();
        if !declared.trim().is_empty() {
            let batch = parse::parse(&format!("DECLARE {}", strip_output(&declared)))?;
            let [statement] = batch.statements.as_slice() else {
                return Err(errors::unsupported(&declared).into());
            };
            let Stmt::Declare(declarations) = &statement.kind else {
                return Err(errors::unsupported(&declared).into());
            };
            for (at, declaration) in declarations.iter().enumerate() {
                let (ty, _) = sql_type(&declaration.ty, Place::Declaration)?;
                let given = arguments.find(&declaration.name, at + 2).ok_or_else(|| {
                    let text = format!(
                        "The parameterized query expects the parameter '{}', which was not supplied.",
                        declaration.name
                    );
                    error(8178, 16, 1, text)
                })?;
                let value = crate::sql::values::assign(given.value.as_cell(), given.ty, ty, false)?;
                parameters.insert(fold(&declaration.name), Variable { ty, value });
            }
        }
        arguments.0.clear();
        let variables = self.run_scope(&sql, parameters, sink)?;
        Ok((0, variables))
    }

    /// The rows that ODBC asks for to learn the types. They have the columns that drivers read, for the type asked.
    fn datatype_info(&mut self, arguments: &Arguments, sink: &mut dyn Sink) -> Ran<()> {
        const ROWS: &str = "SELECT * FROM (VALUES
            (N'bit',-7,1,NULL,NULL), (N'tinyint',-6,3,NULL,NULL), (N'smallint',5,5,NULL,NULL), (N'int',4,10,NULL,NULL),
            (N'bigint',-5,19,NULL,NULL), (N'decimal',3,38,NULL,NULL), (N'numeric',2,38,NULL,NULL), (N'money',3,19,N'$',NULL),
            (N'real',7,24,NULL,NULL), (N'float',6,53,NULL,NULL), (N'char',1,8000,N'''',N''''), (N'varchar',12,8000,N'''',N''''),
            (N'nchar',-8,4000,N'N''',N''''), (N'nvarchar',-9,4000,N'N''',N''''), (N'binary',-2,8000,N'0x',NULL),
            (N'varbinary',-3,8000,N'0x',NULL), (N'date',91,10,N'''',N''''), (N'date',-9,10,N'''',N''''),
            (N'datetime',93,23,N'''',N''''), (N'datetime2',93,27,N'''',N''''), (N'uniqueidentifier',-11,36,N'''',N''''))
            AS t(TYPE_NAME, DATA_TYPE, PRECISION, LITERAL_PREFIX, LITERAL_SUFFIX)";
        let sql = match arguments.number("@data_type", 0) {
            Some(ty) if ty != 0 => format!("{ROWS} WHERE DATA_TYPE = {ty}"),
            _ => ROWS.to_owned(),
        };
        self.run_scope(&sql, HashMap::new(), sink).map(|_| ())
    }
}

/// OUTPUT is not part of a declaration.
fn strip_output(declared: &str) -> String {
    let parts: Vec<&str> = declared
        .split(',')
        .map(|part| {
            let trimmed = part.trim_end();
            let lower = trimmed.to_ascii_lowercase();
            let cut = [" output", " out"]
                .iter()
                .find(|w| lower.ends_with(**w))
                .map_or(0, |w| w.len());
            &trimmed[..trimmed.len() - cut]
        })
        .collect();
    parts.join(",")
}
