//! The value functions in the form that the SQL side uses: collations are named by the class that SQLite knows, and
//! code pages are a flag.

use std::cmp::Ordering;

use super::errors::error;
use crate::types::{Cell, Len, OwnedCell, SqlError, SqlType};
use crate::value::cell::CowCell;
use crate::value::operator::Operator;
use crate::value::{cast as conversions, collation, guid};

/// A collation with UTF-8, for conversions whose target has one.
const UTF8_COLLATION: &str = "Latin1_General_100_CI_AS_SC_UTF8";

/// The collations registered with SQLite: a class, and a collation that compares that way.
pub(crate) const COLLATIONS: [(&str, &str); 5] = [
    ("CI_AS", "Latin1_General_CI_AS"),
    ("CI_AI", "Latin1_General_CI_AI"),
    ("CS_AS", "Latin1_General_CS_AS"),
    ("CS_AI", "Latin1_General_CS_AI"),
    ("BIN2", "Latin1_General_BIN2"),
];

/// The class of a collation.
pub(crate) fn sqlite_collation(name: &str) -> &'static str {
    let name = name.to_ascii_uppercase();
    if name.contains("_BIN") {
        return "BIN2";
    }
    match (name.contains("_CS"), name.contains("_AI")) {
        (false, false) => "CI_AS",
        (false, true) => "CI_AI",
        (true, false) => "CS_AS",
        (true, true) => "CS_AI",
    }
}

/// Compares under a collation.
pub(crate) fn compare(name: &str, a: &str, b: &str) -> Ordering {
    collation::compare(name, a, b)
}

/// Whether two characters are the same under a class of collations.
pub(crate) fn same_char(class: &str, a: char, b: char) -> bool {
    if a == b || class == "BIN2" {
        return a == b;
    }
    // A blank equals nothing at all in a comparison, but LIKE distinguishes them.
    if a == ' ' || b == ' ' {
        return false;
    }
    let name = COLLATIONS
        .iter()
        .find(|c| c.0 == class)
        .map_or(collation::DEFAULT, |c| c.1);
    let (mut x, mut y) = ([0; 4], [0; 4]);
    collation::compare(name, a.encode_utf8(&mut x), b.encode_utf8(&mut y)) == Ordering::Equal
}

/// Whether there is a collation of that name.
pub(crate) fn known_collation(name: &str) -> bool {
    name.eq_ignore_ascii_case("database_default") || collation::known(name)
}

/// Whether `varchar` of the collation holds every character.
pub(crate) fn is_utf8(name: &str) -> bool {
    collation::is_utf8(name)
}

fn target(utf8: bool) -> Option<&'static str> {
    utf8.then_some(UTF8_COLLATION)
}

/// CAST.
pub(crate) fn cast(cell: Cell<'_>, from: SqlType, to: SqlType, utf8: bool) -> Result<OwnedCell, SqlError> {
    conversions::cast(cell, from, to, target(utf8)).map(CowCell::into_owned)
}

/// CONVERT with a style.
pub(crate) fn convert(cell: Cell<'_>, from: SqlType, to: SqlType, style: i64) -> Result<OwnedCell, SqlError> {
    let style = i32::try_from(style).unwrap_or(i32::MAX);
    conversions::convert(cell, from, to, style, None).map(CowCell::into_owned)
}

/// Assignment to a column or a variable.
pub(crate) fn assign(cell: Cell<'_>, from: SqlType, to: SqlType, utf8: bool) -> Result<OwnedCell, SqlError> {
    conversions::assign(cell, from, to, target(utf8)).map(CowCell::into_owned)
}

/// Whether the conversion exists at all: errors 529, 206 and 257.
pub(crate) fn check_convertible(from: SqlType, to: SqlType, assigning: bool) -> Result<(), SqlError> {
    if assigning {
        conversions::check_assignable(from, to)
    } else {
        conversions::check_castable(from, to)
    }
}

/// Whether CONVERT's style changes anything between two types.
pub(crate) fn style_matters(from: SqlType, to: SqlType) -> bool {
    let texts = |ty| super::types::is_text(ty);
    texts(from) != texts(to) || to == SqlType::Xml && from != to
}

/// The type of two texts or two binaries put together.
pub(crate) fn concatenated(a: SqlType, b: SqlType) -> SqlType {
    let len = |ty| match ty {
        SqlType::Char(n) | SqlType::NChar(n) | SqlType::Binary(n) => Len::N(n),
        SqlType::VarChar(len) | SqlType::NVarChar(len) | SqlType::VarBinary(len) => len,
        _ => Len::Max,
    };
    let sum = |limit: u16| match (len(a), len(b)) {
        (Len::N(x), Len::N(y)) => Len::N(x.saturating_add(y).min(limit)),
        _ => Len::Max,
    };
    let wide = |ty| matches!(ty, SqlType::NChar(_) | SqlType::NVarChar(_) | SqlType::Xml);
    if super::types::is_binary(a) {
        SqlType::VarBinary(sum(8000))
    } else if wide(a) || wide(b) {
        SqlType::NVarChar(sum(4000))
    } else {
        SqlType::VarChar(sum(8000))
    }
}

/// A uniqueidentifier made of a random number, as NEWID makes it.
pub(crate) fn new_guid(random: u128) -> OwnedCell {
    let uuid = uuid::Builder::from_random_bytes(random.to_le_bytes()).into_uuid();
    OwnedCell::Blob(guid::to_storage(&uuid.to_bytes_le()).to_vec())
}

/// The character of code page 1252 with that code.
pub(crate) fn code_page_char(code: u8) -> OwnedCell {
    OwnedCell::Text(collation::code_page_decode(None, &[code]).into_owned())
}

/// The operator with that code, as the arithmetic function receives it.
pub(crate) fn operator(code: i64) -> Result<Operator, SqlError> {
    [
        Operator::Add,
        Operator::Subtract,
        Operator::Multiply,
        Operator::Divide,
        Operator::Modulo,
    ]
    .into_iter()
    .find(|op| *op as i64 == code)
    .ok_or_else(|| error(823, 24, 5, "An unknown operator."))
}
