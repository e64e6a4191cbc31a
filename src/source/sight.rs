//! The sight of a login on a source table: whether it sees every column, the values themselves and all rows.
//!
//! No digest detects hidden values or rows, because source and target then hold the same masks or the same
//! part of the rows. So a masked column is an error, an encrypted column is refused, and a filter is
//! reported. A table is refused if its SELECT returns a column that the catalog does not show. A server
//! without these views has no such features.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::shown;
use crate::model::row::Value;
use crate::model::table::{Identifier, RefusedColumn, TableName, TableSchema};
use crate::mssql::{Listed, Row};
use crate::source::session::{Policies, Sights, SourceQuery, SourceSession};

/// The features of the server and the rights of the login: one query a session. `COL_LENGTH` and `OBJECT_ID`
/// are NULL if there is no such column or view, as before SQL Server 2016 and on other vendors' servers.
const SIGHTS: &str = "SELECT COL_LENGTH(N'sys.columns', N'is_masked') AS [masks], \
    COL_LENGTH(N'sys.columns', N'encryption_type') AS [encryption], \
    OBJECT_ID(N'sys.security_predicates') AS [predicates], OBJECT_ID(N'sys.security_policies') AS [policies], \
    CASE WHEN USER_NAME() = N'dbo' THEN 1 ELSE HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'VIEW DEFINITION') END \
    AS [view_definition], HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'ALTER ANY SECURITY POLICY') AS [alter_policy]";

/// The masked and the encrypted columns. UNMASK is a right on the database, and from SQL Server 2022 on also
/// on the schema, the table and the column. HAS_PERMS_BY_NAME is NULL if the server has no such right.
const COLUMNS: &str = "SELECT c.name AS [column_name], c.is_masked, c.encryption_type, \
    COALESCE(HAS_PERMS_BY_NAME(@P2, N'OBJECT', N'UNMASK', c.name, N'COLUMN'), \
    HAS_PERMS_BY_NAME(@P2, N'OBJECT', N'UNMASK'), HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK'), 0) AS [unmask] \
    FROM sys.columns AS c WHERE c.object_id = @P1 AND (c.is_masked = 1 OR c.encryption_type IS NOT NULL) \
    ORDER BY c.column_id";

/// The same of all tables of a schema.
const COLUMNS_OF_SCHEMA: &str = "SELECT c.object_id, c.name AS [column_name], c.is_masked, c.encryption_type, \
    COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(t.name), N'OBJECT', N'UNMASK', c.name, N'COLUMN'), \
    HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(t.name), N'OBJECT', N'UNMASK'), \
    HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK'), 0) AS [unmask] \
    FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id \
    WHERE s.name = @P1 AND (c.is_masked = 1 OR c.encryption_type IS NOT NULL) ORDER BY c.object_id, c.column_id";

/// The policies that filter the rows of a table. Predicate type 0 is FILTER.
const FILTERS: &str = "SELECT DISTINCT SCHEMA_NAME(p.schema_id) AS [schema_name], p.name AS [policy_name] FROM sys.security_predicates AS d \
    JOIN sys.security_policies AS p ON p.object_id = d.object_id \
    WHERE d.target_object_id = @P1 AND d.predicate_type = 0 AND p.is_enabled = 1";

/// The server's error numbers for a table and for a column that the login may not SELECT from.
const NO_SELECT: [u32; 2] = [229, 230];

/// The most names of columns that a message lists.
const NAMED_MAX: usize = 10;

/// Examines a source table as [`SourceSession::describe`] has it. Moves encrypted columns to the refused
/// ones, and returns the quoted names of the policies that filter the table's rows. Reads no row.
///
/// # Errors
/// `Preflight` if the login may not SELECT from the table, reads masks, or does not see a column; those of
/// [`SourceSession::column_names`].
pub async fn examine(session: &mut SourceSession, schema: &mut TableSchema) -> Result<Vec<String>> {
    returned(session, schema).await?;
    let sights = sights(session).await?;
    if sights.columns {
        hidden_values(session, schema).await?;
    }
    if sights.policies == Policies::None {
        return Ok(Vec::new());
    }
    let id = [Value::Integer(i64::from(schema.object_id))];
    let rows = session.session.rows(FILTERS, &id).await?;
    let name = |part: &str| format!("[{}]", shown(part).replace(']', "]]"));
    rows.iter()
        .map(|row| {
            let schema = row.optional_text("schema_name")?.unwrap_or_default();
            Ok(format!("{}.{}", name(schema), name(row.text("policy_name")?)))
        })
        .collect()
}

/// The tables of a schema that this login sees. Those that it cannot copy have an error in the place of their description:
/// that it may not read them, or reads masks. Reads no row.
///
/// # Errors
/// Those of [`SourceSession::tables`].
pub async fn tables(session: &mut SourceSession, schema: &Identifier) -> Result<Vec<Listed>> {
    let mut listed = session.tables(schema).await?;
    let hidden = if sights(session).await?.columns {
        let name = [Value::Text(schema.as_str())];
        session.session.many_rows(COLUMNS_OF_SCHEMA, &name).await?
    } else {
        Vec::new()
    };
    for table in &mut listed {
        let Ok(described) = &mut table.schema else {
            continue;
        };
        let mut own = Vec::new();
        for row in &hidden {
            if row.integer("object_id")? == i64::from(described.object_id) {
                own.push(row);
            }
        }
        let name = described.name.clone();
        let refused = match hide(described, own) {
            _ if !table.may_read => Some(Error::new(ErrorKind::Preflight, may_not_read(&name))),
            Err(error) if error.kind() == ErrorKind::Preflight => Some(error),
            hidden => {
                hidden?;
                None
            }
        };
        if let Some(error) = refused {
            table.schema = Err(error);
        }
    }
    Ok(listed)
}

/// The warning for an operator if the login may not see the source's security policies.
///
/// # Errors
/// Those of the session.
pub async fn unseen(session: &mut SourceSession) -> Result<Option<&'static str>> {
    Ok((sights(session).await?.policies == Policies::Hidden).then_some(
        "Whether row-level security keeps rows from this login could not be checked: it may not see the \
         security policies of the source; GRANT VIEW DEFINITION on the database to it \
         (as the script does that `sync migrate --admin reader` prints)",
    ))
}

/// The warning about policies that filter a table's rows; `None` without one.
pub fn filtered(policies: &[String]) -> Option<String> {
    let filters = match policies {
        [] => return None,
        [policy] => format!("Policy {policy} filters"),
        several => format!("Policies {} filter", several.join(", ")),
    };
    Some(format!(
        "{filters} the rows that this login reads (row-level security): rows that are hidden from it are not \
         copied and not counted; read with a login that the policy lets see all rows"
    ))
}

/// An error of reading a table, with the fix if the login lacks a right.
pub fn unreadable(error: Error, table: &TableName) -> Error {
    match error.number() {
        Some(number) if NO_SELECT.contains(&number) => {
            let text = may_not_read(format_args!("{table} (error {number})"));
            Error::new(ErrorKind::Preflight, text).with_number(number)
        }
        _ => error,
    }
}

fn may_not_read(table: impl std::fmt::Display) -> String {
    format!(
        "The login may not read {table}; GRANT SELECT on it or on its schema (as the script does that \
         `sync migrate --admin reader` prints), and REVOKE any DENY"
    )
}

/// Refuses a table that returns a column which the catalog does not show.
async fn returned(session: &mut SourceSession, schema: &TableSchema) -> Result<()> {
    let table = schema.name.quoted();
    let no_rows =
        |columns: &str| SourceQuery::new(format!("SELECT TOP (0) {columns} FROM {table}"), Vec::new());
    let returned = match session.column_names(no_rows("*")).await {
        // The login may lack the right to a column that is not copied: ask for the copied ones by name.
        Err(error) if error.number().is_some_and(|number| NO_SELECT.contains(&number)) => {
            let names: Vec<String> = schema.columns.iter().map(|column| column.name.quoted()).collect();
            let names = if names.is_empty() {
                "*".to_owned()
            } else {
                names.join(", ")
            };
            session.column_names(no_rows(&names)).await
        }
        returned => returned,
    };
    let returned = returned.map_err(|error| unreadable(error, &schema.name))?;
    match undescribed(&returned, schema).as_slice() {
        [] => Ok(()),
        columns => Err(Error::new(
            ErrorKind::Preflight,
            format!(
                "Table {} returns {} that its catalog does not show to this login; GRANT VIEW DEFINITION on the \
                 table and its schema to it (as the script does that `sync migrate --admin reader` prints)",
                schema.name,
                listed(columns)
            ),
        )),
    }
}

/// The returned columns that the catalog did not describe. Not every server returns names as its catalog
/// writes them.
fn undescribed<'a>(returned: &'a [String], schema: &TableSchema) -> Vec<&'a str> {
    let copied = schema.columns.iter().map(|column| &column.name);
    let described: Vec<String> = copied
        .chain(schema.refused.iter().map(|column| &column.name))
        .map(|name| name.as_str().to_lowercase())
        .collect();
    let names = returned.iter().map(String::as_str);
    names
        .filter(|name| !described.contains(&name.to_lowercase()))
        .collect()
}

/// Refuses a table whose masks the login would read, and moves encrypted columns to the refused ones.
async fn hidden_values(session: &mut SourceSession, schema: &mut TableSchema) -> Result<()> {
    let quoted = schema.name.quoted();
    let params = [Value::Integer(i64::from(schema.object_id)), Value::Text(&quoted)];
    let rows = session.session.rows(COLUMNS, &params).await?;
    hide(schema, &rows)
}

/// The same, from the rows of [`COLUMNS`] about the table.
fn hide<'a>(schema: &mut TableSchema, rows: impl IntoIterator<Item = &'a Row>) -> Result<()> {
    let mut masked = Vec::new();
    for row in rows {
        let name = row.text("column_name")?;
        let Some(at) = schema
            .columns
            .iter()
            .position(|column| column.name.as_str() == name)
        else {
            continue;
        };
        if !row.is_null("encryption_type")? {
            let column = schema.columns.remove(at);
            schema.refused.push(RefusedColumn {
                name: column.name,
                reason: "encrypted; only a client that holds its key can read it".to_owned(),
            });
        } else if row.flag("is_masked")? && row.integer("unmask")? != 1 {
            masked.push(shown(name));
        }
    }
    if masked.is_empty() {
        return Ok(());
    }
    let masked: Vec<&str> = masked.iter().map(String::as_str).collect();
    Err(Error::new(
        ErrorKind::Preflight,
        format!(
            "Table {}: the login reads masks in place of the values of {} (dynamic data masking); GRANT UNMASK to it, \
             or read with a login that has it, or leave them out by exclude_columns",
            schema.name,
            listed(&masked)
        ),
    ))
}

/// `column A` or `columns A, B`.
fn listed(columns: &[&str]) -> String {
    match columns {
        [column] => format!("column {column}"),
        columns if columns.len() <= NAMED_MAX => format!("columns {}", columns.join(", ")),
        columns => format!(
            "columns {} and {} more",
            columns[..NAMED_MAX].join(", "),
            columns.len() - NAMED_MAX
        ),
    }
}

/// The features of the server that may hide values or rows. Asks once a session.
async fn sights(session: &mut SourceSession) -> Result<Sights> {
    if let Some(sights) = session.sights {
        return Ok(sights);
    }
    let sights = match session.session.rows(SIGHTS, &[]).await {
        Ok(rows) => {
            let number = |column: &str| match rows.first() {
                Some(row) => row.optional_integer(column),
                None => Ok(None),
            };
            let there = |column| Ok::<_, Error>(number(column)?.is_some());
            let may = |column| Ok::<_, Error>(number(column)? == Some(1));
            Sights {
                columns: there("masks")? && there("encryption")?,
                policies: if !(there("predicates")? && there("policies")?) {
                    Policies::None
                } else if may("view_definition")? || may("alter_policy")? {
                    Policies::Seen
                } else {
                    Policies::Hidden
                },
            }
        }
        // The login may not ask, so there may be policies.
        Err(error) if error.number().is_some_and(|number| NO_SELECT.contains(&number)) => Sights {
            columns: false,
            policies: Policies::Hidden,
        },
        // A server without these functions has neither masks nor policies.
        Err(error) if error.kind().is_of_the_statement() => Sights {
            columns: false,
            policies: Policies::None,
        },
        Err(error) => return Err(error),
    };
    session.sights = Some(sights);
    Ok(sights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::{Column, DataType};

    #[test]
    fn a_column_that_the_catalog_does_not_show_is_found() {
        let id = |name: &str| Identifier::new(name).unwrap();
        let schema = TableSchema {
            name: TableName {
                schema: id("dbo"),
                name: id("T"),
            },
            object_id: 1,
            create_date: "2025-01-01T00:00:00".parse().unwrap(),
            columns: vec![Column {
                name: id("ID"),
                data_type: DataType::Int,
                nullable: false,
                identity: false,
                collation: None,
            }],
            columnstore: false,
            refused: vec![RefusedColumn {
                name: id("PLACE"),
                reason: "geography".to_owned(),
            }],
            indexes: Vec::new(),
        };
        let returned = ["id", "PLACE", "AMOUNT"].map(str::to_owned);
        assert_eq!(undescribed(&returned, &schema), ["AMOUNT"]);
        // A described column that is not returned is hidden, which is no error.
        assert!(undescribed(&returned[..1], &schema).is_empty());
    }

    #[test]
    fn what_a_message_lists() {
        assert_eq!(listed(&["A"]), "column A");
        assert_eq!(listed(&["A", "B"]), "columns A, B");
        let many: Vec<String> = (0..12).map(|n| format!("C{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(listed(&many).ends_with("C9 and 2 more"));
        assert_eq!(filtered(&[]), None);
    }
}
