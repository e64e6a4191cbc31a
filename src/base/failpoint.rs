//! Failpoints: named steps at which a test can simulate a power cut. A release build has none.
//!
//! In a debug build `SYNC_FAILPOINT=17` ends the process at the seventeenth step that it passes, with nothing flushed
//! and nothing dropped. `SYNC_FAILPOINT_LOG=FILE` appends the name of each step to a file. So a test can count the
//! steps of a job, and then end the process at each of them.

/// Passes the step `name`.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn step(_name: &'static str) {}

/// Passes the step `name`, or ends the process there.
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
            // Like a power cut: no destructor, no flush, no message.
            std::process::abort();
        }
    }
}
