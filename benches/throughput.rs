//! Rows moved by `sync run`, verified and receipted, beside the same rows moved by the plainest loop on the same
//! driver: read a row, hand it to `bulk_insert`. The ratio of the two is what the proof costs; both include the
//! emulator at either end.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::TryStreamExt;
use testkit::project::T_MONTHLY;
use testkit::tables::Table;
use testkit::{Project, Server};
use tokio_util::compat::TokioAsyncWriteCompatExt;

/// Rows of the table: two windows of some chunks each.
const ROWS: u64 = 40_000;

const COLUMNS: &str = "ID bigint NOT NULL, D datetime NOT NULL, STORE int NULL, QTY decimal(18,4) NULL, PRICE decimal(18,2) NULL, \
    NAME nvarchar(max) NULL, NOTE nvarchar(max) NULL, REF uniqueidentifier NULL, FLAG bit NULL, WEIGHT float NULL, \
    A int NULL, B int NULL, C int NULL, E nvarchar(max) NULL, F nvarchar(max) NULL, G decimal(18,2) NULL";

async fn fill(server: &Server) {
    let rows = (0..ROWS).map(|n| {
        format!(
            "({n}, '2025-{}-{:02}T{:02}:{:02}:00', {}, {n}.25, {n}.5, N'Name 王 {n}', N'a note about row {n}', \
             '6F9619FF-8B86-D011-B42D-{n:012X}', {}, {n}.125, {n}, {n}, NULL, N'x{n}', NULL, {n}.75)",
            10 + n % 2,
            1 + n % 28,
            n % 24,
            n % 60,
            n % 300,
            n % 2
        )
    });
    let table = Table::new("T", COLUMNS).indexed("D").rows(rows);
    table.at_source(server).await;
}

async fn connect(
    server: &Server,
    database: &str,
) -> tiberius::Client<tokio_util::compat::Compat<tokio::net::TcpStream>> {
    let mut config = tiberius::Config::new();
    config.database(database);
    config.authentication(tiberius::AuthMethod::sql_server(&server.user, &server.password));
    config.encryption(tiberius::EncryptionLevel::NotSupported);
    config.packet_size(32_767);
    let tcp = tokio::net::TcpStream::connect((server.host.as_str(), server.port))
        .await
        .expect("the server listens");
    tcp.set_nodelay(true).expect("a socket option");
    tiberius::Client::connect(config, tcp.compat_write())
        .await
        .expect("a login")
}

/// The bare loop.
async fn bare(server: &Server) -> Duration {
    let mut target = connect(server, &server.target).await;
    let create = format!(
        "DROP TABLE IF EXISTS dbo.B; {}",
        Table::new("B", COLUMNS).create()
    );
    target
        .simple_query(create)
        .await
        .expect("a table")
        .into_results()
        .await
        .expect("a table");
    let mut source = connect(server, &server.source).await;
    let started = Instant::now();
    let mut rows = source
        .simple_query("SELECT * FROM dbo.T")
        .await
        .expect("rows")
        .into_row_stream();
    let mut load = target.bulk_insert("dbo.B").await.expect("a bulk load");
    while let Some(row) = rows.try_next().await.expect("a row") {
        load.send(row.into_token_row()).await.expect("a row sent");
    }
    assert_eq!(load.finalize().await.expect("a load").total(), ROWS);
    started.elapsed()
}

/// `sync run`, process start and all.
async fn sync(server: &Server, project: &Project) -> Duration {
    let started = Instant::now();
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    let elapsed = started.elapsed();
    server
        .at_target("DROP TABLE dbo.t_T; DELETE FROM [sync].[receipt]; DELETE FROM [sync].[plan]")
        .await;
    std::fs::remove_file(project.state()).expect("the state file");
    elapsed
}

fn throughput(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(async {
        let server = Server::start().await;
        fill(&server).await;
        server
    });
    let project = Project::tuned(&server, "max_workers = 2", T_MONTHLY);
    let mut group = criterion.benchmark_group("rows");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    group.bench_function("bare read to bulk_insert", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| runtime.block_on(bare(&server))).sum());
    });
    group.bench_function("sync run", |bencher| {
        bencher.iter_custom(|times| {
            (0..times)
                .map(|_| runtime.block_on(sync(&server, &project)))
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
