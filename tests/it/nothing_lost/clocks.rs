//! Clocks that are wrong: nothing is closed by them and nothing settled, and the run says so.

use testkit::story::{Story, Table, at, last_of, nth};
use testkit::{Ended, job};

const SIXTY_DAYS: i64 = 60 * 86_400;

async fn begin(test: &str) -> Option<Story> {
    let mut s = Story::begin_emulated(test, Table::dated("datetime2(0)").indexed()).await?;
    s.config("chunk_rows = 10");
    s.config("settle_days = 35");
    Some(s)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_clock_is_ahead_settles_nothing() {
    let Some(mut s) = begin("a_target_whose_clock_is_ahead_settles_nothing").await else {
        return;
    };
    let (month, last) = (s.month(-1), last_of(s.month(-1)));
    s.rows(month, last, 2).await;
    s.target_clock(SIXTY_DAYS);
    let ahead = s.run(month, last).await;
    s.target_clock(0);
    s.adds(&at(nth(month, 8), "12:00:00")).await;
    s.run(month, last).await.exits(0).does_not_say("clock");
    s.equal().await;
    ahead.exits(4).says("clock");
    s.nothing_is_left(month, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_clock_is_ahead_closes_nothing() {
    let Some(mut s) = begin("a_source_whose_clock_is_ahead_closes_nothing").await else {
        return;
    };
    // Two days of a week are there; the others are too young to be read.
    let (first, last) = (s.day(-9), s.day(-2));
    s.rows(first, s.day(-8), 2).await;
    s.config("settle_minutes = 10080");
    s.source_clock(SIXTY_DAYS);
    let ahead = [s.run(first, last).await, s.run(first, last).await];
    s.source_clock(0);
    s.config("settle_minutes = 60");
    s.rows(s.day(-5), last, 2).await;
    s.run(first, last).await.exits(0);
    s.equal().await;
    for ended in ahead {
        ended.exits(4).says("clock");
    }
    s.nothing_is_left(first, last).await;
}

/// A window that was found equal is marked by the clock of the moment, which was wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_clock_is_ahead_settles_nothing() {
    let Some(mut s) = begin("a_source_whose_clock_is_ahead_settles_nothing").await else {
        return;
    };
    let (month, last) = (s.month(-1), last_of(s.month(-1)));
    s.rows(month, last, 2).await;
    s.run(month, last).await.exits(0);
    s.source_clock(SIXTY_DAYS);
    let ahead = [s.run(month, last).await, s.run(month, last).await];
    s.source_clock(0);
    s.adds(&at(nth(month, 8), "12:00:00")).await;
    s.run(month, last).await.exits(0);
    s.equal().await;
    for ended in ahead {
        ended.exits(4).says("clock");
    }
}

/// The clocks agree when a run starts. The source's jumps while the first table is loaded, or another server takes over.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_clock_jumps_in_the_middle_of_a_run_settles_nothing() {
    let Some(mut s) = begin("a_source_whose_clock_jumps_in_the_middle_of_a_run_settles_nothing").await else {
        return;
    };
    let (month, last) = (s.month(-1), last_of(s.month(-1)));
    s.rows(month, last, 2).await;
    s.and_a_table_after_it("LATER").await;
    let commit = job::commit().nth(1).stalls(&s.server);
    let (first, end) = (month.to_string(), last.to_string());
    let child = s
        .project
        .spawn(&["run", "--start-date", &first, "--end-date", &end]);
    s.server.faults().wait_fired(commit, 1).await;
    s.source_clock(SIXTY_DAYS);
    s.server.faults().remove(commit);
    let ahead = Ended::of(child).await;
    s.source_clock(0);
    let late = at(nth(month, 8), "12:00:00");
    s.source(&format!("INSERT INTO dbo.LATER VALUES (-1, '{late}', 0)"))
        .await;
    s.run(month, last).await.exits(0).does_not_say("clock");
    s.equal_too("LATER").await;
    ahead.exits(4).says("clock");
    s.nothing_is_left(month, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_is_said_and_loses_nothing() {
    for source in [true, false] {
        let Some(mut s) = begin("a_clock_that_is_behind_is_said_and_loses_nothing").await else {
            return;
        };
        let (month, last) = (s.month(-1), last_of(s.month(-1)));
        s.rows(month, last, 2).await;
        let set = |seconds| {
            if source {
                s.source_clock(seconds);
            } else {
                s.target_clock(seconds);
            }
        };
        set(-SIXTY_DAYS);
        s.run(month, last).await.exits(4).says("clock");
        set(0);
        s.run(month, last).await.exits(0);
        s.equal().await;
        s.nothing_is_left(month, last).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_minutes_apart_are_as_good_as_one() {
    let Some(mut s) = begin("clocks_that_are_minutes_apart_are_as_good_as_one").await else {
        return;
    };
    let (month, last) = (s.month(-1), last_of(s.month(-1)));
    s.rows(month, last, 2).await;
    s.source_clock(120);
    s.target_clock(-120);
    s.run(month, last).await.exits(0).does_not_say("clock");
    s.equal().await;
    s.nothing_is_left(month, last).await;
}
