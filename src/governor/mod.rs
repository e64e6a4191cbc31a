//! Paces the reads of the source: how many at once, how large, and when.
//!
//! Each read of rows asks the [`crate::governor::Throttle`] before it takes a connection, and tells it how long each of its
//! queries took. What is decided is pure, in `decide.rs` and the files that it is made of; the throttle adds the clock, the waits and the
//! telling. It never ends a run, and it touches no row.

mod baseline;
mod debt;
mod decide;
mod permit;
mod pressure;
mod reins;
mod size;
#[cfg(test)]
mod tests;
mod throttle;

pub use decide::{Ask, Found, Measured};
pub use permit::Permit;
pub use reins::Reins;
pub use size::LEAST_ROWS;
pub use throttle::{ClosedUntil, Parts, Throttle};
