//! The brake: the limit of the rows of a window, or of a reference table, that may leave the target without an
//! operator's consent.
//!
//! A source that was emptied, or a replica that is days behind, looks like a source whose rows were deleted. A few rows
//! leave every window from time to time, so a small number always passes, however small the window is.

use crate::base::error::{Error, ErrorKind};
use crate::base::text::{rows, thousands};
use crate::model::table::Identifier;
use crate::model::window::Window;

/// The number of rows that always pass: the corrections of a day are fewer, and need no operator.
const ROWS_NEVER_STOPPED: u64 = 100;

/// The limit of leaving rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// `leaving_rows_max_percent`: the percentage of a window's rows at the target that may leave; 100 stops nothing.
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

/// The error for a window that the brake holds, and the way out.
pub fn held(table: &Identifier, window: Window, leaving: u64, of: u64) -> Error {
    Error::new(
        ErrorKind::Held,
        format!(
            "Table {table}, window {window}: {} of {} would leave the target, because the source no longer has them there, so \
             nothing of the window is loaded; check whether the source was emptied, is being filled or is behind. To \
             delete the rows, run again with --allow-deletes {table}",
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
