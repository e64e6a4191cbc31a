//! The exit codes of the program. Scripts depend on them, so a number never changes its meaning.

use std::process::ExitCode as ProcessExitCode;

/// The end of a command, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// The command did everything that it was asked for.
    Done = 0,
    /// The program has a fault.
    Internal = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Rows differ between source and target, or between target and receipt; or more rows would leave than may unasked.
    Mismatch = 3,
    /// Not everything is loaded; the next run resumes.
    Incomplete = 4,
    /// Another run holds the state file or the target table.
    Busy = 5,
    /// The state is damaged, or belongs to an incompatible version or plan.
    State = 6,
    /// A check before the work failed: connection, wrong replica, permission, missing table.
    Preflight = 7,
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        ProcessExitCode::from(code as u8)
    }
}
