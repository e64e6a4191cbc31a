//! `docs/operations.md` against the program: exit codes, flags, keys of the configuration, and the messages that it
//! quotes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mssql_sync::base::exit_code::ExitCode;
use testkit::{Project, Server};

/// All commands of the program.
pub(crate) const COMMANDS: [&str; 24] = [
    "init",
    "doctor",
    "tables",
    "plan",
    "run",
    "status",
    "runs",
    "serve",
    "pause",
    "resume",
    "stop",
    "tune",
    "reconcile",
    "counts",
    "report",
    "migrate",
    "sample",
    "rebuild",
    "forget",
    "demo",
    "emulator",
    "docs",
    "man",
    "completions",
];

/// Each sentence of the page that names the exit code of a command, by words of its own; the test that holds the
/// program to it, and the words by which it does.
const ENDS: &[(&str, &str, &str)] = &[
    (
        "those in flight are loaded, and the run ends with exit code 4",
        "a_limit_ends_a_run_politely_and_each_run_comes_further",
        "[\"exit_code\"], 4",
    ),
    (
        "A run that waits ends at once by Ctrl-C, with exit code 4",
        "the_program_says_until_when_it_waits_and_stops_at_once",
        "Some(4)",
    ),
    (
        "If both ends are one database then, the command writes nothing and ends with exit code 7",
        "a_table_that_is_its_own_target_under_another_name_of_the_server",
        "7)",
    ),
    (
        "or no login is sent there and the command ends with exit code 7",
        "a_redirect_is_said_and_another_host_must_be_listed",
        "expect(7)",
    ),
    (
        "would leave, nothing is loaded there and the command ends with exit code 3",
        "is_braked",
        "exits(3)",
    ),
    (
        "refused with exit code 7, before anything is written. A machine without a key",
        "another_key_is_refused",
        "(&job::RUN_IN_TURN, 7)",
    ),
    (
        "Windows that overlap are refused with exit code 6",
        "a_window_that_hands_changed_is_refused",
        "expect(6)",
    ),
    (
        "a table whose columns the login reads masked is refused with exit code 7",
        "a_table_of_masks_is_refused",
        "run(&project, 7)",
    ),
    (
        "a table that returns a column which its catalog does not show to the login is refused with exit code 7",
        "a_column_that_the_catalog_does_not_show_is_refused",
        "run(&project, 7)",
    ),
    (
        "It ends with exit code 7 if anything fails, and with 2 if the configuration is wrong",
        "rights_that_are_missing",
        "7)",
    ),
    (
        "It ends with exit code 6 if a plan has changed",
        "what_cannot_be_worked_on_is_told_and_hides_nothing",
        "&[], 6)",
    ),
    (
        "without one of them the command ends with exit code 2",
        "an_emulator_that_other_machines_reach_needs_a_login_and_tls",
        "expect(2)",
    ),
    (
        "and so after one of these has changed, every command ends at once with exit code 7",
        "what_never_worked_is_an_error_at_once_for_each_command",
        "(7, \"Nobody listens\")",
    ),
    (
        "Ctrl-C while it fills drops that table and ends with exit code 4",
        "a_demo_that_is_interrupted_while_it_fills_says_so_and_goes_on_in_its_directory",
        "Some(4)",
    ),
    (
        "a command with an embedded end there, end with exit code 5",
        "a_second_one_on_the_same_directory_is_refused_and_told_of_the_first",
        "exits(5)",
    ),
    (
        "a closed console window or a shutdown stops a run with exit code 4",
        "a_chunk_in_flight_is_committed_first",
        "4)",
    ),
    (
        "If the address is taken, `sync serve` ends with exit code 2",
        "a_port_that_is_taken_ends_serve_and_no_run",
        "&taken]).await.expect(2)",
    ),
    (
        "needs a `token` in [`[serve]`](#configure), or the command ends with exit code 2",
        "a_port_that_is_taken_ends_serve_and_no_run",
        "all]).await.expect(2)",
    ),
    (
        "finishes its chunks in flight and ends with exit code 4",
        "a_pause_survives_no_end_and_a_stop_ends_a_paused_run",
        "expect(4)",
    ),
    (
        "A request that reaches no run ends with exit code 2",
        "without_a_run_it_is_said",
        "expect(2)",
    ),
    (
        "refused because a run is loading the table (exit code 5)",
        "not_while_a_run_has_the_store",
        "expect(5)",
    ),
    (
        "nothing is forgotten and it ends with exit code 4",
        "the_question_is_asked_on_a_terminal",
        "(\"n\\n\", 4,",
    ),
    (
        "A month that was never loaded is refused with exit code 2",
        "a_month_is_loaded_again_and_nothing_else",
        "expect(2)",
    ),
    (
        "`counts` warns of it and ends with exit code 4",
        "a_window_that_ended_unfinished_is_not_done",
        "4)",
    ),
    (
        "A month of which none of them has anything is refused with exit code 2",
        "what_is_not_complete_is_named_with_its_command",
        "expect(2)",
    ),
    (
        "the report is written all the same, says so, and the command ends with exit code 7",
        "a_server_that_is_away_keeps_nobody_from_a_report",
        "&[], 7)",
    ),
    (
        "if days still differ then, it ends with exit code 4",
        "a_chain_that_is_longer_than_the_passes_of_a_run_is_named_and_followed_by_the_next",
        "exits(4)",
    ),
    (
        "Each run (exit code 4) and `sync status` tell the number of these rows",
        "a_row_that_cannot_be_followed_is_named_until_all_was_compared",
        "exits(4)",
    ),
    (
        "The run counts and names them, and ends with exit code 4",
        "rows_of_days_to_come_are_named_where_they_are_asked_for",
        "exits(4)",
    ),
    (
        "the command names the table, says what to run, and ends with exit code 4",
        "rows_that_keep_moving_are_told",
        "expect(4)",
    ),
    (
        "It never empties a reference table unasked. It names the window and ends with exit code 3",
        "a_repair_from_a_source_that_was_emptied_is_braked",
        "exits(3)",
    ),
    (
        "there is no file; the command says so and ends with exit code 4",
        "a_table_that_is_not_there_yet_is_said_and_ends_with_4",
        "expect(4)",
    ),
    (
        "After `outage_max_minutes` the run ends with exit code 4",
        "a_primary_that_stays_one_ends_the_run_in_time_and_is_refused_by_the_next",
        "ExitCode::Incomplete",
    ),
    (
        "A run that meets a primary at its first contact is refused with exit code 7",
        "a_primary_that_stays_one_ends_the_run_in_time_and_is_refused_by_the_next",
        "expect(7)",
    ),
    (
        "The run stops at once with the server's own words and exit code 4",
        "a_target_that_is_full_stops_the_run_with_the_cause",
        "job.run(4)",
    ),
    (
        "The run stops with exit code 6 and names the file. The chunks that the target has committed are safe",
        "the_disk_fills_up_while_a_run_is_going",
        "code(), 6",
    ),
    (
        "names table and window, and ends with exit code 3. Look at the source",
        "a_source_that_lost_days_is_braked",
        "exits(3)",
    ),
    (
        "(shop B for shop A) is refused with exit code 6",
        "is_refused_until_accepted",
        "exits(6)",
    ),
    (
        "takes the name while a run is going ends that run with exit code 7",
        "another_database_that_takes_the_name_in_the_middle_of_a_run_is_not_read",
        "expect(7)",
    ),
    (
        "the run says so and ends with exit code 4: it loads only rows",
        "a_clock_that_is_behind_is_said_and_loses_nothing",
        "exits(4)",
    ),
    (
        "A name that is no column of the table is refused with exit code 7",
        "a_name_that_is_no_column_or_that_the_table_needs_is_refused",
        "run(&project, 7)",
    ),
    (
        "if they change, a run refuses the table with exit code 6",
        "an_exclusion_of_a_loaded_table_changes_with_a_forget_alone",
        "run(&project, 6)",
    ),
    (
        "the server refuses the value (exit code 4)",
        "a_value_that_another_type_does_not_hold_is_refused",
        "\"'eight'\", 4",
    ),
    (
        "the first value that no longer fits fails its window at once (exit code 4)",
        "a_column_that_is_widened_in_mid_run_is_told_at_once",
        "run(&project, 4)",
    ),
    (
        "the message names the first column that differs (exit code 3)",
        "a_value_that_another_type_does_not_hold_is_refused",
        "\"' 8'\", 3",
    ),
    (
        "A narrower one is refused with exit code 7",
        "a_narrower_target_is_refused_and_mended_by_the_statement_that_is_given",
        "run(&project, 7)",
    ),
    (
        "to whose type no server converts the source's values is refused with exit code 7",
        "a_conversion_that_no_server_has_is_refused_before_a_row_is_read",
        "run(&project, 7)",
    ),
    (
        "The run refuses a table with exit code 6",
        "is_refused_and_then_loaded_anew",
        "code(), 6",
    ),
    (
        "The run refuses it with exit code 7, names it and continues with the others",
        "a_table_that_was_dropped_stops_no_other",
        "expect(7)",
    ),
    (
        "Any other refuses the table with exit code 6",
        "a_lost_record_comes_from_a_state_file_that_knows_the_receipts",
        "expect(6)",
    ),
    (
        "The other waits a minute and ends with exit code 5",
        "a_table_that_another_machine_keeps_is_waited_for_a_minute_and_named",
        "exit_code() as i32, 5",
    ),
    (
        "The run ends within three minutes with exit code 7",
        "a_password_that_was_changed_does_not_lock_the_login",
        "ErrorKind::Login =>",
    ),
];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    std::fs::read_to_string(path).expect("the page is there")
}

/// The section of the page with this heading.
fn section(heading: &str) -> String {
    let page = page();
    let start = page
        .find(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let rest = &page[start + 1..];
    rest[..rest.find("\n## ").unwrap_or(rest.len())].to_owned()
}

/// The cells of the rows of all tables in a text, without their headings.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = lines
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let headings = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row[0].starts_with("---"));
    let headings: BTreeSet<usize> = headings.flat_map(|(at, _)| [at, at - 1]).collect();
    let rows = rows.into_iter().enumerate();
    rows.filter(|(at, _)| !headings.contains(at))
        .map(|(_, row)| row)
        .collect()
}

/// The records of the log that the page names, with their fields.
pub(crate) fn records_told() -> BTreeMap<String, BTreeSet<String>> {
    let page = section("Log files");
    let rows = rows(&page).into_iter().map(|row| {
        let message = between(row[0], '`').next().expect("a message").to_owned();
        (
            message,
            between(row[1], '`')
                .map(ToOwned::to_owned)
                .filter(|field| !field.starts_with('-'))
                .collect(),
        )
    });
    rows.collect()
}

/// The texts between a pair of marks.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// The long flags in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words
        .filter(|word| word.len() > 3 && word.starts_with("--") && word.as_bytes()[2] != b'-')
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let codes = [
        ExitCode::Done,
        ExitCode::Internal,
        ExitCode::Usage,
        ExitCode::Mismatch,
        ExitCode::Incomplete,
        ExitCode::Busy,
        ExitCode::State,
        ExitCode::Preflight,
    ];
    let section = section("Exit codes");
    let told: Vec<(String, String)> = rows(&section)
        .iter()
        .map(|row| {
            (
                row[0].to_owned(),
                row[1].split(' ').next().expect("a word").to_owned(),
            )
        })
        .collect();
    let known = codes.map(|code| ((code as u8).to_string(), format!("{code:?}").to_lowercase()));
    assert_eq!(told, known);
}

#[tokio::test]
async fn every_flag_is_told_and_every_flag_that_is_told_is_there() {
    let server = Server::start().await;
    let project = Project::new(&server, "");
    let mut there = flags("--help --version");
    for command in COMMANDS {
        there.extend(flags(&project.sync(&[command, "--help"]).await.expect(0).stdout));
    }
    let page = page();
    let own = page.lines().filter(|line| !line.contains("cargo "));
    let told = flags(&own.collect::<Vec<_>>().join("\n"));
    // The page leaves the embedded server's flags to its own help.
    let left_out = flags(&project.sync(&["emulator", "--help"]).await.expect(0).stdout);
    let untold = there.difference(&told);
    let untold: Vec<_> = untold
        .filter(|flag| *flag != "--version" && !left_out.contains(*flag))
        .collect();
    assert!(untold.is_empty(), "flags that the page does not name: {untold:?}");
    let missing: Vec<_> = told.difference(&there).collect();
    assert!(missing.is_empty(), "flags that no command has: {missing:?}");
}

#[tokio::test]
async fn every_key_of_the_configuration_is_told() {
    let server = Server::start().await;
    let mut known = BTreeSet::new();
    let others = "[serve]\n[metrics]\ntextfile = \"sync.prom\"\n[notify]\ncommand = [\"x\"]\n[log]\ndirectory = \"logs\"\n\
                  [[table]]\nname = \"T\"\n";
    for section in [
        "[source]",
        "[source.hours]",
        "[target]",
        "[run]",
        "[serve]",
        "[metrics]",
        "[notify]",
        "[log]",
        "[[table]]",
    ] {
        let hours = "[source.hours]\nallow = [\"22:00-07:00\"]";
        let project = Project::with(&server, hours, "", others);
        project.configure(&format!("{section}\n"), &format!("{section}\nno_such_key = 1\n"));
        let refused = project.sync(&["doctor"]).await.expect(2);
        let said = refused.said();
        let (_, keys) = said
            .split_once("known keys are ")
            .unwrap_or_else(|| panic!("{section}: {said}"));
        let keys = keys.lines().next().expect("a line").split(", ");
        known.extend(keys.map(|key| key.trim().to_owned()));
    }
    let configure = section("Configure");
    let rows = rows(&configure);
    let told: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| between(row[0], '`'))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(told, known);
}

/// The page quotes what the program says between quotation marks.
#[test]
fn what_is_quoted_is_said() {
    let page = page();
    let mut fenced = page.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    // A quotation mark in code is none.
    let code: Vec<String> = between(&fenced, '`').map(ToOwned::to_owned).collect();
    for code in code {
        fenced = fenced.replace(&format!("`{code}`"), "");
    }
    let quoted = between(&fenced, '"').map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let quoted: BTreeSet<String> = quoted.collect();
    let sources = sources();
    let unsaid: Vec<_> = quoted
        .iter()
        .filter(|text| !sources.contains(text.as_str()))
        .collect();
    assert!(unsaid.is_empty(), "nothing in src says {unsaid:#?}");
    assert!(quoted.len() >= 5, "{quoted:?}");
}

/// The text of all files of Rust in a folder of the repository.
fn text_of(folder: &str) -> String {
    let mut all = String::new();
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push_str(&std::fs::read_to_string(path).expect("a file"));
        }
    }
    all
}

/// All sources, with the texts that go on in the next line put together.
fn sources() -> String {
    let all = text_of("src");
    let lines = all.split("\\\n").enumerate();
    lines
        .map(|(at, part)| if at == 0 { part } else { part.trim_start() })
        .collect()
}

#[test]
fn every_exit_code_that_the_page_names_is_tested() {
    let page = page().split_whitespace().collect::<Vec<_>>().join(" ");
    let codes = page.split("exit code ").skip(1);
    let told = codes
        .filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
        .count();
    let tests = text_of("tests");
    assert_eq!(
        told,
        ENDS.len(),
        "sentences with an exit code, and those that are listed"
    );
    for (sentence, test, held) in ENDS {
        assert!(page.contains(sentence), "the page does not say: {sentence}");
        let body = tests.split_once(&format!("fn {test}(")).map(|(_, body)| body);
        let body = body.unwrap_or_else(|| panic!("there is no test {test}"));
        let body = &body[..body.find("\n}\n").expect("its end")];
        assert!(
            body.contains(held),
            "{test} does not have {held}, for: {sentence}"
        );
    }
}
