//! The way that a table's windows are read: chosen by the source's indexes before the first load, and kept after that.
//!
//! Receipts and checkpoints hold keys in the order of the path. So a table stays on it whatever indexes come and go,
//! and a change of the indexes never changes what a stored key means.

use crate::model::table::{Identifier, Index, Key, TableSchema};

/// The way that a table's windows are read, chosen once a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessPath {
    /// In the order of (date, key), which an index delivers.
    Date,
    /// In the order of (date, key) one day at a time, which the server sorts.
    DayWalk,
    /// In the order of the key without a date, for a reference table.
    Key,
    /// In the order of the unique key, which its index delivers, with the date as a filter.
    Walk,
}

impl AccessPath {
    /// Its name, as status and the target's plan have it.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessPath::Date => "date",
            AccessPath::DayWalk => "day walk",
            AccessPath::Key => "key",
            AccessPath::Walk => "key walk",
        }
    }

    /// The access path of this name.
    pub fn named(name: &str) -> Option<AccessPath> {
        use AccessPath::{Date, DayWalk, Key, Walk};
        [Date, DayWalk, Key, Walk]
            .into_iter()
            .find(|path| path.as_str() == name)
    }

    /// Whether windows of dates are ordered by the date first.
    pub(super) fn is_date_first(self) -> bool {
        matches!(self, AccessPath::Date | AccessPath::DayWalk)
    }
}

/// The access path of a monthly table that nothing is loaded of, and its key in that order.
pub(super) fn choose(source: &TableSchema, date: usize, unique: Vec<usize>) -> (AccessPath, Key) {
    let mut key = Key {
        date: Some(date),
        unique,
        date_first: true,
    };
    let delivers = |positions: &[usize]| delivering(source, positions).next().is_some();
    let path = if delivers(&key.by_date()) {
        AccessPath::Date
    } else if source.begins_with(&source.columns[date].name) || !delivers(&key.unique) {
        // An index finds each day, and the server sorts no more than that. A walk over a key whose order nothing delivers
        // would sort the table for each chunk.
        AccessPath::DayWalk
    } else {
        // One scan a window instead of one a day.
        AccessPath::Walk
    };
    key.date_first = path.is_date_first();
    (path, key)
}

/// The indexes that deliver the order of the columns at `positions`. An index that is not clustered delivers its own
/// columns, then those of the clustered index, by which the server finds the row.
pub(super) fn delivering<'a>(
    source: &'a TableSchema,
    positions: &[usize],
) -> impl Iterator<Item = &'a Index> + use<'a> {
    let name = |position: &usize| &source.columns[*position].name;
    let wanted: Vec<&Identifier> = positions.iter().map(name).collect();
    let clustered = clustered(source).filter(|clustered| clustered.ascending);
    let ordered = source.indexes.iter().filter(|index| index.is_ordered());
    ordered.filter(move |index| {
        let mut order: Vec<&Identifier> = index.columns.iter().collect();
        if let (false, Some(clustered)) = (index.clustered, clustered) {
            let more = clustered.columns.iter().filter(|name| !order.contains(name));
            let more: Vec<&Identifier> = more.collect();
            order.extend(more);
        }
        order.len() >= wanted.len() && order.iter().zip(&wanted).all(|(has, want)| has == want)
    })
}

fn clustered(source: &TableSchema) -> Option<&Index> {
    source.indexes.iter().find(|index| index.clustered)
}

/// Whether rows of the index hold a column, so that the server need not look it up in the table.
pub(super) fn holds(source: &TableSchema, index: &Index, column: &Identifier) -> bool {
    let own = index.columns.iter().chain(&index.included);
    let by = clustered(source).into_iter().flat_map(|index| &index.columns);
    index.clustered
        || own
            .chain(by)
            .chain(&index.partitioned_by)
            .any(|held| held.same_as(column.as_str()))
}
