//! Lengths, padding and truncation of character and binary values.
//!
//! `nchar`/`nvarchar` count UTF-16 code units, and `char`/`varchar` count bytes of the code page. Truncation never
//! splits a character: half of a surrogate pair, which SQL Server would keep, has no storage form.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::types::{Len, SqlError, SqlType};
use crate::value::{collation, error};

/// The treatment of text or bytes that are longer than the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooLong {
    /// Cut, as CAST does.
    Cut,
    /// 8152, as INSERT and UPDATE raise. Blanks at the end are cut all the same.
    Refuse,
}

/// Length as the type counts it: UTF-16 code units for `nchar`/`nvarchar`/`xml`, bytes of the code page otherwise.
pub(crate) fn length(text: &str, ty: SqlType, collation: Option<&str>) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    match ty {
        SqlType::Char(_) | SqlType::VarChar(_) => encoded_length(text, collation::encoding(collation)),
        _ => utf16_length(text),
    }
}

/// UTF-16 code units of a string.
pub(crate) fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn encoded_length(text: &str, encoding: &'static Encoding) -> usize {
    if encoding == UTF_8 {
        text.len()
    } else if encoding.is_single_byte() {
        text.chars().count()
    } else {
        collation::encode(encoding, text).len()
    }
}

/// Whether the type is a character type, `xml` not counted.
pub(crate) fn is_character(ty: SqlType) -> bool {
    matches!(
        ty,
        SqlType::Char(_) | SqlType::VarChar(_) | SqlType::NChar(_) | SqlType::NVarChar(_)
    )
}

/// Makes text fit a character type: its code page, its length, its padding. Text that fits comes back unchanged.
pub(crate) fn fit<'a>(
    text: Cow<'a, str>,
    ty: SqlType,
    collation: Option<&str>,
    too_long: TooLong,
) -> Result<Cow<'a, str>, SqlError> {
    let (limit, padded, encoding) = match ty {
        SqlType::Char(n) => (Some(n), true, Some(collation)),
        SqlType::VarChar(len) => (limit(len), false, Some(collation)),
        SqlType::NChar(n) => (Some(n), true, None),
        SqlType::NVarChar(len) => (limit(len), false, None),
        _ => (None, false, None),
    };
    let ascii = text.is_ascii();
    let encoding = match encoding {
        Some(name) if !ascii => Some(collation::encoding(name)),
        _ => None,
    };
    let text = match encoding {
        Some(encoding) => collation::through_code_page(encoding, text),
        None => text,
    };
    let Some(limit) = limit.map(usize::from) else {
        return Ok(text);
    };
    let measure = |part: &str| match encoding {
        _ if ascii => part.len(),
        Some(encoding) => encoded_length(part, encoding),
        None => utf16_length(part),
    };
    let length = measure(&text);
    if length > limit {
        return cut(text, limit, measure, padded, too_long);
    }
    if padded && length < limit {
        return Ok(Cow::Owned(pad(text.into_owned(), limit - length)));
    }
    Ok(text)
}

fn limit(len: Len) -> Option<u16> {
    match len {
        Len::N(n) => Some(n),
        Len::Max => None,
    }
}

fn pad(mut text: String, blanks: usize) -> String {
    text.extend(std::iter::repeat_n(' ', blanks));
    text
}

fn cut<'a>(
    text: Cow<'a, str>,
    limit: usize,
    measure: impl Fn(&str) -> usize,
    padded: bool,
    too_long: TooLong,
) -> Result<Cow<'a, str>, SqlError> {
    let (mut end, mut length) = (0, 0);
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        let more = length + measure(&text[at..next]);
        if more > limit {
            break;
        }
        (end, length) = (next, more);
    }
    if too_long == TooLong::Refuse && !text[end..].bytes().all(|byte| byte == b' ') {
        return Err(error::truncated());
    }
    let kept = match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    };
    if padded && length < limit {
        Ok(Cow::Owned(pad(kept.into_owned(), limit - length)))
    } else {
        Ok(kept)
    }
}

/// Makes bytes fit a binary type: its length, and zeros after a value that is shorter than `binary(n)`.
pub(crate) fn fit_bytes<'a>(
    bytes: Cow<'a, [u8]>,
    ty: SqlType,
    too_long: TooLong,
) -> Result<Cow<'a, [u8]>, SqlError> {
    let (limit, padded) = match ty {
        SqlType::Binary(n) => (Some(n), true),
        SqlType::VarBinary(len) => (limit(len), false),
        _ => (None, false),
    };
    let Some(limit) = limit.map(usize::from) else {
        return Ok(bytes);
    };
    if bytes.len() > limit {
        return match (too_long, bytes) {
            (TooLong::Refuse, _) => Err(error::truncated()),
            (TooLong::Cut, Cow::Borrowed(bytes)) => Ok(Cow::Borrowed(&bytes[..limit])),
            (TooLong::Cut, Cow::Owned(mut bytes)) => {
                bytes.truncate(limit);
                Ok(Cow::Owned(bytes))
            }
        };
    }
    if padded && bytes.len() < limit {
        let mut bytes = bytes.into_owned();
        bytes.resize(limit, 0);
        return Ok(Cow::Owned(bytes));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: Option<&str> = Some("Latin1_General_100_CI_AS_SC_UTF8");

    fn cut_to(text: &str, ty: SqlType, collation: Option<&str>) -> String {
        fit(Cow::Borrowed(text), ty, collation, TooLong::Cut)
            .unwrap()
            .into_owned()
    }

    #[test]
    fn lengths_by_type() {
        let text = "é😀";
        assert_eq!(length(text, SqlType::NVarChar(Len::Max), None), 3);
        assert_eq!(length(text, SqlType::VarChar(Len::Max), None), 2);
        assert_eq!(length(text, SqlType::VarChar(Len::Max), UTF8), 6);
        assert_eq!(length("你", SqlType::Char(2), Some("Chinese_PRC_CI_AS")), 2);
    }

    #[test]
    fn a_value_that_fits_is_borrowed() {
        let text = fit(
            Cow::Borrowed("abc"),
            SqlType::VarChar(Len::N(3)),
            None,
            TooLong::Refuse,
        )
        .unwrap();
        assert!(matches!(text, Cow::Borrowed("abc")));
        let text = fit(
            Cow::Borrowed("é你"),
            SqlType::NVarChar(Len::Max),
            None,
            TooLong::Refuse,
        )
        .unwrap();
        assert!(matches!(text, Cow::Borrowed("é你")));
    }

    #[test]
    fn cutting_and_padding() {
        assert_eq!(cut_to("abcd", SqlType::VarChar(Len::N(3)), None), "abc");
        assert_eq!(cut_to("ab", SqlType::Char(4), None), "ab  ");
        assert_eq!(cut_to("é", SqlType::Char(3), UTF8), "é ");
        assert_eq!(
            cut_to("aé", SqlType::Char(2), UTF8),
            "a ",
            "a character is not split"
        );
        assert_eq!(
            cut_to("a😀", SqlType::NVarChar(Len::N(2)), None),
            "a",
            "a surrogate pair is not split"
        );
        assert_eq!(cut_to("😀", SqlType::NChar(3), None), "😀 ");
        assert_eq!(cut_to("a你b", SqlType::VarChar(Len::N(9)), None), "a?b");
        assert_eq!(
            cut_to("你好", SqlType::VarChar(Len::N(3)), Some("Chinese_PRC_CI_AS")),
            "你"
        );
        assert_eq!(cut_to("", SqlType::NChar(1), None), " ");
    }

    #[test]
    fn refusing() {
        let refuse = |text: &'static str| {
            fit(
                Cow::Borrowed(text),
                SqlType::VarChar(Len::N(2)),
                None,
                TooLong::Refuse,
            )
            .map_err(|e| e.number)
        };
        assert_eq!(refuse("abc"), Err(8152));
        assert_eq!(refuse("ab   "), Ok(Cow::Borrowed("ab")));
        let bytes = |b: &'static [u8], ty| {
            fit_bytes(Cow::Borrowed(b), ty, TooLong::Refuse)
                .map(Cow::into_owned)
                .map_err(|e| e.number)
        };
        assert_eq!(bytes(&[1, 0], SqlType::Binary(1)), Err(8152));
        assert_eq!(bytes(&[1], SqlType::Binary(3)), Ok(vec![1, 0, 0]));
        assert_eq!(bytes(&[], SqlType::VarBinary(Len::N(3))), Ok(vec![]));
    }
}
