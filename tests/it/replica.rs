//! Never the primary by accident: every source connection proves where it is, or nothing is read.

use tds_emulator::{LockMode, Role};
use testkit::project::T_MONTHLY;
use testkit::server::is_elsewhere;
use testkit::{Project, Server, tables};

async fn fill(server: &Server) {
    tables::dated("T")
        .rows(tables::october(600))
        .at_source(server)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_refused_and_not_one_row_read() {
    let server = Server::start().await;
    fill(&server).await;
    let mark = server.mark();
    let project = Project::with(&server, "require_replica = true", "", T_MONTHLY);
    let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    assert!(ended.stderr.contains("READ_WRITE"), "{}", ended.stderr);
    server.assert_no_table_read(mark, &["[T]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readable_secondary_is_read() {
    let Some(server) = Server::start_emulator("a_readable_secondary_is_read").await else {
        return;
    };
    fill(&server).await;
    server.set_source_role(Role::ReadableSecondary);
    let project = Project::with(&server, "require_replica = true", "", T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_can_prove_it_and_a_refused_name_always_wins() {
    let Some(server) = Server::start_emulator("a_name_can_prove_it_and_a_refused_name_always_wins").await
    else {
        return;
    };
    fill(&server).await;
    let name = format!("EMULATOR/{}", server.source);
    let named = |names: &str, more: &str| {
        let source = format!(
            "require_replica = true\nreplica_proof = \"named\"\nreplica_names = [\"{names}\"]\n{more}"
        );
        Project::with(&server, &source, "", T_MONTHLY)
    };
    let mark = server.mark();
    named("OTHER/POS", "")
        .run("2025-10-01", "2025-10-31", &[])
        .await
        .expect(7);
    named(&name, "refuse_names = [\"emulator\"]")
        .run("2025-10-01", "2025-10-31", &[])
        .await
        .expect(7);
    let anywhere = Project::with(
        &server,
        "require_replica = false\nrefuse_names = [\"EMULATOR\"]",
        "",
        T_MONTHLY,
    );
    anywhere.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    server.assert_no_table_read(mark, &["[T]"]);
    let ended = named(&name, "")
        .run("2025-10-01", "2025-10-31", &[])
        .await
        .expect(0);
    assert!(ended.stderr.contains("trusted by name"), "{}", ended.stderr);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_requiring_a_replica_is_said_on_every_run() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    for _ in 0..2 {
        let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
        assert!(
            ended.stderr.contains("require_replica = false"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_read_by_row_versions_where_its_database_keeps_them() {
    if is_elsewhere("a_source_is_read_by_row_versions_where_its_database_keeps_them") {
        return;
    }
    let server = Server::emulated(|options| options.locks = LockMode::Strict).await;
    fill(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    let says = "keeps no row versions for its readers";
    let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    let isolation = async || project.status().await["run"]["account"]["isolation"].take();
    assert_eq!(isolation().await, serde_json::json!(["READ COMMITTED"]));
    let ended = project.sync(&["doctor"]).await.expect(0);
    assert!(ended.stdout.contains(says), "{}", ended.stdout);
    // Another month, one row of which is written and not committed: a reader under locks would wait for it.
    server
        .at_source("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
        .await;
    server
        .at_source("INSERT INTO dbo.T VALUES (1000, '2025-11-03T00:00:00')")
        .await;
    let mut writer = server.connect(&server.source).await;
    writer
        .run("BEGIN TRANSACTION; UPDATE dbo.T SET D = '2025-11-04T00:00:00' WHERE ID = 1000")
        .await;
    let ended = project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert!(!ended.stderr.contains(says), "{}", ended.stderr);
    let levels = isolation().await;
    // A session proves the server before it knows how it may read.
    assert!(
        levels
            .as_array()
            .is_some_and(|levels| levels.contains(&"SNAPSHOT".into())),
        "{levels}"
    );
    assert!(!levels.to_string().contains("READ COMMITTED"), "{levels}");
    let doctor = project.sync(&["doctor"]).await.expect(0);
    assert!(!doctor.stdout.contains(says), "{}", doctor.stdout);
    writer.run("ROLLBACK TRANSACTION").await;
    server.assert_equal("dbo.T", "dbo.t_T").await;
}
