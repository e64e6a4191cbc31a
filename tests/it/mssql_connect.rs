//! Opening sessions against servers that refuse, stall, redirect or hang up: what the errors say and what the
//! session is afterwards. The server here is a script of packets, because no real server can be made to do this.
#![allow(
    clippy::unwrap_used,
    reason = "what a test's helpers cannot do fails the test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mssql_sync::base::error::ErrorKind;
use mssql_sync::mssql::{Endpoint, Session, Timeouts};
use testkit::middle::{done, prelogin_answer, routing, us_varchar};
use testkit::session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the script does with a client's message.
#[derive(Clone)]
enum Answer {
    /// Sends these tokens as a whole answer.
    Tokens(Vec<u8>),
    /// Sends these tokens as an answer that is to go on, and nothing more.
    Begin(Vec<u8>),
    /// Holds the connection open and says nothing.
    Silence,
    /// Closes the connection.
    HangUp,
}

struct Script {
    port: u16,
    connections: Arc<AtomicUsize>,
}

/// Serves every connection the same answers: the first to PRELOGIN, the second to LOGIN7, then to each message.
async fn serve(answers: Vec<Answer>) -> Script {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(play(stream, answers.clone()));
        }
    });
    Script { port, connections }
}

async fn play(mut stream: TcpStream, answers: Vec<Answer>) {
    for answer in answers {
        if read_message(&mut stream).await.is_none() {
            return;
        }
        let sent = match answer {
            Answer::Tokens(tokens) => stream.write_all(&packet(&tokens, true)).await,
            Answer::Begin(tokens) => stream.write_all(&packet(&tokens, false)).await,
            Answer::Silence => Ok(()),
            Answer::HangUp => return,
        };
        if sent.is_err() {
            return;
        }
    }
    // Held open until the client leaves.
    let _ = read_message(&mut stream).await;
}

async fn read_message(stream: &mut TcpStream) -> Option<()> {
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).await.ok()?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 8];
        stream.read_exact(&mut body).await.ok()?;
        if header[1] & 1 == 1 {
            return Some(());
        }
    }
}

fn packet(payload: &[u8], last: bool) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap().to_be_bytes();
    let mut bytes = vec![4, u8::from(last), length[0], length[1], 0, 0, 1, 0];
    bytes.extend_from_slice(payload);
    bytes
}

/// A PRELOGIN answer: version 16.0, no TLS.
fn prelogin() -> Answer {
    Answer::Tokens(prelogin_answer(2))
}

fn error(number: u32, state: u8, class: u8, text: &str) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.extend_from_slice(&[state, class]);
    body.extend_from_slice(&us_varchar(text));
    body.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
    let mut bytes = vec![0xaa];
    bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&done());
    bytes
}

/// A server that lets in, and then answers as told.
fn after_login(rest: Vec<Answer>) -> Vec<Answer> {
    let mut answers = vec![prelogin(), Answer::Tokens(done()), Answer::Tokens(done())];
    answers.extend(rest);
    answers
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        read_only_intent: true,
        ..session::endpoint(host, port, "reader", "correct horse", "POS")
    }
}

fn short() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(5),
        handshake: Duration::from_millis(200),
        statement: Duration::from_millis(200),
        liveness: Duration::from_millis(100),
        ..Timeouts::default()
    }
}

async fn refusal(endpoint: &Endpoint) -> (ErrorKind, String) {
    let error = Session::open(endpoint, None, &short()).await.unwrap_err();
    let text = error.chain();
    assert!(!text.contains("correct horse"), "{text}");
    (error.kind(), text)
}

#[tokio::test]
async fn nobody_listens() {
    let deaf = session::nobody_listens();
    let port = deaf.port;
    let (kind, text) = refusal(&endpoint("127.0.0.1", port)).await;
    assert_eq!(kind, ErrorKind::Connection);
    assert!(
        text.starts_with(&format!(
            "Nobody listens at 127.0.0.1:{port} for the source; start SQL Server"
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_host_without_address() {
    let (kind, text) = refusal(&endpoint("no-such-host.invalid", 1433)).await;
    assert_eq!(kind, ErrorKind::Connection);
    assert!(
        text.starts_with("The source's host no-such-host.invalid has no address"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing() {
    let server = serve(vec![Answer::Silence, Answer::Silence]).await;
    let (kind, text) = refusal(&endpoint("127.0.0.1", server.port)).await;
    assert_eq!(kind, ErrorKind::Connection);
    assert!(text.contains("did not finish the login within 0.2 s"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_up() {
    let server = serve(vec![prelogin(), Answer::HangUp]).await;
    let (kind, text) = refusal(&endpoint("127.0.0.1", server.port)).await;
    assert_eq!(kind, ErrorKind::Connection);
    assert!(
        text.starts_with("The connection to the source at 127.0.0.1:"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_login_says_why_where_the_server_does() {
    let refused = error(18_456, 8, 14, "Login failed for user 'reader'.");
    let server = serve(vec![prelogin(), Answer::Tokens(refused)]).await;
    let (kind, text) = refusal(&endpoint("127.0.0.1", server.port)).await;
    assert_eq!(kind, ErrorKind::Login);
    assert!(
        text.contains("refused the login reader (error 18456, state 8): the password is wrong"),
        "{text}"
    );

    let refused = error(18_456, 1, 14, "Login failed for user 'reader'.");
    let server = serve(vec![prelogin(), Answer::Tokens(refused)]).await;
    let (_, text) = refusal(&endpoint("127.0.0.1", server.port)).await;
    assert!(
        text.contains("most likely the user or the password is wrong") && text.contains("ERRORLOG"),
        "{text}"
    );

    let no_database = error(
        4060,
        1,
        11,
        "Cannot open database \"POS\" requested by the login. The login failed.",
    );
    let server = serve(vec![prelogin(), Answer::Tokens(no_database)]).await;
    let (kind, text) = refusal(&endpoint("127.0.0.1", server.port)).await;
    assert_eq!(kind, ErrorKind::Login);
    assert!(
        text.contains("has no database POS that the login reader may open (error 4060)"),
        "{text}"
    );

    let moving = error(
        40_613,
        1,
        17,
        "Database 'POS' on server 's' is not currently available.",
    );
    let server = serve(vec![prelogin(), Answer::Tokens(moving)]).await;
    assert_eq!(
        refusal(&endpoint("127.0.0.1", server.port)).await.0,
        ErrorKind::Connection
    );
}

#[tokio::test]
async fn a_redirect_is_followed_once() {
    let replica = serve(after_login(vec![])).await;
    let listener = serve(vec![
        prelogin(),
        Answer::Tokens(routing("127.0.0.1\\POS", replica.port)),
    ])
    .await;
    let session = Session::open(&endpoint("127.0.0.1", listener.port), None, &short())
        .await
        .unwrap();
    assert!(!session.is_broken());
    assert_eq!(listener.connections.load(Ordering::SeqCst), 1);
    assert_eq!(replica.connections.load(Ordering::SeqCst), 1);

    let again = serve(vec![
        prelogin(),
        Answer::Tokens(routing("127.0.0.1", listener.port)),
    ])
    .await;
    let (kind, text) = refusal(&endpoint("127.0.0.1", again.port)).await;
    assert_eq!(kind, ErrorKind::Connection);
    assert!(text.contains("which is one time too many"), "{text}");
    assert_eq!(
        replica.connections.load(Ordering::SeqCst),
        1,
        "the second redirect is not followed"
    );
}

#[tokio::test]
async fn a_server_that_stalls_is_taken_for_dead() {
    let never = serve(after_login(vec![Answer::Silence])).await;
    let mut session = Session::open(&endpoint("127.0.0.1", never.port), None, &short())
        .await
        .unwrap();
    let error = session.batch("SELECT 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("did not begin to answer"), "{error}");
    assert!(session.is_broken());
    let error = session.batch("SELECT 1").await.unwrap_err();
    assert!(error.to_string().contains("not usable any more"), "{error}");

    // An answer that begins and then stops: half a DONE.
    let half = serve(after_login(vec![Answer::Begin(done()[..5].to_vec())])).await;
    let patient = Timeouts {
        statement: Duration::from_secs(3600),
        ..short()
    };
    let mut session = Session::open(&endpoint("127.0.0.1", half.port), None, &patient)
        .await
        .unwrap();
    let error = session.rows("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broken);
    assert!(session.is_broken());
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown() {
    for answer in [Answer::HangUp, Answer::Silence] {
        let server = serve(after_login(vec![Answer::Tokens(done()), answer])).await;
        let mut session = Session::open(&endpoint("127.0.0.1", server.port), None, &short())
            .await
            .unwrap();
        session.begin().await.unwrap();
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(session.is_broken());
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broken, "nothing was sent any more");
    }
}

#[tokio::test]
async fn a_refused_commit_did_not_happen() {
    let refused = error(1205, 1, 13, "Transaction (Process ID 52) was deadlocked.");
    let server = serve(after_login(vec![Answer::Tokens(refused)])).await;
    let mut session = Session::open(&endpoint("127.0.0.1", server.port), None, &short())
        .await
        .unwrap();
    let error = session.commit().await.unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Transient, Some(1205)));
    assert!(!session.is_broken());
}

#[tokio::test]
async fn a_call_that_is_given_up_breaks_the_session() {
    let server = serve(after_login(vec![Answer::Silence])).await;
    let mut session = Session::open(&endpoint("127.0.0.1", server.port), None, &short())
        .await
        .unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(20), session.batch("SELECT 1")).await;
    assert!(given_up.is_err());
    assert!(session.is_broken());
}

#[tokio::test]
async fn a_certificate_file_that_is_not_there() {
    let mut endpoint = endpoint("127.0.0.1", serve(vec![]).await.port);
    endpoint.ca_file = Some("no/such/ca.pem".into());
    let (kind, text) = refusal(&endpoint).await;
    assert_eq!(kind, ErrorKind::Config);
    assert!(
        text.starts_with("The source's ca_file no/such/ca.pem cannot be read"),
        "{text}"
    );
    endpoint.trust_server_certificate = true;
    assert_eq!(refusal(&endpoint).await.0, ErrorKind::Config);
}
