//! `sync completions` prints the script by which a shell completes the program's commands and options.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::program;
use crate::cli::context::verbatim;

/// Arguments of `sync completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// Prints the script for the name by which the program was called.
pub(super) fn run(args: CompletionsArgs, command: Command) -> Result<ExitCode> {
    verbatim(&script(args.shell, command, program::name()))?;
    Ok(ExitCode::Done)
}

fn script(shell: Shell, mut command: Command, name: &str) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8(script).expect("a script is text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments_of;
    use clap::ValueEnum;

    #[test]
    fn each_shell_completes_commands_and_options_under_the_name_that_was_called() {
        for shell in Shell::value_variants() {
            let script = script(*shell, arguments_of("mssql-sync"), "mssql-sync");
            for word in [
                "mssql-sync",
                "reconcile",
                "max-workers",
                "start-date",
                "from",
                "config",
            ] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
        }
    }
}
