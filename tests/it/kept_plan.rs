//! A table goes on by the key and the access path of its first load, whatever indexes the source gets later, and every
//! command agrees about it. A table that nothing is loaded of is planned anew. A target that lost its record of the plan
//! has it from a state file that knows its receipts.

use testkit::project::{T_MONTHLY, full, monthly};
use testkit::tables::Table;
use testkit::{Ended, Project, Server, faults};

const FIRST: &str = "2025-10-01";
const MIDDLE: &str = "2025-10-31";
const LAST: &str = "2025-11-30";
const ROWS: u32 = 100;
const CHUNK_ROWS: u32 = 20;

/// A table that is told apart by (A, B), by an index that is neither clustered nor the primary key.
fn pairs(name: &str) -> Table {
    let unique = format!(
        "A int NOT NULL, B int NOT NULL, CODE int NOT NULL, D datetime NOT NULL, CONSTRAINT UQ_{name} UNIQUE (A, B)"
    );
    let rows = (0..ROWS).map(|n| {
        let (month, day) = (10 + n % 2, 1 + n * 7 % 28);
        format!(
            "({}, {n}, {}, '2025-{month}-{day:02}T00:00:00')",
            n % 9,
            5_000 - n
        )
    });
    Table::new(name, &unique).keyless().rows(rows)
}

/// Makes the index that is preferred to the one of (A, B).
async fn add_code(server: &Server, table: &str) {
    let sql = format!("CREATE UNIQUE INDEX UQ_CODE_{table} ON dbo.{table} (CODE)");
    server.at_source(&sql).await;
}

fn project(server: &Server, tables: &str) -> Project {
    Project::tuned(server, &format!("chunk_rows = {CHUNK_ROWS}"), tables)
}

async fn plan(project: &Project, code: i32) -> Ended {
    let plan = ["plan", "--start-date", FIRST, "--end-date", LAST];
    project.sync(&plan).await.expect(code)
}

/// The access path and the fingerprint that the target has of T, in capitals: a server may keep names in lower case.
async fn recorded(server: &Server) -> String {
    let sql = "SELECT [access_path], [fingerprint] FROM [sync].[plan] WHERE [table_name] = N'dbo.t_T'";
    let recorded = server.connect(&server.target).await.rows(sql).await.remove(0);
    recorded.to_uppercase()
}

#[track_caller]
fn assert_says(ended: &Ended, texts: &[&str]) {
    let all = ended.said().to_lowercase();
    for text in texts {
        assert!(all.contains(&text.to_lowercase()), "no {text} in {ended:?}");
    }
}

/// Two machines: the first has loaded the table by (A, B), the second has forgotten it and loaded its first month by CODE.
async fn two_machines(server: &Server) -> (Project, Project) {
    pairs("T").at_source(server).await;
    let (one, other) = (project(server, T_MONTHLY), project(server, T_MONTHLY));
    one.run(FIRST, LAST, &[]).await.expect(0);
    add_code(server, "T").await;
    other.sync(&["forget", "--table", "T"]).await.expect(0);
    other.run(FIRST, MIDDLE, &[]).await.expect(0);
    (one, other)
}

async fn assert_nothing_to_do(project: &Project) {
    let again = project.run(FIRST, LAST, &["--tables", "T"]).await.expect(0);
    assert_says(&again, &["Everything is already loaded"]);
}

/// T is walked, S has an index on its date, and R is copied whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_unique_index_that_comes_later_changes_no_key() {
    let server = Server::start().await;
    pairs("T").at_source(&server).await;
    pairs("S").indexed("D").at_source(&server).await;
    pairs("R").at_source(&server).await;
    let project = project(&server, &(monthly("T", "D") + &monthly("S", "D") + &full("R")));
    project.run(FIRST, MIDDLE, &[]).await.expect(0);
    let loads = server.loads().await;
    for table in ["T", "S", "R"] {
        add_code(&server, table).await;
    }
    let told = plan(&project, 0).await;
    assert_says(
        &told,
        &["read in the order A, B (key", "read in the order D, A, B ("],
    );
    assert!(!told.stdout.contains("CODE"), "{told:?}");
    let doctor = project.sync(&["doctor"]).await.expect(0);
    assert!(!doctor.stdout.contains("[CODE]"), "{doctor:?}");
    assert_says(&doctor, &["source table T: Slow: no index on D, each"]);
    project.sync(&["reconcile", "--source"]).await.expect(0);
    project.run(FIRST, MIDDLE, &[]).await.expect(0);
    assert_eq!(server.loads().await, loads, "nothing was loaded again");
    server
        .at_source(
            "DELETE FROM dbo.R WHERE B = 50; INSERT INTO dbo.R VALUES (4, 500, 9000, '2025-10-05T00:00:00')",
        )
        .await;
    std::fs::remove_file(project.state()).expect("it is there");
    project.sync(&["rebuild"]).await.expect(0);
    project.run(FIRST, LAST, &[]).await.expect(0);
    project.sync(&["counts"]).await.expect(0);
    server.at_target("DELETE FROM dbo.t_T WHERE A = 3").await;
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    for table in ["T", "S", "R"] {
        server
            .assert_equal(&format!("dbo.{table}"), &format!("dbo.t_{table}"))
            .await;
    }
    assert!(recorded(&server).await.contains("[A], [B]"));
    assert_nothing_to_do(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_asked_for_or_lost_its_index_is_a_change() {
    let server = Server::start().await;
    pairs("T").at_source(&server).await;
    let project = project(&server, T_MONTHLY);
    project.run(FIRST, MIDDLE, &[]).await.expect(0);
    add_code(&server, "T").await;
    let says = ["key: was [A], [B], is [CODE]", "`sync forget --table T`"];
    let asked = T_MONTHLY.to_owned() + "key = [\"CODE\"]\n";
    project.configure(T_MONTHLY, &asked);
    for lost in [false, true] {
        if lost {
            project.configure(&asked, T_MONTHLY);
            server.at_source("ALTER TABLE dbo.T DROP CONSTRAINT UQ_T").await;
        }
        assert_says(&project.run(FIRST, LAST, &[]).await.expect(6), &says);
        assert_says(&plan(&project, 6).await, &says);
        assert_says(&project.sync(&["reconcile", "--source"]).await.expect(6), &says);
        assert_says(&project.sync(&["doctor"]).await.expect(7), &says);
    }
    project.sync(&["forget", "--table", "T"]).await.expect(0);
    project.run(FIRST, LAST, &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert!(recorded(&server).await.contains("[CODE]"));
    assert_nothing_to_do(&project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_nothing_is_loaded_of_is_planned_anew() {
    let Some(server) = Server::start_emulator("a_table_that_nothing_is_loaded_of").await else {
        return;
    };
    pairs("T").at_source(&server).await;
    let project = project(&server, T_MONTHLY);
    faults::at("INSERT INTO [dbo].[t_T]")
        .of_the_program()
        .always()
        .fails(&server, 547);
    project.run(FIRST, LAST, &[]).await.expect(4);
    server.faults().clear();
    assert!(recorded(&server).await.contains("KEY WALK"));
    assert_eq!(server.receipts().await, [""; 0]);
    add_code(&server, "T").await;
    server
        .at_source("CREATE CLUSTERED INDEX CX_T ON dbo.T (CODE); CREATE INDEX IX_T ON dbo.T (D)")
        .await;
    assert_says(&plan(&project, 0).await, &["read in the order D, CODE (date)"]);
    project
        .run(FIRST, MIDDLE, &["--max-workers", "1"])
        .await
        .expect(0);
    let recorded = recorded(&server).await;
    assert!(recorded.contains("[D], [CODE]"), "{recorded}");
    project.run(FIRST, LAST, &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_nothing_to_do(&project).await;
}

/// The target loses its record of what the second machine did.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_comes_from_a_state_file_that_knows_the_receipts() {
    let server = Server::start().await;
    let (one, other) = two_machines(&server).await;
    // Another key would be chosen now.
    server
        .at_source("CREATE UNIQUE CLUSTERED INDEX CX_T ON dbo.T (B)")
        .await;
    server.at_target("DELETE FROM [sync].[plan]").await;
    let loads = server.loads().await;
    let says = [
        "has lost the row that tells by which key",
        "`sync forget --table T`",
    ];
    assert_says(&one.run(FIRST, LAST, &[]).await.expect(6), &says);
    assert_says(&plan(&one, 6).await, &says);
    assert_says(&one.sync(&["reconcile"]).await.expect(6), &says);
    assert_says(&one.sync(&["rebuild"]).await.expect(0), &["sync forget"]);
    assert_says(&one.run(FIRST, LAST, &[]).await.expect(6), &says);
    assert_eq!(server.loads().await, loads);
    // Whoever knows the receipts writes the record again, also after a rebuild.
    other.sync(&["rebuild"]).await.expect(0);
    assert_says(&plan(&other, 0).await, &["in the order CODE ("]);
    other.run(FIRST, MIDDLE, &[]).await.expect(0);
    assert_eq!(server.loads().await, loads, "nothing was loaded again");
    assert!(recorded(&server).await.contains("[CODE]"));
    // And then the first machine goes on by it.
    one.run(FIRST, LAST, &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_nothing_to_do(&one).await;
}

/// The state file has windows of the load that was forgotten: their keys are of other columns.
#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_of_a_forgotten_load_do_not_count() {
    let server = Server::start().await;
    let (one, _) = two_machines(&server).await;
    let ended = one.run(FIRST, LAST, &[]).await.expect(0);
    assert_says(&ended, &["of a load by other keys"]);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_nothing_to_do(&one).await;
}

/// A plan that only the state file has: its key's index is gone, and so are all rows of the target.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_lost_all_is_loaded_again_by_the_key_of_the_checkpoints() {
    let server = Server::start().await;
    pairs("T").at_source(&server).await;
    let project = project(&server, T_MONTHLY);
    project.run(FIRST, LAST, &[]).await.expect(0);
    add_code(&server, "T").await;
    let lose = "DROP TABLE dbo.t_T; DELETE FROM [sync].[receipt]; DELETE FROM [sync].[plan]";
    server.at_target(lose).await;
    project.run(FIRST, LAST, &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert!(recorded(&server).await.contains("[A], [B]"));
    server.at_target(lose).await;
    server.at_source("ALTER TABLE dbo.T DROP CONSTRAINT UQ_T").await;
    let says = ["key: was [A], [B], is [CODE]", "`sync forget --table T`"];
    assert_says(&project.run(FIRST, LAST, &[]).await.expect(6), &says);
    assert_says(&plan(&project, 6).await, &says);
    project.sync(&["forget", "--table", "T"]).await.expect(0);
    project.run(FIRST, LAST, &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_another_name_is_refused_by_the_plan_as_by_the_run() {
    let server = Server::start().await;
    pairs("T").at_source(&server).await;
    let project = project(&server, T_MONTHLY);
    project.run(FIRST, MIDDLE, &[]).await.expect(0);
    project.configure("table_prefix = \"t_\"", "table_prefix = \"u_\"");
    let says = ["target table: was dbo.t_T, is dbo.u_T"];
    assert_says(&project.run(FIRST, LAST, &[]).await.expect(6), &says);
    assert_says(&plan(&project, 6).await, &says);
    assert_says(&project.sync(&["doctor"]).await.expect(7), &says);
}

/// The state file has a month that the target has forgotten and lost since, by keys of other columns. A comparison finds
/// it as often as it is asked, a repair loads it, and so does a run for other dates.
#[tokio::test(flavor = "multi_thread")]
async fn days_of_a_load_by_other_keys_stay_owed() {
    for repairs in [true, false] {
        let server = Server::start().await;
        let (one, _) = two_machines(&server).await;
        server
            .at_target("DELETE FROM dbo.t_T WHERE D >= '2025-11-01'")
            .await;
        if repairs {
            for _ in 0..2 {
                one.sync(&["reconcile", "--source"]).await.expect(3);
            }
            one.sync(&["reconcile", "--source", "--repair"]).await.expect(0);
        } else {
            one.run(FIRST, MIDDLE, &[]).await.expect(0);
        }
        server.assert_equal("dbo.T", "dbo.t_T").await;
        assert_nothing_to_do(&one).await;
    }
}

/// A stored key of another type says nothing about where a chunk begins.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_type_do_not_count() {
    for (then, now) in [("varchar(20)", "int"), ("int", "varchar(20)")] {
        let server = Server::start().await;
        let table = |id: &str| {
            let rows = (0..ROWS).map(|n| format!("({n}, '2025-10-{:02}T00:00:00')", 1 + n % 2));
            Table::new("T", &format!("ID {id} NOT NULL, D datetime NOT NULL"))
                .indexed("D")
                .rows(rows)
        };
        table(then).at_source(&server).await;
        let project = project(&server, T_MONTHLY);
        project.run(FIRST, MIDDLE, &[]).await.expect(0);
        server
            .at_target("DROP TABLE dbo.t_T; DELETE FROM [sync].[receipt]; DELETE FROM [sync].[plan]")
            .await;
        server.at_source("DROP TABLE dbo.T").await;
        table(now).at_source(&server).await;
        let ended = project.run(FIRST, MIDDLE, &[]).await.expect(0);
        assert_says(&ended, &["of a load by other keys"]);
        server.assert_equal("dbo.T", "dbo.t_T").await;
        let receipts = "SELECT SUM([row_count]) FROM [sync].[receipt]";
        let proven = server.connect(&server.target).await.integer(receipts).await;
        assert_eq!(proven, i64::from(ROWS), "{then} to {now}");
        let again = project.run(FIRST, MIDDLE, &[]).await.expect(0);
        assert_says(&again, &["Everything is already loaded"]);
    }
}

/// Records of two spellings would each lack what the other has.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_spelled_anew_is_refused() {
    let server = Server::start().await;
    pairs("T").at_source(&server).await;
    let project = project(&server, T_MONTHLY);
    project.run(FIRST, MIDDLE, &[]).await.expect(0);
    project.configure("name = \"T\"", "name = \"t\"");
    let says = ["the state file knows it as T; write name = \"T\""];
    assert_says(&project.run(FIRST, LAST, &[]).await.expect(6), &says);
    assert_says(&plan(&project, 6).await, &says);
    project.configure("name = \"t\"", "name = \"T\"");
    project.run(FIRST, LAST, &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// The target has lost all that it knew, and the state file knows where the rows came from.
#[tokio::test(flavor = "multi_thread")]
async fn another_source_is_refused_by_the_state_file_alone() {
    let mut server = Server::start().await;
    pairs("T").at_source(&server).await;
    let project = project(&server, T_MONTHLY);
    project.run(FIRST, MIDDLE, &[]).await.expect(0);
    server
        .at_target("DELETE FROM [sync].[receipt]; DELETE FROM [sync].[plan]; DELETE FROM [sync].[lease]")
        .await;
    let first = server.source.clone();
    server.source = server.create_database().await;
    pairs("T").at_source(&server).await;
    project.configure(&first, &server.source);
    let before = server.connect(&server.target).await.dump("dbo.t_T").await;
    let refused = project.run(FIRST, LAST, &[]).await.expect(6);
    assert_says(&refused, &[&format!("source database: was {first}")]);
    let after = server.connect(&server.target).await.dump("dbo.t_T").await;
    assert_eq!(before, after);
    server.source = first;
}
