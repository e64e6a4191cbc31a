//! `sync demo` does the whole job with nothing to install:
//!
//! 1. It creates a directory with a configuration and an embedded source: two months' sales and reference tables.
//! 2. It does the work of `sync run` and prints the counts of `sync counts`.
//! 3. Once, it changes loaded rows; the work of `sync reconcile` finds and repairs them.
//!
//! The source records each finished step, so that a killed demo resumes with the next one.

mod alter;
mod calendar;
mod fill;
mod random;
mod reference;
mod rows;
mod spec;
mod tables;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use clap::Args;

use super::embedded::{Embedded, Source};
use super::{counts, reconcile, run};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::private;
use crate::base::terminal;
use crate::checkpoint::Store;
use crate::cli::context::{Context, result, works_on};
use crate::cli::shared::open_store;
use crate::cli::signals::{Signal, interrupted};
use crate::config::{Config, Mode};
use crate::model::window::DateRange;
use crate::preflight::context::RunOptions;
use crate::reconcile::ReconcileOptions;
use fill::Filled;
use reference::REFERENCE;
use rows::Recipe;
use tables::TABLES;

/// The largest scale: 39 million rows, hours of work.
const SCALE_MAX: f64 = 100.0;

/// Arguments of `sync demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Directory of the demo, created if it does not exist [default: demo, or the current directory if it is a demo's]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Rows of sales, as a factor of 392,704
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Rows of reference tables, as a factor of 4,830,253
    #[arg(long, value_name = "FACTOR", default_value_t = 0.01, value_parser = reference_scale)]
    reference_scale: f64,
    /// Seed of the rows: the same seed gives the same rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn scale(text: &str) -> Result<f64, String> {
    factor(text, SCALE_MAX)
}

fn reference_scale(text: &str) -> Result<f64, String> {
    factor(text, 1.0)
}

fn factor(text: &str, max: f64) -> Result<f64, String> {
    let factor: f64 = text
        .parse()
        .map_err(|_| "give a number, such as 0.1".to_owned())?;
    if factor > 0.0 && factor <= max {
        Ok(factor)
    } else {
        Err(format!("give a number above 0 and up to {max}"))
    }
}

pub(super) async fn run(context: &Context, args: DemoArgs) -> Result<ExitCode> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => default_dir(context),
    };
    let path = dir.join("sync.toml");
    write_config(&dir, &path)?;
    works_on(&path, context.state.as_deref());
    let mut config = Config::load(&path, &|name| std::env::var(name).ok())?;
    if !(config.source.embedded && config.target.embedded) {
        let text = format!(
            "{} is not a demo's: it names real servers; give another --dir",
            path.display()
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let store = open_store(context, &config)?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let demo = Demo {
        context,
        config: &config,
        embedded: &embedded,
        store,
        recipe: Recipe {
            seed: args.seed,
            scale: args.scale,
            reference_scale: args.reference_scale,
        },
    };
    let ended = demo.run().await;
    embedded.stop().await;
    ended
}

/// A demo whose server is up.
struct Demo<'a> {
    context: &'a Context,
    config: &'a Config,
    embedded: &'a Embedded,
    store: Arc<Store>,
    recipe: Recipe,
}

impl Demo<'_> {
    /// Does the steps that no earlier command has finished.
    async fn run(&self) -> Result<ExitCode> {
        let source = &self.config.source;
        let say = |text: &str| self.context.voice.say(text);
        let filling = fill::fill(&source.endpoint, &source.schema, self.recipe, &say);
        let filled = self.at_the_source(self.unless_stopped(filling)).await?;
        let exit = self.load().await?;
        if exit != ExitCode::Done || filled.was_mended {
            return Ok(exit);
        }
        let sources = alter::at_the_source(self.config, self.recipe, &say);
        self.at_the_source(sources).await?;
        alter::at_the_target(self.config, self.recipe, &say).await?;
        self.mend().await
    }

    /// Does `work` while the source is writable.
    async fn at_the_source<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.embedded.serve_source(self.config, Source::Writable);
        let ended = work.await;
        self.embedded.serve_source(self.config, Source::Replica);
        ended
    }

    /// Fills the source. A signal ends it, and nothing half is left there.
    async fn unless_stopped(&self, filling: impl Future<Output = Result<Filled>>) -> Result<Filled> {
        tokio::select! {
            filled = filling => return filled,
            signal = interrupted() => if signal == Signal::Typed && terminal::shows_interrupts() {
                // Behind the `^C` on the terminal.
                self.context.voice.say("\n");
            }
        }
        self.context
            .voice
            .say("demo: stopping: the table that was being filled is dropped");
        let source = &self.config.source;
        fill::drop_unfilled(&source.endpoint, &source.schema, self.recipe).await?;
        let text = "The demo was stopped while it filled its source; run the same command again to go on";
        Err(Error::new(ErrorKind::Stopped, text))
    }

    /// Does the work of `sync run`, then counts; with nothing to load, it does not count.
    async fn load(&self) -> Result<ExitCode> {
        let options = RunOptions::of(two_months()?);
        let summary = run::load(self.context, self.config, Arc::clone(&self.store), options).await?;
        if run::nothing_to_do(&summary) {
            result(&run::text(&summary, "", &self.context.screen))?;
            return Ok(summary.exit);
        }
        let told = run::text(&summary, "", self.context.voice.screen());
        self.context.voice.say(told.trim_end());
        if summary.exit != ExitCode::Done {
            return Ok(summary.exit);
        }
        let (text, exit) = self.counts().await?;
        result(&text)?;
        Ok(exit)
    }

    /// The counts of the sales tables, followed by those of the reference tables.
    async fn counts(&self) -> Result<(String, ExitCode)> {
        let (voice, view) = (&self.context.voice, self.store.view()?);
        let (sales, of_sales) = counts::of_loaded(voice, self.config, &view, Mode::Monthly).await?;
        let (reference, of_reference) = counts::of_loaded(voice, self.config, &view, Mode::Full).await?;
        let exit = match of_sales {
            ExitCode::Done => of_reference,
            differing => differing,
        };
        let between = if sales.is_empty() || reference.is_empty() {
            ""
        } else {
            "\n"
        };
        Ok((format!("{sales}{between}{reference}"), exit))
    }

    /// Does the work of `sync reconcile --source --repair`, then counts again.
    async fn mend(&self) -> Result<ExitCode> {
        let say = |text: &str| self.context.voice.say(text);
        say(
            "demo: comparing every row again, and loading again what differs: sync reconcile --source --repair",
        );
        let options = ReconcileOptions {
            source: true,
            repair: true,
            range: None,
            tables: None,
            allow_deletes: Vec::new(),
            max_workers: None,
            ignore_hours: false,
        };
        let store = Arc::clone(&self.store);
        let reconciled = reconcile::reconcile(self.context, self.config, store, options).await?;
        result(&format!(
            "\n{}",
            reconcile::text(&reconciled, false, &self.context.screen)
        ))?;
        if reconciled.exit() != ExitCode::Done {
            return Ok(reconciled.exit());
        }
        let (text, exit) = self.counts().await?;
        if exit != ExitCode::Done {
            result(&format!("\n{text}"))?;
            return Ok(exit);
        }
        let endpoint = &self.config.source.endpoint;
        self.at_the_source(fill::mended(endpoint, self.recipe)).await?;
        say("demo: both ends have the same rows again; the next time there is nothing to do");
        Ok(exit)
    }
}

/// The directory of a demo that names none: the current one, if a demo has made it, so that one can try on in it.
fn default_dir(context: &Context) -> PathBuf {
    if std::fs::read_to_string("sync.toml").is_ok_and(|text| is_demos(&text)) {
        context
            .voice
            .say("demo: going on with the demo in this directory");
        return PathBuf::from(".");
    }
    PathBuf::from("demo")
}

/// Whether a configuration is one that a demo wrote, changed or not.
fn is_demos(config: &str) -> bool {
    let first = |text: &str| text.lines().next().map(str::to_owned);
    first(config) == first(&config_text())
}

fn two_months() -> Result<DateRange> {
    let day = |month, day| NaiveDate::from_ymd_opt(2025, month, day).expect("the day is in the calendar");
    DateRange::inclusive(day(10, 1), day(11, 30))
}

/// Writes the demo's configuration unless it exists: its user may have changed it.
fn write_config(directory: &Path, path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        let text = format!(
            "Cannot write {}; give a --dir that can be written",
            path.display()
        );
        Error::new(ErrorKind::Usage, text).with_source(error)
    };
    private::directory(directory)
        .and_then(|()| private::write_new(path, config_text().as_bytes()))
        .map(|_| ())
        .map_err(failed)
}

/// The tables' names and date columns; reference tables have none.
#[cfg(test)]
pub(super) fn tables() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    tables::all().map(|table| (table.name, table.date_column))
}

fn config_text() -> String {
    let mut text = include_str!("sync.toml").to_owned();
    text.push_str(" Sales, by months of a date column:\n");
    for table in &TABLES {
        let date = table.date_column.unwrap_or_default();
        text.push_str(&format!(
            "\n[[table]]\nname = \"{}\"\ndate_column = \"{date}\"\n",
            table.name
        ));
    }
    text.push_str(
        "\n# Reference tables, whole; a run loads those whose rows are others at the source now:\n",
    );
    for table in &REFERENCE {
        text.push_str(&format!(
            "\n[[table]]\nname = \"{}\"\nmode = \"full\"\n",
            table.name
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
        let tables: Vec<_> = config
            .tables
            .iter()
            .map(|table| {
                (
                    table.name.as_str(),
                    table.date_column.as_ref().map(|date| date.as_str()),
                )
            })
            .collect();
        assert_eq!(tables, super::tables().collect::<Vec<_>>());
        assert_eq!(tables.len(), 19);
        std::fs::write(&path, "changed").unwrap();
        write_config(path.parent().unwrap(), &path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed");
    }

    #[test]
    fn what_is_commented_out_is_configuration_too() {
        // An unknown key in a comment would teach an error.
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
    fn a_demos_directory_is_known_by_its_configuration() {
        assert!(is_demos(
            &config_text().replace("max_workers = 2", "max_workers = 1")
        ));
        assert!(!is_demos("[source]\nserver = \"embedded\"\n"));
    }

    #[test]
    fn a_scale_is_a_positive_number() {
        assert_eq!(scale("0.25"), Ok(0.25));
        for text in ["0", "-1", "NaN", "inf", "101", "much"] {
            assert!(scale(text).is_err(), "{text}");
        }
        assert_eq!(reference_scale("1"), Ok(1.0));
        for text in ["0", "1.01", "NaN"] {
            assert!(reference_scale(text).is_err(), "{text}");
        }
    }
}
