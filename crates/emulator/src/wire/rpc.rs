//! Reads RPC messages: the procedures to call, and their parameters.
//!
//! A message may hold several calls. Table-valued parameters and cursors are refused.

use crate::types::{OwnedCell, Param, SqlError};
use crate::value::wire_codec::{self, Reader};
use crate::wire::login::utf16;
use crate::wire::protocol::protocol_error;
use crate::wire::request::without_headers;

const SEPARATOR: u8 = 0xFF;
const SEPARATOR_WITHOUT_EXECUTION: u8 = 0xFE;
const PARAM_OUTPUT: u8 = 0x01;
const TABLE_VALUED: u8 = 0xF3;

/// The procedure that a client calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Procedure {
    ExecuteSql,
    Prepare,
    Execute,
    PrepareAndExecute,
    Unprepare,
    /// One of the `sp_cursor` family, which the emulator does not implement.
    Cursor(String),
    Named(String),
}

impl Procedure {
    fn by_number(number: u16) -> Result<Procedure, SqlError> {
        let cursor = |name: &str| Ok(Procedure::Cursor(name.to_owned()));
        match number {
            1 => cursor("sp_cursor"),
            2 => cursor("sp_cursoropen"),
            3 => cursor("sp_cursorprepare"),
            4 => cursor("sp_cursorexecute"),
            5 => cursor("sp_cursorprepexec"),
            6 => cursor("sp_cursorunprepare"),
            7 => cursor("sp_cursorfetch"),
            8 => cursor("sp_cursoroption"),
            9 => cursor("sp_cursorclose"),
            10 => Ok(Procedure::ExecuteSql),
            11 => Ok(Procedure::Prepare),
            12 => Ok(Procedure::Execute),
            13 => Ok(Procedure::PrepareAndExecute),
            14 => Ok(Procedure::Named("sp_prepexecrpc".to_owned())),
            15 => Ok(Procedure::Unprepare),
            other => Err(protocol_error(format_args!("procedure number {other}"))),
        }
    }

    fn by_name(name: String) -> Procedure {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, '[' | ']'))
            .collect::<String>()
            .to_lowercase();
        match plain.rsplit('.').next().unwrap_or_default() {
            "sp_executesql" => Procedure::ExecuteSql,
            "sp_prepare" => Procedure::Prepare,
            "sp_execute" => Procedure::Execute,
            "sp_prepexec" => Procedure::PrepareAndExecute,
            "sp_unprepare" => Procedure::Unprepare,
            cursor if cursor.starts_with("sp_cursor") => Procedure::Cursor(cursor.to_owned()),
            _ => Procedure::Named(name),
        }
    }
}

/// One call of an RPC message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) procedure: Procedure,
    pub(crate) params: Vec<Param>,
}

/// The calls of a message, in order.
pub(crate) fn calls(message: &[u8]) -> Result<Vec<Call>, SqlError> {
    let mut body = without_headers(message)?;
    let mut calls = Vec::new();
    while !body.is_empty() {
        let procedure = procedure(&mut body)?;
        take(&mut body, 2)?;
        let mut params = Vec::new();
        let mut executes = true;
        while let Some(&byte) = body.first() {
            if byte == SEPARATOR || byte == SEPARATOR_WITHOUT_EXECUTION {
                executes = byte == SEPARATOR;
                body = &body[1..];
                break;
            }
            params.push(param(&mut body)?);
        }
        if executes {
            calls.push(Call { procedure, params });
        }
    }
    Ok(calls)
}

fn procedure(body: &mut &[u8]) -> Result<Procedure, SqlError> {
    let length = u16_of(take(body, 2)?);
    if length == u16::MAX {
        return Procedure::by_number(u16_of(take(body, 2)?));
    }
    Ok(Procedure::by_name(text(take(body, usize::from(length) * 2)?)?))
}

fn param(body: &mut &[u8]) -> Result<Param, SqlError> {
    let units = usize::from(take(body, 1)?[0]);
    let name = text(take(body, units * 2)?)?;
    let status = take(body, 1)?[0];
    if body.first() == Some(&TABLE_VALUED) {
        return Err(SqlError {
            number: 40000,
            state: 1,
            class: 16,
            message: format!("The emulator has no table-valued parameters ('{name}')."),
            line: 1,
        });
    }
    let ty = wire_codec::read_type_info(body)?;
    let mut reader = Reader::new(body);
    let value = wire_codec::read_param(&mut reader, &ty)?;
    *body = reader.rest();
    Ok(Param {
        name,
        ty: ty.sql_type(),
        value,
        output: status & PARAM_OUTPUT != 0,
    })
}

fn take<'a>(body: &mut &'a [u8], bytes: usize) -> Result<&'a [u8], SqlError> {
    let (taken, rest) = body
        .split_at_checked(bytes)
        .ok_or_else(|| protocol_error("an RPC message that is cut off"))?;
    *body = rest;
    Ok(taken)
}

fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

fn text(bytes: &[u8]) -> Result<String, SqlError> {
    utf16(bytes).ok_or_else(|| protocol_error("a name that is not UTF-16"))
}

/// The text of a character argument of a system procedure. Another type is error 214.
pub(crate) fn text_argument(param: Option<&Param>, name: &str, of: &str) -> Result<String, SqlError> {
    match param.map(|param| &param.value) {
        Some(OwnedCell::Text(text)) => Ok(text.clone()),
        // tiberius declares "no parameters" as the integer 0, and other drivers as NULL.
        Some(OwnedCell::Null | OwnedCell::Integer(0)) if name == "@params" => Ok(String::new()),
        _ => Err(SqlError {
            number: 214,
            state: 2,
            class: 16,
            message: format!("Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar' ({of})."),
            line: 1,
        }),
    }
}

/// The handle that `sp_execute` and `sp_unprepare` receive.
pub(crate) fn handle_argument(param: Option<&Param>) -> Result<i32, SqlError> {
    let handle = match param.map(|param| &param.value) {
        Some(OwnedCell::Integer(handle)) => i32::try_from(*handle).ok(),
        _ => None,
    };
    handle.ok_or_else(|| protocol_error("a prepared statement's handle that is not an integer"))
}

/// 8179: the session has no such handle, or no longer.
pub(crate) fn no_such_handle(handle: i32) -> SqlError {
    let message = format!("Could not find prepared statement with handle {handle}.");
    SqlError {
        number: 8179,
        state: 2,
        class: 16,
        message,
        line: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;

    const HEADERS: [u8; 4] = [4, 0, 0, 0];

    fn int(name: &str, value: i64) -> Param {
        Param {
            name: name.into(),
            ty: SqlType::Int,
            value: OwnedCell::Integer(value),
            output: false,
        }
    }

    fn int_param(name: &str, status: u8, value: u8) -> Vec<u8> {
        let mut bytes = vec![name.len() as u8];
        bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        bytes.extend([status, 0x26, 4, 4, value, 0, 0, 0]);
        bytes
    }

    #[test]
    fn several_calls_in_a_message_are_told_apart() {
        let mut message = HEADERS.to_vec();
        message.extend([0xFF, 0xFF, 12, 0, 0, 0]);
        message.extend(int_param("", 0, 7));
        message.extend(int_param("@P1", PARAM_OUTPUT, 8));
        message.push(SEPARATOR);
        message.extend([2, 0, b's', 0, b'p', 0, 0, 0]);
        message.push(SEPARATOR_WITHOUT_EXECUTION);
        message.extend([0xFF, 0xFF, 15, 0, 0, 0]);
        message.extend(int_param("", 0, 7));
        let expected = [
            Call {
                procedure: Procedure::Execute,
                params: vec![
                    int("", 7),
                    Param {
                        output: true,
                        ..int("@P1", 8)
                    },
                ],
            },
            Call {
                procedure: Procedure::Unprepare,
                params: vec![int("", 7)],
            },
        ];
        assert_eq!(calls(&message).unwrap(), expected);
        for length in HEADERS.len() + 1..message.len() {
            // A cut between two parameters cannot be detected. Any other is an error, and none panics.
            assert_ne!(
                calls(&message[..length]).as_deref(),
                Ok(&expected[..]),
                "{length}"
            );
        }
        assert!(calls(&message[..HEADERS.len() + 13]).is_err());
    }

    #[test]
    fn procedures_are_known_by_number_and_by_name() {
        assert_eq!(
            Procedure::by_name("[sys].[sp_ExecuteSql]".into()),
            Procedure::ExecuteSql
        );
        assert_eq!(
            Procedure::by_name("sp_cursoropen".into()),
            Procedure::by_number(2).unwrap()
        );
        assert_eq!(
            Procedure::by_name("dbo.x".into()),
            Procedure::Named("dbo.x".into())
        );
        assert!(Procedure::by_number(99).is_err());
    }
}
