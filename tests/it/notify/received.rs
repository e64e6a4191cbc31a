//! What a server and a command receive of whole runs.

use serde_json::Value;
use testkit::middle::Identity;
use testkit::project::{PASSWORD_VARIABLE, T_MONTHLY};
use testkit::tables::{self, Table};
use testkit::{Ended, Project, Server, faults, program};

use super::{Answer, Receiver};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

/// All events.
const ALL: &str = "on = [\"start\", \"success\", \"failure\", \"mismatch\", \"waiting\", \"incomplete\"]";

/// The variables of the key in the URL and of the header, and their values.
const SECRETS: [(&str, &str); 2] = [
    ("HOOK_KEY", "k3y-of-the-hook"),
    ("HOOK_TOKEN", "t0ken-of-the-hook"),
];

async fn begin() -> (Server, Project) {
    let server = Server::start().await;
    tables::dated("T")
        .rows(tables::october(300))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    (server, project)
}

fn notifies(project: &Project, lines: &str) {
    project.home.configure_too(&format!("\n[notify]\n{lines}\n"));
}

fn posts_to(project: &Project, receiver: &Receiver, more: &str) {
    let url = receiver.url("/hook/${HOOK_KEY}");
    notifies(
        project,
        &format!("url = \"{url}\"\nauthorization = \"Bearer ${{HOOK_TOKEN}}\"\n{more}"),
    );
}

async fn sync(project: &Project, arguments: &[&str]) -> Ended {
    project.sync_with(arguments, &SECRETS).await
}

/// The events and exit codes of what was received, which is each of the schema of a notice.
fn events(receiver: &Receiver) -> Vec<(String, Option<u64>)> {
    let notices = receiver.take().into_iter().map(|heard| {
        let notice = heard.json();
        crate::json::assert_value_is_of_its_schema("notice", &notice);
        (text(&notice["event"]), notice["exit_code"].as_u64())
    });
    notices.collect()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

fn are(events: &[(&str, Option<u64>)]) -> Vec<(String, Option<u64>)> {
    events
        .iter()
        .map(|(event, code)| ((*event).to_owned(), *code))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_receives_each_end_of_a_run() {
    let (_server, project) = begin().await;
    let receiver = Receiver::start([]).await;
    posts_to(&project, &receiver, ALL);
    let wrong = [&SECRETS[..], &[(PASSWORD_VARIABLE, "wr0ng-password")]].concat();
    project.sync_with(&RUN, &wrong).await.expect(7);
    let failure = receiver.heard()[1].json();
    assert!(
        failure["error"].is_string() && failure["message"].is_null(),
        "{failure}"
    );
    assert_eq!(events(&receiver), are(&[("start", None), ("failure", Some(7))]));

    project.configure("[run]\n", "[run]\nsource_rows_max = 100\n");
    sync(&project, &RUN).await.expect(4);
    let heard = receiver.heard();
    for request in &heard {
        assert_eq!(request.path(), "/hook/k3y-of-the-hook");
        let head = request.head.to_lowercase();
        for header in [
            "post ",
            "content-type: application/json",
            "authorization: bearer t0ken-of-the-hook",
            "user-agent: sync/",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
    }
    let last = heard[1].json();
    assert_eq!(last["host"], "vm");
    assert_eq!(
        (&last["command"], &last["config"]),
        (&"run".into(), &"sync.toml".into())
    );
    assert!(text(&last["message"]).contains("source_rows_max = 100"), "{last}");
    assert!(last["rows_loaded"].as_u64() > Some(0), "{last}");
    assert_eq!(last["rows_loaded"], last["tables"][0]["rows_loaded"]);
    assert_eq!(
        (&last["tables"][0]["name"], &last["tables"][0]["state"]),
        (&"T".into(), &"open".into())
    );
    assert_eq!(heard[0].json()["run_id"], last["run_id"]);
    assert_eq!(
        events(&receiver),
        are(&[("start", None), ("incomplete", Some(4))])
    );

    project.configure("source_rows_max = 100\n", "");
    sync(&project, &RUN).await.expect(0);
    let success = receiver.heard()[1].json();
    assert_eq!(success["tables"][0]["state"], "complete");
    assert!(text(&success["message"]).starts_with("Done: "), "{success}");
    crate::json::assert_example("notice", &success);
    assert_eq!(events(&receiver), are(&[("start", None), ("success", Some(0))]));

    let none = [&RUN[..], &["--tables", "NONE"]].concat();
    sync(&project, &none).await.expect(2);
    let failure = receiver.heard()[1].json();
    assert!(
        text(&failure["error"]).contains("--tables names NONE"),
        "{failure}"
    );
    assert_eq!(events(&receiver), are(&[("start", None), ("failure", Some(2))]));

    // Others notify nobody.
    sync(&project, &["status"]).await.expect(0);
    sync(&project, &[&RUN[..], &["--dry-run"]].concat())
        .await
        .expect(0);
    assert_eq!(events(&receiver), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_are_told_at_once_and_at_the_end() {
    let test = "rows_that_differ_are_told_at_once_and_at_the_end";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let rows = (0..200).map(|n| format!("({n}, '2025-10-{:02}T00:00:00', {n})", 1 + n % 28));
    let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V int NULL");
    table.indexed("D").rows(rows).at_source(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    let receiver = Receiver::start([]).await;
    posts_to(&project, &receiver, "");
    // The third and fourth insert: the same chunk, and once more from memory.
    let insert = faults::at("INSERT INTO [dbo].[t_T]").nth(3).times(2);
    let rule = insert.runs(&server, "UPDATE #load SET [c3] = -1");
    sync(&project, &RUN).await.expect(3);
    server.faults().remove(rule);
    let heard = receiver.heard();
    assert!(
        text(&heard[0].json()["message"]).starts_with("T 2025-10: "),
        "{heard:?}"
    );
    assert_eq!(heard[0].json()["table"], "T", "{heard:?}");
    assert!(heard[1].json()["table"].is_null(), "{heard:?}");
    assert_eq!(heard[1].json()["tables"][0]["state"], "mismatched", "{heard:?}");
    assert_eq!(
        events(&receiver),
        are(&[("mismatch", None), ("mismatch", Some(3))])
    );

    sync(&project, &RUN).await.expect(0);
    server.at_target("DELETE FROM dbo.t_T WHERE ID = 7").await;
    receiver.take();
    sync(&project, &["reconcile"]).await.expect(3);
    let heard = receiver.heard();
    assert_eq!(heard[0].json()["command"], "reconcile");
    assert_eq!(heard[0].json()["table"], "T", "{heard:?}");
    assert!(
        text(&heard[1].json()["message"]).contains("`sync reconcile --repair` loads again"),
        "{heard:?}"
    );
    assert_eq!(
        events(&receiver),
        are(&[("mismatch", None), ("mismatch", Some(3))])
    );
    sync(&project, &["reconcile", "--repair"]).await.expect(0);
    assert_eq!(
        events(&receiver),
        are(&[("mismatch", None), ("success", Some(0))])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_a_table_has_its_commands_by_the_name_that_was_called() {
    let server = Server::start().await;
    let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V int NULL");
    let rows = ["(1, '2025-10-01', 1)"];
    table.indexed("D").rows(rows).at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    let receiver = Receiver::start([]).await;
    posts_to(&project, &receiver, "");
    sync(&project, &RUN).await.expect(0);
    let date = "date_column = \"D\"\n";
    project.configure(date, &format!("{date}exclude_columns = [\"V\"]\n"));
    receiver.take();
    let name = format!("mssql-sync{}", std::env::consts::EXE_SUFFIX);
    let mut command = project.command(program::path().with_file_name(name));
    let command = command.args(RUN).envs(SECRETS);
    let child = program::start(command).expect("it starts");
    Ended::of(child).await.expect(6);
    let refused = receiver.heard()[0].json()["tables"][0].clone();
    assert_eq!(refused["state"], "refused");
    assert!(
        text(&refused["error"]).contains("`mssql-sync forget --table T`"),
        "{refused}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_is_forgotten_is_told_and_so_is_its_end() {
    let test = "a_pause_that_is_forgotten_is_told_and_so_is_its_end";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(300))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    let receiver = Receiver::start([]).await;
    posts_to(&project, &receiver, "waiting_minutes = 0");
    let reads = faults::at("RECOMPILE)")
        .of_the_program()
        .in_database(&server.source);
    let rule = reads.nth(2).stalls(&server);
    let child = project.spawn_with(&RUN, &SECRETS);
    server.faults().wait_fired(rule, 1).await;
    project.sync_with(&["pause"], &SECRETS).await.expect(0);
    server.faults().remove(rule);
    receiver.wait(1).await;
    project.sync_with(&["resume"], &SECRETS).await.expect(0);
    Ended::of(child).await.expect(0);
    let heard = receiver.heard();
    assert_eq!(heard[0].json()["table"], "T", "{heard:?}");
    let [waits, over] = [0, 1].map(|at| heard[at].json()["wait"].clone());
    assert_eq!(
        (&waits["cause"], &waits["is_over"]),
        (&"pause".into(), &false.into()),
        "{waits}"
    );
    assert_eq!(
        (&over["since"], &over["is_over"]),
        (&waits["since"], &true.into()),
        "{over}"
    );
    let told = events(&receiver);
    assert_eq!(
        told,
        are(&[("waiting", None), ("waiting", None), ("success", Some(0))])
    );
}

/// A ping service takes what happened from the path.
#[tokio::test(flavor = "multi_thread")]
async fn a_ping_service_is_called_by_its_paths() {
    let (_server, project) = begin().await;
    let receiver = Receiver::start([]).await;
    let url = receiver.url("/ping/${HOOK_KEY}?create=1");
    notifies(&project, &format!("url = \"{url}\"\nformat = \"healthchecks\""));
    let mut paths = Vec::new();
    for (arguments, code) in [
        (RUN.to_vec(), 0),
        ([&RUN[..], &["--tables", "NONE"]].concat(), 2),
        (vec!["doctor", "--notify"], 0),
    ] {
        let ended = sync(&project, &arguments).await;
        if arguments[0] == "run" {
            let ended = ended.expect(code);
            assert!(!ended.stderr.contains("notice"), "{ended}");
        } else {
            ended.says("The test notice was taken");
        }
        let heard = receiver.take();
        for request in &heard {
            let id = text(&request.json()["run_id"]);
            let (path, query) = request.path().split_once('?').expect("a query");
            assert_eq!(query.replace('-', ""), format!("create=1&rid={id}"));
            paths.push(path.replace("/ping/k3y-of-the-hook", ""));
        }
    }
    assert_eq!(paths, ["/start", "", "/start", "/2", "/log"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_refuses_or_leads_elsewhere_is_a_warning() {
    let (_server, project) = begin().await;
    let elsewhere = Receiver::start([]).await;
    let answers = [Answer::Status(404), Answer::Elsewhere(elsewhere.url("/other"))];
    let receiver = Receiver::start(answers).await;
    posts_to(&project, &receiver, "");
    for (status, way_out) in [("404", "check `url`"), ("307", "set `url` to where it leads")] {
        let ended = sync(&project, &RUN).await.expect(0);
        let warnings: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|line| line.contains("notice"))
            .collect();
        let [warning] = warnings[..] else {
            panic!("{ended}");
        };
        assert!(
            warning.starts_with("warning: The notice of `success` was not delivered: "),
            "{warning}"
        );
        assert!(warning.contains(status) && warning.contains(way_out), "{warning}");
    }
    assert_eq!(elsewhere.heard().len(), 0, "a redirect is not followed");
    let doctor = Receiver::start([Answer::Status(500)]).await;
    project.configure(&receiver.url(""), &doctor.url(""));
    let ended = sync(&project, &["doctor", "--notify"]).await.expect(7);
    ended
        .says("notices: A URL is notified of success, failure, mismatch, waiting, incomplete")
        .says("answers with status 500");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_the_system_does_not_trust_gets_no_notice() {
    let (_server, project) = begin().await;
    let identity = Identity::of(&["localhost"]);
    project
        .home
        .write("ca.pem", tds_emulator::pem(&identity.certificate));
    let receiver = Receiver::by_tls(&identity).await;
    let url = format!("https://localhost:{}/${{HOOK_KEY}}", receiver.port);
    notifies(&project, &format!("url = \"{url}\""));
    let ended = sync(&project, &["doctor", "--notify"]).await.expect(7);
    ended
        .says("cannot be reached")
        .says("certificate")
        .does_not_say("localhost:");
    assert_eq!(receiver.heard().len(), 0);
    if cfg!(target_os = "linux") {
        let trusted = [&SECRETS[..], &[("SSL_CERT_FILE", "ca.pem")]].concat();
        let ended = project.sync_with(&["doctor", "--notify"], &trusted).await;
        ended.says("The test notice was taken");
        assert_eq!(receiver.heard().len(), 1);
    }
}

/// The command gets a notice, and nothing else. What is secret is in nothing that is written, whatever fails.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_notice_and_no_secret_is_written_anywhere() {
    let (_server, project) = begin().await;
    let refusing = (0..12).map(|at| {
        if at % 2 == 0 {
            Answer::Status(403)
        } else {
            Answer::Elsewhere("http://127.0.0.1:1/k".to_owned())
        }
    });
    let receiver = Receiver::start(refusing).await;
    // All that it can see: its notice, its environment, and the arguments of the program.
    let script = "cat > got.json; env > got.env; tr '\\\\0' ' ' < /proc/$PPID/cmdline > got.cmdline; \
                  cat /proc/*/cmdline > got.all 2>/dev/null; echo $HOOK_KEY >&2; exit 7";
    posts_to(
        &project,
        &receiver,
        &format!("command = [\"sh\", \"-c\", \"{script}\"]"),
    );
    project.home.configure_too("[log]\ndirectory = \"logs\"\n");
    let mut said = String::new();
    for log in ["text", "json"] {
        let flags = ["--log", log, "-vv"];
        let runs: [&[&str]; 4] = [
            &RUN,
            &["run", "--tables", "NONE"],
            &["reconcile"],
            &["doctor", "--notify"],
        ];
        for arguments in runs {
            let ended = sync(&project, &[&flags, arguments].concat()).await;
            said.push_str(&ended.said());
            let notice: Value = serde_json::from_str(&project.home.read("got.json")).expect("a notice");
            let event = text(&notice["event"]);
            let environment = project.home.read("got.env");
            assert!(
                environment.contains(&format!("SYNC_NOTICE_EVENT={event}\n")),
                "{environment}"
            );
        }
    }
    assert!(
        said.contains("The command of [notify] ended with exit status: 7") || said.contains("status 403"),
        "{said}"
    );
    assert!(receiver.heard().len() >= 8);
    let secrets = [SECRETS[0].1, SECRETS[1].1, project.password()];
    let mut files = 0;
    let mut waiting = vec![project.home.directory().to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                std::fs::read_dir(&path)
                    .expect("a directory")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else if path.is_file() {
            files += 1;
            let written = std::fs::read(&path).expect("a file");
            for secret in secrets {
                let found = written
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!found, "{} has {secret}", path.display());
            }
        }
    }
    assert!(files >= 7, "{files} files");
    for secret in secrets {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_missing_of_notices() {
    let (_server, project) = begin().await;
    let ended = project.sync(&["doctor", "--notify"]).await.expect(7);
    ended.says("`--notify` sends a test notice, and there is no [notify]");
    notifies(
        &project,
        "command = [\"no-such-program-anywhere\"]\non = [\"failure\"]",
    );
    project
        .sync(&["doctor"])
        .await
        .expect(0)
        .says("A command is notified of failure")
        .says("There is no program no-such-program-anywhere that this user may run");
    let ended = project.sync(&["doctor", "--notify"]).await.expect(7);
    ended.says("The command of [notify] cannot be started");
    let ended = project.sync(&RUN).await.expect(0);
    ended.does_not_say("notice");
    project.configure("on = [\"failure\"]", "url = \"http://example.com/a\"");
    project
        .sync(&["doctor"])
        .await
        .expect(0)
        .says("whoever is on the way reads it");
}
