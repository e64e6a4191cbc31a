//! Rows that left for another day and move once more before that day is loaded.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use testkit::story::{Story, Table, at, each, last_of, nth};
use testkit::{Ended, faults, sweep};

/// Ten days of a month, so that its days are in several chunks.
const CHUNK_ROWS: &str = "chunk_rows = 10";

/// No month is compared once it is loaded.
const SETTLED: &str = "settle_days = 0";

/// Two months that nothing compares any more, and a row of the later one whose date is in the earlier one now.
struct Moved {
    s: Story,
    row: i64,
    /// Of the later month.
    dates: [String; 2],
}

impl Moved {
    async fn begin(s: Story) -> Moved {
        let mut s = s;
        let (early, late) = (s.month(-8), s.month(-6));
        s.config(SETTLED);
        s.config(CHUNK_ROWS);
        for month in [early, late] {
            s.rows(month, last_of(month), 1).await;
            s.run(month, last_of(month)).await.exits(0);
        }
        s.equal().await;
        let row = s.first_of(nth(late, 8));
        s.moves(row, &at(nth(early, 8), "10:00:00")).await;
        let dates = [late, last_of(late)].map(|day| day.to_string());
        Moved { s, row, dates }
    }

    /// The command that finds the chunk that the row left, and no other.
    fn repair(&self) -> [&str; 9] {
        let [first, last] = &self.dates;
        [
            "reconcile",
            "--source",
            "--repair",
            "--max-workers",
            "1",
            "--start-date",
            first,
            "--end-date",
            last,
        ]
    }

    /// The second move, to a chunk of its new month that has nothing to do with the first.
    async fn moves_on(&self) {
        let early = self.s.month(-8);
        self.s.moves(self.row, &at(nth(early, 20), "10:00:00")).await;
    }

    /// The second move, while a command waits for a statement at the target. The command ends well, and leaves both ends
    /// equal.
    async fn moves_on_during(&self, command: &[&str], statement: faults::Place) {
        let server = &self.s.server;
        let held = statement.in_database(&server.target).stalls(server);
        let child = self.s.project.spawn(command);
        server.faults().wait_fired(held, 1).await;
        self.moves_on().await;
        server.faults().remove(held);
        Ended::of(child).await.expect(0);
        self.s.equal().await;
    }

    /// How often the target has the row.
    async fn there(&self) -> i64 {
        let sql = format!("SELECT COUNT_BIG(*) FROM dbo.t_T WHERE ID = {}", self.row);
        let server = &self.s.server;
        server.connect(&server.target).await.integer(&sql).await
    }
}

fn table() -> Table {
    Table::dated("datetime2(0)").indexed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_on_while_its_new_day_is_read_is_loaded() {
    let test = "a_row_that_moves_on_while_its_new_day_is_read_is_loaded";
    let Some(s) = Story::begin_emulated(test, table()).await else {
        return;
    };
    let moved = Moved::begin(s).await;
    // The load of the chunk that it left, after the source was asked about it.
    let load = faults::at("INSERT INTO [dbo].[t_T]").nth(1);
    moved.moves_on_during(&moved.repair(), load).await;
}

/// Deaths from the moment on at which the row has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_on_after_a_death_is_loaded_by_the_next_run() {
    let story = Moved::begin(Story::begin(table()).await).await;
    let names = sweep::steps(&story.s.project, &story.repair()).await;
    story.s.equal().await;
    let left = names.iter().position(|name| name == "load: after COMMIT");
    let left = left.expect("a load");
    let mut seen = BTreeSet::new();
    let first_of_each = (left..names.len()).filter(|step| seen.insert(&names[*step]));
    let mut brought = 0;
    for step in first_of_each {
        let moved = Moved::begin(Story::begin(table()).await).await;
        let number = (step + 1).to_string();
        let variables = [("SYNC_FAILPOINT", number.as_str())];
        let ended = moved.s.project.sync_with(&moved.repair(), &variables).await;
        assert!(ended.status.code().is_none(), "it did not die: {ended:?}");
        let is_on_its_way = moved.there().await == 0;
        moved.moves_on().await;
        moved.run().await;
        assert_eq!(moved.there().await, 1, "after a death at {}", names[step]);
        // One that had come has moved between months that nothing compares any more.
        if is_on_its_way {
            moved.s.equal().await;
            brought += 1;
        }
    }
    assert!(brought > 3, "{brought} deaths while it was on its way");
}

impl Moved {
    /// Another month of the source, of which nothing is loaded.
    fn elsewhere(&self) -> NaiveDate {
        self.s.month(-5)
    }

    async fn moves_elsewhere(&self) {
        self.s
            .moves(self.row, &at(nth(self.elsewhere(), 8), "10:00:00"))
            .await;
    }

    /// A run for the month that the row left first.
    async fn run(&self) -> Ended {
        let [first, last] = &self.dates;
        self.s.run(first, last).await.exits(0)
    }
}

const NOT_LOADED: &str = "nothing of these dates is loaded";
const NOT_ALL_LOADED: &str = "and not all of that date is loaded";
const NOT_FOLLOWED: &str = "could not be followed";

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_on_from_dates_that_nobody_loaded_is_loaded() {
    let moved = Moved::begin(Story::begin(table()).await).await;
    moved.moves_elsewhere().await;
    let ended = moved.s.project.sync(&moved.repair()).await.expect(0);
    assert!(ended.stderr.contains(NOT_LOADED), "{ended:?}");
    assert_eq!(moved.there().await, 0);
    // It waits for these dates, however often others are asked for or compared.
    moved.run().await;
    moved.s.reconcile(&["--source"]).await.exits(0);
    moved.run().await.says(NOT_ALL_LOADED);
    moved.moves_on().await;
    let month = moved.elsewhere();
    moved.s.run(month, last_of(month)).await.exits(0);
    moved.s.equal().await;
    moved.run().await.says("Everything is already loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_waited_for_without_a_word_while_it_is_not_old_enough() {
    // Now, and behind the last row that was read of an open window.
    each([0, 2], |days| async move {
        let mut s = Story::begin(table()).await;
        let (late, today) = (s.month(-6), s.today);
        s.config(SETTLED);
        s.config(CHUNK_ROWS);
        s.rows(late, last_of(late), 1).await;
        s.rows(today - Days::new(6), today - Days::new(3), 2).await;
        s.run(late, last_of(late)).await.exits(0);
        s.run(today - Days::new(6), today).await.exits(0);
        s.equal().await;
        let row = s.first_of(nth(late, 8));
        let to = format!("DATEADD(day, -{days}, SYSDATETIME())");
        s.source(&format!("UPDATE dbo.T SET D = {to} WHERE ID = {row}"))
            .await;
        let dates = [late, last_of(late)].map(|day| day.to_string());
        let moved = Moved { s, row, dates };
        moved.s.project.sync(&moved.repair()).await.expect(0);
        let loads = moved.s.loads().await;
        for _ in 0..2 {
            let ended = moved.run().await.says("Everything is already loaded");
            let is_named = ended.stderr.contains(NOT_ALL_LOADED);
            // Two days ago may be in a month that is complete.
            assert_eq!(is_named, days > 0 && moved.there().await == 0, "{ended:?}");
        }
        assert_eq!(loads, moved.s.loads().await, "nothing is loaded again for it");
        moved.s.run(today - Days::new(6), today).await.exits(0);
        moved.run().await.says("Everything is already loaded");
        let young: &[i64] = if days == 0 { &[row] } else { &[] };
        moved.s.equal_but(young, &[]).await;
    })
    .await;
}

/// A row of a walk that moved among those that are too young, to a day that is read by now; and the dates of its window.
async fn passed_by_a_walk(rows_a_day: u32) -> (Story, [NaiveDate; 2]) {
    let mut s = Story::begin(Table::dated("datetime2(0)")).await;
    let [first, last] = [s.day(-12), s.day(-3)];
    s.config("settle_minutes = 7200");
    s.rows(first, last, rows_a_day).await;
    s.run(first, last).await.exits(0);
    let row = s.first_of(s.day(-10));
    s.moves(row, &at(s.day(-4), "10:00:00")).await;
    s.run(first, last).await.exits(0);
    let sql = format!("SELECT COUNT_BIG(*) FROM dbo.t_T WHERE ID = {row}");
    let there = s.server.connect(&s.server.target).await.integer(&sql).await;
    assert_eq!(there, 0, "it is too young");
    s.config("settle_minutes = 60");
    (s, [first, last])
}

/// A walk closes its window behind rows that were too young when it passed them, and only the comparison finds these.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_walk_passed_as_too_young_is_loaded_and_not_counted() {
    let (s, [first, last]) = passed_by_a_walk(1).await;
    let dates = [first, last].map(|day| day.to_string());
    let run = [
        "run",
        "--start-date",
        &dates[0],
        "--end-date",
        &dates[1],
        "--max-workers",
        "1",
    ];
    let names = sweep::steps(&s.project, &run).await;
    s.equal().await;
    s.nothing_is_left(first, last).await;
    let closed = names.iter().position(|name| name == "load: after COMMIT");
    let closed = closed.expect("a load") as u32;
    // After the load that closes the window, and before the comparison.
    let (s, [first, last]) = passed_by_a_walk(1).await;
    s.dies_at_step(first, last, closed + 1).await;
    s.run(first, last).await.exits(0);
    s.equal().await;
    s.nothing_is_left(first, last).await;
}

/// Nothing tells which rows of a window the comparison would find, while the brake holds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_window_that_the_brake_holds_is_not_counted() {
    let (s, [first, last]) = passed_by_a_walk(30).await;
    s.source(&format!("DELETE FROM dbo.T WHERE D < '{}'", s.day(-7)))
        .await;
    let held = s.run(first, last).await.exits(3);
    assert!(!held.stderr.contains(NOT_FOLLOWED), "{held:?}");
    s.run_with(first, last, &["--allow-deletes", "T"]).await.exits(0);
    s.equal().await;
    s.nothing_is_left(first, last).await;
}

/// A moment with an offset is counted under its own day, and loaded under that of UTC.
#[tokio::test(flavor = "multi_thread")]
async fn a_moment_of_yesterday_evening_that_is_too_young_by_utc_is_waited_for() {
    let mut s = Story::begin(Table::dated("datetimeoffset(0)").indexed()).await;
    let minutes = "SELECT CAST(DATEDIFF(minute, CAST(SYSDATETIME() AS date), SYSDATETIME()) AS bigint)";
    let minutes = s.server.connect(&s.server.source).await.integer(minutes).await;
    // Rows are read up to one in the morning, five days ago.
    s.config(&format!("settle_minutes = {}", 5 * 24 * 60 + minutes - 60));
    let (first, last) = (s.day(-12), s.day(-6));
    s.rows(first, s.day(-3), 1).await;
    s.run(first, last).await.exits(0);
    let row = s.first_of(s.day(-10));
    s.moves(row, &format!("{last}T23:30:00-05:00")).await;
    s.run(first, last).await.exits(0);
    s.config("settle_minutes = 60");
    s.run(first, s.day(-3)).await.exits(0);
    s.equal().await;
}

/// A run with nothing else to do looks twice for a row that no load brought, and the row moves between the two.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_on_before_it_is_counted_is_loaded() {
    let test = "a_row_that_moves_on_before_it_is_counted_is_loaded";
    let Some(s) = Story::begin_emulated(test, table()).await else {
        return;
    };
    let moved = Moved::begin(s).await;
    let server = &moved.s.server;
    moved.moves_elsewhere().await;
    moved.s.project.sync(&moved.repair()).await.expect(0);
    // As if the load of a day had not brought it.
    let (early, elsewhere) = (moved.s.month(-8), nth(moved.elsewhere(), 8));
    let day = nth(early, 3);
    moved.s.moves(moved.row, &at(day, "10:00:00")).await;
    let record =
        format!("UPDATE [sync].[plan] SET [fingerprint] = REPLACE([fingerprint], N'{elsewhere}', N'{day}')");
    server.at_target(&record).await;
    let [first, last] = &moved.dates;
    let run = ["run", "--start-date", first, "--end-date", last];
    let second_look = faults::at("SELECT v.[number]").nth(2);
    moved.moves_on_during(&run, second_look).await;
}

/// The record of a row is by the columns that found it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_other_columns_find_now_is_counted() {
    let moved = Moved::begin(Story::begin(table()).await).await;
    moved.moves_elsewhere().await;
    moved.s.project.sync(&moved.repair()).await.expect(0);
    // As if another index had found it when it left.
    let record = r#"UPDATE [sync].[plan] SET [fingerprint] = REPLACE([fingerprint], N'[[\"ID\"],[[', N'[[\"NO\"],[[')"#;
    moved.s.server.at_target(record).await;
    let [first, last] = &moved.dates;
    moved
        .s
        .run(first, last)
        .await
        .exits(4)
        .says("1 row left the target and could not be followed");
    // It is in none of the months that are loaded.
    let ended = moved.s.reconcile(&["--source"]).await.exits(0);
    ended.says("may still come to a month that is no longer compared");
    moved.run().await;
}
