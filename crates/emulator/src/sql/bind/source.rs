//! FROM: tables, catalog views, derived tables, CTEs and joins, and the lookup of column names among them.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableFactor, TableWithJoins,
};

use super::binder::Binder;
use super::bound::{Bound, Parameter};
use super::output::BoundQuery;
use super::scope::{Source, SourceColumn, quoted};
use crate::sql::core::{Object, TableRef};
use crate::sql::errors::{denied, error, no_column, no_object, too_deep, unsupported};
use crate::sql::name::NameParts;
use crate::sql::types::is_text;
use crate::sql::views::{self, View};
use crate::store::access::{Class, Permission};
use crate::store::catalog::{DEFAULT_COLLATION, quote};
use crate::store::database::Database;
use crate::store::fold;
use crate::types::{SqlError, SqlType};

/// The most text of CTEs in a statement. A CTE is written wherever it is named, and one that names another twice is
/// twice as long: twenty of them would be longer by a million.
const INLINED_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Binder<'_> {
    /// FROM. Its sources join the innermost scope.
    pub(super) fn from(&mut self, tables: &[TableWithJoins]) -> Result<String, SqlError> {
        let mut parts = Vec::with_capacity(tables.len());
        for table in tables {
            parts.push(self.joined(table)?);
        }
        Ok(parts.join(", "))
    }

    fn joined(&mut self, table: &TableWithJoins) -> Result<String, SqlError> {
        let mut sql = self.factor(&table.relation)?;
        for Join {
            relation,
            join_operator,
            global,
        } in &table.joins
        {
            use JoinOperator::{
                CrossJoin, FullOuter, Inner, Join as Plain, Left, LeftOuter, Right, RightOuter,
            };
            let (word, constraint) = match join_operator {
                Plain(c) | Inner(c) => ("JOIN", c),
                Left(c) | LeftOuter(c) => ("LEFT JOIN", c),
                Right(c) | RightOuter(c) => ("RIGHT JOIN", c),
                FullOuter(c) => ("FULL JOIN", c),
                CrossJoin(c) => ("JOIN", c),
                _ => return Err(unsupported(relation)),
            };
            let before = self.source_count();
            let right = self.factor(relation)?;
            if matches!(word, "RIGHT JOIN" | "FULL JOIN") {
                self.make_nullable(0, before);
            }
            if matches!(word, "LEFT JOIN" | "FULL JOIN") {
                self.make_nullable(before, self.source_count());
            }
            let on = match constraint {
                JoinConstraint::On(condition) => format!(" ON {}", self.predicate(condition)?),
                JoinConstraint::None if matches!(join_operator, CrossJoin(_)) => String::new(),
                _ => return Err(unsupported(relation)),
            };
            if *global {
                return Err(unsupported(relation));
            }
            sql.push_str(&format!(" {word} {right}{on}"));
        }
        Ok(sql)
    }

    fn source_count(&self) -> usize {
        self.scopes.last().map_or(0, |s| s.sources.len())
    }

    fn make_nullable(&mut self, from: usize, to: usize) {
        let sources = self
            .scopes
            .last_mut()
            .into_iter()
            .flat_map(|s| &mut s.sources[from..to]);
        sources
            .flat_map(|s| &mut s.columns)
            .for_each(|c| c.nullable = true);
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<String, SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample: None,
                version: None,
                with_hints,
                ..
            } => {
                if let Some(hint) = with_hints
                    .iter()
                    .find(|h| !matches!(h, Expr::Identifier(_) | Expr::Function(_) | Expr::BinaryOp { .. }))
                {
                    return Err(unsupported(hint));
                }
                let alias = match alias {
                    Some(a) if a.columns.is_empty() => Some(a.name.value.clone()),
                    None => None,
                    Some(_) => return Err(unsupported(factor)),
                };
                self.named_source(name, alias)
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias: Some(alias),
                sample: None,
            } => {
                // A derived table does not see its siblings.
                let siblings = self.scopes.pop();
                let query = self.subquery(subquery);
                self.scopes.extend(siblings);
                let names: Vec<String> = alias.columns.iter().map(|c| c.name.value.clone()).collect();
                self.derived(query?, &alias.name.value, &names)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => Ok(format!("({})", self.joined(table_with_joins)?)),
            _ => Err(unsupported(factor)),
        }
    }

    fn derived(&mut self, query: BoundQuery, name: &str, names: &[String]) -> Result<String, SqlError> {
        if !names.is_empty() && names.len() != query.columns.len() {
            let text = format!("'{name}' has fewer columns than were specified in the column list.");
            return Err(error(8158, 16, 1, text));
        }
        let columns = query
            .columns
            .iter()
            .enumerate()
            .map(|(i, c)| SourceColumn {
                name: names.get(i).unwrap_or(&c.name).clone(),
                sql: format!("\"c{}\"", i + 1),
                ty: c.ty,
                collation: c.collation.column_name(c.ty),
                nullable: c.nullable,
                identity: c.identity,
                native: false,
                masked: false,
            })
            .collect();
        let alias = self.alias();
        let sql = format!("({}) AS {alias}", query.sql);
        self.add_source(Source {
            alias,
            label: name.to_owned(),
            name: fold(name),
            schema: None,
            database: None,
            columns,
            table: None,
            object_id: 0,
            touched: false,
        })?;
        Ok(sql)
    }

    fn named_source(&mut self, name: &ObjectName, alias: Option<String>) -> Result<String, SqlError> {
        let parts = NameParts::new(name)?;
        if parts.schema.is_none() && parts.database.is_none() {
            let folded = fold(&parts.name);
            let cte = self
                .ctes
                .iter()
                .rev()
                .find_map(|level| level.get(&folded))
                .cloned();
            if let Some(query) = cte {
                self.inlined_bytes += query.sql.len();
                if self.inlined_bytes > INLINED_BYTES_MAX {
                    return Err(too_deep());
                }
                return self.derived(query, alias.as_deref().unwrap_or(&parts.name), &[]);
            }
        }
        match self.core.find(&parts)? {
            Some(Object::Table(table)) => self.table_source(&table, alias),
            Some(Object::View(view, database)) => {
                self.check_view(view, &database)?;
                self.view_source(view, database, alias)
            }
            None => Err(no_object(&name.to_string().replace(['[', ']', '"'], ""))),
        }
    }

    /// Everyone may select from the catalog views but from this one ("sys.sql_expression_dependencies (Transact-SQL)").
    fn check_view(&mut self, view: &View, database: &Arc<Database>) -> Result<(), SqlError> {
        if view.name != "sql_expression_dependencies" {
            return Ok(());
        }
        let id = views::object_id(view.schema, view.name).unwrap_or_default();
        let on = [(Class::Object, id), (Class::Database, 0)];
        let catalog = self.core.catalog(database)?;
        if catalog
            .access
            .denies(&self.core.options.login, Permission::Select, &on)
        {
            return Err(denied("SELECT", view.name, &database.name, view.schema));
        }
        Ok(())
    }

    /// Adds a base table to the innermost scope.
    pub(super) fn table_source(
        &mut self,
        table: &TableRef,
        alias: Option<String>,
    ) -> Result<String, SqlError> {
        let def = &table.def;
        match &table.database {
            Some(database) => {
                self.use_catalog(database)?;
                self.uses.reads.push((database.id, def.object_id));
                self.need(Permission::Select, table);
            }
            None => self.uses.temps = true,
        }
        let unmasked = match &table.database {
            Some(database) if def.columns.iter().any(|c| c.mask.is_some()) => {
                let catalog = self.core.catalog(database)?;
                !catalog.denies_in_database(&self.core.options.login, Permission::Unmask)
            }
            _ => true,
        };
        let columns = def
            .columns
            .iter()
            .map(|c| SourceColumn {
                name: c.name.clone(),
                sql: quote(&c.name),
                ty: c.ty,
                collation: c.collation.clone(),
                nullable: c.nullable,
                identity: c.identity.is_some(),
                native: true,
                masked: c.mask.is_some() && !unmasked,
            })
            .collect();
        let aliased = alias.is_some();
        let sqlite_alias = self.alias();
        let sql = format!("{} AS {sqlite_alias}", table.sqlite());
        self.add_source(Source {
            alias: sqlite_alias,
            label: alias.clone().unwrap_or_else(|| def.name.clone()),
            name: fold(alias.as_deref().unwrap_or(&def.name)),
            schema: (!aliased).then(|| fold(&def.schema)),
            database: table
                .database
                .as_ref()
                .filter(|_| !aliased)
                .map(|d| fold(&d.name)),
            columns,
            table: Some(table.sqlite()),
            object_id: def.object_id,
            touched: false,
        })?;
        Ok(sql)
    }

    fn view_source(
        &mut self,
        view: &'static View,
        database: Arc<Database>,
        alias: Option<String>,
    ) -> Result<String, SqlError> {
        let columns: Vec<_> = view
            .columns
            .iter()
            .map(|&(name, ty, nullable)| SourceColumn {
                name: name.to_owned(),
                sql: quote(name),
                ty,
                collation: is_text(ty).then(|| Arc::from(DEFAULT_COLLATION)),
                nullable,
                identity: false,
                native: false,
                masked: false,
            })
            .collect();
        let fields: Vec<String> = view
            .columns
            .iter()
            .enumerate()
            .map(|(i, c)| match c.1 {
                SqlType::UniqueIdentifier => format!("unhex(value->>{i}) AS {}", quote(c.0)),
                _ => format!("value->>{i} AS {}", quote(c.0)),
            })
            .collect();
        let rows = self.parameter(Parameter::View(view, database));
        let aliased = alias.is_some();
        let sqlite_alias = self.alias();
        let sql = format!(
            "(SELECT {} FROM json_each({rows})) AS {sqlite_alias}",
            fields.join(", ")
        );
        self.add_source(Source {
            alias: sqlite_alias,
            label: alias.clone().unwrap_or_else(|| view.name.to_owned()),
            name: alias.map_or_else(|| fold(view.name), |a| fold(&a)),
            schema: (!aliased).then(|| fold(view.schema)),
            database: None,
            columns,
            table: None,
            object_id: 0,
            touched: false,
        })?;
        Ok(sql)
    }

    fn add_source(&mut self, source: Source) -> Result<(), SqlError> {
        let Some(scope) = self.scopes.last_mut() else {
            return Err(unsupported(&source.name));
        };
        let clash = scope
            .sources
            .iter()
            .any(|s| s.name == source.name && (s.schema == source.schema));
        if clash {
            let text = format!(
                "The objects \"{0}\" and \"{0}\" in the FROM clause have the same exposed names. Use correlation names to distinguish them.",
                source.name
            );
            return Err(error(1013, 16, 1, text));
        }
        scope.sources.push(source);
        Ok(())
    }

    /// A column, looked up from the innermost scope outwards.
    pub(super) fn column(&mut self, idents: &[Ident]) -> Result<Bound, SqlError> {
        let Some((last, qualifier)) = idents.split_last() else {
            return Err(no_column(""));
        };
        let name = fold(&last.value);
        for (outward, scope) in self.scopes.iter_mut().rev().enumerate() {
            let mut found: Option<(Bound, String)> = None;
            for source in scope
                .sources
                .iter_mut()
                .filter(|s| qualifier.is_empty() || s.answers_to(qualifier))
            {
                let Some(column) = source.columns.iter().find(|c| fold(&c.name) == name) else {
                    continue;
                };
                if found.is_some() {
                    return Err(error(
                        209,
                        16,
                        1,
                        format!("Ambiguous column name '{}'.", last.value),
                    ));
                }
                self.masked_reads += usize::from(column.masked);
                found = Some((source.bound(column), format!("{}.{}", source.label, column.name)));
                source.touched = true;
            }
            if let Some((found, name)) = found {
                if outward == 0 && self.aggregates {
                    self.grouping.ungrouped.push(name);
                }
                return Ok(found);
            }
        }
        if qualifier.is_empty() {
            return Err(no_column(&last.value));
        }
        if self
            .scopes
            .iter()
            .flat_map(|s| &s.sources)
            .any(|s| s.answers_to(qualifier))
        {
            return Err(no_column(&last.value));
        }
        let name: Vec<&str> = idents.iter().map(|i| i.value.as_str()).collect();
        Err(error(
            4104,
            16,
            1,
            format!(
                "The multi-part identifier \"{}\" could not be bound.",
                name.join(".")
            ),
        ))
    }

    /// Every column of the innermost scope, or of one source of it, for `*`.
    pub(super) fn all_columns(&mut self, qualifier: Option<&ObjectName>) -> Result<Vec<Bound>, SqlError> {
        let idents: Vec<Ident> = match qualifier {
            None => Vec::new(),
            Some(name) => name.0.iter().filter_map(|p| p.as_ident().cloned()).collect(),
        };
        let Some(scope) = self.scopes.last_mut() else {
            return Ok(Vec::new());
        };
        let mut columns = Vec::new();
        let mut any = false;
        for source in scope
            .sources
            .iter_mut()
            .filter(|s| idents.is_empty() || s.answers_to(&idents))
        {
            any = true;
            source.touched = true;
            columns.extend(source.columns.iter().map(|c| source.bound(c)));
            let named = source
                .columns
                .iter()
                .map(|c| (quoted(source, c), format!("{}.{}", source.label, c.name)));
            let grouping = &mut self.grouping;
            let ungrouped = named
                .filter(|(sql, _)| !grouping.groups.contains(sql))
                .map(|n| n.1)
                .collect::<Vec<_>>();
            grouping.ungrouped.extend(ungrouped);
        }
        if any {
            return Ok(columns);
        }
        match qualifier {
            None => Err(error(263, 16, 1, "Must specify table to select from.")),
            Some(name) => {
                let text = format!(
                    "The column prefix '{name}' does not match with a table name or alias name used in the query."
                );
                Err(error(107, 15, 1, text))
            }
        }
    }
}
