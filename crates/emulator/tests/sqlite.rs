//! What only SQLite knows is no statement, no table and no function here, and no name leaves the directory of the data.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use tds_emulator::{Emulator, EmulatorOptions};
use tiberius::{AuthMethod, Client, Config};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

#[tokio::test(flavor = "multi_thread")]
async fn what_only_sqlite_knows_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    let data = outside.path().join("data");
    let emulator = Emulator::start(EmulatorOptions::new(&data)).await.unwrap();
    emulator.create_database("shop").unwrap();
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(emulator.addr().port());
    config.database("shop");
    config.authentication(AuthMethod::sql_server("sync", "any"));
    config.trust_cert();
    let tcp = TcpStream::connect(config.get_addr()).await.unwrap();
    let mut client = Client::connect(config, tcp.compat_write()).await.unwrap();
    let evil = outside.path().join("evil.db").display().to_string();
    let statements = [
        format!("ATTACH DATABASE '{evil}' AS evil"),
        format!("ATTACH '{evil}' AS evil"),
        "DETACH DATABASE main".to_owned(),
        "PRAGMA writable_schema = 1".to_owned(),
        "PRAGMA journal_mode = DELETE".to_owned(),
        format!("VACUUM INTO '{evil}'"),
        "SELECT load_extension('evil')".to_owned(),
        "SELECT readfile('/etc/passwd')".to_owned(),
        format!("SELECT writefile('{evil}', 'x')"),
        "SELECT sqlite_version()".to_owned(),
        "SELECT * FROM sqlite_master".to_owned(),
        "SELECT * FROM sqlite_schema".to_owned(),
        "SELECT * FROM pragma_database_list".to_owned(),
        "SELECT * FROM pragma_table_info('t')".to_owned(),
        "SELECT * FROM main.sqlite_master".to_owned(),
        "SELECT * FROM shop.main.sqlite_master".to_owned(),
        "SELECT * FROM json_each('[1]')".to_owned(),
        "CREATE VIRTUAL TABLE v USING fts5(x)".to_owned(),
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END".to_owned(),
        "USE [../data/shop]".to_owned(),
        "USE [shop.db' AS x; --]".to_owned(),
    ];
    for statement in &statements {
        let answer = match client.simple_query(statement.as_str()).await {
            Ok(answer) => answer.into_results().await.map(drop),
            Err(error) => Err(error),
        };
        let error = answer.expect_err(statement);
        assert!(
            matches!(error, tiberius::error::Error::Server(_)),
            "{statement}: {error}"
        );
        assert!(
            !error.to_string().to_lowercase().contains("sqlite error"),
            "{statement}: {error}"
        );
    }
    // Names that SQL Server takes, and that are paths elsewhere.
    for name in ["../evil", "/evil", "..\\evil", "con", "a:b"] {
        let create = format!("CREATE DATABASE [{name}]; USE [{name}]; CREATE TABLE t (i int NOT NULL)");
        let answer = client.simple_query(create.as_str()).await.unwrap();
        answer.into_results().await.expect(name);
    }
    let answer = client.simple_query("SELECT 1").await.unwrap();
    assert!(answer.into_row().await.unwrap().is_some());
    let names: Vec<String> = std::fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["data"]);
    emulator.stop().await;
}
