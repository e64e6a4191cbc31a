//! A target that goes back to what it was: between runs, and while a run is going on.

use tds_emulator::RuleId;

use testkit::story::{Story, Table, each, last_of, restores, saves};
use testkit::{Ended, faults};

const CHUNK_ROWS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_comes_back_to_a_target_of_before_it_came() {
    each(
        [Table::dated("datetime2(0)").indexed(), Table::dated("datetime")],
        |table| async move {
            let mut s = Story::begin(table).await;
            let (month, days) = s.month_that_settles_today();
            let last = last_of(month);
            s.rows(month, last, 2).await;
            s.config("chunk_rows = 10");
            s.config("settle_days = 366");
            s.run(month, last).await.exits(0);
            s.saves_target().await;
            s.adds(&format!("{last}T12:00:00")).await;
            s.run(month, last).await.exits(0);
            // Found equal on the last day on which it is compared.
            s.config(&format!("settle_days = {days}"));
            s.run(month, last).await.exits(0);
            s.equal().await;
            s.restores_target().await;
            s.run(month, last).await.exits(0);
            s.equal().await;
            s.nothing_is_left(month, last).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_comes_back_to_an_old_target_under_an_old_state_file() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let (month, days) = s.month_that_settles_today();
    let last = last_of(month);
    s.rows(month, last, 2).await;
    s.config("chunk_rows = 10");
    s.config(&format!("settle_days = {days}"));
    s.run(month, last).await.exits(0);
    s.run(month, last).await.exits(0);
    // The mark is in the copy; its receipts are not the ones that are there when it comes back.
    s.saves_state();
    s.saves_target().await;
    s.adds(&format!("{last}T12:00:00")).await;
    s.reconcile(&["--source", "--repair"]).await.exits(0);
    s.equal().await;
    s.restores_state();
    s.run(month, last).await.exits(0);
    s.equal().await;
    s.restores_target().await;
    s.run(month, last).await.exits(0);
    s.equal().await;
    s.nothing_is_left(month, last).await;
}

/// A middle part of a window is gone from the target, rows and receipts: what is behind it stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_the_middle_is_loaded_and_nothing_else() {
    each([1..2, 2..4, 0..1], |lost| async move {
        let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
        let month = s.month(-4);
        s.rows(month, last_of(month), 2).await;
        s.config(&format!("chunk_rows = {CHUNK_ROWS}"));
        s.run(month, last_of(month)).await.exits(0);
        let before = s.loads().await;
        let rows: Vec<i64> =
            (i64::from(lost.start * CHUNK_ROWS) + 1..=i64::from(lost.end * CHUNK_ROWS)).collect();
        s.target_deletes(&rows).await;
        let sql = format!(
            "DELETE FROM [sync].[receipt] WHERE [ordinal] >= {} AND [ordinal] < {} AND [window_start] < [window_end]",
            lost.start, lost.end
        );
        s.server.at_target(&sql).await;
        let mark = s.server.mark();
        s.run(month, last_of(month)).await.exits(0);
        s.equal().await;
        let chunks = lost.end - lost.start;
        s.server
            .assert_rows_read(mark, "[T]", chunks * CHUNK_ROWS, chunks + 1);
        let after = s.loads().await;
        let kept = before.iter().filter(|load| after.contains(load)).count();
        assert_eq!(kept + chunks as usize, before.len());
        s.nothing_is_left(month, last_of(month)).await;
    })
    .await;
}

/// Stalls the program before it stages a chunk at the target, when it holds no transaction there.
fn stall_at_chunk(s: &Story, nth: u64) -> RuleId {
    let bulk = faults::at("INSERT BULK")
        .of_the_program()
        .in_database(&s.server.target);
    bulk.nth(nth).stalls(&s.server)
}

/// Ends so many connections of the program to the target, each at the next statement.
fn drop_connections(s: &Story, times: u64) {
    let any = faults::anywhere().of_the_program().in_database(&s.server.target);
    any.times(times).drops(&s.server);
}

/// A run that loads one chunk after another.
fn arguments<'a>(first: &'a str, last: &'a str) -> [&'a str; 7] {
    [
        "run",
        "--start-date",
        first,
        "--end-date",
        last,
        "--max-workers",
        "1",
    ]
}

/// Runs over two months, during which the target goes back from the chunk `restored` to what it was at `saved`.
async fn fails_over(s: &Story, saved: u64, restored: u64, dropped: u64) -> Ended {
    let (first, last) = (s.month(-4).to_string(), last_of(s.month(-3)).to_string());
    let faults = s.server.faults();
    let (save, restore) = (stall_at_chunk(s, saved), stall_at_chunk(s, restored));
    let child = s.project.spawn(&arguments(&first, &last));
    let mut target = s.server.connect(&s.server.target).await;
    faults.wait_fired(save, 1).await;
    saves(&mut target).await;
    faults.release(save);
    faults.wait_fired(restore, 1).await;
    restores(&mut target).await;
    if dropped > 0 {
        drop_connections(s, dropped);
    }
    faults.release(restore);
    Ended::of(child).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_loses_committed_work_during_a_run_gets_it_again() {
    // In one window and over two; with the connections broken, and without.
    let places = [(3, 6), (5, 10)].into_iter();
    let cases = places.flat_map(|(saved, restored)| [1, 2, 0].map(|dropped| (saved, restored, dropped)));
    each(cases, |(saved, restored, dropped)| async move {
        let test = "a_target_that_loses_committed_work_during_a_run_gets_it_again";
        let Some(mut s) = Story::begin_emulated(test, Table::dated("datetime2(0)").indexed()).await else {
            return;
        };
        s.rows(s.month(-4), last_of(s.month(-3)), 2).await;
        s.config(&format!("chunk_rows = {CHUNK_ROWS}"));
        let mark = s.server.mark();
        fails_over(&s, saved, restored, dropped).await.exits(0);
        s.equal().await;
        // All rows once, and once more what was lost, what was on its way, and a row a chunk to look ahead.
        let all = s.server.count(&s.server.source, "dbo.T").await as u32;
        let again = (restored - saved + 3) as u32 * CHUNK_ROWS;
        let read: u64 = s
            .server
            .source_reads(mark, "[T]")
            .iter()
            .map(|statement| statement.rows_sent)
            .sum();
        assert!(read <= u64::from(all + again) + 30, "{read} rows were read");
        s.nothing_is_left(s.month(-4), last_of(s.month(-3))).await;
    })
    .await;
}

/// The tables before it in the run are looked at once more, too: a server that fails over may have lost a part.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_done_gets_again_what_was_lost_during_the_next_one() {
    let test = "a_table_that_was_done_gets_again_what_was_lost_during_the_next_one";
    let Some(mut s) = Story::begin_emulated(test, Table::dated("datetime2(0)").indexed()).await else {
        return;
    };
    let (first, last) = (s.month(-4), last_of(s.month(-3)));
    s.rows(first, last, 2).await;
    s.and_a_table_after_it("U").await;
    s.config(&format!("chunk_rows = {CHUNK_ROWS}"));
    let faults = s.server.faults();
    // T has seven chunks a month, so this is in the first month of U.
    let stalled = stall_at_chunk(&s, 17);
    let child = s.project.spawn(&arguments(&first.to_string(), &last.to_string()));
    faults.wait_fired(stalled, 1).await;
    let lost: Vec<i64> = (51..=80).collect();
    s.target_deletes(&lost).await;
    s.server
        .at_target(&format!(
            "DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_T' AND \
             ([ordinal] IN (5, 6) AND [window_start] = '{first}' OR [ordinal] IN (0, 1) AND [window_start] = '{}')",
            s.month(-3)
        ))
        .await;
    drop_connections(&s, 1);
    faults.release(stalled);
    Ended::of(child).await.exits(0);
    s.equal().await;
    s.equal_too("U").await;
}

/// Months whose receipts are all gone are loaded again by a run for other dates, however often it looks before it does.
#[tokio::test(flavor = "multi_thread")]
async fn months_that_the_target_lost_are_loaded_although_another_has_late_rows() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let (old, recent) = (s.month(-6), s.month(-1));
    s.rows(old, last_of(old), 2).await;
    s.rows(recent, last_of(recent), 2).await;
    s.config("chunk_rows = 10");
    s.config("settle_days = 60");
    s.run(old, last_of(old)).await.exits(0);
    s.run(recent, last_of(recent)).await.exits(0);
    let rows = s.server.count(&s.server.target, "dbo.t_T").await;
    s.server
        .at_target(&format!(
            "DELETE FROM [sync].[receipt] WHERE [window_start] = '{old}'; DELETE FROM dbo.t_T WHERE D < '{recent}'"
        ))
        .await;
    s.adds(&format!("{recent}T12:00:00")).await;
    // It dies a while after it has noticed, and the next one notices it again.
    s.dies_at_step(s.day(-2), s.day(-1), 12).await;
    s.run(s.day(-2), s.day(-1)).await.exits(0);
    s.equal().await;
    assert_eq!(s.server.count(&s.server.target, "dbo.t_T").await, rows + 1);
}
