//! Which database the source is: another one under the same names is refused, the same one elsewhere is only said.

use testkit::story::{Story, Table, last_of};
use testkit::{Ended, Server, faults};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Two months of a source, the first of them loaded.
async fn loaded(s: &mut Story) {
    s.rows(s.month(-3), last_of(s.month(-2)), 2).await;
    s.config("chunk_rows = 10");
    s.run(s.month(-3), last_of(s.month(-3))).await.exits(0);
}

/// Refused until it is accepted, and nothing is loaded before.
async fn is_refused_until_accepted(s: &Story) {
    let before = s.loads().await;
    for _ in 0..2 {
        let ended = s.run(s.month(-2), last_of(s.month(-2))).await.exits(6);
        ended.says("source identity").says("--accept-source");
        assert_eq!(before, s.loads().await);
    }
    s.run_with(s.month(-2), last_of(s.month(-2)), &["--accept-source"])
        .await
        .exits(0);
    assert!(s.loads().await.len() > before.len());
    s.run(s.month(-2), last_of(s.month(-2))).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_database_under_the_same_name_is_refused() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    loaded(&mut s).await;
    s.makes_source_database_anew().await;
    let shop_b = "UPDATE dbo.T SET V = V + 100000";
    s.source(shop_b).await;
    is_refused_until_accepted(&s).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_same_name_on_another_server_is_refused() {
    let test = "a_database_of_the_same_name_on_another_server_is_refused";
    let Some(mut s) = Story::begin_emulated(test, Table::dated("datetime2(0)").indexed()).await else {
        return;
    };
    loaded(&mut s).await;
    let other = Server::emulated(|_| {}).await;
    s.makes_source_at(&other).await;
    s.reads_from(&other.host, other.port);
    // Both are named as their servers know them.
    let sql = format!(
        "SELECT CONVERT(nvarchar(36), service_broker_guid) FROM sys.databases WHERE name = N'{}'",
        s.server.source
    );
    let said = s.run(s.month(-2), last_of(s.month(-2))).await.exits(6).said();
    for server in [&s.server, &other] {
        let name = &server.connect("master").await.texts(&sql).await[0];
        assert!(
            said.to_lowercase().contains(&name.to_lowercase()),
            "{name} is not in: {said}"
        );
    }
    is_refused_until_accepted(&s).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_database_at_another_address_is_only_said() {
    let mut s = Story::begin(Table::dated("datetime2(0)").indexed()).await;
    if s.server.host != "127.0.0.1" {
        eprintln!("the_same_database_at_another_address_is_only_said: skipped, the server has one name");
        return;
    }
    loaded(&mut s).await;
    s.reads_from("localhost", s.server.port);
    s.run(s.month(-2), last_of(s.month(-2)))
        .await
        .exits(0)
        .says("localhost");
    s.equal().await;
    s.run(s.month(-2), last_of(s.month(-2)))
        .await
        .exits(0)
        .does_not_say("source server");
}

/// The port of a name that leads to the port of the moment; when that changes, the connections end.
async fn name_for(port: watch::Receiver<u16>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let name = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut port = port.clone();
            let now = *port.borrow_and_update();
            tokio::spawn(async move {
                let Ok(mut to) = TcpStream::connect(("127.0.0.1", now)).await else {
                    return;
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
                    _ = port.changed() => {}
                }
            });
        }
    });
    name
}

/// The database of another shop takes the name while a run is going. A restored copy of the same one keeps its identity.
#[tokio::test(flavor = "multi_thread")]
async fn another_database_that_takes_the_name_in_the_middle_of_a_run_is_not_read() {
    let test = "another_database_that_takes_the_name_in_the_middle_of_a_run_is_not_read";
    let Some(mut s) = Story::begin_emulated(test, Table::dated("datetime2(0)").indexed()).await else {
        return;
    };
    s.config("chunk_rows = 10");
    s.config("max_workers = 1");
    let (first, last) = (s.month(-2), last_of(s.month(-2)));
    s.rows(first, last, 2).await;
    let other = Server::emulated(|_| {}).await;
    s.makes_source_at(&other).await;
    let mut shop_b = other.connect(&s.server.source).await;
    shop_b.run("UPDATE dbo.T SET V = V + 100000").await;
    let (leads_to, port) = watch::channel(s.server.port);
    s.reads_from("127.0.0.1", name_for(port).await);
    let read = faults::at("RECOMPILE)")
        .of_the_program()
        .in_database(&s.server.source)
        .nth(3)
        .stalls(&s.server);
    let (first, last) = (first.to_string(), last.to_string());
    let child = s
        .project
        .spawn(&["run", "--start-date", &first, "--end-date", &last]);
    s.server.faults().wait_fired(read, 1).await;
    leads_to.send(other.port).expect("somebody follows it");
    let ended = Ended::of(child).await.expect(7);
    ended.says("has another database");
    let mut target = s.server.connect(&s.server.target).await;
    assert_eq!(
        target.texts("SELECT 'b' FROM dbo.t_T WHERE V >= 100000").await,
        [""; 0]
    );
    s.server.faults().remove(read);
    leads_to.send(s.server.port).expect("somebody follows it");
    s.run(&first, &last).await.exits(0);
    s.equal().await;
}
