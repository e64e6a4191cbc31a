//! The brake: how many of the rows of a window, or of a reference table, may leave the target without an operator's
//! word.
//!
//! A source that was emptied, or a replica that is days behind, looks like a source whose rows were deleted. A few rows
//! leave every window now and then, so a small number is never stopped, however small the window is.

use crate::base::error::{Error, ErrorKind};
use crate::base::text::{rows, thousands};
use crate::model::table::Identifier;
use crate::model::window::Window;

/// So many rows are never stopped: corrections of a day leave no more, and nobody is to be asked about these.
const ROWS_NEVER_STOPPED: u64 = 100;

/// How many rows may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// `leaving_rows_max_percent`: of a window's rows at the target, so many percent may leave; 100 stops nothing.
    pub percent: u8,
}

impl Brake {
    /// Whether `leaving` rows may leave a window that has `of` rows at the target.
    pub fn allows(self, leaving: u64, of: u64) -> bool {
        // A product of two 64-bit numbers needs more than 64 bits.
        leaving <= ROWS_NEVER_STOPPED
            || u128::from(leaving) * 100 <= u128::from(of) * u128::from(self.percent)
    }
}

/// Why nothing is loaded where the brake holds, and the way out.
pub fn held(table: &Identifier, window: Window, leaving: u64, of: u64) -> Error {
    Error::new(
        ErrorKind::Held,
        format!(
            "Table {table}, window {window}: {} of {} would leave the target, because the source does not have them there any \
             more; nothing of it is loaded. See whether the source was emptied, is being filled or is behind; if the rows \
             are to go, run again with --allow-deletes {table}",
            thousands(leaving),
            rows(of)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Brake = Brake { percent: 10 };

    #[test]
    fn a_hundred_rows_may_always_leave() {
        assert!(TEN.allows(0, 0));
        assert!(TEN.allows(100, 100));
        assert!(Brake { percent: 0 }.allows(100, 1_000_000));
        assert!(!Brake { percent: 0 }.allows(101, 1_000_000));
    }

    #[test]
    fn of_more_rows_the_percentage_decides() {
        assert!(!TEN.allows(101, 101));
        assert!(!TEN.allows(101, 1_009));
        assert!(TEN.allows(101, 1_010));
        assert!(TEN.allows(1_000, 10_000));
        assert!(!TEN.allows(1_001, 10_000));
    }

    #[test]
    fn a_hundred_percent_stops_nothing() {
        assert!(Brake { percent: 100 }.allows(50_000, 50_000));
        assert!(Brake { percent: 100 }.allows(u64::MAX, u64::MAX));
        assert!(!TEN.allows(u64::MAX, u64::MAX));
    }
}
