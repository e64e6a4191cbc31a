//! The permissions of a database: its principals, and the permissions granted or denied to them.
//!
//! They are kept in the database's `_meta` table and change with the transaction that grants or denies. A login that
//! CREATE USER made a user of the database may do what is granted to it or to `public`, and everything in the schemas
//! that it owns. Any other login may do everything that is not denied to it or to `public`. `sa` and `dbo` are never
//! checked, as in SQL Server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::fold;

/// The principals of every database, at their ids.
pub(crate) const FIXED: [&str; 5] = ["public", "dbo", "guest", "INFORMATION_SCHEMA", "sys"];
/// The id of the first principal that a database adds.
const FIRST_ID: i32 = 5;
const PUBLIC: i32 = 0;

/// The permissions that may be granted or denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Permission {
    Select,
    Insert,
    Update,
    Delete,
    Alter,
    ViewDefinition,
    CreateTable,
    CreateSchema,
    AlterAnySchema,
    AlterAnySecurityPolicy,
    Unmask,
    ViewAnySensitivityClassification,
    /// Of the server, as is the next one.
    ViewServerState,
    ViewAnyDefinition,
}

impl Permission {
    /// The permission of that name, in any case.
    pub fn named(name: &str) -> Option<Permission> {
        use Permission::{
            Alter, AlterAnySchema, AlterAnySecurityPolicy, CreateSchema, CreateTable, Delete, Insert, Select,
            Unmask, Update, ViewAnyDefinition, ViewAnySensitivityClassification, ViewDefinition,
            ViewServerState,
        };
        let all = [
            Select,
            Insert,
            Update,
            Delete,
            Alter,
            ViewDefinition,
            CreateTable,
            CreateSchema,
            AlterAnySchema,
            AlterAnySecurityPolicy,
            Unmask,
            ViewAnySensitivityClassification,
            ViewServerState,
            ViewAnyDefinition,
        ];
        all.into_iter().find(|p| p.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Select => "SELECT",
            Permission::Insert => "INSERT",
            Permission::Update => "UPDATE",
            Permission::Delete => "DELETE",
            Permission::Alter => "ALTER",
            Permission::ViewDefinition => "VIEW DEFINITION",
            Permission::CreateTable => "CREATE TABLE",
            Permission::CreateSchema => "CREATE SCHEMA",
            Permission::AlterAnySchema => "ALTER ANY SCHEMA",
            Permission::AlterAnySecurityPolicy => "ALTER ANY SECURITY POLICY",
            Permission::Unmask => "UNMASK",
            Permission::ViewAnySensitivityClassification => "VIEW ANY SENSITIVITY CLASSIFICATION",
            Permission::ViewServerState => "VIEW SERVER STATE",
            Permission::ViewAnyDefinition => "VIEW ANY DEFINITION",
        }
    }

    /// Its four letters in sys.database_permissions.
    pub fn code(self) -> &'static str {
        match self {
            Permission::Select => "SL  ",
            Permission::Insert => "IN  ",
            Permission::Update => "UP  ",
            Permission::Delete => "DL  ",
            Permission::Alter => "AL  ",
            Permission::ViewDefinition => "VW  ",
            Permission::CreateTable => "CRTB",
            Permission::CreateSchema => "CRSM",
            Permission::AlterAnySchema => "ALSM",
            Permission::AlterAnySecurityPolicy => "ALSP",
            Permission::Unmask => "UMSK",
            Permission::ViewAnySensitivityClassification => "VASC",
            Permission::ViewServerState => "VWSS",
            Permission::ViewAnyDefinition => "VWAD",
        }
    }

    /// Whether it is a permission on the server.
    pub fn is_of_server(self) -> bool {
        matches!(self, Permission::ViewServerState | Permission::ViewAnyDefinition)
    }

    /// Whether it is a permission on a database only. UNMASK is one up to SQL Server 2019 ("Dynamic Data Masking").
    pub fn is_of_database(self) -> bool {
        matches!(
            self,
            Permission::CreateTable
                | Permission::CreateSchema
                | Permission::AlterAnySchema
                | Permission::AlterAnySecurityPolicy
                | Permission::Unmask
                | Permission::ViewAnySensitivityClassification
        )
    }
}

/// The securable of a permission. `major_id` is 0, or the id of the object, the schema or the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Class {
    Database,
    Object,
    Schema,
    Type,
}

impl Class {
    /// Its number and name in sys.database_permissions.
    pub fn described(self) -> (i32, &'static str) {
        match self {
            Class::Database => (0, "DATABASE"),
            Class::Object => (1, "OBJECT_OR_COLUMN"),
            Class::Schema => (3, "SCHEMA"),
            Class::Type => (6, "TYPE"),
        }
    }
}

/// Whether a permission is given or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Grant,
    GrantWithOption,
    Deny,
}

impl State {
    /// Its letter and name in sys.database_permissions.
    pub fn described(self) -> (&'static str, &'static str) {
        match self {
            State::Grant => ("G", "GRANT"),
            State::GrantWithOption => ("W", "GRANT_WITH_GRANT_OPTION"),
            State::Deny => ("D", "DENY"),
        }
    }
}

/// One permission of one principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub class: Class,
    pub major_id: i32,
    pub grantee: i32,
    pub permission: Permission,
    pub state: State,
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Access {
    /// The principals beyond the fixed ones, in the order of their ids.
    pub principals: Vec<String>,
    pub entries: Vec<Entry>,
    /// The principals that CREATE USER has made.
    #[serde(default)]
    pub users: Vec<i32>,
    /// The principals that own schemas, by the schema's id. `dbo` owns the others.
    #[serde(default)]
    pub owners: BTreeMap<i32, i32>,
}

impl Access {
    /// The id of a principal.
    pub fn principal(&self, name: &str) -> Option<i32> {
        let name = fold(name);
        let all = FIXED
            .iter()
            .copied()
            .chain(self.principals.iter().map(String::as_str));
        let found = (0..).zip(all).find(|(_, p)| fold(p) == name);
        found.map(|(id, _)| id)
    }

    /// The principals with their ids: first the recorded ones, then the logins without a record.
    pub fn all_principals(&self, logins: &[String]) -> Vec<(i32, String)> {
        let seen = logins
            .iter()
            .filter(|l| !is_owner(l) && self.principal(l).is_none());
        let own = self.principals.iter().chain(seen).cloned();
        let fixed = FIXED.iter().map(|f| (*f).to_owned());
        (0..).zip(fixed.chain(own)).collect()
    }

    /// Records a principal that is not known yet, after the logins that are shown before it. So a login keeps the
    /// id that it was shown with.
    pub fn record(&mut self, name: &str, logins: &[String]) -> i32 {
        if let Some(id) = self.principal(name) {
            return id;
        }
        let shown = self.all_principals(logins);
        let (_, named) = shown.split_at(FIXED.len());
        self.principals = named.iter().map(|p| p.1.clone()).collect();
        self.principal(name).unwrap_or_else(|| {
            self.principals.push(name.to_owned());
            FIRST_ID + i32::try_from(self.principals.len()).unwrap_or(i32::MAX - FIRST_ID) - 1
        })
    }

    /// Whether a login lacks a permission on these securables, which contain each other: it is denied on any, or the
    /// login has only what it is granted, and it is granted on none.
    pub fn denies(&self, login: &str, permission: Permission, on: &[(Class, i32)]) -> bool {
        if is_owner(login) {
            return false;
        }
        let own = self.principal(login);
        let set = |e: &&Entry| {
            e.permission == permission
                && (e.grantee == PUBLIC || Some(e.grantee) == own)
                && on.contains(&(e.class, e.major_id))
        };
        let mut entries = self.entries.iter().filter(set);
        if self.is_user(own) && !self.owns(own, on) {
            let mut granted = false;
            let denied = entries.any(|e| {
                granted |= e.state != State::Deny;
                e.state == State::Deny
            });
            denied || !granted
        } else {
            entries.any(|e| e.state == State::Deny)
        }
    }

    /// Whether a login has only what it is granted.
    pub fn is_checked(&self, login: &str) -> bool {
        !is_owner(login) && self.is_user(self.principal(login))
    }

    /// Whether the catalog views hide an object from a login: one of the users that has no permission on it
    /// ("Metadata Visibility Configuration").
    pub fn hides(&self, login: &str, on: &[(Class, i32)]) -> bool {
        let own = self.principal(login);
        let shows = |e: &Entry| {
            e.state != State::Deny
                && !e.permission.is_of_database()
                && (e.grantee == PUBLIC || Some(e.grantee) == own)
                && on.contains(&(e.class, e.major_id))
        };
        !is_owner(login) && self.is_user(own) && !self.owns(own, on) && !self.entries.iter().any(shows)
    }

    fn is_user(&self, principal: Option<i32>) -> bool {
        principal.is_some_and(|p| self.users.contains(&p))
    }

    fn owns(&self, principal: Option<i32>, on: &[(Class, i32)]) -> bool {
        on.iter().any(|(class, id)| {
            *class == Class::Schema && principal.is_some() && self.owners.get(id).copied() == principal
        })
    }

    /// Sets a permission of a principal in place of its previous state. `None` removes it.
    pub fn set(&mut self, class: (Class, i32), grantee: i32, permission: Permission, state: Option<State>) {
        self.entries
            .retain(|e| (e.class, e.major_id) != class || e.grantee != grantee || e.permission != permission);
        self.entries.extend(state.map(|state| Entry {
            class: class.0,
            major_id: class.1,
            grantee,
            permission,
            state,
        }));
    }

    /// Forgets the permissions on an object or a schema. Returns whether there were any.
    pub fn forget(&mut self, class: Class, major_id: i32) -> bool {
        let before = self.entries.len();
        if class == Class::Schema && self.owners.remove(&major_id).is_some() {
            self.entries
                .retain(|e| (e.class, e.major_id) != (class, major_id));
            return true;
        }
        self.entries
            .retain(|e| (e.class, e.major_id) != (class, major_id));
        self.entries.len() != before
    }
}

/// Whether a principal owns every database. An owner is never checked.
pub(crate) fn is_owner(name: &str) -> bool {
    matches!(fold(name).as_str(), "sa" | "dbo")
}
