//! The command line by itself: its help, days and names as people write them, and what is in the program to print.
//! Nothing here needs a server.

use testkit::Home;

/// A configuration of servers that nobody asks.
const CONFIG: &str = r#"[source]
server = "127.0.0.1,1"
database = "POS"
user = "reader"
password = "secret"
schema = "COM_5013"

[target]
server = "127.0.0.1,1"
database = "Warehouse"
user = "etl_user"
password = "secret"
schema = "pos"

[[table]]
name = "APP_4_SALES"
date_column = "SALES_DATE"
"#;

#[test]
fn without_a_command_the_first_steps_are_told() {
    insta::assert_snapshot!(Home::empty().sync(&[]), @r"
    stderr:
    Copies years of tables out of a live SQL Server into a warehouse.

    The first three steps:
      1. sync init    writes sync.toml and .env.example, to be filled in
      2. sync doctor  checks everything, and says how to correct what is wrong
      3. sync run --from 2025-10-01 --to 2025-11-30

    Or see it work first, with nothing to install and no server:
      sync demo

    All commands:
      sync --help
    exit code: 2
    ");
}

#[test]
fn the_help_of_the_program() {
    insta::assert_snapshot!(Home::empty().sync(&["--help"]), @r"
    stdout:
    Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the
    source

    Usage: sync [OPTIONS] <COMMAND>

    Set up:
      init         Write a commented sync.toml and .env.example to start from
      tables       List the source's tables, and how each is copied or could be
      doctor       Check configuration, state, servers and every table
      migrate      Prepare the target's schema [sync]; a run does so by itself

    Copy:
      plan         Show the work of a run; write nothing
      run          Load the rows of a range of dates; resume where it stopped
      status       Show where every table stands, also during a run
      runs         List the last runs, and what each asked of the source
      serve        Serve a page with where every table stands, for the browser

    Control a run:
      pause        Hold the run that is going after the chunks in flight
      resume       Let a paused run go on
      stop         End the run that is going after the chunks in flight
      tune         Change the pace of the run that is going

    Verify:
      counts       Compare the row counts of source and target
      reconcile    Compare again what was verified; repair what differs
      report       Write a report for an auditor, with counts and digests
      sample       Write a few rows of each target table as JSON files

    Repair:
      rebuild      Make a lost or damaged state file anew from the target
      forget       Have a table, or a month of it, loaded again

    Try out:
      demo         Do the whole job on the embedded server, with made-up sales
      emulator     Serve the embedded server for any TDS client

    Learn:
      docs         Print a page of the documentation
      man          Print the manual page, or write one for each command
      completions  Print the script by which a shell completes commands
      help         Print the help of a command

    Global options:
          --config <FILE>  Configuration file [default: sync.toml]
          --state <FILE>   State file [default: state/checkpoints.redb beside the configuration]
      -v, --verbose...     Say more on stderr, in lines instead of bars; twice: also each statement sent
          --log <FORM>     Form of stderr; json is one object a line [default: text] [possible values:
                           text, json]
          --color <WHEN>   Use of colours; auto: on a terminal, unless NO_COLOR is set [default: auto]
                           [possible values: auto, always, never]
      -h, --help           Print help
      -V, --version        Print the version

    Examples:
      sync init
      sync doctor
      sync run --from 2025-10-01 --to 2025-11-30
      sync status

    Exit codes:
      0  done
      1  a fault of the program itself
      2  the command line or the configuration is wrong
      3  rows differ, or too many would leave the target
      4  incomplete: the same command again resumes it
      5  another run holds the state file or a table
      6  the state file is damaged, or a plan has changed
      7  a server, login, right or table is not as it must be

    Documentation:
      sync docs
      sync help COMMAND
    exit code: 0
    ");
}

#[test]
fn the_help_of_a_command() {
    insta::assert_snapshot!(Home::empty().sync(&["run", "--help"]), @r"
    stdout:
    Load the rows of a range of dates; resume where it stopped

    Usage: sync run --from <DAY> --to <DAY> [OPTIONS]

    Options:
          --start-date <DAY>     First day: YYYY-MM-DD, today, yesterday, month-start, -35d (days ago)
                                 or -3m (months ago) [required, unless all tables are reference tables]
                                 [alias: --from]
          --end-date <DAY>       Last day, included, in the same form [alias: --to]
          --tables <A,B>         Only these tables of the configuration
          --max-workers <N>      Parallel windows of a table, instead of the configuration's max_workers
          --chunk-rows <N>       Most rows of a chunk, instead of the configuration's chunk_rows
          --force                Load reference tables again even if their rows are unchanged at the
                                 source
          --allow-deletes <A,B>  Delete rows of these tables that the source no longer has, however many
          --accept-source        Load although the source is another database than before; it must have
                                 the same data
          --recount              Count the rows of every window at the target, even if the table has as
                                 many as expected
          --ignore-hours         Read the source at once, outside of its hours, too
          --profile              Print at the end how often each kind of statement ran at each server,
                                 its time and its bytes
          --serve [<ADDR>]       Serve a page for the browser while the run is going, at ADDR or the
                                 configuration's address
          --dry-run              Show the work of the run and write nothing, as `sync plan` does
          --json                 Print JSON

    Global options:
          --config <FILE>  Configuration file [default: sync.toml]
          --state <FILE>   State file [default: state/checkpoints.redb beside the configuration]
      -v, --verbose...     Say more on stderr, in lines instead of bars; twice: also each statement sent
          --log <FORM>     Form of stderr; json is one object a line [default: text] [possible values:
                           text, json]
          --color <WHEN>   Use of colours; auto: on a terminal, unless NO_COLOR is set [default: auto]
                           [possible values: auto, always, never]
      -h, --help           Print help

    Examples:
      sync run --from 2025-10-01 --to 2025-11-30
      sync run --from -35d --to yesterday                # each night
      sync run --tables APP_4_ITEM,APP_4_STOCK           # reference tables alone
    exit code: 0
    ");
    Home::empty()
        .sync(&["forget", "--help"])
        .expect(0)
        .says("The table, by its name in the configuration [required]");
}

#[test]
fn the_version() {
    let version = format!("sync {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Home::empty().sync(&["--version"]).expect(0).stdout, version);
}

#[test]
fn what_was_meant_is_told() {
    let home = Home::empty();
    home.sync(&["reconcle"])
        .expect(2)
        .says("similar subcommand exists: 'reconcile'");
    home.sync(&["run", "--max-worker", "2"])
        .expect(2)
        .says("similar argument exists: '--max-workers'");
    home.sync(&["docs", "operation"])
        .expect(2)
        .says("similar value exists: 'operations'");
    let home = Home::with_config(CONFIG);
    home.sync(&["sample", "--tables", "sales"])
        .expect(2)
        .says("--tables names sales, which sync.toml does not have; did you mean APP_4_SALES?");
    home.sync(&["sample", "--tables", "CUSTOMER"])
        .expect(2)
        .says("correct the name, or add a [[table]] for it");
}

#[test]
fn days_are_taken_by_other_words_and_names() {
    let home = Home::with_config(CONFIG);
    for (first, last) in [
        ("-35d", "yesterday"),
        ("month-start", "today"),
        ("-3m", "-1d"),
        ("2025-10-01", "today"),
    ] {
        // Nobody listens there.
        home.sync(&["plan", "--from", first, "--to", last]).expect(7);
        home.sync(&["plan", "--start-date", first, "--end-date", last])
            .expect(7);
    }
    home.sync(&["plan", "--from", "today", "--to", "yesterday"])
        .expect(2)
        .says("swap them");
    home.sync(&["plan", "--from", "-35d"])
        .expect(2)
        .says("--end-date <DAY>");
    home.sync(&["plan", "--from", "--to"])
        .expect(2)
        .says("invalid value '--to' for '--start-date <DAY>': not a date: write YYYY-MM-DD, e.g. 2025-10-01");
}

#[test]
fn a_configuration_that_is_not_there_is_written_by_init() {
    let home = Home::empty();
    home.sync(&["doctor"])
        .expect(2)
        .says("write one with `sync init`");
    home.sync(&["doctor", "--config", "jobs/pos.toml"])
        .expect(2)
        .says("There is no configuration file jobs/pos.toml; correct the path, or write one with `sync --config jobs/pos.toml init`");
}

#[test]
fn scripts_and_pages_are_in_the_program() {
    let home = Home::empty();
    let script = |name: &str| home.sync(&["migrate", "--admin", name]).expect(0).stdout;
    assert_eq!(
        script("reader"),
        include_str!("../../migrations/admin/setup_reader.sql")
    );
    assert_eq!(
        script("etl-user"),
        include_str!("../../migrations/admin/setup_etl_user.sql")
    );
    assert_eq!(
        script("fix-login"),
        include_str!("../../migrations/admin/fix_login.sql")
    );
    home.sync(&["migrate", "--admin", "reader", "--print"]).expect(2);
    let page = include_str!("../../docs/operations.md");
    for name in ["operations", "docs/operations.md"] {
        assert_eq!(home.sync(&["docs", name]).expect(0).stdout, page);
    }
    let listed = home.sync(&["docs"]).expect(0);
    listed.says("glossary").says("sync docs PAGE prints one");
}

#[test]
fn manual_pages_and_completions_are_made_for_the_name_that_was_called() {
    let home = Home::empty();
    home.sync(&["man"]).expect(0).says(".TH sync 1");
    home.mssql_sync(&["man", "--dir", "man1"])
        .expect(0)
        .says("mssql-sync-run.1");
    let page = home.read("man1/mssql-sync-run.1");
    assert!(
        page.contains("start\\-date") && page.contains("mssql\\-sync run"),
        "{page}"
    );
    let script = home.mssql_sync(&["completions", "bash"]).expect(0);
    script.says("complete -F _mssql__sync").says("--max-workers");
    home.sync(&["completions", "cmd"]).expect(2).says("powershell");
}

#[test]
fn the_program_calls_itself_as_it_was_called() {
    let home = Home::empty();
    home.mssql_sync(&[])
        .expect(2)
        .says("1. mssql-sync init")
        .does_not_say(" sync ");
    home.mssql_sync(&["run", "--help"])
        .expect(0)
        .says("Usage: mssql-sync run");
    home.mssql_sync(&["doctor"])
        .expect(2)
        .says("write one with `mssql-sync init`");
    home.mssql_sync(&["status"])
        .expect(0)
        .says("`mssql-sync rebuild` makes it");
    // With the files that it was called with: a command that is copied must reach them.
    let files = ["--config", "my jobs/pos.toml", "--state", "kept/pos.redb"];
    home.mssql_sync(&[&["status"][..], &files].concat())
        .expect(0)
        .says("`mssql-sync --config \"my jobs/pos.toml\" --state kept/pos.redb rebuild` makes it");
    home.sync(&["status", "--config", "./sync.toml"])
        .expect(0)
        .says("`sync rebuild` makes it");
}
