//! The map names what is there, and all of it.

use std::fs;
use std::path::Path;

const MAP: &str = "docs/architecture.md";

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_path_that_the_map_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(MAP)).unwrap();
    let roots = [
        "src/",
        "crates/",
        "tests/",
        "docs/",
        "benches/",
        "migrations/",
        "state/",
    ];
    let paths = quoted(&text).filter(|quoted| roots.iter().any(|root| quoted.starts_with(root)));
    let missing: Vec<&str> = paths.filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{MAP} names {missing:#?}");
}

#[test]
fn every_folder_is_on_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(MAP)).unwrap();
    let mut missing = Vec::new();
    for parent in ["src", "crates"] {
        for entry in fs::read_dir(root.join(parent)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{parent}/{}/", entry.file_name().to_string_lossy());
            if entry.path().is_dir() && !text.contains(&path) {
                missing.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "{MAP} does not name {missing:#?}");
}
