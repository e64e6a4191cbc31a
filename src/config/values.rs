//! The configuration, as the program uses it: every value valid, every default filled in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::log::LogFiles;
use super::notify::Notify;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::private;
use crate::base::secret::Secret;
use crate::base::text::{closest, harmless_text};
use crate::model::hours::{Hours, Wall};
use crate::model::pace::Ceilings;
use crate::model::table::{Identifier, TableName};
use crate::mssql::{Endpoint, Guard, Timeouts};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The end that is read.
    pub source: Source,
    /// The end that is written.
    pub target: Target,
    /// The settings of a run.
    pub run: RunConfig,
    /// The page.
    pub serve: Serve,
    /// Where metrics are written.
    pub metrics: MetricsConfig,
    /// The tables, in the order in which they are copied. At least one; no name twice.
    pub tables: Vec<TableConfig>,
    /// Who is notified of a run; `None` for nobody.
    pub notify: Option<Notify>,
    /// The log files; `None` for none.
    pub log: Option<LogFiles>,
    /// The configuration file.
    pub path: PathBuf,
}

/// The end that is read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where and how to log in.
    pub endpoint: Endpoint,
    /// Schema of the tables.
    pub schema: Identifier,
    /// Whether a server without a proof is refused; every run warns of `false`.
    pub require_replica: bool,
    /// The proof that every connection gives before it reads.
    pub guard: Guard,
    /// How fast it may be read.
    pub ceilings: Ceilings,
    /// The hours in which it may be read; `None` for any.
    pub hours: Option<Hours>,
    /// The clock that a person reads times by: that of the hours, or else the machine's.
    pub wall: Wall,
    /// Whether `server = "embedded"`; then the endpoint has no address until the embedded server starts.
    pub embedded: bool,
}

/// The part of a configuration that a command needs which reads the source's catalog only.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// The end that is read.
    pub source: Source,
    /// The time limits of its answers.
    pub timeouts: Timeouts,
    /// The names of the tables that it has, as far as they can be read.
    pub tables: Vec<String>,
    /// The configuration file.
    pub path: PathBuf,
}

/// The end that is written.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where and how to log in.
    pub endpoint: Endpoint,
    /// Schema of the tables.
    pub schema: Identifier,
    /// The prefix of target tables' names; may be empty.
    pub table_prefix: String,
    /// Whether `server = "embedded"`.
    pub embedded: bool,
}

impl Target {
    /// The target of the source's table of this name.
    pub(super) fn table(&self, source: &Identifier) -> TableName {
        TableName {
            schema: self.schema.clone(),
            name: Identifier::new(format!("{}{}", self.table_prefix, source.as_str()))
                .expect("loading checks the name with its prefix"),
        }
    }
}

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Parallel windows of a table, 1 to 16; each has one connection at each end.
    pub max_workers: usize,
    /// The most rows of a chunk, 1 to 1,000,000.
    pub chunk_rows: u32,
    /// The most canonical bytes of a chunk; memory is bounded by workers x 2 x this.
    pub chunk_bytes_max: usize,
    /// An open window ends this many minutes before the source's clock.
    pub settle_minutes: u32,
    /// Runs count a window's rows again until they are equal this many days after its end; 0 for never.
    pub settle_days: u32,
    /// The percentage of a window's or reference table's rows that may leave the target unasked, 0 to 100.
    pub leaving_rows_max_percent: u8,
    /// The longest outage of either end that a run waits out; after it the run ends as incomplete.
    pub outage_max: Duration,
    /// The rows and bytes that a run may read of the source, after which it ends as incomplete; `None` for any.
    pub source_rows_max: Option<u64>,
    /// See `source_rows_max`.
    pub source_bytes_max: Option<u64>,
    /// The time limits of a server's answers.
    pub timeouts: Timeouts,
}

/// Where the page is served, and who may read it.
#[derive(Debug, Clone, Default)]
pub struct Serve {
    /// The address to listen on; `None` for the default.
    pub listen: Option<SocketAddr>,
    /// What a reader must know; `None` lets each reader of this machine in.
    pub token: Option<Secret>,
    /// Further names that the page is reached by, in lower case.
    pub hosts: Vec<String>,
}

/// Where metrics are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The file that has them after each run; `None` for no file.
    pub textfile: Option<PathBuf>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConfig {
    /// Its name at the source.
    pub name: Identifier,
    /// The way it is copied.
    pub mode: Mode,
    /// The column that windows are cut by; present if `mode` is monthly.
    pub date_column: Option<Identifier>,
    /// The unique columns to read by; `None` lets the program choose.
    pub key: Option<Vec<Identifier>>,
    /// The columns that are not copied although they could be. None twice, none of the key or the date.
    pub exclude_columns: Vec<ExcludedColumn>,
}

/// A column that is left out of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcludedColumn {
    /// Its name.
    pub name: Identifier,
    /// The line of the file that names it, from 1.
    pub line: usize,
}

/// The way a table is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By windows of its date column.
    Monthly,
    /// As a whole.
    Full,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mode::Monthly => "monthly",
            Mode::Full => "full",
        })
    }
}

impl Config {
    /// The tables that `--tables` names, in the configuration's order; all tables without `--tables`.
    ///
    /// # Errors
    /// `Usage` for a name that the configuration does not have.
    pub fn chosen(&self, asked: Option<&[Identifier]>) -> Result<Vec<&TableConfig>> {
        let Some(asked) = asked else {
            return Ok(self.tables.iter().collect());
        };
        self.knows("--tables", asked)?;
        let chosen = self
            .tables
            .iter()
            .filter(|table| asked.iter().any(|name| table.name.same_as(name.as_str())));
        Ok(chosen.collect())
    }

    /// Refuses tables, given by `option`, that the configuration does not have.
    ///
    /// # Errors
    /// `Usage` for the first such name.
    pub fn knows(&self, option: &str, names: &[Identifier]) -> Result<()> {
        let is_here = |name: &Identifier| self.tables.iter().any(|table| table.name.same_as(name.as_str()));
        match names.iter().find(|name| !is_here(name)) {
            None => Ok(()),
            Some(name) => {
                let fix = match self.meant(name) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "correct the name, or add a [[table]] for it".to_owned(),
                };
                let path = self.path.display();
                let text = format!("{option} names {name}, which {path} does not have; {fix}");
                Err(Error::new(ErrorKind::Usage, text))
            }
        }
    }

    /// The table that was probably meant by the name of one that the configuration does not have.
    pub fn meant(&self, name: &Identifier) -> Option<String> {
        let known: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        closest(name.as_str(), &known).map(harmless_text)
    }

    /// A table's name at the source.
    pub fn source_table(&self, table: &TableConfig) -> TableName {
        TableName {
            schema: self.source.schema.clone(),
            name: table.name.clone(),
        }
    }

    /// A table's name at the target.
    pub fn target_table(&self, table: &TableConfig) -> TableName {
        self.target.table(&table.name)
    }

    /// The file's directory, the base of relative paths and of the embedded server's data.
    pub fn directory(&self) -> &Path {
        private::directory_of(&self.path)
    }
}

impl SourceConfig {
    /// As [`Config::directory`].
    pub fn directory(&self) -> &Path {
        private::directory_of(&self.path)
    }
}
