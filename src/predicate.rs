//! Key ranges as WHERE clauses: the one place where a window and a key range become T-SQL, for the source's
//! reads and for the target's deletes, counts and read-backs alike.
//!
//! Bounds are parameters, each CAST to its column's declared type and collation, so that the server compares
//! equals with equals and can seek. A composite bound carries a plain bound on the first column as well, as a
//! server does not seek on the expanded form alone.

use chrono::{NaiveDate, NaiveDateTime, Timelike};

use crate::chunk::KeyBytes;
use crate::error::{Error, ErrorKind, Result};
use crate::mssql::key_parameter;
use crate::row::{Value, Values};
use crate::table::Column;
use crate::window::{Kind, Window};

/// 0001-01-01 as chrono counts days from the common era.
const FIRST_DAY_CE: i32 = 1;

/// Days from 0001-01-01 to 1900-01-01.
const DAYS_TO_1900: i32 = 693_595;

/// The dates that a read is held to: from the start of `start` to just before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first instant.
    pub start: NaiveDateTime,
    /// The instant after the last.
    pub end: NaiveDateTime,
}

/// Which of a table's rows a read or a change is held to, beside its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those of these dates.
    Dates(Bounds),
    /// Those without a date.
    Undated,
    /// All.
    All,
}

impl Extent {
    /// All of a window.
    pub fn of_window(window: Window) -> Extent {
        match window.kind() {
            Kind::Dates => Extent::Dates(Bounds {
                start: midnight(window.start()),
                end: midnight(window.end()),
            }),
            Kind::Undated => Extent::Undated,
            Kind::All => Extent::All,
        }
    }

    /// What it holds.
    pub fn kind(self) -> Kind {
        match self {
            Extent::Dates(_) => Kind::Dates,
            Extent::Undated => Kind::Undated,
            Extent::All => Kind::All,
        }
    }

    /// Whether there is no instant in it.
    pub fn is_empty(self) -> bool {
        matches!(self, Extent::Dates(bounds) if bounds.start >= bounds.end)
    }
}

/// The first instant of a day.
pub fn midnight(day: NaiveDate) -> NaiveDateTime {
    day.and_time(chrono::NaiveTime::MIN)
}

/// An instant as a parameter, `datetime2` on the wire.
pub fn instant(at: NaiveDateTime) -> Value<'static> {
    use chrono::Datelike;
    let ticks = u64::from(at.num_seconds_from_midnight()) * 10_000_000
        + u64::from(at.nanosecond() % 1_000_000_000) / 100;
    Value::DateTime2 {
        days: at.num_days_from_ce() - FIRST_DAY_CE,
        ticks,
    }
}

/// A day as a parameter, `date` on the wire.
pub fn day(date: NaiveDate) -> Value<'static> {
    use chrono::Datelike;
    Value::Date(date.num_days_from_ce() - FIRST_DAY_CE)
}

/// The day that a [`Value::Date`] means.
pub fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(FIRST_DAY_CE)?)
}

/// The instant of a key's date; `None` for a key that begins with none.
///
/// # Errors
/// `State` when the key's bytes are damaged.
pub fn instant_of_key(key: &KeyBytes) -> Result<Option<NaiveDateTime>> {
    let (days, seconds) = match Values::new(&key.0).next_value()? {
        Some(Value::Date(days)) => (days, 0),
        Some(Value::DateTime2 { days, ticks } | Value::DateTimeOffset { days, ticks, .. }) => {
            (days, ticks / 10_000_000)
        }
        Some(Value::DateTime { days, ticks }) => (days.saturating_add(DAYS_TO_1900), u64::from(ticks / 300)),
        _ => return Ok(None),
    };
    let seconds = i64::try_from(seconds).unwrap_or_default();
    Ok(date_of(days).and_then(|date| midnight(date).checked_add_signed(chrono::TimeDelta::seconds(seconds))))
}

/// A WHERE clause being put together, with the parameters it refers to.
#[derive(Debug, Default)]
pub struct Where<'a> {
    terms: Vec<String>,
    params: Vec<Value<'a>>,
}

impl<'a> Where<'a> {
    /// A clause whose statement already has `params` before it.
    pub fn after_params(params: Vec<Value<'a>>) -> Self {
        Where {
            terms: Vec::new(),
            params,
        }
    }

    /// Holds the rows to `extent`. A table without a date column has all rows in one.
    pub fn extent(&mut self, date: Option<&Column>, extent: Extent) {
        let Some(date) = date else { return };
        match extent {
            Extent::Dates(bounds) => self.dates(date, bounds),
            Extent::Undated => self.terms.push(format!("{} IS NULL", date.name.quoted())),
            Extent::All => {}
        }
    }

    fn dates(&mut self, date: &Column, bounds: Bounds) {
        let name = date.name.quoted();
        for (operator, at) in [(">=", bounds.start), ("<", bounds.end)] {
            let parameter = self.parameter(date, instant(at));
            self.terms.push(format!("{name} {operator} {parameter}"));
        }
    }

    /// Holds the key to what comes after `key`.
    ///
    /// # Errors
    /// `State` when the key's bytes are damaged or have another number of columns.
    pub fn after(&mut self, columns: &[&Column], key: &'a KeyBytes) -> Result<()> {
        self.bound(columns, key, ">", ">", ">=")
    }

    /// Holds the key to what comes up to `key`, itself included.
    ///
    /// # Errors
    /// As [`Where::after`].
    pub fn through(&mut self, columns: &[&Column], key: &'a KeyBytes) -> Result<()> {
        self.bound(columns, key, "<", "<=", "<=")
    }

    /// Holds these columns to one of the lists of values.
    pub fn any_of(&mut self, columns: &[&Column], lists: &[Vec<Value<'a>>]) {
        let mut choices = Vec::new();
        for values in lists {
            let equal: Vec<String> = columns
                .iter()
                .zip(values)
                .map(|(column, value)| {
                    let parameter = self.parameter(column, *value);
                    format!("{} = {parameter}", column.name.quoted())
                })
                .collect();
            choices.push(format!("({})", equal.join(" AND ")));
        }
        self.terms.push(format!("({})", choices.join(" OR ")));
    }

    /// ` WHERE …`, and all parameters. Where nothing is held to anything, the condition is one that always holds, so
    /// that more can be put after it.
    pub fn finish(self) -> (String, Vec<Value<'a>>) {
        let terms = if self.terms.is_empty() {
            "1 = 1".to_owned()
        } else {
            self.terms.join(" AND ")
        };
        (format!(" WHERE {terms}"), self.params)
    }

    fn parameter(&mut self, column: &Column, value: Value<'a>) -> String {
        self.params.push(value);
        key_parameter(column, self.params.len())
    }

    /// `a >= p AND (a > p OR (a = p AND (b > q OR (b = q AND c > r))))`, innermost first.
    fn bound(
        &mut self,
        columns: &[&Column],
        key: &'a KeyBytes,
        strict: &str,
        last: &str,
        plain: &str,
    ) -> Result<()> {
        let values = Values::new(&key.0).collect()?;
        let (Some((first, _)), true) = (columns.split_first(), values.len() == columns.len()) else {
            return Err(Error::new(
                ErrorKind::State,
                "A stored key has another number of columns than the plan's key; run `sync rebuild`, then run again",
            ));
        };
        let parameters: Vec<String> = columns
            .iter()
            .zip(&values)
            .map(|(column, value)| self.parameter(column, *value))
            .collect();
        let mut nested = String::new();
        for (position, (column, parameter)) in columns.iter().zip(&parameters).enumerate().rev() {
            let name = column.name.quoted();
            nested = if position + 1 == columns.len() {
                format!("{name} {last} {parameter}")
            } else {
                format!("({name} {strict} {parameter} OR ({name} = {parameter} AND {nested}))")
            };
        }
        if columns.len() > 1 {
            self.terms
                .push(format!("{} {plain} {}", first.name.quoted(), parameters[0]));
        }
        self.terms.push(nested);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::encode;
    use crate::table::{DataType, Identifier, Length};

    fn column(name: &str, data_type: DataType) -> Column {
        Column {
            name: Identifier::new(name).unwrap(),
            data_type,
            nullable: false,
            identity: false,
            collation: data_type.is_text().then(|| "Latin1_General_CI_AS".to_owned()),
        }
    }

    #[test]
    fn a_composite_bound_seeks_on_its_first_column() {
        let date = column("D", DataType::DateTime);
        let text = column("NO", DataType::VarChar(Length::N(20)));
        let line = column("LINE", DataType::Int);
        let mut key = Vec::new();
        for value in [
            Value::DateTime {
                days: 45_000,
                ticks: 1,
            },
            Value::Text("a'b"),
            Value::Integer(7),
        ] {
            encode(value, &mut key).unwrap();
        }
        let key = KeyBytes(key);
        let mut clause = Where::after_params(vec![Value::Integer(9)]);
        clause.after(&[&date, &text, &line], &key).unwrap();
        let (sql, params) = clause.finish();
        let text_parameter =
            "CAST(@P3 COLLATE Latin1_General_CI_AS AS varchar(20)) COLLATE Latin1_General_CI_AS";
        assert_eq!(
            sql,
            format!(
                " WHERE [D] >= CAST(@P2 AS datetime) AND ([D] > CAST(@P2 AS datetime) OR ([D] = CAST(@P2 AS datetime) \
                 AND ([NO] > {text_parameter} OR ([NO] = {text_parameter} AND [LINE] > CAST(@P4 AS int)))))"
            )
        );
        assert_eq!(params.len(), 4);
    }

    #[test]
    fn a_key_of_another_plan_is_refused() {
        let date = column("D", DataType::Date);
        let mut key = Vec::new();
        encode(Value::Date(1), &mut key).unwrap();
        encode(Value::Integer(1), &mut key).unwrap();
        let key = KeyBytes(key);
        let error = Where::default().through(&[&date], &key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
    }

    #[test]
    fn an_instant_counts_from_year_one() {
        let at = NaiveDate::from_ymd_opt(1, 1, 2)
            .unwrap()
            .and_hms_milli_opt(0, 0, 1, 3)
            .unwrap();
        assert_eq!(
            instant(at),
            Value::DateTime2 {
                days: 1,
                ticks: 10_030_000
            }
        );
        assert_eq!(date_of(0), NaiveDate::from_ymd_opt(1, 1, 1));
    }
}
