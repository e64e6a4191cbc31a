//! The plan of a target table in `[sync].[plan]`: its access path, its fingerprint, and its count of
//! unfollowed rows.

use std::collections::BTreeMap;

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::plan::{AccessPath, SOURCE_TABLE, TARGET_TABLE};
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::mssql::Session;
use crate::target::lease::{Lease, fence};

/// The conditions that a table was loaded under: one name and one value a part.
pub type Fingerprint = Vec<(String, String)>;

/// The part that counts the rows that left the table and could not be followed.
const UNFOLLOWED: &str = "rows not followed";

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

/// The access path and the fingerprint of a target table, as [`put_plan`] wrote them; `None` if it has no
/// plan.
///
/// # Errors
/// `State` if they are not as this version writes them; those of [`Session::rows`].
pub async fn plan(session: &mut Session, table: &TableName) -> Result<Option<(AccessPath, Fingerprint)>> {
    let name = table.to_string();
    let sql = "SELECT [access_path], [fingerprint] FROM [sync].[plan] WHERE [table_name] = @P1";
    let rows = session.rows(sql, &[Value::Text(&name)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let unreadable = || {
        Error::new(
            ErrorKind::State,
            format!("The plan of target table {name} in [sync].[plan] is not as this version writes it"),
        )
    };
    let access_path = AccessPath::named(row.text("access_path")?).ok_or_else(unreadable)?;
    let fingerprint =
        serde_json::from_str(row.text("fingerprint")?).map_err(|error| unreadable().with_source(error))?;
    Ok(Some((access_path, fingerprint)))
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
        .is_some_and(|(_, beside)| is_shadow_of(&beside, target))
        .then_some(shadow))
}

/// Whether a plan is that of a target table's shadow table.
pub fn is_shadow_of(fingerprint: &Fingerprint, target: &TableName) -> bool {
    let mut parts = fingerprint.iter();
    parts.any(|(part, of)| part == TARGET_TABLE && of.eq_ignore_ascii_case(&target.to_string()))
}

/// The access paths by which target tables were loaded, by their names. A path that this version does not know is left
/// out; [`plan`] refuses it.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn access_paths(session: &mut Session) -> Result<BTreeMap<String, AccessPath>> {
    let rows = session
        .rows("SELECT [table_name], [access_path] FROM [sync].[plan]", &[])
        .await?;
    let mut paths = BTreeMap::new();
    for row in &rows {
        if let Some(path) = AccessPath::named(row.text("access_path")?) {
            paths.insert(row.text("table_name")?.to_owned(), path);
        }
    }
    Ok(paths)
}

/// Writes the plan of a target table that has none.
///
/// # Errors
/// Those of [`Session::execute`]. So for every write of a plan.
pub async fn put_plan(
    session: &mut Session,
    table: &TableName,
    access_path: AccessPath,
    fingerprint: &Fingerprint,
) -> Result<()> {
    let name = table.to_string();
    let fingerprint = written(fingerprint)?;
    let sql = "INSERT INTO [sync].[plan] ([table_name], [access_path], [fingerprint], [planned_at]) \
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
    let name = table.to_string();
    let fingerprint = written(fingerprint)?;
    let sql = "UPDATE [sync].[plan] SET [fingerprint] = @P2 WHERE [table_name] = @P1";
    let params = [Value::Text(&name), Value::Text(&fingerprint)];
    session.execute(sql, &params).await.map(|_| ())
}

/// The number of rows that left a target table and could not be followed; 0 without a plan.
pub async fn unfollowed(session: &mut Session, table: &TableName) -> Result<u64> {
    let known = plan(session, table).await?;
    Ok(known.map_or(0, |(_, fingerprint)| count_of(&fingerprint)))
}

fn count_of(fingerprint: &Fingerprint) -> u64 {
    let part = fingerprint.iter().find(|(part, _)| part == UNFOLLOWED);
    part.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

/// Adds to the number of unfollowed rows, within the caller's transaction, which also commits the rows'
/// leaving.
pub async fn add_unfollowed(session: &mut Session, table: &TableName, more: u64) -> Result<()> {
    let Some((_, mut fingerprint)) = plan(session, table).await? else {
        return Ok(());
    };
    let count = count_of(&fingerprint).saturating_add(more);
    fingerprint.retain(|(part, _)| part != UNFOLLOWED);
    fingerprint.push((UNFOLLOWED.to_owned(), count.to_string()));
    renew_plan(session, table, &fingerprint).await
}

/// Resets the number of unfollowed rows, after all of the table was compared with the source.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`Session::commit`].
pub async fn all_followed(session: &mut Session, lease: &Lease, table: &TableName) -> Result<()> {
    session.begin().await?;
    fence(session, lease).await?;
    if let Some((_, mut fingerprint)) = plan(session, table).await? {
        fingerprint.retain(|(part, _)| part != UNFOLLOWED);
        renew_plan(session, table, &fingerprint).await?;
    }
    session.commit().await
}

fn written(fingerprint: &Fingerprint) -> Result<String> {
    serde_json::to_string(fingerprint).map_err(|error| {
        Error::new(ErrorKind::Internal, "A plan cannot be written as JSON").with_source(error)
    })
}
