//! The configuration: `sync.toml`, its `.env` and the environment, as one value that cannot be invalid.
//!
//! Parsing refuses what it does not know: an unknown key, a value out of range, a variable that is not set are
//! errors that name file, line and fix. Secrets are in [`crate::base::secret::Secret`] from the moment they are read;
//! no error of this module quotes a value of the file.

mod env;
mod parse;
mod section;
mod server;
#[cfg(test)]
mod tests;
mod values;

pub use env::{Origins, origins};
pub use values::{Config, Mode, RunConfig, Source, TableConfig, Target};
