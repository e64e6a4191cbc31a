//! What one client may take of the server, and what the others notice of it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Rig;
use super::raw::{Raw, batch};
use crate::limits::Limits;
use crate::wire::packet::{LOGIN7, PRELOGIN, SQL_BATCH, STATUS_END};
use crate::wire::prelogin::TlsMode;

/// Longer than any test runs.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether the server has closed the connection, whatever it has said before.
async fn is_closed(tcp: &mut TcpStream) {
    let mut rest = Vec::new();
    // A connection that was reset is closed as well.
    let _ = tcp.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_login_that_does_not_come_is_not_waited_for() {
    assert_eq!(Limits::default().login, Duration::from_secs(30));
    let limits = Limits {
        login: Duration::from_millis(50),
        ..Limits::default()
    };
    let rig = Rig::start_within(TlsMode::Offered, limits).await;
    let prelogin = [PRELOGIN, STATUS_END, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xFF, 2];
    let encrypted = [PRELOGIN, STATUS_END, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xFF, 1];
    let half_login = [LOGIN7, 0, 0, 12, 0, 0, 1, 0, 94, 0, 0, 0];
    for sent in [
        Vec::new(),
        prelogin[..9].to_vec(),
        prelogin.to_vec(),
        encrypted.to_vec(),
        [&prelogin[..], &half_login].concat(),
    ] {
        let mut tcp = TcpStream::connect(rig.addr).await.unwrap();
        tcp.write_all(&sent).await.unwrap();
        is_closed(&mut tcp).await;
    }
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_may_be() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let rig = Rig::start_within(TlsMode::Offered, limits).await;
    let mut first = Raw::log_in(&rig).await;
    let _silent = TcpStream::connect(rig.addr).await.unwrap();
    let mut third = TcpStream::connect(rig.addr).await.unwrap();
    is_closed(&mut third).await;
    first.batch(STATUS_END, "nothing").await;
    drop(first);
    // Its place is free once its thread has ended.
    while Raw::try_log_in(&rig, "pass").await.is_none() {}
}

#[tokio::test]
async fn requests_that_arrive_in_part_have_a_limit_together() {
    let limits = Limits {
        held_bytes: 20_000,
        ..Limits::default()
    };
    let rig = Rig::start_within(TlsMode::Offered, limits).await;
    let (mut one, mut other) = (Raw::log_in(&rig).await, Raw::log_in(&rig).await);
    let message = batch(&"nothing;".repeat(1_000));
    let (half, rest) = message.split_at(22 + 700 * 16);
    one.send(SQL_BATCH, 0, half).await;
    while rig.server.held.bytes() < half.len() {
        tokio::task::yield_now().await;
    }
    other.send(SQL_BATCH, 0, half).await;
    let reply = other.reply().await;
    assert_eq!((reply[0], &reply[3..7]), (0xAA, &701i32.to_le_bytes()[..]));
    one.send(SQL_BATCH, STATUS_END, &rest[..16]).await;
    assert_eq!(one.reply().await[0], 0xFD);
    one.batch(STATUS_END, "nothing").await;
    assert_eq!(rig.server.held.bytes(), 0);
}

#[tokio::test]
async fn a_wrong_password_is_answered_late_and_nobody_else_waits() {
    assert_eq!(Limits::default().wrong_password, Duration::from_secs(1));
    let never = Limits {
        wrong_password: NEVER,
        ..Limits::default()
    };
    let rig = Rig::start_within(TlsMode::Offered, never).await;
    let mut guess = Raw::ask_to_log_in(&rig, "word").await;
    let mut known = Raw::log_in(&rig).await;
    known.batch(STATUS_END, "nothing").await;
    assert!(
        guess.has_no_reply(),
        "A wrong password was answered before its time"
    );
    let at_once = Limits {
        wrong_password: Duration::ZERO,
        ..Limits::default()
    };
    let rig = Rig::start_within(TlsMode::Offered, at_once).await;
    let mut guess = Raw::ask_to_log_in(&rig, "word").await;
    let reply = guess.reply().await;
    assert_eq!((reply[0], &reply[3..7]), (0xAA, &18456i32.to_le_bytes()[..]));
}
