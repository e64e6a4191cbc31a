//! Named steps between which the power may fail, for tests that make it fail there. A release build has none of it.
//!
//! In a debug build `SYNC_FAILPOINT=17` ends the process, with nothing flushed and nothing dropped, at the
//! seventeenth step that it passes, and `SYNC_FAILPOINT_LOG=FILE` writes down the name of each step passed, so that
//! a test can count the steps of a job and then die at each.

/// The process passes the step `name`.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn step(_name: &'static str) {}

/// The process passes the step `name`, or dies at it.
#[cfg(debug_assertions)]
pub fn step(name: &'static str) {
    debug::step(name);
}

#[cfg(debug_assertions)]
mod debug {
    use std::io::Write as _;
    use std::sync::{Mutex, OnceLock, PoisonError};

    struct Plan {
        last: Option<u64>,
        log: Option<std::path::PathBuf>,
        passed: Mutex<u64>,
    }

    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();

    fn plan() -> Option<Plan> {
        let last = std::env::var("SYNC_FAILPOINT").ok();
        let log = std::env::var_os("SYNC_FAILPOINT_LOG").map(Into::into);
        if last.is_none() && log.is_none() {
            return None;
        }
        Some(Plan {
            last: last.map(|number| number.parse().expect("SYNC_FAILPOINT is a number")),
            log,
            passed: Mutex::new(0),
        })
    }

    pub(super) fn step(name: &str) {
        let Some(plan) = PLAN.get_or_init(plan) else {
            return;
        };
        let mut passed = plan.passed.lock().unwrap_or_else(PoisonError::into_inner);
        *passed += 1;
        if let Some(path) = &plan.log {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options
                .append(true)
                .create(true)
                .open(path)
                .expect("SYNC_FAILPOINT_LOG can be written");
            writeln!(file, "{name}").expect("SYNC_FAILPOINT_LOG can be written");
        }
        if plan.last == Some(*passed) {
            // As a power cut: no destructor, no flush, no word.
            std::process::abort();
        }
    }
}
