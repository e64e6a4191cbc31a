//! The exit codes of the program: an interface that scripts depend on, so a number never changes its meaning.

use std::process::ExitCode as ProcessExitCode;

/// How a command ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything that was asked for is done.
    Done = 0,
    /// A fault of the program itself.
    Internal = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Rows differ between source and target, or between target and receipt; or more would leave than may unasked.
    Mismatch = 3,
    /// Not everything is loaded; running again resumes.
    Incomplete = 4,
    /// Another run holds the state file or the target table.
    Busy = 5,
    /// The state is damaged, or was made by an incompatible version or plan.
    State = 6,
    /// A check before the work failed: connection, wrong replica, permission, missing table.
    Preflight = 7,
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        ProcessExitCode::from(code as u8)
    }
}
