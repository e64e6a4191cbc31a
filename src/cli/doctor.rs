//! `sync doctor` checks every need of a run, one by one, and prints the cause and the fix of each failure.

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, wrapped};
use crate::cli::context::{Context, json, result};
use crate::cli::notices;
use crate::cli::screen::{Screen, Tone};
use crate::config::Config;
use crate::doctor::{
    Check, Level, Report, SourceFacts, configuration, log_files, metrics_file, servers, state,
};
use crate::web;

/// Arguments of `sync doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Send a test notice, too
    #[arg(long)]
    notify: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: DoctorArgs) -> Result<ExitCode> {
    let mut report = Report::default();
    let config = configuration(&mut report, &context.config, &|name| std::env::var(name).ok());
    let exit = match config {
        // Without a configuration there is nothing more to check.
        None => ExitCode::Usage,
        Some(mut config) => {
            state(&mut report, &context.state_of(&config.path));
            log_files(&mut report, &config);
            metrics_file(&mut report, &config);
            page(context, &mut report, &config).await;
            notices::check(context, &mut report, &config, args.notify).await;
            ends(context, &mut report, &mut config).await;
            if report.count(Level::Failure) > 0 {
                ExitCode::Preflight
            } else {
                ExitCode::Done
            }
        }
    };
    result(&if args.json {
        json(&View::of(&report, exit))
    } else {
        text(&report, &context.screen)
    })?;
    Ok(exit)
}

/// Checks that the page can be served at the address of the configuration, if it names one. A run does without.
async fn page(context: &Context, report: &mut Report, config: &Config) {
    if config.serve.listen.is_none() {
        return;
    }
    let (level, text) = match web::try_out(&config.serve, &context.clock).await {
        Ok(text) => (Level::Ok, text),
        Err(error) => (Level::Warning, error.chain()),
    };
    report.add(level, "page", text);
}

async fn ends(context: &Context, report: &mut Report, config: &mut Config) {
    match Embedded::start(config, &context.clock).await {
        Ok(embedded) => {
            let state = context.state_of(&config.path);
            servers(report, config, &state, context.clock.now()).await;
            embedded.stop().await;
        }
        Err(error) => report.error("embedded server", &error),
    }
}

/// Blanks before the continued lines of a check: they stand below its place.
const INDENT: &str = "           ";

fn text(report: &Report, screen: &Screen) -> String {
    let mut text = String::new();
    for Check {
        level,
        place,
        text: found,
        ..
    } in &report.checks
    {
        let (mark, tone) = match level {
            Level::Ok => ("✓ ok     ", Tone::Plain),
            Level::Warning => ("! warning", Tone::Attention),
            Level::Failure => ("✗ failure", Tone::Bad),
        };
        let found = format!("{place}: {found}");
        let found = match screen.width {
            Some(columns) => wrapped(&found, columns.saturating_sub(INDENT.len()), ""),
            None => format!("{found}\n"),
        };
        let found = found.trim_end().replace('\n', &format!("\n{INDENT}"));
        text.push_str(&format!("{}  {found}\n", screen.paint(mark, tone)));
    }
    let (failures, warnings) = (report.count(Level::Failure), report.count(Level::Warning));
    text.push_str(&match (failures, warnings) {
        (0, 0) => "All is as a run needs it.\n".to_owned(),
        (0, warnings) => format!("A run can start; {}.\n", counted(warnings as u64, "warning")),
        (failures, warnings) => format!(
            "{}, {}: correct the failures first.\n",
            counted(failures as u64, "failure"),
            counted(warnings as u64, "warning")
        ),
    });
    text
}

/// The report as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    checks: &'a [Check],
    exit_code: u8,
    failures: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a SourceFacts>,
    warnings: usize,
}

impl View<'_> {
    fn of(report: &Report, exit: ExitCode) -> View<'_> {
        View {
            checks: &report.checks,
            exit_code: exit as u8,
            failures: report.count(Level::Failure),
            source: report.source.as_ref(),
            warnings: report.count(Level::Warning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Error, ErrorKind};

    #[test]
    fn a_report_as_json() {
        let mut report = Report::default();
        report.add(Level::Ok, "state", "There is no file yet");
        report.error("source", &Error::new(ErrorKind::Connection, "Nobody listens"));
        report.checks[1].number = Some(18456);
        report.checks[1].state = Some(1);
        insta::assert_snapshot!(json(&View::of(&report, ExitCode::Preflight)), @r#"
        {
          "schema_version": 1,
          "checks": [
            {
              "level": "ok",
              "place": "state",
              "text": "There is no file yet"
            },
            {
              "level": "failure",
              "number": 18456,
              "place": "source",
              "state": 1,
              "text": "Nobody listens"
            }
          ],
          "exit_code": 7,
          "failures": 1,
          "warnings": 0
        }
        "#);
    }

    #[test]
    fn a_check_that_is_wider_than_the_terminal_hangs_below_its_place() {
        let mut report = Report::default();
        report.add(Level::Ok, "state", "There is no file yet");
        report.add(
            Level::Failure,
            "target table SALES",
            "Column NAME is varchar(50) at the source and varchar(10) here, which has less room",
        );
        insta::assert_snapshot!(text(&report, &Screen::wide(60)), @r"
        ✓ ok       state: There is no file yet
        ✗ failure  target table SALES: Column NAME is varchar(50) at
                   the source and varchar(10) here, which has less
                   room
        1 failure, 0 warnings: correct the failures first.
        ");
        assert_eq!(text(&report, &Screen::none()).lines().count(), 3);
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("doctor");
    }
}
