//! `uniqueidentifier`: three byte orders and their conversions.
//!
//! In storage order `memcmp` sorts as SQL Server does: it compares the last six bytes first, then bytes 8-9, 6-7,
//! 4-5 and 0-3 of the wire form
//! (<https://learn.microsoft.com/dotnet/framework/data/adonet/sql/comparing-guid-and-uniqueidentifier-values>).

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

/// The wire form has the first three groups of the text little endian.
const TEXT_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in braces or not, into storage order. `None` is error 8169.
///
/// Characters after the 36 are ignored, as in SQL Server.
pub(crate) fn parse(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    let digits = match bytes.first()? {
        b'{' if bytes.get(37) == Some(&b'}') => bytes.get(1..37)?,
        _ => bytes.get(..36)?,
    };
    let mut wire = [0u8; 16];
    let mut at = 0;
    for index in TEXT_ORDER {
        if matches!(at, 8 | 13 | 18 | 23) {
            if digits[at] != b'-' {
                return None;
            }
            at += 1;
        }
        let high = char::from(digits[at]).to_digit(16)?;
        let low = char::from(digits[at + 1]).to_digit(16)?;
        wire[index] = u8::try_from(high * 16 + low).ok()?;
        at += 2;
    }
    Some(to_storage(&wire))
}

/// Prints a stored value in upper case, as SQL Server does.
pub(crate) fn render(stored: &[u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let wire = from_storage(stored);
    let mut text = String::with_capacity(36);
    for (position, index) in TEXT_ORDER.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(wire[index] >> 4)]));
        text.push(char::from(HEX[usize::from(wire[index] & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "6F9619FF-8B86-D011-B42D-00C04FC964FF";

    #[test]
    fn text_and_wire() {
        let stored = parse(TEXT).unwrap();
        // The documented bytes of this value: 0xff19966f868b11d0b42d00c04fc964ff with the groups as they are.
        let wire = [
            0xFF, 0x19, 0x96, 0x6F, 0x86, 0x8B, 0x11, 0xD0, 0xB4, 0x2D, 0x00, 0xC0, 0x4F, 0xC9, 0x64, 0xFF,
        ];
        assert_eq!(from_storage(&stored), wire);
        assert_eq!(to_storage(&wire), stored);
        assert_eq!(render(&stored), TEXT);
        assert_eq!(parse(&format!("{{{}}}", TEXT.to_lowercase())), Some(stored));
        assert_eq!(parse(&format!("{TEXT}wrong")), Some(stored));
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "{",
            "6F9619FF",
            "6F9619FF-8B86-D011-B42D-00C04FC964F",
            "6F9619FF8B86-D011-B42D-00C04FC964FF0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("6F9619FF-8B86-D011-B42D-00C04FC964FG"), None);
        assert_eq!(parse("6F9619FF-8B86-D011-B42D-00C04FC964é"), None);
    }

    #[test]
    fn storage_sorts_as_the_server() {
        // In the order of the page cited above: the node first, then leftwards.
        let ascending = [
            "FFFFFFFF-FFFF-FFFF-FFFF-000000000001",
            "FFFFFFFF-FFFF-FFFF-0000-000000000002",
            "FFFFFFFF-FFFF-0000-0001-000000000002",
            "FFFFFFFF-FFFF-0001-0001-000000000002",
            "00000000-0000-0002-0001-000000000002",
            "00000000-0001-0002-0001-000000000002",
            "01000000-0001-0002-0001-000000000002",
        ];
        for pair in ascending.windows(2) {
            assert!(parse(pair[0]) < parse(pair[1]), "{pair:?}");
        }
    }
}
