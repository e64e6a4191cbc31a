//! The plan of a table that was loaded before: by the key and the access path of its first load, and what an operator
//! is told of their cost.

use crate::model::plan::columns::names_of;
use crate::model::plan::path::{delivering, holds};
use crate::model::plan::{AccessPath, DATE_COLUMN, KEY, TablePlan, is_usable, names};
use crate::model::table::{Index, Key};
use crate::model::window::Kind;

impl TablePlan {
    /// The plan by the key and the access path that its target was loaded by, whatever indexes the source has now:
    /// `recorded` and `older` are the path and the fingerprint of that load. The key is kept if a usable index still
    /// tells all rows apart by its columns. If none does, or the configuration asks for another key, the plan has its
    /// own, which [`TablePlan::differences`] then names.
    #[must_use]
    pub fn keeping(self, recorded: AccessPath, older: &[(String, String)]) -> TablePlan {
        let value = |wanted: &str| {
            let found = older.iter().find(|(part, _)| part == wanted);
            found.map(|(_, value)| value.as_str())
        };
        let dated = |date: &str| self.date().is_some_and(|column| column.name.as_str() == date);
        // A change of the mode or of the date column is a difference that is refused as such.
        if self.is_full() != (recorded == AccessPath::Key)
            || value(DATE_COLUMN).is_some_and(|date| !self.is_full() && !dated(date))
        {
            return self;
        }
        let date_first = recorded.is_date_first();
        let kept = value(KEY).and_then(|names| self.kept_key(names, date_first));
        let key = Key {
            date: self.key.date,
            unique: kept.unwrap_or_else(|| self.key.unique.clone()),
            date_first,
        };
        let delivered = || delivering(&self.source, &key.by_date()).next().is_some();
        let path = match recorded {
            AccessPath::Date | AccessPath::DayWalk if delivered() => AccessPath::Date,
            AccessPath::Date | AccessPath::DayWalk => AccessPath::DayWalk,
            AccessPath::Key | AccessPath::Walk => recorded,
        };
        self.by(path, key)
    }

    /// The unique columns behind the recorded `names` of the columns that order a window's rows, in their order; `None` if
    /// no usable index is over just these, or the configuration asks for others.
    fn kept_key(&self, names: &str, date_first: bool) -> Option<Vec<usize>> {
        let positions = names_of(names)?.into_iter();
        let recorded: Vec<usize> = positions
            .map(|name| self.source.position(&name))
            .collect::<Option<_>>()?;
        let own = Key {
            date_first,
            ..self.key.clone()
        };
        if is_same_set(&own.order(Kind::Dates(())), &recorded) {
            let of_key = |position: &usize| own.unique.contains(position);
            return Some(recorded.into_iter().filter(of_key).collect());
        }
        if self.is_key_asked {
            return None;
        }
        // The date that comes first need not be part of the unique key.
        let date = self.key.date.filter(|_| date_first);
        let others = recorded
            .iter()
            .copied()
            .filter(|position| Some(*position) != date);
        [others.collect(), recorded]
            .into_iter()
            .find(|unique: &Vec<usize>| {
                let mut indexes = self.source.indexes.iter();
                (unique.is_empty() && self.is_full())
                    || indexes.any(|index| is_usable(&self.source, index) && self.is_over(index, unique))
            })
    }

    /// Whether an index is over just these columns, in whatever order.
    fn is_over(&self, index: &Index, columns: &[usize]) -> bool {
        let names = index.columns.iter();
        let own: Option<Vec<usize>> = names.map(|name| self.source.position(name.as_str())).collect();
        own.is_some_and(|own| is_same_set(&own, columns))
    }

    /// Adds a note on rows without a date that no index finds.
    pub(super) fn note_undated(&mut self) {
        let nullable = self.date().filter(|date| date.nullable);
        if let Some(date) = nullable.filter(|date| !self.source.begins_with(&date.name)) {
            let note = format!(
                "Table {}: rows may have no {} (window `undated`), and no index begins with it: such rows that come or go later \
                 are only noticed by a run that loads or counts other rows of the table",
                self.name, date.name
            );
            self.notes.push(note);
        }
    }

    /// The note on what the plan's access path and key cost; `None` if they cost no more than they must.
    pub(super) fn cost(&self) -> Option<String> {
        let text = match self.is_full() {
            true => self.keyless(),
            false => self.scans(),
        };
        text.map(|text| format!("Table {}: {text}", self.name))
    }

    /// What it means that a reference table has no key; `None` if it has one. The text is for an operator, and begins
    /// with a small letter.
    pub fn keyless(&self) -> Option<String> {
        if self.has_key() || !self.is_full() {
            return None;
        }
        Some(match self.unused_key() {
            None => "it has no unique index over NOT NULL columns: its rows cannot be told apart, so that \
                     all of it is one chunk, which must fit into chunk_bytes_max"
                .to_owned(),
            Some(index) => format!(
                "it was first loaded without a unique index and stays so: all of it is one chunk, which must fit into \
                 chunk_bytes_max. Index {} would serve; to use it, have the table loaded anew after \
                 `sync forget --table {}`",
                index.name, self.name
            ),
        })
    }

    /// An index that could be the key of a table that was first loaded without one, and stays so.
    pub fn unused_key(&self) -> Option<&Index> {
        let mut indexes = self.source.indexes.iter().filter(|_| !self.has_key());
        indexes.find(|index| is_usable(&self.source, index))
    }

    /// What it costs that the windows are not read in the order of an index on the date; `None` if they are. The text
    /// is for an operator, and begins with a small letter.
    pub fn scans(&self) -> Option<String> {
        let date = &self.date()?.name;
        let order = names(&self.source, &self.key.by_date());
        let key = names(&self.source, &self.key.order(Kind::Dates(())));
        let by_date = delivering(&self.source, &self.key.by_date()).next();
        match (self.access_path, by_date) {
            (AccessPath::Walk, _) if delivering(&self.source, &self.key.unique).next().is_none() => {
                Some(format!(
                    "slow: no index delivers the order ({key}) any more, by which it was first loaded and stays: each chunk is \
                     one scan of the table, which the server sorts; ask for an index on ({key}), or have the table \
                     loaded anew after `sync forget --table {}`",
                    self.name
                ))
            }
            (AccessPath::Walk, Some(index)) => Some(format!(
                "slow: it was first loaded without an index on {date} and stays so: each window is one scan of the \
                 table, in the order ({key}). Index {} would serve; to use it, have the table loaded anew after \
                 `sync forget --table {}`",
                index.name, self.name
            )),
            (AccessPath::Walk, None) => {
                let filtered =
                    delivering(&self.source, &self.key.unique).any(|index| holds(&self.source, index, date));
                let looked_up = match filtered {
                    true => "",
                    false => ", which looks up the date of each row",
                };
                Some(format!(
                    "slow: no index on {date}, each window is one scan of the table, in the order ({key}){looked_up}; \
                     ask for an index on ({order}), if the table is large"
                ))
            }
            (AccessPath::DayWalk, _) if self.source.begins_with(date) => Some(format!(
                "slow: no index on ({order}), each day is found by an index on {date} and sorted; ask for an \
                 index on ({order}), if the table is large"
            )),
            (AccessPath::DayWalk, _) => Some(format!(
                "slow: no index on {date}, each day is one scan of the table or more, and sorted; ask for an index \
                 on ({order}), if the table is large"
            )),
            (AccessPath::Date | AccessPath::Key, _) => None,
        }
    }

    /// What it costs that the index on the date lacks columns that are copied; `None` if it lacks none. The text is
    /// for an operator, and begins with a small letter.
    pub fn lookups(&self) -> Option<String> {
        if self.access_path != AccessPath::Date {
            return None;
        }
        let lacks = |index: &&Index| {
            let mut columns = self.columns().iter();
            columns.any(|column| !holds(&self.source, index, &column.name))
        };
        let mut serving = delivering(&self.source, &self.key.by_date());
        let index = serving.next()?;
        if !lacks(&index) || serving.any(|index| !lacks(&index)) {
            return None;
        }
        Some(format!(
            "index {} delivers the order but not all columns, so each row that is read costs a lookup in the table; \
             an index that includes the columns spares that",
            index.name
        ))
    }
}

fn is_same_set(one: &[usize], other: &[usize]) -> bool {
    one.len() == other.len() && one.iter().all(|position| other.contains(position))
}
