//! A job that is done in a moment and long enough to be cut short: two tables of two months, one for each access
//! path. Dates rise with the keys, so that a chunk is a known range of them and a test can take away one chunk's rows.

use tds_emulator::{Action, At, Match, Rule};

use super::{Client, Ended, Project, Server};

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

/// The first day and the last.
pub const FIRST: &str = "2025-10-01";
pub const LAST: &str = "2025-11-30";
/// The last day of the first month.
pub const FIRST_MONTH_LAST: &str = "2025-10-31";

/// The source tables as statements name them, and the target's.
pub const SOURCES: [&str; 2] = ["[SALES]", "[PAYMENT]"];
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

/// The statement that makes PAYMENT.
pub const CREATE_PAYMENT: &str = "CREATE TABLE dbo.PAYMENT (STORE varchar(10) NOT NULL, NO int NOT NULL, \
    PAID_AT datetime2(3) NOT NULL, AMOUNT decimal(12,2) NULL, \
    CONSTRAINT PK_PAYMENT PRIMARY KEY CLUSTERED (STORE, NO))";

/// The statements that make SALES in a schema; a second column could be its key or its date as well.
pub fn create_sales(schema: &str) -> [String; 2] {
    [
        format!(
            "CREATE TABLE {schema}.SALES (ID int NOT NULL CONSTRAINT PK_SALES PRIMARY KEY CLUSTERED, \
             SOLD_AT datetime NOT NULL, BOOKED_AT datetime NOT NULL, CODE int NOT NULL CONSTRAINT UQ_SALES UNIQUE, \
             AMOUNT money NULL, NOTE nvarchar(40) NULL)"
        ),
        format!("CREATE INDEX IX_SALES ON {schema}.SALES (SOLD_AT)"),
    ]
}

/// The statement that fills SALES in a schema.
pub fn insert_sales(schema: &str) -> String {
    let rows = numbers().map(|(n, month, day, hour)| {
        format!(
            "({n}, '2025-{month}-{day:02}T{hour:02}:00:00.123', '2025-{month}-{day:02}T{hour:02}:30:00.000', \
             {}, {n}.25, N'note 王 {n}')",
            n + 100_000
        )
    });
    format!(
        "INSERT INTO {schema}.SALES (ID, SOLD_AT, BOOKED_AT, CODE, AMOUNT, NOTE) VALUES {}",
        rows.collect::<Vec<_>>().join(", ")
    )
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
    let mut client = server.connect(&server.source).await;
    for sql in create_sales("dbo") {
        client.run(&sql).await;
    }
    client.run(&insert_sales("dbo")).await;
    client.run(CREATE_PAYMENT).await;
    let rows = numbers().map(|(n, month, day, hour)| {
        format!(
            "('S{}', {n}, '2025-{month}-{day:02}T{hour:02}:00:00.001', {n}.5)",
            n % 7
        )
    });
    client
        .run(&format!(
            "INSERT INTO dbo.PAYMENT (STORE, NO, PAID_AT, AMOUNT) VALUES {}",
            rows.collect::<Vec<_>>().join(", ")
        ))
        .await;
}

/// A project for both tables.
pub fn project(server: &Server) -> Project {
    Project::with(
        server,
        "require_replica = false",
        &format!("chunk_rows = {CHUNK_ROWS}"),
        TABLES,
    )
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

/// Kills a run of the job before it commits chunk `nth`, counted from 1 over all tables; the chunks before it are
/// recorded. The rule that stopped it is gone when this returns.
pub async fn kill_at_chunk(server: &Server, project: &Project, nth: u64) {
    let faults = server.emulator().faults();
    let rule = faults.add(Rule {
        when: Match {
            nth,
            ..Match::statement("SET [state] = N'verified'")
        },
        at: At::Before,
        action: Action::Stall,
    });
    let mut child = project.spawn(&[
        "run",
        "--start-date",
        FIRST,
        "--end-date",
        LAST,
        "--max-workers",
        "1",
    ]);
    faults.wait_fired(rule, 1).await;
    child.kill().await.expect("the run is killed");
    faults.remove(rule);
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
