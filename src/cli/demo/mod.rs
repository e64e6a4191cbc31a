//! `sync demo`: the whole job with nothing to install. It makes a directory with a configuration and an embedded
//! source of two months' sales, then runs what `sync run` runs and prints what `sync counts` prints.

mod calendar;
mod fill;
mod random;
mod rows;
mod tables;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use clap::Args;

use super::embedded::{Embedded, Source};
use super::{Context, counts, result, run};
use crate::checkpoint::Store;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::schedule::RunOptions;
use crate::window::DateRange;
use fill::Recipe;
use tables::TABLES;

/// The largest scale: 39 million rows, hours of work.
const SCALE_MAX: f64 = 100.0;

/// Arguments of `sync demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Directory of the demo; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "demo")]
    dir: PathBuf,
    /// How many rows, beside the 392,704 of scale 1
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Which rows: the same seed gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text
        .parse()
        .map_err(|_| "give a number, such as 0.1".to_owned())?;
    if scale > 0.0 && scale <= SCALE_MAX {
        Ok(scale)
    } else {
        Err(format!("give a number above 0 and up to {SCALE_MAX}"))
    }
}

pub(super) async fn run(context: &Context, args: DemoArgs) -> Result<ExitCode> {
    let path = args.dir.join("sync.toml");
    write_config(&args.dir, &path)?;
    let mut config = Config::load(&path, &|name| std::env::var(name).ok())?;
    if !(config.source.embedded && config.target.embedded) {
        let text = format!(
            "{} is not a demo's: it names real servers; give another --dir",
            path.display()
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let store = run::open_store(context, &config)?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let recipe = Recipe {
        seed: args.seed,
        scale: args.scale,
    };
    embedded.serve_source(&config, Source::Writable);
    let endpoint = &config.source.endpoint;
    let filled = fill::fill(endpoint, &config.source.schema, recipe, &|text| {
        context.voice.say(text)
    })
    .await;
    embedded.serve_source(&config, Source::Replica);
    let ended = match filled {
        Ok(()) => load(context, &config, store).await,
        Err(error) => Err(error),
    };
    embedded.stop().await;
    ended
}

/// Runs what `sync run` runs, and counts unless there was nothing to do.
async fn load(context: &Context, config: &Config, store: Arc<Store>) -> Result<ExitCode> {
    let options = RunOptions {
        range: two_months()?,
        tables: None,
        max_workers: None,
        chunk_rows: None,
        force: false,
    };
    let summary = run::load(context, config, Arc::clone(&store), options).await?;
    if run::nothing_to_do(&summary) {
        result(&run::text(&summary))?;
        return Ok(summary.exit);
    }
    context.voice.say(run::text(&summary).trim_end());
    if summary.exit != ExitCode::Done {
        return Ok(summary.exit);
    }
    let (text, exit) = counts::of_loaded(&context.voice, config, &store.view()?).await?;
    result(&text)?;
    Ok(exit)
}

fn two_months() -> Result<DateRange> {
    let day = |month, day| NaiveDate::from_ymd_opt(2025, month, day).expect("the day is in the calendar");
    DateRange::inclusive(day(10, 1), day(11, 30))
}

/// Writes the demo's configuration where there is none. One that is there stays: its user may have changed it.
fn write_config(directory: &Path, path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        let text = format!(
            "Cannot write {}; give a --dir that can be written",
            path.display()
        );
        Error::new(ErrorKind::Usage, text).with_source(error)
    };
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(failed)?;
    // Renamed into place, so that a kill leaves a whole file or none.
    let unfinished = path.with_extension("toml.new");
    std::fs::write(&unfinished, config_text())
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(failed)
}

/// The tables' names and date columns.
#[cfg(test)]
pub(super) fn dated_tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().map(|table| (table.name, table.date_column))
}

fn config_text() -> String {
    let mut text = include_str!("sync.toml").to_owned();
    for table in &TABLES {
        text.push_str(&format!(
            "\n[[table]]\nname = \"{}\"\ndate_column = \"{}\"\n",
            table.name, table.date_column
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_that_is_written_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("sync.toml");
        write_config(path.parent().unwrap(), &path).unwrap();
        let config = Config::load(&path, &|_| None).unwrap();
        assert!(config.source.embedded && config.target.embedded && config.source.require_replica);
        assert_eq!(config.tables.len(), 10);
        std::fs::write(&path, "changed").unwrap();
        write_config(path.parent().unwrap(), &path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed");
    }

    #[test]
    fn what_is_commented_out_is_configuration_too() {
        // The example's comments show keys; a key that is not known would teach an error.
        let text = config_text().replace("server = \"embedded\"\n", "");
        let text: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sync.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config::load(&path, &|name| Some(format!("value of {name}"))).unwrap();
        assert_eq!(config.source.endpoint.host, "replica.example");
        assert_eq!(
            config.source.endpoint.password.expose(),
            "value of SOURCE_PASSWORD"
        );
    }

    #[test]
    fn a_scale_is_a_positive_number() {
        assert_eq!(scale("0.25"), Ok(0.25));
        for text in ["0", "-1", "NaN", "inf", "101", "much"] {
            assert!(scale(text).is_err(), "{text}");
        }
    }
}
