//! Settling: the row counts of recent windows compared day by day, until late rows have stopped coming.
//!
//! Tills upload sales of days that were loaded, and dates get corrected. A window is compared at each run until one
//! finds it equal `settle_days` after its end, or later; rows without a date are compared at each run. Chunks that
//! hold a day that differs become stale at the target, where any later run finds them, too. What keeps the count of
//! a day (a changed value) is not seen here; `reconcile --source` sees it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveDateTime};

use crate::checkpoint::{Change, Store};
use crate::chunk::{ChunkState, KeyRange};
use crate::error::{Error, ErrorKind, Result};
use crate::follow::{Following, KEYS_MAX};
use crate::lease::Lease;
use crate::mssql::{Flow, Guard, Session, predicate, read_expression, unproven};
use crate::plan::TablePlan;
use crate::predicate::{Extent, Where, date_of, instant_of_key};
use crate::receipt::{self, Receipt, Sums};
use crate::report::text::counted as counted_text;
use crate::row::Value;
use crate::target::Target;
use crate::window::{Kind, Window};

/// Days that are named where some differ.
const NAMED_MAX: usize = 5;

/// What a table's recent windows are compared by.
#[derive(Debug)]
pub struct Settling<'a> {
    /// The plan.
    pub plan: &'a TablePlan,
    /// Its target.
    pub target: &'a Target,
    /// The right to mark its receipts.
    pub lease: &'a Lease,
    /// The proof that the counting carries.
    pub guard: &'a Guard,
    /// The source's clock.
    pub now: NaiveDateTime,
    /// How long after its end a window is compared.
    pub days: u32,
    /// Where it is put down that a window is settled.
    pub store: &'a Store,
    /// Whether the table is read in this run anyway.
    pub read_anyway: bool,
}

/// What came of settling.
#[derive(Debug, Default)]
pub struct Settled {
    /// What an operator must know.
    pub said: Vec<String>,
    /// Whether chunks became stale.
    pub marked: bool,
}

/// Row counts by day; rows without one under `None`.
type Counts = BTreeMap<Option<NaiveDate>, u64>;

impl Settling<'_> {
    /// Compares the windows that are not settled, one query a window at each end, and marks the chunks that differ.
    /// `stale` are the chunks that are loaded again anyway.
    ///
    /// # Errors
    /// `WrongServer` when the source does not prove to be the one that may be read; `Busy` when the lease was lost;
    /// what the sessions return.
    pub async fn run(
        &self,
        source: &mut Session,
        target: &mut Session,
        stale: &BTreeSet<(Window, u32)>,
    ) -> Result<Settled> {
        let mut settled = Settled::default();
        if self.days == 0 {
            return Ok(settled);
        }
        for (window, sums) in receipt::sums(target, &self.plan.target, &self.target.incarnation).await? {
            if self.is_settled(window, &sums)? || self.costs_a_scan(window) {
                continue;
            }
            let receipts = receipt::read(target, &self.plan.target, window).await?;
            let (again, kept): (Vec<&Receipt>, Vec<&Receipt>) = receipts.iter().partition(|receipt| {
                receipt.chunk.state != ChunkState::Verified
                    || receipt.incarnation != self.target.incarnation
                    || stale.contains(&(window, receipt.chunk.ordinal))
            });
            if kept.is_empty() {
                continue;
            }
            let range = KeyRange {
                after: None,
                through: receipts.last().and_then(|last| last.chunk.range.through.clone()),
            };
            let there = self.count_source(source, window, &range).await?;
            let here = self.count_target(target, window, &range).await?;
            let differing = differing(&there, &here);
            if differing.is_empty() {
                if again.is_empty() && self.end(window).is_some_and(|end| self.now >= end) {
                    let table = self.plan.name.as_str().to_owned();
                    self.store.commit(&[Change::Settled { table, window }])?;
                }
                continue;
            }
            let lost = self.follow(source, target, window, &range, &differing).await?;
            settled.said.extend(lost);
            let mut chunks = Vec::new();
            for Receipt { chunk, .. } in kept {
                if holds(window, &chunk.range, &differing)? {
                    chunks.push(chunk.ordinal);
                }
            }
            receipt::mark_all_stale(target, self.lease, window, &chunks).await?;
            settled.marked |= !chunks.is_empty();
            // What a chunk that is loaded again anyway lacks is no news.
            let mut news = Vec::new();
            for day in &differing {
                let mut known = false;
                for Receipt { chunk, .. } in &again {
                    known |= holds(window, &chunk.range, &[*day])?;
                }
                news.extend((!known).then_some(*day));
            }
            if !news.is_empty() {
                settled.said.push(format!(
                    "Table {}, window {window}: {}; {} loaded again",
                    self.plan.name,
                    told(&there, &here, &news),
                    counted_are(chunks.len())
                ));
            }
        }
        Ok(settled)
    }

    /// Marks the chunks of the days that rows went to, before the days that they left are loaded again: whichever
    /// windows they are in, asked for or not, compared or settled.
    async fn follow(
        &self,
        source: &mut Session,
        target: &mut Session,
        window: Window,
        range: &KeyRange,
        days: &[Option<NaiveDate>],
    ) -> Result<Option<String>> {
        let following = Following {
            plan: self.plan,
            target: self.target,
            guard: self.guard,
        };
        let followed = following.run(source, target, window, range, days).await?;
        if followed.too_many {
            return Ok(Some(format!(
                "Table {}, window {window}: more than {KEYS_MAX} rows are gone from days that differ; where they went is \
                 not looked for: run `sync reconcile --source`",
                self.plan.name
            )));
        }
        let to: Vec<Option<NaiveDate>> = followed.days.into_iter().collect();
        let near: Vec<NaiveDate> = to
            .iter()
            .flatten()
            .flat_map(|day| [day.pred_opt(), Some(*day), day.succ_opt()])
            .flatten()
            .collect();
        let mut marked: BTreeMap<Window, Vec<u32>> = BTreeMap::new();
        for (window, ordinal, range) in receipt::ranges(target, self.lease, &near, to.contains(&None)).await?
        {
            let here: Vec<Option<NaiveDate>> = to
                .iter()
                .copied()
                .filter(|day| day.is_some() == (window.kind() == Kind::Dates))
                .collect();
            if holds(window, &range, &here)? {
                marked.entry(window).or_default().push(ordinal);
            }
        }
        for (window, ordinals) in marked {
            receipt::mark_all_stale(target, self.lease, window, &ordinals).await?;
        }
        Ok(None)
    }

    /// Whether counting would read the whole table for nothing else: rows without a date, and no index that begins
    /// with it. They are counted when the table is read anyway.
    fn costs_a_scan(&self, window: Window) -> bool {
        let indexed = self
            .plan
            .date()
            .is_some_and(|date| self.plan.source.begins_with(&date.name));
        window.kind() == Kind::Undated && !indexed && !self.read_anyway
    }

    /// Whether no more rows are expected: all of it was loaded after its time, or was found equal after it.
    fn is_settled(&self, window: Window, sums: &Sums) -> Result<bool> {
        let Some(end) = self.end(window) else {
            return Ok(window.kind() == Kind::All);
        };
        // The target's clock may be in another zone than the source's dates.
        let certain = end.checked_add_days(Days::new(1)).unwrap_or(end);
        Ok(sums.first_loaded >= certain || self.store.view()?.is_settled(self.plan.name.as_str(), window)?)
    }

    /// When a window of dates settles.
    fn end(&self, window: Window) -> Option<NaiveDateTime> {
        match Extent::of_window(window) {
            Extent::Dates(bounds) => bounds.end.checked_add_days(Days::new(self.days.into())),
            Extent::Undated | Extent::All => None,
        }
    }

    async fn count_source(&self, session: &mut Session, window: Window, range: &KeyRange) -> Result<Counts> {
        let (proof, names) = predicate(self.guard, 1);
        let mut clause = Where::after_params(names.iter().map(|name| Value::Text(name)).collect());
        let extent = Extent::of_window(window);
        clause.extent(self.plan.date(), extent);
        if let Some(through) = &range.through {
            clause.through(&self.plan.key_columns(extent.kind()), through)?;
        }
        let (filter, params) = clause.finish();
        let day = self.plan.date().map(|date| read_expression(date, date.data_type));
        let select = by_day(day, extent, &self.plan.source.name.quoted(), &filter);
        let sql = format!("IF {proof} {select} OPTION (MAXDOP 1)");
        counted(session, &sql, &params).await?.ok_or_else(unproven)
    }

    async fn count_target(&self, session: &mut Session, window: Window, range: &KeyRange) -> Result<Counts> {
        let extent = Extent::of_window(window);
        let (filter, params) = self.target.range(self.plan, extent, range)?;
        let day = self
            .target
            .date(self.plan)
            .zip(self.plan.date())
            .map(|(column, source)| read_expression(column, source.data_type));
        let sql = by_day(day, extent, &self.target.quoted, &filter);
        Ok(counted(session, &sql, &params).await?.unwrap_or_default())
    }
}

/// Rows of (day, count); `None` where there is no result set.
async fn counted(session: &mut Session, sql: &str, params: &[Value<'_>]) -> Result<Option<Counts>> {
    let mut counts = Counts::new();
    let read = session
        .stream(sql, params, |row| {
            let day = match row.value(0)? {
                Value::Date(days) => date_of(days),
                _ => None,
            };
            let Value::Integer(count) = row.value(1)? else {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "A count of rows is no whole number",
                ));
            };
            counts.insert(day, count.cast_unsigned());
            Ok(Flow::Continue)
        })
        .await?;
    Ok(read.map(|_| counts))
}

/// The statement that counts the rows of `from` a day.
fn by_day(day: Option<String>, extent: Extent, from: &str, filter: &str) -> String {
    match (day, extent) {
        (Some(day), Extent::Dates(_)) => {
            let day = format!("CAST({day} AS date)");
            format!("SELECT {day}, COUNT_BIG(*) FROM {from}{filter} GROUP BY {day}")
        }
        _ => format!("SELECT CAST(NULL AS date), COUNT_BIG(*) FROM {from}{filter}"),
    }
}

/// The days whose counts differ.
fn differing(there: &Counts, here: &Counts) -> Vec<Option<NaiveDate>> {
    let mut days: Vec<_> = there.keys().chain(here.keys()).copied().collect();
    days.sort_unstable();
    days.dedup();
    days.retain(|day| there.get(day).copied().unwrap_or(0) != here.get(day).copied().unwrap_or(0));
    days
}

/// Whether a chunk's keys reach into one of the days. An instant with an offset is counted under its own day and is
/// ordered by UTC, which may be the day before or after.
fn holds(window: Window, range: &KeyRange, days: &[Option<NaiveDate>]) -> Result<bool> {
    let at = |key: &Option<crate::chunk::KeyBytes>| -> Result<Option<NaiveDate>> {
        let instant = key.as_ref().map(instant_of_key).transpose()?.flatten();
        Ok(instant.map(|at| at.date()))
    };
    let first = at(&range.after)?.unwrap_or(window.start());
    let last = at(&range.through)?.unwrap_or(window.end());
    let first = first.pred_opt().unwrap_or(first);
    let last = last.succ_opt().unwrap_or(last);
    Ok(days
        .iter()
        .any(|day| day.is_none_or(|day| first <= day && day <= last)))
}

fn counted_are(chunks: usize) -> String {
    let verb = if chunks == 1 { "is" } else { "are" };
    format!("{} {verb}", counted_text(chunks as u64, "chunk"))
}

/// The days that differ, as people read them.
fn told(there: &Counts, here: &Counts, days: &[Option<NaiveDate>]) -> String {
    let count = |counts: &Counts, day| counts.get(day).copied().unwrap_or(0);
    let mut parts: Vec<String> = days
        .iter()
        .take(NAMED_MAX)
        .map(|day| {
            let name = day.map_or_else(|| "no date".to_owned(), |day| day.to_string());
            format!("{name} ({} there, {} here)", count(there, day), count(here, day))
        })
        .collect();
    if days.len() > NAMED_MAX {
        parts.push(format!("{} days more", days.len() - NAMED_MAX));
    }
    format!(
        "rows came late, moved or went at the source: {}",
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::KeyBytes;
    use crate::row::encode;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(text, count)| (Some(day(text)), *count)).collect()
    }

    #[test]
    fn a_day_that_one_end_lacks_differs() {
        let there = counts(&[("2025-10-01", 3), ("2025-10-02", 2), ("2025-10-03", 1)]);
        let here = counts(&[("2025-10-01", 3), ("2025-10-02", 1), ("2025-10-04", 1)]);
        let days = differing(&there, &here);
        assert_eq!(
            days,
            ["2025-10-02", "2025-10-03", "2025-10-04"].map(|text| Some(day(text)))
        );
        assert_eq!(
            told(&there, &here, &days),
            "rows came late, moved or went at the source: 2025-10-02 (2 there, 1 here), 2025-10-03 (1 there, 0 here), \
             2025-10-04 (0 there, 1 here)"
        );
        assert!(differing(&there, &there.clone()).is_empty());
    }

    #[test]
    fn a_chunk_holds_the_days_between_its_keys_and_one_beside_them() {
        let window = Window::new(day("2025-10-01"), day("2025-11-01")).unwrap();
        let key = |text: &str| {
            let mut bytes = Vec::new();
            let Value::Date(days) = crate::predicate::day(day(text)) else {
                panic!("a day is a date")
            };
            encode(Value::Date(days), &mut bytes).unwrap();
            Some(KeyBytes(bytes))
        };
        let range = KeyRange {
            after: key("2025-10-10"),
            through: key("2025-10-12"),
        };
        for (text, expected) in [
            ("2025-10-08", false),
            ("2025-10-09", true),
            ("2025-10-10", true),
            ("2025-10-12", true),
            ("2025-10-13", true),
            ("2025-10-14", false),
        ] {
            assert_eq!(
                holds(window, &range, &[Some(day(text))]).unwrap(),
                expected,
                "{text}"
            );
        }
        let open = KeyRange {
            after: key("2025-10-30"),
            through: None,
        };
        assert!(holds(window, &open, &[Some(day("2025-10-31"))]).unwrap());
        assert!(
            holds(
                Window::UNDATED,
                &KeyRange {
                    after: None,
                    through: None
                },
                &[None]
            )
            .unwrap()
        );
    }
}
