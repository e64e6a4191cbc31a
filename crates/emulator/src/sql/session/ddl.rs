//! CREATE, DROP and TRUNCATE. The table catalog and the SQLite schema change together, in one transaction.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use super::constraint::constraint;
use super::define::{add_index, check_columns};
use super::state::SqlSession;
use crate::sql::ast::{CreateTable, IndexSpec, Stmt};
use crate::sql::core::TableRef;
use crate::sql::errors::{self, error, unsupported};
use crate::sql::name::{NameParts, plain};
use crate::store::access::{Class, Permission};
use crate::store::catalog::{self, ColumnDef, IndexDef, IndexKind, TableDef};
use crate::store::database::Database;
use crate::store::fold;
use crate::types::SqlError;

impl SqlSession {
    /// A statement that changes the schema of the current database or the session's temp tables.
    pub(super) fn define(&mut self, statement: &Stmt) -> Result<(), SqlError> {
        match statement {
            Stmt::CreateTable(create) => self.create_table(create),
            Stmt::DropTable { names, if_exists } => names
                .iter()
                .try_for_each(|name| self.drop_table(name, *if_exists)),
            Stmt::Truncate(name) => self.truncate(name),
            Stmt::CreateIndex { table, index } => self.create_index(table, index),
            Stmt::DropIndex {
                name,
                table,
                if_exists,
            } => self.drop_index(name, table, *if_exists),
            Stmt::AlterTable { table, change } => self.alter_table(table, change),
            Stmt::CreateStatistics { name, table, columns } => self.create_statistics(name, table, columns),
            Stmt::CreateType { name, base, nullable } => self.create_type(name, base, *nullable),
            Stmt::DropType { name, if_exists } => self.drop_type(name, *if_exists),
            Stmt::CreatePolicy(create) => self.create_policy(create),
            Stmt::DropPolicy { name, if_exists } => self.drop_policy(name, *if_exists),
            Stmt::Permission(change) => self.change_permissions(change),
            Stmt::Principal(change) => self.change_principal(change),
            Stmt::CreateSchema(name, owner) => {
                self.create_schema(&name.value, owner.as_ref().map(|o| o.value.as_str()))
            }
            Stmt::DropSchema { name, if_exists } => self.drop_schema(&name.value, *if_exists),
            other => Err(unsupported(format!("{other:?}"))),
        }
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<(), SqlError> {
        self.new_table(&create.name, |session, def, alias| {
            // Each column is compared with those before it.
            check_columns(&def.name, create.columns.len())?;
            let mut specs = Vec::new();
            for column in &create.columns {
                session.add_column(def, column)?;
                specs.extend(column.constraints.iter().cloned());
            }
            specs.extend(create.constraints.iter().cloned());
            session.add_constraints(def, alias, &specs, true)
        })
    }

    /// A table of given columns and nothing else.
    pub(super) fn create_plain_table(
        &mut self,
        name: &ObjectName,
        columns: Vec<ColumnDef>,
    ) -> Result<(), SqlError> {
        self.new_table(name, |_, def, _| {
            def.last_column_id = i32::try_from(columns.len()).unwrap_or(i32::MAX);
            def.columns = columns;
            Ok(())
        })
    }

    fn new_table(
        &mut self,
        name: &ObjectName,
        fill: impl FnOnce(&mut SqlSession, &mut TableDef, &str) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let parts = NameParts::new(name)?;
        let temp = parts.is_temp();
        let database = if temp {
            None
        } else {
            Some(self.core.database_of(&parts)?)
        };
        self.change(database.as_ref(), 0, |session| {
            let alias = match &database {
                Some(database) => {
                    session.check_create_table(database, parts.schema())?;
                    session.core.attach(database)?
                }
                None => "temp".to_owned(),
            };
            let mut def = session.empty_table(&parts, database.as_ref(), &alias)?;
            fill(session, &mut def, &alias)?;
            check_columns(&def.name, def.columns.len())?;
            let def = Arc::new(def);
            let table = TableRef {
                def: Arc::clone(&def),
                database: database.clone(),
                alias,
            };
            session.create_physical(&table, &table.def.sqlite_name())?;
            session.create_dependents(&table)?;
            session.store_table(&table)
        })
    }

    fn empty_table(
        &mut self,
        parts: &NameParts,
        database: Option<&Arc<Database>>,
        alias: &str,
    ) -> Result<TableDef, SqlError> {
        let (object_id, schema) = match database {
            None => {
                let folded = fold(&parts.name);
                let depth = self.core.depth;
                if self
                    .core
                    .temps
                    .iter()
                    .any(|t| t.depth == depth && fold(&t.def.name) == folded)
                {
                    return Err(errors::object_exists(&parts.name));
                }
                (self.core.new_temp_id(), "dbo".to_owned())
            }
            Some(database) => {
                let catalog = self.core.catalog(database)?;
                let Some((_, schema)) = catalog.schema(parts.schema()) else {
                    return Err(errors::no_schema(parts.schema()));
                };
                if catalog.table(schema, &parts.name).is_some() || catalog.has_constraint(schema, &parts.name)
                {
                    return Err(errors::object_exists(&parts.name));
                }
                (self.new_object_id(alias)?, schema.to_owned())
            }
        };
        let now = self.core.server.now_datetime();
        Ok(TableDef {
            object_id,
            schema,
            name: parts.name.clone(),
            create_date: now,
            modify_date: now,
            columns: Vec::new(),
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            last_column_id: 0,
            last_index_id: 1,
            temp: database.is_none(),
            lock_escalation: 0,
            statistics: Vec::new(),
        })
    }

    /// A fresh object id of the database attached under the alias, or of the session for temp tables.
    pub(super) fn new_object_id(&mut self, alias: &str) -> Result<i32, SqlError> {
        if alias == "temp" {
            return Ok(self.core.new_temp_id());
        }
        catalog::new_object_id(&self.core.connection, alias).map_err(|e| self.core.sqlite_error(&e))
    }

    /// Writes a table's definition into the catalog, or into the session for a temp table.
    pub(super) fn store_table(&mut self, table: &TableRef) -> Result<(), SqlError> {
        match &table.database {
            Some(_) => catalog::save_table(&self.core.connection, &table.alias, &table.def)
                .map_err(|e| self.core.sqlite_error(&e)),
            None => {
                self.core.put_temp(Arc::clone(&table.def));
                Ok(())
            }
        }
    }

    fn drop_table(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let parts = NameParts::new(name)?;
        let database = if parts.is_temp() {
            None
        } else {
            Some(self.core.database_of(&parts)?)
        };
        if self.core.table(name)?.is_none() {
            if if_exists {
                return Ok(());
            }
            if let Some(database) = &database {
                self.check_writable(database)?;
            }
            return Err(errors::cannot_drop("table", &plain(name), 5));
        }
        self.change(database.as_ref(), 0, |session| {
            let Some(table) = session.core.table(name)? else {
                return Err(errors::cannot_drop("table", &plain(name), 5));
            };
            // It needs ALTER on the schema or CONTROL on the table. A login that is denied ALTER on it has no
            // CONTROL.
            if session.is_denied(&table, Permission::Alter)? {
                return Err(errors::cannot_drop("table", &plain(name), 20));
            }
            session.modify_schema(&table);
            session.refuse_if_referenced(&table, true)?;
            session.drop_parent_triggers(&table)?;
            session.sqlite(&format!("DROP TABLE {}", table.sqlite()))?;
            match &table.database {
                None => session.core.remove_temp(table.def.object_id),
                Some(database) => {
                    database.forget_identity(table.def.object_id);
                    catalog::delete_table(&session.core.connection, &table.alias, table.def.object_id)
                        .map_err(|e| session.core.sqlite_error(&e))?;
                    session.forget_permissions(database, Class::Object, table.def.object_id)?;
                }
            }
            Ok(())
        })
    }

    fn refuse_if_referenced(&mut self, table: &TableRef, dropping: bool) -> Result<(), SqlError> {
        let Some(database) = &table.database else {
            return Ok(());
        };
        let id = table.def.object_id;
        let catalog = self.core.catalog(&database.clone())?;
        let referenced = catalog
            .all_tables()
            .any(|t| t.object_id != id && t.foreign_keys.iter().any(|f| f.parent == id));
        let name = table.def.full_name();
        match (referenced, dropping) {
            (false, _) => Ok(()),
            (true, true) => {
                let text = format!(
                    "Could not drop object '{name}' because it is referenced by a FOREIGN KEY constraint."
                );
                Err(error(3726, 16, 1, text))
            }
            (true, false) => {
                let text = format!(
                    "Cannot truncate table '{name}' because it is being referenced by a FOREIGN KEY constraint."
                );
                Err(error(4712, 16, 1, text))
            }
        }
    }

    fn truncate(&mut self, name: &ObjectName) -> Result<(), SqlError> {
        let table = self
            .core
            .table(name)?
            .ok_or_else(|| errors::cannot_find(4701, 1, &plain(name)))?;
        self.change(table.database.as_ref(), table.def.object_id, |session| {
            let table = session
                .core
                .table(name)?
                .ok_or_else(|| errors::cannot_find(4701, 1, &plain(name)))?;
            session.check_alter(&table, name)?;
            session.modify_schema(&table);
            session.refuse_if_referenced(&table, false)?;
            session.sqlite(&format!("DELETE FROM {}", table.sqlite()))?;
            if let Some((_, identity)) = table.def.identity_column() {
                let counter = session.identity_counter(&table)?;
                counter.store(
                    identity.seed - identity.increment,
                    std::sync::atomic::Ordering::SeqCst,
                );
                session.save_identity(&table, identity.seed - identity.increment)?;
            }
            Ok(())
        })
    }

    fn create_index(&mut self, name: &ObjectName, spec: &IndexSpec) -> Result<(), SqlError> {
        let find = |session: &mut SqlSession| {
            session
                .core
                .table(name)?
                .ok_or_else(|| errors::cannot_find(1088, 12, &plain(name)))
        };
        let table = find(self)?;
        self.change(table.database.as_ref(), table.def.object_id, |session| {
            let table = find(session)?;
            session.check_alter(&table, name)?;
            let mut def = TableDef::clone(&table.def);
            let index_name = spec.name.as_ref().map(|n| n.value.clone()).unwrap_or_default();
            add_index(&mut def, spec, index_name, 0, false, false)?;
            def.modify_date = session.core.server.now_datetime();
            let table = TableRef {
                def: Arc::new(def),
                ..table
            };
            if let Some(index) = table.def.indexes.last() {
                session.create_physical_index(&table, index)?;
            }
            session.store_table(&table)
        })
    }

    fn drop_index(&mut self, name: &Ident, table_name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let missing = || errors::cannot_drop("index", &format!("{}.{}", plain(table_name), name.value), 7);
        let table = match self.core.table(table_name)? {
            Some(table) => table,
            None if if_exists => return Ok(()),
            None => return Err(missing()),
        };
        let folded = fold(&name.value);
        let Some(index) = table
            .def
            .indexes
            .iter()
            .find(|i| fold(&i.name) == folded)
            .cloned()
        else {
            return if if_exists { Ok(()) } else { Err(missing()) };
        };
        if index.kind != IndexKind::Index {
            let text = format!(
                "An explicit DROP INDEX is not allowed on index '{}.{}'. It is being used for constraint enforcement.",
                table.def.name, index.name
            );
            return Err(error(3723, 16, 4, text));
        }
        if self.is_denied(&table, Permission::Alter)? {
            return Err(missing());
        }
        self.change(table.database.as_ref(), table.def.object_id, |session| {
            let mut def = TableDef::clone(&table.def);
            def.indexes.retain(|i| i.id != index.id);
            let table = TableRef {
                def: Arc::new(def),
                ..table.clone()
            };
            session.drop_physical_index(&table, &index)?;
            session.store_table(&table)
        })
    }

    fn create_schema(&mut self, name: &str, owner: Option<&str>) -> Result<(), SqlError> {
        let database = Arc::clone(&self.core.current);
        self.change(Some(&database), 0, |session| {
            session.check_create_schema(&database)?;
            let catalog = session.core.catalog(&database)?;
            if catalog.schema(name).is_some() {
                return Err(errors::object_exists(name));
            }
            let mut schemas = catalog.schemas.clone();
            let id = schemas.keys().max().copied().unwrap_or(0).max(4) + 1;
            schemas.insert(id, name.to_owned());
            let alias = session.core.attach(&database)?;
            catalog::save_schemas(&session.core.connection, &alias, &schemas)
                .map_err(|e| session.core.sqlite_error(&e))?;
            match owner {
                Some(owner) => session.set_owner(&database, id, owner),
                None => Ok(()),
            }
        })
    }

    fn drop_schema(&mut self, name: &str, if_exists: bool) -> Result<(), SqlError> {
        let database = Arc::clone(&self.core.current);
        self.change(Some(&database), 0, |session| {
            let catalog = session.core.catalog(&database)?;
            let missing = || {
                let text = format!("Cannot drop the schema '{name}', because it does not exist or you do not have permission.");
                error(15151, 16, 1, text)
            };
            let Some((id, _)) = catalog.schema(name) else {
                return if if_exists { Ok(()) } else { Err(missing()) };
            };
            if session.may_not_drop_schema(&database, id)? {
                return Err(missing());
            }
            if let Some(table) = catalog.all_tables().find(|t| fold(&t.schema) == fold(name)) {
                let text = format!("Cannot drop schema '{name}' because it is being referenced by object '{}'.", table.name);
                return Err(error(3729, 16, 1, text));
            }
            let mut schemas = catalog.schemas.clone();
            schemas.remove(&id);
            let alias = session.core.attach(&database)?;
            catalog::save_schemas(&session.core.connection, &alias, &schemas).map_err(|e| session.core.sqlite_error(&e))?;
            session.forget_permissions(&database, Class::Schema, id)
        })
    }

    /// The error of a unique index that the existing rows violate.
    pub(super) fn index_error(
        &mut self,
        failure: &rusqlite::Error,
        table: &TableRef,
        index: &IndexDef,
    ) -> SqlError {
        if constraint(failure).is_none() {
            return self.core.sqlite_error(failure);
        }
        let text = format!(
            "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '{}' \
             and the index name '{}'.",
            table.def.full_name(),
            index.name
        );
        error(1505, 16, 1, text)
    }
}
