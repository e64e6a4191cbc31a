//! The start of a run over finished months: what it asks either end, and what it notices all the same.

use testkit::project::{T_MONTHLY, monthly};
use testkit::{Ended, Project, Server, faults, tables};

const MONTHS: u32 = 4;
const ROWS_A_DAY: u32 = 2;
/// Rows of a month: each of its first 28 days has some.
const MONTH_ROWS: u32 = 28 * ROWS_A_DAY;
const CHUNK_ROWS: u32 = 20;
const EVERYTHING: &str = "Everything is already loaded";

/// Rows of the first months of 2024, which have settled long ago, with ids that rise with the dates.
fn rows(months: u32) -> impl Iterator<Item = String> {
    (0..months * MONTH_ROWS).map(|n| {
        let (month, day) = (1 + n / MONTH_ROWS, 1 + n % MONTH_ROWS / ROWS_A_DAY);
        format!("({n}, '2024-{month:02}-{day:02}T0{}:00:00')", n % ROWS_A_DAY)
    })
}

/// Tables T, with an index on its date, and U, without one, of so many months.
async fn filled(server: &Server, months: u32) -> Project {
    tables::dated("T").rows(rows(months)).at_source(server).await;
    tables::walked("U").rows(rows(months)).at_source(server).await;
    let run = format!("chunk_rows = {CHUNK_ROWS}");
    Project::tuned(server, &run, &(T_MONTHLY.to_owned() + "\n" + &monthly("U", "D")))
}

async fn finished(server: &Server) -> Project {
    let project = filled(server, MONTHS).await;
    run(&project, MONTHS, &[]).await;
    project
}

async fn run(project: &Project, months: u32, more: &[&str]) -> Ended {
    let last = format!("2024-{months:02}-28");
    project.run("2024-01-01", &last, more).await.expect(0)
}

/// What a run counted at the target since `mark`.
fn counts(server: &Server, mark: u64) -> Vec<String> {
    let mut texts = server.texts_in(mark, &server.target);
    texts.retain(|text| {
        // Counts a day are of windows that were loaded again.
        text.contains("COUNT_BIG(*)") && text.contains("[t_") && !text.contains("GROUP BY")
    });
    texts
}

/// What a run asked the source about the rows of its tables since `mark`.
fn reads(server: &Server, mark: u64) -> Vec<String> {
    let mut texts = server.texts_in(mark, &server.source);
    texts.retain(|text| text.contains("FROM [dbo].") && !text.contains("TOP (0)"));
    texts
}

async fn assert_equal(server: &Server) {
    server.assert_equal("dbo.T", "dbo.t_T").await;
    server.assert_equal("dbo.U", "dbo.t_U").await;
}

/// A row more in one month and a row less in another: the number of the table's rows stays.
async fn trade_rows(server: &Server) {
    server
        .at_target(
            "DELETE FROM dbo.t_T WHERE ID = 3; INSERT INTO dbo.t_T (ID, D) VALUES (9000, '2024-02-03T05:00:00')",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_finished_months_counts_nothing_and_asks_as_much_of_many_as_of_few() {
    let mut asked = Vec::new();
    for months in [2, 12] {
        let Some(server) = Server::start_emulator("a_run_over_finished_months").await else {
            return;
        };
        let project = filled(&server, months).await;
        run(&project, months, &[]).await;
        let mark = server.mark();
        let again = run(&project, months, &[]).await;
        assert!(again.stdout.contains(EVERYTHING), "{again:?}");
        assert_eq!(counts(&server, mark), [""; 0]);
        assert_eq!(reads(&server, mark), [""; 0]);
        let at = |database: &str| server.texts_in(mark, database).len();
        asked.push((at(&server.source), at(&server.target)));
        assert_equal(&server).await;
    }
    assert_eq!(asked[0], asked[1], "statements at the source and at the target");
    let (source, target) = asked[0];
    assert!(source <= 20 && target <= 30, "{asked:?}");
}

/// The statements at source and target of a run of one table with one window: the first time, and when all is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_one_window_asks_no_more_than_it_needs() {
    let Some(server) = Server::start_emulator("a_run_of_one_window").await else {
        return;
    };
    tables::dated("T").rows(rows(1)).at_source(&server).await;
    let project = Project::tuned(&server, "max_workers = 1", T_MONTHLY);
    project.sync(&["migrate"]).await.expect(0);
    for most in [(17, 40), (13, 17)] {
        let mark = server.mark();
        run(&project, 1, &[]).await;
        let texts = [&server.source, &server.target].map(|database| server.texts_in(mark, database));
        let asked = (texts[0].len(), texts[1].len());
        assert!(asked.0 <= most.0 && asked.1 <= most.1, "{asked:?}: {texts:#?}");
        // One session reads the catalog and the rows. It bears the table's name from its start, and proves itself once.
        for statement in server.statements_in(mark, &server.source) {
            assert!(statement.application.ends_with(" T"), "{}", statement.application);
        }
        let proofs = texts[0].iter().filter(|text| text.contains("AS [proven]"));
        assert_eq!(proofs.count(), 1, "{texts:#?}");
        // Each server names itself once; its clock is asked for alone.
        for texts in &texts {
            let identities = texts
                .iter()
                .filter(|text| text.contains("AS [server_name], DB_NAME()"));
            assert_eq!(identities.count(), 1, "{texts:#?}");
        }
    }
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_single_days_are_asked_about_together() {
    let Some(server) = Server::start_emulator("windows_of_single_days").await else {
        return;
    };
    let project = filled(&server, 1).await;
    project.configure("\n[run]\n", "\n[run]\nsettle_days = 0\n");
    for day in 1..=9 {
        let day = format!("2024-01-{day:02}");
        project.run(&day, &day, &[]).await.expect(0);
    }
    // Each run before has made a window of its own. A lost state file has all receipts read.
    std::fs::remove_file(project.state()).expect("it was there");
    let mark = server.mark();
    project
        .run("2024-01-01", "2024-01-09", &["--recount", "--tables", "T"])
        .await
        .expect(0);
    assert_eq!(counts(&server, mark).len(), 1, "{:?}", counts(&server, mark));
    let mut receipts = server.texts_in(mark, &server.target);
    receipts.retain(|text| text.contains("[key_after]") && text.contains("[sync].[receipt]"));
    assert_eq!(receipts.len(), 1, "{receipts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_gone_or_came_change_the_number_and_are_noticed() {
    let gone = "DELETE FROM dbo.t_T WHERE ID >= 60 AND ID < 63";
    let came = "INSERT INTO dbo.t_T (ID, D) VALUES (9000, '2024-02-03T05:00:00')";
    for (damage, chunks) in [(gone, 1), (came, 1), ("TRUNCATE TABLE dbo.t_T", 12)] {
        let server = Server::start().await;
        let project = finished(&server).await;
        server.at_target(damage).await;
        let mark = server.mark();
        let healed = run(&project, MONTHS, &[]).await;
        let text = format!("no longer holds the rows of {chunks} verified chunk");
        assert!(healed.stderr.contains(&text), "{damage}: {healed:?}");
        if server.has_log() {
            // The rows of the other table are where they were.
            assert!(counts(&server, mark).iter().all(|text| text.contains("[t_T]")));
        }
        assert_equal(&server).await;
        let again = run(&project, MONTHS, &[]).await;
        assert!(again.stdout.contains(EVERYTHING), "{damage}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_restored_counts_only_what_its_receipts_do_not_add_up_to() {
    let Some(server) = Server::start_emulator("a_target_that_was_restored").await else {
        return;
    };
    let project = finished(&server).await;
    // Rows and receipts of a chunk are of before it was loaded.
    server
        .at_target(
            "DELETE FROM dbo.t_T WHERE ID >= 40 AND ID < 56; DELETE FROM [sync].[receipt] \
             WHERE [table_name] = N'dbo.t_T' AND [window_start] = '2024-01-01' AND [ordinal] = 2",
        )
        .await;
    let mark = server.mark();
    let healed = run(&project, MONTHS, &[]).await;
    assert!(
        healed.stderr.contains("the target has no receipts of 1 chunk "),
        "{healed:?}"
    );
    assert_eq!(counts(&server, mark), [""; 0]);
    assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trade_between_months_is_seen_by_those_who_ask_for_a_recount() {
    let server = Server::start().await;
    let project = finished(&server).await;
    trade_rows(&server).await;
    if server.has_log() {
        let unseen = run(&project, MONTHS, &[]).await;
        assert!(unseen.stdout.contains(EVERYTHING), "{unseen:?}");
    }
    let mark = server.mark();
    let healed = run(&project, MONTHS, &["--recount"]).await;
    assert!(
        healed
            .stderr
            .contains("no longer holds the rows of 2 verified chunks"),
        "{healed:?}"
    );
    if server.has_log() {
        assert!(!counts(&server, mark).is_empty());
    }
    assert_equal(&server).await;
    // Where nothing is amiss it counts each table by one statement for its four windows.
    let mark = server.mark();
    let again = run(&project, MONTHS, &["--recount"]).await;
    assert!(again.stdout.contains(EVERYTHING), "{again:?}");
    if server.has_log() {
        let counts = counts(&server, mark);
        assert_eq!(counts.len(), 2, "{counts:?}");
        for text in counts {
            assert_eq!(text.matches("COUNT_BIG(*)").count(), MONTHS as usize, "{text}");
        }
    }
}

/// Without the view, and with one that knows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_no_number_is_counted() {
    let Some(server) = Server::start_emulator("a_server_that_keeps_no_number").await else {
        return;
    };
    let project = finished(&server).await;
    let kept = || {
        faults::at("sys.partitions")
            .of_the_program()
            .in_database(&server.target)
            .always()
    };
    for number in [208, 229] {
        let rule = kept().fails(&server, number);
        let mark = server.mark();
        let again = run(&project, MONTHS, &[]).await;
        assert!(again.stdout.contains(EVERYTHING), "{again:?}");
        assert_eq!(counts(&server, mark).len(), 2);
        trade_rows(&server).await;
        let healed = run(&project, MONTHS, &[]).await;
        assert!(
            healed
                .stderr
                .contains("no longer holds the rows of 2 verified chunks"),
            "{healed:?}"
        );
        assert_equal(&server).await;
        server.faults().remove(rule);
    }
}

/// A connection that breaks there is one that a run attempts again, and then it counts.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_connection_broke_the_rows_are_counted() {
    let Some(server) = Server::start_emulator("after_a_connection_broke").await else {
        return;
    };
    let project = finished(&server).await;
    faults::at("sys.partitions")
        .of_the_program()
        .in_database(&server.target)
        .drops(&server);
    let mark = server.mark();
    let again = run(&project, MONTHS, &[]).await;
    assert!(again.stdout.contains(EVERYTHING), "{again:?}");
    assert_eq!(counts(&server, mark).len(), 2, "{:?}", counts(&server, mark));
}

/// An older script has left rows of months that were never asked for: the numbers differ for ever.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_script_beside_the_windows_are_counted_around() {
    let server = Server::start().await;
    let old: Vec<String> = (0..30)
        .map(|n| format!("({}, '2023-05-{:02}T00:00:00')", 5_000 + n, 1 + n % 28))
        .collect();
    tables::dated("T")
        .named("t_T")
        .rows(&old)
        .at_target(&server)
        .await;
    let project = finished(&server).await;
    let mark = server.mark();
    let again = run(&project, MONTHS, &[]).await;
    assert!(again.stdout.contains(EVERYTHING), "{again:?}");
    if server.has_log() {
        let counts = counts(&server, mark);
        assert_eq!(counts.len(), 1, "{counts:?}");
        assert!(counts[0].contains("[t_T]"), "{counts:?}");
    }
    trade_rows(&server).await;
    run(&project, MONTHS, &[]).await;
    let left = server.count(&server.target, "dbo.t_T").await;
    assert_eq!(left, i64::from(MONTHS * MONTH_ROWS) + 30);
    let mut target = server.connect(&server.target).await;
    let traded = "SELECT COUNT_BIG(*) FROM dbo.t_T WHERE ID IN (3, 9000)";
    assert_eq!(target.integer(traded).await, 1);
}
