//! The table of the measures: sales of some months as a point of sale has them, by number.

use chrono::{Datelike, Months, NaiveDate};
use tiberius::numeric::Numeric;
use tiberius::time::{Date, DateTime, DateTime2, Time};
use tiberius::{ColumnData, TokenRow};

use crate::bare::{self, Wire};

/// Its columns. The driver declares each truthfully in a bulk load, so that the bare loop needs no conversion.
const COLUMNS: &str = "SALES_DATE datetime NOT NULL, SALES_ID bigint NOT NULL, STORE_ID int NOT NULL, \
    TILL smallint NULL, RECEIPT_NO varchar(20) NOT NULL, ITEM_CODE varchar(30) NULL, ITEM_NAME nvarchar(60) NULL, \
    QUANTITY decimal(18,3) NOT NULL, PRICE money NOT NULL, DISCOUNT money NULL, TAX decimal(9,4) NULL, \
    CUSTOMER_ID int NULL, NOTE nvarchar(100) NULL, IS_RETURN bit NOT NULL, CREATED_AT datetime2(3) NOT NULL, \
    UPDATED_AT datetime2(3) NULL";

/// The first month.
const FIRST: &str = "2024-01-01";
/// The days of each month that have sales.
const DAYS: u64 = 28;
/// Days from year 1 to 1900, the epochs of datetime2 and datetime.
const DAYS_TO_1900: u32 = 693_595;

/// Whether the table has exact numbers. Not every server reads the driver's in a bulk load, which the bare loop needs;
/// with `SYNC_BENCH_DECIMALS=no` these columns are `int`.
fn has_decimals() -> bool {
    std::env::var("SYNC_BENCH_DECIMALS").as_deref() != Ok("no")
}

/// The statement that makes the table, clustered as windows are read.
pub fn create(name: &str) -> String {
    let mut columns = COLUMNS.to_owned();
    if !has_decimals() {
        for exact in ["decimal(18,3)", "decimal(9,4)", "money"] {
            columns = columns.replace(exact, "int");
        }
    }
    format!(
        "CREATE TABLE dbo.{name} ({columns}, CONSTRAINT PK_{name} PRIMARY KEY CLUSTERED (SALES_DATE, SALES_ID))"
    )
}

/// The number of a row, counted from 0.
pub fn id(number: u64) -> i64 {
    7_000_000_000 + i64::try_from(number).expect("a number")
}

/// The first day of a month, counted from 0.
pub fn month(number: u32) -> NaiveDate {
    let first: NaiveDate = FIRST.parse().expect("a date");
    first + Months::new(number)
}

/// The last day of a month.
pub fn last_day(number: u32) -> NaiveDate {
    month(number + 1).pred_opt().expect("there is a day before")
}

/// Makes a table at the source and fills months with so many rows each.
pub async fn fill(wire: &Wire, name: &str, months: &[u64]) {
    let mut client = bare::connect(wire, &wire.source).await;
    bare::run_batch(&mut client, &create(name)).await;
    let into = format!("dbo.{name}");
    let mut id = 0;
    for (number, rows) in (0..).zip(months) {
        let mut load = client.bulk_insert(&into).await.expect("a bulk load");
        for n in 0..*rows {
            let day = u32::try_from(n * DAYS / rows).expect("a day of a month");
            load.send(row(month(number), day, id)).await.expect("a row sent");
            id += 1;
        }
        assert_eq!(load.finalize().await.expect("a load").total(), *rows);
    }
}

/// A row of this day. Dates rise with the number, which also decides the other values.
fn row(month: NaiveDate, day: u32, id: u64) -> TokenRow<'static> {
    // Spreads consecutive numbers, so that values do not rise with the key.
    let spread = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let days = month.num_days_from_ce() - 1 + i32::try_from(day).expect("a day");
    let days = u32::try_from(days).expect("after year 1");
    let short = |value: u64| i32::try_from(value).expect("a small number");
    let at = |seconds: u64| {
        DateTime2::new(
            Date::new(days),
            Time::new((seconds % 86_400) * 1000 + spread % 1000, 3),
        )
    };
    let text = |some: bool, text: String| ColumnData::String(some.then_some(text.into()));
    let decimals = has_decimals();
    let exact = |units: u64, scale: u8| match decimals {
        true => ColumnData::Numeric(Some(Numeric::new_with_scale(i128::from(units), scale))),
        false => ColumnData::I32(Some(short(units))),
    };
    let money = |hundredths: Option<u64>| match decimals {
        true => ColumnData::F64(hundredths.map(|units| f64::from(short(units)) / 100.0)),
        false => ColumnData::I32(hundredths.map(short)),
    };
    let none = || match decimals {
        true => ColumnData::Numeric(None),
        false => ColumnData::I32(None),
    };
    let mut row = TokenRow::with_capacity(16);
    row.push(ColumnData::DateTime(Some(DateTime::new(
        i32::try_from(days - DAYS_TO_1900).expect("after 1900"),
        0,
    ))));
    row.push(ColumnData::I64(Some(self::id(id))));
    row.push(ColumnData::I32(Some(short(spread % 240))));
    row.push(ColumnData::I16(
        (!spread.is_multiple_of(9)).then_some((spread % 9) as i16),
    ));
    row.push(text(true, format!("R{:03}-{id:012}", spread % 240)));
    row.push(text(
        !spread.is_multiple_of(11),
        format!("{:013}", spread % 1_000_000_007),
    ));
    row.push(text(
        !spread.is_multiple_of(13),
        format!("Item {} Größe {}", spread % 5_000, spread % 7),
    ));
    row.push(exact(spread % 20_000, 3));
    row.push(money(Some(spread % 50_000)));
    row.push(money(spread.is_multiple_of(4).then_some(25)));
    row.push(match spread.is_multiple_of(5) {
        true => none(),
        false => exact(spread % 250_000, 4),
    });
    row.push(ColumnData::I32(
        (spread.is_multiple_of(3)).then(|| short(spread % 2_000_000)),
    ));
    row.push(text(
        spread.is_multiple_of(10),
        format!("a note about receipt {id} of a customer"),
    ));
    row.push(ColumnData::Bit(Some(spread.is_multiple_of(50))));
    row.push(ColumnData::DateTime2(Some(at(id))));
    row.push(ColumnData::DateTime2(
        (spread.is_multiple_of(6)).then(|| at(id + 3600)),
    ));
    row
}
