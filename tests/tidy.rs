//! The rules of the house that a machine can check.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file a reader can hold in mind; past it, it is split.
const LINES_MAX: usize = 600;

fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((
                    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned(),
                    text,
                ));
            }
        }
    }
    assert!(!files.is_empty());
    files
}

fn portable(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The part of a file before its tests; nothing of a file that is all tests.
fn product<'a>(path: &str, text: &'a str) -> &'a str {
    let tests = path.contains("/tests/") || ["tests.rs", "testing.rs"].iter().any(|end| path.ends_with(end));
    if tests {
        ""
    } else {
        text.split("#[cfg(test)]").next().unwrap_or(text)
    }
}

#[test]
fn every_file_says_what_it_is_and_is_short_enough() {
    let mut faults = Vec::new();
    for (path, text) in ["src", "tests", "benches", "crates"]
        .into_iter()
        .flat_map(sources)
    {
        if !text.starts_with("//!") {
            faults.push(format!("{} does not open with //!", portable(&path)));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{} has {lines} lines", portable(&path)));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn each_library_is_named_where_it_belongs() {
    let places: [(&str, &[&str]); 5] = [
        ("tiberius::", &["src/mssql/"]),
        ("redb::", &["src/checkpoint"]),
        ("bincode::", &["src/checkpoint"]),
        ("backoff::", &["src/base/retry"]),
        ("tds_emulator", &["src/cli/"]),
    ];
    let mut faults = Vec::new();
    for (path, text) in sources("src") {
        let path = portable(&path);
        for (name, homes) in places {
            if product(&path, &text).contains(name) && !homes.iter().any(|home| path.starts_with(home)) {
                faults.push(format!("{path} names {name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_core_does_no_io() {
    let mut faults = Vec::new();
    for (path, text) in ["src/model", "src/tsql"].into_iter().flat_map(sources) {
        let path = portable(&path);
        for name in [
            "std::fs",
            "std::net",
            "tokio::",
            "async fn",
            "clock::",
            "std::time",
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
    for (path, text) in ["src", "crates"].into_iter().flat_map(sources) {
        for (number, line) in product(&portable(&path), &text).lines().enumerate() {
            let marks = ["todo!(", "unimplemented!(", "dbg!(", ".unwrap()", "TODO", "FIXME"];
            if marks.iter().any(|mark| line.contains(mark)) {
                faults.push(format!("{}:{}: {}", portable(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn states_are_never_ordered() {
    for (path, text) in sources("src") {
        for name in ["ChunkState", "WindowState"] {
            let derived = text
                .split(&format!("pub enum {name}"))
                .next()
                .filter(|_| text.contains(&format!("pub enum {name}")))
                .and_then(|before| before.rsplit("#[derive(").next())
                .is_some_and(|derive| derive.contains("PartialOrd"));
            assert!(!derived, "{name} in {} can be ordered", portable(&path));
        }
    }
}
