//! The SQLite side of a table: its columns, its indexes, and the triggers that stand for CHECK and FOREIGN KEY.

use std::collections::HashMap;
use std::sync::Arc;

use super::state::SqlSession;
use crate::sql::bind::Binder;
use crate::sql::core::TableRef;
use crate::sql::values::sqlite_collation;
use crate::store::catalog::{CheckDef, ColumnDef, ForeignKeyDef, IndexDef, TableDef, quote};
use crate::types::{SqlError, SqlType};

impl SqlSession {
    /// Creates the SQLite table under a (quoted) name.
    pub(super) fn create_physical(&mut self, table: &TableRef, name: &str) -> Result<(), SqlError> {
        let columns: Vec<String> = table
            .def
            .columns
            .iter()
            .map(|c| {
                format!(
                    "{}{}{}",
                    quote(&c.name),
                    collate(c),
                    if c.nullable { "" } else { " NOT NULL" }
                )
            })
            .collect();
        // No column has a SQLite type, so that no affinity ever changes a value.
        self.sqlite(&format!(
            "CREATE TABLE {}.{name} ({})",
            table.alias,
            columns.join(", ")
        ))
    }

    /// Creates the indexes and triggers of the table.
    pub(super) fn create_dependents(&mut self, table: &TableRef) -> Result<(), SqlError> {
        for column in &table.def.columns {
            self.check_default(column)?;
        }
        for index in &table.def.indexes {
            self.create_physical_index(table, index)?;
        }
        for check in &table.def.checks {
            self.create_check(table, check)?;
        }
        for key in &table.def.foreign_keys {
            self.create_foreign_key(table, key)?;
        }
        Ok(())
    }

    /// Binds a default once, so that a bad one is refused at its declaration.
    pub(super) fn check_default(&mut self, column: &ColumnDef) -> Result<(), SqlError> {
        if column.default.is_some() {
            Binder::new(&mut self.core, &HashMap::new()).absent(column)?;
        }
        Ok(())
    }

    /// Creates an index. A unique index over nullable columns gets a second one that admits one NULL key, as SQL
    /// Server does. SQLite by itself admits any number.
    pub(super) fn create_physical_index(
        &mut self,
        table: &TableRef,
        index: &IndexDef,
    ) -> Result<(), SqlError> {
        let filter = match &index.filter {
            Some(filter) => {
                Some(Binder::new(&mut self.core, &HashMap::new()).table_condition(table, filter, "")?)
            }
            None => None,
        };
        let columns: Vec<(&ColumnDef, bool)> = index
            .keys
            .iter()
            .filter_map(|k| table.def.column_by_id(k.0).map(|c| (c, k.1)))
            .collect();
        let keys: Vec<String> = columns
            .iter()
            .map(|(c, descending)| format!("{}{}", key_expression(c), if *descending { " DESC" } else { "" }))
            .collect();
        let name = table.def.sqlite_index(index);
        let unique = if index.unique { "UNIQUE " } else { "" };
        let bare = table.def.sqlite_name();
        let condition = filter.as_ref().map_or(String::new(), |f| format!(" WHERE {f}"));
        let sql = format!(
            "CREATE {unique}INDEX {}.{} ON {bare} ({}){condition}",
            table.alias,
            quote(&name),
            keys.join(", ")
        );
        self.create_index_sql(&sql, table, index)?;
        let nullable: Vec<String> = columns
            .iter()
            .filter(|c| c.0.nullable)
            .map(|c| format!("{} IS NULL", quote(&c.0.name)))
            .collect();
        if index.unique && !nullable.is_empty() {
            let parts: Vec<String> = columns
                .iter()
                .flat_map(|(c, _)| {
                    let name = quote(&c.name);
                    [
                        format!("({name} IS NULL)"),
                        format!("ifnull({}, 0){}", key_expression(c), collate(c)),
                    ]
                })
                .collect();
            let mut condition = format!("({})", nullable.join(" OR "));
            if let Some(filter) = &filter {
                condition = format!("{condition} AND {filter}");
            }
            let name = quote(&format!("{name}_null"));
            let sql = format!(
                "CREATE UNIQUE INDEX {}.{name} ON {bare} ({}) WHERE {condition}",
                table.alias,
                parts.join(", ")
            );
            self.create_index_sql(&sql, table, index)?;
        }
        Ok(())
    }

    fn create_index_sql(&mut self, sql: &str, table: &TableRef, index: &IndexDef) -> Result<(), SqlError> {
        let created = self.core.connection.execute_batch(sql);
        created.map_err(|e| self.index_error(&e, table, index))
    }

    /// Drops an index.
    pub(super) fn drop_physical_index(&mut self, table: &TableRef, index: &IndexDef) -> Result<(), SqlError> {
        let name = table.def.sqlite_index(index);
        for name in [name.clone(), format!("{name}_null")] {
            self.sqlite(&format!("DROP INDEX IF EXISTS {}.{}", table.alias, quote(&name)))?;
        }
        Ok(())
    }

    /// Creates a CHECK constraint's triggers.
    pub(super) fn create_check(&mut self, table: &TableRef, check: &CheckDef) -> Result<(), SqlError> {
        let condition =
            Binder::new(&mut self.core, &HashMap::new()).table_condition(table, &check.sql, "NEW")?;
        for event in ["INSERT", "UPDATE"] {
            let name = quote(&format!("ck_{}_{event}", check.object_id));
            self.sqlite(&format!(
                "CREATE TRIGGER {}.{name} BEFORE {event} ON {} WHEN NOT {condition} BEGIN SELECT RAISE(ABORT, 'check {}'); END",
                table.alias,
                table.def.sqlite_name(),
                check.object_id
            ))?;
        }
        Ok(())
    }

    /// Creates a FOREIGN KEY's triggers, on its own table and on the parent's.
    pub(super) fn create_foreign_key(
        &mut self,
        table: &TableRef,
        key: &ForeignKeyDef,
    ) -> Result<(), SqlError> {
        if key.parent == table.def.object_id {
            // It is checked at the end of each statement: the rows of one may come in any order.
            return Ok(());
        }
        let Some(parent) = self.parent(table, key)? else {
            return Ok(());
        };
        let pairs = pairs(&table.def, &parent, key);
        let (child_name, parent_name, id) = (table.def.sqlite_name(), parent.sqlite_name(), key.object_id);
        let all =
            |f: &dyn Fn(&(String, String)) -> String| pairs.iter().map(f).collect::<Vec<_>>().join(" AND ");
        let given = all(&|(c, _)| format!("NEW.{c} IS NOT NULL"));
        let found = all(&|(c, p)| format!("p.{p} = NEW.{c}"));
        for event in ["INSERT", "UPDATE"] {
            let name = quote(&format!("fk_{id}_{event}"));
            self.sqlite(&format!(
                "CREATE TRIGGER {}.{name} BEFORE {event} ON {child_name} WHEN {given} AND NOT EXISTS \
                 (SELECT 1 FROM {parent_name} AS p WHERE {found}) BEGIN SELECT RAISE(ABORT, 'child {id}'); END",
                table.alias
            ))?;
        }
        let used = all(&|(c, p)| format!("c.{c} = OLD.{p}"));
        let moved = pairs
            .iter()
            .map(|(_, p)| format!("OLD.{p} IS NOT NEW.{p}"))
            .collect::<Vec<_>>()
            .join(" OR ");
        for (event, when) in [("DELETE", String::new()), ("UPDATE", format!("({moved}) AND "))] {
            let name = quote(&format!("fk_{id}_parent_{event}"));
            self.sqlite(&format!(
                "CREATE TRIGGER {}.{name} BEFORE {event} ON {parent_name} WHEN {when}EXISTS \
                 (SELECT 1 FROM {child_name} AS c WHERE {used}) BEGIN SELECT RAISE(ABORT, 'parent {id}'); END",
                table.alias
            ))?;
        }
        Ok(())
    }

    fn parent(&mut self, table: &TableRef, key: &ForeignKeyDef) -> Result<Option<Arc<TableDef>>, SqlError> {
        let Some(database) = &table.database else {
            return Ok(None);
        };
        Ok(self
            .core
            .catalog(&database.clone())?
            .table_by_id(key.parent)
            .cloned())
    }

    /// Checks a table's foreign keys to itself, after a statement that changed its rows.
    pub(super) fn check_self_references(&mut self, table: &TableRef, verb: &str) -> Result<(), SqlError> {
        let def = &table.def;
        for key in def.foreign_keys.iter().filter(|f| f.parent == def.object_id) {
            let pairs = pairs(def, def, key);
            let all = |f: &dyn Fn(&(String, String)) -> String| {
                pairs.iter().map(f).collect::<Vec<_>>().join(" AND ")
            };
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {0} AS c WHERE {1} AND NOT EXISTS (SELECT 1 FROM {0} AS p WHERE {2}))",
                table.sqlite(),
                all(&|(c, _)| format!("c.{c} IS NOT NULL")),
                all(&|(c, p)| format!("p.{p} = c.{c}"))
            );
            let bad = self.core.connection.query_row(&sql, [], |r| r.get(0));
            if bad.map_err(|e| self.core.sqlite_error(&e))? {
                let side = if verb == "DELETE" { "parent" } else { "child" };
                return Err(self.trigger_error(table, &format!("{side} {}", key.object_id), verb));
            }
        }
        Ok(())
    }

    /// Drops the triggers that a table's foreign keys have on other tables.
    pub(super) fn drop_parent_triggers(&mut self, table: &TableRef) -> Result<(), SqlError> {
        table
            .def
            .foreign_keys
            .iter()
            .try_for_each(|key| self.drop_foreign_key(table, key))
    }

    /// Drops a foreign key's triggers.
    pub(super) fn drop_foreign_key(&mut self, table: &TableRef, key: &ForeignKeyDef) -> Result<(), SqlError> {
        for event in ["INSERT", "UPDATE", "parent_DELETE", "parent_UPDATE"] {
            let name = quote(&format!("fk_{}_{event}", key.object_id));
            self.sqlite(&format!("DROP TRIGGER IF EXISTS {}.{name}", table.alias))?;
        }
        Ok(())
    }

    /// Drops a check's triggers.
    pub(super) fn drop_check(&mut self, table: &TableRef, check: &CheckDef) -> Result<(), SqlError> {
        for event in ["INSERT", "UPDATE"] {
            let name = quote(&format!("ck_{}_{event}", check.object_id));
            self.sqlite(&format!("DROP TRIGGER IF EXISTS {}.{name}", table.alias))?;
        }
        Ok(())
    }

    /// Creates the SQLite table anew from a changed definition. `values` are the new columns' values, as SQLite
    /// expressions over the old table's columns.
    pub(super) fn rebuild(
        &mut self,
        old: &TableRef,
        new: &TableRef,
        values: &[String],
    ) -> Result<(), SqlError> {
        const SCRATCH: &str = "\"_rebuild\"";
        let alias = &new.alias;
        self.create_physical(new, SCRATCH)?;
        let sql = format!(
            "INSERT INTO {alias}.{SCRATCH} SELECT {} FROM {}",
            values.join(", "),
            old.sqlite()
        );
        let filled = self.core.connection.execute_batch(&sql);
        filled.map_err(|e| match super::constraint::constraint(&e) {
            Some((_, message)) => {
                let column = super::constraint::not_null_column(&new.def, &message);
                crate::sql::errors::null_refused(&column, &new.three_part_name(), "UPDATE")
            }
            None => self.core.sqlite_error(&e),
        })?;
        let referencing = self.referencing(old)?;
        for (child, key) in &referencing {
            self.drop_foreign_key(child, key)?;
        }
        self.drop_parent_triggers(old)?;
        self.sqlite(&format!("DROP TABLE {}", old.sqlite()))?;
        self.sqlite(&format!(
            "ALTER TABLE {alias}.{SCRATCH} RENAME TO {}",
            new.def.sqlite_name()
        ))?;
        self.create_dependents(new)?;
        self.store_table(new)?;
        for (child, key) in &referencing {
            self.create_foreign_key(child, key)?;
        }
        Ok(())
    }

    /// The foreign keys of other tables that reference this one.
    fn referencing(&mut self, table: &TableRef) -> Result<Vec<(TableRef, ForeignKeyDef)>, SqlError> {
        let Some(database) = &table.database else {
            return Ok(Vec::new());
        };
        let catalog = self.core.catalog(&database.clone())?;
        let id = table.def.object_id;
        let others = catalog.all_tables().filter(|t| t.object_id != id);
        Ok(others
            .flat_map(|t| {
                let child = TableRef {
                    def: Arc::clone(t),
                    ..table.clone()
                };
                t.foreign_keys
                    .iter()
                    .filter(|f| f.parent == id)
                    .map(move |f| (child.clone(), f.clone()))
            })
            .collect())
    }
}

/// The column pairs of a foreign key, quoted.
fn pairs(child: &TableDef, parent: &TableDef, key: &ForeignKeyDef) -> Vec<(String, String)> {
    let name = |table: &TableDef, id: i32| table.column_by_id(id).map(|c| quote(&c.name)).unwrap_or_default();
    key.columns
        .iter()
        .zip(&key.parent_columns)
        .map(|(c, p)| (name(child, *c), name(parent, *p)))
        .collect()
}

fn collate(column: &ColumnDef) -> String {
    column
        .collation
        .as_ref()
        .map_or(String::new(), |c| format!(" COLLATE \"{}\"", sqlite_collation(c)))
}

/// The index expression of a column: a datetimeoffset goes in without its offset, which takes no part in
/// comparisons.
fn key_expression(column: &ColumnDef) -> String {
    let name = quote(&column.name);
    if matches!(column.ty, SqlType::DateTimeOffset(_)) {
        format!("substr({name}, 1, 8)")
    } else {
        name
    }
}
