//! Paces the reads of the source: how many at once, how large, and when.
//!
//! Each read of rows asks the [`Throttle`] before it takes a connection, and tells it how long the read took. It never ends
//! a run, and it touches no row.

mod reins;
mod throttle;

pub use reins::Reins;
pub use throttle::{Parts, Permit, Throttle};
