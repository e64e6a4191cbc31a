//! Rows that a constraint of the target refuses: of a copy, and in place.

use testkit::project::ITEM_FULL;
use testkit::tables::{self, Table};
use testkit::{Project, Server, faults};

use super::{assert_whole, loads, object_id, run};

const ROWS: u32 = 40;
const CHUNK_ROWS: u32 = 5;

fn project(server: &Server) -> Project {
    Project::tuned(server, &format!("chunk_rows = {CHUNK_ROWS}"), ITEM_FULL)
}

/// Items with a name that is unique at the target, where a column of `more` may keep a copy from standing in.
async fn fill_named(server: &Server, more: &str) {
    let rows = (0..ROWS).map(|n| format!("(N'C{n:03}', N'name {n}', 0)"));
    let table = tables::items("NAME nvarchar(40) NULL, PRICE int NULL");
    table.rows(rows).at_source(server).await;
    let columns = format!("CODE nvarchar(20) NOT NULL, NAME nvarchar(40) NULL, PRICE int NULL{more}");
    let target = Table::new("t_ITEM", &columns).keyed("CODE");
    target.at_target(server).await;
    server
        .at_target("CREATE UNIQUE INDEX UX_NAME ON dbo.t_ITEM (NAME)")
        .await;
}

/// The copy has the row that had the value when it was read, and meets the one that has it now.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_which_a_value_came_twice_is_begun_anew() {
    let test = "a_copy_in_which_a_value_came_twice_is_begun_anew";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    fill_named(&server, "").await;
    let project = project(&server);
    let moved = format!(
        "UPDATE [{0}].dbo.ITEM SET NAME = N'late' WHERE CODE = N'C000'; \
         UPDATE [{0}].dbo.ITEM SET NAME = N'name 0' WHERE CODE = N'C039'",
        server.source
    );
    let rule = faults::at("INSERT INTO [dbo].[t_ITEM__sync]")
        .nth(3)
        .runs(&server, &moved);
    let mark = server.mark();
    let said = run(&project).await.expect(0);
    assert_eq!(server.faults().fired(rule), 1);
    assert!(said.stderr.contains("is begun anew"), "{}", said.stderr);
    assert_whole(&server).await;
    server.assert_rows_read(mark, "[ITEM]", 2 * ROWS, 2 * ROWS / CHUNK_ROWS);
}

/// What comes twice for good costs a bounded number of reads, and no later run goes on with the copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_twice_at_the_source_is_told_and_leaves_no_copy() {
    let server = Server::start().await;
    fill_named(&server, "").await;
    server
        .at_source("UPDATE dbo.ITEM SET NAME = N'name 0' WHERE CODE = N'C039'")
        .await;
    let project = project(&server);
    for _ in 0..2 {
        let mark = server.mark();
        let said = run(&project).await.expect(4);
        assert!(
            said.stderr.contains("260") && said.stderr.contains("drop the index, which `sync doctor` names"),
            "{}",
            said.stderr
        );
        server.assert_rows_read(mark, "[ITEM]", 3 * ROWS, 3 * ROWS / CHUNK_ROWS);
        assert_eq!(object_id(&server, "dbo.t_ITEM__sync").await, 0, "a copy is left");
    }
    server
        .at_source("UPDATE dbo.ITEM SET NAME = N'other' WHERE CODE = N'C039'")
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

/// A chunk with a row that must leave and is pointed at keeps none behind it from being loaded.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_refused_in_place_starves_no_other() {
    let server = Server::start().await;
    fill_named(&server, "").await;
    server
        .at_target(
            "CREATE TABLE dbo.POINTS (ID int NOT NULL PRIMARY KEY, CODE nvarchar(20) NOT NULL \
             CONSTRAINT FK_points REFERENCES dbo.t_ITEM (CODE))",
        )
        .await;
    let project = project(&server);
    run(&project).await.expect(0);
    server
        .at_target("INSERT INTO dbo.POINTS VALUES (1, N'C001'), (2, N'C011')")
        .await;
    let before = loads(&server).await;
    server
        .at_source("DELETE FROM dbo.ITEM WHERE CODE IN (N'C001', N'C011'); UPDATE dbo.ITEM SET PRICE = 1 WHERE CODE > N'C025'")
        .await;
    let said = run(&project).await.expect(4);
    for chunk in ["chunk 0", "chunk 2"] {
        assert!(
            said.stderr.contains(chunk) && said.stderr.contains("547"),
            "{}",
            said.stderr
        );
    }
    let after = loads(&server).await;
    let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    assert_eq!(changed, [5, 6, 7], "the chunks behind it");
    server.at_target("DELETE FROM dbo.POINTS").await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

/// Two rows of different chunks have each other's value: neither chunk can be loaded before the other.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_exchange_a_unique_value_are_loaded_together() {
    let server = Server::start().await;
    fill_named(&server, " CONSTRAINT DF_price DEFAULT (0)").await;
    let project = project(&server);
    run(&project).await.expect(0);
    let before = loads(&server).await;
    server
        .at_source(
            "UPDATE dbo.ITEM SET NAME = N'x' WHERE CODE = N'C001'; UPDATE dbo.ITEM SET NAME = N'name 1' WHERE CODE = N'C031'; \
             UPDATE dbo.ITEM SET NAME = N'name 31' WHERE CODE = N'C001'; UPDATE dbo.ITEM SET PRICE = 7 WHERE CODE = N'C012'",
        )
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let after = loads(&server).await;
    let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    assert_eq!(changed, [0, 2, 6], "only the chunks that differ");
    let again = run(&project).await.expect(0);
    assert!(again.stderr.contains("are those in place"), "{}", again.stderr);
    project.sync(&["reconcile", "--source"]).await.expect(0);
}

const TREE: &str = "ID int NOT NULL, PARENT int NULL, NAME nvarchar(20) NULL";

async fn tree_target(server: &Server) {
    Table::new("t_ITEM", TREE).at_target(server).await;
    server
        .at_target(
            "ALTER TABLE dbo.t_ITEM ADD CONSTRAINT FK_PARENT FOREIGN KEY (PARENT) REFERENCES dbo.t_ITEM (ID)",
        )
        .await;
}

/// No order of statements holds but one that deletes rows which come back. A column that is not copied would be emptied.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_the_warehouse_keeps_its_values() {
    let server = Server::start().await;
    let columns = "ID int NOT NULL, PARENT int NULL, CODE nvarchar(5) NOT NULL";
    Table::new("ITEM", columns)
        .rows(["(1, NULL, N'A')", "(2, 1, N'B')", "(10, NULL, N'Z')"])
        .at_source(&server)
        .await;
    Table::new("t_ITEM", &format!("{columns}, REMARK nvarchar(20) NULL"))
        .at_target(&server)
        .await;
    server
        .at_target(
            "ALTER TABLE dbo.t_ITEM ADD CONSTRAINT FK_PARENT FOREIGN KEY (PARENT) REFERENCES dbo.t_ITEM (ID); \
             CREATE UNIQUE INDEX UX_CODE ON dbo.t_ITEM (CODE)",
        )
        .await;
    let project = project(&server);
    run(&project).await.expect(0);
    server
        .at_target("UPDATE dbo.t_ITEM SET REMARK = N'by hand'")
        .await;
    server
        .at_source(
            "DELETE FROM dbo.ITEM WHERE ID = 1; INSERT INTO dbo.ITEM VALUES (3, NULL, N'A'); \
             UPDATE dbo.ITEM SET PARENT = 3 WHERE ID = 2",
        )
        .await;
    run(&project).await.expect(4);
    let kept = "SELECT COUNT_BIG(*) FROM dbo.t_ITEM WHERE REMARK = N'by hand'";
    assert_eq!(server.connect(&server.target).await.integer(kept).await, 3);
}

/// Values that are too long for a bulk load follow it by the number of their row, which each chunk has its own of.
#[tokio::test(flavor = "multi_thread")]
async fn long_values_of_chunks_that_are_loaded_together_stay_in_their_rows() {
    let server = Server::start().await;
    let columns = "ID int NOT NULL, PARENT int NULL, NAME nvarchar(max) NULL";
    let rows = (0..ROWS).map(|n| format!("({n}, {}, N'n{n}')", ROWS - 1 - n));
    Table::new("ITEM", columns).rows(rows).at_source(&server).await;
    for n in [1, 6, 37] {
        let long = format!("REPLICATE(CAST(N'{n}' AS nvarchar(max)), 40000)");
        server
            .at_source(&format!("UPDATE dbo.ITEM SET NAME = {long} WHERE ID = {n}"))
            .await;
    }
    Table::new("t_ITEM", columns).at_target(&server).await;
    server
        .at_target(
            "ALTER TABLE dbo.t_ITEM ADD CONSTRAINT FK_PARENT FOREIGN KEY (PARENT) REFERENCES dbo.t_ITEM (ID)",
        )
        .await;
    run(&project(&server)).await.expect(0);
    assert_whole(&server).await;
}

/// Rows point at rows of later chunks and of earlier ones, at the first load and when the tree is turned around.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_points_at_itself_is_loaded_together() {
    let server = Server::start().await;
    let rows = (0..ROWS).map(|n| format!("({n}, {}, N'n{n}')", ROWS - 1 - n));
    Table::new("ITEM", TREE).rows(rows).at_source(&server).await;
    tree_target(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    assert_whole(&server).await;
    // A new parent has the name of the one that leaves, and takes its child.
    server
        .at_target("CREATE UNIQUE INDEX UX_NAME ON dbo.t_ITEM (NAME)")
        .await;
    server
        .at_source(
            "INSERT INTO dbo.ITEM VALUES (200, 200, N'n39'); UPDATE dbo.ITEM SET PARENT = 200 WHERE PARENT = 39; \
             DELETE FROM dbo.ITEM WHERE ID = 39",
        )
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    // A new parent in the last chunk for children of an earlier one, whose old parent leaves.
    server
        .at_source(
            "INSERT INTO dbo.ITEM VALUES (100, 101, N'new'), (101, 100, N'newer'); \
             UPDATE dbo.ITEM SET PARENT = 100 WHERE PARENT = 20; DELETE FROM dbo.ITEM WHERE ID = 20",
        )
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let again = run(&project).await.expect(0);
    assert!(again.stderr.contains("are those in place"), "{}", again.stderr);
}

/// What one transaction cannot hold, and what another table points at, is told with the way out.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_together_is_told() {
    let server = Server::start().await;
    let rows = (0..200).map(|n| format!("({n}, {}, N'n{n}')", 199 - n));
    Table::new("ITEM", TREE).rows(rows).at_source(&server).await;
    tree_target(&server).await;
    let project = project(&server);
    let says = "at most 32 chunks";
    let planned = project.sync(&["plan"]).await.expect(0);
    assert!(planned.stdout.contains(says), "{}", planned.stdout);
    let doctor = project.sync(&["doctor"]).await.expect(0);
    assert!(doctor.stdout.contains(says), "{}", doctor.stdout);
    let said = run(&project).await.expect(4);
    assert!(
        said.stderr.contains("takes 32 chunks and ") && said.stderr.contains("Raise chunk_rows"),
        "{}",
        said.stderr
    );
    project.sync(&["run", "--chunk-rows", "50"]).await.expect(0);
    assert_whole(&server).await;
    // A row that another table points at cannot leave, together or not.
    server
        .at_target(
            "CREATE TABLE dbo.POINTS (ID int NOT NULL CONSTRAINT FK_points REFERENCES dbo.t_ITEM (ID)); \
             INSERT INTO dbo.POINTS VALUES (60)",
        )
        .await;
    server
        .at_source("UPDATE dbo.ITEM SET PARENT = NULL WHERE PARENT = 60; DELETE FROM dbo.ITEM WHERE ID = 60")
        .await;
    let said = run(&project).await.expect(4);
    assert!(
        said.stderr.contains("FK_points") && said.stderr.contains("disable the constraint"),
        "{}",
        said.stderr
    );
    server.at_target("DROP TABLE dbo.POINTS").await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}
