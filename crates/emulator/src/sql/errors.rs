//! SQL Server's errors: number, class, state and text in one place.

use crate::types::SqlError;

/// The number of the error for valid T-SQL that the emulator does not implement. It lies outside SQL Server's own
/// range.
pub(crate) const UNSUPPORTED: i32 = 40000;

/// An error at line 1. The session sets the statement's line.
pub(crate) fn error(number: i32, class: u8, state: u8, message: impl Into<String>) -> SqlError {
    SqlError {
        number,
        state,
        class,
        message: message.into(),
        line: 1,
    }
}

/// The error for valid T-SQL that the emulator does not implement. It quotes the T-SQL.
pub(crate) fn unsupported(what: impl std::fmt::Display) -> SqlError {
    let what: String = what.to_string().chars().take(300).collect();
    error(
        UNSUPPORTED,
        16,
        1,
        format!("Incorrect syntax or not implemented by the emulator: {what}"),
    )
}

/// The error for a statement whose tree would be too deep or too large to work on.
pub(crate) fn too_deep() -> SqlError {
    let text = "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller \
                queries.";
    error(191, 15, 1, text)
}

/// The error for a request that was cancelled, or whose client is gone.
pub(crate) fn cancelled() -> SqlError {
    error(3617, 11, 0, "Operation cancelled by user.")
}

pub(crate) fn no_variable(name: &str) -> SqlError {
    error(
        137,
        15,
        2,
        format!("Must declare the scalar variable \"{name}\"."),
    )
}

pub(crate) fn no_column(name: &str) -> SqlError {
    error(207, 16, 1, format!("Invalid column name '{name}'."))
}

pub(crate) fn no_object(name: &str) -> SqlError {
    error(208, 16, 1, format!("Invalid object name '{name}'."))
}

pub(crate) fn no_database(name: &str) -> SqlError {
    error(
        911,
        16,
        1,
        format!("Database '{name}' does not exist. Make sure that the name is entered correctly."),
    )
}

pub(crate) fn no_schema(name: &str) -> SqlError {
    let text = "either does not exist or you do not have permission to use it.";
    error(
        2760,
        16,
        1,
        format!("The specified schema name \"{name}\" {text}"),
    )
}

pub(crate) fn no_procedure(name: &str) -> SqlError {
    error(2812, 16, 62, format!("Could not find stored procedure '{name}'."))
}

pub(crate) fn cannot_find(number: i32, state: u8, name: &str) -> SqlError {
    let text = "because it does not exist or you do not have permissions.";
    error(
        number,
        16,
        state,
        format!("Cannot find the object \"{name}\" {text}"),
    )
}

pub(crate) fn cannot_drop(kind: &str, name: &str, state: u8) -> SqlError {
    let text = "because it does not exist or you do not have permission.";
    error(
        3701,
        11,
        state,
        format!("Cannot drop the {kind} '{name}', {text}"),
    )
}

pub(crate) fn object_exists(name: &str) -> SqlError {
    error(
        2714,
        16,
        6,
        format!("There is already an object named '{name}' in the database."),
    )
}

pub(crate) fn denied(permission: &str, object: &str, database: &str, schema: &str) -> SqlError {
    error(
        229,
        14,
        5,
        format!(
            "The {permission} permission was denied on the object '{object}', database '{database}', schema '{schema}'."
        ),
    )
}

pub(crate) fn denied_in_database(permission: &str, database: &str) -> SqlError {
    error(
        262,
        14,
        1,
        format!("{permission} permission denied in database '{database}'."),
    )
}

pub(crate) fn read_only(database: &str) -> SqlError {
    error(
        3906,
        16,
        1,
        format!("Failed to update database \"{database}\" because the database is read-only."),
    )
}

pub(crate) fn no_snapshot(database: &str) -> SqlError {
    let text = format!(
        "Snapshot isolation transaction failed accessing database '{database}' because snapshot isolation is not \
         allowed in this database. Use ALTER DATABASE to allow snapshot isolation."
    );
    error(3952, 16, 1, text)
}

pub(crate) fn lock_timeout() -> SqlError {
    error(1222, 16, 51, "Lock request time out period exceeded.")
}

pub(crate) fn deadlock(spid: i16) -> SqlError {
    let text = "was deadlocked on lock resources with another process and has been chosen as the deadlock victim. \
                Rerun the transaction.";
    error(1205, 13, 51, format!("Transaction (Process ID {spid}) {text}"))
}

pub(crate) fn doomed() -> SqlError {
    let text = "The current transaction cannot be committed and cannot support operations that write to the log \
                file. Roll back the transaction.";
    error(3930, 16, 1, text)
}

pub(crate) fn overflow(ty: &str) -> SqlError {
    error(
        8115,
        16,
        2,
        format!("Arithmetic overflow error converting expression to data type {ty}."),
    )
}

pub(crate) fn null_refused(column: &str, table: &str, statement: &str) -> SqlError {
    let text = format!(
        "Cannot insert the value NULL into column '{column}', table '{table}'; column does not allow nulls. \
         {statement} fails."
    );
    error(515, 16, 2, text)
}

pub(crate) fn wrong_count() -> SqlError {
    error(
        213,
        16,
        1,
        "Column name or number of supplied values does not match table definition.",
    )
}

pub(crate) fn wrong_arguments(function: &str, count: &str) -> SqlError {
    error(
        174,
        15,
        1,
        format!("The {function} function requires {count} argument(s)."),
    )
}

pub(crate) fn bad_bulk_type(column: usize) -> SqlError {
    error(
        4816,
        16,
        1,
        format!("Invalid column type from bcp client for colid {column}."),
    )
}

/// Whether an error leaves the transaction open and the batch running when XACT_ABORT is off.
pub(crate) fn ends_statement_only(number: i32) -> bool {
    matches!(
        number,
        229 | 262
            | 515
            | 544
            | 545
            | 547
            | 1222
            | 2601
            | 2627
            | 2628
            | 3701
            | 3902
            | 3903
            | 4902
            | 8115
            | 8134
            | 8152
            | 15023
            | 15225
            | 15248
            | 15335
            | 50000
    )
}

/// Whether a system procedure raises the error with RAISERROR, which does not honor XACT_ABORT ("RAISERROR").
pub(crate) fn raised_by_procedure(number: i32) -> bool {
    matches!(number, 15225 | 15248 | 15249 | 15335)
}

/// Whether an error rolls the transaction back even when XACT_ABORT is off.
pub(crate) fn ends_transaction(number: i32) -> bool {
    matches!(number, 241 | 242 | 245 | 248 | 1205 | 8114 | 8169)
}
