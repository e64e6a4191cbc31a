//! Names as the case-insensitive catalog compares them.

/// A name as the case-insensitive catalog compares it.
pub(crate) fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}
