//! sp_rename. Tables, columns, indexes and constraints get another name and keep everything else.
//!
//! A renamed object keeps its id, its rows, its indexes and its constraints. A rollback brings the old name back.
//! The procedure raises its errors with RAISERROR, which XACT_ABORT does not see.

use std::sync::Arc;

use super::procedure::Arguments;
use super::state::SqlSession;
use crate::sql::core::{Object, TableRef};
use crate::sql::errors::{error, unsupported};
use crate::sql::name::NameParts;
use crate::store::access::Permission;
use crate::store::catalog::{IndexKind, TableDef, quote};
use crate::store::fold;
use crate::types::SqlError;

/// The kinds of objects that are renamed inside a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Column,
    Index,
}

impl SqlSession {
    /// sp_rename @objname, @newname, @objtype.
    pub(super) fn rename(&mut self, arguments: &Arguments) -> Result<(), SqlError> {
        let old = arguments.text("@objname", 0).unwrap_or_default();
        let new = arguments.text("@newname", 1).unwrap_or_default();
        let given = arguments.text("@objtype", 2);
        let kind = given.as_deref().unwrap_or("OBJECT").trim().to_ascii_uppercase();
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
        let part = match kind.as_str() {
            "OBJECT" => {
                let missing = self.no_item(&old, given.as_deref());
                return self.rename_object(&parts, &new, missing);
            }
            "COLUMN" => Part::Column,
            "INDEX" => Part::Index,
            _ => {
                let text = format!("Error: The input parameter '@objtype' is not allowed to be '{kind}'.");
                return Err(error(15249, 11, 1, text));
            }
        };
        // `schema.table.name` reads as database, schema and name.
        let owner = match (&parts.database, &parts.schema) {
            (schema, Some(table)) => NameParts {
                database: None,
                schema: schema.clone(),
                name: table.clone(),
            },
            _ => return Err(ambiguous()),
        };
        if self.rename_part(&owner, &parts.name, &new, part)? {
            Ok(())
        } else {
            Err(ambiguous())
        }
    }

    fn no_item(&self, name: &str, kind: Option<&str>) -> SqlError {
        let text = format!(
            "No item by the name of '{name}' could be found in the current database '{}', given that @itemtype was \
             input as '{}'.",
            self.core.current.name,
            kind.unwrap_or("(null)")
        );
        error(15225, 11, 1, text)
    }

    /// Renames a table, or the constraint of that name.
    fn rename_object(&mut self, parts: &NameParts, new: &str, missing: SqlError) -> Result<(), SqlError> {
        let database = self.core.database_of(parts)?;
        let Some(found) = self.renamed_table(parts)? else {
            return Err(missing);
        };
        self.change(Some(&database), found.def.object_id, |session| {
            // Another session may have dropped or renamed it while this one waited for the lock.
            let Some(table) = session.renamed_table(parts)? else {
                return Err(missing);
            };
            if session.is_denied(&table, Permission::Alter)? {
                return Err(missing);
            }
            session.modify_schema(&table);
            let mut def = TableDef::clone(&table.def);
            let catalog = session.core.catalog(&database)?;
            let itself = fold(&parts.name) == fold(new);
            if !itself
                && (catalog.table(&def.schema, new).is_some() || catalog.has_constraint(&def.schema, new))
            {
                return Err(taken(new, "OBJECT"));
            }
            def.modify_date = session.core.server.now_datetime();
            if fold(&def.name) == fold(&parts.name) {
                new.clone_into(&mut def.name);
                let (from, to) = (table.sqlite(), def.sqlite_name());
                // SQLite considers a name that differs only in case the same name.
                if from != format!("{}.{to}", table.alias) {
                    let between = quote(&format!("_rename{}", def.object_id));
                    session.sqlite(&format!("ALTER TABLE {from} RENAME TO {between}"))?;
                    session.sqlite(&format!("ALTER TABLE {}.{between} RENAME TO {to}", table.alias))?;
                }
            } else if let Some(name) = constraint_name(&mut def, &parts.name) {
                new.clone_into(name);
            }
            session.store_table(&TableRef {
                def: Arc::new(def),
                ..table
            })
        })
    }

    /// The table of that name, or the table with a constraint of that name.
    fn renamed_table(&mut self, parts: &NameParts) -> Result<Option<TableRef>, SqlError> {
        match self.core.find(parts)? {
            Some(Object::Table(table)) if table.database.is_some() => return Ok(Some(table)),
            Some(_) => return Ok(None),
            None => {}
        }
        let database = self.core.database_of(parts)?;
        let schema = fold(parts.schema());
        let catalog = self.core.catalog(&database)?;
        let owner = catalog
            .all_tables()
            .filter(|t| fold(&t.schema) == schema)
            .find(|t| constraint_name(&mut TableDef::clone(t), &parts.name).is_some());
        let Some(def) = owner else {
            return Ok(None);
        };
        Ok(Some(TableRef {
            def: Arc::clone(def),
            alias: self.core.attach(&database)?,
            database: Some(database),
        }))
    }

    fn rename_part(&mut self, owner: &NameParts, old: &str, new: &str, part: Part) -> Result<bool, SqlError> {
        let database = self.core.database_of(owner)?;
        let Some(Object::Table(found)) = self.core.find(owner)? else {
            return Ok(false);
        };
        self.change(Some(&database), found.def.object_id, |session| {
            let Some(Object::Table(table)) = session.core.find(owner)? else {
                return Ok(false);
            };
            if session.is_denied(&table, Permission::Alter)? {
                return Ok(false);
            }
            session.modify_schema(&table);
            let mut def = TableDef::clone(&table.def);
            let done = match part {
                Part::Column => session.rename_column(&table, &mut def, old, new)?,
                Part::Index => session.rename_index(&table, &mut def, old, new)?,
            };
            if done {
                def.modify_date = session.core.server.now_datetime();
                session.store_table(&TableRef {
                    def: Arc::new(def),
                    ..table
                })?;
            }
            Ok(done)
        })
    }

    fn rename_column(
        &mut self,
        table: &TableRef,
        def: &mut TableDef,
        old: &str,
        new: &str,
    ) -> Result<bool, SqlError> {
        let folded = fold(old);
        let texts = !def.checks.is_empty() || def.indexes.iter().any(|i| i.filter.is_some());
        if def.columns.iter().any(|c| fold(&c.name) == fold(new)) && folded != fold(new) {
            return Err(taken(new, "COLUMN"));
        }
        let Some(found) = def.columns.iter_mut().find(|c| fold(&c.name) == folded) else {
            return Ok(false);
        };
        if texts {
            return Err(unsupported(
                "sp_rename of a column of a table with CHECK constraints or filtered indexes",
            ));
        }
        self.sqlite(&format!(
            "ALTER TABLE {} RENAME COLUMN {} TO {}",
            table.sqlite(),
            quote(&found.name),
            quote(new)
        ))?;
        new.clone_into(&mut found.name);
        Ok(true)
    }

    /// Renaming the index of a PRIMARY KEY or UNIQUE constraint renames the constraint ("sp_rename (Transact-SQL)").
    fn rename_index(
        &mut self,
        table: &TableRef,
        def: &mut TableDef,
        old: &str,
        new: &str,
    ) -> Result<bool, SqlError> {
        let (folded, wanted) = (fold(old), fold(new));
        let Some(at) = def.indexes.iter().position(|i| fold(&i.name) == folded) else {
            return Ok(false);
        };
        let in_table = def.indexes.iter().any(|i| fold(&i.name) == wanted);
        let in_schema = match &table.database {
            Some(database) if def.indexes[at].kind != IndexKind::Index => {
                let catalog = self.core.catalog(&database.clone())?;
                catalog.has_constraint(&def.schema, new) || catalog.table(&def.schema, new).is_some()
            }
            _ => false,
        };
        if folded != wanted && (in_table || in_schema) {
            return Err(taken(new, "INDEX"));
        }
        new.clone_into(&mut def.indexes[at].name);
        Ok(true)
    }
}

fn taken(name: &str, kind: &str) -> SqlError {
    let text = format!(
        "Error: The new name '{name}' is already in use as a {kind} name and would cause a duplicate that is not \
         permitted."
    );
    error(15335, 11, 1, text)
}

/// The place where a table keeps the name of a constraint.
fn constraint_name<'a>(def: &'a mut TableDef, name: &str) -> Option<&'a mut String> {
    let folded = fold(name);
    let keys = def.indexes.iter_mut().filter(|i| i.kind != IndexKind::Index);
    let checks = def.checks.iter_mut().map(|c| &mut c.name);
    let foreign = def.foreign_keys.iter_mut().map(|f| &mut f.name);
    let defaults = def.columns.iter_mut().filter_map(|c| c.default.as_mut());
    keys.map(|i| &mut i.name)
        .chain(checks)
        .chain(foreign)
        .chain(defaults.map(|d| &mut d.name))
        .find(|n| fold(n) == folded)
}
