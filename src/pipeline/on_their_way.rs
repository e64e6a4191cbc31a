//! Rows on their way: those that left for another day, until a load of that day brings them (G7).
//!
//! As a row leaves the target, the source tells the day that it is under now, and the chunks of that day become stale.
//! Before they are loaded, the row may move once more, to a day that nothing looks at any more. So its key and its day are
//! kept, in the table's record at the target and by the transaction that lets the row go. At the start of a run and after
//! each pass that loads, the target is asked which of these keys it has, and the source about the others alone. If such a
//! row is under another day by then, the chunks of that day become stale, by the transaction that records the day. A row
//! that is not old enough, or under dates that nothing is loaded of, is waited for. If a load of all of its day has not
//! brought it, nobody can tell why, and it counts as a row that could not be followed.
//!
//! A walk passes rows that are too young, and its chunks do not tell which: the comparison of the windows finds such rows once
//! they are old enough. So rows are counted after that comparison alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use chrono::{NaiveDate, NaiveDateTime};

use crate::base::error::Result;
use crate::base::failpoint;
use crate::governor::Ask;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::row::Values;
use crate::model::window::Window;
use crate::mssql::{Flow, Session};
use crate::pipeline::moved_rows::{Accounting, KEYS_AT_ONCE, numbered};
use crate::target::lease::{self, Lease};
use crate::target::leaving::OnTheirWay;
use crate::target::load::{chunks_near, days_of};
use crate::target::receipt;
use crate::tsql::predicate::{compared, holds_day, instant_of, near};

/// What a look has shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Chunks that are stale now.
    pub stale: u64,
    /// Days that rows are under and that are not loaded to their end, though no row of them is too young, as far as no look
    /// has said it.
    pub not_loaded: BTreeSet<NaiveDate>,
    /// The number of the table's rows that could not be followed.
    pub unfollowed: u64,
    /// Whether rows are to be counted by a look after the comparison.
    pub is_overdue: bool,
}

/// The context of looking for the rows on their way.
pub struct Look<'a> {
    /// The table, and how its source is asked.
    pub accounting: Accounting<'a>,
    /// The right to write it.
    pub lease: &'a Lease,
    /// Whether it is the first look of a run, before the windows are compared.
    pub is_first: bool,
    /// Whether all windows but those that are left are compared with the source before each later look.
    pub compares: bool,
    /// The windows that the run leaves alone.
    pub left: &'a BTreeSet<Window>,
    /// The source's clock.
    pub now: NaiveDateTime,
    /// The time before which rows are read.
    pub read_cutoff: NaiveDateTime,
}

impl Look<'_> {
    /// Looks for the rows, and makes the chunks stale that bring them.
    ///
    /// # Errors
    /// `Busy` if the lease was lost; those of the sessions.
    pub async fn look(&self, session: &mut Session) -> Result<Shown> {
        let plan = self.accounting.plan;
        let mut shown = Shown::default();
        if plan.is_full() {
            return Ok(shown);
        }
        let names = plan.traced_names();
        let left = receipt::left(session, &plan.target, &names).await?;
        shown.unfollowed = left.unfollowed;
        let before = left.on_their_way;
        if before.is_empty() && left.by_others == 0 {
            return Ok(shown);
        }
        let columns = plan.traced().unwrap_or_default();
        let (mut rows, mut unfollowed) = self.present(session, columns, &before).await?;
        let days: BTreeSet<Option<NaiveDate>> = rows.values().copied().collect();
        let chunks = chunks_near(session, plan, self.lease, &days).await?;
        let mut holding = BTreeMap::new();
        for day in days {
            holding.insert(day, self.holding(&chunks, day)?);
        }
        let mut stale = BTreeSet::new();
        for (key, day) in rows.clone() {
            let holding = &holding[&day];
            let is_news = before.get(&key) != Some(&day);
            if is_news {
                stale.extend(holding.iter().map(|(window, chunk)| (*window, chunk.ordinal)));
            } else if self.has_all_of(holding, day)? {
                // These chunks were stale as the day was recorded, and were loaded since.
                if self.is_first {
                    shown.is_overdue = true;
                } else {
                    unfollowed += 1;
                    rows.remove(&key);
                }
            }
            if (is_news || self.is_first) && !self.may_be_young(day) && !self.go_behind(holding, day)? {
                shown.not_loaded.extend(day);
            }
        }
        if unfollowed + left.by_others == 0 && rows == before {
            return Ok(shown);
        }
        session.begin().await?;
        lease::fence(session, self.lease).await?;
        for (window, ordinal) in stale {
            shown.stale += receipt::mark_stale(session, self.lease, window, ordinal).await?;
        }
        let put = |present: &mut OnTheirWay| {
            *present = rows;
            unfollowed
        };
        shown.unfollowed = receipt::renew_left(session, &plan.target, &names, put).await?;
        failpoint::step("on their way: before COMMIT");
        session.commit().await?;
        failpoint::step("on their way: after COMMIT");
        Ok(shown)
    }

    /// Whether verified chunks surely have all rows of a day, which are old enough.
    fn has_all_of(&self, holding: &[&(Window, Chunk)], day: Option<NaiveDate>) -> Result<bool> {
        let is_compared = self.accounting.plan.key.date_first || self.compares;
        let are_proven = holding
            .iter()
            .all(|(window, chunk)| chunk.state == ChunkState::Verified && !self.left.contains(window));
        let is_old = self
            .near(day)
            .is_none_or(|days| *days.end() < self.read_cutoff.date());
        Ok(is_compared && are_proven && is_old && self.go_behind(holding, day)?)
    }

    /// Whether the chunks that may hold rows of a day go on behind each day on which these may be found.
    fn go_behind(&self, holding: &[&(Window, Chunk)], day: Option<NaiveDate>) -> Result<bool> {
        let is_last = |chunk: &Chunk| chunk.range.through.is_none();
        let Some(days) = self.near(day) else {
            return Ok(holding
                .iter()
                .any(|(window, chunk)| *window == Window::Undated && is_last(chunk)));
        };
        for day in days_of(days) {
            let mut goes_on = false;
            for (_, chunk) in holding.iter().filter(|(window, _)| window.has(day)) {
                let through = chunk.range.through.as_ref();
                let through = instant_of(through.filter(|_| self.accounting.plan.key.date_first))?;
                goes_on |= is_last(chunk) || through.is_some_and(|through| through.date() > day);
            }
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether rows of a day that has come may be too young to be read.
    fn may_be_young(&self, day: Option<NaiveDate>) -> bool {
        self.near(day)
            .is_some_and(|days| *days.end() >= self.read_cutoff.date() && *days.start() <= self.now.date())
    }

    /// The days on which rows of a day may be found.
    fn near(&self, day: Option<NaiveDate>) -> Option<RangeInclusive<NaiveDate>> {
        day.zip(self.accounting.plan.date())
            .map(|(day, date)| near(day, date.data_type))
    }

    /// The present days of those rows that the target lacks and the source has, and the number of those that nobody can
    /// tell.
    async fn present(
        &self,
        session: &mut Session,
        columns: &[usize],
        rows: &OnTheirWay,
    ) -> Result<(OnTheirWay, u64)> {
        let (mut present, mut unfollowed) = (OnTheirWay::new(), 0);
        let all: Vec<&Vec<u8>> = rows.keys().collect();
        for keys in all.chunks(KEYS_AT_ONCE) {
            let are_there = self.are_there(session, columns, keys).await?;
            let missing = keys.iter().zip(are_there).filter(|(_, is_there)| !is_there);
            let missing: Vec<Vec<u8>> = missing.map(|(key, _)| (*key).clone()).collect();
            if missing.is_empty() {
                continue;
            }
            let ask = Ask::Whole {
                rows: missing.len() as u64,
            };
            let days = self.accounting.days(ask, columns, &missing).await?;
            for (key, days) in missing.into_iter().zip(days) {
                match days.as_slice() {
                    [] => {}
                    [day] => {
                        present.insert(key, *day);
                    }
                    _ => unfollowed += 1,
                }
            }
        }
        Ok((present, unfollowed))
    }

    /// Those of the chunks that may hold rows of a day.
    fn holding<'c>(
        &self,
        chunks: &'c [(Window, Chunk)],
        day: Option<NaiveDate>,
    ) -> Result<Vec<&'c (Window, Chunk)>> {
        let mut holding = Vec::new();
        for of in chunks {
            let (window, chunk) = of;
            if holds_day(self.accounting.plan, *window, &chunk.range, day)? {
                holding.push(of);
            }
        }
        Ok(holding)
    }

    /// For each of the keys, at most [`KEYS_AT_ONCE`], whether the target has a row of it.
    async fn are_there(
        &self,
        session: &mut Session,
        columns: &[usize],
        keys: &[&Vec<u8>],
    ) -> Result<Vec<bool>> {
        let target = self.accounting.target;
        let mut params = Vec::new();
        let mut rows = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let mut row = format!("SELECT {number} AS [number]");
            for (column, (position, value)) in columns.iter().zip(Values::new(key).collect()?).enumerate() {
                let value = compared(&mut params, &target.columns[*position], value);
                row.push_str(&format!(", {value} AS [k{column}]"));
            }
            rows.push(row);
        }
        let sql = format!(
            "SELECT v.[number] FROM ({}) AS v WHERE EXISTS (SELECT 1 FROM {} AS t WHERE {})",
            rows.join(" UNION ALL "),
            target.quoted,
            target.same_values(columns)
        );
        let mut there = vec![false; keys.len()];
        session
            .stream(&sql, &params, |row| {
                *numbered(&mut there, row.value(0)?)? = true;
                Ok(Flow::Continue)
            })
            .await?;
        Ok(there)
    }
}
