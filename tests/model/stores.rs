//! The two stores as the oracle reads them: rows, and the receipts that prove them.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use testkit::Client;

/// A row's date, where it has one.
pub type At = Option<NaiveDateTime>;
pub type Rows = BTreeSet<Row>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub id: i64,
    pub at: At,
    pub value: i64,
}

impl Row {
    /// As a condition of a statement: a row's number may be there under two dates.
    pub fn condition(&self) -> String {
        match self.at {
            Some(_) => format!("ID = {} AND D = {}", self.id, literal(self.at)),
            None => format!("ID = {} AND D IS NULL", self.id),
        }
    }
}

/// A receipt as the target has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    pub start: NaiveDate,
    pub end: NaiveDate,
    pub ordinal: i64,
    pub verified: bool,
    pub load: String,
    /// The date is missing where rows are not ordered by it.
    pub after: Option<(At, i64)>,
    pub through: Option<(At, i64)>,
    pub row_count: i64,
}

impl fmt::Debug for Receipt {
    /// On a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = |key: &Option<(At, i64)>, none: &str| {
            key.map_or_else(|| none.to_owned(), |(at, id)| format!("{id} at {}", literal(at)))
        };
        write!(
            f,
            "\n  {}..{} chunk {} ({}, {}] {} rows, load {}{}",
            self.start,
            self.end,
            self.ordinal,
            key(&self.after, "start"),
            key(&self.through, "end"),
            self.row_count,
            &self.load[..8],
            if self.verified { "" } else { ", not verified" }
        )
    }
}

impl Receipt {
    /// The first day of its window, and the day after the last.
    pub fn window(&self) -> (NaiveDate, NaiveDate) {
        (self.start, self.end)
    }

    /// Whether it is of the rows without a date, whose window begins and ends on the last day.
    pub fn is_undated(&self) -> bool {
        self.start == self.end
    }

    /// Whether a row is in the window and in the range of keys. Keys without a date range by the number alone.
    pub fn covers(&self, id: i64, date: At) -> bool {
        let day = date.map(|date| date.date());
        let is_past = |(at, number): (At, i64)| match at {
            Some(_) => (date, id) > (at, number),
            None => id > number,
        };
        day.is_none_or(|day| self.start <= day && day < self.end)
            && day.is_none() == self.is_undated()
            && self.after.is_none_or(is_past)
            && !self.through.is_some_and(is_past)
    }

    pub fn rows(&self, rows: &Rows) -> Rows {
        let covered = rows.iter().filter(|row| self.covers(row.id, row.at));
        covered.copied().collect()
    }
}

pub fn literal(date: At) -> String {
    date.map_or_else(
        || "NULL".to_owned(),
        |date| date.format("'%Y-%m-%dT%H:%M:%S'").to_string(),
    )
}

pub async fn rows(client: &mut Client) -> Rows {
    let there = client
        .integer("SELECT COUNT_BIG(*) FROM sys.tables WHERE name = N't_T'")
        .await;
    if there == 0 {
        return Rows::new();
    }
    let sql = "SELECT CONCAT(ID, N'|', CONVERT(nvarchar(19), D, 126), N'|', V) FROM dbo.t_T";
    let row = |line: &String| {
        let parts: Vec<&str> = line.split('|').collect();
        Row {
            id: parts[0].parse().expect("a number"),
            at: (!parts[1].is_empty()).then(|| parts[1].parse().expect("a date")),
            value: parts[2].parse().expect("a value"),
        }
    };
    let lines = client.texts(sql).await;
    let rows: Rows = lines.iter().map(row).collect();
    assert_eq!(rows.len(), lines.len(), "a row is there twice");
    rows
}

pub async fn receipts(client: &mut Client) -> Vec<Receipt> {
    let there = client
        .integer(
            "SELECT COUNT_BIG(*) FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
             WHERE s.name = N'sync' AND t.name = N'receipt'",
        )
        .await;
    if there == 0 {
        return Vec::new();
    }
    let sql = "SELECT CONCAT(CONVERT(nvarchar(10), [window_start], 23), N'|', CONVERT(nvarchar(10), [window_end], 23), \
               N'|', [ordinal], N'|', [state], N'|', CONVERT(varchar(32), [load_id], 2), N'|', \
               CONVERT(varchar(80), [key_after], 2), N'|', CONVERT(varchar(80), [key_through], 2), N'|', [row_count]) \
               FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_T' \
               ORDER BY [window_start], [ordinal]";
    let parse = |line: &String| {
        let parts: Vec<&str> = line.split('|').collect();
        Receipt {
            start: parts[0].parse().expect("a date"),
            end: parts[1].parse().expect("a date"),
            ordinal: parts[2].parse().expect("a number"),
            verified: parts[3] == "verified",
            load: parts[4].to_owned(),
            after: key(parts[5]),
            through: key(parts[6]),
            row_count: parts[7].parse().expect("a number"),
        }
    };
    client.texts(sql).await.iter().map(parse).collect()
}

/// A key of a datetime2 and an int, or of an int alone where the date is not part of it, as docs/format.md has it, from
/// its hex digits.
fn key(hex: &str) -> Option<(At, i64)> {
    if hex.is_empty() {
        return None;
    }
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex digits"))
        .collect();
    let id = i64::from_le_bytes(bytes[bytes.len() - 8..].try_into().expect("eight bytes"));
    if bytes.len() == 9 {
        assert_eq!(bytes[0], 1, "{hex}");
        return Some((None, id));
    }
    assert_eq!((bytes.len(), bytes[0], bytes[13]), (22, 8, 1), "{hex}");
    let days = i32::from_le_bytes(bytes[1..5].try_into().expect("four bytes"));
    let units = u64::from_le_bytes(bytes[5..13].try_into().expect("eight bytes"));
    let day = NaiveDate::from_ymd_opt(1, 1, 1).expect("the first day") + TimeDelta::days(i64::from(days));
    let nanoseconds = i64::try_from(units * 100).expect("a time of day");
    let at = day.and_hms_opt(0, 0, 0).expect("midnight") + TimeDelta::nanoseconds(nanoseconds);
    Some((Some(at), id))
}
