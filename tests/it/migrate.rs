//! `sync migrate`: the target is prepared once, by the program or by hand, and the two are the same.

use testkit::project::T_MONTHLY;
use testkit::{Project, Server};

/// The tables of schema `[sync]` with their columns, and what was applied.
async fn made(server: &Server) -> Vec<String> {
    let mut client = server.connect(&server.target).await;
    let sql = "SELECT t.name, c.name, c.is_nullable FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
               JOIN sys.columns c ON c.object_id = t.object_id WHERE s.name = N'sync' ORDER BY t.name, c.column_id";
    let mut rows = client.rows(sql).await;
    let sql = "SELECT [version], [name] FROM [sync].[migration] ORDER BY [version]";
    rows.extend(client.rows(sql).await);
    rows
}

/// Runs a script as sqlcmd does: batch by batch, on after an error. Returns how many failed.
async fn by_hand(server: &Server, script: &str) -> usize {
    let mut client = server.connect(&server.target).await;
    let mut failed = 0;
    for batch in script.split("\nGO\n").filter(|batch| !batch.trim().is_empty()) {
        if let Err(error) = client.try_run(batch).await {
            eprintln!("{error} in {batch}");
            failed += 1;
        }
    }
    assert_eq!(client.integer("SELECT @@TRANCOUNT").await, 0);
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_prepared_once() {
    let server = Server::start().await;
    let project = Project::new(&server, T_MONTHLY);
    let ended = project.sync(&["migrate"]).await.expect(0);
    assert_eq!(
        ended.stdout,
        format!("Applied to schema [sync] of {}: receipts, seal.\n", server.target)
    );
    let first = made(&server).await;
    let ended = project.sync(&["migrate"]).await.expect(0);
    assert!(
        ended.stdout.starts_with("Nothing to do: schema [sync]"),
        "{ended:?}"
    );
    let ended = project.sync(&["migrate", "--print"]).await.expect(0);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("Nothing to do"), "{ended:?}");
    assert_eq!(made(&server).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_does_the_same_and_may_be_run_twice() {
    let mut server = Server::start().await;
    let project = Project::new(&server, T_MONTHLY);
    let script = project.sync(&["migrate", "--print"]).await.expect(0).stdout;
    assert!(
        script.starts_with("-- Schema [sync], migration 0001 (receipts)."),
        "{script}"
    );
    assert_eq!(server.receipts_exist().await, 0, "printing writes nothing");
    assert_eq!(by_hand(&server, &script).await, 0);
    let made_by_hand = made(&server).await;
    assert_eq!(by_hand(&server, &script).await, 0);
    assert_eq!(made(&server).await, made_by_hand);
    let ended = project.sync(&["migrate"]).await.expect(0);
    assert!(ended.stdout.contains("Nothing to do"), "{ended:?}");

    server.renew_target().await;
    let project = Project::new(&server, T_MONTHLY);
    project.sync(&["migrate"]).await.expect(0);
    assert_eq!(made(&server).await, made_by_hand);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_script_that_fails_leaves_nothing() {
    let server = Server::start().await;
    let project = Project::new(&server, T_MONTHLY);
    let script = project.sync(&["migrate", "--print"]).await.expect(0).stdout;
    server.at_target("CREATE SCHEMA [sync]").await;
    server
        .at_target("CREATE TABLE [sync].[plan] ([x] int NOT NULL)")
        .await;
    assert_eq!(by_hand(&server, &script).await, 1, "one batch, and none after it");
    let sql = "SELECT COUNT_BIG(*) FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE s.name = N'sync'";
    assert_eq!(server.connect(&server.target).await.integer(sql).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_the_right_is_told_who_can_help() {
    let Some(server) = Server::start_emulator("a_login_without_the_right_is_told_who_can_help").await else {
        return;
    };
    let rule = "do=error:262:CREATE TABLE permission denied in database 'W'.;statement=CREATE TABLE [sync]";
    server.faults().add(rule.parse().expect("a rule"));
    let ended = Project::new(&server, T_MONTHLY)
        .sync(&["migrate"])
        .await
        .expect(7);
    for says in [
        "`sync migrate --admin etl-user` prints",
        "`sync migrate --print`",
        "CREATE TABLE permission denied",
    ] {
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    assert_eq!(server.receipts_exist().await, 0);
}

#[test]
fn the_scripts_for_an_administrator_hold_no_password() {
    for (name, script) in [
        (
            "setup_etl_user",
            include_str!("../../migrations/admin/setup_etl_user.sql"),
        ),
        (
            "setup_reader",
            include_str!("../../migrations/admin/setup_reader.sql"),
        ),
        ("fix_login", include_str!("../../migrations/admin/fix_login.sql")),
        (
            "setup_etl_user_azure",
            include_str!("../../migrations/admin/setup_etl_user_azure.sql"),
        ),
        (
            "setup_reader_azure",
            include_str!("../../migrations/admin/setup_reader_azure.sql"),
        ),
    ] {
        // Between single quotes it would end at a quote in it, and QUOTENAME is NULL past 128 characters.
        let quoted = script
            .matches("WITH PASSWORD = N''' + REPLACE(@password, N'''', N'''''')")
            .count();
        let read = script
            .matches("@password nvarchar(4000) = \"$(PASSWORD)\"")
            .count();
        let mentioned = script.matches("$(PASSWORD)").count();
        assert_eq!((quoted, read, mentioned), (1, 1, 1), "{name}");
        assert!(script.contains("$(LOGIN)"), "{name} has no LOGIN");
        // A session of Azure SQL Database cannot change its database, and a contained user has no login.
        let of_a_server = ["USE [", "$(DATABASE)", "CREATE LOGIN", "ALTER LOGIN", "SUSER_"];
        let found = of_a_server.iter().any(|text| script.contains(text));
        assert_eq!(found, !name.ends_with("_azure"), "{name}");
        assert!(
            script.lines().any(|line| line == "GO"),
            "{name} is run batch by batch"
        );
        assert!(
            script.contains(":on error exit\n"),
            "{name} goes on after an error"
        );
    }
}
