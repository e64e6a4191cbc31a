//! Checks of the files: the configuration with its variables, and the checkpoint store.

use std::path::Path;

use super::report::Report;
use crate::base::error::Result;
use crate::base::private::{self, Access};
use crate::base::text::counted;
use crate::checkpoint::Reader;
use crate::config::{Config, origins};

/// Checks the configuration at `path`; `None` if it is wrong, which ends all checks.
pub fn configuration(
    report: &mut Report,
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Config> {
    const PLACE: &str = "configuration";
    // The origins of variables are reported first, because they explain wrong values.
    if let Ok(origins) = origins(path, environment) {
        match &origins.file {
            Some(file) => report.ok(PLACE, format!("Variables are read from {}", file.display())),
            None => report.ok(
                PLACE,
                "There is no .env; variables come from the environment alone",
            ),
        }
        for file in &origins.passed_over {
            report.warning(
                PLACE,
                format!(
                    "{} is there and is not read: only .env beside the configuration is; delete it, or move its variables \
                     into .env",
                    file.display()
                ),
            );
        }
        for name in &origins.overridden {
            report.warning(
                PLACE,
                format!(
                    "The environment has another {name} than .env, and wins; unset it there, or remove it from .env"
                ),
            );
        }
        if let Some(file) = &origins.file {
            kept_to_owner(report, PLACE, file, "chmod 600");
        }
        if origins.holds_password {
            kept_to_owner(
                report,
                PLACE,
                path,
                "move the password into .env by password = \"${NAME}\", or chmod 600",
            );
        }
    }
    match Config::load(path, environment) {
        Ok(config) => {
            let tables = counted(config.tables.len() as u64, "table");
            report.ok(PLACE, format!("{} is whole: {tables}", path.display()));
            Some(config)
        }
        Err(error) => {
            report.error(PLACE, &error);
            None
        }
    }
}

/// Checks that nobody but its owner may read a file with passwords.
fn kept_to_owner(report: &mut Report, place: &str, path: &Path, fix: &str) {
    let shown = path.display();
    match private::access(path) {
        Ok(Access::Others(mode)) => report.warning(
            place,
            format!("{shown} has passwords, and not only its owner may use it (mode {mode:04o}); {fix} {shown}"),
        ),
        Ok(Access::Unknown) => report.ok(
            place,
            format!("{shown} has passwords; who may read it is not checked on this system: see that its owner alone may"),
        ),
        // A file that cannot be looked at is named by whoever reads it.
        Ok(Access::Owner) | Err(_) => {}
    }
}

/// Checks the checkpoint store.
pub fn state(report: &mut Report, path: &Path) {
    const PLACE: &str = "state";
    match told(path) {
        Ok(text) => report.ok(PLACE, text),
        Err(error) => report.error(PLACE, &error),
    }
}

fn told(path: &Path) -> Result<String> {
    let shown = path.display();
    let Some(reader) = Reader::open(path)? else {
        return Ok(format!("There is no {shown} yet; a run creates it"));
    };
    let view = reader.view()?;
    let tables = counted(view.tables()?.len() as u64, "table");
    if !reader.is_being_written() {
        return Ok(format!("{shown} is whole: {tables}"));
    }
    let who = view
        .writer()?
        .map_or_else(String::new, |pid| format!(" by process {pid}"));
    Ok(format!("{shown} is held{who}: a run is going ({tables})"))
}
