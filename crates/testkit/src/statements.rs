//! The statements that the program may send: those of `tests/statements.sql`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mssql_sync::tsql::label::verbs_and_tables;
use tds_emulator::Statement;

use crate::program::APPLICATION;

/// Statements by their end and text.
pub type List = BTreeSet<(String, String)>;

/// Bytes of a text that the emulator's log keeps whole for certain.
const WHOLE_BYTES: usize = 64 * 1024;

static KINDS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| listed().iter().map(|(_, text)| kind(text)).collect());

/// The file of the list.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/statements.sql")
}

/// The list of the file: each statement follows a line that begins with `-- at the END:`, and ends before a line `GO`.
pub fn listed() -> List {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    let mut list = List::new();
    for entry in text.split("\nGO\n") {
        let Some((end, sql)) = entry
            .split_once("-- at the ")
            .and_then(|(_, rest)| rest.split_once('\n'))
            .and_then(|(heading, sql)| Some((heading.split_once(':')?.0, sql)))
        else {
            continue;
        };
        let words: Vec<&str> = sql.split_whitespace().collect();
        list.insert((end.to_owned(), words.join(" ")));
    }
    list
}

/// The verbs of a statement and what it names, with any table of a test for each other.
fn kind(sql: &str) -> String {
    let (verbs, tables) = verbs_and_tables(sql);
    let own = |table: &String| {
        let name = table.to_lowercase();
        ["sync.", "sys.", "sp_", "#"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    let tables: BTreeSet<&str> = tables
        .iter()
        .map(|table| if own(table) { table.as_str() } else { "a table" })
        .collect();
    format!("{verbs:?} {tables:?}")
}

/// Whether the list has a statement of this kind.
pub fn is_listed(sql: &str) -> bool {
    KINDS.contains(&kind(sql))
}

/// Asserts that the program's statements are of kinds that the list has.
pub(crate) fn assert_listed(statements: &[Statement]) {
    let unlisted: BTreeSet<&str> = statements
        .iter()
        .filter(|statement| {
            statement.application.starts_with(APPLICATION) && statement.text.len() < WHOLE_BYTES
        })
        .map(|statement| statement.text.as_str())
        .filter(|text| !is_listed(text))
        .collect();
    assert!(
        unlisted.is_empty(),
        "sent, and nothing of the kind is in tests/statements.sql, which a story in tests/it/statements.rs fills: {unlisted:#?}"
    );
}
