//! Compares a verified chunk again: the target's rows with the chunk's receipt and checkpoint and, if asked
//! for, with the source's present rows.
//!
//! Counts and digests are compared first. If they differ and the source is available, the rows of both
//! servers are compared key by key: changed, missing, and only at the target.

use std::collections::HashMap;

use crate::base::error::Result;
use crate::governor::Ask;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::plan::TablePlan;
use crate::model::row::{Digest, Tally, Values, key_of};
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::mssql::cell;
use crate::mssql::{Flow, Session};
use crate::pipeline::pool::Pools;
use crate::source::count::count;
use crate::source::extract::{Limits, Request, compare, extract};
use crate::target::load::read_back;
use crate::target::receipt::Receipt;
use crate::target::table::Target;

/// The most keys of a chunk that a finding names.
pub const KEYS_NAMED_MAX: usize = 20;

/// The chunk has no receipt. This reason and the next three apply to a chunk or a window whose rows may be
/// equal.
pub const NO_RECEIPT: &str = "the target has no receipt of it";
/// As [`NO_RECEIPT`], if the store does not know the chunks that the receipts covered.
pub const GAP: &str = "receipts are missing before it";
/// The last receipt stops at a key, although all dates of the window have passed.
pub const UNFINISHED: &str = "the window is not finished";
/// The target holds rows of the window outside the ranges of all receipts.
pub const UNCOVERED: &str = "the target has rows of it under no receipt";

/// The subject of a comparison.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The plan: the target's own if the source is not asked.
    pub plan: &'a TablePlan,
    /// The target.
    pub target: &'a Target,
    /// The window.
    pub window: Window,
    /// Its rows of which the source's are compared: all, but for those that are too young to be read.
    pub readable: Extent,
    /// The proof of the chunk.
    pub receipt: &'a Receipt,
    /// The checkpoint of the chunk in the store.
    pub checkpoint: Option<&'a Chunk>,
}

/// The difference of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rows by the receipt; if it is missing, by the checkpoint.
    pub receipt_rows: u64,
    /// Rows at the target.
    pub target_rows: u64,
    /// Rows at the source, if it was asked.
    pub source_rows: Option<u64>,
    /// The source's rows, if all of them were read.
    pub source: Option<Tally>,
    /// The reasons, as text for people.
    pub why: Vec<&'static str>,
    /// The rows that differ, if both servers were read.
    pub rows: Option<RowCounts>,
    /// Some of their keys.
    pub keys: Vec<RowKey>,
}

impl Difference {
    /// Whether only values differ, and a load of the chunk that brought `loaded` read the rows that were compared: no key
    /// came or left.
    pub fn is_of_values(&self, loaded: Tally) -> bool {
        let of_values = |rows: RowCounts| rows.missing + rows.target_only == 0;
        self.rows.is_some_and(of_values) && self.source == Some(loaded)
    }
}

/// The numbers of rows that differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows with equal keys and different values.
    pub changed: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub target_only: u64,
}

/// The key of a row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowKey {
    /// `changed`, `missing` or `target-only`.
    pub what: &'static str,
    /// Column and value of each key column.
    pub columns: Vec<(String, String)>,
}

/// The target's rows of a chunk, held against the source's.
#[derive(Default)]
struct Scan {
    found: Tally,
    counts: RowCounts,
    /// Some keys of rows that differ, each with how.
    named: Vec<(&'static str, Vec<u8>)>,
}

impl Subject<'_> {
    fn extent(&self) -> Extent {
        Extent::of_window(self.window)
    }

    /// Compares the target's rows of the chunk with its receipt and its checkpoint.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn compare_target(&self, target: &mut Session) -> Result<Option<Difference>> {
        let chunk = &self.receipt.chunk;
        let mut difference = Difference {
            receipt_rows: chunk.tally.row_count,
            ..Difference::default()
        };
        if self.receipt.incarnation != self.target.incarnation {
            difference.why.push("the target table was made anew");
        }
        if chunk.state != ChunkState::Verified {
            difference.why.push("its receipt is stale");
        }
        // The checkpoint of another load is only behind. If it is of the same load, somebody tampered with
        // one of the two.
        let contradicts = |checkpoint: &Chunk| {
            checkpoint.load_id == chunk.load_id
                && (checkpoint.tally, &checkpoint.range) != (chunk.tally, &chunk.range)
        };
        if self.checkpoint.is_some_and(contradicts) {
            difference
                .why
                .push("its checkpoint and its receipt contradict each other");
        }
        let range = self.target.range(self.plan, self.extent(), &chunk.range)?;
        let found = read_back(target, self.plan, self.target, &range).await?;
        difference.target_rows = found.row_count;
        if let Some(why) = differs(chunk.tally, found) {
            difference.why.push(why.of_target());
        }
        Ok((!difference.why.is_empty()).then_some(difference))
    }

    /// A read of all of the chunk at the source.
    fn ask(&self) -> Ask {
        Ask::Whole {
            rows: self.receipt.chunk.tally.row_count,
        }
    }

    /// Whether the source's rows of the chunk are those of its receipt. Reads at most one row more than the
    /// chunk has.
    ///
    /// # Errors
    /// As [`extract`].
    pub async fn is_same_at_source(&self, pools: &Pools) -> Result<bool> {
        let mut turn = pools.turn(self.ask()).await?;
        let at = (&mut *turn.session, &mut turn.permit);
        let compared = compare(at, self.plan, self.readable, &self.receipt.chunk).await?;
        pools.end(turn);
        Ok(compared.same)
    }

    /// Compares the chunk's rows of both servers by key. If the source's are more bytes than `bytes_max`, only their
    /// numbers are compared: the source counts its rows then.
    ///
    /// # Errors
    /// As [`extract`].
    pub async fn compare_rows(
        &self,
        pools: &Pools,
        target: &mut Session,
        bytes_max: usize,
    ) -> Result<Difference> {
        let limits = Limits {
            rows: usize::MAX,
            bytes: bytes_max,
        };
        let mut turn = pools.turn(self.ask()).await?;
        let (plan, request) = (self.plan, self.request(limits));
        let extracted = extract(&mut turn.session, plan, &request, &mut turn.permit).await?;
        pools.end(turn);
        // The rows that were read are not all that are there, and no more than these may be taken to have left.
        let source_rows = match extracted.exhausted {
            true => extracted.batch.row_count() as u64,
            false => {
                let mut turn = pools.turn(Ask::Whole { rows: 0 }).await?;
                let rows = count(&mut turn.session, plan, self.readable, &self.receipt.chunk.range).await?;
                pools.end(turn);
                rows
            }
        };
        let order = self.plan.key.order(self.extent().kind());
        let mut there: HashMap<Vec<u8>, Digest> = HashMap::new();
        for row in extracted.batch.rows() {
            there.insert(key_of(row, &order)?, Digest::of_row(row));
        }
        let mut difference = Difference {
            receipt_rows: self.receipt.chunk.tally.row_count,
            source_rows: Some(source_rows),
            source: extracted.exhausted.then(|| extracted.batch.tally()),
            ..Difference::default()
        };
        let Scan { found, counts, named } = self.scan_target(target, &order, there).await?;
        difference.target_rows = found.row_count;
        let why = match extracted.exhausted {
            true => differs(extracted.batch.tally(), found),
            false => (source_rows != found.row_count).then_some(Differs::Count),
        };
        difference.why.extend(why.map(Differs::of_ends));
        if !extracted.exhausted {
            // Whether a row is at one end only cannot be told then.
            difference
                .why
                .push("the source has more rows in its range than can be compared at once");
        } else if !order.is_empty() {
            difference.rows = Some(counts);
            difference.keys = named
                .into_iter()
                .map(|(what, key)| self.row_key(what, &key, &order))
                .collect::<Result<_>>()?;
        }
        Ok(difference)
    }

    /// Reads the target's rows of the chunk, and holds each against the source's row of its key.
    async fn scan_target(
        &self,
        target: &mut Session,
        order: &[usize],
        mut there: HashMap<Vec<u8>, Digest>,
    ) -> Result<Scan> {
        let mut scan = Scan::default();
        let range = &self.receipt.chunk.range;
        let range = self.target.range(self.plan, self.extent(), range)?;
        let sql = range.select(&self.target.select(self.plan), &self.target.quoted);
        let mut bytes = Vec::new();
        target
            .stream(&sql, &range.params, |row| {
                bytes.clear();
                row.encode(&mut bytes)?;
                scan.found.add_row(&bytes);
                let key = key_of(&bytes, order)?;
                let what = match there.remove(&key) {
                    Some(digest) if digest == Digest::of_row(&bytes) => return Ok(Flow::Continue),
                    Some(_) => {
                        scan.counts.changed += 1;
                        "changed"
                    }
                    None => {
                        scan.counts.target_only += 1;
                        "target-only"
                    }
                };
                if scan.named.len() < KEYS_NAMED_MAX {
                    scan.named.push((what, key));
                }
                Ok(Flow::Continue)
            })
            .await?;
        scan.counts.missing = there.len() as u64;
        let room = KEYS_NAMED_MAX.saturating_sub(scan.named.len());
        let missing = there.into_keys().take(room).map(|key| ("missing", key));
        scan.named.extend(missing);
        Ok(scan)
    }

    fn request(&self, limits: Limits) -> Request {
        let range = &self.receipt.chunk.range;
        Request {
            extent: self.readable,
            range: range.clone(),
            limits,
            in_pieces: true,
            until: None,
        }
    }

    fn row_key(&self, what: &'static str, key: &[u8], order: &[usize]) -> Result<RowKey> {
        let values = Values::new(key).collect()?;
        let columns = order.iter().zip(values).map(|(position, value)| {
            let column = &self.plan.columns()[*position];
            let text = cell::json(value, column.data_type).map_or_else(String::new, |cell| cell.to_string());
            (column.name.as_str().to_owned(), text)
        });
        Ok(RowKey {
            what,
            columns: columns.collect(),
        })
    }
}

/// The way in which two tallies differ.
#[derive(Clone, Copy)]
enum Differs {
    Count,
    Digest,
}

impl Differs {
    fn of_target(self) -> &'static str {
        match self {
            Differs::Count => "the target has another number of rows than the receipt",
            Differs::Digest => "the target's rows are not those of the receipt",
        }
    }

    fn of_ends(self) -> &'static str {
        match self {
            Differs::Count => "source and target have other numbers of rows",
            Differs::Digest => "source and target have other rows",
        }
    }
}

fn differs(expected: Tally, found: Tally) -> Option<Differs> {
    if expected == found {
        None
    } else if expected.row_count == found.row_count {
        Some(Differs::Digest)
    } else {
        Some(Differs::Count)
    }
}
