//! The catalog views of principals, permissions, masks and security policies.

use serde_json::json;

use super::rows;
use super::view::{
    BIT, CODE, COLUMN_COLUMNS, Context, DESC, INT, NAME, OBJECT_COLUMNS, Rows, TEXT, TIME, TINY, View,
    ViewColumn,
};
use crate::store::access::{Class, Permission};
use crate::store::declared::Policy;
use crate::types::SqlType;

/// The id of `dbo`, the grantor of every permission here.
const DBO: i32 = 1;

/// The columns of `sys.columns` and the function ("sys.masked_columns (Transact-SQL)").
const MASKED_COLUMNS: [ViewColumn; COLUMN_COLUMNS.len() + 1] =
    extended(COLUMN_COLUMNS, [("masking_function", TEXT, true)]);

/// The columns of `sys.objects` and the policy's own ("sys.security_policies (Transact-SQL)").
const POLICY_COLUMNS: [ViewColumn; OBJECT_COLUMNS.len() + 4] = extended(
    OBJECT_COLUMNS,
    [
        ("is_enabled", BIT, false),
        ("is_not_for_replication", BIT, false),
        ("uses_database_collation", BIT, true),
        ("is_schema_bound", BIT, false),
    ],
);

const fn extended<const MORE: usize, const ALL: usize>(
    columns: &[ViewColumn],
    more: [ViewColumn; MORE],
) -> [ViewColumn; ALL] {
    let mut all = [("", CODE, false); ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < columns.len() {
            columns[at]
        } else {
            more[at - columns.len()]
        };
        at += 1;
    }
    all
}

pub(super) const VIEWS: &[View] = &[
    View {
        schema: "sys",
        name: "database_permissions",
        columns: &[
            ("class", TINY, false),
            ("class_desc", DESC, true),
            ("major_id", INT, false),
            ("minor_id", INT, false),
            ("grantee_principal_id", INT, false),
            ("grantor_principal_id", INT, false),
            ("type", SqlType::Char(4), false),
            ("permission_name", NAME, true),
            ("state", SqlType::Char(1), false),
            ("state_desc", DESC, true),
        ],
        rows: permissions,
    },
    View {
        schema: "sys",
        name: "database_principals",
        columns: &[
            ("name", NAME, false),
            ("principal_id", INT, false),
            ("type", SqlType::Char(1), false),
            ("type_desc", DESC, true),
            ("default_schema_name", NAME, true),
            ("create_date", TIME, false),
            ("modify_date", TIME, false),
            ("owning_principal_id", INT, true),
            ("is_fixed_role", BIT, false),
            ("authentication_type", INT, false),
            ("authentication_type_desc", DESC, true),
        ],
        rows: principals,
    },
    View {
        schema: "sys",
        name: "masked_columns",
        columns: &MASKED_COLUMNS,
        rows: masked_columns,
    },
    View {
        schema: "sys",
        name: "security_policies",
        columns: &POLICY_COLUMNS,
        rows: policies,
    },
    View {
        schema: "sys",
        name: "security_predicates",
        columns: &[
            ("object_id", INT, false),
            ("security_predicate_id", INT, false),
            ("target_object_id", INT, false),
            ("predicate_definition", TEXT, true),
            ("predicate_type", INT, true),
            ("predicate_type_desc", DESC, true),
            ("operation", INT, true),
            ("operation_desc", DESC, true),
        ],
        rows: predicates,
    },
];

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn permissions(context: &Context<'_>) -> Rows {
    let row = |e: &crate::store::access::Entry| {
        let (class, class_name) = e.class.described();
        let (state, state_name) = e.state.described();
        json!([
            class,
            class_name,
            e.major_id,
            0,
            e.grantee,
            DBO,
            e.permission.code(),
            e.permission.name(),
            state,
            state_name
        ])
    };
    Ok(context.catalog.access.entries.iter().map(row).collect())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn principals(context: &Context<'_>) -> Rows {
    let created = context.database.create_date;
    let logins = context.server.logins();
    let row = |(id, name): &(i32, String)| {
        let role = *id == 0;
        let (kind, kind_name) = if role {
            ("R", "DATABASE_ROLE")
        } else {
            ("S", "SQL_USER")
        };
        let schema = match id {
            0 | 3 | 4 => None,
            2 => Some("guest"),
            _ => Some("dbo"),
        };
        let (authentication, authentication_name) = match id {
            0 | 2..=4 => (0, "NONE"),
            _ => (1, "INSTANCE"),
        };
        json!([
            name,
            id,
            kind,
            kind_name,
            schema,
            created,
            created,
            role.then_some(DBO),
            0,
            authentication,
            authentication_name
        ])
    };
    let all = context.catalog.access.all_principals(&logins);
    Ok(all.iter().map(row).collect())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn masked_columns(context: &Context<'_>) -> Rows {
    let mut found = Vec::new();
    for t in context.all() {
        for c in &t.columns {
            if let Some(function) = &c.mask {
                let mut row = rows::column(&t, c);
                row.push(json!(function));
                found.push(row.into());
            }
        }
    }
    Ok(found)
}

impl Context<'_> {
    /// The policies that the login may see: with ALTER ANY SECURITY POLICY or VIEW DEFINITION
    /// ("sys.security_predicates (Transact-SQL)").
    fn seen_policies(&self) -> Vec<Policy> {
        let (catalog, login) = (&self.catalog, self.login);
        let all = catalog.declared.policies.iter().filter(|p| {
            let schema = catalog.schema(&p.schema).map_or(0, |s| s.0);
            let on = [
                (Class::Object, p.object_id),
                (Class::Schema, schema),
                (Class::Database, 0),
            ];
            !catalog.denies_in_database(login, Permission::AlterAnySecurityPolicy)
                || !catalog.access.denies(login, Permission::ViewDefinition, &on)
        });
        all.cloned().collect()
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn policies(context: &Context<'_>) -> Rows {
    let row = |p: &Policy| {
        json!([
            p.name,
            p.object_id,
            null,
            context.catalog.schema(&p.schema).map_or(0, |s| s.0),
            0,
            "SP",
            "SECURITY_POLICY",
            p.create_date,
            p.create_date,
            0,
            i32::from(p.enabled),
            0,
            0,
            1
        ])
    };
    Ok(context.seen_policies().iter().map(row).collect())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn predicates(context: &Context<'_>) -> Rows {
    let mut found = Vec::new();
    for policy in context.seen_policies() {
        for (at, p) in policy.predicates.iter().enumerate() {
            found.push(json!([
                policy.object_id,
                at + 1,
                p.table,
                p.definition,
                0,
                "FILTER",
                null,
                null
            ]));
        }
    }
    Ok(found)
}
