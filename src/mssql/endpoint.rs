//! Where and how to log in, and how long to wait for what.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::secret::Secret;

/// How long a statement of ours waits for a lock before the server ends it with error 1222. A chunk's
/// transaction takes seconds; whoever holds a lock for a minute is not another chunk.
pub const LOCK_TIMEOUT_MS: u32 = 60_000;

/// Where and how to log in. `Debug` never shows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address of the machine.
    pub host: String,
    /// TCP port; not used when `instance` is given.
    pub port: u16,
    /// Named instance whose port the machine's SQL Server Browser is asked for. `None` when the port is known.
    pub instance: Option<String>,
    /// The database that every session is opened in.
    pub database: String,
    /// SQL Server login.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Whether everything is encrypted. If not, the login still is, unless the server is on this machine.
    pub encrypt: bool,
    /// Whether any certificate is good enough.
    pub trust_server_certificate: bool,
    /// A PEM or DER file of certificates that are trusted besides the machine's own.
    pub ca_file: Option<PathBuf>,
    /// What `APP_NAME()` shows.
    pub application: String,
    /// Whether to ask an availability group's listener for a readable secondary.
    pub read_only_intent: bool,
    /// `source` or `target`, for errors.
    pub label: &'static str,
}

/// How long to wait for what. Nothing waits without one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection, and for an answer of the SQL Server Browser.
    pub connect: Duration,
    /// For prelogin, TLS and login together.
    pub handshake: Duration,
    /// For the first byte of a statement's answer: sorting, locking and counting happen before it.
    pub statement: Duration,
    /// For the next byte, once an answer or a bulk load has begun. Longer than that is a dead connection.
    pub liveness: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            // What Microsoft's drivers wait.
            connect: Duration::from_secs(15),
            // A login can wait behind a failover; twice what Microsoft's drivers wait.
            handshake: Duration::from_secs(30),
            // A chunk's query that no index orders is a sort of a day; a count of a table can be minutes.
            statement: Duration::from_secs(15 * 60),
            // Twice the lock timeout, so that a wait for a lock ends as error 1222 and not as a dead connection.
            liveness: Duration::from_millis(2 * LOCK_TIMEOUT_MS as u64),
        }
    }
}
