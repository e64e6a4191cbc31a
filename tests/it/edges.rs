//! Windows, chunks and keys at their edges: nothing lost, nothing twice.

use testkit::project::{T_MONTHLY, monthly};
use testkit::tables::{self, Table};
use testkit::{Project, Server, faults};

/// Each row is larger than a chunk, so that a read stops before its last row has come.
#[tokio::test(flavor = "multi_thread")]
async fn many_rows_that_are_larger_than_a_chunk_are_loaded() {
    let server = Server::start().await;
    let rows = (0..5).map(|n| {
        format!(
            "({n}, '2025-10-0{}', REPLICATE(CAST(N'x' AS nvarchar(max)), 5000000))",
            n + 1
        )
    });
    Table::new(
        "T",
        "ID int NOT NULL, D datetime NOT NULL, TEXT nvarchar(max) NULL",
    )
    .indexed("D")
    .rows(rows)
    .at_source(&server)
    .await;
    let project = Project::tuned(&server, "chunk_bytes_max = 1048576", T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// Copies one table with small chunks, twice, and compares the ends.
async fn copy(server: &Server, table: Table, chunk_rows: u32) -> Project {
    table.at_source(server).await;
    let project = Project::tuned(server, &format!("chunk_rows = {chunk_rows}"), T_MONTHLY);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    let receipts = server.receipts().await;
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert_eq!(server.receipts().await, receipts, "a second run changes nothing");
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_dates_across_a_chunk_border_and_a_full_day() {
    let server = Server::start().await;
    // 250 rows with one date in chunks of 7, with the border of every chunk inside the equal dates.
    let rows = (0..250).map(|n| format!("({n}, '2025-10-15T12:00:00')"));
    copy(&server, tables::dated("T").rows(rows), 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_without_an_index_on_the_date() {
    let server = Server::start().await;
    let rows = (0..200).map(|n| {
        let day = if n < 150 { 15 } else { 1 + n % 30 };
        format!("({n}, '2025-{}-{day:02}T12:00:00')", 10 + n % 2)
    });
    copy(&server, tables::walked("T").rows(rows), 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_without_rows_and_a_window_of_one_row() {
    let server = Server::start().await;
    let table = Table::new("T", "ID int NOT NULL, D date NOT NULL").rows(["(1, '2025-11-30')"]);
    let project = copy(&server, table, 10).await;
    let status = project.status().await;
    assert_eq!(status["tables"][0]["windows"][0]["rows"], 0);
    assert_eq!(status["tables"][0]["windows"][0]["chunks"], 1);
    assert_eq!(status["tables"][0]["windows"][1]["rows"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_and_the_last_tick_of_a_month() {
    for (data_type, last) in [
        ("datetime", "2025-10-31T23:59:59.997"),
        ("datetime2(7)", "2025-10-31T23:59:59.9999999"),
        ("datetime2(0)", "2025-10-31T23:59:59"),
        ("smalldatetime", "2025-10-31T23:59:00"),
        ("date", "2025-10-31"),
    ] {
        let server = Server::start().await;
        let dates = [
            "2025-09-30",
            "2025-10-01",
            last,
            "2025-11-01",
            "2025-11-30",
            "2025-12-01",
        ];
        let rows = dates
            .iter()
            .enumerate()
            .map(|(n, date)| format!("({n}, '{date}')"));
        let table = Table::new("T", &format!("ID int NOT NULL, D {data_type} NOT NULL"));
        table.rows(rows).at_source(&server).await;
        let project = Project::tuned(&server, "chunk_rows = 1", T_MONTHLY);
        project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
        let copied = server
            .connect(&server.target)
            .await
            .rows("SELECT ID FROM dbo.t_T ORDER BY ID")
            .await;
        assert_eq!(
            copied,
            ["I32(Some(1))", "I32(Some(2))", "I32(Some(3))", "I32(Some(4))"],
            "{data_type}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datetime_keys_with_milliseconds() {
    let server = Server::start().await;
    // Every 3 or 4 ms: thirds of hundredths, which a datetime2 parameter would miss.
    let rows = (0..300).map(|n| {
        let thirds = (n * 10 + 1) / 3;
        format!(
            "('2025-10-10T10:00:{:02}.{:03}', {n})",
            thirds / 1000,
            thirds % 1000
        )
    });
    let table = Table::new("T", "D datetime NOT NULL, N int NOT NULL").keyed("D, N");
    copy(&server, table.rows(rows), 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_key_with_text_in_it() {
    let server = Server::start().await;
    let rows = (0..400).map(|n: u32| {
        // Mixed case, trailing blanks, letters beyond ASCII: ordered by the server's collation alone.
        let name = ["ab", "AC ", "äd", "Ae  ", "b''x", "Ñz", "Z", "a"][n as usize % 8];
        format!("('{name}', {n}, '2025-10-{:02}T00:00:00', N'王{n}')", 1 + n / 100)
    });
    let columns = "NO varchar(20) COLLATE Latin1_General_CI_AS NOT NULL, LINE int NOT NULL, D datetime NOT NULL, \
                   NOTE nvarchar(20) NULL";
    let table = Table::new("T", columns).keyed("NO, LINE").indexed("D");
    copy(&server, table.rows(rows), 13).await;
}

/// Keys that only the source's collation tells apart, and orders so.
const CODES: [&str; 12] = ["a", "A", "B", "b", "a-1", "AB", "Z", "ab", "aB", "-", "_", "c"];

#[tokio::test(flavor = "multi_thread")]
async fn text_keys_in_another_collation_at_the_target() {
    let Some(server) = Server::start_emulator("text_keys_in_another_collation_at_the_target").await else {
        return;
    };
    let table = |name: &str, collation: &str| {
        let columns = format!("NO varchar(20) COLLATE {collation} NOT NULL, D datetime NOT NULL, V int NULL");
        Table::new(name, &columns)
    };
    let target = table("t_T", "Latin1_General_CI_AS").keyless();
    target.at_target(&server).await;
    let rows = CODES
        .iter()
        .enumerate()
        .map(|(n, code)| format!("('{code}', '2025-10-15T12:00:00', {n})"));
    let source = table("T", "Latin1_General_BIN2").keyed("NO").indexed("D");
    let project = copy(&server, source.rows(rows), 2).await;
    // A row that differs only by case moves to another month, and one goes.
    server
        .at_source("UPDATE dbo.T SET D = '2025-11-02' WHERE NO = 'A'; DELETE FROM dbo.T WHERE NO = 'aB'")
        .await;
    project.sync(&["reconcile"]).await.expect(0);
    let mended = project
        .sync(&["reconcile", "--source", "--repair"])
        .await
        .expect(0);
    assert!(mended.stdout.contains("only at the target"), "{}", mended.stdout);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guid_keys() {
    let server = Server::start().await;
    let rows = (0..300u32).map(|n| {
        let scattered = n.wrapping_mul(2_654_435_761);
        format!(
            "('{scattered:08X}-{:04X}-4000-8000-{:012X}', '2025-10-05T00:00:00')",
            n % 7,
            u64::from(scattered) << 9
        )
    });
    let table = Table::new("T", "ID uniqueidentifier NOT NULL, D datetime NOT NULL").indexed("D");
    copy(&server, table.rows(rows), 17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_an_older_script_filled_is_taken_over() {
    let server = Server::start().await;
    Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V int NULL")
        .rows([
            "(1, '2025-10-01', 1)",
            "(2, '2025-10-02', 2)",
            "(3, '2025-11-03', 3)",
        ])
        .at_source(&server)
        .await;
    // A stale row, a row that is no longer there, and one whose date has moved since.
    Table::new("t_T", "ID bigint NOT NULL, D datetime NOT NULL, V bigint NULL")
        .rows([
            "(1, '2025-10-01', 99)",
            "(7, '2025-10-20', 7)",
            "(3, '2025-10-03', 3)",
            "(8, '2024-01-01', 8)",
        ])
        .at_target(&server)
        .await;
    let project = Project::new(&server, T_MONTHLY);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    let rows = server
        .connect(&server.target)
        .await
        .rows("SELECT ID, V, D FROM dbo.t_T ORDER BY ID")
        .await;
    let ids: Vec<&str> = rows.iter().filter_map(|row| row.split(" | D").next()).collect();
    assert_eq!(
        ids,
        [
            "I64(Some(1)) | I64(Some(1))",
            "I64(Some(2)) | I64(Some(2))",
            "I64(Some(3)) | I64(Some(3))",
            "I64(Some(8)) | I64(Some(8))"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_has_only_its_old_chunk_loaded_again() {
    let server = Server::start().await;
    tables::dated("T")
        .rows(tables::october(300))
        .at_source(&server)
        .await;
    // A target table that an older script made, where a date may be missing.
    let older = Table::new("t_T", "ID int NOT NULL, D datetime NULL");
    older.rows(["(301, NULL)"]).at_target(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 50", T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server
        .at_source(
            "UPDATE dbo.T SET D = '2025-11-05' WHERE ID = 10; INSERT INTO dbo.T VALUES (301, '2025-11-06')",
        )
        .await;
    let mark = server.mark();
    let ended = project.run("2025-11-01", "2025-11-30", &[]).await.expect(0);
    assert!(
        ended.stderr.contains("2 rows had moved to another date"),
        "{}",
        ended.stderr
    );
    server.assert_equal("dbo.T", "dbo.t_T").await;
    if let Some(reads) = server.table_reads(mark, "[T]") {
        assert_eq!(
            reads, 2,
            "November, and the one chunk of October that the row has left"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_another_machine_cut_otherwise_are_not_loaded_twice() {
    let Some(server) =
        Server::start_emulator("windows_that_another_machine_cut_otherwise_are_not_loaded_twice").await
    else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(200))
        .at_source(&server)
        .await;
    let machine = || Project::tuned(&server, "chunk_rows = 50", T_MONTHLY);
    let (one, other) = (machine(), machine());
    // The first machine begins half of the month, and commits nothing of it.
    let rule = faults::at("INSERT INTO [dbo].[t_T]").always().fails(&server, 547);
    one.run("2025-10-01", "2025-10-15", &[]).await.expect(4);
    assert!(server.faults().fired(rule) > 0);
    server.faults().clear();
    // The second loads all of it; then the first comes back.
    other.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let mark = server.mark();
    let again = one.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server.assert_no_table_read(mark, &["[T]"]);
    assert!(again.stdout.contains("already loaded"), "{}", again.stdout);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(server.receipts().await.len(), 4);
    let status = one.status().await;
    let windows = status["tables"][0]["windows"].as_array().expect("windows");
    assert_eq!(windows.len(), 1, "{status}");
    assert_eq!(status["totals"]["rows"], 200, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_seen_although_the_commit_was_not_acknowledged() {
    let name = "a_row_that_moved_is_seen_although_the_commit_was_not_acknowledged";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    let rows = ["(1, '2025-10-01')", "(2, '2025-10-02')", "(3, '2025-10-03')"];
    tables::dated("T").rows(rows).at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server
        .at_source("UPDATE dbo.T SET D = '2025-11-05' WHERE ID = 2")
        .await;
    let rule = faults::at("COMMIT TRANSACTION")
        .in_database(&server.target)
        .after()
        .drops(&server);
    project.run("2025-11-01", "2025-11-30", &[]).await.expect(0);
    assert_eq!(server.faults().fired(rule), 1);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    let receipts = server.receipts().await;
    assert!(
        receipts.iter().all(|receipt| receipt.contains("verified")),
        "the chunk that the row left is loaded again in this very run: {receipts:?}"
    );
    assert_eq!(project.status().await["totals"]["rows"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_was_begun_is_finished_by_a_run_for_other_dates() {
    let name = "a_month_that_was_begun_is_finished_by_a_run_for_other_dates";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    let rows = (0..100).map(|n| format!("({n}, '2025-09-{:02}')", 1 + n % 28));
    tables::dated("T").rows(rows).at_source(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 20", T_MONTHLY);
    faults::at("INSERT INTO [dbo].[t_T]").nth(3).fails(&server, 547);
    project.run("2025-09-01", "2025-09-30", &[]).await.expect(4);
    assert_eq!(server.receipts().await.len(), 2);
    server
        .at_source("UPDATE dbo.T SET D = '2025-10-05' WHERE ID = 1")
        .await;
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    let status = project.status().await;
    for window in status["tables"][0]["windows"].as_array().expect("windows") {
        assert_eq!(window["state"], "complete", "{status}");
    }
    let ended = project.run("2025-09-01", "2025-10-31", &[]).await.expect(0);
    assert!(ended.stdout.contains("already loaded"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn months_to_come_are_open_and_not_done() {
    let server = Server::start().await;
    tables::walked("T").at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    for _ in 0..2 {
        let ended = project.run("2199-01-01", "2199-02-28", &[]).await.expect(0);
        assert!(!ended.stdout.contains("already loaded"), "{}", ended.stdout);
        assert!(ended.stdout.contains("0 of 2"), "{}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_window_lies_beyond_the_calendar_of_its_date_type() {
    for (data_type, dates, day, windows) in [
        ("datetime", ["1752-01-01", "1753-02-28"], "1753-01-01", 2),
        ("smalldatetime", ["1899-01-15", "1900-01-31"], "1900-01-01", 1),
        ("date", ["0001-01-01", "0001-02-28"], "0001-01-01", 2),
    ] {
        let server = Server::start().await;
        let table = Table::new("T", &format!("ID int NOT NULL, D {data_type} NOT NULL")).indexed("D");
        table.rows([format!("(1, '{day}')")]).at_source(&server).await;
        let project = Project::new(&server, T_MONTHLY);
        project.run(dates[0], dates[1], &[]).await.expect(0);
        server.assert_equal("dbo.T", "dbo.t_T").await;
        let status = project.status().await;
        let found = status["tables"][0]["windows"].as_array().map(Vec::len);
        assert_eq!(found, Some(windows), "{data_type}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_the_date_type_cannot_hold_are_refused() {
    let server = Server::start().await;
    Table::new("T", "ID int NOT NULL, D smalldatetime NULL")
        .indexed("D")
        .at_source(&server)
        .await;
    let project = Project::new(&server, T_MONTHLY);
    let says = "No date from 1899-01-01 to 1899-12-31 can be in dbo.T.D";
    let refused = project.run("1899-01-01", "1899-12-31", &[]).await.expect(2);
    refused.says(says).does_not_say("already loaded");
    let dates = ["plan", "--start-date", "1899-01-01", "--end-date", "1899-12-31"];
    project.sync(&dates).await.expect(2).says(says);
    // Another table can have such dates, and is loaded.
    let other = Table::new("U", "ID int NOT NULL, D date NOT NULL").indexed("D");
    other.rows(["(1, '1899-05-05')"]).at_source(&server).await;
    project.home.configure_too(&monthly("U", "D"));
    let ended = project.run("1899-01-01", "1899-12-31", &[]).await.expect(2);
    assert!(ended.stdout.contains(says), "{}", ended.stdout);
    server.assert_equal("dbo.U", "dbo.t_U").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn white_space_in_xml_is_kept() {
    let server = Server::start().await;
    let table = Table::new("T", "ID int NOT NULL, D date NOT NULL, X xml NULL").indexed("D");
    let rows = ["<a> <b/>\n</a>", "<a><b> </b></a>"];
    let rows = rows
        .iter()
        .zip(1..)
        .map(|(xml, n)| format!("({n}, '2025-10-15', CONVERT(xml, N'{xml}', 1))"));
    table.rows(rows).at_source(&server).await;
    Project::new(&server, T_MONTHLY)
        .run("2025-10-01", "2025-10-31", &[])
        .await
        .expect(0);
    let texts = "SELECT CAST(X AS nvarchar(max)) FROM dbo.";
    let there = server
        .connect(&server.source)
        .await
        .texts(&format!("{texts}T ORDER BY ID"))
        .await;
    let here = server
        .connect(&server.target)
        .await
        .texts(&format!("{texts}t_T ORDER BY ID"))
        .await;
    assert_eq!(there, ["<a> <b/>\n</a>", "<a><b> </b></a>"]);
    assert_eq!(here, there);
}

/// A table of October whose rows have some 230 bytes each, 20 rows a day.
fn wide(index: bool) -> Table {
    let text = "x".repeat(200);
    let rows = (0..620).map(|n| format!("({n}, '2025-10-{:02}T10:00:00', N'{text}')", 1 + n / 20));
    let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V nvarchar(400) NULL");
    let table = if index { table.indexed("D") } else { table };
    table.rows(rows)
}

/// The ordinals of the one window's receipts, in order.
async fn ordinals(server: &Server) -> Vec<String> {
    let sql = "SELECT CONCAT([ordinal], N'') FROM [sync].[receipt] ORDER BY [ordinal]";
    server.connect(&server.target).await.texts(sql).await
}

async fn assert_dense(server: &Server) {
    let ordinals = ordinals(server).await;
    let dense: Vec<String> = (0..ordinals.len()).map(|n| n.to_string()).collect();
    assert_eq!(ordinals, dense);
}

/// The loads of `before` that are not there any more.
async fn loads_gone(server: &Server, before: &[String]) -> usize {
    // A load keeps its id while its chunk takes another number.
    let id = |load: &String| load.rsplit(" | ").next().map(str::to_owned);
    let now: Vec<_> = server.loads().await.iter().map(id).collect();
    before.iter().filter(|load| !now.contains(&id(load))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_larger_than_the_limits_of_today_is_split_in_its_own_range() {
    for index in [true, false] {
        let server = Server::start().await;
        wide(index).at_source(&server).await;
        let project = Project::tuned(&server, "chunk_rows = 100\nsettle_days = 0", T_MONTHLY);
        project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
        project.configure("chunk_rows = 100", "chunk_rows = 10\nchunk_bytes_max = 4096");
        let before = server.loads().await;
        // Lower limits alone are no reason to load anything again.
        let mark = server.mark();
        let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
        assert!(ended.stdout.contains("already loaded"), "{}", ended.stdout);
        if index {
            server.assert_no_table_read(mark, &["[T]"]);
        }
        assert_eq!(server.loads().await, before);
        server.at_target("DELETE FROM dbo.t_T WHERE ID IN (7, 250)").await;
        let mark = server.mark();
        let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
        let done = "Done: 200 rows loaded now, 620 rows verified in 1 table.";
        assert!(ended.stdout.contains(done), "{}", ended.stdout);
        assert!(
            ended.stderr.contains("T 2025-10: verified, 620 rows"),
            "{}",
            ended.stderr
        );
        server.assert_equal("dbo.T", "dbo.t_T").await;
        assert_dense(&server).await;
        assert_eq!(
            loads_gone(&server, &before).await,
            2,
            "the chunks that lost a row"
        );
        if server.has_log() {
            let largest = "SELECT MAX([byte_count]) FROM [sync].[receipt] WHERE [ordinal] < 3";
            let largest = server.connect(&server.target).await.integer(largest).await;
            assert!(largest < 6_500, "{largest} bytes were in memory at once");
            let read = server.rows_read(mark, &["[T]"]);
            // An interrupted read may have sent rows that nobody took.
            assert!(read <= 1_000, "{read} rows were read again");
        }
        let status = project.status().await;
        assert_eq!(
            status["totals"]["chunks"],
            ordinals(&server).await.len(),
            "{status}"
        );
        assert_eq!(status["totals"]["rows"], 620, "{status}");
        let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
        assert!(ended.stdout.contains("already loaded"), "{}", ended.stdout);
    }
}

/// The answer to the COMMIT of a split is lost: the receipts behind the chunk take the next number once.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_whose_commit_was_not_acknowledged_is_not_made_twice() {
    let name = "a_split_whose_commit_was_not_acknowledged_is_not_made_twice";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    wide(true).at_source(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 100\nsettle_days = 0", T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let before = server.loads().await;
    project.configure("\n[run]\n", "\n[run]\nchunk_bytes_max = 10240\n");
    server.at_target("DELETE FROM dbo.t_T WHERE ID = 7").await;
    // The transaction before it marks the chunk as stale.
    let commit = faults::at("COMMIT TRANSACTION").in_database(&server.target);
    let rule = commit.after().nth(2).drops(&server);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    assert_eq!(server.faults().fired(rule), 1);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_dense(&server).await;
    assert_eq!(server.loads().await.len(), before.len() + 1);
    assert_eq!(loads_gone(&server, &before).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_of_which_the_source_has_no_row_are_noted_when_they_are_read() {
    let server = Server::start().await;
    tables::dated("T")
        .rows(tables::october(20))
        .at_source(&server)
        .await;
    let project = Project::new(&server, T_MONTHLY);
    let note = "note: Table T: the source has no row from 2024-10-01 to 2024-11-30; if that is not so, look at the dates";
    let wrong = project.run("2024-10-01", "2024-11-30", &[]).await.expect(0);
    assert!(wrong.stderr.contains(note), "{}", wrong.stderr);
    let right = project.run("2025-09-01", "2025-10-31", &[]).await.expect(0);
    assert!(!right.stderr.contains("has no row"), "{}", right.stderr);
}
