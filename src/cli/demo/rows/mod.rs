//! Generates the demo's rows. The same seed gives the same rows on every machine and in batches of any size.
//!
//! A row depends only on the seed, its table and its number, so that filling can be interrupted anywhere. The lines,
//! payments and voids of a bill generate the bill again to know its number, outlet and time.

use std::sync::Arc;

use super::calendar::{Calendar, Moment, long_ago};
use super::random::Random;
use super::spec::{ColumnSpec, Fill, Link, TableSpec};
use super::tables::{TABLES, all};
use super::words;
use crate::base::error::Result;
use crate::model::row::{Batch, Value, encode};
use crate::model::table::DataType;

/// The kind of the random streams of bills; tables use their own number.
const BILLS: u64 = 1000;

/// Tills of an outlet.
const TILLS: u64 = 4;

/// A long remark repeats a short one this often, past the 8,000 bytes that fit into a page.
const LONG_NOTE: usize = 160;

/// `datetimeoffset` of Malaysia, in minutes.
const OFFSET: i16 = 8 * 60;

/// The parameters of a demo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recipe {
    pub(super) seed: u64,
    /// Rows of sales, as a factor of the work log's.
    pub(super) scale: f64,
    /// Rows of reference tables, as a factor of the work log's.
    pub(super) reference_scale: f64,
}

/// Generates the rows of one table.
#[derive(Debug)]
pub(super) struct Rows {
    seed: u64,
    number: u64,
    /// The table.
    pub(super) table: &'static TableSpec,
    columns: Vec<&'static ColumnSpec>,
    calendar: Arc<Calendar>,
    row_count: u64,
    bill_count: u64,
}

/// The values of a bill that rows of other tables share.
#[derive(Debug, Clone, Copy)]
struct Bill {
    index: u64,
    moment: Moment,
    outlet: usize,
    till: u64,
    cashier: usize,
}

/// The state from which a row's values are generated.
struct Row {
    index: u64,
    line: i64,
    bill: Bill,
    moment: Moment,
    item: &'static (&'static str, &'static str, &'static str, i64),
    /// Thousandths.
    quantity: i64,
    /// In sen, as the amounts below.
    price: i64,
    subtotal: i64,
    discount: i64,
    tax: i64,
    random: Random,
}

impl Rows {
    /// A generator for each table, in the order of [`all`].
    pub(super) fn of_all(recipe: Recipe) -> impl Iterator<Item = Rows> {
        let calendar = Arc::new(Calendar::new());
        all().enumerate().map(move |(number, table)| {
            let scale = match table.date_column {
                Some(_) => recipe.scale,
                None => recipe.reference_scale,
            };
            Rows {
                seed: recipe.seed,
                number: number as u64,
                table,
                columns: table.columns().collect(),
                calendar: Arc::clone(&calendar),
                row_count: table.rows_at(scale),
                bill_count: TABLES[0].rows_at(recipe.scale),
            }
        })
    }

    /// The number of rows.
    pub(super) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// The rows numbered `from` to `to`, without `to`.
    pub(super) fn batch(&self, from: u64, to: u64) -> Result<Batch> {
        let mut batch = Batch::default();
        for index in from..to {
            let mut row = self.row(index);
            batch.push(|out| {
                self.columns.iter().try_for_each(|column| {
                    if row.random.percent(column.null_percent) {
                        encode(Value::Null, out)
                    } else {
                        row.cell(column, out)
                    }
                })
            })?;
        }
        Ok(batch)
    }

    fn row(&self, index: u64) -> Row {
        let mut random = Random::of(self.seed, self.number, index);
        let (bill, line) = match self.table.link {
            Link::Bill => (self.bill(index), 1),
            Link::Line => {
                let (bill, line) = self.line(index);
                (self.bill(bill), line)
            }
            Link::OfBill => (self.bill(index * self.bill_count / self.row_count.max(1)), 1),
            Link::Own => (self.bill(random.below(self.bill_count)), 1),
            Link::Reference => (Bill::at(index, long_ago(&mut random), &mut random), 1),
        };
        let moment = match self.table.link {
            Link::Bill | Link::Line | Link::Reference => bill.moment,
            Link::OfBill => bill.moment.plus(random.below(300 * 300)),
            Link::Own => self.calendar.moment(index, self.row_count, &mut random),
        };
        let items = words::ITEMS.len() as u64;
        let item = match self.table.link {
            Link::Reference => index % items,
            Link::Bill | Link::Line | Link::OfBill | Link::Own => random.below(items),
        };
        let item = &words::ITEMS[item as usize];
        // Most buy one; some weigh their fish.
        let quantity = if random.percent(4) {
            random.between(120, 2500)
        } else {
            1000 * random.between(1, 3)
        };
        let subtotal = quantity * item.3 / 1000;
        let discount = if random.percent(12) { subtotal / 10 } else { 0 };
        Row {
            index,
            line,
            bill,
            moment,
            item,
            quantity,
            price: item.3,
            subtotal,
            discount,
            tax: (subtotal - discount) * 6 / 100,
            random,
        }
    }

    /// The bill of a line, and the line's number in it. Lines are dealt out evenly; then the borders between bills
    /// move a little, so that a bill has one to nine lines.
    fn line(&self, index: u64) -> (u64, i64) {
        let mut bill = (index * self.bill_count / self.row_count).min(self.bill_count - 1);
        while bill > 0 && self.first_line(bill) > index {
            bill -= 1;
        }
        while bill + 1 < self.bill_count && self.first_line(bill + 1) <= index {
            bill += 1;
        }
        (bill, (index - self.first_line(bill)).cast_signed() + 1)
    }

    fn first_line(&self, bill: u64) -> u64 {
        let even = (bill * self.row_count).div_ceil(self.bill_count);
        let each = self.row_count / self.bill_count;
        if bill == 0 {
            0
        } else {
            even + Random::of(self.seed, BILLS + 1, bill).below(each.max(1))
        }
    }

    fn bill(&self, index: u64) -> Bill {
        let mut random = Random::of(self.seed, BILLS, index);
        let moment = self.calendar.moment(index, self.bill_count, &mut random);
        Bill::at(index, moment, &mut random)
    }
}

impl Bill {
    /// Somewhere in the chain.
    fn at(index: u64, moment: Moment, random: &mut Random) -> Bill {
        Bill {
            index,
            moment,
            outlet: random.below(words::OUTLETS.len() as u64) as usize,
            till: random.below(TILLS) + 1,
            cashier: random.below(words::CASHIERS.len() as u64) as usize,
        }
    }
}

impl Row {
    fn cell(&mut self, column: &ColumnSpec, out: &mut Vec<u8>) -> Result<()> {
        let sen = |sen: i64| Value::Decimal {
            units: i128::from(sen),
            scale: 2,
        };
        let thousandths = |n: i64| Value::Decimal {
            units: i128::from(n),
            scale: 3,
        };
        let (bill, outlet) = (self.bill, self.bill.outlet);
        match column.fill {
            Fill::Id(first) => encode(Value::Integer(first + self.index.cast_signed()), out),
            Fill::Guid => {
                let bits = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
                encode(Value::Guid(bits.to_be_bytes()), out)
            }
            Fill::SalesNo => {
                let text = format!("{:03}-{:02}-{:07}", outlet + 1, bill.till, bill.index + 1);
                encode(Value::Text(&text), out)
            }
            Fill::LineNo => encode(Value::Integer(self.line), out),
            Fill::Moment => encode(moment(self.moment, column.data_type), out),
            Fill::After(seconds) => {
                let after = self.moment.plus(self.random.below(seconds * 300));
                encode(moment(after, column.data_type), out)
            }
            Fill::Day => encode(Value::Date(self.moment.days), out),
            Fill::Clock => encode(Value::Time(self.moment.milliseconds_as_100ns()), out),
            Fill::Zoned => encode(zoned(self.moment), out),
            Fill::OutletCode => encode(Value::Text(&format!("MY{:03}", outlet + 1)), out),
            Fill::OutletName => encode(Value::Text(words::OUTLETS[outlet]), out),
            Fill::Till => encode(Value::Integer(bill.till.cast_signed()), out),
            Fill::CashierId => encode(Value::Integer(900 + bill.cashier as i64), out),
            Fill::Cashier => encode(Value::Text(words::CASHIERS[bill.cashier]), out),
            Fill::Customer => encode(Value::Text(self.random.pick(words::CUSTOMERS)), out),
            Fill::MemberNo => {
                let text = format!("M{:09}", self.random.below(905_321));
                encode(Value::Text(&text), out)
            }
            Fill::Phone => {
                let text = format!(
                    "+601{}-{:07}",
                    self.random.below(10),
                    self.random.below(10_000_000)
                );
                encode(Value::Text(&text), out)
            }
            Fill::Email => {
                let text = format!("member{}@example.com", self.random.below(905_321));
                encode(Value::Text(&text), out)
            }
            Fill::ItemCode => encode(Value::Text(self.item.0), out),
            Fill::ItemName => encode(Value::Text(self.item.1), out),
            Fill::Category => encode(Value::Text(self.item.2), out),
            Fill::Quantity => encode(thousandths(self.quantity), out),
            Fill::Price => encode(sen(self.price), out),
            Fill::Subtotal => encode(sen(self.subtotal), out),
            Fill::Discount => encode(sen(self.discount), out),
            Fill::Tax => encode(sen(self.tax), out),
            Fill::Total => encode(sen(self.total()), out),
            Fill::Rounding => encode(sen(self.rounding()), out),
            Fill::Tendered => encode(sen((self.total() + 999) / 1000 * 1000), out),
            Fill::Pick(items) => {
                let text = self.random.pick(items);
                match column.data_type {
                    // Padded to the fixed width, as the server returns it.
                    DataType::Char(n) | DataType::NChar(n) => {
                        encode(Value::Text(&format!("{text:0$}", usize::from(n))), out)
                    }
                    _ => encode(Value::Text(text), out),
                }
            }
            Fill::Code(prefix, digits) => {
                let number = self.random.below(10_u64.pow(u32::from(digits)));
                let text = format!("{prefix}{number:0width$}", width = usize::from(digits));
                encode(Value::Text(&text), out)
            }
            Fill::Serial(prefix, digits) => {
                let text = format!("{prefix}{:0width$}", self.index, width = usize::from(digits));
                encode(Value::Text(&text), out)
            }
            Fill::PlaceCode(each) => {
                let text = format!("MY{:03}", self.index / each + 1);
                encode(Value::Text(&text), out)
            }
            Fill::PlaceName => {
                let name = |number: usize| words::OUTLETS[number];
                encode(
                    Value::Text(&numbered(self.index, words::OUTLETS.len(), name)),
                    out,
                )
            }
            Fill::CatalogCode(modulus) => {
                let number = self.index % modulus;
                match words::ITEMS.get(number as usize) {
                    Some(item) => encode(Value::Text(item.0), out),
                    None => encode(Value::Text(&format!("ZZ-{number:06}")), out),
                }
            }
            Fill::CatalogName => {
                let name = |number: usize| words::ITEMS[number].1;
                encode(Value::Text(&numbered(self.index, words::ITEMS.len(), name)), out)
            }
            Fill::Earlier(low, high) => {
                let days = self.random.between(low, high);
                let days = i32::try_from(days).expect("the demo's days are within a century");
                encode(Value::Date(self.moment.days - days), out)
            }
            Fill::Note => self.note(column.data_type, out),
            Fill::Flag(chance) => encode(Value::Integer(i64::from(self.random.percent(chance))), out),
            Fill::Whole(low, high) => encode(Value::Integer(self.random.between(low, high)), out),
            Fill::Rate(low, high) => encode(thousandths(self.random.between(low, high)), out),
            Fill::Measure => {
                // Quarters, which `real` holds as exactly as `float` does.
                encode(Value::Float(self.random.between(0, 4000) as f64 / 4.0), out)
            }
            Fill::Bytes(low, high) => {
                let length = self.random.between(i64::from(low), i64::from(high));
                let bytes: Vec<u8> = (0..length).map(|_| self.random.next() as u8).collect();
                encode(Value::Bytes(&bytes), out)
            }
        }
    }

    /// The total, to the nearest 5 sen as Malaysia rounds it.
    fn total(&self) -> i64 {
        (self.subtotal - self.discount + self.tax + 2) / 5 * 5
    }

    fn rounding(&self) -> i64 {
        self.total() - (self.subtotal - self.discount + self.tax)
    }

    fn note(&mut self, data_type: DataType, out: &mut Vec<u8>) -> Result<()> {
        let unbounded = matches!(data_type, DataType::NVarChar(crate::model::table::Length::Max));
        let note = self.random.pick(words::NOTES);
        if unbounded && self.random.below(500) == 0 {
            encode(Value::Text(&format!("{note} / ").repeat(LONG_NOTE)), out)
        } else {
            encode(Value::Text(note), out)
        }
    }
}

/// A name from a list; past its end a number follows the name, so that no two rows share one.
fn numbered(index: u64, count: usize, name: impl Fn(usize) -> &'static str) -> String {
    let (round, place) = (index / count as u64, index % count as u64);
    let name = name(place as usize);
    if round == 0 {
        name.to_owned()
    } else {
        format!("{name} {}", round + 1)
    }
}

fn moment(moment: Moment, data_type: DataType) -> Value<'static> {
    const MINUTE: u64 = 60 * 10_000_000;
    let ticks = moment.milliseconds_as_100ns();
    match data_type {
        DataType::DateTime => Value::DateTime {
            days: moment.days_since_1900(),
            ticks: moment.ticks,
        },
        DataType::SmallDateTime => Value::DateTime2 {
            days: moment.days,
            ticks: ticks / MINUTE * MINUTE,
        },
        // Only this type has room below a millisecond.
        DataType::DateTime2(7) => Value::DateTime2 {
            days: moment.days,
            ticks: ticks + u64::from(moment.ticks % 9973),
        },
        _ => Value::DateTime2 {
            days: moment.days,
            ticks,
        },
    }
}

/// The moment in Malaysia's zone; the value holds UTC.
fn zoned(moment: Moment) -> Value<'static> {
    const DAY: u64 = 24 * 3600 * 10_000_000;
    let ahead = u64::from(OFFSET.unsigned_abs()) * 60 * 10_000_000;
    let ticks = moment.milliseconds_as_100ns() + DAY - ahead;
    Value::DateTimeOffset {
        days: moment.days - 1 + i32::from(ticks >= DAY),
        ticks: ticks % DAY,
        offset: OFFSET,
    }
}

#[cfg(test)]
mod tests;
