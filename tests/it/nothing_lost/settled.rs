//! How long a window is compared: by what the configuration says today, and not by what it said when it was marked.

use testkit::story::{Story, Table, at, each};

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_compared_again_when_settle_days_grows() {
    each(
        [Table::dated("datetime2(0)").indexed(), Table::dated("datetime")],
        |table| async move {
            let mut s = Story::begin(table).await;
            let (first, last) = (s.day(-12), s.day(-2));
            s.rows(first, last, 2).await;
            s.config("chunk_rows = 10");
            // The window ended a day ago: it is loaded, and found equal after its time.
            s.config("settle_days = 1");
            s.run(first, last).await.exits(0);
            s.run(first, last).await.exits(0);
            s.adds(&at(last, "12:00:00")).await;
            s.config("settle_days = 366");
            s.run(first, last).await.exits(0);
            s.equal().await;
            s.nothing_is_left(first, last).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_compared_long_enough_is_left_alone() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    let (first, last) = (s.day(-12), s.day(-2));
    s.rows(first, last, 2).await;
    s.config("settle_days = 1");
    s.run(first, last).await.exits(0);
    s.run(first, last).await.exits(0);
    let late = s.adds(&at(last, "12:00:00")).await;
    s.nothing_is_left(first, last).await;
    s.equal_but(&[late], &[]).await;
}
