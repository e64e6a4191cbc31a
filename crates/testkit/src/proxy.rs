//! A proxy between the program and a server that changes what the server answers: a hostile server, or a broken wire.
//!
//! It relays packets of connections without TLS, which the program opens to this machine if `encrypt` is false.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

const HEADER_BYTES: usize = 8;
/// The type of a packet that a server sends.
const ANSWER: u8 = 4;
/// Types of packets that a meddler sees: a batch, a call of a procedure, a login.
const REQUESTS: [u8; 3] = [1, 3, LOGIN];
/// The type of a packet of a login.
pub const LOGIN: u8 = 16;
/// Payload of a packet of a flood.
const FLOOD_PACKET_BYTES: usize = 16_000 - HEADER_BYTES;
/// How often an idle connection is looked at.
const TICK: Duration = Duration::from_millis(100);

/// An answer without an end: `head` once, then `body` for ever.
#[derive(Debug, Clone)]
pub struct Flood {
    /// Tokens that come first.
    pub head: Vec<u8>,
    /// Tokens, or a part of one, that are repeated.
    pub body: Vec<u8>,
}

/// What a proxy does with one connection.
pub trait Meddler: Send {
    /// The answer to a request, which then does not reach the server. `kind` is the type of its packet, and `text` what
    /// the packet has, as UTF-16.
    fn request(&mut self, kind: u8, text: &str) -> Option<Flood> {
        let _ = (kind, text);
        None
    }

    /// What the program receives for a packet of the server; an empty list is nothing, `None` the end of the connection.
    fn answer(&mut self, packet: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        Some(vec![packet])
    }

    /// After how long without a packet in either direction the connection ends.
    fn patience(&self) -> Duration {
        Duration::from_secs(600)
    }
}

/// A proxy that relays until it is dropped.
pub struct Proxy {
    /// The port that it listens on, on this machine.
    pub port: u16,
    flooded: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Listens for connections to `server`, and makes a meddler for each.
    pub async fn start(server: SocketAddr, meddler: impl Fn() -> Box<dyn Meddler> + Send + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let flooded = Arc::new(AtomicU64::new(0));
        let count = flooded.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, meddler(), count.clone()));
            }
        });
        Proxy {
            port,
            flooded,
            listening,
        }
    }

    /// Bytes of floods that were sent before those whom they were for hung up.
    pub fn flooded(&self) -> u64 {
        self.flooded.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

struct Connection {
    meddler: Mutex<Box<dyn Meddler>>,
    client: Mutex<OwnedWriteHalf>,
    packets: AtomicU64,
    flooded: Arc<AtomicU64>,
}

async fn relay(client: TcpStream, server: SocketAddr, meddler: Box<dyn Meddler>, flooded: Arc<AtomicU64>) {
    let Ok(upstream) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (requests, client) = client.into_split();
    let (answers, upstream) = upstream.into_split();
    let connection = Connection {
        meddler: Mutex::new(meddler),
        client: Mutex::new(client),
        packets: AtomicU64::new(0),
        flooded,
    };
    tokio::select! {
        _ = up(requests, upstream, &connection) => {}
        _ = down(answers, &connection) => {}
        () = idle(&connection) => {}
    }
}

/// Ends once no packet came for as long as the meddler has patience.
async fn idle(connection: &Connection) {
    let (mut seen, mut idle) = (0, Duration::ZERO);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let now = connection.packets.load(Ordering::SeqCst);
        idle = if seen == now { idle + TICK } else { Duration::ZERO };
        seen = now;
        if idle > connection.meddler.lock().await.patience() {
            return;
        }
    }
}

async fn up(
    mut requests: OwnedReadHalf,
    mut upstream: OwnedWriteHalf,
    connection: &Connection,
) -> Option<()> {
    loop {
        let packet = read_packet(&mut requests).await?;
        connection.packets.fetch_add(1, Ordering::SeqCst);
        if REQUESTS.contains(&packet[0]) {
            // What precedes a text has an even number of bytes.
            let units: Vec<u16> = packet[HEADER_BYTES..]
                .as_chunks::<2>()
                .0
                .iter()
                .map(|unit| u16::from_le_bytes(*unit))
                .collect();
            let text = String::from_utf16_lossy(&units);
            let flood = connection.meddler.lock().await.request(packet[0], &text);
            if let Some(flood) = flood {
                connection.flood(&flood).await;
                return None;
            }
        }
        upstream.write_all(&packet).await.ok()?;
    }
}

async fn down(mut answers: OwnedReadHalf, connection: &Connection) -> Option<()> {
    loop {
        let packet = read_packet(&mut answers).await?;
        connection.packets.fetch_add(1, Ordering::SeqCst);
        let packets = connection.meddler.lock().await.answer(packet)?;
        let mut client = connection.client.lock().await;
        for packet in packets {
            client.write_all(&packet).await.ok()?;
        }
    }
}

impl Connection {
    /// Sends a flood until the client hangs up.
    async fn flood(&self, flood: &Flood) {
        let mut client = self.client.lock().await;
        if client.write_all(&answer(&flood.head, false)).await.is_err() {
            return;
        }
        let body: Vec<u8> = flood
            .body
            .iter()
            .copied()
            .cycle()
            .take(FLOOD_PACKET_BYTES * flood.body.len())
            .collect();
        for payload in body.chunks(FLOOD_PACKET_BYTES).cycle() {
            let packet = answer(payload, false);
            if client.write_all(&packet).await.is_err() {
                return;
            }
            self.flooded.fetch_add(packet.len() as u64, Ordering::SeqCst);
            self.packets.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A packet of a server with this payload.
pub fn answer(payload: &[u8], last: bool) -> Vec<u8> {
    let length = u16::try_from(payload.len() + HEADER_BYTES).expect("it fits into a packet");
    let [high, low] = length.to_be_bytes();
    let mut packet = vec![ANSWER, u8::from(last), high, low, 0, 0, 1, 0];
    packet.extend_from_slice(payload);
    packet
}

async fn read_packet(stream: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut packet = vec![0; HEADER_BYTES];
    stream.read_exact(&mut packet).await.ok()?;
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    packet.resize(length.max(HEADER_BYTES), 0);
    stream.read_exact(&mut packet[HEADER_BYTES..]).await.ok()?;
    Some(packet)
}
