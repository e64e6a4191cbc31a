//! The configuration, as the program uses it: every value valid, every default filled in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::table::{Identifier, TableName};
use crate::mssql::{Endpoint, Guard, Timeouts};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where rows come from.
    pub source: Source,
    /// Where they go.
    pub target: Target,
    /// How a run works.
    pub run: RunConfig,
    /// The tables, in the order in which they are copied. At least one; no name twice.
    pub tables: Vec<TableConfig>,
    /// The file it was read from.
    pub path: PathBuf,
}

/// The end that is read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where and how to log in.
    pub endpoint: Endpoint,
    /// Schema of the tables.
    pub schema: Identifier,
    /// Whether a server that proves nothing is refused; `false` is said on every run.
    pub require_replica: bool,
    /// What every connection proves before it reads.
    pub guard: Guard,
    /// Whether `server = "embedded"`: the endpoint has no address before the embedded server is started.
    pub embedded: bool,
}

/// The end that is written.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where and how to log in.
    pub endpoint: Endpoint,
    /// Schema of the tables.
    pub schema: Identifier,
    /// Put in front of a source table's name; may be empty.
    pub table_prefix: String,
    /// Whether `server = "embedded"`.
    pub embedded: bool,
}

/// How a run works.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Windows of a table that are worked on at once, 1 to 16: as many connections at each end.
    pub max_workers: usize,
    /// Rows of a chunk at most, 1 to 1,000,000.
    pub chunk_rows: u32,
    /// Canonical bytes of a chunk at most; memory is bounded by workers x 2 x this.
    pub chunk_bytes_max: usize,
    /// An open window ends this long before the source's clock.
    pub settle_minutes: u32,
    /// A window's row counts are compared by each run until one finds them equal so long after its end; 0 for never.
    pub settle_days: u32,
    /// So many percent of a window's rows, or of a reference table's, may leave the target unasked, 0 to 100.
    pub leaving_rows_max_percent: u8,
    /// How long an outage of either end is waited out before the run ends as incomplete.
    pub outage_max: Duration,
    /// How long a server may take for what.
    pub timeouts: Timeouts,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConfig {
    /// Its name at the source.
    pub name: Identifier,
    /// How it is copied.
    pub mode: Mode,
    /// The column that windows are cut by; always there when `mode` is monthly.
    pub date_column: Option<Identifier>,
    /// The unique columns to read by, where they should not be chosen by the program.
    pub key: Option<Vec<Identifier>>,
}

/// How a table is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By windows of its date column.
    Monthly,
    /// Whole.
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
    /// The tables that `--tables` names, in the configuration's order; all where it names none.
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

    /// Refuses a list of tables, given by `option`, that names one that the configuration does not have.
    ///
    /// # Errors
    /// `Usage` for the first such name.
    pub fn knows(&self, option: &str, names: &[Identifier]) -> Result<()> {
        let is_here = |name: &Identifier| self.tables.iter().any(|table| table.name.same_as(name.as_str()));
        match names.iter().find(|name| !is_here(name)) {
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "{option} names {name}, which {} does not have; add a [[table]] for it",
                    self.path.display()
                ),
            )),
        }
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
        TableName {
            schema: self.target.schema.clone(),
            name: Identifier::new(format!("{}{}", self.target.table_prefix, table.name))
                .expect("loading checks the name with its prefix"),
        }
    }

    /// The directory of the file, which relative paths and the embedded server's data start from.
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }
}
