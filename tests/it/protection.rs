//! What a hostile network gets: no password and no row, unless the configuration says so; and what each command says of
//! what protects each end.
#![allow(
    clippy::unwrap_used,
    reason = "what a test's helpers cannot do fails the test"
)]

use std::time::Duration;

use mssql_sync::base::error::{Error, ErrorKind};
use mssql_sync::mssql::{Endpoint, Session, Timeouts};
use testkit::middle::{ELSEWHERE, Heard, Identity, Middle, Then};
use testkit::project::T_MONTHLY;
use testkit::server::is_elsewhere;
use testkit::{Home, Project, Server, session, tables};

const PASSWORD: &str = "correct horse";

/// An endpoint off this machine, as far as the program can tell.
fn endpoint(port: u16, encrypt: bool, trust: bool) -> Endpoint {
    Endpoint {
        encrypt,
        trust_server_certificate: trust,
        ..session::endpoint(ELSEWHERE, port, "reader", PASSWORD, "POS")
    }
}

fn short() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(10),
        handshake: Duration::from_secs(10),
        ..Timeouts::default()
    }
}

/// The error of a connection, which neither tells a secret nor gives advice that would expose one.
async fn refusal(endpoint: &Endpoint) -> Error {
    let error = Session::open(endpoint, None, &short()).await.unwrap_err();
    let text = error.chain();
    for forbidden in [
        PASSWORD,
        "encrypt = false",
        "Config::",
        "tiberius",
        "rustls",
        "http",
    ] {
        assert!(!text.contains(forbidden), "{text}");
    }
    error
}

fn told(by_tls: bool) -> Vec<Heard> {
    vec![Heard {
        password: PASSWORD.to_owned(),
        by_tls,
    }]
}

#[tokio::test]
async fn a_man_in_the_middle_gets_no_password_whatever_encrypt_says() {
    let identity = Identity::of(&[ELSEWHERE]);
    for encrypt in [false, true] {
        let middle = Middle::start(Some(&identity), Then::HangUp).await;
        let error = refusal(&endpoint(middle.port, encrypt, false)).await;
        assert_eq!(middle.heard(), [], "encrypt = {encrypt}");
        assert_eq!(error.kind(), ErrorKind::Preflight);
        for says in [
            "could not be spoken to by TLS",
            "ca_file",
            "trust_server_certificate = true",
        ] {
            assert!(error.to_string().contains(says), "{error}");
        }

        // Where it is said that any certificate will do, it does.
        refusal(&endpoint(middle.port, encrypt, true)).await;
        assert_eq!(middle.heard(), told(true), "encrypt = {encrypt}");
    }
}

#[tokio::test]
async fn a_certificate_is_verified_for_the_login_by_ca_file_and_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (name, is_let_in) in [(ELSEWHERE, true), ("another.example.com", false)] {
        let identity = Identity::of(&[name]);
        std::fs::write(file.path(), &identity.certificate).unwrap();
        for encrypt in [false, true] {
            let middle = Middle::start(Some(&identity), Then::HangUp).await;
            let endpoint = Endpoint {
                ca_file: Some(file.path().to_owned()),
                ..endpoint(middle.port, encrypt, false)
            };
            refusal(&endpoint).await;
            let expected = if is_let_in { told(true) } else { Vec::new() };
            assert_eq!(middle.heard(), expected, "{name}, encrypt = {encrypt}");
        }
    }
}

#[tokio::test]
async fn who_denies_tls_gets_no_password_off_this_machine() {
    for (encrypt, trust) in [(false, false), (false, true), (true, false), (true, true)] {
        let middle = Middle::start(None, Then::HangUp).await;
        let error = refusal(&endpoint(middle.port, encrypt, trust)).await;
        assert_eq!(middle.heard(), [], "encrypt = {encrypt}, trust = {trust}");
        // Where TLS was asked for and denied, no later attempt has another answer.
        let expected = match encrypt {
            true => ErrorKind::Preflight,
            false => ErrorKind::Connection,
        };
        assert_eq!(error.kind(), expected, "encrypt = {encrypt}, trust = {trust}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }
}

#[tokio::test]
async fn within_this_machine_a_login_is_in_clear_only_if_neither_side_asks_for_tls() {
    let identity = Identity::of(&["127.0.0.1"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &identity.certificate).unwrap();
    for (encrypt, insists, trust, ca_file, expected) in [
        (false, false, false, false, told(false)),
        (false, false, true, false, told(false)),
        (false, false, false, true, told(false)),
        (false, true, false, false, Vec::new()),
        (false, true, true, false, told(true)),
        (false, true, false, true, told(true)),
        (true, false, false, false, Vec::new()),
        (true, false, true, false, told(true)),
        (true, false, false, true, told(true)),
    ] {
        let middle = match insists {
            true => Middle::insisting(&identity).await,
            false => Middle::start(Some(&identity), Then::HangUp).await,
        };
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            ca_file: ca_file.then(|| file.path().to_owned()),
            ..endpoint(middle.port, encrypt, trust)
        };
        refusal(&endpoint).await;
        let case = (encrypt, insists, trust, ca_file);
        assert_eq!(middle.heard(), expected, "{case:?}");
    }
}

#[tokio::test]
async fn a_redirect_takes_the_password_nowhere_else() {
    let identity = Identity::of(&[ELSEWHERE]);
    let second = Middle::start(Some(&identity), Then::HangUp).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost\\POS",
        "0.0.0.1",
        "evil\u{202e}\u{1b}[2J.example.com",
    ] {
        let sends_on = Then::Redirect(host.to_owned(), second.port);
        let first = Middle::start(Some(&identity), sends_on).await;
        let error = refusal(&endpoint(first.port, true, true)).await;
        assert_eq!(first.heard(), told(true));
        assert_eq!(second.heard(), [], "{host}");
        assert_eq!(error.kind(), ErrorKind::WrongServer, "{error}");
        let text = error.to_string();
        assert!(text.contains("add redirect_hosts = [\""), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
    }
}

#[tokio::test]
async fn a_redirect_never_weakens_what_protects_the_connection() {
    let listed = vec!["127.0.0.1".to_owned()];
    // Not in clear, although the way from here on is within this machine.
    let identity = Identity::of(&[ELSEWHERE]);
    let second = Middle::start(Some(&identity), Then::HangUp).await;
    let first = Middle::start(
        Some(&identity),
        Then::Redirect("127.0.0.1".to_owned(), second.port),
    )
    .await;
    let trusting = Endpoint {
        redirect_hosts: listed.clone(),
        ..endpoint(first.port, false, true)
    };
    refusal(&trusting).await;
    assert_eq!(second.heard(), told(true));

    // The certificate is that of the host that it was sent on to.
    let file = tempfile::NamedTempFile::new().unwrap();
    for (names, is_let_in) in [(&[ELSEWHERE][..], false), (&[ELSEWHERE, "127.0.0.1"], true)] {
        let identity = Identity::of(names);
        std::fs::write(file.path(), &identity.certificate).unwrap();
        let second = Middle::start(Some(&identity), Then::HangUp).await;
        let first = Middle::start(
            Some(&identity),
            Then::Redirect("127.0.0.1".to_owned(), second.port),
        )
        .await;
        let verifying = Endpoint {
            ca_file: Some(file.path().to_owned()),
            redirect_hosts: listed.clone(),
            ..endpoint(first.port, true, false)
        };
        let error = refusal(&verifying).await;
        assert_eq!(first.heard(), told(true));
        let expected = if is_let_in { told(true) } else { Vec::new() };
        assert_eq!(second.heard(), expected, "{names:?}");
        let sent_on = format!("sent on to 127.0.0.1:{}", second.port);
        assert!(error.to_string().contains(&sent_on), "{error}");
    }
}

/// The text of a configuration whose source is where a man in the middle listens.
fn config(port: u16, lines: &str) -> String {
    let end = |name: &str| {
        format!(
            "[{name}]\nserver = \"{ELSEWHERE},{port}\"\ndatabase = \"POS\"\nuser = \"reader\"\npassword = \"{PASSWORD}\"\n\
             schema = \"dbo\"\n{lines}\n"
        )
    };
    format!(
        "{}{}\n{T_MONTHLY}",
        end("source"),
        end("target").replace("\"POS\"", "\"Warehouse\"")
    )
}

const COMMANDS: [&[&str]; 3] = [
    &["doctor"],
    &["plan", "--start-date", "2025-10-01", "--end-date", "2025-10-31"],
    &["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"],
];

#[tokio::test(flavor = "multi_thread")]
async fn no_command_gives_its_password_to_a_man_in_the_middle() {
    let middle = Middle::start(Some(&Identity::of(&[ELSEWHERE])), Then::HangUp).await;
    for lines in [
        "encrypt = false",
        "encrypt = false\ntrust_server_certificate = false",
        "",
    ] {
        let home = Home::with_config(&config(middle.port, lines));
        for command in COMMANDS {
            let ended = home.sync(command).expect(7);
            let ended = ended
                .says("could not be spoken to by TLS")
                .says("trust_server_certificate = true");
            let ended = ended.does_not_say("encrypt = false").does_not_say("Config::");
            ended.does_not_say(PASSWORD);
        }
    }
    assert_eq!(middle.heard(), []);
}

/// A project on an emulator that shows a certificate for [`ELSEWHERE`], under that name.
async fn off_this_machine(lines: &str) -> (Server, Project) {
    let server = Server::emulated(|options| options.server_name = ELSEWHERE.to_owned()).await;
    tables::dated("T")
        .rows(tables::october(50))
        .at_source(&server)
        .await;
    let project = Project::new(&server, T_MONTHLY);
    project.configure("server = \"127.0.0.1,", &format!("server = \"{ELSEWHERE},"));
    project.configure("encrypt = false\ntrust_server_certificate = true\n", lines);
    project
        .home
        .write("server-ca.pem", server.emulator().certificate_pem());
    (server, project)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_says_for_each_end_what_protects_it() {
    let test = "each_command_says_for_each_end_what_protects_it";
    if is_elsewhere(test) {
        return;
    }
    for (lines, says, weak) in [
        (
            "ca_file = \"server-ca.pem\"\n",
            "encrypted, certificate verified",
            false,
        ),
        (
            "encrypt = true\ntrust_server_certificate = true\n",
            "encrypted, certificate not checked (trust_server_certificate = true): whoever is in between can pose",
            true,
        ),
        (
            "encrypt = false\nca_file = \"server-ca.pem\"\n",
            "rows unencrypted (encrypt = false), for the login certificate verified: whoever is in between can read",
            true,
        ),
        (
            "encrypt = false\ntrust_server_certificate = true\n",
            "rows unencrypted (encrypt = false), for the login certificate not checked",
            true,
        ),
    ] {
        let (server, project) = off_this_machine(lines).await;
        let level = if weak { "! warning " } else { "✓ ok      " };
        for command in COMMANDS {
            let ended = project.sync(command).await.expect(0);
            for end in ["source", "target"] {
                let text = format!(
                    "The connection to the {end} at {ELSEWHERE}:{}: {says}",
                    server.port
                );
                let line = match command[0] {
                    "doctor" => format!("{level} {end}: {text}"),
                    _ => format!("note: {text}"),
                };
                assert_eq!(
                    ended.said().matches(&line).count(),
                    1,
                    "{line} in {}",
                    ended.said()
                );
            }
        }
        server.assert_equal("dbo.T", "dbo.t_T").await;
    }
    // Within this machine it is said as well, and nobody is warned.
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    tables::dated("T").at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    for command in COMMANDS {
        let ended = project.sync(command).await.expect(0);
        let ended = ended.says("rows unencrypted (encrypt = false), within this machine");
        ended.does_not_say("whoever is in between");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_said_to_be_trusted_by_name_after_it_was_reached() {
    let deaf = session::nobody_listens();
    let lines = "trust_server_certificate = true";
    let config = config(deaf.port, lines).replacen(
        lines,
        "trust_server_certificate = true\nreplica_proof = \"named\"\nreplica_names = [\"POSREPL01/POS\"]",
        1,
    );
    let home = Home::with_config(&config);
    let ended = home.sync(COMMANDS[2]).expect(7);
    ended.does_not_say("trusted by name").says("Nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_said_and_another_host_must_be_listed() {
    if is_elsewhere("a_redirect_is_said_and_another_host_must_be_listed") {
        return;
    }
    let (server, project) = off_this_machine("trust_server_certificate = true\n").await;
    let identity = Identity::of(&[ELSEWHERE]);
    let listener = |to: &str| Middle::start(Some(&identity), Then::Redirect(to.to_owned(), server.port));
    let near = listener(ELSEWHERE).await;
    let source = |port: u16| format!("[source]\nserver = \"{ELSEWHERE},{port}\"");
    project.configure(&source(server.port), &source(near.port));
    let says = format!(
        "The source at {ELSEWHERE}:{} sent the connection on to {ELSEWHERE}:{}",
        near.port, server.port
    );
    for command in COMMANDS {
        let ended = project.sync(command).await.expect(0);
        assert_eq!(ended.said().matches(&says).count(), 1, "{}", ended.said());
    }
    server.assert_equal("dbo.T", "dbo.t_T").await;

    let far = listener("127.0.0.1").await;
    project.configure(&source(near.port), &source(far.port));
    for command in COMMANDS {
        let ended = project.sync(command).await.expect(7);
        ended.says("add redirect_hosts = [\"127.0.0.1\"] to [source]");
    }
    project.configure(
        "require_replica = false",
        "require_replica = false\nredirect_hosts = [\"127.0.0.1\"]",
    );
    for command in COMMANDS {
        project
            .sync(command)
            .await
            .expect(0)
            .says("sent the connection on to 127.0.0.1:");
    }
}
