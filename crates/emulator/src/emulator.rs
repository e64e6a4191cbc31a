//! The handle on a running server. It starts and stops the server, and lets a test do more than its clients can.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::faults::Faults;
use crate::limits::{Holder, Limits};
use crate::listen;
use crate::log::StatementLog;
use crate::sql;
use crate::store::{LockMode, Role, ServerConfig, ServerState, Signs, VERSION_TEXT};
use crate::types::{Session, SessionOptions, SqlError};
use crate::wire::prelogin::TlsMode;
use crate::wire::server::{Backend, Server};
use crate::wire::tls::Identity;

/// Threads of the network side. It only moves bytes; the work is on the sessions' own threads.
const NETWORK_THREADS: usize = 2;

/// The options that an emulator starts with. `Debug` shows no password.
#[derive(Clone)]
pub struct EmulatorOptions {
    /// The directory of the database files. The emulator makes it if it is missing.
    pub data: PathBuf,
    /// The address to listen on. Port 0 takes a free one; see [`Emulator::addr`].
    pub listen: SocketAddr,
    /// The answer to `@@SERVERNAME`.
    pub server_name: String,
    /// The answer to `@@VERSION`.
    pub version: String,
    /// Names and passwords of the logins. Without any, every login is let in.
    pub users: Vec<(String, String)>,
    /// Whether TLS is spoken.
    pub tls: TlsMode,
    /// Whether readers wait for writers.
    pub locks: LockMode,
    /// What clients may take of the server.
    pub limits: Limits,
}

impl std::fmt::Debug for EmulatorOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.users.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("EmulatorOptions")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("users", &names)
            .finish_non_exhaustive()
    }
}

impl EmulatorOptions {
    /// Options for a free loopback port: the server is named `EMULATOR`, lets every login in, offers TLS, and lets
    /// readers read without waiting.
    pub fn new(data: impl Into<PathBuf>) -> EmulatorOptions {
        EmulatorOptions {
            data: data.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            server_name: "EMULATOR".to_owned(),
            version: VERSION_TEXT.to_owned(),
            users: Vec::new(),
            tls: TlsMode::default(),
            locks: LockMode::default(),
            limits: Limits::default(),
        }
    }

    /// Refuses what [`Emulator::start`] refuses before it makes anything.
    ///
    /// # Errors
    /// When others than this machine can reach the address, and a login with a password and TLS are not both required.
    pub fn check(&self) -> Result<(), Error> {
        check_exposure(self)
    }
}

/// The reason why an emulator could not start or carry out a call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory could not be opened, or a database not made.
    #[error("The emulator's data directory {path} could not be used")]
    Data {
        /// The directory.
        path: PathBuf,
        /// The store's error.
        #[source]
        source: SqlError,
    },
    /// The address could not be listened on.
    #[error("The emulator could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The address is not a loopback one, and the options do not protect what is there.
    #[error("{address} can be reached from other machines, so the emulator does not listen on it {missing}")]
    Exposed {
        /// The address.
        address: SocketAddr,
        /// What the options lack.
        missing: &'static str,
    },
    /// The certificate could not be made.
    #[error("The emulator's certificate could not be made: {0}")]
    Certificate(String),
}

/// Refuses to serve other machines without a login, or rows and passwords that could be read on the way.
fn check_exposure(options: &EmulatorOptions) -> Result<(), Error> {
    let missing = if options.listen.ip().is_loopback() {
        return Ok(());
    } else if options.users.is_empty() || options.users.iter().any(|(_, password)| password.is_empty()) {
        "without a login that has a password"
    } else if options.tls != TlsMode::Required {
        "unless TLS is required"
    } else {
        return Ok(());
    };
    Err(Error::Exposed {
        address: options.listen,
        missing,
    })
}

struct Store(Arc<ServerState>);

impl Backend for Store {
    fn open(&self, options: SessionOptions) -> Result<Box<dyn Session>, SqlError> {
        sql::open(self.0.clone(), options)
    }

    fn password(&self, login: &str) -> Option<String> {
        self.0.password(login)
    }

    fn set_role(&self, database: &str, role: Role) {
        self.0.set_role(database, role);
    }
}

/// A session, as it is between two requests or in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// The client's name for itself.
    pub application: String,
    /// Its current database.
    pub database: String,
    /// `@@TRANCOUNT` after its last request.
    pub transactions: u32,
    /// The number of its temp tables after its last request.
    pub temps: usize,
    /// How long it waits for a lock, in milliseconds; -1 for ever.
    pub lock_timeout_ms: i64,
    /// Whether a request runs.
    pub is_running: bool,
}

/// A running server. See the [crate](crate).
pub struct Emulator {
    addr: SocketAddr,
    data: PathBuf,
    state: Arc<ServerState>,
    server: Arc<Server>,
    hang_up: mpsc::UnboundedSender<()>,
    /// `None` once it is stopped.
    runtime: Option<Runtime>,
}

impl Emulator {
    /// Opens the data directory and listens. Once it returns, clients can connect.
    ///
    /// # Errors
    /// When the directory, the address or the certificate cannot be had. When others than this machine can reach the
    /// address, and a login with a password and TLS are not both required.
    pub async fn start(options: EmulatorOptions) -> Result<Emulator, Error> {
        check_exposure(&options)?;
        let data = options.data.clone();
        let config = ServerConfig {
            data: options.data,
            server_name: options.server_name.clone(),
            version: options.version,
            locks: options.locks,
        };
        let state = ServerState::open(config).map_err(|source| Error::Data {
            path: data.clone(),
            source,
        })?;
        let backend = Arc::new(Store(state.clone()));
        let identity = Identity::generate(&options.server_name).map_err(Error::Certificate)?;
        let server = Arc::new(Server {
            name: options.server_name,
            backend,
            users: options.users,
            held: Holder::new(&options.limits),
            limits: options.limits,
            tls: options.tls,
            identity,
            faults: Faults::default(),
            log: StatementLog::default(),
            live: watch::Sender::new(0),
            next_spid: AtomicU32::new(0),
        });
        let failed = |source| Error::Listen {
            address: options.listen,
            source,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(NETWORK_THREADS)
            .thread_name("emulator")
            .enable_all()
            .build()
            .map_err(failed)?;
        let (hang_up, asked) = mpsc::unbounded_channel();
        let listening = runtime.spawn(TcpListener::bind(options.listen)).await;
        let listener = match listening
            .map_err(std::io::Error::other)
            .and_then(|listener| listener)
        {
            Ok(listener) => listener,
            Err(source) => {
                runtime.shutdown_background();
                return Err(failed(source));
            }
        };
        let addr = listener.local_addr().unwrap_or(options.listen);
        runtime.spawn(listen::accept(server.clone(), listener, asked));
        Ok(Emulator {
            addr,
            data,
            state,
            server,
            hang_up,
            runtime: Some(runtime),
        })
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The faults that it injects.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The statements that its clients have sent.
    pub fn log(&self) -> &StatementLog {
        &self.server.log
    }

    /// The databases by name, without the server's own, and their roles.
    pub fn databases(&self) -> Vec<(String, Role)> {
        let mut databases = self.state.roles();
        databases.retain(|(name, _)| name != "master");
        databases
    }

    /// Changes a database's role for the statements that start from now on; sessions stay connected.
    pub fn set_role(&self, database: &str, role: Role) {
        self.state.set_role(database, role);
    }

    /// Sets what the views of the server's state show from now on: waits, and the availability group.
    pub fn set_signs(&self, signs: Signs) {
        self.state.set_signs(signs);
    }

    /// The sessions there are now, by the application that each names, with what each has left open: the number of its open
    /// transactions and of its temp tables, its lock timeout in milliseconds, and whether it runs a request.
    pub fn sessions(&self) -> Vec<OpenSession> {
        let sessions = self.state.live.list().into_iter();
        sessions
            .map(|(_, session)| OpenSession {
                application: session.application,
                database: self.state.database_name(session.database),
                transactions: session.transactions,
                temps: session.temps,
                lock_timeout_ms: session.lock_timeout,
                is_running: session.request.is_some(),
            })
            .collect()
    }

    /// Sets a database's clock ahead of the machine's by so many seconds, or behind it by a negative number.
    /// Sessions whose current database it is see that clock in the statements that start from now on. A database
    /// that does not exist is ignored.
    pub fn set_clock(&self, database: &str, offset_seconds: i64) {
        self.state.set_clock(database, offset_seconds);
    }

    /// Creates a database. One that exists already stays as it is.
    ///
    /// # Errors
    /// When the name cannot be kept or the file cannot be made.
    pub fn create_database(&self, name: &str) -> Result<(), Error> {
        self.state.create_database(name).map_err(|source| Error::Data {
            path: self.data.clone(),
            source,
        })
    }

    /// The certificate that it shows to clients that use TLS.
    pub fn certificate_pem(&self) -> &str {
        &self.server.identity.pem
    }

    /// Drops every connection there is. The server accepts new ones.
    pub fn drop_connections(&self) {
        // Without an accept loop there is no connection left to drop.
        let _ = self.hang_up.send(());
    }

    /// Drops every connection. Returns once all sessions have ended and rolled back.
    pub async fn stop(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let mut live = self.server.live.subscribe();
        // The sender is in `self.server`, so it cannot be gone.
        let _ = live.wait_for(|live| *live == 0).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
