//! String functions. Lengths and positions count UTF-16 code units, as SQL Server counts nvarchar.

use rusqlite::functions::Context;

use super::registry::{Answer, Registry, argument, broken, integer, sql_type, string};
use crate::sql::errors::error;
use crate::sql::values;
use crate::types::{Cell, OwnedCell, SqlError, SqlType};

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.pure("tsql_len", 1, |c| one(c, |s| length(s.trim_end_matches(' '))))?;
    registry.pure("tsql_datalength", 3, datalength)?;
    registry.pure("tsql_upper", 1, |c| one(c, |s| OwnedCell::Text(s.to_uppercase())))?;
    registry.pure("tsql_lower", 1, |c| one(c, |s| OwnedCell::Text(s.to_lowercase())))?;
    registry.pure("tsql_ltrim", 1, |c| {
        one(c, |s| OwnedCell::Text(s.trim_start_matches(' ').to_owned()))
    })?;
    registry.pure("tsql_rtrim", 1, |c| {
        one(c, |s| OwnedCell::Text(s.trim_end_matches(' ').to_owned()))
    })?;
    registry.pure("tsql_trim", 1, |c| {
        one(c, |s| OwnedCell::Text(s.trim_matches(' ').to_owned()))
    })?;
    registry.pure("tsql_reverse", 1, |c| {
        one(c, |s| OwnedCell::Text(s.chars().rev().collect()))
    })?;
    registry.pure("tsql_left", 2, |c| {
        let (Some(s), Some(n)) = (string(c, 0)?, integer(c, 1)?) else {
            return Ok(OwnedCell::Null);
        };
        slice(s, 1, positive(n, "left")?)
    })?;
    registry.pure("tsql_right", 2, |c| {
        let (Some(s), Some(n)) = (string(c, 0)?, integer(c, 1)?) else {
            return Ok(OwnedCell::Null);
        };
        let (n, all) = (positive(n, "right")?, units(s));
        slice(s, (all - n).max(0) + 1, n)
    })?;
    registry.pure("tsql_substring", 3, |c| {
        let (Some(s), Some(start), Some(n)) = (string(c, 0)?, integer(c, 1)?, integer(c, 2)?) else {
            return Ok(OwnedCell::Null);
        };
        slice(s, start, positive(n, "substring")?)
    })?;
    registry.pure("tsql_subbytes", 3, subbytes)?;
    registry.pure("tsql_bytes", 2, |c| match (argument(c, 0)?, argument(c, 1)?) {
        (Cell::Blob(a), Cell::Blob(b)) => Ok(OwnedCell::Blob([a, b].concat())),
        _ => Ok(OwnedCell::Null),
    })?;
    registry.pure("tsql_replicate", 2, replicate)?;
    registry.pure("tsql_replace", 4, replace)?;
    registry.pure("tsql_charindex", 4, charindex)?;
    registry.pure("tsql_char", 1, |c| match integer(c, 0)? {
        Some(n @ 0..=255) => Ok(values::code_page_char(u8::try_from(n).unwrap_or_default())),
        _ => Ok(OwnedCell::Null),
    })?;
    registry.pure("tsql_nchar", 1, |c| {
        let code = integer(c, 0)?
            .and_then(|n| u32::try_from(n).ok())
            .and_then(char::from_u32);
        Ok(code.map_or(OwnedCell::Null, |c| OwnedCell::Text(c.to_string())))
    })?;
    registry.pure("tsql_ascii", 1, |c| {
        one(c, |s| {
            s.chars().next().map_or(OwnedCell::Null, |c| {
                OwnedCell::Integer(i64::from(u32::from(c).min(255)))
            })
        })
    })?;
    registry.pure("tsql_unicode", 1, |c| {
        one(c, |s| {
            s.encode_utf16()
                .next()
                .map_or(OwnedCell::Null, |u| OwnedCell::Integer(i64::from(u)))
        })
    })?;
    registry.pure("tsql_like", 4, like)
}

/// The longest text that one call makes.
const RESULT_BYTES_MAX: usize = 64 << 20;

fn one(context: &Context<'_>, function: impl Fn(&str) -> OwnedCell) -> Answer {
    Ok(string(context, 0)?.map_or(OwnedCell::Null, function))
}

fn units(s: &str) -> i64 {
    let n = if s.is_ascii() {
        s.len()
    } else {
        s.encode_utf16().count()
    };
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn length(s: &str) -> OwnedCell {
    OwnedCell::Integer(units(s))
}

fn positive(n: i64, function: &str) -> Result<i64, SqlError> {
    if n < 0 {
        return Err(error(
            537,
            16,
            2,
            format!("Invalid length parameter passed to the {function} function."),
        ));
    }
    Ok(n)
}

/// `n` code units from `start`, counted from 1. A surrogate pair that the cut would split is dropped whole, because
/// the storage form cannot hold half of one.
fn slice(s: &str, start: i64, n: i64) -> Answer {
    let end = start.saturating_add(n);
    let mut at = 1_i64;
    let mut out = String::new();
    for c in s.chars() {
        let next = at + i64::try_from(c.len_utf16()).unwrap_or(1);
        if at >= start && next <= end {
            out.push(c);
        }
        at = next;
        if at >= end {
            break;
        }
    }
    Ok(OwnedCell::Text(out))
}

fn subbytes(context: &Context<'_>) -> Answer {
    let Cell::Blob(bytes) = argument(context, 0)? else {
        return Ok(OwnedCell::Null);
    };
    let (Some(start), Some(n)) = (integer(context, 1)?, integer(context, 2)?) else {
        return Ok(OwnedCell::Null);
    };
    let end = start.saturating_add(positive(n, "substring")?);
    let clamp = |at: i64| {
        usize::try_from((at - 1).max(0))
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    Ok(OwnedCell::Blob(
        bytes[clamp(start)..clamp(end).max(clamp(start))].to_vec(),
    ))
}

fn datalength(context: &Context<'_>) -> Answer {
    let n = match (argument(context, 0)?, sql_type(context, 1)?) {
        (Cell::Null, _) => return Ok(OwnedCell::Null),
        (Cell::Text(s), SqlType::Char(_) | SqlType::VarChar(_)) => {
            // A code page has a byte a character.
            let utf8 = integer(context, 2)? == Some(1);
            i64::try_from(if utf8 { s.len() } else { s.chars().count() }).unwrap_or(i64::MAX)
        }
        (Cell::Text(s), _) => units(s) * 2,
        (Cell::Blob(b), SqlType::Binary(_) | SqlType::VarBinary(_)) => {
            i64::try_from(b.len()).unwrap_or(i64::MAX)
        }
        (_, ty) => crate::sql::types::measures(ty).0,
    };
    Ok(OwnedCell::Integer(n))
}

fn replicate(context: &Context<'_>) -> Answer {
    /// REPLICATE of a string that is not max is cut here.
    const BYTES_MAX: usize = 8000;
    let (Some(s), Some(n)) = (string(context, 0)?, integer(context, 1)?) else {
        return Ok(OwnedCell::Null);
    };
    let Ok(n) = usize::try_from(n) else {
        return Ok(OwnedCell::Null);
    };
    if s.is_empty() {
        return Ok(OwnedCell::Text(String::new()));
    }
    // Only max types may have longer results.
    let times = n.min(RESULT_BYTES_MAX / s.len());
    let text = s.repeat(times);
    if s.len() <= BYTES_MAX && text.len() > RESULT_BYTES_MAX {
        return Err(broken());
    }
    Ok(OwnedCell::Text(text))
}

fn replace(context: &Context<'_>) -> Answer {
    let (Some(s), Some(from), Some(to)) = (string(context, 0)?, string(context, 1)?, string(context, 2)?)
    else {
        return Ok(OwnedCell::Null);
    };
    let class = string(context, 3)?.unwrap_or_default();
    if from.is_empty() {
        return Ok(OwnedCell::Text(s.to_owned()));
    }
    let mut out = String::with_capacity(s.len());
    let mut rest = s;
    while let Some((at, n)) = find(rest, from, class) {
        out.push_str(&rest[..at]);
        out.push_str(to);
        rest = &rest[at + n..];
        if out.len() > RESULT_BYTES_MAX {
            return Err(broken());
        }
    }
    out.push_str(rest);
    Ok(OwnedCell::Text(out))
}

fn charindex(context: &Context<'_>) -> Answer {
    let (Some(part), Some(s), Some(start)) = (string(context, 0)?, string(context, 1)?, integer(context, 2)?)
    else {
        return Ok(OwnedCell::Null);
    };
    let class = string(context, 3)?.unwrap_or_default();
    let skip = s.chars().scan(1_i64, |at, c| {
        let here = *at;
        *at += i64::try_from(c.len_utf16()).unwrap_or(1);
        Some((here, c.len_utf8()))
    });
    let skipped: usize = skip.take_while(|(at, _)| *at < start).map(|(_, n)| n).sum();
    let found = if part.is_empty() {
        None
    } else {
        find(&s[skipped..], part, class)
    };
    Ok(OwnedCell::Integer(
        found.map_or(0, |(at, _)| units(&s[..skipped + at]) + 1),
    ))
}

/// The first place where `part` stands in `s` under a collation, and its length there in bytes.
fn find(s: &str, part: &str, class: &str) -> Option<(usize, usize)> {
    let count = part.chars().count();
    s.char_indices().map(|(at, _)| at).find_map(|at| {
        let n: usize = s[at..].chars().take(count).map(char::len_utf8).sum();
        let there = &s[at..at + n];
        let same = there.chars().count() == count
            && there
                .chars()
                .zip(part.chars())
                .all(|(a, b)| values::same_char(class, a, b));
        same.then_some((at, n))
    })
}

fn like(context: &Context<'_>) -> Answer {
    let (Some(s), Some(pattern)) = (string(context, 0)?, string(context, 1)?) else {
        return Ok(OwnedCell::Null);
    };
    let escape = string(context, 2)?.and_then(|e| e.chars().next());
    let class = string(context, 3)?.unwrap_or_default();
    let s: Vec<char> = s.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    Ok(OwnedCell::Integer(i64::from(matches(
        &s, &pattern, escape, class,
    ))))
}

/// LIKE: `%`, `_`, `[set]`, `[^set]` and an escape. Backtracks to the last `%` only, which is enough.
fn matches(s: &[char], pattern: &[char], escape: Option<char>, class: &str) -> bool {
    let (mut at, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '%' && escape != Some('%') {
            retry = Some((at, p + 1));
            p += 1;
            continue;
        }
        let step = if at < s.len() {
            single(s[at], &pattern[p..], escape, class)
        } else {
            None
        };
        if let Some(n) = step {
            at += 1;
            p += n;
        } else if at == s.len() && p == pattern.len() {
            return true;
        } else if at < s.len() && p == pattern.len() && s[at..].iter().all(|c| *c == ' ') {
            // Trailing blanks of the value need no match.
            return true;
        } else {
            match retry {
                Some((from, after)) if from < s.len() => {
                    retry = Some((from + 1, after));
                    (at, p) = (from + 1, after);
                }
                _ => return false,
            }
        }
    }
}

/// Whether one character matches the pattern's next element; how many pattern characters that takes.
fn single(c: char, pattern: &[char], escape: Option<char>, class: &str) -> Option<usize> {
    let same = |a: char| values::same_char(class, a, c);
    match pattern {
        [] => None,
        [e, literal, ..] if Some(*e) == escape => same(*literal).then_some(2),
        ['_', ..] => Some(1),
        ['[', set @ ..] => {
            let end = set.iter().skip(1).position(|c| *c == ']').map(|at| at + 1)?;
            let (negated, members) = match &set[..end] {
                ['^', rest @ ..] => (true, rest),
                all => (false, all),
            };
            let mut inside = false;
            let mut at = 0;
            while at < members.len() {
                if at + 2 < members.len() && members[at + 1] == '-' {
                    let within = |c: char| (members[at]..=members[at + 2]).contains(&c);
                    inside |= within(c)
                        || class.starts_with("CI")
                            && (c.to_lowercase().any(within) || c.to_uppercase().any(within));
                    at += 3;
                } else {
                    inside |= same(members[at]);
                    at += 1;
                }
            }
            (inside != negated).then_some(end + 2)
        }
        [literal, ..] => same(*literal).then_some(1),
    }
}
