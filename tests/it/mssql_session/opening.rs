//! Proofs, logins and TLS.

use mssql_sync::base::error::ErrorKind;
use mssql_sync::base::secret::Secret;
use mssql_sync::model::row::Value;
use mssql_sync::mssql::{Flow, Guard, Proof, Session, predicate};
use tds_emulator::{Role, TlsMode};

use super::server::{Server, timeouts};
use super::streams::{fill, read_some};

fn guard(proof: Proof, refuse: &[&str]) -> Guard {
    Guard {
        proof,
        refuse_names: refuse.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn named(names: &[&str]) -> Proof {
    Proof::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn a_source_proves_itself_or_is_not_read() {
    let server = Server::start().await;
    let endpoint = server.endpoint("POS");
    let open = async |guard: &Guard| Session::open(&endpoint, Some(guard), &timeouts()).await;

    let read_only = guard(Proof::ReadOnly, &[]);
    let error = open(&read_only).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongServer);
    assert!(
        error
            .to_string()
            .contains("is server POSREPL01, database POS, READ_WRITE: a READ_ONLY database is required"),
        "{error}"
    );
    server.emulator.set_role("POS", Role::ReadableSecondary);
    open(&read_only).await.unwrap();
    server.emulator.set_role("POS", Role::Primary);

    for proof in [
        Proof::None,
        named(&["posrepl01"]),
        named(&["OTHER", "PosRepl01/pos"]),
    ] {
        open(&guard(proof, &["POSPROD01", "POSREPL01/OTHER"]))
            .await
            .unwrap();
    }
    for (proof, refuse, why) in [
        (
            named(&["POSREPL01/OTHER"]),
            &[][..],
            "replica_names does not list it",
        ),
        (named(&[]), &[], "replica_names does not list it"),
        (
            named(&["POSREPL01"]),
            &["posrepl01/POS"],
            "refuse_names forbids it",
        ),
        (Proof::None, &["POSREPL01"], "refuse_names forbids it"),
    ] {
        let error = open(&guard(proof, refuse)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongServer);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_changes_its_role_is_not_read_any_more() {
    let server = Server::start().await;
    let mut writer = server.open("POS").await;
    fill(&mut writer, 3, 1).await;
    server.emulator.set_role("POS", Role::ReadableSecondary);
    server.emulator.log().clear();
    let guard = guard(Proof::ReadOnly, &["POSPROD01"]);
    let mut session = Session::open(&server.endpoint("POS"), Some(&guard), &timeouts())
        .await
        .unwrap();
    let entries = server.emulator.log().entries();
    let proof = entries.iter().position(|entry| entry.text.contains("[proven]"));
    let (before, after) = entries.split_at(proof.expect("the session is proven"));
    for entry in before {
        assert!(
            !entry.text.contains(" FROM "),
            "read before the proof: {}",
            entry.text
        );
    }
    for entry in after {
        assert!(!entry.text.contains(" FROM ["), "a table is read: {}", entry.text);
    }

    let (predicate, names) = predicate(&guard, 2);
    let sql = format!("IF {predicate} SELECT TOP (@P1) [id] FROM [dbo].[big] ORDER BY [id]");
    let mut params = vec![Value::Integer(10)];
    params.extend(names.iter().map(|name| Value::Text(name)));
    let mut read = async |sql: &str| {
        session
            .stream(sql, &params, |_| Ok(Flow::Continue))
            .await
            .unwrap()
    };
    assert_eq!(read(&sql).await, Some(3));
    // No rows is something else than no result.
    assert_eq!(
        read(&sql.replace("ORDER BY", "WHERE [id] < 0 ORDER BY")).await,
        Some(0)
    );
    server.emulator.set_role("POS", Role::Primary);
    assert_eq!(read(&sql).await, None);
    server.emulator.set_role("POS", Role::ReadableSecondary);
    assert_eq!(read(&sql).await, Some(3));
}

#[tokio::test]
async fn logins_and_databases_that_are_not_there() {
    let server = Server::start().await;
    let mut endpoint = server.endpoint("POS");
    endpoint.password = Secret::new("battery staple");
    let error = Session::open(&endpoint, None, &timeouts()).await.unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Login, Some(18_456)));
    assert!(
        error
            .to_string()
            .contains("refused the login reader (error 18456"),
        "{error}"
    );
    assert!(!error.chain().contains("battery"), "{}", error.chain());

    let error = Session::open(&server.endpoint("NOWHERE"), None, &timeouts())
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Login, Some(4060)));
    assert!(error.to_string().contains("has no database NOWHERE"), "{error}");
}

#[tokio::test]
async fn encrypted_by_a_certificate_that_is_trusted_or_not_at_all() {
    let server = Server::start_with(TlsMode::Required).await;
    let mut endpoint = server.endpoint("POS");
    endpoint.encrypt = true;
    let error = Session::open(&endpoint, None, &timeouts()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    assert!(
        error.to_string().contains("could not be spoken to by TLS"),
        "{error}"
    );

    endpoint.trust_server_certificate = true;
    let mut session = Session::open(&endpoint, None, &timeouts()).await.unwrap();
    fill(&mut session, 200, 2_000).await;
    assert_eq!(read_some(&mut session, 1_000).await, Some(200));

    let file = tempfile::Builder::new().suffix(".cer").tempfile().unwrap();
    std::fs::write(file.path(), server.emulator.certificate_pem()).unwrap();
    endpoint.trust_server_certificate = false;
    endpoint.ca_file = Some(file.path().to_owned());
    Session::open(&endpoint, None, &timeouts()).await.unwrap();
}

#[tokio::test]
async fn plain_where_the_server_has_no_tls() {
    let server = Server::start_with(TlsMode::Off).await;
    let mut session = server.open("POS").await;
    assert_eq!(session.rows("SELECT 1 AS [a]", &[]).await.unwrap().len(), 1);
    let mut endpoint = server.endpoint("POS");
    endpoint.encrypt = true;
    endpoint.trust_server_certificate = true;
    let error = Session::open(&endpoint, None, &timeouts()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not speak TLS, and encrypt is set"),
        "{error}"
    );
}
