//! Windows whose end is not old enough to be read when they are loaded: their tail, and what leaves their end.

use testkit::story::{Story, Table, at, each, last_of, nth};

/// A day that is read to the minute of now, a week ago.
const A_WEEK: &str = "settle_minutes = 10080";
const AN_HOUR: &str = "settle_minutes = 60";

/// With the index and without.
fn tables() -> [Table; 2] {
    [Table::dated("datetime2(0)").indexed(), Table::dated("datetime")]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_of_an_open_window_is_loaded_when_its_time_has_come() {
    each(tables(), |table| async move {
        let mut s = Story::begin(table).await;
        s.rows(s.day(-14), s.day(-2), 4).await;
        s.config("chunk_rows = 10");
        s.config(A_WEEK);
        s.run(s.day(-14), s.day(-7)).await.exits(0);
        s.config(AN_HOUR);
        s.run(s.day(-6), s.day(-2)).await.exits(0);
        s.equal().await;
        s.nothing_is_left(s.day(-6), s.day(-2)).await;
        s.nothing_is_left(s.day(-14), s.day(-7)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_dates_leave_no_hours_between_them() {
    each(tables(), |table| async move {
        let mut s = Story::begin(table).await;
        s.rows(s.day(-9), s.day(-1), 4).await;
        for days_back in [7, 5, 3] {
            s.config(&format!("settle_minutes = {}", days_back * 1440));
            s.run(s.day(-days_back - 1), s.day(-days_back)).await.exits(0);
        }
        s.config(AN_HOUR);
        s.run(s.day(-2), s.day(-2)).await.exits(0);
        let never_asked = [s.of(s.day(-9)), s.of(s.day(-1))].concat();
        s.equal_but(&never_asked, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_interrupted_is_finished_by_a_run_for_other_dates() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let (early, late) = (s.month(-3), s.month(-1));
    s.rows(early, last_of(early), 2).await;
    s.rows(late, last_of(late), 2).await;
    s.config("chunk_rows = 10");
    s.dies_at_step(early, last_of(early), 40).await;
    let loaded = s.loads().await.len();
    assert!((1..6).contains(&loaded), "{loaded} of 7 chunks were loaded");
    s.run(late, last_of(late)).await.exits(0);
    s.equal().await;
    s.nothing_is_left(early, last_of(early)).await;
}

/// A story whose window of a week is open, all of its rows that are there loaded: none is so young that it waits.
async fn open_week(table: Table) -> Story {
    let mut s = Story::begin(table).await;
    let elsewhere = s.month(-4);
    s.rows(elsewhere, nth(elsewhere, 5), 2).await;
    s.rows(s.day(-14), s.day(-8), 4).await;
    s.config("chunk_rows = 10");
    s.config(A_WEEK);
    s.run(elsewhere, nth(elsewhere, 5)).await.exits(0);
    s.run(s.day(-14), s.day(-7)).await.exits(0);
    s.equal().await;
    s
}

/// Runs for the week, which must bring both ends in line and leave nothing to be found.
async fn run_and_compare(s: Story) {
    s.run(s.day(-14), s.day(-7)).await.exits(0);
    s.equal().await;
    s.reconcile(&["--source"]).await.exits(0);
    s.project.sync(&["counts"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_went_from_the_end_of_an_open_window_leave() {
    each(tables(), |table| async move {
        let s = open_week(table).await;
        let ids = [s.of(s.day(-8)), s.of(s.day(-9))].concat();
        s.deletes(&ids).await;
        run_and_compare(s).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_of_an_open_window_leave() {
    each(tables(), |table| async move {
        let s = open_week(table).await;
        let ids: Vec<i64> = (8..=14).flat_map(|back| s.of(s.day(-back))).collect();
        s.deletes(&ids).await;
        run_and_compare(s).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_row_of_an_open_window_leaves_where_nothing_is_left_to_read() {
    each(tables(), |table| async move {
        let mut s = Story::begin(table).await;
        s.rows(s.day(-9), s.day(-9), 1).await;
        s.config(A_WEEK);
        s.run(s.day(-14), s.day(-7)).await.exits(0);
        s.equal().await;
        let only = s.first_of(s.day(-9));
        s.deletes(&[only]).await;
        s.run(s.day(-14), s.day(-7)).await.exits(0);
        s.equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_moved_from_the_end_of_an_open_window_are_there_once() {
    let keyed = Table::dated("datetime2(0)").keyed("D, ID").indexed_by("ID");
    each(tables().into_iter().chain([keyed]), |table| async move {
        let s = open_week(table).await;
        let elsewhere = s.month(-4);
        for (number, id) in s.of(s.day(-8)).into_iter().enumerate() {
            s.moves(id, &at(nth(elsewhere, 3), &format!("11:00:0{number}")))
                .await;
        }
        run_and_compare(s).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_leaves_no_rows_at_the_end_of_an_open_window() {
    each(tables(), |table| async move {
        let s = open_week(table).await;
        s.deletes(&s.of(s.day(-8))).await;
        s.reconcile(&["--source", "--repair"]).await.exits(0);
        run_and_compare(s).await;
    })
    .await;
}
