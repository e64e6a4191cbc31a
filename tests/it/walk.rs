//! A table without an index that delivers (date, key) order: its windows are walks over the unique key, with the date
//! as a filter. A table keeps the path that it was first loaded by.

use chrono::Days;
use mssql_sync::checkpoint::Reader;
use mssql_sync::model::row::Digest;
use testkit::project::{T_MONTHLY, monthly};
use testkit::tables::Table;
use testkit::{Ended, Project, Server, faults, job};

/// Rows of each of two months, none of them in the order of its number.
const MONTH_ROWS: u32 = 110;
const CHUNK_ROWS: u32 = 20;
/// Chunks of a month.
const CHUNKS: usize = 6;
/// Rows without a date.
const UNDATED: u32 = 5;

/// Rows of a month that is read in chunks of different sizes.
const WALKED_ROWS: u32 = 3_000;
/// Steps that a chunk's statements take beside those of its rows.
const CHUNK_STEPS: u64 = 600;

const FIRST: &str = "2025-10-01";
const LAST: &str = "2025-11-30";

/// Rows whose dates have nothing to do with their numbers, and a few without a date.
fn rows() -> impl Iterator<Item = String> {
    let dated = (0..2 * MONTH_ROWS).map(|n| {
        let (month, day) = (10 + n % 2, 1 + (n * 7) % 28);
        format!(
            "({}, '2025-{month}-{day:02}T{:02}:00:00', N'note {n}')",
            (n * 37) % 1_000,
            n % 24
        )
    });
    dated.chain((0..UNDATED).map(|n| format!("({}, NULL, NULL)", 2_000 + n)))
}

/// A heap whose unique key is an index beside it, and no index on the date.
fn heap(name: &str) -> Table {
    let unique =
        format!("ID int NOT NULL CONSTRAINT UQ_{name} UNIQUE, D datetime NULL, NOTE nvarchar(20) NULL");
    Table::new(name, &unique).keyless().rows(rows())
}

fn tuned(server: &Server, more: &str, tables: &str) -> Project {
    Project::tuned(server, &format!("chunk_rows = {CHUNK_ROWS}\n{more}"), tables)
}

async fn run(project: &Project) -> Ended {
    project.run(FIRST, LAST, &["--max-workers", "1"]).await
}

/// The access path and the key by which the target says that a table was loaded.
async fn recorded(server: &Server) -> String {
    let sql = "SELECT [access_path], [fingerprint] FROM [sync].[plan]";
    server.connect(&server.target).await.rows(sql).await.remove(0)
}

async fn assert_equal(server: &Server) {
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

async fn assert_nothing_to_do(project: &Project) {
    let again = run(project).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}

/// The number and the digest of the rows that a table's checkpoints prove, window by window.
fn proven(project: &Project, table: &str) -> Vec<(String, u64, [u8; 32])> {
    let reader = Reader::open(&project.state())
        .expect("a whole store")
        .expect("a store");
    let view = reader.view().expect("it can be read");
    let windows = view.windows(table).expect("windows").into_iter();
    let sum = windows.map(|record| {
        let (mut rows, mut digest) = (0, Digest::default());
        for chunk in view.chunks(table, record.window).expect("chunks") {
            rows += chunk.tally.row_count;
            digest.add(chunk.tally.digest);
        }
        (record.window.to_string(), rows, digest.to_bytes())
    });
    sum.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_one_walk_and_proves_the_rows_that_a_date_index_does() {
    let Some(server) = Server::start_emulator("a_window_is_one_walk").await else {
        return;
    };
    heap("T").at_source(&server).await;
    Table::new("S", "ID int NOT NULL, D datetime NULL, NOTE nvarchar(20) NULL")
        .indexed("D")
        .rows(rows())
        .at_source(&server)
        .await;
    let project = tuned(&server, "", &(monthly("T", "D") + &monthly("S", "D")));
    let mark = server.mark();
    run(&project).await.expect(0);
    assert_equal(&server).await;
    server.assert_equal("dbo.S", "dbo.t_S").await;
    let reads = server.source_reads(mark, "[T]");
    assert!(reads.len() <= 2 * (CHUNKS + 1) + 1, "{} reads", reads.len());
    for read in &reads {
        assert!(read.text.contains("ORDER BY [ID]"), "{}", read.text);
        assert!(!read.text.contains("ORDER BY [D]"), "{}", read.text);
    }
    server.assert_rows_read(mark, "[T]", 2 * MONTH_ROWS + UNDATED, 2 * CHUNKS as u32 + 1);
    let by_key = proven(&project, "T");
    assert_eq!(by_key.len(), 3, "two months, and the rows without a date");
    assert_eq!(by_key, proven(&project, "S"));
    let mut client = server.connect(&server.target).await;
    let paths = "SELECT [access_path] FROM [sync].[plan] ORDER BY [table_name]";
    assert_eq!(client.texts(paths).await, ["date", "key walk"]);
    // A chunk is found by its keys, and a day's rows by their date.
    let indexes = "SELECT CONCAT(i.type, N' ', c.name) FROM sys.indexes AS i \
        JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id \
        JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id \
        WHERE i.object_id = OBJECT_ID(N'dbo.t_T') ORDER BY i.type, k.key_ordinal";
    assert_eq!(client.texts(indexes).await, ["1 ID", "2 D", "2 ID"]);
    assert_nothing_to_do(&project).await;
}

/// The steps that a run takes at the source and at the target, over a month of as many rows as another one beside it, in
/// chunks of so many rows; first into a table that is made, then again into the rows that are there.
async fn steps(chunk_rows: u32) -> Option<[u64; 3]> {
    let server = Server::start_emulator("steps").await?;
    let rows = (0..2 * WALKED_ROWS).map(|n| {
        format!(
            "({n}, '2025-{}-{:02}T00:00:00', N'note')",
            10 + n % 2,
            1 + (n * 7) % 28
        )
    });
    Table::new(
        "T",
        "ID int NOT NULL, D datetime NOT NULL, NOTE nvarchar(20) NULL",
    )
    .rows(rows)
    .at_source(&server)
    .await;
    let run = format!("chunk_rows = {chunk_rows}\nmax_workers = 1");
    let project = Project::tuned(&server, &run, T_MONTHLY);
    let mark = server.mark();
    project.run(FIRST, "2025-10-31", &[]).await.expect(0);
    let of = |mark: u64, database: &str, table: &str| -> u64 {
        let statements = server.statements_in(mark, database);
        let meant = statements
            .iter()
            .filter(|statement| statement.text.contains(table));
        meant.map(|statement| statement.steps).sum()
    };
    let source = of(mark, &server.source, "[dbo].[T]");
    let loads = of(mark, &server.target, "[t_T]");
    server
        .at_target("UPDATE [sync].[receipt] SET [state] = N'stale'")
        .await;
    let mark = server.mark();
    project.run(FIRST, "2025-10-31", &[]).await.expect(0);
    Some([source, loads, of(mark, &server.target, "[t_T]")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_a_hundred_chunks_visits_as_many_rows_as_a_month_of_five() {
    let Some(few) = steps(WALKED_ROWS / 5).await else {
        return;
    };
    let many = steps(WALKED_ROWS / 100).await.expect("an emulator");
    for ((few, many), what) in few.into_iter().zip(many).zip(["reads", "loads", "loads again"]) {
        // A chunk has statements of its own, and none of them visits the rows of another.
        assert!(
            many <= few + few / 10 + 100 * CHUNK_STEPS,
            "{what}: {few} steps for 5 chunks and {many} for 100"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_walk_goes_on_behind_its_last_key() {
    let Some(server) = Server::start_emulator("a_killed_walk_goes_on").await else {
        return;
    };
    heap("T").at_source(&server).await;
    let project = tuned(&server, "", T_MONTHLY);
    let rule = job::commit().nth(4).stalls(&server);
    let mut child = project.spawn(&job::RUN_IN_TURN);
    server.faults().wait_fired(rule, 1).await;
    child.kill().await.expect("the run is killed");
    server.faults().remove(rule);
    let mark = server.mark();
    run(&project).await.expect(0);
    assert_equal(&server).await;
    let left = 2 * MONTH_ROWS + UNDATED - 3 * CHUNK_ROWS;
    server.assert_rows_read(mark, "[T]", left, 2 * CHUNKS as u32);
    assert_nothing_to_do(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_found_and_repaired_and_the_store_comes_back() {
    let server = Server::start().await;
    heap("T").at_source(&server).await;
    let project = tuned(&server, "", T_MONTHLY);
    run(&project).await.expect(0);
    let before = proven(&project, "T");
    server
        .at_target("DELETE FROM dbo.t_T WHERE ID = 37; UPDATE dbo.t_T SET NOTE = N'other' WHERE ID = 74")
        .await;
    project.sync(&["reconcile"]).await.expect(3);
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    assert_equal(&server).await;
    assert_eq!(proven(&project, "T"), before);
    server
        .at_source(
            "UPDATE dbo.T SET NOTE = N'new' WHERE ID = 111; DELETE FROM dbo.T WHERE ID = 148; \
             INSERT INTO dbo.T VALUES (150, '2025-10-09T00:00:00', NULL); \
             UPDATE dbo.T SET D = '2025-11-02T00:00:00' WHERE ID = 222",
        )
        .await;
    project
        .sync(&["reconcile", "--source", "--repair"])
        .await
        .expect(0);
    assert_equal(&server).await;
    project.sync(&["reconcile", "--source"]).await.expect(0);
    let lost = proven(&project, "T");
    std::fs::remove_file(project.state()).expect("it is there");
    project.sync(&["rebuild"]).await.expect(0);
    assert_eq!(proven(&project, "T"), lost);
    project.sync(&["reconcile"]).await.expect(0);
    assert_nothing_to_do(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_late_or_move_are_followed_though_the_key_begins_with_another_date() {
    let server = Server::start().await;
    let today = server.today().await;
    let day = |back: u64| today - Days::new(back);
    // What the key says of a day is not the day of the row.
    let columns = "MADE datetime NOT NULL, ID int NOT NULL, D datetime NOT NULL";
    let row =
        |id: u64, made: u64, back: u64| format!("('{}T00:00:00', {id}, '{}T00:00:00')", day(made), day(back));
    Table::new("T", columns)
        .keyed("MADE, ID")
        .rows((0..60).map(|n| row(n, 400 + n, 70 - n % 30)))
        .at_source(&server)
        .await;
    let project = tuned(&server, "settle_days = 366", T_MONTHLY);
    let (first, last) = (day(75).to_string(), day(35).to_string());
    let run = async || project.run(&first, &last, &[]).await.expect(0);
    run().await;
    assert_equal(&server).await;
    if server.faithful {
        assert!(recorded(&server).await.contains("key walk"));
    }
    server
        .at_source(&format!(
            "INSERT INTO dbo.T VALUES {}; DELETE FROM dbo.T WHERE ID = 7; \
             UPDATE dbo.T SET D = '{}T00:00:00' WHERE ID = 20; UPDATE dbo.T SET D = '{}T00:00:00' WHERE ID = 21",
            row(100, 430, 50),
            day(41),
            day(70),
        ))
        .await;
    run().await;
    assert_equal(&server).await;
    let again = run().await;
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_window_gets_rows_that_come_before_its_last_key() {
    for settle_days in [0, 35] {
        let server = Server::start().await;
        let today = server.today().await;
        // Later rows have smaller keys.
        let rows = (1..=20).map(|back| format!("({back}, '{}T00:00:00')", today - Days::new(back)));
        Table::new("T", "ID int NOT NULL, D datetime NOT NULL")
            .rows(rows)
            .at_source(&server)
            .await;
        let run = format!("chunk_rows = 3\nsettle_days = {settle_days}\nsettle_minutes = 5760");
        let project = Project::tuned(&server, &run, T_MONTHLY);
        let (first, last) = ((today - Days::new(20)).to_string(), today.to_string());
        project.run(&first, &last, &[]).await.expect(0);
        assert!(server.count(&server.target, "dbo.t_T").await < 20);
        project.configure("settle_minutes = 5760", "settle_minutes = 0");
        project.run(&first, &last, &[]).await.expect(0);
        assert_equal(&server).await;
        server
            .at_source(&format!("INSERT INTO dbo.T VALUES (0, '{today}T00:00:00')"))
            .await;
        project.run(&first, &last, &[]).await.expect(0);
        assert_equal(&server).await;
    }
}

/// A row that becomes old enough while a pass works was not to be read by it: its window is not loaded again for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_comes_meanwhile_is_left_to_the_next_run() {
    let Some(server) = Server::start_emulator("a_sale_that_comes_meanwhile_is_left_to_the_next_run").await
    else {
        return;
    };
    let today = server.today().await;
    let rows = (1..=20).map(|back| format!("({back}, '{}T00:00:00')", today - Days::new(back)));
    Table::new("T", "ID int NOT NULL, D datetime2(7) NOT NULL")
        .rows(rows)
        .at_source(&server)
        .await;
    let run = "chunk_rows = 3\nsettle_days = 35\nsettle_minutes = 0\nmax_workers = 1";
    let project = Project::tuned(&server, run, T_MONTHLY);
    let (first, last) = (today - Days::new(20), today + Days::new(1));
    let (first, last) = (first.to_string(), last.to_string());
    let read = faults::at("SELECT TOP (@P1)")
        .of_the_program()
        .in_database(&server.source);
    let held = read.nth(3).stalls(&server);
    let child = project.spawn(&["run", "--start-date", &first, "--end-date", &last]);
    server.faults().wait_fired(held, 1).await;
    server.emulator().set_clock(&server.source, 120);
    server
        .at_source("INSERT INTO dbo.T VALUES (0, DATEADD(second, -60, SYSDATETIME()))")
        .await;
    server.faults().remove(held);
    let ended = Ended::of(child).await.expect(0);
    assert!(
        ended.stdout.contains("Done: 20 rows loaded now, 20 rows"),
        "{ended:?}"
    );
    project.run(&first, &last, &[]).await.expect(0);
    assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_old_enough_once_stay_proven_when_rows_are_to_be_older() {
    let server = Server::start().await;
    let today = server.today().await;
    let rows = (1..=20).map(|back| format!("({}, '{}T00:00:00')", back * 7 % 20, today - Days::new(back)));
    Table::new("T", "ID int NOT NULL, D datetime NOT NULL")
        .rows(rows)
        .at_source(&server)
        .await;
    let run = "chunk_rows = 3\nsettle_days = 35\nsettle_minutes = 0";
    let project = Project::tuned(&server, run, T_MONTHLY);
    let (first, last) = ((today - Days::new(20)).to_string(), today.to_string());
    project.run(&first, &last, &[]).await.expect(0);
    project.configure("settle_minutes = 0", "settle_minutes = 7200");
    server
        .at_target("UPDATE [sync].[receipt] SET [state] = N'stale'")
        .await;
    project.run(&first, &last, &[]).await.expect(0);
    let mut client = server.connect(&server.target).await;
    let proven = "SELECT SUM([row_count]) FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_T'";
    assert_eq!(client.integer(proven).await, 20);
    let again = project.run(&first, &last, &["--recount"]).await.expect(0);
    assert!(
        again.stdout.contains("Done: 0 rows loaded now, 20 rows"),
        "{again:?}"
    );
    project.sync(&["reconcile", "--source"]).await.expect(0);
    assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_loaded_by_the_date_stays_so_without_the_index() {
    let Some(server) = Server::start_emulator("a_table_loaded_by_the_date_stays_so").await else {
        return;
    };
    heap("T").keyed("ID").indexed("D").at_source(&server).await;
    let project = tuned(&server, "", T_MONTHLY);
    project.run(FIRST, "2025-10-31", &[]).await.expect(0);
    server.at_source("DROP INDEX IX_T_0 ON dbo.T").await;
    let plan = ["plan", "--start-date", FIRST, "--end-date", LAST];
    let mark = server.mark();
    for path in ["date", "day walk"] {
        // A program of before recorded the day walk itself.
        server
            .at_target(&format!("UPDATE [sync].[plan] SET [access_path] = N'{path}'"))
            .await;
        let told = project.sync(&plan).await.expect(0);
        let order = "read in the order D, ID (day walk)";
        assert!(told.stdout.contains(order), "{told:?}");
        run(&project).await.expect(0);
        assert_equal(&server).await;
        server
            .at_target("UPDATE [sync].[receipt] SET [state] = N'stale' WHERE [ordinal] = 2")
            .await;
    }
    run(&project).await.expect(0);
    assert!(
        server
            .source_reads(mark, "[T]")
            .iter()
            .any(|read| read.text.contains("ORDER BY [D], [ID]"))
    );
    project.sync(&["reconcile", "--source"]).await.expect(0);
    let doctor = project.sync(&["doctor"]).await.expect(0);
    assert!(doctor.stdout.contains("each day is one scan"), "{doctor:?}");
    // The target lost all that it knew, and the store has chunks by the date.
    server
        .at_target("DROP TABLE dbo.t_T; DELETE FROM [sync].[receipt]; DELETE FROM [sync].[plan]")
        .await;
    run(&project).await.expect(0);
    assert_equal(&server).await;
    assert!(recorded(&server).await.contains("day walk"));
    assert_nothing_to_do(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walked_table_stays_so_beside_an_index_until_it_is_forgotten() {
    let Some(server) = Server::start_emulator("a_walked_table_stays_so").await else {
        return;
    };
    heap("T").keyed("ID").at_source(&server).await;
    let project = tuned(&server, "", T_MONTHLY);
    project.run(FIRST, "2025-10-31", &[]).await.expect(0);
    server.at_source("CREATE INDEX IX_LATER ON dbo.T (D)").await;
    let plan = ["plan", "--start-date", FIRST, "--end-date", LAST];
    let told = project.sync(&plan).await.expect(0);
    for text in ["read in the order ID (key walk)", "Index IX_LATER would serve"] {
        assert!(told.stdout.contains(text), "no {text} in {told:?}");
    }
    let doctor = project.sync(&["doctor"]).await.expect(0);
    assert!(doctor.stdout.contains("Index IX_LATER would serve"), "{doctor:?}");
    run(&project).await.expect(0);
    assert_equal(&server).await;
    project
        .sync(&["reconcile", "--source", "--repair"])
        .await
        .expect(0);
    assert!(recorded(&server).await.contains("key walk"));
    project.sync(&["forget", "--table", "T"]).await.expect(0);
    let told = project.sync(&plan).await.expect(0);
    for text in ["read in the order D, ID (date)", "costs a lookup"] {
        assert!(told.stdout.contains(text), "no {text} in {told:?}");
    }
    run(&project).await.expect(0);
    assert_equal(&server).await;
    assert!(recorded(&server).await.contains("[D], [ID]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_holds_the_date_behind_another_column_is_walked() {
    let server = Server::start().await;
    let rows = (0..100).map(|n| format!("({}, '2025-10-{:02}T00:00:00')", n % 9, 1 + n % 28));
    Table::new("T", "SHOP int NOT NULL, D datetime NOT NULL")
        .keyed("SHOP, D")
        .rows(rows)
        .at_source(&server)
        .await;
    let project = tuned(&server, "", T_MONTHLY);
    run(&project).await.expect(0);
    assert_equal(&server).await;
    if server.faithful {
        let recorded = recorded(&server).await;
        assert!(
            recorded.contains("key walk") && recorded.contains("[SHOP], [D]"),
            "{recorded}"
        );
    }
    server.at_target("DELETE FROM dbo.t_T WHERE SHOP = 3").await;
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    assert_equal(&server).await;
    assert_nothing_to_do(&project).await;
}
