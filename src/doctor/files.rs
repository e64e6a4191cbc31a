//! Checks of the files: the configuration with its variables, and the state file with its directory.

use std::io;
use std::path::Path;

use indicatif::HumanBytes;

use super::report::{Level, Report};
use crate::base::error::Result;
use crate::base::private::{self, Access};
use crate::base::text::counted;
use crate::checkpoint::Reader;
use crate::config::{Config, origins};

const STATE: &str = "state";

/// The size of the file that is written to try a directory: a disk that is full takes an empty one.
const PROBE_BYTES: usize = 64 * 1024;

/// Less room than this is a warning. The state of a hundred thousand chunks, which is years of tables, takes about a quarter
/// of it, and each commit writes new pages before the old ones are free.
const ROOM_BYTES_MIN: u64 = 256 * 1024 * 1024;

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
            report.ok(PLACE, format!("{} is valid: {tables}", path.display()));
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

/// Checks the state file, and that its directory takes a run's.
pub fn state(report: &mut Report, path: &Path) {
    match told(path) {
        Ok(text) => report.ok(STATE, text),
        Err(error) => report.error(STATE, &error),
    }
    directory(report, path);
}

/// Checks that log files can be written, if there are any.
pub fn log_files(report: &mut Report, config: &Config) {
    const PLACE: &str = "log files";
    let Some(settings) = &config.log else {
        return;
    };
    let shown = settings.directory.display();
    // One that is missing is made in what is there of the way to it.
    let there = nearest(&settings.directory).unwrap_or(&settings.directory);
    match private::probe(there, PROBE_BYTES) {
        Ok(()) if there != settings.directory => report.ok(
            PLACE,
            format!("There is no {shown} yet; a command that works makes it"),
        ),
        Ok(()) => report.ok(PLACE, format!("{shown} takes files; they are kept for {}", counted(settings.keep_days.into(), "day"))),
        Err(error) => report.warning(
            PLACE,
            format!(
                "{} takes no file, so a command works without its log in {shown}: {error}; let this user write there, or make \
                 room",
                there.display()
            ),
        ),
    }
}

/// Checks that the file of metrics can be written, if there is to be one. Nobody makes its directory.
pub fn metrics_file(report: &mut Report, config: &Config) {
    const PLACE: &str = "metrics";
    let Some(path) = &config.metrics.textfile else {
        return;
    };
    let directory = private::directory_of(path);
    let shown = directory.display();
    if path.is_dir() {
        let text = format!(
            "`textfile` of [metrics] is {}, a directory; give the path of a file in it",
            path.display()
        );
        return report.warning(PLACE, text);
    }
    match private::probe(directory, PROBE_BYTES) {
        Ok(()) => report.ok(PLACE, format!("{shown} takes files; {} is written there", path.display())),
        Err(error) => report.warning(
            PLACE,
            format!(
                "{shown} takes no file, so a run works and writes no metrics to `textfile` of [metrics]: {error}; make the \
                 directory, let this user write there, or make room"
            ),
        ),
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

/// Writes a file into the directory of the state file and removes it, and asks how much room there is. Of a directory that
/// is not there yet, the nearest one that a run would make it in is asked.
fn directory(report: &mut Report, path: &Path) {
    let Some(directory) = path.parent().and_then(nearest) else {
        return report.failure(
            STATE,
            format!(
                "{} is in no directory that is there; correct --state",
                path.display()
            ),
        );
    };
    let shown = directory.display();
    if let Err(error) = private::probe(directory, PROBE_BYTES) {
        let fix = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk",
            _ => "let the user of this program write there, or give another place by --state",
        };
        let text = format!("A run cannot write its state file into {shown} ({error}); {fix}");
        return report.failure(STATE, text);
    }
    match fs4::available_space(directory) {
        Ok(bytes) => {
            let (level, text) = room(directory, bytes);
            report.add(level, STATE, text);
        }
        Err(error) => report.warning(
            STATE,
            format!("How much room {shown} has could not be checked ({error})"),
        ),
    }
}

/// The directory itself, or what is there of the way to it: a file in its way, too.
fn nearest(directory: &Path) -> Option<&Path> {
    let mut parents = directory.ancestors().map(|parent| match parent == Path::new("") {
        true => Path::new("."),
        false => parent,
    });
    parents.find(|parent| parent.exists())
}

/// Judges the room of the state file's directory.
fn room(directory: &Path, bytes: u64) -> (Level, String) {
    let text = format!(
        "{} is writable and has {} left",
        directory.display(),
        HumanBytes(bytes)
    );
    match bytes < ROOM_BYTES_MIN {
        true => (
            Level::Warning,
            format!("{text}; a run stops when the disk of its state file is full, so make room first"),
        ),
        false => (Level::Ok, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_a_warning() {
        let of = |bytes| room(Path::new("state"), bytes);
        assert_eq!(
            of(ROOM_BYTES_MIN),
            (Level::Ok, "state is writable and has 256.00 MiB left".to_owned())
        );
        let (level, text) = of(ROOM_BYTES_MIN - 1);
        assert_eq!(level, Level::Warning);
        assert!(text.ends_with("make room first"), "{text}");
    }

    #[test]
    fn a_directory_that_takes_no_file_is_a_failure() {
        let home = tempfile::tempdir().unwrap();
        let of = |path: &Path| {
            let mut report = Report::default();
            directory(&mut report, path);
            report.checks.pop().unwrap()
        };
        let check = of(&home.path().join("state").join("checkpoints.redb"));
        assert_ne!(check.level, Level::Failure, "{check:?}");
        assert!(check.text.contains("is writable and has"), "{check:?}");
        assert_eq!(
            std::fs::read_dir(home.path()).unwrap().count(),
            0,
            "nothing stays"
        );
        // Nobody, not even root, makes a file there.
        #[cfg(target_os = "linux")]
        {
            let check = of(Path::new("/proc/self/checkpoints.redb"));
            assert_eq!(check.level, Level::Failure);
            assert!(
                check
                    .text
                    .starts_with("A run cannot write its state file into /proc/self ("),
                "{check:?}"
            );
        }
    }
}
