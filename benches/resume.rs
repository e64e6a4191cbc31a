//! How soon a killed job is at work again, with 100,000 chunks verified before: from SIGKILL to the next chunk being
//! asked of the source, process start included; and `sync status` on the same store.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::time::{Duration, Instant};

use chrono::{Datelike, Months, NaiveDate};
use criterion::{Criterion, criterion_group, criterion_main};
use testkit::project::T_MONTHLY;
use testkit::{Project, Server, faults, tables};

/// Months that are loaded, and chunks of each, a row a chunk.
const MONTHS: u32 = 50;
const CHUNKS_PER_MONTH: u32 = 2_000;

/// Rows of the month that is still to be loaded.
const ROWS_LEFT: u32 = 2_000;

const FIRST: &str = "2020-01-01";
/// The last day of the month that is still to be loaded.
const LAST: &str = "2024-03-31";

fn month(number: u32) -> NaiveDate {
    let first: NaiveDate = FIRST.parse().expect("a date");
    first + Months::new(number)
}

fn id(month: u32, chunk: u32) -> u32 {
    month * CHUNKS_PER_MONTH + chunk
}

/// The day of a month's chunk: they are in the order of their numbers.
fn day(month_number: u32, chunk: u32) -> NaiveDate {
    let day = 1 + chunk * 28 / CHUNKS_PER_MONTH;
    month(month_number).with_day(day).expect("a day of every month")
}

/// A key as receipts have it: the datetime, then the int.
fn key(date: NaiveDate, id: u32) -> String {
    let days = i32::try_from((date - NaiveDate::from_ymd_opt(1900, 1, 1).expect("a date")).num_days())
        .expect("days");
    let mut bytes = vec![9];
    bytes.extend(days.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.push(1);
    bytes.extend(i64::from(id).to_le_bytes());
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A job with all months but the last verified: the rows and receipts by SQL, the store by `sync rebuild`.
async fn prepare(server: &Server, project: &Project) {
    tables::dated("T").at_source(server).await;
    let mut source = server.connect(&server.source).await;
    // Makes the schema, the table and the plan.
    project.run("2019-01-01", "2019-01-02", &[]).await.expect(0);
    let mut target = server.connect(&server.target).await;
    for number in 0..=MONTHS {
        let rows = if number < MONTHS {
            CHUNKS_PER_MONTH
        } else {
            ROWS_LEFT
        };
        for block in 0..rows.div_ceil(1000) {
            let chunks: Vec<u32> = (block * 1000..((block + 1) * 1000).min(rows)).collect();
            let values: Vec<String> = chunks
                .iter()
                .map(|chunk| format!("({}, '{}T00:00:00')", id(number, *chunk), day(number, *chunk)))
                .collect();
            let insert = |table: &str| format!("INSERT INTO {table} VALUES {}", values.join(", "));
            source.run(&insert("dbo.T")).await;
            if number == MONTHS {
                continue;
            }
            target.run(&insert("dbo.t_T")).await;
            let receipts: Vec<String> = chunks
                .iter()
                .map(|chunk| {
                    let key_of = |chunk: u32| format!("0x{}", key(day(number, chunk), id(number, chunk)));
                    let after = chunk.checked_sub(1).map_or("NULL".to_owned(), key_of);
                    let last = chunk + 1 == CHUNKS_PER_MONTH;
                    let through = if last { "NULL".to_owned() } else { key_of(*chunk) };
                    let load = id(number, *chunk).wrapping_mul(2_654_435_761);
                    format!("({chunk}, 0x{load:08X}{load:024X}, {after}, {through})")
                })
                .collect();
            target
                .run(&format!(
                    "INSERT INTO [sync].[receipt] SELECT r.[table_name], '{}', '{}', v.o, r.[state], \
                     CAST(v.l AS binary(16)), r.[run_id], r.[epoch], v.a, v.t, 1, 22, r.[digest], r.[target_object_id], \
                     r.[target_created], r.[loaded_at] FROM [sync].[receipt] r CROSS JOIN (VALUES {}) AS v (o, l, a, t) \
                     WHERE r.[window_start] = '2019-01-01'",
                    month(number),
                    month(number + 1),
                    receipts.join(", ")
                ))
                .await;
        }
    }
    let rebuilt = project.sync(&["rebuild"]).await.expect(0);
    assert!(rebuilt.stdout.contains("100,001 chunks"), "{}", rebuilt.stdout);
    assert_eq!(month(MONTHS).month(), 3);
}

fn start(project: &Project) -> tokio::process::Child {
    project.spawn(&["run", "--start-date", FIRST, "--end-date", LAST])
}

/// Waits until a run asks the source for a chunk.
fn asked(server: &Server) -> tds_emulator::RuleId {
    server.faults().clear();
    let read = faults::at("FROM [dbo].[T] WHERE").in_database(&server.source);
    read.stalls(server)
}

fn resume(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Only the emulator can hold a request back until the process that sent it is killed.
    let Some(server) = runtime.block_on(Server::start_emulator("resume")) else {
        return;
    };
    let project = runtime.block_on(async {
        let project = Project::tuned(&server, "chunk_rows = 100", T_MONTHLY);
        prepare(&server, &project).await;
        project
    });
    let mut group = criterion.benchmark_group("100,000 verified chunks");
    group.sample_size(10);
    group.bench_function("SIGKILL to the next chunk being read", |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let mut elapsed = Duration::ZERO;
                for _ in 0..times {
                    let rule = asked(&server);
                    let mut child = start(&project);
                    server.faults().wait_fired(rule, 1).await;
                    let rule = asked(&server);
                    let killed = Instant::now();
                    child.kill().await.expect("it is killed");
                    let mut child = start(&project);
                    server.faults().wait_fired(rule, 1).await;
                    elapsed += killed.elapsed();
                    child.kill().await.expect("it is killed");
                }
                elapsed
            })
        });
    });
    group.bench_function("sync status", |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                project.sync(&["status"]).await.expect(0);
                let started = Instant::now();
                for _ in 0..times {
                    project.sync(&["status"]).await.expect(0);
                }
                started.elapsed()
            })
        });
    });
    group.bench_function("sync status, right after a kill", |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let mut elapsed = Duration::ZERO;
                for _ in 0..times {
                    let rule = asked(&server);
                    let mut child = start(&project);
                    server.faults().wait_fired(rule, 1).await;
                    child.kill().await.expect("it is killed");
                    let started = Instant::now();
                    project.sync(&["status"]).await.expect(0);
                    elapsed += started.elapsed();
                }
                elapsed
            })
        });
    });
    group.finish();
}

criterion_group!(benches, resume);
criterion_main!(benches);
