//! Reads one chunk from the source by a bounded, single-threaded query, and encodes its rows as canonical
//! bytes as they arrive.
//!
//! A query ends with its chunk. None stays open while the target is written.

use chrono::NaiveDateTime;

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::chunk::{Chunk, KeyBytes, KeyRange};
use crate::model::plan::{AccessPath, TablePlan};
use crate::model::row::{Batch, Value};
use crate::model::table::Column;
use crate::model::window::{Bounds, Extent, Window, midnight};
use crate::mssql::{Flow, more_than_asked, other_columns};
use crate::source::pace::{Brought, Pace};
use crate::source::session::{SourceQuery, SourceSession};
use crate::tsql::expression::select_list;
use crate::tsql::predicate::{instant_of_key, next_midnight};
use crate::tsql::seek::{Seeks, Span};

/// The limits of a chunk. The first one that is reached ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub rows: usize,
    /// Canonical bytes; the row that exceeds the limit is the last.
    pub bytes: usize,
}

/// The rows to read.
#[derive(Debug, Clone)]
pub struct Request {
    /// The window, or its part that is old enough.
    pub extent: Extent,
    /// From the last key of the chunk before; to the last key of this one, when it is loaded again.
    pub range: KeyRange,
    /// The limits of the chunk.
    pub limits: Limits,
    /// Whether it is read in pieces: a chunk's own range, or one that begins in a value of more rows than a chunk.
    pub in_pieces: bool,
    /// The instant up to which the rows are likely to be. No later row is asked for, unless none is found before it.
    pub until: Option<NaiveDateTime>,
}

/// A chunk's rows.
#[derive(Debug)]
pub struct Extracted {
    /// The rows.
    pub batch: Batch,
    /// The key of the last row.
    pub last_key: Option<KeyBytes>,
    /// Whether nothing is left after it.
    pub exhausted: bool,
    /// Whether the read was cut, because a query took longer than it may. Its rows are all that there are up to the last.
    pub cut: bool,
    /// The instant up to which its rows are all that there are after the range's start, if the read asked for no more. It
    /// says nothing of the rows behind it.
    pub until: Option<NaiveDateTime>,
}

/// Reads one chunk.
///
/// # Errors
/// `FailedOver` when the server no longer proves to be the one that may be read; those of the session and of the pace.
pub async fn extract(
    session: &mut SourceSession,
    plan: &TablePlan,
    request: &Request,
    pace: &mut impl Pace,
) -> Result<Extracted> {
    let mut reading = Reading {
        session,
        plan,
        request,
        pace,
        batch: Batch::default(),
        cut: false,
        until: None,
    };
    let exhausted = match (plan.access_path, request.extent) {
        (AccessPath::DayWalk, Extent::Dates(bounds)) => reading.walk(bounds).await?,
        (_, extent) if extent.is_empty() => true,
        (_, extent) => reading.read_near(extent).await?,
    };
    let Reading {
        batch, cut, until, ..
    } = reading;
    let last_key = match plan.key.order(request.extent.kind()) {
        order if order.is_empty() => None,
        order => batch.last_key(&order)?.map(KeyBytes),
    };
    // A read that was cut right behind the last key of its range has read all of it: the rows come in the order of the key.
    let is_at_end = cut && last_key.is_some() && last_key == request.range.through;
    Ok(Extracted {
        batch,
        last_key,
        exhausted: exhausted || is_at_end,
        cut,
        until,
    })
}

/// What the source has in a chunk's range now.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Whether its rows are just those of the chunk.
    pub same: bool,
    /// How many there are, at most as many as the chunk has. `None` if rows that grew filled the chunk's bytes
    /// before as many were read: then the read says nothing of how many there are.
    pub rows: Option<u64>,
}

/// Compares the source's rows in a chunk's range with the chunk. Reads at most as many rows as the chunk has, and one,
/// and at most a row more than its bytes.
///
/// The pace must let its query take its time: a part of a chunk has no tally that it could be compared with.
///
/// # Errors
/// As [`extract`]; `Internal` if the read was cut.
pub async fn compare(
    (session, pace): (&mut SourceSession, &mut impl Pace),
    plan: &TablePlan,
    extent: Extent,
    chunk: &Chunk,
) -> Result<Compared> {
    let tally = chunk.tally;
    let request = Request {
        extent,
        range: chunk.range.clone(),
        limits: Limits {
            rows: usize::try_from(tally.row_count).unwrap_or(usize::MAX),
            bytes: usize::try_from(tally.byte_count).unwrap_or(usize::MAX),
        },
        in_pieces: true,
        until: None,
    };
    let extracted = extract(session, plan, &request, pace).await?;
    if extracted.cut {
        return Err(cut_short());
    }
    let read = extracted.batch.row_count() as u64;
    Ok(Compared {
        same: extracted.exhausted && extracted.batch.tally() == tally,
        rows: (extracted.exhausted || read >= tally.row_count).then_some(read),
    })
}

/// The error for a read that was cut where only all of it is of use.
pub fn cut_short() -> Error {
    Error::new(
        ErrorKind::Internal,
        "A read was cut that must not be; run again, and report this",
    )
}

/// A read under way.
struct Reading<'a, P> {
    session: &'a mut SourceSession,
    plan: &'a TablePlan,
    request: &'a Request,
    pace: &'a mut P,
    batch: Batch,
    cut: bool,
    until: Option<NaiveDateTime>,
}

/// The rows of a key range at the source, for a statement that has `params` already: as one condition, or `in_pieces`.
///
/// # Errors
/// As [`Seeks::of`].
pub fn seeks<'a>(
    plan: &TablePlan,
    extent: Extent,
    range: &'a KeyRange,
    params: Vec<Value<'a>>,
    in_pieces: bool,
) -> Result<Seeks<'a>> {
    let span = Span {
        extent,
        date: plan.date(),
        key: &plan.key_columns(extent.kind()),
        range,
        in_pieces,
    };
    Seeks::of(span, params)
}

/// The query that reads at most `ask` rows of `part`, in the order of the key.
///
/// It is one statement, not one a piece: statements would each see the table at its own time, and a row that moves from
/// one piece to the other meanwhile would be read twice or not at all. It has one condition, which visits the rows of the
/// value that the range begins in once more, or pieces of at most `ask` rows each.
fn query<'a>(plan: &TablePlan, request: &'a Request, part: Extent, ask: i64) -> Result<SourceQuery<'a>> {
    let order = plan.order_by(part.kind());
    let table = plan.source.name.quoted();
    // A walk over days has no index, so that a piece is a scan.
    let by_index = plan.access_path != AccessPath::DayWalk || !matches!(part, Extent::Dates(_));
    let params = vec![Value::Integer(ask)];
    let Seeks { pieces, params } = seeks(plan, part, &request.range, params, by_index && request.in_pieces)?;
    let from = match pieces.as_slice() {
        [piece] => format!("{table} WHERE {piece}"),
        several => {
            let names: Vec<String> = plan.columns().iter().map(|column| column.name.quoted()).collect();
            let names = names.join(", ");
            let parts = several.iter().map(|piece| {
                format!("SELECT {names} FROM (SELECT TOP (@P1) {names} FROM {table} WHERE {piece}{order}) AS piece")
            });
            format!("({}) AS t", parts.collect::<Vec<_>>().join(" UNION ALL "))
        }
    };
    let select = format!(
        "SELECT TOP (@P1) {} FROM {from}{order}",
        select_list(plan.columns())
    );
    let query = SourceQuery::recompiled(select, params).about(about(part));
    Ok(match plan.access_path {
        AccessPath::Walk => query.pausing(),
        AccessPath::Date | AccessPath::DayWalk | AccessPath::Key => query,
    })
}

/// The window that an extent is of, for who looks at the server's requests: windows are parts of months.
fn about(extent: Extent) -> String {
    match extent {
        Extent::Dates(bounds) => bounds.start.format("%Y-%m").to_string(),
        Extent::All => Window::All.to_string(),
        Extent::Undated => Window::Undated.to_string(),
    }
}

impl<P: Pace> Reading<'_, P> {
    /// Reads day after day; returns whether all of it fitted.
    async fn walk(&mut self, bounds: Bounds) -> Result<bool> {
        let mut rest = bounds;
        // A walk starts at the day of the last key: days before it hold nothing after it.
        if let Some(key) = &self.request.range.after
            && let Some(at) = instant_of_key(key)?
        {
            rest.start = rest.start.max(midnight(at.date()));
        }
        // It ends with the day of the last key, if that is known.
        if let Some(key) = &self.request.range.through
            && let Some(at) = instant_of_key(key)?
        {
            rest.end = rest.end.min(next_midnight(at.date()));
        }
        while rest.start < rest.end {
            let day = Bounds {
                start: rest.start,
                end: next_midnight(rest.start.date()).min(rest.end),
            };
            if !self.read(Extent::Dates(day)).await? {
                return Ok(false);
            }
            rest.start = day.end;
        }
        Ok(true)
    }

    /// Reads the part of `extent` in which the rows are likely to be, or all of it if that has none: a claim that nothing
    /// is left rests on one statement. Returns whether all of the extent fitted.
    async fn read_near(&mut self, extent: Extent) -> Result<bool> {
        let near = self.request.until.map_or(extent, |until| extent.before(until));
        if near != extent {
            let fitted = self.read(near).await?;
            if !fitted || self.batch.row_count() > 0 {
                self.until = self.request.until.filter(|_| fitted);
                return Ok(false);
            }
        }
        self.read(extent).await
    }

    /// Reads `part` into the batch; returns whether all of it fitted. What was cut did not fit.
    async fn read(&mut self, part: Extent) -> Result<bool> {
        let (limits, columns) = (self.request.limits, self.plan.columns().len());
        let batch = &mut self.batch;
        let before = (batch.row_count(), batch.byte_count());
        // One more row than fits shows whether rows are left, and avoids an empty chunk at the end.
        let ask = i64::try_from(limits.rows.saturating_sub(before.0))
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        let query = query(self.plan, self.request, part, ask)?;
        self.pace.begin().await?;
        let mut fitted = true;
        let cut = self
            .session
            .stream_until(query, self.pace.over(), |row| {
                if row.column_count() != columns {
                    return Err(other_columns(columns));
                }
                if batch.row_count() >= limits.rows {
                    if !fitted {
                        return Err(more_than_asked());
                    }
                    // This is the one more row, and the query ends after it.
                    fitted = false;
                    return Ok(Flow::Continue);
                }
                if batch.byte_count() >= limits.bytes {
                    fitted = false;
                    return Ok(Flow::Stop);
                }
                batch.push(|out| row.encode(out))?;
                Ok(Flow::Continue)
            })
            .await
            .map_err(|error| naming_columns(error, self.plan.columns()))?;
        self.cut |= cut;
        self.pace.ended(Brought {
            rows: (batch.row_count() - before.0) as u64,
            bytes: (batch.byte_count() - before.1) as u64,
            full: cut || !fitted,
            cut,
        })?;
        Ok(fitted && !cut)
    }
}

/// Adds the columns that can make a row too large to be read: others have a declared length, and fit.
fn naming_columns(error: Error, columns: &[Column]) -> Error {
    if error.kind() != ErrorKind::TooLarge {
        return error;
    }
    let large = columns.iter().filter(|column| column.data_type.is_unbounded());
    match large
        .map(|column| column.name.to_string())
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => error,
        [only] => error.within(format_args!("Column {only}")),
        several => error.within(format_args!("One of the columns {}", several.join(", "))),
    }
}
