//! The names of objects in statements and in strings, taken apart.

use sqlparser::ast::{ObjectName, ObjectNamePart};

use super::errors;
use crate::types::SqlError;

/// A name taken apart.
pub(crate) struct NameParts {
    pub database: Option<String>,
    pub schema: Option<String>,
    pub name: String,
}

impl NameParts {
    /// The parts of a name in a statement.
    pub fn new(name: &ObjectName) -> Result<NameParts, SqlError> {
        let mut parts = Vec::new();
        for part in &name.0 {
            match part {
                ObjectNamePart::Identifier(ident) => parts.push(ident.value.clone()),
                ObjectNamePart::Function(_) => return Err(errors::unsupported(name)),
            }
        }
        NameParts::from_parts(parts).ok_or_else(|| errors::unsupported(name))
    }

    fn from_parts(mut parts: Vec<String>) -> Option<NameParts> {
        let name = parts.pop().filter(|n| !n.is_empty())?;
        let mut next = || parts.pop().filter(|p| !p.is_empty());
        let (schema, database) = (next(), next());
        parts.is_empty().then_some(NameParts {
            database,
            schema,
            name,
        })
    }

    /// The parts of a name in a string, as OBJECT_ID takes it: `[a].[b]`, `a.b`, `"a"."b"`.
    pub fn parse(text: &str) -> Option<NameParts> {
        let mut parts = vec![String::new()];
        let mut chars = text.trim().chars().peekable();
        while let Some(c) = chars.next() {
            let close = match c {
                '[' => ']',
                '"' => '"',
                '.' => {
                    parts.push(String::new());
                    continue;
                }
                c => {
                    parts.last_mut()?.push(c);
                    continue;
                }
            };
            loop {
                let inner = chars.next()?;
                if inner == close {
                    if chars.peek() != Some(&close) {
                        break;
                    }
                    chars.next();
                }
                parts.last_mut()?.push(inner);
            }
        }
        NameParts::from_parts(parts)
    }

    /// Whether it names a temp table.
    pub fn is_temp(&self) -> bool {
        self.name.starts_with('#')
    }

    /// The schema, or the default one.
    pub fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("dbo")
    }
}

/// A name as messages give it.
pub(crate) fn plain(name: &ObjectName) -> String {
    name.to_string().replace(['[', ']', '"'], "")
}
