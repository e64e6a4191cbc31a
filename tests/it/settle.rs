//! Rows that come late, move, go, or have no date: recent windows are compared by their counts a day.
//!
//! Days are counted from the server's own clock, and how long a window is compared is set so that it is, or is not.

use chrono::{Datelike, Days, Months, NaiveDate};
use testkit::project::T_MONTHLY;
use testkit::tables::Table;
use testkit::{Project, Server};

const CHUNK_ROWS: u32 = 10;

/// The first days of the three months before the server's own.
async fn months(server: &Server) -> [NaiveDate; 3] {
    let this = server
        .last_day()
        .await
        .with_day(1)
        .expect("a month has a first day");
    [3, 2, 1].map(|back| {
        this.checked_sub_months(Months::new(back))
            .expect("it is no early year")
    })
}

/// A source table with two rows a day of each of `months`, ids rising with the days, with or without an index on the
/// date.
async fn fill(server: &Server, months: &[NaiveDate], index: bool) {
    let mut rows = Vec::new();
    for month in months {
        let days = month.iter_days().take_while(|day| day.month() == month.month());
        rows.extend(days.flat_map(|day| [format!("{day}T08:00:00"), format!("{day}T19:30:00")]));
    }
    let rows = rows.iter().enumerate();
    let rows = rows.map(|(id, at)| format!("({}, '{at}', {id})", id + 1));
    let mut table = Table::new("T", "ID int NOT NULL, D datetime NULL, V int NULL").rows(rows);
    if index {
        table = table.indexed("D");
    }
    table.at_source(server).await;
}

fn project(server: &Server, settle_days: u64) -> Project {
    let run = format!("chunk_rows = {CHUNK_ROWS}\nsettle_days = {settle_days}");
    Project::tuned(server, &run, T_MONTHLY)
}

/// Runs for whole months.
async fn run(project: &Project, first: NaiveDate, last: NaiveDate) -> String {
    let last = last.checked_add_months(Months::new(1)).expect("a month") - Days::new(1);
    let ended = project
        .run(&first.to_string(), &last.to_string(), &[])
        .await
        .expect(0);
    format!("{}{}", ended.stdout, ended.stderr)
}

fn changed(before: &[String], after: &[String]) -> usize {
    after.iter().filter(|load| !before.contains(load)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn days_whose_counts_differ_are_loaded_again() {
    for index in [true, false] {
        let server = Server::start().await;
        let [early, middle, late] = months(&server).await;
        fill(&server, &[early, middle, late], index).await;
        let project = project(&server, 366);
        run(&project, early, late).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        let before = server.loads().await;
        let said = run(&project, early, late).await;
        assert!(said.contains("Everything is already loaded"), "{said}");
        assert_eq!(before, server.loads().await);
        // A late row on one day, two of another gone, and one that moved to another month.
        let day = |n: u64| middle + Days::new(n);
        server
            .at_source(&format!(
                "INSERT INTO dbo.T VALUES (9001, '{}T12:00:00', 1); \
                 DELETE FROM dbo.T WHERE D >= '{}' AND D < '{}'; \
                 UPDATE dbo.T SET D = '{}T13:00:00' WHERE D = '{}T08:00:00'",
                day(2),
                day(20),
                day(21),
                late + Days::new(5),
                early + Days::new(5),
            ))
            .await;
        let said = run(&project, early, late).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        assert!(
            said.contains(&format!("{} (3 here", day(2)))
                || said.contains(&format!("{} (3 there, 2 here)", day(2))),
            "{said}"
        );
        assert!(said.contains(&format!("{} (0 there, 2 here)", day(20))), "{said}");
        let after = server.loads().await;
        let again = changed(&before, &after);
        // Any chunk of a walk may hold the day that differs.
        let most = if index { 12 } else { 21 };
        assert!(
            (4..=most).contains(&again),
            "{again} chunks were loaded again: {said}"
        );
        // And then it is right.
        let said = run(&project, early, late).await;
        assert!(said.contains("Everything is already loaded"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recent_window_is_compared_whatever_dates_are_asked_for() {
    let server = Server::start().await;
    let [early, middle, late] = months(&server).await;
    fill(&server, &[early, middle, late], true).await;
    let project = project(&server, 366);
    run(&project, early, middle).await;
    server
        .at_source(&format!("INSERT INTO dbo.T VALUES (9001, '{early}T23:59:59', 1)"))
        .await;
    run(&project, late, late).await;
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_date_went_back_into_a_settled_month_is_followed() {
    for index in [true, false] {
        let server = Server::start().await;
        let [early, _, late] = months(&server).await;
        fill(&server, &[early, late], index).await;
        // The early month was loaded long after its end, the late one is still compared.
        let end = late.checked_add_months(Months::new(1)).expect("a month");
        let days = (server.today().await - end).num_days().unsigned_abs();
        let project = project(&server, days + 1);
        run(&project, early, late).await;
        let before = server.loads().await;
        let lost = "SELECT COUNT_BIG(*) FROM dbo.t_T WHERE ID IN (65, 66, 67)";
        server
            .at_source(&format!(
                "UPDATE dbo.T SET D = '{}T10:00:00' WHERE ID = 65; UPDATE dbo.T SET D = '{}T11:00:00' WHERE ID = 66; \
                 DELETE FROM dbo.T WHERE ID = 67",
                early + Days::new(3),
                early + Days::new(17),
            ))
            .await;
        // Only the late month is asked for.
        run(&project, late, late).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        assert_eq!(server.connect(&server.target).await.integer(lost).await, 2);
        let again = changed(&before, &server.loads().await);
        let most = if index { 7 } else { 14 };
        assert!((3..=most).contains(&again), "{again} chunks were loaded again");
        let said = run(&project, late, late).await;
        assert!(said.contains("Everything is already loaded"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_window_is_not_asked_about() {
    let Some(server) = Server::start_emulator("a_settled_window_is_not_asked_about").await else {
        return;
    };
    let [_, middle, late] = months(&server).await;
    fill(&server, &[middle, late], true).await;
    let counts = |server: &Server, mark| {
        let statements = server.emulator().log().since(mark);
        let counting = statements
            .iter()
            .filter(|statement| statement.text.contains("GROUP BY CAST([D] AS date)"));
        counting
            .filter(|statement| statement.database == server.source)
            .count()
    };
    // All of it is loaded when late rows have stopped coming.
    let done = project(&server, 1);
    run(&done, middle, middle).await;
    let mark = server.mark();
    run(&done, middle, middle).await;
    assert_eq!(counts(&server, mark), 0);
    // The last day on which it is compared is today: it is compared when it is loaded, and then never again.
    let end = late.checked_add_months(Months::new(1)).expect("a month");
    let days = (server.today().await - end).num_days();
    let settling = project(&server, days.unsigned_abs());
    if days > 0 {
        // This state file does not know the other month, which is compared once as well.
        for expected in [2, 0, 0] {
            let mark = server.mark();
            run(&settling, late, late).await;
            assert_eq!(counts(&server, mark), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_changed_keeps_the_count_and_is_found_by_reconcile() {
    let server = Server::start().await;
    let [_, _, late] = months(&server).await;
    fill(&server, &[late], true).await;
    let project = project(&server, 366);
    run(&project, late, late).await;
    server.at_source("UPDATE dbo.T SET V = -1 WHERE ID = 17").await;
    let said = run(&project, late, late).await;
    assert!(said.contains("Everything is already loaded"), "{said}");
    project.sync(&["reconcile"]).await.expect(0);
    let found = project
        .sync(&["reconcile", "--source", "--repair", "--rows"])
        .await
        .expect(0);
    assert!(found.stdout.contains("1 row changed"), "{}", found.stdout);
    // Not every server's catalog keeps the case of a name.
    assert!(found.stdout.to_uppercase().contains("ID 17"), "{}", found.stdout);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_date_are_a_window_of_their_own() {
    for index in [true, false] {
        let server = Server::start().await;
        let [_, middle, late] = months(&server).await;
        fill(&server, &[middle, late], index).await;
        let undated: Vec<String> = (0..25)
            .map(|n| format!("({}, NULL, {n})", 5000 + n * 3))
            .collect();
        server
            .at_source(&format!("INSERT INTO dbo.T VALUES {}", undated.join(", ")))
            .await;
        let project = project(&server, 35);
        run(&project, middle, late).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        let status = project.status().await;
        let windows = status["tables"][0]["windows"].as_array().expect("windows");
        let last = windows.last().expect("a window");
        assert_eq!(
            (&last["window"], &last["rows"], &last["chunks"]),
            (&"undated".into(), &25.into(), &3.into()),
            "{status}"
        );
        let said = run(&project, middle, late).await;
        assert!(said.contains("Everything is already loaded"), "{said}");
        // A new one, one that gets a date, one that loses it, one that goes.
        server
            .at_source(&format!(
                "INSERT INTO dbo.T VALUES (5001, NULL, 1); UPDATE dbo.T SET D = '{late}T03:00:00' WHERE ID = 5006; \
                 UPDATE dbo.T SET D = NULL WHERE ID = 7; DELETE FROM dbo.T WHERE ID = 5012; DELETE FROM dbo.T WHERE ID = 5015"
            ))
            .await;
        run(&project, middle, late).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        let said = run(&project, middle, late).await;
        assert!(said.contains("Everything is already loaded"), "{said}");
        project.sync(&["counts"]).await.expect(0);
        project.sync(&["counts", "--windows"]).await.expect(0);
        project.sync(&["counts", "--all"]).await.expect(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_in_a_chunk_that_its_bytes_ended_costs_that_chunk_alone() {
    let server = Server::start().await;
    let [_, _, late] = months(&server).await;
    let text = "x".repeat(200);
    let rows = (0..560).map(|n| format!("({n}, '{}T08:00:00', N'{text}')", late + Days::new(n / 20)));
    let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V nvarchar(400) NULL").indexed("D");
    table.rows(rows).at_source(&server).await;
    let limits = "chunk_bytes_max = 8192\nsettle_days = 366";
    let project = Project::tuned(&server, limits, T_MONTHLY);
    run(&project, late, late).await;
    let before = server.loads().await;
    assert!(before.len() > 10, "{before:?}");
    for n in 0..3 {
        server
            .at_source(&format!(
                "INSERT INTO dbo.T VALUES ({}, '{late}T09:00:00', N'{text}')",
                9001 + n
            ))
            .await;
        let (mark, before) = (server.mark(), server.loads().await);
        run(&project, late, late).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        let after = server.loads().await;
        assert_eq!(changed(&before, &after), 1, "the chunk of the late row");
        assert_eq!(after.len(), before.len());
        if server.has_log() {
            let read = server.rows_read(mark, &["[T]"]);
            assert!(read <= 60, "{read} rows were read again, of {}", 561 + n);
        }
    }
}

/// No index finds rows without a date. They are counted where the table is read or counted anyway, and any other run
/// says that they were not.
#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_date_that_no_index_finds_are_counted_or_named() {
    let server = Server::start().await;
    let [_, middle, _] = months(&server).await;
    fill(&server, &[middle], false).await;
    server.at_source("INSERT INTO dbo.T VALUES (5000, NULL, 1)").await;
    let project = project(&server, 366);
    let loads = "no index begins with it";
    let said = run(&project, middle, middle).await;
    assert!(said.contains(loads), "{said}");
    // The month is still compared, by a scan.
    server.at_source("INSERT INTO dbo.T VALUES (5001, NULL, 1)").await;
    let said = run(&project, middle, middle).await;
    assert!(!said.contains("were not counted"), "{said}");
    server.assert_equal("dbo.T", "dbo.t_T").await;
    // It has settled: nothing of the table is read any more.
    project.configure("settle_days = 366", "settle_days = 1");
    run(&project, middle, middle).await;
    server.at_source("INSERT INTO dbo.T VALUES (5002, NULL, 1)").await;
    for _ in 0..2 {
        let said = run(&project, middle, middle).await;
        assert!(
            said.contains("rows without a date (window `undated`) were not counted"),
            "{said}"
        );
    }
    for command in [
        &["status"][..],
        &["plan", "--start-date", "2025-10-01", "--end-date", "2025-10-31"],
    ] {
        let said = project.sync(command).await.expect(0).said();
        assert!(said.contains(loads), "{said}");
    }
    // A run that loads something counts them.
    let early = middle.checked_sub_months(Months::new(2)).expect("a month");
    let said = run(&project, early, middle).await;
    assert!(!said.contains("were not counted"), "{said}");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}
