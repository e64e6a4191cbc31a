//! Reading requests: ALL_HEADERS, the text of a batch, transaction manager requests.

use crate::types::{SqlError, TransactionRequest};
use crate::wire::login::utf16;
use crate::wire::protocol::protocol_error;

/// The longest request that is held in memory. A bulk load is not held. Known clients send batches of up to some
/// hundred KiB, and a `varbinary(max)` parameter of a test has room too.
pub(crate) const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Skips ALL_HEADERS at the front of a message. It has the transaction, of which a session has only one, and query
/// notifications, which are not served.
pub(crate) fn without_headers(message: &[u8]) -> Result<&[u8], SqlError> {
    let length = message
        .get(..4)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_le_bytes);
    match length {
        Some(length) if length >= 4 && length as usize <= message.len() => Ok(&message[length as usize..]),
        _ => Err(protocol_error("ALL_HEADERS with an impossible length")),
    }
}

/// The text of a SQL batch.
pub(crate) fn batch_text(message: &[u8]) -> Result<String, SqlError> {
    utf16(without_headers(message)?).ok_or_else(|| protocol_error("a batch that is not UTF-16"))
}

/// A step of a transaction manager request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionAction {
    /// The session performs the request. The text is its name in the statement log.
    Request(TransactionRequest, &'static str),
    /// The session runs it as a batch.
    Batch(String),
}

/// The steps of a transaction manager request, in order.
pub(crate) fn transaction_actions(message: &[u8]) -> Result<Vec<TransactionAction>, SqlError> {
    let body = without_headers(message)?;
    let short = || protocol_error("a transaction manager request that is cut off");
    let kind = body
        .get(..2)
        .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
        .ok_or_else(short)?;
    let mut body = &body[2..];
    let mut actions = Vec::new();
    match kind {
        5 => begin(&mut body, &mut actions).ok_or_else(short)?,
        7 | 8 => {
            let name = name(&mut body).ok_or_else(short)?;
            let (&flags, mut rest) = body.split_first().ok_or_else(short)?;
            actions.push(match (kind, name.is_empty()) {
                (7, _) => TransactionAction::Request(TransactionRequest::Commit, "COMMIT TRANSACTION"),
                (_, true) => TransactionAction::Request(TransactionRequest::Rollback, "ROLLBACK TRANSACTION"),
                (_, false) => TransactionAction::Batch(format!("ROLLBACK TRANSACTION {}", quoted(&name))),
            });
            if flags & 1 != 0 {
                begin(&mut rest, &mut actions).ok_or_else(short)?;
            }
        }
        9 => {
            let name = name(&mut body).ok_or_else(short)?;
            actions.push(TransactionAction::Batch(format!(
                "SAVE TRANSACTION {}",
                quoted(&name)
            )));
        }
        other => {
            return Err(SqlError {
                number: 40000,
                state: 1,
                class: 16,
                message: format!(
                    "The emulator has no distributed transactions (transaction manager request {other})."
                ),
                line: 1,
            });
        }
    }
    Ok(actions)
}

fn begin(body: &mut &[u8], actions: &mut Vec<TransactionAction>) -> Option<()> {
    let (&isolation, rest) = body.split_first()?;
    *body = rest;
    name(body)?;
    let level = match isolation {
        1 => Some("READ UNCOMMITTED"),
        2 => Some("READ COMMITTED"),
        3 => Some("REPEATABLE READ"),
        4 => Some("SERIALIZABLE"),
        5 => Some("SNAPSHOT"),
        _ => None,
    };
    if let Some(level) = level {
        actions.push(TransactionAction::Batch(format!(
            "SET TRANSACTION ISOLATION LEVEL {level}"
        )));
    }
    actions.push(TransactionAction::Request(
        TransactionRequest::Begin,
        "BEGIN TRANSACTION",
    ));
    Some(())
}

/// A B_VARCHAR.
fn name(body: &mut &[u8]) -> Option<String> {
    let (&units, rest) = body.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(units) * 2)?;
    *body = rest;
    utf16(text)
}

fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransactionAction::{Batch, Request};

    const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

    fn actions(body: &[u8]) -> Result<Vec<TransactionAction>, SqlError> {
        transaction_actions(&[&HEADERS[..], body].concat())
    }

    #[test]
    fn transaction_requests_are_read() {
        let begin = Request(TransactionRequest::Begin, "BEGIN TRANSACTION");
        assert_eq!(actions(&[5, 0, 0, 0]).unwrap(), std::slice::from_ref(&begin));
        assert_eq!(
            actions(&[5, 0, 4, 0]).unwrap(),
            [
                Batch("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE".into()),
                begin.clone()
            ]
        );
        let commit = Request(TransactionRequest::Commit, "COMMIT TRANSACTION");
        assert_eq!(actions(&[7, 0, 0, 0]).unwrap(), std::slice::from_ref(&commit));
        assert_eq!(actions(&[7, 0, 0, 1, 0, 0]).unwrap(), [commit, begin]);
        assert_eq!(
            actions(&[8, 0, 1, b']', 0, 0]).unwrap(),
            [Batch("ROLLBACK TRANSACTION []]]".into())]
        );
        assert_eq!(
            actions(&[9, 0, 1, b'a', 0]).unwrap(),
            [Batch("SAVE TRANSACTION [a]".into())]
        );
        assert_eq!(actions(&[0, 0]).unwrap_err().number, 40000);
        for cut in [
            &[5, 0][..],
            &[5, 0, 0],
            &[7, 0, 0],
            &[8, 0, 9, b'a', 0],
            &[7, 0, 0, 1],
        ] {
            assert_eq!(actions(cut).unwrap_err().number, 17805, "{cut:?}");
        }
    }

    #[test]
    fn headers_have_to_fit_and_texts_have_to_be_utf_16() {
        assert_eq!(batch_text(&[&HEADERS[..], &[b'x', 0]].concat()).unwrap(), "x");
        assert_eq!(batch_text(&HEADERS[..21]).unwrap_err().number, 17805);
        assert_eq!(batch_text(&[3, 0, 0, 0]).unwrap_err().number, 17805);
        assert_eq!(batch_text(&[4, 0, 0, 0, 0, 0xD8]).unwrap_err().number, 17805);
    }
}
