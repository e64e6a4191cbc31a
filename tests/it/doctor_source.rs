//! `sync doctor` at the source: what it is, what it shows of its state, and which proof would hold for it.

use serde_json::{Value, json};
use tds_emulator::{GroupSigns, Role, Signs};
use testkit::project::T_MONTHLY;
use testkit::{Ended, Project, Server, tables};

async fn begin(test: &str) -> Option<Server> {
    let server = Server::start_emulator(test).await?;
    tables::dated("T").at_source(&server).await;
    Some(server)
}

/// What the doctor says of the source, and the facts.
async fn doctor(project: &Project, code: i32) -> (String, Value) {
    let ended: Ended = project.sync(&["doctor", "--json"]).await.expect(code);
    let json = ended.json();
    let checks = json["checks"].as_array().expect("a list of checks").iter();
    let texts: Vec<String> = checks
        .filter(|check| check["place"] == "source")
        .map(|check| {
            format!(
                "{}: {}",
                check["level"].as_str().expect("a level"),
                check["text"].as_str().expect("a text")
            )
        })
        .collect();
    (texts.join("\n"), json["source"].clone())
}

fn group() -> Signs {
    Signs {
        waits: vec![("WRITELOG".to_owned(), 1, 1)],
        group: Some(GroupSigns {
            name: "AG_POS".to_owned(),
            lag_seconds: Some(3),
            redo_queue: Some(64),
            send_queue: Some(8),
            ..GroupSigns::default()
        }),
        ..Signs::default()
    }
}

#[track_caller]
fn says(said: &str, expected: &[&str]) {
    for text in expected {
        assert!(said.contains(text), "no {text} in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_is_told_with_its_group_and_its_lag() {
    let Some(server) = begin("a_secondary_is_told_with_its_group_and_its_lag").await else {
        return;
    };
    server.set_source_role(Role::ReadableSecondary);
    server.emulator().set_signs(group());
    let project = Project::with(&server, "require_replica = true", "", T_MONTHLY);
    let (said, facts) = doctor(&project, 0).await;
    says(
        &said,
        &[
            "ok: It proves to be a replica: its database is READ_ONLY",
            "ok: It is the SECONDARY of availability group AG_POS (asynchronous commit, readable as a secondary: READ_ONLY, \
             SYNCHRONIZING)",
            "ok: Row versions: READ_COMMITTED_SNAPSHOT is on, ALLOW_SNAPSHOT_ISOLATION is off",
            "ok: This login sees the server's waits and who waits for whom; it is 3 s behind its primary, with 64 KiB to redo",
        ],
    );
    assert!(!said.contains("warning"), "{said}");
    let named = format!("EMULATOR/{}", server.source);
    for (fact, value) in [
        ("availability_group", json!("AG_POS")),
        ("replica_role", json!("SECONDARY")),
        ("synchronous", json!(false)),
        ("readable", json!("READ_ONLY")),
        ("synchronization", json!("SYNCHRONIZING")),
        ("suspended", json!(false)),
        ("lag_seconds", json!(3)),
        ("redo_queue_kib", json!(64)),
        ("send_queue_kib", json!(8)),
        ("sees_state", json!(true)),
        ("standby", json!(false)),
        ("snapshot", json!(false)),
        ("updateability", json!("READ_ONLY")),
        ("read_only_proof", json!(true)),
        ("named_proof", json!(named)),
    ] {
        assert_eq!(facts[fact], value, "{fact}: {facts:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_refused_is_told_with_the_proof_that_would_hold() {
    let Some(server) = begin("a_server_that_is_refused_is_told_with_the_proof_that_would_hold").await else {
        return;
    };
    let project = Project::with(&server, "require_replica = true", "", T_MONTHLY);
    let mark = server.mark();
    let named = format!("replica_names = [\"EMULATOR/{}\"] holds", server.source);
    // A replica that replication keeps is READ_WRITE.
    let (said, facts) = doctor(&project, 7).await;
    says(
        &said,
        &[
            "failure: The source at",
            "\"read_only\" does not hold: its database is READ_WRITE",
            &named,
        ],
    );
    assert_eq!(facts["read_only_proof"], false);
    // It can be written as it is said.
    let name = facts["named_proof"].as_str().expect("a name");
    let proof = format!("require_replica = true\nreplica_proof = \"named\"\nreplica_names = [\"{name}\"]");
    doctor(&Project::with(&server, &proof, "", T_MONTHLY), 0).await;
    // The primary of a group is none, whatever its name.
    server.emulator().set_signs(group());
    let (said, facts) = doctor(&project, 7).await;
    says(
        &said,
        &["is the PRIMARY of its availability group: write no proof for it"],
    );
    assert!(!said.contains("replica_names = ["), "{said}");
    assert_eq!(facts["replica_role"], "PRIMARY");
    server.assert_no_table_read(mark, &["[T]"]);
    // Where no proof is asked for, the one that would hold is told.
    server.set_source_role(Role::ReadableSecondary);
    let anywhere = Project::with(&server, "require_replica = false", "", T_MONTHLY);
    let (said, _) = doctor(&anywhere, 0).await;
    says(&said, &["replica_proof = \"read_only\" would hold"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_rights_is_told_what_it_does_not_see() {
    let Some(server) = begin("a_login_without_rights_is_told_what_it_does_not_see").await else {
        return;
    };
    server.set_source_role(Role::ReadableSecondary);
    server.emulator().set_signs(Signs {
        standby: true,
        snapshot_of: Some(1),
        ..group()
    });
    let mut master = server.connect("master").await;
    master
        .run(&format!("DENY VIEW SERVER STATE TO [{}]", server.user))
        .await;
    let project = Project::with(&server, "require_replica = true", "", T_MONTHLY);
    let (said, facts) = doctor(&project, 0).await;
    says(
        &said,
        &[
            "ok: Its database is a standby of log shipping",
            "ok: Its database is a snapshot",
            "ok: This login may not see the server's state (VIEW SERVER STATE)",
        ],
    );
    assert!(
        !said.contains("warning") && !said.contains("availability group"),
        "{said}"
    );
    assert_eq!(
        (&facts["sees_state"], &facts["replica_role"]),
        (&json!(false), &Value::Null)
    );
    project.configure(
        "require_replica = true",
        "require_replica = true\nreplica_lag_max_seconds = 60",
    );
    let (said, _) = doctor(&project, 0).await;
    says(
        &said,
        &[
            "warning: replica_lag_max_seconds is set",
            "GRANT VIEW SERVER STATE",
        ],
    );
    // The group's own names need a right of their own.
    master
        .run(&format!(
            "GRANT VIEW SERVER STATE TO [{0}]; DENY VIEW ANY DEFINITION TO [{0}]",
            server.user
        ))
        .await;
    let (said, _) = doctor(&project, 0).await;
    says(
        &said,
        &[
            "ok: It is the SECONDARY of an availability group (VIEW ANY DEFINITION shows more) (SYNCHRONIZING)",
        ],
    );
}
