//! The table catalog of a database file: declared types, collations, keys, defaults and indexes.
//!
//! It is in the file's `_catalog` table, one JSON definition for each table. It changes in the same transaction as
//! the SQLite schema, so a rollback undoes both. `_meta.version` grows with every change. A session reads it before
//! a statement and loads the catalog again only if it moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::access::{Access, Class, Permission};
use super::declared::Declared;
use super::name::fold;
use super::type_code;
use crate::types::SqlType;

/// The collation of every database.
pub(crate) const DEFAULT_COLLATION: &str = "SQL_Latin1_General_CP1_CI_AS";

/// A table as it was declared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TableDef {
    pub object_id: i32,
    pub schema: String,
    pub name: String,
    pub create_date: i64,
    pub modify_date: i64,
    pub columns: Vec<ColumnDef>,
    pub indexes: Vec<IndexDef>,
    pub checks: Vec<CheckDef>,
    pub foreign_keys: Vec<ForeignKeyDef>,
    /// The column ids given so far. No id is given twice.
    pub last_column_id: i32,
    /// The index ids given so far, from 2. The clustered index is 1.
    pub last_index_id: i32,
    /// A `#temp` table of one session.
    #[serde(default)]
    pub temp: bool,
    /// Its `lock_escalation`. It is kept and shown, and escalates nothing.
    #[serde(default)]
    pub lock_escalation: u8,
    /// The statistics that CREATE STATISTICS made. They are kept and shown, and tell no plan anything.
    #[serde(default)]
    pub statistics: Vec<StatisticsDef>,
}

/// Statistics that were made by CREATE STATISTICS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StatisticsDef {
    pub name: String,
    /// Column ids.
    pub columns: Vec<i32>,
}

/// A column as it was declared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ColumnDef {
    pub id: i32,
    pub name: String,
    #[serde(with = "type_code")]
    pub ty: SqlType,
    #[serde(with = "shared_name")]
    pub collation: Option<Arc<str>>,
    pub nullable: bool,
    pub identity: Option<IdentityDef>,
    pub default: Option<DefaultDef>,
    /// Declared as `sysname`, an alias of nvarchar(128).
    #[serde(default)]
    pub sysname: bool,
    /// The `user_type_id` of the alias type that it was declared with.
    #[serde(default)]
    pub alias: Option<i32>,
    /// Its masking function.
    #[serde(default)]
    pub mask: Option<String>,
    /// Its `encryption_type`. It is kept and shown, and encrypts nothing.
    #[serde(default)]
    pub encryption: Option<u8>,
}

/// `IDENTITY(seed, increment)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityDef {
    pub seed: i64,
    pub increment: i64,
}

/// A DEFAULT constraint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DefaultDef {
    pub object_id: i32,
    pub name: String,
    /// Its expression, as T-SQL.
    pub sql: String,
}

/// The origin of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexKind {
    Index,
    PrimaryKey,
    UniqueConstraint,
}

/// An index or the index of a key constraint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndexDef {
    pub id: i32,
    /// The constraint's object id; 0 for a plain index.
    pub object_id: i32,
    pub name: String,
    pub kind: IndexKind,
    pub unique: bool,
    pub clustered: bool,
    /// Column ids and whether each descends.
    pub keys: Vec<(i32, bool)>,
    pub include: Vec<i32>,
    /// The WHERE of a filtered index, as T-SQL.
    pub filter: Option<String>,
    /// The options of its WITH.
    #[serde(default)]
    pub options: IndexOptions,
}

/// The options of an index. They are kept and shown, and place nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexOptions {
    pub fill_factor: u8,
    /// `data_compression`: 0, 1 for ROW, 2 for PAGE.
    pub compression: u8,
    /// The switches that are not as they are by default, by their names.
    pub unusual: BTreeSet<String>,
}

/// A CHECK constraint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CheckDef {
    pub object_id: i32,
    pub name: String,
    /// Its condition, as T-SQL.
    pub sql: String,
    /// The column that it was declared on, for the message of 547.
    pub column: Option<String>,
}

/// A FOREIGN KEY constraint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ForeignKeyDef {
    pub object_id: i32,
    pub name: String,
    pub columns: Vec<i32>,
    pub parent: i32,
    pub parent_columns: Vec<i32>,
}

impl TableDef {
    /// Its constraints: id, name and type.
    pub fn constraints(&self) -> Vec<(i32, String, &'static str)> {
        let keys = self.indexes.iter().filter(|i| i.kind != IndexKind::Index);
        let keys = keys.map(|i| {
            (
                i.object_id,
                i.name.clone(),
                if i.kind == IndexKind::PrimaryKey {
                    "PK"
                } else {
                    "UQ"
                },
            )
        });
        let defaults = self
            .columns
            .iter()
            .filter_map(|c| c.default.as_ref())
            .map(|d| (d.object_id, d.name.clone(), "D"));
        let checks = self.checks.iter().map(|c| (c.object_id, c.name.clone(), "C"));
        let foreign = self
            .foreign_keys
            .iter()
            .map(|f| (f.object_id, f.name.clone(), "F"));
        keys.chain(defaults).chain(checks).chain(foreign).collect()
    }

    /// The table's name inside its SQLite schema, quoted.
    pub fn sqlite_name(&self) -> String {
        if self.temp {
            quote(&format!("{}#{}", self.name, self.object_id))
        } else {
            quote(&format!("{}.{}", self.schema, self.name))
        }
    }

    /// The name of one of its indexes inside the SQLite schema, not quoted.
    pub fn sqlite_index(&self, index: &IndexDef) -> String {
        format!("ix_{}_{}", self.object_id, index.id)
    }

    /// The column of that name, in any case.
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        let exact = self.columns.iter().find(|c| c.name == name);
        exact.or_else(|| {
            let name = fold(name);
            self.columns.iter().find(|c| fold(&c.name) == name)
        })
    }

    /// The column with that id.
    pub fn column_by_id(&self, id: i32) -> Option<&ColumnDef> {
        self.columns.iter().find(|c| c.id == id)
    }

    /// Its identity column.
    pub fn identity_column(&self) -> Option<(&ColumnDef, IdentityDef)> {
        self.columns.iter().find_map(|c| c.identity.map(|i| (c, i)))
    }

    /// The schema-qualified name, as messages give it.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// The catalog of one database at one version.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub version: i64,
    pub schemas: BTreeMap<i32, String>,
    pub access: Access,
    pub declared: Declared,
    tables: HashMap<(String, String), Arc<TableDef>>,
    by_id: BTreeMap<i32, Arc<TableDef>>,
}

impl Catalog {
    /// The version in the file, as the connection's transaction sees it.
    pub fn current_version(connection: &Connection, alias: &str) -> rusqlite::Result<i64> {
        connection
            .prepare_cached(&format!(
                "SELECT value FROM \"{alias}\"._meta WHERE key = 'version'"
            ))?
            .query_row([], |row| row.get(0))
    }

    /// Loads the whole catalog.
    pub fn load(connection: &Connection, alias: &str) -> rusqlite::Result<Catalog> {
        let version = Catalog::current_version(connection, alias)?;
        let schemas: String = connection.query_row(
            &format!("SELECT value FROM \"{alias}\"._meta WHERE key = 'schemas'"),
            [],
            |row| row.get(0),
        )?;
        let kept = |key: &str| -> rusqlite::Result<Option<String>> {
            let sql = format!("SELECT value FROM \"{alias}\"._meta WHERE key = ?1");
            connection.query_row(&sql, [key], |row| row.get(0)).optional()
        };
        let mut catalog = Catalog {
            version,
            schemas: from_json(&schemas)?,
            access: kept("access")?.map_or_else(|| Ok(Access::default()), |a| from_json(&a))?,
            declared: kept("declared")?.map_or_else(|| Ok(Declared::default()), |d| from_json(&d))?,
            ..Catalog::default()
        };
        let mut statement = connection.prepare(&format!("SELECT definition FROM \"{alias}\"._catalog"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            catalog.insert(Arc::new(from_json(row.get_ref(0)?.as_str()?)?));
        }
        Ok(catalog)
    }

    fn insert(&mut self, table: Arc<TableDef>) {
        self.by_id.insert(table.object_id, Arc::clone(&table));
        self.tables
            .insert((fold(&table.schema), fold(&table.name)), table);
    }

    /// The table of that schema and name, in any case.
    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<TableDef>> {
        self.tables.get(&(fold(schema), fold(name)))
    }

    /// The table with that id.
    pub fn table_by_id(&self, id: i32) -> Option<&Arc<TableDef>> {
        self.by_id.get(&id)
    }

    /// Every table in order of id.
    pub fn all_tables(&self) -> impl Iterator<Item = &Arc<TableDef>> {
        self.by_id.values()
    }

    /// The id and the exact name of a schema.
    pub fn schema(&self, name: &str) -> Option<(i32, &str)> {
        let name = fold(name);
        self.schemas
            .iter()
            .find(|(_, s)| fold(s) == name)
            .map(|(id, s)| (*id, s.as_str()))
    }

    /// Whether a permission on a table is denied to a login.
    pub fn denies(&self, login: &str, permission: Permission, table: &TableDef) -> bool {
        let schema = self.schema(&table.schema).map_or(0, |s| s.0);
        let on = [
            (Class::Object, table.object_id),
            (Class::Schema, schema),
            (Class::Database, 0),
        ];
        self.access.denies(login, permission, &on)
    }

    /// Whether the catalog views hide a table from a login.
    pub fn hides(&self, login: &str, table: &TableDef) -> bool {
        let schema = self.schema(&table.schema).map_or(0, |s| s.0);
        let on = [
            (Class::Object, table.object_id),
            (Class::Schema, schema),
            (Class::Database, 0),
        ];
        self.access.hides(login, &on)
    }

    /// Whether a permission on everything in a schema is denied to a login.
    pub fn denies_in_schema(&self, login: &str, permission: Permission, schema: i32) -> bool {
        let on = [(Class::Schema, schema), (Class::Database, 0)];
        self.access.denies(login, permission, &on)
    }

    /// Whether a permission on the database is denied to a login.
    pub fn denies_in_database(&self, login: &str, permission: Permission) -> bool {
        self.access.denies(login, permission, &[(Class::Database, 0)])
    }

    /// Whether a constraint, index-backed or not, has that name in a schema.
    pub fn has_constraint(&self, schema: &str, name: &str) -> bool {
        let (schema, name) = (fold(schema), fold(name));
        self.by_id
            .values()
            .filter(|t| fold(&t.schema) == schema)
            .any(|t| {
                t.indexes
                    .iter()
                    .any(|i| i.kind != IndexKind::Index && fold(&i.name) == name)
                    || t.checks.iter().any(|c| fold(&c.name) == name)
                    || t.foreign_keys.iter().any(|f| fold(&f.name) == name)
                    || t.columns
                        .iter()
                        .filter_map(|c| c.default.as_ref())
                        .any(|d| fold(&d.name) == name)
            })
    }
}

/// Writes a table's definition, new or changed.
pub(crate) fn save_table(connection: &Connection, alias: &str, table: &TableDef) -> rusqlite::Result<()> {
    let json = to_json(table)?;
    connection.execute(
        &format!("INSERT OR REPLACE INTO \"{alias}\"._catalog VALUES (?1, ?2)"),
        (table.object_id, json),
    )?;
    bump(connection, alias)
}

/// Removes a table's definition.
pub(crate) fn delete_table(connection: &Connection, alias: &str, object_id: i32) -> rusqlite::Result<()> {
    connection.execute(
        &format!("DELETE FROM \"{alias}\"._catalog WHERE object_id = ?1"),
        [object_id],
    )?;
    connection.execute(
        &format!("DELETE FROM \"{alias}\"._identity WHERE object_id = ?1"),
        [object_id],
    )?;
    bump(connection, alias)
}

/// Writes the schemas.
pub(crate) fn save_schemas(
    connection: &Connection,
    alias: &str,
    schemas: &BTreeMap<i32, String>,
) -> rusqlite::Result<()> {
    let json = to_json(schemas)?;
    connection.execute(
        &format!("UPDATE \"{alias}\"._meta SET value = ?1 WHERE key = 'schemas'"),
        [json],
    )?;
    bump(connection, alias)
}

/// Writes the permissions. A file from before there were permissions has no such entry yet.
pub(crate) fn save_access(connection: &Connection, alias: &str, access: &Access) -> rusqlite::Result<()> {
    let json = to_json(access)?;
    connection.execute(
        &format!("INSERT OR REPLACE INTO \"{alias}\"._meta VALUES ('access', ?1)"),
        [json],
    )?;
    bump(connection, alias)
}

/// Writes the alias types and security policies. A file from before there were any has no such entry yet.
pub(crate) fn save_declared(
    connection: &Connection,
    alias: &str,
    declared: &Declared,
) -> rusqlite::Result<()> {
    let json = to_json(declared)?;
    connection.execute(
        &format!("INSERT OR REPLACE INTO \"{alias}\"._meta VALUES ('declared', ?1)"),
        [json],
    )?;
    bump(connection, alias)
}

/// Takes a fresh object id. Ids have gaps like SQL Server's, so that no client assumes that they are dense.
pub(crate) fn new_object_id(connection: &Connection, alias: &str) -> rusqlite::Result<i32> {
    const STEP: i64 = 16_000_057;
    let id: i64 = connection.query_row(
        &format!("SELECT value FROM \"{alias}\"._meta WHERE key = 'next_object_id'"),
        [],
        |row| row.get(0),
    )?;
    let next = (id + STEP - 1) % (i64::from(i32::MAX) - 1) + 1;
    connection.execute(
        &format!("UPDATE \"{alias}\"._meta SET value = ?1 WHERE key = 'next_object_id'"),
        [next],
    )?;
    i32::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))
}

fn bump(connection: &Connection, alias: &str) -> rusqlite::Result<()> {
    connection
        .execute(
            &format!("UPDATE \"{alias}\"._meta SET value = value + 1 WHERE key = 'version'"),
            [],
        )
        .map(|_| ())
}

fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> rusqlite::Result<T> {
    serde_json::from_str(json)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e)))
}

/// A name as a quoted SQLite identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A shared name in JSON.
mod shared_name {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        name: &Option<Arc<str>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        name.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}
