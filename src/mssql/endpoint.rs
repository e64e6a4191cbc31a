//! The endpoint of a connection, and its timeouts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::mssql::bound::{Bound, COLLECTED_BYTES_MAX, LOGIN_BYTES_MAX, MANY_BYTES_MAX, row_bytes_max};
use crate::mssql::meter::Meter;
use crate::mssql::profile::Profile;

/// The time that a statement waits for a lock before the server ends it with error 1222. A chunk's transaction takes
/// seconds, so a lock that is held for a minute is not another chunk's.
pub const LOCK_TIMEOUT_MS: u32 = 60_000;

/// The server, database and login of a connection. `Debug` never shows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address of the machine.
    pub host: String,
    /// TCP port; not used when `instance` is given.
    pub port: u16,
    /// Named instance, whose port the machine's SQL Server Browser reports. `None` if the port is known.
    pub instance: Option<String>,
    /// The database that every session is opened in.
    pub database: String,
    /// SQL Server login.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Whether the whole connection is encrypted. If not, the login still is, unless the server is on this machine.
    pub encrypt: bool,
    /// Whether any certificate is accepted, for the login as for the whole connection.
    pub trust_server_certificate: bool,
    /// A PEM or DER file of certificates to trust besides the machine's own.
    pub ca_file: Option<PathBuf>,
    /// Hosts that the server may send the login on to, beside its own and those of its DNS domain.
    pub redirect_hosts: Vec<String>,
    /// The application's name, which `APP_NAME()` shows.
    pub application: String,
    /// Whether the login asks an availability group's listener for a readable secondary.
    pub read_only_intent: bool,
    /// `source` or `target`, for errors and for the profile.
    pub label: &'static str,
    /// The key that seals receipts at this end, if receipts are sealed.
    pub receipt_key: Option<Secret>,
    /// The counts of statements that sessions of this endpoint add to; `None` if nobody asked for them.
    pub profile: Option<Arc<Profile>>,
    /// What sessions of this endpoint add to; `None` if nobody counts.
    pub meter: Option<Arc<Meter>>,
}

/// The limits of all waits for a server, and of what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Limit of a TCP connection attempt, and of an answer of the SQL Server Browser.
    pub connect: Duration,
    /// Limit of prelogin, TLS and login together, and once more of the session's options and its proof.
    pub handshake: Duration,
    /// Limit of the wait for the first byte of a statement's answer. The server sorts, locks and counts before it.
    pub statement: Duration,
    /// Limit of the wait for the next byte of an answer or a bulk load. A longer silence means a dead connection.
    pub liveness: Duration,
    /// Limit of the bytes of one row on the wire; see [`row_bytes_max`].
    pub row_bytes: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            // The default of Microsoft's drivers.
            connect: Duration::from_secs(15),
            // Twice the default of Microsoft's drivers, because a login can wait behind a failover.
            handshake: Duration::from_secs(30),
            // Without an index, a chunk's query sorts the rows of a day; a count of a table can take minutes.
            statement: Duration::from_secs(15 * 60),
            // Twice the lock timeout, so that a wait for a lock ends in error 1222 and not as a dead connection.
            liveness: Duration::from_millis(2 * LOCK_TIMEOUT_MS as u64),
            // That of the default of `chunk_bytes_max`.
            row_bytes: row_bytes_max(16 << 20),
        }
    }
}

/// The bounds of answers.
impl Timeouts {
    /// Prelogin, TLS and login.
    pub(super) fn login(&self) -> Bound {
        Bound {
            bytes: LOGIN_BYTES_MAX,
            whole: self.handshake,
        }
    }

    /// An answer that is collected.
    pub(super) fn collected(&self) -> Bound {
        self.of_bytes(COLLECTED_BYTES_MAX)
    }

    /// An answer of many rows that is collected.
    pub(super) fn many(&self) -> Bound {
        self.of_bytes(MANY_BYTES_MAX)
    }

    /// What comes from one row to the next, and an answer whose rows nobody wants: a trigger may return those that it
    /// was called for.
    pub(super) fn rows(&self) -> Bound {
        self.of_bytes(self.row_bytes)
    }

    /// The rest of an answer that is cancelled: what the server had sent before it knew, which sockets hold.
    pub(super) fn cancelled(&self) -> Bound {
        Bound {
            bytes: COLLECTED_BYTES_MAX,
            whole: self.liveness,
        }
    }

    /// An answer may be silent as long as it may take to begin, and then as long as it may pause.
    fn of_bytes(&self, bytes: u64) -> Bound {
        Bound {
            bytes,
            whole: self.statement.saturating_add(self.liveness),
        }
    }
}
