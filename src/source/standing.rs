//! Where a source stands: its role in an availability group, and the kind of database that it reads of. For who sets a source
//! up, and for no decision: what may be read is proven by each batch.
//!
//! It reads catalog and state alone. What the login may not see, or the server does not have, is `None`.

use crate::base::error::Result;
use crate::mssql::Row;
use crate::source::session::SourceSession;

/// The database as its server lists it.
const DATABASE: &str = "SELECT is_in_standby, source_database_id, snapshot_isolation_state, is_read_committed_snapshot_on \
    FROM sys.databases WHERE name = DB_NAME()";

/// Its replica, as the server that hosts it sees it.
const REPLICA: &str = "SELECT g.name AS [group_name], s.role_desc, r.availability_mode, r.secondary_role_allow_connections_desc, \
    d.synchronization_state_desc, d.is_suspended FROM sys.dm_hadr_database_replica_states AS d \
    LEFT JOIN sys.dm_hadr_availability_replica_states AS s ON s.replica_id = d.replica_id AND s.is_local = 1 \
    LEFT JOIN sys.availability_replicas AS r ON r.replica_id = d.replica_id \
    LEFT JOIN sys.availability_groups AS g ON g.group_id = d.group_id \
    WHERE d.database_id = DB_ID() AND d.is_local = 1";

/// `availability_mode` of a replica that commits synchronously.
const SYNCHRONOUS: i64 = 1;

/// `snapshot_isolation_state` of a database that allows it.
const ALLOWED: i64 = 1;

/// What a server tells of the source's database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is a standby that log backups are restored to.
    pub standby: Option<bool>,
    /// Whether it is a snapshot of another database.
    pub snapshot: Option<bool>,
    /// Whether READ_COMMITTED_SNAPSHOT is on.
    pub read_committed_snapshot: Option<bool>,
    /// Whether ALLOW_SNAPSHOT_ISOLATION is on.
    pub snapshot_isolation: Option<bool>,
    /// Its replica, if it is in an availability group and the login may see that.
    pub replica: Option<Replica>,
}

/// A replica of an availability group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replica {
    /// The group's name.
    pub group: Option<String>,
    /// `PRIMARY`, `SECONDARY` or `RESOLVING`.
    pub role: Option<String>,
    /// Whether the primary waits for it at each commit.
    pub synchronous: Option<bool>,
    /// Who may read it as a secondary: `NO`, `READ_ONLY` or `ALL`.
    pub readable: Option<String>,
    /// `SYNCHRONIZED`, `SYNCHRONIZING`, `NOT SYNCHRONIZING`, ….
    pub synchronization: Option<String>,
    /// Whether its data movement is suspended.
    pub suspended: Option<bool>,
}

/// Reads the standing of a source.
///
/// # Errors
/// Those of a connection that breaks.
pub async fn standing(session: &mut SourceSession) -> Result<Standing> {
    let mut standing = Standing::default();
    if let Some(row) = first(session, DATABASE).await? {
        let number = |column: &str| row.optional_integer(column);
        standing.standby = number("is_in_standby")?.map(|flag| flag != 0);
        standing.snapshot = Some(number("source_database_id")?.is_some());
        standing.snapshot_isolation = number("snapshot_isolation_state")?.map(|state| state == ALLOWED);
        standing.read_committed_snapshot = number("is_read_committed_snapshot_on")?.map(|flag| flag != 0);
    }
    if let Some(row) = first(session, REPLICA).await? {
        let text = |column: &str| {
            Ok::<_, crate::base::error::Error>(row.optional_text(column)?.map(crate::base::text::shown))
        };
        standing.replica = Some(Replica {
            group: text("group_name")?,
            role: text("role_desc")?,
            synchronous: row
                .optional_integer("availability_mode")?
                .map(|mode| mode == SYNCHRONOUS),
            readable: text("secondary_role_allow_connections_desc")?,
            synchronization: text("synchronization_state_desc")?,
            suspended: row.optional_integer("is_suspended")?.map(|flag| flag != 0),
        });
    }
    Ok(standing)
}

/// The one row of an answer; `None` if there is none, or the server refuses the question.
async fn first(session: &mut SourceSession, sql: &str) -> Result<Option<Row>> {
    match session.session.rows(sql, &[]).await {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if session.is_broken() => Err(error),
        Err(_) => Ok(None),
    }
}
