//! The wire with a session that knows no SQL, so that the wire makes every token itself. The real driver sends the
//! requests that it can send, and the rest are sent byte by byte.

mod driver;
mod fake;
mod limits;
mod raw;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::faults::Faults;
use crate::limits::{Holder, Limits};
use crate::listen;
use crate::log::StatementLog;
use crate::wire::prelogin::TlsMode;
use crate::wire::server::Server;
use crate::wire::tls::Identity;
use fake::{Events, FakeBackend};

/// A server over the fake session, on the test's own runtime.
struct Rig {
    server: Arc<Server>,
    addr: std::net::SocketAddr,
    events: Events,
    hang_up: mpsc::UnboundedSender<()>,
}

impl Rig {
    async fn start(tls: TlsMode) -> Rig {
        Rig::start_within(tls, Limits::default()).await
    }

    async fn start_within(tls: TlsMode, limits: Limits) -> Rig {
        let (sender, events) = tokio::sync::mpsc::unbounded_channel();
        let server = Arc::new(Server {
            name: "FAKE".into(),
            backend: Arc::new(FakeBackend { events: sender }),
            users: vec![("sa".into(), "pass".into())],
            held: Holder::new(&limits),
            limits,
            tls,
            identity: Identity::generate("FAKE").unwrap(),
            faults: Faults::default(),
            log: StatementLog::default(),
            live: watch::Sender::new(0),
            next_spid: AtomicU32::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (hang_up, asked) = mpsc::unbounded_channel();
        tokio::spawn(listen::accept(server.clone(), listener, asked));
        Rig {
            server,
            addr,
            events,
            hang_up,
        }
    }

    /// Waits for an event of the session that starts with `start`, and forgets the events before it.
    async fn event(&mut self, start: &str) -> String {
        loop {
            let event = self
                .events
                .recv()
                .await
                .expect("the backend lives as long as the server");
            if event.starts_with(start) {
                return event;
            }
        }
    }
}
