//! The sizes of the measures, from the environment.

use std::fmt;

/// Rows of the table unless `SYNC_BENCH_ROWS` has another number: enough for a first look in a minute or two.
const ROWS_DEFAULT: u64 = 60_000;
/// Rows of a chunk unless `SYNC_BENCH_CHUNK_ROWS` has another number.
const CHUNK_ROWS_DEFAULT: u64 = 20_000;
/// Repetitions of a measure unless `SYNC_BENCH_ROUNDS` has another number.
const ROUNDS_DEFAULT: u64 = 5;

/// The sizes of the measures.
pub struct Settings {
    /// Rows of the table.
    pub rows: u64,
    /// Rows of a chunk, but where a part has its own.
    pub chunk_rows: u64,
    /// Repetitions of a measure, of which the median counts.
    pub rounds: u64,
}

impl Settings {
    /// The sizes that the environment asks for.
    pub fn from_environment() -> Settings {
        Settings {
            rows: number("SYNC_BENCH_ROWS", ROWS_DEFAULT),
            chunk_rows: number("SYNC_BENCH_CHUNK_ROWS", CHUNK_ROWS_DEFAULT),
            rounds: number("SYNC_BENCH_ROUNDS", ROUNDS_DEFAULT),
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => {
            let number = text.replace('_', "").parse().ok().filter(|number| *number > 0);
            number.unwrap_or_else(|| panic!("{name} is a number above 0, not {text}"))
        }
        Err(_) => default,
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = std::env::var("SYNC_TEST_SERVER");
        write!(
            f,
            "Server: {}; SYNC_BENCH_ROWS={} SYNC_BENCH_CHUNK_ROWS={} SYNC_BENCH_ROUNDS={}",
            server.as_deref().unwrap_or("the emulator"),
            self.rows,
            self.chunk_rows,
            self.rounds
        )
    }
}
