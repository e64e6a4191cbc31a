//! What the program says and how it exits: messages and exit codes are an interface that people and scripts
//! depend on, so each is a snapshot.

use testkit::{Ended, Home};

/// A configuration of two real-looking servers that nothing needs to answer.
const CONFIG: &str = r#"[source]
server = "127.0.0.1,PORT"
database = "POS"
user = "reader"
password = "${SOURCE_PASSWORD}"
schema = "COM_5013"
encrypt = false

[target]
server = "127.0.0.1,PORT"
database = "Warehouse"
user = "etl_user"
password = "${TARGET_PASSWORD}"
schema = "dbo"
encrypt = false

[[table]]
name = "APP_4_SALES"
date_column = "SALES_DATE"
"#;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-02"];

/// A directory with that configuration, for a port on which nobody listens.
fn home() -> Home {
    Home::with_config(&CONFIG.replace("PORT", "1"))
}

fn run(home: &Home) -> Ended {
    home.sync_with(
        &RUN,
        &[
            ("SOURCE_PASSWORD", "secret-of-source"),
            ("TARGET_PASSWORD", "secret-of-target"),
        ],
    )
}

#[test]
fn no_configuration_file() {
    let said = Home::empty().sync(&RUN);
    insta::assert_snapshot!(said, @r"
    stderr:
    error: There is no configuration file sync.toml in this directory; name yours with --config FILE, or write one with `sync init`
    exit code: 2
    ");
}

#[test]
fn unknown_config_key() {
    let home = Home::with_config(&CONFIG.replace("user = \"reader\"", "usr = \"reader\""));
    insta::assert_snapshot!(run(&home), @r"
    stderr:
    error: sync.toml, line 4: Unknown key `usr` in [source]; did you mean `user`? The known keys are server, port, database, user, password, schema, encrypt, trust_server_certificate, ca_file, require_replica, replica_proof, replica_names, refuse_names, redirect_hosts, rows_per_second, mib_per_second, queries_per_second, query_ms_target, replica_lag_max_seconds, hours
    exit code: 2
    ");
}

#[test]
fn missing_variable() {
    insta::assert_snapshot!(home().sync(&RUN), @r"
    stderr:
    error: sync.toml, line 5: The variable SOURCE_PASSWORD is not set; set it in the environment or write SOURCE_PASSWORD=… into .env
    exit code: 2
    ");
}

#[test]
fn start_after_end() {
    let said = home().sync(&["run", "--start-date", "2025-11-30", "--end-date", "2025-10-01"]);
    insta::assert_snapshot!(said, @r"
    stderr:
    error: --start-date 2025-11-30 is after --end-date 2025-10-01; both are inclusive, swap them
    exit code: 2
    ");
}

#[test]
fn bad_date() {
    let said = home().sync(&["run", "--start-date", "01/10/2025", "--end-date", "2025-10-02"]);
    insta::assert_snapshot!(said, @r"
    stderr:
    error: invalid value '01/10/2025' for '--start-date <DAY>': not a date: write YYYY-MM-DD, e.g. 2025-10-01, or one of today, yesterday, month-start, -35d (35 days ago), -3m (3 months ago)

    For more information, try '--help'.
    exit code: 2
    ");
}

#[test]
fn no_such_day() {
    let said = home().sync(&["run", "--start-date", "2025-10-01", "--end-date", "2025-11-31"]);
    insta::assert_snapshot!(said, @r"
    stderr:
    error: invalid value '2025-11-31' for '--end-date <DAY>': not a date: November 2025 has 30 days

    For more information, try '--help'.
    exit code: 2
    ");
}

#[test]
fn workers_out_of_range() {
    let said = home().sync(&[&RUN[..], &["--max-workers", "0"]].concat());
    insta::assert_snapshot!(said, @r"
    stderr:
    error: invalid value '0' for '--max-workers <N>': 0 is not in 1..=16

    For more information, try '--help'.
    exit code: 2
    ");
}

#[test]
fn chunk_rows_out_of_range() {
    let said = home().sync(&[&RUN[..], &["--chunk-rows", "1000001"]].concat());
    insta::assert_snapshot!(said, @r"
    stderr:
    error: invalid value '1000001' for '--chunk-rows <N>': 1000001 is not in 1..=1000000

    For more information, try '--help'.
    exit code: 2
    ");
}

#[test]
fn unknown_table_in_tables() {
    let secrets = [("SOURCE_PASSWORD", "a"), ("TARGET_PASSWORD", "b")];
    let said = home().sync_with(
        &[&RUN[..], &["--tables", "APP_4_SALES,APP_4_SALE"]].concat(),
        &secrets,
    );
    insta::assert_snapshot!(said, @r"
    stderr:
    error: --tables names APP_4_SALE, which sync.toml does not have; did you mean APP_4_SALES?
    exit code: 2
    ");
}

#[test]
fn a_state_file_that_is_none() {
    let home = home();
    home.write(
        "state/checkpoints.redb",
        "not a redb file, and long enough to look like one".repeat(200),
    );
    insta::assert_snapshot!(run(&home), @r"
    stderr:
    error: The state file state/checkpoints.redb is damaged; it is left as it is: `sync rebuild` keeps it aside and makes it anew from the target's receipts: I/O error: Not a redb database: magic number mismatch
    exit code: 6
    ");
    insta::assert_snapshot!(home.sync(&["status"]), @r"
    stderr:
    error: The state file state/checkpoints.redb is damaged; it is left as it is: `sync rebuild` keeps it aside and makes it anew from the target's receipts: I/O error: Not a redb database: magic number mismatch
    exit code: 6
    ");
}

#[test]
fn nobody_listens() {
    let said = run(&home());
    assert!(!said.to_string().contains("secret-of"), "{said}");
    insta::assert_snapshot!(said, @r"
    stderr:
    run RUN-ID: 1 table from 2025-10-01 to 2025-10-02, 2 windows at once
    error: Nobody listens at 127.0.0.1:1 for the source; start SQL Server, enable TCP/IP for it, or correct the port: Connection refused (os error 111)
    exit code: 7
    ");
}

#[test]
fn status_before_anything_ran() {
    let home = home();
    insta::assert_snapshot!(home.sync(&["status"]), @r"
    stdout:
    Total: 0 rows verified, 0 chunks
    stderr:
    note: there is no state file state/checkpoints.redb: no run has been here, or it was lost; a run or `sync rebuild` makes it from what the target proves
    exit code: 0
    ");
    insta::assert_snapshot!(home.sync(&["status", "--json"]), @r#"
    stdout:
    {
      "schema_version": 1,
      "earlier_reconciles": [],
      "forgetting": [],
      "pace": {
        "decisions": [],
        "figures": null,
        "held": null,
        "hours": null
      },
      "reconcile": null,
      "run": null,
      "tables": [],
      "totals": {
        "chunks": 0,
        "failed": 0,
        "mismatched": 0,
        "rows": 0,
        "stale": 0,
        "verified": 0
      }
    }
    stderr:
    note: there is no state file state/checkpoints.redb: no run has been here, or it was lost; a run or `sync rebuild` makes it from what the target proves
    exit code: 0
    "#);
}

#[test]
fn config_and_state_are_where_the_flags_say() {
    let home = Home::empty();
    home.write("elsewhere/my.toml", CONFIG.replace("PORT", "1"));
    let secrets = [("SOURCE_PASSWORD", "a"), ("TARGET_PASSWORD", "b")];
    let said = home.sync_with(&[&["--config", "elsewhere/my.toml"], &RUN[..]].concat(), &secrets);
    assert_eq!(said.code(), 7, "{said}");
    assert!(
        home.path("elsewhere/state/checkpoints.redb").is_file(),
        "state is beside the configuration"
    );
    let flags = ["--config", "elsewhere/my.toml", "--state", "own/file.redb"];
    let said = home.sync_with(&[&flags[..], &RUN[..]].concat(), &secrets);
    assert_eq!(said.code(), 7, "{said}");
    assert!(home.path("own/file.redb").is_file(), "--state names the file");
}

#[test]
fn log_as_json() {
    let said = home().sync_with(
        &[&RUN[..], &["--log", "json"]].concat(),
        &[
            ("SOURCE_PASSWORD", "secret-of-source"),
            ("TARGET_PASSWORD", "secret-of-target"),
        ],
    );
    assert_eq!(said.code(), 7, "{said}");
    let events: Vec<serde_json::Value> = said
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("every line is JSON"))
        .collect();
    let last = events.last().expect("something is logged");
    assert_eq!(last["level"], "ERROR");
    assert_eq!(last["fields"]["exit_code"], 7);
    assert!(!said.stderr.contains("secret-of"), "{said}");
}

#[test]
fn init_writes_what_to_start_from_and_overwrites_nothing() {
    let home = Home::empty();
    insta::assert_snapshot!(home.sync(&["init", "--dir", "new"]), @r"
    stdout:
    Wrote new/sync.toml
    Wrote new/.env.example
    Next:
      1. Edit new/sync.toml: servers, databases, users, and the tables to copy.
      2. Copy new/.env.example to .env beside it, and put the two passwords in; keep it out of git.
      3. sync doctor --config new/sync.toml
         checks all of it, and says what is wrong and how to correct it
      4. sync plan --config new/sync.toml --from 2025-10-01 --to 2025-11-30
         says what a run would do; writes nothing
      5. sync run --config new/sync.toml --from 2025-10-01 --to 2025-11-30
         copies these days; run it again after an interruption
    exit code: 0
    ");
    let config = std::fs::read_to_string(home.path("new/sync.toml")).expect("it was written");
    home.write("new/sync.toml", "mine");
    let said = home.sync(&["init", "--dir", "new"]);
    assert_eq!(said.code(), 0, "{said}");
    assert!(said.stderr.contains("note: new/sync.toml exists"), "{said}");
    assert_eq!(
        std::fs::read_to_string(home.path("new/sync.toml")).expect("it is there"),
        "mine"
    );
    // In the directory at hand it is what every other command reads.
    let said = home.sync(&["init"]);
    assert!(said.stdout.starts_with("Wrote sync.toml\n"), "{said}");
    assert!(said.stdout.contains("3. sync doctor\n"), "{said}");
    assert_eq!(
        std::fs::read_to_string(home.path("sync.toml")).expect("it was written"),
        config
    );
}

#[test]
fn an_emulator_that_other_machines_reach_needs_a_login_and_tls() {
    let home = Home::empty();
    let user = ["--user", "sa", "--password-env", "EMULATOR_PASSWORD"];
    for flags in [&[][..], &user, &["--tls", "required"]] {
        let args = [&["emulator", "--data", "data", "--listen", "0.0.0.0:0"], flags].concat();
        let ended = home
            .sync_with(&args, &[("EMULATOR_PASSWORD", "secret")])
            .expect(2);
        let ended = ended.says("can be reached from other machines");
        ended.says("give --user, --password-env with a password, and --tls required");
        assert!(!home.path("data").exists(), "It made files before it refused");
    }
}

/// Nothing is here: the note tells where it looked.
#[test]
fn status_in_a_directory_of_something_else() {
    let home = Home::empty();
    insta::assert_snapshot!(home.sync(&["status"]), @r"
    stdout:
    Total: 0 rows verified, 0 chunks
    stderr:
    note: there is no configuration file DIR/sync.toml: change to the directory of yours, name it with --config FILE, or write one with `sync init`
    note: there is no state file state/checkpoints.redb: no run has been here, or it was lost; a run or `sync rebuild` makes it from what the target proves
    exit code: 0
    ");
}

/// A configuration that is named is missed, whether the state file is there or not.
#[test]
fn status_of_a_configuration_that_is_missing() {
    let home = home();
    let missing = "There is no configuration file nope.toml; correct the path";
    home.sync(&["status", "--config", "nope.toml"])
        .exits(0)
        .says(&format!("warning: {missing}"))
        .says("note: there is no state file");
    // The run reaches no server, but leaves a state file.
    run(&home).exits(7);
    home.sync(&["status", "--config", "nope.toml"])
        .exits(0)
        .says(&format!("warning: {missing}"))
        .says("; this is what the state file state/checkpoints.redb has")
        .says("Last run");
}
