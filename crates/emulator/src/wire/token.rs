//! The tokens that the server sends, written straight into the reply's buffer.
//!
//! Every function appends one whole token, so a reply can be split between any two calls. A text that is longer
//! than its length field allows is cut at a character.

use bytes::{BufMut, BytesMut};

use crate::types::{Cell, Column, SqlError, SqlType, TransactionEvent};
use crate::value::collation::Collation;
use crate::value::wire_codec;
use crate::wire::protocol::SERVER_VERSION;

const RETURN_STATUS: u8 = 0x79;
const COL_METADATA: u8 = 0x81;
const ERROR: u8 = 0xAA;
const INFO: u8 = 0xAB;
const RETURN_VALUE: u8 = 0xAC;
const LOGIN_ACK: u8 = 0xAD;
const FEATURE_EXT_ACK: u8 = 0xAE;
const ROW: u8 = 0xD1;
const NBC_ROW: u8 = 0xD2;
const ENV_CHANGE: u8 = 0xE3;
/// The three DONE tokens.
pub(crate) const DONE: u8 = 0xFD;
pub(crate) const DONE_PROC: u8 = 0xFE;
pub(crate) const DONE_IN_PROC: u8 = 0xFF;

pub(crate) const DONE_MORE: u16 = 0x01;
pub(crate) const DONE_ERROR: u16 = 0x02;
pub(crate) const DONE_IN_TRANSACTION: u16 = 0x04;
pub(crate) const DONE_COUNT: u16 = 0x10;
pub(crate) const DONE_ATTENTION: u16 = 0x20;

const ENV_DATABASE: u8 = 1;
const ENV_LANGUAGE: u8 = 2;
const ENV_PACKET_SIZE: u8 = 4;
const ENV_COLLATION: u8 = 7;
const ENV_BEGIN: u8 = 8;
const ENV_COMMIT: u8 = 9;
const ENV_ROLLBACK: u8 = 10;
const ENV_RESET: u8 = 18;

const COLUMN_NULLABLE: u16 = 0x01;
const COLUMN_CASE_SENSITIVE: u16 = 0x02;
/// "Unknown": SQL Server reports it for a column that no client asked to browse.
const COLUMN_UPDATEABLE: u16 = 0x08;
const COLUMN_IDENTITY: u16 = 0x10;

const FEATURE_UTF8_SUPPORT: u8 = 0x0A;

/// SQL Server cuts the text of a message here.
const MESSAGE_UNITS_MAX: usize = 2047;
/// An object's name has at most this many characters.
const NAME_UNITS_MAX: usize = 128;

/// Appends at most `max` UTF-16 units of a text and says how many there were.
fn put_units(out: &mut BytesMut, text: &str, max: usize) -> usize {
    let mut units = 0;
    for character in text.chars() {
        if units + character.len_utf16() > max {
            break;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.put_u16_le(*unit);
            units += 1;
        }
    }
    units
}

fn put_b_varchar(out: &mut BytesMut, text: &str) {
    let at = out.len();
    out.put_u8(0);
    out[at] = put_units(out, text, 255) as u8;
}

fn put_us_varchar(out: &mut BytesMut, text: &str, max: usize) {
    let at = out.len();
    out.put_u16_le(0);
    let units = put_units(out, text, max) as u16;
    out[at..at + 2].copy_from_slice(&units.to_le_bytes());
}

/// Writes a token whose body is preceded by its length in two bytes.
fn sized(out: &mut BytesMut, token: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(token);
    let at = out.len();
    out.put_u16_le(0);
    body(out);
    let bytes = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&bytes.to_le_bytes());
}

/// An ERROR token, or an INFO token for a message of class 10 or less.
pub(crate) fn message(out: &mut BytesMut, error: &SqlError, server: &str) {
    let token = if error.class > 10 { ERROR } else { INFO };
    sized(out, token, |out| {
        out.put_i32_le(error.number);
        out.put_u8(error.state);
        out.put_u8(error.class);
        put_us_varchar(out, &error.message, MESSAGE_UNITS_MAX);
        put_b_varchar(out, server);
        put_b_varchar(out, "");
        out.put_u32_le(error.line);
    });
}

/// A DONE token of any of the three kinds.
pub(crate) fn done(out: &mut BytesMut, token: u8, status: u16, command: u16, rows: u64) {
    out.put_u8(token);
    out.put_u16_le(status);
    out.put_u16_le(command);
    out.put_u64_le(rows);
}

fn env_texts(out: &mut BytesMut, kind: u8, new: &str, old: &str) {
    sized(out, ENV_CHANGE, |out| {
        out.put_u8(kind);
        put_b_varchar(out, new);
        put_b_varchar(out, old);
    });
}

fn env_bytes(out: &mut BytesMut, kind: u8, new: &[u8], old: &[u8]) {
    sized(out, ENV_CHANGE, |out| {
        out.put_u8(kind);
        for bytes in [new, old] {
            out.put_u8(bytes.len() as u8);
            out.put_slice(bytes);
        }
    });
}

/// The current database changed.
pub(crate) fn database_changed(out: &mut BytesMut, new: &str, old: &str) {
    env_texts(out, ENV_DATABASE, new, old);
}

/// The session's language.
pub(crate) fn language(out: &mut BytesMut, new: &str) {
    env_texts(out, ENV_LANGUAGE, new, "");
}

/// The packet size that both sides use from the next packet on.
pub(crate) fn packet_size(out: &mut BytesMut, new: usize, old: usize) {
    env_texts(out, ENV_PACKET_SIZE, &new.to_string(), &old.to_string());
}

/// The database's collation.
pub(crate) fn collation(out: &mut BytesMut, new: [u8; 5]) {
    env_bytes(out, ENV_COLLATION, &new, &[]);
}

/// A transaction began or ended.
pub(crate) fn transaction(out: &mut BytesMut, event: TransactionEvent, descriptor: u64) {
    let descriptor = descriptor.to_le_bytes();
    match event {
        TransactionEvent::Begun => env_bytes(out, ENV_BEGIN, &descriptor, &[]),
        TransactionEvent::Committed => env_bytes(out, ENV_COMMIT, &[], &descriptor),
        TransactionEvent::RolledBack => env_bytes(out, ENV_ROLLBACK, &[], &descriptor),
    }
}

/// The answer to RESETCONNECTION.
pub(crate) fn reset(out: &mut BytesMut) {
    env_bytes(out, ENV_RESET, &[], &[]);
}

/// The login was accepted.
pub(crate) fn login_ack(out: &mut BytesMut, tds_version: u32) {
    sized(out, LOGIN_ACK, |out| {
        out.put_u8(1);
        out.put_u32(tds_version);
        put_b_varchar(out, "Microsoft SQL Server");
        out.put_slice(&SERVER_VERSION);
    });
}

/// Announces UTF-8 collations. It is sent only to a client that asked, because drivers refuse an unrequested
/// feature.
pub(crate) fn utf8_support(out: &mut BytesMut) {
    out.put_u8(FEATURE_EXT_ACK);
    out.put_u8(FEATURE_UTF8_SUPPORT);
    out.put_u32_le(1);
    out.put_u8(1);
    out.put_u8(0xFF);
}

fn column_flags(column: &Column) -> u16 {
    let collation = column.collation.as_deref().and_then(Collation::find);
    let case_sensitive = collation.is_some_and(|collation| collation.is_case_sensitive());
    let mut flags = 0;
    if column.nullable {
        flags |= COLUMN_NULLABLE;
    }
    if case_sensitive || column.ty == SqlType::Xml {
        flags |= COLUMN_CASE_SENSITIVE;
    }
    if column.identity {
        flags |= COLUMN_IDENTITY;
    } else if column.updateable {
        flags |= COLUMN_UPDATEABLE;
    }
    flags
}

/// A result set's columns.
pub(crate) fn columns(out: &mut BytesMut, columns: &[Column]) {
    out.put_u8(COL_METADATA);
    out.put_u16_le(columns.len() as u16);
    for column in columns {
        out.put_u32_le(0);
        out.put_u16_le(column_flags(column));
        wire_codec::write_type_info(out, column.ty, column.collation.as_deref(), column.nullable);
        let at = out.len();
        out.put_u8(0);
        out[at] = put_units(out, &column.name, NAME_UNITS_MAX) as u8;
    }
}

/// A row. If it has NULLs, they are bits. On an error nothing of it is left in the buffer.
pub(crate) fn row(out: &mut BytesMut, columns: &[Column], cells: &[Cell<'_>]) -> Result<(), SqlError> {
    let start = out.len();
    let has_nulls = cells.contains(&Cell::Null);
    if has_nulls {
        out.put_u8(NBC_ROW);
        let bits = out.len();
        out.put_bytes(0, columns.len().div_ceil(8));
        for (index, cell) in cells.iter().enumerate() {
            if *cell == Cell::Null {
                out[bits + index / 8] |= 1 << (index % 8);
            }
        }
    } else {
        out.put_u8(ROW);
    }
    for (column, cell) in columns.iter().zip(cells) {
        if has_nulls && *cell == Cell::Null {
            continue;
        }
        let written = wire_codec::write_value(
            out,
            column.ty,
            column.collation.as_deref(),
            column.nullable,
            *cell,
        );
        if let Err(error) = written {
            out.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// A procedure's return status.
pub(crate) fn return_status(out: &mut BytesMut, status: i32) {
    out.put_u8(RETURN_STATUS);
    out.put_i32_le(status);
}

/// An output parameter's value. On an error nothing of it is left in the buffer.
pub(crate) fn return_value(
    out: &mut BytesMut,
    ordinal: u16,
    name: &str,
    ty: SqlType,
    cell: Cell<'_>,
) -> Result<(), SqlError> {
    let start = out.len();
    out.put_u8(RETURN_VALUE);
    out.put_u16_le(ordinal);
    put_b_varchar(out, name);
    out.put_u8(1);
    out.put_u32_le(0);
    out.put_u16_le(COLUMN_NULLABLE);
    wire_codec::write_type_info(out, ty, None, true);
    let written = wire_codec::write_value(out, ty, None, true, cell);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let error = SqlError {
            number: 50000,
            state: 1,
            class: 16,
            message: "😀".repeat(3000),
            line: 7,
        };
        let mut out = BytesMut::new();
        message(&mut out, &error, "srv");
        assert_eq!(out[0], ERROR);
        assert_eq!(usize::from(u16::from_le_bytes([out[1], out[2]])), out.len() - 3);
        let units = usize::from(u16::from_le_bytes([out[9], out[10]]));
        assert_eq!(units, 2046);
        let text: Vec<u16> = out[11..11 + units * 2]
            .chunks(2)
            .map(|c| u16::from_le_bytes([c[0], c[1]]))
            .collect();
        assert_eq!(String::from_utf16(&text).unwrap(), "😀".repeat(1023));
    }

    #[test]
    fn the_class_decides_between_error_and_info() {
        let mut out = BytesMut::new();
        for class in [0, 10, 11] {
            let at = out.len();
            let error = SqlError {
                number: 1,
                state: 1,
                class,
                message: String::new(),
                line: 1,
            };
            message(&mut out, &error, "");
            assert_eq!(out[at], if class > 10 { ERROR } else { INFO });
        }
    }

    #[test]
    fn descriptors_are_new_when_a_transaction_begins_and_old_when_it_ends() {
        let mut out = BytesMut::new();
        transaction(&mut out, TransactionEvent::Begun, 0x0102);
        assert_eq!(
            &out[..],
            &[ENV_CHANGE, 11, 0, ENV_BEGIN, 8, 2, 1, 0, 0, 0, 0, 0, 0, 0]
        );
        out.clear();
        transaction(&mut out, TransactionEvent::Committed, 0x0102);
        assert_eq!(
            &out[..],
            &[ENV_CHANGE, 11, 0, ENV_COMMIT, 0, 8, 2, 1, 0, 0, 0, 0, 0, 0]
        );
    }
}
