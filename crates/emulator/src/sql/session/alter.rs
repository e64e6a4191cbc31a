//! ALTER TABLE.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use super::declare::DeclaredType;
use super::define::column_collation;
use super::state::SqlSession;
use crate::sql::ast::{AlterTable, ColumnSpec, ConstraintSpec};
use crate::sql::bind::{Binder, Mode};
use crate::sql::core::TableRef;
use crate::sql::errors::{self, error, unsupported};
use crate::sql::name::plain;
use crate::store::catalog::{IndexKind, StatisticsDef, TableDef, quote};
use crate::store::fold;
use crate::types::SqlError;

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
            session.check_alter(&table, name)?;
            session.modify_schema(&table);
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
                AlterTable::Mask { column, function } => {
                    session.mask_column(&table, column, function.as_deref())
                }
                AlterTable::AlterColumn(column) => session.alter_column(&table, column),
                AlterTable::LockEscalation(escalation) => session.redefine(&table, |def| {
                    def.lock_escalation = *escalation;
                    Ok(())
                }),
            }
        })
    }

    /// CREATE STATISTICS. It needs ALTER on the table, and its name is the table's own.
    pub(super) fn create_statistics(
        &mut self,
        name: &Ident,
        table: &ObjectName,
        columns: &[Ident],
    ) -> Result<(), SqlError> {
        let find = |session: &mut SqlSession| {
            session
                .core
                .table(table)?
                .ok_or_else(|| errors::cannot_find(1088, 12, &plain(table)))
        };
        let found = find(self)?;
        self.change(found.database.as_ref(), found.def.object_id, |session| {
            let found = find(session)?;
            session.check_alter(&found, table)?;
            session.redefine(&found, |def| {
                let columns = columns.iter().map(|column| super::define::id_of(def, column));
                let columns = columns.collect::<Result<_, _>>()?;
                let name = name.value.clone();
                def.statistics.push(StatisticsDef { name, columns });
                Ok(())
            })
        })
    }

    /// Changes what the catalog tells of a table.
    fn redefine(
        &mut self,
        table: &TableRef,
        change: impl FnOnce(&mut TableDef) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let mut def = TableDef::clone(&table.def);
        change(&mut def)?;
        def.modify_date = self.core.server.now_datetime();
        self.store_table(&TableRef {
            def: Arc::new(def),
            ..table.clone()
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
        self.check_self_references(&new, "ALTER TABLE")?;
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
            // Existing rows take the default only if the column is NOT NULL.
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
        let DeclaredType { ty, sysname, alias } = self.column_type(&spec.ty)?;
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
            column.alias = alias.map(|a| a.0);
            column.collation = column_collation(ty, spec.collation.as_deref())?;
            column.nullable = spec.nullable.unwrap_or(alias.is_none_or(|a| a.1));
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
    // A text that contains the name at all may mean the column.
    let check = def
        .checks
        .iter()
        .find(|c| fold(&c.sql).contains(&fold(name)))
        .map(|c| format!("object '{}'", c.name));
    index.or(default).or(foreign).or(check)
}
