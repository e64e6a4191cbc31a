//! The demo, through the program itself: it does the whole job once, and nothing the second time.

mod common;
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::Home;
use mssql_sync::emulator::{Emulator, EmulatorOptions};
use support::Client;

/// Rows of each table at the scale of these tests.
const SCALE: &str = "0.01";

const COUNTS: &str = "\
| Table                     | Row Count | Status |
| ------------------------- | --------- | ------ |
| APP_4_SALES               | 446       | ✓      |
| APP_4_SALESITEM           | 2,274     | ✓      |
| APP_4_PAYMENT             | 441       | ✓      |
| APP_4_VOIDSALESITEM       | 29        | ✓      |
| APP_4_SALESCREDITNOTE     | 0         | ○      |
| APP_4_SALESCREDITNOTEITEM | 0         | ○      |
| APP_4_SALESDEBITNOTE      | 0         | ○      |
| APP_4_SALESDEBITNOTEITEM  | 0         | ○      |
| APP_4_EPAYMENTLOG         | 0         | ○      |
| APP_4_VOUCHER             | 737       | ✓      |
| **TOTAL**                 | **3,927** |        |
";

const NOTHING_TO_DO: &str = "Everything is already loaded and verified: 3,927 rows in 10 tables. \
                             No row was read from the source.\n";

const RANGE: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-11-30"];

/// Plain connections to the demo's databases, served by an emulator of the test's own.
async fn look_into(home: &Home, directory: &str) -> (Emulator, Client, Client) {
    let options = EmulatorOptions::new(home.path(directory).join("data"));
    let emulator = Emulator::start(options)
        .await
        .expect("the demo's data is an emulator's");
    let host = emulator.addr().ip().to_string();
    let connect = |database| Client::connect(&host, emulator.addr().port(), "any", "any", database);
    let (source, target) = (connect("POS").await, connect("Warehouse").await);
    (emulator, source, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_job_and_then_nothing() {
    let home = Home::empty();
    let said = home.sync(&["demo", "--scale", SCALE]);
    assert_eq!((said.code, said.stdout.as_str()), (0, COUNTS), "{said}");

    // The source's rows are taken away: what does nothing does not miss them.
    let (emulator, mut source, mut target) = look_into(&home, "demo").await;
    for table in [
        "APP_4_SALES",
        "APP_4_SALESITEM",
        "APP_4_PAYMENT",
        "APP_4_VOIDSALESITEM",
        "APP_4_VOUCHER",
    ] {
        let there = source.dump(&format!("[COM_5013].[{table}]")).await;
        let here = target.dump(&format!("[dbo].[com_5013_{table}]")).await;
        assert_eq!(there, here, "{table}");
        source.run(&format!("DELETE FROM [COM_5013].[{table}]")).await;
    }
    drop((source, target));
    emulator.stop().await;
    let said = home.sync(&["demo", "--scale", SCALE]);
    assert_eq!((said.code, said.stdout.as_str()), (0, NOTHING_TO_DO), "{said}");
}

#[test]
fn every_command_works_in_its_directory() {
    let home = Home::empty();
    let said = home.sync(&["demo", "--dir", "my demo", "--scale", SCALE, "--seed", "7"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, COUNTS), "{said}");
    let config = ["--config", "my demo/sync.toml"];
    let sync = |args: &[&str]| home.sync(&[&config[..], args].concat());

    let said = sync(&["counts"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, COUNTS), "{said}");
    let said = sync(&["counts", "--all"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, COUNTS), "{said}");
    let said = sync(&RANGE);
    assert_eq!((said.code, said.stdout.as_str()), (0, NOTHING_TO_DO), "{said}");

    let said = sync(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&said.stdout).expect("status is JSON");
    assert_eq!(status["totals"]["rows"], 3_927);
    assert_eq!(status["totals"]["verified"], status["totals"]["chunks"]);
    assert_eq!(status["totals"]["failed"], 0);
    assert_eq!(status["run"]["running"], false);
    assert_eq!(status["run"]["exit_code"], 0);
    let tables = status["tables"].as_array().expect("tables are a list");
    assert_eq!(tables.len(), 10);
    assert_eq!(
        (&tables[1]["name"], &tables[1]["rows"]),
        (&"APP_4_SALESITEM".into(), &2_274.into())
    );
    let windows = tables[1]["windows"].as_array().expect("windows are a list");
    let names: Vec<_> = windows
        .iter()
        .map(|window| (&window["window"], &window["state"]))
        .collect();
    assert_eq!(
        names,
        [
            (&"2025-10".into(), &"complete".into()),
            (&"2025-11".into(), &"complete".into())
        ]
    );
    let said = sync(&["status"]);
    assert!(
        said.stdout.contains("APP_4_SALESITEM (monthly): 2,274 rows\n"),
        "{said}"
    );
    assert!(said.stdout.contains("Total: 3,927 rows verified, "), "{said}");
}

#[test]
fn another_seed_or_scale_needs_another_directory() {
    let home = Home::empty();
    assert_eq!(home.sync(&["demo", "--scale", "0.0001"]).code, 0);
    insta::assert_snapshot!(home.sync(&["demo", "--scale", "0.0001", "--seed", "2"]), @r"
    stderr:
    error: The demo there was made with --seed 1 and 4 rows in APP_4_SALES; give the --scale and --seed it was made with, or another --dir
    exit code: 2
    ");
    insta::assert_snapshot!(home.sync(&["demo", "--scale", "0.0002"]), @r"
    stderr:
    error: The demo there was made with --seed 1 and 4 rows in APP_4_SALES; give the --scale and --seed it was made with, or another --dir
    exit code: 2
    ");
}

#[test]
fn a_directory_with_real_servers_is_left_alone() {
    let home = Home::empty();
    let config = "[source]\nserver = \"a\"\ndatabase = \"d\"\nuser = \"u\"\npassword = \"p\"\nschema = \"s\"\n\
                  [target]\nserver = \"b\"\ndatabase = \"d\"\nuser = \"u\"\npassword = \"p\"\nschema = \"s\"\n\
                  [[table]]\nname = \"T\"\ndate_column = \"D\"\n";
    home.write("demo/sync.toml", config);
    insta::assert_snapshot!(home.sync(&["demo"]), @r"
    stderr:
    error: demo/sync.toml is not a demo's: it names real servers; give another --dir
    exit code: 2
    ");
}

#[test]
fn a_scale_that_is_none() {
    insta::assert_snapshot!(Home::empty().sync(&["demo", "--scale", "0"]), @r"
    stderr:
    error: invalid value '0' for '--scale <FACTOR>': give a number above 0 and up to 100

    For more information, try '--help'.
    exit code: 2
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_filling_it_fills_again() {
    let home = Home::empty();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sync"))
        .current_dir(home.path(""))
        .args(["demo", "--scale", "0.05"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the demo starts");
    let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let filling = lines
        .map(|line| line.expect("stderr is text"))
        .find(|line| line.contains("filling APP_4_SALESITEM"));
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(filling.is_some(), "it was killed while it filled");

    // Another scale than at first, for the table that was finished, is refused; the same one goes on.
    assert_eq!(home.sync(&["demo", "--scale", SCALE]).code, 2);
    let said = home.sync(&["demo", "--scale", "0.05"]);
    assert_eq!(said.code, 0, "{said}");
    assert!(
        said.stdout.contains("| **TOTAL**                 | **19,636** |"),
        "{said}"
    );
    assert!(
        !said.stderr.contains("filling APP_4_SALES with"),
        "a table that was filled is kept: {said}"
    );

    let clean = Home::empty();
    assert_eq!(clean.sync(&["demo", "--scale", "0.05"]).code, 0);
    let (emulator, mut source, _target) = look_into(&home, "demo").await;
    let (clean_emulator, mut clean_source, _clean_target) = look_into(&clean, "demo").await;
    let items = "[COM_5013].[APP_4_SALESITEM]";
    assert_eq!(source.dump(items).await, clean_source.dump(items).await);
    drop((source, clean_source));
    emulator.stop().await;
    clean_emulator.stop().await;
}
