//! Verified before visible: what differs when it is read back is never committed, is said, and heals.

use testkit::project::T_MONTHLY;
use testkit::tables::Table;
use testkit::{Project, Server, faults};

/// Changes the rows of a chunk between the wire and the table.
const CHANGED: &str = "UPDATE #load SET [c3] = -1";

/// Takes a row out of it there.
const DELETED: &str = "DELETE FROM #load WHERE [c1] = (SELECT MIN([c1]) FROM #load)";

async fn fill(server: &Server) {
    let rows = (0..400).map(|n| format!("({n}, '2025-{}-{:02}T00:00:00', {n})", 10 + n % 2, 1 + n % 28));
    let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V int NULL");
    table.indexed("D").rows(rows).at_source(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_changes_on_the_way_in_is_never_visible() {
    let Some(server) = Server::start_emulator("a_value_that_changes_on_the_way_in_is_never_visible").await
    else {
        return;
    };
    fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    // The third and fourth insert: the same chunk, and once more from memory.
    let insert = faults::at("INSERT INTO [dbo].[t_T]");
    let rule = insert.nth(3).times(2).runs(&server, CHANGED);
    let ended = project.run("2025-10-01", "2025-11-30", &[]).await.expect(3);
    assert_eq!(server.faults().fired(rule), 2);
    for says in [
        "read back",
        "window 2025-1",
        "The first column that differs is V",
        "triggers",
    ] {
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
    assert_eq!(
        server
            .connect(&server.target)
            .await
            .integer("SELECT COUNT_BIG(*) FROM dbo.t_T WHERE V = -1")
            .await,
        0
    );
    let status = project.status().await;
    assert_eq!(status["totals"]["mismatched"], 1, "{status}");
    let windows = status["tables"][0]["windows"].as_array().expect("windows");
    assert_eq!(windows[0]["state"], "mismatched");
    assert_eq!(windows[1]["state"], "complete", "the other window goes on");

    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    let status = project.status().await;
    assert_eq!(status["totals"]["mismatched"], 0, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_from_memory_is_enough_when_it_does_not_happen_again() {
    let Some(server) =
        Server::start_emulator("once_from_memory_is_enough_when_it_does_not_happen_again").await
    else {
        return;
    };
    fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    let insert = faults::at("INSERT INTO [dbo].[t_T]");
    insert.nth(2).runs(&server, DELETED);
    let mark = server.mark();
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    let reads = server.rows_read(mark, &["[T]"]);
    let chunks = server.receipts().await.len() as u64;
    assert!(reads <= 400 + chunks, "the source was asked for {reads} rows");
}
