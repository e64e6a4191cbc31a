//! The state of the binder: the scopes of the current query, its parameters, and the dependencies of the statement.

use std::collections::HashMap;
use std::sync::Arc;

use super::bound::{Bound, Parameter, System};
use super::grouping::Grouping;
use super::output::BoundQuery;
use super::scope::Scope;
use crate::sql::core::{Core, TableRef};
use crate::sql::errors::too_deep;
use crate::store::access::Permission;
use crate::store::catalog::TableDef;
use crate::store::database::Database;
use crate::types::{SqlError, SqlType};

/// A permission on a table that a statement needs.
#[derive(Clone)]
pub(crate) struct Need {
    pub permission: Permission,
    pub database: Arc<Database>,
    pub table: Arc<TableDef>,
}

/// The dependencies of a bound statement.
#[derive(Default, Clone)]
pub(crate) struct Uses {
    /// Databases whose catalog it was bound to, with the catalog's version.
    pub catalogs: Vec<(Arc<Database>, i64)>,
    /// Tables that it reads or changes, and whose locks it waits for: database and object id.
    pub reads: Vec<(i32, i32)>,
    /// Permissions that nobody may have denied.
    pub needs: Vec<Need>,
    /// Whether it looks names up while it runs.
    pub names: bool,
    /// Whether it names a temp table.
    pub temps: bool,
}

/// See the module.
pub(crate) struct Binder<'a> {
    pub core: &'a mut Core,
    pub(super) variables: &'a HashMap<String, SqlType>,
    pub parameters: Vec<Parameter>,
    /// The places of the variables among them, and of the session's values.
    places: HashMap<String, usize>,
    systems: Vec<(System, usize)>,
    pub uses: Uses,
    pub(super) scopes: Vec<Scope>,
    pub(super) ctes: Vec<HashMap<String, BoundQuery>>,
    pub(super) next_alias: usize,
    /// Whether an aggregate may stand in the current clause.
    pub(super) aggregates: bool,
    pub(super) grouping: Grouping,
    /// The number of masked columns that were read so far.
    pub(super) masked_reads: usize,
    /// The number of expressions that were bound so far.
    expressions: usize,
    /// The bytes of the CTEs' queries that were written into the statement so far.
    pub(super) inlined_bytes: usize,
}

/// The most expressions of a statement, each time that one is bound: a thousand rows of a thousand values, twice. An
/// expression that is compared more than once is bound more than once, and so are those in it.
const EXPRESSIONS_MAX: usize = 2_000_000;

impl<'a> Binder<'a> {
    /// A binder for one statement.
    pub fn new(core: &'a mut Core, variables: &'a HashMap<String, SqlType>) -> Binder<'a> {
        Binder {
            core,
            variables,
            parameters: Vec::new(),
            places: HashMap::new(),
            systems: Vec::new(),
            uses: Uses::default(),
            scopes: Vec::new(),
            ctes: Vec::new(),
            next_alias: 0,
            aggregates: false,
            grouping: Grouping::default(),
            masked_reads: 0,
            expressions: 0,
            inlined_bytes: 0,
        }
    }

    /// Counts an expression.
    pub(super) fn count(&mut self) -> Result<(), SqlError> {
        self.expressions += 1;
        if self.expressions > EXPRESSIONS_MAX {
            return Err(too_deep());
        }
        Ok(())
    }

    /// Records that the statement depends on a database's catalog.
    pub fn use_catalog(&mut self, database: &Arc<Database>) -> Result<(), SqlError> {
        if !self.uses.catalogs.iter().any(|(d, _)| Arc::ptr_eq(d, database)) {
            let version = self.core.catalog(database)?.version;
            self.uses.catalogs.push((Arc::clone(database), version));
        }
        Ok(())
    }

    /// Records that the statement needs a permission on a table.
    pub(super) fn need(&mut self, permission: Permission, table: &TableRef) {
        if let Some(database) = &table.database {
            self.uses.needs.push(Need {
                permission,
                database: Arc::clone(database),
                table: Arc::clone(&table.def),
            });
        }
    }

    /// A parameter's number as SQLite writes it.
    pub(super) fn parameter(&mut self, parameter: Parameter) -> String {
        let next = self.parameters.len();
        let at = match &parameter {
            Parameter::Variable(name) => *self.places.entry(name.clone()).or_insert(next),
            // There are a dozen of these.
            Parameter::System(value) => {
                let known = self.systems.iter().find(|(known, _)| known == value);
                let at = known.map_or(next, |known| known.1);
                if at == next {
                    self.systems.push((*value, next));
                }
                at
            }
            Parameter::Constant(_) | Parameter::View(..) => next,
        };
        if at == next {
            self.parameters.push(parameter);
        }
        format!("?{}", at + 1)
    }

    /// A value of the session.
    pub(super) fn system(&mut self, value: System, ty: SqlType) -> Bound {
        Bound::new(self.parameter(Parameter::System(value)), ty)
    }

    /// A fresh alias.
    pub(super) fn alias(&mut self) -> String {
        self.next_alias += 1;
        format!("t{}", self.next_alias)
    }
}
