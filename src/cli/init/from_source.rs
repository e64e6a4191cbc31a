//! `sync init --from-source` reads the catalog of the source and writes its tables with the reasons for each guess.
//!
//! The source is the one that the options name, or that of a configuration that is there, which is never written to. It
//! gives the same proof as for any read, and no row of it is read.

use std::path::{Path, PathBuf};

use clap::Args;

use super::files::{ENV_EXAMPLE, TEMPLATE, write};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, harmless_text, rows};
use crate::cli::context::{Context, verbatim};
use crate::cli::embedded::Embedded;
use crate::cli::tables::found::{Found, read};
use crate::config::SourceConfig;
use crate::model::survey::{DateColumn, Survey};

/// The line of the template with which its tables begin.
const TABLES: &str = "# The tables, in the order";

/// The variable of the template that holds the source's password.
const PASSWORD: &str = "SOURCE_PASSWORD";

/// The source, for who has no configuration yet.
#[derive(Debug, Args)]
#[command(next_help_heading = "The source of --from-source")]
#[group(id = "source_options", multiple = true, requires = "from_source")]
pub(super) struct SourceArgs {
    /// The source's server: HOST, HOST\INSTANCE, HOST,PORT or tcp:HOST,PORT
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// Its port, if --server has none
    #[arg(long, value_name = "N", requires = "server")]
    port: Option<u16>,
    /// The source's database
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The login that reads it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The variable that holds its password, in the environment or in .env [default: SOURCE_PASSWORD]
    #[arg(long, value_name = "NAME", value_parser = variable)]
    password_env: Option<String>,
    /// The schema of its tables
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Whether the whole connection goes by TLS [default: true]
    #[arg(long, value_name = "BOOL")]
    encrypt: Option<bool>,
    /// Accept any certificate, that of a man in the middle too
    #[arg(long, conflicts_with = "ca_file")]
    trust_server_certificate: bool,
    /// PEM file of the authority that signed its certificate, from the configuration's directory
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The name of a variable.
fn variable(text: &str) -> Result<String, String> {
    let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("give the name of a variable, as SOURCE_PASSWORD, and never the password itself".to_owned())
    }
}

impl SourceArgs {
    fn is_empty(&self) -> bool {
        let SourceArgs {
            server,
            port: _,
            database,
            user,
            password_env,
            schema,
            encrypt,
            trust_server_certificate,
            ca_file,
        } = self;
        let texts = [server, database, user, password_env, schema];
        texts.iter().all(|text| text.is_none())
            && encrypt.is_none()
            && !trust_server_certificate
            && ca_file.is_none()
    }

    /// The template up to its tables, with this source.
    fn head(&self) -> Result<String> {
        let mut missing = Vec::new();
        let mut required = |option: &'static str, value: &Option<String>| {
            if value.is_none() {
                missing.push(option);
            }
            value.clone().unwrap_or_default()
        };
        let server = required("--server", &self.server);
        let database = required("--database", &self.database);
        let user = required("--user", &self.user);
        let schema = required("--schema", &self.schema);
        if !missing.is_empty() {
            let text = format!(
                "--from-source needs {} as well, to name the source",
                missing.join(", ")
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
        let mut lines = vec![("server", quoted(&server))];
        if let Some(port) = self.port {
            lines.push(("#: port", port.to_string()));
        }
        lines.push(("database", quoted(&database)));
        lines.push(("user", quoted(&user)));
        lines.push(("password", quoted(&format!("${{{}}}", self.variable()))));
        lines.push(("schema", quoted(&schema)));
        if let Some(encrypt) = self.encrypt {
            lines.push(("encrypt", encrypt.to_string()));
        }
        if self.trust_server_certificate {
            lines.push(("#: trust_server_certificate", "true".to_owned()));
        }
        if let Some(path) = &self.ca_file {
            lines.push(("#: ca_file", quoted(&path.display().to_string())));
        }
        let (source, rest) = split_before(TEMPLATE, "\n[target]");
        let source = lines.into_iter().fold(source.to_owned(), |text, (key, value)| {
            replaced(&text, key, &value)
        });
        let prefix = quoted(&format!("{}_", schema.to_lowercase()));
        let (target, _) = split_before(rest, TABLES);
        Ok(source + &replaced(target, "table_prefix", &prefix))
    }

    fn variable(&self) -> &str {
        self.password_env.as_deref().unwrap_or(PASSWORD)
    }
}

/// A text up to the place where `mark` begins, and the rest.
fn split_before<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_at(text.find(mark).expect("the template has its sections"))
}

/// The text with another value in the line of a key. A key that is commented out becomes a setting. What the template
/// says of its own value goes.
fn replaced(text: &str, key: &str, value: &str) -> String {
    let own = key.trim_start_matches("#: ");
    text.split_inclusive('\n')
        .map(|line| match line.strip_prefix(&format!("{key} = ")) {
            Some(_) => format!("{own} = {value}\n"),
            None => line.to_owned(),
        })
        .collect()
}

/// A text as TOML has it. What would control a terminal, or hide there, is written by its number.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if harmless_text(c.encode_utf8(&mut [0; 4])) != c.to_string() => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

pub(super) async fn run(context: &Context, path: &Path, args: &SourceArgs) -> Result<ExitCode> {
    let environment = |name: &str| std::env::var(name).ok();
    let is_there = path.symlink_metadata().is_ok();
    let head = match (args.is_empty(), is_there) {
        (true, true) => None,
        (true, false) => {
            let text = format!(
                "There is no {} with a [source]; name the source by --server, --database, --user and --schema, or have \
                 `sync init` write a configuration to edit first",
                path.display()
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
        (false, _) => Some(args.head()?),
    };
    let mut config = match &head {
        None => SourceConfig::load(path, &environment)?,
        Some(head) => SourceConfig::of(path, head, &environment)
            .map_err(|error| error.within("The configuration that these options make"))?,
    };
    let place = format!(
        "schema {} of {} at {}",
        config.source.schema, config.source.endpoint.database, config.source.endpoint.host
    );
    let embedded = Embedded::start_source(&mut config, &context.clock).await?;
    let found = read(&config.source, &config.timeouts).await;
    embedded.stop().await;
    let found = Sorted::of(found?);
    let tables = found.text(&harmless_text(&place), &config.tables);
    match head {
        Some(head) if !is_there => {
            let env = ENV_EXAMPLE.replace(PASSWORD, args.variable());
            let about = format!(": {}", found.counted());
            write(context, path, &(head + &tables), &env, &about)?;
        }
        _ => {
            context.voice.say(&format!(
                "note: {} exists and is left unchanged; these are the tables for it: {}",
                path.display(),
                found.counted()
            ));
            verbatim(&tables)?;
        }
    }
    Ok(ExitCode::Done)
}

/// The tables by the way in which they could be copied.
struct Sorted {
    monthly: Vec<Found>,
    full: Vec<Found>,
    /// Those that cannot be copied.
    not: Vec<Found>,
}

impl Sorted {
    fn of(found: Vec<Found>) -> Sorted {
        let mut sorted = Sorted {
            monthly: Vec::new(),
            full: Vec::new(),
            not: Vec::new(),
        };
        for table in found {
            let is = match table.way() {
                Ok(Some(_)) => &mut sorted.monthly,
                Ok(None) => &mut sorted.full,
                Err(_) => &mut sorted.not,
            };
            is.push(table);
        }
        sorted
    }

    fn counted(&self) -> String {
        format!(
            "{} by months, {} whole, {} not copied",
            counted(self.monthly.len() as u64, "table"),
            self.full.len(),
            self.not.len()
        )
    }

    /// The tables as the configuration has them.
    fn text(&self, place: &str, configured: &[String]) -> String {
        let mut text = format!(
            "# The tables of {place},\n\
             # in the order in which they are copied, one after another. The numbers of rows are the server's estimates, and the\n\
             # date that cuts a table into months is a guess. Delete what you do not need.\n"
        );
        let is_configured = |table: &Found| configured.iter().any(|name| table.is_named(name));
        for (heading, tables) in [
            ("By the months of a date column", &self.monthly),
            ("Reference tables, whole, in each run", &self.full),
            ("Not copied", &self.not),
        ] {
            if tables.is_empty() {
                continue;
            }
            text.push_str(&format!("\n# {heading}:\n"));
            for table in tables {
                text.push_str(&section(table, is_configured(table)));
            }
        }
        text
    }
}

/// A table's section, with the reasons above it; commented out if the table cannot be copied.
fn section(table: &Found, configured: bool) -> String {
    let mut comments = vec![about(table)];
    if configured {
        comments.push("The configuration has this table already.".to_owned());
    }
    let name = format!("name = {}", quoted(&table.name));
    let (lines, mark) = match table.way() {
        Ok(Some(date)) => (
            vec![name, format!("date_column = {}", quoted(date.name.as_str()))],
            "",
        ),
        Ok(None) => (vec![name, "mode = \"full\"".to_owned()], ""),
        Err(why) => {
            comments.push(format!("Not copied: {why}"));
            (vec![name, "mode = \"full\"".to_owned()], "#: ")
        }
    };
    if let Ok(survey) = &table.survey {
        let others: Vec<String> = survey.other_dates().map(date).collect();
        if !others.is_empty() {
            let which = if matches!(table.way(), Ok(Some(_))) {
                "Other dates"
            } else {
                "Its dates"
            };
            comments.push(format!("{which}: {}", others.join(", ")));
        }
        comments.extend(survey.notes.iter().cloned());
    }
    let comments = comments
        .iter()
        .map(|comment| format!("# {}\n", harmless_text(comment)));
    let lines = std::iter::once("[[table]]".to_owned()).chain(lines);
    let lines = lines.map(|line| format!("{mark}{line}\n"));
    format!("\n{}{}", comments.collect::<String>(), lines.collect::<String>())
}

/// What decided how a table is copied.
fn about(table: &Found) -> String {
    let mut parts = vec![table.rows.map_or_else(
        || "the server does not tell its number of rows".to_owned(),
        |count| format!("about {}", rows(count)),
    )];
    if let Ok(survey) = &table.survey {
        if let Ok(Some(chosen)) = table.way() {
            parts.push(match (&chosen.index, chosen.clustered) {
                (Some(index), true) => format!("clustered index {index} on {}", chosen.name),
                (Some(index), false) => format!("index {index} on {}", chosen.name),
                (None, _) => format!("no index on {}", chosen.name),
            });
        } else {
            parts.push(why_whole(survey).to_owned());
        }
        parts.push(key(survey));
    }
    parts.join("; ")
}

/// Why no date cuts a table into months.
fn why_whole(survey: &Survey) -> &'static str {
    match survey.dates.first() {
        None => "no date column",
        Some(_) if survey.key.is_empty() => "no key to tell rows of a date apart",
        Some(best) if best.index.is_none() => "few enough to read whole, and no index begins with a date",
        Some(_) => "few enough to read whole, and its dates may change",
    }
}

fn key(survey: &Survey) -> String {
    if survey.key.is_empty() {
        return "no key".to_owned();
    }
    let names: Vec<&str> = survey.key.iter().map(|name| name.as_str()).collect();
    format!("key ({})", names.join(", "))
}

fn date(date: &DateColumn) -> String {
    let null = if date.nullable { ", may be NULL" } else { "" };
    match &date.index {
        Some(index) => format!("{} (index {index}{null})", date.name),
        None => format!("{} (no index{null})", date.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> SourceArgs {
        SourceArgs {
            server: Some("replica.example".to_owned()),
            port: Some(1444),
            database: Some("POS \"2\"".to_owned()),
            user: Some("reader".to_owned()),
            password_env: Some("POS_PASSWORD".to_owned()),
            schema: Some("COM_7".to_owned()),
            encrypt: Some(false),
            trust_server_certificate: true,
            ca_file: None,
        }
    }

    #[test]
    fn the_options_stand_in_the_configuration() {
        let head = args().head().unwrap();
        let config = SourceConfig::of(Path::new("sync.toml"), &head, &|name| {
            (name == "POS_PASSWORD").then(|| "secret".to_owned())
        });
        let config = config.unwrap();
        let endpoint = &config.source.endpoint;
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("replica.example", 1444));
        assert_eq!(endpoint.database, "POS \"2\"");
        assert_eq!(endpoint.user, "reader");
        assert_eq!(endpoint.password.expose(), "secret");
        assert!(!endpoint.encrypt && endpoint.trust_server_certificate);
        assert_eq!(config.source.schema.as_str(), "COM_7");
        assert!(config.source.require_replica, "the proof of a replica stays");
        assert!(head.contains("table_prefix = \"com_7_\"\n"), "{head}");
        assert!(head.contains("[run]\n") && !head.contains("[[table]]"), "{head}");
        assert_eq!(config.tables, [""; 0]);
    }

    #[test]
    fn a_text_is_read_as_it_was() {
        for text in ["A", "a \"b\" \\ 'c'", "tab\t\u{202e}\u{1f600} 王"] {
            let toml: toml::Table = format!("a = {}", quoted(text)).parse().unwrap();
            assert_eq!(toml["a"].as_str(), Some(text));
        }
        assert_eq!(quoted("a\u{202e}"), "\"a\\U0000202E\"");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = SourceArgs {
            user: None,
            schema: None,
            ..args()
        }
        .head()
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "--from-source needs --user, --schema as well, to name the source"
        );
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    #[test]
    fn a_password_is_no_name_of_a_variable() {
        assert!(variable("SOURCE_PASSWORD").is_ok());
        for text in ["", "1A", "P@ssword", "a b"] {
            assert!(
                variable(text).unwrap_err().contains("never the password itself"),
                "{text}"
            );
        }
    }
}
