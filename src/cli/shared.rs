//! Parts that several commands share: argument parsers, the store, and lines that they all say.

use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::private;
use crate::checkpoint::{Store, Tombstone};
use crate::cli::context::Context;
use crate::config::{Config, Mode};
use crate::metrics::textfile;
use crate::model::table::Identifier;
use crate::model::window::DateRange;
use crate::preflight::context::Identity;

pub(super) fn table(text: &str) -> Result<Identifier, String> {
    Identifier::new(text.trim()).map_err(|error| error.to_string())
}

/// The first day of a month.
pub(super) fn month(text: &str) -> Result<NaiveDate, String> {
    let day: Option<NaiveDate> = format!("{text}-01").parse().ok();
    day.filter(|day| day.format("%Y-%m").to_string() == text)
        .ok_or_else(|| "this is no month of the calendar, written as YYYY-MM, e.g. 2025-10".to_owned())
}

/// The range of a run without dates: today. Only reference tables can do without dates; they ignore the range.
pub(super) fn no_dates(
    context: &Context,
    config: &Config,
    tables: Option<&[Identifier]>,
) -> Result<DateRange> {
    let chosen = config.chosen(tables)?;
    let mut monthly = chosen.iter().filter(|table| table.mode == Mode::Monthly);
    if let Some(table) = monthly.next() {
        let text = format!(
            "Table {} needs --start-date and --end-date (only reference tables run without)",
            table.name
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let today = context.clock.now().date_naive();
    DateRange::inclusive(today, today)
}

/// Opens the checkpoint file for writing; creates its directory if it is missing. Says so if others than its owner
/// could read it until now, as files of older versions can.
pub(super) fn open_store(context: &Context, config: &Config) -> Result<Arc<Store>> {
    let path = context.state_of(&config.path);
    if let Some(directory) = path.parent() {
        let made = private::directory(directory).and_then(|()| match context.state {
            // A directory that the user named may have other files.
            Some(_) => Ok(false),
            None => private::tighten(directory),
        });
        made.map_err(|error| {
            let text = format!(
                "Cannot create the directory {} of the state file, or keep it to its owner",
                directory.display()
            );
            Error::new(ErrorKind::State, text).with_source(error)
        })?;
    }
    let store = Store::create_or_open(&path)?;
    if store.was_open_to_others() {
        context.voice.say(&format!(
            "note: others could read {}; it is its owner's alone now",
            path.display()
        ));
    }
    Ok(Arc::new(store))
}

/// Writes the metrics to the file that the configuration names for them, if it does. That they cannot be written is a
/// warning, for the work is done. The store is let go after it: until then nobody else begins to work, and who reads it
/// need not check its every page.
pub(super) async fn write_metrics(context: &Context, config: &Config, store: Arc<Store>) {
    if let Err(error) = textfile::write(store.path(), config, &context.clock).await {
        context.voice.say(&format!("warning: {}", error.chain()));
    }
}

/// This process, for its records and leases.
pub(super) fn identity(context: &Context) -> Identity {
    Identity {
        run_id: context.voice.run_id(),
        host: host(),
        process_id: std::process::id(),
    }
}

/// This machine's name, for the records of its runs.
pub(super) fn host() -> String {
    let named = ["HOSTNAME", "COMPUTERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    named
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A `forget` that was interrupted, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ForgettingView<'a> {
    /// The first day of the month; `None` for the whole table.
    month: Option<NaiveDate>,
    table: &'a str,
}

impl ForgettingView<'_> {
    pub(super) fn of(tombstone: &Tombstone) -> ForgettingView<'_> {
        ForgettingView {
            month: tombstone.month,
            table: &tombstone.table,
        }
    }
}
