//! `sync doctor` checks every need of a run, one by one, and prints the cause and the fix of each failure.

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::counted;
use crate::cli::context::{Context, json, result};
use crate::config::Config;
use crate::doctor::{Check, Level, Report, configuration, servers, state};

/// Arguments of `sync doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
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
            ends(context, &mut report, &mut config).await;
            if report.count(Level::Failure) > 0 {
                ExitCode::Preflight
            } else {
                ExitCode::Done
            }
        }
    };
    result(&if args.json {
        json(&View::of(&report))
    } else {
        text(&report)
    })?;
    Ok(exit)
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

fn text(report: &Report) -> String {
    let mut text = String::new();
    for Check {
        level,
        place,
        text: found,
        ..
    } in &report.checks
    {
        let mark = match level {
            Level::Ok => "✓ ok     ",
            Level::Warning => "! warning",
            Level::Failure => "✗ failure",
        };
        text.push_str(&format!("{mark}  {place}: {found}\n"));
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
    failures: usize,
    warnings: usize,
}

impl View<'_> {
    fn of(report: &Report) -> View<'_> {
        View {
            checks: &report.checks,
            failures: report.count(Level::Failure),
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
        insta::assert_snapshot!(json(&View::of(&report)), @r#"
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
          "failures": 1,
          "warnings": 0
        }
        "#);
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("doctor");
    }
}
