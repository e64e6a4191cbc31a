//! What a run notices by itself at its start: a state file that is too old, and a target that is not what it was.
//! Whatever it was, it is said, both ends are equal afterwards, and no row is read that is there.

use testkit::{Project, Server, job, tables};

/// Nothing to read of a table.
const NOTHING: [u32; 2] = [0, 0];

/// All of a table to read.
const ALL: [u32; 2] = [2 * job::MONTH_ROWS, 2 * job::MONTH_CHUNKS];

/// So many chunks to read.
fn chunks(count: u32) -> [u32; 2] {
    [count * job::CHUNK_ROWS, count]
}

/// Asserts that each chunk has one receipt with a load of its own, whatever was loaded again.
async fn assert_receipts_are_unique(server: &Server) {
    let mut client = server.connect(&server.target).await;
    for (count, expected) in [
        ("COUNT_BIG(*)", job::ALL_CHUNKS),
        ("COUNT_BIG(DISTINCT [load_id])", job::ALL_CHUNKS),
        ("SUM([row_count])", job::ALL_ROWS),
    ] {
        let sql = format!("SELECT {count} FROM [sync].[receipt] WHERE [state] = N'verified'");
        assert_eq!(client.integer(&sql).await, i64::from(expected), "{count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_of_last_week_is_brought_up_to_date() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let old = std::fs::read(project.state()).expect("it is there");
    job::run(&project).await.expect(0);
    std::fs::write(project.state(), old).expect("it is copied back");
    let status = project.status().await;
    assert_eq!(status["totals"]["rows"], job::ALL_ROWS / 2, "{status}");
    let said = job::heal(&server, &project, NOTHING, NOTHING).await;
    assert!(said.contains("Everything is already loaded"), "{said}");
    assert_receipts_are_unique(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_of_another_job_is_brought_up_to_date() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    // The same tables and windows, loaded from the same source into another target: other loads.
    let other = server.another().await;
    let elsewhere = job::finished(&other).await;
    std::fs::copy(elsewhere.state(), project.state()).expect("it is copied");
    let said = job::heal(&server, &project, NOTHING, NOTHING).await;
    assert!(said.contains("Everything is already loaded"), "{said}");
    let ids = server
        .connect(&server.target)
        .await
        .rows("SELECT [load_id] FROM [sync].[receipt]")
        .await;
    assert_eq!(ids.len(), job::ALL_CHUNKS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_last_night_gets_what_it_lacks() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    job::take_back(&server, "dbo.t_SALES", 10, 2).await;
    job::take_back(&server, "dbo.t_SALES", 11, 0).await;
    job::take_back(&server, "dbo.t_PAYMENT", 11, 3).await;
    let said = job::heal(&server, &project, chunks(6), chunks(1)).await;
    for (table, count) in [("SALES", 6), ("PAYMENT", 1)] {
        let text = format!("Table {table}: the target has no receipts of {count} chunk");
        assert!(said.contains(&text), "{said}");
    }
    assert!(said.contains("an older backup was restored"), "{said}");
    assert_receipts_are_unique(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_before_the_first_run_is_loaded_anew() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    for table in job::TARGETS {
        server.at_target(&format!("DROP TABLE {table}")).await;
    }
    for table in ["receipt", "plan", "lease", "migration"] {
        server.at_target(&format!("DROP TABLE [sync].[{table}]")).await;
    }
    server.at_target("DROP SCHEMA [sync]").await;
    let said = job::heal(&server, &project, ALL, ALL).await;
    for table in ["SALES", "PAYMENT"] {
        let text = format!("Table {table}: the target has no receipts of 8 chunks");
        assert!(said.contains(&text), "{said}");
    }
    assert_receipts_are_unique(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_receipts_are_replaced() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    // The last chunk of a window, then all of the table.
    for (filter, left) in [
        ("[window_start] = '2025-10-01' AND [ordinal] = 3", chunks(1)),
        ("[ordinal] >= 0", ALL),
    ] {
        server
            .at_target(&format!(
                "DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_SALES' AND {filter}"
            ))
            .await;
        let said = job::heal(&server, &project, left, NOTHING).await;
        assert!(
            said.contains("Table SALES: the target has no receipts of"),
            "{said}"
        );
        assert_receipts_are_unique(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_gone_from_the_middle_costs_its_own_chunk() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target(
            "DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_PAYMENT' AND [ordinal] = 1 \
             AND [window_start] = '2025-11-01'",
        )
        .await;
    job::heal(&server, &project, NOTHING, chunks(1)).await;
    assert_receipts_are_unique(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_without_rows_load_those_rows_again() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let mut client = server.connect(&server.target).await;
    for (target, month, first, end) in [("dbo.t_SALES", 10, 1, 2), ("dbo.t_PAYMENT", 11, 2, 4)] {
        job::delete_rows(&mut client, target, month, first, end).await;
    }
    // A chunk with a row that nobody loaded is not what was proven either.
    client
        .run(
            "INSERT INTO dbo.t_SALES (ID, SOLD_AT, BOOKED_AT, CODE, AMOUNT, NOTE) \
             VALUES (-1, '2025-11-01T00:00:00', '2025-11-01T00:00:00', -1, NULL, NULL)",
        )
        .await;
    let said = job::heal(&server, &project, chunks(2), chunks(2)).await;
    for table in ["SALES", "PAYMENT"] {
        let text = format!(
            "Table {table}: target table dbo.t_{table} no longer holds the rows of 2 verified chunks"
        );
        assert!(said.contains(&text), "{said}");
    }
    assert!(!said.contains("has no receipts"), "they were there; {said}");
    assert_receipts_are_unique(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_target_is_loaded_again() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server.at_target("TRUNCATE TABLE dbo.t_PAYMENT").await;
    let said = job::heal(&server, &project, NOTHING, ALL).await;
    assert!(
        said.contains("dbo.t_PAYMENT no longer holds the rows of 8 verified chunks"),
        "{said}"
    );
    assert!(!said.contains("has no receipts"), "they were there; {said}");
    assert_receipts_are_unique(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_dropped_and_made_again_by_hand_is_loaded_again() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    // With the rows copied back, too: who knows how. What is not proven is loaded.
    for copied in [false, true] {
        server
            .at_target("SELECT * INTO dbo.t_KEPT FROM dbo.t_PAYMENT; DROP TABLE dbo.t_PAYMENT")
            .await;
        let by_hand = tables::payment().named("t_PAYMENT").keyless();
        by_hand.at_target(&server).await;
        if copied {
            server
                .at_target("INSERT INTO dbo.t_PAYMENT SELECT * FROM dbo.t_KEPT")
                .await;
        }
        server.at_target("DROP TABLE dbo.t_KEPT").await;
        let said = job::heal(&server, &project, NOTHING, ALL).await;
        assert!(
            said.contains("dbo.t_PAYMENT was dropped and made anew since it was loaded; its 8 chunks"),
            "{said}"
        );
        assert!(!said.contains("has no receipts"), "they were there; {said}");
        assert_receipts_are_unique(&server).await;
    }
}

/// The state file and the target are both of an earlier day, and not of the same one.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_state_file_and_an_older_target() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project: Project = job::project(&server);
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let old = std::fs::read(project.state()).expect("it is there");
    job::run(&project).await.expect(0);
    std::fs::write(project.state(), old).expect("it is copied back");
    job::take_back(&server, "dbo.t_SALES", 10, 3).await;
    job::take_back(&server, "dbo.t_SALES", 11, 1).await;
    job::heal(&server, &project, chunks(4), NOTHING).await;
    assert_receipts_are_unique(&server).await;
}

/// What a backup has of SALES.
const SALES: [&str; 3] = ["dbo.t_SALES", "[sync].[receipt]", "[sync].[lease]"];

async fn back_up(server: &Server, tables: &[&str]) {
    for (number, table) in tables.iter().enumerate() {
        let keep = format!("SELECT * INTO dbo.keep{number} FROM {table}");
        server.at_target(&keep).await;
    }
}

async fn restore(server: &Server, tables: &[&str]) {
    for (number, table) in tables.iter().enumerate() {
        let restore = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM dbo.keep{number}");
        server.at_target(&restore).await;
    }
}

/// The target is restored to before a repair, which the state file remembers.
async fn repair_and_restore(server: &Server, project: &Project, tables: &[&str]) {
    back_up(server, tables).await;
    let sql = "UPDATE dbo.SALES SET AMOUNT = 7 WHERE ID = 40";
    server.at_source(sql).await;
    let repair = ["reconcile", "--source", "--repair"];
    project.sync(&repair).await.expect(0);
    job::assert_equal(server).await;
}

async fn assert_repaired(server: &Server, project: &Project) {
    job::assert_equal(server).await;
    let again = job::run(project).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}

const RESTORED: &str = "was restored to a state of before";

/// A repair has replaced a chunk, and then the target is that of before: its receipts are whole, and prove what was.
/// Whoever comes first notices it.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_before_a_repair_gets_what_was_repaired() {
    for (runs_before, compares_first) in [(true, false), (false, false), (false, true)] {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        repair_and_restore(&server, &project, &SALES).await;
        if runs_before {
            job::run(&project).await.expect(0);
        }
        restore(&server, &SALES).await;
        let noticed = match compares_first {
            true => project.sync(&["reconcile"]).await.expect(3),
            false => job::run(&project).await.expect(0),
        };
        noticed.says(RESTORED);
        job::run(&project).await.expect(0);
        assert_repaired(&server, &project).await;
    }
}

/// The epoch of the lease says nothing when others have raised it since, and when the backup is of a run that went on.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_target_is_noticed_whatever_its_lease_says() {
    for others_run in [true, false] {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        let tables = if others_run { &SALES[..] } else { &SALES[..2] };
        repair_and_restore(&server, &project, tables).await;
        restore(&server, tables).await;
        let elsewhere = job::project(&server);
        for _ in 0..if others_run { 4 } else { 0 } {
            job::run(&elsewhere).await.expect(0);
        }
        job::run(&project).await.expect(0).says(RESTORED);
        assert_repaired(&server, &project).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_that_was_rebuilt_notices_a_restored_target() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    repair_and_restore(&server, &project, &SALES).await;
    project.sync(&["rebuild"]).await.expect(0);
    restore(&server, &SALES).await;
    job::run(&project).await.expect(0).says(RESTORED);
    assert_repaired(&server, &project).await;
}

/// The table that was made anew in between has epochs of its own, and those of the restored one are kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_made_anew_and_then_restored_is_noticed() {
    // Other servers do not rename a key.
    let name = "a_table_that_was_made_anew_and_then_restored_is_noticed";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    let project = job::finished(&server).await;
    let receipts = ["[sync].[receipt]", "[sync].[lease]"];
    back_up(&server, &receipts).await;
    server
        .at_target("EXEC sp_rename 'dbo.t_SALES', 'kept_SALES'; EXEC sp_rename 'dbo.PK_t_SALES', 'PK_kept'")
        .await;
    server
        .at_source("UPDATE dbo.SALES SET AMOUNT = 7 WHERE ID = 40")
        .await;
    job::run(&project).await.expect(0);
    job::assert_equal(&server).await;
    for sql in [
        "DROP TABLE dbo.t_SALES",
        "EXEC sp_rename 'dbo.kept_SALES', 't_SALES'",
    ] {
        server.at_target(sql).await;
    }
    restore(&server, &receipts).await;
    job::run(&project).await.expect(0).says(RESTORED);
    assert_repaired(&server, &project).await;
}

/// The older backup came by mistake, and a run worked on it.
#[tokio::test(flavor = "multi_thread")]
async fn two_backups_one_after_the_other_are_noticed() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    back_up(&server, &SALES).await;
    for _ in 0..3 {
        job::run(&project).await.expect(0);
    }
    let repair = ["reconcile", "--source", "--repair"];
    server
        .at_source("UPDATE dbo.SALES SET AMOUNT = 7 WHERE ID = 40")
        .await;
    project.sync(&repair).await.expect(0);
    for (number, table) in SALES.iter().enumerate() {
        server
            .at_target(&format!("SELECT * INTO dbo.newer{number} FROM {table}"))
            .await;
    }
    restore(&server, &SALES).await;
    server
        .at_source("UPDATE dbo.SALES SET AMOUNT = 8 WHERE ID = 40")
        .await;
    project.sync(&repair).await.expect(0);
    job::assert_equal(&server).await;
    for (number, table) in SALES.iter().enumerate() {
        server
            .at_target(&format!(
                "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM dbo.newer{number}"
            ))
            .await;
    }
    job::run(&project).await.expect(0).says(RESTORED);
    assert_repaired(&server, &project).await;
}

/// What another machine loaded into a restored target replaced nothing of this one's, and its source may have gone.
#[tokio::test(flavor = "multi_thread")]
async fn months_of_another_machine_are_believed_after_a_restore() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    for _ in 0..4 {
        project.run("2025-11-01", job::LAST, &[]).await.expect(0);
    }
    server.at_target("UPDATE [sync].[lease] SET [epoch] = 1").await;
    let elsewhere = job::project(&server);
    elsewhere
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let mark = server.mark();
    let ended = project.run("2025-11-01", job::LAST, &[]).await.expect(0);
    assert!(!ended.said().contains("restored"), "{ended:?}");
    server.assert_no_table_read(mark, &job::SOURCES);
}

/// Its epochs are of other leases.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_of_a_job_that_ran_more_often_costs_nothing() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let other = server.another().await;
    let elsewhere = job::finished(&other).await;
    for _ in 0..3 {
        job::run(&elsewhere).await.expect(0);
    }
    std::fs::copy(elsewhere.state(), project.state()).expect("it is copied");
    job::heal(&server, &project, NOTHING, NOTHING).await;
}

/// Whoever changes a receipt by hand cannot make a run believe it, nor lose a row by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_hands_changed_is_not_believed() {
    for change in [
        "[row_count] = [row_count] + 1",
        "[byte_count] = 0",
        "[digest] = CAST(0x01 AS binary(32))",
        "[row_count] = 0, [key_through] = [key_after]",
    ] {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        let sql = format!(
            "UPDATE [sync].[receipt] SET {change} WHERE [table_name] = N'dbo.t_SALES' \
             AND [window_start] = '2025-10-01' AND [ordinal] = 1"
        );
        server.at_target(&sql).await;
        let said = job::heal(&server, &project, chunks(1), NOTHING).await;
        assert!(
            said.contains("receipts of 1 chunk say something else"),
            "{change}: {said}"
        );
    }
}

/// A range is not among the sums by which a run compares, and its own checkpoints are right. A comparison reads it.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_hands_changed_is_found_by_a_comparison() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target(
            "UPDATE [sync].[receipt] SET [key_through] = [key_after] WHERE [table_name] = N'dbo.t_SALES' \
             AND [window_start] = '2025-10-01' AND [ordinal] = 1",
        )
        .await;
    let found = project.sync(&["reconcile"]).await.expect(3);
    found.says("receipts of 1 chunk say something else");
    // What is behind the false range is loaded again as well, which the next run finishes.
    project.sync(&["reconcile", "--repair"]).await;
    job::run(&project).await.expect(0);
    assert_repaired(&server, &project).await;
    project.sync(&["reconcile"]).await.expect(0);
}

/// Windows that overlap would displace each other's rows in every run.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_hands_changed_is_refused() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target(
            "UPDATE [sync].[receipt] SET [window_end] = '2025-10-20' WHERE [table_name] = N'dbo.t_SALES' \
             AND [window_start] = '2025-10-01' AND [ordinal] = 1",
        )
        .await;
    for command in [&["reconcile"][..], &job::RUN_IN_TURN] {
        project.sync(command).await.expect(6).says("which overlap");
    }
    let month = ["forget", "--table", "SALES", "--month", "2025-10"];
    project.sync(&month).await.expect(0);
    job::run(&project).await.expect(0);
    assert_repaired(&server, &project).await;
}

/// What the state file remembers of a month has a hole at its start, and then the target loses all of it.
#[tokio::test(flavor = "multi_thread")]
async fn lost_chunks_that_do_not_follow_on_are_loaded_as_one() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let receipts = "DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_SALES'";
    server
        .at_target(&format!(
            "{receipts} AND [window_start] = '2025-10-01' AND [ordinal] < 2"
        ))
        .await;
    project.sync(&["rebuild"]).await.expect(0);
    server
        .at_target(&format!("DROP TABLE dbo.t_SALES; {receipts}"))
        .await;
    project.run("2025-11-01", job::LAST, &[]).await.expect(0);
    job::assert_equal(&server).await;
    let again = job::run(&project).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}

/// Two machines cut the same month differently, and the target lost what the first had loaded.
#[tokio::test(flavor = "multi_thread")]
async fn days_that_no_window_covers_stay_owed() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target("DROP TABLE dbo.t_SALES; DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_SALES'")
        .await;
    let elsewhere = job::project(&server);
    elsewhere.run("2025-11-05", "2025-11-10", &[]).await.expect(0);
    let october = project.run(job::FIRST, job::FIRST_MONTH_LAST, &[]).await;
    october.expect(0).says("the target has no receipts of");
    job::assert_equal(&server).await;
    let again = job::run(&project).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}
