//! The plan of a table: its columns, its key, its access path, and whether its checkpoints were made under the same
//! plan.
//!
//! This module is pure: it turns the catalog's answers into a plan or a refusal.

mod columns;
mod excluded;
mod kept;
mod path;
mod recorded;

use std::fmt::Write as _;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::harmless_text;
use crate::model::table::{Column, Identifier, Index, Key, TableName, TableSchema};
use crate::model::window::Kind;

pub use path::AccessPath;

/// The date column in the fingerprint of a reference table.
const NO_DATE: &str = "none";

/// The part of a fingerprint with the source's database.
pub const SOURCE_DATABASE: &str = "source database";

/// The part of a fingerprint with the source's table.
pub const SOURCE_TABLE: &str = "source table";

/// The part of a fingerprint with the table that the rows are for. The plan of a shadow table has that of the table that
/// it is to replace.
pub const TARGET_TABLE: &str = "target table";

/// The part of a fingerprint with the column that windows are cut by.
const DATE_COLUMN: &str = "date column";

/// The part of a fingerprint with the columns that order a window's rows.
const KEY: &str = "key";

/// The part of a fingerprint with the columns that are copied.
const COLUMNS: &str = "columns";

/// The part of a fingerprint with the collations of the key's text columns. Older plans lack it.
const KEY_COLLATIONS: &str = "key collations";

/// A table's plan: made once at the start of a run, the same for all its windows.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The table's name in the configuration.
    pub name: Identifier,
    /// The table at the source.
    pub source: TableSchema,
    /// The table's name at the target.
    pub target: TableName,
    /// The columns that distinguish and order its rows.
    pub key: Key,
    /// The way that its windows are read.
    pub access_path: AccessPath,
    /// The conditions that must not change between runs: one name and one value a part.
    pub fingerprint: Vec<(String, String)>,
    /// Notes for an operator: columns that are not copied, an access path that costs more.
    pub notes: Vec<String>,
    /// The columns by which to find a row whose date may have changed; `None` if no index finds it.
    pub(crate) traced: Option<Vec<usize>>,
    /// Whether the configuration names the key's columns.
    pub(crate) is_key_asked: bool,
    /// Whether the target is a shadow table, whose rows nobody sees before the cutover.
    pub(crate) is_shadow: bool,
}

/// The origin of a plan's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The database's name.
    pub database: String,
    /// The identity of the database (see `mssql/catalog.rs`); empty if the server reports none.
    pub identity: String,
    /// The server's own name, and its address.
    pub server: String,
}

/// The parts of a fingerprint that may change: a run reports and records the change. Older plans lack them.
const TOLD: [&str; 2] = [SOURCE_SERVER, SOURCE_TABLE_MADE];

/// The part with the source's server and address.
pub const SOURCE_SERVER: &str = "source server";

/// The part with the creation and the number of the source table.
const SOURCE_TABLE_MADE: &str = "source table made";

/// The part with the identity of the source database. Older plans lack it.
pub const SOURCE_IDENTITY: &str = "source identity";

impl TablePlan {
    /// Adds the origin of the rows to the fingerprint.
    #[must_use]
    pub fn from_origin(mut self, origin: &Origin) -> TablePlan {
        let source = &self.source;
        let made = format!(
            "{} as object {}",
            source.create_date.format("%Y-%m-%d %H:%M:%S%.3f"),
            source.object_id
        );
        for (part, value) in [
            (SOURCE_IDENTITY, origin.identity.clone()),
            (SOURCE_SERVER, origin.server.clone()),
            (SOURCE_TABLE_MADE, made),
        ] {
            if !value.is_empty() {
                self.fingerprint.push((part.to_owned(), value));
            }
        }
        self
    }

    /// The permitted changes since an older plan: the name of each part, and a text for an operator.
    pub fn told_changes(&self, older: &[(String, String)]) -> Vec<(&str, String)> {
        let now = self
            .fingerprint
            .iter()
            .filter(|(part, _)| TOLD.contains(&part.as_str()));
        now.filter_map(|(part, now)| {
            let (_, then) = older.iter().find(|(name, _)| name == part)?;
            (then != now).then(|| (part.as_str(), format!("{part}: was {then}, is {now}")))
        })
        .collect()
    }

    /// Plans a monthly table.
    ///
    /// # Errors
    /// `Preflight` if the date column or a usable unique index is missing; the error names the alternatives.
    pub fn monthly(
        name: &Identifier,
        source: TableSchema,
        target: TableName,
        date_column: &Identifier,
        key: Option<&[Identifier]>,
        source_database: &str,
    ) -> Result<TablePlan> {
        let date = date_position(&source, date_column)?;
        let unique = unique_columns(&source, key)?;
        let (access_path, key_order) = path::choose(&source, date, unique);
        let base = TablePlan::without_key(name, source, target, Some(date), source_database);
        let mut plan = TablePlan {
            is_key_asked: key.is_some(),
            ..base
        }
        .by(access_path, key_order);
        plan.note_undated();
        Ok(plan)
    }

    /// Plans a reference table, which is copied whole. Without a unique index all its rows are one chunk.
    ///
    /// # Errors
    /// `Preflight` if no unique index has exactly the columns of `key`.
    pub fn full(
        name: &Identifier,
        source: TableSchema,
        target: TableName,
        key: Option<&[Identifier]>,
        source_database: &str,
    ) -> Result<TablePlan> {
        let unique = match unique_columns(&source, key) {
            Err(_) if key.is_none() => Vec::new(),
            unique => unique?,
        };
        let key_order = Key {
            date: None,
            unique,
            date_first: false,
        };
        let base = TablePlan::without_key(name, source, target, None, source_database);
        Ok(TablePlan {
            is_key_asked: key.is_some(),
            ..base
        }
        .by(AccessPath::Key, key_order))
    }

    /// The parts of a plan that do not depend on its key.
    fn without_key(
        name: &Identifier,
        source: TableSchema,
        target: TableName,
        date: Option<usize>,
        source_database: &str,
    ) -> TablePlan {
        TablePlan {
            name: name.clone(),
            fingerprint: fingerprint(&source, date, &target, source_database),
            notes: not_copied(name, &source),
            source,
            target,
            key: Key {
                date,
                unique: Vec::new(),
                date_first: false,
            },
            access_path: AccessPath::Key,
            traced: None,
            is_key_asked: false,
            is_shadow: false,
        }
    }

    /// The plan by this access path and key, with all that follows from them. Every plan gets its key here.
    fn by(mut self, access_path: AccessPath, key: Key) -> TablePlan {
        let before = self.cost();
        self.notes.retain(|note| Some(note) != before.as_ref());
        self.traced = traced(&self.source, &key);
        self.access_path = access_path;
        self.key = key;
        let value = self.key_names();
        self.set_part(KEY, Some(value));
        let texts = self
            .key
            .unique
            .iter()
            .map(|position| &self.source.columns[*position]);
        let collations: Vec<&str> = texts
            .filter(|column| column.data_type.is_text())
            .map(|column| column.collation.as_deref().unwrap_or_default())
            .collect();
        let collations = (!collations.is_empty()).then(|| collations.join(", "));
        self.set_part(KEY_COLLATIONS, collations);
        self.notes.extend(self.cost());
        self
    }

    /// The plan for the same target table under the name by which the server has it.
    #[must_use]
    pub fn spelled(mut self, target: TableName) -> TablePlan {
        self.set_part(TARGET_TABLE, Some(target.exact()));
        self.target = target;
        self
    }

    /// The name of the target table in the end: that of the table whose place a shadow table takes.
    pub fn loaded_into(&self) -> &str {
        let mut parts = self.fingerprint.iter();
        let found = parts.find(|(part, _)| part == TARGET_TABLE);
        &found.expect("every fingerprint has the target table").1
    }

    /// Sets or removes a part of the fingerprint.
    fn set_part(&mut self, part: &str, value: Option<String>) {
        let found = self.fingerprint.iter().position(|(name, _)| name == part);
        match (found, value) {
            (Some(position), Some(value)) => self.fingerprint[position].1 = value,
            (Some(position), None) => drop(self.fingerprint.remove(position)),
            (None, Some(value)) => self.fingerprint.push((part.to_owned(), value)),
            (None, None) => {}
        }
    }

    /// Positions of the columns by which to find a row whose date may have changed; `None` if the key holds the date
    /// and no index finds the row by the rest.
    pub fn traced(&self) -> Option<&[usize]> {
        self.traced.as_deref()
    }

    /// Their names; none if there are none.
    pub fn traced_names(&self) -> Vec<&str> {
        let columns = self.traced.iter().flatten();
        columns
            .map(|position| self.columns()[*position].name.as_str())
            .collect()
    }

    /// Whether the unique key holds the date: two rows of the target may be one that moved, and no index refuses that.
    pub fn key_holds_date(&self) -> bool {
        self.key.date.is_some_and(|date| self.key.unique.contains(&date))
    }

    /// Why rows that left cannot be followed, and the index that would change that.
    pub fn untraced(&self) -> (&'static str, Option<&'static str>) {
        match self.traced {
            None => (
                "the key holds the date and no index finds a row without it",
                Some("an index on the rest of the key"),
            ),
            Some(_) if self.key_holds_date() => (
                "the key holds the date and the rest of it finds more than one row, or no index found them as they left",
                Some("a unique index without the date"),
            ),
            Some(_) => (
                "more rows moved at once than can be looked for one by one, or a load of their dates did not bring them",
                None,
            ),
        }
    }

    /// Whether the table is copied whole.
    pub fn is_full(&self) -> bool {
        self.key.date.is_none()
    }

    /// Whether rows may have no date, and then have a window of their own.
    pub fn has_undated(&self) -> bool {
        self.date().is_some_and(|date| date.nullable)
    }

    /// Whether a key distinguishes its rows.
    pub fn has_key(&self) -> bool {
        !self.key.unique.is_empty()
    }

    /// The columns that are copied.
    pub fn columns(&self) -> &[Column] {
        &self.source.columns
    }

    /// The date column; `None` for a reference table.
    pub fn date(&self) -> Option<&Column> {
        self.key.date.map(|position| &self.source.columns[position])
    }

    /// The columns that order a window's rows.
    pub fn key_columns(&self, kind: Kind) -> Vec<&Column> {
        self.key
            .order(kind)
            .into_iter()
            .map(|position| &self.source.columns[position])
            .collect()
    }

    /// The key's columns, quoted and separated by commas.
    pub fn key_names(&self) -> String {
        names(&self.source, &self.key.order(Kind::Dates(())))
    }

    /// ` ORDER BY` and the key; empty without a key.
    pub fn order_by(&self, kind: Kind) -> String {
        match self.key.order(kind) {
            order if order.is_empty() => String::new(),
            order => format!(" ORDER BY {}", names(&self.source, &order)),
        }
    }

    /// The parts of a fingerprint by which a stored key is understood, beside the columns' types.
    pub const KEYS: [&str; 3] = [DATE_COLUMN, KEY, KEY_COLLATIONS];

    /// Whether keys that were stored under one fingerprint mean the same under another one: they are of the same columns,
    /// types and collations.
    pub fn has_same_keys(one: &[(String, String)], other: &[(String, String)]) -> bool {
        let value = |of: &[(String, String)], wanted: &str| {
            let found = of.iter().find(|(part, _)| part == wanted);
            found.map(|(_, value)| value.clone())
        };
        let same = |part: &&str| {
            let both = value(one, part).zip(value(other, part));
            both.is_none_or(|(one, other)| one == other)
        };
        // The names of the key are the same by then.
        let names: Vec<String> = [KEY, DATE_COLUMN]
            .iter()
            .filter_map(|part| columns::names_of(&value(one, part)?))
            .flatten()
            .chain(value(one, DATE_COLUMN))
            .collect();
        let types = |of: &[(String, String)]| columns::types_of(&value(of, COLUMNS)?, &names);
        TablePlan::KEYS.iter().all(same) && types(one) == types(other)
    }

    /// The forbidden differences from an older plan's fingerprint: the name of each part, and a text with both values.
    pub fn differences(&self, older: &[(String, String)]) -> Vec<(&str, String)> {
        let mut differences = Vec::new();
        for (part, now) in &self.fingerprint {
            match older.iter().find(|(name, _)| name == part) {
                Some(_) if TOLD.contains(&part.as_str()) => {}
                Some((_, then)) if then != now => {
                    let came_and_went = match part.as_str() {
                        COLUMNS => columns::came_and_went(then, now),
                        _ => String::new(),
                    };
                    let text = format!("{part}: was {then}, is {now}{came_and_went}");
                    differences.push((part.as_str(), harmless_text(&text)));
                }
                None if part == KEY_COLLATIONS
                    || part == SOURCE_IDENTITY
                    || TOLD.contains(&part.as_str()) => {}
                None => differences.push((
                    part.as_str(),
                    harmless_text(&format!("{part}: was not known, is {now}")),
                )),
                Some(_) => {}
            }
        }
        differences
    }
}

/// The notes on columns that are not copied.
fn not_copied(name: &Identifier, source: &TableSchema) -> Vec<String> {
    let notes = source.refused.iter().map(|column| {
        format!(
            "Table {name}: column {} is not copied ({})",
            column.name, column.reason
        )
    });
    notes.collect()
}

fn date_position(source: &TableSchema, date_column: &Identifier) -> Result<usize> {
    let table = &source.name;
    let Some(position) = source.position(date_column.as_str()) else {
        let dates: Vec<&str> = source
            .columns
            .iter()
            .filter(|column| column.data_type.is_date())
            .map(|column| column.name.as_str())
            .collect();
        return Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Table {table} has no column {date_column}; set date_column to one of its date columns: {}",
                if dates.is_empty() {
                    "it has none".to_owned()
                } else {
                    dates.join(", ")
                }
            ),
        ));
    };
    let column = &source.columns[position];
    if !column.data_type.is_date() {
        return Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Column {date_column} of table {table} is {}, which is no date; set date_column to a date column",
                column.data_type
            ),
        ));
    }
    Ok(position)
}

/// Whether an index tells all rows apart by columns that chunks can be cut by.
fn is_usable(source: &TableSchema, index: &Index) -> bool {
    index.unique
        && index.complete
        && index.columns.iter().all(|name| {
            source.position(name.as_str()).is_some_and(|position| {
                !source.columns[position].nullable && source.columns[position].data_type.is_key()
            })
        })
}

/// The columns of the chosen unique index: the one asked for, else the clustered one, else the primary key, else the
/// one with the fewest columns.
fn unique_columns(source: &TableSchema, asked: Option<&[Identifier]>) -> Result<Vec<usize>> {
    let asked_for = |index: &&Index| {
        asked.is_none_or(|asked| {
            asked.len() == index.columns.len()
                && asked
                    .iter()
                    .all(|name| index.columns.iter().any(|column| column.same_as(name.as_str())))
        })
    };
    let best = source
        .indexes
        .iter()
        .filter(|index| is_usable(source, index))
        .filter(asked_for)
        .min_by_key(|index| (!index.clustered, !index.primary_key, index.columns.len()));
    match (best, asked) {
        (Some(index), _) => Ok(index
            .columns
            .iter()
            .filter_map(|name| source.position(name.as_str()))
            .collect()),
        (None, Some(asked)) => Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Table {} has no unique, unfiltered index over exactly the NOT NULL columns {}; \
                 name the columns of such an index in key, or leave key out",
                source.name,
                asked
                    .iter()
                    .map(Identifier::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        )),
        (None, None) => Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Table {} has no unique, unfiltered index over NOT NULL columns, so its rows cannot be told apart; \
                 ask for such an index, or leave the table out",
                source.name
            ),
        )),
    }
}

/// The columns by which to find a row whose date may have changed, in this order of preference:
///
/// - the unique key, if it does not hold the date;
/// - another unique index that does not hold the date;
/// - the rest of the key, if an index begins with just those columns.
fn traced(source: &TableSchema, key: &Key) -> Option<Vec<usize>> {
    let date = key.date?;
    let without_date = |columns: &[usize]| !columns.contains(&date);
    if without_date(&key.unique) {
        return Some(key.unique.clone());
    }
    let positions = |index: &Index| -> Option<Vec<usize>> {
        let names = index.columns.iter();
        names.map(|name| source.position(name.as_str())).collect()
    };
    let findable = |position: &usize| source.columns[*position].data_type.is_key();
    let usable = |columns: &Vec<usize>| {
        without_date(columns)
            && columns
                .iter()
                .all(|position| findable(position) && !source.columns[*position].nullable)
    };
    let unique = source
        .indexes
        .iter()
        .filter(|index| index.unique && index.complete);
    if let Some(columns) = unique.filter_map(positions).filter(usable).min_by_key(Vec::len) {
        return Some(columns);
    }
    let rest: Vec<usize> = key
        .unique
        .iter()
        .copied()
        .filter(|position| *position != date)
        .collect();
    let finds = |index: &Index| {
        positions(index).is_some_and(|columns| {
            columns.len() >= rest.len()
                && rest
                    .iter()
                    .all(|position| columns[..rest.len()].contains(position))
        })
    };
    let found = source.indexes.iter().any(|index| index.complete && finds(index));
    (!rest.is_empty() && found).then_some(rest)
}

/// The parts of a fingerprint, of which the key's are not set yet.
fn fingerprint(
    source: &TableSchema,
    date: Option<usize>,
    target: &TableName,
    database: &str,
) -> Vec<(String, String)> {
    let mut columns = String::new();
    for column in &source.columns {
        let null = if column.nullable { "NULL" } else { "NOT NULL" };
        let _ = write!(
            columns,
            "{}{} {} {null}",
            if columns.is_empty() { "" } else { ", " },
            column.name.as_str(),
            column.data_type
        );
    }
    let date = date.map_or_else(
        || NO_DATE.to_owned(),
        |date| source.columns[date].name.as_str().to_owned(),
    );
    let parts = [
        (SOURCE_DATABASE, database.to_owned()),
        (SOURCE_TABLE, source.name.exact()),
        (TARGET_TABLE, target.exact()),
        (DATE_COLUMN, date),
        (KEY, String::new()),
        (COLUMNS, columns),
    ];
    parts
        .into_iter()
        .map(|(part, value)| (part.to_owned(), value))
        .collect()
}

fn names(source: &TableSchema, positions: &[usize]) -> String {
    positions
        .iter()
        .map(|position| source.columns[*position].name.quoted())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests;
