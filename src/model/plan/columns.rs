//! The columns in the text of a fingerprint.

use crate::model::table::{Column, DataType, Identifier};

/// The names of the columns that only one of two fingerprints has, as an addition to a text with both.
pub(super) fn came_and_went(then: &str, now: &str) -> String {
    let (Some(then), Some(now)) = (columns_of(then), columns_of(now)) else {
        return String::new();
    };
    let mut told = String::new();
    for (these, those, how) in [(&then, &now, "no longer copied"), (&now, &then, "copied now")] {
        let only = |column: &&Column| those.iter().all(|other| other.name != column.name);
        let names: Vec<&str> = these
            .iter()
            .filter(only)
            .map(|column| column.name.as_str())
            .collect();
        if !names.is_empty() {
            told.push_str(&format!("; {how}: {}", names.join(", ")));
        }
    }
    told
}

/// The types of the named ones of the columns of a fingerprint, in the order of `names`.
pub(super) fn types_of(text: &str, names: &[String]) -> Option<Vec<Option<DataType>>> {
    let columns = columns_of(text)?;
    let type_of = |name: &String| {
        let mut found = columns.iter().filter(|column| column.name.same_as(name));
        found.next().map(|column| column.data_type)
    };
    Some(names.iter().map(type_of).collect())
}

/// The columns of a fingerprint: name, type and NULL or NOT NULL of each.
pub(super) fn columns_of(text: &str) -> Option<Vec<Column>> {
    let mut columns = Vec::new();
    let mut told = String::new();
    for piece in text.split(", ") {
        // A name may hold the separator of two columns.
        told.push_str(if told.is_empty() { "" } else { ", " });
        told.push_str(piece);
        let (rest, nullable) = match told.strip_suffix(" NOT NULL") {
            Some(rest) => (rest, false),
            None => match told.strip_suffix(" NULL") {
                Some(rest) => (rest, true),
                None => continue,
            },
        };
        let Some((name, data_type)) = rest.rsplit_once(' ') else {
            continue;
        };
        let Ok(data_type) = data_type.parse() else {
            continue;
        };
        columns.push(Column {
            name: Identifier::new(name).ok()?,
            data_type,
            nullable,
            identity: false,
            collation: None,
        });
        told.clear();
    }
    told.is_empty().then_some(columns)
}

/// The names in a list of quoted names.
pub(super) fn names_of(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.strip_prefix(", ").unwrap_or(rest).strip_prefix('[')?;
        let mut name = String::new();
        loop {
            let (before, after) = rest.split_once(']')?;
            name.push_str(before);
            match after.strip_prefix(']') {
                Some(after) => {
                    name.push(']');
                    rest = after;
                }
                None => {
                    rest = after;
                    break;
                }
            }
        }
        names.push(name);
    }
    Some(names)
}
