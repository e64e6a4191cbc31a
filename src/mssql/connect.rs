//! The opening of a session: connection, login, session options, proof.
//!
//! It follows one redirect, because an availability group's listener sends a read-only connection to a secondary, and
//! only to where the password may go. The proof comes after the redirect, on the server that will be read, and before anything
//! is read of it.

use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tiberius::{AuthMethod, Client};
use tokio::net::TcpStream;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::shown;
use crate::model::account::Isolation;
use crate::mssql::caught::caught;
use crate::mssql::counted::Counted;
use crate::mssql::protection::Encrypted;
use crate::mssql::socket::{Socket, Stall, Watch};
use crate::mssql::{Endpoint, Guard, LOCK_TIMEOUT_MS, Session, Timeouts, browser, fault, guard, refusal};

/// The requested size of a TDS packet, in bytes: the most that fits into one TLS record with its overhead, so that a
/// chunk needs few packets. The server may grant less.
const PACKET_BYTES: u32 = 16_000;

impl Endpoint {
    /// `host:port`, or `host\instance`.
    pub fn address(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{}\\{instance}", self.host),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// What tells this end from others: server, port or instance, database and login. Without a secret.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for part in [
            &self.host.to_lowercase(),
            &self.port_or_instance(),
            &self.database,
            &self.user,
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn port_or_instance(&self) -> String {
        self.instance
            .clone()
            .unwrap_or_else(|| self.port.to_string())
            .to_lowercase()
    }

    pub(super) fn place(&self) -> String {
        format!("{} at {}, database {}", self.label, self.address(), self.database)
    }
}

/// The options of every session, whatever the login's defaults are. They include TEXTSIZE, because a server cuts off
/// longer values silently. LANGUAGE stands before DATEFORMAT, which it resets.
fn session_options() -> String {
    format!(
        "SET NOCOUNT OFF; SET XACT_ABORT ON; SET LOCK_TIMEOUT {LOCK_TIMEOUT_MS}; SET DEADLOCK_PRIORITY LOW; \
         SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; \
         SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF; \
         SET TEXTSIZE 2147483647; SET ROWCOUNT 0; SET IMPLICIT_TRANSACTIONS OFF; SET LANGUAGE us_english; \
         SET DATEFORMAT ymd; SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
    )
}

/// Reads of a source see each row once, as it was when the statement began, where its database keeps row versions:
/// under locks, a row that moves in its index meanwhile is missed or seen twice. READ COMMITTED reads versions itself if
/// READ_COMMITTED_SNAPSHOT is on. A memory-optimized table keeps versions, and is refused to a session under SNAPSHOT.
const VERSIONS: &str = "SELECT CAST(snapshot_isolation_state AS int) AS [snapshot], \
    CAST(is_read_committed_snapshot_on AS int) AS [committed_snapshot], \
    CASE WHEN EXISTS (SELECT 1 FROM sys.tables WHERE is_memory_optimized = 1) THEN 1 ELSE 0 END \
    AS [memory_optimized], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) AS [updateability] \
    FROM sys.databases WHERE name = DB_NAME()";

/// The level that a session reads by where the database allows it. The batch lasts as long as the session, which a
/// statement with parameters does not.
const BY_VERSIONS: &str = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT";

impl Session {
    /// Opens a connection, logs in, sets the session options and, with a guard, proves it (G5). A session that was
    /// opened with a guard is connected to a server that the guard allows.
    ///
    /// # Errors
    /// `Connection` if the server cannot be reached or breaks off; `Login` if it refuses the login; `WrongServer` if
    /// the guard refuses the server, or it sends the login where the password may not go; `Preflight` if its certificate
    /// is not trusted; `Config` if the endpoint's certificate file is none, or cannot be read.
    pub async fn open(endpoint: &Endpoint, guard: Option<&Guard>, timeouts: &Timeouts) -> Result<Session> {
        // A connection that breaks while it is opened means a server that cannot be reached.
        prepared(endpoint, guard, timeouts).await.map_err(|error| {
            if error.kind() == ErrorKind::Broken {
                error.of_kind(ErrorKind::Connection)
            } else {
                error
            }
        })
    }

    /// Whether reads take locks and wait for writers, as far as the server told a session with a guard: its database is
    /// written, and keeps no row versions that the session may read by.
    pub fn locks_rows(&self) -> bool {
        self.locks_rows
    }
}

async fn prepared(endpoint: &Endpoint, guard: Option<&Guard>, timeouts: &Timeouts) -> Result<Session> {
    let mut session = log_in(endpoint, timeouts).await?;
    let set = set_up(&mut session, endpoint, guard);
    match tokio::time::timeout(timeouts.handshake, set).await {
        Ok(set) => set.map(|()| session),
        Err(_) => Err(no_login(endpoint, timeouts)),
    }
}

/// Sets the session's options and proves the server.
async fn set_up(session: &mut Session, endpoint: &Endpoint, guard: Option<&Guard>) -> Result<()> {
    session.batch(&session_options()).await?;
    if let Some(guard) = guard {
        guard::prove(session, endpoint, guard).await?;
        match read_by_versions(session).await {
            // Another vendor's server, which reads as it does.
            Err(error) if error.kind().is_of_the_statement() => {}
            level => session.counted.isolation = Some(level?),
        }
    }
    Ok(())
}

/// Has the session read row versions where its database keeps them, and returns how it reads.
async fn read_by_versions(session: &mut Session) -> Result<Isolation> {
    let rows = session.rows(VERSIONS, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(Isolation::ReadCommitted);
    };
    if row.flag("committed_snapshot")? {
        return Ok(Isolation::ReadCommittedSnapshot);
    }
    // 1 is ON; 2 and 3 are on the way to another state.
    if row.integer("snapshot")? != 1 || row.flag("memory_optimized")? {
        session.locks_rows = row.optional_text("updateability")? == Some("READ_WRITE");
        return Ok(Isolation::ReadCommitted);
    }
    session.batch(BY_VERSIONS).await?;
    Ok(Isolation::Snapshot)
}

/// The TCP port of an endpoint: its own, or the port that the machine's SQL Server Browser reports for its instance.
///
/// # Errors
/// `Connection` if the browser does not answer, or the instance does not listen on TCP.
pub async fn port_of(endpoint: &Endpoint, timeouts: &Timeouts) -> Result<u16> {
    match &endpoint.instance {
        Some(instance) => browser::port_of(&endpoint.host, instance, endpoint.label, timeouts.connect).await,
        None => Ok(endpoint.port),
    }
}

async fn log_in(endpoint: &Endpoint, timeouts: &Timeouts) -> Result<Session> {
    let mut host = endpoint.host.clone();
    let mut port = port_of(endpoint, timeouts).await?;
    let mut redirected = None;
    loop {
        let watch = Watch::new(timeouts.handshake, timeouts.handshake, timeouts.login());
        let mut counted = Counted::new(endpoint, &watch);
        let stream = reach(endpoint, &host, port, timeouts).await?;
        counted.connected();
        let socket = Socket::new(stream, watch.clone());
        let config = driver_config(endpoint, &host, port)?;
        // Its future is as large as all others of a command together, and each of these would hold one.
        let connect = Box::pin(Client::connect(config, socket));
        let connected = tokio::time::timeout(timeouts.handshake, caught(connect)).await;
        let error = match connected {
            Ok(Ok(client)) => {
                watch.set_rest(timeouts.liveness);
                counted.finish();
                let mut session = session(client, watch, counted, endpoint, timeouts);
                session.redirected = redirected;
                return Ok(session);
            }
            Ok(Err(error)) => error,
            Err(_) => return Err(no_login(endpoint, timeouts)),
        };
        match error {
            tiberius::error::Error::Routing { host: to, port: at } if redirected.is_none() => {
                host = endpoint.redirected(&to, at)?;
                port = at;
                redirected = Some(format!("{}:{port}", shown(&host)));
            }
            tiberius::error::Error::Server(token) => {
                return Err(refusal::login_refused(&token, endpoint));
            }
            other => match watch.stall() {
                flood @ Some(Stall::Endless(_)) => {
                    return Err(fault::from_driver(other, &endpoint.place(), flood).0);
                }
                Some(_) => return Err(no_login(endpoint, timeouts)),
                None => return Err(failed(other, endpoint, &host, redirected.as_deref())),
            },
        }
    }
}

/// The error of a login that broke off at `host`, where the connection was sent on to if it was.
fn failed(error: tiberius::error::Error, endpoint: &Endpoint, host: &str, redirected: Option<&str>) -> Error {
    let place = match redirected {
        Some(to) => format!("{}, sent on to {to},", endpoint.place()),
        None => endpoint.place(),
    };
    match (error, &endpoint.ca_file) {
        // The driver tells this by its text alone.
        (tiberius::error::Error::Io { kind, message }, Some(path)) if message.contains("CA source") => {
            let text = format!(
                "The {}'s ca_file {} holds no certificate that can be read; give the PEM file of the authority that signed \
                 the server's certificate",
                endpoint.label,
                path.display()
            );
            Error::new(ErrorKind::Config, text).with_source(fault::broken_by(kind, &message))
        }
        (tiberius::error::Error::Io { kind, message }, _)
            if endpoint.protection_at(host).encrypted != Encrypted::Nothing =>
        {
            let text = format!(
                "The connection to the {place} broke during the login; check the network, and that the server speaks TLS, \
                 without which no login is sent"
            );
            Error::new(ErrorKind::Broken, text).with_source(fault::broken_by(kind, &message))
        }
        (other, _) => fault::from_driver(other, &place, None).0,
    }
}

fn session(
    client: Client<Socket>,
    watch: Arc<Watch>,
    counted: Counted,
    endpoint: &Endpoint,
    timeouts: &Timeouts,
) -> Session {
    Session {
        client,
        watch,
        timeouts: *timeouts,
        counted,
        place: endpoint.place(),
        broken: false,
        lost: false,
        receipt_key: endpoint.receipt_key.clone(),
        staged: None,
        redirected: None,
        locks_rows: false,
    }
}

fn no_login(endpoint: &Endpoint, timeouts: &Timeouts) -> Error {
    Error::new(
        ErrorKind::Connection,
        format!(
            "The {} took the connection and did not finish the login within {} s; check that SQL Server listens \
             there and is not overloaded",
            endpoint.place(),
            timeouts.handshake.as_secs_f32()
        ),
    )
}

fn no_address(label: &str, host: &str) -> Error {
    Error::new(
        ErrorKind::Connection,
        format!("The {label}'s host {host} has no address; check its name and the DNS"),
    )
}

/// Connects to the first of the host's addresses that accepts.
async fn reach(endpoint: &Endpoint, host: &str, port: u16, timeouts: &Timeouts) -> Result<TcpStream> {
    let label = endpoint.label;
    let lookup = tokio::time::timeout(timeouts.connect, tokio::net::lookup_host((host, port))).await;
    let addresses = match lookup {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(no_address(label, host).with_source(error)),
        Err(_) => return Err(no_address(label, host)),
    };
    let mut trouble = no_address(label, host);
    for address in addresses {
        match tokio::time::timeout(timeouts.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are whole messages, which Nagle's algorithm would only delay.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keep_alive()) {
                    tracing::debug!(%error, "TCP keep-alive could not be set");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => {
                let text = if error.kind() == std::io::ErrorKind::ConnectionRefused {
                    format!(
                        "Nobody listens at {host}:{port} for the {label}; start SQL Server, enable TCP/IP for it, \
                         or correct the port"
                    )
                } else {
                    format!("The {label} at {host}:{port} cannot be reached; check network and firewall")
                };
                trouble = Error::new(ErrorKind::Connection, text).with_source(error);
            }
            Err(_) => {
                let text = format!(
                    "The {label} at {host}:{port} did not answer within {} s; check the address and the firewall",
                    timeouts.connect.as_secs_f32()
                );
                trouble = Error::new(ErrorKind::Connection, text);
            }
        }
    }
    Err(trouble)
}

/// Keep-alive detects a peer that vanished while a statement waits for its answer, long before the statement times out.
/// Microsoft's drivers use the same values.
fn keep_alive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(1))
}

fn driver_config(endpoint: &Endpoint, host: &str, port: u16) -> Result<tiberius::Config> {
    let mut config = tiberius::Config::new();
    config.host(host);
    config.port(port);
    config.database(&endpoint.database);
    config.application_name(&endpoint.application);
    config.authentication(AuthMethod::sql_server(&endpoint.user, endpoint.password.expose()));
    config.readonly(endpoint.read_only_intent);
    config.packet_size(PACKET_BYTES);
    // The socket has its own limits, one for each kind of statement.
    config.handshake_timeout(None);
    config.command_timeout(None);
    endpoint.protect(host, &mut config)?;
    Ok(config)
}
