//! The emulator through the real driver and a real socket: logging in with and without TLS, every packet size,
//! attention, bulk loads, transactions, connections that go away, faults, and the statement log.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::Arc;

use futures_util::TryStreamExt;
use tds_emulator::{Emulator, EmulatorOptions, LockMode, Role, TlsMode};
use tempfile::TempDir;
use tiberius::error::Error;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, IntoSql, QueryItem, ToSql, TokenRow};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Connection = Client<Compat<TcpStream>>;

/// Rows of the table that most tests read.
const ROWS: i32 = 3000;

struct Rig {
    emulator: Emulator,
    tls: TlsMode,
    _data: TempDir,
}

impl Rig {
    async fn start(tls: TlsMode) -> Rig {
        let data = tempfile::tempdir().unwrap();
        let options = EmulatorOptions {
            users: vec![("sync".into(), "sécret".into())],
            tls,
            locks: LockMode::Versioned,
            ..EmulatorOptions::new(data.path())
        };
        let emulator = Emulator::start(options).await.unwrap();
        emulator.create_database("shop").unwrap();
        Rig {
            emulator,
            tls,
            _data: data,
        }
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("localhost");
        config.port(self.emulator.addr().port());
        config.authentication(AuthMethod::sql_server("sync", "sécret"));
        config.encryption(match self.tls {
            TlsMode::Required => EncryptionLevel::Required,
            _ => EncryptionLevel::NotSupported,
        });
        config.database("shop");
        config.application_name("test");
        config.trust_cert();
        config
    }

    async fn connect(&self) -> Connection {
        connect(self.config()).await.unwrap()
    }

    /// A table of [`ROWS`] rows with a key, a text of many lengths that is sometimes NULL, and a blob.
    async fn with_table(tls: TlsMode) -> Rig {
        let rig = Rig::start(tls).await;
        let mut client = rig.connect().await;
        run(
            &mut client,
            "CREATE TABLE t (id int NOT NULL PRIMARY KEY, name nvarchar(200) NULL, data varbinary(max) NULL)",
        )
        .await
        .unwrap();
        assert_eq!(load(&mut client, "t", 0..ROWS).await.unwrap(), ROWS as u64);
        rig
    }
}

async fn connect(config: Config) -> Result<Connection, Error> {
    let tcp = TcpStream::connect(config.get_addr()).await?;
    tcp.set_nodelay(true)?;
    Client::connect(config, tcp.compat_write()).await
}

async fn run(client: &mut Connection, sql: &str) -> Result<(), Error> {
    client.simple_query(sql).await?.into_results().await.map(drop)
}

async fn count(client: &mut Connection, table: &str) -> i64 {
    let rows = client
        .simple_query(format!("SELECT COUNT_BIG(*) FROM {table}"))
        .await
        .unwrap();
    rows.into_row().await.unwrap().unwrap().get(0).unwrap()
}

fn name(id: i32) -> Option<String> {
    (id % 7 != 0).then(|| format!("名前 🛒 {}", "é".repeat(id as usize % 150)))
}

fn data(id: i32) -> Option<Vec<u8>> {
    (id % 5 != 0).then(|| vec![id as u8; id as usize % 900])
}

async fn load(client: &mut Connection, table: &str, ids: std::ops::Range<i32>) -> Result<u64, Error> {
    let mut request = client.bulk_insert(table).await?;
    for id in ids {
        let mut row = TokenRow::new();
        row.push(id.into_sql());
        row.push(name(id).into_sql());
        row.push(data(id).into_sql());
        request.send(row).await?;
    }
    Ok(request.finalize().await?.total())
}

async fn read(client: &mut Connection) -> Result<(), Error> {
    let rows = client
        .simple_query("SELECT id, name, data FROM t ORDER BY id")
        .await?
        .into_first_result()
        .await?;
    assert_eq!(rows.len(), ROWS as usize);
    for (id, row) in (0..).zip(&rows) {
        assert_eq!(row.get::<i32, _>(0), Some(id));
        assert_eq!(row.get::<&str, _>(1), name(id).as_deref());
        assert_eq!(row.get::<&[u8], _>(2), data(id).as_deref());
    }
    Ok(())
}

#[tokio::test]
async fn rows_are_the_same_at_every_packet_size_with_and_without_tls() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    for level in [
        EncryptionLevel::NotSupported,
        EncryptionLevel::Off,
        EncryptionLevel::Required,
    ] {
        for packet_bytes in [512, 4096, 32767] {
            let mut config = rig.config();
            config.encryption(level);
            config.packet_size(packet_bytes);
            let mut client = connect(config).await.unwrap();
            read(&mut client).await.unwrap();
            run(
                &mut client,
                "CREATE TABLE #load (id int NOT NULL, name nvarchar(200) NULL, data varbinary(max) NULL)",
            )
            .await
            .unwrap();
            assert_eq!(load(&mut client, "#load", 0..500).await.unwrap(), 500);
            assert_eq!(count(&mut client, "#load").await, 500);
        }
    }
}

#[tokio::test]
async fn required_tls_shows_a_certificate_that_can_be_checked() {
    let rig = Rig::with_table(TlsMode::Required).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("emulator.pem");
    std::fs::write(&path, rig.emulator.certificate_pem()).unwrap();
    let mut config = Config::new();
    config.host("localhost");
    config.port(rig.emulator.addr().port());
    config.authentication(AuthMethod::sql_server("sync", "sécret"));
    config.database("shop");
    config.encryption(EncryptionLevel::Required);
    config.trust_cert_ca(path.to_str().unwrap());
    read(&mut connect(config).await.unwrap()).await.unwrap();
    let mut config = rig.config();
    config.encryption(EncryptionLevel::NotSupported);
    assert!(connect(config).await.is_err(), "a client without TLS is refused");
}

#[tokio::test]
async fn a_login_is_refused_with_the_servers_numbers() {
    let rig = Rig::start(TlsMode::Offered).await;
    let mut config = rig.config();
    config.authentication(AuthMethod::sql_server("sync", "secret"));
    let error = connect(config).await.unwrap_err();
    assert_eq!(error.code(), Some(18456));
    assert!(
        error.to_string().contains("Login failed for user 'sync'."),
        "{error}"
    );
    let mut config = rig.config();
    config.database("elsewhere");
    assert_eq!(connect(config).await.unwrap_err().code(), Some(4060));
    let refused = rig
        .emulator
        .faults()
        .add("do=refuse-login;database=shop".parse().unwrap());
    assert_eq!(connect(rig.config()).await.unwrap_err().code(), Some(18456));
    assert_eq!(rig.emulator.faults().fired(refused), 1);
    rig.connect().await;
}

#[tokio::test]
async fn a_cancelled_query_leaves_the_connection_usable() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    for _ in 0..3 {
        let mut rows = client
            .simple_query("SELECT a.id FROM t AS a CROSS JOIN t AS b CROSS JOIN t AS c")
            .await
            .unwrap();
        let mut seen = 0;
        while seen < 100 {
            if let Some(QueryItem::Row(_)) = rows.try_next().await.unwrap() {
                seen += 1;
            }
        }
        drop(rows);
        client.cancel_query().await.unwrap();
        assert_eq!(count(&mut client, "t").await, i64::from(ROWS));
    }
}

#[tokio::test]
async fn a_cancelled_wait_for_a_lock_ends() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut holder = rig.connect().await;
    run(
        &mut holder,
        "BEGIN TRANSACTION; UPDATE t SET name = N'held' WHERE id = 1",
    )
    .await
    .unwrap();
    let mut waiter = rig.connect().await;
    let waiting = rig
        .emulator
        .faults()
        .add("do=run:SELECT 1;statement=SET name = N'waited'".parse().unwrap());
    {
        let sql = "UPDATE t SET name = N'waited' WHERE id = 1";
        let mut update = std::pin::pin!(run(&mut waiter, sql));
        tokio::select! {
            result = &mut update => panic!("The lock is held, and yet: {result:?}"),
            () = rig.emulator.faults().wait_fired(waiting, 1) => {}
        }
    }
    waiter.cancel_query().await.unwrap();
    run(&mut holder, "COMMIT").await.unwrap();
    let rows = waiter
        .simple_query("SELECT name FROM t WHERE id = 1")
        .await
        .unwrap();
    assert_eq!(
        rows.into_row().await.unwrap().unwrap().get::<&str, _>(0),
        Some("held")
    );
}

#[tokio::test]
async fn transactions_commit_roll_back_and_end_with_their_connection() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    client.begin_transaction().await.unwrap();
    run(&mut client, "DELETE FROM t WHERE id < 10").await.unwrap();
    client.rollback_transaction().await.unwrap();
    assert_eq!(count(&mut client, "t").await, i64::from(ROWS));
    client.begin_transaction().await.unwrap();
    run(&mut client, "DELETE FROM t WHERE id < 10").await.unwrap();
    client.commit_transaction().await.unwrap();
    assert_eq!(count(&mut client, "t").await, i64::from(ROWS) - 10);
    assert_eq!(client.commit_transaction().await.unwrap_err().code(), Some(3902));

    run(&mut client, "BEGIN TRANSACTION; DELETE FROM t")
        .await
        .unwrap();
    drop(client);
    // The lock is granted once the dropped connection has rolled back.
    let mut other = rig.connect().await;
    run(&mut other, "UPDATE t SET name = NULL WHERE id = 20")
        .await
        .unwrap();
    assert_eq!(count(&mut other, "t").await, i64::from(ROWS) - 10);
}

#[tokio::test]
async fn parameters_of_the_drivers_types_come_back_as_they_went() {
    let rig = Rig::start(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    let long = "長".repeat(5000);
    let blob = vec![7u8; 9000];
    let params: [&dyn ToSql; 9] = [
        &1u8,
        &-2i16,
        &-3i32,
        &(1i64 << 60),
        &true,
        &1.5f64,
        &"naïve",
        &long.as_str(),
        &blob.as_slice(),
    ];
    let sql = "SELECT @P1, @P2, @P3, @P4, @P5, @P6, @P7, @P8, @P9";
    let row = client
        .query(sql, &params)
        .await
        .unwrap()
        .into_row()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.get(0), row.get(1), row.get(2)),
        (Some(1u8), Some(-2i16), Some(-3i32))
    );
    assert_eq!(
        (row.get(3), row.get(4), row.get(5)),
        (Some(1i64 << 60), Some(true), Some(1.5f64))
    );
    assert_eq!(
        (row.get::<&str, _>(6), row.get::<&str, _>(7)),
        (Some("naïve"), Some(long.as_str()))
    );
    assert_eq!(row.get::<&[u8], _>(8), Some(blob.as_slice()));
    let params: [&dyn ToSql; 2] = [&None::<i32>, &None::<&str>];
    let row = client
        .query("SELECT @P1, @P2", &params)
        .await
        .unwrap()
        .into_row()
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.get::<i32, _>(0), row.get::<&str, _>(1)), (None, None));
}

#[tokio::test]
async fn the_log_tells_what_was_asked_and_answered() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    let log = rig.emulator.log();
    let load = log
        .entries()
        .into_iter()
        .find(|entry| entry.text.starts_with("INSERT BULK"))
        .unwrap();
    assert_eq!((load.bulk_rows, load.error), (ROWS as u64, None));
    let mark = log.mark();
    client
        .query("SELECT id FROM t WHERE id < @P1", &[&5i32])
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap();
    run(&mut client, "SELECT * FROM missing").await.unwrap_err();
    let asked = log.since(mark);
    assert_eq!(asked.len(), 2);
    assert_eq!(
        (asked[0].rows_sent, asked[0].params.as_slice()),
        (5, &[("@P1".to_owned(), "5".to_owned())][..])
    );
    assert_eq!(
        (asked[0].login.as_str(), asked[0].application.as_str()),
        ("sync", "test")
    );
    assert_eq!((asked[0].database.as_str(), asked[1].error), ("shop", Some(208)));
    assert!(asked[0].ended.unwrap() < asked[1].started);
}

#[tokio::test]
async fn a_commit_that_is_not_acknowledged_took_effect() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    let lost = rig
        .emulator
        .faults()
        .add("do=drop;at=after;statement=commit".parse().unwrap());
    run(&mut client, "BEGIN TRANSACTION; DELETE FROM t WHERE id = 1")
        .await
        .unwrap();
    assert_eq!(
        run(&mut client, "COMMIT TRANSACTION").await.unwrap_err().code(),
        None
    );
    assert_eq!(rig.emulator.faults().fired(lost), 1);
    assert_eq!(count(&mut rig.connect().await, "t").await, i64::from(ROWS) - 1);

    let mut client = rig.connect().await;
    rig.emulator
        .faults()
        .add("do=drop;at=before;statement=commit".parse().unwrap());
    run(&mut client, "BEGIN TRANSACTION; DELETE FROM t WHERE id = 2")
        .await
        .unwrap();
    assert_eq!(
        run(&mut client, "COMMIT TRANSACTION").await.unwrap_err().code(),
        None
    );
    assert_eq!(count(&mut rig.connect().await, "t").await, i64::from(ROWS) - 1);
}

#[tokio::test]
async fn a_fault_can_change_a_stored_value_within_the_transaction() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    let spec = "do=run:UPDATE t SET name = N'changed' WHERE id = -1;at=after;statement=INSERT INTO t";
    let changed = rig.emulator.faults().add(spec.parse().unwrap());
    run(&mut client, "BEGIN TRANSACTION").await.unwrap();
    run(&mut client, "INSERT INTO t (id, name) VALUES (-1, N'as sent')")
        .await
        .unwrap();
    assert_eq!(rig.emulator.faults().fired(changed), 1);
    let name = async |client: &mut Connection| {
        let rows = client
            .simple_query("SELECT name FROM t WHERE id = -1")
            .await
            .unwrap();
        rows.into_row()
            .await
            .unwrap()
            .map(|row| row.get::<&str, _>(0).unwrap().to_owned())
    };
    assert_eq!(name(&mut client).await.as_deref(), Some("changed"));
    run(&mut client, "ROLLBACK").await.unwrap();
    assert_eq!(name(&mut client).await, None);
}

#[tokio::test]
async fn a_bulk_load_that_is_cut_off_leaves_nothing() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    for spec in [
        "do=drop;at=bulk-rows:100;statement=INSERT BULK",
        "do=drop;at=packets-in:3;statement=INSERT BULK",
    ] {
        let fault = rig.emulator.faults().add(spec.parse().unwrap());
        assert!(load(&mut rig.connect().await, "t", ROWS..2 * ROWS).await.is_err());
        assert_eq!(rig.emulator.faults().fired(fault), 1);
        assert_eq!(count(&mut rig.connect().await, "t").await, i64::from(ROWS));
    }
    // A duplicate key in the last rows undoes the rows before it.
    let error = load(&mut rig.connect().await, "t", -500..1).await.unwrap_err();
    assert_eq!(error.code(), Some(2627));
    assert_eq!(count(&mut rig.connect().await, "t").await, i64::from(ROWS));
}

#[tokio::test]
async fn a_role_changes_while_sessions_stay_connected() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    rig.emulator.set_role("shop", Role::ReadableSecondary);
    assert_eq!(
        run(&mut client, "DELETE FROM t WHERE id = 1")
            .await
            .unwrap_err()
            .code(),
        Some(3906)
    );
    let rows = client
        .simple_query("SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128))")
        .await;
    let row = rows.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<&str, _>(0), Some("READ_ONLY"));
    rig.emulator.set_role("shop", Role::Primary);
    run(&mut client, "DELETE FROM t WHERE id = 1").await.unwrap();
}

#[tokio::test]
async fn dropping_connections_and_stopping_roll_back() {
    let rig = Rig::with_table(TlsMode::Offered).await;
    let mut client = rig.connect().await;
    run(&mut client, "BEGIN TRANSACTION; DELETE FROM t")
        .await
        .unwrap();
    rig.emulator.drop_connections();
    // The server's own thread drops them, so a statement that was faster is still answered.
    let mut ended = false;
    for _ in 0..10_000 {
        ended |= run(&mut client, "SELECT 1").await.is_err();
        if ended {
            break;
        }
    }
    assert!(ended, "the connection was dropped");
    let mut client = rig.connect().await;
    run(&mut client, "BEGIN TRANSACTION; DELETE FROM t WHERE id > 0")
        .await
        .unwrap();
    let Rig { emulator, tls, _data } = rig;
    emulator.stop().await;
    assert!(run(&mut client, "SELECT 1").await.is_err());
    let options = EmulatorOptions::new(_data.path());
    let again = Rig {
        emulator: Emulator::start(options).await.unwrap(),
        tls,
        _data,
    };
    assert_eq!(count(&mut again.connect().await, "t").await, i64::from(ROWS));
}

#[tokio::test]
async fn many_connections_at_once_each_get_their_own_rows() {
    let rig = Arc::new(Rig::with_table(TlsMode::Offered).await);
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let rig = rig.clone();
        readers.spawn(async move { read(&mut rig.connect().await).await.unwrap() });
    }
    while let Some(result) = readers.join_next().await {
        result.unwrap();
    }
}
