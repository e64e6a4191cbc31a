//! Endpoints for sessions of the program's own driver, for tests of what lies below its commands; and one at which
//! nobody listens.

use mssql_sync::base::secret::Secret;
use mssql_sync::mssql::{Endpoint, Session, Timeouts};
use tokio::net::TcpSocket;

use crate::Server;
use crate::client::APPLICATION;

/// A database of a server, spoken to as plainly as can be. A test changes what it is about.
pub fn endpoint(host: &str, port: u16, user: &str, password: &str, database: &str) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port,
        instance: None,
        database: database.to_owned(),
        user: user.to_owned(),
        password: Secret::new(password),
        encrypt: false,
        trust_server_certificate: false,
        ca_file: None,
        redirect_hosts: Vec::new(),
        application: APPLICATION.to_owned(),
        read_only_intent: false,
        label: "source",
        receipt_key: None,
        profile: None,
        meter: None,
    }
}

impl Server {
    /// One of its databases, whatever its certificate.
    pub fn endpoint(&self, database: &str) -> Endpoint {
        Endpoint {
            trust_server_certificate: true,
            ..endpoint(&self.host, self.port, &self.user, &self.password, database)
        }
    }

    /// A session at the target, as a run has it.
    pub async fn target_session(&self) -> Session {
        let endpoint = Endpoint {
            application: "sync".to_owned(),
            label: "target",
            ..self.endpoint(&self.target)
        };
        let opened = Session::open(&endpoint, None, &Timeouts::default()).await;
        opened.expect("a session")
    }
}

/// A port at which nobody listens as long as this is there: it is taken, and given to no server of another test.
pub struct Deaf {
    /// The port.
    pub port: u16,
    _socket: TcpSocket,
}

/// A port of this machine at which nobody listens.
pub fn nobody_listens() -> Deaf {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a free port");
    let address = socket.local_addr().expect("an address");
    Deaf {
        port: address.port(),
        _socket: socket,
    }
}
