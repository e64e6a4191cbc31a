//! Rows whose date went to a month that is settled, while the chunk that they left is loaded again.

use chrono::NaiveDate;

use testkit::story::{Story, Table, at, each, last_of, nth};

/// Rows of a chunk where a window has several: five days of them.
const CHUNK_ROWS: u32 = 10;

/// On whatever day of a month a test runs: the 21st of last month is at most 41 days ago, and the month that is settled
/// ended more than 200 days ago.
const SETTLE_DAYS: &str = "settle_days = 100";

/// A month that is settled, and the first twenty days of one that is still compared, both loaded.
struct Loaded {
    s: Story,
    early: NaiveDate,
    late: NaiveDate,
    last: NaiveDate,
}

async fn loaded(table: Table, chunk_rows: u32) -> Loaded {
    let mut s = Story::begin(table).await;
    let (early, late) = (s.month(-8), s.month(-1));
    let last = nth(late, 20);
    s.rows(early, last_of(early), 2).await;
    s.rows(late, last, 2).await;
    s.config(SETTLE_DAYS);
    s.config(&format!("chunk_rows = {chunk_rows}"));
    s.run(early, last_of(early)).await.exits(0);
    s.run(late, last).await.exits(0);
    s.equal().await;
    Loaded { s, early, late, last }
}

/// Each date type and access path, in one chunk and in several.
fn tables() -> [(Table, u32); 4] {
    [
        (Table::dated("datetime2(0)").indexed(), 20_000),
        (Table::dated("datetime").indexed(), CHUNK_ROWS),
        (Table::dated("datetime2(3)"), CHUNK_ROWS),
        (Table::dated("datetime"), 20_000),
    ]
}

impl Loaded {
    /// The row that moves, of the eighth day, to the eighth of the settled month.
    async fn moves(&self) {
        let moved = self.s.first_of(nth(self.late, 8));
        self.s.moves(moved, &at(nth(self.early, 8), "10:00:00")).await;
    }

    /// A row of the same chunk.
    fn beside(&self) -> i64 {
        self.s.first_of(nth(self.late, 9))
    }

    /// Runs, and finds the row where it is now.
    async fn run_and_equal(self) {
        self.s.run(self.late, self.last).await.exits(0);
        self.s.equal().await;
        self.s.nothing_is_left(self.late, self.last).await;
        self.s.equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_followed_when_its_old_chunk_lost_a_row() {
    each(tables(), |(table, chunk_rows)| async move {
        let story = loaded(table, chunk_rows).await;
        story.moves().await;
        story.s.target_deletes(&[story.beside()]).await;
        story.run_and_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_followed_when_its_old_window_is_settled_too() {
    each(tables(), |(table, chunk_rows)| async move {
        let mut story = loaded(table, chunk_rows).await;
        story.s.config("settle_days = 1");
        story.moves().await;
        story.s.target_deletes(&[story.beside()]).await;
        story.run_and_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_followed_by_a_repair() {
    each(tables(), |(table, chunk_rows)| async move {
        let story = loaded(table, chunk_rows).await;
        story.moves().await;
        story.s.target_deletes(&[story.beside()]).await;
        story.s.reconcile(&["--repair"]).await.exits(0);
        story.run_and_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_followed_by_a_repair_from_the_source_of_its_old_month_alone() {
    let story = loaded(Table::dated("datetime2(0)").indexed(), CHUNK_ROWS).await;
    story.moves().await;
    let (first, last) = (story.late.to_string(), story.last.to_string());
    let dates = [
        "--source",
        "--repair",
        "--start-date",
        &first,
        "--end-date",
        &last,
    ];
    story.s.reconcile(&dates).await.exits(0);
    story.run_and_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_followed_when_its_old_month_is_forgotten() {
    each(tables(), |(table, chunk_rows)| async move {
        let story = loaded(table, chunk_rows).await;
        story.moves().await;
        story.s.forgets(story.late).await.exits(0);
        story.run_and_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_is_followed_when_the_end_of_its_old_window_is_cut() {
    each(tables(), |(table, chunk_rows)| async move {
        let story = loaded(table, chunk_rows).await;
        let moved = story.s.first_of(nth(story.late, 18));
        story.s.moves(moved, &at(nth(story.early, 8), "10:00:00")).await;
        let beside = story.s.first_of(nth(story.late, 19));
        story.s.target_deletes(&[beside]).await;
        story.run_and_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moved_to_days_that_nobody_loaded_leaves_and_comes_with_them() {
    let story = loaded(Table::dated("datetime2(0)").indexed(), CHUNK_ROWS).await;
    let Loaded { s, early, late, last } = &story;
    let (moved, gone) = (s.first_of(nth(*late, 8)), s.first_of(nth(*late, 9)));
    let between = s.month(-5);
    s.moves(moved, &at(between, "10:00:00")).await;
    s.deletes(&[gone]).await;
    s.target_deletes(&[gone + 1]).await;
    s.run(late, last).await.exits(0);
    s.equal_but(&[moved], &[]).await;
    s.run(between, last_of(between)).await.exits(0);
    s.equal().await;
    s.nothing_is_left(*late, *last).await;
    s.nothing_is_left(*early, last_of(*early)).await;
}

/// The unique key holds the date: what moved is not found by its old key.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_key_holds_the_date_is_followed_by_the_other_columns() {
    each([false, true], |hurt| async move {
        let table = Table::dated("datetime2(0)").keyed("D, ID").indexed_by("ID");
        let story = loaded(table, CHUNK_ROWS).await;
        story.moves().await;
        if hurt {
            story.s.target_deletes(&[story.beside()]).await;
        }
        story.run_and_equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_followed_is_named_until_all_was_compared() {
    let story = loaded(Table::dated("datetime2(0)").keyed("D, ID"), CHUNK_ROWS).await;
    story.moves().await;
    let Loaded { s, early, late, last } = &story;
    for _ in 0..2 {
        let ended = s.run(late, last).await.exits(4);
        ended.says("Table T").says("1 row").says("reconcile --source");
    }
    let status = s.project.status().await;
    let table = status["tables"][0].as_object().expect("a table");
    let named = table
        .iter()
        .any(|(name, value)| name.contains("follow") && *value == 1);
    assert!(named, "{status}");
    // A part of the table proves nothing.
    let (first, end) = (late.to_string(), last.to_string());
    let dates = ["--source", "--repair", "--start-date", &first, "--end-date", &end];
    let _ = s.reconcile(&dates).await;
    s.run(late, last).await.exits(4);
    s.reconcile(&["--source", "--repair"]).await.exits(0);
    s.equal().await;
    s.run(late, last).await.exits(0);
    s.nothing_is_left(*early, last_of(*early)).await;
}

/// An older script's target may have keys that the source cannot have: they leave, and the source is not asked for them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_keys_the_source_cannot_have_leave() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let (month, last) = (s.month(-2), last_of(s.month(-2)));
    s.rows(month, last, 2).await;
    s.server
        .at_target(&format!(
            "CREATE TABLE dbo.t_T (ID bigint NULL, D datetime2(0) NULL, V int NULL); \
             INSERT INTO dbo.t_T VALUES (NULL, '{month}T10:00:00', 1), (5000000000, '{month}T11:00:00', 2), \
             (900, '{month}T12:00:00', 3)"
        ))
        .await;
    s.run(month, last).await.exits(0);
    // The columns are of other types, so that rows are told by their keys.
    let mut here = s.server.connect(&s.server.target).await;
    for filter in ["1 = 1", "ID < 900"] {
        let sql = format!("SELECT COUNT_BIG(*) FROM dbo.t_T WHERE {filter}");
        assert_eq!(
            here.integer(&sql).await,
            s.server.count(&s.server.source, "dbo.T").await,
            "{filter}"
        );
    }
    s.nothing_is_left(month, last).await;
}

/// A month is read chunk by chunk: between two of them a row may move from what was not read yet to what was.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_behind_the_cursor_of_an_old_month_is_loaded() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let (month, last) = (s.month(-8), last_of(s.month(-8)));
    s.rows(month, last, 2).await;
    s.config("chunk_rows = 5");
    s.config("max_workers = 1");
    s.dies_at_step(month, last, 90).await;
    assert!(!s.loads().await.is_empty(), "it died before anything was loaded");
    s.moves(s.first_of(last), &at(nth(month, 1), "10:30:00")).await;
    s.run(month, last).await.exits(0);
    s.equal().await;
    s.nothing_is_left(month, last).await;
}

/// What the target tells of rows that could not be followed outlives the state file.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_file_forgets_no_row_that_could_not_be_followed() {
    let mut s = Story::begin(Table::dated("datetime2(0)").keyed("D, ID")).await;
    let (old, month) = (s.month(-6), s.month(-1));
    s.rows(old, nth(old, 5), 2).await;
    s.rows(month, nth(month, 20), 2).await;
    s.config("settle_days = 1");
    s.run(old, last_of(old)).await.exits(0);
    s.config("settle_days = 366");
    s.run(month, nth(month, 20)).await.exits(0);
    s.config("settle_days = 1");
    let moved = s.first_of(nth(month, 8));
    s.moves(moved, &at(nth(old, 3), "10:00:00")).await;
    s.target_deletes(&[s.first_of(nth(month, 9))]).await;
    s.run(month, nth(month, 20)).await.exits(4).says("1 row");
    std::fs::remove_file(s.project.state()).expect("the state file is removed");
    s.run(month, nth(month, 20)).await.exits(4).says("1 row");
    // And if the target has lost it, the state file tells it, also after it was rebuilt.
    for rebuilds in [false, true] {
        s.server.at_target("DELETE FROM [sync].[plan]").await;
        if rebuilds {
            s.project.sync(&["rebuild"]).await.expect(0);
        }
        let ended = s.run(month, nth(month, 20)).await.exits(4).says("1 row");
        ended.says("the target has lost what [sync].[plan] knew of it");
    }
}

/// A row that was in no month that is loaded yet moves into one that is, while the run reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_into_a_loaded_month_while_another_is_read_is_loaded() {
    let test = "a_row_that_moves_into_a_loaded_month_while_another_is_read_is_loaded";
    let Some(mut s) = Story::begin_emulated(test, Table::dated("datetime2(0)").indexed()).await else {
        return;
    };
    let (first, second) = (s.month(-2), s.month(-1));
    s.rows(first, last_of(first), 2).await;
    s.rows(second, last_of(second), 2).await;
    s.config("chunk_rows = 5");
    s.config("settle_days = 366");
    s.run(first, last_of(first)).await.exits(0);
    let moving = s.first_of(last_of(second));
    let rule = format!(
        "do=run:UPDATE dbo.T SET D = '{first}T05:00:00' WHERE ID = {moving};at=after;statement=ORDER BY [D], [ID];nth=3;database={}",
        s.server.source
    );
    s.server.faults().add(rule.parse().expect("a rule"));
    s.run(first, last_of(second)).await.exits(0);
    s.equal().await;
}

/// However many rows leave a window, the program holds the keys of one page of them at a time.
#[tokio::test(flavor = "multi_thread")]
async fn many_rows_that_leave_are_followed_page_by_page() {
    const KEYS_AT_ONCE_MAX: u64 = 5_000;
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let early = s.month(-8);
    s.plain_rows(5_600).await;
    s.config(SETTLE_DAYS);
    s.run(early, last_of(early)).await.exits(0);
    s.equal().await;
    // They get a date of a month that is settled.
    let day = at(nth(early, 8), "10:00:00");
    s.source(&format!("UPDATE dbo.T SET D = '{day}'")).await;
    let mark = s.server.mark();
    s.run_with(early, last_of(early), &["--allow-deletes", "T"])
        .await
        .exits(0);
    s.equal().await;
    if !s.server.has_log() {
        return;
    }
    let pages: Vec<u64> = s
        .server
        .statements_in(mark, &s.server.target)
        .iter()
        .filter(|statement| {
            statement.text.contains("NOT EXISTS (SELECT 1 FROM #load") && statement.text.contains("ORDER BY")
        })
        .map(|statement| statement.rows_sent)
        .collect();
    assert!(pages.len() > 1, "{pages:?}");
    assert!(pages.iter().all(|rows| *rows <= KEYS_AT_ONCE_MAX), "{pages:?}");
    let asked: Vec<usize> = s
        .server
        .source_statements(mark, "[dbo].[T]")
        .iter()
        .filter(|statement| statement.text.contains("AS [number]"))
        .map(|statement| statement.text.matches("AS [number]").count())
        .collect();
    assert!(asked.iter().all(|keys| *keys <= 50), "{asked:?}");
    assert!(asked.iter().sum::<usize>() >= 5_600, "each row was asked about");
}
