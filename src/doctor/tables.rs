//! Judgements about a table from the catalog's answers alone.

use super::report::Level;
use crate::model::plan::TablePlan;
use crate::model::table::{Identifier, Index, RefusedColumn, TableSchema, shortened};
use crate::model::window::Kind;
use crate::target::table::Target;

/// The line for a column that is not copied, with the reason.
pub(super) fn left_out(column: &RefusedColumn) -> String {
    format!("Column {} is not copied ({})", column.name, column.reason)
}

/// A text for an operator, which begins with a small letter, as a sentence of its own.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// The findings about an existing target table, for a plan.
pub(super) fn compare(plan: &TablePlan, schema: &TableSchema) -> Vec<(Level, String)> {
    let target = match Target::new(plan, schema) {
        Ok(target) => target,
        Err(error) => return vec![(Level::Failure, error.chain())],
    };
    let mut found = Vec::new();
    for misfit in target.misfits(plan) {
        let level = match misfit.is_refused() {
            true => Level::Failure,
            false => Level::Warning,
        };
        found.push((level, sentence(&misfit.text(&plan.target, "here"))));
    }
    for column in target.reordered(plan) {
        let text = format!(
            "Key column {} has another collation here than at the source: its rows are compared by the source's, which no \
             index serves, and a unique index may refuse keys that only the source's tells apart; make it of the source's \
             collation, or drop the table, and a run creates it",
            column.name
        );
        found.push((Level::Warning, text));
    }
    let key: Vec<&Identifier> = plan
        .key
        .unique
        .iter()
        .map(|position| &plan.columns()[*position].name)
        .collect();
    for index in schema.indexes.iter().filter(|index| index.unique) {
        let covers = key
            .iter()
            .all(|name| index.columns.iter().any(|column| column.same_as(name.as_str())));
        if !covers {
            let columns: Vec<&str> = index.columns.iter().map(Identifier::as_str).collect();
            let text = format!(
                "Unique index {} is over {}, which need not be unique at the source: a chunk with two such rows is \
                 refused; drop the index if you can",
                index.name,
                columns.join(", ")
            );
            found.push((Level::Warning, text));
        }
    }
    found
}

/// The warning about an existing target table in which no index finds the keys of a chunk, with the statement that makes
/// one. The table is not one of ours, which have it.
pub(super) fn unindexed(plan: &TablePlan, schema: &TableSchema) -> Option<String> {
    let target = Target::new(plan, schema).ok()?;
    let kind = Kind::Dates(());
    if schema.columnstore || target.finds_keys(plan, kind) {
        return None;
    }
    let order = plan.key.order(kind);
    if order
        .iter()
        .any(|position| !target.columns[*position].data_type.is_key())
    {
        // No index takes it; the column is named as one that is too wide, or of another type.
        return None;
    }
    let order: Vec<String> = order
        .into_iter()
        .map(|position| target.columns[position].name.quoted())
        .collect();
    let (table, order) = (plan.target.quoted(), order.join(", "));
    let name = Identifier::new(shortened(&format!("IX_{}_key", plan.target.name.as_str()), "")).ok()?;
    Some(format!(
        "No index begins with the first column of ({order}), so each chunk reads all rows of its window or of the table here: \
         CREATE INDEX {} ON {table} ({order}), or drop the table, and a run creates it",
        name.quoted()
    ))
}

/// The warning about indexes of an existing target table that a run would not have made.
pub(super) fn costly(plan: &TablePlan, schema: &TableSchema) -> Option<String> {
    if plan.is_full() {
        // Its copy has the same indexes, and a disabled one would keep it from being swapped in.
        return None;
    }
    let own = [
        format!("IX_{}", plan.target.name.as_str()),
        format!("IX_{}_key", plan.target.name.as_str()),
    ];
    // Those that a load needs stay: by the key, and by the date.
    let first = plan.key.order(Kind::Dates(())).into_iter().next();
    let needed: Vec<&Identifier> = first
        .into_iter()
        .chain(plan.key.date)
        .map(|position| &plan.columns()[position].name)
        .collect();
    let serves = |index: &&Index| {
        let begin = index.columns.first();
        begin.is_some_and(|begin| needed.iter().any(|name| name.same_as(begin.as_str())))
    };
    let others = schema
        .indexes
        .iter()
        .filter(|index| !index.clustered && !index.primary_key && !own.contains(&index.name))
        .filter(|index| !serves(index));
    let names: Vec<&str> = others.map(|index| index.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Its nonclustered indexes ({}) cost every insert; disable those that are not unique while much is loaded, and \
             rebuild them afterwards",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::{Column, DataType, Length, TableName};

    fn id(name: &str) -> Identifier {
        Identifier::new(name).unwrap()
    }

    fn schema(name: &str, columns: &[(&str, DataType)], indexes: &[(&str, bool)]) -> TableSchema {
        TableSchema {
            name: TableName {
                schema: id("dbo"),
                name: id(name),
            },
            object_id: 1,
            create_date: "2025-01-01T00:00:00".parse().unwrap(),
            columns: columns
                .iter()
                .map(|(name, data_type)| Column {
                    name: id(name),
                    data_type: *data_type,
                    nullable: false,
                    identity: false,
                    collation: None,
                })
                .collect(),
            columnstore: false,
            refused: Vec::new(),
            indexes: indexes
                .iter()
                .map(|(column, unique)| Index {
                    name: format!("IX_{column}"),
                    columns: vec![id(column)],
                    included: Vec::new(),
                    partitioned_by: None,
                    clustered: *column == "ID",
                    unique: *unique,
                    primary_key: false,
                    complete: true,
                    ascending: true,
                })
                .collect(),
        }
    }

    const COLUMNS: [(&str, DataType); 3] = [
        ("ID", DataType::Int),
        ("AT", DataType::DateTime),
        ("NOTE", DataType::NVarChar(Length::N(10))),
    ];

    fn planned(indexes: &[(&str, bool)]) -> TablePlan {
        let target = TableName {
            schema: id("dbo"),
            name: id("t_S"),
        };
        TablePlan::monthly(
            &id("S"),
            schema("S", &COLUMNS, indexes),
            target,
            &id("AT"),
            None,
            "POS",
        )
        .unwrap()
    }

    #[test]
    fn a_note_becomes_a_sentence() {
        let text = planned(&[("ID", true)]).scans().unwrap();
        assert!(sentence(&text).starts_with("Slow: no index on AT, each window is one scan"));
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn columns_that_are_not_copied_are_named_with_their_type() {
        let column = RefusedColumn {
            name: id("PLACE"),
            reason: "geography".to_owned(),
        };
        assert_eq!(left_out(&column), "Column PLACE is not copied (geography)");
        let column = RefusedColumn::excluded(id("NOTE"));
        let text = "Column NOTE is not copied (excluded by exclude_columns)";
        assert_eq!(left_out(&column), text);
    }

    #[test]
    fn a_walk_needs_an_index_on_the_key_at_the_target() {
        let target = schema("t_S", &COLUMNS, &[("AT", false)]);
        let text = unindexed(&planned(&[("ID", true)]), &target).unwrap();
        assert!(text.contains("([ID])"), "{text}");
        assert_eq!(unindexed(&planned(&[("ID", true), ("AT", false)]), &target), None);
        let target = schema("t_S", &COLUMNS, &[("ID", true)]);
        assert_eq!(unindexed(&planned(&[("ID", true)]), &target), None);
    }

    #[test]
    fn a_target_table_that_does_not_fit() {
        let plan = planned(&[("ID", true)]);
        let levels = |columns: &[(&str, DataType)], indexes: &[(&str, bool)]| {
            compare(&plan, &schema("t_S", columns, indexes))
                .into_iter()
                .map(|(level, _)| level)
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(&COLUMNS, &[("ID", true)]), []);
        assert_eq!(levels(&COLUMNS[..2], &[]), [Level::Failure]);
        let mut columns = COLUMNS;
        columns[0].1 = DataType::BigInt;
        columns[1].1 = DataType::DateTime2(3);
        assert_eq!(levels(&columns, &[]), [], "each value survives");
        columns[1].1 = DataType::DateTime2(2);
        assert_eq!(levels(&columns, &[]), [Level::Failure], "a moment is rounded");
        columns[2].1 = DataType::Int;
        assert_eq!(
            levels(&columns, &[]),
            [Level::Failure, Level::Warning],
            "some texts are numbers"
        );
        columns[2].1 = DataType::NVarChar(Length::N(9));
        let found = compare(&plan, &schema("t_S", &columns, &[]));
        assert!(
            found[1]
                .1
                .contains("ALTER TABLE [dbo].[t_S] ALTER COLUMN [NOTE] nvarchar(10) NOT NULL"),
            "{found:?}"
        );
        assert_eq!(levels(&COLUMNS, &[("NOTE", true)]), [Level::Warning]);
    }
}
