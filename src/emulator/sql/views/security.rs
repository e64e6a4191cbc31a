//! The catalog views of who may do what.

use serde_json::json;

use super::rows::Rows;
use super::{BIT, Context, DESC, INT, NAME, TIME, TINY, View};
use crate::emulator::types::SqlType;

/// The id of `dbo`, who grants and denies whatever is granted and denied here.
const DBO: i32 = 1;

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
];

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn permissions(context: &mut Context<'_>) -> Rows {
    let row = |e: &crate::emulator::store::access::Entry| {
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
fn principals(context: &mut Context<'_>) -> Rows {
    let created = context.database.create_date;
    let logins = context.core.server.logins();
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
