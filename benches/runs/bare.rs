//! The bare loop, which all ratios are to: two workers take months, read each by one query and hand its rows straight
//! to a bulk load of the target table. One worker alone is what most scripts are. It proves nothing, and a death leaves it
//! to start over.
//!
//! It runs as a process of its own, as `sync` does, so that both pay for their start and are measured alike.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use testkit::Server;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use crate::table;

/// The argument that makes this program the bare loop.
pub const ARGUMENT: &str = "--bare-loop";
/// The variable that tells it the server, and the one that tells it the password.
const WIRE: &str = "SYNC_BENCH_WIRE";
const PASSWORD: &str = "SYNC_BENCH_WIRE_PASSWORD";
/// As many workers as the product has unless it is told otherwise.
pub const WORKERS: usize = 2;
/// The largest packet of TDS.
const PACKET_BYTES: u32 = 32_767;

/// What the bare loop must know of the server.
pub struct Wire {
    host: String,
    port: u16,
    user: String,
    password: String,
    /// The source database.
    pub source: String,
    /// The target database.
    pub target: String,
}

impl From<&Server> for Wire {
    fn from(server: &Server) -> Wire {
        Wire {
            host: server.host.clone(),
            port: server.port,
            user: server.user.clone(),
            password: server.password.clone(),
            source: server.source.clone(),
            target: server.target.clone(),
        }
    }
}

impl Wire {
    /// The command that copies the first months of SALES into BARE.
    pub fn command(&self, months: usize, workers: usize) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
        let Wire {
            host,
            port,
            user,
            source,
            target,
            ..
        } = self;
        command
            .arg(ARGUMENT)
            .env(
                WIRE,
                format!("{host}|{port}|{user}|{source}|{target}|{months}|{workers}"),
            )
            .env(PASSWORD, &self.password);
        command
    }

    fn from_environment() -> (Wire, u32, usize) {
        let text = std::env::var(WIRE).expect("the loop is told its server");
        let parts: Vec<&str> = text.split('|').collect();
        let [host, port, user, source, target, months, workers] = parts[..] else {
            panic!("{WIRE} has other parts");
        };
        let wire = Wire {
            host: host.to_owned(),
            port: port.parse().expect("a port"),
            user: user.to_owned(),
            password: std::env::var(PASSWORD).expect("the loop is told the password"),
            source: source.to_owned(),
            target: target.to_owned(),
        };
        let months = months.parse().expect("a number");
        (wire, months, workers.parse().expect("a number"))
    }
}

/// A connection on the bare driver.
pub type Bare = Client<Compat<TcpStream>>;

/// Logs in, with the encryption that a project of these measures asks for.
pub async fn connect(wire: &Wire, database: &str) -> Bare {
    let mut config = Config::new();
    config.host(&wire.host);
    config.port(wire.port);
    config.database(database);
    config.authentication(AuthMethod::sql_server(&wire.user, &wire.password));
    let local = wire
        .host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    config.encryption(if local || wire.host == "localhost" {
        EncryptionLevel::NotSupported
    } else {
        EncryptionLevel::Off
    });
    config.trust_cert();
    config.packet_size(PACKET_BYTES);
    let tcp = TcpStream::connect((wire.host.as_str(), wire.port))
        .await
        .expect("the server listens");
    tcp.set_nodelay(true).expect("a socket option");
    Client::connect(config, tcp.compat_write())
        .await
        .expect("a login")
}

/// Runs a batch.
pub async fn run_batch(client: &mut Bare, sql: &str) {
    let results = client.simple_query(sql).await.expect("a batch");
    results.into_results().await.expect("a batch");
}

/// The loop itself, as the process that [`Wire::command`] starts.
pub fn run() {
    let (wire, months, workers) = Wire::from_environment();
    let wire = Arc::new(wire);
    let left: Arc<Mutex<VecDeque<u32>>> = Arc::new(Mutex::new((0..months).collect()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rows: u64 = runtime.block_on(async {
        let workers = (0..workers).map(|_| tokio::spawn(work(Arc::clone(&wire), Arc::clone(&left))));
        let workers: Vec<_> = workers.collect();
        let mut rows = 0;
        for worker in workers {
            rows += worker.await.expect("a worker ends");
        }
        rows
    });
    println!("{rows}");
}

async fn work(wire: Arc<Wire>, left: Arc<Mutex<VecDeque<u32>>>) -> u64 {
    let mut source = connect(&wire, &wire.source).await;
    let mut target = connect(&wire, &wire.target).await;
    let mut loaded = 0;
    loop {
        let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(number) = next else {
            return loaded;
        };
        let select = format!(
            "SELECT * FROM dbo.SALES WHERE SALES_DATE >= '{}' AND SALES_DATE < '{}'",
            table::month(number).format("%Y%m%d"),
            table::month(number + 1).format("%Y%m%d")
        );
        let mut rows = source.simple_query(select).await.expect("rows").into_row_stream();
        let mut load = target.bulk_insert("dbo.BARE").await.expect("a bulk load");
        while let Some(row) = rows.try_next().await.expect("a row") {
            load.send(row.into_token_row()).await.expect("a row sent");
        }
        loaded += load.finalize().await.expect("a load").total();
    }
}
