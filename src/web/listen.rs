//! The connections: how many, and how long each may take.
//!
//! A connection has one request and one answer, and no more than its time. All of them are parts of one task, which ends with
//! the server. So a client that sends garbage, nothing, or takes nothing costs a place among the connections for a while,
//! and nothing else.

use std::io::ErrorKind as IoErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::guard::{ALIVE, Guard, LIVEZ, Reached};
use super::live::STREAM_TIME;
use super::looks::{Looks, Place};
use super::server::{Phase, carry, router};
use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::config::Serve;

/// The address unless another is given: this machine's own.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Connections at once. Others wait until one of these is over.
const CLIENTS_MAX: usize = 64;

/// The time in which a request must be whole: it is sent at once.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The time of an answer more: to be drawn, and to be taken over a slow line.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// The first line of a request and its headers. A browser sends two kilobytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Headers of a request. A browser sends twenty.
const HEADERS_MAX: usize = 64;

/// The pause after a client could not be accepted: the process may have no descriptor left for a while.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The time in which a page says that it is there, and the bytes that this takes at most.
const ALIVE_TIME: Duration = Duration::from_secs(2);
const ALIVE_BYTES_MAX: u64 = 4 << 10;

/// The page, while it is served.
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Serves the page from now on.
///
/// # Errors
/// `Usage`: the address is reached by other machines, and there is no token; or it cannot be listened on.
pub async fn serve(serve: &Serve, place: Place, clock: SharedClock) -> Result<Server> {
    let asked = serve.listen.unwrap_or(LISTEN_DEFAULT);
    refuse_open(serve, asked)?;
    let listener = TcpListener::bind(asked)
        .await
        .map_err(|error| taken(asked, error))?;
    let address = listener.local_addr().map_err(|error| taken(asked, error))?;
    let looks = Arc::new(Looks::new(place, Arc::clone(&clock)));
    let router = router(Arc::clone(&looks), Guard::new(serve, Arc::clone(&clock)));
    let task = tokio::spawn(async move {
        tokio::join!(accept(listener, router, clock), looks.sample());
    });
    Ok(Server { address, task })
}

/// Listens at the address of the page for a moment. Says what was found.
///
/// # Errors
/// As [`serve`]. A page that is served there already is none.
pub async fn try_out(serve: &Serve, clock: &SharedClock) -> Result<String> {
    let asked = serve.listen.unwrap_or(LISTEN_DEFAULT);
    refuse_open(serve, asked)?;
    match TcpListener::bind(asked).await {
        Ok(_) => Ok(format!("A page can be served at {asked}")),
        Err(error) if error.kind() == IoErrorKind::AddrInUse && is_served(asked, clock).await => {
            Ok(format!("A page is served at {asked}"))
        }
        Err(error) => Err(taken(asked, error)),
    }
}

/// Whether a page answers at an address.
async fn is_served(asked: SocketAddr, clock: &SharedClock) -> bool {
    let mut at = asked;
    match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => at.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => at.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let answer = async {
        let mut stream = TcpStream::connect(at).await?;
        let request = format!("GET {LIVEZ} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ALIVE_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    tokio::select! {
        answer = answer => answer.is_ok_and(|answer| answer.ends_with(ALIVE.as_bytes())),
        () = clock.sleep(ALIVE_TIME) => false,
    }
}

/// Refuses an address that other machines reach, if anybody could read there.
///
/// # Errors
/// `Usage`, with the way out.
pub fn refuse_open(serve: &Serve, asked: SocketAddr) -> Result<()> {
    if asked.ip().to_canonical().is_loopback() || serve.token.is_some() {
        return Ok(());
    }
    let text = format!(
        "The page would be open to each machine that reaches {asked}, because [serve] has no token; write token = \
         \"${{SERVE_TOKEN}}\" there and give the variable 32 random characters, or listen on {LISTEN_DEFAULT}"
    );
    Err(Error::new(ErrorKind::Usage, text))
}

fn taken(asked: SocketAddr, error: std::io::Error) -> Error {
    let text = match error.kind() {
        IoErrorKind::AddrInUse => format!(
            "The page cannot be served at {asked}, where another program listens; end that, or name another address \
             with `sync serve --listen` or `sync run --serve=`, or as `listen` in [serve]"
        ),
        _ => format!(
            "The page cannot be served at {asked}; name an address of this machine with `sync serve --listen` or \
             `sync run --serve=`, or as `listen` in [serve]"
        ),
    };
    Error::new(ErrorKind::Usage, text).with_source(error)
}

impl Server {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it. Once this returns, no connection is left.
    pub async fn end(self) {
        self.task.abort();
        // It was aborted, or it has panicked, which was told then.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, router: Router, clock: SharedClock) {
    let mut clients = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < CLIENTS_MAX => match accepted {
                Ok((stream, _)) => clients.push(Box::pin(hear(stream, router.clone(), Arc::clone(&clock)))),
                Err(error) => {
                    tracing::debug!(%error, "a client of the page was not accepted");
                    clock.sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(()) = clients.next() => {}
        }
    }
}

/// Hears one client, who has no more than its time.
async fn hear(stream: TcpStream, router: Router, clock: SharedClock) {
    let Ok(reached) = stream.local_addr() else { return };
    let phase = Phase::default();
    let router = TowerToHyperService::new(router);
    let answer = service_fn(|request: hyper::Request<Incoming>| {
        phase.ask();
        let mut request = request.map(Body::new);
        carry(request.extensions_mut(), phase.clone(), Reached(reached));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a client of the page went away");
        },
        () = late(&phase, &clock) => {}
    }
}

/// Ends when a client has had its time.
async fn late(phase: &Phase, clock: &SharedClock) {
    clock.sleep(HEAD_TIME).await;
    if !phase.has_asked() {
        return;
    }
    clock.sleep(ANSWER_TIME).await;
    if phase.is_live() {
        clock.sleep(STREAM_TIME).await;
    }
}
