//! How far ahead the read of a new chunk asks. A server may read and sort all rows that a statement could return before
//! it gives out the first, which would be the rest of the window for each chunk.
//!
//! So a read asks for the dates in which its rows are likely to be, by the rows a day that were last read near. A wrong
//! guess costs a shorter chunk or more rows to sort, and never a row: [`extract`](crate::source::extract::extract) takes
//! the bound for no more than it is.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDateTime};

use crate::base::error::Result;
use crate::model::window::{Bounds, Extent, Window};
use crate::source::extract::{Extracted, Limits, Request};
use crate::tsql::predicate::{instant_of, next_midnight};

/// A read asks for this many times the days that its rows should need: days differ, and a chunk that comes out short
/// costs both ends more than rows that are sorted in vain.
const SPAN_FACTOR: f64 = 1.5;

/// A read asks for all that is left of its window if that is no more than so many times the days of its bound: the last
/// days of a month may have no rows, and a chunk of none costs both ends more than these days.
const END_FACTOR: u64 = 2;

const SECONDS_A_DAY: f64 = 86_400.0;

/// What was read of some dates.
#[derive(Debug, Clone, Copy)]
struct Density {
    rows: f64,
    bytes: f64,
    days: f64,
}

/// The rows a day of a table's windows, by what was last read of each.
#[derive(Debug, Default)]
pub struct Densities(BTreeMap<Window, Density>);

impl Densities {
    /// The midnight before which a new chunk of a window is likely to have all its rows. It is at least a day behind the
    /// day of the key that the chunk begins after. `None` if nothing is known that says so.
    ///
    /// # Errors
    /// `State` if the key's bytes are damaged.
    pub(super) fn until(&self, window: Window, request: &Request) -> Result<Option<NaiveDateTime>> {
        let (Some(density), Some(rest)) = (self.near(window), rest(request)?) else {
            return Ok(None);
        };
        let days = density.days_of(request.limits).ceil().max(1.0) as u64;
        // A date without a time of day does not say how much of its day is left.
        let from = match request.range.after {
            Some(_) => next_midnight(rest.start.date()),
            None => rest.start,
        };
        let until = |days| from.checked_add_days(Days::new(days));
        let is_at_end = until(days.saturating_mul(END_FACTOR)).is_none_or(|far| far >= rest.end);
        Ok(until(days).filter(|_| !is_at_end))
    }

    /// Takes note of a chunk of a window that was read.
    ///
    /// # Errors
    /// `State` if a key's bytes are damaged.
    pub(super) fn learn(&mut self, window: Window, request: &Request, read: &Extracted) -> Result<()> {
        let Some(rest) = rest(request)? else { return Ok(()) };
        let last = instant_of(read.last_key.as_ref())?;
        let to = match read.exhausted {
            true => Some(rest.end),
            false => read.until.or(last),
        };
        let Some(to) = to else { return Ok(()) };
        let density = Density {
            rows: read.batch.row_count() as f64,
            bytes: read.batch.byte_count() as f64,
            days: (to - rest.start).as_seconds_f64().max(0.0) / SECONDS_A_DAY,
        };
        if read.exhausted {
            // The end of a window that more is known of: a few rows of its last day, or days that have none.
            self.0.entry(window).or_insert(density);
        } else {
            self.0.insert(window, density);
        }
        Ok(())
    }

    /// That of the window, or of the one that is next to it, rather before than behind it.
    fn near(&self, window: Window) -> Option<Density> {
        let before = self.0.range(..=window).next_back();
        let near = before.or_else(|| self.0.range(window..).next());
        near.map(|(_, density)| *density)
    }
}

impl Density {
    /// The days in which a read of so many rows or bytes should find them.
    fn days_of(self, limits: Limits) -> f64 {
        if self.rows == 0.0 {
            return f64::INFINITY;
        }
        let share = (limits.rows as f64 / self.rows).min(limits.bytes as f64 / self.bytes.max(1.0));
        self.days * share * SPAN_FACTOR
    }
}

/// The dates from the key that a chunk begins after to the end of its extent; `None` in a window without dates.
fn rest(request: &Request) -> Result<Option<Bounds>> {
    let Extent::Dates(Bounds { start, end }) = request.extent else {
        return Ok(None);
    };
    let after = instant_of(request.range.after.as_ref())?;
    let start = after.map_or(start, |after| after.max(start));
    Ok(Some(Bounds { start, end }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chunk::{KeyBytes, KeyRange};
    use crate::model::row::{Batch, encode};
    use crate::tsql::predicate::instant;

    fn at(text: &str) -> NaiveDateTime {
        format!("{text}:00").parse().unwrap()
    }

    fn key(text: &str) -> Option<KeyBytes> {
        let mut bytes = Vec::new();
        encode(instant(at(text)), &mut bytes).unwrap();
        Some(KeyBytes(bytes))
    }

    fn month(number: u32) -> Window {
        let day = |month| chrono::NaiveDate::from_ymd_opt(2025, month, 1).unwrap();
        Window::new(day(number), day(number + 1)).unwrap()
    }

    /// A read of so many rows, of ten bytes at most.
    fn asks(window: Window, after: Option<&str>, rows: usize) -> Request {
        Request {
            extent: Extent::of_window(window),
            range: KeyRange {
                after: after.and_then(key),
                through: None,
            },
            limits: Limits { rows, bytes: 10_000 },
            in_pieces: false,
            until: None,
        }
    }

    /// What such a read brought.
    fn brought(rows: usize, last: &str) -> Extracted {
        let mut batch = Batch::default();
        for _ in 0..rows {
            batch
                .push(|out| {
                    out.extend([0; 10]);
                    Ok(())
                })
                .unwrap();
        }
        Extracted {
            batch,
            last_key: key(last),
            exhausted: false,
            cut: false,
            until: None,
        }
    }

    #[test]
    fn a_read_asks_for_the_days_that_its_rows_need_and_half_as_many() {
        // Rows that came after noon of the 4th, the last key, the rows wanted; the bound.
        let table = [
            (10, "2025-03-06T12:00", 10, Some("2025-03-10T00:00")),
            (10, "2025-03-06T12:00", 20, Some("2025-03-13T00:00")),
            (10, "2025-03-06T12:00", 1, Some("2025-03-08T00:00")),
            // The whole chunk is of one instant.
            (10, "2025-03-04T12:00", 10, Some("2025-03-06T00:00")),
            // Bytes end it before its rows do, with the 1,000th.
            (200, "2025-03-05T12:00", 9_000_000, Some("2025-03-14T00:00")),
            // Twice as many days are the rest of the month, or more than a month.
            (10, "2025-03-06T12:00", 40, Some("2025-03-19T00:00")),
            (10, "2025-03-06T12:00", 41, None),
            (1, "2025-03-06T12:00", 100, None),
        ];
        for (rows, last, wanted, until) in table {
            let mut densities = Densities::default();
            let first = asks(month(3), Some("2025-03-04T12:00"), rows);
            assert_eq!(
                densities.until(month(3), &first).unwrap(),
                None,
                "nothing is known"
            );
            densities.learn(month(3), &first, &brought(rows, last)).unwrap();
            let next = asks(month(3), Some(last), wanted);
            let found = densities.until(month(3), &next).unwrap();
            assert_eq!(found, until.map(at), "{rows} rows to {last}, then {wanted}");
        }
    }

    #[test]
    fn a_chunk_that_came_out_short_makes_the_next_bound_wider() {
        let mut densities = Densities::default();
        let first = asks(month(3), Some("2025-03-04T12:00"), 10);
        let short = Extracted {
            until: Some(at("2025-03-06T00:00")),
            ..brought(2, "2025-03-04T12:01")
        };
        densities.learn(month(3), &first, &short).unwrap();
        let next = asks(month(3), Some("2025-03-04T12:01"), 10);
        // Two rows in 36 hours, so that ten need a week and a half day.
        assert_eq!(
            densities.until(month(3), &next).unwrap(),
            Some(at("2025-03-17T00:00"))
        );
    }

    #[test]
    fn a_window_is_judged_by_itself_and_else_by_the_one_before() {
        let mut densities = Densities::default();
        for (window, last) in [
            (month(3), "2025-03-02T00:00"),
            (month(7), "2025-07-04T00:00"),
            (month(9), "2025-09-05T00:00"),
        ] {
            let all = asks(window, None, 10);
            densities.learn(window, &all, &brought(10, last)).unwrap();
        }
        for (window, until) in [
            (month(2), "2025-02-03T00:00"),
            (month(3), "2025-03-03T00:00"),
            (month(6), "2025-06-03T00:00"),
            (month(7), "2025-07-06T00:00"),
            (month(8), "2025-08-06T00:00"),
            (month(9), "2025-09-07T00:00"),
        ] {
            let found = densities.until(window, &asks(window, None, 10)).unwrap();
            assert_eq!(found, Some(at(until)), "{window}");
        }
    }

    #[test]
    fn the_end_of_a_window_says_little_of_it_and_all_of_an_empty_one() {
        let mut densities = Densities::default();
        let all = asks(month(3), None, 10);
        densities
            .learn(month(3), &all, &brought(10, "2025-03-02T00:00"))
            .unwrap();
        let last = Extracted {
            exhausted: true,
            ..brought(1, "2025-03-03T00:00")
        };
        let rest = asks(month(3), Some("2025-03-02T00:00"), 10);
        densities.learn(month(3), &rest, &last).unwrap();
        let next = asks(month(4), None, 10);
        assert_eq!(
            densities.until(month(4), &next).unwrap(),
            Some(at("2025-04-03T00:00"))
        );
        let nothing = Extracted {
            exhausted: true,
            last_key: None,
            ..brought(0, "2025-04-01T00:00")
        };
        densities.learn(month(4), &next, &nothing).unwrap();
        assert_eq!(
            densities.until(month(5), &asks(month(5), None, 10)).unwrap(),
            None
        );
    }

    #[test]
    fn rows_without_dates_have_no_bound() {
        let mut densities = Densities::default();
        for window in [Window::All, Window::Undated] {
            let request = asks(window, None, 10);
            densities
                .learn(window, &request, &brought(10, "2025-03-02T00:00"))
                .unwrap();
            assert_eq!(densities.until(window, &request).unwrap(), None);
        }
    }
}
