//! GRANT, DENY and REVOKE, logins and users, and the refusals of a permission that a login lacks.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use super::state::SqlSession;
use crate::sql::ast::{PermissionChange, PermissionVerb, PrincipalChange, Securable};
use crate::sql::bind::Need;
use crate::sql::core::{Object, TableRef};
use crate::sql::errors::{self, error};
use crate::sql::name::{NameParts, plain};
use crate::sql::views;
use crate::store::access::{Access, Class, Permission, State, is_owner};
use crate::store::catalog;
use crate::store::database::Database;
use crate::store::fold;
use crate::types::SqlError;

impl SqlSession {
    /// GRANT, DENY or REVOKE.
    pub(super) fn change_permissions(&mut self, change: &PermissionChange) -> Result<(), SqlError> {
        if change
            .permissions
            .iter()
            .any(|permission| permission.is_of_server())
        {
            return self.change_server_permissions(change);
        }
        let database = match &change.on {
            Securable::Object(name) => self.granted_object(name)?.0,
            Securable::Schema(_) | Securable::Type(_) | Securable::Database => None,
        };
        let database = database.unwrap_or_else(|| Arc::clone(&self.core.current));
        let logins = self.core.server.logins();
        self.change_access(&database, |session, access| {
            let class = match &change.on {
                Securable::Database => (Class::Database, 0),
                Securable::Object(name) => (Class::Object, session.granted_object(name)?.1),
                Securable::Type(name) => {
                    let parts = NameParts::new(name)?;
                    let catalog = session.core.catalog(&database)?;
                    let found = catalog.declared.alias_type(parts.schema(), &parts.name);
                    (
                        Class::Type,
                        found.ok_or_else(|| cannot_find("type", &plain(name)))?.id,
                    )
                }
                Securable::Schema(name) => {
                    let catalog = session.core.catalog(&database)?;
                    let schema = catalog.schema(&name.value);
                    (
                        Class::Schema,
                        schema.ok_or_else(|| cannot_find("schema", &name.value))?.0,
                    )
                }
            };
            for principal in &change.principals {
                refuse_owner(principal)?;
                let grantee = access.record(&principal.value, &logins);
                for permission in &change.permissions {
                    let state = match change.verb {
                        PermissionVerb::Grant => Some(State::Grant),
                        PermissionVerb::GrantWithOption => Some(State::GrantWithOption),
                        PermissionVerb::Deny => Some(State::Deny),
                        PermissionVerb::Revoke => None,
                    };
                    access.set(class, grantee, *permission, state);
                }
            }
            Ok(())
        })
    }

    /// GRANT, DENY or REVOKE of permissions on the server ("GRANT Server Permissions (Transact-SQL)").
    fn change_server_permissions(&mut self, change: &PermissionChange) -> Result<(), SqlError> {
        if fold(&self.core.current.name) != "master" {
            let text =
                "Permissions at the server scope can only be granted when the current database is master.";
            return Err(error(4621, 16, 10, text));
        }
        let state = match change.verb {
            PermissionVerb::Grant | PermissionVerb::GrantWithOption => Some(true),
            PermissionVerb::Deny => Some(false),
            PermissionVerb::Revoke => None,
        };
        for principal in &change.principals {
            refuse_owner(principal)?;
            for permission in &change.permissions {
                self.core.server.permit(&principal.value, *permission, state);
            }
        }
        Ok(())
    }

    /// The database and the id of a table or a catalog view.
    fn granted_object(&mut self, name: &ObjectName) -> Result<(Option<Arc<Database>>, i32), SqlError> {
        let missing = || cannot_find("object", &plain(name));
        match self.core.find(&NameParts::new(name)?)? {
            Some(Object::Table(table)) if table.database.is_some() => {
                Ok((table.database, table.def.object_id))
            }
            Some(Object::View(view, database)) => {
                let id = views::object_id(view.schema, view.name).ok_or_else(missing)?;
                Ok((Some(database), id))
            }
            _ => Err(missing()),
        }
    }

    /// CREATE and ALTER of logins and users.
    pub(super) fn change_principal(&mut self, change: &PrincipalChange) -> Result<(), SqlError> {
        let database = Arc::clone(&self.core.current);
        let server = Arc::clone(&self.core.server);
        // Nothing that can be granted here covers it.
        if self
            .core
            .catalog(&database)?
            .access
            .is_checked(&self.core.options.login)
        {
            return Err(error(
                15247,
                16,
                1,
                "User does not have permission to perform this action.",
            ));
        }
        match change {
            PrincipalChange::CreateLogin { name, .. } if server.has_login(name) => Err(error(
                15025,
                16,
                1,
                format!("The server principal '{name}' already exists."),
            )),
            PrincipalChange::CreateLogin { name, password } => {
                server.set_login(name, password);
                Ok(())
            }
            PrincipalChange::AlterLogin { name, password } => {
                if !server.has_login(name) {
                    return Err(cannot_find("login", name));
                }
                if let Some(password) = password {
                    server.set_login(name, password);
                }
                Ok(())
            }
            PrincipalChange::CreateUser { name, password } => {
                self.change_access(&database, |session, access| {
                    let id = access.record(name, &session.core.server.logins());
                    if access.users.contains(&id) {
                        let text =
                            format!("User, group, or role '{name}' already exists in the current database.");
                        return Err(error(15023, 16, 1, text));
                    }
                    access.users.push(id);
                    Ok(())
                })?;
                if let Some(password) = password {
                    server.set_login(name, password);
                }
                Ok(())
            }
            PrincipalChange::AlterUser { name } => {
                let known = self.core.catalog(&database)?.access.principal(name);
                known.map(drop).ok_or_else(|| cannot_find("user", name))
            }
        }
    }

    /// Makes a principal the owner of a schema.
    pub(super) fn set_owner(
        &mut self,
        database: &Arc<Database>,
        schema: i32,
        owner: &str,
    ) -> Result<(), SqlError> {
        let mut access = self.core.catalog(database)?.access.clone();
        let id = access.record(owner, &self.core.server.logins());
        access.owners.insert(schema, id);
        self.save_access(database, &access)
    }

    fn change_access(
        &mut self,
        database: &Arc<Database>,
        work: impl FnOnce(&mut SqlSession, &mut Access) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        self.change(Some(database), 0, |session| {
            let mut access = session.core.catalog(database)?.access.clone();
            work(session, &mut access)?;
            session.save_access(database, &access)
        })
    }

    fn save_access(&mut self, database: &Arc<Database>, access: &Access) -> Result<(), SqlError> {
        let alias = self.core.attach(database)?;
        catalog::save_access(&self.core.connection, &alias, access).map_err(|e| self.core.sqlite_error(&e))
    }

    /// Removes the permissions on an object that is dropped.
    pub(super) fn forget_permissions(
        &mut self,
        database: &Arc<Database>,
        class: Class,
        id: i32,
    ) -> Result<(), SqlError> {
        let mut access = self.core.catalog(database)?.access.clone();
        if access.forget(class, id) {
            self.save_access(database, &access)?;
        }
        Ok(())
    }

    /// Refuses a statement that needs a permission which is denied.
    pub(super) fn check_needs(&mut self, needs: &[Need]) -> Result<(), SqlError> {
        for need in needs {
            let catalog = self.core.catalog(&need.database)?;
            if catalog.denies(&self.core.options.login, need.permission, &need.table) {
                let (permission, table) = (need.permission.name(), &need.table);
                return Err(errors::denied(
                    permission,
                    &table.name,
                    &need.database.name,
                    &table.schema,
                ));
            }
        }
        Ok(())
    }

    /// Whether the session is denied a permission on a table. Temp tables belong to the session.
    pub(super) fn is_denied(&mut self, table: &TableRef, permission: Permission) -> Result<bool, SqlError> {
        let Some(database) = &table.database else {
            return Ok(false);
        };
        let catalog = self.core.catalog(&database.clone())?;
        Ok(catalog.denies(&self.core.options.login, permission, &table.def))
    }

    /// Refuses to change a table that the session may not alter. The error is that of a table that does not exist.
    pub(super) fn check_alter(&mut self, table: &TableRef, name: &ObjectName) -> Result<(), SqlError> {
        if self.is_denied(table, Permission::Alter)? {
            Err(errors::cannot_find(1088, 13, &plain(name)))
        } else {
            Ok(())
        }
    }

    /// CREATE TABLE needs that permission in the database and ALTER on the schema ("CREATE TABLE (Transact-SQL)").
    pub(super) fn check_create_table(
        &mut self,
        database: &Arc<Database>,
        schema: &str,
    ) -> Result<(), SqlError> {
        let catalog = self.core.catalog(database)?;
        let login = &self.core.options.login;
        if catalog.denies_in_database(login, Permission::CreateTable) {
            return Err(errors::denied_in_database("CREATE TABLE", &database.name));
        }
        let id = catalog.schema(schema).map_or(0, |s| s.0);
        if catalog.denies_in_schema(login, Permission::Alter, id) {
            return Err(errors::no_schema(schema));
        }
        Ok(())
    }

    /// CREATE SCHEMA needs that permission in the database.
    pub(super) fn check_create_schema(&mut self, database: &Arc<Database>) -> Result<(), SqlError> {
        let catalog = self.core.catalog(database)?;
        if catalog.denies_in_database(&self.core.options.login, Permission::CreateSchema) {
            return Err(errors::denied_in_database("CREATE SCHEMA", &database.name));
        }
        Ok(())
    }

    /// Whether the session may not drop a schema.
    pub(super) fn may_not_drop_schema(
        &mut self,
        database: &Arc<Database>,
        schema: i32,
    ) -> Result<bool, SqlError> {
        let catalog = self.core.catalog(database)?;
        let login = &self.core.options.login;
        Ok(catalog.denies_in_database(login, Permission::AlterAnySchema)
            || catalog.denies_in_schema(login, Permission::Alter, schema))
    }
}

fn cannot_find(kind: &str, name: &str) -> SqlError {
    let text = "because it does not exist or you do not have permission.";
    error(15151, 16, 1, format!("Cannot find the {kind} '{name}', {text}"))
}

fn refuse_owner(principal: &Ident) -> Result<(), SqlError> {
    let name = fold(&principal.value);
    if is_owner(&name) || matches!(name.as_str(), "sys" | "information_schema") {
        let text = "Cannot grant, deny, or revoke permissions to sa, dbo, entity owner, information_schema, sys, or yourself.";
        return Err(error(4624, 16, 1, text));
    }
    Ok(())
}
