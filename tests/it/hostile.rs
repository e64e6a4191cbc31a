//! Servers that answer without an end: every command ends, with little in memory, and names what was too much.
//!
//! How much the program took is told by how much the server could send before it hung up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mssql_sync::base::error::{Error, ErrorKind};
use mssql_sync::mssql::{Endpoint, Flow, Session, Timeouts};
use testkit::project::T_MONTHLY;
use testkit::proxy::{Flood, LOGIN, Meddler, answer};
use testkit::tables::Table;
use testkit::{Project, Proxy, Server, session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];
/// The statement that reads a chunk.
const READ: &str = "FROM [dbo].[T] WHERE";
/// What is on the way between two sockets when one of them hangs up, at the most.
const BUFFERS: u64 = 16 << 20;
/// The bounds of a login, of a collected answer, and of a row where a chunk has 4,096 bytes.
const LOGIN_MAX: u64 = 4 << 20;
const COLLECTED_MAX: u64 = 16 << 20;
const ROW_MAX: u64 = COLLECTED_MAX + 8192;

/// Floods the answer to requests of this kind or with this text.
#[derive(Clone)]
struct Flooder {
    kind: Option<u8>,
    text: &'static str,
    flood: Arc<Flood>,
    /// How often yet.
    times: Arc<AtomicU64>,
}

impl Meddler for Flooder {
    fn request(&mut self, kind: u8, text: &str) -> Option<Flood> {
        let meant = self.kind.is_none_or(|own| own == kind) && text.contains(self.text);
        let once_less = |left: u64| left.checked_sub(1);
        let left = |times: &AtomicU64| times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, once_less);
        (meant && left(&self.times).is_ok()).then(|| Flood::clone(&self.flood))
    }
}

async fn flooding(server: &Server, kind: Option<u8>, text: &'static str, flood: Flood, times: u64) -> Proxy {
    let flooder = Flooder {
        kind,
        text,
        flood: Arc::new(flood),
        times: Arc::new(AtomicU64::new(times)),
    };
    Proxy::start(address(server), move || Box::new(flooder.clone())).await
}

fn address(server: &Server) -> SocketAddr {
    format!("{}:{}", server.host, server.port)
        .parse()
        .expect("an address")
}

/// Leads the first connection string of `sync.toml`, which is the source's, to the proxy.
fn lead_source(project: &Project, server: &Server, proxy: &Proxy) {
    let config = project.home.read("sync.toml");
    let to = format!("127.0.0.1,{}", proxy.port);
    let config = config.replacen(&format!("{},{}", server.host, server.port), &to, 1);
    project.home.write("sync.toml", config);
}

fn b_varchar(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).expect("it is short")];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// INFO, as PRINT sends it.
fn info() -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 1, 0];
    body.extend(4_u16.to_le_bytes());
    body.extend("busy".encode_utf16().flat_map(u16::to_le_bytes));
    body.extend([0, 0, 1, 0, 0, 0]);
    let mut token = vec![0xab];
    token.extend(u16::try_from(body.len()).expect("it is short").to_le_bytes());
    token.extend(body);
    token
}

/// COLMETADATA of one column.
fn columns(name: &str, data_type: &[u8]) -> Vec<u8> {
    let mut token = vec![0x81, 1, 0, 0, 0, 0, 0, 0, 0];
    token.extend(data_type);
    token.extend(b_varchar(name));
    token
}

const INT: [u8; 1] = [0x38];
const DATETIME: [u8; 1] = [0x3d];
const NVARCHAR_MAX: [u8; 8] = [0xe7, 0xff, 0xff, 9, 4, 0xd0, 0, 0x34];

/// A row whose text has no end.
fn endless_text() -> Flood {
    let mut head = columns("NOTE", &NVARCHAR_MAX);
    head.push(0xd1);
    head.extend(0xffff_ffff_ffff_fffe_u64.to_le_bytes());
    let mut body = 2_000_u32.to_le_bytes().to_vec();
    body.extend(b"x\0".repeat(1_000));
    Flood { head, body }
}

/// A row whose text says that it has 4 GiB, in parts of the longest length there is.
fn declared_text() -> Flood {
    let mut head = columns("NOTE", &NVARCHAR_MAX);
    head.push(0xd1);
    head.extend((4_u64 << 30).to_le_bytes());
    head.extend(0x7fff_ffff_u32.to_le_bytes());
    Flood {
        head,
        body: b"x\0".to_vec(),
    }
}

fn endless_rows() -> Flood {
    Flood {
        head: columns("A", &INT),
        body: vec![0xd1, 1, 0, 0, 0],
    }
}

/// Rows of the table T, whose note is NULL.
fn endless_rows_of_t() -> Flood {
    let mut head = vec![0x81, 3, 0];
    for (name, data_type) in [
        ("ID", &INT[..]),
        ("D", &DATETIME[..]),
        ("NOTE", &NVARCHAR_MAX[..]),
    ] {
        head.extend(&columns(name, data_type)[3..]);
    }
    let mut body = vec![0xd1, 1, 0, 0, 0];
    body.extend([0; 8]);
    body.extend([0xff; 8]);
    Flood { head, body }
}

fn endless_info() -> Flood {
    Flood {
        head: info(),
        body: info(),
    }
}

fn endless_columns() -> Flood {
    Flood {
        head: columns("A", &INT),
        body: columns("A", &INT),
    }
}

async fn with_one_row(test: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    let columns = "ID int NOT NULL, D datetime NOT NULL, NOTE nvarchar(max) NULL";
    let row = "(1, '2025-10-05T00:00:00', N'short')".to_owned();
    Table::new("T", columns)
        .indexed("D")
        .rows([row])
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_bytes_max = 4096", T_MONTHLY);
    Some((server, project))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_an_end_is_refused_by_its_column() {
    let test = "a_row_without_an_end_is_refused_by_its_column";
    for flood in [endless_text(), declared_text()] {
        let Some((server, project)) = with_one_row(test).await else {
            return;
        };
        let proxy = flooding(&server, None, READ, flood, u64::MAX).await;
        lead_source(&project, &server, &proxy);
        let ended = project.sync(&RUN).await;
        let flooded = proxy.flooded();
        assert!(flooded < ROW_MAX + BUFFERS, "{flooded} bytes: {}", ended.said());
        let said = ended
            .expect(4)
            .says("Table T, window 2025-10")
            .says("Column NOTE: ");
        said.says("has a row of more than 16 MiB")
            .says("raise chunk_bytes_max");
        assert_eq!(server.count(&server.target, "dbo.t_T").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_has_no_more_rows_than_were_asked_for() {
    let Some((server, project)) = with_one_row("a_chunk_has_no_more_rows_than_were_asked_for").await else {
        return;
    };
    project.configure("chunk_bytes_max = 4096", "chunk_rows = 10");
    let proxy = flooding(&server, None, READ, endless_rows_of_t(), 1).await;
    lead_source(&project, &server, &proxy);
    let ended = project.sync(&RUN).await.expect(0);
    ended
        .says("attempt 1 failed")
        .says("more rows than it was asked for");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_has_the_columns_that_were_asked_for() {
    let Some((server, project)) = with_one_row("a_chunk_has_the_columns_that_were_asked_for").await else {
        return;
    };
    let proxy = flooding(&server, None, READ, endless_rows(), 1).await;
    lead_source(&project, &server, &proxy);
    let ended = project.sync(&RUN).await.expect(0);
    ended
        .says("attempt 1 failed")
        .says("other columns than the 3 it was asked for");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_row_can_hold_is_loaded_and_one_that_it_cannot_is_refused() {
    let test = "a_value_that_a_row_can_hold_is_loaded_and_one_that_it_cannot_is_refused";
    let Some((server, project)) = with_one_row(test).await else {
        return;
    };
    let mut source = server.connect(&server.source).await;
    let begin = "x".repeat(4_200);
    source.run(&format!("UPDATE dbo.T SET NOTE = N'{begin}'")).await;
    // 8.6 million characters, which are 17.2 million bytes on the wire.
    for _ in 0..11 {
        source.run("UPDATE dbo.T SET NOTE = NOTE + NOTE").await;
    }
    let ended = project.sync(&RUN).await.expect(4);
    ended
        .says("Column NOTE: ")
        .says("a row of more than 16 MiB")
        .does_not_say("xxxx");
    project.configure("chunk_bytes_max = 4096", "chunk_bytes_max = 1048576");
    project.sync(&RUN).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_answer_without_an_end_is_cut_off() {
    let test = "a_short_answer_without_an_end_is_cut_off";
    // The first statement about the server, and one about a table.
    let cases = [
        ("SERVERPROPERTY", endless_info()),
        ("SERVERPROPERTY", endless_columns()),
        ("sys.columns", endless_rows()),
        ("sys.columns", endless_text()),
    ];
    for (at, flood) in cases {
        let Some((server, project)) = with_one_row(test).await else {
            return;
        };
        let proxy = flooding(&server, None, at, flood, u64::MAX).await;
        lead_source(&project, &server, &proxy);
        let ended = project.sync(&["doctor"]).await;
        let flooded = proxy.flooded();
        // It may ask again for what it did not get.
        assert!(
            flooded < 4 * (COLLECTED_MAX + BUFFERS),
            "{flooded} bytes: {}",
            ended.said()
        );
        ended
            .expect(7)
            .says("SELECT")
            .says("sent more than 16 MiB where a short answer was expected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_an_end_is_cut_off() {
    let Some((server, project)) = with_one_row("a_login_without_an_end_is_cut_off").await else {
        return;
    };
    let proxy = flooding(&server, Some(LOGIN), "", endless_info(), u64::MAX).await;
    lead_source(&project, &server, &proxy);
    let ended = project.sync(&["doctor"]).await;
    let flooded = proxy.flooded();
    assert!(flooded < 4 * (LOGIN_MAX + BUFFERS), "{flooded} bytes");
    ended.expect(7).says("sent more than 4 MiB");
}

fn endpoint(port: u16) -> Endpoint {
    session::endpoint("127.0.0.1", port, "reader", "correct horse", "POS")
}

/// Lets in whoever comes, and answers the statement after the session's options with `part`, byte by byte, for ever.
async fn dripping(part: Vec<u8>, rows: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut prelogin = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff];
        prelogin.extend([16, 0, 0, 0, 0, 0, 2]);
        let mut done = vec![0xfd];
        done.extend([0; 12]);
        for tokens in [prelogin, done.clone(), done] {
            read_message(&mut stream).await;
            stream
                .write_all(&answer(&tokens, true))
                .await
                .expect("it listens");
        }
        read_message(&mut stream).await;
        if rows {
            let head = columns("A", &INT);
            stream.write_all(&answer(&head, false)).await.expect("it listens");
        }
        loop {
            for byte in answer(&part, false) {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    port
}

async fn read_message(stream: &mut tokio::net::TcpStream) {
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).await.expect("a header");
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        stream
            .read_exact(&mut vec![0; length - 8])
            .await
            .expect("a packet");
        if header[1] & 1 == 1 {
            return;
        }
    }
}

#[tokio::test]
async fn an_answer_that_drips_has_an_end() {
    let short = Timeouts {
        statement: Duration::from_millis(200),
        liveness: Duration::from_millis(100),
        ..Timeouts::default()
    };
    // No rows, and a row that never becomes one.
    let port = dripping(info(), false).await;
    let mut session = Session::open(&endpoint(port), None, &short)
        .await
        .expect("a session");
    let error = session
        .rows("SELECT 1 FROM sys.objects", &[])
        .await
        .expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(
        error.to_string().starts_with("SELECT sys.objects: The source at"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("did not finish its answer within 0.3 s"),
        "{error}"
    );
    assert!(session.is_broken());

    let port = dripping(info(), true).await;
    let mut session = Session::open(&endpoint(port), None, &short)
        .await
        .expect("a session");
    let each = |_: mssql_sync::mssql::RowReader<'_>| Ok(Flow::Continue);
    let error = session.stream("SELECT 1", &[], each).await.expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");

    // As long as rows come, a stream goes on.
    let port = dripping(vec![0xd1, 1, 0, 0, 0], true).await;
    let mut session = Session::open(&endpoint(port), None, &short)
        .await
        .expect("a session");
    let start = tokio::time::Instant::now();
    let mut rows = 0;
    let stream = session.stream("SELECT 1", &[], |_| {
        rows += 1;
        if start.elapsed() < 2 * (short.statement + short.liveness) {
            return Ok(Flow::Continue);
        }
        Err(Error::new(ErrorKind::Held, "It is enough"))
    });
    let error = stream.await.expect_err("it ends with its caller");
    assert_eq!(error.kind(), ErrorKind::Held, "{error}");
    assert!(rows > 1);
}
