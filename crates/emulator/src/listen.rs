//! The network side. It accepts connections, brings them up to LOGIN7, and moves packets between each socket and
//! its conversation's thread.
//!
//! Both directions are bounded channels. A client that does not read stops its own thread. A client that sends
//! faster than its thread reads is not read from. When a socket ends, the session is told to stop and its thread
//! ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::wire::conversation::{self, Lines};
use crate::wire::link::Link;
use crate::wire::login::{LOGIN_BYTES_MAX, Login};
use crate::wire::packet::{
    ATTENTION, LOGIN7, PRELOGIN, Packet, PacketReader, PacketWriter, REPLY, put_packet,
};
use crate::wire::prelogin::{Encryption, Prelogin};
use crate::wire::server::Server;
use crate::wire::tls::Stream;

/// Packets that wait for a conversation: 1 MiB at the largest packet size, 128 KiB at the default.
const PACKETS_WAITING_MAX: usize = 32;
/// Pieces of an answer that wait for the socket. One has about 32 KiB.
const PIECES_WAITING_MAX: usize = 8;
/// The option table and its data have some dozens of bytes.
const PRELOGIN_BYTES_MAX: usize = 4096;
/// Pause after a failed accept. File descriptors are most often exhausted then, and a retry at once would only
/// spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Stack of a session's thread. Parsing nested T-SQL and running it recurses deeply.
pub(crate) const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Accepts connections until it is dropped. `hang_up` ends the open ones.
pub(crate) async fn accept(
    server: Arc<Server>,
    listener: TcpListener,
    mut hang_up: mpsc::UnboundedReceiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // A session's thread may outlive its socket.
                Ok(_) if connections.len().max(*server.live.borrow()) >= server.limits.connections => {
                    tracing::warn!("A connection was closed: there are as many as there may be");
                }
                Ok((tcp, _)) => {
                    connections.spawn(connection(server.clone(), tcp));
                }
                Err(error) => {
                    tracing::warn!(%error, "Accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            asked = hang_up.recv() => match asked {
                Some(()) => connections.abort_all(),
                None => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Tells the session when the socket's task ends, whatever ended it.
struct Parting {
    server: Arc<Server>,
    link: Arc<Link>,
}

impl Drop for Parting {
    fn drop(&mut self) {
        self.link.part();
        self.server.faults.wake();
    }
}

/// Counts a conversation for as long as its thread runs.
struct Alive(Arc<Server>);

impl Alive {
    fn new(server: Arc<Server>) -> Alive {
        server.live.send_modify(|live| *live += 1);
        Alive(server)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.send_modify(|live| *live -= 1);
    }
}

async fn connection(server: Arc<Server>, tcp: TcpStream) {
    if let Err(error) = converse(server, tcp).await {
        tracing::debug!(%error, "A connection ended");
    }
}

async fn converse(server: Arc<Server>, tcp: TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let Some((stream, login)) = tokio::time::timeout(server.limits.login, log_in(&server, tcp)).await??
    else {
        return Ok(());
    };
    if !server.knows(&login) {
        tokio::time::sleep(server.limits.wrong_password).await;
    }
    let spid = server.next_spid();
    let (packets, incoming) = mpsc::channel(PACKETS_WAITING_MAX);
    let (pieces, mut outgoing) = mpsc::channel(PIECES_WAITING_MAX);
    let link = Arc::new(Link::default());
    // Created after both channels, so that an aborted task tells the session to stop before it closes them.
    let parting = Parting {
        server: server.clone(),
        link: link.clone(),
    };
    let lines = Lines {
        incoming,
        writer: PacketWriter::new(pieces, spid),
        link: link.clone(),
    };
    let alive = Alive::new(server.clone());
    std::thread::Builder::new()
        .name(format!("session {spid}"))
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let Alive(server) = &alive;
            conversation::run(server, &login, spid, lines);
        })?;
    let (reader, writer) = tokio::io::split(stream);
    let result = tokio::select! {
        result = receive(reader, &packets, &parting) => result,
        result = send(writer, &mut outgoing) => result,
    };
    drop(parting);
    result
}

/// PRELOGIN, TLS and LOGIN7: `None` for a client that cannot be served.
async fn log_in(server: &Server, tcp: TcpStream) -> io::Result<Option<(Stream, Login)>> {
    let mut reader = PacketReader::new(Stream::Plain(tcp));
    let message = reader.message(PRELOGIN, PRELOGIN_BYTES_MAX).await?;
    let prelogin = Prelogin::parse(&message).ok_or(io::ErrorKind::InvalidData)?;
    let mut stream = reader.into_inner()?;
    let mut answer = BytesMut::new();
    let encryption = prelogin.answer(server.tls, &mut answer);
    let mut packet = BytesMut::new();
    put_packet(&mut packet, REPLY, true, 0, 1, &answer);
    stream.write_all(&packet).await?;
    stream.flush().await?;
    let stream = match (encryption, stream) {
        (Encryption::Refused, mut stream) => {
            stream.shutdown().await?;
            return Ok(None);
        }
        (Encryption::LoginOnly | Encryption::Full, Stream::Plain(tcp)) => {
            Stream::accept(tcp, server.identity.config.clone()).await?
        }
        (_, stream) => stream,
    };
    let mut reader = PacketReader::new(stream);
    let message = reader.message(LOGIN7, LOGIN_BYTES_MAX).await?;
    let login = Login::parse(&message).ok_or(io::ErrorKind::InvalidData)?;
    let stream = reader.into_inner()?;
    Ok(Some((
        if encryption == Encryption::LoginOnly {
            stream.into_plain()
        } else {
            stream
        },
        login,
    )))
}

/// Hands the client's packets on. An attention is reported at once, because the session may be busy.
async fn receive(
    reader: ReadHalf<Stream>,
    packets: &mpsc::Sender<Packet>,
    session: &Parting,
) -> io::Result<()> {
    let mut reader = PacketReader::new(reader);
    while let Some(packet) = reader.next().await? {
        if packet.kind == ATTENTION {
            session.link.attend();
            // It may wait for a fault to end.
            session.server.faults.wake();
        }
        if packets.send(packet).await.is_err() {
            // The conversation is over. Its last answer is still on its way out, so `send` ends the connection.
            return std::future::pending().await;
        }
    }
    Ok(())
}

/// Writes the answers. It ends when the conversation has ended and all its answers are written.
async fn send(mut writer: WriteHalf<Stream>, pieces: &mut mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(piece) = pieces.recv().await {
        writer.write_all(&piece).await?;
        writer.flush().await?;
    }
    writer.shutdown().await
}
