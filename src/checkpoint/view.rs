//! Reads of the store, from one consistent view of it.

use std::path::Path;

use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableError};

use crate::base::error::Result;
use crate::checkpoint::codec;
use crate::checkpoint::layout::*;
use crate::checkpoint::record::*;
use crate::checkpoint::v1;
use crate::model::account::Account;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::pace::{Decision, Hold};
use crate::model::row::Tally;
use crate::model::stages::{ChunkTiming, StageTimes};
use crate::model::window::Window;

/// One consistent view of a store.
pub struct View<'a> {
    pub(super) transaction: ReadTransaction,
    pub(super) path: &'a Path,
}

impl<'a> View<'a> {
    pub(super) fn new(database: &impl ReadableDatabase, path: &'a Path) -> Result<Self> {
        let transaction = database.begin_read().map_err(|error| damaged(path, error))?;
        Ok(View { transaction, path })
    }

    /// All tables, by name.
    ///
    /// # Errors
    /// `State` if a record is damaged. So for every read below.
    pub fn tables(&self) -> Result<Vec<TableRecord>> {
        self.scan::<v1::Table, TableRecord>(TABLES, &[])
    }

    /// The table of this name in the configuration; `None` without a record.
    pub fn table(&self, name: &str) -> Result<Option<TableRecord>> {
        Ok(self
            .get::<v1::Table>(TABLES, &codec::table_key(name))?
            .map(Into::into))
    }

    /// A table's windows, by date.
    pub fn windows(&self, table: &str) -> Result<Vec<WindowRecord>> {
        self.scan::<v1::Window, WindowRecord>(WINDOWS, &codec::prefix(table))
    }

    /// A window's chunks, by ordinal.
    pub fn chunks(&self, table: &str, window: Window) -> Result<Vec<Chunk>> {
        self.scan::<v1::Chunk, Chunk>(CHUNKS, &codec::window_key(table, window))
    }

    /// Rows, bytes and digest of a window's verified chunks, added up. One chunk at a time is in memory.
    pub fn tally(&self, table: &str, window: Window) -> Result<Tally> {
        let mut sum = Tally::default();
        let Some(chunks) = self.open(CHUNKS)? else {
            return Ok(sum);
        };
        let (first, last) = (
            codec::chunk_key(table, window, 0),
            codec::chunk_key(table, window, u32::MAX),
        );
        let range = chunks.range(first.as_slice()..=last.as_slice());
        for entry in range.map_err(|error| damaged(self.path, error))? {
            let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
            let chunk: Chunk = codec::decode::<v1::Chunk>(self.path, key.value(), value.value())?.into();
            if chunk.state == ChunkState::Verified {
                sum.add(chunk.tally);
            }
        }
        Ok(sum)
    }

    /// The counts of a window's chunks, without a read of the chunks.
    pub fn counts(&self, table: &str, window: Window) -> Result<Counts> {
        let counts = self.get::<v1::Counts>(COUNTS, &codec::window_key(table, window))?;
        Ok(counts.map(Into::into).unwrap_or_default())
    }

    /// The sum of the load marks of a window's verified chunks.
    pub fn marks(&self, table: &str, window: Window) -> Result<i64> {
        let key = codec::window_key(table, window);
        let sum = self.get::<v1::Marks>(MARKS, &key)?;
        Ok(sum.map_or(0, |sum| sum.sum))
    }

    /// A window's last chunk.
    pub fn last_chunk(&self, table: &str, window: Window) -> Result<Option<Chunk>> {
        let Some(chunks) = self.open(CHUNKS)? else {
            return Ok(None);
        };
        let (first, last) = (
            codec::chunk_key(table, window, 0),
            codec::chunk_key(table, window, u32::MAX),
        );
        let range = chunks.range(first.as_slice()..=last.as_slice());
        match range.map_err(|error| damaged(self.path, error))?.next_back() {
            Some(entry) => {
                let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
                Ok(Some(
                    codec::decode::<v1::Chunk>(self.path, key.value(), value.value())?.into(),
                ))
            }
            None => Ok(None),
        }
    }

    /// The time at which a window was last found equal at both ends, and the receipts that this rests on.
    pub fn found_equal(&self, table: &str, window: Window) -> Result<Option<FoundEqual>> {
        let found = self.get::<v1::FoundEqual>(FOUND_EQUAL, &codec::window_key(table, window))?;
        Ok(found.map(Into::into))
    }

    /// The number of rows that left a table's target and could not be followed.
    pub fn unfollowed(&self, table: &str) -> Result<u64> {
        let unfollowed = self.get::<v1::Unfollowed>(UNFOLLOWED, &codec::table_key(table))?;
        Ok(unfollowed.map_or(0, |unfollowed| unfollowed.rows))
    }

    /// The last moments at which the store agreed with all receipts of a table, one for each identity that it has had.
    pub fn in_step(&self, table: &str) -> Result<Vec<InStep>> {
        let moments = self.scan::<v1::InStep, v1::InStep>(META, &codec::in_step_prefix(table))?;
        Ok(moments
            .into_iter()
            .map(|at| InStep {
                epoch: at.epoch,
                object_id: at.object_id,
                created: at.created,
            })
            .collect())
    }

    /// The passes that are kept, by their start.
    pub fn passes(&self) -> Result<Vec<Pass>> {
        let mut passes = self.scan::<v1::ScopedPass, Pass>(PASSES, &[])?;
        for pass in &mut passes {
            let repaired = self.get::<v1::Repaired>(META, &codec::repaired_key(pass.id))?;
            pass.repaired = repaired.map_or(0, |repaired| repaired.count);
        }
        passes.extend(self.get::<v1::Pass>(META, PASS_KEY)?.map(Pass::from));
        passes.sort_by_key(|pass| pass.started_at);
        Ok(passes)
    }

    /// The differences that a pass left.
    pub fn differing(&self, pass: u128) -> Result<Vec<Differing>> {
        self.scan::<v1::Differing, Differing>(META, &codec::of_pass_key(DIFFERING, pass))
    }

    /// The tables that the last run was asked for; `None` in a store of an earlier program.
    pub fn asked(&self) -> Result<Option<Asked>> {
        Ok(self.get::<v1::Asked>(META, ASKED_KEY)?.map(Into::into))
    }

    /// The number of rows that a table will have as a whole, by the server's estimate.
    pub fn expected(&self, table: &str) -> Result<Option<u64>> {
        let expected = self.get::<v1::Expected>(META, &codec::about_key(EXPECTED, table))?;
        Ok(expected.map(|expected| expected.rows))
    }

    /// The tables that the last run that came to them could not finish, by name.
    pub fn refused(&self) -> Result<Vec<Refusal>> {
        self.scan::<v1::Refusal, Refusal>(META, REFUSED)
    }

    /// The months that were forgotten and not loaded since, by table and date.
    pub fn forgotten(&self) -> Result<Vec<ForgottenMonth>> {
        self.scan::<v1::ForgottenMonth, ForgottenMonth>(META, FORGOTTEN)
    }

    /// A chunk of a window.
    pub fn chunk(&self, table: &str, window: Window, ordinal: u32) -> Result<Option<Chunk>> {
        let chunk = self.get::<v1::Chunk>(CHUNKS, &codec::chunk_key(table, window, ordinal))?;
        Ok(chunk.map(Into::into))
    }

    /// Whether the pass found this load of a chunk to be the same.
    pub fn is_checked(
        &self,
        table: &str,
        window: Window,
        ordinal: u32,
        pass: u128,
        load_id: u128,
    ) -> Result<bool> {
        let own = codec::checked_key(table, window, ordinal, pass);
        // The first stores of this format keep one mark a chunk, of whatever pass came last.
        for key in [own, codec::chunk_key(table, window, ordinal)] {
            let checked = self.get::<v1::Checked>(CHECKED, &key)?;
            if checked.is_some_and(|checked| (checked.pass, checked.load_id) == (pass, load_id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The tombstones of tables and months that are still to be forgotten.
    pub fn tombstones(&self) -> Result<Vec<Tombstone>> {
        let mut tombstones = self.scan::<v1::Tombstone, Tombstone>(TOMBSTONES, &[])?;
        for tombstone in &mut tombstones {
            let key = codec::forgetting_in_key(tombstone);
            tombstone.database = self.get::<v1::ForgettingIn>(META, &key)?.map(Into::into);
        }
        Ok(tombstones)
    }

    /// The last process that opened the store for writing.
    pub fn writer(&self) -> Result<Option<u32>> {
        Ok(self.get::<v1::Writer>(META, WRITER_KEY)?.map(|writer| writer.pid))
    }

    /// What identifies the end that the last run worked with; `None` if none has.
    pub fn reached(&self, end: End) -> Result<Option<[u8; 32]>> {
        let reached = self.get::<v1::Reached>(REACHED, end.key())?;
        Ok(reached.map(|reached| reached.fingerprint))
    }

    /// The addresses of source and target that a run of an earlier program has worked with, which kept no more of them.
    pub fn reached_addresses(&self) -> Result<Option<(String, String)>> {
        let reached = self.get::<v1::ReachedAddresses>(META, REACHED_KEY)?;
        Ok(reached.map(|reached| (reached.source, reached.target)))
    }

    /// How fast the last run loaded that loaded much; `None` without one.
    pub fn load_rate(&self) -> Result<Option<LoadRate>> {
        let rate = self.get::<v1::LoadRate>(META, LOAD_RATE_KEY)?;
        Ok(rate.map(Into::into))
    }

    /// The server that a run waits for; `None` without one.
    pub fn waiting(&self) -> Result<Option<Waiting>> {
        Ok(self.get::<v1::Waiting>(META, WAITING_KEY)?.map(Into::into))
    }

    /// What all reads of the source wait for, as its writer left it; `None` if for nothing.
    pub fn held(&self) -> Result<Option<Hold>> {
        Ok(self.get::<v1::Hold>(META, HELD_KEY)?.map(Into::into))
    }

    /// The last decisions of the governor, in their order.
    pub fn decisions(&self) -> Result<Vec<Decision>> {
        self.scan::<v1::Decision, Decision>(META, DECIDED)
    }

    /// The run that began last.
    pub fn last_run(&self) -> Result<Option<RunRecord>> {
        Ok(self.last_runs(1)?.pop())
    }

    /// The last runs, at most `count`, the latest first.
    pub fn last_runs(&self, count: usize) -> Result<Vec<RunRecord>> {
        let Some(runs) = self.open(RUNS)? else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        let all = runs.iter().map_err(|error| damaged(self.path, error))?;
        for entry in all.rev().take(count) {
            let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
            records.push(codec::decode::<v1::Run>(self.path, key.value(), value.value())?.into());
        }
        Ok(records)
    }

    /// The run that began last of those that `is` says so of.
    pub fn last_run_that(&self, is: impl Fn(&RunRecord) -> bool) -> Result<Option<RunRecord>> {
        let Some(runs) = self.open(RUNS)? else {
            return Ok(None);
        };
        for entry in runs.iter().map_err(|error| damaged(self.path, error))?.rev() {
            let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
            let run = codec::decode::<v1::Run>(self.path, key.value(), value.value())?.into();
            if is(&run) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// What a run asked of its source, a table; none for a run of an earlier program, and for one before the last hundred.
    pub fn accounts(&self, run_id: u128) -> Result<Vec<Account>> {
        self.scan::<v1::Account, Account>(ACCOUNTS, &codec::accounts_prefix(run_id))
    }

    /// What all runs asked of the source, a table: a sum that only grows.
    pub fn account_sums(&self) -> Result<Vec<Account>> {
        let mut sums = std::collections::BTreeMap::<String, Account>::new();
        let kept = self.scan::<v1::Account, Account>(ACCOUNTS, &[])?;
        for account in self
            .scan::<v1::Account, Account>(DROPPED_ACCOUNTS, &[])?
            .into_iter()
            .chain(kept)
        {
            let table = account.table.clone();
            let sum = sums.entry(table.clone()).or_default();
            *sum = Account {
                table,
                ..Account::total([&*sum, &account])
            };
        }
        Ok(sums.into_values().collect())
    }

    /// The commits of a window's chunks, with their ordinals; none of chunks that an earlier program loaded.
    pub fn timings(&self, table: &str, window: Window) -> Result<Vec<(u32, ChunkTiming)>> {
        let prefix = codec::window_key(table, window);
        let ordinal = |key: &[u8]| codec::ordinal_of(key).unwrap_or_default();
        self.scan_keyed::<v1::ChunkTiming, _>(TIMINGS, &prefix, |key, timing| (ordinal(key), timing.into()))
    }

    /// The times of a stage over all chunks.
    pub fn stage_times(&self, stage: &str) -> Result<StageTimes> {
        let times = self.get::<v1::StageTimes>(META, &codec::about_key(STAGE_TIMES, stage))?;
        Ok(times.map(Into::into).unwrap_or_default())
    }

    /// The differences that were found in a table, by runs and comparisons.
    pub fn mismatches(&self, table: &str) -> Result<u64> {
        let found = self.get::<v1::Mismatches>(META, &codec::about_key(MISMATCHES, table))?;
        Ok(found.map_or(0, |found| found.count))
    }

    /// A table of the store; `None` if the store is older than that table.
    fn open(&self, definition: Bytes) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        match self.transaction.open_table(definition) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(name)) if LATER.contains(&name.as_str()) => Ok(None),
            Err(error) => Err(damaged(self.path, error)),
        }
    }

    fn get<S: serde::de::DeserializeOwned>(&self, definition: Bytes, key: &[u8]) -> Result<Option<S>> {
        let Some(table) = self.open(definition)? else {
            return Ok(None);
        };
        let found = table.get(key).map_err(|error| damaged(self.path, error))?;
        found
            .map(|value| codec::decode::<S>(self.path, key, value.value()))
            .transpose()
    }

    fn scan<S, T>(&self, definition: Bytes, prefix: &[u8]) -> Result<Vec<T>>
    where
        S: serde::de::DeserializeOwned,
        T: From<S>,
    {
        self.scan_keyed::<S, T>(definition, prefix, |_, stored| stored.into())
    }

    fn scan_keyed<S, T>(&self, definition: Bytes, prefix: &[u8], of: impl Fn(&[u8], S) -> T) -> Result<Vec<T>>
    where
        S: serde::de::DeserializeOwned,
    {
        let mut records = Vec::new();
        let Some(table) = self.open(definition)? else {
            return Ok(records);
        };
        for entry in table.range(prefix..).map_err(|error| damaged(self.path, error))? {
            let (key, value) = entry.map_err(|error| damaged(self.path, error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            let stored = codec::decode::<S>(self.path, key.value(), value.value())?;
            records.push(of(key.value(), stored));
        }
        Ok(records)
    }
}
