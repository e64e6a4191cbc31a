//! Locks between the sessions of a server.

/// All locks of a server.
#[derive(Default)]
pub(crate) struct LockManager {}
