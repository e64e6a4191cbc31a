//! Reads tables of a TOML file; its errors name file and line.
//!
//! A section checks its keys first, so that an error names a misspelt key before any missing one. No error quotes a
//! value: any value may be a misplaced password.

use std::ops::RangeInclusive;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::env::{FILE_NAME, Variables};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::secret::Secret;
use crate::base::text::{closest, harmless_text};

/// The file being read: its text, for line numbers, and its variables.
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) variables: &'a Variables<'a>,
}

impl File<'_> {
    /// An error at a byte of the file.
    pub(super) fn error(&self, at: usize, text: impl std::fmt::Display) -> Error {
        let line = self.line(at);
        Error::new(
            ErrorKind::Config,
            format!("{}, line {line}: {text}", self.path.display()),
        )
    }

    /// The line of a byte of the file, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// The same error, prefixed with file and line.
    pub(super) fn place(&self, at: usize, error: Error) -> Error {
        self.error(at, error.chain())
    }

    fn expand(&self, text: &str, at: usize) -> Result<Zeroizing<String>> {
        self.variables.expand(text).map_err(|missing| match missing {
            Some(name) => {
                let env = self.path.with_file_name(FILE_NAME);
                self.error(
                    at,
                    format_args!(
                        "The variable {name} is not set; set it in the environment or write {name}=… into {}",
                        env.display()
                    ),
                )
            }
            None => self.error(
                at,
                "A `${` begins a variable and has no name and closing brace; write `${NAME}`",
            ),
        })
    }
}

/// A value and its byte offset in the file.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

impl At<Zeroizing<String>> {
    /// The text, which is no secret.
    fn plain(mut self) -> At<String> {
        At {
            value: std::mem::take(&mut *self.value),
            at: self.at,
        }
    }
}

/// One table of the file.
pub(super) struct Section<'a> {
    file: &'a File<'a>,
    /// As the user writes it: `[source]`.
    name: &'static str,
    table: &'a DeTable<'a>,
    at: usize,
}

impl<'a> Section<'a> {
    /// Opens a table; refuses any key that is not among `keys`.
    pub(super) fn open(
        file: &'a File<'a>,
        name: &'static str,
        value: &'a Spanned<DeValue<'a>>,
        keys: &[&str],
    ) -> Result<Self> {
        let at = value.span().start;
        let table = value.get_ref().as_table();
        let table =
            table.ok_or_else(|| file.error(at, format_args!("This must be a table; write {name}")))?;
        Section::of_table(file, name, table, at, keys)
    }

    /// As [`Section::open`], for a parsed table.
    pub(super) fn of_table(
        file: &'a File<'a>,
        name: &'static str,
        table: &'a DeTable<'a>,
        at: usize,
        keys: &[&str],
    ) -> Result<Self> {
        let mut unknown: Vec<_> = table
            .keys()
            .filter(|key| !keys.contains(&key.get_ref().as_ref()))
            .collect();
        unknown.sort_by_key(|key| key.span().start);
        if let Some(key) = unknown.first() {
            let meant = closest(key.get_ref(), keys)
                .map_or_else(String::new, |meant| format!("did you mean `{meant}`? The "));
            let text = format!(
                "Unknown key `{}` in {name}; {meant}known keys are {}",
                harmless_text(key.get_ref()),
                keys.join(", ")
            );
            return Err(file.error(key.span().start, text));
        }
        Ok(Section {
            file,
            name,
            table,
            at,
        })
    }

    /// An error at the section's own line.
    pub(super) fn error(&self, text: impl std::fmt::Display) -> Error {
        self.file.error(self.at, text)
    }

    /// A value as it stands.
    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// A string with its variables replaced; `None` if the key is absent.
    pub(super) fn string(&self, key: &str) -> Result<Option<At<String>>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        self.text_of(key, value).map(|text| Some(text.plain()))
    }

    /// A string that must be present and not empty.
    pub(super) fn required(&self, key: &str, example: &str) -> Result<At<String>> {
        self.needed(key, example).map(At::plain)
    }

    /// A password, which must be present and not empty.
    pub(super) fn secret(&self, key: &str, example: &str) -> Result<Secret> {
        Ok(Secret::from(self.needed(key, example)?.value))
    }

    fn needed(&self, key: &str, example: &str) -> Result<At<Zeroizing<String>>> {
        let value = self.value(key).ok_or_else(|| {
            self.error(format_args!(
                "{} has no `{key}`; add {key} = \"{example}\"",
                self.name
            ))
        })?;
        self.filled(key, self.text_of(key, value)?)
    }

    /// A string that must not be empty; `None` if the key is absent.
    pub(super) fn optional(&self, key: &str) -> Result<Option<At<String>>> {
        let filled = |value| self.filled(key, self.text_of(key, value)?).map(At::plain);
        self.value(key).map(filled).transpose()
    }

    /// A list of strings that must not be empty; `None` if the key is absent.
    pub(super) fn strings(&self, key: &str) -> Result<Option<At<Vec<At<String>>>>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let at = value.span().start;
        let list = value
            .get_ref()
            .as_array()
            .ok_or_else(|| self.wrong(key, at, "a list of strings, as in [\"A\", \"B\"]"))?;
        let value = list
            .iter()
            .map(|item| self.filled(key, self.text_of(key, item)?).map(At::plain))
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(At { value, at }))
    }

    /// `true` or `false`; `None` if the key is absent.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>> {
        self.value(key)
            .map(|value| {
                value
                    .get_ref()
                    .as_bool()
                    .ok_or_else(|| self.wrong(key, value.span().start, "true or false, without quotes"))
            })
            .transpose()
    }

    /// A whole number in `range`; `None` if the key is absent.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<At<u64>>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let at = value.span().start;
        value
            .get_ref()
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| range.contains(number))
            .map(|value| Some(At { value, at }))
            .ok_or_else(|| {
                let wanted = format!("a whole number from {} to {}", range.start(), range.end());
                self.wrong(key, at, &wanted)
            })
    }

    /// Refuses each of `keys` for this reason.
    pub(super) fn refuse(&self, keys: &[&str], reason: &str) -> Result<()> {
        match keys.iter().find_map(|key| Some((key, self.value(key)?))) {
            Some((key, value)) => Err(self
                .file
                .error(value.span().start, format_args!("`{key}` {reason}; remove it"))),
            None => Ok(()),
        }
    }

    fn text_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<Zeroizing<String>>> {
        let at = value.span().start;
        let text = value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong(key, at, "text in quotes"))?;
        Ok(At {
            value: self.file.expand(text, at)?,
            at,
        })
    }

    fn filled(&self, key: &str, text: At<Zeroizing<String>>) -> Result<At<Zeroizing<String>>> {
        if text.value.trim().is_empty() {
            return Err(self.file.error(
                text.at,
                format_args!("`{key}` in {} is empty; give it a value", self.name),
            ));
        }
        Ok(text)
    }

    fn wrong(&self, key: &str, at: usize, wanted: &str) -> Error {
        self.file
            .error(at, format_args!("`{key}` in {} must be {wanted}", self.name))
    }
}
