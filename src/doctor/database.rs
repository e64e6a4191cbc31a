//! Checks of the target's database as a whole: settings under which a run works, and which an operator should know.

use super::report::{Lost, Report};
use crate::base::error::Result;
use crate::mssql::Session;

/// A setting: the query that has a row if the database has it, and the warning about it. Each is asked by itself, because
/// a server may lack the one column and have the other.
const SETTINGS: [(&str, &str); 3] = [
    (
        "SELECT 1 AS [found] FROM sys.databases WHERE name = DB_NAME() AND delayed_durability = 2",
        "DELAYED_DURABILITY = FORCED: the server acknowledges commits before they are on disk, and a failure of it may take \
         rows and receipts back, together, that a run has reported; the next run loads them again. ALTER DATABASE CURRENT \
         SET DELAYED_DURABILITY = DISABLED",
    ),
    (
        "SELECT 1 AS [found] FROM sys.databases WHERE name = DB_NAME() AND is_read_committed_snapshot_on = 0",
        "READ_COMMITTED_SNAPSHOT is OFF: who reads a table waits for the chunk that is loaded into it, and the load for who \
         reads. ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON, if the database's other users agree; it waits until nobody \
         else is connected, no run either",
    ),
    (
        "SELECT 1 AS [found] FROM sys.databases WHERE name = DB_NAME() AND recovery_model = 1 \
         AND COALESCE(CAST(SERVERPROPERTY(N'EngineEdition') AS nvarchar(128)), N'') NOT IN (N'5', N'8')",
        "The recovery model is FULL: all that a long backfill writes stays in the log until that is backed up. Back the log \
         up often meanwhile, or ALTER DATABASE CURRENT SET RECOVERY SIMPLE until the backfill is over. That ends the chain of log \
         backups: take a full backup after you have set it back. It is not possible in an availability group",
    ),
];

/// Warns of the settings that the database has.
pub(super) async fn examine(report: &mut Report, session: &mut Session, place: &str) -> Result<(), Lost> {
    for (sql, text) in SETTINGS {
        match session.rows(sql, &[]).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) => report.warning(place, text),
            // A server without the view or the column lacks the setting.
            Err(error) if error.kind().is_of_the_statement() => {}
            Err(error) => {
                report.unchecked(session.is_broken(), place, "A setting of the database", &error)?
            }
        }
    }
    Ok(())
}
