//! A job that is done in a moment and long enough to be cut short: two tables of two months, one for each access
//! path. Dates rise with the keys, so that a chunk is a known range of them and a test can take away one chunk's rows.

use crate::project::T_MONTHLY;
use crate::tables::{self, Table};
use crate::{Client, Ended, Project, Server, faults};

/// Rows of a table in a month.
pub const MONTH_ROWS: u32 = 120;
/// Rows of a chunk.
pub const CHUNK_ROWS: u32 = 30;
/// Chunks of a window.
pub const MONTH_CHUNKS: u32 = MONTH_ROWS / CHUNK_ROWS;
/// Rows of both tables.
pub const ALL_ROWS: u32 = 4 * MONTH_ROWS;
/// Chunks of both tables.
pub const ALL_CHUNKS: u32 = 4 * MONTH_CHUNKS;

/// The first day.
pub const FIRST: &str = "2025-10-01";
/// The last day.
pub const LAST: &str = "2025-11-30";
/// The last day of the first month.
pub const FIRST_MONTH_LAST: &str = "2025-10-31";

/// The source tables as statements name them.
pub const SOURCES: [&str; 2] = ["[SALES]", "[PAYMENT]"];
/// The target tables.
pub const TARGETS: [&str; 2] = ["dbo.t_SALES", "dbo.t_PAYMENT"];

/// SALES has an index on its date; PAYMENT has none, and its key has two columns.
pub const TABLES: &str = r#"
[[table]]
name = "SALES"
date_column = "SOLD_AT"

[[table]]
name = "PAYMENT"
date_column = "PAID_AT"
"#;

/// SALES; a second column could be its key or its date as well.
pub fn sales() -> Table {
    let rows = numbers().map(|(n, month, day, hour)| {
        format!(
            "({n}, '2025-{month}-{day:02}T{hour:02}:00:00.123', '2025-{month}-{day:02}T{hour:02}:30:00.000', \
             {}, {n}.25, N'note 王 {n}')",
            n + 100_000
        )
    });
    tables::sales(
        "BOOKED_AT datetime NOT NULL, CODE int NOT NULL CONSTRAINT UQ_SALES UNIQUE, AMOUNT money NULL, \
         NOTE nvarchar(40) NULL",
    )
    .rows(rows)
}

/// Numbers of rows with month, day and hour: five a day, later ones later.
fn numbers() -> impl Iterator<Item = (u32, u32, u32, u32)> {
    (0..2 * MONTH_ROWS).map(|n| {
        let (month, of_month) = (10 + n / MONTH_ROWS, n % MONTH_ROWS);
        (n, month, 1 + of_month / 5, of_month % 5)
    })
}

/// Makes and fills both source tables.
pub async fn fill(server: &Server) {
    sales().at_source(server).await;
    let rows = numbers().map(|(n, month, day, hour)| {
        format!(
            "('S{}', {n}, '2025-{month}-{day:02}T{hour:02}:00:00.001', {n}.5)",
            1 + n / 50
        )
    });
    tables::payment().rows(rows).at_source(server).await;
}

/// A project for both tables.
pub fn project(server: &Server) -> Project {
    Project::tuned(server, &format!("chunk_rows = {CHUNK_ROWS}"), TABLES)
}

/// Runs all of the job that is left.
pub async fn run(project: &Project) -> Ended {
    project.run(FIRST, LAST, &[]).await
}

/// A project whose job is done.
pub async fn finished(server: &Server) -> Project {
    fill(server).await;
    let project = project(server);
    run(&project).await.expect(0);
    project
}

/// Runs the job, which must read `chunks` chunks of `rows` rows of SALES and as many of PAYMENT, and find all there;
/// once more it has nothing to do. Returns what it said.
pub async fn heal(server: &Server, project: &Project, sales: [u32; 2], payment: [u32; 2]) -> String {
    let mark = server.mark();
    let healed = run(project).await.expect(0);
    for (source, [rows, chunks]) in SOURCES.iter().zip([sales, payment]) {
        server.assert_rows_read(mark, source, rows, chunks);
    }
    assert_equal(server).await;
    assert_complete(project).await;
    let mark = server.mark();
    let again = run(project).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
    server.assert_no_table_read(mark, &SOURCES);
    format!("{}{}", healed.stdout, healed.stderr)
}

/// Asserts that every window is complete and every row counted.
pub async fn assert_complete(project: &Project) {
    let status = project.status().await;
    assert_eq!(status["totals"]["rows"], ALL_ROWS, "{status}");
    for table in 0..2 {
        for window in 0..2 {
            let state = &status["tables"][table]["windows"][window]["state"];
            assert_eq!(state, "complete", "{status}");
        }
    }
}

/// The arguments of a run of the job that loads one chunk after another.
pub const RUN_IN_TURN: [&str; 7] = [
    "run",
    "--start-date",
    FIRST,
    "--end-date",
    LAST,
    "--max-workers",
    "1",
];

/// The last statement before the commit of a chunk.
pub fn commit() -> faults::Place {
    faults::at("INSERT INTO [sync].[receipt]")
}

/// Kills a run of the job before it commits chunk `nth`, counted from 1 over all tables; the chunks before it are
/// recorded. The rule that stopped it is gone when this returns.
pub async fn kill_at_chunk(server: &Server, project: &Project, nth: u64) {
    let rule = commit().nth(nth).stalls(server);
    let mut child = project.spawn(&RUN_IN_TURN);
    server.faults().wait_fired(rule, 1).await;
    child.kill().await.expect("the run is killed");
    server.faults().remove(rule);
}

/// Takes the rows of a chunk and of all later chunks of its window out of a target table, and their receipts, as a
/// restored backup does.
pub async fn take_back(server: &Server, target: &str, month: u32, ordinal: u32) {
    let mut client = server.connect(&server.target).await;
    delete_rows(&mut client, target, month, ordinal, MONTH_CHUNKS).await;
    client
        .run(&format!(
            "DELETE FROM [sync].[receipt] WHERE [table_name] = N'{target}' AND [window_start] = '2025-{month}-01' \
             AND [ordinal] >= {ordinal}"
        ))
        .await;
}

/// Deletes the rows of the chunks from `first` to before `end` out of a target table.
pub async fn delete_rows(client: &mut Client, target: &str, month: u32, first: u32, end: u32) {
    let number = if target.ends_with("SALES") { "ID" } else { "NO" };
    let from = (month - 10) * MONTH_ROWS;
    client
        .run(&format!(
            "DELETE FROM {target} WHERE {number} >= {} AND {number} < {}",
            from + first * CHUNK_ROWS,
            from + end * CHUNK_ROWS
        ))
        .await;
}

/// Asserts that both tables are the same at both ends.
pub async fn assert_equal(server: &Server) {
    for (source, target) in SOURCES.iter().zip(TARGETS) {
        server.assert_equal(&format!("[dbo].{source}"), target).await;
    }
}

/// All that the target has of the job: rows, receipts and plans.
pub async fn target(server: &Server) -> Vec<String> {
    let mut client = server.connect(&server.target).await;
    let mut all = Vec::new();
    for table in [
        "dbo.t_SALES",
        "dbo.t_PAYMENT",
        "[sync].[receipt]",
        "[sync].[plan]",
    ] {
        all.extend(client.dump(table).await);
    }
    all
}

/// A server whose table T has 300 rows of October, and a project that copies them one chunk of 50 rows after another. `None`
/// where the tests run on another server, as for [`Server::start_emulator`].
pub async fn october(test: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    tables::dated("T")
        .rows(tables::october(300))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    Some((server, project))
}
