//! TLS as in TDS 7.4: the handshake travels inside PRELOGIN packets, and the data after it does not.
//!
//! The server makes and signs its certificate when it starts, and the key never leaves memory. It speaks TLS 1.2
//! only, as SQL Server does before TDS 8. In TLS 1.3 the client sends the last message of the handshake. FreeTDS
//! frames its output when it next reads, so it never sends that message.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::wire::packet::{HEADER_BYTES, PACKET_BYTES_DEFAULT, PRELOGIN, put_packet};

/// The first byte of a TLS record; a PRELOGIN packet starts with 0x12.
const TLS_RECORDS: std::ops::RangeInclusive<u8> = 0x14..=0x17;

/// The server's certificate and its TLS configuration.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// The certificate, for clients that want to trust it.
    pub(crate) pem: String,
}

impl Identity {
    /// Makes a key and a certificate for `localhost`, the loopback addresses and `server_name`.
    ///
    /// # Errors
    /// If `server_name` cannot be in a certificate, or the TLS library refuses the key.
    pub(crate) fn generate(server_name: &str) -> Result<Identity, String> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let host = server_name.split('\\').next().unwrap_or_default();
        if !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        {
            names.push(host.to_ascii_lowercase());
        }
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let pem = pem(&certificate);
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS12])
                .and_then(|builder| {
                    builder
                        .with_no_client_auth()
                        .with_single_cert(vec![certificate], key)
                })
                .map_err(|error| error.to_string())?;
        Ok(Identity {
            config: Arc::new(config),
            pem,
        })
    }
}

/// A certificate in the form of a file that programs trust by.
pub fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits =
                group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
            for digit in 0..4 {
                let value = (bits >> (18 - 6 * digit)) as usize & 63;
                text.push(if digit <= group.len() {
                    char::from(DIGITS[value])
                } else {
                    '='
                });
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// A connection with or without TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Framed>>),
}

impl Stream {
    /// Performs the server's part of the handshake.
    pub(crate) async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Stream> {
        let mut stream = TlsAcceptor::from(config).accept(Framed::new(tcp)).await?;
        stream.get_mut().0.handshaking = false;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Removes TLS again after a login-only encryption has carried the login.
    pub(crate) fn into_plain(self) -> Stream {
        match self {
            Stream::Plain(tcp) => Stream::Plain(tcp),
            Stream::Tls(stream) => Stream::Plain(stream.into_inner().0.tcp),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// Puts the handshake into PRELOGIN packets and takes it out of them.
pub(crate) struct Framed {
    tcp: TcpStream,
    /// Whether output goes into packets.
    handshaking: bool,
    /// Whether input comes in packets. This ends first: after its last message the TLS library reads on, and may
    /// find the LOGIN7 that a client sends right behind it.
    reads_packets: bool,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// The unread bytes of the packet whose header was read.
    packet_bytes: usize,
    collected: Vec<u8>,
    framed: bytes::BytesMut,
}

impl Framed {
    fn new(tcp: TcpStream) -> Framed {
        Framed {
            tcp,
            handshaking: true,
            reads_packets: true,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            packet_bytes: 0,
            collected: Vec::new(),
            framed: bytes::BytesMut::new(),
        }
    }

    /// Reads up to the end of a header. Returns false at the end of the stream.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.header_bytes < HEADER_BYTES {
            let mut buf = ReadBuf::new(&mut self.header[self.header_bytes..]);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(false));
            }
            self.header_bytes += read;
        }
        if TLS_RECORDS.contains(&self.header[0]) {
            self.reads_packets = false;
            return Poll::Ready(Ok(true));
        }
        let bytes = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
        if self.header[0] != PRELOGIN || bytes < HEADER_BYTES {
            let what = "TLS handshake outside PRELOGIN";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        self.header_bytes = 0;
        self.packet_bytes = bytes - HEADER_BYTES;
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for Framed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.reads_packets && this.packet_bytes == 0 {
            if !ready!(this.poll_header(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
        if !this.reads_packets {
            // The bytes read as a header are the start of a TLS record.
            let bytes = this.header_bytes.min(buf.remaining());
            if bytes == 0 {
                return Pin::new(&mut this.tcp).poll_read(cx, buf);
            }
            buf.put_slice(&this.header[..bytes]);
            this.header.copy_within(bytes.., 0);
            this.header_bytes -= bytes;
            return Poll::Ready(Ok(()));
        }
        // Never past the packet: the bytes after it may already be outside PRELOGIN.
        let bytes = this.packet_bytes.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(bytes));
        ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        this.packet_bytes -= read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Framed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.handshaking {
            this.collected.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_rest(cx))?;
        Pin::new(&mut this.tcp).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_rest(cx))?;
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_rest(cx))?;
        Pin::new(&mut this.tcp).poll_shutdown(cx)
    }
}

impl Framed {
    /// Sends the collected bytes of the handshake as one PRELOGIN message.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.collected.is_empty() {
            let room = PACKET_BYTES_DEFAULT - HEADER_BYTES;
            let packets = self.collected.len().div_ceil(room);
            for (index, payload) in self.collected.chunks(room).enumerate() {
                put_packet(
                    &mut self.framed,
                    PRELOGIN,
                    index + 1 == packets,
                    0,
                    index as u8,
                    payload,
                );
            }
            self.collected.clear();
        }
        while !self.framed.is_empty() {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.framed))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes::Buf::advance(&mut self.framed, written);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_base64_in_lines() {
        assert_eq!(
            pem(b"Many hands make light work."),
            "-----BEGIN CERTIFICATE-----\nTWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsu\n-----END CERTIFICATE-----\n"
        );
        assert!(pem(b"a").contains("\nYQ==\n"));
        assert!(pem(b"ab").contains("\nYWI=\n"));
    }
}
