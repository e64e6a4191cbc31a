//! The sessions that there are, what they ask for now, and what they leave open, for the views of a server's state.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct LiveSession {
    pub spid: i16,
    pub login: String,
    pub application: String,
    pub host: String,
    /// As a `datetime`.
    pub since: i64,
    pub database: i32,
    /// `@@TRANCOUNT` after the last request.
    pub transactions: u32,
    /// The number of its temp tables after the last request.
    pub temps: usize,
    /// In milliseconds, -1 for ever.
    pub lock_timeout: i64,
    /// `transaction_isolation_level`.
    pub isolation: u8,
    /// The request that it runs.
    pub request: Option<LiveRequest>,
}

/// A request that runs.
#[derive(Debug, Clone)]
pub(crate) struct LiveRequest {
    /// As a `datetime`.
    pub since: i64,
    /// The first word of its text.
    pub command: String,
}

/// The sessions of a server, by the numbers that locks know them by.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<u64, LiveSession>>);

impl Sessions {
    pub fn begin(&self, session: u64, live: LiveSession) {
        self.all().insert(session, live);
    }

    pub fn end(&self, session: u64) {
        self.all().remove(&session);
    }

    pub fn change(&self, session: u64, change: impl FnOnce(&mut LiveSession)) {
        if let Some(live) = self.all().get_mut(&session) {
            change(live);
        }
    }

    /// All of them, as they are now.
    pub fn list(&self) -> Vec<(u64, LiveSession)> {
        self.all()
            .iter()
            .map(|(session, live)| (*session, live.clone()))
            .collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, LiveSession>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
