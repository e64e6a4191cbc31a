//! The views of a server's state: sessions, requests, waits, and the availability group.
//!
//! Sessions, requests and who blocks whom are the emulator's own; the rest is what a test has set. The columns are part of
//! those that Microsoft documents, with their types ("sys.dm_exec_sessions (Transact-SQL)", "sys.dm_exec_requests
//! (Transact-SQL)", "sys.dm_os_wait_stats (Transact-SQL)", "sys.dm_hadr_database_replica_states (Transact-SQL)",
//! "sys.dm_hadr_availability_replica_states (Transact-SQL)", "sys.availability_replicas (Transact-SQL)",
//! "sys.availability_groups (Transact-SQL)").

use std::sync::Arc;

use serde_json::{Value, json};

use super::view::{BIG, BIT, Context, DESC, INT, NAME, Rows, SMALL, TIME, TINY, View};
use crate::sql::errors::error;
use crate::store::access::Permission;
use crate::store::database::Database;
use crate::store::live::LiveSession;
use crate::store::{GroupSigns, Role};
use crate::types::{Len, SqlError, SqlType};

const GUID: SqlType = SqlType::UniqueIdentifier;
const WORD: SqlType = SqlType::NVarChar(Len::N(30));
const SERVER: SqlType = SqlType::NVarChar(Len::N(256));

/// Units of a `datetime` a second.
const TICKS: i64 = 300;

pub(super) const VIEWS: &[View] = &[
    View {
        schema: "sys",
        name: "dm_exec_sessions",
        columns: &[
            ("session_id", SMALL, false),
            ("login_time", TIME, false),
            ("host_name", NAME, true),
            ("program_name", NAME, true),
            ("host_process_id", INT, true),
            ("login_name", NAME, false),
            ("status", WORD, false),
            ("is_user_process", BIT, false),
            ("transaction_isolation_level", SMALL, false),
            ("lock_timeout", INT, false),
            ("original_login_name", NAME, false),
            ("database_id", SMALL, false),
            ("open_transaction_count", INT, false),
        ],
        rows: sessions,
    },
    View {
        schema: "sys",
        name: "dm_exec_requests",
        columns: &[
            ("session_id", SMALL, false),
            ("request_id", INT, false),
            ("start_time", TIME, false),
            ("status", WORD, false),
            ("command", SqlType::NVarChar(Len::N(32)), false),
            ("database_id", SMALL, false),
            ("blocking_session_id", SMALL, true),
            ("wait_type", DESC, true),
            ("wait_time", INT, false),
            ("open_transaction_count", INT, false),
            ("total_elapsed_time", INT, false),
            ("transaction_isolation_level", SMALL, false),
            ("lock_timeout", INT, false),
        ],
        rows: requests,
    },
    View {
        schema: "sys",
        name: "dm_os_wait_stats",
        columns: &[
            ("wait_type", DESC, false),
            ("waiting_tasks_count", BIG, false),
            ("wait_time_ms", BIG, false),
            ("max_wait_time_ms", BIG, false),
            ("signal_wait_time_ms", BIG, false),
        ],
        rows: waits,
    },
    View {
        schema: "sys",
        name: "dm_hadr_database_replica_states",
        columns: &[
            ("database_id", INT, false),
            ("group_id", GUID, false),
            ("replica_id", GUID, false),
            ("group_database_id", GUID, false),
            ("is_local", BIT, true),
            ("is_primary_replica", BIT, true),
            ("synchronization_state", TINY, true),
            ("synchronization_state_desc", DESC, true),
            ("is_suspended", BIT, true),
            ("last_received_time", TIME, true),
            ("last_hardened_time", TIME, true),
            ("last_redone_time", TIME, true),
            ("log_send_queue_size", BIG, true),
            ("redo_queue_size", BIG, true),
            ("secondary_lag_seconds", BIG, true),
        ],
        rows: replicas,
    },
    View {
        schema: "sys",
        name: "dm_hadr_availability_replica_states",
        columns: &[
            ("replica_id", GUID, false),
            ("group_id", GUID, false),
            ("is_local", BIT, false),
            ("role", TINY, true),
            ("role_desc", DESC, true),
            ("connected_state", TINY, true),
            ("connected_state_desc", DESC, true),
            ("synchronization_health", TINY, true),
            ("synchronization_health_desc", DESC, true),
        ],
        rows: roles,
    },
    View {
        schema: "sys",
        name: "availability_replicas",
        columns: &[
            ("replica_id", GUID, true),
            ("group_id", GUID, true),
            ("replica_server_name", SERVER, true),
            ("availability_mode", TINY, true),
            ("availability_mode_desc", DESC, true),
            ("secondary_role_allow_connections", TINY, true),
            ("secondary_role_allow_connections_desc", DESC, true),
        ],
        rows: group_replicas,
    },
    View {
        schema: "sys",
        name: "availability_groups",
        columns: &[("group_id", GUID, false), ("name", NAME, true)],
        rows: groups,
    },
];

impl Context<'_> {
    fn sees_server(&self) -> bool {
        self.server.permits(self.login, Permission::ViewServerState)
    }

    /// Refuses a login that may not see the server's state. SQL Server sends error 297 after this one.
    fn must_see_server(&self) -> Result<(), SqlError> {
        if self.sees_server() {
            return Ok(());
        }
        let text = "VIEW SERVER STATE permission was denied on object 'server', database 'master'.";
        Err(error(300, 14, 1, text))
    }

    /// The sessions that the login may see: without VIEW SERVER STATE its own one alone.
    fn sessions(&self) -> Vec<(u64, LiveSession)> {
        let sees = self.sees_server();
        let mut sessions = self.server.live.list();
        sessions.retain(|(session, _)| sees || *session == self.session);
        sessions
    }

    /// The group, and the databases in it: those that clients have made.
    fn group(&self) -> Option<(GroupSigns, Vec<Arc<Database>>)> {
        let group = self.server.signs().group?;
        let mut databases = self.server.all_databases();
        databases.retain(|database| database.id >= crate::store::database::FIRST_USER_ID);
        Some((group, databases))
    }

    /// Whether the databases of the group are those of a secondary.
    fn is_secondary(&self) -> bool {
        self.database.role() == Role::ReadableSecondary
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn sessions(context: &Context<'_>) -> Rows {
    let row = |(_, s): (u64, LiveSession)| {
        json!([
            s.spid,
            s.since,
            s.host,
            s.application,
            null,
            s.login,
            if s.request.is_some() {
                "running"
            } else {
                "sleeping"
            },
            1,
            s.isolation,
            s.lock_timeout,
            s.login,
            s.database,
            s.transactions
        ])
    };
    Ok(context.sessions().into_iter().map(row).collect())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn requests(context: &Context<'_>) -> Rows {
    let all = context.server.live.list();
    let waits = context.server.locks.waits();
    let now = context.server.now_datetime();
    let blocker = |session: &u64| {
        let first = waits.get(session)?.first()?;
        all.iter().find(|(other, _)| other == first).map(|(_, s)| s.spid)
    };
    let row = |(session, s): (u64, LiveSession)| {
        let request = s.request?;
        let blocked = waits.contains_key(&session);
        let elapsed = (now - request.since).max(0) * 1000 / TICKS;
        Some(json!([
            s.spid,
            0,
            request.since,
            if blocked { "suspended" } else { "running" },
            request.command,
            s.database,
            blocker(&session).unwrap_or(0),
            blocked.then_some("LCK_M_S"),
            if blocked { elapsed } else { 0 },
            s.transactions,
            elapsed,
            s.isolation,
            s.lock_timeout
        ]))
    };
    Ok(context.sessions().into_iter().filter_map(row).collect())
}

fn waits(context: &Context<'_>) -> Rows {
    context.must_see_server()?;
    let row = |(name, count, time): &(String, i64, i64)| json!([name, count, time, time, 0]);
    Ok(context.server.signs().waits.iter().map(row).collect())
}

/// An id of a name, as [`rows::hex`](super::rows) writes ids.
fn id(name: &str) -> String {
    let hash = blake3::hash(name.as_bytes());
    hash.as_bytes()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn replica_id(context: &Context<'_>) -> String {
    id(&format!("replica {}", context.server.server_name))
}

fn replicas(context: &Context<'_>) -> Rows {
    context.must_see_server()?;
    let Some((group, databases)) = context.group() else {
        return Ok(Vec::new());
    };
    let received = group
        .received_seconds_ago
        .map(|ago| context.server.now_datetime() - ago * TICKS);
    let state = ["NOT SYNCHRONIZING", "SYNCHRONIZING", "SYNCHRONIZED"].get(usize::from(group.state));
    let row = |database: &Arc<Database>| -> Value {
        let secondary = database.role() == Role::ReadableSecondary;
        let of_secondary = |value: Option<i64>| value.filter(|_| secondary);
        json!([
            database.id,
            id(&group.name),
            replica_id(context),
            id(&database.name),
            1,
            i32::from(!secondary),
            group.state,
            state,
            i32::from(group.suspended),
            of_secondary(received),
            of_secondary(received),
            of_secondary(received),
            of_secondary(group.send_queue),
            of_secondary(group.redo_queue),
            of_secondary(group.lag_seconds)
        ])
    };
    Ok(databases.iter().map(row).collect())
}

fn roles(context: &Context<'_>) -> Rows {
    context.must_see_server()?;
    let Some((group, _)) = context.group() else {
        return Ok(Vec::new());
    };
    let (role, described) = match context.is_secondary() {
        true => (2, "SECONDARY"),
        false => (1, "PRIMARY"),
    };
    Ok(vec![json!([
        replica_id(context),
        id(&group.name),
        1,
        role,
        described,
        1,
        "CONNECTED",
        2,
        "HEALTHY"
    ])])
}

/// Without VIEW ANY DEFINITION the catalog hides it ("Metadata Visibility Configuration").
fn visible_group(context: &Context<'_>) -> Option<GroupSigns> {
    let (group, _) = context.group()?;
    let sees = context
        .server
        .permits(context.login, Permission::ViewAnyDefinition);
    sees.then_some(group)
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn group_replicas(context: &Context<'_>) -> Rows {
    let row = |group: GroupSigns| {
        let (mode, described) = match group.synchronous {
            true => (1, "SYNCHRONOUS_COMMIT"),
            false => (0, "ASYNCHRONOUS_COMMIT"),
        };
        json!([
            replica_id(context),
            id(&group.name),
            context.server.server_name,
            mode,
            described,
            1,
            "READ_ONLY"
        ])
    };
    Ok(visible_group(context).map(row).into_iter().collect())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the views share the type of this function"
)]
fn groups(context: &Context<'_>) -> Rows {
    let row = |group: GroupSigns| json!([id(&group.name), group.name]);
    Ok(visible_group(context).map(row).into_iter().collect())
}
