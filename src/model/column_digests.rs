//! The digests of the columns of many rows, which tell the first column that differs between two sets of them.
//!
//! They depend on no order and no key, so that rows need not be paired, and hold no value.

use crate::base::error::Result;
use crate::model::row::{Digest, Values};

/// A digest a column: the sum of those of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnDigests(Vec<Digest>);

impl ColumnDigests {
    /// The digests of rows, each given by its canonical bytes.
    ///
    /// # Errors
    /// `State` if a row's bytes are not canonical.
    pub fn of<'a>(rows: impl Iterator<Item = &'a [u8]>) -> Result<ColumnDigests> {
        let mut digests = ColumnDigests::default();
        for row in rows {
            digests.add_row(row)?;
        }
        Ok(digests)
    }

    /// Adds one row, given by its canonical bytes.
    ///
    /// # Errors
    /// `State` if the bytes are not canonical.
    pub fn add_row(&mut self, row: &[u8]) -> Result<()> {
        let mut values = Values::new(row);
        let mut position = 0;
        while let Some(bytes) = values.next_bytes()? {
            if self.0.len() == position {
                self.0.push(Digest::default());
            }
            self.0[position].add(Digest::of_row(bytes));
            position += 1;
        }
        Ok(())
    }

    /// The position of the first column whose values differ.
    pub fn first_difference(&self, other: &ColumnDigests) -> Option<usize> {
        let both = self.0.iter().zip(&other.0);
        let differing = both.enumerate().find(|(_, (one, other))| one != other);
        differing.map(|(position, _)| position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::row::{Value, encode};

    fn row(values: &[Value<'_>]) -> Vec<u8> {
        let mut row = Vec::new();
        for value in values {
            encode(*value, &mut row).unwrap();
        }
        row
    }

    #[test]
    fn the_first_column_that_differs_is_found_in_any_order_of_rows() {
        let one = row(&[Value::Integer(1), Value::Text("a"), Value::Null]);
        let two = row(&[Value::Integer(2), Value::Text("b"), Value::Date(3)]);
        let cut = row(&[Value::Integer(2), Value::Text(""), Value::Date(3)]);
        let of = |rows: &[&[u8]]| ColumnDigests::of(rows.iter().copied()).unwrap();
        assert_eq!(of(&[&one, &two]).first_difference(&of(&[&two, &one])), None);
        assert_eq!(of(&[&one, &two]).first_difference(&of(&[&cut, &one])), Some(1));
        assert_eq!(of(&[]).first_difference(&of(&[])), None);
    }
}
