//! The rules of the house that a machine can check.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;
mod docs;
mod layers;
mod size;
mod source;

use source::{files, is_tests};

const TESTS: &str = "#[cfg(test)]";

/// The part of a file before its tests; nothing of a file that is all tests.
fn product<'a>(path: &str, text: &'a str) -> &'a str {
    if is_tests(path) || text.contains("#![cfg(test)]") {
        ""
    } else {
        // The declaration of a file of tests does not end the product.
        let declares = |rest: &str| {
            let item = rest.trim_start().lines().next().unwrap_or_default();
            item.starts_with("mod ") && item.ends_with(';')
        };
        let mut tests = text.match_indices(TESTS);
        let end = tests.find(|(at, _)| !declares(&text[at + TESTS.len()..]));
        end.map_or(text, |(at, _)| &text[..at])
    }
}

#[test]
fn each_library_is_named_where_it_belongs() {
    let places: [(&str, &[&str]); 12] = [
        ("tiberius::", &["src/mssql/"]),
        ("redb::", &["src/checkpoint"]),
        ("bincode::", &["src/checkpoint/codec.rs"]),
        ("backoff::", &["src/base/retry.rs"]),
        (
            "rustix::",
            &["src/base/", "src/checkpoint/lock.rs", "src/control/unix.rs"],
        ),
        ("interprocess::", &["src/control/windows.rs"]),
        ("tds_emulator", &["src/cli/"]),
        ("axum::", &["src/web/"]),
        ("hyper_util::", &["src/notify/http.rs", "src/web/listen.rs"]),
        ("hyper_rustls::", &["src/notify/http.rs"]),
        ("maud::", &["src/web/", "src/cli/report/"]),
        ("prometheus::", &["src/metrics/"]),
    ];
    let mut faults = Vec::new();
    for (path, text) in files("src") {
        for (name, homes) in places {
            if product(&path, &text).contains(name) && !homes.iter().any(|home| path.starts_with(home)) {
                faults.push(format!("{path} names {name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A process that is started has copies of the store's locks until it is its own program: another run would be refused
/// for a moment, although nobody has the store. The command of a notice is the one exception: who starts it waits until it is
/// its own program, and a command ends after that.
#[test]
fn the_program_starts_no_process_but_one() {
    for (path, text) in files("src") {
        if path == "src/notify/program.rs" {
            continue;
        }
        for name in ["process::Command", "Command::new("] {
            assert!(!product(&path, &text).contains(name), "{path} names {name}");
        }
    }
}

/// What makes files elsewhere would make them for everybody, or through a link.
#[test]
fn files_are_made_in_one_place() {
    let mut faults = Vec::new();
    for (path, text) in ["src", "crates/emulator/src"].into_iter().flat_map(files) {
        for name in [
            "fs::write(",
            "File::create",
            "create_dir",
            "create(true)",
            "create_new(true)",
            "tempfile::",
        ] {
            let is_home = path.ends_with("/private.rs") || path.ends_with("/failpoint.rs");
            if !is_home && product(&path, &text).contains(name) {
                faults.push(format!("{path} names {name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_core_does_no_io() {
    let mut faults = Vec::new();
    for (path, text) in ["src/model", "src/tsql"].into_iter().flat_map(files) {
        for name in [
            "std::fs",
            "std::net",
            "tokio::",
            "async fn",
            "clock::",
            // A duration is a value; an instant is read from a clock.
            "Instant::now",
            "SystemTime",
            "Utc::now",
        ] {
            if product(&path, &text).contains(name) {
                faults.push(format!("{path} names {name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn nothing_is_left_to_do() {
    let mut faults = Vec::new();
    for (path, text) in ["src", "crates"].into_iter().flat_map(files) {
        for (number, line) in product(&path, &text).lines().enumerate() {
            let marks = ["todo!(", "unimplemented!(", "dbg!(", ".unwrap()", "TODO", "FIXME"];
            if marks.iter().any(|mark| line.contains(mark)) {
                faults.push(format!("{}:{}: {}", path, number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn states_are_never_ordered() {
    for (path, text) in files("src") {
        for name in ["ChunkState", "WindowState"] {
            let derived = text
                .split(&format!("pub enum {name}"))
                .next()
                .filter(|_| text.contains(&format!("pub enum {name}")))
                .and_then(|before| before.rsplit("#[derive(").next())
                .is_some_and(|derive| derive.contains("PartialOrd"));
            assert!(!derived, "{name} in {} can be ordered", path);
        }
    }
}

/// Whoever has only the program has no file of the repository: a message names the command that prints it.
#[test]
fn messages_name_no_file_of_the_repository() {
    let mut faults = Vec::new();
    for (path, text) in files("src") {
        for (number, line) in product(&path, &text).lines().enumerate() {
            let is_text = !line.trim_start().starts_with("//") && !line.contains("include_str!");
            // The pages' own names, by which they are printed.
            let is_named = path == "src/cli/docs.rs";
            let names = ["migrations/", "docs/", "tests/"]
                .iter()
                .any(|name| line.contains(name));
            if is_text && names && !is_named {
                faults.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
