//! A build takes the versions of `Cargo.lock`, and what checks them is there or fails.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The lines of a script that are no comments.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#'))
}

#[test]
fn each_build_takes_the_locked_versions() {
    let mut faults = Vec::new();
    for path in [".ci/run", ".ci/deny", ".ci/advisories", "justfile"] {
        for command in commands(&read(path)) {
            let resolves = [
                "bench", "build", "clippy", "deny", "doc", "install", "run", "test",
            ];
            let mut words = command
                .split_whitespace()
                .skip_while(|word| *word != "cargo")
                .skip(1);
            let is_one = words.next().is_some_and(|word| resolves.contains(&word));
            let names_it = ["step ", "if ", "echo "]
                .iter()
                .any(|start| command.starts_with(start));
            if is_one && !names_it && !command.contains("--locked") {
                faults.push(format!("{path}: {command}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_missing_check_of_the_dependencies_fails() {
    let deny = read(".ci/deny");
    assert!(
        deny.contains("set -euo pipefail") && !deny.contains("||"),
        "{deny}"
    );
    let install = commands(&deny).find(|line| line.starts_with("cargo install"));
    assert!(
        install.is_some_and(|line| line.contains("--version \"$version\"")),
        "{deny}"
    );
    let run = read(".ci/run");
    assert!(
        commands(&run).any(|line| line == ".ci/deny licenses bans sources"),
        "{run}"
    );
    assert!(read(".ci/advisories").contains("deny\" advisories"));
}

#[test]
fn the_readme_s_command_for_the_tests_is_the_one_that_is_run() {
    let readme = read("README.md");
    let command = readme
        .lines()
        .find(|line| line.starts_with("cargo test"))
        .unwrap();
    assert!(
        commands(&read(".ci/run")).any(|line| line == command),
        "{command}"
    );
}
