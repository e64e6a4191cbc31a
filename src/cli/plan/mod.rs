//! `sync plan` shows the work of a run, the parts it leaves out, and the reasons. It writes nothing.

mod estimate;
#[cfg(test)]
mod tests;
mod text;
mod view;

use clap::Args;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::checkpoint::Reader;
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, json, result};
use crate::cli::shared::{no_dates, table};
use crate::model::table::Identifier;
use crate::model::window::DateRange;
use crate::preflight::kept::OtherSource;
use crate::progress::Event;
use crate::run;
use crate::run::Preview;
use estimate::{Estimate, exit_of};
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
        let rate = reader.as_ref().map(|reader| reader.view()?.load_rate());
        Ok((preview, rate.transpose()?.flatten()))
    };
    let looked = looked.await;
    embedded.stop().await;
    let (preview, rate) = looked?;
    let Preview {
        ends,
        forgetting,
        tables,
    } = preview;
    let progress = context.voice.progress();
    for text in &ends {
        progress.event(Event::Note(text));
    }
    let estimate = Estimate::of(&tables, rate);
    let hours = config
        .source
        .hours
        .as_ref()
        .map(|hours| (hours, context.clock.now()));
    result(&if asked.json {
        json(&View::of(&tables, &forgetting, &estimate, hours))
    } else {
        text(&context.screen, &tables, &forgetting, &estimate, hours)
    })?;
    Ok(exit_of(&tables))
}
