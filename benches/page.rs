//! How soon a browser has the page over 20 tables of 120 months with a million chunks: seconds to its first byte and to the
//! whole of it, its bytes, and the same of a store of 2,400 chunks, which may not be faster.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use mssql_sync::base::clock::SystemClock;
use mssql_sync::checkpoint::Store;
use mssql_sync::config::Serve;
use mssql_sync::web::{Place, Server, serve};
use testkit::filled::{self, Size};

/// Requests of which the middle one counts. Each is of a look of its own.
const ROUNDS: usize = 9;

/// A look is shown for so long.
const LOOK_AGE: Duration = Duration::from_millis(1_050);

const WINDOW: &str = "/window?table=TABLE_07&window=2019-07";

/// What a request took.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Took {
    whole: Duration,
    first: Duration,
    bytes: usize,
}

fn get(address: SocketAddr, path: &str) -> Took {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is heard");
    let mut first = [0];
    stream.read_exact(&mut first).expect("it answers");
    let first = began.elapsed();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it answers to the end");
    assert!(
        rest.starts_with(b"TTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&rest)
    );
    Took {
        whole: began.elapsed(),
        first,
        bytes: rest.len() + 1,
    }
}

fn told(what: &str, took: Took) {
    println!(
        "{what:<52} first byte {:>8.1} ms, whole {:>8.1} ms, {:>9} bytes",
        took.first.as_secs_f64() * 1e3,
        took.whole.as_secs_f64() * 1e3,
        took.bytes
    );
}

async fn served(state: &Path) -> Server {
    let settings = Serve {
        listen: Some(([127, 0, 0, 1], 0).into()),
        ..Serve::default()
    };
    let place = Place {
        state: state.to_owned(),
        config: state.with_file_name("sync.toml"),
    };
    serve(&settings, place, SystemClock::shared())
        .await
        .expect("it is served")
}

fn middle(address: SocketAddr, path: &str) -> Took {
    let mut all: Vec<Took> = (0..ROUNDS)
        .map(|_| {
            std::thread::sleep(LOOK_AGE);
            get(address, path)
        })
        .collect();
    all.sort_unstable();
    all[ROUNDS / 2]
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    for chunks in [1, 417] {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("store");
        let size = Size {
            tables: 20,
            months: 120,
            chunks,
        };
        filled::fill(&state, size);
        let bytes = std::fs::metadata(&state).expect("it is there").len();
        println!(
            "{} chunks, a state file of {} MiB",
            size.tables * size.months * chunks,
            bytes >> 20
        );
        let server = runtime.block_on(served(&state));
        let address = server.address();
        told(
            "the first look, which checks each page of the file",
            get(address, "/"),
        );
        told("the grid again within a second", get(address, "/"));
        told("the grid, no run going", middle(address, "/"));
        told("a cell that is opened", middle(address, WINDOW));
        {
            let _writer = Store::create_or_open(&state).expect("nobody holds it");
            told("the grid beside a writer", middle(address, "/"));
        }
        runtime.block_on(server.end());
    }
}
