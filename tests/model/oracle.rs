//! What must hold, whatever happened. Nothing here knows how the engine works; it knows what a receipt claims.
//!
//! After every command, however it ended:
//!
//! * A verified receipt that is new covers just the rows that the source has in its range, and says how many. One that
//!   was there before covers just what it covered. No row is under two of them.
//! * A row at the target is one that was there before, or the source's of now. No number is there twice, unless the
//!   unique key holds the date, too.
//! * G7: a row that was at the target and is at the source is at the target, unless what the source has of it is under
//!   no receipt, or under a stale one: then it is known to be missing.
//!
//! After a run with exit 0 (G8):
//!
//! * All receipts are verified. Those of a window that was asked for, or whose end has passed, follow each other from
//!   its start without a gap; where the end has passed, to its end, and where it is still to come, not.
//! * Of the days asked for, each row of either end that is old enough is under a receipt, and each window that has closed
//!   has receipts. Of a window asked for, the target has as many rows as its receipts say.
//! * A window that is not settled has at both ends as many rows a day. It is settled where all of it was loaded more
//!   than a day after it settles by today's configuration, or where it was found equal then and rests on the same
//!   loads: a row that came late, and is under a receipt that was loaded before, may be missing there. Not known to be
//!   equal are rows without a date that no index finds, as nobody counts them. With `settle_days` of 0, which a month that
//!   settles today may come to, only windows that have no index on the date are compared.
//!
//! A run that could not see by the number of the table's rows that windows differ is told to count them, as an operator
//! would tell it.
//!
//! After `reconcile --repair` with exit 0 the receipts are verified and cover what they were loaded with, or, with
//! `--source`, what the source has; then windows whose end has passed are complete and equal, too.
//!
//! Where keys have no date, a range of them in a window that is still open may hold rows that are too young to be read.
//! A receipt there says nothing of these: they may be missing at the target, and what is there of them is the source's.
//! Such a window is only settled where it was found equal after its end, as rows may have come before its last key.
//!
//! A limit that is documented: where the key holds the date, a row that moved stays under its old date, too, as long as
//! nothing loads that day again: in a settled window, or where another row came in its place.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta};

use crate::acts::Shape;
use crate::stores::{Receipt, Row, Rows};

/// A window's first day, and the day after its last.
pub type Window = (NaiveDate, NaiveDate);

/// The loads that a window rested on when it was found equal, as any of them may be what the state file remembers.
pub type Marks = BTreeMap<Window, BTreeSet<BTreeSet<String>>>;

/// How many rows are dated on a day.
type Counts = BTreeMap<Option<NaiveDate>, usize>;

/// What is known of both ends after the last act.
#[derive(Debug)]
pub struct Known {
    pub shape: Shape,
    pub today: NaiveDate,
    /// Days of `settle_minutes`.
    pub open: u64,
    /// `settle_days`.
    pub days: u64,
    pub source: BTreeMap<i64, Row>,
    pub target: Rows,
    pub receipts: Vec<Receipt>,
    pub marks: Marks,
    /// What each load was seen to bring.
    pub loaded: BTreeMap<String, Rows>,
}

impl Known {
    /// Up to when rows are old enough to be read: half an hour after midnight, when no row is dated.
    pub fn read_until(&self) -> NaiveDateTime {
        let midnight = self.today.and_hms_opt(0, 0, 0).expect("midnight");
        midnight - Days::new(self.open) + TimeDelta::minutes(30)
    }

    fn source(&self) -> Rows {
        self.source.values().copied().collect()
    }

    /// How many rows of the source the target lacks.
    pub fn away(&self) -> u64 {
        let there: BTreeSet<i64> = self.target.iter().map(|row| row.id).collect();
        let lacks = self.source.keys().filter(|id| !there.contains(id));
        lacks.count() as u64
    }

    fn is_due(&self, window: Window) -> bool {
        window.0 == window.1 || window.1 + Days::new(self.open) <= self.today
    }

    /// Compares what both ends have now with what they had, after any command.
    pub fn hold(&mut self, receipts: Vec<Receipt>, target: Rows) {
        let source = self.source();
        self.note_equal(&self.receipts.clone());
        let ids: BTreeSet<i64> = target.iter().map(|row| row.id).collect();
        assert!(
            ids.len() == target.len() || self.shape == Shape::Dated,
            "a row is there twice: {target:?}"
        );
        let stranger = target
            .iter()
            .find(|row| !self.target.contains(row) && !source.contains(row));
        assert_eq!(stranger, None, "a row was never at the source, nor at the target");
        let before: BTreeSet<String> = self.receipts.iter().map(|receipt| receipt.load.clone()).collect();
        let mut covered = BTreeSet::new();
        for receipt in receipts.iter().filter(|receipt| receipt.verified) {
            let there = receipt.rows(&target);
            for row in &there {
                assert!(covered.insert(*row), "{row:?} is in two receipts: {receipts:?}");
            }
            if before.contains(&receipt.load) {
                assert_eq!(there, receipt.rows(&self.target), "what {receipt:?} held");
            } else {
                self.assert_source_has(receipt, &receipts, &there);
                assert_eq!(there.len() as i64, receipt.row_count, "{receipt:?}");
                self.loaded.insert(receipt.load.clone(), there);
            }
        }
        for left in &self.target {
            let Some(row) = self.source.get(&left.id).filter(|_| !ids.contains(&left.id)) else {
                continue;
            };
            let proven = receipts.iter().find(|receipt| {
                receipt.verified
                    && receipt.covers(row.id, row.at)
                    && !self.is_too_young(row, receipt, &receipts)
            });
            assert_eq!(
                proven, None,
                "{left:?} is lost: the source has {row:?}, and nothing will load it again"
            );
        }
        self.receipts = receipts;
        self.target = target;
        self.note_equal(&self.receipts.clone());
    }

    /// Whether a row is too young for a receipt that has its number: see above.
    fn is_too_young<'r>(
        &self,
        row: &Row,
        receipt: &Receipt,
        receipts: impl IntoIterator<Item = &'r Receipt>,
    ) -> bool {
        let mut window = receipts
            .into_iter()
            .filter(|other| other.window() == receipt.window());
        self.shape == Shape::Bare
            && row.at.is_some_and(|at| at >= self.read_until())
            && window.all(|other| other.through.is_some())
    }

    /// A receipt's rows `there` at the target are those of the source, but for rows that are too young.
    fn assert_source_has(&self, receipt: &Receipt, receipts: &[Receipt], there: &Rows) {
        let here = receipt.rows(&self.source());
        let extra = there.difference(&here).next();
        assert_eq!(
            extra, None,
            "what {receipt:?} was loaded with: {here:?} is at the source"
        );
        let mut missed = here.difference(there);
        let missed = missed.find(|row| !self.is_too_young(row, receipt, receipts));
        assert_eq!(missed, None, "what {receipt:?} was loaded with: {there:?}");
    }

    /// Whether hands have left the target with as many rows as the receipts say, and not in the same windows. A
    /// run does not see that unless it is told to count.
    pub fn hides(&self) -> bool {
        let proven: i64 = self.receipts.iter().map(|receipt| receipt.row_count).sum();
        let differs = |receipts: &Vec<&Receipt>| {
            let there = receipts.iter().map(|receipt| receipt.rows(&self.target).len());
            let proven: i64 = receipts.iter().map(|receipt| receipt.row_count).sum();
            there.sum::<usize>() as i64 != proven
        };
        proven == self.target.len() as i64 && windows(&self.receipts).values().any(differs)
    }

    /// A run over these days, both included, said that it is done.
    pub fn assert_done(&self, first: NaiveDate, last: NaiveDate) {
        let windows = windows(&self.receipts);
        for (window, receipts) in &windows {
            let asked = window.0 == window.1 || (window.0 <= last && first < window.1);
            for receipt in receipts {
                assert!(receipt.verified, "{receipt:?}");
            }
            if asked || self.is_due(*window) {
                self.assert_chain(*window, receipts);
            }
            if asked {
                let there = receipts.iter().map(|receipt| receipt.rows(&self.target).len());
                let proven: i64 = receipts.iter().map(|receipt| receipt.row_count).sum();
                let there = there.sum::<usize>() as i64;
                assert_eq!(there, proven, "rows of {window:?}: {receipts:?}");
            }
            if !self.may_be_settled(*window, receipts) {
                let (there, here) = self.counts(receipts);
                assert_eq!(here, there, "rows a day of {window:?}, which is not settled");
            }
        }
        let undated = windows.keys().any(|(start, end)| start == end);
        assert!(
            undated || self.shape == Shape::Dated,
            "rows without a date are in no window"
        );
        self.assert_covered(first, last);
        let mut day = first;
        while day <= last {
            let end = (last + Days::new(1)).min(next_month(day));
            let mut windows = windows.keys();
            assert!(
                !self.is_due((day, end)) || windows.any(|(start, end)| *start <= day && day < *end),
                "{day} is in no window that has receipts"
            );
            day = day + Days::new(1);
        }
    }

    /// Whatever is old enough of these days, at either end, is under a receipt.
    fn assert_covered(&self, first: NaiveDate, last: NaiveDate) {
        let asked = |row: &Row| {
            row.at.map_or(self.shape != Shape::Dated, |at| {
                first <= at.date() && at.date() <= last && at < self.read_until()
            })
        };
        let bare = |row: &&Row| {
            let mut receipts = self.receipts.iter();
            asked(row) && !receipts.any(|receipt| receipt.covers(row.id, row.at))
        };
        let missed = self.source.values().find(bare);
        assert_eq!(missed, None, "of the source, in no receipt: {:?}", self.receipts);
        let left = self.target.iter().find(bare);
        assert_eq!(left, None, "at the target, in no receipt: {:?}", self.receipts);
    }

    /// The receipts of a window are a chain from its start, and to its end where that has passed.
    fn assert_chain(&self, window: Window, receipts: &[&Receipt]) {
        let mut through = None;
        for (place, receipt) in receipts.iter().enumerate() {
            assert_eq!(receipt.after, through, "a gap in {window:?}: {receipts:?}");
            through = receipt.through;
            assert!(
                through.is_some() || place + 1 == receipts.len(),
                "more after the end of {window:?}: {receipts:?}"
            );
        }
        if self.is_due(window) {
            assert_eq!(through, None, "{window:?} is not complete: {receipts:?}");
        }
        assert!(
            through.is_some() || window.0 == window.1 || window.1 <= self.today,
            "{window:?} is complete, and its end is to come: {receipts:?}"
        );
    }

    /// `reconcile --repair` said that all is as it should be.
    pub fn assert_reconciled(&self, with_source: bool) {
        for receipt in &self.receipts {
            assert!(receipt.verified, "{receipt:?}");
            let there = receipt.rows(&self.target);
            if with_source {
                self.assert_source_has(receipt, &self.receipts, &there);
            } else if let Some(loaded) = self.loaded.get(&receipt.load) {
                assert_eq!(&there, loaded, "what {receipt:?} was loaded with");
            }
        }
        for (window, receipts) in windows(&self.receipts) {
            if with_source && self.is_due(window) {
                self.assert_chain(window, &receipts);
            }
        }
    }

    /// Whether a late row may be missing in a window.
    fn may_be_settled(&self, window: Window, receipts: &[&Receipt]) -> bool {
        if self.days == 0 && self.shape != Shape::Bare {
            // Nothing is compared.
            return true;
        }
        if window.0 == window.1 {
            return self.shape == Shape::Bare;
        }
        let settles = window.1 + Days::new(self.days);
        let marked = || {
            self.marks
                .get(&window)
                .is_some_and(|marks| marks.contains(&loads(receipts)))
        };
        let late_enough = settles < self.today && self.shape != Shape::Bare;
        late_enough || (settles <= self.today && marked())
    }

    /// Rows a day under these receipts, at the source and at the target, without those that are too young.
    fn counts(&self, receipts: &[&Receipt]) -> (Counts, Counts) {
        let counts = |rows: &Rows| {
            let mut counts = Counts::new();
            for receipt in receipts {
                let rows = receipt.rows(rows);
                let young = |row: &&Row| self.is_too_young(row, receipt, receipts.iter().copied());
                for row in rows.iter().filter(|row| !young(row)) {
                    *counts.entry(row.at.map(|at| at.date())).or_default() += 1;
                }
            }
            counts
        };
        (counts(&self.source()), counts(&self.target))
    }

    /// Any command that met a window while it was equal may have put that down.
    fn note_equal(&mut self, receipts: &[Receipt]) {
        for (window, receipts) in windows(receipts) {
            let (there, here) = self.counts(&receipts);
            if there == here {
                self.marks.entry(window).or_default().insert(loads(&receipts));
            }
        }
    }

    /// A second run has nothing to do: what is equal when it may settle is put down as it is now, and as nothing else.
    pub fn note_compared(&mut self) {
        let receipts = self.receipts.clone();
        for (window, receipts) in windows(&receipts) {
            let (there, here) = self.counts(&receipts);
            if there == here && window.1 + Days::new(self.days) == self.today {
                self.marks.insert(window, BTreeSet::from([loads(&receipts)]));
            }
        }
    }
}

/// The receipts by window, in their order.
fn windows(receipts: &[Receipt]) -> BTreeMap<Window, Vec<&Receipt>> {
    let mut windows: BTreeMap<Window, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts {
        windows.entry(receipt.window()).or_default().push(receipt);
    }
    windows
}

fn loads(receipts: &[&Receipt]) -> BTreeSet<String> {
    receipts.iter().map(|receipt| receipt.load.clone()).collect()
}

fn next_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).expect("a month has a first day") + Months::new(1)
}
