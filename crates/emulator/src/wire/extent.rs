//! The number of bytes that a value takes, without decoding it.
//!
//! A bulk load arrives in packets that split rows anywhere. This module tells whether a row is complete, so that
//! the codec only ever sees complete values. The codec, not this module, finds a length that no value can have.

use crate::types::SqlError;
use crate::wire::protocol::protocol_error;

/// The encoding of a value's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Always this many bytes.
    Fixed(usize),
    /// A length byte first; 0 is NULL.
    Byte,
    /// Two length bytes first. All ones are NULL.
    Short,
    /// Partially length-prefixed: 8 bytes, then chunks until an empty one.
    Chunks,
}

/// The extent of a TYPE_INFO and of its values. `None` until it is complete.
pub(crate) fn type_info(bytes: &[u8]) -> Result<Option<(usize, Extent)>, SqlError> {
    let Some(&token) = bytes.first() else {
        return Ok(None);
    };
    let found = match token {
        0x1F => Some((1, Extent::Fixed(0))),
        0x30 | 0x32 => Some((1, Extent::Fixed(1))),
        0x34 => Some((1, Extent::Fixed(2))),
        0x38 | 0x3A | 0x3B | 0x7A => Some((1, Extent::Fixed(4))),
        0x3C | 0x3D | 0x3E | 0x7F => Some((1, Extent::Fixed(8))),
        0x28 => Some((1, Extent::Byte)),
        0x24 | 0x25 | 0x26 | 0x29..=0x2B | 0x2D | 0x68 | 0x6D..=0x6F => Some((2, Extent::Byte)),
        0x37 | 0x3F | 0x6A | 0x6C => Some((4, Extent::Byte)),
        0xA5 | 0xAD => short(bytes, 3),
        0xA7 | 0xAF | 0xE7 | 0xEF => short(bytes, 8),
        0xF1 => xml(bytes),
        other => return Err(protocol_error(format_args!("type 0x{other:02X} in a bulk load"))),
    };
    Ok(found.filter(|(length, _)| *length <= bytes.len()))
}

fn short(bytes: &[u8], length: usize) -> Option<(usize, Extent)> {
    let max = bytes.get(1..3)?;
    Some((
        length,
        if max == [0xFF, 0xFF] {
            Extent::Chunks
        } else {
            Extent::Short
        },
    ))
}

fn xml(bytes: &[u8]) -> Option<(usize, Extent)> {
    let mut length = 2;
    if *bytes.get(1)? != 0 {
        for _ in 0..2 {
            length += 1 + 2 * usize::from(*bytes.get(length)?);
        }
        length += 2 + 2 * usize::from(u16_at(bytes, length)?);
    }
    Some((length, Extent::Chunks))
}

/// The bytes of the value at the start of `bytes`. `None` until it is complete.
pub(crate) fn value(bytes: &[u8], extent: Extent) -> Option<usize> {
    let length = match extent {
        Extent::Fixed(length) => length,
        Extent::Byte => 1 + usize::from(*bytes.first()?),
        Extent::Short => match u16_at(bytes, 0)? {
            u16::MAX => 2,
            length => 2 + usize::from(length),
        },
        Extent::Chunks => return chunks(bytes),
    };
    (length <= bytes.len()).then_some(length)
}

fn chunks(bytes: &[u8]) -> Option<usize> {
    if bytes.get(..8)? == [0xFF; 8] {
        return Some(8);
    }
    let mut at = 8usize;
    loop {
        let length = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        at += 4;
        if length == 0 {
            return Some(at);
        }
        at = at.checked_add(length).filter(|at| *at <= bytes.len())?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No shorter prefix passes for a complete value.
    fn whole(bytes: &[u8], of: impl Fn(&[u8]) -> Option<usize>) {
        for length in 0..bytes.len() {
            assert_eq!(of(&bytes[..length]), None, "{length} of {bytes:?}");
        }
        let mut longer = bytes.to_vec();
        longer.extend([0xAA; 9]);
        assert_eq!(of(&longer), Some(bytes.len()), "{bytes:?}");
    }

    #[test]
    fn values_are_whole_or_not_there() {
        whole(&[1, 2, 3, 4], |b| value(b, Extent::Fixed(4)));
        whole(&[3, 1, 2, 3], |b| value(b, Extent::Byte));
        whole(&[0], |b| value(b, Extent::Byte));
        whole(&[2, 0, 9, 9], |b| value(b, Extent::Short));
        whole(&[0xFF, 0xFF], |b| value(b, Extent::Short));
        whole(&[0xFF; 8], |b| value(b, Extent::Chunks));
        whole(
            &[
                0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 7, 7, 1, 0, 0, 0, 7, 0, 0, 0, 0,
            ],
            |b| value(b, Extent::Chunks),
        );
    }

    #[test]
    fn type_infos_are_whole_or_not_there() {
        let of = |bytes: &[u8]| type_info(bytes).unwrap().map(|(length, _)| length);
        whole(&[0x26, 4], of);
        whole(&[0x6C, 17, 38, 4], of);
        whole(&[0xE7, 0xFF, 0xFF, 1, 2, 3, 4, 5], of);
        whole(&[0xA5, 8, 0], of);
        whole(&[0xF1, 1, 1, b'a', 0, 1, b'b', 0, 1, 0, b'c', 0], of);
        assert_eq!(
            type_info(&[0xE7, 0xFF, 0xFF, 1, 2, 3, 4, 5]).unwrap(),
            Some((8, Extent::Chunks))
        );
        assert_eq!(
            type_info(&[0xE7, 0xA0, 0x0F, 1, 2, 3, 4, 5]).unwrap(),
            Some((8, Extent::Short))
        );
        assert!(type_info(&[0x23, 0, 0]).is_err());
    }
}
