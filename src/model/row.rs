//! Rows in memory: their canonical encoding, the batch of a chunk's rows, and the digest that proves them.
//!
//! The encoding is one of values, not of wire forms. Two servers that hold the same value give the same bytes,
//! whatever width, scale or padding their columns have. NULL, empty and absent differ. A batch holds only canonical
//! bytes, so that the digested bytes are the ones that are sent to the target. `docs/format.md` has every byte.

use crate::base::error::{Error, ErrorKind, Result};

/// A value as either end holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL of any type.
    Null,
    /// `bit` and the integers.
    Integer(i64),
    /// `decimal`, `numeric`, `money`: `units / 10^scale`.
    Decimal {
        /// The digits as a whole number.
        units: i128,
        /// Digits right of the point.
        scale: u8,
    },
    /// `float`, and `real` widened.
    Float(f64),
    /// Text of any type, and `xml`.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Days since 0001-01-01.
    Date(i32),
    /// Units of 100 ns since midnight.
    Time(u64),
    /// `datetime2` and `smalldatetime`: days since 0001-01-01 and units of 100 ns.
    DateTime2 {
        /// Days since 0001-01-01.
        days: i32,
        /// Units of 100 ns since midnight.
        ticks: u64,
    },
    /// `datetime`: days since 1900-01-01 and units of 1/300 s, which have no exact decimal form.
    DateTime {
        /// Days since 1900-01-01.
        days: i32,
        /// Units of 1/300 s since midnight.
        ticks: u32,
    },
    /// `datetimeoffset`: UTC, and the offset in minutes.
    DateTimeOffset {
        /// Days since 0001-01-01, UTC.
        days: i32,
        /// Units of 100 ns since midnight, UTC.
        ticks: u64,
        /// Offset from UTC in minutes.
        offset: i16,
    },
    /// `uniqueidentifier`, in the order of its text form.
    Guid([u8; 16]),
}

/// The millisecond of the day that a server prints for units of 1/300 s, and that every server rounds to the same units.
pub fn printed_milliseconds(ticks: u32) -> u64 {
    (u64::from(ticks) * 10 + 1) / 3
}

const TAG_NULL: u8 = 0;
const TAG_INTEGER: u8 = 1;
const TAG_DECIMAL: u8 = 2;
const TAG_FLOAT: u8 = 3;
const TAG_TEXT: u8 = 4;
const TAG_BYTES: u8 = 5;
const TAG_DATE: u8 = 6;
const TAG_TIME: u8 = 7;
const TAG_DATETIME2: u8 = 8;
const TAG_DATETIME: u8 = 9;
const TAG_DATETIMEOFFSET: u8 = 10;
const TAG_GUID: u8 = 11;

/// Appends a value's canonical bytes.
///
/// # Errors
/// `Internal` if a text or binary value is longer than `u32::MAX` bytes, which no server sends: the largest value of a
/// `max` type has 2 GiB.
// Each cell of each row passes through here. In line with what makes the value, it takes half the instructions, because
// no value is written to memory and read again.
#[inline(always)]
pub fn encode(value: Value<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => out.push(TAG_NULL),
        Value::Integer(v) => put::<9>(out, TAG_INTEGER, [&v.to_le_bytes()]),
        Value::Decimal { units, scale } => {
            let (units, scale) = normal(units, scale);
            put::<18>(out, TAG_DECIMAL, [&[scale][..], &units.to_le_bytes()]);
        }
        Value::Float(v) => put::<9>(out, TAG_FLOAT, [&v.to_bits().to_le_bytes()]),
        Value::Text(v) => encode_bytes(TAG_TEXT, v.as_bytes(), out)?,
        Value::Bytes(v) => encode_bytes(TAG_BYTES, v, out)?,
        Value::Date(days) => put::<5>(out, TAG_DATE, [&days.to_le_bytes()]),
        Value::Time(ticks) => put::<9>(out, TAG_TIME, [&ticks.to_le_bytes()]),
        Value::DateTime2 { days, ticks } => {
            put::<13>(
                out,
                TAG_DATETIME2,
                [&days.to_le_bytes()[..], &ticks.to_le_bytes()],
            );
        }
        Value::DateTime { days, ticks } => {
            put::<9>(out, TAG_DATETIME, [&days.to_le_bytes()[..], &ticks.to_le_bytes()]);
        }
        Value::DateTimeOffset { days, ticks, offset } => {
            let parts = [
                &days.to_le_bytes()[..],
                &ticks.to_le_bytes(),
                &offset.to_le_bytes(),
            ];
            put::<15>(out, TAG_DATETIMEOFFSET, parts);
        }
        Value::Guid(bytes) => put::<17>(out, TAG_GUID, [&bytes]),
    }
    Ok(())
}

/// Appends a tag and the parts of a value, `N` bytes together, at once: room is looked for once a value.
#[inline]
fn put<const N: usize>(out: &mut Vec<u8>, tag: u8, parts: impl IntoIterator<Item: AsRef<[u8]>>) {
    let mut all = [tag; N];
    let mut at = 1;
    for part in parts {
        let part = part.as_ref();
        all[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, N, "the parts of a value fill it");
    out.extend_from_slice(&all);
}

/// The same number without trailing zeros, so that 1.50 and 1.5000 are one value.
fn normal(units: i128, scale: u8) -> (i128, u8) {
    // Nearly all numbers fit into 64 bits, which divide several times as fast.
    match i64::try_from(units) {
        Ok(units) => {
            let (units, scale) = without_zeros(units, scale);
            (i128::from(units), scale)
        }
        Err(_) => without_zeros(units, scale),
    }
}

fn without_zeros<N>(mut units: N, mut scale: u8) -> (N, u8)
where
    N: Copy + From<i8> + PartialEq + std::ops::Rem<Output = N> + std::ops::Div<Output = N>,
{
    let (zero, ten) = (N::from(0), N::from(10));
    while scale > 0 && units % ten == zero {
        units = units / ten;
        scale -= 1;
    }
    (units, scale)
}

fn encode_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(bytes.len())
        .map_err(|_| Error::new(ErrorKind::Internal, "A value is longer than 4 GiB"))?;
    out.reserve(5 + bytes.len());
    put::<5>(out, tag, [&length.to_le_bytes()]);
    out.extend_from_slice(bytes);
    Ok(())
}

/// Reads values back from canonical bytes.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// Reads `bytes` from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Values { rest: bytes }
    }

    /// The next value, or `None` at the end.
    ///
    /// # Errors
    /// `State` if the bytes are not canonical, because they come from a damaged store or receipt.
    // In line, as `encode` is.
    #[inline(always)]
    pub fn next_value(&mut self) -> Result<Option<Value<'a>>> {
        let Some((&tag, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let value = match tag {
            TAG_NULL => Value::Null,
            TAG_INTEGER => Value::Integer(i64::from_le_bytes(self.array()?)),
            TAG_DECIMAL => {
                let [scale] = self.array()?;
                Value::Decimal {
                    units: i128::from_le_bytes(self.array()?),
                    scale,
                }
            }
            TAG_FLOAT => Value::Float(f64::from_bits(u64::from_le_bytes(self.array()?))),
            TAG_TEXT => Value::Text(std::str::from_utf8(self.counted()?).map_err(|_| damaged())?),
            TAG_BYTES => Value::Bytes(self.counted()?),
            TAG_DATE => Value::Date(i32::from_le_bytes(self.array()?)),
            TAG_TIME => Value::Time(u64::from_le_bytes(self.array()?)),
            TAG_DATETIME2 => Value::DateTime2 {
                days: i32::from_le_bytes(self.array()?),
                ticks: u64::from_le_bytes(self.array()?),
            },
            TAG_DATETIME => Value::DateTime {
                days: i32::from_le_bytes(self.array()?),
                ticks: u32::from_le_bytes(self.array()?),
            },
            TAG_DATETIMEOFFSET => Value::DateTimeOffset {
                days: i32::from_le_bytes(self.array()?),
                ticks: u64::from_le_bytes(self.array()?),
                offset: i16::from_le_bytes(self.array()?),
            },
            TAG_GUID => Value::Guid(self.array()?),
            _ => return Err(damaged()),
        };
        Ok(Some(value))
    }

    /// The canonical bytes of the next value, or `None` at the end.
    ///
    /// # Errors
    /// As [`Values::next_value`].
    pub fn next_bytes(&mut self) -> Result<Option<&'a [u8]>> {
        let before = self.rest;
        let value = self.next_value()?;
        Ok(value.map(|_| &before[..before.len() - self.rest.len()]))
    }

    /// All remaining values.
    ///
    /// # Errors
    /// As [`Values::next_value`].
    pub fn collect(mut self) -> Result<Vec<Value<'a>>> {
        let mut values = Vec::new();
        while let Some(value) = self.next_value()? {
            values.push(value);
        }
        Ok(values)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(damaged)?;
        self.rest = rest;
        Ok(*head)
    }

    fn counted(&mut self) -> Result<&'a [u8]> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        if self.rest.len() < length {
            return Err(damaged());
        }
        let (head, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(head)
    }
}

fn damaged() -> Error {
    Error::new(
        ErrorKind::State,
        "The key of a receipt is not in the format of this version: it was changed by hand or by another version; run `sync \
         forget` for its month or table, then load that again",
    )
}

/// Sum modulo 2^256 of the BLAKE3 digests of rows. It is additive, and independent of the order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u64; 4]);

impl Digest {
    /// The digest of one row's canonical bytes.
    pub fn of_row(bytes: &[u8]) -> Digest {
        Digest::from_bytes(blake3::hash(bytes).as_bytes())
    }

    /// Adds another digest.
    pub fn add(&mut self, other: Digest) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first | second;
        }
    }

    /// The 32 bytes of receipts and checkpoints, little-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The inverse of [`Digest::to_bytes`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Digest {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Digest(words)
    }
}

/// Number of rows, their canonical bytes and their digest. Source and target are compared by their tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Number of rows.
    pub row_count: u64,
    /// Number of their canonical bytes.
    pub byte_count: u64,
    /// Their digest.
    pub digest: Digest,
}

impl Tally {
    /// Adds one row, given by its canonical bytes.
    pub fn add_row(&mut self, bytes: &[u8]) {
        self.row_count += 1;
        self.byte_count += bytes.len() as u64;
        self.digest.add(Digest::of_row(bytes));
    }

    /// Adds another tally: those of chunks add up to that of their window.
    pub fn add(&mut self, other: Tally) {
        self.row_count += other.row_count;
        self.byte_count += other.byte_count;
        self.digest.add(other.digest);
    }
}

/// A chunk's rows in memory: their canonical bytes end to end, and the end of each row.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    tally: Tally,
}

impl Batch {
    /// Adds a row whose canonical bytes `write` appends.
    ///
    /// # Errors
    /// Those of `write`; the batch is then unchanged.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        self.tally.add_row(&self.bytes[start..]);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Number of rows.
    pub fn row_count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes held.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    /// Count, bytes and digest of the rows.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The canonical bytes of each row, in the order of arrival.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|row| {
            let start = if row == 0 { 0 } else { self.ends[row - 1] };
            &self.bytes[start..self.ends[row]]
        })
    }

    /// The key of the last row: the canonical bytes of its values at `positions`, end to end. `None` without rows.
    ///
    /// # Errors
    /// As [`key_of`].
    pub fn last_key(&self, positions: &[usize]) -> Result<Option<Vec<u8>>> {
        let Some(row) = self.rows().next_back() else {
            return Ok(None);
        };
        key_of(row, positions).map(Some)
    }
}

/// The canonical bytes of a row's values at `positions`, end to end.
///
/// # Errors
/// `State` if the row's bytes are damaged; `Broken` if it has no such column, which a server left out.
pub fn key_of(row: &[u8], positions: &[usize]) -> Result<Vec<u8>> {
    let values = Values::new(row).collect()?;
    let mut key = Vec::new();
    for &position in positions {
        let value = values
            .get(position)
            .ok_or_else(|| Error::malformed("The source answered without a column of the key"))?;
        encode(*value, &mut key)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(value: Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out).unwrap();
        out
    }

    #[test]
    fn null_empty_and_zero_differ() {
        let all = [
            bytes_of(Value::Null),
            bytes_of(Value::Text("")),
            bytes_of(Value::Bytes(b"")),
            bytes_of(Value::Integer(0)),
            bytes_of(Value::Decimal { units: 0, scale: 0 }),
            bytes_of(Value::Float(0.0)),
            bytes_of(Value::Float(-0.0)),
            bytes_of(Value::Text(" ")),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(
                all.iter().skip(i + 1).all(|b| a != b),
                "value {i} is encoded like another one"
            );
        }
    }

    #[test]
    fn scale_is_no_part_of_a_number() {
        assert_eq!(
            bytes_of(Value::Decimal { units: 150, scale: 2 }),
            bytes_of(Value::Decimal {
                units: 15_000,
                scale: 4
            })
        );
        assert_ne!(
            bytes_of(Value::Decimal { units: 150, scale: 2 }),
            bytes_of(Value::Decimal { units: 151, scale: 2 })
        );
    }

    #[test]
    fn a_boundary_between_values_cannot_move() {
        let mut one = bytes_of(Value::Text("ab"));
        one.extend(bytes_of(Value::Text("c")));
        let mut other = bytes_of(Value::Text("a"));
        other.extend(bytes_of(Value::Text("bc")));
        assert_ne!(Digest::of_row(&one), Digest::of_row(&other));
    }

    #[test]
    fn frozen_bytes() {
        // These are on disk in stores and receipts: a change here is a new format version.
        let decimal = Value::Decimal {
            units: -150,
            scale: 2,
        };
        let guid = *b"0123456789abcdef";
        for (value, expected) in [
            (Value::Null, "00"),
            (Value::Integer(-2), "01 feffffffffffffff"),
            (decimal, "02 01 f1ffffffffffffffffffffffffffffff"),
            (Value::Float(1.5), "03 000000000000f83f"),
            (Value::Text("é"), "04 02000000 c3a9"),
            (Value::Bytes(&[7, 0]), "05 02000000 0700"),
            (Value::Date(-2), "06 feffffff"),
            (Value::Time(3), "07 0300000000000000"),
            (
                Value::DateTime2 { days: 1, ticks: 3 },
                "08 01000000 0300000000000000",
            ),
            (Value::DateTime { days: 1, ticks: 3 }, "09 01000000 03000000"),
            (
                Value::DateTimeOffset {
                    days: 1,
                    ticks: 3,
                    offset: -90,
                },
                "0a 01000000 0300000000000000 a6ff",
            ),
            (Value::Guid(guid), "0b 30313233343536373839616263646566"),
        ] {
            let hex: String = bytes_of(value).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected.replace(' ', ""), "{value:?}");
        }
        let mut digest = Digest::of_row(b"");
        assert_eq!(digest.to_bytes()[..4], [0xaf, 0x13, 0x49, 0xb9]);
        digest.add(Digest([u64::MAX; 4]));
        digest.add(Digest([1, 0, 0, 0]));
        assert_eq!(digest, Digest::of_row(b""), "the sum is modulo 2^256");
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        for bytes in [&[12][..], &[1, 0], &[4, 9, 0, 0, 0, 1], &[4, 1, 0, 0, 0, 0xff]] {
            assert_eq!(Values::new(bytes).collect().unwrap_err().kind(), ErrorKind::State);
        }
    }

    fn any_value() -> impl Strategy<Value = (u8, i128, u8, String)> {
        (
            0..12u8,
            any::<i64>().prop_map(i128::from),
            0..38u8,
            any::<String>(),
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(cells in proptest::collection::vec(any_value(), 0..20)) {
            let values: Vec<Value<'_>> = cells.iter().map(|(kind, n, scale, text)| match kind {
                0 => Value::Null,
                1 => Value::Integer(*n as i64),
                2 => { let (units, scale) = normal(*n, *scale); Value::Decimal { units, scale } }
                3 => Value::Float(*n as f64),
                4 => Value::Text(text),
                5 => Value::Bytes(text.as_bytes()),
                6 => Value::Date(*n as i32),
                7 => Value::Time(*n as u64),
                8 => Value::DateTime2 { days: *n as i32, ticks: *n as u64 },
                9 => Value::DateTime { days: *n as i32, ticks: *n as u32 },
                10 => Value::DateTimeOffset { days: *n as i32, ticks: *n as u64, offset: *n as i16 },
                _ => Value::Guid(n.to_le_bytes()),
            }).collect();
            let mut bytes = Vec::new();
            for value in &values {
                encode(*value, &mut bytes).unwrap();
            }
            prop_assert_eq!(Values::new(&bytes).collect().unwrap(), values);
        }

        #[test]
        fn order_does_not_matter(mut rows in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let mut forward = Tally::default();
            rows.iter().for_each(|row| forward.add_row(row));
            rows.reverse();
            let mut backward = Tally::default();
            rows.iter().for_each(|row| backward.add_row(row));
            prop_assert_eq!(forward, backward);
        }
    }
}
