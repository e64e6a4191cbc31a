//! The rows of each catalog view, in the order of its columns.

use std::sync::Arc;

use serde_json::{Value, json};

use super::view::{Context, Rows};
use crate::sql::types::{self, SYSNAME_ID, TYPES};
use crate::store::LockMode;
use crate::store::access::{Class, Permission};
use crate::store::catalog::{ColumnDef, DEFAULT_COLLATION, IndexDef, IndexKind, TableDef};
use crate::store::database::Setting;
use crate::types::SqlType;

/// The one data space of a database.
pub(super) const PRIMARY_FILEGROUP: i32 = 1;

pub(super) fn tables(context: &Context<'_>) -> Rows {
    let row = |t: &Arc<TableDef>| {
        json!([
            t.name,
            t.object_id,
            null,
            context.schema_id(t),
            0,
            "U ",
            "USER_TABLE",
            t.create_date,
            t.modify_date,
            0,
            t.last_column_id,
            0,
            0,
            0,
            0,
            0,
            0,
            t.lock_escalation,
            described(&["TABLE", "DISABLE", "AUTO"], t.lock_escalation),
            0,
            0,
            0
        ])
    };
    Ok(context.all().iter().map(row).collect())
}

/// The description of a number, of those from 0.
fn described(names: &[&'static str], number: u8) -> Option<&'static str> {
    names.get(usize::from(number)).copied()
}

pub(super) fn objects(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        let schema = context.schema_id(&t);
        rows.push(json!([
            t.name,
            t.object_id,
            null,
            schema,
            0,
            "U ",
            "USER_TABLE",
            t.create_date,
            t.modify_date,
            0
        ]));
        for (id, name, kind) in t.constraints() {
            rows.push(json!([
                name,
                id,
                null,
                schema,
                t.object_id,
                padded(kind),
                kind_name(kind),
                t.create_date,
                t.modify_date,
                0
            ]));
        }
    }
    Ok(rows)
}

fn padded(kind: &str) -> String {
    format!("{kind:<2}")
}

fn kind_name(kind: &str) -> &'static str {
    match kind {
        "PK" => "PRIMARY_KEY_CONSTRAINT",
        "UQ" => "UNIQUE_CONSTRAINT",
        "D" => "DEFAULT_CONSTRAINT",
        "C" => "CHECK_CONSTRAINT",
        _ => "FOREIGN_KEY_CONSTRAINT",
    }
}

pub(super) fn schemas(context: &Context<'_>) -> Rows {
    Ok(context
        .catalog
        .schemas
        .iter()
        .map(|(id, name)| {
            json!([
                name,
                id,
                context.catalog.access.owners.get(id).copied().unwrap_or(1)
            ])
        })
        .collect())
}

pub(super) fn columns(context: &Context<'_>) -> Rows {
    let all = context.all();
    let rows = all
        .iter()
        .flat_map(|t| t.columns.iter().map(|c| Value::Array(column(t, c))));
    Ok(rows.collect())
}

/// The row of a column in `sys.columns`.
pub(super) fn column(t: &TableDef, c: &ColumnDef) -> Vec<Value> {
    let (max_length, precision, scale) = types::measures(c.ty);
    let system = type_id(c.ty);
    let user = if c.sysname { SYSNAME_ID } else { system };
    vec![
        json!(t.object_id),
        json!(c.name),
        json!(c.id),
        json!(system),
        json!(c.alias.map_or(user, i64::from)),
        json!(max_length),
        json!(precision),
        json!(scale),
        json!(c.collation.as_deref()),
        json!(i32::from(c.nullable)),
        json!(1),
        json!(0),
        json!(i32::from(c.identity.is_some())),
        json!(0),
        json!(0),
        json!(0),
        json!(0),
        json!(0),
        json!(c.default.as_ref().map_or(0, |d| d.object_id)),
        json!(c.encryption),
        json!(
            c.encryption
                .map(|e| if e == 1 { "DETERMINISTIC" } else { "RANDOMIZED" })
        ),
        json!(i32::from(c.mask.is_some())),
    ]
}

fn type_id(ty: SqlType) -> i64 {
    let name = types::name(ty);
    TYPES
        .iter()
        .find(|t| t.name == name)
        .map_or(0, |t| t.system_type_id)
}

pub(super) fn identity_columns(context: &Context<'_>) -> Rows {
    let row = |t: &Arc<TableDef>| {
        t.identity_column()
            .map(|(c, i)| json!([t.object_id, c.name, c.id, i.seed, i.increment]))
    };
    Ok(context.all().iter().filter_map(row).collect())
}

pub(super) fn types(context: &Context<'_>) -> Rows {
    let row = |name: &str, t: &types::TypeRow, user: i64, length: i64, nullable: i32| {
        let collation = t.text.then_some(DEFAULT_COLLATION);
        json!([
            name,
            t.system_type_id,
            user,
            4,
            null,
            length,
            t.precision,
            t.scale,
            collation,
            nullable,
            0,
            0,
            0
        ])
    };
    let mut rows: Vec<Value> = TYPES
        .iter()
        .map(|t| row(t.name, t, t.user_type_id, t.max_length, 1))
        .collect();
    rows.extend(
        TYPES
            .iter()
            .filter(|t| t.name == "nvarchar")
            .map(|t| row("sysname", t, SYSNAME_ID, 256, 0)),
    );
    rows.extend(context.alias_types());
    Ok(rows)
}

impl Context<'_> {
    /// The rows of the alias types whose definition the login may view ("Metadata Visibility Configuration").
    fn alias_types(&self) -> Vec<Value> {
        let catalog = &self.catalog;
        let mut rows = Vec::new();
        for t in &catalog.declared.types {
            let schema = catalog.schema(&t.schema).map_or(0, |s| s.0);
            let on = [(Class::Type, t.id), (Class::Schema, schema), (Class::Database, 0)];
            let login = self.login;
            if catalog.access.denies(login, Permission::ViewDefinition, &on) {
                continue;
            }
            let (max_length, precision, scale) = types::measures(t.ty);
            rows.push(json!([
                t.name,
                type_id(t.ty),
                t.id,
                schema,
                null,
                max_length,
                precision,
                scale,
                types::is_text(t.ty).then_some(DEFAULT_COLLATION),
                i32::from(t.nullable),
                1,
                0,
                0
            ]));
        }
        rows
    }
}

pub(super) fn indexes(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        if !t.indexes.iter().any(|i| i.clustered) {
            rows.push(json!([
                t.object_id,
                null,
                0,
                0,
                "HEAP",
                0,
                PRIMARY_FILEGROUP,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
                1,
                0,
                0,
                null
            ]));
        }
        for i in sorted(&t) {
            let (kind, name) = if i.clustered {
                (1, "CLUSTERED")
            } else {
                (2, "NONCLUSTERED")
            };
            let unusual = |switch: &str| i32::from(i.options.unusual.contains(switch));
            rows.push(json!([
                t.object_id,
                i.name,
                i.id,
                kind,
                name,
                i32::from(i.unique),
                PRIMARY_FILEGROUP,
                unusual("IGNORE_DUP_KEY"),
                i32::from(i.kind == IndexKind::PrimaryKey),
                i32::from(i.kind == IndexKind::UniqueConstraint),
                i.options.fill_factor,
                unusual("PAD_INDEX"),
                0,
                0,
                1 - unusual("ALLOW_ROW_LOCKS"),
                1 - unusual("ALLOW_PAGE_LOCKS"),
                unusual("OPTIMIZE_FOR_SEQUENTIAL_KEY"),
                i32::from(i.filter.is_some()),
                i.filter.as_ref().map(|f| format!("({f})"))
            ]));
        }
    }
    Ok(rows)
}

fn sorted(table: &TableDef) -> Vec<&IndexDef> {
    let mut indexes: Vec<&IndexDef> = table.indexes.iter().collect();
    indexes.sort_by_key(|i| i.id);
    indexes
}

pub(super) fn index_columns(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for i in sorted(&t) {
            for (at, (column, descending)) in i.keys.iter().enumerate() {
                rows.push(json!([
                    t.object_id,
                    i.id,
                    at + 1,
                    column,
                    at + 1,
                    0,
                    i32::from(*descending),
                    0
                ]));
            }
            for (at, column) in i.include.iter().enumerate() {
                rows.push(json!([
                    t.object_id,
                    i.id,
                    i.keys.len() + at + 1,
                    column,
                    0,
                    0,
                    0,
                    1
                ]));
            }
        }
    }
    Ok(rows)
}

pub(super) fn key_constraints(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for i in t.indexes.iter().filter(|i| i.kind != IndexKind::Index) {
            let kind = if i.kind == IndexKind::PrimaryKey {
                "PK"
            } else {
                "UQ"
            };
            rows.push(json!([
                i.name,
                i.object_id,
                context.schema_id(&t),
                t.object_id,
                kind,
                kind_name(kind),
                t.create_date,
                i.id
            ]));
        }
    }
    Ok(rows)
}

pub(super) fn default_constraints(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for c in &t.columns {
            if let Some(d) = &c.default {
                let definition = format!("({})", d.sql);
                rows.push(json!([
                    d.name,
                    d.object_id,
                    context.schema_id(&t),
                    t.object_id,
                    c.id,
                    definition
                ]));
            }
        }
    }
    Ok(rows)
}

pub(super) fn check_constraints(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for c in &t.checks {
            let definition = format!("({})", c.sql);
            rows.push(json!([
                c.name,
                c.object_id,
                context.schema_id(&t),
                t.object_id,
                definition,
                0
            ]));
        }
    }
    Ok(rows)
}

pub(super) fn partitions(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        let count = (context.count)(&t)?;
        let heap = !t.indexes.iter().any(|i| i.clustered);
        let of_indexes = sorted(&t).into_iter().map(|i| (i.id, i.options.compression));
        let ids = heap.then_some((0, 0)).into_iter().chain(of_indexes);
        for (id, compression) in ids {
            let partition = (i64::from(t.object_id) << 16) + i64::from(id);
            let described = described(&["NONE", "ROW", "PAGE"], compression);
            rows.push(json!([
                partition,
                t.object_id,
                id,
                1,
                count,
                compression,
                described
            ]));
        }
    }
    Ok(rows)
}

pub(super) fn databases(context: &Context<'_>) -> Rows {
    let signs = context.server.signs();
    let row = |d: &Arc<crate::store::database::Database>| {
        let (access, access_name) = if d.is_single_user() {
            (1, "SINGLE_USER")
        } else {
            (0, "MULTI_USER")
        };
        let recovery = d.setting(Setting::RecoveryModel).unwrap_or(3);
        let durability = d.setting(Setting::DelayedDurability).unwrap_or(0);
        json!([
            d.name,
            d.id,
            signs.snapshot_of.filter(|of| *of != d.id),
            d.create_date,
            150,
            DEFAULT_COLLATION,
            access,
            access_name,
            i32::from(d.is_read_only()),
            0,
            "ONLINE",
            i32::from(signs.standby),
            i32::from(d.allows_snapshot()),
            d.setting(Setting::ReadCommittedSnapshot)
                .unwrap_or(u8::from(context.server.lock_mode == LockMode::Versioned)),
            recovery,
            described(&["", "FULL", "BULK_LOGGED", "SIMPLE"], recovery),
            durability,
            described(&["DISABLED", "ALLOWED", "FORCED"], durability),
            hex(&d.broker)
        ])
    };
    Ok(context.server.all_databases().iter().map(row).collect())
}

/// Bytes in a form that JSON can hold. A view's `uniqueidentifier` is read back from it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn information_tables(context: &Context<'_>) -> Rows {
    let database = &context.database.name;
    Ok(context
        .all()
        .iter()
        .map(|t| json!([database, t.schema, t.name, "BASE TABLE"]))
        .collect())
}

pub(super) fn information_columns(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for (at, c) in t.columns.iter().enumerate() {
            let (length, precision, scale) = types::measures(c.ty);
            let characters = match c.ty {
                SqlType::NChar(_) | SqlType::NVarChar(_) if length > 0 => Some(length / 2),
                ty if types::is_text(ty) || types::is_binary(ty) => Some(length),
                _ => None,
            };
            let number = types::is_number(c.ty) && c.ty != SqlType::Bit;
            let time = matches!(
                c.ty,
                SqlType::Time(_)
                    | SqlType::DateTime
                    | SqlType::SmallDateTime
                    | SqlType::DateTime2(_)
                    | SqlType::DateTimeOffset(_)
                    | SqlType::Date
            );
            rows.push(json!([
                context.database.name,
                t.schema,
                t.name,
                c.name,
                at + 1,
                c.default.as_ref().map(|d| format!("({})", d.sql)),
                if c.nullable { "YES" } else { "NO" },
                types::name(c.ty),
                characters,
                number.then_some(precision),
                (number && !matches!(c.ty, SqlType::Real | SqlType::Float)).then_some(scale),
                time.then_some(scale),
                c.collation.as_deref()
            ]));
        }
    }
    Ok(rows)
}
