//! The help texts beside those of single options: groups of commands, examples, exit codes, the first steps.
//!
//! All of it fits a terminal of 80 columns, and each example is a command line that the program takes.

use clap::Command;
use clap::builder::StyledStr;

use crate::base::exit_code::MEANINGS;

/// Wide enough for the longest name of a command.
const NAME_WIDTH: usize = 11;

/// The commands, by what they are for. One that a build does not have is left out.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Set up", &["init", "tables", "doctor", "migrate"]),
    ("Copy", &["plan", "run", "status", "runs", "serve"]),
    ("Control a run", &["pause", "resume", "stop", "tune"]),
    ("Verify", &["counts", "reconcile", "report", "sample"]),
    ("Repair", &["rebuild", "forget"]),
    ("Try out", &["demo", "emulator"]),
    ("Learn", &["docs", "man", "completions", "help"]),
];

/// The commands that need dates, unless all their tables are reference tables.
const DATED: [&str; 2] = ["plan", "run"];

/// Commands to begin with, for `sync` itself.
const FIRST: &str = "
  sync init
  sync doctor
  sync run --from 2025-10-01 --to 2025-11-30
  sync status";

/// Examples of each command.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "init",
        "
  sync init
  sync init --dir /srv/copy
  sync init --from-source --server DB1 --database POS --user rd --schema COM",
    ),
    (
        "tables",
        "
  sync tables
  sync tables --json",
    ),
    (
        "doctor",
        "
  sync doctor
  sync doctor --json",
    ),
    (
        "migrate",
        "
  sync migrate
  sync migrate --print > migrations.sql
  sync migrate --admin reader > setup_reader.sql",
    ),
    (
        "plan",
        "
  sync plan --from 2025-10-01 --to 2025-11-30
  sync plan --from -3m --to yesterday --tables APP_4_SALES",
    ),
    (
        "run",
        "
  sync run --from 2025-10-01 --to 2025-11-30
  sync run --from -35d --to yesterday                # each night
  sync run --tables APP_4_ITEM,APP_4_STOCK           # reference tables alone",
    ),
    (
        "status",
        "
  sync status
  sync status --failed                               # and the command that puts each right
  sync status --watch
  sync status --json",
    ),
    (
        "runs",
        "
  sync runs
  sync runs --last 100 --json",
    ),
    (
        "serve",
        "
  sync serve                                         # http://127.0.0.1:8080/
  sync serve --listen 127.0.0.1:9000",
    ),
    (
        "pause",
        "
  sync pause
  sync pause --config jobs/pos.toml",
    ),
    (
        "resume",
        "
  sync resume",
    ),
    (
        "stop",
        "
  sync stop
  sync stop --wait",
    ),
    (
        "tune",
        "
  sync tune --max-workers 1 --rows-per-second 5000
  sync tune --rows-per-second 0                      # as fast as it may again
  sync tune --ignore-hours",
    ),
    (
        "counts",
        "
  sync counts
  sync counts --tables APP_4_SALES,APP_4_PAYMENT",
    ),
    (
        "reconcile",
        "
  sync reconcile                                     # target against receipts
  sync reconcile --source --from -3m --to yesterday  # and against the source
  sync reconcile --source --repair --tables APP_4_SALES",
    ),
    (
        "report",
        "
  sync report --output report.html
  sync report --month 2025-10 --output october.html
  sync report --offline --json",
    ),
    (
        "sample",
        "
  sync sample
  sync sample --tables APP_4_SALES --sample-size 100",
    ),
    (
        "rebuild",
        "
  sync rebuild",
    ),
    (
        "forget",
        "
  sync forget --table APP_4_SALES --month 2025-10 --dry-run
  sync forget --table APP_4_SALES --from 2025-01 --to 2025-06
  sync forget --table APP_4_ITEM",
    ),
    (
        "demo",
        "
  sync demo
  sync demo --dir /tmp/demo --scale 0.1",
    ),
    (
        "emulator",
        "
  sync emulator --data data --database POS --database WAREHOUSE",
    ),
    (
        "docs",
        "
  sync docs
  sync docs operations",
    ),
    (
        "man",
        "
  sync man | man -l -
  sync man --dir /usr/local/share/man/man1",
    ),
    (
        "completions",
        "
  sync completions bash > sync.bash
  sync completions powershell >> $PROFILE",
    ),
];

/// The arguments of the whole program under the name that it was called by, with all that its help says.
pub(in crate::cli) fn dressed(command: Command, name: &'static str) -> Command {
    let heading = heading_of(&command);
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{}{}\n{{options}}{{after-help}}",
        groups(&command, &heading),
        heading("Global options")
    );
    let exit_codes = MEANINGS.map(|(code, words)| format!("\n  {}  {words}", code as u8));
    let exit_codes = exit_codes.concat();
    let after = format!(
        "{}{}\n\n{}{exit_codes}\n\n{}\n  sync docs\n  sync help COMMAND",
        heading("Examples"),
        FIRST,
        heading("Exit codes"),
        heading("Documentation")
    );
    let command = command
        .name(name)
        .bin_name(name)
        .help_template(template)
        .after_help(styled(&after, name));
    command.mut_subcommands(|command| {
        let command = marked(dated(command, name));
        match EXAMPLES.iter().find(|(of, _)| *of == command.get_name()) {
            Some((_, examples)) => {
                let examples = format!("{}{examples}", heading("Examples"));
                command.after_help(styled(&examples, name))
            }
            None => command,
        }
    })
}

/// What is said to who gives no command.
pub(in crate::cli) fn first_steps(name: &str) -> String {
    let demo = if cfg!(feature = "emulator") {
        format!("\nOr see it work first, with nothing to install and no server:\n  {name} demo\n")
    } else {
        String::new()
    };
    let (init, doctor) = (format!("{name} init"), format!("{name} doctor"));
    let width = doctor.len();
    format!(
        "Copies years of tables out of a live SQL Server into a warehouse.\n\nThe first three steps:\n  \
         1. {init:width$}  writes sync.toml and .env.example, to be filled in\n  \
         2. {doctor}  checks everything, and says how to correct what is wrong\n  \
         3. {name} run --from 2025-10-01 --to 2025-11-30\n{demo}\nAll commands:\n  {name} --help\n"
    )
}

/// The commands of each group, with what they do.
fn groups(command: &Command, heading: &impl Fn(&str) -> String) -> String {
    let about = |name: &str| match name {
        "help" => Some("Print the help of a command".to_owned()),
        _ => command
            .find_subcommand(name)?
            .get_about()
            .map(StyledStr::to_string),
    };
    let mut text = String::new();
    for (title, names) in GROUPS {
        let lines: Vec<String> = names
            .iter()
            .filter_map(|name| Some(format!("  {name:NAME_WIDTH$}  {}\n", about(name)?)))
            .collect();
        if !lines.is_empty() {
            text.push_str(&format!("{}\n{}\n", heading(title), lines.concat()));
        }
    }
    text
}

/// Shows the dates of a command that needs them as its first options.
fn dated(command: Command, name: &str) -> Command {
    if !DATED.contains(&command.get_name()) {
        return command;
    }
    let usage = format!("{name} {} --from <DAY> --to <DAY> [OPTIONS]", command.get_name());
    command.override_usage(usage).mut_arg("start_date", |argument| {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        argument.help(format!(
            "{help} [required, unless all tables are reference tables]"
        ))
    })
}

/// Says of each option that must be given that it must.
fn marked(command: Command) -> Command {
    command.mut_args(|argument| match argument.get_help() {
        Some(help) if argument.is_required_set() => {
            let help = format!("{help} [required]");
            argument.help(help)
        }
        _ => argument,
    })
}

/// Writes headings in the style of those that clap writes.
fn heading_of(command: &Command) -> impl Fn(&str) -> String + use<> {
    let style = *command.get_styles().get_header();
    move |text| format!("{style}{text}:{style:#}")
}

/// Puts the program's name into the lines that are commands to type.
fn styled(text: &str, name: &str) -> StyledStr {
    text.replace("\n  sync ", &format!("\n  {name} ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments_of;

    fn help(of: Option<&str>, name: &'static str, width: usize) -> String {
        let mut program = arguments_of(name).term_width(width);
        program.build();
        let command = match of {
            Some(of) => program.find_subcommand_mut(of).unwrap(),
            None => &mut program,
        };
        command.render_help().to_string()
    }

    fn commands() -> Vec<String> {
        let program = arguments_of("sync");
        program
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect()
    }

    #[test]
    fn the_arguments_are_consistent() {
        arguments_of("sync").debug_assert();
    }

    #[test]
    fn each_command_is_in_a_group_and_has_examples() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        for command in commands() {
            assert_eq!(
                grouped.iter().filter(|name| **name == command).count(),
                1,
                "{command}"
            );
            assert!(EXAMPLES.iter().any(|(name, _)| *name == command), "{command}");
        }
    }

    #[test]
    fn each_example_is_a_command_line_that_is_taken() {
        let texts = EXAMPLES.iter().map(|(_, text)| *text).chain([FIRST]);
        let lines: Vec<&str> = texts
            .flat_map(str::lines)
            .filter(|line| !line.is_empty())
            .collect();
        assert!(lines.len() > EXAMPLES.len());
        for line in lines {
            let words: Vec<&str> = line
                .split_whitespace()
                .take_while(|word| !["#", ">", ">>", "|"].contains(word))
                .collect();
            if let Err(error) = arguments_of("sync").try_get_matches_from(&words) {
                panic!("{line}: {error}");
            }
        }
    }

    /// A terminal that is wider than 100 columns is taken for one of 100.
    #[test]
    fn no_line_is_wider_than_the_screen() {
        for width in [80, 100] {
            for of in [None]
                .into_iter()
                .chain(commands().iter().map(|name| Some(name.as_str())))
            {
                let help = help(of, "mssql-sync", width);
                let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > width).collect();
                assert!(long.is_empty(), "{of:?} at {width}: {long:#?}");
            }
        }
        assert!(first_steps("mssql-sync").lines().all(|line| line.len() <= 80));
    }

    /// Help of an option's values would put each option of each command into a paragraph of its own: the option's help
    /// says what they mean.
    #[test]
    fn help_is_the_same_in_both_forms() {
        let asked = |command: &str, form: &str| {
            let words = ["sync", command, form];
            let words = words.into_iter().filter(|word| !word.is_empty());
            arguments_of("sync")
                .try_get_matches_from(words)
                .unwrap_err()
                .to_string()
        };
        for command in commands().iter().map(String::as_str).chain([""]) {
            assert_eq!(asked(command, "-h"), asked(command, "--help"));
        }
    }

    #[test]
    fn the_global_options_are_the_last_and_the_same_in_each_command() {
        let part = |help: &str| {
            let (_, part) = help.split_once("Global options:\n").unwrap();
            part.split("\n\n").next().unwrap().to_owned()
        };
        let run = part(&help(Some("run"), "sync", 100));
        assert!(run.contains("--config <FILE>") && run.contains("--help"), "{run}");
        for command in commands() {
            let help = help(Some(&command), "sync", 100);
            assert_eq!(part(&help), run, "{command}");
            assert!(
                !help.contains("--help") || help.find("--help") > help.find("Global options:"),
                "{help}"
            );
        }
    }

    #[test]
    fn the_name_is_that_by_which_the_program_was_called() {
        for of in [None, Some("run"), Some("forget")] {
            let help = help(of, "mssql-sync", 100);
            assert!(help.contains("Usage: mssql-sync"), "{help}");
            assert!(!help.contains("\n  sync "), "{help}");
        }
        assert!(first_steps("mssql-sync").contains("1. mssql-sync init    writes"));
    }
}
