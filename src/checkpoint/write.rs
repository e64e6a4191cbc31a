//! The tables of a store, open for writing in one transaction, and the application of changes to them.

use std::path::Path;

use chrono::Datelike;
use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::layout::*;
use super::record::*;
use super::{codec, v1};
use crate::base::error::Error;
use crate::model::account::Account;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::pace::Decision;
use crate::model::stages::{StageTimes, Stages};
use crate::model::window::{DateRange, Window, missing};

/// The cause of a failed write: an error of the program, or one of redb.
pub(super) enum Fault {
    Ours(Error),
    Redb(redb::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Ours(error)
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        Fault::Redb(error)
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        Fault::Redb(error.into())
    }
}

impl From<redb::TableError> for Fault {
    fn from(error: redb::TableError) -> Self {
        Fault::Redb(error.into())
    }
}

type Result<T, E = Fault> = std::result::Result<T, E>;
type Open<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The runs whose accounts are kept: three months of nightly runs, some hundred bytes a table and run.
const ACCOUNTED_RUNS_MAX: usize = 100;

pub(super) struct Tables<'t> {
    path: &'t Path,
    meta: Open<'t>,
    tables: Open<'t>,
    windows: Open<'t>,
    counts: Open<'t>,
    marks: Open<'t>,
    chunks: Open<'t>,
    runs: Open<'t>,
    tombstones: Open<'t>,
    found_equal: Open<'t>,
    unfollowed: Open<'t>,
    checked: Open<'t>,
    passes: Open<'t>,
    reached: Open<'t>,
    accounts: Open<'t>,
    timings: Open<'t>,
    dropped_accounts: Open<'t>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, path: &'t Path) -> Result<Self> {
        Ok(Tables {
            path,
            meta: transaction.open_table(META)?,
            tables: transaction.open_table(TABLES)?,
            windows: transaction.open_table(WINDOWS)?,
            counts: transaction.open_table(COUNTS)?,
            marks: transaction.open_table(MARKS)?,
            chunks: transaction.open_table(CHUNKS)?,
            runs: transaction.open_table(RUNS)?,
            tombstones: transaction.open_table(TOMBSTONES)?,
            found_equal: transaction.open_table(FOUND_EQUAL)?,
            unfollowed: transaction.open_table(UNFOLLOWED)?,
            checked: transaction.open_table(CHECKED)?,
            passes: transaction.open_table(PASSES)?,
            reached: transaction.open_table(REACHED)?,
            accounts: transaction.open_table(ACCOUNTS)?,
            timings: transaction.open_table(TIMINGS)?,
            dropped_accounts: transaction.open_table(DROPPED_ACCOUNTS)?,
        })
    }

    /// Records the process that writes the store. What a killed one waited for, nobody waits for.
    pub(super) fn sign(&mut self, writer: &v1::Writer) -> Result<()> {
        self.release()?;
        put(&mut self.meta, WRITER_KEY, writer)
    }

    fn release(&mut self) -> Result<()> {
        self.meta.remove(HELD_KEY)?;
        Ok(())
    }

    /// Keeps a decision, and as many of those before it as are kept.
    fn decide(&mut self, decision: &Decision) -> Result<()> {
        let all = codec::decided_key(0)..=codec::decided_key(u64::MAX);
        let last = match self
            .meta
            .range(all.start().as_slice()..=all.end().as_slice())?
            .next_back()
        {
            Some(entry) => codec::number_of_decision(entry?.0.value()),
            None => None,
        };
        let number = last.map_or(0, |last| last.saturating_add(1));
        put(
            &mut self.meta,
            &codec::decided_key(number),
            &v1::Decision::from(decision),
        )?;
        if let Some(old) = number.checked_sub(DECISIONS_MAX) {
            self.meta.remove(codec::decided_key(old).as_slice())?;
        }
        Ok(())
    }

    /// Sums up the marks of all chunks, in a store that is older than the marks.
    pub(super) fn mark_all(&mut self) -> Result<()> {
        if !self.marks.is_empty()? || self.chunks.is_empty()? {
            return Ok(());
        }
        let mut sums = std::collections::BTreeMap::<Vec<u8>, i64>::new();
        for entry in self.chunks.iter()? {
            let (key, value) = entry?;
            let chunk: Chunk = codec::decode::<v1::Chunk>(self.path, key.value(), value.value())?.into();
            let sum = sums.entry(codec::window_of(key.value()).to_vec()).or_default();
            *sum = sum.wrapping_add(share(&chunk));
        }
        for (key, sum) in sums {
            put(&mut self.marks, &key, &v1::Marks { sum })?;
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Table(record) => {
                let key = codec::table_key(&record.name);
                put(&mut self.tables, &key, &v1::Table::from(record))
            }
            Change::Window { table, record } => {
                let key = codec::window_key(table, record.window);
                put(&mut self.windows, &key, &v1::Window::from(record))?;
                self.drop_forgotten(table, record.window)
            }
            Change::Chunk { table, window, chunk } => {
                self.count(table, *window, chunk.ordinal, Some(chunk))?;
                let key = codec::chunk_key(table, *window, chunk.ordinal);
                put(&mut self.chunks, &key, &v1::Chunk::from(chunk))
            }
            Change::RemoveChunk {
                table,
                window,
                ordinal,
            } => {
                self.count(table, *window, *ordinal, None)?;
                let key = codec::chunk_key(table, *window, *ordinal);
                self.chunks.remove(key.as_slice())?;
                self.timings.remove(key.as_slice())?;
                Ok(())
            }
            Change::RemoveWindow { table, window } => {
                let prefix = codec::window_key(table, *window);
                self.remove_keys(&prefix, |_| true)
            }
            Change::FoundEqual { table, window, found } => put(
                &mut self.found_equal,
                &codec::window_key(table, *window),
                &v1::FoundEqual::from(found),
            ),
            Change::Unfollowed { table, rows } => {
                let key = codec::table_key(table);
                put(&mut self.unfollowed, &key, &v1::Unfollowed { rows: *rows })
            }
            Change::InStep { table, at } => {
                let InStep {
                    epoch,
                    object_id,
                    created,
                } = at.clone();
                let at = v1::InStep {
                    epoch,
                    object_id,
                    created,
                };
                let key = codec::in_step_key(table, at.object_id, &at.created);
                put(&mut self.meta, &key, &at)
            }
            Change::Pass(pass) => {
                // A pass of an earlier program is kept in one place only.
                self.meta.remove(PASS_KEY)?;
                let key = codec::pass_key(pass.id);
                put(&mut self.passes, &key, &v1::ScopedPass::from(pass))?;
                let count = pass.repaired;
                put(
                    &mut self.meta,
                    &codec::repaired_key(pass.id),
                    &v1::Repaired { count },
                )?;
                match pass.ended_at {
                    Some(_) => self.forget_checked(pass.id),
                    None => Ok(()),
                }
            }
            Change::RemovePass(id) => {
                self.passes.remove(codec::pass_key(*id).as_slice())?;
                self.meta.remove(codec::repaired_key(*id).as_slice())?;
                self.remove_meta(&codec::of_pass_key(DIFFERING, *id))?;
                self.forget_checked(*id)
            }
            Change::Differing { pass, all } => {
                let prefix = codec::of_pass_key(DIFFERING, *pass);
                self.remove_meta(&prefix)?;
                for differing in all {
                    let mut key = prefix.clone();
                    key.extend(codec::window_key(&differing.table, differing.window));
                    key.extend(differing.ordinal.map(u32::to_be_bytes).into_iter().flatten());
                    put(&mut self.meta, &key, &v1::Differing::from(differing))?;
                }
                Ok(())
            }
            Change::Checked {
                table,
                window,
                ordinal,
                pass,
                load_id,
            } => {
                let (pass, load_id) = (*pass, *load_id);
                let key = codec::checked_key(table, *window, *ordinal, pass);
                put(&mut self.checked, &key, &v1::Checked { pass, load_id })
            }
            Change::Unchecked { table } => {
                let prefix = codec::prefix(table);
                self.checked.retain(|key, _| !key.starts_with(&prefix))?;
                Ok(())
            }
            Change::Run(record) => {
                put(&mut self.runs, &codec::run_key(record), &v1::Run::from(record))?;
                match record.ended_at {
                    None => self.drop_accounts(),
                    Some(_) => Ok(()),
                }
            }
            Change::Account {
                run_id,
                number,
                account,
            } => {
                let key = codec::account_key(*run_id, *number);
                let before = self.get::<v1::Account>(&self.accounts, &key)?;
                // Of two windows, the one that looked first may commit last, and a sum must never shrink.
                match before
                    .map(Account::from)
                    .is_some_and(|before| before.is_after(account))
                {
                    true => Ok(()),
                    false => put(&mut self.accounts, &key, &v1::Account::from(account)),
                }
            }
            Change::Timing {
                table,
                window,
                ordinal,
                timing,
            } => {
                self.add_times(&timing.stages)?;
                let key = codec::chunk_key(table, *window, *ordinal);
                put(&mut self.timings, &key, &v1::ChunkTiming::from(timing))
            }
            Change::Mismatched { table } => {
                let key = codec::about_key(MISMATCHES, table);
                let before = self.get::<v1::Mismatches>(&self.meta, &key)?;
                let count = before.map_or(0, |before| before.count).saturating_add(1);
                put(&mut self.meta, &key, &v1::Mismatches { count })
            }
            Change::LoadRate(rate) => put(&mut self.meta, LOAD_RATE_KEY, &v1::LoadRate::from(rate)),
            Change::Asked(asked) => put(&mut self.meta, ASKED_KEY, &v1::Asked::from(asked)),
            Change::Expected { table, rows } => {
                let key = codec::about_key(EXPECTED, table);
                match *rows {
                    Some(rows) => put(&mut self.meta, &key, &v1::Expected { rows }),
                    None => self.remove_meta(&key),
                }
            }
            Change::Refused(refusal) => {
                let key = codec::about_key(REFUSED, &refusal.table);
                put(&mut self.meta, &key, &v1::Refusal::from(refusal))
            }
            Change::Accepted { table, range } => self.accept(table, *range),
            Change::ForgottenMonth(forgotten) => {
                let key = codec::month_key(FORGOTTEN, &forgotten.table, forgotten.month);
                put(&mut self.meta, &key, &v1::ForgottenMonth::from(forgotten))
            }
            Change::Reached { end, fingerprint } => {
                let fingerprint = *fingerprint;
                put(&mut self.reached, end.key(), &v1::Reached { fingerprint })
            }
            Change::Waiting(Some(waiting)) => put(&mut self.meta, WAITING_KEY, &v1::Waiting::from(waiting)),
            Change::Waiting(None) => {
                self.meta.remove(WAITING_KEY)?;
                Ok(())
            }
            Change::Held(Some(hold)) => put(&mut self.meta, HELD_KEY, &v1::Hold::from(hold)),
            Change::Held(None) => self.release(),
            Change::Decided(decision) => self.decide(decision),
            Change::Forget(tombstone) => self.begin_to_forget(tombstone),
            Change::Forgotten(tombstone) => self.forget(tombstone),
        }
    }

    /// Removes the accounts of all but the last runs, and adds them to the sums of their tables.
    fn drop_accounts(&mut self) -> Result<()> {
        let mut kept = Vec::new();
        for entry in self.runs.iter()?.rev().take(ACCOUNTED_RUNS_MAX) {
            let (key, value) = entry?;
            let run: RunRecord = codec::decode::<v1::Run>(self.path, key.value(), value.value())?.into();
            kept.push(codec::accounts_prefix(run.run_id));
        }
        let is_kept = |key: &[u8]| kept.iter().any(|run| key.starts_with(run));
        let mut dropped = Vec::new();
        for entry in self.accounts.iter()? {
            let (key, value) = entry?;
            if !is_kept(key.value()) {
                dropped.push(Account::from(codec::decode::<v1::Account>(
                    self.path,
                    key.value(),
                    value.value(),
                )?));
            }
        }
        for account in dropped {
            let key = codec::table_key(&account.table);
            let before = self
                .get::<v1::Account>(&self.dropped_accounts, &key)?
                .map(Account::from);
            let sum = Account {
                table: account.table.clone(),
                ..Account::total(before.iter().chain([&account]))
            };
            put(&mut self.dropped_accounts, &key, &v1::Account::from(&sum))?;
        }
        self.accounts.retain(|key, _| is_kept(key))?;
        Ok(())
    }

    /// Adds the stages of a chunk to the times of all chunks.
    fn add_times(&mut self, stages: &Stages) -> Result<()> {
        for (name, time) in stages.named() {
            let key = codec::about_key(STAGE_TIMES, name);
            let stored = self.get::<v1::StageTimes>(&self.meta, &key)?;
            let mut times = stored.map(StageTimes::from).unwrap_or_default();
            times.add(time);
            put(&mut self.meta, &key, &v1::StageTimes::from(&times))?;
        }
        Ok(())
    }

    /// Removes the marks of a pass that nobody resumes.
    fn forget_checked(&mut self, pass: u128) -> Result<()> {
        let pass = codec::pass_key(pass);
        self.checked.retain(|key, _| !key.ends_with(&pass))?;
        Ok(())
    }

    /// Keeps a window's counts and marks in step with its chunks: subtracts the old chunk and adds the new one.
    fn count(&mut self, table: &str, window: Window, ordinal: u32, new: Option<&Chunk>) -> Result<()> {
        let old = self.get::<v1::Chunk>(&self.chunks, &codec::chunk_key(table, window, ordinal))?;
        let key = codec::window_key(table, window);
        let counts = self.get::<v1::Counts>(&self.counts, &key)?;
        let mut counts: Counts = counts.map(Into::into).unwrap_or_default();
        let marks = self.get::<v1::Marks>(&self.marks, &key)?;
        let mut sum = marks.map_or(0, |marks| marks.sum);
        if let Some(old) = old.map(Chunk::from) {
            counts.remove(&old);
            sum = sum.wrapping_sub(share(&old));
        }
        if let Some(new) = new {
            counts.add(new);
            sum = sum.wrapping_add(share(new));
        }
        put(&mut self.counts, &key, &v1::Counts::from(&counts))?;
        put(&mut self.marks, &key, &v1::Marks { sum })
    }

    fn begin_to_forget(&mut self, tombstone: &Tombstone) -> Result<()> {
        let (key, place) = (
            codec::tombstone_key(tombstone),
            codec::forgetting_in_key(tombstone),
        );
        put(&mut self.tombstones, &key, &v1::Tombstone::from(tombstone))?;
        match &tombstone.database {
            Some(database) => put(&mut self.meta, &place, &v1::ForgettingIn::from(database)),
            None => self.meta.remove(place.as_slice()).map(drop).map_err(Into::into),
        }
    }

    fn forget(&mut self, tombstone: &Tombstone) -> Result<()> {
        let prefix = codec::prefix(&tombstone.table);
        self.keep_forgotten(tombstone)?;
        self.remove_keys(&prefix, |key| {
            tombstone
                .days()
                .is_none_or(|(first, end)| codec::starts_within(key, &prefix, first, end))
        })?;
        if tombstone.month.is_none() {
            let key = codec::table_key(&tombstone.table);
            self.tables.remove(key.as_slice())?;
            self.unfollowed.remove(key.as_slice())?;
            for about in [REFUSED, EXPECTED] {
                self.remove_meta(&codec::about_key(about, &tombstone.table))?;
            }
        }
        self.meta.remove(codec::forgetting_in_key(tombstone).as_slice())?;
        self.tombstones
            .remove(codec::tombstone_key(tombstone).as_slice())?;
        Ok(())
    }

    /// Records the months that a tombstone takes, so that they are told from those that nobody has loaded.
    fn keep_forgotten(&mut self, tombstone: &Tombstone) -> Result<()> {
        let table = &tombstone.table;
        let windows = self.windows_of(table)?.into_iter();
        let windows = windows.filter(|window| tombstone.covers(*window));
        let mut months: std::collections::BTreeSet<_> = windows.filter_map(month_of).collect();
        // The store may not know what the target has receipts of.
        months.extend(tombstone.month);
        for month in months {
            let forgotten = ForgottenMonth {
                table: table.clone(),
                month,
            };
            let key = codec::month_key(FORGOTTEN, table, month);
            put(&mut self.meta, &key, &v1::ForgottenMonth::from(&forgotten))?;
        }
        Ok(())
    }

    /// Removes the record of a forgotten month once windows cover all of it.
    fn drop_forgotten(&mut self, table: &str, window: Window) -> Result<()> {
        let Some(month) = month_of(window) else {
            return Ok(());
        };
        let key = codec::month_key(FORGOTTEN, table, month);
        if self.meta.get(key.as_slice())?.is_none() {
            return Ok(());
        }
        let end = month.checked_add_months(chrono::Months::new(1)).unwrap_or(month);
        let windows = self.windows_of(table)?;
        if missing(DateRange { start: month, end }, &windows)?.is_empty() {
            self.meta.remove(key.as_slice())?;
        }
        Ok(())
    }

    /// The windows of a table.
    fn windows_of(&self, table: &str) -> Result<Vec<Window>> {
        let prefix = codec::prefix(table);
        let mut windows = Vec::new();
        for entry in self.windows.range(prefix.as_slice()..)? {
            let (key, value) = entry?;
            if !key.value().starts_with(&prefix) {
                break;
            }
            let record: WindowRecord =
                codec::decode::<v1::Window>(self.path, key.value(), value.value())?.into();
            windows.push(record.window);
        }
        Ok(windows)
    }

    /// Removes the refusal of a table if windows have its dates, or the run that has accepted it is asked for the rest.
    fn accept(&mut self, table: &str, range: Option<DateRange>) -> Result<()> {
        let key = codec::about_key(REFUSED, table);
        let refused = match self.meta.get(key.as_slice())? {
            None => return Ok(()),
            Some(value) => codec::decode::<v1::Refusal>(self.path, &key, value.value())?,
        };
        let refused = Refusal::from(refused);
        let dates = refused.range();
        let rest = match range {
            Some(_) => missing(dates, &self.windows_of(table)?)?,
            None => Vec::new(),
        };
        let is_asked = |rest: &Window| {
            rest.days()
                .zip(range)
                .is_none_or(|(days, range)| range.start <= days.start() && days.end() <= range.end)
        };
        if rest.iter().all(is_asked) {
            self.meta.remove(key.as_slice())?;
        }
        Ok(())
    }

    /// Removes the values in `meta` whose keys begin with `prefix`.
    fn remove_meta(&mut self, prefix: &[u8]) -> Result<()> {
        let mut keys = Vec::new();
        for entry in self.meta.range(prefix..)? {
            let (key, _) = entry?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_vec());
        }
        for key in keys {
            self.meta.remove(key.as_slice())?;
        }
        Ok(())
    }

    /// Removes the chunks, windows and sums whose keys begin with `prefix` and are `gone`.
    fn remove_keys(&mut self, prefix: &[u8], gone: impl Fn(&[u8]) -> bool) -> Result<()> {
        for table in [
            &mut self.chunks,
            &mut self.windows,
            &mut self.counts,
            &mut self.marks,
            &mut self.found_equal,
            &mut self.checked,
            &mut self.timings,
        ] {
            let mut keys = Vec::new();
            for entry in table.range(prefix..)? {
                let (key, _) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                if gone(key.value()) {
                    keys.push(key.value().to_vec());
                }
            }
            for key in keys {
                table.remove(key.as_slice())?;
            }
        }
        Ok(())
    }

    fn get<S: serde::de::DeserializeOwned>(&self, table: &Open<'t>, key: &[u8]) -> Result<Option<S>> {
        let found = table.get(key)?;
        Ok(found
            .map(|value| codec::decode::<S>(self.path, key, value.value()))
            .transpose()?)
    }
}

/// The first day of a window's month; `None` for one without dates.
fn month_of(window: Window) -> Option<chrono::NaiveDate> {
    window.days()?.start().with_day(1)
}

/// The share of a chunk in its window's sum of marks.
fn share(chunk: &Chunk) -> i64 {
    match chunk.state {
        ChunkState::Verified => mark(chunk),
        _ => 0,
    }
}

fn put(table: &mut Open<'_>, key: &[u8], record: &impl serde::Serialize) -> Result<()> {
    let value = codec::encode(key, record)?;
    table.insert(key, value.as_slice())?;
    Ok(())
}
