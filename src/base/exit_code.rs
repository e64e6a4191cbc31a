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

/// All codes with their meaning in words; docs/operations.md says what to do about each.
pub const MEANINGS: [(ExitCode, &str); 8] = [
    (ExitCode::Done, "done"),
    (ExitCode::Internal, "a fault of the program itself"),
    (ExitCode::Usage, "the command line or the configuration is wrong"),
    (
        ExitCode::Mismatch,
        "rows differ, or too many would leave the target",
    ),
    (
        ExitCode::Incomplete,
        "incomplete: the same command again resumes it",
    ),
    (ExitCode::Busy, "another run holds the state file or a table"),
    (
        ExitCode::State,
        "the state file is damaged, or a plan has changed",
    ),
    (
        ExitCode::Preflight,
        "a server, login, right or table is not as it must be",
    ),
];

/// The meaning of a code that is kept as a number; `None` for one that no version had.
pub fn meaning(code: u8) -> Option<&'static str> {
    let known = MEANINGS.iter().find(|(known, _)| *known as u8 == code);
    known.map(|(_, words)| *words)
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        ProcessExitCode::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_meaning_under_its_number() {
        let codes = MEANINGS.map(|(code, _)| code as u8);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(meaning(4), Some("incomplete: the same command again resumes it"));
        assert_eq!(meaning(8), None);
    }
}
