//! What is to be done with a table: its columns, its key, the way it is read, and whether that is still what
//! its checkpoints were made with. Pure: the catalog's answers go in, a plan or a refusal comes out.

use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::mssql::read_expression;
use crate::table::{Column, Identifier, Index, Key, TableName, TableSchema};
use crate::window::Kind;

pub use crate::checkpoint::AccessPath;

/// What the fingerprint of a reference table has for its date column.
const NO_DATE: &str = "none";

/// A table's plan: made once at the start of a run, the same for all its windows.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// The table's name in the configuration.
    pub name: Identifier,
    /// The table at the source.
    pub source: TableSchema,
    /// The table's name at the target.
    pub target: TableName,
    /// What rows are told apart and ordered by.
    pub key: Key,
    /// How windows are walked.
    pub access_path: AccessPath,
    /// What must not change between runs, by name.
    pub fingerprint: Vec<(String, String)>,
    /// What an operator should know: columns that are not copied, a walk that costs more.
    pub notes: Vec<String>,
}

impl TablePlan {
    /// Plans a monthly table.
    ///
    /// # Errors
    /// `Preflight` when the date column or a usable unique index is missing; each names what would do.
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
        let key = Key {
            date: Some(date),
            unique,
        };
        let access_path = access_path(&source, &key);
        let mut notes = not_copied(name, &source);
        if access_path == AccessPath::DayWalk {
            notes.push(format!(
                "Table {name}: no index delivers the order ({}), so each day is read and sorted by itself",
                names(&source, &key.order(Kind::Dates))
            ));
        }
        let fingerprint = fingerprint(&source, &key, &target, source_database);
        Ok(TablePlan {
            name: name.clone(),
            source,
            target,
            key,
            access_path,
            fingerprint,
            notes,
        })
    }

    /// Plans a reference table, which is copied whole. Without a unique index all its rows are one chunk.
    ///
    /// # Errors
    /// `Preflight` when the key that is asked for is none.
    pub fn full(
        name: &Identifier,
        source: TableSchema,
        target: TableName,
        key: Option<&[Identifier]>,
        source_database: &str,
    ) -> Result<TablePlan> {
        let mut notes = not_copied(name, &source);
        let unique = match unique_columns(&source, key) {
            Err(_) if key.is_none() => {
                notes.push(format!(
                    "Table {name}: it has no unique, unfiltered index over NOT NULL columns, so that all of it is one \
                     chunk; it must fit into chunk_bytes_max"
                ));
                Vec::new()
            }
            unique => unique?,
        };
        let key = Key { date: None, unique };
        let fingerprint = fingerprint(&source, &key, &target, source_database);
        Ok(TablePlan {
            name: name.clone(),
            source,
            target,
            key,
            access_path: AccessPath::Key,
            fingerprint,
            notes,
        })
    }

    /// The plan that a target table was loaded by, as its fingerprint tells it: enough to read the target back and to
    /// compare, and nothing was asked of the source for it.
    ///
    /// # Errors
    /// `State` when the fingerprint does not tell it.
    pub fn recorded(
        name: &Identifier,
        target: TableName,
        access_path: AccessPath,
        fingerprint: Vec<(String, String)>,
    ) -> Result<TablePlan> {
        let part = |wanted: &str| {
            let found = fingerprint.iter().find(|(part, _)| part == wanted);
            found
                .map(|(_, value)| value.as_str())
                .ok_or_else(|| unreadable(&target))
        };
        let (schema, table) = part("source table")?
            .split_once('.')
            .ok_or_else(|| unreadable(&target))?;
        let source = TableSchema {
            name: TableName {
                schema: Identifier::new(schema)?,
                name: Identifier::new(table)?,
            },
            object_id: 0,
            create_date: chrono::NaiveDateTime::MIN,
            columns: columns_of(part("columns")?).ok_or_else(|| unreadable(&target))?,
            refused: Vec::new(),
            indexes: Vec::new(),
        };
        let position = |column: &str| source.position(column).ok_or_else(|| unreadable(&target));
        let date = match part("date column")? {
            NO_DATE if access_path == AccessPath::Key => None,
            column => Some(position(column)?),
        };
        let mut unique = Vec::new();
        for column in names_of(part("key")?).ok_or_else(|| unreadable(&target))? {
            let position = position(&column)?;
            unique.extend((Some(position) != date).then_some(position));
        }
        Ok(TablePlan {
            name: name.clone(),
            source,
            target,
            key: Key { date, unique },
            access_path,
            fingerprint,
            notes: Vec::new(),
        })
    }

    /// Whether the table is copied whole.
    pub fn is_full(&self) -> bool {
        self.key.date.is_none()
    }

    /// Whether rows may have no date, so that they are a window of their own.
    pub fn has_undated(&self) -> bool {
        self.date().is_some_and(|date| date.nullable)
    }

    /// Whether its rows can be told apart.
    pub fn has_key(&self) -> bool {
        !self.key.unique.is_empty()
    }

    /// The columns that are copied.
    pub fn columns(&self) -> &[Column] {
        &self.source.columns
    }

    /// The date column, where the table has windows of dates.
    pub fn date(&self) -> Option<&Column> {
        self.key.date.map(|position| &self.source.columns[position])
    }

    /// The columns that a window's rows are ordered by.
    pub fn key_columns(&self, kind: Kind) -> Vec<&Column> {
        self.key
            .order(kind)
            .into_iter()
            .map(|position| &self.source.columns[position])
            .collect()
    }

    /// The columns as the source is asked for them.
    pub fn source_select(&self) -> String {
        self.columns()
            .iter()
            .map(|column| read_expression(column, column.data_type))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// ` ORDER BY` and the key; nothing where there is none.
    pub fn order_by(&self, kind: Kind) -> String {
        match self.key.order(kind) {
            order if order.is_empty() => String::new(),
            order => format!(" ORDER BY {}", names(&self.source, &order)),
        }
    }

    /// What differs between this plan's fingerprint and an older one's, by name.
    pub fn differences(&self, older: &[(String, String)]) -> Vec<String> {
        let mut differences = Vec::new();
        for (part, now) in &self.fingerprint {
            match older.iter().find(|(name, _)| name == part) {
                Some((_, then)) if then != now => differences.push(format!("{part}: was {then}, is {now}")),
                None => differences.push(format!("{part}: was not known, is {now}")),
                Some(_) => {}
            }
        }
        differences
    }
}

/// What is to be said of columns that are left out.
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

/// The columns of the unique index to go by: the one asked for, else the clustered one, else the primary key,
/// else the one with the fewest columns.
fn unique_columns(source: &TableSchema, asked: Option<&[Identifier]>) -> Result<Vec<usize>> {
    let usable = |index: &&Index| {
        index.unique
            && index.complete
            && index.columns.iter().all(|name| {
                source.position(name.as_str()).is_some_and(|position| {
                    !source.columns[position].nullable && source.columns[position].data_type.is_key()
                })
            })
    };
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
        .filter(usable)
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

/// `Date` where an index delivers the key's order: its own columns, then, if it is not clustered, those of the
/// clustered index, by which a server finds the row.
fn access_path(source: &TableSchema, key: &Key) -> AccessPath {
    let wanted: Vec<&Identifier> = key
        .order(Kind::Dates)
        .into_iter()
        .map(|position| &source.columns[position].name)
        .collect();
    let clustered = source.indexes.iter().find(|index| index.clustered);
    let delivers = source
        .indexes
        .iter()
        .filter(|index| index.complete && index.ascending)
        .any(|index| {
            let mut order: Vec<&Identifier> = index.columns.iter().collect();
            if let (false, Some(clustered)) = (index.clustered, clustered)
                && clustered.ascending
            {
                let more: Vec<&Identifier> = clustered
                    .columns
                    .iter()
                    .filter(|name| !order.contains(name))
                    .collect();
                order.extend(more);
            }
            order.len() >= wanted.len() && order.iter().zip(&wanted).all(|(has, want)| has == want)
        });
    if delivers {
        AccessPath::Date
    } else {
        AccessPath::DayWalk
    }
}

fn fingerprint(source: &TableSchema, key: &Key, target: &TableName, database: &str) -> Vec<(String, String)> {
    let mut columns = String::new();
    for column in &source.columns {
        let null = if column.nullable { "NULL" } else { "NOT NULL" };
        let _ = write!(
            columns,
            "{}{} {} {null}",
            if columns.is_empty() { "" } else { ", " },
            column.name,
            column.data_type
        );
    }
    [
        ("source database", database.to_owned()),
        ("source table", source.name.to_string()),
        ("target table", target.to_string()),
        (
            "date column",
            match key.date {
                Some(date) => source.columns[date].name.to_string(),
                None => NO_DATE.to_owned(),
            },
        ),
        ("key", names(source, &key.order(Kind::Dates))),
        ("columns", columns),
    ]
    .map(|(part, value)| (part.to_owned(), value))
    .to_vec()
}

/// The columns of a fingerprint: name, type and NULL or NOT NULL of each.
fn columns_of(text: &str) -> Option<Vec<Column>> {
    let mut columns = Vec::new();
    let mut told = String::new();
    for piece in text.split(", ") {
        // A name may hold what stands between two columns.
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

/// The names of a list of quoted ones.
fn names_of(text: &str) -> Option<Vec<String>> {
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

fn unreadable(target: &TableName) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The plan of target table {target} in [sync].[plan] does not tell its columns and key; give --source, so that \
             the source is asked for them"
        ),
    )
}

fn names(source: &TableSchema, positions: &[usize]) -> String {
    positions
        .iter()
        .map(|position| source.columns[*position].name.quoted())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::DataType;

    fn id(name: &str) -> Identifier {
        Identifier::new(name).unwrap()
    }

    fn column(name: &str, data_type: DataType, nullable: bool) -> Column {
        Column {
            name: id(name),
            data_type,
            nullable,
            identity: false,
            collation: None,
        }
    }

    fn index(name: &str, columns: &[&str], clustered: bool, unique: bool) -> Index {
        Index {
            name: name.to_owned(),
            columns: columns.iter().map(|name| id(name)).collect(),
            clustered,
            unique,
            primary_key: name.starts_with("PK"),
            complete: true,
            ascending: true,
        }
    }

    fn schema(indexes: Vec<Index>) -> TableSchema {
        TableSchema {
            name: TableName {
                schema: id("dbo"),
                name: id("SALES"),
            },
            object_id: 1,
            create_date: "2025-01-01T00:00:00".parse().unwrap(),
            columns: vec![
                column("ID", DataType::BigInt, false),
                column("SALES_DATE", DataType::DateTime, false),
                column("STORE", DataType::Int, true),
                column("CODE", DataType::Int, false),
            ],
            refused: Vec::new(),
            indexes,
        }
    }

    fn plan(indexes: Vec<Index>, date: &str, key: Option<&[Identifier]>) -> Result<TablePlan> {
        let source = schema(indexes);
        let target = TableName {
            schema: id("dbo"),
            name: id("t_SALES"),
        };
        TablePlan::monthly(&id("SALES"), source, target, &id(date), key, "POS")
    }

    #[test]
    fn a_date_index_over_a_clustered_key_delivers_the_order() {
        let plan = plan(
            vec![
                index("PK", &["ID"], true, true),
                index("IX", &["SALES_DATE"], false, false),
            ],
            "sales_date",
            None,
        )
        .unwrap();
        assert_eq!(plan.access_path, AccessPath::Date);
        assert_eq!(plan.order_by(Kind::Dates), " ORDER BY [SALES_DATE], [ID]");
        assert_eq!(plan.order_by(Kind::Undated), " ORDER BY [ID]");
    }

    #[test]
    fn without_such_an_index_days_are_walked_and_it_is_said() {
        let mut descending = index("IX", &["SALES_DATE"], false, false);
        descending.ascending = false;
        let mut filtered = index("IY", &["SALES_DATE"], false, false);
        filtered.complete = false;
        for indexes in [
            vec![index("PK", &["ID"], true, true)],
            vec![index("PK", &["ID"], true, true), descending],
            vec![index("PK", &["ID"], true, true), filtered],
            vec![
                index("PK", &["ID"], false, true),
                index("IX", &["SALES_DATE"], false, false),
            ],
        ] {
            let plan = plan(indexes, "SALES_DATE", None).unwrap();
            assert_eq!(plan.access_path, AccessPath::DayWalk);
            assert_eq!(plan.notes.len(), 1);
        }
    }

    #[test]
    fn a_key_must_be_unique_and_not_null() {
        for indexes in [
            vec![],
            vec![index("IX", &["ID"], true, false)],
            vec![index("UX", &["STORE"], true, true)],
        ] {
            let error = plan(indexes, "SALES_DATE", None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Preflight);
            assert!(error.to_string().contains("dbo.SALES"));
        }
    }

    #[test]
    fn the_key_can_be_asked_for() {
        let indexes = || {
            vec![
                index("PK", &["ID"], true, true),
                index("UX", &["CODE"], false, true),
            ]
        };
        assert_eq!(plan(indexes(), "SALES_DATE", None).unwrap().key.unique, [0]);
        assert_eq!(
            plan(indexes(), "SALES_DATE", Some(&[id("code")]))
                .unwrap()
                .key
                .unique,
            [3]
        );
        assert!(plan(indexes(), "SALES_DATE", Some(&[id("STORE")])).is_err());
    }

    #[test]
    fn the_date_may_be_part_of_the_unique_index() {
        let plan = plan(
            vec![index("PK", &["ID", "SALES_DATE"], true, true)],
            "SALES_DATE",
            None,
        )
        .unwrap();
        assert_eq!(plan.key.order(Kind::Dates), [1, 0]);
        assert_eq!(plan.key.unique, [0, 1]);
        assert_eq!(plan.access_path, AccessPath::DayWalk);
    }

    #[test]
    fn a_date_column_that_is_none_is_refused_with_the_ones_there_are() {
        let error = plan(vec![index("PK", &["ID"], true, true)], "DATED", None).unwrap_err();
        assert!(error.to_string().ends_with("SALES_DATE"), "{error}");
        assert!(plan(vec![index("PK", &["ID"], true, true)], "CODE", None).is_err());
    }

    #[test]
    fn a_plan_is_known_by_its_fingerprint() {
        let mut source = schema(vec![index("PK", &["ID", "a]b, c int NULL"], true, true)]);
        source.columns.push(column(
            "a]b, c int NULL",
            DataType::Decimal {
                precision: 18,
                scale: 4,
            },
            false,
        ));
        let target = TableName {
            schema: id("dbo"),
            name: id("t_SALES"),
        };
        let name = id("SALES");
        let of = |plan: TablePlan| {
            let again =
                TablePlan::recorded(&name, target.clone(), plan.access_path, plan.fingerprint.clone());
            (plan, again.unwrap())
        };
        let dated = TablePlan::monthly(
            &name,
            source.clone(),
            target.clone(),
            &id("SALES_DATE"),
            None,
            "POS",
        );
        let whole = TablePlan::full(&name, source.clone(), target.clone(), None, "POS");
        source.indexes.clear();
        let unkeyed = TablePlan::full(&name, source, target.clone(), None, "POS");
        for plan in [dated, whole, unkeyed] {
            let (plan, again) = of(plan.unwrap());
            assert_eq!(again.key, plan.key);
            assert_eq!(again.source.columns, plan.source.columns);
            assert_eq!(again.source.name, plan.source.name);
            assert!(again.differences(&plan.fingerprint).is_empty());
        }
    }

    #[test]
    fn a_changed_plan_names_what_changed() {
        let old = plan(vec![index("PK", &["ID"], true, true)], "SALES_DATE", None).unwrap();
        let new = plan(vec![index("PK", &["CODE"], true, true)], "SALES_DATE", None).unwrap();
        assert_eq!(
            new.differences(&old.fingerprint),
            ["key: was [SALES_DATE], [ID], is [SALES_DATE], [CODE]"]
        );
        assert!(old.differences(&old.fingerprint.clone()).is_empty());
    }
}
