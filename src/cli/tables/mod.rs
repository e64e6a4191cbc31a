//! `sync tables` lists the tables of the source's schema, and how each is copied or could be.
//!
//! It reads the catalog of the source alone, behind the same proof as every read.

pub(super) mod found;

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, harmless_text};
use crate::cli::context::{Context, json, result};
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::config::{Config, Mode};
use crate::model::survey::{DateColumn, Way};
use crate::model::table::Identifier;
use found::Found;

/// Arguments of `sync tables`.
#[derive(Debug, Args)]
pub(super) struct TablesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A line of the list: a table of the source, or one of the configuration that the source does not have.
struct Line<'a> {
    name: &'a str,
    /// How the configuration has it copied.
    configured: Option<Mode>,
    found: Option<&'a Found>,
}

pub(super) async fn run(context: &Context, args: TablesArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let found = found::read(&config.source, &config.run.timeouts).await;
    embedded.stop().await;
    let found = found?;
    let lines = lines(&config, &found);
    result(&if args.json {
        json(&View::of(&lines))
    } else {
        text(&lines, &context.screen)
    })?;
    Ok(ExitCode::Done)
}

/// The tables of the configuration first, in its order, then the others of the source.
fn lines<'a>(config: &'a Config, found: &'a [Found]) -> Vec<Line<'a>> {
    let of = |name: &str| {
        let exact = found.iter().find(|found| found.name == name);
        exact.or_else(|| found.iter().find(|found| found.is_named(name)))
    };
    let configured = config.tables.iter().map(|table| Line {
        name: table.name.as_str(),
        configured: Some(table.mode),
        found: of(table.name.as_str()),
    });
    let mut lines: Vec<Line<'_>> = configured.collect();
    let others = found.iter().filter(|found| {
        let taken = |line: &Line<'_>| line.found.is_some_and(|other| std::ptr::eq(other, *found));
        !lines.iter().any(taken)
    });
    let others: Vec<&Found> = others.collect();
    lines.extend(others.into_iter().map(|found| Line {
        name: &found.name,
        configured: None,
        found: Some(found),
    }));
    lines
}

fn text(lines: &[Line<'_>], screen: &Screen) -> String {
    let mut table = Table::new([
        Column::name("Table"),
        Column::number("Rows"),
        Column::name("Copied"),
        Column::text("Date"),
        Column::text("Key"),
    ]);
    let mut below = String::new();
    for line in lines {
        let survey = line.found.and_then(|found| found.survey.as_ref().ok());
        let date = survey.map_or_else(String::new, |survey| best_date(&survey.dates));
        let key: Vec<String> = survey
            .iter()
            .flat_map(|survey| survey.key.iter().map(ToString::to_string))
            .collect();
        let name = harmless_text(line.name);
        let error = line.error();
        for (tone, text) in error
            .iter()
            .map(|why| (Tone::Bad, why))
            .chain(line.notes().iter().map(|note| (Tone::Attention, note)))
        {
            let mark = tone.mark();
            let told = screen.prose(&format!("{mark} {name}: {text}"));
            below.push_str(&told.replacen(mark, &screen.paint(mark, tone), 1));
        }
        let tone = if error.is_some() { Tone::Bad } else { Tone::Plain };
        table.line([
            name.into(),
            line.rows().map_or_else(|| "unknown".into(), Cell::from),
            Cell::from(line.copied()).tone(tone),
            date.into(),
            key.join(", ").into(),
        ]);
    }
    let configured = lines.iter().filter(|line| line.configured.is_some()).count() as u64;
    let last = format!(
        "{} in the configuration, {} not. Rows are the server's estimates. `sync init --from-source` prints a [[table]] \
         for each.",
        counted(configured, "table"),
        lines.len() as u64 - configured
    );
    let gap = if below.is_empty() { "" } else { "\n" };
    format!("{}{gap}{below}\n{}", table.text(screen), screen.prose(&last))
}

/// The best date column, with its marks: whether an index begins with it, and whether it may be NULL; and the number of
/// the others.
fn best_date(dates: &[DateColumn]) -> String {
    let Some((best, others)) = dates.split_first() else {
        return String::new();
    };
    let null = if best.nullable { "?" } else { "" };
    let index = match (&best.index, best.clustered) {
        (None, _) => " (no index)",
        (Some(_), true) => " (clustered)",
        (Some(_), false) => "",
    };
    let more = match others.len() {
        0 => String::new(),
        count => format!(" +{count}"),
    };
    format!("{}{null}{index}{more}", best.name)
}

impl Line<'_> {
    fn rows(&self) -> Option<u64> {
        self.found.and_then(|found| found.rows)
    }

    /// How it is copied, or could be.
    fn copied(&self) -> String {
        match (self.configured, self.found.map(Found::way)) {
            (_, None) => "not there".to_owned(),
            (Some(mode), _) => mode.to_string(),
            (None, Some(Err(_))) => "cannot be".to_owned(),
            (None, Some(Ok(None))) => "no (could be full)".to_owned(),
            (None, Some(Ok(Some(_)))) => "no (could be monthly)".to_owned(),
        }
    }

    fn error(&self) -> Option<String> {
        match self.found {
            None => Some(
                "It is not in the source's schema, or this login may not see it; correct its name, or GRANT SELECT on it"
                    .to_owned(),
            ),
            Some(found) => found.way().err(),
        }
    }

    fn notes(&self) -> &[String] {
        let survey = self.found.and_then(|found| found.survey.as_ref().ok());
        survey.map_or(&[], |survey| &survey.notes)
    }
}

/// The list as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    /// Whether the configuration has it.
    configured: bool,
    /// The column that its months would be cut by, if it were configured now; `null` if it would be copied whole.
    date_column: Option<&'a str>,
    /// Its date columns, the best first.
    dates: Vec<DateView<'a>>,
    /// Why it cannot be copied; `null` if it can.
    error: Option<String>,
    /// The columns of the key that would be chosen; none without a unique index over NOT NULL columns.
    key: Vec<&'a str>,
    /// `monthly` or `full`: as the configuration has it, or as it could be; `null` if it can be neither.
    mode: Option<String>,
    /// Its name.
    name: &'a str,
    /// What an operator should know.
    notes: &'a [String],
    /// Its rows in the server's statistics; `null` if this login may not see them.
    rows: Option<u64>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DateView<'a> {
    /// Whether that index is the clustered one.
    clustered: bool,
    /// The index that begins with it.
    index: Option<&'a str>,
    /// Its name.
    name: &'a str,
    /// Whether rows may have no date.
    nullable: bool,
    /// Its type, as T-SQL has it.
    r#type: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    /// The tables of the configuration.
    configured: u64,
    /// The other tables of the source.
    not_configured: u64,
    /// The rows of all tables of the source, as far as they are known.
    rows: u64,
}

impl View<'_> {
    fn of<'a>(lines: &'a [Line<'a>]) -> View<'a> {
        let configured = lines.iter().filter(|line| line.configured.is_some()).count() as u64;
        View {
            tables: lines.iter().map(TableView::of).collect(),
            totals: TotalsView {
                configured,
                not_configured: lines.len() as u64 - configured,
                rows: lines.iter().filter_map(Line::rows).sum(),
            },
        }
    }
}

impl<'a> TableView<'a> {
    fn of(line: &'a Line<'a>) -> TableView<'a> {
        let survey = line.found.and_then(|found| found.survey.as_ref().ok());
        let way = survey.map(|survey| &survey.way);
        let proposed = match way {
            Some(Way::Monthly(..)) => Some(Mode::Monthly),
            Some(Way::Full) => Some(Mode::Full),
            Some(Way::Not(_)) | None => None,
        };
        TableView {
            configured: line.configured.is_some(),
            date_column: match way {
                Some(Way::Monthly(name, _)) => Some(name.as_str()),
                _ => None,
            },
            dates: survey.map_or_else(Vec::new, |survey| survey.dates.iter().map(DateView::of).collect()),
            error: line.error(),
            key: survey.map_or_else(Vec::new, |survey| {
                survey.key.iter().map(Identifier::as_str).collect()
            }),
            mode: line.configured.or(proposed).map(|mode| mode.to_string()),
            name: line.name,
            notes: line.notes(),
            rows: line.rows(),
        }
    }
}

impl DateView<'_> {
    fn of(date: &DateColumn) -> DateView<'_> {
        DateView {
            clustered: date.clustered,
            index: date.index.as_deref(),
            name: date.name.as_str(),
            nullable: date.nullable,
            r#type: date.data_type.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("tables");
    }
}
