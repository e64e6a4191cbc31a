//! `sync init`: its files, its printed steps, and the tables of a source; `sync tables` lists the same.

use tds_emulator::Role;
use testkit::project::{PASSWORD_VARIABLE, T_MONTHLY, full, monthly};
use testkit::tables::{self, Table};
use testkit::{Ended, Home, Project, Server};

const DATES: [&str; 4] = ["--start-date", "2025-10-01", "--end-date", "2025-10-31"];

/// The words of a command that is printed.
fn words(command: &str) -> Vec<&str> {
    let parts = command.split('"').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_that_is_printed_works() {
    let server = Server::start().await;
    let rows = tables::october(20);
    tables::dated("T").rows(rows).at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    let config = "my jobs/copy.toml";
    let ended = project.sync(&["init", "--config", config]).await.expect(0);
    assert!(project.home.path("my jobs/.env.example").is_file(), "{ended}");
    project.home.write(config, project.home.read("sync.toml"));
    let steps: Vec<&str> = ended
        .stdout
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .split_once(". sync ")
                .map(|(_, command)| command)
        })
        .collect();
    assert_eq!(steps.len(), 3, "{ended}");
    for step in steps {
        project.sync(&words(step)).await.expect(0);
    }
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[test]
fn the_configuration_is_written_where_it_is_asked_for() {
    let home = Home::empty();
    home.sync(&["init", "--config", "a/b.toml"]).expect(0);
    assert!(home.path("a/b.toml").is_file() && home.path("a/.env.example").is_file());
    home.sync(&["init", "--dir", "c", "--config", "d.toml"]).expect(0);
    assert!(home.path("c/d.toml").is_file() && home.path("c/.env.example").is_file());
    assert!(!home.path("sync.toml").exists());
    let ended = home.sync(&["init", "--dir", "c"]).expect(0);
    ended
        .says("Wrote c/sync.toml")
        .says("sync doctor --config c/sync.toml");
}

/// Tables of every kind: by a date, whole, with a date that changes, and such as cannot be copied.
async fn fill(server: &Server) {
    tables::sales("BOOKED_AT datetime NULL, AMOUNT decimal(9,2) NULL")
        .rows((0..40).map(|n| format!("({n}, '2025-10-{:02}T10:00:00', NULL, {n}.5)", 1 + n % 28)))
        .at_source(server)
        .await;
    let rows = (0..30).map(|n| format!("('S', {n}, '2025-10-{:02}T10:00:00', {n}.5)", 1 + n % 28));
    tables::payment().rows(rows).at_source(server).await;
    let items = (0..7).map(|n| format!("(N'C{n}', N'name {n}', NULL)"));
    tables::items("NAME nvarchar(40) NULL, UPDATED_AT datetime NULL")
        .indexed("UPDATED_AT")
        .rows(items)
        .at_source(server)
        .await;
    server
        .at_source("CREATE TABLE dbo.[NOTE \"x\"] (A int NULL); INSERT INTO dbo.[NOTE \"x\"] VALUES (1)")
        .await;
    Table::new("CARD", "ID int NOT NULL, HOLDER nvarchar(20) NULL")
        .rows(["(1, N'Ann')"])
        .at_source(server)
        .await;
    server
        .at_source("ALTER TABLE dbo.CARD ALTER COLUMN HOLDER ADD MASKED WITH (FUNCTION = 'default()')")
        .await;
    let deny = format!("DENY UNMASK TO [{}]", server.user);
    server.at_source(&deny).await;
}

/// `sync init --from-source` with the source named by options.
async fn from_source(server: &Server, project: &Project, config: &str) -> Ended {
    let address = format!("{},{}", server.host, server.port);
    let arguments = [
        "init",
        "--config",
        config,
        "--from-source",
        "--server",
        &address,
        "--database",
        &server.source,
        "--user",
        &server.user,
        "--password-env",
        PASSWORD_VARIABLE,
        "--schema",
        "dbo",
        "--encrypt",
        "false",
        "--trust-server-certificate",
    ];
    project.sync(&arguments).await
}

/// The part of a configuration, or of what is printed, with the tables.
fn tables_of(text: &str, server: &Server) -> String {
    let start = text.find("# The tables of ").expect("the tables");
    text[start..]
        .replace(&server.source, "POS")
        .replace(&server.host, "HOST")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_the_source_are_written_with_their_reasons() {
    let Some(server) =
        Server::start_emulator("the_tables_of_the_source_are_written_with_their_reasons").await
    else {
        return;
    };
    fill(&server).await;
    server.set_source_role(Role::ReadableSecondary);
    let project = Project::new(&server, T_MONTHLY);
    let mark = server.mark();
    let ended = from_source(&server, &project, "new/sync.toml").await.expect(0);
    server.assert_no_table_read(mark, &["[SALES]", "[PAYMENT]", "[ITEM]", "[CARD]"]);
    assert!(!ended.said().contains(project.password()), "{ended}");
    let ended = ended.says("Wrote new/sync.toml: 1 table by months, 3 whole, 1 not copied");
    ended.says("Wrote new/.env.example");
    let written = project.home.read("new/sync.toml");
    assert!(!written.contains(project.password()), "{written}");
    let example = project.home.read("new/.env.example");
    assert!(example.contains(&format!("{PASSWORD_VARIABLE}=")), "{example}");
    let tables = tables_of(&written, &server);
    insta::assert_snapshot!(tables, @r#"
    # The tables of schema dbo of POS at HOST,
    # in the order in which they are copied, one after another. The numbers of rows are the server's estimates, and the
    # date that cuts a table into months is a guess. Delete what you do not need.

    # By the months of a date column:

    # about 40 rows; index IX_SALES_0 on SOLD_AT; key (ID)
    # Other dates: BOOKED_AT (no index, may be NULL)
    [[table]]
    name = "SALES"
    date_column = "SOLD_AT"

    # Reference tables, whole, in each run:

    # about 7 rows; few enough to read whole, and its dates may change; key (CODE)
    # Its dates: UPDATED_AT (index IX_ITEM_0, may be NULL)
    [[table]]
    name = "ITEM"
    mode = "full"

    # about 1 row; no date column; no key
    # No unique index over NOT NULL columns: all of it is one chunk
    [[table]]
    name = "NOTE \"x\""
    mode = "full"

    # about 30 rows; few enough to read whole, and no index begins with a date; key (STORE, NO)
    # Its dates: PAID_AT (no index)
    [[table]]
    name = "PAYMENT"
    mode = "full"

    # Not copied:

    # about 1 row
    # Not copied: Table dbo.CARD: the login reads masks in place of the values of column HOLDER (dynamic data masking); GRANT UNMASK to it, or read with a login that has it, or leave them out by exclude_columns
    #: [[table]]
    #: name = "CARD"
    #: mode = "full"
    "#);

    // What is written is a configuration, and what is commented out is one as well.
    let ends = project.home.read("sync.toml").replace(T_MONTHLY, "");
    project.home.write("sync.toml", format!("{ends}{tables}"));
    project.sync(&[&["plan"][..], &DATES].concat()).await.expect(0);
    project.sync(&[&["run"][..], &DATES].concat()).await.expect(0);
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
    let all = tables.replace("#: ", "");
    project.home.write("sync.toml", format!("{ends}{all}"));
    let refused = project.sync(&["plan", "--tables", "CARD"]).await.expect(7);
    refused.says("reads masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_there_stays_and_its_source_is_read() {
    let Some(server) =
        Server::start_emulator("a_configuration_that_is_there_stays_and_its_source_is_read").await
    else {
        return;
    };
    fill(&server).await;
    let project = Project::new(&server, &monthly("SALES", "SOLD_AT"));
    let before = project.home.read("sync.toml");
    let ended = project.sync(&["init", "--from-source"]).await.expect(0);
    assert!(ended.stdout.starts_with("# The tables of schema dbo"), "{ended}");
    assert!(
        ended
            .stdout
            .contains("# The configuration has this table already."),
        "{ended}"
    );
    let ended = ended.says("note: sync.toml exists and is left unchanged");
    // Of the options' source as well.
    server.set_source_role(Role::ReadableSecondary);
    let other = from_source(&server, &project, "sync.toml").await.expect(0);
    assert_eq!(
        tables_of(&other.stdout, &server),
        tables_of(&ended.stdout, &server).replace("# The configuration has this table already.\n", "")
    );
    assert_eq!(project.home.read("sync.toml"), before);
    assert!(!project.home.path(".env.example").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_not_looked_at() {
    let Some(server) = Server::start_emulator("a_primary_is_not_looked_at").await else {
        return;
    };
    fill(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    let mark = server.mark();
    let ended = from_source(&server, &project, "new/sync.toml").await.expect(7);
    let ended = ended.says("READ_WRITE");
    assert_eq!(ended.stdout, "");
    assert!(!project.home.path("new/sync.toml").exists());
    let asked = server.emulator().log().since(mark);
    assert!(
        asked
            .iter()
            .all(|statement| !statement.text.contains("sys.tables")),
        "the catalog was read"
    );
}

#[test]
fn a_source_that_is_not_named_is_asked_for() {
    let home = Home::empty();
    insta::assert_snapshot!(home.sync(&["init", "--from-source"]), @r"
    stderr:
    error: There is no sync.toml with a [source]; name the source by --server, --database, --user and --schema, or have `sync init` write a configuration to edit first
    exit code: 2
    ");
    insta::assert_snapshot!(home.sync(&["init", "--from-source", "--server", "db", "--schema", "dbo"]), @r"
    stderr:
    error: --from-source needs --database, --user as well, to name the source
    exit code: 2
    ");
    let ended = home.sync(&["init", "--server", "db"]).expect(2);
    ended.says("--from-source");
    let password = [
        "init",
        "--from-source",
        "--server",
        "db",
        "--password-env",
        "P@ssw0rd!",
    ];
    home.sync(&password).expect(2).says("never the password itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_the_source_are_listed() {
    let Some(server) = Server::start_emulator("the_tables_of_the_source_are_listed").await else {
        return;
    };
    fill(&server).await;
    let tables = monthly("SALES", "SOLD_AT") + &monthly("PAYMENT", "PAID_AT") + &full("GONE");
    let project = Project::new(&server, &tables);
    let mark = server.mark();
    let ended = project.sync(&["tables"]).await;
    server.assert_no_table_read(mark, &["[SALES]", "[PAYMENT]", "[ITEM]", "[CARD]"]);
    insta::assert_snapshot!(ended, @r#"
    stdout:
    Table        Rows  Copied              Date                Key
    ────────  ───────  ──────────────────  ──────────────────  ─────────
    SALES          40  monthly             SOLD_AT +1          ID
    PAYMENT        30  monthly             PAID_AT (no index)  STORE, NO
    GONE      unknown  not there
    CARD            1  cannot be
    ITEM            7  no (could be full)  UPDATED_AT?         CODE
    NOTE "x"        1  no (could be full)

    ✗ GONE: It is not in the source's schema, or this login may not see it; correct its name, or GRANT SELECT on it
    ✗ CARD: Table dbo.CARD: the login reads masks in place of the values of column HOLDER (dynamic data masking); GRANT UNMASK to it, or read with a login that has it, or leave them out by exclude_columns
    ! NOTE "x": No unique index over NOT NULL columns: all of it is one chunk

    3 tables in the configuration, 3 not. Rows are the server's estimates. `sync init --from-source` prints a [[table]] for each.
    exit code: 0
    "#);

    project.configure("schema = \"dbo\"", "schema = \"none\"");
    let ended = project.sync(&["tables"]).await.expect(7);
    ended.says("Schema none of database");
}
