//! A configuration for a command that reads the source's catalog alone: the rest of the file may be missing.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::parse::{opened, read, run};
use super::section::Section;
use super::source::source;
use super::values::SourceConfig;
use crate::base::error::Result;

impl SourceConfig {
    /// Reads the file at `path`, of which only `[source]` and `[run]` need to be whole.
    ///
    /// # Errors
    /// As [`super::Config::load`].
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<SourceConfig> {
        SourceConfig::of(path, &read(path)?, environment)
    }

    /// The same of a text that is to become the file at `path`.
    ///
    /// # Errors
    /// As [`super::Config::load`].
    pub fn of(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<SourceConfig> {
        opened(path, text, environment, |file, root| {
            Ok(SourceConfig {
                source: source(file, root)?,
                timeouts: run(file, root)?.timeouts,
                tables: names(root),
                path: path.to_owned(),
            })
        })
    }
}

/// The names of the tables, as far as they can be read.
fn names(root: &Section<'_>) -> Vec<String> {
    let tables = root.value("table").and_then(|tables| tables.get_ref().as_array());
    let name = |table: &Spanned<DeValue<'_>>| {
        let name = table.get_ref().as_table()?.get("name")?;
        name.get_ref().as_str().map(str::to_owned)
    };
    tables
        .into_iter()
        .flat_map(|tables| tables.iter().filter_map(name))
        .collect()
}
