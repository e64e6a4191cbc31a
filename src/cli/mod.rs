//! The commands. Each has its own file with its arguments and its output.
//!
//! stdout carries the result only; notes, progress and errors go to stderr. Outside the tests, only this module
//! names the emulator.

mod account;
mod arguments;
mod completions;
mod context;
mod control;
mod counts;
#[cfg(feature = "emulator")]
mod demo;
mod docs;
mod doctor;
mod embedded;
#[cfg(feature = "emulator")]
mod emulator;
mod figures;
mod forget;
mod hours;
mod init;
mod man;
mod migrate;
mod noticed;
mod notices;
mod plan;
mod profile;
mod rebuild;
mod reconcile;
mod report;
mod run;
mod runs;
mod sample;
#[cfg(test)]
mod schema;
mod screen;
mod serve;
#[cfg(feature = "emulator")]
mod serving;
mod shared;
mod signals;
mod status;
mod steered;
mod tables;
mod voice;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode as ProcessExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::base::clock::{SharedClock, SystemClock};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::{process, program};
use crate::config::FILE_DEFAULT;
use arguments::help::{dressed, first_steps};
use context::Context;
use noticed::Notices;
use screen::{Color, Screen};
use voice::Voice;

/// Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the source
#[derive(Debug, Parser)]
#[command(
    name = "sync",
    version,
    max_term_width = 100,
    next_help_heading = "Global options",
    disable_help_flag = true,
    disable_version_flag = true
)]
struct Cli {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = FILE_DEFAULT)]
    config: PathBuf,
    /// State file [default: state/checkpoints.redb beside the configuration]
    #[arg(long, global = true, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Say more on stderr, in lines instead of bars; twice: also each statement sent
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Form of stderr; json is one object a line
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value_t = Log::Text)]
    log: Log,
    /// Use of colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// The form of the output on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    // No help of their own: see the test of the help.
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented sync.toml and .env.example to start from
    Init(init::InitArgs),
    /// Check configuration, state, servers and every table
    Doctor(doctor::DoctorArgs),
    /// List the source's tables, and how each is copied or could be
    Tables(tables::TablesArgs),
    /// Show the work of a run; write nothing
    Plan(plan::PlanArgs),
    /// Load the rows of a range of dates; resume where it stopped
    Run(run::RunArgs),
    /// Show where every table stands, also during a run
    Status(status::StatusArgs),
    /// List the last runs, and what each asked of the source
    Runs(runs::RunsArgs),
    /// Serve a page with where every table stands, for the browser
    Serve(serve::ServeArgs),
    /// Hold the run that is going after the chunks in flight
    Pause(control::PauseArgs),
    /// Let a paused run go on
    Resume(control::ResumeArgs),
    /// End the run that is going after the chunks in flight
    Stop(control::StopArgs),
    /// Change the pace of the run that is going
    Tune(control::TuneArgs),
    /// Compare again what was verified; repair what differs
    Reconcile(reconcile::ReconcileArgs),
    /// Compare the row counts of source and target
    Counts(counts::CountsArgs),
    /// Write a report for an auditor, with counts and digests
    Report(report::ReportArgs),
    /// Prepare the target's schema [sync]; a run does so by itself
    Migrate(migrate::MigrateArgs),
    /// Write a few rows of each target table as JSON files
    Sample(sample::SampleArgs),
    /// Make a lost or damaged state file anew from the target
    Rebuild(rebuild::RebuildArgs),
    /// Have a table, or a month of it, loaded again
    Forget(forget::ForgetArgs),
    /// Do the whole job on the embedded server, with made-up sales
    #[cfg(feature = "emulator")]
    Demo(demo::DemoArgs),
    /// Serve the embedded server for any TDS client
    #[cfg(feature = "emulator")]
    Emulator(emulator::EmulatorArgs),
    /// Print a page of the documentation
    Docs(docs::DocsArgs),
    /// Print the manual page, or write one for each command
    Man(man::ManArgs),
    /// Print the script by which a shell completes commands
    Completions(completions::CompletionsArgs),
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

/// The arguments of the program under this name.
fn arguments_of(name: &'static str) -> clap::Command {
    dressed(Cli::command(), name)
}

fn command() -> ExitCode {
    program::called(std::env::args_os().next().as_deref());
    if std::env::args_os().len() < 2 {
        // A closed stderr changes nothing.
        let _ = std::io::stderr().write_all(first_steps(program::name()).as_bytes());
        return ExitCode::Usage;
    }
    // For help or wrong arguments, clap prints and exits; its exit code 2 is also our code for usage errors.
    let matches = arguments_of(program::name()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    context::works_on(&cli.config, cli.state.as_deref());
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
        notices: Notices::default(),
        clock,
    };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "Cannot start the threads of the program").with_source(error)
        })
        .map(|runtime| {
            let ended = runtime.block_on(told(&context, cli.command));
            // Threads that wait for a server must not delay the end of a finished command.
            runtime.shutdown_background();
            ended
        });
    ended.unwrap_or_else(|error| {
        context.voice.error(&error);
        error.kind().exit_code()
    })
}

/// Does the command, and tells how it ended.
async fn told(context: &Context, command: Command) -> ExitCode {
    match dispatch(context, command).await {
        Ok(exit) => {
            context.notices.end(exit, None).await;
            exit
        }
        Err(error) => {
            context.voice.error(&error);
            let exit = error.kind().exit_code();
            context.notices.end(exit, Some(&error.chain())).await;
            exit
        }
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<ExitCode> {
    match command {
        Command::Plan(args) => plan::run(context, args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Runs(args) => runs::run(context, args).await,
        Command::Serve(args) => serve::run(context, args).await,
        Command::Pause(args) => control::pause(context, args).await,
        Command::Resume(args) => control::resume(context, args).await,
        Command::Stop(args) => control::stop(context, args).await,
        Command::Tune(args) => control::tune(context, args).await,
        Command::Reconcile(args) => reconcile::run(context, args).await,
        Command::Counts(args) => counts::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Init(args) => init::run(context, args).await,
        Command::Tables(args) => tables::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Migrate(args) => migrate::run(context, args).await,
        Command::Sample(args) => sample::run(context, args).await,
        Command::Rebuild(args) => rebuild::run(context, args).await,
        Command::Docs(args) => docs::run(&args),
        Command::Man(args) => man::run(&args, arguments_of(program::name())),
        Command::Completions(args) => completions::run(args, arguments_of(program::name())),
        Command::Forget(args) => forget::run(context, args).await,
        #[cfg(feature = "emulator")]
        Command::Demo(args) => demo::run(context, args).await,
        #[cfg(feature = "emulator")]
        Command::Emulator(args) => emulator::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
