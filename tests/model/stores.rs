//! The two stores as the oracle reads them: rows, and the receipts that prove them.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use crate::support::Client;

/// A row's date, where it has one.
pub type At = Option<NaiveDateTime>;
pub type Rows = BTreeMap<i64, (At, i64)>;

/// A receipt as the target has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub start: NaiveDate,
    pub end: NaiveDate,
    pub ordinal: i64,
    pub verified: bool,
    pub load: String,
    pub after: Option<(At, i64)>,
    pub through: Option<(At, i64)>,
    pub row_count: i64,
}

impl Receipt {
    /// Whether it is of the rows without a date, whose window begins and ends on the last day.
    pub fn is_undated(&self) -> bool {
        self.start == self.end
    }

    pub fn covers(&self, id: i64, date: At) -> bool {
        let key = (date, id);
        let day = date.map(|date| date.date());
        day.is_none_or(|day| self.start <= day && day < self.end)
            && day.is_none() == self.is_undated()
            && self.after.is_none_or(|after| key > after)
            && self.through.is_none_or(|through| key <= through)
    }

    pub fn rows(&self, rows: &Rows) -> Rows {
        rows.iter()
            .filter(|(id, (date, _))| self.covers(**id, *date))
            .map(|(id, row)| (*id, *row))
            .collect()
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
    let mut rows = Rows::new();
    for line in client.texts(sql).await {
        let parts: Vec<&str> = line.split('|').collect();
        let date = (!parts[1].is_empty()).then(|| parts[1].parse().expect("a date"));
        let row = (date, parts[2].parse().expect("a value"));
        let twice = rows.insert(parts[0].parse().expect("a number"), row);
        assert_eq!(twice, None, "row {line} is there twice");
    }
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
               FROM [sync].[receipt] ORDER BY [window_start], [ordinal]";
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

/// A key of a datetime2 and an int, or of an int alone where there is no date, as docs/format.md has it, from its hex
/// digits.
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
