//! CREATE and DROP of alias types and security policies, and the masks of columns.

use std::sync::Arc;

use sqlparser::ast::{DataType, Ident, ObjectName};

use super::state::SqlSession;
use crate::sql::ast::CreatePolicy;
use crate::sql::core::TableRef;
use crate::sql::errors::{self, error, unsupported};
use crate::sql::name::{NameParts, plain};
use crate::sql::types::{self, Place};
use crate::store::access::Class;
use crate::store::catalog::{self, TableDef};
use crate::store::database::Database;
use crate::store::declared::{AliasType, Declared, Policy, Predicate};
use crate::store::fold;
use crate::types::{SqlError, SqlType};

/// The meaning of a column's declared type.
pub(super) struct DeclaredType {
    pub ty: SqlType,
    pub sysname: bool,
    /// The alias type's id, and whether its columns may be NULL if they do not say.
    pub alias: Option<(i32, bool)>,
}

impl SqlSession {
    /// A column's type: a system type or an alias type of the current database.
    pub(super) fn column_type(&mut self, ty: &DataType) -> Result<DeclaredType, SqlError> {
        if let DataType::Custom(name, arguments) = ty
            && arguments.is_empty()
            && let Ok(parts) = NameParts::new(name)
        {
            let database = Arc::clone(&self.core.current);
            let catalog = self.core.catalog(&database)?;
            if let Some(alias) = catalog.declared.alias_type(parts.schema(), &parts.name) {
                return Ok(DeclaredType {
                    ty: alias.ty,
                    sysname: false,
                    alias: Some((alias.id, alias.nullable)),
                });
            }
        }
        let (ty, sysname) = types::sql_type(ty, Place::Declaration)?;
        Ok(DeclaredType {
            ty,
            sysname,
            alias: None,
        })
    }

    /// Changes the declarations of the current database.
    fn change_declared(
        &mut self,
        work: impl FnOnce(&mut SqlSession, &mut Declared) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let database = Arc::clone(&self.core.current);
        self.change(Some(&database), 0, |session| {
            let mut declared = session.core.catalog(&database)?.declared.clone();
            work(session, &mut declared)?;
            let alias = session.core.attach(&database)?;
            catalog::save_declared(&session.core.connection, &alias, &declared)
                .map_err(|e| session.core.sqlite_error(&e))
        })
    }

    /// The schema of that name in its original spelling.
    fn schema_of(&mut self, database: &Arc<Database>, parts: &NameParts) -> Result<String, SqlError> {
        let catalog = self.core.catalog(database)?;
        let schema = catalog.schema(parts.schema());
        Ok(schema
            .ok_or_else(|| errors::no_schema(parts.schema()))?
            .1
            .to_owned())
    }

    /// CREATE TYPE name FROM base.
    pub(super) fn create_type(
        &mut self,
        name: &ObjectName,
        base: &DataType,
        nullable: bool,
    ) -> Result<(), SqlError> {
        let parts = NameParts::new(name)?;
        let (ty, _) = types::sql_type(base, Place::Declaration)?;
        let database = Arc::clone(&self.core.current);
        self.change_declared(|session, declared| {
            let schema = session.schema_of(&database, &parts)?;
            if declared.alias_type(&schema, &parts.name).is_some() {
                let text = "already exists, or you do not have permission to create it.";
                return Err(error(219, 16, 1, format!("The type '{}' {text}", plain(name))));
            }
            let id = declared.new_type_id();
            declared.types.push(AliasType {
                id,
                schema,
                name: parts.name.clone(),
                ty,
                nullable,
            });
            Ok(())
        })
    }

    /// DROP TYPE.
    pub(super) fn drop_type(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let parts = NameParts::new(name)?;
        let database = Arc::clone(&self.core.current);
        self.change_declared(|session, declared| {
            let Some(id) = declared.alias_type(parts.schema(), &parts.name).map(|t| t.id) else {
                if if_exists {
                    return Ok(());
                }
                let text = "Either it does not exist or you do not have the necessary permission.";
                return Err(error(
                    218,
                    16,
                    1,
                    format!("Could not find the type '{}'. {text}", plain(name)),
                ));
            };
            let catalog = session.core.catalog(&database)?;
            if let Some(table) = catalog
                .all_tables()
                .find(|t| t.columns.iter().any(|c| c.alias == Some(id)))
            {
                let text = format!(
                    "Cannot drop type '{}' because it is being referenced by object '{}'. There may be other objects that reference this type.",
                    plain(name),
                    table.name
                );
                return Err(error(3732, 16, 1, text));
            }
            declared.types.retain(|t| t.id != id);
            session.forget_permissions(&database, Class::Type, id)
        })
    }

    /// CREATE SECURITY POLICY.
    pub(super) fn create_policy(&mut self, create: &CreatePolicy) -> Result<(), SqlError> {
        let parts = NameParts::new(&create.name)?;
        let database = Arc::clone(&self.core.current);
        self.change_declared(|session, declared| {
            let schema = session.schema_of(&database, &parts)?;
            if declared.policy(&schema, &parts.name).is_some() {
                return Err(errors::object_exists(&parts.name));
            }
            let alias = session.core.attach(&database)?;
            let mut predicates = Vec::with_capacity(create.predicates.len());
            for (definition, table) in &create.predicates {
                let found = session.core.table(table)?;
                let found = found.ok_or_else(|| errors::no_object(&plain(table)))?;
                predicates.push(Predicate {
                    table: found.def.object_id,
                    definition: format!("({definition})"),
                });
            }
            declared.policies.push(Policy {
                object_id: session.new_object_id(&alias)?,
                schema,
                name: parts.name.clone(),
                create_date: session.core.server.now_datetime(),
                enabled: create.enabled,
                predicates,
            });
            Ok(())
        })
    }

    /// DROP SECURITY POLICY.
    pub(super) fn drop_policy(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let parts = NameParts::new(name)?;
        self.change_declared(|_, declared| {
            match declared.policy(parts.schema(), &parts.name).map(|p| p.object_id) {
                Some(id) => declared.policies.retain(|p| p.object_id != id),
                None if if_exists => {}
                None => return Err(errors::cannot_drop("security policy", &plain(name), 5)),
            }
            Ok(())
        })
    }

    /// ALTER COLUMN ... ADD or DROP MASKED.
    pub(super) fn mask_column(
        &mut self,
        table: &TableRef,
        name: &Ident,
        function: Option<&str>,
    ) -> Result<(), SqlError> {
        let mut def = TableDef::clone(&table.def);
        let folded = fold(&name.value);
        let Some(column) = def.columns.iter_mut().find(|c| fold(&c.name) == folded) else {
            let text = format!(
                "ALTER TABLE ALTER COLUMN failed because column '{}' does not exist in table '{}'.",
                name.value, def.name
            );
            return Err(error(4924, 16, 1, text));
        };
        column.mask = function.map(masking_function).transpose()?;
        def.modify_date = self.core.server.now_datetime();
        self.store_table(&TableRef {
            def: Arc::new(def),
            ..table.clone()
        })
    }
}

/// The function of MASKED WITH (FUNCTION = '...'). Only default() is implemented.
pub(super) fn masking_function(function: &str) -> Result<String, SqlError> {
    if function.trim().eq_ignore_ascii_case("default()") {
        Ok("default()".to_owned())
    } else {
        Err(unsupported(format!("the masking function {function}")))
    }
}
