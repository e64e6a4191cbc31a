//! `sync forget` drops receipts and checkpoints of a table, so that the next run loads it again.

use chrono::NaiveDate;
use clap::Args;

use super::embedded::Embedded;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::stop::StopSignal;
use crate::base::text::{counted, rows};
use crate::checkpoint::{Counts, Store, Tombstone};
use crate::cli::context::{Context, result};
use crate::cli::shared::{host, open_store, table};
use crate::config::{Config, Mode};
use crate::model::table::Identifier;
use crate::mssql::Session;
use crate::pipeline::forget;
use crate::pipeline::retrier::Retrier;
use crate::preflight::left_forgetting;
use crate::progress::Silent;
use crate::target::lease::Holder;

/// Arguments of `sync forget`.
#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The table, by its name in the configuration
    #[arg(long, value_name = "NAME", value_parser = table)]
    table: Identifier,
    /// Only the windows of this month
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    month: Option<NaiveDate>,
}

/// The first day of a month.
fn month(text: &str) -> Result<NaiveDate, String> {
    let day: Option<NaiveDate> = format!("{text}-01").parse().ok();
    day.filter(|day| day.format("%Y-%m").to_string() == text)
        .ok_or_else(|| "this is no month of the calendar, written as YYYY-MM".to_owned())
}

pub(super) async fn run(context: &Context, args: ForgetArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let store = open_store(context, &config)?;
    let tombstone = tombstone(&config, &store, &args)?;
    let known = known(&store, &tombstone)?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let retrier = Retrier {
        clock: context.clock.clone(),
        stop: StopSignal::new(),
        store,
        progress: std::sync::Arc::new(Silent),
        outage_max: config.run.outage_max,
        broke: std::sync::Arc::default(),
    };
    let holder = Holder {
        run_id: context.clock.random(),
        host: host(),
        process_id: std::process::id(),
    };
    let forgotten = async {
        let mut session = Session::open(&config.target.endpoint, None, &config.run.timeouts).await?;
        // An interrupted earlier `forget` is finished first.
        for earlier in retrier.store.view()?.tombstones()? {
            let is_concerned = earlier.table == tombstone.table;
            if !forget::finish(&mut session, &retrier, &holder, &earlier, is_concerned).await? {
                let text = left_forgetting(&earlier.table);
                context.voice.say(&format!("warning: {text}"));
            }
        }
        forget::forget(&mut session, &retrier, &holder, &tombstone).await
    };
    let forgotten = forgotten.await;
    embedded.stop().await;
    let receipts = forgotten?;
    let what = match args.month {
        Some(month) => format!("{} of {}", month.format("%Y-%m"), tombstone.table),
        None => tombstone.table.clone(),
    };
    result(&match (receipts, known.chunks) {
        (0, 0) => format!("Nothing of {what} was loaded by a run, so there was nothing to forget.\n"),
        _ => format!(
            "Forgot {what}: {} of {} that the checkpoints knew. The rows at the target stay until a run loads them again.\n",
            counted(known.chunks, "chunk"),
            rows(known.rows)
        ),
    })?;
    Ok(ExitCode::Done)
}

/// The tombstone to write. If the target was renamed, it names both target tables.
fn tombstone(config: &Config, store: &Store, args: &ForgetArgs) -> Result<Tombstone> {
    let view = store.view()?;
    let configured = config
        .tables
        .iter()
        .find(|table| table.name.same_as(args.table.as_str()));
    let recorded = view
        .tables()?
        .into_iter()
        .find(|record| args.table.same_as(&record.name));
    if let (Some(table), Some(_)) = (configured.filter(|table| table.mode == Mode::Full), args.month) {
        let text = format!(
            "Table {} is a reference table and has no months; leave --month out to forget all of it",
            table.name
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let mut targets: Vec<String> = configured
        .map(|table| config.target_table(table).exact())
        .into_iter()
        .collect();
    targets.extend(recorded.as_ref().map(|record| record.target.clone()));
    targets.dedup();
    let name = match (configured, &recorded) {
        // Checkpoints keep the spelling of the name under which they were written.
        (_, Some(record)) => record.name.clone(),
        (Some(table), None) => table.name.as_str().to_owned(),
        (None, None) => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "--table names {}, which neither {} nor the checkpoints know; correct the name",
                    args.table,
                    config.path.display()
                ),
            ));
        }
    };
    Ok(Tombstone {
        table: name,
        targets,
        month: args.month,
    })
}

/// The chunks and rows that the checkpoints know of it.
fn known(store: &Store, tombstone: &Tombstone) -> Result<Counts> {
    let view = store.view()?;
    let mut sum = Counts::default();
    for record in view.windows(&tombstone.table)? {
        if tombstone.covers(record.window) {
            let counts = view.counts(&tombstone.table, record.window)?;
            sum.chunks += counts.chunks;
            sum.rows += counts.rows;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_iso_months() {
        assert_eq!(month("2025-10").unwrap().to_string(), "2025-10-01");
        for text in ["2025-13", "2025-1", "10/2025", "2025-10-01", ""] {
            assert!(month(text).is_err(), "{text}");
        }
    }
}
