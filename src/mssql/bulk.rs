//! A batch into a session table, by INSERT BULK.
//!
//! The rows go out as they are held: text and bytes are borrowed from the batch's canonical bytes. A load that
//! does not count up to the batch is an error, and a load that stops half-way breaks the session, because the
//! server is then still waiting for its end.

use tiberius::{SqlBulkCopyOption, TokenRow};

use crate::error::{Error, ErrorKind, Result};
use crate::mssql::Session;
use crate::mssql::expression::stage_type;
use crate::mssql::value::staged;
use crate::row::{Batch, Values};
use crate::table::{DataType, Identifier};

/// A column of a session table: its name, and the source column's type, from which [`stage_type`] follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageColumn {
    /// Its name in the session table, such as `c1`.
    pub name: Identifier,
    /// The source's declared type.
    pub data_type: DataType,
}

/// The statement that makes a session table of these columns; it has to be run by [`Session::batch`].
pub fn stage_table(table: &str, columns: &[StageColumn]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {} NULL", column.name.quoted(), stage_type(column.data_type)))
        .collect();
    format!("CREATE TABLE {table} ({})", columns.join(", "))
}

/// What went wrong in a load: on the wire, or in the batch.
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
    /// Loads a batch into `table` (such as `#load`, made by [`stage_table`] of the same columns), NULLs kept, and
    /// returns the rows loaded, which are the batch's.
    ///
    /// # Errors
    /// As [`Session::batch`]; `Internal` when the batch does not belong to the columns; `Statement` when the
    /// server counted other than the batch.
    pub async fn bulk_load(&mut self, table: &str, batch: &Batch, columns: &[StageColumn]) -> Result<u64> {
        if batch.row_count() == 0 {
            return Ok(0);
        }
        self.start()?;
        let loaded = match self.send_rows(table, batch, columns).await {
            Ok(loaded) => self.finish(Ok(loaded))?,
            Err(Trouble::Driver(error)) => return self.finish(Err(error)),
            Err(Trouble::Batch(error)) => return Err(error),
        };
        if loaded == batch.row_count() as u64 {
            return Ok(loaded);
        }
        Err(Error::new(
            ErrorKind::Statement,
            format!(
                "The {} loaded {loaded} of {} rows into {table}",
                self.place(),
                batch.row_count()
            ),
        ))
    }

    async fn send_rows(
        &mut self,
        table: &str,
        batch: &Batch,
        columns: &[StageColumn],
    ) -> Result<u64, Trouble> {
        let watch = self.watch.clone();
        let statement = self.timeouts.statement;
        let mut load = self
            .client
            .bulk_insert_with_options(table, &["*"], SqlBulkCopyOption::KeepNulls.into(), &[])
            .await?;
        for bytes in batch.rows() {
            let row = token_row(bytes, columns).map_err(Trouble::Batch)?;
            load.send(row).await?;
        }
        watch.expect(statement);
        Ok(load.finalize().await?.total())
    }
}

fn token_row<'a>(bytes: &'a [u8], columns: &[StageColumn]) -> Result<TokenRow<'a>> {
    let mut values = Values::new(bytes);
    let mut row = TokenRow::with_capacity(columns.len());
    for column in columns {
        let value = values.next_value()?.ok_or_else(other_columns)?;
        row.push(staged(value, column.data_type)?);
    }
    match values.next_value()? {
        None => Ok(row),
        Some(_) => Err(other_columns()),
    }
}

fn other_columns() -> Error {
    Error::new(
        ErrorKind::Internal,
        "A batch has other columns than the table it is loaded into",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Value, encode};

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
            "CREATE TABLE #load ([c1] int NULL, [c2] nvarchar(max) NULL)"
        );
    }

    #[test]
    fn a_batch_of_other_columns_is_refused() {
        let fits = row(&[Value::Integer(1), Value::Null]);
        assert_eq!(token_row(&fits, &columns()).unwrap().len(), 2);
        for values in [
            &[Value::Integer(1)][..],
            &[Value::Integer(1), Value::Null, Value::Null],
            &[Value::Text("1"), Value::Null],
        ] {
            let error = token_row(&row(values), &columns()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
        }
    }
}
