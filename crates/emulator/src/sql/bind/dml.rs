//! INSERT, UPDATE and DELETE, and the expressions kept in the catalog: defaults, checks and filters.

use sqlparser::ast::{Expr, Ident, ObjectName, TableFactor, TableWithJoins};

use super::binder::Binder;
use super::bound::{Bound, Collation};
use super::convert::Mode;
use super::output::BoundQuery;
use super::scope::Scope;
use crate::sql::ast::{Delete, Insert, InsertSource, Update};
use crate::sql::core::TableRef;
use crate::sql::errors::{error, no_object, unsupported, wrong_count};
use crate::sql::name::NameParts;
use crate::sql::parse::parse_expression;
use crate::store::access::Permission;
use crate::store::catalog::{ColumnDef, TableDef, quote};
use crate::store::fold;
use crate::types::SqlError;

/// The most rows that VALUES may list.
const VALUES_MAX: usize = 1000;

/// A change of one table, as SQLite SQL.
#[derive(Clone)]
pub(crate) struct Change {
    pub table: TableRef,
    pub sql: String,
    /// The rows about to be written, as a query whose columns have the names of the table's. The text of a
    /// duplicate key's error is made from it.
    pub rows: Option<String>,
    /// Whether the statement gives the identity column. `None` if the table has none.
    pub explicit_identity: Option<bool>,
    /// INSERT, UPDATE or DELETE, for messages.
    pub verb: &'static str,
}

impl Binder<'_> {
    /// INSERT. `identity_insert` is whether IDENTITY_INSERT is on for the table.
    pub(crate) fn insert(
        &mut self,
        insert: &Insert,
        identity_insert: Option<i32>,
    ) -> Result<Change, SqlError> {
        let table = self.target(&insert.table)?;
        self.need(Permission::Insert, &table);
        let def = std::sync::Arc::clone(&table.def);
        let identity_on = identity_insert == Some(def.object_id);
        let listed = listed_columns(&def, &insert.columns, identity_on)?;
        let explicit = def
            .identity_column()
            .map(|(c, _)| listed.iter().any(|l| l.id == c.id));
        if let Some(explicit) = explicit {
            check_identity(&def, explicit, identity_on)?;
        }
        // Columns that the statement leaves out take their default or their identity value.
        let mut names: Vec<String> = listed.iter().map(|c| quote(&c.name)).collect();
        let mut rest = Vec::new();
        for column in def
            .columns
            .iter()
            .filter(|c| !listed.iter().any(|l| l.id == c.id))
        {
            if let Some(value) = self.absent(column)? {
                names.push(quote(&column.name));
                rest.push(value);
            }
        }
        let source = match &insert.source {
            InsertSource::DefaultValues => {
                if !insert.columns.is_empty() {
                    return Err(unsupported(&insert.table));
                }
                self.rows_of_defaults(&def, &mut names)?
            }
            InsertSource::Values(rows) => {
                self.rows_of_values(rows, &listed, &rest, !insert.columns.is_empty())?
            }
            InsertSource::Query(query) => {
                let query = self.subquery(query)?;
                self.rows_of_query(query, &listed, &rest, !insert.columns.is_empty())?
            }
        };
        let sql = format!("INSERT INTO {} ({}) {source}", table.sqlite(), names.join(", "));
        let rows = (!names.is_empty()).then(|| format!("WITH n({}) AS ({source})", names.join(", ")));
        Ok(Change {
            table,
            sql,
            rows,
            explicit_identity: explicit,
            verb: "INSERT",
        })
    }

    fn rows_of_values(
        &mut self,
        rows: &[Vec<Option<Expr>>],
        listed: &[ColumnDef],
        rest: &[String],
        named: bool,
    ) -> Result<String, SqlError> {
        if rows.len() > VALUES_MAX {
            let text = format!(
                "The number of row value expressions in the INSERT statement exceeds the maximum allowed number of {VALUES_MAX} row values."
            );
            return Err(error(10738, 15, 1, text));
        }
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != listed.len() {
                return Err(count_error(row.len(), listed.len(), named));
            }
            let mut line = Vec::with_capacity(listed.len() + rest.len());
            for (value, column) in row.iter().zip(listed) {
                line.push(self.assigned_value(value.as_ref(), column)?);
            }
            line.extend(rest.iter().cloned());
            lines.push(format!("({})", line.join(", ")));
        }
        Ok(format!("VALUES {}", lines.join(", ")))
    }

    fn rows_of_defaults(&mut self, def: &TableDef, names: &mut Vec<String>) -> Result<String, SqlError> {
        names.clear();
        let mut values = Vec::new();
        for column in &def.columns {
            names.push(quote(&column.name));
            values.push(self.absent(column)?.unwrap_or_else(|| "NULL".into()));
        }
        Ok(format!("VALUES ({})", values.join(", ")))
    }

    fn rows_of_query(
        &mut self,
        query: BoundQuery,
        listed: &[ColumnDef],
        rest: &[String],
        named: bool,
    ) -> Result<String, SqlError> {
        if query.columns.len() != listed.len() {
            return Err(if named {
                select_count_error(query.columns.len(), listed.len())
            } else {
                wrong_count()
            });
        }
        let alias = self.alias();
        let mut values = Vec::with_capacity(listed.len());
        for (at, (output, column)) in query.columns.iter().zip(listed).enumerate() {
            let value = output.as_bound(&format!("{alias}.\"c{}\"", at + 1));
            values.push(
                self.convert(value, column.ty, column.collation.as_deref(), Mode::Assign)?
                    .sql,
            );
        }
        values.extend(rest.iter().cloned());
        Ok(format!(
            "SELECT {} FROM ({}) AS {alias}",
            values.join(", "),
            query.sql
        ))
    }

    /// A value that is assigned to a column. `None` is DEFAULT.
    fn assigned_value(&mut self, value: Option<&Expr>, column: &ColumnDef) -> Result<String, SqlError> {
        match value {
            None => Ok(self.absent(column)?.unwrap_or_else(|| "NULL".into())),
            Some(value) => {
                let value = self.expr(value)?;
                self.assign(value, column)
            }
        }
    }

    fn assign(&mut self, value: Bound, column: &ColumnDef) -> Result<String, SqlError> {
        Ok(self
            .convert(value, column.ty, column.collation.as_deref(), Mode::Assign)?
            .sql)
    }

    /// The value of a column that an INSERT leaves out: its identity value, its default, or none.
    pub(crate) fn absent(&mut self, column: &ColumnDef) -> Result<Option<String>, SqlError> {
        if column.identity.is_some() {
            return Ok(Some("tsql_identity()".into()));
        }
        match &column.default {
            None => Ok(None),
            Some(default) => {
                let scopes = std::mem::take(&mut self.scopes);
                let value = parse_expression(&default.sql).and_then(|e| self.expr(&e));
                self.scopes = scopes;
                self.assign(value?, column).map(Some)
            }
        }
    }

    /// A column as an expression, under the SQL that reaches it.
    pub(crate) fn table_column(&self, column: &ColumnDef, sql: &str) -> Bound {
        let collation = column
            .collation
            .clone()
            .map_or(Collation::Default, Collation::Implicit);
        Bound {
            collation,
            nullable: column.nullable,
            ..Bound::new(sql.to_owned(), column.ty)
        }
    }

    /// UPDATE.
    pub(crate) fn update(&mut self, update: &Update) -> Result<Change, SqlError> {
        self.scopes.push(Scope::default());
        let change = self.update_in_scope(update);
        self.scopes.pop();
        change
    }

    fn update_in_scope(&mut self, update: &Update) -> Result<Change, SqlError> {
        let (table, from, alias) = self.target_and_from(&update.target, &update.from)?;
        let sets = self.assignments(update, &table)?;
        let condition = match &update.selection {
            Some(selection) => format!(" WHERE {}", self.predicate(selection)?),
            None => String::new(),
        };
        let limit = self.change_limit(update.top.as_ref())?;
        self.need_for_change(Permission::Update, &table, &alias);
        let target = table.sqlite();
        let sql = if from.is_none() && limit.is_empty() {
            let sets: Vec<String> = sets.iter().map(|(c, v)| format!("{c} = {v}")).collect();
            format!("UPDATE {target} AS {alias} SET {}{condition}", sets.join(", "))
        } else {
            let from = from.unwrap_or_else(|| format!("{target} AS {alias}"));
            let values: Vec<String> = sets
                .iter()
                .enumerate()
                .map(|(i, (_, v))| format!("{v} AS v{i}"))
                .collect();
            let sets: Vec<String> = sets
                .iter()
                .enumerate()
                .map(|(i, (c, _))| format!("{c} = s.v{i}"))
                .collect();
            format!(
                "UPDATE {target} AS u SET {} FROM (SELECT {alias}._rowid_ AS id, {} FROM {from}{condition}{limit}) AS s WHERE u._rowid_ = s.id",
                sets.join(", "),
                values.join(", ")
            )
        };
        Ok(Change {
            table,
            sql,
            rows: None,
            explicit_identity: None,
            verb: "UPDATE",
        })
    }

    /// The columns of SET with their values.
    fn assignments(&mut self, update: &Update, table: &TableRef) -> Result<Vec<(String, String)>, SqlError> {
        let mut sets: Vec<(String, String)> = Vec::new();
        for (target, value) in &update.assignments {
            let Some(last) = target.last() else {
                return Err(unsupported(&update.target));
            };
            if last.value.starts_with('@') && last.quote_style.is_none() {
                return Err(unsupported(format!("UPDATE ... SET {last} = ...")));
            }
            let column = table
                .def
                .column(&last.value)
                .ok_or_else(|| crate::sql::errors::no_column(&last.value))?;
            if column.identity.is_some() {
                return Err(error(
                    8102,
                    16,
                    1,
                    format!("Cannot update identity column '{}'.", column.name),
                ));
            }
            let name = quote(&column.name);
            if sets.iter().any(|s| s.0 == name) {
                let text = format!(
                    "The column name '{}' is specified more than once in the SET clause or column list of an INSERT.",
                    column.name
                );
                return Err(error(264, 16, 1, text));
            }
            let value = match value {
                None => self.absent(column)?.unwrap_or_else(|| "NULL".into()),
                Some(value) => {
                    let value = self.expr(value)?;
                    self.assign(value, column)?
                }
            };
            sets.push((name, value));
        }
        Ok(sets)
    }

    /// DELETE.
    pub(crate) fn delete(&mut self, delete: &Delete) -> Result<Change, SqlError> {
        self.scopes.push(Scope::default());
        let change = self.delete_in_scope(delete);
        self.scopes.pop();
        change
    }

    fn delete_in_scope(&mut self, delete: &Delete) -> Result<Change, SqlError> {
        let (table, from, alias) = self.target_and_from(&delete.target, &delete.from)?;
        let condition = match &delete.selection {
            Some(selection) => format!(" WHERE {}", self.predicate(selection)?),
            None => String::new(),
        };
        let limit = self.change_limit(delete.top.as_ref())?;
        self.need_for_change(Permission::Delete, &table, &alias);
        let target = table.sqlite();
        let sql = if from.is_none() && limit.is_empty() {
            format!("DELETE FROM {target} AS {alias}{condition}")
        } else {
            let from = from.unwrap_or_else(|| format!("{target} AS {alias}"));
            format!(
                "DELETE FROM {target} WHERE _rowid_ IN (SELECT {alias}._rowid_ FROM {from}{condition}{limit})"
            )
        };
        Ok(Change {
            table,
            sql,
            rows: None,
            explicit_identity: None,
            verb: "DELETE",
        })
    }

    /// UPDATE and DELETE need SELECT as well, but only if they read the table's columns ("UPDATE (Transact-SQL)").
    fn need_for_change(&mut self, permission: Permission, table: &TableRef, alias: &str) {
        self.need(permission, table);
        let scope = self.scopes.last();
        let touched = scope.is_some_and(|s| s.sources.iter().any(|s| s.alias == alias && s.touched));
        let read = self
            .uses
            .needs
            .iter()
            .position(|n| n.permission == Permission::Select && n.table.object_id == table.def.object_id);
        if let (false, Some(read)) = (touched, read) {
            self.uses.needs.remove(read);
        }
    }

    fn change_limit(&mut self, top: Option<&Expr>) -> Result<String, SqlError> {
        match top {
            Some(top) => Ok(format!(" LIMIT {}", self.row_count(top)?)),
            None => Ok(String::new()),
        }
    }

    fn target(&mut self, name: &ObjectName) -> Result<TableRef, SqlError> {
        let table = self.core.table(name)?.ok_or_else(|| no_object(&plain(name)))?;
        match &table.database {
            Some(database) => {
                self.use_catalog(&database.clone())?;
                self.uses.reads.push((database.id, table.def.object_id));
            }
            None => self.uses.temps = true,
        }
        Ok(table)
    }

    /// The table that UPDATE or DELETE changes, the FROM clause if it has more than that table, and the table's
    /// SQLite alias.
    fn target_and_from(
        &mut self,
        target: &ObjectName,
        from: &[TableWithJoins],
    ) -> Result<(TableRef, Option<String>, String), SqlError> {
        if from.is_empty() {
            let table = self.target(target)?;
            self.table_source(&table, None)?;
            return Ok((table, None, self.last_alias()));
        }
        let name = self.aliased_table(target, from).unwrap_or_else(|| target.clone());
        let sql = self.from(from)?;
        let table = self.target(&name)?;
        let wanted = NameParts::new(target)?;
        let folded = fold(&wanted.name);
        let scope = self.scopes.last().cloned().unwrap_or_default();
        let by_alias = scope
            .sources
            .iter()
            .find(|s| s.object_id == table.def.object_id && s.goes_by(&folded));
        let source = by_alias
            .or_else(|| scope.sources.iter().find(|s| s.object_id == table.def.object_id))
            .ok_or_else(|| no_object(&plain(target)))?;
        let single = scope.sources.len() == 1;
        Ok((table, (!single).then_some(sql), source.alias.clone()))
    }

    fn last_alias(&self) -> String {
        self.scopes
            .last()
            .and_then(|s| s.sources.last())
            .map(|s| s.alias.clone())
            .unwrap_or_default()
    }

    /// The table that an alias in FROM stands for.
    fn aliased_table(&self, target: &ObjectName, from: &[TableWithJoins]) -> Option<ObjectName> {
        let [part] = target.0.as_slice() else { return None };
        let wanted = fold(&part.as_ident()?.value);
        let factors = from
            .iter()
            .flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
        factors.into_iter().find_map(|factor| match factor {
            TableFactor::Table {
                name,
                alias: Some(alias),
                ..
            } if fold(&alias.name.value) == wanted => Some(name.clone()),
            _ => None,
        })
    }

    /// A condition over one table's columns, for a trigger or a partial index. `owner` is put before the column
    /// names unless it is empty.
    pub(crate) fn table_condition(
        &mut self,
        table: &TableRef,
        condition: &str,
        owner: &str,
    ) -> Result<String, SqlError> {
        self.scopes.push(Scope::default());
        let bound = self.table_source(table, None).and_then(|_| {
            if let Some(source) = self.scopes.last_mut().and_then(|s| s.sources.last_mut()) {
                source.alias = owner.to_owned();
            }
            self.predicate(&parse_expression(condition)?)
        });
        self.scopes.pop();
        // SQLite's schema cannot hold parameters.
        if self.parameters.is_empty() {
            bound
        } else {
            Err(unsupported(condition))
        }
    }
}

fn plain(name: &ObjectName) -> String {
    name.to_string().replace(['[', ']', '"'], "")
}

/// The columns that an INSERT fills, in its order.
fn listed_columns(def: &TableDef, names: &[Ident], identity_on: bool) -> Result<Vec<ColumnDef>, SqlError> {
    if names.is_empty() {
        return Ok(def
            .columns
            .iter()
            .filter(|c| c.identity.is_none() || identity_on)
            .cloned()
            .collect());
    }
    let mut listed: Vec<ColumnDef> = Vec::with_capacity(names.len());
    for name in names {
        let column = def
            .column(&name.value)
            .ok_or_else(|| crate::sql::errors::no_column(&name.value))?;
        if listed.iter().any(|l| l.id == column.id) {
            let text = format!(
                "The column name '{}' is specified more than once in the SET clause or column list of an INSERT.",
                column.name
            );
            return Err(error(264, 16, 1, text));
        }
        listed.push(column.clone());
    }
    Ok(listed)
}

fn check_identity(def: &TableDef, explicit: bool, on: bool) -> Result<(), SqlError> {
    match (explicit, on) {
        (true, false) => {
            let text = format!(
                "Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set to OFF.",
                def.name
            );
            Err(error(544, 16, 1, text))
        }
        (false, true) => {
            let text = format!(
                "Explicit value must be specified for identity column in table '{}' either when IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION identity column.",
                def.name
            );
            Err(error(545, 16, 1, text))
        }
        _ => Ok(()),
    }
}

fn count_error(given: usize, wanted: usize, named: bool) -> SqlError {
    match (named, given < wanted) {
        (false, _) => wrong_count(),
        (true, true) => error(
            109,
            15,
            1,
            "There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
        ),
        (true, false) => error(
            110,
            15,
            1,
            "There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
        ),
    }
}

fn select_count_error(given: usize, wanted: usize) -> SqlError {
    if given < wanted {
        error(
            120,
            15,
            1,
            "The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.",
        )
    } else {
        error(
            121,
            15,
            1,
            "The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.",
        )
    }
}
