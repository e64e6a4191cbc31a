//! Renders the events of a run: as bars, as plain lines, or as log records; writes these to log files.

mod bars;
mod files;
mod log;
mod pace;
mod plain;
#[cfg(test)]
mod testing;
mod told;
mod waits;

pub use bars::Bars;
pub use files::Files;
pub use log::Log;
pub use plain::{Plain, PlainOptions};
