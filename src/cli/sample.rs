//! `sync sample` writes a few rows of each target table as JSON files, for developers of warehouse clients.
//!
//! It asks only the target. Each file is its owner's alone, and is written under a temporary name and renamed.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::disk::full;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::private;
use crate::cli::context::{Context, json, result};
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::config::{Config, Mode, TableConfig};
use crate::model::row::Value;
use crate::model::table::{Identifier, TableName, TableSchema};
use crate::mssql::cell;
use crate::mssql::{Session, catalog};
use crate::target::lease;
use crate::tsql::expression::read_expression;

/// The most rows of a sample. More would be an export, and memory holds all of them.
const ROWS_MAX: u32 = 100_000;

/// Arguments of `sync sample`.
#[derive(Debug, Args)]
pub(super) struct SampleArgs {
    /// Most rows of each table
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(ROWS_MAX)))]
    sample_size: u32,
    /// Directory of the files, which are put into its sales/ and reference/
    #[arg(long, value_name = "DIR", default_value = "exports/sample_data")]
    output_dir: PathBuf,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = crate::cli::shared::table)]
    tables: Option<Vec<Identifier>>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// The outcome for one table.
struct Sampled {
    name: String,
    mode: Mode,
    rows: u64,
    /// `None` if the target has no such table.
    file: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: SampleArgs) -> Result<ExitCode> {
    let mut config = context.begin()?;
    config.chosen(args.tables.as_deref())?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let sampled = sample(context, &config, &args).await;
    embedded.stop().await;
    let sampled = sampled?;
    result(&if args.json {
        json(&View::of(&sampled))
    } else {
        text(&sampled, &context.screen)
    })?;
    Ok(if sampled.iter().all(|table| table.file.is_some()) {
        ExitCode::Done
    } else {
        ExitCode::Incomplete
    })
}

async fn sample(context: &Context, config: &Config, args: &SampleArgs) -> Result<Vec<Sampled>> {
    let mut session = lease::open_to_look(&config.target.endpoint, &config.run.timeouts).await?;
    let (mut sampled, mut files) = (Vec::new(), Files::default());
    for table in config.chosen(args.tables.as_deref())? {
        let name = config.target_table(table);
        let mut done = Sampled {
            name: table.name.as_str().to_owned(),
            mode: table.mode,
            rows: 0,
            file: None,
        };
        let looked = look(context, &mut session, table, &name, args.sample_size).await;
        let looked = match looked {
            Err(error) => return Err(lease::with_holder(&mut session, &name, error).await),
            looked => looked?,
        };
        match looked {
            None => context.voice.say(&format!(
                "note: table {}: {name} is not at the target yet, so there is no file of it; `sync run` makes it",
                table.name
            )),
            Some((rows, text)) => {
                let path = path(&args.output_dir, table);
                files.write(&path, table.name.as_str(), &text)?;
                (done.rows, done.file) = (rows, Some(path));
            }
        }
        sampled.push(done);
    }
    Ok(sampled)
}

/// Reads the first rows of a table, and names the columns that cannot be read; `None` without such a table.
async fn look(
    context: &Context,
    session: &mut Session,
    table: &TableConfig,
    name: &TableName,
    count: u32,
) -> Result<Option<(u64, Vec<u8>)>> {
    let Some(schema) = catalog::describe(session, name).await? else {
        return Ok(None);
    };
    for column in &schema.refused {
        context.voice.say(&format!(
            "note: table {}: column {} is left out ({})",
            table.name, column.name, column.reason
        ));
    }
    rows(session, name, &schema, count).await.map(Some)
}

/// Reads the first rows of a table; returns their number and the file's text.
async fn rows(
    session: &mut Session,
    name: &TableName,
    schema: &TableSchema,
    count: u32,
) -> Result<(u64, Vec<u8>)> {
    let columns: Vec<String> = schema
        .columns
        .iter()
        .map(|column| read_expression(column, column.data_type))
        .collect();
    if columns.is_empty() {
        let text = format!("Target table {name} has no column that can be read; leave it out with --tables");
        return Err(Error::new(ErrorKind::Preflight, text));
    }
    let sql = format!(
        "SELECT TOP (@P1) {} FROM {}{}",
        columns.join(", "),
        name.quoted(),
        order_by(schema)
    );
    let read = session
        .many_rows(&sql, &[Value::Integer(i64::from(count))])
        .await?;
    let objects = read
        .iter()
        .map(|row| cell::object(row, &schema.columns))
        .collect::<Result<Vec<_>>>()
        .map_err(|error| error.within(format_args!("Table {name}")))?;
    let mut text = serde_json::to_vec_pretty(&objects).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            format!("Table {name}: its rows cannot be written as JSON"),
        )
        .with_source(error)
    })?;
    text.push(b'\n');
    Ok((objects.len() as u64, text))
}

/// An ORDER BY that an index delivers, so that the server reads few rows: the clustered index's, else the primary
/// key's, else a unique one's. Without an index the text is empty: ten rows do not justify sorting a whole table.
fn order_by(schema: &TableSchema) -> String {
    let best = schema
        .indexes
        .iter()
        .filter(|index| index.complete && (index.clustered || index.unique))
        .min_by_key(|index| (!index.clustered, !index.primary_key));
    best.map_or_else(String::new, |index| {
        let columns: Vec<String> = index.columns.iter().map(Identifier::quoted).collect();
        format!(" ORDER BY {}", columns.join(", "))
    })
}

/// The path of a table's file. What no file name may hold on some system becomes `%` and its number, as in an address,
/// so that no two tables have one file.
fn path(directory: &Path, table: &TableConfig) -> PathBuf {
    let table_name = table.name.as_str();
    let reserved = is_reserved(table_name);
    let name: String = table_name
        .chars()
        .enumerate()
        .map(|(place, c)| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%' => format!("%{:02X}", u32::from(c)),
            c if reserved && place == 0 => format!("%{:02X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    // Joined by components, so that Windows shows its own separator.
    let directory: PathBuf = directory.components().collect();
    directory.join(folder(table.mode)).join(format!("{name}.json"))
}

/// Whether Windows takes a file of this name, whatever follows its first dot, for a device.
fn is_reserved(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_uppercase();
    let numbered = |device: &str| {
        let number = stem.strip_prefix(device).unwrap_or_default();
        let mut digits = number.chars();
        matches!(
            (digits.next(), digits.next()),
            (Some('0'..='9' | '¹' | '²' | '³'), None)
        )
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str())
        || numbered("COM")
        || numbered("LPT")
}

fn folder(mode: Mode) -> &'static str {
    match mode {
        Mode::Monthly => "sales",
        Mode::Full => "reference",
    }
}

/// The files of one command, to find two tables whose names are one file's to this file system: it may not tell cases
/// apart, or ways to write an accent.
#[derive(Default)]
struct Files(Vec<(PathBuf, String)>);

impl Files {
    /// Writes a table's file.
    fn write(&mut self, path: &Path, table: &str, text: &[u8]) -> Result<()> {
        let failed = |error: std::io::Error| {
            let text = match full(path, &error) {
                Some(full) => format!("The sample {full}, or give another --output-dir"),
                None => format!(
                    "Cannot write {}; give an --output-dir that can be written",
                    path.display()
                ),
            };
            Error::new(ErrorKind::Usage, text).with_source(error)
        };
        // The canonical path is the one that the file system keeps, and there is none before there is a file.
        if let Ok(place) = path.canonicalize()
            && let Some((_, other)) = self.0.iter().find(|(taken, _)| *taken == place)
        {
            let text = format!(
                "Tables {other} and {table} have one file here, {}; sample each by --tables into an --output-dir of its own",
                path.display()
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
        private::directory(&path.with_file_name(""))
            .and_then(|()| private::write(path, text))
            .map_err(failed)?;
        let place = path.canonicalize().map_err(failed)?;
        self.0.push((place, table.to_owned()));
        Ok(())
    }
}

fn text(sampled: &[Sampled], screen: &Screen) -> String {
    let mut lines = Table::new([
        Column::name("Table"),
        Column::number("Rows Exported"),
        Column::text("File"),
    ]);
    for table in sampled {
        let file = match &table.file {
            Some(file) => file.display().to_string(),
            None => "not at the target yet".to_owned(),
        };
        lines.line([table.name.as_str().into(), table.rows.into(), file.into()]);
    }
    let total: u64 = sampled.iter().map(|table| table.rows).sum();
    lines.line([
        Cell::from("TOTAL").tone(Tone::Strong),
        Cell::from(total).tone(Tone::Strong),
        "".into(),
    ]);
    lines.shown(screen)
}

/// The summary as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    /// The file of its rows; `null` if the target has no such table.
    file: Option<String>,
    /// `monthly` or `full`.
    mode: String,
    /// Its name in the configuration.
    name: &'a str,
    /// The rows in the file.
    rows: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    /// The rows in all files.
    rows: u64,
}

impl View<'_> {
    fn of(sampled: &[Sampled]) -> View<'_> {
        let tables = sampled.iter().map(|table| TableView {
            file: table.file.as_ref().map(|file| file.display().to_string()),
            mode: table.mode.to_string(),
            name: &table.name,
            rows: table.rows,
        });
        View {
            tables: tables.collect(),
            totals: TotalsView {
                rows: sampled.iter().map(|table| table.rows).sum(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_have_one_file() {
        let file = |name: &str| {
            let table = TableConfig {
                name: Identifier::new(name).unwrap(),
                mode: Mode::Full,
                date_column: None,
                key: None,
                exclude_columns: Vec::new(),
            };
            path(Path::new("out"), &table)
        };
        assert_eq!(file("A_B"), Path::new("out/reference/A_B.json"));
        assert_eq!(file("A/B"), Path::new("out/reference/A%2FB.json"));
        assert_eq!(file("A%2FB"), Path::new("out/reference/A%252FB.json"));
        // Windows takes these for devices, whatever the end of the name.
        assert_eq!(file("CON"), Path::new("out/reference/%43ON.json"));
        assert_eq!(file("nul.x"), Path::new("out/reference/%6Eul.x.json"));
        assert_eq!(file("COM1 "), Path::new("out/reference/%43OM1 .json"));
        assert_eq!(file("CONTACT"), Path::new("out/reference/CONTACT.json"));
        assert_eq!(file("COM10"), Path::new("out/reference/COM10.json"));
        // And no dot or blank is at an end.
        assert_eq!(file("A."), Path::new("out/reference/A..json"));
        for name in ["..", "../../x", "..\\x", "/x", "C:x"] {
            assert_eq!(file(name).parent(), Some(Path::new("out/reference")), "{name}");
            assert_eq!(file(name).components().count(), 3, "{name}");
        }
    }

    #[test]
    fn two_tables_in_one_file_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("A.json");
        let mut files = Files::default();
        files.write(&path, "A", b"[]").unwrap();
        let error = files.write(&path, "a", b"[1]").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(
            error.to_string().starts_with("Tables A and a have one file here"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"[]");
        // The next command writes it anew.
        Files::default().write(&path, "A", b"[2]").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"[2]");
    }

    #[test]
    fn the_summary_as_json() {
        let sampled = |name: &str, mode, rows, file: Option<&str>| Sampled {
            name: name.to_owned(),
            mode,
            rows,
            file: file.map(PathBuf::from),
        };
        let sampled = [
            sampled("SALES", Mode::Monthly, 10, Some("sales.json")),
            sampled("ITEM", Mode::Full, 0, None),
        ];
        insta::assert_snapshot!(json(&View::of(&sampled)), @r#"
        {
          "schema_version": 1,
          "tables": [
            {
              "file": "sales.json",
              "mode": "monthly",
              "name": "SALES",
              "rows": 10
            },
            {
              "file": null,
              "mode": "full",
              "name": "ITEM",
              "rows": 0
            }
          ],
          "totals": {
            "rows": 10
          }
        }
        "#);
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("sample");
    }
}
