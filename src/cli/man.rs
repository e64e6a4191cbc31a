//! `sync man` prints the program's manual page, or writes it and one for each command into a directory.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::private;
use crate::cli::context::verbatim;

/// Arguments of `sync man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Directory of the pages, one for each command; created if it does not exist
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, command: Command) -> Result<ExitCode> {
    let pages = pages(command);
    match &args.dir {
        None => verbatim(&pages[0].1)?,
        Some(directory) => {
            let mut text = String::new();
            for (name, page) in &pages {
                let path = directory.join(name);
                write(directory, &path, page)?;
                text.push_str(&format!("Wrote {}\n", path.display()));
            }
            verbatim(&text)?;
        }
    }
    Ok(ExitCode::Done)
}

/// The pages with the names of their files, the program's own first.
fn pages(mut command: Command) -> Vec<(String, String)> {
    // Makes what is derived: the names of the commands, and the options that all of them have.
    command.build();
    let of_commands = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help");
    std::iter::once(&command).chain(of_commands).map(page).collect()
}

fn page(command: &Command) -> (String, String) {
    // Its name is `sync-run`, as the page is asked for.
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page).expect("memory takes all of it");
    (
        man.get_filename(),
        String::from_utf8(page).expect("a page is text"),
    )
}

fn write(directory: &Path, path: &Path, page: &str) -> Result<()> {
    private::directory(directory)
        .and_then(|()| private::write(path, page.as_bytes()))
        .map_err(|error| {
            let text = format!(
                "Cannot write {}; give a --dir that can be written",
                path.display()
            );
            Error::new(ErrorKind::Usage, text).with_source(error)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments_of;

    #[test]
    fn each_command_has_a_page() {
        let pages = pages(arguments_of("mssql-sync"));
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "mssql-sync.1");
        for command in arguments_of("mssql-sync").get_subcommands() {
            let file = format!("mssql-sync-{}.1", command.get_name());
            assert!(names.contains(&file.as_str()), "{file} in {names:?}");
        }
        for (name, page) in &pages {
            assert!(
                page.contains(".SH \"GLOBAL OPTIONS\"") && page.contains("Examples"),
                "{name}: {page}"
            );
            assert!(!page.contains('\u{1b}'), "{name}: {page}");
        }
        let run = &pages
            .iter()
            .find(|(name, _)| name == "mssql-sync-run.1")
            .unwrap()
            .1;
        assert!(
            run.contains("max\\-workers") && run.contains("mssql\\-sync run"),
            "{run}"
        );
    }
}
