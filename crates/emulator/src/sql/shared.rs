//! The state that a session shares with the functions it registers with SQLite.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::ServerState;
use crate::store::catalog::{Catalog, TableDef};
use crate::types::SqlError;

/// State that the registered functions share with the session.
#[derive(Default)]
pub(crate) struct Shared {
    /// The error that a function raised. SQLite passes on only its text.
    pub error: Option<SqlError>,
    /// The identity counter of the table being inserted into, and its increment.
    pub identity: Option<(Arc<std::sync::atomic::AtomicI64>, i64)>,
    /// The last identity value given.
    pub last_identity: Option<i64>,
    /// The current database and its catalog, for OBJECT_ID and the like.
    pub names: Names,
}

/// The catalogs and names in which OBJECT_ID and similar functions look up.
#[derive(Default, Clone)]
pub(crate) struct Names {
    pub server: Option<Arc<ServerState>>,
    /// The session, as locks know it.
    pub session: u64,
    pub login: String,
    pub database: String,
    pub catalog: Arc<Catalog>,
    pub temps: Vec<Arc<TableDef>>,
}

/// Locks the shared state. A panic while it was held leaves nothing half done.
pub(crate) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
