//! Reads of the source. Each carries the proof that the server may be read.

mod absent;
pub mod count;
pub mod extract;
pub mod pace;
pub mod session;
pub mod sight;
pub mod signs;
pub mod standing;
pub mod versions;

pub use absent::absent;
pub use session::{SourceQuery, SourceSession};
