//! The governor as tables of what it is told and what it answers, on injected time.

use std::time::Duration;

use proptest::prelude::*;

use crate::governor::decide::{Answer, Ask, Found, Governor, Grant, Measured, Wait};
use crate::governor::size::LEAST_ROWS;
use crate::model::pace::{Action, Cause, Ceilings, Signs, Tuning};

const CHUNK: Ask = Ask::Chunk {
    rows: 20_000,
    found: Found::ByIndex,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn governor(ceilings: Ceilings) -> Governor {
    Governor::new(&ceilings, 2, 20_000)
}

/// What may begin at a time.
fn granted(governor: &mut Governor, now: Duration, ask: Ask) -> Grant {
    match governor.ask(now, ask) {
        Answer::Go(grant) => grant,
        Answer::Wait(wait) => panic!("it waits: {wait:?}"),
    }
}

fn waits(governor: &mut Governor, now: Duration, ask: Ask) -> Wait {
    match governor.ask(now, ask) {
        Answer::Wait(wait) => wait,
        Answer::Go(grant) => panic!("it may begin: {grant:?}"),
    }
}

/// Reads a whole chunk that takes so many milliseconds for 1,000 rows. Returns its rows and what was decided.
fn reads(governor: &mut Governor, now: &mut Duration, millis: u64) -> (u64, Vec<Action>) {
    let mut grant = loop {
        match governor.ask(*now, CHUNK) {
            Answer::Go(grant) => break grant,
            Answer::Wait(wait) => *now = wait.until.expect("time alone lets it begin"),
        }
    };
    let rows = grant.rows;
    let took = Duration::from_millis(rows * millis / 1_000);
    *now += took;
    let read = Measured {
        rows,
        took,
        full: true,
        ..Measured::default()
    };
    governor.measured(*now, CHUNK, &mut grant, read);
    governor.end(*now, grant);
    let decided = governor.take_decided();
    (rows, decided.into_iter().map(|(action, _)| action).collect())
}

#[test]
fn a_source_that_slows_down_and_recovers() {
    let rows = |from, to| Action::ChunkRows { from, to };
    let workers = |from, to| Action::Workers { from, to };
    let pause = |from, to| Action::PauseMs { from, to };
    // Milliseconds for 1,000 rows; rows of the chunk, and what is decided after it.
    let table = [
        (100, 2_000, vec![rows(2_000, 8_000)]),
        (100, 8_000, vec![rows(8_000, 20_000)]),
        (100, 20_000, vec![]),
        (100, 20_000, vec![]),
        // Ten times as slow: the third query is within its time.
        (1_000, 20_000, vec![rows(20_000, 2_000)]),
        (1_000, 2_000, vec![workers(2, 1)]),
        (1_000, 2_000, vec![]),
        (1_000, 2_000, vec![pause(0, 250)]),
        (1_000, 2_000, vec![]),
        (1_000, 2_000, vec![pause(250, 500)]),
        // As it was.
        (100, 2_000, vec![rows(2_000, 8_000)]),
        (100, 8_000, vec![rows(8_000, 20_000)]),
        (100, 20_000, vec![]),
        (100, 20_000, vec![pause(500, 0)]),
        (100, 20_000, vec![]),
        (100, 20_000, vec![]),
        (100, 20_000, vec![]),
        (100, 20_000, vec![workers(1, 2)]),
        (100, 20_000, vec![]),
    ];
    let mut governor = governor(Ceilings::default());
    let mut now = Duration::ZERO;
    for (number, (millis, asked, decided)) in table.into_iter().enumerate() {
        let found = reads(&mut governor, &mut now, millis);
        assert_eq!(found, (asked, decided), "read {number}");
    }
}

#[test]
fn a_query_that_sends_nothing_is_cancelled_and_made_smaller() {
    let mut governor = governor(Ceilings::default());
    let mut now = Duration::ZERO;
    let mut asked = Vec::new();
    for _ in 0..4 {
        let mut grant = granted(&mut governor, now, CHUNK);
        asked.push(grant.rows);
        let took = grant.budget.expect("it has a budget");
        assert_eq!(took, seconds(20));
        now += took;
        let read = Measured {
            took,
            full: true,
            cut: true,
            ..Measured::default()
        };
        governor.measured(now, CHUNK, &mut grant, read);
        governor.end(now, grant);
        now += seconds(1);
    }
    assert_eq!(asked, [2_000, 500, 125, 100]);
    let decided = governor.take_decided();
    let cancelled = Action::Cancelled {
        rows: 2_000,
        took_ms: 20_000,
    };
    assert_eq!(decided[0].0, cancelled, "{decided:?}");
}

#[test]
fn only_reads_that_fewer_rows_can_help_have_a_budget_or_a_size() {
    let chunk = |found| Ask::Chunk { rows: 20_000, found };
    // What asks; its rows, and whether it has a budget.
    let table = [
        (chunk(Found::ByIndex), 2_000, true),
        (chunk(Found::ByWalk), 2_000, false),
        (chunk(Found::ByScan), 20_000, false),
        (
            Ask::Again {
                rows: 7,
                found: Found::ByIndex,
            },
            u64::MAX,
            true,
        ),
        (
            Ask::Again {
                rows: 7,
                found: Found::ByScan,
            },
            u64::MAX,
            false,
        ),
        (Ask::Whole { rows: 7 }, u64::MAX, false),
        (Ask::Part, u64::MAX, false),
    ];
    for (ask, rows, has_budget) in table {
        let grant = granted(&mut governor(Ceilings::default()), Duration::ZERO, ask);
        assert_eq!(
            (grant.rows, grant.budget.is_some()),
            (rows, has_budget),
            "{ask:?}"
        );
    }
}

#[test]
fn a_chunk_that_is_known_to_take_too_long_is_read_again_in_parts() {
    let mut governor = governor(Ceilings::default());
    let mut now = Duration::ZERO;
    let again = Ask::Again {
        rows: 20_000,
        found: Found::ByIndex,
    };
    let unknown = granted(&mut governor, now, again);
    assert_eq!(unknown.rows, u64::MAX, "nothing speaks against all of it yet");
    governor.end(now, unknown);
    // Two milliseconds a row: 1,000 rows take as long as they should.
    for _ in 0..3 {
        reads(&mut governor, &mut now, 2_000);
    }
    let mut part = granted(&mut governor, now, again);
    assert_eq!(part.rows, 1_000);
    // One that is cut with its rows, which came as fast as ever, is no trouble, and is told as what it was.
    governor.take_decided();
    let cut = Measured {
        rows: 10_000,
        took: seconds(20),
        full: true,
        cut: true,
        ..Measured::default()
    };
    for _ in 0..4 {
        governor.measured(now, again, &mut part, cut);
    }
    let decided = governor.take_decided();
    let cancelled = Action::Cancelled {
        rows: 1_000,
        took_ms: 20_000,
    };
    assert!(
        decided.iter().all(|(action, _)| *action == cancelled),
        "{decided:?}"
    );
}

#[test]
fn what_a_failed_read_has_reserved_is_not_owed() {
    let mut governor = governor(Ceilings {
        rows_per_second: Some(100),
        ..Ceilings::default()
    });
    let again = Ask::Again {
        rows: 2_000,
        found: Found::ByIndex,
    };
    let failed = granted(&mut governor, Duration::ZERO, again);
    governor.end(Duration::ZERO, failed);
    granted(&mut governor, Duration::ZERO, again);
}

#[test]
fn fast_reads_give_nothing_back_while_signs_show_trouble() {
    let mut governor = governor(Ceilings::default());
    let mut now = Duration::ZERO;
    let blocked = Signs {
        blocked_by_us: Some(1),
        ..Signs::default()
    };
    governor.seen(now, &blocked);
    for _ in 0..40 {
        reads(&mut governor, &mut now, 10);
    }
    assert_eq!(governor.pressure.workers(), 1);
    governor.seen(now, &Signs::default());
    for _ in 0..4 {
        reads(&mut governor, &mut now, 10);
    }
    assert_eq!(governor.pressure.workers(), 2);
}

#[test]
fn a_look_that_shows_nothing_releases_no_lag() {
    let mut governor = governor(Ceilings {
        lag_max: Some(seconds(60)),
        ..Ceilings::default()
    });
    assert!(governor.unseen(Duration::ZERO), "nothing is known against it");
    let behind = Signs {
        lag: Some(seconds(95)),
        ..Signs::default()
    };
    assert!(!governor.seen(Duration::ZERO, &behind));
    assert!(!governor.unseen(seconds(30)));
    let wait = waits(&mut governor, seconds(31), CHUNK);
    assert_eq!((wait.cause, wait.until), (Some(Cause::Lag), Some(seconds(60))));
}

#[test]
fn holds_tell_their_cause_and_their_end() {
    let mut governor = governor(Ceilings {
        lag_max: Some(seconds(60)),
        ..Ceilings::default()
    });
    let now = seconds(100);
    let behind = |lag| Signs {
        lag: Some(seconds(lag)),
        ..Signs::default()
    };
    assert!(governor.seen(now, &behind(60)));
    assert!(!governor.seen(now, &behind(95)));
    let wait = waits(&mut governor, now, CHUNK);
    assert_eq!((wait.cause, wait.until), (Some(Cause::Lag), Some(seconds(130))));
    assert_eq!(
        wait.hold,
        "the replica is 95 s behind, more than replica_lag_max_seconds = 60"
    );
    // Then one looks, and another waits for it.
    let looks = granted(&mut governor, seconds(130), CHUNK);
    assert!(looks.is_probe);
    assert_eq!(waits(&mut governor, seconds(130), CHUNK).cause, Some(Cause::Lag));
    assert!(
        !governor.seen(seconds(131), &behind(80)),
        "it gives its permit back"
    );
    governor.end(seconds(131), looks);
    assert_eq!(
        waits(&mut governor, seconds(131), CHUNK).until,
        Some(seconds(161))
    );
    assert!(governor.seen(seconds(161), &behind(3)));
    let read = granted(&mut governor, seconds(161), CHUNK);
    governor.end(seconds(162), read);

    governor.is_paused = true;
    let wait = waits(&mut governor, seconds(162), CHUNK);
    assert_eq!((wait.cause, wait.until), (Some(Cause::Pause), None));
    // What is under way is finished.
    let part = granted(&mut governor, seconds(162), Ask::Part);
    governor.end(seconds(162), part);
    governor.is_paused = false;
    granted(&mut governor, seconds(162), CHUNK);
}

#[test]
fn signs_take_workers_and_starvation_lets_all_sleep() {
    let mut governor = governor(Ceilings::default());
    let blocked = Signs {
        blocked_by_us: Some(2),
        ..Signs::default()
    };
    governor.seen(Duration::ZERO, &blocked);
    assert_eq!(governor.take_decided()[0].0, Action::Workers { from: 2, to: 1 });
    let starved = Signs {
        starved: Some(4),
        ..Signs::default()
    };
    assert!(!governor.seen(Duration::ZERO, &starved));
    let wait = waits(&mut governor, seconds(1), CHUNK);
    assert_eq!(
        (wait.cause, wait.until),
        (Some(Cause::Latency), Some(seconds(30)))
    );
    assert_eq!(wait.hold, "4 requests waited for a thread or for memory");
    let mut probe = granted(&mut governor, seconds(30), CHUNK);
    assert!(governor.seen(seconds(30), &Signs::default()), "it may read");
    assert_eq!((probe.is_probe, probe.rows), (true, LEAST_ROWS));
    let read = Measured {
        rows: LEAST_ROWS,
        took: Duration::from_millis(20),
        full: true,
        ..Measured::default()
    };
    governor.measured(seconds(30), CHUNK, &mut probe, read);
    governor.end(seconds(30), probe);
    let wait = waits(&mut governor, seconds(30), CHUNK);
    assert_eq!(
        wait.until,
        Some(Duration::from_millis(30_250)),
        "it begins with a pause"
    );
    assert_eq!(wait.hold, "");
}

#[test]
fn ceilings_hold_from_second_to_second() {
    let mut governor = governor(Ceilings {
        rows_per_second: Some(1_000),
        queries_per_second: Some(4),
        bytes_per_second: Some(1 << 20),
        ..Ceilings::default()
    });
    assert_eq!(
        granted(&mut governor.clone(), Duration::ZERO, CHUNK).bytes,
        1 << 20
    );
    let mut now = Duration::ZERO;
    let mut read = Vec::new();
    while now < seconds(60) {
        let (rows, _) = reads(&mut governor, &mut now, 1);
        read.push((now, rows));
    }
    for second in 1..60 {
        let until: u64 = read
            .iter()
            .filter(|(at, _)| *at < seconds(second))
            .map(|(_, rows)| rows)
            .sum();
        assert!(until <= 1_000 * (second + 1), "{until} rows in {second} s");
        assert!(until >= 1_000 * (second - 1), "{until} rows in {second} s");
    }
    governor.tune(Tuning {
        rows_per_second: Some(0),
        ..Tuning::default()
    });
    let mut now = seconds(100);
    let begun = now;
    for _ in 0..8 {
        reads(&mut governor, &mut now, 0);
    }
    assert!(
        now - begun >= Duration::from_millis(7 * 250),
        "four queries a second"
    );
}

#[test]
fn a_person_tunes_a_run() {
    let mut governor = governor(Ceilings::default());
    let tuning = Tuning {
        max_workers: Some(4),
        rows_per_second: Some(500),
        chunk_rows: Some(50),
        ignore_hours: None,
    };
    governor.tune(tuning);
    let decided = governor.take_decided();
    let why = "max_workers 2 to 4, rows_per_second 0 to 500, chunk_rows 20000 to 50";
    assert_eq!(decided, [(Action::Tuned, why.to_owned())]);
    let ask = Ask::Chunk {
        rows: 50,
        found: Found::ByIndex,
    };
    assert_eq!(granted(&mut governor, Duration::ZERO, ask).rows, 50);
    assert_eq!(governor.pressure.workers(), 4);
}

/// What may happen to a governor.
#[derive(Debug, Clone)]
enum Happens {
    Read {
        millis: u64,
        rows: u64,
        cut: bool,
        ask: Ask,
    },
    Signs {
        blocked: u64,
        starved: u64,
        lag: u64,
    },
    Tune {
        workers: usize,
        rows: u64,
        chunk: usize,
    },
    Pause(bool),
    Passes(u64),
    Table,
}

fn happens() -> impl Strategy<Value = Happens> {
    let ask = prop_oneof![
        Just(CHUNK),
        Just(Ask::Chunk {
            rows: 20_000,
            found: Found::ByScan
        }),
        Just(Ask::Again {
            rows: 500,
            found: Found::ByIndex
        }),
        Just(Ask::Whole { rows: 0 }),
        Just(Ask::Part),
    ];
    prop_oneof![
        8 => (0..200_000u64, 0..30_000u64, any::<bool>(), ask)
            .prop_map(|(millis, rows, cut, ask)| Happens::Read { millis, rows, cut, ask }),
        2 => (0..2u64, 0..2u64, 0..100u64)
            .prop_map(|(blocked, starved, lag)| Happens::Signs { blocked, starved, lag }),
        1 => (1..9usize, 0..3_000u64, 1..60_000usize)
            .prop_map(|(workers, rows, chunk)| Happens::Tune { workers, rows, chunk }),
        1 => any::<bool>().prop_map(Happens::Pause),
        3 => (0..400u64).prop_map(Happens::Passes),
        1 => Just(Happens::Table),
    ]
}

/// Lets it happen, with the reads that are under way.
fn let_happen(
    governor: &mut Governor,
    now: &mut Duration,
    reading: &mut Vec<(Ask, Grant)>,
    happens: Happens,
) {
    match happens {
        Happens::Read {
            millis,
            rows,
            cut,
            ask,
        } => {
            match governor.ask(*now, ask) {
                Answer::Go(grant) => reading.push((ask, grant)),
                Answer::Wait(wait) => {
                    let by_person = governor.is_paused;
                    let by_time = wait.until.is_some_and(|until| until > *now);
                    let by_read = governor.reading > 0;
                    assert!(by_person || by_time || by_read, "nothing would end {wait:?}");
                }
            }
            if reading.len() > 1 || millis % 3 > 0 {
                let Some((ask, mut grant)) = reading.pop() else {
                    return;
                };
                let took = Duration::from_millis(millis);
                *now += took / 4;
                let read = Measured {
                    rows: rows.min(grant.rows),
                    bytes: rows * 10,
                    took,
                    full: cut || rows > grant.rows,
                    cut,
                };
                governor.measured(*now, ask, &mut grant, read);
                governor.end(*now, grant);
            }
        }
        Happens::Signs {
            blocked,
            starved,
            lag,
        } => {
            let signs = Signs {
                blocked_by_us: Some(blocked),
                starved: Some(starved),
                lag: Some(seconds(lag)),
                ..Signs::default()
            };
            governor.seen(*now, &signs);
        }
        Happens::Tune { workers, rows, chunk } => governor.tune(Tuning {
            max_workers: Some(workers),
            rows_per_second: Some(rows),
            chunk_rows: Some(chunk),
            ignore_hours: None,
        }),
        Happens::Pause(paused) => governor.is_paused = paused,
        Happens::Passes(passed) => *now += seconds(passed),
        Happens::Table => governor.begin_table(),
    }
    governor.take_decided();
}

proptest! {
    #[test]
    fn it_stays_in_its_bounds_and_calm_brings_it_back(all in prop::collection::vec(happens(), 0..120)) {
        let mut governor = governor(Ceilings {
            rows_per_second: Some(5_000),
            bytes_per_second: Some(1 << 20),
            queries_per_second: Some(50),
            lag_max: Some(seconds(50)),
            ..Ceilings::default()
        });
        let mut now = Duration::ZERO;
        let mut reading = Vec::new();
        for one in all {
            let_happen(&mut governor, &mut now, &mut reading, one);
            let (size, pressure) = (&governor.size, &governor.pressure);
            prop_assert!((size.least()..=size.max()).contains(&size.rows()));
            prop_assert!((1..=pressure.max()).contains(&pressure.workers()));
            prop_assert!(pressure.pause() <= seconds(16));
            prop_assert!(pressure.pause().is_zero() || pressure.workers() == 1);
        }
        for (_, grant) in reading {
            governor.end(now, grant);
        }
        governor.is_paused = false;
        governor.seen(now, &Signs::default());
        governor.begin_table();
        governor.tune(Tuning {
            rows_per_second: Some(0),
            ..Tuning::default()
        });
        for _ in 0..400 {
            reads(&mut governor, &mut now, 0);
        }
        let (size, pressure) = (&governor.size, &governor.pressure);
        prop_assert_eq!(size.rows(), size.max());
        prop_assert_eq!(pressure.workers(), pressure.max());
        prop_assert_eq!(pressure.pause(), Duration::ZERO);
    }
}
