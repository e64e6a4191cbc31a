//! The commands. Each has its own file with its arguments and its output.
//!
//! stdout carries the result only; notes, progress and errors go to stderr. Outside the tests, only this module
//! names the emulator.

mod context;
mod counts;
#[cfg(feature = "emulator")]
mod demo;
mod doctor;
mod embedded;
#[cfg(feature = "emulator")]
mod emulator;
mod forget;
mod init;
mod migrate;
mod plan;
mod profile;
mod rebuild;
mod reconcile;
mod run;
mod sample;
mod screen;
mod shared;
mod status;
mod voice;

use std::path::PathBuf;
use std::process::ExitCode as ProcessExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::base::clock::{SharedClock, SystemClock};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::process;
use context::Context;
use screen::{Color, Screen};
use voice::Voice;

/// Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the source
#[derive(Debug, Parser)]
#[command(name = "sync", version, max_term_width = 100)]
struct Cli {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "sync.toml")]
    config: PathBuf,
    /// Checkpoint file; the default is state/checkpoints.redb beside the configuration file
    #[arg(long, global = true, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write more on stderr, and lines instead of bars; twice: also each statement that is sent, without its parameters
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Form of the output on stderr
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value_t = Log::Text)]
    log: Log,
    /// When to write in colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

/// The form of the output on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    /// For people: bars on a terminal, lines elsewhere
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented sync.toml and .env.example to start from
    Init(init::InitArgs),
    /// Check configuration, state, both servers and every table; name each fault and its fix
    Doctor(doctor::DoctorArgs),
    /// Show the work of a run; write nothing
    Plan(plan::PlanArgs),
    /// Load the rows of a range of dates; resume where the last run stopped
    Run(run::RunArgs),
    /// Show the state of every table and window, also during a run; ask no server
    Status(status::StatusArgs),
    /// Compare every verified chunk again: the target with its receipts, and with --source also with the source
    Reconcile(reconcile::ReconcileArgs),
    /// Compare the row counts of source and target
    Counts(counts::CountsArgs),
    /// Prepare the target: apply the missing migrations of its schema [sync]; a run does this by itself
    Migrate(migrate::MigrateArgs),
    /// Write a few rows of each target table as JSON files
    Sample(sample::SampleArgs),
    /// Rebuild the checkpoint file from the target's receipts; keep the old file aside
    Rebuild,
    /// Forget a table's loads, or those of one month, so that the next run loads the rows again
    Forget(forget::ForgetArgs),
    /// Do the whole job on the embedded server, with made-up sales of two months
    #[cfg(feature = "emulator")]
    Demo(demo::DemoArgs),
    /// Serve the embedded server for any TDS client
    #[cfg(feature = "emulator")]
    Emulator(emulator::EmulatorArgs),
}

/// Parses the command line, runs the command and returns its exit code.
pub fn main() -> ProcessExitCode {
    crate::mssql::hush();
    let thread = std::thread::Builder::new()
        .name("main".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(command);
    // A panic has printed its own message; the exit code marks it as an internal error.
    let ended = thread.ok().and_then(|thread| thread.join().ok());
    ended.unwrap_or(ExitCode::Internal).into()
}

/// The stack of each thread. Linux gives a program's first thread as much, Windows an eighth of it, and Rust a quarter to
/// any other; a build without optimization needs more than that.
const STACK_BYTES: usize = 8 << 20;

fn command() -> ExitCode {
    // For help or wrong arguments, clap prints and exits; its exit code 2 is also our code for usage errors.
    let cli = Cli::parse();
    // Before anything reads a password.
    process::keep_out_of_dumps();
    let clock = SystemClock::shared();
    let screen = Screen::stderr(cli.color);
    let voice = Voice::new(
        cli.log == Log::Json,
        cli.verbose,
        screen,
        SharedClock::clone(&clock),
    );
    let context = Context {
        config: cli.config,
        state: cli.state,
        screen: Screen::stdout(cli.color),
        voice,
        clock,
    };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "Cannot start the threads of the program").with_source(error)
        })
        .and_then(|runtime| {
            let ended = runtime.block_on(dispatch(&context, cli.command));
            // Threads that wait for a server must not delay the end of a finished command.
            runtime.shutdown_background();
            ended
        });
    ended.unwrap_or_else(|error| {
        context.voice.error(&error);
        error.kind().exit_code()
    })
}

async fn dispatch(context: &Context, command: Command) -> Result<ExitCode> {
    match command {
        Command::Plan(args) => plan::run(context, args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Reconcile(args) => reconcile::run(context, args).await,
        Command::Counts(args) => counts::run(context, args).await,
        Command::Init(args) => init::run(context, &args),
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Migrate(args) => migrate::run(context, args).await,
        Command::Sample(args) => sample::run(context, args).await,
        Command::Rebuild => rebuild::run(context).await,
        Command::Forget(args) => forget::run(context, args).await,
        #[cfg(feature = "emulator")]
        Command::Demo(args) => demo::run(context, args).await,
        #[cfg(feature = "emulator")]
        Command::Emulator(args) => match emulator::run(args).await {
            Ok(()) => Ok(ExitCode::Done),
            Err(text) => Err(Error::new(ErrorKind::Usage, text)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Arguments are in the list of processes, and in what `Debug` prints of them.
    #[test]
    fn no_argument_is_a_password() {
        fn look(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let is_one = ["password", "secret", "token", "key"]
                    .iter()
                    .any(|word| name.contains(word));
                // It names a variable of the environment.
                assert!(
                    !is_one || name == "password_env",
                    "{} --{name}",
                    command.get_name()
                );
                assert!(
                    argument.get_env().is_none(),
                    "--{name} would be printed from the environment"
                );
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }
}
