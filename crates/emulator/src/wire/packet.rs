//! TDS packets: reading them from a stream, and splitting a reply into them.
//!
//! A packet is an 8-byte header and up to 32759 bytes of payload. The reader keeps its bytes between calls, so a
//! dropped `next` loses nothing. The writer collects tokens in one buffer and sends whole packets once it has
//! enough of them. The channel is bounded: a client that does not read stops the thread that writes.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

/// Bytes of a packet header.
pub(crate) const HEADER_BYTES: usize = 8;
/// The packet size until LOGIN7 sets another, or if LOGIN7 asks for none.
pub(crate) const PACKET_BYTES_DEFAULT: usize = 4096;
/// The smallest and the largest packet size that TDS allows.
pub(crate) const PACKET_BYTES_MIN: usize = 512;
pub(crate) const PACKET_BYTES_MAX: usize = 32767;
/// A reply goes to the network side in pieces of about this many bytes. They are large enough that handing them
/// over costs little, and small enough that the first rows of a slow statement do not wait long.
const PIECE_BYTES: usize = 32 * 1024;
/// The bytes that are read from the stream at once.
const READ_BYTES: usize = 64 * 1024;

pub(crate) const SQL_BATCH: u8 = 1;
pub(crate) const RPC: u8 = 3;
pub(crate) const REPLY: u8 = 4;
pub(crate) const ATTENTION: u8 = 6;
pub(crate) const BULK_LOAD: u8 = 7;
pub(crate) const TRANSACTION_MANAGER: u8 = 14;
pub(crate) const LOGIN7: u8 = 16;
pub(crate) const PRELOGIN: u8 = 18;

pub(crate) const STATUS_END: u8 = 0x01;
pub(crate) const STATUS_IGNORE: u8 = 0x02;
pub(crate) const STATUS_RESET: u8 = 0x08;
pub(crate) const STATUS_RESET_KEEP_TRANSACTION: u8 = 0x10;

/// One packet from the client.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) kind: u8,
    pub(crate) status: u8,
    pub(crate) data: Bytes,
}

impl Packet {
    /// Whether it ends its message.
    pub(crate) fn ends(&self) -> bool {
        self.status & STATUS_END != 0
    }
}

/// Takes packets off a stream.
pub(crate) struct PacketReader<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    pub(crate) fn new(io: R) -> Self {
        PacketReader {
            io,
            buffer: BytesMut::new(),
        }
    }

    /// The next packet. `None` if the client closed the stream between packets.
    ///
    /// # Errors
    /// `InvalidData` for a header that no packet can have, `UnexpectedEof` for a stream that ends inside a packet.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = take_packet(&mut self.buffer)? {
                return Ok(Some(packet));
            }
            self.buffer.reserve(READ_BYTES);
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Reads one whole message of `kind` with at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Those of [`PacketReader::next`], and `InvalidData` for another kind or a longer message.
    pub(crate) async fn message(&mut self, kind: u8, bytes_max: usize) -> io::Result<BytesMut> {
        let mut message = BytesMut::new();
        loop {
            let packet = self.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if packet.kind != kind || message.len() + packet.data.len() > bytes_max {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "Unexpected packet while logging in",
                ));
            }
            message.extend_from_slice(&packet.data);
            if packet.ends() {
                return Ok(message);
            }
        }
    }

    /// The stream, for a change of the protocol over it.
    ///
    /// # Errors
    /// `InvalidData` if the client has sent more than was expected, because those bytes would be lost.
    pub(crate) fn into_inner(self) -> io::Result<R> {
        if self.buffer.is_empty() {
            Ok(self.io)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "Bytes after the end of a login message",
            ))
        }
    }
}

fn take_packet(buffer: &mut BytesMut) -> io::Result<Option<Packet>> {
    if buffer.len() < HEADER_BYTES {
        return Ok(None);
    }
    let bytes = usize::from(u16::from_be_bytes([buffer[2], buffer[3]]));
    if !(HEADER_BYTES..=PACKET_BYTES_MAX).contains(&bytes) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "Packet header with an impossible length",
        ));
    }
    if buffer.len() < bytes {
        return Ok(None);
    }
    let (kind, status) = (buffer[0], buffer[1]);
    let mut data = buffer.split_to(bytes).freeze();
    data.advance(HEADER_BYTES);
    Ok(Some(Packet { kind, status, data }))
}

/// Writes one packet with its header.
pub(crate) fn put_packet(out: &mut BytesMut, kind: u8, last: bool, spid: i16, id: u8, payload: &[u8]) {
    let bytes = u16::try_from(payload.len() + HEADER_BYTES).expect("a payload is cut to the packet size");
    out.put_u8(kind);
    out.put_u8(if last { STATUS_END } else { 0 });
    out.put_u16(bytes);
    out.put_i16(spid);
    out.put_u8(id);
    out.put_u8(0);
    out.put_slice(payload);
}

/// The network side is gone, so nobody can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Splits replies into packets and hands them to the network side.
pub(crate) struct PacketWriter {
    /// The tokens of the reply that are not sent yet.
    pub(crate) payload: BytesMut,
    pieces: mpsc::Sender<Bytes>,
    packet_bytes: usize,
    spid: i16,
    next_id: u8,
    sent_packets: u64,
}

impl PacketWriter {
    pub(crate) fn new(pieces: mpsc::Sender<Bytes>, spid: i16) -> Self {
        PacketWriter {
            payload: BytesMut::with_capacity(2 * PIECE_BYTES),
            pieces,
            packet_bytes: PACKET_BYTES_DEFAULT,
            spid,
            next_id: 1,
            sent_packets: 0,
        }
    }

    /// The packet size from the next packet on.
    pub(crate) fn set_packet_bytes(&mut self, packet_bytes: usize) {
        self.packet_bytes = packet_bytes;
    }

    /// Whether the buffer holds enough for a call of [`PacketWriter::send_full`].
    pub(crate) fn is_full(&self) -> bool {
        self.payload.len() >= PIECE_BYTES
    }

    /// The packets of this reply that were sent, and those that the collected tokens need.
    pub(crate) fn packets(&self) -> (u64, u64) {
        (
            self.sent_packets,
            self.payload.len().div_ceil(self.packet_bytes - HEADER_BYTES) as u64,
        )
    }

    /// Sends the full packets, at most `packets_max` of them. A partial packet stays.
    pub(crate) fn send_full(&mut self, packets_max: u64) -> Result<(), Gone> {
        let room = self.packet_bytes - HEADER_BYTES;
        // The last packet of a reply must carry the end mark, so a payload that fills packets exactly keeps one.
        let full = (self.payload.len().saturating_sub(1) / room) as u64;
        self.send(full.min(packets_max), false)
    }

    /// Sends the collected tokens in full or partial packets, without ending the reply.
    pub(crate) fn send_partial(&mut self) -> Result<(), Gone> {
        let (_, packets) = self.packets();
        self.send(packets, false)
    }

    /// Sends the rest and ends the reply.
    pub(crate) fn finish(&mut self) -> Result<(), Gone> {
        let (_, packets) = self.packets();
        self.send(packets.max(1), true)?;
        self.sent_packets = 0;
        self.next_id = 1;
        Ok(())
    }

    fn send(&mut self, packets: u64, ends: bool) -> Result<(), Gone> {
        if packets == 0 {
            return Ok(());
        }
        let room = self.packet_bytes - HEADER_BYTES;
        let mut out = BytesMut::with_capacity(self.payload.len() + packets as usize * HEADER_BYTES);
        for index in 1..=packets {
            let bytes = room.min(self.payload.len());
            let last = ends && index == packets;
            put_packet(
                &mut out,
                REPLY,
                last,
                self.spid,
                self.next_id,
                &self.payload[..bytes],
            );
            self.payload.advance(bytes);
            self.next_id = self.next_id.wrapping_add(1);
        }
        self.sent_packets += packets;
        if self.payload.is_empty() {
            // Nothing refers to the buffer, so its memory can be written from the start again.
            self.payload.clear();
        }
        self.pieces.blocking_send(out.freeze()).map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(packets: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = BytesMut::new();
        for (index, (kind, payload)) in packets.iter().enumerate() {
            put_packet(
                &mut out,
                *kind,
                index + 1 == packets.len(),
                51,
                index as u8,
                payload,
            );
        }
        out.to_vec()
    }

    #[tokio::test]
    async fn a_message_is_put_together_from_packets_that_arrive_in_pieces() {
        let bytes = framed(&[(SQL_BATCH, b"SELECT"), (SQL_BATCH, b" 1")]);
        let io = tokio_test_io(bytes.chunks(3).map(<[u8]>::to_vec).collect());
        let message = PacketReader::new(io).message(SQL_BATCH, 100).await.unwrap();
        assert_eq!(&message[..], b"SELECT 1");
    }

    #[tokio::test]
    async fn a_message_over_its_limit_and_a_packet_that_is_cut_off_are_errors() {
        let bytes = framed(&[(LOGIN7, &[0; 60]), (LOGIN7, &[0; 60])]);
        let error = PacketReader::new(&bytes[..])
            .message(LOGIN7, 100)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = PacketReader::new(&bytes[..40]).next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(PacketReader::new(&b""[..]).next().await.unwrap().is_none());
        let short_length = [1u8, 1, 0, 7, 0, 0, 0, 0];
        assert!(PacketReader::new(&short_length[..]).next().await.is_err());
    }

    #[test]
    fn a_reply_that_fills_its_packets_exactly_still_ends_with_a_marked_packet() {
        for bytes in [0usize, 1, 503, 504, 505, 1008, 5000] {
            let (sender, mut receiver) = mpsc::channel(16);
            let mut writer = PacketWriter::new(sender, 51);
            writer.set_packet_bytes(PACKET_BYTES_MIN);
            writer.payload.put_bytes(7, bytes);
            writer.send_full(u64::MAX).unwrap();
            writer.finish().unwrap();
            drop(writer);
            let mut all = BytesMut::new();
            while let Some(piece) = receiver.blocking_recv() {
                all.extend_from_slice(&piece);
            }
            let (mut seen, mut ends) = (0, Vec::new());
            while let Some(packet) = take_packet(&mut all).unwrap() {
                seen += packet.data.len();
                ends.push(packet.ends());
                assert!(packet.data.len() + HEADER_BYTES <= PACKET_BYTES_MIN);
            }
            assert_eq!(seen, bytes);
            assert_eq!(ends.iter().filter(|end| **end).count(), 1, "{bytes} bytes");
            assert_eq!(ends.last(), Some(&true), "{bytes} bytes");
        }
    }

    /// A stream that gives one of its chunks at each read.
    fn tokio_test_io(chunks: Vec<Vec<u8>>) -> impl AsyncRead + Unpin {
        let (near, mut far) = tokio::io::duplex(3);
        tokio::spawn(async move {
            for chunk in chunks {
                tokio::io::AsyncWriteExt::write_all(&mut far, &chunk)
                    .await
                    .unwrap();
            }
        });
        near
    }
}
