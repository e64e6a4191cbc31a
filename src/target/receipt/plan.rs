//! The plan of a target table in `[sync].[plan]`: its access path, its fingerprint, and its count of
//! unfollowed rows.

use chrono::NaiveDate;
use data_encoding::BASE64;

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::plan::{AccessPath, SOURCE_TABLE, TARGET_TABLE};
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::mssql::Session;
use crate::target::lease::{Lease, fence};
use crate::target::leaving::OnTheirWay;

/// The conditions that a table was loaded under: one name and one value a part.
pub type Fingerprint = Vec<(String, String)>;

/// The part that counts the rows that left the table and could not be followed.
const UNFOLLOWED: &str = "rows not followed";

/// The part with the traced columns, and the keys and days of the rows that left for another day and are not known to have
/// come.
const ON_THEIR_WAY: &str = "rows on their way";

/// The target tables that have a plan, as receipts name them, in the order of their names.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn tables(session: &mut Session) -> Result<Vec<String>> {
    let sql = "SELECT [table_name] FROM [sync].[plan] ORDER BY [table_name]";
    let rows = session.rows(sql, &[]).await?;
    rows.iter()
        .map(|row| Ok(row.text("table_name")?.to_owned()))
        .collect()
}

/// The plan of a target table, as the target has it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The table, as the plan's row names it. The server compares names, by the collation of its database.
    pub table: String,
    /// The access path that the table was loaded by.
    pub access_path: AccessPath,
    /// The conditions that it was loaded under.
    pub fingerprint: Fingerprint,
}

/// The plan of a target table, as [`put_plan`] wrote it; `None` if it has no plan.
///
/// # Errors
/// `State` if it is not as this version writes it; those of [`Session::rows`].
pub async fn plan(session: &mut Session, table: &TableName) -> Result<Option<Recorded>> {
    let name = table.exact();
    let sql = "SELECT [table_name], [access_path], [fingerprint] FROM [sync].[plan] WHERE [table_name] = @P1";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let access_path = AccessPath::named(row.text("access_path")?).ok_or_else(|| unreadable(&name))?;
    let fingerprint = serde_json::from_str(row.text("fingerprint")?)
        .map_err(|error| unreadable(&name).with_source(error))?;
    Ok(Some(Recorded {
        table: row.text("table_name")?.to_owned(),
        access_path,
        fingerprint,
    }))
}

fn unreadable(name: &str) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The plan of target table {name} in [sync].[plan] is not as this version writes it; it was changed by hand or \
             by another version; put the row back from a backup, or run `sync forget` for the table, which is then loaded \
             anew"
        ),
    )
}

/// The source's table in a fingerprint.
pub fn source_table(fingerprint: &Fingerprint) -> Option<&str> {
    let part = fingerprint.iter().find(|(part, _)| part == SOURCE_TABLE);
    part.map(|(_, source)| source.as_str())
}

/// The shadow table that a refresh has left beside a target table; `None` without one. A table of that name may be
/// another one's target. A shadow table's plan names the table that it is to replace.
///
/// # Errors
/// As [`plan`].
pub async fn left_shadow(session: &mut Session, target: &TableName) -> Result<Option<TableName>> {
    let shadow = target.shadow()?;
    let known = plan(session, &shadow).await?;
    Ok(known
        .is_some_and(|beside| is_shadow_of(&beside.fingerprint, target))
        .then_some(shadow))
}

/// Whether a plan is that of a target table's shadow table.
pub fn is_shadow_of(fingerprint: &Fingerprint, target: &TableName) -> bool {
    let mut parts = fingerprint.iter();
    parts.any(|(part, of)| part == TARGET_TABLE && of.eq_ignore_ascii_case(&target.exact()))
}

/// Whether the target has a receipt of one of the tables.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn is_loaded(session: &mut Session, tables: &[TableName]) -> Result<bool> {
    let names: Vec<String> = tables.iter().map(TableName::exact).collect();
    let params: Vec<Value<'_>> = names.iter().map(|name| Value::Text(name)).collect();
    let places: Vec<String> = (1..=names.len()).map(|n| format!("@P{n}")).collect();
    let sql = format!(
        "SELECT TOP (1) [ordinal] FROM [sync].[receipt] WHERE [table_name] IN ({})",
        places.join(", ")
    );
    Ok(!session.rows(&sql, &params).await?.is_empty())
}

/// Whether two names are of one table, by the collation of the database.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn is_same_name(session: &mut Session, one: &str, other: &str) -> Result<bool> {
    let sql = "SELECT CASE WHEN CAST(@P1 AS nvarchar(257)) = CAST(@P2 AS nvarchar(257)) THEN 1 ELSE 0 END AS [same]";
    let rows = session.rows(sql, &[Value::Text(one), Value::Text(other)]).await?;
    let same = rows.first().map(|row| row.integer("same")).transpose()?;
    Ok(same == Some(1))
}

/// Writes the plan of a target table, in place of the one that it has, within the caller's transaction.
///
/// # Errors
/// Those of [`Session::execute`]. So for every write of a plan.
pub async fn put_plan(
    session: &mut Session,
    table: &TableName,
    access_path: AccessPath,
    fingerprint: &Fingerprint,
) -> Result<()> {
    let name = table.exact();
    let fingerprint = written(fingerprint)?;
    let sql = "DELETE FROM [sync].[plan] WHERE [table_name] = @P1; \
               INSERT INTO [sync].[plan] ([table_name], [access_path], [fingerprint], [planned_at]) \
               VALUES (@P1, @P2, @P3, SYSUTCDATETIME())";
    let params = [
        Value::Text(&name),
        Value::Text(access_path.as_str()),
        Value::Text(&fingerprint),
    ];
    session.execute(sql, &params).await.map(|_| ())
}

/// Replaces the fingerprint of a target table's plan: some parts are unknown to older plans, and some may
/// change.
pub async fn renew_plan(session: &mut Session, table: &TableName, fingerprint: &Fingerprint) -> Result<()> {
    let name = table.exact();
    let fingerprint = written(fingerprint)?;
    let sql = "UPDATE [sync].[plan] SET [fingerprint] = @P2 WHERE [table_name] = @P1";
    let params = [Value::Text(&name), Value::Text(&fingerprint)];
    session.execute(sql, &params).await.map(|_| ())
}

/// The number of rows that left a target table and could not be followed; 0 without a plan.
pub async fn unfollowed(session: &mut Session, table: &TableName) -> Result<u64> {
    let known = plan(session, table).await?;
    Ok(known.map_or(0, |known| count_of(&known.fingerprint)))
}

fn count_of(fingerprint: &Fingerprint) -> u64 {
    let part = fingerprint.iter().find(|(part, _)| part == UNFOLLOWED);
    part.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

/// The rows that left a table's target and have not come to where they went, as far as its record tells.
#[derive(Debug, Default)]
pub struct Left {
    /// Those that are on their way, by the traced columns.
    pub on_their_way: OnTheirWay,
    /// The number of those on their way that other columns were traced by.
    pub by_others: u64,
    /// The number of those that could not be followed.
    pub unfollowed: u64,
}

/// The rows that left a target table, by the traced columns with these names; none without a plan.
///
/// # Errors
/// As [`plan`].
pub async fn left(session: &mut Session, table: &TableName, columns: &[&str]) -> Result<Left> {
    let known = plan(session, table).await?;
    known.map_or(Ok(Left::default()), |known| known.left(columns))
}

/// Changes the rows on their way, and adds to the number of unfollowed rows, within the caller's transaction, which may also
/// commit the rows' leaving. Those that `change` returns the number of count as unfollowed, and so do those that are known
/// by other columns. Returns the number of unfollowed rows; 0 without a plan.
///
/// # Errors
/// As [`plan`].
pub async fn renew_left(
    session: &mut Session,
    table: &TableName,
    columns: &[&str],
    change: impl FnOnce(&mut OnTheirWay) -> u64,
) -> Result<u64> {
    let Some(recorded) = plan(session, table).await? else {
        return Ok(0);
    };
    let mut left = recorded.left(columns)?;
    let more = change(&mut left.on_their_way);
    let unfollowed = left
        .unfollowed
        .saturating_add(left.by_others)
        .saturating_add(more);
    let mut fingerprint = recorded.fingerprint;
    fingerprint.retain(|(part, _)| part != UNFOLLOWED && part != ON_THEIR_WAY);
    if unfollowed > 0 {
        fingerprint.push((UNFOLLOWED.to_owned(), unfollowed.to_string()));
    }
    if !left.on_their_way.is_empty() {
        let rows: Vec<Row> = left
            .on_their_way
            .iter()
            .map(|(key, day)| (BASE64.encode(key), *day))
            .collect();
        fingerprint.push((ON_THEIR_WAY.to_owned(), written(&(columns, rows))?));
    }
    renew_plan(session, table, &fingerprint).await?;
    Ok(unfollowed)
}

/// A row on its way: its key in Base64, and the day that it left for.
type Row = (String, Option<NaiveDate>);

impl Recorded {
    fn left(&self, columns: &[&str]) -> Result<Left> {
        let mut left = Left {
            unfollowed: count_of(&self.fingerprint),
            ..Left::default()
        };
        let part = self.fingerprint.iter().find(|(part, _)| part == ON_THEIR_WAY);
        if let Some((_, part)) = part {
            let (by, rows): (Vec<String>, Vec<Row>) =
                serde_json::from_str(part).map_err(|error| unreadable(&self.table).with_source(error))?;
            if by != columns {
                left.by_others = rows.len() as u64;
                return Ok(left);
            }
            for (key, day) in rows {
                let key = BASE64
                    .decode(key.as_bytes())
                    .map_err(|error| unreadable(&self.table).with_source(error))?;
                left.on_their_way.insert(key, day);
            }
        }
        Ok(left)
    }
}

/// Resets the number of unfollowed rows, after all of the table was compared with the source. That says nothing of rows that
/// are on their way to dates that nothing is loaded of.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
pub async fn all_followed(session: &mut Session, lease: &Lease, table: &TableName) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    if let Some(Recorded { mut fingerprint, .. }) = plan(session, table).await? {
        fingerprint.retain(|(part, _)| part != UNFOLLOWED);
        renew_plan(session, table, &fingerprint).await?;
    }
    session.commit().await
}

fn written(part: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(part).map_err(|error| {
        Error::new(ErrorKind::Internal, "A plan cannot be written as JSON").with_source(error)
    })
}
