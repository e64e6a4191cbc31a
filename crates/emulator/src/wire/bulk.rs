//! A bulk load, split into its columns and rows while it arrives.
//!
//! Only the bytes of an incomplete row are held. `text`, `ntext` and `image` columns are refused, because no table
//! of the emulator has them. A row that never ends is refused at [`ROW_BYTES_MAX`].

use bytes::{Buf, BytesMut};

use crate::types::{Column, OwnedCell, SqlError};
use crate::value::wire_codec::{self, Reader, WireType};
use crate::wire::extent::{self, Extent};
use crate::wire::login::utf16;
use crate::wire::protocol::protocol_error;
use crate::wire::request::MESSAGE_BYTES_MAX;

/// A row is held whole, as a request is.
const ROW_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// The most columns of a table ("Maximum capacity specifications for SQL Server").
const COLUMNS_MAX: usize = 1024;
/// COL_METADATA and the number of columns.
const COLUMN_COUNT_BYTES: usize = 3;

const COL_METADATA: u8 = 0x81;
const ROW: u8 = 0xD1;
const NBC_ROW: u8 = 0xD2;
const DONE: u8 = 0xFD;
const DONE_BYTES: usize = 13;

/// A part of the load that has arrived.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// The columns that the client sends.
    Columns(Vec<Column>),
    /// A row; it is in [`BulkReader::cells`].
    Row,
    /// The end of the rows.
    End,
}

/// The columns while they arrive.
#[derive(Default)]
struct Head {
    count: usize,
    columns: Vec<Column>,
    types: Vec<(WireType, Extent)>,
}

/// Takes bytes in and returns columns and rows.
#[derive(Default)]
pub(crate) struct BulkReader {
    buffer: BytesMut,
    head: Option<Head>,
    columns: Option<Vec<(WireType, Extent)>>,
    /// The cells of the last row.
    pub(crate) cells: Vec<OwnedCell>,
    ended: bool,
}

impl BulkReader {
    /// Takes the payload of a packet.
    pub(crate) fn push(&mut self, payload: &[u8]) {
        self.buffer.extend_from_slice(payload);
    }

    /// The bytes of the part that has not arrived whole.
    pub(crate) fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the message may end here: no row is incomplete or missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.columns.is_some() && self.buffer.is_empty()
    }

    /// The next part. `None` until more bytes arrive.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, SqlError> {
        if self.ended {
            return match self.buffer.is_empty() {
                true => Ok(None),
                false => Err(protocol_error("bytes after the end of a bulk load")),
            };
        }
        let event = match &self.columns {
            None => self.take_columns()?,
            Some(_) => self.take_row()?,
        };
        if event.is_none() && self.buffer.len() > ROW_BYTES_MAX {
            return Err(protocol_error("a bulk row that is too long"));
        }
        Ok(event)
    }

    /// The columns, once all of them have arrived. Each is taken off the buffer when it is complete.
    fn take_columns(&mut self) -> Result<Option<Event>, SqlError> {
        let head = match &mut self.head {
            Some(head) => head,
            None => {
                let Some(count) = column_count(&self.buffer)? else {
                    return Ok(None);
                };
                self.buffer.advance(COLUMN_COUNT_BYTES);
                self.head.insert(Head {
                    count,
                    columns: Vec::with_capacity(count),
                    types: Vec::with_capacity(count),
                })
            }
        };
        while head.columns.len() < head.count {
            let Some((column, ty, length)) = parse_column(&self.buffer)? else {
                return Ok(None);
            };
            self.buffer.advance(length);
            head.columns.push(column);
            head.types.push(ty);
        }
        let Head { columns, types, .. } = self.head.take().unwrap_or_default();
        self.columns = Some(types);
        Ok(Some(Event::Columns(columns)))
    }

    fn take_row(&mut self) -> Result<Option<Event>, SqlError> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let Some(&token) = self.buffer.first() else {
            return Ok(None);
        };
        let bitmap_bytes = match token {
            ROW => 0,
            NBC_ROW => columns.len().div_ceil(8),
            DONE if self.buffer.len() < DONE_BYTES => return Ok(None),
            DONE => {
                self.buffer.advance(DONE_BYTES);
                self.ended = true;
                return Ok(Some(Event::End));
            }
            other => return Err(protocol_error(format_args!("token 0x{other:02X} in a bulk load"))),
        };
        let Some(bitmap) = self.buffer.get(1..1 + bitmap_bytes) else {
            return Ok(None);
        };
        let is_null = |index: usize| {
            bitmap
                .get(index / 8)
                .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
        };
        let mut length = 1 + bitmap_bytes;
        for (index, (_, extent)) in columns.iter().enumerate() {
            if !is_null(index) {
                match extent::value(&self.buffer[length..], *extent) {
                    Some(bytes) => length += bytes,
                    None => return Ok(None),
                }
            }
        }
        self.cells.resize(columns.len(), OwnedCell::Null);
        let mut reader = Reader::new(&self.buffer[1 + bitmap_bytes..length]);
        for (index, ((ty, _), cell)) in columns.iter().zip(&mut self.cells).enumerate() {
            if is_null(index) {
                *cell = OwnedCell::Null;
            } else {
                wire_codec::read_value_into(&mut reader, ty, cell)?;
            }
        }
        self.buffer.advance(length);
        Ok(Some(Event::Row))
    }
}

/// The number of columns at the start of a bulk load. `None` until it is complete.
fn column_count(bytes: &[u8]) -> Result<Option<usize>, SqlError> {
    match bytes.first() {
        None => return Ok(None),
        Some(&COL_METADATA) => {}
        Some(other) => {
            return Err(protocol_error(format_args!(
                "token 0x{other:02X} before a bulk load's columns"
            )));
        }
    }
    let Some(count) = bytes.get(1..COLUMN_COUNT_BYTES) else {
        return Ok(None);
    };
    let count = usize::from(u16::from_le_bytes([count[0], count[1]]));
    if count > COLUMNS_MAX {
        return Err(protocol_error(format_args!(
            "a bulk load of {count} columns, where a table has {COLUMNS_MAX} at most"
        )));
    }
    Ok(Some(count))
}

type ParsedColumn = (Column, (WireType, Extent), usize);

/// A column of the COLMETADATA, with its bytes. `None` until it is complete.
fn parse_column(bytes: &[u8]) -> Result<Option<ParsedColumn>, SqlError> {
    const HEAD_BYTES: usize = 6;
    let Some(head) = bytes.get(..HEAD_BYTES) else {
        return Ok(None);
    };
    let flags = u16::from_le_bytes([head[4], head[5]]);
    let mut at = HEAD_BYTES;
    let Some((length, extent)) = extent::type_info(&bytes[at..])? else {
        return Ok(None);
    };
    let ty = wire_codec::read_type_info(&mut &bytes[at..at + length])?;
    at += length;
    let Some(&units) = bytes.get(at) else {
        return Ok(None);
    };
    let Some(name) = bytes.get(at + 1..at + 1 + 2 * usize::from(units)) else {
        return Ok(None);
    };
    at += 1 + name.len();
    let column = Column {
        name: utf16(name).ok_or_else(|| protocol_error("a column name that is not UTF-16"))?,
        ty: ty.sql_type(),
        nullable: flags & 0x01 != 0,
        identity: flags & 0x10 != 0,
        updateable: flags & 0x0C != 0,
        collation: None,
    };
    Ok(Some((column, (ty, extent), at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Len, SqlType};

    fn load() -> Vec<u8> {
        let mut bytes = vec![COL_METADATA, 2, 0];
        bytes.extend([0, 0, 0, 0, 0x09, 0, 0x26, 4, 1, b'i', 0]);
        bytes.extend([
            0, 0, 0, 0, 0x09, 0, 0xE7, 20, 0, 0x09, 0x04, 0xD0, 0, 0x34, 1, b's', 0,
        ]);
        bytes.extend([ROW, 4, 7, 0, 0, 0, 4, 0, b'a', 0, b'b', 0]);
        bytes.extend([NBC_ROW, 0b01, 2, 0, b'c', 0]);
        bytes.extend([ROW, 0, 0xFF, 0xFF]);
        bytes.extend([DONE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn rows_come_out_whole_however_the_bytes_are_cut() {
        let bytes = load();
        for piece in 1..=bytes.len() {
            let mut reader = BulkReader::default();
            let mut columns = Vec::new();
            let mut rows = Vec::new();
            let mut ends = 0;
            for payload in bytes.chunks(piece) {
                reader.push(payload);
                while let Some(event) = reader.next().unwrap() {
                    match event {
                        Event::Columns(found) => columns = found,
                        Event::Row => rows.push(reader.cells.clone()),
                        Event::End => ends += 1,
                    }
                }
            }
            assert_eq!((columns[0].name.as_str(), columns[0].ty), ("i", SqlType::Int));
            assert_eq!(
                (columns[1].name.as_str(), columns[1].ty),
                ("s", SqlType::NVarChar(Len::N(10)))
            );
            assert_eq!(
                rows,
                [
                    vec![OwnedCell::Integer(7), OwnedCell::Text("ab".into())],
                    vec![OwnedCell::Null, OwnedCell::Text("c".into())],
                    vec![OwnedCell::Null, OwnedCell::Null],
                ],
                "pieces of {piece}"
            );
            assert_eq!(ends, 1);
            assert!(reader.is_whole());
        }
    }

    #[test]
    fn columns_are_read_once_and_there_are_not_too_many() {
        let mut bytes = vec![COL_METADATA, 0, 4];
        for _ in 0..COLUMNS_MAX {
            bytes.extend([0, 0, 0, 0, 0x09, 0, 0x26, 4, 1, b'i', 0]);
        }
        let mut reader = BulkReader::default();
        let (last, before) = bytes.split_last().unwrap();
        for byte in before {
            reader.push(&[*byte]);
            assert_eq!(reader.next().unwrap(), None);
            assert!(
                reader.held_bytes() < 11,
                "a column is kept as bytes after it was read"
            );
        }
        reader.push(&[*last]);
        assert!(matches!(reader.next(), Ok(Some(Event::Columns(columns))) if columns.len() == COLUMNS_MAX));
        let mut reader = BulkReader::default();
        reader.push(&[COL_METADATA, 1, 4]);
        let error = reader.next().unwrap_err();
        assert!(error.message.contains("1025 columns"), "{error}");
    }

    #[test]
    fn a_message_that_is_no_bulk_load_is_refused() {
        let mut reader = BulkReader::default();
        reader.push(&[ROW]);
        assert_eq!(reader.next().unwrap_err().number, 17805);
        let mut reader = BulkReader::default();
        reader.push(&load());
        while reader.next().unwrap().is_some() {}
        reader.push(&[ROW]);
        assert_eq!(reader.next().unwrap_err().number, 17805);
        let mut reader = BulkReader::default();
        let bytes = load();
        reader.push(&bytes[..bytes.len() - 20]);
        while reader.next().unwrap().is_some() {}
        assert!(!reader.is_whole());
    }
}
