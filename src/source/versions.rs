//! Whether reads of the source are by row versions or under locks.
//!
//! A readable secondary always reads row versions, and in a read-only database nothing moves. Elsewhere the database
//! must keep row versions: a session then reads by them, as [`crate::mssql::Session::open`] sets it.

use crate::base::error::Result;
use crate::source::session::SourceSession;

/// One row if the database is written and keeps no row versions for readers, or none that a session may read by: see
/// [`crate::mssql::Session::open`].
const LOCKING: &str = "SELECT 1 AS [locking] FROM sys.databases WHERE name = DB_NAME() \
    AND (snapshot_isolation_state <> 1 OR EXISTS (SELECT 1 FROM sys.tables WHERE is_memory_optimized = 1)) \
    AND is_read_committed_snapshot_on = 0 \
    AND CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) = N'READ_WRITE'";

/// The warning for an operator if reads of the source are under locks.
///
/// # Errors
/// Those of the session that break it; a server that does not tell reads as it does.
pub async fn missing(session: &mut SourceSession) -> Result<Option<&'static str>> {
    let locking = match session.session.rows(LOCKING, &[]).await {
        Ok(rows) => !rows.is_empty(),
        Err(error) if error.kind().is_of_the_statement() => false,
        Err(error) => return Err(error),
    };
    Ok(locking.then_some(
        "The source's database keeps no row versions for its readers. A read waits for writers, and a row that moves in \
         its index meanwhile may be missed or seen twice; `sync reconcile --source` finds such rows. Read a replica, or \
         ask for ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON (READ_COMMITTED_SNAPSHOT ON, if the database has \
         memory-optimized tables)",
    ))
}
