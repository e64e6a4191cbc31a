//! Whatever happens in whatever order, a copy is what its receipts say, its receipts are what the source was, and no row
//! is lost on the way.
//!
//! Random lives of a small job are held, after every command, to an oracle that shares no code with the engine
//! (`oracle.rs` has its rules; `reference.rs` those of reference tables). `acts.rs` lists what may happen in a life, and
//! `hands.rs` does what others do to it: commands that end or die at a step, rows that come, change, move and go at the
//! source, hands on the target, either end's past coming back, a configuration that changes.
//!
//! `SYNC_MODEL_CASES` is how many lives are lived, `SYNC_MODEL_SEED` which ones; a failure prints the shortest life
//! that shows it. `SYNC_MODEL_SHRINK` is how many shorter lives are tried for that.

mod acts;
mod hands;
mod life;
mod oracle;
mod reference;
mod stores;

use chrono::{DateTime, Utc};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use testkit::Server;

/// Lives that are lived where nobody says how many.
const CASES_DEFAULT: u32 = 40;
/// Lives at once.
const LANES: u32 = 2;
/// Shorter lives that are tried where one fails.
const SHRINK_DEFAULT: u32 = 200;

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
    let seed = number("SYNC_MODEL_SEED").unwrap_or_else(|| Utc::now().timestamp_millis().unsigned_abs());
    let cases = number("SYNC_MODEL_CASES").map_or(CASES_DEFAULT, |cases| cases as u32);
    let shrink = number("SYNC_MODEL_SHRINK").map_or(SHRINK_DEFAULT, |tries| tries as u32);
    println!("SYNC_MODEL_SEED={seed} SYNC_MODEL_CASES={cases}");
    let lane = |lane: u32| {
        let Some(mut server) = runtime.block_on(Server::start_emulator("lives")) else {
            return;
        };
        let config = Config {
            cases: cases / LANES + u32::from(lane < cases % LANES),
            failure_persistence: None,
            max_shrink_iters: shrink,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&lane.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let server = std::cell::RefCell::new(&mut server);
        let ended = TestRunner::new_with_rng(config, rng).run(&acts::life(), |lived| {
            #[expect(
                clippy::disallowed_methods,
                reason = "a life is lived in the days before today"
            )]
            let now: DateTime<Utc> = Utc::now();
            runtime.block_on(life::live(&mut server.borrow_mut(), now.naive_utc(), &lived));
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
