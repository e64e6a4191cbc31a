//! Definitions of tables: columns, constraints and indexes as declared. They are checked before SQLite creates
//! anything.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use super::declare::{DeclaredType, masking_function};
use super::state::SqlSession;
use crate::sql::ast::{ColumnSpec, ConstraintKind, ConstraintSpec, IndexSpec};
use crate::sql::errors::{self, error};
use crate::sql::name::NameParts;
use crate::sql::types;
use crate::sql::values;
use crate::store::catalog::{
    CheckDef, ColumnDef, DEFAULT_COLLATION, DefaultDef, ForeignKeyDef, IdentityDef, IndexDef, IndexKind,
    TableDef,
};
use crate::store::fold;
use crate::types::{SqlError, SqlType};

impl SqlSession {
    /// Adds a column without its constraints.
    pub(super) fn add_column(&mut self, def: &mut TableDef, spec: &ColumnSpec) -> Result<(), SqlError> {
        let DeclaredType { ty, sysname, alias } = self.column_type(&spec.ty)?;
        let nullable = alias.map_or(!sysname, |a| a.1);
        let collation = column_collation(ty, spec.collation.as_deref())?;
        if def.column(&spec.name.value).is_some() {
            let text = format!(
                "Column names in each table must be unique. Column name '{}' in table '{}' is specified more than once.",
                spec.name.value, def.name
            );
            return Err(error(2705, 16, 3, text));
        }
        if spec.identity.is_some() {
            let whole = types::is_integer(ty) && ty != SqlType::Bit
                || matches!(
                    ty,
                    SqlType::Decimal {
                        precision: 0..=18,
                        scale: 0,
                        ..
                    }
                );
            if !whole || spec.nullable == Some(true) {
                let text = format!(
                    "Identity column '{}' must be of data type int, bigint, smallint, tinyint, or decimal or numeric \
                     with a scale of 0, unencrypted, and constrained to be nonnullable.",
                    spec.name.value
                );
                return Err(error(2749, 16, 2, text));
            }
            if def.identity_column().is_some() {
                let text = format!(
                    "Multiple identity columns specified for table '{}'. Only one identity column per table is allowed.",
                    def.name
                );
                return Err(error(2744, 16, 2, text));
            }
        }
        def.last_column_id += 1;
        def.columns.push(ColumnDef {
            id: def.last_column_id,
            name: spec.name.value.clone(),
            ty,
            collation,
            nullable: spec.nullable.unwrap_or(spec.identity.is_none() && nullable),
            identity: spec
                .identity
                .map(|(seed, increment)| IdentityDef { seed, increment }),
            default: None,
            sysname,
            alias: alias.map(|a| a.0),
            mask: spec.mask.as_deref().map(masking_function).transpose()?,
            encryption: spec.encryption,
        });
        // A primary key's column that is not declared NULL is NOT NULL. An explicit NULL is found there.
        if spec.nullable == Some(true)
            && spec
                .constraints
                .iter()
                .any(|c| matches!(&c.kind, ConstraintKind::Key(k) if k.primary))
        {
            return Err(nullable_key(&def.name));
        }
        Ok(())
    }

    /// Adds constraints to a definition. `new` says that the table is being created; only then does a primary key
    /// make its columns NOT NULL.
    pub(super) fn add_constraints(
        &mut self,
        def: &mut TableDef,
        alias: &str,
        specs: &[ConstraintSpec],
        new: bool,
    ) -> Result<(), SqlError> {
        let clustered_elsewhere = specs
            .iter()
            .any(|s| matches!(&s.kind, ConstraintKind::Key(k) if k.clustered == Some(true)));
        for spec in specs {
            let object_id = self.new_object_id(alias)?;
            let name = |kind: &str| match &spec.name {
                Some(name) => name.value.clone(),
                None => format!("{kind}__{:.9}__{object_id:08X}", def.name),
            };
            match &spec.kind {
                ConstraintKind::Key(key) => {
                    let kind = if key.primary { "PK" } else { "UQ" };
                    let name = name(kind);
                    self.check_name(def, alias, &name)?;
                    let default_clustered =
                        key.primary && !clustered_elsewhere && !def.indexes.iter().any(|i| i.clustered);
                    add_index(def, key, name, object_id, default_clustered, new)?;
                }
                ConstraintKind::Default { column, sql } => {
                    let name = name("DF");
                    self.check_name(def, alias, &name)?;
                    add_default(
                        def,
                        column,
                        DefaultDef {
                            object_id,
                            name,
                            sql: sql.clone(),
                        },
                    )?;
                }
                ConstraintKind::Check { column, sql } => {
                    let name = name("CK");
                    self.check_name(def, alias, &name)?;
                    let column = column.as_ref().map(|c| c.value.clone());
                    def.checks.push(CheckDef {
                        object_id,
                        name,
                        sql: sql.clone(),
                        column,
                    });
                }
                ConstraintKind::ForeignKey {
                    columns,
                    parent,
                    parent_columns,
                } => {
                    let name = name("FK");
                    self.check_name(def, alias, &name)?;
                    let key = self.foreign_key(def, object_id, name, columns, parent, parent_columns)?;
                    def.foreign_keys.push(key);
                }
            }
        }
        Ok(())
    }

    fn check_name(&mut self, def: &TableDef, alias: &str, name: &str) -> Result<(), SqlError> {
        let folded = fold(name);
        let own = def
            .indexes
            .iter()
            .filter(|i| i.kind != IndexKind::Index)
            .map(|i| &i.name);
        let own = own
            .chain(def.checks.iter().map(|c| &c.name))
            .chain(def.foreign_keys.iter().map(|f| &f.name));
        let taken = own.into_iter().any(|n| fold(n) == folded)
            || (!def.temp && fold(&def.name) == folded)
            || def
                .columns
                .iter()
                .filter_map(|c| c.default.as_ref())
                .any(|d| fold(&d.name) == folded);
        let elsewhere = if alias == "temp" {
            false
        } else {
            let database = self
                .core
                .server
                .all_databases()
                .into_iter()
                .find(|d| format!("d{}", d.id) == alias);
            match database {
                Some(database) => {
                    let catalog = self.core.catalog(&database)?;
                    catalog.has_constraint(&def.schema, name) || catalog.table(&def.schema, name).is_some()
                }
                None => false,
            }
        };
        if taken || elsewhere {
            Err(errors::object_exists(name))
        } else {
            Ok(())
        }
    }

    fn foreign_key(
        &mut self,
        def: &TableDef,
        object_id: i32,
        name: String,
        columns: &[Ident],
        parent: &ObjectName,
        parent_columns: &[Ident],
    ) -> Result<ForeignKeyDef, SqlError> {
        let parts = NameParts::new(parent)?;
        let own = parts.database.is_none()
            && fold(parts.schema()) == fold(&def.schema)
            && fold(&parts.name) == fold(&def.name);
        let parent_def = if own {
            Arc::new(def.clone())
        } else {
            let found = self.core.table(parent)?.map(|t| t.def);
            found.ok_or_else(|| {
                let text = format!("Foreign key '{name}' references invalid table '{parent}'.");
                error(1767, 16, 0, text)
            })?
        };
        let column = |table: &TableDef, ident: &Ident| {
            table.column(&ident.value).cloned().ok_or_else(|| {
                let text = format!(
                    "Foreign key '{name}' references invalid column '{}' in table '{}'.",
                    ident.value, table.name
                );
                error(1769, 16, 1, text)
            })
        };
        let children: Result<Vec<ColumnDef>, SqlError> = columns.iter().map(|c| column(def, c)).collect();
        let parents: Result<Vec<ColumnDef>, SqlError> = if parent_columns.is_empty() {
            let key = parent_def
                .indexes
                .iter()
                .find(|i| i.kind == IndexKind::PrimaryKey);
            Ok(key
                .into_iter()
                .flat_map(|k| &k.keys)
                .filter_map(|k| parent_def.column_by_id(k.0))
                .cloned()
                .collect())
        } else {
            parent_columns.iter().map(|c| column(&parent_def, c)).collect()
        };
        let (children, parents) = (children?, parents?);
        let ids: Vec<i32> = parents.iter().map(|c| c.id).collect();
        check_foreign_key(&name, parent, &parent_def, &children, &parents)?;
        Ok(ForeignKeyDef {
            object_id,
            name,
            columns: children.iter().map(|c| c.id).collect(),
            parent: parent_def.object_id,
            parent_columns: ids,
        })
    }
}

/// Refuses a foreign key that references no key of the parent, or columns of other types.
fn check_foreign_key(
    name: &str,
    parent: &ObjectName,
    parent_def: &TableDef,
    children: &[ColumnDef],
    parents: &[ColumnDef],
) -> Result<(), SqlError> {
    let ids: Vec<i32> = parents.iter().map(|c| c.id).collect();
    let keyed = parent_def.indexes.iter().any(|i| {
        i.unique
            && i.filter.is_none()
            && i.keys.len() == ids.len()
            && i.keys.iter().all(|k| ids.contains(&k.0))
    });
    if !keyed || children.len() != parents.len() {
        let text = format!(
            "There are no primary or candidate keys in the referenced table '{parent}' that match the referencing column list in the foreign key '{name}'."
        );
        return Err(error(1776, 16, 0, text));
    }
    if children.iter().zip(parents).any(|(a, b)| a.ty != b.ty) {
        let text = format!(
            "The referencing columns of foreign key '{name}' are not of the same data type as the referenced columns."
        );
        return Err(error(1778, 16, 0, text));
    }
    Ok(())
}

/// The collation of a column of that type.
pub(super) fn column_collation(ty: SqlType, name: Option<&str>) -> Result<Option<Arc<str>>, SqlError> {
    match name {
        Some(name) if !values::known_collation(name) => {
            Err(error(448, 16, 1, format!("Invalid collation '{name}'.")))
        }
        _ if !types::is_text(ty) || ty == SqlType::Xml => Ok(None),
        Some(name) if !name.eq_ignore_ascii_case("database_default") => Ok(Some(Arc::from(name))),
        _ => Ok(Some(Arc::from(DEFAULT_COLLATION))),
    }
}

pub(super) fn check_columns(table: &str, count: usize) -> Result<(), SqlError> {
    /// SQL Server's limit on the columns of a table.
    const COLUMNS_MAX: usize = 1024;
    if count > COLUMNS_MAX {
        let text = format!(
            "CREATE TABLE failed because a column in table '{table}' exceeds the maximum of {COLUMNS_MAX} columns."
        );
        return Err(error(1702, 16, 1, text));
    }
    Ok(())
}

fn nullable_key(table: &str) -> SqlError {
    error(
        8111,
        16,
        1,
        format!("Cannot define PRIMARY KEY constraint on nullable column in table '{table}'."),
    )
}

fn add_default(def: &mut TableDef, column: &Ident, default: DefaultDef) -> Result<(), SqlError> {
    let folded = fold(&column.value);
    let table = def.name.clone();
    let Some(found) = def.columns.iter_mut().find(|c| fold(&c.name) == folded) else {
        let text = format!(
            "Column name '{}' does not exist in the target table or view.",
            column.value
        );
        return Err(error(1752, 16, 0, text));
    };
    if found.default.is_some() || found.identity.is_some() {
        let text = format!(
            "Column already has a DEFAULT bound to it, or is an identity column: '{}' in table '{table}'.",
            found.name
        );
        return Err(error(1781, 16, 1, text));
    }
    found.default = Some(default);
    Ok(())
}

/// Refuses an index whose name is taken, and a second clustered index or primary key.
fn check_index(def: &TableDef, spec: &IndexSpec, name: &str, clustered: bool) -> Result<(), SqlError> {
    let folded = fold(name);
    if def.indexes.iter().any(|i| fold(&i.name) == folded) {
        let text = format!(
            "The operation failed because an index or statistics with name '{name}' already exists on table '{}'.",
            def.full_name()
        );
        return Err(error(1913, 16, 1, text));
    }
    if clustered && let Some(other) = def.indexes.iter().find(|i| i.clustered) {
        let text = format!(
            "Cannot create more than one clustered index on table '{}'. Drop the existing clustered index '{}' before creating another.",
            def.full_name(),
            other.name
        );
        return Err(error(1902, 16, 3, text));
    }
    if spec.primary && def.indexes.iter().any(|i| i.kind == IndexKind::PrimaryKey) {
        return Err(error(
            1779,
            16,
            0,
            format!("Table '{}' already has a primary key defined on it.", def.name),
        ));
    }
    Ok(())
}

/// The id of a column that an index names.
pub(super) fn id_of(def: &TableDef, ident: &Ident) -> Result<i32, SqlError> {
    def.column(&ident.value).map(|c| c.id).ok_or_else(|| {
        error(
            1911,
            16,
            1,
            format!(
                "Column name '{}' does not exist in the target table or view.",
                ident.value
            ),
        )
    })
}

/// The ids of an index's key columns, and whether each descends.
fn index_keys(def: &TableDef, spec: &IndexSpec) -> Result<Vec<(i32, bool)>, SqlError> {
    let mut keys = Vec::with_capacity(spec.keys.len());
    for (column, descending) in &spec.keys {
        let id = id_of(def, column)?;
        if keys.iter().any(|(other, _)| *other == id) {
            let text = format!(
                "Cannot use duplicate column names in index. Column name '{}' listed more than once.",
                column.value
            );
            return Err(error(1909, 16, 1, text));
        }
        keys.push((id, *descending));
    }
    Ok(keys)
}

/// Adds an index to a definition.
pub(super) fn add_index(
    def: &mut TableDef,
    spec: &IndexSpec,
    name: String,
    object_id: i32,
    default_clustered: bool,
    new: bool,
) -> Result<(), SqlError> {
    let clustered = spec.clustered.unwrap_or(default_clustered);
    check_index(def, spec, &name, clustered)?;
    let keys = index_keys(def, spec)?;
    let include: Result<Vec<i32>, SqlError> = spec.include.iter().map(|c| id_of(def, c)).collect();
    for column in def
        .columns
        .iter_mut()
        .filter(|c| keys.iter().any(|k| k.0 == c.id))
    {
        if types::measures(column.ty).0 == -1 {
            let text = format!(
                "Column '{}' in table '{}' is of a type that is invalid for use as a key column in an index.",
                column.name, def.name
            );
            return Err(error(1919, 16, 1, text));
        }
        if spec.primary && column.nullable {
            if !new {
                return Err(nullable_key(&def.name));
            }
            column.nullable = false;
        }
    }
    let id = if clustered {
        1
    } else {
        def.last_index_id += 1;
        def.last_index_id
    };
    let kind = match (spec.constraint, spec.primary) {
        (_, true) => IndexKind::PrimaryKey,
        (true, false) => IndexKind::UniqueConstraint,
        (false, false) => IndexKind::Index,
    };
    def.indexes.push(IndexDef {
        id,
        object_id,
        name,
        kind,
        unique: spec.unique,
        clustered,
        keys,
        include: include?,
        filter: spec.filter.clone(),
        options: spec.options.clone(),
    });
    Ok(())
}
