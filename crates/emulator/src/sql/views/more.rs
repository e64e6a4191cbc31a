//! The catalog views of the relations between tables, and of code. The emulator has no triggers, no computed
//! columns and no modules, so their views exist and are empty.

use serde_json::json;

use super::rows::PRIMARY_FILEGROUP;
use super::view::{BIT, CODE, Context, DESC, INT, NAME, Rows, SMALL, TEXT, TIME, TINY, View};
use crate::store::catalog::TableDef;

pub(super) const VIEWS: &[View] = &[
    View {
        schema: "sys",
        name: "foreign_keys",
        columns: &[
            ("name", NAME, false),
            ("object_id", INT, false),
            ("principal_id", INT, true),
            ("schema_id", INT, false),
            ("parent_object_id", INT, false),
            ("type", CODE, true),
            ("type_desc", DESC, true),
            ("create_date", TIME, false),
            ("modify_date", TIME, false),
            ("is_ms_shipped", BIT, false),
            ("referenced_object_id", INT, true),
            ("key_index_id", INT, true),
            ("is_disabled", BIT, false),
            ("is_not_trusted", BIT, false),
            ("delete_referential_action", TINY, true),
            ("delete_referential_action_desc", DESC, true),
            ("update_referential_action", TINY, true),
            ("update_referential_action_desc", DESC, true),
        ],
        rows: foreign_keys,
    },
    View {
        schema: "sys",
        name: "foreign_key_columns",
        columns: &[
            ("constraint_object_id", INT, false),
            ("constraint_column_id", INT, false),
            ("parent_object_id", INT, false),
            ("parent_column_id", INT, false),
            ("referenced_object_id", INT, false),
            ("referenced_column_id", INT, false),
        ],
        rows: foreign_key_columns,
    },
    View {
        schema: "sys",
        name: "triggers",
        columns: &[
            ("name", NAME, false),
            ("object_id", INT, false),
            ("parent_class", TINY, false),
            ("parent_class_desc", DESC, true),
            ("parent_id", INT, false),
            ("type", CODE, false),
            ("type_desc", DESC, true),
            ("create_date", TIME, false),
            ("modify_date", TIME, false),
            ("is_ms_shipped", BIT, false),
            ("is_disabled", BIT, false),
            ("is_not_for_replication", BIT, false),
            ("is_instead_of_trigger", BIT, false),
        ],
        rows: nothing,
    },
    View {
        schema: "sys",
        name: "sql_expression_dependencies",
        columns: &[
            ("referencing_id", INT, false),
            ("referencing_minor_id", INT, false),
            ("referencing_class", TINY, true),
            ("referencing_class_desc", DESC, true),
            ("is_schema_bound_reference", BIT, false),
            ("referenced_class", TINY, true),
            ("referenced_class_desc", DESC, true),
            ("referenced_server_name", NAME, true),
            ("referenced_database_name", NAME, true),
            ("referenced_schema_name", NAME, true),
            ("referenced_entity_name", NAME, true),
            ("referenced_id", INT, true),
            ("referenced_minor_id", INT, false),
            ("is_caller_dependent", BIT, false),
            ("is_ambiguous", BIT, false),
        ],
        rows: nothing,
    },
    View {
        schema: "sys",
        name: "stats",
        columns: &[
            ("object_id", INT, false),
            ("name", NAME, true),
            ("stats_id", INT, false),
            ("auto_created", BIT, true),
            ("user_created", BIT, true),
            ("no_recompute", BIT, true),
            ("has_filter", BIT, true),
            ("filter_definition", TEXT, true),
            ("is_temporary", BIT, true),
            ("is_incremental", BIT, true),
        ],
        rows: stats,
    },
    View {
        schema: "sys",
        name: "stats_columns",
        columns: &[
            ("object_id", INT, false),
            ("stats_id", INT, false),
            ("stats_column_id", INT, false),
            ("column_id", INT, true),
        ],
        rows: stats_columns,
    },
    View {
        schema: "sys",
        name: "sensitivity_classifications",
        columns: &[
            ("class", INT, false),
            ("class_desc", DESC, false),
            ("major_id", INT, false),
            ("minor_id", INT, false),
            ("label", TEXT, true),
            ("label_id", TEXT, true),
            ("information_type", TEXT, true),
            ("information_type_id", TEXT, true),
            ("rank", INT, true),
            ("rank_desc", DESC, true),
        ],
        rows: nothing,
    },
    View {
        schema: "sys",
        name: "database_audit_specification_details",
        columns: &[
            ("database_specification_id", INT, false),
            ("audit_action_id", CODE, false),
            ("audit_action_name", NAME, true),
            ("class", INT, false),
            ("class_desc", DESC, true),
            ("major_id", INT, false),
            ("minor_id", INT, false),
            ("audited_principal_id", INT, false),
            ("audited_result", DESC, true),
            ("is_group", BIT, true),
        ],
        rows: nothing,
    },
    View {
        schema: "sys",
        name: "computed_columns",
        columns: &[
            ("object_id", INT, false),
            ("name", NAME, true),
            ("column_id", INT, false),
            ("system_type_id", TINY, false),
            ("user_type_id", INT, false),
            ("max_length", SMALL, false),
            ("precision", TINY, false),
            ("scale", TINY, false),
            ("collation_name", NAME, true),
            ("is_nullable", BIT, true),
            ("definition", TEXT, true),
            ("uses_database_collation", BIT, false),
            ("is_persisted", BIT, false),
        ],
        rows: nothing,
    },
    View {
        schema: "sys",
        name: "extended_properties",
        columns: &[
            ("class", TINY, false),
            ("class_desc", DESC, true),
            ("major_id", INT, false),
            ("minor_id", INT, false),
            ("name", NAME, false),
            ("value", TEXT, true),
        ],
        rows: nothing,
    },
    View {
        schema: "sys",
        name: "data_spaces",
        columns: &[
            ("name", NAME, false),
            ("data_space_id", INT, false),
            ("type", CODE, false),
            ("type_desc", DESC, true),
            ("is_default", BIT, true),
            ("is_system", BIT, true),
        ],
        rows: data_spaces,
    },
];

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn nothing(_: &Context<'_>) -> Rows {
    Ok(Vec::new())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn data_spaces(_: &Context<'_>) -> Rows {
    Ok(vec![json!([
        "PRIMARY",
        PRIMARY_FILEGROUP,
        "FG",
        "ROWS_FILEGROUP",
        1,
        0
    ])])
}

fn foreign_keys(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for f in &t.foreign_keys {
            let parent = context.catalog.table_by_id(f.parent);
            let index = parent.and_then(|p| {
                p.indexes.iter().find(|i| {
                    i.unique
                        && i.keys.len() == f.parent_columns.len()
                        && i.keys.iter().all(|k| f.parent_columns.contains(&k.0))
                })
            });
            rows.push(json!([
                f.name,
                f.object_id,
                null,
                context.schema_id(&t),
                t.object_id,
                "F ",
                "FOREIGN_KEY_CONSTRAINT",
                t.create_date,
                t.modify_date,
                0,
                f.parent,
                index.map(|i| i.id),
                0,
                0,
                0,
                "NO_ACTION",
                0,
                "NO_ACTION"
            ]));
        }
    }
    Ok(rows)
}

fn foreign_key_columns(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for f in &t.foreign_keys {
            for (at, (child, parent)) in f.columns.iter().zip(&f.parent_columns).enumerate() {
                rows.push(json!([f.object_id, at + 1, t.object_id, child, f.parent, parent]));
            }
        }
    }
    Ok(rows)
}

/// Statistics of indexes have the ids of these; others come after them.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn stats(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for i in &t.indexes {
            rows.push(json!([t.object_id, i.name, i.id, 0, 0, 0, 0, null, 0, 0]));
        }
        for (at, s) in t.statistics.iter().enumerate() {
            rows.push(json!([
                t.object_id,
                s.name,
                statistics_id(&t, at),
                0,
                1,
                0,
                0,
                null,
                0,
                0
            ]));
        }
    }
    Ok(rows)
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn stats_columns(context: &Context<'_>) -> Rows {
    let mut rows = Vec::new();
    for t in context.all() {
        for i in &t.indexes {
            for (at, (column, _)) in i.keys.iter().enumerate() {
                rows.push(json!([t.object_id, i.id, at + 1, column]));
            }
        }
        for (number, s) in t.statistics.iter().enumerate() {
            for (at, column) in s.columns.iter().enumerate() {
                rows.push(json!([t.object_id, statistics_id(&t, number), at + 1, column]));
            }
        }
    }
    Ok(rows)
}

fn statistics_id(table: &TableDef, number: usize) -> i64 {
    i64::from(table.last_index_id) + 1 + number as i64
}
