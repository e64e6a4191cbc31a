//! Whether reads of the source are by row versions or under locks.
//!
//! A readable secondary always reads row versions, and in a read-only database nothing moves. Elsewhere the database
//! must keep row versions: a session then reads by them, as [`crate::mssql::Session::open`] sets it.

use crate::source::session::SourceSession;

/// The warning for an operator if reads of the source are under locks. A server that does not tell reads as it does.
pub fn missing(session: &SourceSession) -> Option<&'static str> {
    session.session.locks_rows().then_some(
        "The source's database keeps no row versions for its readers. A read waits for writers, and a row that moves in \
         its index meanwhile may be missed or seen twice; `sync reconcile --source` finds such rows. Read a replica, or \
         ask for ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON (READ_COMMITTED_SNAPSHOT ON, if the database has \
         memory-optimized tables)",
    )
}
