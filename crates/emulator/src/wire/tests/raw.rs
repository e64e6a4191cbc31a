//! The wire byte by byte, for messages that the driver never sends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Rig;
use crate::wire::packet::{
    ATTENTION, BULK_LOAD, LOGIN7, PRELOGIN, RPC, SQL_BATCH, STATUS_END, STATUS_IGNORE, STATUS_RESET,
    STATUS_RESET_KEEP_TRANSACTION,
};
use crate::wire::prelogin::TlsMode;

const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
const DONE_FINAL: [u8; 13] = [0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const DONE_ATTENTION: [u8; 13] = [0xFD, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub(super) struct Raw(TcpStream);

impl Raw {
    pub(super) async fn log_in(rig: &Rig) -> Raw {
        Raw::try_log_in(rig, "pass").await.unwrap()
    }

    /// `None` if the server closes the connection before it answers.
    pub(super) async fn try_log_in(rig: &Rig, password: &str) -> Option<Raw> {
        let mut raw = Raw::start_login(rig, password).await.ok()?;
        let reply = raw.try_reply().await.ok()?;
        (reply[reply.len() - 13..] == DONE_FINAL).then_some(raw)
    }

    /// A connection that has sent its login and not read the answer.
    pub(super) async fn ask_to_log_in(rig: &Rig, password: &str) -> Raw {
        Raw::start_login(rig, password).await.unwrap()
    }

    async fn start_login(rig: &Rig, password: &str) -> std::io::Result<Raw> {
        let mut raw = Raw(TcpStream::connect(rig.addr).await?);
        raw.try_send(PRELOGIN, STATUS_END, &[1, 0, 6, 0, 1, 0xFF, 2])
            .await?;
        raw.try_reply().await?;
        let mut login = vec![0; 94];
        login[4..8].copy_from_slice(&0x7400_0004u32.to_le_bytes());
        for (at, text) in [(40, "sa"), (44, password)] {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let start = (login.len() as u16).to_le_bytes();
            login[at..at + 2].copy_from_slice(&start);
            login[at + 2] = text.len() as u8;
            login.extend(units.iter().map(|byte| {
                if at == 44 {
                    byte.rotate_left(4) ^ 0xA5
                } else {
                    *byte
                }
            }));
        }
        raw.try_send(LOGIN7, STATUS_END, &login).await?;
        Ok(raw)
    }

    pub(super) async fn send(&mut self, kind: u8, status: u8, payload: &[u8]) {
        self.try_send(kind, status, payload).await.unwrap();
    }

    async fn try_send(&mut self, kind: u8, status: u8, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u16 + 8).to_be_bytes();
        let mut packet = vec![kind, status, length[0], length[1], 0, 0, 1, 0];
        packet.extend(payload);
        self.0.write_all(&packet).await
    }

    pub(super) async fn batch(&mut self, status: u8, text: &str) -> Vec<u8> {
        self.send(SQL_BATCH, status, &batch(text)).await;
        self.reply().await
    }

    async fn rpc(&mut self, number: u8, params: &[&[u8]]) -> Vec<u8> {
        let mut message = HEADERS.to_vec();
        message.extend([0xFF, 0xFF, number, 0, 0, 0]);
        params.iter().for_each(|param| message.extend(*param));
        self.send(RPC, STATUS_END, &message).await;
        self.reply().await
    }

    /// The payload of the next reply.
    pub(super) async fn reply(&mut self) -> Vec<u8> {
        self.try_reply().await.unwrap()
    }

    /// Whether nothing has arrived that was not read.
    pub(super) fn has_no_reply(&mut self) -> bool {
        let read = self.0.try_read(&mut [0; 1]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    async fn try_reply(&mut self) -> std::io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let mut header = [0; 8];
            self.0.read_exact(&mut header).await?;
            assert_eq!(header[0], 4);
            let mut data = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 8];
            self.0.read_exact(&mut data).await?;
            payload.extend(data);
            if header[1] & STATUS_END != 0 {
                return Ok(payload);
            }
        }
    }
}

pub(super) fn batch(text: &str) -> Vec<u8> {
    HEADERS
        .iter()
        .copied()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect()
}

fn text(text: &str) -> Vec<u8> {
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut param = vec![0, 0, 0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 0x34];
    param.extend((bytes.len() as u16).to_le_bytes());
    param.extend(bytes);
    param
}

fn int(value: u8, output: bool) -> Vec<u8> {
    vec![0, u8::from(output), 0x26, 4, 4, value, 0, 0, 0]
}

fn done(token: u8, status: u8, command: u8, rows: u8) -> [u8; 13] {
    [token, status, 0, command, 0, rows, 0, 0, 0, 0, 0, 0, 0]
}

#[tokio::test]
async fn every_done_says_whether_more_follows_and_what_it_counts() {
    let rig = Rig::start(TlsMode::Offered).await;
    let mut raw = Raw::log_in(&rig).await;
    assert_eq!(raw.batch(STATUS_END, "count 3").await, done(0xFD, 0x10, 0xC3, 3));
    assert_eq!(raw.batch(STATUS_END, "nothing").await, DONE_FINAL);
    let reply = raw.batch(STATUS_END, "count 3;count 4").await;
    assert_eq!(
        reply,
        [done(0xFD, 0x11, 0xC3, 3), done(0xFD, 0x10, 0xC3, 4)].concat()
    );
    let reply = raw.batch(STATUS_END, "fail").await;
    assert_eq!(
        (reply[0], &reply[reply.len() - 13..]),
        (0xAA, &done(0xFD, 0x02, 0, 0)[..])
    );
    let reply = raw.batch(STATUS_END, "begin;count 1").await;
    assert_eq!(
        (reply[0], &reply[reply.len() - 13..]),
        (0xE3, &done(0xFD, 0x14, 0xC3, 1)[..])
    );
    let reply = raw.batch(STATUS_END, "rows 0").await;
    assert_eq!(
        (reply[0], &reply[reply.len() - 13..]),
        (0x81, &done(0xFD, 0x14, 0xC1, 0)[..])
    );
}

#[tokio::test]
async fn prepared_statements_run_by_their_handle() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut raw = Raw::log_in(&rig).await;
    let handle = |value: u8| {
        // RETURNSTATUS 0, then RETURNVALUE @handle.
        let mut expected = vec![0x79, 0, 0, 0, 0, 0xAC, 0, 0, 7];
        expected.extend("@handle".encode_utf16().flat_map(u16::to_le_bytes));
        expected.extend([1, 0, 0, 0, 0, 1, 0, 0x26, 4, 4, value, 0, 0, 0]);
        expected.extend(done(0xFE, 0, 0xE0, 0));
        expected
    };
    let (declared, statement) = (text("@a int, @b nvarchar(9)"), text("count 2"));
    let prepared = raw
        .rpc(11, &[&int(0, true), &declared, &statement, &int(1, false)])
        .await;
    assert_eq!(prepared, handle(1));
    let reply = raw.rpc(12, &[&int(1, false), &int(5, false), &text("x")]).await;
    let status_zero = [0x79u8, 0, 0, 0, 0];
    let expected = [
        &done(0xFF, 0x11, 0xC3, 2)[..],
        &status_zero,
        &done(0xFE, 0, 0xE0, 0),
    ]
    .concat();
    assert_eq!(reply, expected);
    assert_eq!(
        rig.event("execute").await,
        "execute count 2 [(\"@a\", Integer(5)), (\"@b\", Text(\"x\"))]"
    );
    let both = raw
        .rpc(
            13,
            &[&int(0, true), &declared, &statement, &int(6, false), &text("y")],
        )
        .await;
    assert_eq!(both, [&done(0xFF, 0x11, 0xC3, 2)[..], &handle(2)].concat());
    assert_eq!(
        raw.rpc(15, &[&int(1, false)]).await,
        [&status_zero[..], &done(0xFE, 0, 0xE0, 0)].concat()
    );
    for (reply, number) in [
        (raw.rpc(12, &[&int(1, false)]).await, 8179i32),
        (raw.rpc(15, &[&int(1, false)]).await, 8179),
        (raw.rpc(2, &[&int(0, true)]).await, 16901),
        (raw.rpc(12, &[&int(2, false), &int(5, false)]).await, 8178),
    ] {
        assert_eq!((reply[0], &reply[3..7]), (0xAA, &number.to_le_bytes()[..]));
        assert_eq!(&reply[reply.len() - 13..], &done(0xFE, 0x02, 0xE0, 0));
    }
}

#[tokio::test]
async fn an_output_parameter_comes_back_under_its_place() {
    let rig = Rig::start(TlsMode::Offered).await;
    let mut raw = Raw::log_in(&rig).await;
    let reply = raw
        .rpc(
            10,
            &[
                &text("nothing"),
                &text("@a int, @b int output"),
                &int(1, false),
                &int(0, true),
            ],
        )
        .await;
    let value = &reply[5..];
    assert_eq!((value[0], value[1], value[3]), (0xAC, 3, 2));
    assert_eq!(value[value.len() - 13 - 4], 42);
}

#[tokio::test]
async fn a_reset_is_acknowledged_and_goes_back_to_the_logins_database() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut raw = Raw::log_in(&rig).await;
    raw.batch(STATUS_END, "use other").await;
    let reply = raw.batch(STATUS_END | STATUS_RESET, "count 1").await;
    assert_eq!(rig.event("reset").await, "reset");
    // ENVCHANGE 1 back to master, ENVCHANGE 18, and the answer itself.
    assert_eq!((reply[0], reply[3], reply[4]), (0xE3, 1, 6));
    let reset = [0xE3, 3, 0, 18, 0, 0];
    assert_eq!(
        reply[reply.len() - 19..],
        [&reset[..], &done(0xFD, 0x10, 0xC3, 1)].concat()
    );
    raw.batch(STATUS_END, "begin").await;
    let reply = raw
        .batch(STATUS_END | STATUS_RESET_KEEP_TRANSACTION, "count 1")
        .await;
    assert_eq!(reply, done(0xFD, 0x14, 0xC3, 1));
    let reply = raw.batch(STATUS_END | STATUS_RESET, "count 1").await;
    assert_eq!(reply, [&reset[..], &done(0xFD, 0x10, 0xC3, 1)].concat());
}

#[tokio::test]
async fn attentions_are_answered_whenever_they_come() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut raw = Raw::log_in(&rig).await;
    // There is nothing to cancel.
    raw.send(ATTENTION, STATUS_END, &[]).await;
    assert_eq!(raw.reply().await, DONE_ATTENTION);
    // In the middle of a message, with and without the mark that takes it back.
    let message = batch("count 1");
    raw.send(SQL_BATCH, 0, &message[..20]).await;
    raw.send(ATTENTION, STATUS_END, &[]).await;
    assert_eq!(raw.reply().await, DONE_ATTENTION);
    raw.send(SQL_BATCH, 0, &message[..20]).await;
    raw.send(SQL_BATCH, STATUS_END | STATUS_IGNORE, &[]).await;
    raw.send(ATTENTION, STATUS_END, &[]).await;
    assert_eq!(raw.reply().await, DONE_ATTENTION);
    // While the session works. The answer ends with the attention's, in one message.
    raw.send(SQL_BATCH, STATUS_END, &batch("wait")).await;
    rig.event("waiting").await;
    raw.send(ATTENTION, STATUS_END, &[]).await;
    let reply = raw.reply().await;
    assert_eq!(reply[reply.len() - 13..], DONE_ATTENTION);
    assert!(!reply.contains(&0xAA));
    assert_eq!(raw.batch(STATUS_END, "count 1").await, done(0xFD, 0x10, 0xC3, 1));
}

#[tokio::test]
async fn a_bulk_load_that_is_taken_back_keeps_nothing() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut raw = Raw::log_in(&rig).await;
    let columns = [0x81, 1, 0, 0, 0, 0, 0, 9, 0, 0x26, 4, 1, b'n', 0];
    let row = [0xD1, 4, 7, 0, 0, 0];
    raw.batch(STATUS_END, "INSERT BULK t").await;
    raw.send(BULK_LOAD, 0, &[&columns[..], &row].concat()).await;
    raw.send(BULK_LOAD, STATUS_END | STATUS_IGNORE, &[]).await;
    raw.send(ATTENTION, STATUS_END, &[]).await;
    assert_eq!(rig.event("bulk-end").await, "bulk-end false 1");
    assert_eq!(raw.reply().await, DONE_ATTENTION);
    // Cut off in a row, and without INSERT BULK.
    raw.batch(STATUS_END, "INSERT BULK t").await;
    raw.send(BULK_LOAD, STATUS_END, &[&columns[..], &row[..3]].concat())
        .await;
    assert_eq!(rig.event("bulk-end").await, "bulk-end false 0");
    assert_eq!(raw.reply().await[0], 0xAA);
    raw.send(BULK_LOAD, STATUS_END, &columns).await;
    assert_eq!(raw.reply().await[0], 0xAA);
    assert_eq!(raw.batch(STATUS_END, "count 1").await, done(0xFD, 0x10, 0xC3, 1));
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_loses_its_connection_only() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    for (kind, payload) in [
        (99, &[][..]),
        (SQL_BATCH, &[9, 9]),
        (RPC, &HEADERS[..9]),
        (14, &HEADERS[..]),
    ] {
        let mut raw = Raw::log_in(&rig).await;
        raw.send(kind, STATUS_END, payload).await;
        let reply = raw.reply().await;
        assert_eq!(
            (reply[0], &reply[3..7]),
            (0xAA, &17805i32.to_le_bytes()[..]),
            "{kind}"
        );
        rig.event("dropped").await;
        assert_eq!(raw.0.read(&mut [0; 1]).await.unwrap(), 0);
    }
    let mut raw = Raw::log_in(&rig).await;
    assert_eq!(raw.batch(STATUS_END, "count 1").await, done(0xFD, 0x10, 0xC3, 1));
}
