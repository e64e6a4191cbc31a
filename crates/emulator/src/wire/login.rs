//! LOGIN7: the login, its database, its application, and its options.
//!
//! Only SQL authentication is served. The password is on the wire in a reversible form and kept only until it is
//! compared.

use std::fmt;

use crate::wire::packet::{PACKET_BYTES_DEFAULT, PACKET_BYTES_MAX, PACKET_BYTES_MIN};

/// A LOGIN7 message has a few hundred bytes. Tokens and attachments that could make it longer are not served.
pub(crate) const LOGIN_BYTES_MAX: usize = 128 * 1024;
/// TDS 7.3 B: the oldest version that has both the date and time types and NBCROW.
const TDS_7_3: u32 = 0x730B_0003;
/// TDS 7.4.
const TDS_7_4: u32 = 0x7400_0004;

const INTEGRATED_SECURITY: u8 = 0x80;
const EXTENSION_USED: u8 = 0x10;
const FEATURE_UTF8_SUPPORT: u8 = 0x0A;
const FEATURE_FED_AUTH: u8 = 0x02;
const FEATURE_END: u8 = 0xFF;

/// A client's description of itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The version that both sides will speak. `None` if the client's is too old.
    pub(crate) tds_version: Option<u32>,
    /// The packet size, within what TDS allows.
    pub(crate) packet_bytes: usize,
    pub(crate) host: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) application: String,
    pub(crate) database: String,
    /// The client wants Windows or federated authentication.
    pub(crate) foreign_authentication: bool,
    /// The client asks whether UTF-8 collations are supported.
    pub(crate) asks_utf8: bool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Reads the message. `None` if a length or an offset points outside it, or a text is not UTF-16.
    pub(crate) fn parse(message: &[u8]) -> Option<Login> {
        let asked_version = u32_at(message, 4)?;
        let asked_bytes = u32_at(message, 8)? as usize;
        let flags_2 = *message.get(25)?;
        let flags_3 = *message.get(27)?;
        let password: Vec<u8> = slice_at(message, 44, 2)?
            .iter()
            .map(|byte| (byte ^ 0xA5).rotate_left(4))
            .collect();
        let mut login = Login {
            tds_version: (asked_version >= TDS_7_3).then_some(asked_version.min(TDS_7_4)),
            packet_bytes: match asked_bytes {
                0 => PACKET_BYTES_DEFAULT,
                bytes => bytes.clamp(PACKET_BYTES_MIN, PACKET_BYTES_MAX),
            },
            host: text_at(message, 36)?,
            user: text_at(message, 40)?,
            password: utf16(&password)?,
            application: text_at(message, 48)?,
            database: text_at(message, 68)?,
            foreign_authentication: flags_2 & INTEGRATED_SECURITY != 0,
            asks_utf8: false,
        };
        if flags_3 & EXTENSION_USED != 0 {
            login.read_features(message)?;
        }
        Some(login)
    }

    fn read_features(&mut self, message: &[u8]) -> Option<()> {
        let pointer = slice_at(message, 56, 1)?;
        let mut rest = message.get(u32_at(pointer, 0)? as usize..)?;
        loop {
            match *rest.first()? {
                FEATURE_END => return Some(()),
                FEATURE_UTF8_SUPPORT => self.asks_utf8 = true,
                FEATURE_FED_AUTH => self.foreign_authentication = true,
                // A server does not have a feature that it does not acknowledge.
                _ => {}
            }
            let bytes = u32_at(rest, 1)? as usize;
            rest = rest.get(5usize.checked_add(bytes)?..)?;
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The bytes that the offset and length pair at `at` points to. The length counts units of `unit` bytes.
fn slice_at(message: &[u8], at: usize, unit: usize) -> Option<&[u8]> {
    let pair = message.get(at..at + 4)?;
    let start = usize::from(u16::from_le_bytes([pair[0], pair[1]]));
    let count = usize::from(u16::from_le_bytes([pair[2], pair[3]]));
    // Clients may leave any offset in an empty field.
    if count == 0 {
        Some(&[])
    } else {
        message.get(start..start + count * unit)
    }
}

fn text_at(message: &[u8], at: usize) -> Option<String> {
    utf16(slice_at(message, at, 2)?)
}

/// Decodes UTF-16LE. `None` for an odd number of bytes or an unpaired surrogate.
pub(crate) fn utf16(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let mut text = String::with_capacity(bytes.len() / 2);
    let units = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    for unit in char::decode_utf16(units) {
        text.push(unit.ok()?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A LOGIN7 as a client builds it.
    fn message(
        version: u32,
        packet_bytes: u32,
        flags: [u8; 4],
        texts: [&str; 9],
        features: &[u8],
    ) -> Vec<u8> {
        let mut fixed = vec![0; 4];
        fixed.extend(version.to_le_bytes());
        fixed.extend(packet_bytes.to_le_bytes());
        fixed.extend([0; 12]);
        fixed.extend(flags);
        fixed.extend([0; 8]);
        let mut data: Vec<u8> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = 94 + data.len();
            let mut bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let mut count = bytes.len() / 2;
            if index == 2 {
                bytes
                    .iter_mut()
                    .for_each(|byte| *byte = byte.rotate_left(4) ^ 0xA5);
            }
            if index == 5 && !features.is_empty() {
                bytes = ((at + 4) as u32).to_le_bytes().to_vec();
                bytes.extend(features);
                count = 4;
            }
            fixed.extend((at as u16).to_le_bytes());
            fixed.extend((count as u16).to_le_bytes());
            data.extend(bytes);
        }
        fixed.resize(94, 0);
        fixed.extend(data);
        fixed
    }

    const TEXTS: [&str; 9] = [
        "laptop",
        "søren",
        "päss😀word",
        "sync",
        "srv",
        "",
        "odbc",
        "",
        "Warehouse",
    ];

    #[test]
    fn every_field_is_found() {
        let features = [
            0x01,
            2,
            0,
            0,
            0,
            9,
            9,
            FEATURE_UTF8_SUPPORT,
            0,
            0,
            0,
            0,
            FEATURE_END,
        ];
        let login = Login::parse(&message(
            TDS_7_4,
            32767,
            [0, 0, 0, EXTENSION_USED],
            TEXTS,
            &features,
        ))
        .unwrap();
        assert_eq!(login.user, "søren");
        assert_eq!(login.password, "päss😀word");
        assert_eq!(
            (login.host.as_str(), login.application.as_str()),
            ("laptop", "sync")
        );
        assert_eq!(login.database, "Warehouse");
        assert_eq!((login.tds_version, login.packet_bytes), (Some(TDS_7_4), 32767));
        assert!(login.asks_utf8 && !login.foreign_authentication);
        assert!(!format!("{login:?}").contains("word"));
    }

    #[test]
    fn packet_sizes_are_kept_within_what_tds_allows_and_old_clients_are_told_apart() {
        let of = |version, bytes| Login::parse(&message(version, bytes, [0; 4], TEXTS, &[])).unwrap();
        assert_eq!(of(TDS_7_4, 0).packet_bytes, 4096);
        assert_eq!(of(TDS_7_4, 1).packet_bytes, 512);
        assert_eq!(of(TDS_7_4, 65536).packet_bytes, 32767);
        assert_eq!(of(0x7209_0002, 0).tds_version, None);
        assert_eq!(of(0x730B_0003, 0).tds_version, Some(0x730B_0003));
        assert_eq!(of(0x0800_0000 | TDS_7_4, 0).tds_version, Some(TDS_7_4));
    }

    #[test]
    fn a_message_that_is_cut_off_anywhere_is_refused_and_not_a_panic() {
        let features = [FEATURE_UTF8_SUPPORT, 0, 0, 0, 0, FEATURE_END];
        let whole = message(TDS_7_4, 0, [0, 0, 0, EXTENSION_USED], TEXTS, &features);
        for length in 0..whole.len() {
            assert!(Login::parse(&whole[..length]).is_none(), "{length}");
        }
        assert!(Login::parse(&whole).is_some());
    }
}
