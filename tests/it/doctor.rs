//! `sync doctor`: each trouble that the first deployment met, and the others like it, is named with its fix.

use mssql_sync::checkpoint::Store;
use serde_json::Value;
use tds_emulator::{Role, TlsMode};
use testkit::project::{PASSWORD_VARIABLE, full, monthly};
use testkit::server::is_elsewhere;
use testkit::tables::Table;
use testkit::{Ended, Home, Project, Server};

const TABLE: &str = "[[table]]\nname = \"SALES\"\ndate_column = \"AT\"\n";

/// A source table that a run reads well.
fn sales() -> Table {
    Table::new(
        "SALES",
        "ID int NOT NULL, AT datetime NOT NULL, NOTE nvarchar(20) NULL",
    )
    .indexed("AT")
}

async fn server(test: &str) -> Option<Server> {
    let server = Server::start_emulator(test).await?;
    sales().at_source(&server).await;
    Some(server)
}

/// The checks of one place that came out so.
fn found(ended: &Ended, level: &str, place: &str) -> Vec<String> {
    let json = ended.json();
    let checks = json["checks"].as_array().expect("a list of checks");
    checks
        .iter()
        .filter(|check| check["level"] == level && check["place"] == place)
        .map(|check| check["text"].as_str().expect("a text").to_owned())
        .collect()
}

/// Asserts that one check of the place came out so and says this, and returns it.
#[track_caller]
fn one(ended: &Ended, level: &str, place: &str, says: &str) -> Value {
    let json = ended.json();
    let checks = json["checks"].as_array().expect("a list of checks");
    let mut found = checks.iter().filter(|check| {
        check["level"] == level
            && check["place"] == place
            && check["text"].as_str().is_some_and(|text| text.contains(says))
    });
    let check = found.next();
    check
        .unwrap_or_else(|| panic!("no {level} of {place} says {says}: {json:#}"))
        .clone()
}

async fn doctor(project: &Project, code: i32) -> Ended {
    let ended = project.sync(&["doctor", "--json"]).await.expect(code);
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!all.contains("Not.a.secret"), "{all}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_well_and_nothing_written() {
    let Some(server) = server("a_job_that_is_well_and_nothing_written").await else {
        return;
    };
    server.set_source_role(Role::ReadableSecondary);
    let project = Project::with(&server, "require_replica = true", "", TABLE);
    let mark = server.mark();
    let ended = project.sync(&["doctor"]).await.expect(0);
    assert!(
        ended.stdout.ends_with("All is as a run needs it.\n"),
        "{}",
        ended.stdout
    );
    for says in [
        "✓ ok       configuration: sync.toml is valid: 1 table",
        "✓ ok       state: There is no state/checkpoints.redb yet",
        "✓ ok       source: Port open: 127.0.0.1, port ",
        "✓ ok       source: Logged in to server EMULATOR, database sync_test_source_",
        "✓ ok       source: It proves to be a replica",
        "✓ ok       source table SALES: It can be read by AT (key [AT], [ID])",
        "✓ ok       target: Schema [sync] is of version 0 of 2; a run or `sync migrate` brings it there",
        "✓ ok       target: 1 table not there yet",
    ] {
        assert!(
            ended.stdout.replace('\\', "/").contains(says),
            "no {says} in {}",
            ended.stdout
        );
    }
    assert_eq!(server.receipts_exist().await, 0);
    assert!(!project.state().exists());
    assert_eq!(
        server.rows_read(mark, &["[SALES]"]),
        0,
        "no row of the source is read"
    );

    // After a run, its store and its table are looked at.
    project.run("2025-10-01", "2025-10-02", &[]).await.expect(0);
    let ended = doctor(&project, 0).await;
    one(&ended, "ok", "state", "checkpoints.redb is whole: 1 table");
    one(&ended, "ok", "target table SALES", "fits");
    one(&ended, "ok", "target", "Schema [sync] is of version 2");
    let _writer = Store::create_or_open(&project.state()).expect("the store is opened");
    let ended = doctor(&project, 0).await;
    let pid = format!("is held by process {}: a run is going", std::process::id());
    one(&ended, "ok", "state", &pid);
}

#[test]
fn a_configuration_that_is_wrong_ends_with_2() {
    let home = Home::with_config("[source]\nusr = \"x\"\n");
    insta::assert_snapshot!(home.sync(&["doctor"]), @r"
    stdout:
    ✓ ok       configuration: There is no .env; variables come from the environment alone
    ✗ failure  configuration: sync.toml, line 2: Unknown key `usr` in [source]; did you mean `user`? The known keys are server, port, database, user, password, schema, encrypt, trust_server_certificate, ca_file, require_replica, replica_proof, replica_names, refuse_names, redirect_hosts, rows_per_second, mib_per_second, queries_per_second, query_ms_target, replica_lag_max_seconds, hours
    1 failure, 0 warnings: correct the failures first.
    exit code: 2
    ");
    let said = Home::empty().sync(&["doctor"]);
    assert_eq!(said.code(), 2, "{said}");
    assert!(said.stdout.contains("write one with `sync init`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_are_refused() {
    let Some(server) = server("logins_that_are_refused").await else {
        return;
    };
    let project = Project::new(&server, TABLE);
    let wrong = [(PASSWORD_VARIABLE, "not-the-password")];
    let ended = project.sync_with(&["doctor", "--json"], &wrong).await.expect(7);
    let check = one(&ended, "failure", "source", "refused the login sync_test");
    assert_eq!((&check["number"], &check["state"]), (&18456.into(), &1.into()));
    one(
        &ended,
        "failure",
        "target",
        "most likely the user or the password is wrong: correct `user` in [target] of sync.toml",
    );
    one(
        &ended,
        "failure",
        "target",
        "look for this login's state in the server's ERRORLOG",
    );

    for (state, says) in [
        (7, "the login is disabled"),
        (8, "the password is wrong; correct it in .env"),
        (58, "mixed mode is off, or its service was not restarted"),
    ] {
        let faults = server.faults();
        let rule = format!("do=refuse-login:{state};times=all")
            .parse()
            .expect("a rule");
        let rule = faults.add(rule);
        let ended = doctor(&project, 7).await;
        assert_eq!(one(&ended, "failure", "source", says)["state"], state);
        one(&ended, "failure", "target", says);
        // Every command says it.
        let ended = project.run("2025-10-01", "2025-10-01", &[]).await.expect(7);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        faults.remove(rule);
    }
    let rule = "do=error:18486:Locked.;at=login;times=all"
        .parse()
        .expect("a rule");
    let rule = server.faults().add(rule);
    let ended = doctor(&project, 7).await;
    one(&ended, "failure", "source", "(error 18486): it is locked");
    server.faults().remove(rule);

    project.configure(
        &format!("database = \"{}\"", server.target),
        "database = \"NOWHERE\"",
    );
    let ended = doctor(&project, 7).await;
    let check = one(&ended, "failure", "target", "has no database NOWHERE");
    assert_eq!(check["number"], 4060);
    assert_eq!(
        found(&ended, "failure", "source"),
        Vec::<String>::new(),
        "the source is well"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_a_server() {
    let Some(server) = server("the_way_to_a_server").await else {
        return;
    };
    let address = format!("server = \"{},{}\"", server.host, server.port);
    let of = |written: &str| {
        let project = Project::new(&server, TABLE);
        project.configure(&address, &format!("server = \"{written}\""));
        project
    };
    let ended = doctor(&of("127.0.0.1,1"), 7).await;
    for end in ["source", "target"] {
        one(&ended, "failure", end, "Nobody listens at 127.0.0.1, port 1: ");
        one(&ended, "failure", end, "TCP/IP is not enabled");
    }
    doctor(&of(&format!("tcp:{},{}", server.host, server.port)), 0).await;
    // The emulator listens at 127.0.0.1 alone, as a server may that localhost does not lead to.
    let ended = doctor(&of(&format!("tcp:[::1],{}", server.port)), 7).await;
    one(&ended, "failure", "source", "write server = \"127.0.0.1\"");
    // Where localhost means both, this works and is a warning; where it means one, it is that one.
    let ended = doctor(&of(&format!("localhost,{}", server.port)), 0).await;
    for warning in found(&ended, "warning", "source") {
        let known = warning.contains("write server = \"127.0.0.1\"") || warning.contains("require_replica");
        assert!(known, "{warning}");
    }
    let ended = doctor(&of("no-such-host.invalid"), 7).await;
    one(&ended, "failure", "source", "no-such-host.invalid has no address");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_environment_file_and_the_environment() {
    let Some(server) = server("another_environment_file_and_the_environment").await else {
        return;
    };
    let project = Project::new(&server, TABLE);
    let home = &project.home;
    home.write(".env", format!("{PASSWORD_VARIABLE}=not-the-password"));
    home.write(".env.local", "X=1");
    let ended = doctor(&project, 0).await;
    one(&ended, "ok", "configuration", "Variables are read from .env");
    one(
        &ended,
        "warning",
        "configuration",
        ".env.local is there and is not read",
    );
    let overridden = format!("The environment has another {PASSWORD_VARIABLE} than .env, and wins");
    one(&ended, "warning", "configuration", &overridden);
    assert!(!ended.stdout.contains("not-the-password"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted() {
    if is_elsewhere("a_certificate_that_is_not_trusted") {
        return;
    }
    let server = Server::emulated(|options| options.tls = TlsMode::Required).await;
    let project = Project::new(&server, TABLE);
    project.configure(
        "encrypt = false\ntrust_server_certificate = true",
        "encrypt = true\ntrust_server_certificate = false",
    );
    let ended = doctor(&project, 7).await;
    for end in ["source", "target"] {
        one(&ended, "failure", end, "ca_file");
        one(&ended, "failure", end, "trust_server_certificate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_server() {
    let Some(server) = server("the_wrong_server").await else {
        return;
    };
    let project = Project::with(&server, "require_replica = true", "", TABLE);
    let ended = doctor(&project, 7).await;
    one(
        &ended,
        "failure",
        "source",
        "READ_WRITE: a READ_ONLY database is required",
    );
    one(&ended, "ok", "target", "Logged in");
    let name = format!("EMULATOR/{}", server.source);
    let named = format!("replica_proof = \"named\"\nreplica_names = [\"{name}\"]");
    let ended = doctor(&Project::with(&server, &named, "", TABLE), 0).await;
    one(&ended, "ok", "source", "trusted by name");
    let ended = doctor(&Project::new(&server, TABLE), 0).await;
    one(&ended, "warning", "source", "require_replica = false");
    server
        .emulator()
        .set_role(&server.target, Role::ReadableSecondary);
    let ended = doctor(&Project::new(&server, TABLE), 7).await;
    one(&ended, "failure", "target", "is READ_ONLY and cannot be loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_cannot_be_read_or_only_slowly() {
    let Some(server) = server("tables_that_cannot_be_read_or_only_slowly").await else {
        return;
    };
    for sql in [
        "CREATE TABLE dbo.SLOW (ID int NOT NULL PRIMARY KEY, AT datetime NULL)",
        "CREATE TABLE dbo.HEAP (ID int NULL, AT datetime NOT NULL)",
        "CREATE TABLE dbo.UNDATED (ID int NOT NULL PRIMARY KEY, AT datetime NULL)",
        "CREATE INDEX IX_U ON dbo.UNDATED (AT)",
        "INSERT INTO dbo.UNDATED VALUES (1, NULL), (2, '2025-10-01T00:00:00'), (3, NULL)",
        "CREATE TABLE dbo.LOOSE (ID int NULL)",
    ] {
        server.at_source(sql).await;
    }
    let mut tables = ["SALES", "SLOW", "HEAP", "UNDATED", "GONE"]
        .map(|name| monthly(name, "AT"))
        .concat();
    tables.push_str(&monthly("DATELESS", "SOLD"));
    tables.push_str(&full("LOOSE"));
    server
        .at_source("CREATE TABLE dbo.DATELESS (ID int NOT NULL PRIMARY KEY, AT datetime NULL)")
        .await;
    let project = Project::new(&server, &tables);
    let mark = server.mark();
    let ended = doctor(&project, 7).await;
    one(&ended, "ok", "source table SALES", "It can be read by AT");
    one(
        &ended,
        "warning",
        "source table SLOW",
        "Slow: no index on AT, each window",
    );
    one(&ended, "warning", "source table SLOW", "AT may be NULL");
    one(
        &ended,
        "failure",
        "source table HEAP",
        "has no unique, unfiltered index",
    );
    one(&ended, "warning", "source table UNDATED", "2 rows have no AT");
    one(
        &ended,
        "failure",
        "source table GONE",
        "has no table dbo.GONE that this login may see",
    );
    one(
        &ended,
        "failure",
        "source table DATELESS",
        "has no column SOLD; set date_column to one of its date columns: AT",
    );
    one(&ended, "warning", "source table LOOSE", "no unique index");
    assert_eq!(ended.json()["failures"], 3);
    // Only the table whose index begins with the date is counted, behind the guard and in one batch with it.
    let counted = |table: &str| {
        let reads = server.source_statements(mark, table);
        let counts = reads.iter().filter(|read| read.text.contains("COUNT_BIG"));
        counts
            .inspect(|read| assert!(read.text.contains("IF 1 = 1 SELECT"), "{}", read.text))
            .count()
    };
    assert_eq!(
        ["[dbo].[SALES]", "[dbo].[SLOW]", "[dbo].[UNDATED]"].map(counted),
        [0, 0, 1]
    );

    let rule = "do=error:229:The SELECT permission was denied;times=2;statement=SELECT TOP (0)".parse();
    server.faults().add(rule.expect("a rule"));
    let ended = doctor(&project, 7).await;
    let check = one(
        &ended,
        "failure",
        "source table SALES",
        "The login may not read dbo.SALES",
    );
    assert_eq!(check["number"], 229);
    one(&ended, "warning", "source table UNDATED", "2 rows have no AT");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_do_not_fit() {
    let Some(server) = server("targets_that_do_not_fit").await else {
        return;
    };
    for sql in [
        "CREATE TABLE dbo.OTHER (ID int NOT NULL PRIMARY KEY)",
        "CREATE TABLE dbo.t_SALES (ID int NOT NULL CONSTRAINT FK_O REFERENCES dbo.OTHER (ID), AT date NOT NULL, \
         NOTE int NULL, CODE int NOT NULL CONSTRAINT UQ_CODE UNIQUE)",
    ] {
        server.at_target(sql).await;
    }
    let project = Project::new(&server, TABLE);
    let ended = doctor(&project, 7).await;
    let place = "target table SALES";
    one(
        &ended,
        "failure",
        place,
        "Column AT is datetime at the source and date here, which has less room",
    );
    one(
        &ended,
        "warning",
        place,
        "Column NOTE is nvarchar(20) at the source and int here",
    );
    one(&ended, "warning", place, "Unique index UQ_CODE is over CODE");
    one(&ended, "warning", place, "Its foreign keys (FK_O)");
    server.at_target("DROP TABLE dbo.t_SALES").await;
    server
        .at_target("CREATE TABLE dbo.t_SALES (ID int NOT NULL PRIMARY KEY, AT datetime NOT NULL)")
        .await;
    let ended = doctor(&project, 7).await;
    one(&ended, "failure", place, "dbo.t_SALES has no column NOTE");
    project.configure(
        "schema = \"dbo\"\ntable_prefix",
        "schema = \"nowhere\"\ntable_prefix",
    );
    let ended = doctor(&project, 7).await;
    one(&ended, "failure", "target", "There is no schema nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_a_warning_and_a_lost_connection_a_failure() {
    let Some(server) = server("what_cannot_be_looked_at_is_a_warning_and_a_lost_connection_a_failure").await
    else {
        return;
    };
    let project = Project::new(&server, TABLE);
    let faults = server.faults();
    let rule = "do=error:195:It is no function;statement=HAS_PERMS_BY_NAME;times=all".parse();
    let rule = faults.add(rule.expect("a rule"));
    let ended = doctor(&project, 0).await;
    one(
        &ended,
        "warning",
        "target",
        "The right to CREATE TABLE could not be checked: ",
    );
    // Of tables that are all there a run needs no right to make one, but of one that it makes anew each time.
    project.sync(&["migrate"]).await.expect(0);
    sales().named("t_SALES").at_target(&server).await;
    let says = "CREATE TABLE could not be checked";
    let asked = |ended: &Ended| {
        found(ended, "warning", "target")
            .iter()
            .any(|text| text.contains(says))
    };
    assert!(!asked(&doctor(&project, 0).await));
    server
        .at_source("CREATE TABLE dbo.ITEM (ID int NOT NULL PRIMARY KEY)")
        .await;
    server
        .at_target("CREATE TABLE dbo.t_ITEM (ID int NOT NULL PRIMARY KEY)")
        .await;
    let whole = TABLE.to_owned() + &full("ITEM");
    assert!(asked(&doctor(&Project::new(&server, &whole), 0).await));
    faults.remove(rule);
    faults.add("do=drop;statement=SELECT SCHEMA_ID(@".parse().expect("a rule"));
    let ended = doctor(&project, 7).await;
    one(&ended, "failure", "target", "The connection to the target");
    faults.clear();
    faults.add("do=drop;statement=SELECT TOP (0)".parse().expect("a rule"));
    let ended = doctor(&project, 7).await;
    one(
        &ended,
        "failure",
        "source table SALES",
        "The connection to the source",
    );
    one(&ended, "ok", "target", "Logged in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_file() {
    let Some(server) = server("a_damaged_state_file").await else {
        return;
    };
    let project = Project::new(&server, TABLE);
    std::fs::create_dir_all(project.state().with_file_name("")).expect("a directory");
    std::fs::write(
        project.state(),
        "not a redb file, and long enough to look like one".repeat(200),
    )
    .expect("the file is written");
    let ended = doctor(&project, 7).await;
    one(&ended, "failure", "state", "`sync rebuild`");
    one(&ended, "ok", "target", "Logged in");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing() {
    let Some(server) = server("rights_that_are_missing").await else {
        return;
    };
    let project = Project::new(&server, TABLE);
    project.sync(&["migrate"]).await.expect(0);
    doctor(&project, 0).await;
    for (database, right, place, says) in [
        (
            &server.source,
            "SELECT ON OBJECT::[dbo].[SALES]",
            "source table SALES",
            "SELECT",
        ),
        (&server.target, "CREATE TABLE", "target", "CREATE TABLE"),
        (&server.target, "ALTER ON SCHEMA::[dbo]", "target", "ALTER"),
        (&server.target, "INSERT ON SCHEMA::[dbo]", "target", "INSERT"),
        (&server.target, "DELETE ON SCHEMA::[dbo]", "target", "DELETE"),
    ] {
        let mut client = server.connect(database).await;
        client.run(&format!("DENY {right} TO [{}]", server.user)).await;
        let ended = doctor(&project, 7).await;
        one(&ended, "failure", place, says);
        client.run(&format!("REVOKE {right} TO [{}]", server.user)).await;
    }
    doctor(&project, 0).await;
    // A reference table that is there may be refreshed in place.
    let whole = Project::new(&server, &full("SALES"));
    whole.sync(&["run"]).await.expect(0);
    for right in ["UPDATE", "ALTER", "DELETE"] {
        let mut client = server.connect(&server.target).await;
        let on = format!("{right} ON OBJECT::[dbo].[t_SALES] TO [{}]", server.user);
        client.run(&format!("DENY {on}")).await;
        one(&doctor(&whole, 7).await, "failure", "target table SALES", right);
        client.run(&format!("REVOKE {on}")).await;
    }
}

/// None of it keeps a run from its work.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_has_beside_its_work_is_tried() {
    let Some(server) = server("what_a_run_has_beside_its_work_is_tried").await else {
        return;
    };
    let project = Project::new(&server, TABLE);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    project.home.configure_too(&format!(
        "\n[metrics]\ntextfile = \"gone/sync.prom\"\n[serve]\nlisten = \"{address}\"\n"
    ));
    let ended = doctor(&project, 0).await;
    one(&ended, "warning", "metrics", "gone takes no file");
    one(&ended, "warning", "page", "where another program listens");

    drop(listener);
    project.configure("gone/sync.prom", "sync.prom");
    let ended = doctor(&project, 0).await;
    one(&ended, "ok", "metrics", "sync.prom is written there");
    one(
        &ended,
        "ok",
        "page",
        &format!("A page can be served at {address}"),
    );
    assert!(
        !project.home.path("sync.prom").exists(),
        "it writes nothing that stays"
    );

    let (_page, _) = crate::serve::serve_as_configured(&project).await;
    let ended = doctor(&project, 0).await;
    one(&ended, "ok", "page", &format!("A page is served at {address}"));

    // All machines would reach it, and it has no token.
    project.configure(&address, "0.0.0.0:0");
    let ended = doctor(&project, 0).await;
    one(&ended, "warning", "page", "has no token");
}
