//! Columns that `exclude_columns` leaves out: they are not read, not made and not proven, and every command says so.

use testkit::project::{full, monthly};
use testkit::tables::Table;
use testkit::{Ended, Project, Server};

const ROWS: [&str; 3] = [
    "(1, '2025-10-01T10:00:00', 10, N'one')",
    "(2, '2025-10-02T10:00:00', 20, N'two')",
    "(3, '2025-10-02T11:00:00', 30, NULL)",
];

fn sales() -> Table {
    let columns = "ID int NOT NULL, AT datetime NOT NULL, CODE int NOT NULL, NOTE nvarchar(20) NULL";
    Table::new("SALES", columns).indexed("AT").rows(ROWS)
}

/// The section of SALES, with this line for its exclusions.
fn excluding(names: &str) -> String {
    monthly("SALES", "AT") + &format!("exclude_columns = [{names}]\n")
}

async fn run(project: &Project, code: i32) -> Ended {
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(code)
}

/// The columns that are copied of a table, as rows.
async fn copied(server: &Server, database: &str, sql: &str) -> Vec<String> {
    server.connect(database).await.rows(sql).await
}

async fn assert_copied(server: &Server) {
    let of = |table: &str| format!("SELECT ID, AT, CODE FROM dbo.{table} ORDER BY ID");
    assert_eq!(
        copied(server, &server.target, &of("t_SALES")).await,
        copied(server, &server.source, &of("SALES")).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_neither_read_nor_made_and_every_command_works() {
    let server = Server::start().await;
    sales().at_source(&server).await;
    let project = Project::new(&server, &excluding("\"note\""));
    let text = "olumn NOTE is not copied (excluded by exclude_columns)";
    let dates = ["--start-date", "2025-10-01", "--end-date", "2025-10-31"];
    project
        .sync(&[&["plan"][..], &dates].concat())
        .await
        .expect(0)
        .says(text);
    let doctor = project.sync(&["doctor"]).await.expect(0);
    doctor.says("ok       source table SALES: Column NOTE");
    let mark = server.mark();
    run(&project, 0).await.says(text);
    if server.has_log() {
        let texts = server.texts_in(mark, &server.source);
        assert!(texts.iter().all(|text| !text.contains("NOTE")), "{texts:?}");
    }
    assert_copied(&server).await;
    let there =
        "SELECT COUNT_BIG(*) FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.t_SALES') AND name = N'NOTE'";
    assert_eq!(server.connect(&server.target).await.integer(there).await, 0);
    // A value that is not copied is no difference.
    server.at_source("UPDATE dbo.SALES SET NOTE = N'other'").await;
    for command in [
        &["counts"][..],
        &["reconcile", "--source"],
        &["reconcile"],
        &["sample"],
    ] {
        project.sync(command).await.expect(0);
    }
    server
        .at_source("ALTER TABLE dbo.SALES ALTER COLUMN NOTE nvarchar(80)")
        .await;
    let again = run(&project, 0).await;
    assert!(again.stdout.contains("already loaded"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusion_of_a_loaded_table_changes_with_a_forget_alone() {
    // Not every server takes NOT NULL in ALTER COLUMN.
    let Some(server) = Server::start_emulator("an_exclusion_of_a_loaded_table").await else {
        return;
    };
    sales().at_source(&server).await;
    let project = Project::new(&server, &excluding(""));
    run(&project, 0).await;
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
    project.configure("exclude_columns = []", "exclude_columns = [\"NOTE\"]");
    let refused = run(&project, 6).await;
    let refused = refused
        .says("; no longer copied: NOTE")
        .says("`sync forget --table SALES`");
    drop(refused);
    project.sync(&["forget", "--table", "SALES"]).await.expect(0);
    // The target's own column takes NULL, so it may stay; rows that are loaded anew have none there.
    run(&project, 0).await;
    assert_copied(&server).await;
    let filled = "SELECT COUNT_BIG(*) FROM dbo.t_SALES WHERE NOTE IS NOT NULL";
    assert_eq!(server.connect(&server.target).await.integer(filled).await, 0);
    for command in [
        &["counts"][..],
        &["reconcile", "--source"],
        &["sample"],
        &["doctor"],
    ] {
        project.sync(command).await.expect(0);
    }
    project.configure("exclude_columns = [\"NOTE\"]", "");
    run(&project, 6).await.says("; copied now: NOTE");
    project.configure(
        "date_column = \"AT\"",
        "date_column = \"AT\"\nexclude_columns = [\"NOTE\"]",
    );
    project.sync(&["forget", "--table", "SALES"]).await.expect(0);
    server.at_target("UPDATE dbo.t_SALES SET NOTE = N''").await;
    server
        .at_target("ALTER TABLE dbo.t_SALES ALTER COLUMN NOTE nvarchar(20) NOT NULL")
        .await;
    run(&project, 7)
        .await
        .says("takes no NULL in NOTE (nvarchar(20)), which is not copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_column_or_that_the_table_needs_is_refused() {
    let server = Server::start().await;
    sales().at_source(&server).await;
    Table::new("OTHER", "ID int NOT NULL, AT datetime NOT NULL")
        .rows(["(1, '2025-10-01')"])
        .at_source(&server)
        .await;
    let project = Project::new(&server, &(excluding("\"NOET\"") + "\n" + &monthly("OTHER", "AT")));
    for (from, to, says) in [
        (
            "",
            "",
            "Table dbo.SALES has no column NOET; exclude_columns may name its columns: ID, AT, CODE, NOTE",
        ),
        (
            "NOET",
            "ID",
            "Column ID of table dbo.SALES cannot be excluded: its rows are told apart by the unique index over ID",
        ),
    ] {
        if !from.is_empty() {
            project.configure(&format!("\"{from}\""), &format!("\"{to}\""));
        }
        let text = std::fs::read_to_string(project.home.path("sync.toml")).expect("it is there");
        let line = 1 + text
            .lines()
            .position(|line| line.starts_with("exclude_columns"))
            .expect("the line");
        let refused = run(&project, 7).await.says(says);
        let place = format!("sync.toml, line {line}: ");
        assert!(refused.stderr.contains(&place), "{place}: {refused:?}");
        project.sync(&["doctor"]).await.expect(7).says(says);
        // It hides no other table.
        server.assert_equal("dbo.OTHER", "dbo.t_OTHER").await;
    }
    // Another unique index tells the rows apart.
    server
        .at_source("CREATE UNIQUE INDEX UX ON dbo.SALES (CODE)")
        .await;
    run(&project, 0).await;
    let of = |table: &str| format!("SELECT AT, CODE, NOTE FROM dbo.{table} ORDER BY CODE");
    assert_eq!(
        copied(&server, &server.target, &of("t_SALES")).await,
        copied(&server, &server.source, &of("SALES")).await
    );
}

/// A swap would drop the column that only the target has.
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_table_keeps_the_column_that_the_target_has() {
    let server = Server::start().await;
    sales().at_source(&server).await;
    let own = Table::new(
        "t_SALES",
        "ID int NOT NULL, AT datetime NOT NULL, CODE int NOT NULL, NOTE nvarchar(20) NULL",
    );
    own.rows(["(1, '2025-10-01T10:00:00', 10, N'of the warehouse')"])
        .at_target(&server)
        .await;
    let project = Project::new(&server, &(full("SALES") + "exclude_columns = [\"NOTE\"]\n"));
    let text = "column NOTE, which is not copied";
    project.sync(&["run"]).await.expect(0).says(text);
    assert_copied(&server).await;
    server
        .at_source("UPDATE dbo.SALES SET CODE = 11 WHERE ID = 1")
        .await;
    project.sync(&["run"]).await.expect(0);
    assert_copied(&server).await;
    let kept = "SELECT NOTE FROM dbo.t_SALES WHERE ID = 1";
    assert_eq!(
        server.connect(&server.target).await.texts(kept).await,
        ["of the warehouse"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_nobody_can_copy_is_named_once() {
    let Some(server) = Server::start_emulator("a_column_that_nobody_can_copy_is_named_once").await else {
        return;
    };
    server
        .at_source(
            "CREATE TABLE dbo.SALES (ID int NOT NULL PRIMARY KEY, AT datetime NOT NULL, NOTE varchar(20) ENCRYPTED WITH \
             (COLUMN_ENCRYPTION_KEY = CEK, ENCRYPTION_TYPE = RANDOMIZED, ALGORITHM = 'AEAD_AES_256_CBC_HMAC_SHA_256') NULL, \
             AMOUNT money NULL); INSERT INTO dbo.SALES VALUES (1, '2025-10-01T10:00:00', 'x', 5)",
        )
        .await;
    server
        .at_source("ALTER TABLE dbo.SALES ALTER COLUMN AMOUNT ADD MASKED WITH (FUNCTION = 'default()')")
        .await;
    server
        .at_source(&format!("DENY UNMASK TO [{}]", server.user))
        .await;
    // Nobody reads the masks of a column that is left out.
    let project = Project::new(&server, &excluding("\"NOTE\", \"AMOUNT\""));
    let ended = run(&project, 0).await;
    assert_eq!(
        ended.stderr.matches("column NOTE is not copied").count(),
        1,
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("column NOTE is not copied (excluded by exclude_columns)"),
        "{ended:?}"
    );
    let ids = "SELECT ID FROM dbo.t_SALES";
    assert_eq!(copied(&server, &server.target, ids).await, ["I32(Some(1))"]);
}
