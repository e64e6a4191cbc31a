//! What the program says when a server is there: what can be wrong before any row is read, as message and exit
//! code, and what the flags of `run` and `counts` do.

use tds_emulator::Role;
use testkit::project::{PASSWORD_VARIABLE, T_MONTHLY, monthly};
use testkit::tables::{self, Table};
use testkit::{Ended, Home, Project, Server};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-02"];

/// A project on the server's scratch databases whose one table is `table`, cut by `date_column`.
fn home(server: &Server, table: &str, date_column: &str) -> Home {
    Project::new(server, &monthly(table, date_column)).home
}

/// A source table of sales.
fn sale() -> Table {
    sale_named("sale")
}

fn sale_named(name: &'static str) -> Table {
    Table::new(name, "id int NOT NULL, at datetime NOT NULL").keyed("id")
}

/// What the run said, with the names that differ between test runs taken out.
fn run(server: &Server, home: &Home, password: &str) -> Ended {
    let mut said = home.sync_with(&RUN, &[(PASSWORD_VARIABLE, password)]);
    assert!(!said.to_string().contains(password), "{said}");
    let address = format!("{}:{}", server.host, server.port);
    for (name, stand_in) in [
        (&address, "HOST:PORT"),
        (&server.source, "SOURCE"),
        (&server.target, "TARGET"),
        (&server.user, "USER"),
    ] {
        said.stderr = said.stderr.replace(name.as_str(), stand_in);
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password() {
    let server = Server::start().await;
    let home = home(&server, "sale", "at");
    insta::assert_snapshot!(run(&server, &home, "not-the-password"), @r"
    stderr:
    run RUN-ID: 1 table from 2025-10-01 to 2025-10-02, 2 windows at once
    note: require_replica = false: the source may be a primary that shops are selling on; set it to true to have every connection prove that it is a replica
    error: The source at HOST:PORT, database SOURCE refused the login USER (error 18456, state 1): most likely the user or the password is wrong: correct `user` in [source] of sync.toml, or the variable that `password` there names, in .env or the environment. If both are right, look for this login's state in the server's ERRORLOG: 2 or 5 no such login, 7 disabled, 8 wrong password, 38 or 46 no such database, 58 Windows logins only, or not restarted since that was changed
    exit code: 7
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_table() {
    let server = Server::start().await;
    let home = home(&server, "no_such_table", "at");
    insta::assert_snapshot!(run(&server, &home, &server.password), @r"
    stderr:
    run RUN-ID: 1 table from 2025-10-01 to 2025-10-02, 2 windows at once
    note: require_replica = false: the source may be a primary that shops are selling on; set it to true to have every connection prove that it is a replica
    error: Source database SOURCE has no table dbo.no_such_table that this login may see; check the table's name and schema in sync.toml, or grant SELECT on it
    exit code: 7
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_date_column() {
    let server = Server::start().await;
    sale().at_source(&server).await;
    let home = home(&server, "sale", "sold_at");
    insta::assert_snapshot!(run(&server, &home, &server.password), @r"
    stderr:
    run RUN-ID: 1 table from 2025-10-01 to 2025-10-02, 2 windows at once
    note: require_replica = false: the source may be a primary that shops are selling on; set it to true to have every connection prove that it is a replica
    error: Table dbo.sale has no column sold_at; set date_column to one of its date columns: at
    exit code: 7
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_tables_that_differ_end_with_3() {
    let server = Server::start().await;
    for (database, name, rows) in [
        (&server.source, "sale", &["(1)", "(2)"][..]),
        (&server.target, "t_sale", &["(1)"]),
    ] {
        let table = Table::new(name, "id int NOT NULL").keyed("id").rows(rows);
        table.make(&mut server.connect(database).await).await;
    }
    let home = home(&server, "sale", "at");
    let variables = [(PASSWORD_VARIABLE, server.password.as_str())];
    insta::assert_snapshot!(home.sync_with(&["counts", "--all"], &variables), @r"
    stdout:
    | Table     | Row Count | Status      |
    | --------- | --------- | ----------- |
    | sale      | 1         | ✗ source: 2 |
    | **TOTAL** | **1**     |             |
    exit code: 3
    ");
    let said = home.sync_with(&["counts", "--all", "--json"], &variables);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).expect("counts are JSON");
    assert_eq!(
        (said.code(), &json["tables"][0]["source"], &json["equal"]),
        (3, &2.into(), &false.into())
    );
    // Without --all only what is loaded counts, and nothing is.
    let said = home.sync_with(&["counts"], &variables);
    assert_eq!(said.code(), 4, "{said}");
    assert!(
        said.stdout.contains("| sale      | –         | not loaded |"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_of_run() {
    let server = Server::start().await;
    let rows = [
        "(1, '2025-10-01T10:00:00')",
        "(2, '2025-10-01T10:00:00')",
        "(3, '2025-10-01T11:00:00')",
        "(4, '2025-10-02T10:00:00')",
        "(5, '2025-10-02T23:59:59')",
    ];
    sale().indexed("at").rows(rows).at_source(&server).await;
    let home = home(&server, "sale", "at");
    home.configure_too(&monthly("not_there", "at"));
    let variables = [(PASSWORD_VARIABLE, server.password.as_str())];
    let flags = [
        "--tables",
        "sale",
        "--max-workers",
        "1",
        "--chunk-rows",
        "2",
        "-v",
    ];
    let said = home.sync_with(&[&RUN[..], &flags].concat(), &variables);
    assert_eq!(said.code(), 0, "{said}");
    // One table of the two, one window at once, chunks of two rows.
    assert!(
        said.stderr
            .contains("1 table from 2025-10-01 to 2025-10-02, 1 window at once"),
        "{said}"
    );
    assert!(
        said.stdout
            .contains("Done: 5 rows loaded now, 5 rows verified in 1 table."),
        "{said}"
    );
    let status = home.sync_with(&["status", "--json"], &variables);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("status is JSON");
    assert_eq!(
        (&status["totals"]["chunks"], &status["totals"]["rows"]),
        (&3.into(), &5.into())
    );
}

/// A project whose two ends are one database under two names, with a source table of three rows.
async fn one_database(test: &str, tables: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    let rows = ["(1, '2025-10-01T10:00:00')", "(2, '2025-10-02T10:00:00')"];
    let sales = sale().indexed("at").rows(rows);
    sales.clone().at_source(&server).await;
    sales.named("t_sale").at_source(&server).await;
    let project = Project::new(&server, tables);
    project.configure(&server.target, &server.source);
    let text = project.home.read("sync.toml");
    let (source, target) = text.split_once("[target]").expect("a section [target]");
    let source = source.replace(&server.host, "localhost");
    project
        .home
        .write("sync.toml", format!("{source}[target]{target}"));
    Some((server, project))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_its_own_target_under_another_name_of_the_server() {
    let test = "a_table_that_is_its_own_target_under_another_name_of_the_server";
    let Some((server, project)) = one_database(test, &monthly("sale", "at")).await else {
        return;
    };
    project.configure("table_prefix = \"t_\"", "table_prefix = \"\"");
    let mut client = server.connect(&server.source).await;
    let before = client.dump("dbo.sale").await;
    for command in [
        &["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"][..],
        &["reconcile", "--repair"],
        &["reconcile", "--source"],
        &["plan", "--start-date", "2025-10-01", "--end-date", "2025-10-31"],
        &["doctor"],
    ] {
        let ended = project.sync(command).await;
        let said = ended.said();
        assert_eq!(ended.status.code(), Some(7), "{command:?}: {said}");
        assert!(
            said.contains("are one database") && said.contains("dbo.sale"),
            "{command:?}: {said}"
        );
    }
    assert_eq!(before, client.dump("dbo.sale").await);
    // Another table of the same database is a target like any other.
    project.configure("table_prefix = \"\"", "table_prefix = \"t_\"");
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_the_target_of_another_under_another_name_of_the_server() {
    let test = "a_table_that_is_the_target_of_another_under_another_name_of_the_server";
    let tables = monthly("sale", "at") + &monthly("t_sale", "at");
    let Some((server, project)) = one_database(test, &tables).await else {
        return;
    };
    let said = project
        .run("2025-10-01", "2025-10-31", &[])
        .await
        .expect(7)
        .said();
    assert!(
        said.contains("are one database") && said.contains("dbo.t_sale"),
        "{said}"
    );
    // Nothing was written, not even the program's own schema.
    let sql = "SELECT COUNT_BIG(*) FROM sys.schemas WHERE name = N'sync'";
    assert_eq!(server.connect(&server.source).await.integer(sql).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_no_row_is_named_before_any_is_read() {
    let name = "a_target_that_takes_no_row_is_named_before_any_is_read";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(9))
        .at_source(&server)
        .await;
    server
        .at_target(
            "CREATE TABLE dbo.t_T (ID int NOT NULL PRIMARY KEY, D datetime NOT NULL, REGION nvarchar(10) NOT NULL, \
             LOADED datetime2(0) NOT NULL DEFAULT SYSUTCDATETIME(), NOTE nvarchar(10) NULL, \
             NUMBER int IDENTITY(1,1) NOT NULL)",
        )
        .await;
    let project = Project::new(&server, T_MONTHLY);
    let mark = server.mark();
    for command in ["run", "plan"] {
        let dates = ["--start-date", "2025-10-01", "--end-date", "2025-10-31"];
        let ended = project.sync(&[&[command], &dates[..]].concat()).await.expect(7);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            said.contains("dbo.t_T takes no NULL in REGION (nvarchar(10)), which"),
            "{command}: {said}"
        );
    }
    let ended = project.sync(&["doctor"]).await.expect(7);
    assert!(
        ended
            .stdout
            .contains("takes no NULL in REGION (nvarchar(10)), which"),
        "{}",
        ended.stdout
    );
    assert_eq!(server.rows_read(mark, &["[T]"]), 0);

    server
        .at_target("ALTER TABLE dbo.t_T ADD CONSTRAINT DF_REGION DEFAULT N'none' FOR REGION")
        .await;
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server
        .emulator()
        .set_role(&server.target, Role::ReadableSecondary);
    let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    assert!(
        ended.stderr.contains("is READ_ONLY and cannot be loaded"),
        "{}",
        ended.stderr
    );
}

/// Whatever is wrong with the target, what is wrong with the source is told. The wrong server is told before the target is
/// asked for anything.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_source_is_told_whatever_the_target_is() {
    let Some(server) = Server::start_emulator("what_is_wrong_with_the_source_is_told").await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(9))
        .at_source(&server)
        .await;
    let project = Project::with(&server, "require_replica = true", "", T_MONTHLY);
    let no_such_table = Project::new(&server, &monthly("gone", "D"));
    let mark = server.mark();
    let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    ended.says("a READ_ONLY database is required");
    assert_eq!(server.texts_in(mark, &server.target), [""; 0]);
    // A target that refuses connections, and one that takes them and never answers.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let silent = silent.local_addr().expect("its address").port().to_string();
    let move_target = |project: &Project, port: &str| {
        let config = project.home.read("sync.toml");
        let (before, address) = config.rsplit_once("server = ").expect("the target's server");
        let (_, after) = address.split_once('\n').expect("its line ends");
        let moved = format!("{before}server = \"127.0.0.1,{port}\"\n{after}");
        project.home.write("sync.toml", moved);
    };
    for (project, told) in [
        (&project, "a READ_ONLY database is required"),
        (&no_such_table, "has no table dbo.gone"),
    ] {
        for port in ["1", &silent] {
            move_target(project, port);
            let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
            ended.says(told).does_not_say("Nobody listens");
        }
    }
    // With one bad table of two the target ends the run, and both are told.
    let one_of_two = Project::new(&server, &(monthly("gone", "D") + T_MONTHLY));
    move_target(&one_of_two, "1");
    let ended = one_of_two.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    ended.says("has no table dbo.gone").says("Nobody listens");
    server.assert_no_table_read(mark, &["[T]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_table_is_told_with_the_one_that_was_meant() {
    let server = Server::start().await;
    sale().indexed("at").at_source(&server).await;
    let project = Project::new(&server, &monthly("sales", "at"));
    let run = project.run("2025-10-01", "2025-10-02", &[]).await.expect(7);
    assert!(
        run.stderr.contains("did you mean dbo.sale? If not, check"),
        "{run:?}"
    );
    let doctor = project.sync(&["doctor"]).await;
    assert!(
        doctor.stdout.contains("did you mean dbo.sale? If not, check"),
        "{doctor:?}"
    );
    // One that was loaded, and has another name now.
    let loaded = Project::new(&server, &monthly("sale", "at"));
    loaded.run("2025-10-01", "2025-10-02", &[]).await.expect(0);
    sale_named("sales").indexed("at").at_source(&server).await;
    server.at_source("DROP TABLE dbo.sale").await;
    let counts = loaded.sync(&["counts"]).await;
    assert!(
        format!("{counts:?}").contains("did you mean dbo.sales? If not, check"),
        "{counts:?}"
    );
}

/// A table that is not there is refused and named; the others are loaded.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_stops_no_other() {
    let server = Server::start().await;
    let rows = ["(1, '2025-10-01T10:00:00')", "(2, '2025-10-02T10:00:00')"];
    sale().indexed("at").rows(rows).at_source(&server).await;
    let project = Project::new(&server, &(monthly("gone", "at") + &monthly("sale", "at")));
    for _ in 0..2 {
        let ended = project.run("2025-10-01", "2025-10-02", &[]).await.expect(7);
        assert!(
            ended
                .stderr
                .contains("has no table dbo.gone that this login may see"),
            "{ended:?}"
        );
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(
            lines[2].starts_with("| gone ") && lines[3].starts_with("| sale "),
            "{ended:?}"
        );
        server.assert_equal("dbo.sale", "dbo.t_sale").await;
    }
    let status = project.status().await;
    assert_eq!(status["run"]["exit_code"], 7, "{status}");
    assert_eq!(status["totals"]["rows"], 2, "{status}");
}

/// `plan` and `run` skip the same tables, name all of them, and do the others.
#[tokio::test(flavor = "multi_thread")]
async fn all_bad_tables_are_named_and_stop_no_other() {
    let server = Server::start().await;
    let rows = ["(1, '2025-10-01T10:00:00')", "(2, '2025-10-02T10:00:00')"];
    sale().indexed("at").rows(rows).at_source(&server).await;
    for name in ["loose", "narrow", "extra"] {
        let table = Table::new(name, "id bigint NOT NULL, at datetime NOT NULL");
        match name {
            "loose" => table.keyless().at_source(&server).await,
            _ => table.keyed("id").indexed("at").at_source(&server).await,
        }
    }
    Table::new("t_narrow", "id int NOT NULL, at datetime NOT NULL")
        .keyed("id")
        .at_target(&server)
        .await;
    Table::new(
        "t_extra",
        "id bigint NOT NULL, at datetime NOT NULL, shop int NOT NULL",
    )
    .keyed("id")
    .at_target(&server)
    .await;
    let says = [
        "has no table dbo.gone that this login may see",
        "has no unique, unfiltered index",
        "olumn id is bigint at the source and int at target table dbo.t_narrow",
        "dbo.t_extra takes no NULL in shop (int)",
    ];
    let tables = ["gone", "loose", "narrow", "extra", "sale"].map(|name| monthly(name, "at"));
    let project = Project::new(&server, &tables.concat());
    let plan = ["plan", "--start-date", "2025-10-01", "--end-date", "2025-10-02"];
    let plan = project.sync(&plan).await.expect(7).said();
    let run = project.run("2025-10-01", "2025-10-02", &[]).await.expect(7);
    for says in says {
        assert!(plan.contains(says), "{says}: {plan}");
        assert!(run.stderr.contains(says), "{says}: {run:?}");
    }
    server.assert_equal("dbo.sale", "dbo.t_sale").await;

    // Where nothing can be copied, all are named as well, and nothing is made at the target.
    let project = Project::new(&server, &tables[..2].concat());
    let mark = server.mark();
    let run = project.run("2025-10-01", "2025-10-02", &[]).await.expect(7);
    for says in &says[..2] {
        assert!(run.stderr.contains(says), "{says}: {run:?}");
    }
    server.assert_no_table_read(mark, &["[gone]", "[loose]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_schema_that_is_not_there_is_named() {
    let server = Server::start().await;
    tables::dated("T")
        .rows(tables::october(9))
        .at_source(&server)
        .await;
    let project = Project::new(&server, T_MONTHLY);
    project.configure("schema = \"dbo\"\ntable_prefix", "schema = \"pos\"\ntable_prefix");
    let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    assert!(
        ended.stderr.contains("The specified schema name \"pos\""),
        "{ended:?}"
    );
}
