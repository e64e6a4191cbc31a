//! Loads what is left of a reference table in place in one transaction, after chunk by chunk its constraints refused it.
//!
//! A foreign key of a table to itself and the values that rows exchange under a unique index hold only when several
//! chunks change at once. Memory holds all their rows, so there is a limit, and what is beyond it is told.

use crate::backfill::{LoadTarget, compare};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::stop::stopped;
use crate::checkpoint::{Change, WindowRecord, WindowState};
use crate::governor::Ask;
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, KeyBytes, KeyRange, next_state};
use crate::model::plan::TablePlan;
use crate::model::row::Batch;
use crate::model::table::{Identifier, Index, TableSchema};
use crate::model::window::Window;
use crate::mssql::shape::{is_pointed_at, points_at_itself};
use crate::mssql::{Session, is_conflict, is_duplicate_key};
use crate::pipeline::resume::WindowWork;
use crate::pipeline::retrier::Place;
use crate::preflight::context::RunContext;
use crate::progress::{Event, Stages, TableSummary};
use crate::source::extract::{Extracted, Limits, Request, cut_short, extract};
use crate::target::load::Loaded;
use crate::target::receipt::{Receipt, Seal};
use crate::target::stage;
use crate::target::together::Together;

/// The most chunks of one transaction. Each adds up to two bounds of the key to a statement, which takes 2,100 parameters,
/// and up to `chunk_rows` rows to the locks that readers of the table meet.
pub const CHUNKS_MAX: usize = 32;

/// The most bytes of rows in memory, as a multiple of `chunk_bytes_max`: with two workers, a run of other tables holds half
/// as many.
const CHUNK_BYTES_MAX_FACTOR: usize = 8;

/// A chunk that was read, and its rows.
struct Piece {
    chunk: Chunk,
    batch: Batch,
}

/// Whether another load of what is left, all at once, may be taken where chunk by chunk was refused.
pub(super) async fn may_help(
    session: &mut Session,
    at: LoadTarget<'_>,
    summary: &TableSummary,
) -> Result<bool> {
    if !at.target.by_row || summary.windows_failed == 0 {
        return Ok(false);
    }
    let refused = summary.refused;
    Ok(refused.duplicate
        || refused.conflict && points_at_itself(session, at.target.incarnation.object_id).await?)
}

/// What an operator should know of a reference table that is refreshed in place: rows that must change together may be too
/// many for it, or held by other tables. `None` if nothing of it can happen. `rows` is their estimated number.
///
/// # Errors
/// Those of the session.
pub async fn limits(
    session: &mut Session,
    plan: &TablePlan,
    schema: &TableSchema,
    rows: Option<u64>,
    chunk_rows: usize,
) -> Result<Option<String>> {
    let key = plan
        .key
        .unique
        .iter()
        .map(|position| &plan.columns()[*position].name);
    let key: Vec<&Identifier> = key.collect();
    let is_other = |index: &Index| {
        let in_index = |name: &&Identifier| index.columns.iter().any(|column| column.same_as(name.as_str()));
        index.unique && !key.iter().all(in_index)
    };
    let exchanges = schema.indexes.iter().any(is_other);
    if !exchanges && !points_at_itself(session, schema.object_id).await? {
        return Ok(None);
    }
    let is_large = rows.is_some_and(|rows| rows > (CHUNKS_MAX * chunk_rows) as u64);
    let is_held = is_pointed_at(session, schema.object_id).await?;
    let mut text = format!(
        "Its rows may point at each other or exchange values of a unique index, and are then loaded in one transaction of at \
         most {CHUNKS_MAX} chunks"
    );
    if is_large {
        text.push_str("; it has more rows, and if more change at once, raise chunk_rows for that load");
    }
    if is_held {
        text.push_str("; a row that another table points at cannot leave before the other table's row does");
    }
    text.push_str("; else drop or disable the constraint while it is loaded");
    Ok((is_large || is_held).then_some(text))
}

/// Loads all chunks of the table that are stale or missing in one transaction. A refusal is told, and recorded in the
/// summary.
///
/// # Errors
/// Those of the servers and of the store.
pub(super) async fn load(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    at: LoadTarget<'_>,
    summary: &mut TableSummary,
) -> Result<()> {
    let cutoff = run.read_cutoff(at.plan).await?;
    let plan = compare(run, lease_session, at, cutoff).await?;
    let Some(work) = plan.windows.into_iter().find(|work| work.window == Window::All) else {
        return Ok(());
    };
    let loaded = match read(run, at, work).await {
        Ok(pieces) => commit(run, at, pieces).await,
        Err(error) => Err(error),
    };
    let chunks = match loaded {
        Ok(chunks) => chunks,
        Err(error) if error.kind() == ErrorKind::Held => {
            run.warn(&error.chain());
            summary.held += 1;
            return Ok(());
        }
        Err(error) => return told(run, at, error, summary),
    };
    record(run, at, chunks, summary)
}

/// Tells a refusal that a person must look into; any other error is returned.
fn told(run: &RunContext<'_>, at: LoadTarget<'_>, error: Error, summary: &mut TableSummary) -> Result<()> {
    if !matches!(error.kind(), ErrorKind::Statement | ErrorKind::Mismatch) {
        return Err(error);
    }
    if error.kind() == ErrorKind::Mismatch {
        summary.mismatched += 1;
        run.retrier.store.commit(&[Change::Mismatched {
            table: at.plan.name.as_str().to_owned(),
        }])?;
    }
    let error = error.within_once(format!("Table {}", at.plan.name));
    run.warn(&error.chain());
    summary.error = Some(error.chain());
    Ok(())
}

/// Reads the chunks that are left from the source.
async fn read(run: &RunContext<'_>, at: LoadTarget<'_>, work: WindowWork) -> Result<Vec<Piece>> {
    let too_many = || too_many(at);
    if work.redo.len() > CHUNKS_MAX {
        return Err(too_many());
    }
    let limits = Limits {
        rows: at.target.chunk_rows(run.chunk_rows()),
        bytes: run.config.run.chunk_bytes_max,
    };
    let mut room = limits.bytes.saturating_mul(CHUNK_BYTES_MAX_FACTOR);
    let mut pieces = Vec::new();
    for chunk in work.redo {
        let request = Request {
            extent: work.extent,
            range: chunk.range.clone(),
            limits: Limits {
                rows: usize::MAX,
                bytes: room,
            },
            in_pieces: true,
            until: None,
        };
        let extracted = extracted(run, at, &request).await?;
        if !extracted.exhausted {
            return Err(too_many());
        }
        room = room.saturating_sub(extracted.batch.byte_count());
        pieces.push(piece(run, chunk, extracted.batch)?);
    }
    let mut next = work.next.map(|next| (next.ordinal, next.after));
    while let Some((ordinal, after)) = next {
        if pieces.len() == CHUNKS_MAX || room == 0 {
            return Err(too_many());
        }
        let request = Request {
            extent: work.extent,
            range: KeyRange {
                after: after.clone(),
                through: None,
            },
            limits: Limits {
                bytes: limits.bytes.min(room),
                ..limits
            },
            in_pieces: false,
            until: None,
        };
        let extracted = extracted(run, at, &request).await?;
        let through: Option<KeyBytes> = extracted.last_key.filter(|_| !extracted.exhausted);
        next = through.clone().map(|last| (ordinal + 1, Some(last)));
        room = room.saturating_sub(extracted.batch.byte_count());
        let chunk = Chunk {
            ordinal,
            range: KeyRange { after, through },
            state: ChunkState::Planned,
            tally: extracted.batch.tally(),
            attempts: 0,
            error: None,
            load_id: 0,
        };
        pieces.push(piece(run, chunk, extracted.batch)?);
    }
    Ok(pieces)
}

async fn extracted(run: &RunContext<'_>, at: LoadTarget<'_>, request: &Request) -> Result<Extracted> {
    if !run.may_read() {
        return Err(stopped());
    }
    let place = Place::window(at.plan.name.as_str(), Window::All);
    let read = run.retrier.retry(place, || async move {
        if run.is_stopped() {
            return Err(stopped());
        }
        // All of it is loaded in one transaction, so that fewer rows at a time would be as many in memory.
        let mut turn = run.pools.turn(Ask::Whole { rows: 0 }).await?;
        let extracted = extract(&mut turn.session, at.plan, request, &mut turn.permit).await?;
        run.pools.end(turn);
        match extracted.cut {
            true => Err(cut_short()),
            false => Ok(extracted),
        }
    });
    read.await
}

fn piece(run: &RunContext<'_>, chunk: Chunk, batch: Batch) -> Result<Piece> {
    let started = next_state(chunk.state, ChunkEvent::Started)?;
    let chunk = Chunk {
        state: next_state(started, ChunkEvent::ReadFromSource)?,
        tally: batch.tally(),
        attempts: chunk.attempts + 1,
        error: None,
        load_id: run.retrier.clock.random(),
        ..chunk
    };
    Ok(Piece { chunk, batch })
}

/// Loads the chunks from memory. Returns them as they are committed.
async fn commit(run: &RunContext<'_>, at: LoadTarget<'_>, mut pieces: Vec<Piece>) -> Result<Vec<Chunk>> {
    let place = Place::window(at.plan.name.as_str(), Window::All);
    for piece in &mut pieces {
        piece.chunk.state = next_state(piece.chunk.state, ChunkEvent::Staged)?;
    }
    let claims: Vec<Receipt> = pieces
        .iter()
        .map(|piece| Receipt {
            window: Window::All,
            chunk: piece.chunk.clone(),
            epoch: at.lease.epoch,
            incarnation: at.target.incarnation.clone(),
            seal: Seal::Unasked,
        })
        .collect();
    let (claims, pieces) = (&claims, &pieces);
    let loaded = run.retrier.retry(place, || async move {
        let mut session = run.pools.target.take().await?;
        stage::stage_all(&mut session, at.plan, pieces.iter().map(|piece| &piece.batch)).await?;
        let together = Together {
            plan: at.plan,
            target: at.target,
            lease: at.lease,
            claims,
            brake: run.brake(at.plan),
        };
        let loaded = together.commit(&mut session).await?;
        run.pools.target.put(session);
        Ok(loaded)
    });
    match loaded.await {
        Ok(Loaded::Committed(_) | Loaded::AlreadyCommitted) => {}
        Ok(Loaded::Differed { .. } | Loaded::Unaccounted { .. }) => return Err(differed(at)),
        Err(error) if is_duplicate_key(&error) || is_conflict(&error) => return Err(refused(at, error)),
        Err(error) => return Err(error),
    }
    let committed = claims.iter().map(|claim| {
        let mut chunk = claim.chunk.clone();
        chunk.state = next_state(chunk.state, ChunkEvent::Committed)?;
        Ok(chunk)
    });
    committed.collect()
}

/// Records the chunks and the window, once they are committed.
fn record(
    run: &RunContext<'_>,
    at: LoadTarget<'_>,
    chunks: Vec<Chunk>,
    summary: &mut TableSummary,
) -> Result<()> {
    let table = at.plan.name.as_str();
    let store = &run.retrier.store;
    let mut changes = Vec::new();
    for chunk in chunks {
        summary.rows_loaded += chunk.tally.row_count;
        run.retrier.meter.loaded(chunk.tally.row_count);
        run.retrier.progress.event(Event::ChunkVerified {
            table,
            window: Window::All,
            ordinal: chunk.ordinal,
            row_count: chunk.tally.row_count,
            byte_count: chunk.tally.byte_count,
            dates: (0.0, f64::from(u8::from(chunk.range.through.is_none()))),
            stages: Stages::default(),
        });
        changes.push(Change::Chunk {
            table: table.to_owned(),
            window: Window::All,
            chunk,
        });
    }
    let record = WindowRecord {
        window: Window::All,
        state: WindowState::Complete,
        error: None,
        updated_at: run.retrier.clock.now(),
    };
    changes.push(Change::Window {
        table: table.to_owned(),
        record,
    });
    store.commit(&changes)?;
    let chunks = store.chunks(table, Window::All)?;
    summary.rows_total = chunks.iter().map(|chunk| chunk.tally.row_count).sum();
    (summary.windows_failed, summary.windows_done) = (0, 1);
    summary.lasting = None;
    run.retrier.progress.event(Event::WindowDone {
        table,
        window: Window::All,
        rows: summary.rows_total,
    });
    Ok(())
}

fn too_many(at: LoadTarget<'_>) -> Error {
    let text = format!(
        "Table {}: a constraint refuses its chunks one by one, and the rest of it is too much for one transaction, which \
         takes {CHUNKS_MAX} chunks and {CHUNK_BYTES_MAX_FACTOR} times chunk_bytes_max at most. Raise chunk_rows or \
         chunk_bytes_max, or drop or disable the constraint while the table is loaded",
        at.plan.name
    );
    Error::new(ErrorKind::Statement, text)
}

fn differed(at: LoadTarget<'_>) -> Error {
    let text = format!(
        "Table {}: the rows that were read back from target table {} after a load of several chunks differ; nothing of it \
         was committed. Look for triggers or conversions at the target, then run again",
        at.plan.name, at.plan.target
    );
    Error::new(ErrorKind::Mismatch, text)
}

fn refused(at: LoadTarget<'_>, error: Error) -> Error {
    let (kind, number) = (error.kind(), error.number());
    let text = format!(
        "Table {}: a constraint of target table {} refuses its rows, chunk by chunk and all that changed at once. A row that \
         another table points at cannot leave, and two rows cannot have one value of a unique index. Correct the rows \
         that are in the way, or drop or disable the constraint while the table is loaded",
        at.plan.name, at.plan.target
    );
    let refused = Error::new(kind, text).with_source(error);
    match number {
        Some(number) => refused.with_number(number),
        None => refused,
    }
}
