//! The facts that were found at the source, as the JSON of `sync doctor` has them.

use serde::Serialize;

use crate::model::pace::Signs;
use crate::mssql::ServerInfo;
use crate::source::standing::Standing;

/// What was found at the source. A fact that its server does not tell, or hides from the login, is absent. JSON has its fields
/// in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceFacts {
    /// The name of its availability group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_group: Option<String>,
    /// Its database.
    pub database: String,
    /// How far it is behind its primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<u64>,
    /// The entry of `replica_names` that would prove it by its name, and nothing else.
    pub named_proof: String,
    /// Whether READ_COMMITTED_SNAPSHOT is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_committed_snapshot: Option<bool>,
    /// Whether `replica_proof = "read_only"` holds for it.
    pub read_only_proof: bool,
    /// Who may read it as a secondary: `NO`, `READ_ONLY` or `ALL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readable: Option<String>,
    /// The log that it has still to redo, in KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redo_queue_kib: Option<u64>,
    /// Its role in its availability group: `PRIMARY`, `SECONDARY` or `RESOLVING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_role: Option<String>,
    /// Whether the login may see the server's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sees_state: Option<bool>,
    /// The log that its primary has still to send to it, in KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_queue_kib: Option<u64>,
    /// Its server, as it names itself.
    pub server: String,
    /// Whether the database is a snapshot of another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<bool>,
    /// Whether ALLOW_SNAPSHOT_ISOLATION is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_isolation: Option<bool>,
    /// Whether the database is a standby of log shipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby: Option<bool>,
    /// Whether its data movement is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// `SYNCHRONIZED`, `SYNCHRONIZING`, `NOT SYNCHRONIZING`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<String>,
    /// Whether the primary waits for it at each commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronous: Option<bool>,
    /// `READ_ONLY` or `READ_WRITE`; empty if the server does not tell it.
    pub updateability: String,
    /// The first line of its version.
    pub version: String,
}

impl SourceFacts {
    pub(super) fn of(
        server: &ServerInfo,
        standing: Standing,
        signs: &Signs,
        sees_state: Option<bool>,
    ) -> Self {
        let replica = standing.replica.unwrap_or_default();
        SourceFacts {
            availability_group: replica.group,
            database: server.database.clone(),
            lag_seconds: signs.lag.map(|lag| lag.as_secs()),
            named_proof: format!("{}/{}", server.server_name, server.database),
            read_committed_snapshot: standing.read_committed_snapshot,
            read_only_proof: server.updateability == "READ_ONLY",
            readable: replica.readable,
            redo_queue_kib: signs.redo_queue_kib,
            replica_role: replica.role,
            sees_state,
            send_queue_kib: signs.send_queue_kib,
            server: server.server_name.clone(),
            snapshot: standing.snapshot,
            snapshot_isolation: standing.snapshot_isolation,
            standby: standing.standby,
            suspended: replica.suspended,
            synchronization: replica.synchronization,
            synchronous: replica.synchronous,
            updateability: server.updateability.clone(),
            version: server.version.clone(),
        }
    }
}
