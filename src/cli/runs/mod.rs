//! `sync runs` lists the last runs, and what each asked of the source, from the state file alone.

mod view;

use clap::Args;

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::checkpoint::{Reader, RunRecord};
use crate::cli::context::{Context, json, result};
use crate::model::account::Account;
use view::View;

/// Arguments of `sync runs`.
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// So many of the last runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    last: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A run that is kept.
#[derive(Debug)]
struct Kept {
    record: RunRecord,
    /// Whether it is going.
    running: bool,
    /// What it asked of the source, a table; none if that is not kept.
    accounts: Vec<Account>,
}

pub(super) async fn run(context: &Context, args: RunsArgs) -> Result<ExitCode> {
    let path = context.state_of(&context.config);
    let runs = match Reader::open(&path)? {
        Some(reader) => read(&reader, args.last as usize)?,
        None => {
            context.voice.say(&format!(
                "note: there is no state file {}: no run has been here, or it was lost",
                path.display()
            ));
            Vec::new()
        }
    };
    result(&match args.json {
        true => json(&View::of(&runs)),
        false => view::text(&runs, &context.screen),
    })?;
    Ok(ExitCode::Done)
}

/// Reads the last runs, the latest first.
fn read(reader: &Reader, count: usize) -> Result<Vec<Kept>> {
    // The lock is read before the records: a run that ends in between then counts as ended.
    let written = reader.is_being_written();
    let view = reader.view()?;
    let writer = view.writer()?;
    let records = view.last_runs(count)?;
    let mut runs = Vec::new();
    for (at, record) in records.into_iter().enumerate() {
        let running = at == 0 && written && record.ended_at.is_none() && writer == Some(record.pid);
        runs.push(Kept {
            accounts: view.accounts(record.run_id)?,
            running,
            record,
        });
    }
    Ok(runs)
}
