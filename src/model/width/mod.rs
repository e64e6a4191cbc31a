//! Whether a column holds every value of another one exactly, and the type that holds the values of both.
//!
//! A value that does not survive the way into the target and back is refused when it is read back, and never committed.
//! So this comparison protects no row. It names the column before the first such value comes.

use crate::model::code_page::{is_double_byte, is_utf8, same_page};
use crate::model::table::{Column, DataType, Length};

/// The most digits of a decimal.
const DIGITS_MAX: u8 = 38;

/// The most characters of `nvarchar(n)`.
const UNITS_MAX: u16 = 4000;

/// The characters of a GUID's text, and its bytes.
const GUID_UNITS: u16 = 36;
const GUID_BYTES: u16 = 16;

/// How a target column holds the values of a source column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Every value, exactly.
    Every,
    /// Some values, by another type or code page. Another one is changed or refused.
    Part,
    /// Some values, by the same kind of type with less room: another one is cut, rounded or refused.
    Narrow,
    /// None: the server refuses the conversion as such.
    Never,
}

/// Types whose values convert to each other if they fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Integers, decimals, money and floats.
    Number,
    /// Dates, with or without a time.
    Moment,
    /// Times of a day.
    Time,
    /// Text and XML.
    Text,
    /// Bytes.
    Bytes,
    /// GUIDs.
    Guid,
}

/// The kind of a type.
pub fn kind(data_type: DataType) -> Kind {
    use DataType as T;
    match data_type {
        T::Bit
        | T::TinyInt
        | T::SmallInt
        | T::Int
        | T::BigInt
        | T::Decimal { .. }
        | T::Money
        | T::SmallMoney
        | T::Real
        | T::Float => Kind::Number,
        T::Char(_) | T::VarChar(_) | T::NChar(_) | T::NVarChar(_) | T::Xml => Kind::Text,
        T::Binary(_) | T::VarBinary(_) => Kind::Bytes,
        T::Date | T::DateTime | T::SmallDateTime | T::DateTime2(_) | T::DateTimeOffset(_) => Kind::Moment,
        T::Time(_) => Kind::Time,
        T::UniqueIdentifier => Kind::Guid,
    }
}

/// How `target` holds the values of `source`, as they are inserted and read back.
pub fn fit(source: &Column, target: &Column) -> Fit {
    let (from, to) = (source.data_type, target.data_type);
    let holds = match (kind(from), kind(to)) {
        (Kind::Number, Kind::Number) => number_holds(from, to),
        (Kind::Text, Kind::Text) => text_holds(source, target),
        (Kind::Bytes, Kind::Bytes) => bytes_hold(from, to),
        (Kind::Moment | Kind::Time, Kind::Moment | Kind::Time) => moment_holds(from, to),
        (Kind::Guid, Kind::Guid) => true,
        (Kind::Guid, Kind::Text | Kind::Bytes) => guid_fits(to),
        _ => false,
    };
    if holds {
        Fit::Every
    } else if is_refused(from, to) {
        Fit::Never
    } else if is_narrower(from, to) {
        Fit::Narrow
    } else {
        Fit::Part
    }
}

/// Whether a type has less room than another one of its kind: fewer characters, bytes or digits, or no time or offset.
fn is_narrower(from: DataType, to: DataType) -> bool {
    use DataType as T;
    match (kind(from), kind(to)) {
        (Kind::Number, Kind::Number) => match (digits(from), digits(to)) {
            (Some(own), Some(held)) => own.whole > held.holds || own.scale > held.scale,
            _ => (from, to) == (T::Float, T::Real),
        },
        (Kind::Text, Kind::Text) => !at_least(text(to).length, text(from).length, 1),
        (Kind::Bytes, Kind::Bytes) => !at_least(bytes(to).0, bytes(from).0, 1),
        (Kind::Moment, Kind::Moment) | (Kind::Time, Kind::Time) => {
            let has_offset = |data_type| matches!(data_type, T::DateTimeOffset(_));
            let has_time = |data_type| data_type != T::Date;
            (has_time(from) && !has_time(to))
                || (has_offset(from) && !has_offset(to))
                || scale(from) > scale(to)
                || (to == T::SmallDateTime && has_time(from))
        }
        _ => false,
    }
}

/// The type that a target column needs to hold the values of both columns; `None` if no type does.
pub fn wider(source: &Column, target: &Column) -> Option<DataType> {
    let holds_both = |data_type: &DataType| {
        let column = Column {
            data_type: *data_type,
            ..target.clone()
        };
        fit(source, &column) == Fit::Every && fit(target, &column) == Fit::Every
    };
    let candidates = [
        Some(target.data_type),
        Some(source.data_type),
        union(source, target),
    ];
    candidates.into_iter().flatten().find(holds_both)
}

/// Conversions that SQL Server has not: it refuses the statement, whatever the values. A moment and a time are staged
/// as a type without a conversion to numbers.
fn is_refused(from: DataType, to: DataType) -> bool {
    use DataType as T;
    let is_new_moment =
        |data_type| kind(data_type) == Kind::Moment && !matches!(data_type, T::DateTime | T::SmallDateTime);
    match (kind(from), kind(to)) {
        (Kind::Number | Kind::Moment | Kind::Time | Kind::Guid, Kind::Text) => to == T::Xml,
        (Kind::Number, Kind::Time | Kind::Guid)
        | (Kind::Moment | Kind::Time, Kind::Number | Kind::Guid)
        | (Kind::Guid, Kind::Number | Kind::Moment | Kind::Time) => true,
        (Kind::Number, Kind::Moment) => is_new_moment(to),
        (Kind::Moment, Kind::Time) => from == T::Date,
        (Kind::Time, Kind::Moment) => to == T::Date,
        (Kind::Bytes, Kind::Number) => matches!(to, T::Real | T::Float),
        _ => false,
    }
}

/// Digits of an exact number.
struct Digits {
    /// Digits left of the point that its largest value has.
    whole: u8,
    /// Digits left of the point of which it holds every number.
    holds: u8,
    /// Digits right of the point.
    scale: u8,
}

/// The digits of a type's numbers; `None` for floats.
fn digits(data_type: DataType) -> Option<Digits> {
    let (whole, holds, scale) = match data_type {
        DataType::Bit => (1, 0, 0),
        DataType::TinyInt => (3, 2, 0),
        DataType::SmallInt => (5, 4, 0),
        DataType::Int => (10, 9, 0),
        DataType::BigInt => (19, 18, 0),
        DataType::Decimal { precision, scale } => {
            let whole = precision.saturating_sub(scale);
            (whole, whole, scale)
        }
        DataType::Money => (15, 14, 4),
        DataType::SmallMoney => (6, 5, 4),
        _ => return None,
    };
    Some(Digits { whole, holds, scale })
}

fn number_holds(from: DataType, to: DataType) -> bool {
    use DataType as T;
    if from == to {
        return true;
    }
    match (digits(from), digits(to)) {
        (Some(own), Some(target)) => own.whole <= target.holds && own.scale <= target.scale,
        // Floats hold each integer of 53 bits, reals of 24. A fraction is rounded on the way there and back.
        (Some(_), None) if to == T::Float => matches!(from, T::Bit | T::TinyInt | T::SmallInt | T::Int),
        (Some(_), None) => matches!(from, T::Bit | T::TinyInt | T::SmallInt),
        (None, _) => from == T::Real && to == T::Float,
    }
}

/// The digits of a moment's or a time's seconds.
fn scale(data_type: DataType) -> u8 {
    match data_type {
        DataType::Time(scale) | DataType::DateTime2(scale) | DataType::DateTimeOffset(scale) => scale,
        // Its units of 1/300 s survive as the milliseconds that it prints.
        DataType::DateTime => 3,
        _ => 0,
    }
}

fn moment_holds(from: DataType, to: DataType) -> bool {
    use DataType as T;
    if from == to {
        return true;
    }
    match (from, to) {
        (T::Date, T::DateTime2(_) | T::DateTimeOffset(_)) | (T::SmallDateTime, T::DateTime) => true,
        (T::Time(_), T::Time(held) | T::DateTime2(held) | T::DateTimeOffset(held))
        | (T::DateTime | T::SmallDateTime | T::DateTime2(_), T::DateTime2(held) | T::DateTimeOffset(held))
        | (T::DateTimeOffset(_), T::DateTimeOffset(held)) => scale(from) <= held,
        _ => false,
    }
}

/// The length of a text: characters if it is national, else bytes.
struct Text {
    national: bool,
    /// Whether the server fills it up with blanks, which are read back.
    fixed: bool,
    length: Length,
}

fn text(data_type: DataType) -> Text {
    let (national, fixed, length) = match data_type {
        DataType::Char(n) => (false, true, Length::N(n)),
        DataType::VarChar(length) => (false, false, length),
        DataType::NChar(n) => (true, true, Length::N(n)),
        DataType::NVarChar(length) => (true, false, length),
        _ => (true, false, Length::Max),
    };
    Text {
        national,
        fixed,
        length,
    }
}

/// Whether `held` is at least `times` as long as `length`.
fn at_least(held: Length, length: Length, times: u32) -> bool {
    match (held, length) {
        (Length::Max, _) => true,
        (Length::N(_), Length::Max) => false,
        (Length::N(held), Length::N(length)) => u32::from(held) >= times * u32::from(length),
    }
}

fn text_holds(source: &Column, target: &Column) -> bool {
    if DataType::Xml == target.data_type {
        return DataType::Xml == source.data_type;
    }
    let (own, held) = (text(source.data_type), text(target.data_type));
    let (page, held_page) = (source.collation.as_deref(), target.collation.as_deref());
    let is_same_page = same_page(page, held_page);
    if held.fixed {
        // Both are as long, unless characters have several bytes.
        let as_long = match (own.national, held.national) {
            (true, true) => true,
            (false, true) => !is_utf8(page) && !is_double_byte(page),
            (false, false) => is_same_page,
            (true, false) => false,
        };
        return own.fixed && own.length == held.length && as_long;
    }
    match (own.national, held.national) {
        // n bytes are at most n UTF-16 units in every code page.
        (_, true) => at_least(held.length, own.length, 1),
        (false, false) if is_same_page => at_least(held.length, own.length, 1),
        // A unit of UTF-16, and a byte of another code page, is at most three bytes of UTF-8.
        (_, false) => is_utf8(held_page) && at_least(held.length, own.length, 3),
    }
}

/// The length of a type of bytes, and whether the server fills it up with zeros, which are read back.
fn bytes(data_type: DataType) -> (Length, bool) {
    match data_type {
        DataType::Binary(n) => (Length::N(n), true),
        DataType::VarBinary(length) => (length, false),
        _ => (Length::Max, false),
    }
}

fn bytes_hold(from: DataType, to: DataType) -> bool {
    let ((own, _), (held, fixed)) = (bytes(from), bytes(to));
    match fixed {
        true => from == to,
        false => at_least(held, own, 1),
    }
}

fn guid_fits(to: DataType) -> bool {
    match to {
        DataType::Xml => false,
        DataType::Binary(n) => n == GUID_BYTES,
        DataType::VarBinary(length) => at_least(length, Length::N(GUID_BYTES), 1),
        _ => at_least(text(to).length, Length::N(GUID_UNITS), 1),
    }
}

/// About how many bytes a row of these columns takes, where none is known yet. A text or bytes of any length count as half
/// of what they may have, as SQL Server's own estimates take them, but no more than a long remark.
pub fn row_bytes(columns: &[Column]) -> u64 {
    columns.iter().map(|column| value_bytes(column.data_type)).sum()
}

/// The most bytes that a text or bytes of any length is taken for.
const VALUE_BYTES_MAX: u64 = 200;

fn value_bytes(data_type: DataType) -> u64 {
    use DataType as T;
    let half = |length: Length| match length {
        Length::Max => VALUE_BYTES_MAX,
        Length::N(n) => (u64::from(n) / 2).clamp(1, VALUE_BYTES_MAX),
    };
    match data_type {
        T::Bit | T::TinyInt => 1,
        T::SmallInt => 2,
        T::Int | T::Real | T::SmallMoney | T::Date | T::SmallDateTime => 4,
        T::Time(_) => 5,
        T::BigInt | T::Float | T::Money | T::DateTime | T::DateTime2(_) => 8,
        T::DateTimeOffset(_) => 10,
        T::Decimal { .. } => 9,
        T::UniqueIdentifier => u64::from(GUID_BYTES),
        T::Char(n) | T::NChar(n) | T::Binary(n) => u64::from(n),
        T::VarChar(length) | T::NVarChar(length) | T::VarBinary(length) => half(length),
        T::Xml => VALUE_BYTES_MAX,
    }
}

/// A type of the kind of both that has the length, the digits and the characters of both.
fn union(source: &Column, target: &Column) -> Option<DataType> {
    use DataType as T;
    let (from, to) = (source.data_type, target.data_type);
    match (kind(from), kind(to)) {
        (Kind::Number, Kind::Number) => {
            let (own, held) = (digits(from)?, digits(to)?);
            let scale = own.scale.max(held.scale);
            let precision = own.whole.max(held.whole) + scale;
            (precision <= DIGITS_MAX).then_some(T::Decimal { precision, scale })
        }
        (Kind::Moment, Kind::Moment) => {
            let scale = scale(from).max(scale(to));
            let has_offset = |data_type| matches!(data_type, T::DateTimeOffset(_));
            Some(match has_offset(from) || has_offset(to) {
                true => T::DateTimeOffset(scale),
                false => T::DateTime2(scale),
            })
        }
        (Kind::Text, Kind::Text) => {
            let (own, held) = (text(from), text(to));
            let pages = (source.collation.as_deref(), target.collation.as_deref());
            let length = longest(own.length, held.length);
            Some(
                match own.national || held.national || !same_page(pages.0, pages.1) {
                    true => T::NVarChar(match length {
                        Length::N(n) if n > UNITS_MAX => Length::Max,
                        length => length,
                    }),
                    false => T::VarChar(length),
                },
            )
        }
        (Kind::Bytes, Kind::Bytes) => Some(T::VarBinary(longest(bytes(from).0, bytes(to).0))),
        _ => None,
    }
}

fn longest(one: Length, other: Length) -> Length {
    match (one, other) {
        (Length::N(one), Length::N(other)) => Length::N(one.max(other)),
        _ => Length::Max,
    }
}

#[cfg(test)]
mod tests;
