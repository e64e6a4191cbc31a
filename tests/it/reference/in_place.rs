//! Targets that a copy could not stand in for, or that it must look like.

use testkit::project::ITEM_FULL;
use testkit::tables::Table;
use testkit::{Project, Server, faults};

use super::{assert_whole, fill, loads, object_id, project, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_a_copy_could_not_stand_in_for_is_refreshed_in_place() {
    let server = Server::start().await;
    fill(&server).await;
    server
        .at_target(
            "CREATE TABLE dbo.t_ITEM (CODE nvarchar(20) NOT NULL PRIMARY KEY CLUSTERED, NAME nvarchar(40) NULL, \
             PRICE money NULL, CHANGED date NULL CONSTRAINT DF_changed DEFAULT ('2000-01-01')); \
             INSERT INTO dbo.t_ITEM VALUES (N'A', N'gone', 1, NULL)",
        )
        .await;
    let project = project(&server);
    let id = object_id(&server, "dbo.t_ITEM").await;
    let said = run(&project).await.expect(0);
    assert!(
        said.stderr.contains("refreshed in place") && said.stderr.contains("column defaults"),
        "{}",
        said.stderr
    );
    assert_whole(&server).await;
    assert_eq!(id, object_id(&server, "dbo.t_ITEM").await);
    let before = loads(&server).await;
    run(&project).await.expect(0);
    assert_eq!(before, loads(&server).await, "nothing has changed");
    server
        .at_source("UPDATE dbo.ITEM SET NAME = N'other' WHERE CODE = N'C045'; DELETE FROM dbo.ITEM WHERE CODE = N'C099'")
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let after = loads(&server).await;
    let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    assert_eq!(changed, [2, 4], "only the chunks that differ");
    assert_eq!(id, object_id(&server, "dbo.t_ITEM").await);
}

/// Keys that only the source's collation tells apart, at a target that orders them otherwise: swapped, and in place.
#[tokio::test(flavor = "multi_thread")]
async fn keys_in_another_collation_at_the_target() {
    for default in ["", "CONSTRAINT DF_price DEFAULT (0)"] {
        let Some(server) = Server::start_emulator("keys_in_another_collation_at_the_target").await else {
            return;
        };
        let codes = ["a", "A", "B", "b", "a-1", "AB", "Z", "ab", "aB", "-", "_", "c"];
        let rows = codes.iter().map(|code| format!("(N'{code}', 1)"));
        let table = |name: &str, collation: &str, default: &str| {
            let code = format!("CODE nvarchar(20) COLLATE {collation} NOT NULL");
            Table::new(name, &format!("{code}, PRICE money NULL {default}"))
        };
        let source = table("ITEM", "Latin1_General_BIN2", "").keyed("CODE");
        source.rows(rows).at_source(&server).await;
        let target = table("t_ITEM", "Latin1_General_CI_AS", default).keyless();
        target.at_target(&server).await;
        let project = Project::tuned(&server, "chunk_rows = 3", ITEM_FULL);
        run(&project).await.expect(0);
        assert_whole(&server).await;
        server
            .at_source("UPDATE dbo.ITEM SET PRICE = 2 WHERE CODE IN (N'A', N'b'); DELETE FROM dbo.ITEM WHERE CODE = N'aB'")
            .await;
        run(&project).await.expect(0);
        assert_whole(&server).await;
        project.sync(&["reconcile"]).await.expect(0);
        let sql = "SELECT collation_name FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.t_ITEM') AND name = N'CODE'";
        let collations = server.connect(&server.target).await.texts(sql).await;
        assert_eq!(collations, ["Latin1_General_CI_AS"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_copy_would_lose_keeps_the_target_in_its_place() {
    let name = "what_a_copy_would_lose_keeps_the_target_in_its_place";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    for (obstacle, undo, says) in [
        (
            "GRANT SELECT ON OBJECT::dbo.t_ITEM TO [reports]",
            "REVOKE SELECT ON OBJECT::dbo.t_ITEM TO [reports]",
            "permissions granted on it",
        ),
        (
            "DENY VIEW DEFINITION TO [sync_test]",
            "REVOKE VIEW DEFINITION TO [sync_test]",
            "permissions that this login may not see",
        ),
        (
            "ALTER TABLE dbo.t_ITEM ADD CONSTRAINT CK_price CHECK (PRICE >= 0)",
            "ALTER TABLE dbo.t_ITEM DROP CONSTRAINT CK_price",
            "check constraints",
        ),
        (
            "ALTER TABLE dbo.t_ITEM ADD OWN int NULL",
            "ALTER TABLE dbo.t_ITEM DROP COLUMN OWN",
            "column OWN, which the source does not have",
        ),
        (
            "CREATE INDEX IX_some ON dbo.t_ITEM (PRICE) WHERE PRICE > 1",
            "DROP INDEX IX_some ON dbo.t_ITEM",
            "index IX_some, which is filtered",
        ),
    ] {
        let id = object_id(&server, "dbo.t_ITEM").await;
        server.at_target(obstacle).await;
        server
            .at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1 WHERE CODE < N'C030'")
            .await;
        let said = run(&project).await.expect(0);
        assert!(said.stderr.contains(says), "no {says} in {}", said.stderr);
        assert_eq!(id, object_id(&server, "dbo.t_ITEM").await, "{says}");
        server.at_target(undo).await;
        assert_whole(&server).await;
        server
            .at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1 WHERE CODE < N'C030'")
            .await;
        run(&project).await.expect(0);
        assert_ne!(
            id,
            object_id(&server, "dbo.t_ITEM").await,
            "swapped again after {says}"
        );
        assert_whole(&server).await;
    }
    // Only a db_owner may select from the first view unless it is granted. The other one is not there, and what a server
    // says of that may have a number of its own.
    for (view, number, swapped) in [
        ("sys.sql_expression_dependencies", 229, false),
        ("sys.sql_expression_dependencies", 50_000, false),
        ("sys.fulltext_indexes", 50_000, true),
    ] {
        let place = faults::at(format!("FROM {view}")).always();
        place.fails(&server, number);
        let id = object_id(&server, "dbo.t_ITEM").await;
        server.at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1").await;
        let said = run(&project).await.expect(0);
        let says = "schema-bound views or functions on it, which this login may not see";
        assert_eq!(
            said.stderr.contains(says),
            !swapped,
            "{view} {number}: {}",
            said.stderr
        );
        assert_eq!(
            id != object_id(&server, "dbo.t_ITEM").await,
            swapped,
            "{view} {number}"
        );
        assert_whole(&server).await;
        server.faults().clear();
    }
}

/// Whoever alters the target while a copy of it is loaded finds it altered afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_altered_meanwhile_keeps_what_it_got() {
    let name = "a_target_that_is_altered_meanwhile_keeps_what_it_got";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    let indexes =
        "SELECT COUNT(*) FROM sys.indexes WHERE object_id = OBJECT_ID(N'dbo.t_ITEM') AND name = N'IX_new'";
    let grants = "SELECT COUNT(*) FROM sys.database_permissions WHERE class = 1 AND major_id = OBJECT_ID(N'dbo.t_ITEM')";
    for (altered, probe, swapped) in [
        ("CREATE INDEX IX_new ON dbo.t_ITEM (PRICE)", indexes, true),
        ("GRANT SELECT ON OBJECT::dbo.t_ITEM TO [reports]", grants, false),
    ] {
        let id = object_id(&server, "dbo.t_ITEM").await;
        server
            .at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1 WHERE CODE > N'C030'")
            .await;
        let insert = faults::at("INSERT INTO [dbo].[t_ITEM__sync]").nth(4);
        let rule = insert.runs(&server, altered);
        let said = run(&project).await.expect(0);
        assert_eq!(server.faults().fired(rule), 1, "{altered}");
        server.faults().clear();
        assert!(
            said.stderr.contains("was altered while it was loaded anew"),
            "{}",
            said.stderr
        );
        assert_whole(&server).await;
        assert_eq!(
            server.connect(&server.target).await.integer(probe).await,
            1,
            "{altered}"
        );
        assert_eq!(id != object_id(&server, "dbo.t_ITEM").await, swapped, "{altered}");
    }
    // A copy that was cut short is not gone on with when the target has changed since.
    server
        .at_target("REVOKE SELECT ON OBJECT::dbo.t_ITEM TO [reports]")
        .await;
    server.at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1").await;
    let insert = faults::at("INSERT INTO [dbo].[t_ITEM__sync]").nth(3);
    let stalled = insert.stalls(&server);
    let mut child = project.spawn(&["run"]);
    server.faults().wait_fired(stalled, 1).await;
    child.kill().await.expect("the run is killed");
    server.faults().clear();
    server
        .at_target("CREATE INDEX IX_newer ON dbo.t_ITEM (CHANGED)")
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let sql = indexes.replace("IX_new", "IX_newer");
    assert_eq!(server.connect(&server.target).await.integer(&sql).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_pointed_at_are_updated_and_not_replaced() {
    let server = Server::start().await;
    fill(&server).await;
    server
        .at_target(
            "CREATE TABLE dbo.t_ITEM (CODE nvarchar(20) NOT NULL CONSTRAINT PK_pointed PRIMARY KEY CLUSTERED, \
             NAME nvarchar(40) NULL, PRICE money NULL, CHANGED date NULL)",
        )
        .await;
    let project = project(&server);
    server
        .at_target(
            "CREATE TABLE dbo.POINTS (ID int NOT NULL PRIMARY KEY, CODE nvarchar(20) NOT NULL \
             CONSTRAINT FK_points REFERENCES dbo.t_ITEM (CODE))",
        )
        .await;
    run(&project).await.expect(0);
    server
        .at_target("INSERT INTO dbo.POINTS VALUES (1, N'C042'), (2, N'C043'), (3, N'C099')")
        .await;
    // Values that compare equal and are not the same, beside one that differs, one that goes and one that comes.
    server
        .at_source(
            "UPDATE dbo.ITEM SET NAME = N'NAME 42 ' WHERE CODE = N'C042'; UPDATE dbo.ITEM SET CODE = N'c043' WHERE CODE = N'C043'; \
             DELETE FROM dbo.ITEM WHERE CODE = N'C044'; INSERT INTO dbo.ITEM VALUES (N'C0445', NULL, NULL, NULL)",
        )
        .await;
    let said = run(&project).await.expect(0);
    assert!(
        said.stderr.contains("foreign keys that point at it"),
        "{}",
        said.stderr
    );
    assert_whole(&server).await;
    assert_eq!(server.count(&server.target, "dbo.POINTS").await, 3);
    // A repair does the same.
    server
        .at_target("UPDATE dbo.t_ITEM SET PRICE = 0 WHERE CODE = N'C042'")
        .await;
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    assert_whole(&server).await;
    // A row that is gone and still pointed at is told, and nothing of its chunk is changed.
    server
        .at_source("DELETE FROM dbo.ITEM WHERE CODE = N'C099'")
        .await;
    let refused = run(&project).await.expect(4);
    assert!(refused.stderr.contains("547"), "{}", refused.stderr);
    server.at_target("DELETE FROM dbo.POINTS WHERE ID = 3").await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

/// The value that a row gets is still another row's at the target, and that one's chunk comes later.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_waits_for_a_unique_value_keeps_no_other_from_being_loaded() {
    let server = Server::start().await;
    let table = |name: &str, default: &str| {
        let table = Table::new(
            name,
            &format!("ID int NOT NULL, CODE nvarchar(20) NOT NULL {default}"),
        );
        format!(
            "{}; CREATE UNIQUE INDEX UX_CODE ON dbo.{name} (CODE)",
            table.create()
        )
    };
    let rows: Vec<String> = (0..20).map(|n| format!("({n}, N'c{n}')")).collect();
    server.at_source(&table("ITEM", "")).await;
    server
        .at_source(&format!("INSERT INTO dbo.ITEM VALUES {}", rows.join(", ")))
        .await;
    let default = "CONSTRAINT DF_code DEFAULT (N'x')";
    server.at_target(&table("t_ITEM", default)).await;
    let project = Project::tuned(&server, "chunk_rows = 5", ITEM_FULL);
    run(&project).await.expect(0);
    server
        .at_source("DELETE FROM dbo.ITEM WHERE ID = 12; UPDATE dbo.ITEM SET CODE = N'c12' WHERE ID = 2")
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

/// A chunk is compared within its own bytes. Rows that grew fill them before the last row is read.
#[tokio::test(flavor = "multi_thread")]
async fn texts_that_grew_are_no_rows_that_left() {
    let server = Server::start().await;
    let columns = |default: &str| {
        format!("CODE int NOT NULL, NAME nvarchar(200) NULL, REMARK nvarchar(200) NULL {default}")
    };
    let rows = (0..300).map(|n| format!("({n}, N'item {n}', NULL)"));
    let source = Table::new("ITEM", &columns("")).keyed("CODE");
    source.rows(rows).at_source(&server).await;
    let target = Table::new("t_ITEM", &columns("CONSTRAINT DF_remark DEFAULT (N'-')"));
    target.keyed("CODE").at_target(&server).await;
    let project = Project::new(&server, ITEM_FULL);
    run(&project).await.expect(0);
    server
        .at_source("UPDATE dbo.ITEM SET REMARK = N'a remark of the vendor, longer than the row was'")
        .await;
    let said = run(&project).await.expect(0);
    assert!(said.stderr.contains("refreshed in place"), "{}", said.stderr);
    assert_whole(&server).await;
    // Rows that did leave are held all the same.
    server
        .at_source("UPDATE dbo.ITEM SET REMARK = REPLICATE(N'x', 200); DELETE FROM dbo.ITEM WHERE CODE < 150")
        .await;
    let said = run(&project).await.expect(3);
    assert!(
        said.stderr.contains("150 of 300 rows would leave"),
        "{}",
        said.stderr
    );
}
