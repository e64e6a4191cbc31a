//! `sync init` writes the files to start from, for two real servers.
//!
//! It never overwrites a file: an existing file belongs to its user. Each file is its owner's alone, as it is to hold
//! passwords, and a kill leaves a whole file or none.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::private;
use crate::cli::context::{Context, result};

/// Each file's name and text.
const FILES: [(&str, &str); 2] = [
    ("sync.toml", include_str!("sync.toml")),
    (".env.example", include_str!("env.example")),
];

/// Arguments of `sync init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Directory of the files; created if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(context: &Context, args: &InitArgs) -> Result<ExitCode> {
    // Files of the current directory are shown without a leading `./`.
    let directory = if args.dir == Path::new(".") {
        Path::new("")
    } else {
        &args.dir
    };
    let mut text = String::new();
    for (name, content) in FILES {
        let path = directory.join(name);
        if write_new(&args.dir, &path, content)? {
            text.push_str(&format!("Wrote {}\n", path.display()));
        } else {
            context
                .voice
                .say(&format!("note: {} exists and is left unchanged", path.display()));
        }
    }
    text.push_str(&next(directory));
    result(&text)?;
    Ok(ExitCode::Done)
}

/// The next steps, for stdout.
fn next(directory: &Path) -> String {
    let config = directory.join("sync.toml");
    let flag = if directory == Path::new("") {
        String::new()
    } else {
        format!(" --config {}", config.display())
    };
    format!(
        "Next:\n  \
         1. Edit {}: servers, databases, users, and the tables to copy.\n  \
         2. Copy {} to .env beside it, and put the two passwords in; keep it out of git.\n  \
         3. sync doctor{flag}    checks all of it, and says what is wrong and how to put it right\n  \
         4. sync plan{flag}    says what a run would do; writes nothing\n  \
         5. sync run{flag} --start-date 2025-10-01 --end-date 2025-11-30\n",
        config.display(),
        directory.join(".env.example").display()
    )
}

/// Writes a file unless it exists; returns whether it was written.
fn write_new(directory: &Path, path: &Path, content: &str) -> Result<bool> {
    let failed = |error: std::io::Error| {
        let text = format!(
            "Cannot write {}; give a --dir that can be written",
            path.display()
        );
        Error::new(ErrorKind::Usage, text).with_source(error)
    };
    private::directory(directory)
        .and_then(|()| private::write_new(path, content.as_bytes()))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mode};

    fn written() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in FILES {
            let path = directory.path().join(name);
            assert!(write_new(directory.path(), &path, content).unwrap());
        }
        let config = directory.path().join("sync.toml");
        (directory, config)
    }

    #[test]
    fn the_configuration_needs_servers_and_passwords_only() {
        let (directory, path) = written();
        std::fs::rename(
            directory.path().join(".env.example"),
            directory.path().join(".env"),
        )
        .unwrap();
        let config = Config::load(&path, &|_| None).unwrap();
        assert!(config.source.require_replica && config.source.endpoint.encrypt);
        // Any certificate is accepted on this machine alone, and who names another server is told.
        assert!(config.source.endpoint.protection().verified);
        assert!(!config.target.endpoint.protected().1);
        let elsewhere = std::fs::read_to_string(&path).unwrap();
        let elsewhere = elsewhere.replace("\"127.0.0.1\"", "\"warehouse.example\"");
        std::fs::write(&path, elsewhere).unwrap();
        let moved = Config::load(&path, &|_| None).unwrap();
        assert!(moved.target.endpoint.protected().1);
        assert_eq!(config.target.table_prefix, "com_5013_");
        let of_mode = |mode| {
            config
                .tables
                .iter()
                .filter(|table| table.mode == mode)
                .map(|table| table.name.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of_mode(Mode::Full),
            [
                "APP_4_CASHIER_DRAWER",
                "APP_4_CUSTOMER",
                "APP_4_EXTENDEDSALESITEM",
                "APP_4_ITEM",
                "APP_4_POINTRECORD",
                "APP_4_SALESDELIVERY",
                "APP_4_STOCK",
                "APP_4_VOUCHER_MASTER",
                "LOCATION_DETAIL"
            ]
        );
        assert_eq!(of_mode(Mode::Monthly).len(), 10);
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn its_tables_are_those_of_the_demo() {
        let (_directory, path) = written();
        let config = Config::load(&path, &|_| Some("x".to_owned())).unwrap();
        let tables: Vec<_> = config
            .tables
            .iter()
            .map(|table| {
                let date = table.date_column.as_ref().map(|date| date.as_str());
                (table.name.as_str(), date)
            })
            .collect();
        let demo: Vec<_> = crate::cli::demo::tables().collect();
        assert_eq!(tables, demo);
    }

    #[test]
    fn what_is_commented_out_is_configuration_too() {
        // An unknown key in a comment would teach an error.
        let (directory, path) = written();
        let text: String = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("replica_proof") && !line.contains("ca_file"))
            .map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line)))
            .collect();
        std::fs::write(&path, text).unwrap();
        let config = Config::load(&path, &|_| Some("as long as a key must be".to_owned())).unwrap();
        assert_eq!(config.source.guard.refuse_names, ["POSPROD01"]);
        assert_eq!(config.run.settle_minutes, 60);
        assert_eq!(config.run.leaving_rows_max_percent, 10);
        drop(directory);
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let (directory, path) = written();
        std::fs::write(&path, "mine").unwrap();
        assert!(!write_new(directory.path(), &path, "ours").unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            2,
            "nothing else is left behind"
        );
    }
}
