//! Dates that stand for no date, and dates that are still to come.

use chrono::Days;

use testkit::story::{Story, Table, at, each, last_of, nth};

/// Each date type with its first and last instant.
const TYPES: [(&str, [&str; 2]); 6] = [
    ("date", ["0001-01-01", "9999-12-31"]),
    ("datetime", ["1753-01-01T00:00:00", "9999-12-31T23:59:59"]),
    ("datetime2(0)", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"]),
    (
        "datetime2(7)",
        ["0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999"],
    ),
    ("smalldatetime", ["1900-01-01T00:00:00", "2079-06-06T23:59:00"]),
    (
        "datetimeoffset(0)",
        ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"],
    ),
];

/// Each type with each of its sentinels.
fn sentinels(types: &[(&'static str, [&'static str; 2])]) -> Vec<(&'static str, &'static str)> {
    let each = types
        .iter()
        .flat_map(|(date_type, both)| both.map(|sentinel| (*date_type, sentinel)));
    each.collect()
}

/// A month loaded in chunks of ten rows, which is still compared, with a second table of the same rows after it.
async fn loaded(table: Table) -> Story {
    let mut s = Story::begin(table).await;
    s.rows(s.month(-1), last_of(s.month(-1)), 2).await;
    s.and_a_table_after_it("U").await;
    s.config("chunk_rows = 10");
    s.config("settle_days = 366");
    run(&s).await;
    s.equal().await;
    s.equal_too("U").await;
    s
}

async fn run(s: &Story) {
    s.run(s.month(-1), last_of(s.month(-1))).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_date_became_a_sentinel_stops_nothing() {
    each(sentinels(&TYPES), |(date_type, sentinel)| async move {
        let mut s = loaded(Table::dated(date_type).indexed()).await;
        let moved = s.first_of(nth(s.month(-1), 8));
        s.moves(moved, sentinel).await;
        let late = s.adds(&at(nth(s.month(-1), 20), "12:00:00")).await;
        s.source(&format!(
            "INSERT INTO dbo.U SELECT * FROM dbo.T WHERE ID = {late}"
        ))
        .await;
        let ended = s.run(s.month(-1), last_of(s.month(-1))).await;
        ended.exits(0).says("Table T, window");
        s.equal_but(&[moved], &[]).await;
        s.equal_too("U").await;
        s.nothing_is_left(s.month(-1), last_of(s.month(-1))).await;
        s.moves(moved, &at(nth(s.month(-1), 9), "12:00:00")).await;
        run(&s).await;
        s.equal().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_date_became_a_sentinel_is_followed_without_an_index() {
    each(sentinels(&TYPES[..3]), |(date_type, sentinel)| async move {
        let s = loaded(Table::dated(date_type)).await;
        let moved = s.first_of(nth(s.month(-1), 8));
        s.moves(moved, sentinel).await;
        s.target_deletes(&[s.first_of(nth(s.month(-1), 9))]).await;
        run(&s).await;
        s.equal_but(&[moved], &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_left_the_first_day_for_another_month_is_there_once() {
    each(TYPES, |(date_type, [first, _])| async move {
        let s = loaded(Table::dated(date_type).indexed()).await;
        let moved = s.first_of(nth(s.month(-1), 8));
        s.moves(moved, first).await;
        let day = &first[..10];
        let month_end = format!("{}-31", &day[..7]);
        s.run(day, &month_end).await.exits(0);
        s.equal().await;
        // Back: the month that it comes to is loaded while the one that it leaves still has it.
        s.moves(moved, &at(nth(s.month(-1), 12), "12:00:00")).await;
        run(&s).await;
        s.equal().await;
        s.nothing_is_left(s.month(-1), last_of(s.month(-1))).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_day_may_be_asked_for() {
    each(TYPES, |(date_type, _)| async move {
        let s = loaded(Table::dated(date_type).indexed()).await;
        s.run(s.month(-1), "9999-12-31").await.exits(0);
        s.equal().await;
        // A type that ends before is asked for nothing that it could have.
        let code = if date_type == "smalldatetime" { 2 } else { 0 };
        s.run("9999-12-01", "9999-12-31").await.exits(code);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_days_to_come_are_named_where_they_are_asked_for() {
    each([true, false], |index| async move {
        let table = Table::dated("datetime2(0)");
        let table = if index { table.indexed() } else { table };
        let mut s = Story::begin(table).await;
        let (month, last) = (s.month(-1), last_of(s.month(-1)));
        s.rows(month, last, 2).await;
        let (typing, sentinel) = (
            s.adds("2062-06-15T10:00:00").await,
            s.adds("9999-12-31T00:00:00").await,
        );
        // Nobody asked for them.
        let ended = s.run(month, last).await.exits(0);
        ended.does_not_say(" 2 rows").does_not_say(" 1 row");
        s.equal_but(&[typing, sentinel], &[]).await;
        s.run(month, "2062-12-31")
            .await
            .exits(4)
            .says("Table T")
            .says(" 1 row");
        s.run(month, "9999-12-31")
            .await
            .exits(4)
            .says("Table T")
            .says(" 2 rows");
        s.run("9999-12-01", "9999-12-31").await.exits(4).says(" 1 row");
        // Put right at the source, they are like any other.
        s.moves(typing, &at(nth(month, 3), "10:00:00")).await;
        s.deletes(&[sentinel]).await;
        s.run(month, "9999-12-31").await.exits(0);
        s.equal().await;
    })
    .await;
}

/// A date without a time of day is no row beyond the clock because it is tomorrow's.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_tomorrow_are_waited_for_without_a_word() {
    let mut s = Story::begin(Table::dated("date").indexed()).await;
    let today = s.day(0);
    // In the first hour of a day the rows of yesterday are still too young.
    s.rows(today - Days::new(4), today - Days::new(2), 2).await;
    let tomorrow = s.adds(&(today + Days::new(1)).to_string()).await;
    s.run(today - Days::new(4), today + Days::new(1)).await.exits(0);
    s.equal_but(&[tomorrow], &[]).await;
    let typing = s.adds(&(today + Days::new(2)).to_string()).await;
    let ended = s.run(today - Days::new(4), today + Days::new(2)).await.exits(4);
    ended.says(" 1 row");
    s.equal_but(&[tomorrow, typing], &[]).await;
}
