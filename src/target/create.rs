//! The statements that create a target table.

use crate::model::plan::{AccessPath, TablePlan};
use crate::model::table::{Column, TableName, shortened};
use crate::model::window::Kind;

/// The most bytes of a clustered index's key. A server refuses the index, or later a row, that has more.
const CLUSTERED_BYTES_MAX: u32 = 900;

/// The statements that create a plan's target table.
pub fn create_sql(plan: &TablePlan) -> String {
    let names = |positions: &[usize]| {
        let names = positions
            .iter()
            .map(|position| plan.columns()[*position].name.quoted());
        names.collect::<Vec<_>>().join(", ")
    };
    let table = plan.target.quoted();
    let index = |prefix: &str, kind: &str, positions: &[usize]| {
        let name = named(prefix, plan.target.name.as_str());
        format!(" CREATE {kind} {name} ON {table} ({});", names(positions))
    };
    let (order, unique) = (plan.key.order(Kind::Dates(())), &plan.key.unique);
    let bytes = |position: &usize| plan.columns()[*position].data_type.key_bytes_max();
    let is_wide = order.iter().map(bytes).sum::<u32>() > CLUSTERED_BYTES_MAX;
    let (primary_key, beside) = if is_wide {
        // The primary key may be longer. The date alone still orders the rows well enough to read a window.
        let by_date = plan.key.date.map(|date| index("CX_", "CLUSTERED INDEX", &[date]));
        (("NONCLUSTERED", unique), by_date)
    } else if order.len() == unique.len() {
        // One index serves both: the order of the rows is the unique key's, but for the place of the date. The rows of a
        // walk are counted by their dates beside it, and readers of the warehouse ask by them.
        let walked = plan.access_path == AccessPath::Walk;
        let by_date = walked.then(|| index("IX_", "INDEX", &plan.key.by_date()));
        (("CLUSTERED", &order), by_date)
    } else {
        let clustered = index("CX_", "UNIQUE CLUSTERED INDEX", &order);
        (("NONCLUSTERED", unique), Some(clustered))
    };
    let (kind, key) = primary_key;
    let columns: Vec<String> = plan.columns().iter().map(column_sql).collect();
    format!(
        "CREATE TABLE {table} ({}, CONSTRAINT {} PRIMARY KEY {kind} ({}));{}",
        columns.join(", "),
        named("PK_", plan.target.name.as_str()),
        names(key),
        beside.unwrap_or_default()
    )
}

/// The statement that keeps a table's loads from locking all of it, which would lock out its readers while a chunk is
/// read back. A server without the option does well without it.
pub fn no_escalation_sql(table: &TableName) -> String {
    format!("ALTER TABLE {} SET (LOCK_ESCALATION = DISABLE)", table.quoted())
}

/// The definition of a column in CREATE TABLE.
pub fn column_sql(column: &Column) -> String {
    let collation = match &column.collation {
        Some(collation) if column.data_type.is_text() => format!(" COLLATE {collation}"),
        _ => String::new(),
    };
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    format!("{} {}{collation} {null}", column.name.quoted(), column.data_type)
}

fn named(prefix: &str, table: &str) -> String {
    let name = shortened(&format!("{prefix}{table}"), "");
    format!("[{}]", name.replace(']', "]]"))
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::model::table::{DataType, Identifier, Index, TableSchema};
    use crate::tsql::testing::column;

    /// A name.
    pub fn id(name: &str) -> Identifier {
        Identifier::new(name).unwrap()
    }

    /// The name of a table.
    pub fn name(name: &str) -> TableName {
        TableName {
            schema: id("dbo"),
            name: id(name),
        }
    }

    fn index(name: &str, columns: Vec<Identifier>, unique: bool) -> Index {
        Index {
            name: name.to_owned(),
            columns,
            included: Vec::new(),
            partitioned_by: None,
            clustered: unique,
            unique,
            primary_key: unique,
            complete: true,
            ascending: true,
        }
    }

    /// A table with these key columns beside its date, which has an index.
    pub fn source(key: &[(&str, DataType)]) -> TableSchema {
        let mut columns = vec![column("D", DataType::DateTime)];
        let others = key.iter().filter(|(name, _)| *name != "D");
        columns.extend(others.map(|(name, data_type)| column(name, *data_type)));
        TableSchema {
            name: name("S"),
            object_id: 1,
            create_date: "2025-01-01T00:00:00".parse().unwrap(),
            columns,
            refused: Vec::new(),
            indexes: vec![
                index("PK", key.iter().map(|(name, _)| id(name)).collect(), true),
                index("IX", vec![id("D")], false),
            ],
            columnstore: false,
        }
    }

    /// Its plan by months.
    pub fn monthly(source: TableSchema) -> TablePlan {
        TablePlan::monthly(&id("S"), source, name("t_S"), &id("D"), None, "POS").unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{id, monthly, name, source};
    use super::*;
    use crate::model::table::{DataType, Length};

    /// What creates the target of a table with these key columns beside its date.
    fn created(key: &[(&str, DataType)], dated: bool) -> String {
        let plan = match dated {
            true => monthly(source(key)),
            false => TablePlan::full(&id("S"), source(key), name("t_S"), None, "POS").unwrap(),
        };
        let sql = create_sql(&plan);
        sql.split_once("CONSTRAINT ").unwrap().1.to_owned()
    }

    #[test]
    fn a_key_that_a_clustered_index_cannot_hold_is_not_clustered() {
        let of = |units| ("CODE", DataType::NVarChar(Length::N(units)));
        // 8 bytes of the date, and 892 of the code.
        assert_eq!(
            created(&[of(446)], true),
            "[PK_t_S] PRIMARY KEY NONCLUSTERED ([CODE])); \
             CREATE UNIQUE CLUSTERED INDEX [CX_t_S] ON [dbo].[t_S] ([D], [CODE]);"
        );
        assert_eq!(
            created(&[of(447)], true),
            "[PK_t_S] PRIMARY KEY NONCLUSTERED ([CODE])); CREATE CLUSTERED INDEX [CX_t_S] ON [dbo].[t_S] ([D]);"
        );
        assert_eq!(
            created(&[("D", DataType::DateTime), of(447)], true),
            "[PK_t_S] PRIMARY KEY NONCLUSTERED ([D], [CODE])); CREATE CLUSTERED INDEX [CX_t_S] ON [dbo].[t_S] ([D]);"
        );
        // A reference table has no date to be clustered on.
        assert_eq!(
            created(&[of(450)], false),
            "[PK_t_S] PRIMARY KEY CLUSTERED ([CODE]));"
        );
        assert_eq!(
            created(&[of(451)], false),
            "[PK_t_S] PRIMARY KEY NONCLUSTERED ([CODE]));"
        );
    }
}
