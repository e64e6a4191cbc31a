//! `sync plan` shows the work of a run, the parts it leaves out, and the reasons. It writes nothing.

#[cfg(test)]
mod tests;
mod text;
mod view;

use clap::Args;
use indicatif::HumanBytes;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{duration, rows};
use crate::checkpoint::{LoadRate, Reader};
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, json, result};
use crate::cli::shared::{no_dates, table};
use crate::model::table::Identifier;
use crate::model::window::DateRange;
use crate::preflight::kept::OtherSource;
use crate::progress::Event;
use crate::run;
use crate::run::{Preview, TablePreview};
use text::text;
use view::View;

/// Arguments of `sync plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    dates: Dates,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: PlanArgs) -> Result<ExitCode> {
    let asked = Asked {
        range: args.dates.range(&context.clock)?,
        tables: args.tables,
        other: OtherSource::Refused,
        json: args.json,
    };
    show(context, asked).await
}

/// The run that a plan is of.
pub(super) struct Asked {
    /// The dates; `None` for reference tables alone.
    pub(super) range: Option<DateRange>,
    /// Only these tables.
    pub(super) tables: Option<Vec<Identifier>>,
    /// Whether another source than the one that was loaded is accepted.
    pub(super) other: OtherSource,
    /// Whether the plan is printed as JSON.
    pub(super) json: bool,
}

/// Prints the plan of a run. Writes nothing.
pub(super) async fn show(context: &Context, asked: Asked) -> Result<ExitCode> {
    let mut config = context.load()?;
    let tables = asked.tables.as_deref();
    let range = match asked.range {
        Some(range) => range,
        None => no_dates(context, &config, tables)?,
    };
    let chosen: Vec<_> = config.chosen(tables)?.into_iter().cloned().collect();
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let looked = async {
        let reader = Reader::open(&context.state_of(&config.path))?;
        let preview = run::preview(&config, &chosen, range, reader.as_ref(), asked.other).await?;
        // The tables and months that a run goes on to forget.
        let (forgetting, rate) = match &reader {
            Some(reader) => {
                let view = reader.view()?;
                (view.tombstones()?, view.load_rate()?)
            }
            None => (Vec::new(), None),
        };
        Ok((preview, forgetting, rate))
    };
    let looked = looked.await;
    embedded.stop().await;
    let (Preview { ends, tables }, forgetting, rate) = looked?;
    let progress = context.voice.progress();
    for text in &ends {
        progress.event(Event::Note(text));
    }
    let estimate = Estimate::of(&tables, rate);
    result(&if asked.json {
        json(&View::of(&tables, &forgetting, &estimate))
    } else {
        text(&context.screen, &tables, &forgetting, &estimate)
    })?;
    Ok(exit_of(&tables))
}

/// About how much a run reads, and how long that takes.
struct Estimate {
    /// `None` if a table's rows are not known.
    rows: Option<u64>,
    bytes: Option<u64>,
    /// How fast this machine last loaded, if it is known.
    rate: Option<LoadRate>,
}

impl Estimate {
    fn of(previews: &[TablePreview], rate: Option<LoadRate>) -> Estimate {
        let found = || previews.iter().filter_map(|preview| preview.found.as_ref().ok());
        Estimate {
            rows: found().map(|found| found.rows_to_read).sum(),
            bytes: found().map(|found| found.bytes_to_read).sum(),
            rate: rate.filter(|rate| rate.rows > 0),
        }
    }

    /// About the time that the rows take.
    fn time(&self) -> Option<std::time::Duration> {
        let (rows, rate) = (self.rows?, self.rate?);
        let millis = u128::from(rows) * u128::from(rate.elapsed_ms) / u128::from(rate.rows);
        Some(std::time::Duration::from_millis(
            u64::try_from(millis).unwrap_or(u64::MAX),
        ))
    }

    fn text(&self) -> String {
        let (Some(count), Some(bytes)) = (self.rows, self.bytes) else {
            return String::new();
        };
        if count == 0 {
            return String::new();
        }
        let amount = format!("At most about {} ({})", rows(count), HumanBytes(bytes));
        match (self.time(), self.rate) {
            (Some(time), Some(rate)) => format!(
                "{amount}, which take about {} at the rate of the run that ended on {} ({}/s).",
                duration(time),
                rate.at.format("%Y-%m-%d"),
                rows(per_second(rate))
            ),
            _ => format!("{amount}."),
        }
    }
}

fn per_second(rate: LoadRate) -> u64 {
    rate.rows.saturating_mul(1000) / rate.elapsed_ms.max(1)
}

/// The highest exit code: of a table that is missing or unfit and of one whose plan changed, the first.
fn exit_of(previews: &[TablePreview]) -> ExitCode {
    let errors = previews.iter().filter_map(|preview| preview.found.as_ref().err());
    errors
        .map(|error| error.kind().exit_code())
        .max()
        .unwrap_or(ExitCode::Done)
}
