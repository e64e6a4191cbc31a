//! How a table that nobody configured yet could be copied: by the months of a date column, whole, or not at all.
//!
//! A guess from the catalog's answers alone. A date column is a good one if an index begins with it, every row has it,
//! and its name does not say that it changes. The reasons are told, as an operator decides.

use crate::base::error::Result;
use crate::base::text::rows;
use crate::model::plan::{AccessPath, TablePlan};
use crate::model::table::{Column, DataType, Identifier, Index, TableSchema};

/// A reference table is read whole by each run, at both ends, and a month of a walk is one scan: with fewer rows both are
/// done in a minute or so.
const LARGE_ROWS: u64 = 1_000_000;

/// A table without a key is one chunk. More rows, of 160 bytes each, do not fit into a chunk of the default size.
const KEYLESS_ROWS_MAX: u64 = 100_000;

/// Parts of the names of dates that say little of when a row was made: they change later, or lie in the future.
const CHANGING: [&str; 12] = [
    "BIRTH", "CHANG", "DELET", "EXPIR", "LAST", "MODIF", "SYNC", "UNTIL", "UPDAT", "UPLOAD", "VALID", "_TO",
];

/// The most columns that a reason names.
const NAMED_MAX: usize = 4;

/// A table, and the way in which it could be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The way.
    pub way: Way,
    /// Its date columns, the best first.
    pub dates: Vec<DateColumn>,
    /// The columns of the key that would be chosen, in order; none without one.
    pub key: Vec<Identifier>,
    /// What an operator should know: columns that are not copied, a date that no index begins with.
    pub notes: Vec<String>,
}

/// The way in which a table could be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By the months of this column, read by this path.
    Monthly(Identifier, AccessPath),
    /// Whole, in each run.
    Full,
    /// Not at all, for this reason.
    Not(String),
}

/// A column that months could be cut by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateColumn {
    /// Its name.
    pub name: Identifier,
    /// Its type.
    pub data_type: DataType,
    /// Whether rows may have no date.
    pub nullable: bool,
    /// The index that begins with it, the clustered one first.
    pub index: Option<String>,
    /// Whether that index is the clustered one.
    pub clustered: bool,
}

impl Survey {
    /// Looks at a table that has about `row_count` rows; `None` if nobody knows.
    pub fn of(schema: &TableSchema, row_count: Option<u64>) -> Survey {
        let whole = TablePlan::full(&schema.name.name, schema.clone(), schema.name.clone(), None, "");
        let key: Vec<Identifier> = whole.map_or_else(
            |_| Vec::new(),
            |plan| {
                let unique = plan.key.unique.iter();
                unique
                    .map(|position| plan.columns()[*position].name.clone())
                    .collect()
            },
        );
        let dates = dates(schema);
        let mut survey = Survey {
            way: way(schema, row_count, !key.is_empty(), &dates),
            dates,
            key,
            notes: Vec::new(),
        };
        survey.note(schema, row_count);
        survey
    }

    /// The months that it could be cut by otherwise.
    pub fn other_dates(&self) -> impl Iterator<Item = &DateColumn> {
        let chosen = match &self.way {
            Way::Monthly(name, _) => Some(name),
            Way::Full | Way::Not(_) => None,
        };
        self.dates.iter().filter(move |date| Some(&date.name) != chosen)
    }

    fn note(&mut self, schema: &TableSchema, row_count: Option<u64>) {
        let large = row_count.is_some_and(|count| count > LARGE_ROWS);
        match &self.way {
            Way::Monthly(name, _) => {
                if let Ok(plan) = monthly(schema, name) {
                    self.notes.extend(plan.scans());
                }
                let date = self.dates.iter().find(|date| &date.name == name);
                if date.is_some_and(|date| date.nullable) {
                    self.notes.push(format!(
                        "{name} may be NULL: such rows are a window of their own, `undated`"
                    ));
                }
            }
            Way::Full if large && self.dates.is_empty() => self
                .notes
                .push("Large for a table without a date: each run reads all of it".to_owned()),
            Way::Full if self.key.is_empty() => self
                .notes
                .push("No unique index over NOT NULL columns: all of it is one chunk".to_owned()),
            Way::Full | Way::Not(_) => {}
        }
        if !schema.refused.is_empty() && !schema.columns.is_empty() {
            let refused = schema
                .refused
                .iter()
                .map(|column| format!("{} ({})", column.name, column.reason));
            self.notes.push(format!("Not copied: {}", listed(refused)));
        }
    }
}

fn way(schema: &TableSchema, row_count: Option<u64>, has_key: bool, dates: &[DateColumn]) -> Way {
    if schema.columns.is_empty() {
        let refused = schema
            .refused
            .iter()
            .map(|column| format!("{} ({})", column.name, column.reason));
        return Way::Not(format!("None of its columns can be copied: {}", listed(refused)));
    }
    let best = dates.first();
    let good = best.filter(|date| has_key && date.index.is_some() && !is_changing(&date.name));
    let Some(count) = row_count.or(good.map(|_| 0)) else {
        return Way::Not(
            "The server does not tell its number of rows, and each run would read all of it: add it if it is small"
                .to_owned(),
        );
    };
    if !has_key {
        if count <= KEYLESS_ROWS_MAX {
            return Way::Full;
        }
        return Way::Not(format!(
            "It has no unique index over NOT NULL columns, so that all of it would be one chunk, and {} hardly fit \
             into one (chunk_bytes_max); ask for such an index",
            rows(count)
        ));
    }
    let Some(best) = best else {
        return Way::Full;
    };
    if good.is_none() && count <= LARGE_ROWS {
        return Way::Full;
    }
    monthly(schema, &best.name).map_or(Way::Full, |plan| {
        Way::Monthly(best.name.clone(), plan.access_path)
    })
}

/// The plan of a table that this date cuts into months.
fn monthly(schema: &TableSchema, date: &Identifier) -> Result<TablePlan> {
    let (table, target) = (&schema.name.name, schema.name.clone());
    TablePlan::monthly(table, schema.clone(), target, date, None, "")
}

/// The date columns, the best first: of an index, of every row, of one that does not change, of the clustered index.
fn dates(schema: &TableSchema) -> Vec<DateColumn> {
    let columns = schema.columns.iter().filter(|column| column.data_type.is_date());
    let mut dates: Vec<DateColumn> = columns.map(|column| date(schema, column)).collect();
    dates.sort_by_key(|date| {
        (
            date.index.is_none(),
            is_changing(&date.name),
            date.nullable,
            !date.clustered,
        )
    });
    dates
}

fn date(schema: &TableSchema, column: &Column) -> DateColumn {
    let begins = |index: &&Index| {
        let first = index.columns.first();
        index.complete && first.is_some_and(|first| first.same_as(column.name.as_str()))
    };
    let index = schema
        .indexes
        .iter()
        .filter(begins)
        .min_by_key(|index| !index.clustered);
    DateColumn {
        name: column.name.clone(),
        data_type: column.data_type,
        nullable: column.nullable,
        index: index.map(|index| index.name.clone()),
        clustered: index.is_some_and(|index| index.clustered),
    }
}

fn is_changing(name: &Identifier) -> bool {
    let name = name.as_str().to_uppercase();
    CHANGING.iter().any(|part| match part.strip_prefix('_') {
        // A word of two letters counts at the end only.
        Some(_) => name.ends_with(part),
        None => name.contains(part),
    })
}

/// Names, as many as a line takes.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let left = names.len().saturating_sub(NAMED_MAX);
    let named: Vec<String> = names.take(NAMED_MAX).collect();
    match left {
        0 => named.join(", "),
        left => format!("{} and {left} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::{RefusedColumn, TableName};

    fn id(name: &str) -> Identifier {
        Identifier::new(name).unwrap()
    }

    /// A table with a clustered primary key on ID, these dates (`?` after the name for one that may be NULL), and an
    /// index on each of `indexed`.
    fn table(dates: &[&str], indexed: &[&str]) -> TableSchema {
        let column = |name: &str, data_type, nullable| Column {
            name: id(name),
            data_type,
            nullable,
            identity: false,
            collation: None,
        };
        let index = |name: &str, own: bool| Index {
            name: format!("IX_{name}"),
            columns: vec![id(name)],
            included: Vec::new(),
            partitioned_by: None,
            clustered: own,
            unique: own,
            primary_key: own,
            complete: true,
            ascending: true,
        };
        let dates = dates.iter().map(|name| {
            column(
                name.trim_end_matches('?'),
                DataType::DateTime,
                name.ends_with('?'),
            )
        });
        TableSchema {
            name: TableName {
                schema: id("dbo"),
                name: id("T"),
            },
            object_id: 1,
            create_date: "2025-01-01T00:00:00".parse().unwrap(),
            columns: std::iter::once(column("ID", DataType::Int, false))
                .chain(dates)
                .collect(),
            refused: Vec::new(),
            indexes: std::iter::once(index("ID", true))
                .chain(indexed.iter().map(|name| index(name, false)))
                .collect(),
            columnstore: false,
        }
    }

    fn by_month(name: &str, path: AccessPath) -> Way {
        Way::Monthly(id(name), path)
    }

    #[test]
    fn the_date_that_an_index_begins_with_cuts_the_months() {
        let survey = Survey::of(&table(&["BOOKED_AT", "SOLD_AT"], &["SOLD_AT"]), Some(10));
        assert_eq!(survey.way, by_month("SOLD_AT", AccessPath::Date));
        assert_eq!(survey.key, [id("ID")]);
        assert_eq!(survey.notes, [""; 0]);
        let others: Vec<&str> = survey.other_dates().map(|date| date.name.as_str()).collect();
        assert_eq!(others, ["BOOKED_AT"]);
        // One that every row has wins, and then one that does not change.
        let survey = Survey::of(&table(&["A?", "B"], &["A", "B"]), None);
        assert_eq!(survey.way, by_month("B", AccessPath::Date));
        let survey = Survey::of(
            &table(&["UPDATED_AT", "MADE_AT?"], &["UPDATED_AT", "MADE_AT"]),
            None,
        );
        assert_eq!(survey.way, by_month("MADE_AT", AccessPath::Date));
        assert_eq!(
            survey.notes,
            ["MADE_AT may be NULL: such rows are a window of their own, `undated`"]
        );
    }

    #[test]
    fn a_date_without_an_index_cuts_large_tables_only() {
        let schema = table(&["SOLD_AT"], &[]);
        assert_eq!(Survey::of(&schema, Some(LARGE_ROWS)).way, Way::Full);
        assert!(matches!(Survey::of(&schema, None).way, Way::Not(_)));
        let large = Survey::of(&schema, Some(LARGE_ROWS + 1));
        assert_eq!(large.way, by_month("SOLD_AT", AccessPath::Walk));
        assert!(
            large.notes[0].starts_with("slow: no index on SOLD_AT"),
            "{large:?}"
        );
        // A date that changes moves rows from month to month.
        let schema = table(&["LAST_SEEN"], &["LAST_SEEN"]);
        assert_eq!(Survey::of(&schema, Some(5)).way, Way::Full);
        assert_eq!(
            Survey::of(&schema, Some(LARGE_ROWS + 1)).way,
            by_month("LAST_SEEN", AccessPath::Date)
        );
    }

    #[test]
    fn tables_without_a_date_are_whole() {
        assert_eq!(Survey::of(&table(&[], &[]), Some(5)).notes, [""; 0]);
        let large = Survey::of(&table(&[], &[]), Some(LARGE_ROWS + 1));
        assert_eq!(large.way, Way::Full);
        assert!(
            large.notes[0].starts_with("Large for a table without a date"),
            "{large:?}"
        );
    }

    #[test]
    fn a_large_table_without_a_key_is_not_copied() {
        let mut schema = table(&["SOLD_AT"], &["SOLD_AT"]);
        schema.indexes.remove(0);
        let small = Survey::of(&schema, Some(KEYLESS_ROWS_MAX));
        assert_eq!(small.way, Way::Full);
        assert!(small.notes[0].starts_with("No unique index"), "{small:?}");
        let Way::Not(why) = Survey::of(&schema, Some(KEYLESS_ROWS_MAX + 1)).way else {
            panic!("it is too large for one chunk");
        };
        assert!(why.contains("100,001 rows hardly fit"), "{why}");
    }

    #[test]
    fn columns_that_are_not_copied_are_named() {
        let mut schema = table(&[], &[]);
        let refused = |n: usize| RefusedColumn {
            name: id(&format!("C{n}")),
            reason: "geography".to_owned(),
        };
        schema.refused = (0..6).map(refused).collect();
        let survey = Survey::of(&schema, Some(5));
        assert!(
            survey.notes[0].starts_with("Not copied: C0 (geography), "),
            "{survey:?}"
        );
        assert!(survey.notes[0].ends_with(" and 2 more"), "{survey:?}");
        schema.columns.clear();
        schema.indexes.clear();
        let survey = Survey::of(&schema, Some(5));
        let Way::Not(why) = survey.way else {
            panic!("nothing of it can be copied");
        };
        assert!(
            why.starts_with("None of its columns can be copied: C0 (geography)"),
            "{why}"
        );
        assert_eq!(survey.notes, [""; 0]);
    }
}
