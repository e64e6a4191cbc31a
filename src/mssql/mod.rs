//! Where a server is and what a source must prove: the part of the driver's side that the configuration makes.

use std::path::PathBuf;

use crate::secret::Secret;

/// Where and how to log in; made by the configuration. `Debug` never shows the password.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port; not asked when an instance is named.
    pub port: u16,
    /// Named instance, whose port the SQL Server Browser is asked for.
    pub instance: Option<String>,
    /// Database of the session.
    pub database: String,
    /// SQL login.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Whether the connection is encrypted.
    pub encrypt: bool,
    /// Whether any certificate will do.
    pub trust_server_certificate: bool,
    /// Certificate authority to trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Name that the server's administrator sees.
    pub application: String,
    /// Whether the login says that it only reads, so that a listener routes it to a secondary.
    pub read_only_intent: bool,
    /// `source` or `target`, for errors.
    pub label: &'static str,
}

/// What a source connection must prove before it reads anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing.
    None,
    /// The database is READ_ONLY.
    ReadOnly,
    /// `SERVER/DATABASE` is one of these.
    Named(Vec<String>),
}

/// A proof, and the names that are refused whatever the proof says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// What must be proven.
    pub proof: Proof,
    /// Servers, or `SERVER/DATABASE`, that are never read.
    pub refuse_names: Vec<String>,
}
