//! The wire as the real driver uses it.

use futures_util::TryStreamExt;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, QueryItem, ToSql, TokenRow};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::Rig;
use crate::faults::{Action, At, Match, Rule};
use crate::store::Role;
use crate::wire::prelogin::TlsMode;

type Connection = Client<Compat<TcpStream>>;

fn config(rig: &Rig) -> Config {
    let mut config = Config::new();
    config.host("localhost");
    config.port(rig.addr.port());
    config.authentication(AuthMethod::sql_server("sa", "pass"));
    config.encryption(EncryptionLevel::NotSupported);
    config.trust_cert();
    config
}

async fn connect_with(config: Config) -> tiberius::Result<Connection> {
    let tcp = TcpStream::connect(config.get_addr()).await?;
    tcp.set_nodelay(true)?;
    Client::connect(config, tcp.compat_write()).await
}

async fn connect(rig: &Rig) -> Connection {
    connect_with(config(rig)).await.unwrap()
}

async fn rows(client: &mut Connection, statement: &str) -> tiberius::Result<Vec<(i32, Option<String>)>> {
    let rows = client.simple_query(statement).await?.into_first_result().await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0).unwrap(), row.get::<&str, _>(1).map(str::to_owned)))
        .collect())
}

fn code(error: &tiberius::error::Error) -> Option<u32> {
    error.code()
}

async fn rule(rig: &Rig, spec: &str) -> crate::faults::RuleId {
    rig.server.faults.add(spec.parse().unwrap())
}

#[tokio::test]
async fn every_encryption_and_packet_size_carries_rows_of_every_shape() {
    let levels = [
        EncryptionLevel::NotSupported,
        EncryptionLevel::Off,
        EncryptionLevel::On,
        EncryptionLevel::Required,
    ];
    for tls in [TlsMode::Off, TlsMode::Offered, TlsMode::Required] {
        let rig = Rig::start(tls).await;
        for level in levels {
            for packet_bytes in [512, 4096, 32767] {
                let mut config = config(&rig);
                config.encryption(level);
                config.packet_size(packet_bytes);
                let refused = match tls {
                    // The driver starts a handshake unless it has said that it cannot.
                    TlsMode::Off => !matches!(level, EncryptionLevel::NotSupported),
                    TlsMode::Offered => false,
                    TlsMode::Required => matches!(level, EncryptionLevel::NotSupported),
                };
                let connected = connect_with(config).await;
                if refused {
                    assert!(connected.is_err(), "{tls:?} {level:?}");
                    continue;
                }
                let mut client = connected.unwrap_or_else(|error| panic!("{tls:?} {level:?}: {error}"));
                let got = rows(&mut client, "rows 1000").await.unwrap();
                assert_eq!(got.len(), 1000);
                for (index, (n, s)) in got.iter().enumerate() {
                    assert_eq!(*n as usize, index);
                    assert_eq!(s.as_deref().map(str::len), (index % 3 != 0).then_some(100));
                }
            }
        }
    }
}

#[tokio::test]
async fn the_certificate_can_be_trusted_by_name() {
    let rig = Rig::start(TlsMode::Required).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, &rig.server.identity.pem).unwrap();
    let mut config = Config::new();
    config.host("localhost");
    config.port(rig.addr.port());
    config.authentication(AuthMethod::sql_server("sa", "pass"));
    config.encryption(EncryptionLevel::Required);
    config.trust_cert_ca(path.to_str().unwrap());
    assert_eq!(
        rows(&mut connect_with(config).await.unwrap(), "rows 2")
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_login_that_is_wrong_is_refused_with_the_servers_numbers() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut wrong = config(&rig);
    wrong.authentication(AuthMethod::sql_server("sa", "other"));
    let error = connect_with(wrong).await.unwrap_err();
    assert_eq!(code(&error), Some(18456));
    assert!(
        error.to_string().contains("Login failed for user 'sa'."),
        "{error}"
    );
    let mut nowhere = config(&rig);
    nowhere.database("nowhere");
    assert_eq!(code(&connect_with(nowhere).await.unwrap_err()), Some(4060));
    let id = rule(&rig, "do=refuse-login;application=late").await;
    let mut late = config(&rig);
    late.application_name("late");
    assert_eq!(code(&connect_with(late.clone()).await.unwrap_err()), Some(18456));
    rig.event("dropped").await;
    assert_eq!(rig.server.faults.fired(id), 1);
    connect_with(late).await.unwrap();
}

#[tokio::test]
async fn parameters_arrive_and_results_have_their_counts() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut client = connect(&rig).await;
    let params: [&dyn ToSql; 2] = [&5i32, &"größe"];
    let result = client.execute("count 9", &params).await.unwrap();
    assert_eq!(result.rows_affected(), [9]);
    let event = rig.event("execute").await;
    assert_eq!(
        event,
        "execute count 9 [(\"@P1\", Integer(5)), (\"@P2\", Text(\"größe\"))]"
    );
    let statement = &rig.server.log.entries()[0];
    assert_eq!((statement.text.as_str(), statement.params.len()), ("count 9", 2));
    assert_eq!(
        (
            statement.spid,
            statement.login.as_str(),
            statement.database.as_str()
        ),
        (51, "sa", "master")
    );
    assert!(statement.ended.is_some());
    let sets = client
        .simple_query("rows 2;count 5;rows 0;rows 3")
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap();
    assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 3]);
    assert!(
        client
            .simple_query("nothing")
            .await
            .unwrap()
            .into_results()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn errors_are_told_once_and_leave_the_connection_usable() {
    let rig = Rig::start(TlsMode::Offered).await;
    let mut client = connect(&rig).await;
    for (statement, number) in [("fail", 547), ("abort", 8134), ("count 1;fail;count 2", 547)] {
        assert_eq!(
            code(&rows(&mut client, statement).await.unwrap_err()),
            Some(number)
        );
        let error = client
            .execute(statement.split(';').nth(1).unwrap_or(statement), &[])
            .await
            .unwrap_err();
        assert_eq!(code(&error), Some(number));
    }
    assert_eq!(rows(&mut client, "rows 1").await.unwrap().len(), 1);
    let errors: Vec<_> = rig.server.log.entries().iter().map(|entry| entry.error).collect();
    assert_eq!(
        errors,
        [
            Some(547),
            Some(547),
            Some(8134),
            Some(8134),
            Some(547),
            Some(547),
            None
        ]
    );
}

#[tokio::test]
async fn an_attention_stops_rows_and_waits_and_the_connection_goes_on() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    for level in [EncryptionLevel::NotSupported, EncryptionLevel::Required] {
        let mut config = config(&rig);
        config.encryption(level);
        let mut client = connect_with(config).await.unwrap();
        for _ in 0..3 {
            let mut stream = client.simple_query("for-ever").await.unwrap();
            let mut seen = 0;
            while seen < 10 {
                if let Some(QueryItem::Row(_)) = stream.try_next().await.unwrap() {
                    seen += 1;
                }
            }
            drop(stream);
            client.cancel_query().await.unwrap();
            assert_eq!(rows(&mut client, "rows 4").await.unwrap().len(), 4);
        }
        {
            let mut query = std::pin::pin!(client.simple_query("wait"));
            tokio::select! {
                _ = &mut query => panic!("the session waits until it is cancelled"),
                _ = rig.event("waiting") => {}
            }
        }
        client.cancel_query().await.unwrap();
        assert_eq!(rows(&mut client, "rows 4").await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_session() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut client = connect(&rig).await;
    {
        let mut query = std::pin::pin!(client.simple_query("wait"));
        tokio::select! {
            _ = &mut query => panic!("the session waits until it is cancelled"),
            _ = rig.event("waiting") => {}
        }
    }
    drop(client);
    assert_eq!(rig.event("dropped").await, "dropped true");

    // This client does not read, so the session is stuck in the middle of its rows.
    let mut client = connect(&rig).await;
    let mut stream = client.simple_query("for-ever").await.unwrap();
    stream.try_next().await.unwrap();
    rig.hang_up.send(()).unwrap();
    assert_eq!(rig.event("dropped").await, "dropped true");
    rig.server
        .live
        .subscribe()
        .wait_for(|live| *live == 0)
        .await
        .unwrap();
    while let Ok(Some(_)) = stream.try_next().await {}
    drop(stream);
    assert!(rows(&mut client, "rows 1").await.is_err());
}

#[tokio::test]
async fn transactions_are_the_drivers_own_requests() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut client = connect(&rig).await;
    client.begin_transaction().await.unwrap();
    assert_eq!(rig.event("transaction").await, "transaction Begin");
    client.commit_transaction().await.unwrap();
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
    assert_eq!(code(&client.commit_transaction().await.unwrap_err()), Some(3902));
    let texts: Vec<_> = rig
        .server
        .log
        .entries()
        .into_iter()
        .map(|entry| entry.text)
        .collect();
    let (begin, commit) = ("BEGIN TRANSACTION", "COMMIT TRANSACTION");
    assert_eq!(texts, [begin, commit, begin, "ROLLBACK TRANSACTION", commit]);
}

async fn bulk(client: &mut Connection, numbers: impl Iterator<Item = i32>) -> tiberius::Result<u64> {
    let mut request = client.bulk_insert("t").await?;
    for n in numbers {
        let mut row = TokenRow::new();
        row.push(n.into_sql());
        row.push(if n % 2 == 0 {
            Some("näme").into_sql()
        } else {
            None::<&str>.into_sql()
        });
        request.send(row).await?;
    }
    Ok(request.finalize().await?.total())
}

use tiberius::IntoSql;

#[tokio::test]
async fn bulk_rows_arrive_whatever_the_packets_size() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    for packet_bytes in [512, 1000, 4096, 32767] {
        let mut config = config(&rig);
        config.packet_size(packet_bytes);
        let mut client = connect_with(config).await.unwrap();
        assert_eq!(bulk(&mut client, 0..5000).await.unwrap(), 5000);
        assert_eq!(rig.event("bulk").await, "bulk [\"n\", \"s\"]");
        assert_eq!(rig.event("bulk-end").await, "bulk-end true 5000");
        assert_eq!(bulk(&mut client, 0..0).await.unwrap(), 0);
        rig.event("bulk-end").await;
        // The rest of a load that failed is read and thrown away.
        let error = bulk(&mut client, (0..100).chain([-1]).chain(0..3000))
            .await
            .unwrap_err();
        assert_eq!(code(&error), Some(515));
        assert_eq!(rig.event("bulk-end").await, "bulk-end false 100");
        assert_eq!(rows(&mut client, "rows 1").await.unwrap().len(), 1);
    }
    let loads: Vec<_> = rig
        .server
        .log
        .entries()
        .into_iter()
        .filter(|e| e.text.starts_with("INSERT BULK"))
        .collect();
    assert_eq!(
        loads[..3]
            .iter()
            .map(|e| (e.bulk_rows, e.error))
            .collect::<Vec<_>>(),
        [(5000, None), (0, None), (0, Some(515))]
    );
}

#[tokio::test]
async fn a_fault_drops_the_connection_at_its_point() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut dropped = async |spec: &str, statement: &str| {
        let id = rule(&rig, spec).await;
        let mut client = connect(&rig).await;
        let mut seen = 0;
        let result: tiberius::Result<()> = async {
            let mut stream = client.simple_query(statement).await?;
            while let Some(item) = stream.try_next().await? {
                seen += u64::from(matches!(item, QueryItem::Row(_)));
            }
            Ok(())
        }
        .await;
        assert!(
            result.is_err() || rows(&mut client, "rows 1").await.is_err(),
            "{spec}"
        );
        rig.event("dropped").await;
        assert_eq!(rig.server.faults.fired(id), 1, "{spec}");
        seen
    };
    assert_eq!(dropped("do=drop;at=rows:7;statement=rows", "rows 5000").await, 7);
    assert_eq!(
        dropped("do=drop;at=rows:1000;statement=rows", "rows 5000").await,
        1000
    );
    assert_eq!(dropped("do=drop;at=before;statement=rows", "rows 5000").await, 0);
    assert_eq!(
        dropped("do=drop;at=packets-in:1;statement=rows", "rows 5000").await,
        0
    );
    // Rows of 209 or 6 bytes, 4088 to a packet: the third packet ends in the middle of a row.
    let after_three = dropped("do=drop;at=packets-out:3;statement=rows", "rows 5000").await;
    assert!((80..90).contains(&after_three), "{after_three}");
    // The whole answer is one packet, and the connection is dropped after it.
    assert_eq!(
        dropped("do=drop;at=packets-out:1;statement=rows", "rows 3").await,
        3
    );
}

#[tokio::test]
async fn a_commit_can_take_effect_without_being_acknowledged() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let id = rule(&rig, "do=drop;at=after;statement=commit").await;
    let mut client = connect(&rig).await;
    client.begin_transaction().await.unwrap();
    assert!(code(&client.commit_transaction().await.unwrap_err()).is_none());
    assert_eq!(rig.event("transaction C").await, "transaction Commit");
    assert_eq!(rig.server.faults.fired(id), 1);
    assert_eq!(rig.server.log.entries()[1].ended, None);
}

#[tokio::test]
async fn a_fault_in_a_bulk_load_meets_its_rows() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let id = rule(&rig, "do=drop;at=bulk-rows:100;statement=insert bulk").await;
    let mut client = connect(&rig).await;
    assert!(bulk(&mut client, 0..100_000).await.is_err());
    rig.event("dropped").await;
    assert_eq!(rig.server.faults.fired(id), 1);

    let id = rule(&rig, "do=drop;at=packets-in:3;statement=insert bulk").await;
    let mut client = connect(&rig).await;
    assert!(bulk(&mut client, 0..100_000).await.is_err());
    assert_eq!(rig.server.faults.fired(id), 1);

    let run = rule(&rig, "do=run:change;at=after;statement=insert bulk").await;
    let mut client = connect(&rig).await;
    rig.event("batch SELECT TOP 0").await;
    assert_eq!(bulk(&mut client, 0..100).await.unwrap(), 100);
    assert_eq!(rig.event("bulk-end").await, "bulk-end true 100");
    assert_eq!(rig.event("batch").await, "batch change");
    assert_eq!(rig.server.faults.fired(run), 1);

    rule(&rig, "do=error:1205;at=bulk-rows:50;statement=insert bulk").await;
    client.begin_transaction().await.unwrap();
    assert_eq!(code(&bulk(&mut client, 0..100).await.unwrap_err()), Some(1205));
    assert_eq!(rig.event("bulk-end").await, "bulk-end false 50");
    assert_eq!(rig.event("transaction").await, "transaction Rollback");
}

#[tokio::test]
async fn faults_fail_stall_run_and_change_roles() {
    let mut rig = Rig::start(TlsMode::Offered).await;
    let mut client = connect(&rig).await;
    rule(
        &rig,
        "do=error:1222:Lock request time out period exceeded.;statement=rows",
    )
    .await;
    assert_eq!(code(&rows(&mut client, "rows 1").await.unwrap_err()), Some(1222));
    assert_eq!(rows(&mut client, "rows 1").await.unwrap().len(), 1);
    for at in ["rows:2", "after", "packets-out:1", "packets-out:2"] {
        rule(&rig, &format!("do=error:50001;at={at};statement=rows")).await;
        let error = rows(&mut client, "rows 60").await.unwrap_err();
        assert_eq!(code(&error), Some(50001), "{at}");
        assert_eq!(rows(&mut client, "rows 1").await.unwrap().len(), 1, "{at}");
    }
    rule(&rig, "do=role:src=secondary;at=rows:1;statement=rows").await;
    assert_eq!(rows(&mut client, "rows 2").await.unwrap().len(), 2);
    assert_eq!(rig.event("role").await, "role src ReadableSecondary");

    let failing = Rule {
        when: Match::statement("rows"),
        at: At::After,
        action: Action::Run("abort".into()),
    };
    rig.server.faults.add(failing);
    let error = rows(&mut client, "rows 1").await.unwrap_err();
    assert!(error.to_string().contains("8134"), "{error}");

    let stall = rule(&rig, "do=stall;at=rows:1;statement=rows").await;
    {
        let mut query = std::pin::pin!(rows(&mut client, "rows 2"));
        tokio::select! {
            _ = &mut query => panic!("the request stalls"),
            () = rig.server.faults.wait_fired(stall, 1) => {}
        }
        rig.server.faults.release(stall);
        assert_eq!(query.await.unwrap().len(), 2);
    }
    let stall = rule(&rig, "do=stall;statement=rows").await;
    {
        let mut query = std::pin::pin!(rows(&mut client, "rows 2"));
        tokio::select! {
            _ = &mut query => panic!("the request stalls"),
            () = rig.server.faults.wait_fired(stall, 1) => {}
        }
    }
    drop(client);
    rig.event("dropped").await;
    assert_eq!(Role::Primary, crate::faults::parse_role("primary").unwrap());

    rule(&rig, "do=error:9001:The log is gone;class=21;statement=rows").await;
    let mut client = connect(&rig).await;
    assert_eq!(code(&rows(&mut client, "rows 1").await.unwrap_err()), Some(9001));
    rig.event("dropped").await;
    assert!(rows(&mut client, "rows 1").await.is_err());
}
