//! The catalog of a server: its own properties, and the descriptions of tables.

use chrono::NaiveDateTime;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::shown;
use crate::model::row::Value;
use crate::model::table::{Column, DataType, Identifier, Index, RefusedColumn, TableName, TableSchema};
use crate::mssql::{Row, Session};

const SERVER: &str = "SELECT CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)) AS [server_name], \
    DB_NAME() AS [database_name], \
    CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) AS [updateability], \
    @@VERSION AS [version], CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) AS [product_version], \
    CAST(SERVERPROPERTY(N'EngineEdition') AS nvarchar(128)) AS [engine_edition], SYSDATETIME() AS [now], SYSUTCDATETIME() AS [now_utc]";

/// The clock alone.
const CLOCK: &str = "SELECT SYSDATETIME() AS [now], SYSUTCDATETIME() AS [now_utc]";

const TABLE: &str = "SELECT t.object_id, t.create_date, s.name AS [schema_name], t.name AS [table_name] FROM sys.tables AS t \
    JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE s.name = @P1 AND t.name = @P2";

/// The row count of a table in the server's statistics: that of its heap or clustered index.
const ESTIMATE: &str = "SELECT SUM(p.rows) AS [row_count] FROM sys.partitions AS p WHERE p.object_id = @P1 AND p.index_id IN (0, 1)";

/// The joins keep every column, because a login does not see every type. The base type of an alias type is the type
/// whose own number is the column's system type, which every login sees. CLR types have no such row.
const COLUMNS: &str = "SELECT c.name AS [column_name], ty.name AS [type_name], ty.is_user_defined, c.max_length, \
    c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name, base.name AS [base_type_name] \
    FROM sys.columns AS c LEFT JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id \
    LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id \
    WHERE c.object_id = @P1 ORDER BY c.column_id";

/// The columns that an INSERT must name: they take no NULL, and the server has no value for them. `timestamp` is the
/// catalog's name for rowversion.
const NEEDED: &str = "SELECT c.name AS [column_name] FROM sys.columns AS c \
    LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id \
    WHERE c.object_id = @P1 AND c.is_nullable = 0 AND c.is_identity = 0 AND c.is_computed = 0 \
    AND c.default_object_id = 0 AND c.generated_always_type = 0 AND COALESCE(base.name, N'') <> N'timestamp' \
    ORDER BY c.column_id";

/// The reason for a column whose type the login does not see and which is not one of the server's own.
const UNSEEN_TYPE: &str = "its type cannot be seen; GRANT VIEW DEFINITION on the type shows it";

/// Finds the database by name: on Azure SQL, `DB_ID` and this view number databases differently.
const IDENTITY: &str = "SELECT create_date, CAST(service_broker_guid AS nvarchar(36)) AS [guid] FROM sys.databases \
    WHERE name = DB_NAME()";

/// For a server whose `sys.databases` has no `service_broker_guid`.
const CREATED: &str =
    "SELECT create_date, CAST(NULL AS nvarchar(36)) AS [guid] FROM sys.databases WHERE name = DB_NAME()";

/// The columns of each index: those of its key, those that it includes, and the one that its partitions are cut by,
/// which need not be either. Hypothetical indexes are notes of a tuning tool, not indexes.
const INDEXES: &str = "SELECT i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.has_filter, \
    i.is_disabled, ic.is_descending_key, ic.key_ordinal, ic.partition_ordinal, \
    c.name AS [column_name] \
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
    JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id \
    WHERE i.object_id = @P1 AND i.is_hypothetical = 0 ORDER BY i.index_id, ic.key_ordinal, ic.index_column_id";

/// `sys.indexes.type` of the two kinds that order rows.
const CLUSTERED: i64 = 1;
const NONCLUSTERED: i64 = 2;
/// The same of the two kinds that keep rows by columns.
pub(super) const COLUMNSTORES: [i64; 2] = [5, 6];

/// The properties of a server, as it reports them, with their texts as [`shown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// `SERVERPROPERTY('ServerName')`; empty if the server does not report it.
    pub server_name: String,
    /// `DB_NAME()`.
    pub database: String,
    /// `READ_ONLY` or `READ_WRITE`; empty if the server does not report it.
    pub updateability: String,
    /// The first line of `@@VERSION`.
    pub version: String,
    /// `SERVERPROPERTY('ProductVersion')`; empty if the server does not report it.
    pub product_version: String,
    /// `SERVERPROPERTY('EngineEdition')`; empty if the server does not report it.
    pub engine_edition: String,
    /// Its clock.
    pub clock: ServerClock,
}

/// What a server's own clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerClock {
    /// In the server's local time.
    pub now: NaiveDateTime,
    /// The same instant in UTC.
    pub now_utc: NaiveDateTime,
}

impl ServerClock {
    /// The clock in the time zone of dates of a type. Instants with an offset are compared in UTC; dates without one count
    /// as the server's local time.
    pub fn for_dates(self, data_type: Option<DataType>) -> NaiveDateTime {
        match data_type {
            Some(DataType::DateTimeOffset(_)) => self.now_utc,
            _ => self.now,
        }
    }

    fn of(row: &Row) -> Result<ServerClock> {
        Ok(ServerClock {
            now: row.datetime("now")?,
            now_utc: row.datetime("now_utc")?,
        })
    }
}

/// Reads the server's properties, and no table.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn server(session: &mut Session) -> Result<ServerInfo> {
    let row = properties(session, SERVER).await?;
    let text = |column: &str| {
        // The first line of `@@VERSION` is all that is told of it.
        let text = row.optional_text(column)?.unwrap_or_default().lines().next();
        Ok::<_, Error>(shown(text.unwrap_or_default().trim()))
    };
    Ok(ServerInfo {
        server_name: text("server_name")?,
        database: text("database_name")?,
        updateability: text("updateability")?,
        version: text("version")?,
        product_version: text("product_version")?,
        engine_edition: text("engine_edition")?,
        clock: ServerClock::of(&row)?,
    })
}

/// Reads the server's clock, and nothing else of it.
///
/// # Errors
/// As [`server`].
pub async fn clock(session: &mut Session) -> Result<ServerClock> {
    ServerClock::of(&properties(session, CLOCK).await?)
}

/// The one row of a server's properties.
async fn properties(session: &mut Session, sql: &str) -> Result<Row> {
    let rows = session.rows(sql, &[]).await?;
    rows.into_iter().next().ok_or_else(|| {
        Error::malformed(format_args!(
            "The {} does not report its properties",
            session.place()
        ))
    })
}

/// The identity of a database, which differs also between databases of one name on two servers.
///
/// It is the `service_broker_guid` in lower case, which a restored copy and a replica keep. Without one it is the
/// time of creation; it is empty if the server reports neither.
///
/// # Errors
/// Those of [`Session::rows`], except `Statement` and `Preflight`: such a server reports no identity.
pub async fn identity(session: &mut Session) -> Result<String> {
    for sql in [IDENTITY, CREATED] {
        let rows = match session.rows(sql, &[]).await {
            Ok(rows) => rows,
            // Another vendor's server, or one that hides this view.
            Err(error) if error.kind().is_of_the_statement() => continue,
            Err(error) => return Err(error),
        };
        let Some(row) = rows.first() else { continue };
        let guid = shown(row.optional_text("guid")?.unwrap_or_default()).to_ascii_lowercase();
        if guid.bytes().any(|digit| digit != b'0' && digit != b'-') {
            return Ok(guid);
        }
        if !row.is_null("create_date")? {
            return Ok(format!(
                "created {}",
                row.datetime("create_date")?.format("%Y-%m-%d %H:%M:%S%.3f")
            ));
        }
    }
    Ok(String::new())
}

/// When the database was created on its server; `None` if the server does not tell.
///
/// # Errors
/// As [`identity`].
pub async fn created(session: &mut Session) -> Result<Option<NaiveDateTime>> {
    let rows = match session.rows(CREATED, &[]).await {
        Ok(rows) => rows,
        Err(error) if error.kind().is_of_the_statement() => return Ok(None),
        Err(error) => return Err(error),
    };
    match rows.first() {
        Some(row) if !row.is_null("create_date")? => row.datetime("create_date").map(Some),
        _ => Ok(None),
    }
}

/// Describes a table; `None` if the login sees no table of this name.
///
/// # Errors
/// `Preflight` if the catalog holds a name that cannot be put into a statement; those of [`Session::rows`].
pub async fn describe(session: &mut Session, table: &TableName) -> Result<Option<TableSchema>> {
    let names = [
        Value::Text(table.schema.as_str()),
        Value::Text(table.name.as_str()),
    ];
    let found = session.rows(TABLE, &names).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let name = TableName {
        schema: identifier(row, "schema_name")?,
        name: identifier(row, "table_name")?,
    };
    let object_id = object_id(row)?;
    let create_date = row.datetime("create_date")?;
    let id = [Value::Integer(i64::from(object_id))];

    let described = session.rows(COLUMNS, &id).await?;
    let (columns, refused) = columns(&described).map_err(|error| error.within(&name))?;
    let indexed = session.rows(INDEXES, &id).await?;
    let indexes = indexes(&indexed).map_err(|error| error.within(&name))?;
    let mut columnstore = false;
    for row in &indexed {
        columnstore |= COLUMNSTORES.contains(&row.integer("type")?);
    }
    Ok(Some(TableSchema {
        name,
        object_id,
        create_date,
        columns,
        refused,
        indexes,
        columnstore,
    }))
}

pub(super) fn object_id(row: &Row) -> Result<i32> {
    i32::try_from(row.integer("object_id")?)
        .map_err(|_| Error::malformed("The server's catalog has an object_id that is not an int"))
}

/// The names of the columns that an INSERT into a table must name; none if the server does not tell.
///
/// # Errors
/// As [`identity`].
pub async fn needed(session: &mut Session, table: &TableSchema) -> Result<Vec<Identifier>> {
    let id = [Value::Integer(i64::from(table.object_id))];
    match session.rows(NEEDED, &id).await {
        Ok(rows) => rows.iter().map(|row| identifier(row, "column_name")).collect(),
        Err(error) if error.kind().is_of_the_statement() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn columns(described: &[Row]) -> Result<(Vec<Column>, Vec<RefusedColumn>)> {
    let mut columns = Vec::new();
    let mut refused = Vec::new();
    for row in described {
        let name = identifier(row, "column_name")?;
        if row.flag("is_computed")? {
            refused.push(RefusedColumn {
                name,
                reason: "computed".to_owned(),
            });
            continue;
        }
        let declared = row.optional_text("type_name")?;
        let base = match declared {
            Some(own) if !row.flag("is_user_defined")? => Some(own),
            _ => row.optional_text("base_type_name")?,
        };
        let data_type = match base {
            Some(base) => data_type(base, row)?,
            None => None,
        };
        let Some(data_type) = data_type else {
            refused.push(RefusedColumn {
                name,
                reason: shown(declared.or(base).unwrap_or(UNSEEN_TYPE)),
            });
            continue;
        };
        columns.push(Column {
            name,
            data_type,
            nullable: row.flag("is_nullable")?,
            identity: row.flag("is_identity")?,
            collation: collation(row)?,
        });
    }
    Ok((columns, refused))
}

fn data_type(name: &str, row: &Row) -> Result<Option<DataType>> {
    let out_of_range = || Error::malformed("The server's catalog has a length or scale out of range");
    let max_length = i16::try_from(row.integer("max_length")?).map_err(|_| out_of_range())?;
    let precision = u8::try_from(row.integer("precision")?).map_err(|_| out_of_range())?;
    let scale = u8::try_from(row.integer("scale")?).map_err(|_| out_of_range())?;
    Ok(DataType::from_catalog(name, max_length, precision, scale))
}

/// The row count of a table in the server's statistics; `None` if the login may not see it.
///
/// # Errors
/// Those of [`Session::rows`] that break the connection.
pub async fn estimate(session: &mut Session, table: &TableSchema) -> Result<Option<u64>> {
    let id = [Value::Integer(i64::from(table.object_id))];
    match session.rows(ESTIMATE, &id).await {
        Ok(rows) => {
            let count = rows
                .first()
                .map(|row| row.optional_integer("row_count"))
                .transpose()?
                .flatten();
            Ok(count.map(i64::cast_unsigned))
        }
        Err(error) if session.is_broken() => Err(error),
        Err(_) => Ok(None),
    }
}

fn collation(row: &Row) -> Result<Option<String>> {
    let Some(name) = row.optional_text("collation_name")? else {
        return Ok(None);
    };
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(Some(name.to_owned()));
    }
    Err(Error::new(
        ErrorKind::Preflight,
        format!(
            "The collation `{}` is not a plain word and cannot be put into a statement",
            shown(name)
        ),
    ))
}

pub(super) fn identifier(row: &Row, column: &str) -> Result<Identifier> {
    let name = row.text(column)?;
    Identifier::new(name).map_err(|error| {
        Error::new(
            ErrorKind::Preflight,
            format!(
                "The catalog holds the name `{}`, which cannot be put into a statement; rename it",
                shown(name)
            ),
        )
        .with_source(error)
    })
}

pub(super) fn indexes(rows: &[Row]) -> Result<Vec<Index>> {
    let mut indexes: Vec<Index> = Vec::new();
    let mut last_id = None;
    for row in rows {
        let kind = row.integer("type")?;
        if kind != CLUSTERED && kind != NONCLUSTERED {
            continue;
        }
        let id = row.integer("index_id")?;
        if last_id != Some(id) {
            last_id = Some(id);
            let complete = !row.flag("has_filter")? && !row.flag("is_disabled")?;
            indexes.push(Index {
                name: shown(row.optional_text("index_name")?.unwrap_or_default()),
                columns: Vec::new(),
                included: Vec::new(),
                partitioned_by: None,
                clustered: kind == CLUSTERED,
                unique: row.flag("is_unique")? && complete,
                primary_key: row.flag("is_primary_key")?,
                complete,
                ascending: true,
            });
        }
        if let Some(index) = indexes.last_mut() {
            let column = identifier(row, "column_name")?;
            if row.integer("partition_ordinal")? > 0 {
                index.partitioned_by = Some(column.clone());
            }
            if row.integer("key_ordinal")? > 0 {
                index.columns.push(column);
                index.ascending &= !row.flag("is_descending_key")?;
            } else {
                index.included.push(column);
            }
        }
    }
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiberius::{ColumnData, ColumnType};

    /// A row of [`COLUMNS`] for a column of this type and collation.
    fn row(type_name: &'static str, base: Option<&'static str>, collation: &'static str) -> Row {
        let text = |text: &'static str| ColumnData::String(Some(text.into()));
        let number = |number: i32| ColumnData::I32(Some(number));
        let cells = [
            ("column_name", text("a\u{202e}b")),
            ("type_name", text(type_name)),
            ("base_type_name", ColumnData::String(base.map(Into::into))),
            ("is_user_defined", number(1)),
            ("is_computed", number(0)),
            ("max_length", number(20)),
            ("precision", number(0)),
            ("scale", number(0)),
            ("is_nullable", number(1)),
            ("is_identity", number(0)),
            ("collation_name", text(collation)),
        ];
        let row = cells
            .into_iter()
            .fold(tiberius::Row::builder(), |row, (name, cell)| {
                row.column(name, ColumnType::Null, cell)
            });
        Row(row.build())
    }

    #[test]
    fn types_and_collations_are_shown_harmless_and_names_stay_exact() {
        let (_, refused) = columns(&[row("geo\u{1b}[2J\u{202e}graphy", None, "X")]).unwrap();
        assert_eq!(refused[0].reason, "geo\u{fffd}[2J\u{fffd}graphy");
        assert_eq!(refused[0].name.as_str(), "a\u{202e}b");
        assert_eq!(refused[0].name.to_string(), "a\u{fffd}b");
        let error = columns(&[row("t", Some("nvarchar"), "Latin1\u{1b}[2J\u{2066}")]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("collation `Latin1\u{fffd}[2J\u{fffd}`"),
            "{error}"
        );
        let (copied, _) = columns(&[row("t", Some("nvarchar"), "Latin1_General_CI_AS")]).unwrap();
        assert_eq!(copied[0].collation.as_deref(), Some("Latin1_General_CI_AS"));
    }
}
