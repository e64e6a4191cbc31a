//! Rows of a result: a row that is kept, and a row of a stream.

use std::fmt;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use tiberius::{ColumnData, ColumnType};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::{counted, shown};
use crate::model::row::{Value, encode, printed_milliseconds};
use crate::mssql::value::canonical;

/// Days from 0001-01-01 to 1900-01-01.
const DAYS_TO_1900: i64 = 693_595;
/// More rows than any table has.
const ROWS_MAX: u64 = 1 << 48;

/// Which column of a [`Row`] is meant: its name, as the statement gives it, or its position from 0.
///
/// Names are for rows of catalogs and of the product's own tables. Positions are for rows of a user's columns, which
/// may have any name.
pub trait ColumnIndex: Copy + fmt::Display {
    /// The column's position in `row`; `None` if it has no such column.
    fn position(self, row: &Row) -> Option<usize>;
}

impl ColumnIndex for usize {
    fn position(self, row: &Row) -> Option<usize> {
        (self < row.0.len()).then_some(self)
    }
}

impl ColumnIndex for &str {
    /// Ignores case: not every server returns a name as the statement writes it.
    fn position(self, row: &Row) -> Option<usize> {
        let mut columns = row.0.columns().iter();
        columns.position(|column| column.name().eq_ignore_ascii_case(self))
    }
}

/// A row of a small result, which outlives the call that read it.
pub struct Row(pub(super) tiberius::Row);

impl Row {
    /// Number of columns.
    pub fn column_count(&self) -> usize {
        self.0.len()
    }

    /// The value of a column.
    ///
    /// # Errors
    /// `Broken`, naming the column, if the row has no such column.
    pub fn value(&self, column: impl ColumnIndex) -> Result<Value<'_>> {
        let position = column.position(self);
        let position = position.ok_or_else(|| no_such_column(column, self.column_count()))?;
        canonical(cell(&self.0, position)?)
    }

    /// Whether a column is NULL.
    pub fn is_null(&self, column: impl ColumnIndex) -> Result<bool> {
        Ok(self.value(column)? == Value::Null)
    }

    /// An integer or a bit.
    ///
    /// # Errors
    /// `Broken` if the column is NULL or of another type, which the statement did not ask for. So for every accessor
    /// below.
    pub fn integer(&self, column: impl ColumnIndex) -> Result<i64> {
        match self.value(column)? {
            Value::Integer(v) => Ok(v),
            other => Err(misfit(column, "an integer", other)),
        }
    }

    /// A number of rows, so small that the sum of many fits into an integer, as any server's is.
    pub fn count(&self, column: impl ColumnIndex) -> Result<u64> {
        let count = u64::try_from(self.integer(column)?).ok();
        count.filter(|count| *count <= ROWS_MAX).ok_or_else(|| {
            Error::malformed(format_args!(
                "The server answered with no number of rows in column {column}"
            ))
        })
    }

    /// An integer, or `None` for NULL.
    pub fn optional_integer(&self, column: impl ColumnIndex) -> Result<Option<i64>> {
        if self.is_null(column)? {
            return Ok(None);
        }
        self.integer(column).map(Some)
    }

    /// Whether a bit or an integer is not 0.
    pub fn flag(&self, column: impl ColumnIndex) -> Result<bool> {
        Ok(self.integer(column)? != 0)
    }

    /// A text.
    pub fn text(&self, column: impl ColumnIndex) -> Result<&str> {
        match self.value(column)? {
            Value::Text(v) => Ok(v),
            other => Err(misfit(column, "a text", other)),
        }
    }

    /// A text, or `None` for NULL.
    pub fn optional_text(&self, column: impl ColumnIndex) -> Result<Option<&str>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(v) => Ok(Some(v)),
            other => Err(misfit(column, "a text", other)),
        }
    }

    /// Bytes.
    pub fn bytes(&self, column: impl ColumnIndex) -> Result<&[u8]> {
        match self.value(column)? {
            Value::Bytes(v) => Ok(v),
            other => Err(misfit(column, "bytes", other)),
        }
    }

    /// Bytes, or `None` for NULL.
    pub fn optional_bytes(&self, column: impl ColumnIndex) -> Result<Option<&[u8]>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(v) => Ok(Some(v)),
            other => Err(misfit(column, "bytes", other)),
        }
    }

    /// A date without a time.
    pub fn date(&self, column: impl ColumnIndex) -> Result<NaiveDate> {
        match self.value(column)? {
            Value::Date(days) => day(days).ok_or_else(|| misfit(column, "a date", Value::Date(days))),
            other => Err(misfit(column, "a date", other)),
        }
    }

    /// A `datetime`, `smalldatetime`, `datetime2` or `date`, to 100 ns; a `datetime` to the millisecond.
    pub fn datetime(&self, column: impl ColumnIndex) -> Result<NaiveDateTime> {
        let value = self.value(column)?;
        let at = match value {
            Value::Date(days) => day(days).and_then(|day| day.and_hms_opt(0, 0, 0)),
            Value::DateTime2 { days, ticks } => day(days).and_then(|day| {
                let time = TimeDelta::nanoseconds(i64::try_from(ticks).ok()?.checked_mul(100)?);
                day.and_hms_opt(0, 0, 0)?.checked_add_signed(time)
            }),
            Value::DateTime { days, ticks } => {
                let millis = printed_milliseconds(ticks).cast_signed();
                i32::try_from(i64::from(days) + DAYS_TO_1900)
                    .ok()
                    .and_then(day)
                    .and_then(|day| {
                        day.and_hms_opt(0, 0, 0)?
                            .checked_add_signed(TimeDelta::milliseconds(millis))
                    })
            }
            _ => None,
        };
        at.ok_or_else(|| misfit(column, "a date and time", value))
    }
}

/// The day that is `days` after 0001-01-01.
fn day(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(1)?)
}

/// Names the type of the value, never the value itself.
fn misfit(column: impl ColumnIndex, wanted: &str, found: Value<'_>) -> Error {
    let found = match found {
        Value::Null => "NULL",
        Value::Integer(_) => "an integer",
        Value::Decimal { .. } => "a decimal",
        Value::Float(_) => "a float",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
        Value::Guid(_) => "a uniqueidentifier",
        Value::Date(_)
        | Value::Time(_)
        | Value::DateTime2 { .. }
        | Value::DateTime { .. }
        | Value::DateTimeOffset { .. } => "a date or time",
    };
    Error::malformed(format_args!(
        "The server answered with {found} in column {column}, where {wanted} was expected"
    ))
}

fn cell(row: &tiberius::Row, column: usize) -> Result<&ColumnData<'static>> {
    row.get_column_data(column)
        .map_err(|_| no_such_column(column, row.len()))
}

fn no_such_column(column: impl ColumnIndex, count: usize) -> Error {
    Error::malformed(format_args!(
        "The server answered with {}, of which none is {column}",
        counted(count as u64, "column")
    ))
}

/// A row of a stream, which ends with the call that it is given to.
#[derive(Clone, Copy)]
pub struct RowReader<'a>(pub(super) &'a tiberius::Row);

impl<'a> RowReader<'a> {
    /// The number of the result that it is of, from 0.
    pub fn result(self) -> usize {
        self.0.result_index()
    }

    /// Number of columns.
    pub fn column_count(self) -> usize {
        self.0.len()
    }

    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// `Broken` when there is no such column.
    pub fn value(self, column: usize) -> Result<Value<'a>> {
        canonical(cell(self.0, column)?)
    }

    /// Appends the canonical bytes of every column, in order: a row of a [`crate::model::row::Batch`].
    ///
    /// # Errors
    /// As [`crate::model::row::encode`].
    pub fn encode(self, out: &mut Vec<u8>) -> Result<()> {
        for (_, cell) in self.0.cells() {
            encode(canonical(cell)?, out)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Row {
    /// Prints no values, because the text can end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row of {} columns", self.0.len())
    }
}

impl fmt::Debug for RowReader<'_> {
    /// Prints no values, as [`Row`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row of {} columns", self.0.len())
    }
}

/// Refuses columns that the driver decodes inexactly, before it reads a row of them.
pub(super) fn check_columns(columns: &[tiberius::Column]) -> Result<()> {
    for column in columns {
        let why = match column.column_type() {
            ColumnType::Money | ColumnType::Money4 => "money, which the driver decodes as a float",
            ColumnType::BigVarChar | ColumnType::BigChar => {
                "varchar, whose collation may be UTF-8, which the driver ignores"
            }
            ColumnType::Text | ColumnType::NText | ColumnType::Image => "a deprecated text or image",
            ColumnType::SSVariant | ColumnType::Udt => "a type that is not copied",
            _ => continue,
        };
        return Err(Error::new(
            ErrorKind::Broken,
            format!(
                "Column {} of a stream is {why}; CAST it in the statement",
                shown(column.name())
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiberius::time::{Date, DateTime, DateTime2, Time};

    fn row(value: ColumnData<'static>) -> Row {
        Row(tiberius::Row::builder()
            .column("a", ColumnType::Null, value)
            .build())
    }

    #[test]
    fn datetimes_are_shown_as_the_server_shows_them() {
        let at = |value| row(value).datetime(0).unwrap().to_string();
        assert_eq!(
            at(ColumnData::DateTime(Some(DateTime::new(0, 1)))),
            "1900-01-01 00:00:00.003"
        );
        assert_eq!(
            at(ColumnData::DateTime(Some(DateTime::new(0, 2)))),
            "1900-01-01 00:00:00.007"
        );
        assert_eq!(
            at(ColumnData::DateTime(Some(DateTime::new(-1, 25_919_999)))),
            "1899-12-31 23:59:59.997"
        );
        let day = Date::new(738_428);
        assert_eq!(
            at(ColumnData::DateTime2(Some(DateTime2::new(
                day,
                Time::new(12_345_678, 7)
            )))),
            "2022-10-01 00:00:01.234567800"
        );
        assert_eq!(
            row(ColumnData::Date(Some(day))).date(0).unwrap().to_string(),
            "2022-10-01"
        );
    }

    #[test]
    fn a_wrong_type_is_named_and_its_value_is_not() {
        let error = row(ColumnData::String(Some("secret".into())))
            .integer(0)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "The server answered with a text in column 0, where an integer was expected; check that it is a SQL Server"
        );
        assert_eq!(row(ColumnData::I64(Some(7))).count(0).unwrap(), 7);
        for count in [-1, i64::MAX] {
            assert!(row(ColumnData::I64(Some(count))).count(0).is_err(), "{count}");
        }
        assert_eq!(row(ColumnData::I32(None)).optional_integer(0).unwrap(), None);
        assert!(row(ColumnData::I32(None)).integer(0).is_err());
        assert_eq!(
            format!("{:?}", row(ColumnData::I32(Some(77)))),
            "Row of 1 columns"
        );
        assert!(row(ColumnData::I32(None)).value(1).is_err());
    }

    #[test]
    fn a_column_is_found_by_its_name_in_any_case() {
        let row = row(ColumnData::I32(Some(7)));
        assert_eq!(row.integer("a").unwrap(), 7);
        assert_eq!(row.integer("A").unwrap(), 7);
        let error = row.integer("row_count").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broken);
        assert_eq!(
            error.to_string(),
            "The server answered with 1 column, of which none is row_count; check that it is a SQL Server"
        );
    }

    #[test]
    fn columns_that_lose_something_are_refused() {
        for column_type in [
            ColumnType::Money,
            ColumnType::Money4,
            ColumnType::BigVarChar,
            ColumnType::Text,
        ] {
            let column = tiberius::Column::new("A".to_owned(), column_type);
            assert_eq!(check_columns(&[column]).unwrap_err().kind(), ErrorKind::Broken);
        }
        let fine = tiberius::Column::new("A".to_owned(), ColumnType::NVarchar);
        assert!(check_columns(&[fine]).is_ok());
    }
}
