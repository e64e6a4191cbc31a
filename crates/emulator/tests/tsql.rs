//! FreeTDS's `tsql` logs in and selects from a table. It shares no code with the driver.
//!
//! Without `tsql` on the path this test prints that it was skipped. With `SYNC_REQUIRE_TSQL=1` that is a failure.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::Write;
use std::process::{Command, Stdio};

use tds_emulator::{Emulator, EmulatorOptions, TlsMode};

/// The output of `tsql` for a script, or `None` if there is no `tsql`.
fn tsql(emulator: &Emulator, password: &str, script: &str) -> Option<String> {
    let port = emulator.addr().port().to_string();
    let started = Command::new("tsql")
        .args([
            "-H",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "sync",
            "-P",
            password,
            "-D",
            "shop",
            "-o",
            "q",
        ])
        .env("LC_ALL", "C.UTF-8")
        .env_remove("TDSVER")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let required = std::env::var("SYNC_REQUIRE_TSQL").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "SYNC_REQUIRE_TSQL=1, but there is no tsql on the path (package freetds-bin)"
            );
            eprintln!("Skipped: there is no tsql on the path (package freetds-bin)");
            return None;
        }
        Err(error) => panic!("tsql could not be started: {error}"),
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn tsql_logs_in_and_selects_from_a_table() {
    for tls in [TlsMode::Off, TlsMode::Offered, TlsMode::Required] {
        let data = tempfile::tempdir().unwrap();
        let options = EmulatorOptions {
            users: vec![("sync".into(), "secret".into())],
            tls,
            ..EmulatorOptions::new(data.path())
        };
        let emulator = Emulator::start(options).await.unwrap();
        emulator.create_database("shop").unwrap();
        let script = "CREATE TABLE sales (id int NOT NULL PRIMARY KEY, item nvarchar(50) NULL, price decimal(19,4) NULL, at datetime NULL)\ngo\n\
             INSERT INTO sales VALUES (1, N'茶 tea', 12.5, '2025-10-01T10:00:00.003'), (2, NULL, -0.0001, NULL)\ngo\n\
             SELECT id, item, price FROM sales ORDER BY id\ngo\n\
             SELECT nothing FROM sales\ngo\n\
             SELECT COUNT(*) AS rows_there FROM sales WHERE at >= '2025-10-01'\ngo\nexit\n";
        let Some(printed) = tsql(&emulator, "secret", script) else {
            return;
        };
        assert!(
            printed.contains("1\t茶 tea\t12.5000\n2\tNULL\t-0.0001\n"),
            "{tls:?}: {printed}"
        );
        assert!(printed.contains("Msg 207"), "{tls:?}: {printed}");
        assert!(printed.contains("rows_there\n1\n"), "{tls:?}: {printed}");
        let printed = tsql(&emulator, "wrong", "exit\n").unwrap();
        assert!(
            printed.contains("Login failed for user 'sync'."),
            "{tls:?}: {printed}"
        );
        emulator.stop().await;
    }
}
