//! How the program was called, for texts that give a command to type.
//!
//! The program is installed as `sync` and as `mssql-sync`, because coreutils has a `sync` of its own: a command that is
//! copied from a message must not reach that one. And it must reach the same configuration and state file. Texts write
//! their commands as those of `sync`, also where they are kept in the state file; the places where the program writes put
//! its name and those two options into them.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};

/// The name that texts are written with.
const USUAL: &str = "sync";

/// The longest name that is shown.
const CHARS_MAX: usize = 40;

static NAME: OnceLock<String> = OnceLock::new();

/// The options that lead to the files of this process, as they are typed behind the name: each after a blank.
static FILES: RwLock<String> = RwLock::new(String::new());

/// Keeps the name that is in the first argument of the process. A name that is not plain leaves the usual one.
pub fn called(by: Option<&OsStr>) {
    if let Some(name) = by.and_then(plain) {
        // Nobody calls a program twice.
        let _ = NAME.set(name);
    }
}

/// Keeps the files that a command needs to be told to work on what this process works on; `None` for those that it finds by
/// itself.
pub fn works_on(config: Option<&Path>, state: Option<&Path>) {
    *FILES.write().unwrap_or_else(PoisonError::into_inner) = files(config, state);
}

fn files(config: Option<&Path>, state: Option<&Path>) -> String {
    let option = |name: &str, path: Option<&Path>| {
        path.map_or_else(String::new, |path| {
            format!(" {name} {}", argument(&path.display().to_string()))
        })
    };
    option(CONFIG, config) + &option(STATE, state)
}

const CONFIG: &str = "--config";
const STATE: &str = "--state";

/// The name to type.
pub fn name() -> &'static str {
    NAME.get().map_or(USUAL, String::as_str)
}

/// What to type before the command's own word: the name, and the options for the files that this process works on.
pub fn command() -> String {
    let files = FILES.read().unwrap_or_else(PoisonError::into_inner);
    format!("{}{files}", name())
}

/// A text for people, with what to type in the commands that it gives. A text that has it already stays.
pub fn named(text: &str) -> Cow<'_, str> {
    renamed(text, &command())
}

/// The same of JSON, where what is typed stands within a string.
pub fn named_json(text: &str) -> Cow<'_, str> {
    renamed(text, &within_json(&command()))
}

/// A text as it stands between the quotes of a string of JSON.
fn within_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A text for a file that others may use from elsewhere, with the name alone.
pub fn named_for_all(text: &str) -> Cow<'_, str> {
    renamed(text, name())
}

fn renamed<'a>(text: &'a str, command: &str) -> Cow<'a, str> {
    if command == USUAL {
        return Cow::Borrowed(text);
    }
    let begins = format!("`{USUAL} ");
    let mut parts = text.split(&begins);
    let mut named = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        let has_files = [CONFIG, STATE].iter().any(|option| rest.starts_with(option));
        let command = if has_files { name() } else { command };
        named.push_str(&format!("`{command} {rest}"));
    }
    Cow::Owned(named)
}

/// A text as a shell takes it for one argument: as it stands, or between the quotes of this system's shells.
pub fn argument(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.,/:".contains(c) || (c == '\\' && cfg!(windows));
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    // What a POSIX shell and PowerShell read within double quotes, too. cmd knows no other quotes.
    let is_read = text.contains(['$', '`']) || (cfg!(not(windows)) && text.contains(['"', '\\', '!']));
    let quote = if cfg!(windows) { "''" } else { r"'\''" };
    match is_read {
        true => format!("'{}'", text.replace('\'', quote)),
        false => format!("\"{text}\""),
    }
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

    #[test]
    fn commands_take_the_files_once() {
        let path = |text| Some(Path::new(text));
        assert_eq!(files(None, None), "");
        let files = files(path("jobs/a.toml"), path("my state/a.redb"));
        assert_eq!(files, " --config jobs/a.toml --state \"my state/a.redb\"");
        let command = format!("sync{files}");
        let text = renamed("run `sync run`, then `sync status`", &command).into_owned();
        assert_eq!(
            text,
            "run `sync --config jobs/a.toml --state \"my state/a.redb\" run`, then `sync --config jobs/a.toml --state \"my \
             state/a.redb\" status`"
        );
        assert_eq!(renamed(&text, &command), text);
        let json = r#"{"fix":"`sync run`"}"#;
        let json = renamed(json, &within_json(&command)).into_owned();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["fix"], format!("`{command} run`"));
        assert_eq!(renamed(&json, &command), json, "a result that is JSON stays so");
    }

    #[test]
    fn an_argument_is_one_for_the_shells_of_this_system() {
        assert_eq!(argument("a/b-1.toml,c:d"), "a/b-1.toml,c:d");
        assert_eq!(argument("two words"), "\"two words\"");
        assert_eq!(argument(""), "\"\"");
        let (of_posix, of_powershell) = (r"'it'\''s $5'", "'it''s $5'");
        assert_eq!(
            argument("it's $5"),
            if cfg!(windows) { of_powershell } else { of_posix }
        );
        assert_eq!(argument(r"a\b"), if cfg!(windows) { r"a\b" } else { r"'a\b'" });
    }
}
