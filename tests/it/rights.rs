//! The rights of the logins that `migrations/admin` makes, on a server that lets a user do what it was granted and no
//! more: with them every command works, and each of them is missed if it is taken away.

use std::collections::BTreeSet;

use testkit::project::{full, monthly};
use testkit::tables::{self, Table};
use testkit::{Client, Ended, Project, Server, job};

const READER: &str = include_str!("../../migrations/admin/setup_reader.sql");
const READER_AZURE: &str = include_str!("../../migrations/admin/setup_reader_azure.sql");
const ETL: &str = include_str!("../../migrations/admin/setup_etl_user.sql");
const ETL_AZURE: &str = include_str!("../../migrations/admin/setup_etl_user_azure.sql");
const FIX: &str = include_str!("../../migrations/admin/fix_login.sql");

/// Both logins have it. A quote in it must end nothing, in a script as in a statement.
const PASSWORD: &str = "It's a 'secret', is it";

const RUN: [&str; 5] = ["run", "--start-date", job::FIRST, "--end-date", job::LAST];

/// A script as `sqlcmd` sends it: its batches, with the values of its variables. The emulator knows no double quotes
/// around a text, so that the password stands as the literal that they make of it.
fn batches(script: &str, variables: &[(&str, &str)]) -> Vec<String> {
    assert!(script.contains(":on error exit\n"));
    let password = variables.iter().find(|(name, _)| *name == "PASSWORD");
    let literal = format!("N'{}'", password.map_or("", |found| found.1).replace('\'', "''"));
    let mut text = script.replace("\"$(PASSWORD)\"", &literal);
    for (name, value) in variables {
        text = text.replace(&format!("$({name})"), value);
    }
    for off in [":on error exit\n", "SET QUOTED_IDENTIFIER OFF;\n"] {
        text = text.replace(off, "");
    }
    let batches = text.split("\nGO\n").map(str::trim);
    batches
        .filter(|batch| !batch.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Runs a script up to its first error, whose text it returns.
async fn try_script(client: &mut Client, script: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    for batch in batches(script, variables) {
        client.try_run(&batch).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A server with both logins, and a project of theirs that loads into a schema of the target.
struct Ends {
    server: Server,
    project: Project,
    schema: &'static str,
}

impl Ends {
    /// A dated table, a reference table that is swapped in, and one that is refreshed in place.
    async fn new(test: &str, schema: &'static str) -> Option<Ends> {
        let server = Server::start_emulator(test).await?;
        job::sales().at_source(&server).await;
        let rows = || (0..5).map(|n| format!("(N'C{n:03}', N'name {n}')"));
        for name in ["ITEM", "KIND"] {
            let table = tables::items("NAME nvarchar(40) NULL").named(name).rows(rows());
            table.at_source(&server).await;
        }
        let tables = [monthly("SALES", "SOLD_AT"), full("ITEM"), full("KIND")].concat();
        let project = Project::tuned(&server, "settle_minutes = 0", &tables);
        let mut ends = Ends {
            server,
            project,
            schema,
        };
        ends.script(READER, "reader", &ends.server.source.clone(), "dbo")
            .await;
        ends.script(ETL, "etl_user", &ends.server.target.clone(), schema)
            .await;
        let kind = format!(
            "CREATE TABLE {schema}.t_KIND (CODE nvarchar(20) NOT NULL CONSTRAINT PK_t_KIND PRIMARY KEY, \
             NAME nvarchar(40) NULL CONSTRAINT DF_t_KIND DEFAULT N'')"
        );
        ends.server.at_target(&kind).await;
        ends.log_in();
        Some(ends)
    }

    async fn script(&mut self, script: &str, login: &str, database: &str, schema: &str) {
        let variables = [
            ("LOGIN", login),
            ("DATABASE", database),
            ("SCHEMA", schema),
            ("PASSWORD", PASSWORD),
        ];
        let mut client = self.server.connect("master").await;
        for times in 1..=2 {
            let ran = try_script(&mut client, script, &variables).await;
            assert_eq!(ran, Ok(()), "run {times} times");
        }
    }

    /// Has the project use the two logins.
    fn log_in(&self) {
        let text = self.project.home.read("sync.toml");
        let (source, target) = text.split_once("[target]").expect("a target");
        let user = format!("user = \"{}\"", self.server.user);
        let source = source.replace(&user, "user = \"reader\"");
        let target = target
            .replace(&user, "user = \"etl_user\"")
            .replace("schema = \"dbo\"", &format!("schema = \"{}\"", self.schema));
        let text = format!("{source}[target]{target}");
        let variable = text.split_once("${").and_then(|(_, rest)| rest.split_once('}'));
        let variable = variable.expect("a password from the environment").0.to_owned();
        self.project
            .home
            .write("sync.toml", text.replace(&variable, "LEAST_PASSWORD"));
    }

    async fn sync(&self, arguments: &[&str]) -> Ended {
        let ended = self
            .project
            .sync_with(arguments, &[("LEAST_PASSWORD", PASSWORD)])
            .await;
        assert!(
            !ended.said().contains("It's a"),
            "The password was said: {}",
            ended.said()
        );
        ended
    }

    /// Changes a row of each reference table at the source, so that both are refreshed.
    async fn change(&self) {
        for table in ["ITEM", "KIND"] {
            let sql = format!("UPDATE dbo.{table} SET NAME = NAME + N'!' WHERE CODE = N'C002'");
            self.server.at_source(&sql).await;
        }
    }
}

/// Every command, in an order in which each has something to do.
async fn every_command(ends: &Ends) {
    let plan = [&["plan"], &RUN[1..]].concat();
    for command in [
        &["doctor"][..],
        &["migrate"],
        &plan,
        &RUN,
        &["doctor"],
        &plan,
        &["status"],
        &["counts"],
        &["counts", "--windows"],
        &["counts", "--all"],
        &["sample"],
        &["reconcile"],
        &["reconcile", "--source", "--rows"],
    ] {
        ends.sync(command).await.expect(0);
    }
    ends.change().await;
    let swapped = ends.sync(&RUN).await.expect(0);
    assert!(!swapped.said().contains("may not see"), "{}", swapped.said());
    let table = format!("[{}].[t_SALES]", ends.schema);
    ends.server
        .at_target(&format!("DELETE FROM {table} WHERE ID = 20"))
        .await;
    ends.sync(&["reconcile"]).await.expect(3);
    ends.sync(&["reconcile", "--source", "--repair", "--rows"])
        .await
        .expect(0);
    ends.sync(&["forget", "--table", "SALES", "--month", "2025-10"])
        .await
        .expect(0);
    ends.sync(&["forget", "--table", "ITEM"]).await.expect(0);
    ends.sync(&RUN).await.expect(0);
    ends.sync(&["rebuild"]).await.expect(0);
    ends.sync(&RUN).await.expect(0);
    for table in ["SALES", "ITEM", "KIND"] {
        let target = format!("[{}].[t_{table}]", ends.schema);
        ends.server
            .assert_equal(&format!("[dbo].[{table}]"), &target)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_with_the_rights_of_the_scripts() {
    let test = "every_command_works_with_the_rights_of_the_scripts";
    for schema in ["pos", "dbo"] {
        let Some(ends) = Ends::new(test, schema).await else {
            return;
        };
        every_command(&ends).await;
    }
}

/// A right that is taken away, at which end, and in which words the first run or its doctor misses it.
const MISSED: &[(&str, &str, &str)] = &[
    ("source", "SELECT ON SCHEMA::dbo FROM reader", "SELECT"),
    ("source", "VIEW DEFINITION FROM reader", "VIEW DEFINITION"),
    ("target", "SELECT ON SCHEMA::dbo FROM etl_user", "SELECT"),
    ("target", "INSERT ON SCHEMA::dbo FROM etl_user", "INSERT"),
    ("target", "UPDATE ON SCHEMA::dbo FROM etl_user", "UPDATE"),
    ("target", "DELETE ON SCHEMA::dbo FROM etl_user", "DELETE"),
    ("target", "ALTER ON SCHEMA::dbo FROM etl_user", "ALTER"),
    ("target", "CREATE TABLE FROM etl_user", "CREATE TABLE"),
    ("target", "VIEW DEFINITION FROM etl_user", "VIEW DEFINITION"),
    (
        "target",
        "SELECT ON sys.sql_expression_dependencies FROM etl_user",
        "functions on it, which this login may not see",
    ),
    (
        "target",
        "VIEW ANY SENSITIVITY CLASSIFICATION FROM etl_user",
        "sensitivity classifications that this login may not see",
    ),
];

/// What the doctor and two runs say, the second of which refreshes both reference tables.
async fn said(ends: &Ends) -> String {
    let mut said = String::new();
    for command in [&["doctor"][..], &RUN] {
        said.push_str(&ends.sync(command).await.said());
    }
    ends.change().await;
    said.push_str(&ends.sync(&RUN).await.said());
    // The account of a run names kinds of statements.
    let lines = said.lines().filter(|line| !line.starts_with("Source: "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_of_the_scripts_is_missed() {
    let test = "each_right_of_the_scripts_is_missed";
    let Some(ends) = Ends::new(test, "dbo").await else {
        return;
    };
    let whole = said(&ends).await;
    for (end, right, says) in MISSED {
        assert!(!whole.contains(says), "Nothing lacks, and yet:\n{whole}");
        let Some(ends) = Ends::new(test, "dbo").await else {
            return;
        };
        let revoke = format!("REVOKE {right}");
        match *end {
            "source" => ends.server.at_source(&revoke).await,
            _ => ends.server.at_target(&revoke).await,
        }
        let said = said(&ends).await;
        assert!(said.contains(says), "Without {right}:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_its_own_is_the_logins_and_no_other() {
    let Some(ends) = Ends::new("a_schema_of_its_own_is_the_logins_and_no_other", "pos").await else {
        return;
    };
    let mut admin = ends.server.connect(&ends.server.target).await;
    let owned = "SELECT s.name FROM sys.schemas AS s WHERE s.principal_id = DATABASE_PRINCIPAL_ID(N'etl_user') ORDER BY s.name";
    assert_eq!(admin.texts(owned).await, ["pos", "sync"]);
    let on_schemas = "SELECT COUNT_BIG(*) FROM sys.database_permissions WHERE class = 3";
    assert_eq!(admin.integer(on_schemas).await, 0);
    admin.run("CREATE TABLE dbo.other (a int)").await;
    let (host, port) = (&ends.server.host, ends.server.port);
    let mut login = Client::connect(host, port, "etl_user", PASSWORD, &ends.server.target).await;
    for refused in [
        "SELECT a FROM dbo.other",
        "INSERT INTO dbo.other VALUES (1)",
        "DROP TABLE dbo.other",
        "CREATE TABLE dbo.mine (a int)",
        "CREATE SCHEMA mine",
        "CREATE LOGIN friend WITH PASSWORD = N'x'",
    ] {
        assert!(login.try_run(refused).await.is_err(), "{refused}");
    }
}

/// Each script with the login of its user, and the words by which it refuses those of the server.
const SCRIPTS: [(&str, &str); 5] = [
    ("setup_reader.sql", READER),
    ("setup_etl_user.sql", ETL),
    ("fix_login.sql", FIX),
    ("setup_reader_azure.sql", READER_AZURE),
    ("setup_etl_user_azure.sql", ETL_AZURE),
];

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_the_server_stay_as_they_are() {
    let Some(server) = Server::start_emulator("logins_of_the_server_stay_as_they_are").await else {
        return;
    };
    for (name, script) in SCRIPTS {
        for login in ["sa", "##MS_PolicyEventProcessingLogin##"] {
            let variables = [
                ("LOGIN", login),
                ("DATABASE", server.target.as_str()),
                ("SCHEMA", "pos"),
                ("PASSWORD", PASSWORD),
            ];
            let mut client = server.connect(&server.target).await;
            let said = try_script(&mut client, script, &variables).await.unwrap_err();
            assert!(said.contains("belongs to the server"), "{name}: {said}");
            assert!(!said.contains("secret"), "{name}: {said}");
        }
    }
    let mut client = server.connect(&server.target).await;
    assert_eq!(
        client
            .integer("SELECT CAST(COUNT(*) AS bigint) FROM sys.schemas WHERE name = N'pos'")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_cannot_be_one_is_refused_and_not_said() {
    let Some(server) = Server::start_emulator("a_password_that_cannot_be_one_is_refused_and_not_said").await
    else {
        return;
    };
    for password in ["sécret", &format!("secret{}", "x".repeat(123))] {
        for (name, script) in [SCRIPTS[0], SCRIPTS[1], SCRIPTS[3], SCRIPTS[4]] {
            let variables = [
                ("LOGIN", "etl_user"),
                ("DATABASE", server.target.as_str()),
                ("SCHEMA", "pos"),
                ("PASSWORD", password),
            ];
            let mut client = server.connect(&server.target).await;
            let said = try_script(&mut client, script, &variables).await.unwrap_err();
            assert!(said.contains("128 characters"), "{name}: {said}");
            assert!(!said.contains("cret"), "{name}: {said}");
        }
    }
}

/// The users of an Azure SQL Database are made in it, and have no login.
#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_of_azure_make_users_that_log_in() {
    let Some(server) = Server::start_emulator("the_scripts_of_azure_make_users_that_log_in").await else {
        return;
    };
    Table::new("ITEM", "A int NULL")
        .keyless()
        .rows(["(1)"])
        .at_source(&server)
        .await;
    for (script, user, database) in [
        (READER_AZURE, "reader", &server.source),
        (ETL_AZURE, "etl_user", &server.target),
    ] {
        let variables = [("LOGIN", user), ("SCHEMA", "dbo"), ("PASSWORD", PASSWORD)];
        let mut admin = server.connect(database).await;
        assert_eq!(try_script(&mut admin, script, &variables).await, Ok(()));
        let mut own = Client::connect(&server.host, server.port, user, PASSWORD, database).await;
        own.run("SELECT name FROM sys.tables").await;
    }
    let mut reader = Client::connect(&server.host, server.port, "reader", PASSWORD, &server.source).await;
    assert_eq!(
        reader.texts("SELECT CAST(A AS nvarchar(9)) FROM dbo.ITEM").await,
        ["1"]
    );
    assert!(reader.try_run("DELETE FROM dbo.ITEM").await.is_err());
}

/// The kinds of statements at an end, as the list's headings have them: each verb of a batch.
fn kinds(end: &str) -> BTreeSet<String> {
    let heading = format!("-- at the {end}: ");
    let headings = include_str!("../statements.sql")
        .lines()
        .filter_map(|line| line.strip_prefix(&heading));
    let verbs = headings.flat_map(|heading| {
        let words = heading.split(' ').take_while(|word| {
            *word == "+" || *word == "(0)" || word.chars().all(|c| c.is_ascii_uppercase()) || *word == "other"
        });
        let words: Vec<&str> = words.collect();
        words
            .join(" ")
            .split(" + ")
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    verbs.collect()
}

#[test]
fn each_kind_of_statement_has_its_right_in_the_docs() {
    let docs = include_str!("../../docs/operations.md");
    for end in ["source", "target"] {
        let rows = docs
            .lines()
            .filter(|line| line.starts_with(&format!("| {end} | `")));
        let rows: Vec<&str> = rows
            .map(|row| row.split(" | ").nth(1).expect("statements"))
            .collect();
        let kinds = kinds(end);
        assert!(kinds.contains("SELECT"), "{kinds:?}");
        for kind in kinds {
            let named = rows.iter().any(|row| row.contains(&format!("`{kind}`")));
            assert!(named, "No right for `{kind}` at the {end}");
        }
    }
}
