//! Scope to the page by itself: who may read it, what each answer says to the browser, and the time and the number of its
//! readers.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mssql_sync::base::clock::{Clock, SharedClock, SystemClock};
use mssql_sync::base::secret::Secret;
use mssql_sync::checkpoint::{Replacement, Store};
use mssql_sync::config::Serve;
use mssql_sync::web::{Place, Server, serve};
use testkit::clock::Passing;
use testkit::filled::{self, Size};
use testkit::http::{Answer, Stream, get, get_with, request, said};
use testkit::program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Connections at once, and live ones among them.
const CLIENTS_MAX: usize = 64;
const STREAMS_MAX: usize = 16;

/// The time for a request, and that of a live stream.
const HEAD_TIME: Duration = Duration::from_secs(10);
const STREAM_TIME: Duration = Duration::from_secs(600);

/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

const TOKEN: &str = "a token of thirty-two characters";

/// All pages.
const PAGES: [&str; 11] = [
    "/",
    "/?show=failed&table=TABLE_01",
    "/window?table=TABLE_01&window=2015-01",
    "/next",
    "/runs",
    "/reconcile",
    "/style.css",
    "/live.js",
    "/livez",
    "/metrics",
    "/readyz",
];

/// A clock that waits until the test lets time pass, and tells what is waited for.
#[derive(Debug)]
struct Still {
    time: Arc<Passing>,
    waits: watch::Sender<Vec<Duration>>,
}

impl Still {
    fn new() -> Arc<Still> {
        Arc::new(Still {
            time: Passing::new(Duration::ZERO),
            waits: watch::Sender::default(),
        })
    }

    /// Once so many waits of this length have begun.
    async fn waited(&self, length: Duration, count: usize) {
        let mut waits = self.waits.subscribe();
        let so_many = |waits: &Vec<Duration>| waits.iter().filter(|wait| **wait == length).count() >= count;
        waits.wait_for(so_many).await.expect("the clock is there");
    }
}

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        self.time.now()
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }

    fn random(&self) -> u128 {
        1
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let sleep = self.time.sleep(wait);
        self.waits.send_modify(|waits| waits.push(wait));
        sleep
    }
}

async fn served(settings: Serve, state: &Path, clock: SharedClock) -> Server {
    let settings = Serve {
        listen: Some(settings.listen.unwrap_or(([127, 0, 0, 1], 0).into())),
        ..settings
    };
    let place = Place {
        state: state.to_owned(),
        config: state.with_file_name("sync.toml"),
    };
    serve(&settings, place, clock).await.expect("it is served")
}

/// A page of a small store that is whole, on the machine's clock.
async fn of_a_store(settings: Serve) -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("store");
    let size = Size {
        tables: 2,
        months: 3,
        chunks: 4,
    };
    filled::fill(&state, size);
    let server = served(settings, &state, SystemClock::shared()).await;
    (directory, server)
}

fn assert_is_guarded(answer: &Answer, what: &str) {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                  base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    for (name, value) in [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {answer:?}");
    }
    let is_kept = what.ends_with(".css") || what.ends_with(".js");
    let kept = if is_kept { "no-cache" } else { "no-store" };
    assert_eq!(answer.header("Cache-Control"), Some(kept), "{what}: {answer:?}");
    assert_eq!(answer.header("Connection"), Some("close"), "{what}: {answer:?}");
    assert_eq!(answer.header("Server"), None, "{what}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_guarded_and_only_reads_are_answered() {
    let (_directory, server) = of_a_store(Serve::default()).await;
    let address = server.address();
    for path in PAGES {
        let answer = get(address, path).await.expect(200);
        assert_is_guarded(&answer, path);
        assert!(!answer.body.is_empty(), "{path}");
        let head = said(address, request("HEAD", address, path, &[]).as_bytes()).await;
        assert_is_guarded(&head.clone().expect(200), path);
        assert_eq!(head.body, "", "{path}");
    }
    for path in [
        "/nothing",
        "/window?table=NONE&window=2015-01",
        "/window?table=TABLE_01",
    ] {
        assert_is_guarded(&get(address, path).await.expect(404), path);
    }
    assert_is_guarded(&get(address, "/window?table=%FF").await.expect(404), "not a name");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"] {
        for path in ["/", "/events", "/nothing"] {
            let answer = said(address, request(method, address, path, &[]).as_bytes())
                .await
                .expect(405);
            assert_eq!(answer.header("Allow"), Some("GET, HEAD"), "{method} {path}");
            assert_is_guarded(&answer, path);
        }
    }
    let long = format!("/?table={}", "x".repeat(3_000));
    assert_is_guarded(&get(address, &long).await.expect(414), "a long address");
    let mut events = Stream::open(address, "/events").await;
    let heard = events.until("\r\n\r\n").await;
    assert!(
        heard.contains("text/event-stream") && heard.contains("frame-ancestors"),
        "{heard}"
    );
    // What is no request, or too large for one, costs its connection.
    for garbage in [
        "\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0",
    ] {
        assert_ne!(said(address, garbage.as_bytes()).await.status, 200, "{garbage}");
    }
    let fat = [("X-Fat", "x".repeat(20_000))];
    let fat = fat.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(get_with(address, "/", &fat).await.expect(431).body, "");
    let many = "X: y\r\n".repeat(200);
    let many = format!("GET / HTTP/1.1\r\nHost: {address}\r\n{many}\r\n");
    said(address, many.as_bytes()).await.expect(431);
    get(address, "/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_browser_keeps_is_not_sent_again() {
    let (_directory, server) = of_a_store(Serve::default()).await;
    for (path, kind) in [
        ("/style.css", "text/css; charset=utf-8"),
        ("/live.js", "text/javascript; charset=utf-8"),
    ] {
        let first = get(server.address(), path).await.expect(200);
        assert_eq!(first.header("Content-Type"), Some(kind));
        let tag = first.header("ETag").expect("it has a tag");
        let again = get_with(server.address(), path, &[("If-None-Match", tag)])
            .await
            .expect(304);
        assert_eq!((again.body.as_str(), again.header("ETag")), ("", Some(tag)));
        assert_is_guarded(&again, path);
        get_with(server.address(), path, &[("If-None-Match", "\"another\"")])
            .await
            .expect(200);
    }
}

/// A page elsewhere can have a name of its own lead here, and read what it gets. So only our names are answered.
#[tokio::test(flavor = "multi_thread")]
async fn only_names_of_this_server_are_believed() {
    let settings = Serve {
        hosts: vec!["vm.example".to_owned(), "192.0.2.7".to_owned()],
        ..Serve::default()
    };
    let (_directory, server) = of_a_store(settings).await;
    let address = server.address();
    let port = address.port();
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.0.0.2:80",
        "[::1]:9",
        "vm.example",
        "VM.example.:443",
        "192.0.2.7",
    ] {
        get_with(address, "/", &[("Host", host)]).await.expect(200);
    }
    for host in [
        "evil.example",
        "vm.example.evil.example",
        "localhost.evil.example",
        &format!("evil.example:{port}"),
        "192.0.2.8",
        "[::2]",
        "0.0.0.0",
        "user@localhost",
        "localhost@evil.example",
        "localhost/",
        "",
    ] {
        for path in ["/", "/events", "/livez", "/style.css", "/nothing"] {
            let answer = get_with(address, path, &[("Host", host)]).await;
            assert!([400, 421].contains(&answer.status), "{host} {path}: {answer:?}");
            assert!(!answer.body.contains("TABLE_01"), "{answer:?}");
        }
    }
    let says = get_with(address, "/", &[("Host", "evil.example")])
        .await
        .expect(421);
    assert!(says.body.contains("hosts"), "{says:?}");
    assert_is_guarded(&says, "/");
    // No name, two names, and another name in the first line.
    for request in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nHost: evil.example\r\n\r\n"),
        format!("GET http://evil.example/ HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
    ] {
        let answer = said(address, request.as_bytes()).await;
        assert!([400, 421].contains(&answer.status), "{request}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_a_guess_costs_a_second() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = Serve {
        token: Some(Secret::new(TOKEN)),
        ..Serve::default()
    };
    let still = Still::new();
    let server = served(
        settings,
        &directory.path().join("store"),
        Arc::clone(&still) as SharedClock,
    )
    .await;
    let address = server.address();
    for path in [
        "/",
        "/events",
        "/metrics",
        "/readyz",
        "/style.css",
        "/live.js",
        "/nothing",
    ] {
        let refused = get(address, path).await.expect(401);
        assert_is_guarded(&refused, "/");
        let asked = refused.header("WWW-Authenticate").expect("it asks");
        assert!(asked.starts_with("Basic realm="), "{asked}");
    }
    get(address, "/livez").await.expect(200);
    // `anybody:a token of thirty-two characters`
    let basic = "Basic YW55Ym9keTphIHRva2VuIG9mIHRoaXJ0eS10d28gY2hhcmFjdGVycw==";
    for said in [basic, &format!("Bearer {TOKEN}"), &format!("bearer  {TOKEN}")] {
        get_with(address, "/", &[("Authorization", said)])
            .await
            .expect(200);
        get_with(address, "/runs", &[("Authorization", said)])
            .await
            .expect(200);
    }

    let guesses = [
        "Bearer",
        "Bearer another token",
        &format!("Bearer {TOKEN}x"),
        &format!("Basic {TOKEN}"),
        "Basic !",
        &TOKEN[1..],
    ];
    for (number, guess) in (1..).zip(guesses) {
        let guess = guess.to_owned();
        let answer = tokio::spawn(async move { get_with(address, "/", &[("Authorization", &guess)]).await });
        still.waited(Duration::from_secs(1), number).await;
        assert!(!answer.is_finished(), "it waits");
        still.time.pass(Duration::from_secs(1));
        let refused = answer.await.expect("it is answered").expect(401);
        assert!(!format!("{refused:?}").contains(TOKEN));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_needs_a_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = || Place {
        state: directory.path().join("store"),
        config: directory.path().join("sync.toml"),
    };
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "[::ffff:192.0.2.1]:8080"] {
        let mut settings = Serve {
            listen: Some(listen.parse().expect("an address")),
            ..Serve::default()
        };
        let refused = serve(&settings, place(), SystemClock::shared())
            .await
            .err()
            .expect("it is refused");
        assert_eq!(refused.kind(), mssql_sync::base::error::ErrorKind::Usage);
        assert!(
            refused.to_string().contains("token = \"${SERVE_TOKEN}\""),
            "{refused}"
        );
        if listen == "0.0.0.0:0" {
            settings.token = Some(Secret::new(TOKEN));
            let server = serve(&settings, place(), SystemClock::shared())
                .await
                .expect("it is served");
            let here = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
            get(here, "/").await.expect(401);
            let bearer = format!("Bearer {TOKEN}");
            get_with(here, "/", &[("Authorization", &bearer)])
                .await
                .expect(200);
            server.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_are_let_go_in_time_and_then_others_are_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let still = Still::new();
    let server = served(
        Serve::default(),
        &directory.path().join("store"),
        Arc::clone(&still) as SharedClock,
    )
    .await;
    let address = server.address();
    let mut silent = Vec::new();
    // The sampler waits for as long as a request may take.
    still.waited(HEAD_TIME, 1).await;
    for number in 0..CLIENTS_MAX {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        // Some say a little now and then.
        let part = &b"GET / HTTP/1.1\r\nHost: "[..number % 20];
        client.write_all(part).await.expect("it is heard");
        silent.push(client);
    }
    still.waited(HEAD_TIME, 1 + CLIENTS_MAX).await;
    let waiting = tokio::spawn(async move { get(address, "/livez").await });
    still.time.pass(HEAD_TIME);
    for mut client in silent {
        let mut said = Vec::new();
        // Closed or reset: it had said something that nobody read.
        let _ = client.read_to_end(&mut said).await;
        assert!(said.is_empty(), "{said:?}");
    }
    waiting.await.expect("it is answered").expect(200);

    // A stream that is too old ends, and so does the server with all its clients.
    let mut live = Stream::open(address, "/events").await;
    live.until("event: fragment").await;
    still.waited(PERIOD, 1).await;
    let mut other = Stream::open(address, "/events").await;
    other.until("event: fragment").await;
    drop(other);
    still.time.pass(STREAM_TIME);
    live.to_the_end().await;
    let mut last = Stream::open(address, "/events").await;
    last.until("event: fragment").await;
    server.end().await;
    last.to_the_end().await;
    TcpStream::connect(address).await.expect_err("nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_pages_are_live_and_the_next_is_told() {
    let (_directory, server) = of_a_store(Serve::default()).await;
    let address = server.address();
    let mut live = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut stream = Stream::open(address, "/events").await;
        stream.until("event: fragment").await;
        live.push(stream);
    }
    let refused = get(address, "/events").await.expect(503);
    assert_is_guarded(&refused, "/events");
    assert!(refused.body.contains("16 pages are live already"), "{refused:?}");
    get(address, "/").await.expect(200);
    live.pop();
    // The server notices that a reader went away when it can.
    loop {
        let mut next = Stream::open(address, "/events").await;
        if next.until("\r\n\r\n").await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

/// Who looks holds nothing: whoever wants to write the file, to replace it or to remove it can do so between two looks.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_file_is_not_held_and_what_becomes_of_it_is_shown() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("store");
    let still = Still::new();
    let server = served(Serve::default(), &state, Arc::clone(&still) as SharedClock).await;
    let address = server.address();
    // With a live page, time passes once that waits for its next look.
    let beats = AtomicUsize::new(0);
    let look = async || {
        if beats.load(Ordering::SeqCst) > 0 {
            still.waited(PERIOD, beats.fetch_add(1, Ordering::SeqCst)).await;
        }
        still.time.pass(PERIOD);
        get(address, "/").await
    };
    let nothing = look().await.expect(200);
    assert!(nothing.body.contains("No run has been here"), "{nothing:?}");
    assert!(!state.exists());
    let mut live = Stream::open(address, "/events").await;
    live.until("event: fragment").await;
    beats.store(1, Ordering::SeqCst);

    let size = Size {
        tables: 1,
        months: 2,
        chunks: 3,
    };
    filled::fill(&state, size);
    let filled = look().await.expect(200);
    assert!(
        filled.body.contains("TABLE_01") && !filled.body.contains("No run has been here"),
        "{filled:?}"
    );
    // A table more is another page.
    live.until("event: again").await;
    let store = Store::create_or_open(&state).expect("nobody holds it");
    look().await.expect(200);
    let busy = Store::create_or_open(&state).expect_err("one writes it");
    assert!(
        busy.to_string().contains(&std::process::id().to_string()),
        "{busy}"
    );
    look().await.expect(200);
    drop(store);

    let sound = std::fs::read(&state).expect("it is there");
    std::fs::write(&state, b"damaged").expect("it is written");
    let damaged = look().await.expect(503);
    assert!(damaged.body.contains("sync rebuild"), "{damaged:?}");
    assert_is_guarded(&damaged, "/");
    live.until("event: problem").await;
    for path in [
        "/readyz",
        "/metrics",
        "/runs",
        "/reconcile",
        "/window?table=TABLE_01&window=2015-01",
    ] {
        get(address, path).await.expect(503);
    }
    get(address, "/livez").await.expect(200);
    assert_eq!(std::fs::read(&state).expect("it is there"), b"damaged");

    let replacement = Replacement::begin(&state).expect("nobody holds it");
    replacement.place(DateTime::UNIX_EPOCH).expect("it is replaced");
    let replaced = look().await.expect(200);
    assert!(!replaced.body.contains("TABLE_01"), "{replaced:?}");
    std::fs::remove_file(&state).expect("it is removed");
    assert!(look().await.expect(200).body.contains("No run has been here"));
    std::fs::write(&state, sound).expect("it is written");
    assert!(look().await.expect(200).body.contains("TABLE_01"));
}

/// Counters are what a page is drawn from: with all its chunks made unreadable it is the same, but for the cell that is opened.
#[tokio::test(flavor = "multi_thread")]
async fn no_chunk_is_read_but_those_of_the_window_that_is_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("store");
    let size = Size {
        tables: 2,
        months: 3,
        chunks: 4,
    };
    filled::fill(&state, size);
    let server = served(Serve::default(), &state, SystemClock::shared()).await;
    let window = "/window?table=TABLE_02&window=2015-02";
    get(server.address(), window).await.expect(200);
    {
        let chunks = redb::TableDefinition::<&[u8], &[u8]>::new("chunks");
        let database = redb::Database::open(&state).expect("it is a store");
        let transaction = database.begin_write().expect("it is written");
        let mut table = transaction.open_table(chunks).expect("it has chunks");
        table
            .retain_in::<&[u8], _>(.., |_, _| false)
            .expect("they are removed");
        let key: &[u8] = b"TABLE_02";
        table.insert(key, key).expect("one is put there");
        drop(table);
        transaction.commit().expect("it is written");
    }
    for path in PAGES.into_iter().filter(|path| !path.starts_with("/window")) {
        let answer = get(server.address(), path).await.expect(200);
        assert!(path != "/" || answer.body.contains("480,000"), "{answer:?}");
    }
    let mut live = Stream::open(server.address(), "/events").await;
    live.until("event: fragment").await;
}
