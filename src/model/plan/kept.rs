//! The plan of a table that was loaded before, and what an operator is told of the cost of its access path.

use crate::model::plan::path::{delivering, holds};
use crate::model::plan::{AccessPath, KEY, TablePlan, names};
use crate::model::table::Index;
use crate::model::window::Kind;

impl TablePlan {
    /// The plan by the access path that its target was loaded by, whatever indexes the source has now.
    #[must_use]
    pub fn keeping(mut self, recorded: AccessPath) -> TablePlan {
        // A change of the mode is a difference of the date column, which is refused as such.
        if self.is_full() || recorded == AccessPath::Key || recorded.is_date_first() == self.key.date_first {
            return self;
        }
        let before = self.scans().map(|text| self.noted(&text));
        self.notes.retain(|note| Some(note) != before.as_ref());
        self.key.date_first = recorded.is_date_first();
        // A table whose key would be walked now has no index in the order of its dates.
        self.access_path = match recorded.is_date_first() {
            true => AccessPath::DayWalk,
            false => AccessPath::Walk,
        };
        let key = self.key_names();
        let part = self.fingerprint.iter_mut().find(|(part, _)| part == KEY);
        if let Some((_, value)) = part {
            *value = key;
        }
        self.note_scans();
        self
    }

    /// Adds a note on scans of the table.
    pub(super) fn note_scans(&mut self) {
        let note = self.scans().map(|text| self.noted(&text));
        self.notes.extend(note);
    }

    /// Adds a note on rows without a date that no index finds.
    pub(super) fn note_undated(&mut self) {
        let nullable = self.date().filter(|date| date.nullable);
        if let Some(date) = nullable.filter(|date| !self.source.begins_with(&date.name)) {
            let note = self.noted(&format!(
                "rows may have no {} (window `undated`), and no index begins with it: such rows that come or go later \
                 are only noticed by a run that loads or counts other rows of the table",
                date.name
            ));
            self.notes.push(note);
        }
    }

    fn noted(&self, text: &str) -> String {
        format!("Table {}: {text}", self.name)
    }

    /// What it costs that the windows are not read in the order of an index on the date; `None` if they are. The text
    /// is for an operator, and begins with a small letter.
    pub fn scans(&self) -> Option<String> {
        let date = &self.date()?.name;
        let order = names(&self.source, &self.key.by_date());
        let key = names(&self.source, &self.key.order(Kind::Dates(())));
        let by_date = delivering(&self.source, &self.key.by_date()).next();
        match (self.access_path, by_date) {
            (AccessPath::Walk, Some(index)) => Some(format!(
                "it was first loaded without an index on ({order}) and stays so: each window is one scan of the \
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
                    "no index on ({order}): each window is one scan of the table, in the order ({key}){looked_up}; \
                     ask for an index on ({order}), if the table is large"
                ))
            }
            (AccessPath::DayWalk, _) if self.source.begins_with(date) => Some(format!(
                "no index on ({order}): each day is found by an index on {date} and sorted by the server; ask for an \
                 index on ({order}), if the table is large"
            )),
            (AccessPath::DayWalk, _) => Some(format!(
                "no index on ({order}): each day is one scan of the table or more, which the server sorts; ask for \
                 an index on ({order}), if the table is large"
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
