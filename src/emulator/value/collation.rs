//! Collations by name: how text compares, in which code page `char`/`varchar` are kept, and the 5 bytes that TDS sends.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The collation of a database or column that names none.
pub(crate) const DEFAULT: &str = "SQL_Latin1_General_CP1_CI_AS";

/// Compares as `ORDER BY` and `=` do under the collation; an unknown name compares as the default collation.
pub(crate) fn compare(collation: &str, a: &str, b: &str) -> Ordering {
    unimplemented!("{collation}{a}{b}")
}

/// The 5 bytes of TYPE_INFO and of ENVCHANGE 7; those of the default collation for an unknown name.
pub(crate) fn wire_bytes(collation: &str) -> [u8; 5] {
    unimplemented!("{collation}")
}

/// Whether `char`/`varchar` of this collation are UTF-8.
pub(crate) fn is_utf8(collation: &str) -> bool {
    unimplemented!("{collation}")
}

/// Whether SQL Server (and the emulator) has a collation of this name; letter case does not matter.
pub(crate) fn known(collation: &str) -> bool {
    unimplemented!("{collation}")
}

/// The bytes that `char`/`varchar` of the collation (default: [`DEFAULT`]) hold for `text`; what the code page lacks is `?`.
pub(crate) fn code_page_encode<'a>(collation: Option<&str>, text: &'a str) -> Cow<'a, [u8]> {
    unimplemented!("{collation:?}{text}")
}

/// Text of the bytes that a `char`/`varchar` of the collation holds.
pub(crate) fn code_page_decode<'a>(collation: Option<&str>, bytes: &'a [u8]) -> Cow<'a, str> {
    unimplemented!("{collation:?}{bytes:?}")
}
