//! The statements that create a target table.

use crate::model::plan::{AccessPath, TablePlan};
use crate::model::table::{Column, TableName, shortened};
use crate::model::window::Kind;

/// The most bytes of a clustered index's key. A server refuses the index, or later a row, that has more.
const CLUSTERED_BYTES_MAX: u32 = 900;

/// The statements that create a plan's target table.
pub fn create_sql(plan: &TablePlan) -> String {
    let mut parts: Vec<String> = plan.columns().iter().map(column_sql).collect();
    let names = |positions: &[usize]| {
        let names = positions
            .iter()
            .map(|position| plan.columns()[*position].name.quoted());
        names.collect::<Vec<_>>().join(", ")
    };
    let table = plan.target.quoted();
    let order = plan.key.order(Kind::Dates(()));
    let primary_key = named("PK_", plan.target.name.as_str());
    let clustered = named("CX_", plan.target.name.as_str());
    let bytes = |position: &usize| plan.columns()[*position].data_type.key_bytes_max();
    if order.iter().map(bytes).sum::<u32>() > CLUSTERED_BYTES_MAX {
        // The primary key may be longer. The date alone still orders the rows well enough to read a window.
        parts.push(format!(
            "CONSTRAINT {primary_key} PRIMARY KEY NONCLUSTERED ({})",
            names(&plan.key.unique)
        ));
        let index = plan.key.date.map_or_else(String::new, |date| {
            format!(
                " CREATE CLUSTERED INDEX {clustered} ON {table} ({});",
                names(&[date])
            )
        });
        return format!("CREATE TABLE {table} ({});{index}", parts.join(", "));
    }
    if order.len() == plan.key.unique.len() {
        // One index serves both: the order of the rows is the unique key's, but for the place of the date.
        parts.push(format!(
            "CONSTRAINT {primary_key} PRIMARY KEY CLUSTERED ({})",
            names(&order)
        ));
        let by_date = match plan.access_path {
            // Rows are counted by their dates, and readers of the warehouse ask by them.
            AccessPath::Walk => format!(
                " CREATE INDEX {} ON {table} ({});",
                named("IX_", plan.target.name.as_str()),
                names(&plan.key.by_date())
            ),
            AccessPath::Date | AccessPath::DayWalk | AccessPath::Key => String::new(),
        };
        return format!("CREATE TABLE {table} ({});{by_date}", parts.join(", "));
    }
    parts.push(format!(
        "CONSTRAINT {primary_key} PRIMARY KEY NONCLUSTERED ({})",
        names(&plan.key.unique)
    ));
    format!(
        "CREATE TABLE {table} ({}); CREATE UNIQUE CLUSTERED INDEX {} ON {table} ({});",
        parts.join(", "),
        clustered,
        names(&order)
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
