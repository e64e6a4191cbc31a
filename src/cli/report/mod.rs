//! `sync report` writes what is proven about a copy into one file that can be mailed to an auditor.
//!
//! The file has no script and asks nothing of any other. It holds names, numbers, times and digests, and neither a login
//! nor a value of a row. A server that is away keeps nobody from a report: it says so.

mod asked;
mod discreet;
mod facts;
mod file;
mod gather;
mod html;
mod left_out;
#[cfg(test)]
mod testing;
mod verdict;
mod view;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::program;
use crate::cli::context::{Context, json, result};
use crate::cli::hours::outside;
use crate::cli::shared::{month, table};
use crate::model::table::Identifier;
use asked::Asked;
use facts::{Months, Servers};
use gather::{end, gather};
use verdict::Verdict;
use view::View;

/// Arguments of `sync report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// File to write
    #[arg(long, value_name = "FILE", required_unless_present = "json")]
    output: Option<PathBuf>,
    /// Only the windows of this month; may be given again for more
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    month: Vec<NaiveDate>,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Ask no server; the report then has no counts
    #[arg(long)]
    offline: bool,
    /// Replace the file whatever it is; without this option only a report is replaced
    #[arg(long, requires = "output")]
    force: bool,
    /// JSON instead of HTML; without --output to stdout
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: ReportArgs) -> Result<ExitCode> {
    let mut config = context.begin()?;
    config.chosen(args.tables.as_deref())?;
    if let Some(path) = &args.output {
        file::refuse_other(path, args.force)?;
    }
    let hours = config.source.hours.as_ref().filter(|_| !args.offline);
    if let Some(note) = hours.and_then(|hours| outside(hours, context.clock.now())) {
        context.voice.say(&note);
    }
    let (source, target) = (&config.source, &config.target);
    let ends = (
        end(&source.endpoint, source.embedded, source.schema.as_str()),
        end(&target.endpoint, target.embedded, target.schema.as_str()),
    );
    let embedded = match args.offline {
        true => None,
        false => Some(Embedded::start(&mut config, &context.clock).await?),
    };
    let asked = Asked {
        tables: config.chosen(args.tables.as_deref())?,
        months: Months::of(args.month),
        is_offline: args.offline,
    };
    let report = gather(context, &config, ends, asked).await;
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    let report = report?;
    // A report leaves the house: its commands name no path of this machine.
    program::works_on(None, None);
    let verdict = Verdict::of(&report);
    if let Servers::Away { error, .. } = &report.servers {
        context
            .voice
            .say(&format!("warning: the report has no counts: {error}"));
    }
    let text = match args.json {
        true => json(&View::of(&report, &verdict)),
        false => html::page(&report, &verdict),
    };
    match &args.output {
        None => result(&text)?,
        Some(path) => {
            file::write(path, &text)?;
            result(&format!("{}\nWrote {}\n", verdict.sentence, path.display()))?;
        }
    }
    Ok(verdict.code)
}
