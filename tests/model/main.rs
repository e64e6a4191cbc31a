//! Whatever happens in whatever order, a copy is what its receipts say and its receipts are what the source was.
//!
//! Random lives of a small job (runs, deaths at any step, rows that come, change, move and go at the source, hands on
//! the target, lost and rebuilt state files) are held to an oracle that shares no code with the engine. After every
//! command: a chunk whose receipt is new holds the rows that the source has now in its range; one whose receipt was
//! there before holds what it held; rows outside of all receipts are only ever old ones. After a run that says it is
//! done, every window asked for is covered by its receipts without a gap, every row it counts is there, and the next
//! run reads no row.
//!
//! `SYNC_MODEL_CASES` is how many lives are lived, `SYNC_MODEL_SEED` which ones; a failure prints the shortest life
//! that shows it.

mod life;
mod stores;
#[path = "../support/mod.rs"]
mod support;

use chrono::{DateTime, Utc};
use life::DAYS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::Server;

/// Lives that are lived where nobody says how many.
const CASES_DEFAULT: u32 = 40;
/// Lives at once.
const LANES: u32 = 2;

/// What happens.
#[derive(Debug, Clone)]
enum Act {
    /// A run over all dates.
    Run,
    /// A run over the last month alone.
    RunLate,
    /// A run that dies at a step.
    Die(u32),
    /// Rows come to the source: so many days back, or without a date.
    Insert(Vec<Option<u64>>),
    /// A row's value changes there.
    Change(prop::sample::Index),
    /// A row's date changes there.
    Move(prop::sample::Index, Option<u64>),
    /// A row goes there.
    Delete(prop::sample::Index),
    /// A row goes at the target.
    TargetDelete(prop::sample::Index),
    /// A row's value changes at the target.
    TargetChange(prop::sample::Index),
    /// A row that the source has not comes to the target.
    TargetInsert(Option<u64>),
    /// All rows go at the target.
    Truncate,
    /// The state file goes.
    LoseState,
    /// It is copied away.
    SaveState,
    /// The copy comes back, however old it is.
    RestoreState,
    /// It is made anew.
    Rebuild,
    /// A month is forgotten.
    Forget(u64),
    /// All that is verified is compared at both ends, and what differs is loaded again.
    Reconcile,
}

fn act() -> impl Strategy<Value = Act> {
    let row = any::<prop::sample::Index>;
    let back = || prop::option::weighted(0.8, 0..DAYS);
    prop_oneof![
        4 => Just(Act::Run),
        1 => Just(Act::RunLate),
        6 => (1..110_u32).prop_map(Act::Die),
        3 => vec(back(), 1..6).prop_map(Act::Insert),
        1 => row().prop_map(Act::Change),
        1 => (row(), back()).prop_map(|(row, day)| Act::Move(row, day)),
        1 => row().prop_map(Act::Delete),
        1 => row().prop_map(Act::TargetDelete),
        1 => row().prop_map(Act::TargetChange),
        1 => back().prop_map(Act::TargetInsert),
        1 => Just(Act::Truncate),
        1 => Just(Act::LoseState),
        1 => Just(Act::SaveState),
        1 => Just(Act::RestoreState),
        1 => Just(Act::Rebuild),
        1 => (0..DAYS).prop_map(Act::Forget),
        1 => Just(Act::Reconcile),
    ]
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn lives() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    #[expect(
        clippy::disallowed_methods,
        reason = "a new seed each time, printed, unless one is given"
    )]
    let now: DateTime<Utc> = Utc::now();
    let seed = number("SYNC_MODEL_SEED").unwrap_or_else(|| now.timestamp_millis().unsigned_abs());
    let cases = number("SYNC_MODEL_CASES").map_or(CASES_DEFAULT, |cases| cases as u32);
    println!("SYNC_MODEL_SEED={seed} SYNC_MODEL_CASES={cases}");
    let lane = |lane: u32| {
        let Some(mut server) = runtime.block_on(Server::start_emulator("lives")) else {
            return;
        };
        runtime.block_on(server.at_source(
            "CREATE TABLE dbo.T (ID int NOT NULL CONSTRAINT PK_T PRIMARY KEY CLUSTERED, D datetime2(0) NULL, V int NULL); \
             CREATE INDEX IX_T ON dbo.T (D)",
        ));
        let config = Config {
            cases: cases / LANES + u32::from(lane < cases % LANES),
            failure_persistence: None,
            max_shrink_iters: 200,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&lane.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let server = std::cell::RefCell::new(&mut server);
        let ended = TestRunner::new_with_rng(config, rng).run(&vec(act(), 1..12), |acts| {
            runtime.block_on(life::live(&mut server.borrow_mut(), now.date_naive(), &acts));
            Ok(())
        });
        if let Err(error) = ended {
            panic!("SYNC_MODEL_SEED={seed}, lane {lane}: {error}");
        }
    };
    std::thread::scope(|scope| {
        for number in 0..LANES {
            scope.spawn(move || lane(number));
        }
    });
}
