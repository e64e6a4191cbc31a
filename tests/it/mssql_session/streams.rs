//! Streams that are stopped, and what the session is afterwards.

use mssql_sync::base::error::{Error, ErrorKind};
use mssql_sync::model::row::{Batch, Value, encode};
use mssql_sync::mssql::{Flow, Session};

use super::server::{Server, describe, load};

/// A table of `count` rows with a text of `length` characters each.
pub async fn fill(session: &mut Session, count: i64, length: usize) {
    session
        .batch("CREATE TABLE [dbo].[big] ([id] int NOT NULL PRIMARY KEY, [text] nvarchar(max) NULL)")
        .await
        .unwrap();
    let text = "x".repeat(length);
    let mut batch = Batch::default();
    for id in 0..count {
        batch
            .push(|out| {
                encode(Value::Integer(id), out)?;
                encode(Value::Text(&text), out)
            })
            .unwrap();
    }
    let schema = describe(session, "big").await;
    load(session, &batch, &schema, "big").await;
}

const BIG: &str = "SELECT [id], [text] FROM [dbo].[big] ORDER BY [id]";

/// Reads `big` until `rows` rows have come; returns what the stream said.
pub async fn read_some(session: &mut Session, rows: u64) -> Option<u64> {
    let mut seen = 0;
    session
        .stream(BIG, &[], |row| {
            assert_eq!(row.value(0)?, Value::Integer(seen as i64));
            seen += 1;
            Ok(if seen == rows { Flow::Stop } else { Flow::Continue })
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_stopped_stream_is_cancelled_and_the_session_goes_on() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    // 40 MB on the wire: more than sockets hold, so the server is still sending when it is told to stop.
    fill(&mut session, 4_000, 5_000).await;
    server.emulator.log().clear();
    // On another task, as a run does it.
    let reading = tokio::spawn(async move { (read_some(&mut session, 10).await, session) });
    let (count, mut session) = reading.await.unwrap();
    assert_eq!(count, Some(10));
    assert!(!session.is_broken());
    let sent: u64 = server
        .emulator
        .log()
        .entries()
        .iter()
        .map(|entry| entry.rows_sent)
        .sum();
    assert!(sent < 4_000, "all {sent} rows were sent");
    let rows = session
        .rows("SELECT COUNT_BIG(*) FROM [dbo].[big]", &[])
        .await
        .unwrap();
    assert_eq!(rows[0].integer(0).unwrap(), 4_000);

    // An error of the reader stops it as well.
    let error = session
        .stream(BIG, &[], |_| Err(Error::new(ErrorKind::Stopped, "Enough")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(!session.is_broken());
    assert_eq!(
        session.rows("SELECT 1 AS [a]", &[]).await.unwrap()[0]
            .integer(0)
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_stopped_stream_never_leaves_a_wrong_answer_behind() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    fill(&mut session, 1_500, 400).await;
    // A short rest is read to its end.
    assert_eq!(read_some(&mut session, 1_400).await, Some(1_400));
    assert!(!session.is_broken());
    for turn in 0..20 {
        // All of it fits into the sockets: whether the server hears the cancellation in time is chance.
        assert_eq!(read_some(&mut session, 1).await, Some(1));
        if session.is_broken() {
            session = server.open("POS").await;
        }
        let rows = session
            .rows("SELECT @P1 AS [turn]", &[Value::Integer(turn)])
            .await
            .unwrap();
        assert_eq!(rows[0].integer(0).unwrap(), turn);
    }
}
