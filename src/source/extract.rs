//! Reads one chunk from the source by a bounded, single-threaded query, and encodes its rows as canonical
//! bytes as they arrive.
//!
//! A query ends with its chunk. None stays open while the target is written.

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::chunk::{Chunk, KeyBytes, KeyRange};
use crate::model::plan::{AccessPath, TablePlan};
use crate::model::row::{Batch, Value};
use crate::model::table::Column;
use crate::model::window::{Bounds, Extent, midnight};
use crate::mssql::{Flow, more_than_asked, other_columns};
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
}

/// Reads one chunk.
///
/// # Errors
/// `FailedOver` when the server no longer proves to be the one that may be read; those of the session.
pub async fn extract(session: &mut SourceSession, plan: &TablePlan, request: &Request) -> Result<Extracted> {
    let mut batch = Batch::default();
    let exhausted = match (plan.access_path, request.extent) {
        (AccessPath::DayWalk, Extent::Dates(bounds)) => {
            walk(session, plan, request, bounds, &mut batch).await?
        }
        (_, extent) if extent.is_empty() => true,
        (_, extent) => read(session, plan, request, extent, &mut batch).await?,
    };
    let last_key = match plan.key.order(request.extent.kind()) {
        order if order.is_empty() => None,
        order => batch.last_key(&order)?.map(KeyBytes),
    };
    Ok(Extracted {
        batch,
        last_key,
        exhausted,
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
/// # Errors
/// As [`extract`].
pub async fn compare(
    session: &mut SourceSession,
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
    };
    let extracted = extract(session, plan, &request).await?;
    let read = extracted.batch.row_count() as u64;
    Ok(Compared {
        same: extracted.exhausted && extracted.batch.tally() == tally,
        rows: (extracted.exhausted || read >= tally.row_count).then_some(read),
    })
}

/// Reads day after day; returns whether all of it fitted.
async fn walk(
    session: &mut SourceSession,
    plan: &TablePlan,
    request: &Request,
    bounds: Bounds,
    batch: &mut Batch,
) -> Result<bool> {
    let mut rest = bounds;
    // A walk starts at the day of the last key: days before it hold nothing after it.
    if let Some(key) = &request.range.after
        && let Some(at) = instant_of_key(key)?
    {
        rest.start = rest.start.max(midnight(at.date()));
    }
    // It ends with the day of the last key, if that is known.
    if let Some(key) = &request.range.through
        && let Some(at) = instant_of_key(key)?
    {
        rest.end = rest.end.min(next_midnight(at.date()));
    }
    while rest.start < rest.end {
        let day = Bounds {
            start: rest.start,
            end: next_midnight(rest.start.date()).min(rest.end),
        };
        if !read(session, plan, request, Extent::Dates(day), batch).await? {
            return Ok(false);
        }
        rest.start = day.end;
    }
    Ok(true)
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
    let query = SourceQuery::recompiled(select, params);
    Ok(match plan.access_path {
        AccessPath::Walk => query.pausing(),
        AccessPath::Date | AccessPath::DayWalk | AccessPath::Key => query,
    })
}

/// Reads `part` into the batch; returns whether all of it fitted.
async fn read(
    session: &mut SourceSession,
    plan: &TablePlan,
    request: &Request,
    part: Extent,
    batch: &mut Batch,
) -> Result<bool> {
    let limits = request.limits;
    // One more row than fits shows whether rows are left, and avoids an empty chunk at the end.
    let ask = i64::try_from(limits.rows.saturating_sub(batch.row_count()))
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let query = query(plan, request, part, ask)?;
    let mut fitted = true;
    let columns = plan.columns().len();
    session
        .stream(query, |row| {
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
        .map_err(|error| naming_columns(error, plan.columns()))?;
    Ok(fitted)
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
