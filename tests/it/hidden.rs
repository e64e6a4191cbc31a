//! What a login does not see: values behind masks, encrypted columns, rows behind a policy, the types of columns. A
//! digest cannot tell any of it, as both ends of the copy would hold the same.

use mssql_sync::mssql::{Session, Timeouts, catalog};
use serde_json::Value;
use testkit::project::monthly;
use testkit::tables::Table;
use testkit::{Client, Ended, Project, Server, faults};

const TABLES: &str =
    "[[table]]\nname = \"SALES\"\ndate_column = \"AT\"\n\n[[table]]\nname = \"CARD\"\ndate_column = \"AT\"\n";

/// A source table by the date AT, with further columns.
fn table(name: &str, more: &str) -> Table {
    Table::new(name, &format!("ID int NOT NULL, AT datetime NOT NULL, {more}")).indexed("AT")
}

/// A server with both tables, and a client at its source.
async fn server(test: &str) -> Option<(Server, Client)> {
    let server = Server::start_emulator(test).await?;
    let mut client = server.connect(&server.source).await;
    let sales = [
        "(1, '2025-10-01T10:00:00', 5.25, N'a')",
        "(2, '2025-10-02T10:00:00', 7.5, NULL)",
    ];
    let table_of_sales = table("SALES", "AMOUNT money NULL, NOTE nvarchar(20) NULL");
    table_of_sales.rows(sales).make(&mut client).await;
    let cards = table("CARD", "HOLDER nvarchar(20) NULL");
    cards
        .rows(["(1, '2025-10-01T10:00:00', N'Ann')"])
        .make(&mut client)
        .await;
    Some((server, client))
}

async fn run(project: &Project, code: i32) -> Ended {
    project.run("2025-10-01", "2025-10-02", &[]).await.expect(code)
}

async fn assert_equal(server: &Server) {
    server.assert_equal("[dbo].[SALES]", "dbo.t_SALES").await;
    server.assert_equal("[dbo].[CARD]", "dbo.t_CARD").await;
}

/// Asserts that the doctor ends so, and that of this place one check of this level says that.
async fn doctor(project: &Project, code: i32, level: &str, place: &str, says: &str) {
    let json = project.sync(&["doctor", "--json"]).await.expect(code).json();
    let checks = json["checks"].as_array().expect("a list of checks");
    let found = checks.iter().filter(|check| {
        let text = check["text"].as_str().unwrap_or_default();
        check["level"] == level && check["place"] == place && text.contains(says)
    });
    assert_eq!(found.count(), 1, "{level} of {place} that says {says}: {json:#}");
}

/// The notes of a table in `sync plan`, or its error.
async fn plan(project: &Project, code: i32) -> Value {
    let dates = ["--start-date", "2025-10-01", "--end-date", "2025-10-02"];
    let arguments = [&["plan", "--json"][..], &dates].concat();
    project.sync(&arguments).await.expect(code).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_masks_is_refused() {
    let Some((server, mut client)) = server("a_table_of_masks_is_refused").await else {
        return;
    };
    client
        .run("ALTER TABLE dbo.SALES ALTER COLUMN AMOUNT ADD MASKED WITH (FUNCTION = 'default()')")
        .await;
    client
        .run("ALTER TABLE dbo.SALES ALTER COLUMN NOTE ADD MASKED WITH (FUNCTION = 'default()')")
        .await;
    let project = Project::new(&server, TABLES);
    client.run(&format!("DENY UNMASK TO [{}]", server.user)).await;
    assert_eq!(
        client
            .texts("SELECT CAST(AMOUNT AS nvarchar(20)) FROM dbo.SALES WHERE ID = 1")
            .await,
        ["xxxx"],
        "the login reads masks"
    );
    let says = "Table dbo.SALES: the login reads masks in place of the values of columns AMOUNT, NOTE (dynamic data \
                masking); GRANT UNMASK to it, or read with a login that has it";
    let ended = run(&project, 7).await;
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    doctor(&project, 7, "failure", "source table SALES", says).await;
    let planned = plan(&project, 7).await.to_string();
    assert!(planned.contains(says), "{planned}");

    client.run(&format!("GRANT UNMASK TO [{}]", server.user)).await;
    doctor(&project, 0, "ok", "source table SALES", "It can be read").await;
    run(&project, 0).await;
    assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_column_is_left_out_by_name() {
    let Some(server) = Server::start_emulator("an_encrypted_column_is_left_out_by_name").await else {
        return;
    };
    server
        .at_source(
            "CREATE TABLE dbo.SALES (ID int NOT NULL PRIMARY KEY, AT datetime NOT NULL, CARD varchar(20) ENCRYPTED WITH \
             (COLUMN_ENCRYPTION_KEY = CEK, ENCRYPTION_TYPE = RANDOMIZED, ALGORITHM = 'AEAD_AES_256_CBC_HMAC_SHA_256') NULL); \
             INSERT INTO dbo.SALES VALUES (1, '2025-10-01T10:00:00', 'x')",
        )
        .await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    let says = "encrypted; only a client that holds its key can read it";
    doctor(&project, 0, "warning", "source table SALES", says).await;
    let ended = run(&project, 0).await;
    assert!(
        ended.stderr.contains(says) && ended.stderr.contains("CARD"),
        "{}",
        ended.stderr
    );
    let columns =
        "SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.t_SALES') ORDER BY column_id";
    let mut target = server.connect(&server.target).await;
    assert_eq!(target.texts(columns).await, ["ID", "AT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_filters_rows_is_told() {
    let Some((server, mut client)) = server("a_policy_that_filters_rows_is_told").await else {
        return;
    };
    client.run("CREATE SCHEMA rls").await;
    client
        .run("CREATE SECURITY POLICY rls.shops ADD FILTER PREDICATE rls.mine(ID) ON dbo.SALES")
        .await;
    client
        .run(
            "CREATE SECURITY POLICY rls.off ADD FILTER PREDICATE rls.mine(ID) ON dbo.CARD WITH (STATE = OFF)",
        )
        .await;
    let project = Project::new(&server, TABLES);
    let says = "Policy [rls].[shops] filters the rows that this login reads (row-level security)";
    doctor(&project, 0, "warning", "source table SALES", says).await;
    doctor(&project, 0, "ok", "source table CARD", "It can be read").await;
    let planned = plan(&project, 0).await.to_string();
    assert_eq!(planned.matches(says).count(), 1, "{planned}");
    let ended = run(&project, 0).await;
    assert!(
        ended.stderr.contains(&format!("Table SALES: {says}")),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("rls].[off"), "{}", ended.stderr);

    // Who may not see policies says so, once.
    for right in ["VIEW DEFINITION", "ALTER ANY SECURITY POLICY"] {
        client.run(&format!("DENY {right} TO [{}]", server.user)).await;
    }
    let says = "could not be checked: it may not see the security policies of the source";
    doctor(&project, 0, "warning", "source", says).await;
    for told in [plan(&project, 0).await.to_string(), run(&project, 0).await.stderr] {
        assert_eq!(told.matches(says).count(), 1, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_an_alias_type_are_copied() {
    let server = Server::start().await;
    let mut client = server.connect(&server.source).await;
    client.run("CREATE SCHEMA own").await;
    client
        .run("CREATE TYPE own.Amount FROM decimal(12, 3) NOT NULL")
        .await;
    let rows = [
        "(1, '2025-10-01T10:00:00', 5.25)",
        "(2, '2025-10-02T10:00:00', 0)",
    ];
    table("SALES", "AMOUNT own.Amount")
        .rows(rows)
        .make(&mut client)
        .await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    if server.has_log() {
        // The type is in a schema of which the login sees nothing.
        client
            .run(&format!(
                "DENY VIEW DEFINITION ON SCHEMA::own TO [{}]",
                server.user
            ))
            .await;
        doctor(&project, 0, "ok", "source table SALES", "It can be read").await;
    }
    run(&project, 0).await;
    server.assert_equal("[dbo].[SALES]", "dbo.t_SALES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_the_right_to_read_it() {
    let Some((server, mut client)) = server("a_table_without_the_right_to_read_it").await else {
        return;
    };
    let project = Project::new(&server, TABLES);
    client
        .run(&format!("DENY SELECT ON dbo.CARD TO [{}]", server.user))
        .await;
    let ended = run(&project, 7).await;
    let says = "The login may not read dbo.CARD (error 229); GRANT SELECT on it or on its schema";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    doctor(&project, 7, "failure", "source table CARD", says).await;
}

/// The table that is read has a column more than the one that the login was shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_catalog_does_not_show_is_refused() {
    let Some((server, _client)) = server("a_column_that_the_catalog_does_not_show_is_refused").await else {
        return;
    };
    let project = Project::new(&server, TABLES);
    faults::at("SELECT TOP (0) * FROM [dbo].[CARD]")
        .of_the_program()
        .runs(&server, "ALTER TABLE dbo.CARD ADD SECRET int NULL");
    let ended = run(&project, 7).await;
    let says = "Table dbo.CARD returns column SECRET that its catalog does not show to this login; GRANT VIEW DEFINITION";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    run(&project, 0).await;
    assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_told_from_every_other() {
    let server = Server::start().await;
    let mut identities = Vec::new();
    for database in [&server.source, &server.source, &server.target] {
        let mut session = Session::open(&server.endpoint(database), None, &Timeouts::default())
            .await
            .expect("a session");
        identities.push(catalog::identity(&mut session).await.expect("an identity"));
    }
    let [first, again, other] = &identities[..] else {
        panic!("three identities");
    };
    assert_eq!(first, again);
    if server.has_log() {
        assert_ne!(first, other);
        assert_eq!(first.len(), 36, "{first}");
        assert_eq!(*first, first.to_lowercase());
    }
}
