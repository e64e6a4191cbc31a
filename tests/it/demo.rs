//! The demo, through the program itself: it does the whole job once, and nothing the second time, whenever it is killed
//! in between.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tds_emulator::{Emulator, EmulatorOptions};
use testkit::{Client, Ended, Home, program};

/// Rows of each table at the scales of these tests.
const SCALES: [&str; 4] = ["--scale", "0.01", "--reference-scale", "0.001"];

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

const REFERENCE_COUNTS: &str = "\
| Table                   | Row Count | Status |
| ----------------------- | --------- | ------ |
| APP_4_CASHIER_DRAWER    | 3         | ✓      |
| APP_4_CUSTOMER          | 905       | ✓      |
| APP_4_EXTENDEDSALESITEM | 0         | ○      |
| APP_4_ITEM              | 10        | ✓      |
| APP_4_POINTRECORD       | 3,734     | ✓      |
| APP_4_SALESDELIVERY     | 0         | ○      |
| APP_4_STOCK             | 175       | ✓      |
| APP_4_VOUCHER_MASTER    | 2         | ✓      |
| LOCATION_DETAIL         | 1         | ✓      |
| **TOTAL**               | **4,830** |        |
";

/// What is found of the changes that the demo makes itself.
const MENDED: &str = "\
| Table           | Window  | Chunk | Found                                                                   | State    |
| --------------- | ------- | ----: | ----------------------------------------------------------------------- | -------- |
| APP_4_SALES     | 2025-10 |     0 | 3 rows changed; 2 rows missing at the target; 2 rows only at the target | repaired |
| APP_4_SALESITEM | 2025-10 |     0 | 3 rows changed; 2 rows missing at the target; 2 rows only at the target | repaired |
| APP_4_PAYMENT   | 2025-10 |     0 | 2 rows changed; 1 row missing at the target; 1 row only at the target   | repaired |
| APP_4_ITEM      | all     |     0 | 1 row changed                                                           | repaired |

Compared 30 chunks of 8,757 rows in 19 tables: 4 chunks differed; all were loaded again and are verified.
";

const NOTHING_TO_DO: &str = "Everything is already loaded and verified: 8,757 rows in 19 tables. \
                             4,830 rows of reference tables were read from the source and are those in place.\n";

/// The tables that have rows.
const FILLED: [&str; 12] = [
    "APP_4_SALES",
    "APP_4_SALESITEM",
    "APP_4_PAYMENT",
    "APP_4_VOIDSALESITEM",
    "APP_4_VOUCHER",
    "APP_4_CASHIER_DRAWER",
    "APP_4_CUSTOMER",
    "APP_4_ITEM",
    "APP_4_POINTRECORD",
    "APP_4_STOCK",
    "APP_4_VOUCHER_MASTER",
    "LOCATION_DETAIL",
];

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

/// Asserts that a demo ended well, with this on stdout beside what was asked of the source, whose times are not known.
fn assert_printed(said: &Ended, expected: &[&str]) {
    let lines = said.stdout.split_inclusive('\n');
    let stdout: String = lines.filter(|line| !line.starts_with("Source: ")).collect();
    assert_eq!((said.code(), &stdout), (0, &expected.join("\n")), "{said}");
}

/// Starts a demo and kills it once it says something with `words`.
fn kill_at(home: &Home, arguments: &[&str], words: &str) {
    let mut command = Command::new(program::path());
    command
        .current_dir(home.directory())
        .arg("demo")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = program::start_blocking(&mut command).expect("the demo starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let said = lines.any(|line| line.expect("stderr is text").contains(words));
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(said, "it was killed when it said: {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_job_and_then_nothing() {
    let home = Home::empty();
    let demo = [&["demo"], &SCALES[..]].concat();
    assert_printed(&home.sync(&demo), &[COUNTS, REFERENCE_COUNTS, MENDED]);

    // Months that were repaired are compared once more.
    assert_printed(&home.sync(&demo), &[NOTHING_TO_DO]);

    // The source's sales are taken away: what does nothing does not miss them.
    let (emulator, mut source, mut target) = look_into(&home, "demo").await;
    for table in FILLED {
        let there = source.dump(&format!("[COM_5013].[{table}]")).await;
        let here = target.dump(&format!("[dbo].[com_5013_{table}]")).await;
        assert_eq!(there, here, "{table}");
    }
    let corrected =
        "SELECT COUNT(*) FROM [COM_5013].[APP_4_SALES] WHERE [REMARK] = N'Corrected by the office'";
    assert_eq!(source.integer(corrected).await, 3, "the changes were made");
    for table in &FILLED[..5] {
        source.run(&format!("DELETE FROM [COM_5013].[{table}]")).await;
    }
    drop((source, target));
    emulator.stop().await;
    assert_printed(&home.sync(&demo), &[NOTHING_TO_DO]);
}

#[test]
fn every_command_works_in_its_directory() {
    let home = Home::empty();
    let demo = ["demo", "--dir", "my demo", "--seed", "7"];
    let said = home.sync(&[&demo, &SCALES[..]].concat());
    assert_printed(&said, &[COUNTS, REFERENCE_COUNTS, MENDED]);
    let config = ["--config", "my demo/sync.toml"];
    let sync = |args: &[&str]| home.sync(&[&config[..], args].concat());

    let said = sync(&["counts"]);
    assert_eq!(said.code(), 0, "{said}");
    assert!(said.stdout.contains("| **8,757** |"), "{said}");
    assert_eq!(sync(&["counts", "--all"]).stdout, said.stdout);
    assert_printed(&sync(&RANGE), &[NOTHING_TO_DO]);
    let said = sync(&["reconcile", "--source"]);
    assert_eq!(said.code(), 0, "{said}");
    assert!(
        said.stdout.ends_with("all are as they were verified.\n"),
        "{said}"
    );

    let said = sync(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&said.stdout).expect("status is JSON");
    assert_eq!(status["totals"]["rows"], 8_757);
    assert_eq!(status["totals"]["verified"], status["totals"]["chunks"]);
    assert_eq!(status["totals"]["failed"], 0);
    assert_eq!(status["run"]["running"], false);
    assert_eq!(status["run"]["exit_code"], 0);
    let tables = status["tables"].as_array().expect("tables are a list");
    assert_eq!(tables.len(), 19);
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
        said.stdout
            .contains("APP_4_SALESITEM                     ■■    2,274\n"),
        "{said}"
    );
    assert!(said.stdout.contains("Total: 8,757 rows verified, "), "{said}");
}

#[test]
fn another_seed_or_scale_needs_another_directory() {
    let home = Home::empty();
    let tiny = ["demo", "--scale", "0.0001", "--reference-scale", "0.0001"];
    let said = home.sync(&tiny);
    assert_eq!(said.code(), 0, "a table with few rows has few to change: {said}");
    insta::assert_snapshot!(home.sync(&[&tiny[..], &["--seed", "2"]].concat()), @r"
    stderr:
    error: The demo there was made with --seed 1 and 4 rows in APP_4_SALES; give the --scale and --seed it was made with, or another --dir
    exit code: 2
    ");
    insta::assert_snapshot!(home.sync(&["demo", "--scale", "0.0002"]), @r"
    stderr:
    error: The demo there was made with --seed 1 and 4 rows in APP_4_SALES; give the --scale and --seed it was made with, or another --dir
    exit code: 2
    ");
    insta::assert_snapshot!(home.sync(&["demo", "--scale", "0.0001", "--reference-scale", "0.001"]), @r"
    stderr:
    error: The demo there was made with --seed 1 and 1 rows in APP_4_CASHIER_DRAWER; give the --reference-scale and --seed it was made with, or another --dir
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
    insta::assert_snapshot!(Home::empty().sync(&["demo", "--reference-scale", "1.5"]), @r"
    stderr:
    error: invalid value '1.5' for '--reference-scale <FACTOR>': give a number above 0 and up to 1

    For more information, try '--help'.
    exit code: 2
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_filling_it_fills_again() {
    let home = Home::empty();
    let scales = ["--scale", "0.05", "--reference-scale", "0.01"];
    let demo = [&["demo"], &scales[..]].concat();
    kill_at(&home, &scales, "filling APP_4_SALESITEM");

    // Another scale than at first, for the table that was finished, is refused; the same one goes on.
    assert_eq!(home.sync(&[&["demo"], &SCALES[..]].concat()).code(), 2);
    kill_at(&home, &scales, "filling APP_4_POINTRECORD");
    let said = home.sync(&demo);
    assert_eq!(said.code(), 0, "{said}");
    assert!(
        said.stdout.contains("| **TOTAL**                 | **19,636** |"),
        "{said}"
    );
    assert!(
        said.stdout.contains("| **TOTAL**               | **48,302** |"),
        "{said}"
    );
    assert!(
        !said.stderr.contains("filling APP_4_SALES with")
            && said.stderr.contains("filling APP_4_POINTRECORD"),
        "a table that was filled is kept: {said}"
    );

    let clean = Home::empty();
    assert_eq!(clean.sync(&demo).code(), 0);
    let (emulator, mut source, _target) = look_into(&home, "demo").await;
    let (clean_emulator, mut clean_source, _clean_target) = look_into(&clean, "demo").await;
    for table in ["APP_4_SALESITEM", "APP_4_POINTRECORD"] {
        let table = format!("[COM_5013].[{table}]");
        assert_eq!(source.dump(&table).await, clean_source.dump(&table).await);
    }
    drop((source, clean_source));
    emulator.stop().await;
    clean_emulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_changes_and_the_mending_it_does_the_rest() {
    let home = Home::empty();
    let demo = [&["demo"], &SCALES[..]].concat();
    kill_at(&home, &SCALES, "comparing every row again");
    let said = home.sync(&demo);
    assert_eq!(said.code(), 0, "{said}");
    // A run reads reference tables back, so that it finds the row that was changed at the target.
    assert!(said.stderr.contains("Table APP_4_ITEM: swapped in"), "{said}");
    assert!(
        said.stdout.ends_with("all were loaded again and are verified.\n"),
        "{said}"
    );
    assert_printed(&home.sync(&demo), &[NOTHING_TO_DO]);
    let (emulator, mut source, mut target) = look_into(&home, "demo").await;
    for table in FILLED {
        let there = source.dump(&format!("[COM_5013].[{table}]")).await;
        let here = target.dump(&format!("[dbo].[com_5013_{table}]")).await;
        assert_eq!(there, here, "{table}");
    }
    drop((source, target));
    emulator.stop().await;
}

/// Waits until the program has said a line with these words.
#[cfg(unix)]
fn hears(lines: &mut impl Iterator<Item = std::io::Result<String>>, words: &str) -> bool {
    lines.any(|line| line.expect("it is text").contains(words))
}

#[test]
#[cfg(unix)]
fn a_demo_that_is_interrupted_while_it_fills_says_so_and_goes_on_in_its_directory() {
    let home = Home::empty();
    let mut command = Command::new(program::path());
    command
        .current_dir(home.directory())
        .args(["demo", "--scale", "0.5", "--reference-scale", "0.001"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = program::start_blocking(&mut command).expect("sync starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    assert!(hears(&mut lines, "demo: filling "));
    let pid = child.id().to_string();
    let mut kill = Command::new("kill");
    let sent = program::start_blocking(kill.args(["-INT", &pid])).and_then(|mut kill| kill.wait());
    assert!(sent.expect("kill is there").success());
    let said: Vec<String> = lines.map(|line| line.expect("it is text")).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(4), "{said:?}");
    let said = said.join("\n");
    assert!(said.contains("demo: stopping"), "{said}");
    assert!(said.contains("run the same command again to go on"), "{said}");

    // In the directory that it made, the demo needs no --dir, and makes no other.
    let mut command = Command::new(program::path());
    command
        .current_dir(home.path("demo"))
        .args(["demo", "--scale", "0.5", "--reference-scale", "0.001"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = program::start_blocking(&mut command).expect("sync starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    assert!(hears(&mut lines, "going on with the demo in this directory"));
    assert!(hears(&mut lines, "demo: filling "));
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert!(!home.path("demo/demo").exists());
}
