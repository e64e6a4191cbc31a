//! Variables of the configuration: `${NAME}` in a string, from the environment or from `.env` beside the file.
//!
//! The environment wins. `.env` has lines of `NAME=VALUE`. An error names the number of a malformed line, and no
//! error quotes a value. Every copy of a value that is made here is overwritten when it is dropped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use zeroize::Zeroizing;

use crate::base::error::{Error, ErrorKind, Result};

/// The file of variables beside the configuration.
pub(super) const FILE_NAME: &str = ".env";

/// The variables of the environment and of `.env`.
pub(super) struct Variables<'e> {
    environment: &'e dyn Fn(&str) -> Option<String>,
    file: HashMap<String, Zeroizing<String>>,
}

impl<'e> Variables<'e> {
    /// Reads `.env` in `directory`, if there is one; the environment is asked later.
    pub(super) fn read(directory: &Path, environment: &'e dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let path = directory.join(FILE_NAME);
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&Zeroizing::new(text), &path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => {
                let text = format!(
                    "Cannot read {}; make it a UTF-8 file of NAME=VALUE lines",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Config, text).with_source(error));
            }
        };
        Ok(Variables { environment, file })
    }

    /// `text` with every `${NAME}` replaced. Values are never expanded again.
    ///
    /// # Errors
    /// The name of a variable that is not set, or `None` if a `${` lacks a name or closing brace.
    pub(super) fn expand(&self, text: &str) -> Result<Zeroizing<String>, Option<String>> {
        let mut parts: Vec<Zeroizing<String>> = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            parts.push(rest[..at].to_owned().into());
            let after = &rest[at + 2..];
            let end = after.find('}').ok_or(None)?;
            let name = &after[..end];
            if !is_name(name) {
                return Err(None);
            }
            let value = (self.environment)(name)
                .map(Zeroizing::new)
                .or_else(|| self.file.get(name).cloned())
                .ok_or_else(|| Some(name.to_owned()))?;
            parts.push(value);
            rest = &after[end + 1..];
        }
        parts.push(rest.to_owned().into());
        // A text that grows would leave copies of its beginning behind.
        let mut out = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in &parts {
            out.push_str(part);
        }
        Ok(out)
    }
}

/// The origins of a configuration's variables, and the files of variables that are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The `.env` that is read.
    pub file: Option<PathBuf>,
    /// Similar files that exist and are not read.
    pub passed_over: Vec<PathBuf>,
    /// Variables of the file that have another value in the environment.
    pub overridden: Vec<String>,
    /// Whether the configuration itself has a password, and not a variable's name.
    pub holds_password: bool,
}

/// Finds the origins of the variables of the configuration at `path`.
///
/// # Errors
/// `Config` for a `.env` that cannot be read.
pub fn origins(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Origins> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let variables = Variables::read(directory, environment)?;
    let text = Zeroizing::new(std::fs::read_to_string(path).unwrap_or_default());
    let own = directory.join(FILE_NAME);
    let mut overridden: Vec<String> = variables
        .file
        .iter()
        .filter(|(name, value)| {
            text.contains(&format!("${{{name}}}"))
                && environment(name.as_str()).is_some_and(|other| Zeroizing::new(other) != **value)
        })
        .map(|(name, _)| name.clone())
        .collect();
    overridden.sort();
    Ok(Origins {
        file: own.is_file().then_some(own),
        passed_over: passed_over(directory),
        overridden,
        holds_password: holds_password(&text),
    })
}

/// Whether an end of the configuration has a password, a key of receipts or a token that is not wholly a variable's.
fn holds_password(text: &str) -> bool {
    let Ok(root) = DeTable::parse(text) else {
        return false;
    };
    let of = |(end, key): (&str, &str)| {
        root.get_ref()
            .get(end)?
            .get_ref()
            .as_table()?
            .get(key)?
            .get_ref()
            .as_str()
    };
    let secrets = [
        ("source", "password"),
        ("target", "password"),
        ("target", "receipt_key"),
        ("serve", "token"),
    ];
    // A URL may have a variable in its midst.
    let key = of(("notify", "url")).is_some_and(|url| !url.contains("${"));
    let token = of(("notify", "authorization")).is_some_and(|token| !token.contains("${"));
    key || token
        || secrets.into_iter().filter_map(of).any(|password| {
            let name = password
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            !password.is_empty() && !name.is_some_and(is_name)
        })
}

/// Files of variables that other programs read and this one ignores.
fn passed_over(directory: &Path) -> Vec<PathBuf> {
    let here = Path::new(".");
    let looked_in = if directory == Path::new("") {
        here
    } else {
        directory
    };
    // A directory that cannot be listed counts as empty.
    let names = std::fs::read_dir(looked_in).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_like_env(name))
        .map(|name| directory.join(name))
        .collect();
    // Other programs read the .env of their working directory.
    if Path::new(FILE_NAME).is_file() && looked_in.canonicalize().ok() != here.canonicalize().ok() {
        found.push(PathBuf::from(FILE_NAME));
    }
    found.sort();
    found
}

/// Whether the name is like `.env.local` or `.env.production`; examples do not count.
fn is_like_env(name: &str) -> bool {
    name.to_ascii_lowercase()
        .strip_prefix(".env.")
        .is_some_and(|kind| !["example", "sample", "template", "dist", "example.new"].contains(&kind))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn parse(text: &str, path: &Path) -> Result<HashMap<String, Zeroizing<String>>> {
    let mut variables = HashMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|(name, _)| is_name(name))
            .and_then(|(name, value)| Some((name, unquoted(value)?)))
            .ok_or_else(|| {
                let text = format!(
                    "{}, line {}: This is not NAME=VALUE; put a value with spaces or # in quotes",
                    path.display(),
                    number + 1
                );
                Error::new(ErrorKind::Config, text)
            })?;
        variables.insert(name.to_owned(), value.to_owned().into());
    }
    Ok(variables)
}

/// A value without its quotes; the text between them is literal. Outside quotes ` #` begins a comment.
/// `None` if a quote is not closed, or if text follows the closing quote.
fn unquoted(value: &str) -> Option<&str> {
    let quote = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        _ => {
            return Some(
                value
                    .split_once(" #")
                    .map_or(value, |(value, _)| value.trim_end()),
            );
        }
    };
    let (inner, after) = value[1..].split_once(quote)?;
    let after = after.trim();
    (after.is_empty() || after.starts_with('#')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(file: &str) -> Variables<'static> {
        Variables {
            environment: &|name| (name == "BOTH").then(|| "environment".to_owned()),
            file: parse(file, Path::new(".env")).unwrap(),
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let variables =
            variables("BOTH=file\nexport ONE = 1 # the first\n# a comment\n\nQ='a # b'\nD=\"x y\" # z");
        assert_eq!(
            variables.expand("${BOTH}-${ONE}-${Q}-${D}").unwrap().as_str(),
            "environment-1-a # b-x y"
        );
    }

    #[test]
    fn what_is_read_what_is_passed_over_and_what_is_overridden() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("sync.toml"), "a = \"${A}\" b = \"${B}\"").unwrap();
        let nothing = origins(&at("sync.toml"), &|_| None).unwrap();
        assert_eq!(nothing.file, None);
        std::fs::write(at(".env"), "A=1\nB=2\nC=3").unwrap();
        for name in [".env.local", ".env.example", "environment", ".envrc"] {
            std::fs::write(at(name), "").unwrap();
        }
        let found = origins(&at("sync.toml"), &|name| {
            // B has the same value there, and the file does not use C.
            Some(if name == "A" { "other" } else { "2" }.to_owned())
        })
        .unwrap();
        assert_eq!(found.file, Some(at(".env")));
        assert_eq!(found.passed_over, [at(".env.local")]);
        assert_eq!(found.overridden, ["A"]);
    }

    #[test]
    fn a_password_of_the_file_s_own_is_told_from_a_variable() {
        let holds =
            |password: &str| holds_password(&format!("[source]\npassword = {password}\n[target]\nuser = 1"));
        assert!(!holds("\"${A}\"") && !holds("\"\"") && !holds("7"));
        assert!(holds("\"hunter2\"") && holds("\"${A}2\"") && holds("'${A}${B}'"));
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        assert_eq!(variables("A=${B}").expand("${A}").unwrap().as_str(), "${B}");
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert_eq!(variables("").expand("a${NOPE}b"), Err(Some("NOPE".to_owned())));
    }

    #[test]
    fn a_brace_that_is_not_closed_is_refused() {
        for text in ["${A", "${}", "${a b}", "${1A}"] {
            assert_eq!(variables("A=1").expand(text), Err(None), "{text}");
        }
    }

    #[test]
    fn dollars_without_braces_are_kept() {
        assert_eq!(variables("").expand("a$b$$c}").unwrap().as_str(), "a$b$$c}");
    }

    #[test]
    fn a_line_that_is_no_variable_is_named_by_number_and_not_quoted() {
        for text in [
            "A=1\nhunter2",
            "A=1\nP='hunter2",
            "A=1\n1P=hunter2",
            "A=1\nP=\"a\"hunter2",
        ] {
            let error = parse(text, Path::new("d/.env")).unwrap_err();
            assert!(error.to_string().starts_with("d/.env, line 2: "), "{error}");
            assert!(!error.chain().contains("hunter2"), "{error}");
        }
    }
}
