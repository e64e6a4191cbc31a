//! The configuration: `sync.toml`, its `.env` and the environment, as one value that cannot be invalid.
//!
//! Parsing refuses unknown keys, values out of range and variables that are not set; its errors name file, line and
//! fix. Secrets are in [`crate::base::secret::Secret`] from the moment they are read. No error quotes a value.

mod endpoint;
mod env;
mod hours;
mod metrics;
mod parse;
mod section;
mod serve;
mod serve_config;
mod server;
mod source;
mod source_config;
#[cfg(test)]
mod tests;
mod values;

pub use env::{Origins, origins};
pub use parse::{CHUNK_ROWS_MAX, FILE_DEFAULT, WORKERS_MAX};
pub use source::CEILING_MAX;
pub use values::{
    Config, ExcludedColumn, MetricsConfig, Mode, RunConfig, Serve, Source, SourceConfig, TableConfig, Target,
};
