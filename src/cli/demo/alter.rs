//! Changes loaded rows: a correction of a closed month at the source, and edits by hand in the warehouse.
//! `sync reconcile` finds both.
//!
//! The demo's recipe gives the keys of the changed rows. Each statement is safe to repeat: a demo that was killed
//! between the first change and the last repeats them all.

use super::fill::writer;
use super::rows::{Recipe, Rows};
use crate::base::error::Result;
use crate::base::text::rows as rows_text;
use crate::config::Config;
use crate::model::row::{Value, Values};
use crate::model::table::TableName;
use crate::mssql::Session;

/// The percentage of a table's rows, in the order of their dates, that changes are picked from. It covers the first
/// days of October: few chunks, so that the repair loads little.
const OCTOBER_PERCENT: u64 = 15;

/// The distance of an added row's key from its original, in the last key column: past all keys of the demo.
const KEY_OF_ADDED: i64 = 1_000_000_000;

/// The changes to one table.
#[derive(Debug)]
struct Alteration {
    table: &'static str,
    /// The SET clause of changed rows.
    set: &'static str,
    changed: usize,
    deleted: usize,
    added: usize,
}

/// The changes at the source, all in October. They add as many rows as they delete, so that no count shows them.
const AT_THE_SOURCE: [Alteration; 2] = [
    Alteration {
        table: "APP_4_SALES",
        set: "[REMARK] = N'Corrected by the office', [DISCOUNT_AMOUNT] = 1",
        changed: 3,
        deleted: 2,
        added: 2,
    },
    Alteration {
        table: "APP_4_PAYMENT",
        set: "[METHOD] = 'CORRECTED', [TENDERED] = 0",
        changed: 2,
        deleted: 1,
        added: 1,
    },
];

/// The changes at the target, to tables that do not change at the source.
const AT_THE_TARGET: [Alteration; 2] = [
    Alteration {
        table: "APP_4_SALESITEM",
        set: "[QUANTITY] = 99, [REMARK] = N'Edited by hand'",
        changed: 3,
        deleted: 2,
        added: 2,
    },
    Alteration {
        table: "APP_4_ITEM",
        set: "[PRICE] = 0",
        changed: 1,
        deleted: 0,
        added: 0,
    },
];

/// Changes, deletes and adds rows of a closed month at the writable source; `say` receives a line per step.
pub(super) async fn at_the_source(
    config: &Config,
    recipe: Recipe,
    say: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    say("demo: now somebody corrects October at the source, after it was loaded");
    let mut session = writer(&config.source.endpoint).await?;
    for table in &config.tables {
        let name = config.source_table(table);
        alter_table(
            &mut session,
            &name,
            table.name.as_str(),
            &AT_THE_SOURCE,
            recipe,
            say,
        )
        .await?;
    }
    Ok(())
}

/// Changes, deletes and adds rows of the target without receipts; `say` receives a line per step.
pub(super) async fn at_the_target(
    config: &Config,
    recipe: Recipe,
    say: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    say("demo: and somebody works in the warehouse's tables by hand");
    let mut session = writer(&config.target.endpoint).await?;
    for table in &config.tables {
        let name = config.target_table(table);
        alter_table(
            &mut session,
            &name,
            table.name.as_str(),
            &AT_THE_TARGET,
            recipe,
            say,
        )
        .await?;
    }
    Ok(())
}

/// Makes the changes, if any, to the demo's `table`, whose name at this end is `name`.
async fn alter_table(
    session: &mut Session,
    name: &TableName,
    table: &str,
    alterations: &[Alteration],
    recipe: Recipe,
    say: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let Some(alteration) = alterations.iter().find(|one| one.table == table) else {
        return Ok(());
    };
    let Some(rows) = Rows::of_all(recipe).find(|rows| rows.table.name == table) else {
        return Ok(());
    };
    let mut picks = picks(rows.row_count(), alteration).into_iter();
    let (mut changed, mut deleted, mut added) = (0, 0, 0);
    for pick in picks.by_ref().take(alteration.changed) {
        let sql = format!(
            "UPDATE {} SET {} WHERE {}",
            name.quoted(),
            alteration.set,
            key_is(&rows, "")
        );
        changed += execute(session, &rows, pick, &sql, None).await?;
    }
    for pick in picks.by_ref().take(alteration.deleted) {
        let sql = format!("DELETE FROM {} WHERE {}", name.quoted(), key_is(&rows, ""));
        deleted += execute(session, &rows, pick, &sql, None).await?;
    }
    for pick in picks {
        added += execute(session, &rows, pick, &add_sql(&rows, name), Some(KEY_OF_ADDED)).await?;
    }
    say(&format!(
        "demo: {}: {} changed, {} deleted, {} added",
        name,
        rows_text(changed),
        deleted,
        added
    ));
    Ok(())
}

/// The distinct numbers of the rows to alter, spread over the first days of October. A table with too few rows gives
/// fewer.
fn picks(row_count: u64, alteration: &Alteration) -> Vec<u64> {
    let wanted = (alteration.changed + alteration.deleted + alteration.added) as u64;
    let october = row_count * OCTOBER_PERCENT / 100;
    let step = (october / wanted).max(1);
    (0..wanted.min(october.max(1)))
        .map(|number| number * step)
        .collect()
}

/// The statement that adds a copy of a row under another key, unless that key exists. The last parameter is the last
/// column of the new key.
fn add_sql(rows: &Rows, name: &TableName) -> String {
    let last = rows.table.primary_key.last().copied().unwrap_or_default();
    let new = format!("@P{}", rows.table.primary_key.len() + 1);
    let columns: Vec<String> = rows
        .table
        .columns()
        .map(|column| format!("[{}]", column.name))
        .collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| {
            if column.trim_matches(['[', ']']) == last {
                new.clone()
            } else {
                format!("[r].{column}")
            }
        })
        .collect();
    let others = &rows.table.primary_key[..rows.table.primary_key.len() - 1];
    let mut there: Vec<String> = others
        .iter()
        .map(|column| format!("[x].[{column}] = [r].[{column}]"))
        .collect();
    there.push(format!("[x].[{last}] = {new}"));
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} AS [r] WHERE {} AND NOT EXISTS \
         (SELECT 1 FROM {table} AS [x] WHERE {})",
        columns.join(", "),
        values.join(", "),
        key_is(rows, "[r]."),
        there.join(" AND "),
        table = name.quoted()
    )
}

/// The condition that a row's key equals the first parameters.
fn key_is(rows: &Rows, alias: &str) -> String {
    let key = rows.table.primary_key.iter().enumerate();
    key.map(|(number, column)| format!("{alias}[{column}] = @P{}", number + 1))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// Sends a statement with the key of row number `pick` as parameters. `more`, if given, adds a parameter: the key's
/// last column plus `more`. Returns the number of affected rows.
async fn execute(session: &mut Session, rows: &Rows, pick: u64, sql: &str, more: Option<i64>) -> Result<u64> {
    let batch = rows.batch(pick, pick + 1)?;
    let mut params = Vec::new();
    for row in batch.rows() {
        let values = Values::new(row).collect()?;
        let positions = rows.table.key_positions();
        params.extend(positions.into_iter().map(|position| values[position]));
    }
    if let (Some(more), Some(Value::Integer(last))) = (more, params.last().copied()) {
        params.push(Value::Integer(last + more));
    }
    session.execute(sql, &params).await
}

#[cfg(test)]
mod tests {
    use super::super::tables::all;
    use super::*;

    #[test]
    fn each_row_is_picked_once_and_is_of_october() {
        for alteration in AT_THE_SOURCE.iter().chain(&AT_THE_TARGET) {
            for row_count in [1, 2, 5, 16, 44_579, 22_741_800] {
                let picks = picks(row_count, alteration);
                assert!(!picks.is_empty());
                assert!(picks.windows(2).all(|pair| pair[0] < pair[1]), "{picks:?}");
                assert!(
                    picks
                        .iter()
                        .all(|pick| *pick <= row_count * OCTOBER_PERCENT / 100),
                    "{picks:?}"
                );
            }
        }
    }

    #[test]
    fn tables_that_rows_are_added_to_have_whole_numbers_last_in_their_key() {
        for alteration in AT_THE_SOURCE.iter().chain(&AT_THE_TARGET) {
            let table = all().find(|table| table.name == alteration.table).unwrap();
            let last = table.columns().nth(*table.key_positions().last().unwrap());
            let whole = matches!(
                last.unwrap().data_type,
                crate::model::table::DataType::Int | crate::model::table::DataType::BigInt
            );
            assert!(whole || alteration.added == 0, "{}", table.name);
        }
    }

    #[test]
    fn what_is_changed_at_one_end_is_not_changed_at_the_other() {
        for there in &AT_THE_SOURCE {
            assert!(AT_THE_TARGET.iter().all(|here| here.table != there.table));
            assert_eq!(there.deleted, there.added, "{}: no count shows it", there.table);
        }
    }
}
