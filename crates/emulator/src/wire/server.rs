//! The state that all connections of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;

use crate::faults::Faults;
use crate::limits::{Holder, Limits};
use crate::log::StatementLog;
use crate::store::Role;
use crate::types::{Session, SessionOptions, SqlError};
use crate::wire::login::Login;
use crate::wire::prelogin::TlsMode;
use crate::wire::tls::Identity;

/// SQL Server gives its first user session this number.
const FIRST_SPID: u32 = 51;

/// A factory of sessions.
pub(crate) trait Backend: Send + Sync {
    /// Opens a session on a database. The error is 4060 if there is no such database.
    fn open(&self, options: SessionOptions) -> Result<Box<dyn Session>, SqlError>;
    /// The password of a login that a session has made.
    fn password(&self, login: &str) -> Option<String>;
    /// Changes a database's role.
    fn set_role(&self, database: &str, role: Role);
}

/// The state that all connections of a server share.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) backend: Arc<dyn Backend>,
    /// Names and passwords. Without any, everybody is let in.
    pub(crate) users: Vec<(String, String)>,
    pub(crate) limits: Limits,
    /// The requests that have arrived in part.
    pub(crate) held: Holder,
    pub(crate) tls: TlsMode,
    pub(crate) identity: Identity,
    pub(crate) faults: Faults,
    pub(crate) log: StatementLog,
    /// The number of running conversations.
    pub(crate) live: watch::Sender<usize>,
    pub(crate) next_spid: AtomicU32,
}

impl Server {
    /// Whether the name and the password are those of a user.
    pub(crate) fn knows(&self, login: &Login) -> bool {
        // Hashes compare in a time that says nothing about the password.
        let given = blake3::hash(login.password.as_bytes());
        let is = |(name, password): &(String, String)| {
            name.to_lowercase() == login.user.to_lowercase() && blake3::hash(password.as_bytes()) == given
        };
        let made = self.backend.password(&login.user);
        self.users.is_empty()
            || self.users.iter().any(is)
            || made.is_some_and(|password| blake3::hash(password.as_bytes()) == given)
    }

    /// The number of the next session.
    pub(crate) fn next_spid(&self) -> i16 {
        let span = i16::MAX as u32 - FIRST_SPID + 1;
        let nth = self.next_spid.fetch_add(1, Ordering::Relaxed) % span;
        (FIRST_SPID + nth) as i16
    }
}
