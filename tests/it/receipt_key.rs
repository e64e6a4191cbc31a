//! `receipt_key`: receipts that somebody without the key wrote or changed are not believed, whatever the state file knows.

use testkit::{Project, Server, job};

const KEY: &str = "a key of more than 16 bytes";
const NOTHING: [u32; 2] = [0, 0];
const ALL: [u32; 2] = [2 * job::MONTH_ROWS, 2 * job::MONTH_CHUNKS];
const CHUNK: [u32; 2] = [job::CHUNK_ROWS, 1];
const UNSEALED: &str = "lack the seal of receipt_key";

fn with_key(project: Project) -> Project {
    project.configure("[target]\n", &format!("[target]\nreceipt_key = \"{KEY}\"\n"));
    project
}

async fn sealed(server: &Server) -> Project {
    job::fill(server).await;
    let project = with_key(job::project(server));
    job::run(&project).await.expect(0);
    project
}

/// Changes the receipt of the second chunk of SALES.
async fn change(server: &Server, what: &str) {
    let sql = format!(
        "UPDATE [sync].[receipt] SET {what} WHERE [table_name] = N'dbo.t_SALES' \
         AND [window_start] = '2025-10-01' AND [ordinal] = 1"
    );
    server.at_target(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_receipts_are_believed_by_those_who_have_the_key_and_by_those_who_have_none() {
    let server = Server::start().await;
    let project = sealed(&server).await;
    job::heal(&server, &project, NOTHING, NOTHING).await;
    // Another machine, with an empty state file.
    job::heal(&server, &with_key(job::project(&server)), NOTHING, NOTHING).await;
    job::heal(&server, &job::project(&server), NOTHING, NOTHING).await;
    project.sync(&["reconcile", "--source"]).await.expect(0);
    project.sync(&["rebuild"]).await.expect(0);
    job::heal(&server, &project, NOTHING, NOTHING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_receipt_is_not_believed_even_without_a_state_file() {
    for forged in [
        "[row_count] = 0, [byte_count] = 0, [digest] = CAST(0x00 AS binary(32))",
        "[load_id] = CAST(0x07 AS binary(16))",
        "[seal] = NULL",
        "[seal] = CAST(0x01 AS binary(32))",
    ] {
        let server = Server::start().await;
        let project = sealed(&server).await;
        let mut client = server.connect(&server.target).await;
        job::delete_rows(&mut client, "dbo.t_SALES", 10, 1, 2).await;
        change(&server, forged).await;
        let elsewhere = with_key(job::project(&server));
        let found = elsewhere.sync(&["reconcile"]).await.expect(3);
        found.says(UNSEALED);
        let said = job::heal(&server, &elsewhere, CHUNK, NOTHING).await;
        assert!(!said.contains(KEY), "{said}");
        project.sync(&["reconcile"]).await.expect(0);
    }
}

/// A target as the version before this one left it.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_before_there_were_seals_is_brought_up_to_date() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    for sql in [
        "ALTER TABLE [sync].[receipt] DROP COLUMN [seal]",
        "DELETE FROM [sync].[migration] WHERE [version] = 2",
    ] {
        server.at_target(sql).await;
    }
    let plan = ["plan", "--start-date", job::FIRST, "--end-date", job::LAST];
    project.sync(&plan).await.expect(0);
    let sealing = with_key(job::project(&server));
    sealing.sync(&plan).await.expect(7).says("run `sync migrate`");
    // A comparison marks what it does not believe.
    change(&server, "[row_count] = 7").await;
    project.sync(&["reconcile"]).await.expect(3);
    job::heal(&server, &project, CHUNK, NOTHING).await;
    sealing.sync(&plan).await.expect(0);
}

/// A key with a mistake in it would have two machines load everything again in turn.
#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused() {
    let server = Server::start().await;
    let project = sealed(&server).await;
    let other = with_key(job::project(&server));
    other.configure(KEY, "another key of as many bytes");
    let before = job::target(&server).await;
    let plan = ["plan", "--start-date", job::FIRST, "--end-date", job::LAST];
    for (command, code) in [
        (&plan[..], 7),
        (&job::RUN_IN_TURN, 7),
        (&["reconcile"], 4),
        (&["rebuild"], 7),
    ] {
        other.sync(command).await.expect(code).says("another receipt_key");
    }
    assert_eq!(job::target(&server).await, before);
    job::heal(&server, &project, NOTHING, NOTHING).await;
    for table in ["SALES", "PAYMENT"] {
        other.sync(&["forget", "--table", table]).await.expect(0);
    }
    job::heal(&server, &other, ALL, ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_before_the_key_are_sealed_if_the_state_file_knows_them() {
    let server = Server::start().await;
    let project = with_key(job::finished(&server).await);
    let said = job::heal(&server, &project, NOTHING, NOTHING).await;
    assert!(!said.contains(UNSEALED), "{said}");
    // A machine without a state file believes the seals.
    job::heal(&server, &with_key(job::project(&server)), NOTHING, NOTHING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_before_the_key_that_nobody_knows_are_loaded_again_once() {
    let server = Server::start().await;
    job::finished(&server).await;
    let project = with_key(job::project(&server));
    let said = job::heal(&server, &project, ALL, ALL).await;
    assert!(said.contains(UNSEALED), "{said}");
    job::heal(&server, &project, NOTHING, NOTHING).await;
}
