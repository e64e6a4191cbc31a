//! `uniqueidentifier`: three byte orders and their conversions.
//!
//! Storage order is chosen so that `memcmp` sorts as SQL Server does: it compares the last six bytes first, then
//! bytes 8-9, 6-7, 4-5 and 0-3 of the wire form.

/// From the 16 bytes as TDS sends them to storage order.
pub(crate) fn to_storage(wire: &[u8; 16]) -> [u8; 16] {
    let w = wire;
    [
        w[10], w[11], w[12], w[13], w[14], w[15], w[8], w[9], w[6], w[7], w[4], w[5], w[0], w[1], w[2], w[3],
    ]
}

/// From storage order to the 16 bytes as TDS sends them.
pub(crate) fn from_storage(stored: &[u8; 16]) -> [u8; 16] {
    let s = stored;
    [
        s[12], s[13], s[14], s[15], s[10], s[11], s[8], s[9], s[6], s[7], s[0], s[1], s[2], s[3], s[4], s[5],
    ]
}

/// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in braces or not, into storage order; `None` is error 8169.
///
/// Characters after the 36 are ignored, as SQL Server ignores them.
pub(crate) fn parse(text: &str) -> Option<[u8; 16]> {
    unimplemented!("{text}")
}

/// Prints a stored value in upper case, as SQL Server does.
pub(crate) fn render(stored: &[u8; 16]) -> String {
    unimplemented!("{stored:?}")
}
