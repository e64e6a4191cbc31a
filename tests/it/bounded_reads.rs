//! How far ahead a read of the source asks: a few days, and not the rest of its window. What it does not ask for is never
//! taken for empty, wherever the rows lie.

use chrono::{Datelike, Days, NaiveDate};
use testkit::project::T_MONTHLY;
use testkit::tables::Table;
use testkit::{Ended, Project, Server, faults};

const FIRST: &str = "2025-10-01";
const LAST: &str = "2025-11-30";
/// The days of both months.
const DAYS: u32 = 61;

/// A table of these rows a day of two months, in the order of their dates, which are of this type.
async fn fill(server: &Server, date: &str, rows: impl Fn(u32) -> u32) -> u32 {
    let first: NaiveDate = FIRST.parse().expect("a date");
    let mut values = Vec::new();
    for day in 0..DAYS {
        let date_of = first + Days::new(u64::from(day));
        for nth in 0..rows(day) {
            let time = match date {
                "date" => String::new(),
                _ => format!("T{:02}:{:02}:00", 8 + nth % 720 / 60, nth % 60),
            };
            values.push(format!("({}, '{date_of}{time}', N'note')", values.len()));
        }
    }
    let count = values.len() as u32;
    let columns = format!("ID int NOT NULL, D {date} NOT NULL, NOTE nvarchar(20) NULL");
    Table::new("T", &columns)
        .indexed("D, ID")
        .rows(values)
        .at_source(server)
        .await;
    count
}

fn project(server: &Server, chunk_rows: u32) -> Project {
    Project::tuned(
        server,
        &format!("chunk_rows = {chunk_rows}\nmax_workers = 1"),
        T_MONTHLY,
    )
}

async fn run(project: &Project) -> Ended {
    project.run(FIRST, LAST, &[]).await.expect(0)
}

/// Asserts that the target has the source's rows, and that its receipts prove just as many; and that so many of them were
/// read since `mark`, each once. Rows that a read took for missing would be found by the counts of their days, and read later.
async fn assert_copied(server: &Server, project: &Project, rows: u32, (mark, read): (u64, u32)) {
    server.assert_rows_read(mark, "[T]", read, chunks(server).await);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(proven(server).await, rows);
    project.sync(&["reconcile", "--source"]).await.expect(0);
}

/// Number of rows that the target's receipts prove.
async fn proven(server: &Server) -> u32 {
    let sum = "SELECT CAST(SUM([row_count]) AS bigint) FROM [sync].[receipt] WHERE [state] = N'verified'";
    let sum = server.connect(&server.target).await.integer(sum).await;
    u32::try_from(sum).expect("some")
}

/// Number of chunks that the target has receipts of.
async fn chunks(server: &Server) -> u32 {
    let count = server.count(&server.target, "[sync].[receipt]").await;
    u32::try_from(count).expect("a few")
}

/// The rows that each read of dates brought, and the dates that it asked for.
fn reads(server: &Server, mark: u64) -> Vec<(u64, (NaiveDate, NaiveDate))> {
    let mut reads = server.source_reads(mark, "[T]");
    reads.retain(|read| read.text.contains("ORDER BY [D]"));
    reads.iter().map(|read| (read.rows_sent, dates(read))).collect()
}

/// The dates that a read of new chunks begins with and ends before.
fn dates(read: &tds_emulator::Statement) -> (NaiveDate, NaiveDate) {
    let bound = |operator: &str| -> Option<NaiveDate> {
        let (_, rest) = read.text.split_once(&format!("[D] {operator} CAST("))?;
        let name = rest.split_once(' ')?.0;
        let (_, value) = read.params.iter().find(|(param, _)| param == name)?;
        value.get(..10)?.parse().ok()
    };
    // Pieces have the date of the last key as the lower bound of the last one.
    let lower = match read.text.contains("UNION ALL") {
        true => bound(">"),
        false => bound(">="),
    };
    (lower.expect("a first date"), bound("<").expect("a last date"))
}

#[tokio::test]
async fn a_read_asks_for_no_more_than_a_few_days_behind_its_last_row() {
    // Forty rows a day: a chunk is a day and a half, or a third of a day, which may begin in the middle of one.
    for (date, chunk_rows) in [("datetime", 60), ("date", 60), ("date", 15), ("datetime2(3)", 15)] {
        let server = Server::start().await;
        let rows = fill(&server, date, |_| 40).await;
        let project = project(&server, chunk_rows);
        let mark = server.mark();
        run(&project).await;
        let made = chunks(&server).await;
        assert!(
            made <= rows / chunk_rows + 4,
            "{date}: {made} chunks of {chunk_rows} rows"
        );
        let asked: Vec<_> = reads(&server, mark).into_iter().map(|(_, dates)| dates).collect();
        assert!(!server.has_log() || asked.len() as u32 >= rows / chunk_rows);
        // The next read begins with the date of the last row. Of the first one nothing was known.
        for (read, next) in asked.iter().zip(asked.iter().skip(1)).skip(1) {
            let behind = (read.1 - next.0).num_days();
            // What is left of a window at last is asked for as a whole.
            let most = if read.1.day() == 1 { 6 } else { 3 };
            assert!(
                behind <= most,
                "{date}, {chunk_rows} rows: a read of {read:?}, then {next:?}"
            );
        }
        assert_copied(&server, &project, rows, (mark, rows)).await;
    }
}

#[tokio::test]
async fn rows_behind_days_without_any_are_read() {
    // A day's last chunk is a part of one, or a whole one, so that the read behind it finds nothing before its bound.
    for chunk_rows in [30, 25] {
        // The 1st and the 28th of October, and the 28th of November.
        let server = Server::start().await;
        let rows = fill(&server, "datetime", |day| {
            if [0, 27, 58].contains(&day) { 100 } else { 0 }
        })
        .await;
        let project = project(&server, chunk_rows);
        let mark = server.mark();
        run(&project).await;
        let (made, reads) = (chunks(&server).await, reads(&server, mark));
        assert!(made <= 3 * 4 + 2, "{made} chunks of {chunk_rows} rows");
        // A gap costs one statement that finds nothing.
        assert!(
            reads.len() <= made as usize + 2,
            "{made} chunks of {chunk_rows} rows: {reads:?}"
        );
        // It says nothing of the days behind its bound, nor of those before it: the next one asks for all.
        let mut nothing = 0;
        for (at, (rows, (first, end))) in reads.iter().enumerate() {
            if *rows == 0 && end.day() != 1 {
                let all = reads.get(at + 1).expect("another read");
                assert_eq!((all.1.0, all.1.1.day()), (*first, 1), "{reads:?}");
                nothing += 1;
            }
        }
        assert!(nothing > 0 || chunk_rows == 30 || !server.has_log());
        assert_copied(&server, &project, rows, (mark, rows)).await;
    }
}

#[tokio::test]
async fn a_hundred_times_as_many_rows_a_day_or_as_few() {
    let many = |few: bool| if few { 3 } else { 300 };
    type Rows = fn(u32) -> bool;
    let shapes: [(&str, Rows); 3] = [
        ("more, then few again", |day| !(10..20).contains(&day)),
        ("fewer, then many again", |day| (3..40).contains(&day)),
        ("every other day", |day| day % 2 == 1),
    ];
    for (name, is_few) in shapes {
        let server = Server::start().await;
        let rows = fill(&server, "datetime", |day| many(is_few(day))).await;
        let project = project(&server, 100);
        let mark = server.mark();
        run(&project).await;
        assert_copied(&server, &project, rows, (mark, rows)).await;
        // A wrong guess costs a chunk, and the next one is right.
        let drops = (1..DAYS).filter(|day| is_few(*day) && !is_few(day - 1)).count() as u32;
        let made = chunks(&server).await;
        assert!(
            made <= rows.div_ceil(100) + drops + 4,
            "{name}: {made} chunks of {rows} rows, {drops} drops"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_in_the_middle_of_a_window_resumes() {
    let Some(server) = Server::start_emulator("a_run_killed_in_the_middle_of_a_window_resumes").await else {
        return;
    };
    // Days of 20 rows, weeks without any, and a day that is worth three chunks.
    let of_day = |day: u32| match day {
        40 => 200,
        day if day % 20 < 10 => 20,
        _ => 0,
    };
    let rows = fill(&server, "datetime", of_day).await;
    let project = project(&server, 60);
    for nth in [2, 3, 1, 2] {
        let rule = faults::at("INSERT INTO [sync].[receipt]")
            .nth(nth)
            .stalls(&server);
        let mut child = project.spawn(&["run", "--start-date", FIRST, "--end-date", LAST]);
        server.faults().wait_fired(rule, 1).await;
        child.kill().await.expect("the run is killed");
        server.faults().remove(rule);
    }
    // What is verified is not read again.
    let left = rows - proven(&server).await;
    assert!(left < rows);
    let mark = server.mark();
    run(&project).await;
    assert_copied(&server, &project, rows, (mark, left)).await;
}
