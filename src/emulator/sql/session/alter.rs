//! ALTER TABLE and sp_rename.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use super::SqlSession;
use super::ddl::plain;
use super::define::column_collation;
use super::procedure::Arguments;
use crate::emulator::sql::ast::{AlterTable, ColumnSpec, ConstraintSpec};
use crate::emulator::sql::bind::{Binder, Mode};
use crate::emulator::sql::core::{NameParts, TableRef};
use crate::emulator::sql::errors::{self, error, unsupported};
use crate::emulator::sql::types::{self, Place};
use crate::emulator::store::catalog::{IndexKind, TableDef, quote};
use crate::emulator::store::fold;
use crate::emulator::types::SqlError;

impl SqlSession {
    pub(super) fn alter_table(&mut self, name: &ObjectName, change: &AlterTable) -> Result<(), SqlError> {
        let find = |session: &mut SqlSession| {
            session
                .core
                .table(name)?
                .ok_or_else(|| errors::cannot_find(4902, 1, &plain(name)))
        };
        let table = find(self)?;
        self.change(table.database.as_ref(), table.def.object_id, |session| {
            let table = find(session)?;
            match change {
                AlterTable::Add { columns, constraints } => {
                    session.add_to_table(&table, columns, constraints)
                }
                AlterTable::DropConstraints { names, if_exists } => {
                    session.drop_constraints(&table, names, *if_exists)
                }
                AlterTable::DropColumns { names, if_exists } => {
                    session.drop_columns(&table, names, *if_exists)
                }
                AlterTable::AlterColumn(column) => session.alter_column(&table, column),
            }
        })
    }

    fn add_to_table(
        &mut self,
        table: &TableRef,
        columns: &[ColumnSpec],
        constraints: &[ConstraintSpec],
    ) -> Result<(), SqlError> {
        let mut def = TableDef::clone(&table.def);
        let old = (
            def.columns.len(),
            def.indexes.len(),
            def.checks.len(),
            def.foreign_keys.len(),
        );
        let mut specs = Vec::new();
        for column in columns {
            self.add_column(&mut def, column)?;
            specs.extend(column.constraints.iter().cloned());
        }
        specs.extend(constraints.iter().cloned());
        self.add_constraints(&mut def, &table.alias, &specs, false)?;
        def.modify_date = self.core.server.now_datetime();
        let new = TableRef {
            def: Arc::new(def),
            ..table.clone()
        };
        if new.def.columns.len() > old.0 {
            return self.add_columns(table, &new, old.0);
        }
        for column in &new.def.columns {
            self.check_default(column)?;
        }
        for index in &new.def.indexes[old.1..] {
            self.create_physical_index(&new, index)?;
        }
        for check in &new.def.checks[old.2..] {
            self.check_rows(&new, &check.sql, check.object_id)?;
            self.create_check(&new, check)?;
        }
        self.store_table(&new)?;
        for key in &new.def.foreign_keys[old.3..] {
            self.create_foreign_key(&new, key)?;
            // An update that changes nothing fires the triggers for every row.
            if let Some(column) = key.columns.first().and_then(|id| new.def.column_by_id(*id)) {
                let name = quote(&column.name);
                let touched = self
                    .core
                    .connection
                    .execute_batch(&format!("UPDATE {} SET {name} = {name}", new.sqlite()));
                touched.map_err(|e| match super::constraint::constraint(&e) {
                    Some((_, message)) => self.trigger_error(&new, &message, "ALTER TABLE"),
                    None => self.core.sqlite_error(&e),
                })?;
            }
        }
        Ok(())
    }

    fn check_rows(&mut self, table: &TableRef, check: &str, id: i32) -> Result<(), SqlError> {
        let condition = Binder::new(&mut self.core, &HashMap::new()).table_condition(table, check, "t")?;
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} AS t WHERE NOT {condition})",
            table.sqlite()
        );
        let bad: bool = self
            .core
            .connection
            .query_row(&sql, [], |r| r.get(0))
            .map_err(|e| self.core.sqlite_error(&e))?;
        if bad {
            Err(self.trigger_error(table, &format!("check {id}"), "ALTER TABLE"))
        } else {
            Ok(())
        }
    }

    fn add_columns(&mut self, old: &TableRef, new: &TableRef, count: usize) -> Result<(), SqlError> {
        let mut values: Vec<String> = old.def.columns.iter().map(|c| quote(&c.name)).collect();
        for column in &new.def.columns[count..] {
            if column.identity.is_some() {
                return Err(unsupported(format!(
                    "ALTER TABLE {} ADD an identity column",
                    new.def.name
                )));
            }
            // Rows that are there take the default only where they must.
            let value = if column.nullable {
                None
            } else {
                let variables = HashMap::new();
                let mut binder = Binder::new(&mut self.core, &variables);
                let value = binder.absent(column)?;
                if binder.parameters.is_empty() {
                    value
                } else {
                    return Err(unsupported(format!(
                        "a default that depends on the session for the new column {}",
                        column.name
                    )));
                }
            };
            if value.is_none() && !column.nullable && self.has_rows(old)? {
                let text = format!(
                    "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition \
                     specified, or the column being added is an identity or timestamp column, or alternatively if none \
                     of the previous conditions are satisfied the table must be empty to allow addition of this column. \
                     Column '{}' cannot be added to non-empty table '{}' because it does not satisfy these conditions.",
                    column.name, new.def.name
                );
                return Err(error(4901, 16, 1, text));
            }
            values.push(value.unwrap_or_else(|| "NULL".into()));
        }
        self.rebuild(old, new, &values)
    }

    fn has_rows(&self, table: &TableRef) -> Result<bool, SqlError> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", table.sqlite());
        self.core
            .connection
            .query_row(&sql, [], |r| r.get(0))
            .map_err(|e| self.core.sqlite_error(&e))
    }

    fn drop_constraints(
        &mut self,
        table: &TableRef,
        names: &[Ident],
        if_exists: bool,
    ) -> Result<(), SqlError> {
        let mut def = TableDef::clone(&table.def);
        for name in names {
            let folded = fold(&name.value);
            if let Some(at) = def
                .indexes
                .iter()
                .position(|i| i.kind != IndexKind::Index && fold(&i.name) == folded)
            {
                let index = def.indexes.remove(at);
                self.drop_physical_index(table, &index)?;
            } else if let Some(at) = def.checks.iter().position(|c| fold(&c.name) == folded) {
                let check = def.checks.remove(at);
                self.drop_check(table, &check)?;
            } else if let Some(at) = def.foreign_keys.iter().position(|f| fold(&f.name) == folded) {
                let key = def.foreign_keys.remove(at);
                self.drop_foreign_key(table, &key)?;
            } else if let Some(column) = def
                .columns
                .iter_mut()
                .find(|c| c.default.as_ref().is_some_and(|d| fold(&d.name) == folded))
            {
                column.default = None;
            } else if !if_exists {
                return Err(error(
                    3728,
                    16,
                    1,
                    format!("'{}' is not a constraint.", name.value),
                ));
            }
        }
        def.modify_date = self.core.server.now_datetime();
        self.store_table(&TableRef {
            def: Arc::new(def),
            ..table.clone()
        })
    }

    fn drop_columns(&mut self, table: &TableRef, names: &[Ident], if_exists: bool) -> Result<(), SqlError> {
        let mut def = TableDef::clone(&table.def);
        for name in names {
            let Some(column) = def.column(&name.value).cloned() else {
                if if_exists {
                    continue;
                }
                let text = format!(
                    "ALTER TABLE DROP COLUMN failed because column '{}' does not exist in table '{}'.",
                    name.value, def.name
                );
                return Err(error(4924, 16, 1, text));
            };
            if let Some(user) = user_of(&def, column.id, &column.name) {
                return Err(error(
                    5074,
                    16,
                    1,
                    format!("The {user} is dependent on column '{}'.", column.name),
                ));
            }
            def.columns.retain(|c| c.id != column.id);
        }
        if def.columns.is_empty() {
            let text = format!(
                "ALTER TABLE DROP COLUMN failed because '{}' is the only data column in table '{}'.",
                names[0].value, def.name
            );
            return Err(error(4923, 16, 1, text));
        }
        def.modify_date = self.core.server.now_datetime();
        let values: Vec<String> = def.columns.iter().map(|c| quote(&c.name)).collect();
        self.rebuild(
            table,
            &TableRef {
                def: Arc::new(def),
                ..table.clone()
            },
            &values,
        )
    }

    fn alter_column(&mut self, table: &TableRef, spec: &ColumnSpec) -> Result<(), SqlError> {
        if !spec.constraints.is_empty() || spec.identity.is_some() {
            return Err(unsupported(format!(
                "ALTER COLUMN {} with constraints",
                spec.name
            )));
        }
        let mut def = TableDef::clone(&table.def);
        let (ty, sysname) = types::sql_type(&spec.ty, Place::Declaration)?;
        let folded = fold(&spec.name.value);
        let mut values = Vec::with_capacity(def.columns.len());
        let mut found = false;
        for column in &mut def.columns {
            let name = quote(&column.name);
            if fold(&column.name) != folded {
                values.push(name);
                continue;
            }
            found = true;
            let variables = HashMap::new();
            let mut binder = Binder::new(&mut self.core, &variables);
            let value = binder.table_column(column, &name);
            column.ty = ty;
            column.sysname = sysname;
            column.collation = column_collation(ty, spec.collation.as_deref())?;
            column.nullable = spec.nullable.unwrap_or(true);
            values.push(
                binder
                    .convert(value, ty, column.collation.as_deref(), Mode::Assign)?
                    .sql,
            );
        }
        if !found {
            let text = format!(
                "ALTER TABLE ALTER COLUMN failed because column '{}' does not exist in table '{}'.",
                spec.name.value, def.name
            );
            return Err(error(4924, 16, 1, text));
        }
        def.modify_date = self.core.server.now_datetime();
        self.rebuild(
            table,
            &TableRef {
                def: Arc::new(def),
                ..table.clone()
            },
            &values,
        )
    }

    /// sp_rename @objname, @newname, @objtype.
    pub(super) fn rename(&mut self, arguments: &Arguments) -> Result<(), SqlError> {
        let old = arguments.text("@objname", 0).unwrap_or_default();
        let new = arguments.text("@newname", 1).unwrap_or_default();
        let kind = arguments
            .text("@objtype", 2)
            .unwrap_or_else(|| "OBJECT".into())
            .to_ascii_uppercase();
        if new.is_empty() {
            let text =
                "Procedure or function 'sp_rename' expects parameter '@newname', which was not supplied.";
            return Err(error(201, 16, 4, text));
        }
        let ambiguous = || {
            let text = format!(
                "Either the parameter @objname is ambiguous or the claimed @objtype ({kind}) is wrong."
            );
            error(15248, 11, 1, text)
        };
        let parts = NameParts::parse(&old).ok_or_else(ambiguous)?;
        match kind.as_str() {
            "OBJECT" => self.rename_table(&parts, &old, &new),
            "COLUMN" | "INDEX" => {
                // `schema.table.name` reads as database, schema and name.
                let table_parts = match (&parts.database, &parts.schema) {
                    (schema, Some(table)) => NameParts {
                        database: None,
                        schema: schema.clone(),
                        name: table.clone(),
                    },
                    _ => return Err(ambiguous()),
                };
                self.rename_part(&table_parts, &parts.name, &new, kind == "COLUMN")
                    .and_then(|done| if done { Ok(()) } else { Err(ambiguous()) })
            }
            _ => {
                let text = format!("Error: The input parameter '@objtype' is not allowed to be '{kind}'.");
                Err(error(15249, 11, 1, text))
            }
        }
    }

    fn rename_table(&mut self, parts: &NameParts, old: &str, new: &str) -> Result<(), SqlError> {
        let database = self.core.database_of(parts)?;
        self.change(Some(&database), 0, |session| {
            let Some(crate::emulator::sql::core::Object::Table(table)) = session.core.find(parts)? else {
                let text = format!("No item by the name of '{old}' could be found in the current database '{}', given that @itemtype was input as '(null)'.", database.name);
                return Err(error(15225, 11, 1, text));
            };
            if session.core.catalog(&database)?.table(&table.def.schema, new).is_some() {
                let text = format!("Error: The new name '{new}' is already in use as a OBJECT name and would cause a duplicate that is not permitted.");
                return Err(error(15335, 11, 1, text));
            }
            let mut def = TableDef::clone(&table.def);
            def.name = new.to_owned();
            def.modify_date = session.core.server.now_datetime();
            session.sqlite(&format!("ALTER TABLE {} RENAME TO {}", table.sqlite(), def.sqlite_name()))?;
            session.store_table(&TableRef { def: Arc::new(def), ..table })
        })
    }

    fn rename_part(
        &mut self,
        table_parts: &NameParts,
        old: &str,
        new: &str,
        column: bool,
    ) -> Result<bool, SqlError> {
        let database = self.core.database_of(table_parts)?;
        self.change(Some(&database), 0, |session| {
            let Some(crate::emulator::sql::core::Object::Table(table)) = session.core.find(table_parts)?
            else {
                return Ok(false);
            };
            let mut def = TableDef::clone(&table.def);
            let folded = fold(old);
            if column {
                let texts = !def.checks.is_empty() || def.indexes.iter().any(|i| i.filter.is_some());
                let Some(found) = def.columns.iter_mut().find(|c| fold(&c.name) == folded) else {
                    return Ok(false);
                };
                if texts {
                    return Err(unsupported(
                        "sp_rename of a column of a table with CHECK constraints or filtered indexes",
                    ));
                }
                session.sqlite(&format!(
                    "ALTER TABLE {} RENAME COLUMN {} TO {}",
                    table.sqlite(),
                    quote(&found.name),
                    quote(new)
                ))?;
                found.name = new.to_owned();
            } else {
                let Some(found) = def.indexes.iter_mut().find(|i| fold(&i.name) == folded) else {
                    return Ok(false);
                };
                found.name = new.to_owned();
            }
            def.modify_date = session.core.server.now_datetime();
            session.store_table(&TableRef {
                def: Arc::new(def),
                ..table
            })?;
            Ok(true)
        })
    }
}

/// The constraint or index that needs a column.
fn user_of(def: &TableDef, id: i32, name: &str) -> Option<String> {
    let index = def
        .indexes
        .iter()
        .find(|i| i.keys.iter().any(|k| k.0 == id) || i.include.contains(&id));
    let index = index.map(|i| format!("index '{}'", i.name));
    let column = def.column_by_id(id)?;
    let default = column.default.as_ref().map(|d| format!("object '{}'", d.name));
    let foreign = def
        .foreign_keys
        .iter()
        .find(|f| f.columns.contains(&id))
        .map(|f| format!("object '{}'", f.name));
    // A text that mentions the name at all may mean the column.
    let check = def
        .checks
        .iter()
        .find(|c| fold(&c.sql).contains(&fold(name)))
        .map(|c| format!("object '{}'", c.name));
    index.or(default).or(foreign).or(check)
}
