//! INSERT BULK. The statement announces the load, and its rows come in a message of their own.
//!
//! Rows go straight into one prepared INSERT inside one transaction or savepoint. All of them stay, or none.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::CachedStatement;
use sqlparser::ast::{DataType, ObjectName};

use super::constraint::{constraint, duplicate_key, not_null_column, violated};
use super::load::{Extra, Load, Pending, Target};
use super::state::{Batch, Ran, SqlSession};
use crate::sql::ast::BulkColumn;
use crate::sql::bind::Need;
use crate::sql::core::TableRef;
use crate::sql::errors::{self, bad_bulk_type, error, no_column, no_object, null_refused};
use crate::sql::name::plain;
use crate::sql::sqlite::Bindable;
use crate::sql::types::{self, Place};
use crate::sql::values;
use crate::store::access::Permission;
use crate::store::catalog::quote;
use crate::store::fold;
use crate::types::{BulkTarget, Cell, Column, Len, OwnedCell, SqlError, SqlType};
use crate::value::render::render;
use crate::value::text;

impl SqlSession {
    /// INSERT BULK.
    pub(super) fn prepare_bulk(
        &mut self,
        name: &ObjectName,
        columns: &[BulkColumn],
        options: &[String],
    ) -> Ran<()> {
        let table = self.core.table(name)?.ok_or_else(|| no_object(&plain(name)))?;
        if let Some(database) = &table.database {
            let need = Need {
                permission: Permission::Insert,
                database: Arc::clone(database),
                table: Arc::clone(&table.def),
            };
            self.check_writable(&need.database)?;
            self.check_needs(&[need])?;
        }
        let (mut declared, mut places) = (Vec::new(), Vec::new());
        let by_name: HashMap<String, usize> =
            table.def.columns.iter().map(|c| fold(&c.name)).zip(0..).collect();
        let mut named = HashSet::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let name = fold(&column.name.value);
            let place = *by_name.get(&name).ok_or_else(|| no_column(&column.name.value))?;
            if !named.insert(place) {
                let text = format!(
                    "The column name '{}' is specified more than once in the SET clause or column list of an INSERT.",
                    column.name.value
                );
                return Err(error(264, 16, 1, text).into());
            }
            let target = &table.def.columns[place];
            let ty = declared_type(&column.ty, at + 1)?;
            values::check_convertible(ty, target.ty, true).map_err(|_| bad_bulk_type(at + 1))?;
            declared.push(Column {
                name: target.name.clone(),
                ty,
                nullable: target.nullable,
                identity: target.identity.is_some(),
                updateable: true,
                collation: target.collation.clone(),
            });
            places.push(place);
        }
        let keep_nulls = options.iter().any(|o| o == "KEEP_NULLS");
        self.pending_bulk = Some(Pending {
            table,
            columns: declared,
            places,
            keep_nulls,
            announced: false,
        });
        Ok(())
    }

    /// Tells the wire once that rows are coming.
    pub(super) fn announce_bulk(&mut self) -> Option<BulkTarget> {
        let pending = self.pending_bulk.as_mut().filter(|p| !p.announced)?;
        pending.announced = true;
        Some(BulkTarget {
            declared: pending.columns.clone(),
        })
    }

    /// Starts the load.
    pub(super) fn begin_load(&mut self, columns: &[Column]) -> Result<(), SqlError> {
        let Some(pending) = self.pending_bulk.take() else {
            return Err(error(
                4002,
                16,
                1,
                "The incoming tabular data stream (TDS) protocol stream is incorrect: a BULK LOAD without INSERT BULK.",
            ));
        };
        if columns.len() != pending.columns.len() {
            return Err(bad_bulk_type(columns.len().min(pending.columns.len()) + 1));
        }
        for (at, (sent, declared)) in columns.iter().zip(&pending.columns).enumerate() {
            if !agrees(sent.ty, declared.ty) {
                return Err(bad_bulk_type(at + 1));
            }
        }
        let result = self.open_load(pending, columns);
        if let Err(failure) = &result
            && self.settings.xact_abort
            && failure.number != 3906
            && self.transaction.count > 0
        {
            self.roll_back_all();
        }
        result
    }

    fn open_load(&mut self, pending: Pending, columns: &[Column]) -> Result<(), SqlError> {
        let table = pending.table;
        // The table may have changed since the announcement, or during the wait for the lock.
        if !self.is_unchanged(&table)? {
            return Err(no_object(&table.def.full_name()));
        }
        let mut names: Vec<String> = Vec::new();
        let mut targets = Vec::new();
        for (sent, place) in columns.iter().zip(&pending.places) {
            let column = &table.def.columns[*place];
            let utf8 = column.collation.as_deref().is_some_and(values::is_utf8);
            let default = if pending.keep_nulls {
                None
            } else {
                self.default_value(column)?
            };
            names.push(column.name.clone());
            targets.push(Target {
                from: sent.ty,
                to: column.ty,
                utf8,
                as_is: stored_as_is(sent.ty, column.ty),
                nullable: column.nullable,
                default,
            });
        }
        let extras = self.extras(&table, &pending.places, &mut names)?;
        let list: Vec<String> = names.iter().map(|n| quote(n)).collect();
        let marks: Vec<String> = (1..=names.len()).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.sqlite(),
            list.join(", "),
            marks.join(", ")
        );
        let temps = self.core.temps.clone();
        self.start_change(table.database.as_ref(), table.def.object_id)?;
        match self.is_unchanged(&table) {
            Ok(true) => {}
            Ok(false) => return self.end_change(Err(no_object(&table.def.full_name())), temps),
            Err(failure) => return self.end_change(Err(failure), temps),
        }
        self.bulk = Some(Load {
            table,
            sql,
            targets,
            names,
            extras,
            rows: 0,
            temps,
            failed: false,
        });
        Ok(())
    }

    /// The values of the columns that the load does not name. Their names are added to `names`.
    fn extras(
        &mut self,
        table: &TableRef,
        places: &[usize],
        names: &mut Vec<String>,
    ) -> Result<Vec<Extra>, SqlError> {
        let mut extras = Vec::new();
        for (_, column) in table
            .def
            .columns
            .iter()
            .enumerate()
            .filter(|(at, _)| !places.contains(at))
        {
            if let Some(definition) = column.identity {
                extras.push(Extra::Identity(
                    self.identity_counter(table)?,
                    definition.increment,
                ));
                names.push(column.name.clone());
            } else if let Some(value) = self.default_value(column)? {
                extras.push(Extra::Default(value));
                names.push(column.name.clone());
            } else if !column.nullable {
                return Err(null_refused(&column.name, &table.three_part_name(), "INSERT"));
            }
        }
        Ok(extras)
    }

    fn is_unchanged(&mut self, table: &TableRef) -> Result<bool, SqlError> {
        let id = table.def.object_id;
        let now = match &table.database {
            Some(database) => self.core.catalog(&database.clone())?.table_by_id(id).cloned(),
            None => {
                let temp = self.core.temps.iter().find(|t| t.def.object_id == id);
                temp.map(|t| Arc::clone(&t.def))
            }
        };
        Ok(now.is_some_and(|n| n.modify_date == table.def.modify_date && n.name == table.def.name))
    }

    /// A default's value, evaluated once for the whole load.
    fn default_value(
        &mut self,
        column: &crate::store::catalog::ColumnDef,
    ) -> Result<Option<OwnedCell>, SqlError> {
        let Some(default) = &column.default else {
            return Ok(None);
        };
        let expression = crate::sql::parse::parse_expression(&default.sql)?;
        let scratch = Batch {
            parsed: crate::sql::ast::Batch::default(),
            plans: Vec::new(),
        };
        let value = self.scalar(&scratch, 0, 0, &expression, None)?;
        let utf8 = column.collation.as_deref().is_some_and(values::is_utf8);
        values::assign(value.value.as_cell(), value.ty, column.ty, utf8).map(Some)
    }

    /// One row of the load.
    pub(super) fn load_row(&mut self, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        let Some(load) = &self.bulk else {
            return Err(error(
                4002,
                16,
                1,
                "The incoming tabular data stream (TDS) protocol stream is incorrect: a row without BULK LOAD.",
            ));
        };
        if load.rows.is_multiple_of(256) && self.core.options.cancel.load(Ordering::Relaxed) {
            return Err(errors::cancelled());
        }
        let inserted = self.insert_row(load, cells);
        if let Some(load) = &mut self.bulk {
            match &inserted {
                Ok(()) => load.rows += 1,
                Err(_) => load.failed = true,
            }
        }
        inserted
    }

    fn insert_row(&self, load: &Load, cells: &[Cell<'_>]) -> Result<(), SqlError> {
        if cells.len() != load.targets.len() {
            return Err(bad_bulk_type(cells.len().min(load.targets.len()) + 1));
        }
        let mut statement = self
            .core
            .connection
            .prepare_cached(&load.sql)
            .map_err(|e| self.core.sqlite_error(&e))?;
        let bind = |statement: &mut CachedStatement<'_>, at: usize, cell: Cell<'_>| {
            statement
                .raw_bind_parameter(at + 1, Bindable(cell))
                .map_err(|e| self.core.sqlite_error(&e))
        };
        for (at, (cell, target)) in cells.iter().zip(&load.targets).enumerate() {
            match (cell, &target.default) {
                (Cell::Null, Some(default)) => bind(&mut statement, at, default.as_cell())?,
                (Cell::Null, None) if !target.nullable => {
                    return Err(null_refused(
                        &load.names[at],
                        &load.table.three_part_name(),
                        "INSERT",
                    ));
                }
                (Cell::Null, None) => bind(&mut statement, at, Cell::Null)?,
                (cell, _) if target.as_is => {
                    check_length(*cell, target.to)?;
                    bind(&mut statement, at, *cell)?;
                }
                (cell, _) => {
                    let value = values::assign(*cell, target.from, target.to, target.utf8)?;
                    bind(&mut statement, at, value.as_cell())?;
                }
            }
        }
        for (at, extra) in load.extras.iter().enumerate() {
            let at = cells.len() + at;
            match extra {
                Extra::Default(value) => bind(&mut statement, at, value.as_cell())?,
                Extra::Identity(counter, increment) => {
                    let value = counter.fetch_add(*increment, Ordering::SeqCst) + increment;
                    bind(&mut statement, at, Cell::Integer(value))?;
                }
            }
        }
        statement
            .raw_execute()
            .map(|_| ())
            .map_err(|e| self.row_error(load, cells, &e))
    }

    fn row_error(&self, load: &Load, cells: &[Cell<'_>], failure: &rusqlite::Error) -> SqlError {
        let def = &load.table.def;
        let Some((code, message)) = constraint(failure) else {
            return self.core.sqlite_error(failure);
        };
        if code == rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL {
            return null_refused(
                &not_null_column(def, &message),
                &load.table.three_part_name(),
                "INSERT",
            );
        }
        if code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER {
            let text = format!(
                "The INSERT statement conflicted with a constraint of table \"{}\".",
                def.full_name()
            );
            return error(547, 16, 0, text);
        }
        let Some(index) = violated(def, &message) else {
            return self.core.sqlite_error(failure);
        };
        let part = |id: i32| {
            let name = &def.column_by_id(id)?.name;
            let at = load
                .names
                .iter()
                .position(|n| n == name)
                .filter(|at| *at < cells.len())?;
            Some(render(cells[at], load.targets[at].from).trim_end().to_owned())
        };
        let parts: Option<Vec<String>> = index.keys.iter().map(|k| part(k.0)).collect();
        duplicate_key(def, index, parts.map(|p| p.join(", ")).as_deref())
    }

    /// Ends the load and keeps its rows, or does not.
    pub(super) fn end_load(&mut self, keep: bool) -> Result<u64, SqlError> {
        let Some(load) = self.bulk.take() else {
            // An error has rolled the transaction back, and the load with it.
            return Ok(0);
        };
        let keep = keep && !load.failed;
        let counter = load.extras.iter().find_map(|e| match e {
            Extra::Identity(counter, _) => Some(counter.load(Ordering::SeqCst)),
            Extra::Default(_) => None,
        });
        let saved = match counter.filter(|_| keep) {
            Some(last) => self.save_identity(&load.table, last),
            None => Ok(()),
        };
        let done = match saved {
            Err(e) => Err(e),
            Ok(()) if keep => Ok(load.rows),
            Ok(()) => Err(errors::cancelled()),
        };
        let ended = self.end_change(done, load.temps);
        if !keep {
            if load.failed && self.settings.xact_abort && self.transaction.count > 0 {
                self.roll_back_all();
            }
            return Ok(0);
        }
        self.row_count = i64::try_from(load.rows).unwrap_or(i64::MAX);
        ended
    }
}

/// The type that INSERT BULK declares. A length that no column can have is refused here, as in SQL Server.
fn declared_type(ty: &DataType, at: usize) -> Result<SqlType, SqlError> {
    match types::sql_type(ty, Place::Declaration) {
        Ok((ty, _)) => Ok(ty),
        Err(e) if e.number == 2717 => Err(bad_bulk_type(at)),
        Err(e) => Err(e),
    }
}

/// Whether a column of COLMETADATA matches the declaration of INSERT BULK: the same type, scale and precision, and
/// no longer.
fn agrees(sent: SqlType, declared: SqlType) -> bool {
    let fits = |sent: Len, declared: Len| match (sent, declared) {
        (Len::Max, Len::Max) => true,
        (Len::N(a), Len::N(b)) => a <= b,
        _ => false,
    };
    match (sent, declared) {
        (SqlType::VarChar(a), SqlType::VarChar(b))
        | (SqlType::NVarChar(a), SqlType::NVarChar(b))
        | (SqlType::VarBinary(a), SqlType::VarBinary(b)) => fits(a, b),
        (SqlType::Char(a), SqlType::Char(b))
        | (SqlType::NChar(a), SqlType::NChar(b))
        | (SqlType::Binary(a), SqlType::Binary(b)) => a <= b,
        (
            SqlType::Decimal {
                precision: p,
                scale: s,
                ..
            },
            SqlType::Decimal {
                precision: q,
                scale: t,
                ..
            },
        ) => p == q && s == t,
        (a, b) => a == b,
    }
}

/// Whether a sent value has the storage form of the column, apart from its length.
fn stored_as_is(sent: SqlType, column: SqlType) -> bool {
    match (sent, column) {
        (SqlType::NVarChar(_) | SqlType::NChar(_), SqlType::NVarChar(_))
        | (SqlType::VarBinary(_) | SqlType::Binary(_), SqlType::VarBinary(_)) => true,
        (a, b) => {
            a == b
                && !matches!(
                    a,
                    SqlType::Char(_) | SqlType::VarChar(_) | SqlType::NChar(_) | SqlType::Binary(_)
                )
        }
    }
}

fn check_length(cell: Cell<'_>, to: SqlType) -> Result<(), SqlError> {
    let fits = match (cell, to) {
        (Cell::Text(s), SqlType::NVarChar(Len::N(n))) => {
            s.len() <= usize::from(n) || text::length(s, to, None) <= usize::from(n)
        }
        (Cell::Blob(b), SqlType::VarBinary(Len::N(n))) => b.len() <= usize::from(n),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(crate::value::error::truncated())
    }
}
