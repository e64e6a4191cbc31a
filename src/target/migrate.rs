//! The scripts of `migrations/`, compiled in, and their application to a target.
//!
//! One transaction applies a script and inserts the row that records it. It holds an applock, so that two
//! runs that start at once apply the script once. A recorded script is never applied again.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::model::row::Value;
use crate::mssql::{LOCK_TIMEOUT_MS, Session};
use crate::target::lease::{APPLOCK_TRY_MS, applock, release_applock};

/// Attempts at the applock, a quarter of a minute each: another run's migration takes moments.
const APPLOCK_ATTEMPTS: u32 = 2;

/// The applock that a migration holds.
const LOCK: &str = "sync:migrate";

/// A numbered script.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number, from 1. Scripts are applied in the order of their numbers.
    pub version: i32,
    /// The name of its file without the number.
    pub name: &'static str,
    /// Its text: batches that lines of `GO` separate.
    pub script: &'static str,
}

/// All scripts, by number.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "receipts",
        script: include_str!("../../migrations/0001_receipts.sql"),
    },
    Migration {
        version: 2,
        name: "seal",
        script: include_str!("../../migrations/0002_seal.sql"),
    },
];

/// The scripts that the target lacks, by number. Writes nothing.
///
/// # Errors
/// Those of [`version`].
pub async fn pending(session: &mut Session) -> Result<Vec<Migration>> {
    let found = version(session).await?;
    let lacking = MIGRATIONS.iter().filter(|migration| migration.version > found);
    Ok(lacking.copied().collect())
}

/// Applies the scripts that the target lacks, and returns their names.
///
/// # Errors
/// Those of [`version`]; `Busy` if another migration does not end within half a minute.
pub async fn migrate(session: &mut Session) -> Result<Vec<&'static str>> {
    if version(session).await? == newest() {
        return Ok(Vec::new());
    }
    let mut attempts = 0;
    while !applock(session, LOCK, APPLOCK_TRY_MS).await? {
        attempts += 1;
        if attempts == APPLOCK_ATTEMPTS {
            return Err(Error::new(
                ErrorKind::Busy,
                "Another run is preparing schema [sync] of the target database; wait for it to end, then run again",
            ));
        }
    }
    failpoint::step("migrate: after the applock");
    let found = version(session).await?;
    let mut names = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        session.begin().await?;
        for batch in batches(migration.script) {
            session.batch(&batch).await?;
            failpoint::step("migrate: after a batch");
        }
        let sql = "INSERT INTO [sync].[migration] ([version], [name], [applied_at]) VALUES (@P1, @P2, SYSUTCDATETIME())";
        session
            .execute(
                sql,
                &[
                    Value::Integer(i64::from(migration.version)),
                    Value::Text(migration.name),
                ],
            )
            .await?;
        failpoint::step("migrate: before COMMIT");
        session.commit().await?;
        failpoint::step("migrate: after COMMIT");
        names.push(migration.name);
    }
    release_applock(session, LOCK).await?;
    Ok(names)
}

impl Migration {
    /// The script for a person to run, in `sqlcmd` or another client that knows `GO`. It is one transaction
    /// under the applock that a run takes, and it inserts the row that records it.
    ///
    /// Only its first batch opens the transaction, and only if the script is not recorded yet. Every other
    /// batch does nothing outside of the transaction. So an error, which rolls back, ends the script for
    /// good, and a second application does nothing. Nor does one whose predecessor is not recorded.
    pub fn by_hand(&self) -> String {
        let Migration { version, name, .. } = self;
        let recorded =
            |version: i32| format!("EXISTS (SELECT 1 FROM [sync].[migration] WHERE [version] = {version})");
        // The first one makes the table of the records. A later one stands on the one before it.
        let done = match version - 1 {
            0 => format!(
                "ELSE IF OBJECT_ID(N'[sync].[migration]', N'U') IS NOT NULL\n    IF {}\n        ROLLBACK TRANSACTION;\n",
                recorded(*version)
            ),
            before => format!(
                "ELSE IF OBJECT_ID(N'[sync].[migration]', N'U') IS NULL\n    ROLLBACK TRANSACTION;\n\
                 ELSE IF {} OR NOT {}\n    ROLLBACK TRANSACTION;\n",
                recorded(*version),
                recorded(before)
            ),
        };
        let mut text = format!(
            "-- Schema [sync], migration {version:04} ({name}).\n\
             -- Run it in the target's database. It does nothing where it was applied before.\n\
             SET XACT_ABORT ON;\n\
             BEGIN TRANSACTION;\n\
             DECLARE @locked int;\n\
             EXEC @locked = sp_getapplock @Resource = N'{LOCK}', @LockMode = N'Exclusive', \
             @LockOwner = N'Transaction', @LockTimeout = {LOCK_TIMEOUT_MS};\n\
             IF @locked < 0\n    ROLLBACK TRANSACTION;\n{done}GO\n"
        );
        let record = format!(
            "INSERT INTO [sync].[migration] ([version], [name], [applied_at])\n\
             VALUES ({version}, N'{name}', SYSUTCDATETIME());\nCOMMIT TRANSACTION;\n"
        );
        for batch in batches(self.script).iter().chain([&record]) {
            text.push_str(&format!("IF @@TRANCOUNT > 0\nBEGIN\n{batch}END\nGO\n"));
        }
        text
    }
}

/// The number of the newest script.
pub fn newest() -> i32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The number of the newest script that the target records; 0 if it records none.
///
/// # Errors
/// `State` if a newer program migrated the target, so that this program does not know the script; those of
/// [`Session::rows`].
pub async fn version(session: &mut Session) -> Result<i32> {
    let found = recorded(session).await?;
    if found <= newest() {
        return Ok(found);
    }
    Err(Error::new(
        ErrorKind::State,
        format!(
            "Schema [sync] of the target database is of version {found}, but this program knows only {}; use the newer program",
            newest()
        ),
    ))
}

async fn recorded(session: &mut Session) -> Result<i32> {
    let there = session
        .rows(
            "SELECT OBJECT_ID(N'[sync].[migration]', N'U') AS [object_id]",
            &[],
        )
        .await?;
    if there
        .first()
        .map(|row| row.is_null("object_id"))
        .transpose()?
        .unwrap_or(true)
    {
        return Ok(0);
    }
    let rows = session
        .rows("SELECT MAX([version]) AS [version] FROM [sync].[migration]", &[])
        .await?;
    let version = rows
        .first()
        .map(|row| row.optional_integer("version"))
        .transpose()?
        .flatten()
        .unwrap_or_default();
    i32::try_from(version).map_err(|_| {
        Error::new(
            ErrorKind::State,
            "Table [sync].[migration] of the target has a version that is no number of a migration; delete that row, or put the table back from a backup",
        )
    })
}

fn batches(script: &str) -> Vec<String> {
    let mut batches = vec![String::new()];
    for line in script.lines() {
        if line.trim() == "GO" {
            batches.push(String::new());
        } else if let Some(batch) = batches.last_mut() {
            batch.push_str(line);
            batch.push('\n');
        }
    }
    batches.retain(|batch| !batch.trim().is_empty());
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_numbered_without_gaps() {
        for (position, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(
                usize::try_from(migration.version).unwrap(),
                position + 1,
                "{}",
                migration.name
            );
        }
    }

    #[test]
    fn a_line_that_says_go_ends_a_batch() {
        assert_eq!(batches("a\nGO\n\nGO\nb\nc\n"), ["a\n", "b\nc\n"]);
        assert_eq!(batches(MIGRATIONS[0].script).len(), 5);
    }
}
