//! Parses the text of `sync.toml` into a [`Config`]: defaults, ranges, and keys that exclude each other.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;
use zeroize::Zeroizing;

use super::endpoint::{endpoint, identifier, section};
use super::env::Variables;
use super::log::log;
use super::metrics::metrics;
use super::notify::notify;
use super::section::{At, File, Section};
use super::serve::serve;
use super::source::source;
use super::values::{Config, ExcludedColumn, Mode, RunConfig, TableConfig, Target};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::secret::Secret;
use crate::model::table::Identifier;
use crate::mssql::{Endpoint, Timeouts, row_bytes_max};

/// The file that a command reads unless it is given another.
pub const FILE_DEFAULT: &str = "sync.toml";

/// Two windows at once kept a live point-of-sale server usable; four deadlocked at the target.
const WORKERS_DEFAULT: u64 = 2;

/// More connections are a load that no source's owner agreed to.
pub const WORKERS_MAX: u64 = 16;

/// A few seconds of reading: a short query at the source, and little work to repeat after a crash.
const CHUNK_ROWS_DEFAULT: u64 = 20_000;

/// With more rows, a chunk's target transaction locks and logs for minutes.
pub const CHUNK_ROWS_MAX: u64 = 1_000_000;

/// Bounds memory at `workers x 2 x 16 MiB`: 64 MiB with the default two workers.
const CHUNK_BYTES_DEFAULT: u64 = 16 << 20;

/// Below 4 KiB the fixed cost of a chunk outweighs its rows; above 256 MiB the bound on memory means little.
const CHUNK_BYTES: std::ops::RangeInclusive<u64> = 4096..=256 << 20;

/// Tills that were offline usually deliver within the hour.
const SETTLE_MINUTES_DEFAULT: u64 = 60;

/// A week: after that a table needs reconciling, not waiting.
const SETTLE_MINUTES_MAX: u64 = 7 * 24 * 60;

/// By then, late rows have arrived: those of tills offline for weeks, and corrections of last month's dates.
const SETTLE_DAYS_DEFAULT: u64 = 35;

/// After a year, `reconcile --source` is the tool.
const SETTLE_DAYS_MAX: u64 = 366;

/// Returns and corrections remove single rows of a month; a tenth of its rows leaves only if a source was emptied.
const LEAVING_ROWS_PERCENT_DEFAULT: u64 = 10;

/// Nightly maintenance of either server ends within 12 hours.
const OUTAGE_MINUTES_DEFAULT: u64 = 12 * 60;

/// Four weeks; a longer value is a typing error.
const OUTAGE_MINUTES_MAX: u64 = 28 * 24 * 60;

/// A day: no statement of a copy takes longer.
const WAIT_SECONDS_MAX: u64 = 24 * 60 * 60;

const TOP_KEYS: &[&str] = &[
    "source", "target", "run", "serve", "metrics", "notify", "log", "table",
];
/// The length of the shortest `receipt_key`.
const RECEIPT_KEY_BYTES_MIN: usize = 16;

const TARGET_KEYS: &[&str] = &[
    "server",
    "port",
    "database",
    "user",
    "password",
    "schema",
    "encrypt",
    "trust_server_certificate",
    "ca_file",
    "table_prefix",
    "receipt_key",
];
const RUN_KEYS: &[&str] = &[
    "max_workers",
    "chunk_rows",
    "chunk_bytes_max",
    "settle_minutes",
    "settle_days",
    "leaving_rows_max_percent",
    "outage_max_minutes",
    "answer_max_seconds",
    "silence_max_seconds",
    "source_rows_max",
    "source_bytes_max",
];
const TABLE_KEYS: &[&str] = &["name", "mode", "date_column", "key", "exclude_columns"];

impl Config {
    /// Reads and checks the file at `path`. `environment` answers for environment variables.
    ///
    /// # Errors
    /// `Config`: the file, the line and the fix, for the first thing that is wrong.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config> {
        load(path, environment)
    }
}

/// Reads the configuration at `path`.
fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config> {
    opened(path, &read(path)?, environment, |file, root| {
        let mut config = Config {
            source: source(file, root)?,
            target: target(file, root)?,
            run: run(file, root)?,
            serve: serve(file, root)?,
            metrics: metrics(file, root)?,
            tables: Vec::new(),
            notify: notify(file, root)?,
            log: log(file, root)?,
            path: path.to_owned(),
        };
        config.tables = tables(file, root, &config.target)?;
        refuse_onto_itself(&config)?;
        Ok(config)
    })
}

/// The text of the file at `path`, which may have a password.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| unread(path, error))?;
    Ok(Zeroizing::new(text))
}

/// Hands the sections of a configuration's text to `take`.
pub(super) fn opened<T>(
    path: &Path,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    take: impl FnOnce(&File<'_>, &Section<'_>) -> Result<T>,
) -> Result<T> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let variables = Variables::read(directory, environment)?;
    let file = File {
        path,
        text,
        variables: &variables,
    };
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', ", ");
        file.error(at, format_args!("This is not TOML: {message}"))
    })?;
    let root = Section::of_table(&file, "the file", root.get_ref(), 0, TOP_KEYS)?;
    take(&file, &root)
}

/// The error for a file that cannot be read.
fn unread(path: &Path, error: std::io::Error) -> Error {
    let shown = path.display();
    if error.kind() != std::io::ErrorKind::NotFound {
        let text = format!("Cannot read the configuration file {shown}");
        return Error::new(ErrorKind::Config, text).with_source(error);
    }
    let text = if path == Path::new(FILE_DEFAULT) {
        format!(
            "There is no configuration file {shown} in this directory; name yours with --config FILE, or write one \
             with `sync init`"
        )
    } else {
        format!("There is no configuration file {shown}; correct the path, or write one with `sync init`")
    };
    Error::new(ErrorKind::Config, text)
}

fn target<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<Target> {
    let section = section(file, root, "target", "[target]", TARGET_KEYS)?;
    let (mut endpoint, embedded) = endpoint(file, &section, "target")?;
    if let Some(key) = section.optional("receipt_key")? {
        if key.value.len() < RECEIPT_KEY_BYTES_MIN {
            let text = format!(
                "`receipt_key` is shorter than {RECEIPT_KEY_BYTES_MIN} bytes and could be guessed; write receipt_key = \
                 \"${{RECEIPT_KEY}}\" and give the variable 32 random characters"
            );
            return Err(file.error(key.at, text));
        }
        endpoint.receipt_key = Some(Secret::new(key.value));
    }
    let table_prefix = match section.string("table_prefix")? {
        Some(prefix) if !prefix.value.is_empty() => identifier(file, prefix)?.as_str().to_owned(),
        _ => String::new(),
    };
    Ok(Target {
        endpoint,
        schema: identifier(file, section.required("schema", "pos")?)?,
        table_prefix,
        embedded,
    })
}

pub(super) fn run<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<RunConfig> {
    let section = root
        .value("run")
        .map(|value| Section::open(file, "[run]", value, RUN_KEYS))
        .transpose()?;
    let number = |key: &str, range, default| -> Result<u64> {
        let found = section
            .as_ref()
            .map(|section| section.integer(key, range))
            .transpose()?;
        Ok(found.flatten().map_or(default, |found| found.value))
    };
    let optional = |key: &str| -> Result<Option<u64>> {
        let found = section
            .as_ref()
            .map(|section| section.integer(key, 1..=i64::MAX as u64));
        Ok(found.transpose()?.flatten().map(|found| found.value))
    };
    let narrow = |number: u64| u32::try_from(number).expect("the range was checked");
    let max_workers = number("max_workers", 1..=WORKERS_MAX, WORKERS_DEFAULT)?;
    let chunk_bytes_max = number("chunk_bytes_max", CHUNK_BYTES, CHUNK_BYTES_DEFAULT)?;
    let outage_minutes = number(
        "outage_max_minutes",
        0..=OUTAGE_MINUTES_MAX,
        OUTAGE_MINUTES_DEFAULT,
    )?;
    let mut timeouts = Timeouts {
        row_bytes: row_bytes_max(chunk_bytes_max),
        ..Timeouts::default()
    };
    for (key, timeout) in [
        ("answer_max_seconds", &mut timeouts.statement),
        ("silence_max_seconds", &mut timeouts.liveness),
    ] {
        *timeout = Duration::from_secs(number(key, 1..=WAIT_SECONDS_MAX, timeout.as_secs())?);
    }
    Ok(RunConfig {
        max_workers: narrow(max_workers) as usize,
        chunk_rows: narrow(number("chunk_rows", 1..=CHUNK_ROWS_MAX, CHUNK_ROWS_DEFAULT)?),
        chunk_bytes_max: narrow(chunk_bytes_max) as usize,
        settle_minutes: narrow(number(
            "settle_minutes",
            0..=SETTLE_MINUTES_MAX,
            SETTLE_MINUTES_DEFAULT,
        )?),
        settle_days: narrow(number("settle_days", 0..=SETTLE_DAYS_MAX, SETTLE_DAYS_DEFAULT)?),
        leaving_rows_max_percent: u8::try_from(number(
            "leaving_rows_max_percent",
            0..=100,
            LEAVING_ROWS_PERCENT_DEFAULT,
        )?)
        .expect("the range was checked"),
        outage_max: Duration::from_secs(60 * outage_minutes),
        source_rows_max: optional("source_rows_max")?,
        source_bytes_max: optional("source_bytes_max")?,
        timeouts,
    })
}

fn tables<'a>(file: &'a File<'a>, root: &Section<'a>, target: &Target) -> Result<Vec<TableConfig>> {
    let none =
        || root.error("There is no [[table]]; add one for each table to copy, with its name and date_column");
    let list = root.value("table").ok_or_else(none)?;
    let at = list.span().start;
    let list = list.get_ref().as_array().ok_or_else(|| {
        file.error(
            at,
            "This must be a list of tables; write [[table]] with two brackets",
        )
    })?;
    let mut seen = HashSet::new();
    let mut tables = Vec::new();
    let mut places = Vec::new();
    for value in list.iter() {
        let section = Section::open(file, "[[table]]", value, TABLE_KEYS)?;
        let name = section.required("name", "TABLE")?;
        let at = name.at;
        let table = table(file, &section, name)?;
        if !seen.insert(table.name.as_str().to_lowercase()) {
            return Err(file.error(
                at,
                format_args!("Table {} is listed twice; remove one of the two", table.name),
            ));
        }
        Identifier::new(format!("{}{}", target.table_prefix, table.name.as_str()))
            .map_err(|error| file.place(at, error))?;
        tables.push(table);
        places.push(at);
    }
    refuse_shadows(file, target, &tables, &places)?;
    if tables.is_empty() {
        Err(none())
    } else {
        Ok(tables)
    }
}

/// Refuses a table whose target has the name of another table's shadow table: a refresh of that one would drop it.
fn refuse_shadows(file: &File<'_>, target: &Target, tables: &[TableConfig], places: &[usize]) -> Result<()> {
    for full in tables.iter().filter(|table| table.mode == Mode::Full) {
        let shadow = target.table(&full.name).shadow()?.name;
        let taken = |table: &TableConfig| shadow.same_as(target.table(&table.name).name.as_str());
        if let Some((table, at)) = tables.iter().zip(places).find(|(table, _)| taken(table)) {
            let text = format!(
                "The target of table {} would be {shadow}, the shadow table that each refresh of table {} makes and \
                 drops; copy one of the two by a configuration of its own, with another `table_prefix` or target schema",
                table.name, full.name
            );
            return Err(file.error(*at, text));
        }
    }
    Ok(())
}

fn table(file: &File<'_>, section: &Section<'_>, name: At<String>) -> Result<TableConfig> {
    let name = identifier(file, name)?;
    let mode = match section.optional("mode")? {
        None => Mode::Monthly,
        Some(mode) => match mode.value.as_str() {
            "monthly" => Mode::Monthly,
            "full" => Mode::Full,
            _ => return Err(file.error(mode.at, "`mode` must be \"monthly\" or \"full\"")),
        },
    };
    let date_column = match mode {
        Mode::Full => {
            section.refuse(&["date_column"], "has no meaning with mode = \"full\"")?;
            None
        }
        Mode::Monthly => {
            let text = section.optional("date_column")?.ok_or_else(|| {
                section.error(format_args!(
                    "Table {name} has no `date_column`; name the column by which it is cut into months, or set \
                     mode = \"full\" for a reference table"
                ))
            })?;
            Some(identifier(file, text)?)
        }
    };
    let key = match section.strings("key")? {
        None => None,
        Some(list) if list.value.is_empty() => {
            return Err(file.error(
                list.at,
                "`key` names no column; remove it to have the key chosen for you",
            ));
        }
        Some(list) => Some(
            list.value
                .into_iter()
                .map(|name| identifier(file, name))
                .collect::<Result<_>>()?,
        ),
    };
    let mut table = TableConfig {
        name,
        mode,
        date_column,
        key,
        exclude_columns: Vec::new(),
    };
    if let Some(list) = section.strings("exclude_columns")? {
        for name in list.value {
            let excluded = excluded(file, &table, name)?;
            table.exclude_columns.push(excluded);
        }
    }
    Ok(table)
}

/// A column that the table leaves out beside those that it has so far.
fn excluded(file: &File<'_>, table: &TableConfig, name: At<String>) -> Result<ExcludedColumn> {
    let at = name.at;
    let name = identifier(file, name)?;
    let is = |other: &Identifier| other.same_as(name.as_str());
    let refused = |text: &str| Err(file.error(at, format_args!("`exclude_columns` names {name}{text}")));
    if table.exclude_columns.iter().any(|before| is(&before.name)) {
        return refused(" twice; remove one");
    }
    if table.date_column.as_ref().is_some_and(is) {
        return refused(", the `date_column`, by which the table is cut into months; remove it here");
    }
    if table.key.iter().flatten().any(is) {
        return refused(
            ", a column of `key`, by which rows are told apart; remove it here, or name another key",
        );
    }
    Ok(ExcludedColumn {
        line: file.line(at),
        name,
    })
}

/// Refuses a source that is its own target: a run would delete rows from it while reading.
fn refuse_onto_itself(config: &Config) -> Result<()> {
    let (source, target) = (&config.source, &config.target);
    let place = |endpoint: &Endpoint, schema: &Identifier| {
        let instance = endpoint.instance.as_deref().map(str::to_lowercase);
        let names = (endpoint.host.to_lowercase(), endpoint.database.to_lowercase());
        (names, instance, endpoint.port, schema.as_str().to_lowercase())
    };
    let same = place(&source.endpoint, &source.schema) == place(&target.endpoint, &target.schema);
    if same && target.table_prefix.is_empty() {
        let text = format!(
            "{}: [source] and [target] are the same tables; give the target another database, schema or table_prefix",
            config.path.display()
        );
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok(())
}
