//! A first contact and an outage: what never worked is an error at once, and what worked before is waited for.

use testkit::project::T_MONTHLY;
use testkit::{Ended, Project, Server, faults, session, tables};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];
const RECONCILE: [&str; 2] = ["reconcile", "--source"];

async fn begin(test: &str, run: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    tables::dated("T")
        .rows(tables::october(100))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, run, T_MONTHLY);
    Some((server, project))
}

/// Ended by its first attempt, with the cause.
fn assert_final(ended: Ended, code: i32, says: &str, case: &str) {
    assert_eq!(ended.code(), code, "{case}: {ended:?}");
    assert!(ended.stderr.contains(says), "{case}: {ended:?}");
    assert!(!ended.stderr.contains("retried in"), "{case}: {ended:?}");
    assert!(!ended.stderr.contains("waiting"), "{case}: {ended:?}");
}

/// Each of these never comes right by waiting. The state file knows other ends, which have nothing to do with these.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_worked_is_an_error_at_once_for_each_command() {
    let test = "what_never_worked_is_an_error_at_once_for_each_command";
    let Some((server, project)) = begin(test, "chunk_rows = 50").await else {
        return;
    };
    project.sync(&RUN).await.expect(0);
    let good = project.home.read("sync.toml");
    project.home.write("damaged.pem", "no certificate");
    let deaf = session::nobody_listens();
    let address = format!("{},{}", server.host, server.port);
    let trust = "encrypt = false\ntrust_server_certificate = true\n";
    let cases = [
        (
            "closed port",
            (address.as_str(), format!("127.0.0.1,{}", deaf.port)),
            (7, "Nobody listens"),
        ),
        (
            "no such host",
            (address.as_str(), "no-such-host.invalid,1433".to_owned()),
            (7, "has no address"),
        ),
        (
            "certificate of nobody",
            (trust, "encrypt = true\n".to_owned()),
            (7, "could not be spoken to by TLS"),
        ),
        (
            "damaged ca_file",
            (trust, "encrypt = true\nca_file = \"damaged.pem\"\n".to_owned()),
            (2, "damaged.pem"),
        ),
        (
            "no such login",
            ("user = \"", "user = \"x".to_owned()),
            (7, "refused the login"),
        ),
        (
            "no such database",
            ("database = \"", "database = \"x".to_owned()),
            (7, "has no database"),
        ),
    ];
    for (case, (from, to), (code, says)) in cases {
        for end in ["source", "target"] {
            let begins = good.find(&format!("[{end}]")).expect("the end is configured");
            let (before, after) = good.split_at(begins);
            assert!(after.contains(from), "{case}");
            let config = format!("{before}{}", after.replacen(from, &to, 1));
            project.home.write("sync.toml", config);
            for command in [&RUN[..], &RECONCILE] {
                let place = format!("{case} at the {end}, {}", command[0]);
                assert_final(project.sync(command).await, code, says, &place);
            }
        }
    }
    project.home.write("sync.toml", good);
    project.sync(&RUN).await.expect(0);
}

/// The ends are known one by one, by server, port, database and login: not by what the other end is.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_for_where_this_very_end_was_reached_before() {
    let test = "an_outage_is_waited_for_where_this_very_end_was_reached_before";
    let Some((mut server, project)) = begin(test, "outage_max_minutes = 0").await else {
        return;
    };
    project.sync(&RUN).await.expect(0);
    server.stop_emulator().await;
    // It waits, here for no time at all.
    let waited = "was away for longer than a run waits";
    for command in [&RUN[..], &RECONCILE, &["reconcile"]] {
        project.sync(command).await.expect(4).says(waited);
    }
    // Of another target, it is the source that is met first, and that one is known.
    let good = project.home.read("sync.toml");
    project.configure(&server.target, "Other");
    project.sync(&RUN).await.expect(4).says(waited);
    // A reconcile without the source meets the target alone.
    assert_final(
        project.sync(&["reconcile"]).await,
        7,
        "Nobody listens",
        "another target",
    );
    project
        .home
        .write("sync.toml", good.replace(&server.source, "Other"));
    assert_final(project.sync(&RUN).await, 7, "Nobody listens", "another source");
    project
        .home
        .write("sync.toml", good.replacen("user = \"", "user = \"x", 1));
    assert_final(project.sync(&RUN).await, 7, "Nobody listens", "another login");
    project.home.write("sync.toml", good);
    server.start_emulator_again().await;
    project.sync(&RUN).await.expect(0);
}

/// The way of every reboot: the run starts before its servers, and waits until they are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_starts_before_its_servers_waits_for_them() {
    let test = "a_run_that_starts_before_its_servers_waits_for_them";
    let Some((mut server, project)) = begin(test, "chunk_rows = 10\nmax_workers = 1").await else {
        return;
    };
    let rule = faults::at("INSERT INTO [dbo].[t_T]").nth(3).stalls(&server);
    let mut killed = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    killed.kill().await.expect("the run is killed");
    server.stop_emulator().await;
    let child = project.spawn(&RUN);
    let mut waiting = serde_json::Value::Null;
    while waiting.is_null() {
        waiting = project.status().await["run"]["waiting"].clone();
    }
    server.start_emulator_again().await;
    let ended = Ended::of(child).await.expect(0);
    ended.says("Nobody listens").says("back after");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// Only the right server says that its database is being started.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_patience_is_waited_for_on_a_first_contact() {
    let test = "a_server_that_asks_for_patience_is_waited_for_on_a_first_contact";
    let Some((server, project)) = begin(test, "chunk_rows = 50").await else {
        return;
    };
    let rule = faults::at_login()
        .of_the_program()
        .times(1)
        .does(&server, faults::error(40_613, 20));
    project.sync(&RUN).await.expect(0);
    assert_eq!(server.faults().fired(rule), 1);
}

/// A rebuild has worked with the target, and keeps what the old file knows of the source.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_state_file_knows_both_ends() {
    let Some((mut server, project)) =
        begin("a_rebuilt_state_file_knows_both_ends", "outage_max_minutes = 0").await
    else {
        return;
    };
    project.sync(&RUN).await.expect(0);
    project.sync(&["rebuild"]).await.expect(0);
    server.stop_emulator().await;
    for command in [&RUN[..], &["reconcile"]] {
        let waited = "was away for longer than a run waits";
        project.sync(command).await.expect(4).says(waited);
    }
}
