//! Variables of the configuration: `${NAME}` in a string, from the environment or from `.env` beside the file.
//!
//! The environment wins. `.env` is read as lines of `NAME=VALUE`; a line that is none is an error with its
//! number, and no error quotes a value.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The file beside the configuration that variables may be in.
pub(super) const FILE_NAME: &str = ".env";

/// Where variables come from.
pub(super) struct Variables<'e> {
    environment: &'e dyn Fn(&str) -> Option<String>,
    file: HashMap<String, String>,
}

impl<'e> Variables<'e> {
    /// The environment, and `.env` in `directory` where there is one.
    pub(super) fn read(directory: &Path, environment: &'e dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let path = directory.join(FILE_NAME);
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text, &path)?,
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

    /// `text` with every `${NAME}` replaced. What a variable holds is taken as it is, never expanded again.
    ///
    /// # Errors
    /// The name of the variable that is not set, or `None` where a `${` has no name and closing brace.
    pub(super) fn expand(&self, text: &str) -> Result<String, Option<String>> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let after = &rest[at + 2..];
            let end = after.find('}').ok_or(None)?;
            let name = &after[..end];
            if !is_name(name) {
                return Err(None);
            }
            let value = (self.environment)(name)
                .or_else(|| self.file.get(name).cloned())
                .ok_or_else(|| Some(name.to_owned()))?;
            out.push_str(&value);
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn parse(text: &str, path: &Path) -> Result<HashMap<String, String>> {
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
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables)
}

/// A value without its quotes; between them everything counts as it is. Outside quotes ` #` begins a comment.
/// `None` when a quote is not closed, or something follows the closing one.
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
            variables.expand("${BOTH}-${ONE}-${Q}-${D}").unwrap(),
            "environment-1-a # b-x y"
        );
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        assert_eq!(variables("A=${B}").expand("${A}").unwrap(), "${B}");
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
        assert_eq!(variables("").expand("a$b$$c}").unwrap(), "a$b$$c}");
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
