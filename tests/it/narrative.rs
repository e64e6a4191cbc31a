//! What a run says while it works: on stderr, one line an event, for people and for log collectors.

use testkit::project::{ITEM_FULL, T_MONTHLY};
use testkit::{Ended, Project, Server, faults, tables};

const RUN: [&str; 5] = ["run", "--start-date", "2025-09-01", "--end-date", "2025-11-30"];

async fn project(server: &Server, run: &str) -> Project {
    tables::dated("T")
        .rows(tables::october(100))
        .at_source(server)
        .await;
    Project::tuned(server, run, T_MONTHLY)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_a_file_begins_with_its_time() {
    let server = Server::start().await;
    let project = project(&server, "").await;
    for arguments in [&RUN[..], &["run"]] {
        let mut command = project.command(testkit::program::path());
        let child = testkit::program::start(command.args(arguments)).expect("sync starts");
        let output = child.wait_with_output().await.expect("it ends");
        let stderr = String::from_utf8(output.stderr).expect("stderr is text");
        assert!(!stderr.is_empty());
        for line in stderr.lines() {
            let (time, rest) = line.split_once("Z ").unwrap_or_else(|| panic!("no time: {line}"));
            chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S")
                .unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(!rest.is_empty(), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn months_without_rows_are_one_line_and_so_is_a_table_with_nothing_to_do() {
    let server = Server::start().await;
    let project = project(&server, "max_workers = 1").await;
    let long = ["run", "--start-date", "2015-01-01", "--end-date", "2025-11-30"];
    let said = project.sync(&long).await.expect(0).stderr;
    let of_table = |said: &str| {
        // How far it is, it tells on a slow machine alone.
        let lines = said
            .lines()
            .filter(|line| line.starts_with('T') && !line.contains(" %, "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = of_table(&said);
    assert!(
        lines
            .iter()
            .any(|line| line == "T 2015-01 to 2025-09: verified, no rows in 129 windows"),
        "{said}"
    );
    assert!(lines.len() <= 5, "{said}");
    let again = project.sync(&long).await.expect(0).stderr;
    assert_eq!(
        of_table(&again),
        ["T: nothing to do, 100 rows there already"],
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_names_the_stages_of_each_chunk() {
    let server = Server::start().await;
    let project = project(&server, "chunk_rows = 50").await;
    let said = project.run("2025-10-01", "2025-10-31", &["-v"]).await.expect(0);
    for chunk in [
        "T 2025-10: begins",
        "T 2025-10: chunk 0, 50 rows, read in",
        "T 2025-10: chunk 1, 50 rows",
    ] {
        assert!(said.stderr.contains(chunk), "{}", said.stderr);
    }
    assert!(
        said.stderr.contains(", staged in ") && said.stderr.contains(", loaded in "),
        "{}",
        said.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_json_line_has_the_id_of_the_run() {
    let server = Server::start().await;
    let project = project(&server, "").await;
    let commands = [
        &RUN[..],
        &["reconcile", "--source"],
        &["status"],
        &["counts"],
        &["forget", "--table", "T"],
        &["forget", "--table", "NONE"],
        &["run"],
    ];
    for arguments in commands {
        let arguments = [&["--log", "json", "-v"], arguments].concat();
        let ended = project.sync(&arguments).await;
        let mut ids = std::collections::BTreeSet::new();
        for line in ended.stderr.lines() {
            let object: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let id = object["run_id"]
                .as_str()
                .unwrap_or_else(|| panic!("no run_id: {line}"));
            assert_eq!(id.len(), 32, "{line}");
            ids.insert(id.to_owned());
        }
        assert!(ids.len() <= 1, "{arguments:?}: {ended:?}");
        assert!(
            ended.code() == 0 || ids.len() == 1,
            "the error is told: {ended:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_reference_tables_alone_names_no_dates() {
    let server = Server::start().await;
    tables::items("PRICE int NULL")
        .rows((0..10).map(|n| format!("(N'C{n}', {n})")))
        .at_source(&server)
        .await;
    let project = Project::new(&server, ITEM_FULL);
    let first = project.sync(&["run"]).await.expect(0);
    let line = first
        .stderr
        .lines()
        .find(|line| line.starts_with("run "))
        .unwrap_or_default();
    assert!(line.ends_with(": 1 table, 2 windows at once"), "{line}");
    let again = project.sync(&["run"]).await.expect(0);
    let of_table: Vec<&str> = again
        .stderr
        .lines()
        .filter(|line| line.contains("ITEM"))
        .collect();
    assert_eq!(
        of_table,
        ["ITEM: unchanged, the source's 10 rows are those in place"],
        "{}",
        again.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_as_json_has_the_state_of_each_table() {
    let server = Server::start().await;
    let project = project(&server, "").await;
    let ended = project
        .run("2025-10-01", "2025-10-31", &["--json"])
        .await
        .expect(0);
    let view: serde_json::Value = serde_json::from_str(&ended.stdout).expect("stdout is JSON");
    assert_eq!(view["exit_code"], 0, "{view}");
    assert_eq!(view["totals"]["rows_loaded"], 100, "{view}");
    let table = &view["tables"][0];
    assert_eq!(
        (&table["name"], &table["mode"], &table["state"], &table["rows"]),
        (&"T".into(), &"monthly".into(), &"complete".into(), &100.into()),
        "{view}"
    );
    assert_eq!(table["window_totals"]["complete"], 1, "{view}");
}

/// What `sync plan` prints, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_a_plan() {
    let server = Server::start().await;
    let project = project(&server, "").await;
    let days = ["--start-date", "2025-10-01", "--end-date", "2025-10-31"];
    let plan = project.sync(&[&["plan"], &days[..]].concat()).await.expect(0);
    let dry = project
        .run("2025-10-01", "2025-10-31", &["--dry-run"])
        .await
        .expect(0);
    assert_eq!(plan.stdout, dry.stdout);
    assert!(!project.state().exists());
    assert_eq!(server.receipts_exist().await, 0);
}

/// The second machine is told whom it waits for, long before its minute is over.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_waited_for_is_told() {
    let test = "who_is_waited_for_is_told";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let one = project(&server, "chunk_rows = 10").await;
    let other = Project::new(&server, T_MONTHLY);
    let held = faults::at("INSERT INTO [dbo].[t_T]").nth(3).stalls(&server);
    let first = one.spawn(&RUN);
    let pid = first.id().expect("it runs");
    server.faults().wait_fired(held, 1).await;
    // The first attempt at the lock has failed when the second one comes.
    let locks = faults::at("sp_getapplock")
        .of_the_program()
        .nth(3)
        .notices(&server);
    let second = other.spawn(&RUN);
    server.faults().wait_fired(locks, 1).await;
    server.faults().remove(held);
    Ended::of(first).await.expect(0);
    let said = Ended::of(second).await.expect(0).stderr;
    assert!(
        said.contains(&format!(
            "note: Another run (process {pid} on vm, which last wrote at "
        )) && said.contains("is loading target table dbo.t_T; it is waited for since"),
        "{said}"
    );
}
