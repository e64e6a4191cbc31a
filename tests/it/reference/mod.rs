//! Reference tables: loaded whole beside the target and swapped in, or in place where a copy could not stand in.

mod in_place;
mod refused;

use tds_emulator::At;
use testkit::project::{ITEM_FULL, monthly};
use testkit::tables::{self, Table};
use testkit::{Ended, Project, Server, faults};

const ROWS: u32 = 100;
const CHUNK_ROWS: u32 = 20;

/// Makes and fills the source table: a text key, which the server's collation orders.
async fn fill(server: &Server) {
    let rows = (0..ROWS).map(|n| format!("(N'C{n:03}', N'name {n}', {n}.50, '2025-01-{:02}')", 1 + n % 28));
    let table = tables::items("NAME nvarchar(40) NULL, PRICE money NULL, CHANGED date NULL");
    table.rows(rows).at_source(server).await;
}

fn project(server: &Server) -> Project {
    let run = format!("chunk_rows = {CHUNK_ROWS}");
    Project::tuned(server, &run, ITEM_FULL)
}

async fn run(project: &Project) -> Ended {
    project.sync(&["run"]).await
}

async fn object_id(server: &Server, table: &str) -> i64 {
    let sql = format!("SELECT COALESCE(OBJECT_ID(N'{table}', N'U'), 0)");
    server.connect(&server.target).await.integer(&sql).await
}

/// Loads, by the receipts of the target, in key order.
async fn loads(server: &Server) -> Vec<String> {
    let sql = "SELECT [ordinal], [load_id] FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_ITEM' ORDER BY [ordinal]";
    server.connect(&server.target).await.rows(sql).await
}

/// Asserts that the target has the source's rows, its receipts add up to them, and nothing is left beside it.
async fn assert_whole(server: &Server) {
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
    assert_eq!(object_id(server, "dbo.t_ITEM__sync").await, 0, "a table is left");
    let mut client = server.connect(&server.target).await;
    let sql = "SELECT DISTINCT [table_name] FROM [sync].[receipt]";
    assert_eq!(client.texts(sql).await, ["dbo.t_ITEM"]);
    let sql = "SELECT [table_name] FROM [sync].[plan]";
    assert_eq!(client.texts(sql).await, ["dbo.t_ITEM"]);
    let sql = "SELECT COALESCE(SUM([row_count]), 0) FROM [sync].[receipt] WHERE [state] = N'verified'";
    assert_eq!(
        client.integer(sql).await,
        server.count(&server.target, "dbo.t_ITEM").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_loaded_compared_and_swapped() {
    let server = Server::start().await;
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let (id, first) = (object_id(&server, "dbo.t_ITEM").await, loads(&server).await);
    assert_eq!(first.len() as u32, ROWS / CHUNK_ROWS);
    let status = project.status().await;
    assert_eq!(status["tables"][0]["mode"], "full", "{status}");
    assert_eq!(status["tables"][0]["windows"][0]["window"], "all", "{status}");
    assert_eq!(status["tables"][0]["windows"][0]["state"], "complete", "{status}");
    // Nothing has changed: all is read and nothing written.
    let mark = server.mark();
    let same = run(&project).await.expect(0);
    assert!(
        same.stdout.contains("100 rows of reference tables were read"),
        "{}",
        same.stdout
    );
    server.assert_rows_read(mark, "[ITEM]", ROWS, ROWS / CHUNK_ROWS);
    assert_eq!(
        (id, first.clone()),
        (object_id(&server, "dbo.t_ITEM").await, loads(&server).await)
    );
    // A row of the fourth chunk has changed: three are taken from the target, none is read twice but that one.
    server
        .at_source(
            "UPDATE dbo.ITEM SET PRICE = 1 WHERE CODE = N'C070'; DELETE FROM dbo.ITEM WHERE CODE = N'C090'; \
             INSERT INTO dbo.ITEM VALUES (N'C0651', NULL, NULL, NULL), (N'D', N'new', 7, NULL)",
        )
        .await;
    let mark = server.mark();
    run(&project).await.expect(0);
    server.assert_rows_read(mark, "[ITEM]", ROWS + 1, CHUNK_ROWS + 7);
    assert_whole(&server).await;
    assert_ne!(id, object_id(&server, "dbo.t_ITEM").await);
    assert_eq!(project.status().await["totals"]["rows"], ROWS + 1);
    // And again anew, although nothing has changed.
    let before = loads(&server).await;
    project.sync(&["run", "--force"]).await.expect(0);
    assert_whole(&server).await;
    assert!(loads(&server).await.iter().all(|load| !before.contains(load)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_swapped_in_has_the_key_and_indexes_of_the_old_one() {
    let server = Server::start().await;
    fill(&server).await;
    // An older script's table, with rows, a wider column, no key of ours and indexes of its own.
    server
        .at_target(
            "CREATE TABLE dbo.t_ITEM (NAME nvarchar(80) NULL, CODE nvarchar(20) NOT NULL, PRICE decimal(19,4) NULL, \
             CHANGED date NULL, CONSTRAINT PK_mine PRIMARY KEY NONCLUSTERED (CODE), CONSTRAINT UQ_mine UNIQUE (NAME, CODE)); \
             CREATE CLUSTERED INDEX IX_changed ON dbo.t_ITEM (CHANGED, CODE); \
             CREATE INDEX IX_price ON dbo.t_ITEM (PRICE DESC) INCLUDE (NAME); \
             INSERT INTO dbo.t_ITEM VALUES (N'old', N'gone', 1, NULL)",
        )
        .await;
    let project = project(&server);
    let shape = "SELECT CONCAT(i.name, N'|', i.type_desc, N'|', i.is_unique, N'|', c.name, N'|', ic.is_descending_key, \
                 N'|', ic.is_included_column) FROM sys.indexes AS i \
                 JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
                 JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id \
                 WHERE i.object_id = OBJECT_ID(N'dbo.t_ITEM') ORDER BY i.name, ic.index_column_id";
    let mut client = server.connect(&server.target).await;
    let before = client.texts(shape).await;
    for generation in 1..=2 {
        run(&project).await.expect(0);
        let after = client.texts(shape).await;
        let plain: Vec<String> = after
            .iter()
            .map(|line| line.replace(&format!("_mine_g{generation}"), "_mine"))
            .collect();
        let (mut plain, mut expected) = (plain, before.clone());
        if !server.faithful {
            for line in plain.iter_mut().chain(&mut expected) {
                *line = line.split_once('|').expect("a name and more").1.to_owned();
            }
        }
        plain.sort_unstable();
        expected.sort_unstable();
        assert_eq!(plain, expected);
        assert!(
            !server.faithful || after.iter().any(|line| line.contains("_g")),
            "{after:?}"
        );
        let sql = "SELECT COUNT_BIG(*) FROM dbo.t_ITEM WHERE CODE = N'gone'";
        assert_eq!(client.integer(sql).await, 0);
        assert_eq!(server.count(&server.target, "dbo.t_ITEM").await, i64::from(ROWS));
        server.at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1").await;
    }
}

/// What a table's owner has set for it goes with it: the options of its indexes, its statistics, its locks.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_swapped_in_has_the_settings_of_the_old_one() {
    let test = "the_table_swapped_in_has_the_settings_of_the_old_one";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    fill(&server).await;
    server
        .at_target(
            "CREATE TABLE dbo.t_ITEM (CODE nvarchar(20) NOT NULL, NAME nvarchar(40) NULL, PRICE money NULL, CHANGED date NULL, \
             CONSTRAINT PK_mine PRIMARY KEY CLUSTERED (CODE) WITH (FILLFACTOR = 80, PAD_INDEX = ON, DATA_COMPRESSION = PAGE)); \
             CREATE INDEX IX_price ON dbo.t_ITEM (PRICE) WITH (ALLOW_PAGE_LOCKS = OFF, ALLOW_ROW_LOCKS = OFF, \
             DATA_COMPRESSION = ROW); \
             CREATE UNIQUE INDEX UX_mine ON dbo.t_ITEM (CODE, NAME) WITH (IGNORE_DUP_KEY = ON); \
             CREATE STATISTICS ST_mine ON dbo.t_ITEM (CHANGED, NAME); \
             ALTER TABLE dbo.t_ITEM SET (LOCK_ESCALATION = DISABLE)",
        )
        .await;
    let project = project(&server);
    let mut client = server.connect(&server.target).await;
    let mut before = Vec::new();
    for sql in [
        "SELECT CONCAT(i.type, N'|', i.fill_factor, N'|', i.is_padded, N'|', i.ignore_dup_key, N'|', i.allow_row_locks, N'|', \
         i.allow_page_locks, N'|', p.data_compression) AS s FROM sys.indexes AS i JOIN sys.partitions AS p \
         ON p.object_id = i.object_id AND p.index_id = i.index_id WHERE i.object_id = OBJECT_ID(N'dbo.t_ITEM') ORDER BY s",
        "SELECT CONCAT(s.name, N'|', c.name) AS s FROM sys.stats AS s JOIN sys.stats_columns AS sc \
         ON sc.object_id = s.object_id AND sc.stats_id = s.stats_id JOIN sys.columns AS c ON c.object_id = sc.object_id \
         AND c.column_id = sc.column_id WHERE s.object_id = OBJECT_ID(N'dbo.t_ITEM') AND s.user_created = 1 \
         ORDER BY sc.stats_column_id",
        "SELECT lock_escalation_desc FROM sys.tables WHERE object_id = OBJECT_ID(N'dbo.t_ITEM')",
    ] {
        before.push((sql, client.texts(sql).await));
    }
    for _ in 0..2 {
        let id = object_id(&server, "dbo.t_ITEM").await;
        run(&project).await.expect(0);
        assert_ne!(id, object_id(&server, "dbo.t_ITEM").await, "it was swapped");
        for (sql, before) in &before {
            assert_eq!(&client.texts(sql).await, before, "{sql}");
        }
        assert_whole(&server).await;
        server.at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1").await;
    }
    // A server that does not know these views lacks these features.
    for view in [
        "sys.stats",
        "sys.sensitivity_classifications",
        "sys.database_audit",
    ] {
        for number in [208, 50_000] {
            faults::at(view).always().fails(&server, number);
            let id = object_id(&server, "dbo.t_ITEM").await;
            let said = run(&project).await.expect(0);
            let absent = number == 208 || view == "sys.stats";
            let swapped = id != object_id(&server, "dbo.t_ITEM").await;
            assert_eq!(swapped, absent, "{view} {number}: {}", said.stderr);
            server.faults().clear();
            server.at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_is_not_said_to_be_swapped_in() {
    let server = Server::start().await;
    fill(&server).await;
    server.at_source("DELETE FROM dbo.ITEM").await;
    let said = run(&project(&server)).await.expect(0);
    assert!(!said.stdout.contains("swapped in"), "{}", said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_key_is_one_chunk_or_refused() {
    let server = Server::start().await;
    Table::new("ITEM", "A int NULL, B nvarchar(100) NULL")
        .keyless()
        .rows(["(1, N'x')", "(1, N'x')", "(1, N'x')", "(NULL, NULL)", "(2, N'y')"])
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 2\nchunk_bytes_max = 4096", ITEM_FULL);
    run(&project).await.expect(0);
    assert_whole(&server).await;
    assert_eq!(loads(&server).await.len(), 1);
    let same = run(&project).await.expect(0);
    assert!(
        same.stdout.contains("5 rows of reference tables were read"),
        "{}",
        same.stdout
    );
    server.at_source("DELETE FROM dbo.ITEM WHERE A = 2").await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let many: Vec<String> = (0..200).map(|n| format!("({n}, N'{n:050}')")).collect();
    server
        .at_source(&format!("INSERT INTO dbo.ITEM VALUES {}", many.join(", ")))
        .await;
    let refused = run(&project).await.expect(7);
    assert!(
        refused
            .stderr
            .to_lowercase()
            .contains("dbo.item has no unique index"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        server.count(&server.target, "dbo.t_ITEM").await,
        4,
        "the old rows stay"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_and_one_that_becomes_empty() {
    let server = Server::start().await;
    fill(&server).await;
    server.at_source("DELETE FROM dbo.ITEM").await;
    let project = project(&server);
    for insert in [
        "",
        "INSERT INTO dbo.ITEM VALUES (N'A', NULL, NULL, NULL)",
        "DELETE FROM dbo.ITEM",
    ] {
        if !insert.is_empty() {
            server.at_source(insert).await;
        }
        let allowed = ["run", "--tables", "ITEM", "--allow-deletes", "ITEM"];
        if insert.starts_with("DELETE") {
            // A table is emptied only by an operator's word.
            run(&project).await.expect(3);
            project.sync(&allowed).await.expect(0);
        }
        run(&project).await.expect(0);
        assert_whole(&server).await;
        run(&project).await.expect(0);
        assert_whole(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_hold_the_old_table_are_waited_for() {
    let Some(server) = Server::start_emulator("readers_that_hold_the_old_table_are_waited_for").await else {
        return;
    };
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    let old = server.connect(&server.target).await.dump("dbo.t_ITEM").await;
    server.at_source("UPDATE dbo.ITEM SET PRICE = 0").await;
    let swap = faults::at("DROP TABLE IF EXISTS [dbo].[t_ITEM]");
    let rule = swap.clone().times(2).fails(&server, 1222);
    // The third swap is stopped in its tracks: the old rows are there, whole.
    let stalled = swap.nth(3).stalls(&server);
    let mut child = project.spawn(&["run"]);
    server.faults().wait_fired(stalled, 1).await;
    assert_eq!(server.faults().fired(rule), 2);
    let seen = server.connect(&server.target).await.dump("dbo.t_ITEM").await;
    assert!(seen == old, "a reader sees the old rows while the swap waits");
    child.kill().await.expect("the run is killed");
    server.faults().clear();
    // What was loaded by then is swapped in, and compared: the source has changed since.
    server.at_source("UPDATE dbo.ITEM SET PRICE = 1").await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

/// Kills a run before it swaps in what it has loaded.
async fn kill_before_the_swap(server: &Server, project: &Project) {
    let rule = faults::at("DROP TABLE IF EXISTS [dbo].[t_ITEM]").stalls(server);
    let mut child = project.spawn(&["run"]);
    server.faults().wait_fired(rule, 1).await;
    child.kill().await.expect("the run is killed");
    server.faults().clear();
}

/// Nobody sees the rows of a shadow table, so its window is not complete; and a run that swaps has done something.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_complete_once_it_is_swapped_in() {
    let Some(server) = Server::start_emulator("a_table_is_complete_once_it_is_swapped_in").await else {
        return;
    };
    fill(&server).await;
    let project = project(&server);
    kill_before_the_swap(&server, &project).await;
    let state = async || project.status().await["tables"][0]["windows"][0]["state"].clone();
    assert_eq!(state().await, "planned", "no run is going");
    project.sync(&["rebuild"]).await.expect(0);
    assert_eq!(state().await, "planned");
    let swapped = run(&project).await.expect(0);
    assert!(
        swapped.stdout.contains("| swapped in")
            && swapped
                .stdout
                .contains("Done: 0 rows loaded now, 100 rows verified in 1 table."),
        "{}",
        swapped.stdout
    );
    assert_eq!(state().await, "complete");
    assert_whole(&server).await;
    let again = run(&project).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}

/// What is forced is loaded anew, also if an earlier run left a copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_forced_load_leaves_an_older_copy_aside() {
    let Some(server) = Server::start_emulator("a_forced_load_leaves_an_older_copy_aside").await else {
        return;
    };
    fill(&server).await;
    let project = project(&server);
    let rule = faults::at("INSERT INTO [dbo].[t_ITEM__sync]")
        .nth(3)
        .stalls(&server);
    let mut child = project.spawn(&["run"]);
    server.faults().wait_fired(rule, 1).await;
    child.kill().await.expect("the run is killed");
    server.faults().clear();
    let mark = server.mark();
    project.sync(&["run", "--force"]).await.expect(0);
    server.assert_rows_read(mark, "[ITEM]", ROWS, ROWS / CHUNK_ROWS);
    assert_whole(&server).await;
}

/// A row that was changed at the target by hand is not one that is in place.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_by_hand_is_loaded_again() {
    let server = Server::start().await;
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    server
        .at_target("UPDATE dbo.t_ITEM SET PRICE = 0 WHERE CODE = N'C050'")
        .await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
    let same = run(&project).await.expect(0);
    assert!(same.stderr.contains("are those in place"), "{}", same.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_whose_commit_is_not_acknowledged_is_done_once() {
    let Some(server) = Server::start_emulator("a_swap_whose_commit_is_not_acknowledged_is_done_once").await
    else {
        return;
    };
    fill(&server).await;
    for at in [At::Before, At::After] {
        let project = project(&server);
        server.at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1").await;
        // The swap's own commit is the first after the renaming.
        let commit = faults::at("COMMIT TRANSACTION")
            .in_database(&server.target)
            .point(at);
        let renamed = commit.nth(u64::from(ROWS / CHUNK_ROWS) + 2).drops(&server);
        run(&project).await.expect(0);
        assert_eq!(server.faults().fired(renamed), 1);
        server.faults().clear();
        assert_whole(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_the_way_is_not_touched() {
    let server = Server::start().await;
    fill(&server).await;
    server
        .at_target("CREATE TABLE dbo.t_ITEM__sync (A int NOT NULL); INSERT INTO dbo.t_ITEM__sync VALUES (1)")
        .await;
    let project = project(&server);
    let refused = run(&project).await.expect(7);
    assert!(
        refused.stderr.contains("dbo.t_ITEM__sync is in the way"),
        "{}",
        refused.stderr
    );
    assert_eq!(server.count(&server.target, "dbo.t_ITEM__sync").await, 1);
    server.at_target("DROP TABLE dbo.t_ITEM__sync").await;
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

/// Another project may load a table of its own under the name of the shadow table.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_the_shadow_tables_name_is_left_alone() {
    let server = Server::start().await;
    fill(&server).await;
    tables::dated("ITEM__sync")
        .rows(tables::october(30))
        .at_source(&server)
        .await;
    let other = Project::new(&server, &monthly("ITEM__sync", "D"));
    other.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let refused = run(&project(&server)).await.expect(7);
    let told = "dbo.t_ITEM__sync is loaded as a table of its own";
    assert!(refused.stderr.contains(told), "{refused:?}");
    server.assert_equal("dbo.ITEM__sync", "dbo.t_ITEM__sync").await;
    let again = other.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_source_is_refused_until_it_is_forgotten() {
    let server = Server::start().await;
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    server.at_source("ALTER TABLE dbo.ITEM ADD WEIGHT int NULL").await;
    let refused = run(&project).await.expect(6);
    assert!(
        refused.stderr.contains("sync forget --table ITEM"),
        "{}",
        refused.stderr
    );
    project.sync(&["forget", "--table", "ITEM"]).await.expect(0);
    run(&project).await.expect(0);
    assert_whole(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_file_costs_nothing() {
    let server = Server::start().await;
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    let before = loads(&server).await;
    let status = project.status().await;
    for way in ["run", "rebuild"] {
        std::fs::remove_file(project.state()).expect("the state file is there");
        project.sync(&[way]).await.expect(0);
        assert_eq!(before, loads(&server).await, "{way}");
        let again = project.status().await;
        assert_eq!(again["totals"], status["totals"], "{way}");
        assert_eq!(
            again["tables"][0]["windows"], status["tables"][0]["windows"],
            "{way}"
        );
    }
    run(&project).await.expect(0);
    assert_eq!(before, loads(&server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_target_has_lost_are_loaded_again() {
    let server = Server::start().await;
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    for sql in [
        "DELETE FROM dbo.t_ITEM WHERE CODE = N'C050'",
        "TRUNCATE TABLE dbo.t_ITEM",
        "DROP TABLE dbo.t_ITEM",
        "INSERT INTO dbo.t_ITEM VALUES (N'Z', NULL, NULL, NULL)",
    ] {
        server.at_target(sql).await;
        run(&project).await.expect(0);
        assert_whole(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_for_monthly_tables() {
    let server = Server::start().await;
    fill(&server).await;
    let sales = Table::new("SALES", "ID int NOT NULL, D date NULL");
    sales.rows(["(1, NULL)"]).at_source(&server).await;
    let project = Project::new(&server, &(monthly("SALES", "D") + ITEM_FULL));
    let refused = run(&project).await.expect(2);
    assert!(
        refused
            .stderr
            .contains("Table SALES needs --start-date and --end-date (only reference tables run without)"),
        "{}",
        refused.stderr
    );
    project.sync(&["run", "--tables", "ITEM"]).await.expect(0);
    assert_whole(&server).await;
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_is_carried_over_has_the_digits_that_it_was_loaded_with() {
    let server = Server::start().await;
    let rows = (0..40).map(|n| format!("(N'C{n:03}', '2025-01-01T00:00:00.00{}')", [3, 7][n % 2]));
    tables::items("SEEN datetime NULL")
        .rows(rows)
        .at_source(&server)
        .await;
    server
        .at_target("CREATE TABLE dbo.t_ITEM (CODE nvarchar(20) NOT NULL PRIMARY KEY, SEEN datetime2(7) NULL)")
        .await;
    let project = project(&server);
    run(&project).await.expect(0);
    let digits = "SELECT DISTINCT CONVERT(nvarchar(30), SEEN, 121) AS s FROM dbo.t_ITEM ORDER BY s";
    let mut client = server.connect(&server.target).await;
    let loaded = client.texts(digits).await;
    assert_eq!(
        loaded,
        ["2025-01-01 00:00:00.0030000", "2025-01-01 00:00:00.0070000"]
    );
    // The first chunk comes from the target, and the second from the source.
    server
        .at_source("DELETE FROM dbo.ITEM WHERE CODE = N'C039'")
        .await;
    let id = object_id(&server, "dbo.t_ITEM").await;
    run(&project).await.expect(0);
    assert_ne!(id, object_id(&server, "dbo.t_ITEM").await, "it was swapped");
    assert_eq!(client.texts(digits).await, loaded);
}

/// A table that is copied by months from now on has no use for the copy that a refresh left.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_a_monthly_table_has_left_is_named_and_goes_with_a_forget() {
    let test = "a_copy_that_a_monthly_table_has_left_is_named_and_goes_with_a_forget";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    fill(&server).await;
    let project = project(&server);
    run(&project).await.expect(0);
    server.at_source("UPDATE dbo.ITEM SET PRICE = 0").await;
    kill_before_the_swap(&server, &project).await;
    project.configure(ITEM_FULL, &monthly("ITEM", "CHANGED"));
    let doctor = project.sync(&["doctor"]).await;
    assert!(
        doctor.stdout.contains("dbo.t_ITEM__sync is left of a refresh"),
        "{doctor:?}"
    );
    let january = ["2025-01-01", "2025-01-31"];
    project.run(january[0], january[1], &[]).await.expect(6);
    project.sync(&["forget", "--table", "ITEM"]).await.expect(0);
    assert_eq!(object_id(&server, "dbo.t_ITEM__sync").await, 0, "a table is left");
    for sql in [
        "SELECT COUNT_BIG(*) FROM [sync].[receipt]",
        "SELECT COUNT_BIG(*) FROM [sync].[plan]",
    ] {
        assert_eq!(
            server.connect(&server.target).await.integer(sql).await,
            0,
            "{sql}"
        );
    }
    project.run(january[0], january[1], &[]).await.expect(0);
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
    let doctor = project.sync(&["doctor"]).await;
    assert!(!doctor.stdout.contains("is left of a refresh"), "{doctor:?}");
}
