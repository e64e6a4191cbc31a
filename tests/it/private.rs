//! What the program keeps is for its owner alone: files that others may not read, no link that is followed, no lock that
//! is waited for without an end, and a password that is nowhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use mssql_sync::base::error::ErrorKind;
use mssql_sync::checkpoint::Store;
use tds_emulator::EmulatorOptions;
use testkit::project::{ITEM_FULL, PASSWORD_VARIABLE, T_MONTHLY};
use testkit::{Project, Server};

const TABLES: &str = "[[table]]\nname = \"../../X\"\nmode = \"full\"\n[[table]]\nname = '..\\..\\Y'\nmode = \"full\"\n\
                      [[table]]\nname = \"CON\"\nmode = \"full\"\n";

/// All files and directories below a directory.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

async fn fill(server: &Server) {
    for name in ["../../X", "..\\..\\Y", "CON"] {
        let table = format!("CREATE TABLE dbo.[{name}] (ID int NOT NULL PRIMARY KEY)");
        server.at_source(&table).await;
        server
            .at_source(&format!("INSERT INTO dbo.[{name}] VALUES (1)"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_table_leads_nowhere_else() {
    let Some(server) = Server::start_emulator("the_name_of_a_table_leads_nowhere_else").await else {
        return;
    };
    fill(&server).await;
    let project = Project::new(&server, TABLES);
    // The project lies deeper than any of the names leads up.
    let deep = "a/b/c/d";
    std::fs::create_dir_all(project.home.path(deep)).unwrap();
    let moved = project.home.path(format!("{deep}/sync.toml"));
    std::fs::rename(project.home.path("sync.toml"), &moved).unwrap();
    let config = moved.to_str().unwrap();
    let out = project.home.path(format!("{deep}/out"));
    project.sync(&["--config", config, "run"]).await.expect(0);
    let sample = [
        "--config",
        config,
        "sample",
        "--output-dir",
        out.to_str().unwrap(),
    ];
    project.sync(&sample).await.expect(0);
    let names: Vec<String> = below(project.home.directory())
        .into_iter()
        .filter(|path| path.is_file())
        .map(|path| {
            let path = path.strip_prefix(project.home.directory()).unwrap();
            path.to_string_lossy().replace('\\', "/")
        })
        .collect();
    assert_eq!(
        names,
        [
            "a/b/c/d/out/reference/%43ON.json",
            "a/b/c/d/out/reference/..%2F..%2FX.json",
            "a/b/c/d/out/reference/..%5C..%5CY.json",
            "a/b/c/d/state/checkpoints.redb",
            "a/b/c/d/state/checkpoints.redb.lock",
            "a/b/c/d/state/checkpoints.redb.opening",
            "a/b/c/d/sync.toml"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_and_no_file_has_the_password() {
    let server = Server::start().await;
    for sql in [
        "CREATE TABLE dbo.T (ID int NOT NULL PRIMARY KEY, D datetime NOT NULL)",
        "INSERT INTO dbo.T VALUES (1, '2025-10-01T10:00:00')",
    ] {
        server.at_source(sql).await;
    }
    let project = Project::new(&server, T_MONTHLY);
    let range = ["--start-date", "2025-10-01", "--end-date", "2025-10-31"];
    let commands: [&[&str]; 12] = [
        &["doctor"],
        &[&["plan"], &range[..]].concat(),
        &["migrate", "--print"],
        &[&["run"], &range[..]].concat(),
        &["status", "--json"],
        &["counts"],
        &["sample"],
        &["reconcile", "--source", "--repair"],
        &["rebuild"],
        &["forget", "--table", "T"],
        &["doctor", "--json"],
        &["init", "--dir", "new"],
    ];
    // What the server refuses, and what cannot be read at all.
    let (good, bad) = (project.password().to_owned(), "wrong \"${hunter2}' word");
    let mut said = String::new();
    for form in [&["-vv"][..], &["-vv", "--log", "json"]] {
        for command in commands {
            let variables = |password| [(PASSWORD_VARIABLE, password), ("RUST_BACKTRACE", "1")];
            let all = [form, command].concat();
            let ended = project.sync_with(&all, &variables(&good)).await.expect(0);
            said.push_str(&ended.said());
            // The others send more logins, after waits, before they give a password up.
            if ["doctor", "plan"].contains(&command[0]) {
                said.push_str(&project.sync_with(&all, &variables(bad)).await.said());
            }
        }
        project
            .home
            .write(".env", format!("{PASSWORD_VARIABLE}=\"{bad}\" and more"));
        said.push_str(&project.sync(&[form, &["doctor"]].concat()).await.said());
        std::fs::remove_file(project.home.path(".env")).unwrap();
    }
    assert!(said.len() > 10_000, "all commands say something: {said}");
    let files = below(project.home.directory());
    assert!(files.len() > 8, "{files:?}");
    for password in [good.as_str(), "hunter2"] {
        assert!(!said.contains(password), "{password} was said");
        let wide: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for file in files.iter().filter(|file| file.is_file()) {
            let bytes = std::fs::read(file).unwrap();
            for form in [password.as_bytes(), &wide] {
                let has = bytes.windows(form.len()).any(|part| part == form);
                assert!(!has, "{} has {password}", file.display());
            }
        }
    }
}

#[test]
fn the_options_of_the_emulator_print_no_password() {
    let options = EmulatorOptions {
        users: vec![("reader".to_owned(), "hunter2".to_owned())],
        ..EmulatorOptions::new("data")
    };
    let printed = format!("{options:?} {options:#?}");
    assert!(
        printed.contains("reader") && !printed.contains("hunter2"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_program_holds_is_named() {
    let server = Server::start().await;
    let project = Project::new(&server, ITEM_FULL);
    server
        .at_source("CREATE TABLE dbo.ITEM (ID int NOT NULL PRIMARY KEY)")
        .await;
    // A run that ended is recorded as the last writer, and does not hold it.
    project.sync(&["run"]).await.expect(0);
    let lock = std::fs::File::open(format!("{}.lock", project.state().display())).unwrap();
    lock.lock_shared().unwrap();
    let ended = project.sync(&["run"]).await.expect(5);
    if cfg!(target_os = "linux") {
        let named = format!("Another program (process {}) has", std::process::id());
        assert!(ended.stderr.contains(&named), "{ended}");
    }
    // A command that only reads does not need that lock.
    project.sync(&["status"]).await.expect(0);
    drop(lock);
    let error = Store::create_or_open(&project.state()).err();
    assert!(error.is_none_or(|error| error.kind() == ErrorKind::Busy));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::{Command, Stdio};

    use testkit::{Ended, Home, program};

    use super::*;

    /// Runs the program with a umask that takes nothing from anybody.
    fn sync_with_umask(home: &Home, umask: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new("sh");
        command
            .current_dir(home.directory())
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
            .arg(program::path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = program::start_blocking(&mut command).unwrap();
        Ended::from(child.wait_with_output().unwrap()).expect(0)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What is not its owner's alone, with its mode.
    fn open_to_others(home: &Home) -> Vec<String> {
        let all = below(home.directory());
        let wrong = |path: &&PathBuf| mode(path) != if path.is_dir() { 0o700 } else { 0o600 };
        let wrong = all.iter().filter(wrong);
        wrong
            .map(|path| format!("{:04o} {}", mode(path), path.display()))
            .collect()
    }

    const DEMO: [&str; 5] = ["demo", "--scale", "0.0001", "--reference-scale", "0.0001"];

    #[test]
    fn what_is_written_is_its_owner_s_alone() {
        for umask in ["022", "000"] {
            let home = Home::empty();
            let sync = |arguments: &[&str]| sync_with_umask(&home, umask, arguments);
            sync(&["init", "--dir", "new/project"]);
            sync(&DEMO);
            let config = ["--config", "demo/sync.toml"];
            for command in [
                &["sample", "--output-dir", "out/of/it"][..],
                &["rebuild"],
                &["status"],
            ] {
                sync(&[&config[..], command].concat());
            }
            let all = below(home.directory());
            for end in [
                "sync.toml",
                ".env.example",
                "redb",
                ".lock",
                ".opening",
                ".db",
                ".json",
            ] {
                let is_there = all.iter().any(|path| path.to_string_lossy().ends_with(end));
                assert!(is_there, "no {end} in {all:?}");
            }
            assert!(
                all.iter().any(|path| path.to_string_lossy().contains(".aside-")),
                "{all:?}"
            );
            let open = open_to_others(&home);
            assert!(open.is_empty(), "umask {umask}: {open:#?}");
        }
    }

    #[test]
    fn what_an_older_version_left_open_is_taken_from_others() {
        let home = Home::empty();
        sync_with_umask(&home, "022", &DEMO);
        for path in below(home.directory()) {
            let wider = if path.is_dir() { 0o755 } else { 0o644 };
            set_mode(&path, wider);
        }
        let said = sync_with_umask(&home, "022", &DEMO);
        let note = "others could read demo/state/checkpoints.redb; it is its owner's alone now";
        assert!(said.stderr.contains(note), "{said}");
        let open = open_to_others(&home);
        // The directory is the user's, and so is the configuration; the embedded server's directory may be shared.
        let left = |line: &String| {
            ["/demo", "/demo/data", "/emulator.lock", "/sync.toml"]
                .iter()
                .any(|end| line.ends_with(end))
        };
        assert!(open.iter().all(left), "{open:#?}");
        let said = sync_with_umask(&home, "022", &DEMO);
        assert!(
            !said.stderr.contains("others could read"),
            "it is said once: {said}"
        );
    }

    #[test]
    fn doctor_warns_of_passwords_that_others_may_read() {
        let end = |name: &str, password: &str| {
            format!(
                "[{name}]\nserver = \"127.0.0.1,1\"\ndatabase = \"{name}\"\nuser = \"u\"\npassword = \"{password}\"\n\
                 schema = \"dbo\"\n"
            )
        };
        let table = "[[table]]\nname = \"ITEM\"\nmode = \"full\"\n";
        let literal = end("source", "hunter2") + &end("target", "${P}") + table;
        let home = Home::with_config(&literal);
        home.write(".env", "P=hunter2");
        let warnings = |home: &Home| -> Vec<String> {
            let said = home.sync(&["doctor", "--json"]).json();
            let checks = said["checks"].as_array().unwrap().clone();
            let about = |check: &serde_json::Value| check["text"].as_str().unwrap().to_owned();
            let texts = checks
                .iter()
                .filter(|check| check["level"] == "warning")
                .map(about);
            texts.filter(|text| text.contains("has passwords")).collect()
        };
        set_mode(&home.path("sync.toml"), 0o644);
        set_mode(&home.path(".env"), 0o640);
        let said = warnings(&home);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].starts_with(".env has passwords") && said[0].contains("0640"),
            "{said:?}"
        );
        assert!(
            said[1].starts_with("sync.toml has passwords") && said[1].contains("0644"),
            "{said:?}"
        );
        set_mode(&home.path(".env"), 0o600);
        assert_eq!(warnings(&home).len(), 1);
        home.write(
            "sync.toml",
            end("source", "${P}") + &end("target", "${P}") + table,
        );
        assert!(warnings(&home).is_empty(), "a variable's name is no password");
        home.write("sync.toml", literal);
        set_mode(&home.path("sync.toml"), 0o600);
        assert!(warnings(&home).is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_written_through_a_link() {
        let server = Server::start().await;
        server
            .at_target("CREATE TABLE dbo.t_ITEM (ID int NOT NULL PRIMARY KEY)")
            .await;
        let project = Project::new(&server, ITEM_FULL);
        let home = &project.home;
        home.write("victim", "precious");
        home.write("exports/sample_data/reference/here", "");
        home.write("state/here", "");
        home.write("new/here", "");
        let sample = "exports/sample_data/reference/ITEM.json";
        let links = [
            sample.to_owned(),
            format!("{sample}.new"),
            "new/sync.toml.new".to_owned(),
            "new/.env.example.new".to_owned(),
            "state/checkpoints.redb.new".to_owned(),
        ];
        for link in &links {
            symlink(home.path("victim"), home.path(link)).unwrap();
        }
        project.sync(&["sample"]).await.expect(0);
        project.sync(&["init", "--dir", "new"]).await.expect(0);
        project.sync(&["doctor"]).await;
        drop(Store::create_or_open(&project.state()).unwrap());
        assert_eq!(home.read("victim"), "precious");
        assert!(!home.path(sample).is_symlink());
        assert_eq!(home.read(sample), "[]\n");

        // The files of locks are made beside the store, and nowhere else.
        for name in [".lock", ".opening"] {
            let store = format!("state/other{name}.redb");
            symlink(home.path("made"), home.path(format!("{store}{name}"))).unwrap();
            let error = Store::create_or_open(&home.path(store)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::State, "{name}");
        }
        assert!(!home.path("made").exists());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread")]
    async fn a_command_leaves_no_core_file() {
        use tokio::io::{AsyncBufReadExt as _, BufReader};

        let home = Home::empty();
        let mut command = tokio::process::Command::new(program::path());
        command
            .current_dir(home.directory())
            .args(["emulator", "--data", "data", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = program::start(&mut command).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.starts_with("Listening on "), "{line}");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let fields: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(fields[4..6], ["0", "0"], "{fields:?}");
    }
}
