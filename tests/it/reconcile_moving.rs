//! `sync reconcile --source --repair` while rows move at the source whose key holds the date: nothing but a further round finds
//! that such a row is missing, or is there twice.

use testkit::project::T_MONTHLY;
use testkit::tables::Table;
use testkit::{Ended, Project, Server, faults};

/// Rows of a month: four chunks.
const MONTH_ROWS: u32 = 40;

/// A read of a chunk of the source that both months have four of, in the second month.
const IN_NOVEMBER: u64 = 6;

/// The commit of the chunk that differs, after that of its mark.
const THE_LOAD: u64 = 2;

/// The last row of November, and where it moves.
const BACK: &str = "UPDATE dbo.T SET D = '2025-10-02T05:00:00' WHERE ID = 79";
/// An early row of October, and where it moves.
const FORTH: &str = "UPDATE dbo.T SET D = '2025-11-27T05:00:00' WHERE ID = 3";

const REPAIR: [&str; 5] = ["reconcile", "--source", "--repair", "--max-workers", "1"];
const NOVEMBER: [&str; 4] = ["--start-date", "2025-11-01", "--end-date", "2025-11-30"];

/// Two months of rows whose key holds the date, and which no index finds without it, loaded.
async fn loaded(test: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    let rows = (0..2 * MONTH_ROWS).map(|n| {
        let (month, of_month) = (10 + n / MONTH_ROWS, n % MONTH_ROWS);
        let (day, hour) = (1 + of_month / 2, of_month % 2);
        format!("('2025-{month}-{day:02}T{hour:02}:00:00', {n}, {n})")
    });
    Table::new("T", "D datetime NOT NULL, ID int NOT NULL, V int NULL")
        .keyed("D, ID")
        .rows(rows)
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 10", T_MONTHLY);
    run(&project).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    Some((server, project))
}

async fn run(project: &Project) -> Ended {
    let dates = ["run", "--start-date", "2025-10-01", "--end-date", "2025-11-30"];
    project.sync(&dates).await
}

async fn unfollowed(project: &Project) -> i64 {
    let status = project.status().await;
    status["tables"][0]["unfollowed_rows"].as_i64().expect("a number")
}

/// All rows are there once, and nothing is left to tell.
async fn assert_found(server: &Server, project: &Project) {
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(unfollowed(project).await, 0);
    run(project).await.expect(0);
}

/// While the second month is compared, the source runs this.
async fn moves(test: &str, sql: &str) {
    let Some((server, project)) = loaded(test).await else {
        return;
    };
    let read = faults::at("ORDER BY [D], [ID]")
        .of_the_program()
        .in_database(&server.source);
    let rule = read.nth(IN_NOVEMBER).runs(&server, sql);
    let ended = project.sync(&REPAIR).await.expect(0);
    server.faults().wait_fired(rule, 1).await;
    assert!(ended.stderr.contains("it is compared again"), "{}", ended.stderr);
    // The chunks count once, in however many rounds they were compared.
    assert!(ended.stdout.contains("Compared 8 chunks of "), "{}", ended.stdout);
    assert_found(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_to_a_month_that_was_compared_is_not_lost() {
    moves("a_row_that_moves_to_a_month_that_was_compared_is_not_lost", BACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_from_a_month_that_was_compared_is_not_there_twice() {
    moves(
        "a_row_that_moves_from_a_month_that_was_compared_is_not_there_twice",
        FORTH,
    )
    .await;
}

/// A value that changed moves no row, so the source is not read again for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_value_makes_no_further_round() {
    let Some((server, project)) = loaded("a_changed_value_makes_no_further_round").await else {
        return;
    };
    server.at_source("UPDATE dbo.T SET V = 0 WHERE ID = 5").await;
    let ended = project.sync(&REPAIR).await.expect(0);
    assert!(!ended.stderr.contains("compared again"), "{}", ended.stderr);
    assert_found(&server, &project).await;
}

/// A repair of some months cannot tell where a row went that left them.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_some_dates_tells_the_rows_that_it_could_not_follow() {
    let Some((server, project)) =
        loaded("a_repair_of_some_dates_tells_the_rows_that_it_could_not_follow").await
    else {
        return;
    };
    server.at_source(BACK).await;
    let some = [&REPAIR[..], &NOVEMBER, &["--json"]].concat();
    let told = project.sync(&some).await.expect(4).json();
    let left = told["left_out"][0].as_str().expect("a reason");
    assert!(
        left.starts_with("Table T: 1 row left the target and could not be followed")
            && left.contains("no index finds a row without it")
            && left.contains("run `sync reconcile --source --repair --tables T`"),
        "{told}"
    );
    assert_eq!(unfollowed(&project).await, 1);
    project.sync(&REPAIR).await.expect(0);
    assert_found(&server, &project).await;
}

/// So does one that asks the source for the chunks alone that differ at the target.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_the_target_tells_the_rows_that_it_could_not_follow() {
    let Some((server, project)) =
        loaded("a_repair_of_the_target_tells_the_rows_that_it_could_not_follow").await
    else {
        return;
    };
    server.at_source(BACK).await;
    server.at_target("UPDATE dbo.t_T SET V = 0 WHERE ID = 78").await;
    let ended = project.sync(&["reconcile", "--repair"]).await.expect(4);
    assert!(ended.stdout.contains("1 row left the target"), "{}", ended.stdout);
    assert_eq!(unfollowed(&project).await, 1);
}

/// The command that a run sends to does what it is sent for, also if it resumes a pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_resumed_tells_where_all_rows_are() {
    let Some((server, project)) = loaded("a_pass_that_is_resumed_tells_where_all_rows_are").await else {
        return;
    };
    server.at_source("DELETE FROM dbo.T WHERE ID = 79").await;
    project.sync(&[&REPAIR[..], &NOVEMBER].concat()).await.expect(4);
    run(&project).await.expect(4);
    let rule = faults::at("FROM [dbo].[t_").nth(9).stalls(&server);
    let mut child = project.spawn(&REPAIR);
    server.faults().wait_fired(rule, 1).await;
    child.kill().await.expect("it is killed");
    server.faults().clear();
    let ended = project.sync(&REPAIR).await.expect(0);
    assert!(
        ended.stderr.contains("Resuming the reconcile of "),
        "{}",
        ended.stderr
    );
    assert_found(&server, &project).await;
}

/// A repair that is killed after a row came leaves no mark on the months where it may be as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_was_killed_is_followed_by_a_comparison_of_all() {
    let Some((server, project)) = loaded("a_repair_that_was_killed_is_followed_by_a_comparison_of_all").await
    else {
        return;
    };
    let source = &server.source;
    let read = faults::at("ORDER BY [D], [ID]")
        .of_the_program()
        .in_database(source);
    read.nth(IN_NOVEMBER).runs(&server, FORTH);
    let commit = faults::at("COMMIT TRANSACTION").of_the_program().after();
    let stalled = commit.in_database(&server.target).nth(THE_LOAD).stalls(&server);
    let mut child = project.spawn(&REPAIR);
    server.faults().wait_fired(stalled, 1).await;
    child.kill().await.expect("it is killed");
    server.faults().clear();
    let count = server.count(&server.target, "dbo.t_T").await;
    assert_eq!(count, i64::from(2 * MONTH_ROWS) + 1, "the row is there twice");
    project.sync(&REPAIR).await.expect(0);
    assert_found(&server, &project).await;
}

/// Rows that move in every round end no command well, and the next one finds them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_keep_moving_are_told() {
    let Some((server, project)) = loaded("rows_that_keep_moving_are_told").await else {
        return;
    };
    let read = faults::at("ORDER BY [D], [ID]").of_the_program();
    // The last row of November moves behind the reads, each time that a chunk is read.
    let next = "UPDATE dbo.T SET D = '2025-10-02T05:00:00' WHERE ID = (SELECT MAX(ID) FROM dbo.T WHERE D >= '2025-11-03')";
    let read = read.in_database(&server.source).nth(IN_NOVEMBER);
    read.always().runs(&server, next);
    let ended = project.sync(&REPAIR).await.expect(4);
    let (notes, told) = (&ended.stderr, &ended.stdout);
    assert_eq!(notes.matches("it is compared again").count(), 2, "{notes}");
    assert!(
        told.contains("run `sync reconcile --source --repair --tables T`, which compares all of it again")
            && told.contains("all were loaded again. Not all could be compared, or found where it is now.")
            && !told.contains("are verified"),
        "{told}"
    );
    assert!(unfollowed(&project).await > 0);
    server.faults().clear();
    project.sync(&REPAIR).await.expect(0);
    assert_found(&server, &project).await;
}

/// Late rows are no fault of the source: they are loaded, the table is compared once more, and no command fails for them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_keep_coming_cost_one_further_round() {
    let Some((server, project)) = loaded("rows_that_keep_coming_cost_one_further_round").await else {
        return;
    };
    let read = faults::at("ORDER BY [D], [ID]").of_the_program();
    // Before each chunk that is read after the first ones.
    let late = "INSERT INTO dbo.T SELECT '2025-11-20T12:00:00', MAX(ID) + 1, 0 FROM dbo.T";
    let read = read.in_database(&server.source).nth(2);
    read.always().runs(&server, late);
    let ended = project.sync(&REPAIR).await.expect(0);
    assert_eq!(
        ended.stderr.matches("it is compared again").count(),
        1,
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("may be there twice; run `sync"),
        "{ended:?}"
    );
    server.faults().clear();
    project.sync(&REPAIR).await.expect(0);
    assert_found(&server, &project).await;
}

/// A repair of some months cannot tell whether a row that came to them was in another, and reads them no second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_some_dates_tells_that_a_row_may_be_there_twice() {
    let Some((server, project)) = loaded("a_repair_of_some_dates_tells_that_a_row_may_be_there_twice").await
    else {
        return;
    };
    server.at_source(FORTH).await;
    let ended = project.sync(&[&REPAIR[..], &NOVEMBER].concat()).await.expect(0);
    assert!(
        ended.stderr.contains("may be there twice; run `sync"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("compared again"), "{ended:?}");
    project.sync(&REPAIR).await.expect(0);
    assert_found(&server, &project).await;
}
