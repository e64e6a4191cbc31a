//! The load of a batch into a session table, by INSERT BULK.
//!
//! Cells borrow text and bytes from the batch's canonical bytes. A load whose count differs from the batch is an
//! error. A load that stops half-way breaks the session, because the server still waits for its end.
//!
//! The driver refuses a value of more than 65,535 bytes in a bulk load, even for a `(max)` column. An UPDATE of its own
//! sends such a value. It finds the row by its number, for which the session table then has a column.

use tiberius::{ColumnData, SqlBulkCopyOption, TokenRow};

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::{Batch, Value, Values};
use crate::model::table::{DataType, Identifier};
use crate::mssql::Session;
use crate::mssql::caught::caught;
use crate::mssql::query::total;
use crate::mssql::value::staged;
use crate::tsql::expression::stage_type;

/// The size of the longest value that the driver takes in a bulk load, in bytes.
const BULK_VALUE_BYTES_MAX: usize = 0xffff;
/// The column that numbers the rows of a session table, if values can be longer than that.
const ROW_NUMBER: &str = "[sync_row]";

/// A column of a session table: its name, and the source column's type, which decides its [`stage_type`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageColumn {
    /// Its name in the session table, such as `c1`.
    pub name: Identifier,
    /// The source's declared type.
    pub data_type: DataType,
}

/// The statement that creates a session table of these columns. The table also has a column `[sync_row]` if a value
/// can be longer than a bulk load takes.
fn stage_table(table: &str, columns: &[StageColumn]) -> String {
    let mut definitions: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {} NULL", column.name.quoted(), stage_type(column.data_type)))
        .collect();
    if has_row_number(columns) {
        definitions.push(format!("{ROW_NUMBER} int NULL"));
    }
    format!("CREATE TABLE {table} ({})", definitions.join(", "))
}

fn has_row_number(columns: &[StageColumn]) -> bool {
    columns.iter().any(|column| column.data_type.is_unbounded())
}

fn is_long(value: Value<'_>) -> bool {
    match value {
        // A character has at least as many bytes in UTF-8 as it has units in UTF-16.
        Value::Text(text) => {
            text.len() * 2 > BULK_VALUE_BYTES_MAX && text.encode_utf16().count() * 2 > BULK_VALUE_BYTES_MAX
        }
        Value::Bytes(bytes) => bytes.len() > BULK_VALUE_BYTES_MAX,
        _ => false,
    }
}

/// A value that is too long for the bulk load, and its place.
struct LongValue<'a> {
    row: i32,
    column: usize,
    value: Value<'a>,
}

/// The cause of a failed load: the wire, or the batch.
enum Trouble {
    Driver(tiberius::error::Error),
    Batch(Error),
}

impl From<tiberius::error::Error> for Trouble {
    fn from(error: tiberius::error::Error) -> Self {
        Trouble::Driver(error)
    }
}

impl Session {
    /// Makes `table` an empty session table of these columns. The session's table of the same columns is kept: to make one
    /// costs a server more than to empty it. Not within a transaction, whose end would take it back.
    ///
    /// # Errors
    /// Those of [`Session::batch`].
    pub async fn empty_stage(&mut self, table: &str, columns: &[StageColumn]) -> Result<()> {
        let make = stage_table(table, columns);
        if self.staged.as_ref() == Some(&make) {
            return self.batch(&format!("TRUNCATE TABLE {table}")).await;
        }
        self.staged = None;
        self.batch(&format!("DROP TABLE IF EXISTS {table}; {make}"))
            .await?;
        self.staged = Some(make);
        Ok(())
    }

    /// Loads a batch into `table`, which [`Session::empty_stage`] made of the same columns and which has `before` rows
    /// since, and keeps NULLs. Returns the number of rows loaded, which is the batch's.
    ///
    /// # Errors
    /// `Statement` if the batch does not fit the columns, or if the server's count differs from the batch's;
    /// those of [`Session::execute`].
    pub async fn bulk_load(
        &mut self,
        table: &str,
        before: usize,
        batch: &Batch,
        columns: &[StageColumn],
    ) -> Result<u64> {
        if batch.row_count() == 0 {
            return Ok(0);
        }
        // The driver asks for the columns itself.
        self.tell(&format!("SELECT TOP 0 * FROM {table}"));
        self.start(&format!("INSERT BULK {table}"), self.timeouts.rows())?;
        let mut long = Vec::new();
        let loaded = match self.send_rows(table, before, batch, columns, &mut long).await {
            Ok(loaded) => self.finish(Ok(loaded))?,
            Err(Trouble::Driver(error)) => return self.finish(Err(error)),
            Err(Trouble::Batch(error)) => return Err(error),
        };
        if loaded != batch.row_count() as u64 {
            let count = batch.row_count();
            return Err(self.miscounted(&format!("loaded {loaded} of {count} rows into {table}")));
        }
        for LongValue { row, column, value } in long {
            let name = columns[column].name.quoted();
            let sql = format!("UPDATE {table} SET {name} = @P1 WHERE {ROW_NUMBER} = @P2");
            let updated = self
                .execute(&sql, &[value, Value::Integer(i64::from(row))])
                .await?;
            if updated != 1 {
                return Err(self.miscounted(&format!("has {updated} rows of one number in {table}")));
            }
        }
        Ok(loaded)
    }

    fn miscounted(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Statement,
            format!("The {} {what}; the load is repeated from the start", self.place()),
        )
    }

    async fn send_rows<'a>(
        &mut self,
        table: &str,
        before: usize,
        batch: &'a Batch,
        columns: &[StageColumn],
        long: &mut Vec<LongValue<'a>>,
    ) -> Result<u64, Trouble> {
        let watch = self.watch.clone();
        let (statement, bound) = (self.timeouts.statement, self.timeouts.rows());
        let keep_nulls = SqlBulkCopyOption::KeepNulls.into();
        let begin = self
            .client
            .bulk_insert_with_options(table, &["*"], keep_nulls, &[]);
        let mut load = caught(begin).await?;
        // Its own number finds a row whose long value follows, among those of the batches before it, too.
        let first = i32::try_from(before).map_err(|_| Trouble::Batch(too_many()))?;
        let numbered = has_row_number(columns);
        for (number, bytes) in (first..).zip(batch.rows()) {
            let row = token_row(bytes, columns, numbered.then_some(number), long).map_err(Trouble::Batch)?;
            caught(load.send(row)).await?;
        }
        watch.expect(statement, bound);
        let done = caught(load.finalize()).await?;
        Ok(total(done.rows_affected()))
    }
}

/// A row as it is sent, with its number if the session table has a column for that. Values that are too long are sent
/// as NULL and collected in `long`.
fn token_row<'a>(
    bytes: &'a [u8],
    columns: &[StageColumn],
    number: Option<i32>,
    long: &mut Vec<LongValue<'a>>,
) -> Result<TokenRow<'a>> {
    let mut values = Values::new(bytes);
    let mut row = TokenRow::with_capacity(columns.len() + usize::from(number.is_some()));
    for (column, stage) in columns.iter().enumerate() {
        let value = values.next_value()?.ok_or_else(other_columns)?;
        let mut cell = staged(value, stage.data_type)?;
        if let Some(row) = number
            && stage.data_type.is_unbounded()
            && is_long(value)
        {
            long.push(LongValue { row, column, value });
            cell = staged(Value::Null, stage.data_type)?;
        }
        row.push(cell);
    }
    if values.next_value()?.is_some() {
        return Err(other_columns());
    }
    if let Some(number) = number {
        row.push(ColumnData::I32(Some(number)));
    }
    Ok(row)
}

fn too_many() -> Error {
    Error::new(ErrorKind::Internal, "A stage has more rows than it can number")
}

fn other_columns() -> Error {
    Error::new(
        ErrorKind::Statement,
        "The source answered with other columns than it was asked for; they are read again by the next run",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::row::{Value, encode};

    fn columns() -> Vec<StageColumn> {
        [("c1", DataType::Int), ("c2", DataType::Xml)]
            .into_iter()
            .map(|(name, data_type)| StageColumn {
                name: Identifier::new(name).unwrap(),
                data_type,
            })
            .collect()
    }

    fn row(values: &[Value<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in values {
            encode(*value, &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn every_staged_column_takes_null() {
        assert_eq!(
            stage_table("#load", &columns()),
            "CREATE TABLE #load ([c1] int NULL, [c2] nvarchar(max) NULL, [sync_row] int NULL)"
        );
        assert_eq!(
            stage_table("#load", &columns()[..1]),
            "CREATE TABLE #load ([c1] int NULL)"
        );
    }

    #[test]
    fn a_batch_of_other_columns_is_refused() {
        let fits = row(&[Value::Integer(1), Value::Null]);
        assert_eq!(
            token_row(&fits, &columns(), Some(0), &mut Vec::new())
                .unwrap()
                .len(),
            3
        );
        for values in [
            &[Value::Integer(1)][..],
            &[Value::Integer(1), Value::Null, Value::Null],
            &[Value::Text("1"), Value::Null],
        ] {
            let error = token_row(&row(values), &columns(), Some(0), &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Statement);
        }
    }

    #[test]
    fn a_row_without_unbounded_columns_has_no_number() {
        let mut long = Vec::new();
        let fits = row(&[Value::Integer(1)]);
        let sent = token_row(&fits, &columns()[..1], None, &mut long).unwrap();
        assert_eq!((sent.len(), long.len()), (1, 0));
    }

    #[test]
    fn a_value_is_long_by_its_bytes_on_the_wire() {
        let crabs = "🦀".repeat(16_384);
        assert!(is_long(Value::Text(&crabs)), "65,536 bytes of UTF-16");
        assert!(
            !is_long(Value::Text(&crabs[4..])),
            "fewer units than bytes of UTF-8"
        );
        assert!(is_long(Value::Text(&"x".repeat(32_768))));
        assert!(!is_long(Value::Text(&"x".repeat(32_767))));
        assert!(is_long(Value::Bytes(&[0; 65_536])) && !is_long(Value::Bytes(&[0; 65_535])));

        let text = "x".repeat(40_000);
        let bytes = row(&[Value::Integer(1), Value::Text(&text)]);
        let mut long = Vec::new();
        let sent = token_row(&bytes, &columns(), Some(7), &mut long).unwrap();
        assert_eq!(sent.get(1), Some(&ColumnData::String(None)));
        assert_eq!(sent.get(2), Some(&ColumnData::I32(Some(7))));
        let [
            LongValue {
                row: 7,
                column: 1,
                value: Value::Text(kept),
            },
        ] = long.as_slice()
        else {
            panic!("{} long values", long.len());
        };
        assert_eq!(*kept, text);
    }
}
