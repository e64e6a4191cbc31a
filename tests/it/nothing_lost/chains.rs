//! Days that differ only after a load of the run itself: a chunk that is loaded again is of another moment than the
//! chunk beside it, and a day that both hold had equal counts before.

use chrono::NaiveDate;

use testkit::story::{Story, Table, at, each, last_of, nth};

/// A chunk ends with the first row of a day, then with the last row of the next day, and so on.
const CHUNK_ROWS: u32 = 3;
const A_DAY: u32 = 2;

/// A month of which ten days are loaded.
async fn loaded(table: Table) -> (Story, NaiveDate) {
    let mut s = Story::begin(table).await;
    let month = s.month(-2);
    s.rows(nth(month, 10), nth(month, 19), A_DAY).await;
    s.config(&format!("chunk_rows = {CHUNK_ROWS}"));
    s.config("settle_days = 366");
    s.run(month, last_of(month)).await.exits(0);
    s.equal().await;
    (s, month)
}

/// A row comes to the first chunk. At the ends of so many chunks, the last row goes, and another one comes to the same
/// day in the next chunk: these days' counts stay.
async fn chain(s: &mut Story, month: NaiveDate, links: u64) {
    s.adds(&at(nth(month, 10), "12:00:00")).await;
    for link in 0..links {
        let day = nth(month, 11 + link / 2 * 3 + link % 2);
        let (gone, time) = if link % 2 == 0 {
            (0, "00:00:30")
        } else {
            (1, "23:59:40")
        };
        s.deletes(&[s.of(day)[gone]]).await;
        s.adds(&at(day, time)).await;
    }
}

fn tables() -> [Table; 2] {
    [Table::dated("datetime2(0)").indexed(), Table::dated("datetime")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_differs_since_its_other_chunk_was_loaded_is_loaded_too() {
    each(tables(), |table| async move {
        let (mut s, month) = loaded(table).await;
        chain(&mut s, month, 1).await;
        // There is another month to load, so that days are compared only after that.
        let next = s.month(-1);
        s.adds(&at(next, "10:00:00")).await;
        s.run(month, last_of(next)).await.exits(0);
        s.equal().await;
        s.nothing_is_left(month, last_of(next)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_such_days_is_followed_to_its_end() {
    each(tables(), |table| async move {
        let (mut s, month) = loaded(table).await;
        chain(&mut s, month, 3).await;
        s.run(month, last_of(month)).await.exits(0);
        s.equal().await;
        s.nothing_is_left(month, last_of(month)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_longer_than_the_passes_of_a_run_is_named_and_followed_by_the_next() {
    let (mut s, month) = loaded(Table::dated("datetime2(0)").indexed()).await;
    chain(&mut s, month, 6).await;
    s.run(month, last_of(month))
        .await
        .exits(4)
        .says("Table T")
        .says("run again");
    s.run(month, last_of(month)).await.exits(0);
    s.equal().await;
    s.nothing_is_left(month, last_of(month)).await;
}
