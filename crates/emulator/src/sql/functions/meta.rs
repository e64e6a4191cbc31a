//! OBJECT_ID, DB_NAME, SERVERPROPERTY and similar functions, which look names up.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::functions::Context;

use super::registry::{Answer, Registry, argument, broken, string};
use crate::sql::errors::{error, unsupported};
use crate::sql::name::NameParts;
use crate::sql::shared::{Names, Shared, lock};
use crate::sql::types::{SYSNAME_ID, TYPES, measures};
use crate::sql::views;
use crate::store::access::Permission;
use crate::store::catalog::{Catalog, DEFAULT_COLLATION, TableDef};
use crate::store::database::Setting;
use crate::store::fold;
use crate::store::lock::AppMode;
use crate::types::{Cell, OwnedCell, SqlError};

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.session("tsql_meta", -1, meta)
}

fn text(value: impl Into<String>) -> OwnedCell {
    OwnedCell::Text(value.into())
}

fn number(value: impl Into<i64>) -> OwnedCell {
    OwnedCell::Integer(value.into())
}

/// An optional argument as text. NULL and an absent argument are `None`.
fn word(context: &Context<'_>, at: usize) -> Result<Option<String>, SqlError> {
    if at >= context.len() {
        return Ok(None);
    }
    Ok(match argument(context, at)? {
        Cell::Text(v) => Some(v.to_owned()),
        Cell::Integer(v) => Some(v.to_string()),
        _ => None,
    })
}

fn id(context: &Context<'_>, at: usize) -> Result<Option<i32>, SqlError> {
    Ok(word(context, at)?.and_then(|w| w.trim().parse().ok()))
}

fn meta(context: &Context<'_>, shared: &Mutex<Shared>) -> Answer {
    let names = lock(shared).names.clone();
    let function = string(context, 0)?.ok_or_else(broken)?;
    let first = word(context, 1)?;
    let found = match function {
        "OBJECT_ID" => object_id(&names, first.as_deref(), word(context, 2)?.as_deref())?.map(number),
        "OBJECT_NAME" => table_by_id(&names, id(context, 1)?).map(|t| text(&t.name)),
        "OBJECT_SCHEMA_NAME" => table_by_id(&names, id(context, 1)?).map(|t| text(&t.schema)),
        "SCHEMA_ID" => names
            .catalog
            .schema(first.as_deref().unwrap_or("dbo"))
            .filter(|_| first.is_some() || context.len() == 1)
            .map(|s| number(s.0)),
        "SCHEMA_NAME" if context.len() == 1 => Some(text("dbo")),
        "SCHEMA_NAME" => id(context, 1)?
            .and_then(|id| names.catalog.schemas.get(&id))
            .map(text),
        "DB_ID" => first
            .and_then(|n| names.server.as_ref()?.database(&n))
            .map(|d| number(d.id)),
        "DB_NAME" => {
            let id = id(context, 1)?;
            let all = names
                .server
                .as_ref()
                .map(|s| s.all_databases())
                .unwrap_or_default();
            all.iter().find(|d| Some(d.id) == id).map(|d| text(&d.name))
        }
        "TYPE_NAME" => id(context, 1)?.and_then(|id| type_name(i64::from(id))).map(text),
        "TYPE_ID" => first.and_then(|n| type_id(&n)).map(number),
        "COL_LENGTH" => column_length(&names, first.as_deref(), word(context, 2)?.as_deref())?.map(number),
        "HAS_PERMS_BY_NAME" => {
            let (class, permission) = (word(context, 2)?, word(context, 3)?);
            has_permission(&names, first.as_deref(), class.as_deref(), permission.as_deref())?
                .map(|has| number(i32::from(has)))
        }
        "APPLOCK_TEST" => match (word(context, 2)?, word(context, 3)?) {
            (Some(resource), Some(mode)) => can_lock_app(&names, resource, &mode)?.map(number),
            _ => None,
        },
        "USER_NAME" => principal_name(&names, id(context, 1)?).map(text),
        "SUSER_ID" => first.and_then(|n| Some(number(names.server.as_ref()?.login_id(&n)?))),
        "SUSER_SID" => first.and_then(|n| login_sid(&names, &n)),
        "DATABASE_PRINCIPAL_ID" => first.and_then(|n| principal_id(&names, &n)).map(number),
        "HAS_DBACCESS" => first.map(|n| {
            number(i32::from(
                names.server.as_ref().is_some_and(|s| s.database(&n).is_some()),
            ))
        }),
        "SERVERPROPERTY" => first.and_then(|p| server_property(&names, &p)),
        "DATABASEPROPERTYEX" => match (first, word(context, 2)?) {
            (Some(database), Some(property)) => database_property(&names, &database, &property),
            _ => None,
        },
        _ => return Err(broken()),
    };
    Ok(found.unwrap_or(OwnedCell::Null))
}

/// 1 if the session would be granted the application lock at once, 0 if not.
fn can_lock_app(names: &Names, resource: String, mode: &str) -> Result<Option<i32>, SqlError> {
    let mode = AppMode::parse(mode).ok_or_else(|| unsupported(mode))?;
    let Some(server) = &names.server else {
        return Ok(None);
    };
    let Some(database) = server.database(&names.database) else {
        return Ok(None);
    };
    let key = (database.id, resource);
    Ok(Some(i32::from(server.locks.can_lock_app(
        &key,
        mode,
        names.session,
    ))))
}

/// The catalog of the database that a name refers to. A database that is not current is read anew.
fn catalog(names: &Names, name: &NameParts) -> Result<Option<Arc<Catalog>>, SqlError> {
    match &name.database {
        Some(other) if fold(other) != fold(&names.database) => {
            let Some(database) = names.server.as_ref().and_then(|s| s.database(other)) else {
                return Ok(None);
            };
            let load = || -> rusqlite::Result<Catalog> {
                let connection =
                    Connection::open_with_flags(&database.path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                Catalog::load(&connection, "main")
            };
            load()
                .map(|c| Some(Arc::new(c)))
                .map_err(|e| error(823, 24, 6, e.to_string()))
        }
        _ => Ok(Some(Arc::clone(&names.catalog))),
    }
}

fn object_id(names: &Names, name: Option<&str>, kind: Option<&str>) -> Result<Option<i32>, SqlError> {
    let Some(name) = name.and_then(NameParts::parse) else {
        return Ok(None);
    };
    let kind = kind.map(|k| k.trim().to_ascii_uppercase());
    let table_wanted = kind.as_deref().is_none_or(|k| k == "U");
    if name.is_temp() {
        let folded = fold(&name.name);
        let temp = names.temps.iter().find(|t| fold(&t.name) == folded);
        return Ok(temp.filter(|_| table_wanted).map(|t| t.object_id));
    }
    let Some(catalog) = catalog(names, &name)? else {
        return Ok(None);
    };
    if table_wanted && let Some(table) = catalog.table(name.schema(), &name.name) {
        return Ok(Some(table.object_id));
    }
    if kind.as_deref().is_none_or(|k| k == "V")
        && let Some(id) = views::object_id(name.schema(), &name.name)
    {
        return Ok(Some(id));
    }
    let (schema, folded) = (fold(name.schema()), fold(&name.name));
    let in_schema = catalog.all_tables().filter(|t| fold(&t.schema) == schema);
    let mut constraints = in_schema.flat_map(|t| t.constraints());
    Ok(constraints
        .find(|c| fold(&c.1) == folded && kind.as_deref().is_none_or(|k| k == c.2))
        .map(|c| c.0))
}

/// Whether the login has a permission. It is NULL if the securable does not exist.
fn has_permission(
    names: &Names,
    securable: Option<&str>,
    class: Option<&str>,
    permission: Option<&str>,
) -> Result<Option<bool>, SqlError> {
    let Some(permission) = permission else {
        return Ok(None);
    };
    // SQL Server 2022 has divided VIEW SERVER STATE. Earlier ones do not know the parts ("HAS_PERMS_BY_NAME (Transact-SQL)").
    if permission
        .trim()
        .eq_ignore_ascii_case("VIEW SERVER PERFORMANCE STATE")
    {
        return Ok(None);
    }
    let permission = Permission::named(permission.trim());
    let (securable, class) = match (securable, class) {
        (None, None) => {
            let asked = permission.filter(|p| p.is_of_server()).zip(names.server.as_ref());
            return Ok(Some(asked.is_none_or(|(p, s)| s.permits(&names.login, p))));
        }
        // For a database, no name means the current one ("HAS_PERMS_BY_NAME (Transact-SQL)").
        (None, Some(class)) if class.trim().eq_ignore_ascii_case("DATABASE") => {
            let denied = permission.is_some_and(|p| names.catalog.denies_in_database(&names.login, p));
            return Ok(Some(!denied));
        }
        (Some(securable), Some(class)) => (securable, class.trim().to_ascii_uppercase()),
        _ => return Ok(None),
    };
    let Some(name) = NameParts::parse(securable) else {
        return Ok(None);
    };
    let login = &names.login;
    if class == "DATABASE" {
        let known = names.server.as_ref().and_then(|s| s.database(&name.name));
        let Some(database) = known else {
            return Ok(None);
        };
        let asked = NameParts {
            database: Some(database.name.clone()),
            ..name
        };
        let catalog = catalog(names, &asked)?;
        return Ok(catalog.map(|c| !permission.is_some_and(|p| c.denies_in_database(login, p))));
    }
    // A permission that a class does not have is NULL ("HAS_PERMS_BY_NAME (Transact-SQL)").
    if permission.is_some_and(Permission::is_of_database) {
        return Ok(None);
    }
    let Some(catalog) = catalog(names, &name)? else {
        return Ok(None);
    };
    Ok(match class.as_str() {
        "SCHEMA" => catalog
            .schema(&name.name)
            .map(|s| !permission.is_some_and(|p| catalog.denies_in_schema(login, p, s.0))),
        "OBJECT" if name.is_temp() => object_id(names, Some(securable), None)?.map(|_| true),
        "OBJECT" => catalog
            .table(name.schema(), &name.name)
            .map(|t| !permission.is_some_and(|p| catalog.denies(login, p, t))),
        _ => Some(true),
    })
}

/// The security identifier of a login: 0x01 of `sa`, 16 bytes of any other.
fn login_sid(names: &Names, name: &str) -> Option<OwnedCell> {
    let id = names.server.as_ref()?.login_id(name)?;
    Some(OwnedCell::Blob(match id {
        1 => vec![1],
        _ => blake3::hash(fold(name).as_bytes()).as_bytes()[..16].to_vec(),
    }))
}

fn principals(names: &Names) -> Vec<(i32, String)> {
    let logins = names.server.as_ref().map(|s| s.logins()).unwrap_or_default();
    names.catalog.access.all_principals(&logins)
}

fn principal_name(names: &Names, id: Option<i32>) -> Option<String> {
    principals(names)
        .into_iter()
        .find(|p| Some(p.0) == id)
        .map(|p| p.1)
}

fn principal_id(names: &Names, name: &str) -> Option<i32> {
    let folded = fold(name);
    principals(names)
        .into_iter()
        .find(|p| fold(&p.1) == folded)
        .map(|p| p.0)
}

fn table_by_id(names: &Names, id: Option<i32>) -> Option<Arc<TableDef>> {
    let id = id?;
    names
        .catalog
        .table_by_id(id)
        .cloned()
        .or_else(|| names.temps.iter().find(|t| t.object_id == id).cloned())
}

fn type_name(id: i64) -> Option<&'static str> {
    if id == SYSNAME_ID {
        return Some("sysname");
    }
    TYPES.iter().find(|t| t.user_type_id == id).map(|t| t.name)
}

fn type_id(name: &str) -> Option<i64> {
    let name = NameParts::parse(name)?.name.to_ascii_lowercase();
    if name == "sysname" {
        return Some(SYSNAME_ID);
    }
    TYPES.iter().find(|t| t.name == name).map(|t| t.user_type_id)
}

fn column_length(names: &Names, table: Option<&str>, column: Option<&str>) -> Result<Option<i64>, SqlError> {
    let (Some(table), Some(column)) = (table, column) else {
        return Ok(None);
    };
    let id = object_id(names, Some(table), Some("U"))?;
    let Some(name) = NameParts::parse(table) else {
        return Ok(None);
    };
    if let Some(view) = views::find(name.schema.as_deref(), &name.name) {
        let found = view.columns.iter().find(|c| fold(c.0) == fold(column));
        return Ok(found.map(|c| measures(c.1).0));
    }
    let found = match catalog(names, &name)? {
        Some(catalog) => id
            .and_then(|id| catalog.table_by_id(id).cloned())
            .or_else(|| table_by_id(names, id)),
        None => None,
    };
    Ok(found.and_then(|t| t.column(column).map(|c| measures(c.ty).0)))
}

fn server_property(names: &Names, property: &str) -> Option<OwnedCell> {
    let server = &names.server.as_ref()?.server_name;
    Some(match property.to_ascii_lowercase().as_str() {
        "servername" => text(server),
        "machinename" | "computernamephysicalnetbios" => text(server.split('\\').next().unwrap_or(server)),
        "instancename" => return server.split_once('\\').map(|s| text(s.1)),
        "productversion" => text("15.0.2000.5"),
        "productmajorversion" => text("15"),
        "productlevel" => text("RTM"),
        "edition" => text("Developer Edition (64-bit)"),
        "engineedition" => text("3"),
        "collation" => text(DEFAULT_COLLATION),
        "ishadrenabled" | "isclustered" | "issingleuser" | "isintegratedsecurityonly" => text("0"),
        _ => return None,
    })
}

fn database_property(names: &Names, database: &str, property: &str) -> Option<OwnedCell> {
    let database = names.server.as_ref()?.database(database)?;
    Some(match property.to_ascii_lowercase().as_str() {
        "updateability" => text(if database.is_read_only() {
            "READ_ONLY"
        } else {
            "READ_WRITE"
        }),
        "status" => text("ONLINE"),
        "collation" => text(DEFAULT_COLLATION),
        "recovery" => text(match database.setting(Setting::RecoveryModel) {
            Some(1) => "FULL",
            Some(2) => "BULK_LOGGED",
            _ => "SIMPLE",
        }),
        "useraccess" => text(if database.is_single_user() {
            "SINGLE_USER"
        } else {
            "MULTI_USER"
        }),
        "isansinullsenabled" | "isautoclose" | "isautoshrink" | "isinstandby" => text("0"),
        _ => return None,
    })
}
