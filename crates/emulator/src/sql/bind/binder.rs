//! The state of the binder: the scopes of the current query, its parameters, and the dependencies of the statement.

use std::collections::HashMap;
use std::sync::Arc;

use super::bound::{Bound, Parameter, System};
use super::grouping::Grouping;
use super::output::BoundQuery;
use super::scope::Scope;
use crate::sql::core::{Core, TableRef};
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
    pub uses: Uses,
    pub(super) scopes: Vec<Scope>,
    pub(super) ctes: Vec<HashMap<String, BoundQuery>>,
    pub(super) next_alias: usize,
    /// Whether an aggregate may stand in the current clause.
    pub(super) aggregates: bool,
    pub(super) grouping: Grouping,
    /// The number of masked columns that were read so far.
    pub(super) masked_reads: usize,
}

impl<'a> Binder<'a> {
    /// A binder for one statement.
    pub fn new(core: &'a mut Core, variables: &'a HashMap<String, SqlType>) -> Binder<'a> {
        Binder {
            core,
            variables,
            parameters: Vec::new(),
            uses: Uses::default(),
            scopes: Vec::new(),
            ctes: Vec::new(),
            next_alias: 0,
            aggregates: false,
            grouping: Grouping::default(),
            masked_reads: 0,
        }
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
        let same = |p: &Parameter| match (p, &parameter) {
            (Parameter::Variable(a), Parameter::Variable(b)) => a == b,
            (Parameter::System(a), Parameter::System(b)) => a == b,
            _ => false,
        };
        let at = self.parameters.iter().position(same).unwrap_or_else(|| {
            self.parameters.push(parameter.clone());
            self.parameters.len() - 1
        });
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
