//! The name by which the program was called, for texts that give a command to type.
//!
//! The program is installed as `sync` and as `mssql-sync`, because coreutils has a `sync` of its own: a command that is
//! copied from a message must not reach that one. Texts write their commands as those of `sync`, also where they are
//! kept in the state file; the places where the program writes put its name into them.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// The name that texts are written with.
const USUAL: &str = "sync";

/// The longest name that is shown.
const CHARS_MAX: usize = 40;

static NAME: OnceLock<String> = OnceLock::new();

/// Keeps the name that is in the first argument of the process. A name that is not plain leaves the usual one.
pub fn called(by: Option<&OsStr>) {
    if let Some(name) = by.and_then(plain) {
        // Nobody calls a program twice.
        let _ = NAME.set(name);
    }
}

/// The name to type.
pub fn name() -> &'static str {
    NAME.get().map_or(USUAL, String::as_str)
}

/// A text for people, with the name to type in the commands that it gives.
pub fn named(text: &str) -> Cow<'_, str> {
    renamed(text, name())
}

fn renamed<'a>(text: &'a str, name: &str) -> Cow<'a, str> {
    if name == USUAL {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(&format!("`{USUAL} "), &format!("`{name} ")))
}

/// The name of the file, without what Windows puts behind it.
fn plain(by: &OsStr) -> Option<String> {
    let path = Path::new(by);
    let is_program = |end: &OsStr| end.eq_ignore_ascii_case("exe");
    let name = if path.extension().is_some_and(is_program) {
        path.file_stem()
    } else {
        path.file_name()
    };
    let name = name?.to_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!name.is_empty() && name.len() <= CHARS_MAX && name.chars().all(is_plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_file() {
        let name = |by: &str| plain(OsStr::new(by));
        assert_eq!(name("sync").as_deref(), Some("sync"));
        assert_eq!(name("/usr/local/bin/mssql-sync").as_deref(), Some("mssql-sync"));
        assert_eq!(name("./Sync.EXE").as_deref(), Some("Sync"));
        assert_eq!(name("sync-1.2").as_deref(), Some("sync-1.2"));
        for odd in ["", "/", "a\u{1b}[2J", "two words", &"x".repeat(41)] {
            assert_eq!(name(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn commands_and_nothing_else_take_the_name() {
        let text = "run `sync rebuild`, then `sync run`; schema [sync], `sync.toml`, out of sync with it";
        assert_eq!(renamed(text, "sync"), text);
        assert_eq!(
            renamed(text, "mssql-sync"),
            "run `mssql-sync rebuild`, then `mssql-sync run`; schema [sync], `sync.toml`, out of sync with it"
        );
    }
}
