//! Turns a key range of a window into seeks: conditions that an index answers without reading a row beside
//! the range. Used for the target's deletes, counts and read-backs, and for reads of a chunk's own range at the source.
//! Where a range is not cut, it is one condition with the same bounds.
//!
//! A server seeks with one lower and one upper bound on the first column that is not held equal, and filters
//! by everything else. `a > @a OR (a = @a AND b > @b)` therefore reads all rows of `@a` again, and two lower
//! bounds read from the looser one. So a range of a composite key is cut into pieces, level by level, each with
//! equal values of the leading columns and at most one lower and one upper bound on the next:
//!
//! ```text
//! (d, k) < key <= (e, m)  is   [D] = d AND [K] > k
//!                              [D] > d AND [D] < e
//!                              [D] = e AND [K] <= m
//! ```
//!
//! The pieces are in the order of the key, have no row in common, and together are the range.

use chrono::NaiveDateTime;

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::chunk::{KeyBytes, KeyRange};
use crate::model::row::{Value, Values};
use crate::model::table::Column;
use crate::model::window::Extent;
use crate::tsql::predicate::{compared, date_bounds, instant, instant_of};

/// The pieces of a key range in the order of the key, and the values of their parameters.
#[derive(Debug, Clone)]
pub struct Seeks<'a> {
    /// At least one condition, as it follows WHERE.
    pub pieces: Vec<String>,
    /// The values of `@P1`, `@P2`, ….
    pub params: Vec<Value<'a>>,
}

/// The rows of a range: an extent of a window, the columns that order it, and the keys within.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a, 'c> {
    /// The window, or a part of it.
    pub extent: Extent,
    /// The date column, if the table has windows of dates.
    pub date: Option<&'c Column>,
    /// The columns that order the window's rows. If the date column is not the first, the window's dates are a filter,
    /// and in pieces with both ends one that no index answers.
    pub key: &'c [&'c Column],
    /// The keys.
    pub range: &'a KeyRange,
    /// Whether the range is cut. One piece is right where no index begins with the first of these columns, because
    /// each would be a scan, and where a server may sort the rows of several before it gives out the first.
    pub in_pieces: bool,
}

/// One end of a range.
#[derive(Debug)]
enum End<'a> {
    /// The range has no such end.
    Open,
    /// A bound on the date column: `[D] >= CAST(@P1 AS datetime)`.
    Date(String),
    /// A key: the parameter and the value of each column.
    Key(Vec<(String, Value<'a>)>),
}

impl<'a> Seeks<'a> {
    /// The seeks of a span, for a statement that has `params` already.
    ///
    /// # Errors
    /// `State` if a key's bytes are damaged or have another number of columns.
    pub fn of(span: Span<'a, '_>, params: Vec<Value<'a>>) -> Result<Seeks<'a>> {
        let mut cutter = Cutter {
            key: span.key,
            params,
            around: Vec::new(),
        };
        let pieces = match cutter.ends(span)? {
            Some((lower, upper)) if span.in_pieces => cutter.pieces(&lower, &upper),
            Some((lower, upper)) => vec![cutter.whole(&lower, &upper)],
            None => vec![nothing()],
        };
        Ok(Seeks {
            pieces,
            params: cutter.params,
        })
    }

    /// The range's rows as they follow FROM, named `t`, of which only those that meet `more` count: empty, or ` AND `
    /// and a condition. It stands in each piece, where a server sees the table itself and can answer it by an index.
    /// `columns` are those of `table` that the statement names.
    pub fn from(&self, table: &str, columns: &str, more: &str) -> String {
        let rows = |piece: &String| format!("{table} AS t WHERE {piece}{more}");
        match self.pieces.as_slice() {
            [piece] => rows(piece),
            several => {
                let selects = several
                    .iter()
                    .map(|piece| format!("SELECT {columns} FROM {}", rows(piece)));
                format!("({}) AS t", selects.collect::<Vec<_>>().join(" UNION ALL "))
            }
        }
    }

    /// A SELECT of `columns` over the range's rows, in no order.
    pub fn select(&self, columns: &str, table: &str) -> String {
        let selects = self
            .pieces
            .iter()
            .map(|piece| format!("SELECT {columns} FROM {table} WHERE {piece}"));
        selects.collect::<Vec<_>>().join(" UNION ALL ")
    }
}

/// The piece that has no rows.
fn nothing() -> String {
    "1 = 0".to_owned()
}

/// Cuts a span into pieces.
struct Cutter<'a, 'c> {
    key: &'c [&'c Column],
    params: Vec<Value<'a>>,
    /// Conditions of every piece.
    around: Vec<String>,
}

impl<'a> Cutter<'a, '_> {
    /// The two ends of a span, each the tighter of window and key range; `None` if no row is between them.
    fn ends(&mut self, span: Span<'a, '_>) -> Result<Option<(End<'a>, End<'a>)>> {
        let (mut after, mut through) = (span.range.after.as_ref(), span.range.through.as_ref());
        let (mut lower, mut upper) = (End::Open, End::Open);
        match (span.date, span.extent) {
            (Some(date), Extent::Undated) => self.around.push(format!("{} IS NULL", date.name.quoted())),
            (Some(date), Extent::Dates(bounds)) => {
                let Some((start, end)) = date_bounds(date.data_type, bounds) else {
                    return Ok(None);
                };
                if self.key.first().is_none_or(|first| first.name != date.name) {
                    let mut bounds = vec![self.date_bound(date, ">=", start)];
                    bounds.extend(end.map(|end| self.date_bound(date, "<", end)));
                    // A server that may choose would rather find the window's rows, for each chunk anew.
                    let by_key = span.in_pieces && after.is_some() && through.is_some();
                    self.around = match by_key {
                        true => vec![format!(
                            "CASE WHEN {} THEN 1 ELSE 0 END = 1",
                            bounds.join(" AND ")
                        )],
                        false => bounds,
                    };
                } else {
                    let (from, to) = (instant_of(after)?, instant_of(through)?);
                    let is_past = from.zip(end).is_some_and(|(from, end)| from >= end);
                    if is_past || to.is_some_and(|to| to < start) {
                        return Ok(None);
                    }
                    after = after.filter(|_| from.is_none_or(|from| from >= start));
                    through = through.filter(|_| to.zip(end).is_none_or(|(to, end)| to < end));
                    if after.is_none() {
                        lower = End::Date(self.date_bound(date, ">=", start));
                    }
                    if let (None, Some(end)) = (through, end) {
                        upper = End::Date(self.date_bound(date, "<", end));
                    }
                }
            }
            _ => {}
        }
        if let Some(key) = after {
            lower = End::Key(self.key_parameters(key)?);
        }
        if let Some(key) = through {
            upper = End::Key(self.key_parameters(key)?);
        }
        Ok(Some((lower, upper)))
    }

    fn date_bound(&mut self, date: &Column, operator: &str, at: NaiveDateTime) -> String {
        let parameter = self.parameter(date, instant(at));
        format!("{} {operator} {parameter}", date.name.quoted())
    }

    fn key_parameters(&mut self, key: &'a KeyBytes) -> Result<Vec<(String, Value<'a>)>> {
        let values = Values::new(&key.0).collect()?;
        if self.key.is_empty() || values.len() != self.key.len() {
            return Err(Error::new(
                ErrorKind::State,
                "The key of a receipt has another number of columns than the plan's key: it was changed by hand; run `sync \
                 forget` for its month or table, then load that again",
            ));
        }
        let columns = self.key;
        let parameters = columns.iter().zip(values);
        Ok(parameters
            .map(|(column, value)| (self.parameter(column, value), value))
            .collect())
    }

    fn parameter(&mut self, column: &Column, value: Value<'a>) -> String {
        compared(&mut self.params, column, value)
    }

    /// The pieces of the range between two ends, in the order of the key.
    fn pieces(&self, lower: &End<'_>, upper: &End<'_>) -> Vec<String> {
        let columns = self.key.len();
        let mut pieces = Vec::new();
        // The level on which the ends part: from there on they have pieces of their own.
        let mut level = 0;
        let mut part = Part::Certain;
        if let (End::Key(after), End::Key(through)) = (lower, upper) {
            level = after
                .iter()
                .zip(through)
                .take_while(|((_, a), (_, b))| parted(*a, *b) == Part::Never)
                .count();
            if level == columns {
                return vec![nothing()];
            }
            part = parted(after[level].1, through[level].1);
        }
        // Two values that may be equal to the server, such as texts of different case.
        let doubtful = match (lower, upper) {
            (End::Key(after), End::Key(through)) if part == Part::Doubtful => Some((after, through)),
            _ => None,
        };
        if let End::Key(after) = lower {
            for at in (level + 1..columns).rev() {
                let mut terms = self.equal(after, at);
                terms.push(self.compare(at, ">", &after[at].0));
                if let Some((after, through)) = doubtful {
                    let (a, b) = (&after[level].0, &through[level].0);
                    let rest = self.up_to(level + 1, through);
                    terms.push(format!("({a} < {b} OR ({a} = {b} AND {rest}))"));
                }
                pieces.push(self.piece(terms));
            }
        }
        let mut terms = match (lower, upper) {
            (End::Key(key), _) | (_, End::Key(key)) => self.equal(key, level),
            _ => Vec::new(),
        };
        match lower {
            End::Open => {}
            End::Date(bound) => terms.push(bound.clone()),
            End::Key(after) => terms.push(self.compare(level, ">", &after[level].0)),
        }
        let last = |at: usize| if at + 1 == columns { "<=" } else { "<" };
        match upper {
            End::Open => {}
            End::Date(bound) => terms.push(bound.clone()),
            End::Key(through) => terms.push(self.compare(level, last(level), &through[level].0)),
        }
        pieces.push(self.piece(terms));
        if let End::Key(through) = upper {
            for at in level + 1..columns {
                let mut terms = self.equal(through, at);
                terms.push(self.compare(at, last(at), &through[at].0));
                if let Some((after, through)) = doubtful {
                    terms.push(format!("{} < {}", after[level].0, through[level].0));
                }
                pieces.push(self.piece(terms));
            }
        }
        pieces
    }

    /// The whole range as one condition: one bound on the first column from each end, and the rest as a filter.
    fn whole(&self, lower: &End<'_>, upper: &End<'_>) -> String {
        let composite = self.key.len() > 1;
        let mut terms = Vec::new();
        match lower {
            End::Open => {}
            End::Date(bound) => terms.push(bound.clone()),
            End::Key(after) => {
                if composite {
                    terms.push(self.compare(0, ">=", &after[0].0));
                }
                terms.push(self.tuple(0, after, ">", ">"));
            }
        }
        match upper {
            End::Open => {}
            End::Date(bound) => terms.push(bound.clone()),
            End::Key(through) => {
                if composite {
                    terms.push(self.compare(0, "<=", &through[0].0));
                }
                terms.push(self.up_to(0, through));
            }
        }
        self.piece(terms)
    }

    fn piece(&self, terms: Vec<String>) -> String {
        let mut all = self.around.clone();
        all.extend(terms);
        match all.is_empty() {
            true => "1 = 1".to_owned(),
            false => all.join(" AND "),
        }
    }

    fn compare(&self, at: usize, operator: &str, parameter: &str) -> String {
        format!("{} {operator} {parameter}", self.key[at].name.quoted())
    }

    /// The first `count` columns have the key's values.
    fn equal(&self, key: &[(String, Value<'_>)], count: usize) -> Vec<String> {
        let columns = key.iter().enumerate().take(count);
        columns
            .map(|(at, (parameter, _))| self.compare(at, "=", parameter))
            .collect()
    }

    /// The columns from `at` on are at most the key's.
    fn up_to(&self, at: usize, key: &[(String, Value<'_>)]) -> String {
        self.tuple(at, key, "<", "<=")
    }

    /// `(a > p OR (a = p AND (b > q OR (b = q AND c > r))))`, innermost first.
    fn tuple(&self, from: usize, key: &[(String, Value<'_>)], strict: &str, last: &str) -> String {
        let mut nested = String::new();
        for (at, (parameter, _)) in key.iter().enumerate().skip(from).rev() {
            nested = match nested.as_str() {
                "" => self.compare(at, last, parameter),
                inner => format!(
                    "({} OR ({} AND {inner}))",
                    self.compare(at, strict, parameter),
                    self.compare(at, "=", parameter)
                ),
            };
        }
        nested
    }
}

/// Whether two values of a key column are different to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// They are equal.
    Never,
    /// Only the server can tell: its collation may ignore case or trailing blanks, and binary comparison ignores
    /// trailing zeros.
    Doubtful,
    /// They differ.
    Certain,
}

fn parted(a: Value<'_>, b: Value<'_>) -> Part {
    let zoned = |value| match value {
        Value::DateTimeOffset { days, ticks, .. } => Some((days, ticks)),
        _ => None,
    };
    match (a, b) {
        _ if a == b => Part::Never,
        // The offset is not compared.
        _ if zoned(a).is_some() && zoned(a) == zoned(b) => Part::Never,
        (Value::Text(_) | Value::Bytes(_) | Value::Float(_), _) => Part::Doubtful,
        _ => Part::Certain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::row::encode;
    use crate::model::table::{DataType, Length};
    use crate::model::window::{Bounds, midnight};
    use crate::tsql::testing::column;

    fn key(values: &[Value<'_>]) -> Option<KeyBytes> {
        let mut bytes = Vec::new();
        for value in values {
            encode(*value, &mut bytes).unwrap();
        }
        Some(KeyBytes(bytes))
    }

    /// A `datetime` of October 2025.
    fn at(day: i32) -> Value<'static> {
        Value::DateTime {
            days: 45_929 + day,
            ticks: 0,
        }
    }

    fn october() -> Extent {
        let day = |month, day| midnight(chrono::NaiveDate::from_ymd_opt(2025, month, day).unwrap());
        Extent::Dates(Bounds {
            start: day(10, 1),
            end: day(11, 1),
        })
    }

    fn seeks(
        extent: Extent,
        key: &[&Column],
        after: Option<KeyBytes>,
        through: Option<KeyBytes>,
        in_pieces: bool,
    ) -> Vec<String> {
        let date = column("D", DataType::DateTime);
        let range = KeyRange { after, through };
        let span = Span {
            extent,
            date: Some(&date),
            key,
            range: &range,
            in_pieces,
        };
        let seeks = Seeks::of(span, Vec::new()).unwrap();
        let short = |text: String| {
            let text = text.replace(" COLLATE Latin1_General_CI_AS", "");
            let text = text.replace("CAST(@P", "@").replace(" AS datetime)", "");
            text.replace(" AS int)", "").replace(" AS varchar(20))", "")
        };
        let pieces = seeks.pieces.into_iter();
        pieces.map(short).collect()
    }

    fn expect(found: &[String], wanted: &[&str]) {
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_piece_has_one_lower_and_one_upper_bound() {
        let (date, id) = (column("D", DataType::DateTime), column("ID", DataType::Int));
        let columns = [&date, &id];
        let low = || key(&[at(3), Value::Integer(7)]);
        let high = || key(&[at(5), Value::Integer(9)]);
        expect(
            &seeks(october(), &columns, None, None, true),
            &["[D] >= @1 AND [D] < @2"],
        );
        expect(
            &seeks(october(), &columns, low(), None, true),
            &["[D] = @2 AND [ID] > @3", "[D] > @2 AND [D] < @1"],
        );
        expect(
            &seeks(october(), &columns, None, high(), true),
            &["[D] >= @1 AND [D] < @2", "[D] = @2 AND [ID] <= @3"],
        );
        expect(
            &seeks(october(), &columns, low(), high(), true),
            &[
                "[D] = @1 AND [ID] > @2",
                "[D] > @1 AND [D] < @3",
                "[D] = @3 AND [ID] <= @4",
            ],
        );
        let same_day = key(&[at(3), Value::Integer(9)]);
        expect(
            &seeks(october(), &columns, low(), same_day, true),
            &["[D] = @1 AND [ID] > @2 AND [ID] <= @4"],
        );
        expect(&seeks(october(), &columns, low(), low(), true), &["1 = 0"]);
    }

    #[test]
    fn a_longer_key_is_cut_level_by_level() {
        let date = column("D", DataType::DateTime);
        let (a, b) = (column("A", DataType::Int), column("B", DataType::Int));
        let low = key(&[at(3), Value::Integer(1), Value::Integer(2)]);
        let high = key(&[at(4), Value::Integer(3), Value::Integer(4)]);
        expect(
            &seeks(october(), &[&date, &a, &b], low, high, true),
            &[
                "[D] = @1 AND [A] = @2 AND [B] > @3",
                "[D] = @1 AND [A] > @2",
                "[D] > @1 AND [D] < @4",
                "[D] = @4 AND [A] < @5",
                "[D] = @4 AND [A] = @5 AND [B] <= @6",
            ],
        );
    }

    #[test]
    fn texts_that_may_be_equal_to_the_server_part_only_where_it_says_so() {
        let text = column("T", DataType::VarChar(Length::N(20)));
        let line = column("L", DataType::Int);
        let low = key(&[Value::Text("a"), Value::Integer(1)]);
        let high = key(&[Value::Text("A"), Value::Integer(5)]);
        expect(
            &seeks(Extent::Undated, &[&text, &line], low, high, true),
            &[
                "[D] IS NULL AND [T] = @1 AND [L] > @2 AND (@1 < @3 OR (@1 = @3 AND [L] <= @4))",
                "[D] IS NULL AND [T] > @1 AND [T] < @3",
                "[D] IS NULL AND [T] = @3 AND [L] <= @4 AND @1 < @3",
            ],
        );
    }

    #[test]
    fn a_key_beside_the_window_leaves_the_window_as_it_is() {
        let (date, id) = (column("D", DataType::DateTime), column("ID", DataType::Int));
        let columns = [&date, &id];
        let early = || key(&[at(-3), Value::Integer(7)]);
        let late = || key(&[at(40), Value::Integer(7)]);
        let window = ["[D] >= @1 AND [D] < @2"];
        expect(&seeks(october(), &columns, early(), late(), true), &window);
        expect(&seeks(october(), &columns, late(), None, true), &["1 = 0"]);
        expect(&seeks(october(), &columns, None, early(), true), &["1 = 0"]);
    }

    #[test]
    fn without_an_index_a_range_is_one_piece() {
        let (date, id) = (column("D", DataType::DateTime), column("ID", DataType::Int));
        let low = key(&[at(3), Value::Integer(7)]);
        let high = key(&[at(5), Value::Integer(9)]);
        expect(
            &seeks(october(), &[&date, &id], low, high, false),
            &["[D] >= @1 AND ([D] > @1 OR ([D] = @1 AND [ID] > @2)) \
                 AND [D] <= @3 AND ([D] < @3 OR ([D] = @3 AND [ID] <= @4))"],
        );
        // A window that is ordered by a key without the date has the date as a filter.
        let low = key(&[Value::Integer(7)]);
        expect(
            &seeks(october(), &[&id], low, None, true),
            &["[D] >= @1 AND [D] < @2 AND [ID] > @3"],
        );
        // Between two keys no index is to find the window's dates instead.
        let (low, high) = (key(&[Value::Integer(7)]), key(&[Value::Integer(9)]));
        expect(
            &seeks(october(), &[&id], low, high, true),
            &["CASE WHEN [D] >= @1 AND [D] < @2 THEN 1 ELSE 0 END = 1 AND [ID] > @3 AND [ID] <= @4"],
        );
        let (low, high) = (key(&[Value::Integer(7)]), key(&[Value::Integer(9)]));
        expect(
            &seeks(october(), &[&id], low, high, false),
            &["[D] >= @1 AND [D] < @2 AND [ID] > @3 AND [ID] <= @4"],
        );
        // So has one whose key has the date behind another column.
        let low = key(&[Value::Integer(7), at(3)]);
        expect(
            &seeks(october(), &[&id, &date], low, None, true),
            &[
                "[D] >= @1 AND [D] < @2 AND [ID] = @3 AND [D] > @4",
                "[D] >= @1 AND [D] < @2 AND [ID] > @3",
            ],
        );
    }

    #[test]
    fn a_key_of_another_plan_is_refused() {
        let id = column("ID", DataType::Int);
        let range = KeyRange {
            after: key(&[Value::Integer(1), Value::Integer(2)]),
            through: None,
        };
        let span = Span {
            extent: Extent::All,
            date: None,
            key: &[&id],
            range: &range,
            in_pieces: true,
        };
        assert_eq!(Seeks::of(span, Vec::new()).unwrap_err().kind(), ErrorKind::State);
    }
}
