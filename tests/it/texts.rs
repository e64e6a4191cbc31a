//! A server's texts are data: they control no terminal where they are shown or kept, and stay exact in statements.
#![allow(
    clippy::unwrap_used,
    reason = "what a test's helpers cannot do fails the test"
)]

use tds_emulator::Action;
use testkit::project::{T_MONTHLY, monthly};
use testkit::server::is_elsewhere;
use testkit::{Project, Server, faults};

const COMMANDS: [&[&str]; 3] = [
    &["doctor"],
    &["plan", "--start-date", "2025-10-01", "--end-date", "2025-10-31"],
    &["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"],
];

/// What could move a terminal's cursor, or turn around or hide a part of a line.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n') || "\u{200b}\u{202e}\u{2066}\u{feff}".contains(c)
}

#[track_caller]
fn assert_harmless(text: &str) {
    assert!(!text.contains(is_harmful), "{text:?}");
    for escaped in ["\\u001b", "\\u0007", "\\u009b"] {
        assert!(!text.contains(escaped), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_a_server_controls_no_terminal() {
    if is_elsewhere("a_text_of_a_server_controls_no_terminal") {
        return;
    }
    let server = Server::emulated(|options| {
        options.server_name = "POS\u{1b}]0;owned\u{7}\u{202e}01".to_owned();
        options.version = "Evil\u{9b}31m SQL\u{200b} Server\u{2066} 2019\r\nmore".to_owned();
    })
    .await;
    for sql in [
        "CREATE TABLE dbo.T ([I\u{202e}D] int NOT NULL PRIMARY KEY, D datetime NOT NULL, [NO\u{202e}TE] nvarchar(9) NULL, \
         [SHA\u{feff}PE] int NULL)",
        "CREATE INDEX [IX\u{202e}] ON dbo.T (D)",
        "INSERT INTO dbo.T ([I\u{202e}D], D, [NO\u{202e}TE]) VALUES (1, '2025-10-01T00:00:00', N'a')",
    ] {
        server.at_source(sql).await;
    }
    let project = Project::new(
        &server,
        &format!("{T_MONTHLY}exclude_columns = [\"SHA\u{feff}PE\"]\n"),
    );
    let json = ["doctor", "--json"];
    let more: [&[&str]; 3] = [&json, &["status"], &["status", "--json"]];
    for command in COMMANDS.into_iter().chain(more) {
        let ended = project.sync(command).await.expect(0);
        assert_harmless(&ended.said());
        match command[0] {
            "doctor" => drop(
                ended
                    .says("POS\u{fffd}]0;owned\u{fffd}\u{fffd}01")
                    .says("Evil\u{fffd}31m SQL"),
            ),
            "plan" | "run" => drop(ended.says("SHA\u{fffd}PE")),
            _ => {}
        }
    }
    // Names stay exact in statements: the column was copied under its own.
    let copied = "SELECT [NO\u{202e}TE] FROM dbo.t_T";
    assert_eq!(server.connect(&server.target).await.texts(copied).await, ["a"]);
    let state = std::fs::read(project.state()).unwrap();
    let kept = String::from_utf8_lossy(&state);
    assert!(kept.contains("POS\u{fffd}]0;owned") && !kept.contains("POS\u{1b}]0;owned"));

    let message = "Invalid object name '\u{1b}[2J\u{202e}dbo.T'.\r\u{200b}";
    for number in [208, 12_345] {
        let error = Action::Error {
            number,
            state: 1,
            class: 16,
            message: message.to_owned(),
        };
        let rule = faults::at("sys.tables")
            .of_the_program()
            .always()
            .does(&server, error);
        for command in COMMANDS {
            let ended = project.sync(command).await;
            assert_ne!(ended.code(), 0, "{ended}");
            assert_harmless(&ended.said());
            ended.says("Invalid object name");
        }
        server.faults().remove(rule);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_kept_under_its_exact_name_whatever_is_shown_of_it() {
    let Some(server) =
        Server::start_emulator("a_table_is_kept_under_its_exact_name_whatever_is_shown_of_it").await
    else {
        return;
    };
    let name = "T\u{200c}";
    server
        .at_source(&format!(
            "CREATE TABLE dbo.[{name}] (ID int NOT NULL PRIMARY KEY, D datetime NOT NULL)"
        ))
        .await;
    server
        .at_source(&format!(
            "INSERT INTO dbo.[{name}] VALUES (1, '2025-10-01T00:00:00'), (2, '2025-10-02T00:00:00')"
        ))
        .await;
    let project = Project::new(&server, &monthly(name, "D"));
    for command in [
        COMMANDS[2],
        COMMANDS[1],
        &["rebuild"],
        COMMANDS[2],
        &["reconcile", "--source"],
        COMMANDS[0],
    ] {
        project.sync(command).await.expect(0);
        let receipts = server.receipts().await;
        assert!(!receipts.is_empty());
        for receipt in receipts {
            assert!(
                receipt.contains("dbo.t_T\\u{200c}"),
                "{receipt:?} after {command:?}"
            );
        }
    }
    server
        .assert_equal(&format!("dbo.[{name}]"), &format!("dbo.[t_{name}]"))
        .await;
    project.sync(&["forget", "--table", name]).await.expect(0);
    assert!(server.receipts().await.is_empty());
}
