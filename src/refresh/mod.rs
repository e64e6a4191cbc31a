//! Refreshes a reference table: compares the source's present rows with the target's. If they differ, a
//! shadow table is loaded and swapped in, or the chunks that differ are loaded in place.
//!
//! The source is read once, unless a copy turns out to be of two times: the chunks that are equal before the first one
//! that differs are carried over from the target, and proven in the shadow table like any other.

mod carry_over;
pub mod shadow_table;
pub mod together;

use crate::backfill::{LoadTarget, announce, compare, load_windows};
use crate::base::error::{ErrorKind, Result};
use crate::base::stop::stopped;
use crate::checkpoint::{Change, WindowRecord, WindowState};
use crate::governor::Ask;
use crate::model::brake::held;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::plan::TablePlan;
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::pipeline::resume::{Scope, is_complete};
use crate::pipeline::retrier::Place;
use crate::preflight::context::RunContext;
use crate::progress::{Event, TableSummary};
use crate::refresh::shadow_table::{RefreshStrategy, Swap};
use crate::source::count::count;
use crate::source::extract::{self, Compared};
use crate::target::lease;
use crate::target::lease::Lease;
use crate::target::load::read_back;
use crate::target::receipt;
use crate::target::table::{Target, takes_rows};

/// The most copies of a table that a run begins anew because a value came twice in them. The source moved the value from
/// one row to another while a copy was loaded; that it does so again and again is less likely than that it has it twice.
const ANEW_MAX: usize = 2;

/// The most loads of a table in one run: a table whose loads are held each time is not whole in these hours.
const ROUNDS_MAX: u32 = 5;

/// The outcome of a refresh by a shadow table.
enum Refreshed {
    /// The refresh is done, or did as much as it could.
    Done,
    /// The rows in place are of two times and need another comparison.
    Again,
    /// A unique index met a value twice in the copy, which is dropped.
    Doubled,
    /// The target has changed since the shadow table was made after it.
    Altered,
}

/// Brings a reference table's target up to date.
pub(crate) async fn refresh(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    plan: &TablePlan,
    lease: &Lease,
    summary: &mut TableSummary,
) -> Result<()> {
    let shadow_plan = shadow_table::plan(plan)?;
    shadow_table::refuse_other_table(lease_session, plan, &shadow_plan).await?;
    let shadow_lease = run.take_lease(lease_session, &shadow_plan.target).await?;
    let mut anew = 0;
    for round in 1.. {
        match shadow_table::strategy(lease_session, plan).await? {
            RefreshStrategy::InPlace(schema, obstacles) => {
                run.note(&format!(
                    "Table {}: target table {} is refreshed in place, because a copy would lack {}",
                    plan.name,
                    plan.target,
                    obstacles.join(", ")
                ));
                shadow_table::drop_leftover(lease_session, &shadow_plan, &shadow_lease).await?;
                takes_rows(lease_session, plan, &schema).await?;
                let target = Target::new(plan, &schema)?.by_row(plan);
                target.refuse_misfits(plan)?;
                for warning in target.misfit_warnings(plan) {
                    run.warn(&warning);
                }
                let at = LoadTarget {
                    plan,
                    target: &target,
                    lease,
                    scope: Scope::Dates(run.options.range),
                };
                if !in_place(run, lease_session, at, summary).await? {
                    break;
                }
            }
            RefreshStrategy::Swap(target_shape) => {
                let swap = Swap {
                    plan,
                    shadow: &shadow_plan,
                    target_shape: target_shape.as_deref(),
                    lease,
                    shadow_lease: &shadow_lease,
                };
                let refreshed = replace(run, lease_session, &swap, summary).await?;
                if !is_repeated(run, plan, refreshed, &mut anew, summary) {
                    break;
                }
            }
        }
        if round == ROUNDS_MAX {
            let text = format!(
                "Table {}: each of {ROUNDS_MAX} loads was interrupted or held, so that its rows are of several times; run \
                 again, in hours in which it is read at once",
                plan.name
            );
            run.warn(&text);
            summary.error = Some(text);
            break;
        }
    }
    lease::release(lease_session, &shadow_lease).await
}

/// Whether the table is looked at once more after a refresh by a shadow table. `anew` counts the copies that were begun anew.
fn is_repeated(
    run: &RunContext<'_>,
    plan: &TablePlan,
    refreshed: Refreshed,
    anew: &mut usize,
    summary: &mut TableSummary,
) -> bool {
    let name = &plan.name;
    match refreshed {
        Refreshed::Done => return false,
        Refreshed::Again => {}
        Refreshed::Doubled if *anew < ANEW_MAX => {
            *anew += 1;
            summary.windows_failed = 0;
            run.note(&format!(
                "Table {name}: a value came twice in the copy, because the source moved it meanwhile, or for good; the copy \
                 is begun anew"
            ));
        }
        Refreshed::Doubled => {
            let text = doubled(plan);
            run.warn(&text);
            summary.lasting.get_or_insert_with(|| text.clone());
            summary.error = Some(text);
            return false;
        }
        Refreshed::Altered => run.warn(&format!(
            "Table {name}: target table {} was altered while it was loaded anew; it is loaded again in its present shape",
            plan.target
        )),
    }
    true
}

/// The warning about a table of which each copy had a value twice.
fn doubled(plan: &TablePlan) -> String {
    format!(
        "Table {}: in each of {} copies a unique index of target table {} met a value twice; the old rows stay. If the \
         source has the value twice, correct its rows, or drop the index, which `sync doctor` names. If rows exchange \
         values all the time, run again at a quieter hour",
        plan.name,
        ANEW_MAX + 1,
        plan.target
    )
}

/// Loads the chunks whose rows have changed at the source again, in place. Returns whether the rows are of several times
/// then, and need another comparison.
async fn in_place(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    at: LoadTarget<'_>,
    summary: &mut TableSummary,
) -> Result<bool> {
    let holds = run.retrier.meter.holds();
    let chunks = in_the_target(run, lease_session, at).await?;
    let mut differing = Vec::new();
    let (mut leaving, mut left) = (0, 0);
    for chunk in chunks.iter().filter(|chunk| chunk.state == ChunkState::Verified) {
        let found = match run.options.force {
            true => None,
            false => Some(compared(run, at.plan, at.target, chunk, summary).await?),
        };
        let there = match found {
            None => chunk.tally.row_count,
            Some(Compared { rows: Some(rows), .. }) => rows,
            Some(Compared { rows: None, .. }) => counted(run, at.plan, chunk).await?,
        };
        leaving += chunk.tally.row_count.saturating_sub(there);
        left += there;
        if found.is_none_or(|found| !found.same) {
            differing.push(chunk.ordinal);
        }
    }
    if holds_back(run, at.plan, (leaving, leaving + left), left, summary) {
        return Ok(false);
    }
    if differing.is_empty() && is_complete(&chunks) {
        unchanged(run, at, &chunks, lease_session, summary).await?;
        return Ok(false);
    }
    receipt::mark_all_stale(lease_session, at.lease, Window::All, &differing).await?;
    load_windows(run, lease_session, at, summary).await?;
    let together = !run.is_stopped() && together::may_help(lease_session, at, summary).await?;
    let refusals = std::mem::take(&mut summary.refusals);
    if together {
        run.note(&format!(
            "Table {}: its constraints refuse {}; what is left is loaded together",
            at.plan.name,
            match refusals.len() {
                1 => "a chunk by itself".to_owned(),
                count => format!("{count} chunks one by one"),
            }
        ));
        together::load(run, lease_session, at, summary).await?;
    } else {
        for refusal in refusals {
            run.warn(&refusal);
        }
    }
    let is_whole = summary.windows_done == 1 && summary.error.is_none() && !run.is_stopped();
    Ok(is_whole && was_held(run, at.plan, holds))
}

/// Whether reads were held since there were so many `holds`. Then the rows that were read before are of another time than
/// those after, and a row may have moved between them, so that the table is compared once more.
fn was_held(run: &RunContext<'_>, plan: &TablePlan, holds: u64) -> bool {
    let was_held = run.retrier.meter.holds() != holds;
    if was_held {
        run.note(&format!(
            "Table {}: its reads were held meanwhile; it is compared with the source once more",
            plan.name
        ));
    }
    was_held
}

/// Whether all rows are to be loaded anew. Once that is done, the table is refreshed like any other.
fn is_forced(run: &RunContext<'_>, summary: &TableSummary) -> bool {
    run.options.force && !summary.is_swapped
}

/// Loads the shadow table, if the source differs, and puts it in the target's place.
async fn replace(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    swap: &Swap<'_>,
    summary: &mut TableSummary,
) -> Result<Refreshed> {
    let holds = run.retrier.meter.holds();
    // All rows that are forced are of this run; what it loaded before a connection broke is.
    let is_anew = is_forced(run, summary) && summary.rows_loaded == 0;
    let left = match is_anew {
        true => None,
        false => shadow_table::resumable(lease_session, swap.shadow, swap.target_shape).await?,
    };
    let resumed = left.is_some();
    let begun = match left {
        Some(target) => Some(target),
        None => begin(run, lease_session, swap, summary).await?,
    };
    let Some(target) = begun else {
        return Ok(Refreshed::Done);
    };
    let at = LoadTarget {
        plan: swap.shadow,
        target: &target,
        lease: swap.shadow_lease,
        scope: Scope::Dates(run.options.range),
    };
    load_windows(run, lease_session, at, summary).await?;
    if summary.refused.duplicate && !run.is_stopped() {
        shadow_table::drop_leftover(lease_session, swap.shadow, swap.shadow_lease).await?;
        return Ok(Refreshed::Doubled);
    }
    if summary.windows_done != 1 || summary.error.is_some() || run.is_stopped() {
        return Ok(Refreshed::Done);
    }
    if let Some(target_shape) = swap.target_shape {
        let leaving = shadow_table::leaving(lease_session, swap.plan, target_shape, &target).await?;
        if holds_back(run, swap.plan, leaving, summary.rows_total, summary) {
            // The next run looks at the source anew.
            shadow_table::drop_leftover(lease_session, swap.shadow, swap.shadow_lease).await?;
            return Ok(Refreshed::Done);
        }
    }
    if !cut_over(run, swap).await? {
        return Ok(Refreshed::Altered);
    }
    summary.is_swapped = true;
    summary.already_complete = false;
    if resumed {
        // Its first rows are of an earlier run, its last ones of now: a row may have moved between them.
        run.note(&format!(
            "Table {}: its load had been cut short; it is compared with the source once more",
            swap.plan.name
        ));
        return Ok(Refreshed::Again);
    }
    Ok(match was_held(run, swap.plan, holds) {
        true => Refreshed::Again,
        false => Refreshed::Done,
    })
}

/// Makes the shadow table, and carries over the chunks that the source has unchanged. `None` if the source has nothing
/// else than the target in place.
async fn begin(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    swap: &Swap<'_>,
    summary: &mut TableSummary,
) -> Result<Option<Target>> {
    let scope = Scope::Dates(run.options.range);
    let mut same = Vec::new();
    // A target that lacks a column of the source's is replaced by one that has it.
    let shape = swap.target_shape;
    let old = shape.and_then(|shape| Target::new(swap.plan, &shape.schema).ok());
    if let Some(old) = &old {
        let at = LoadTarget {
            plan: swap.plan,
            target: old,
            lease: swap.lease,
            scope,
        };
        let chunks = in_the_target(run, lease_session, at).await?;
        if is_complete(&chunks) && !is_forced(run, summary) {
            same = same_from_the_start(run, at, &chunks, summary).await?;
            if same.len() == chunks.len() {
                unchanged(run, at, &chunks, lease_session, summary).await?;
                // A copy that was cut short is of no use any more.
                shadow_table::drop_leftover(lease_session, swap.shadow, swap.shadow_lease).await?;
                return Ok(None);
            }
        }
    }
    run.retrier.store.commit(&[Change::RemoveWindow {
        table: swap.plan.name.as_str().to_owned(),
        window: Window::All,
    }])?;
    for note in shape
        .into_iter()
        .flat_map(|shape| shadow_table::widened(swap.plan, shape))
    {
        run.note(&format!("Table {}: {note}", swap.plan.name));
    }
    let new = shadow_table::create(lease_session, swap.shadow, swap.shadow_lease, shape).await?;
    if let Some(old) = &old {
        let at = LoadTarget {
            plan: swap.shadow,
            target: &new,
            lease: swap.shadow_lease,
            scope,
        };
        carry(run, at, old, &same, summary).await?;
    }
    Ok(Some(new))
}

/// Whether the brake keeps a reference table as it is, because `leaving` of its `of` rows would leave it and `left` rows
/// remain. If so, the user is warned. A table is never emptied unasked.
fn holds_back(
    run: &RunContext<'_>,
    plan: &TablePlan,
    (leaving, of): (u64, u64),
    left: u64,
    summary: &mut TableSummary,
) -> bool {
    let brake = run.brake(plan);
    let emptied = leaving > 0 && left == 0 && brake.percent < 100;
    if brake.allows(leaving, of) && !emptied {
        return false;
    }
    let error = held(&plan.name, Window::All, leaving, of);
    run.retrier.progress.event(Event::Warning(&error.chain()));
    summary.held += 1;
    summary.windows_done = 0;
    true
}

/// The chunks of the target in place, as the store has them after a comparison with receipts and target.
async fn in_the_target(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    at: LoadTarget<'_>,
) -> Result<Vec<Chunk>> {
    for warning in compare(run, lease_session, at, run.read_cutoff(at.plan).await?)
        .await?
        .warnings
    {
        run.retrier.progress.event(Event::Warning(&warning));
    }
    let table = at.plan.name.as_str();
    run.retrier.progress.event(Event::Comparing { table });
    run.retrier.store.chunks(table, Window::All)
}

/// Reports that there is nothing to do.
async fn unchanged(
    run: &RunContext<'_>,
    at: LoadTarget<'_>,
    chunks: &[Chunk],
    lease_session: &mut Session,
    summary: &mut TableSummary,
) -> Result<()> {
    let standing = compare(run, lease_session, at, run.read_cutoff(at.plan).await?).await?;
    announce(run, at.plan, &standing, None, summary)?;
    summary.windows_done = 1;
    summary.rows_total = chunks.iter().map(|chunk| chunk.tally.row_count).sum();
    Ok(())
}

/// The chunks before the first one whose rows have changed at either end.
async fn same_from_the_start(
    run: &RunContext<'_>,
    at: LoadTarget<'_>,
    chunks: &[Chunk],
    summary: &mut TableSummary,
) -> Result<Vec<Chunk>> {
    let mut same = Vec::new();
    for chunk in chunks {
        if !compared(run, at.plan, at.target, chunk, summary).await?.same {
            break;
        }
        same.push(chunk.clone());
    }
    Ok(same)
}

/// Compares a chunk with the source's present rows of its range, and with the target's. Reads at most one row
/// more than the chunk has from the source.
async fn compared(
    run: &RunContext<'_>,
    plan: &TablePlan,
    target: &Target,
    chunk: &Chunk,
    summary: &mut TableSummary,
) -> Result<Compared> {
    if !run.may_read() {
        return Err(stopped());
    }
    let place = Place::window(plan.name.as_str(), Window::All);
    let compared = run.retrier.retry(place, || async move {
        if run.is_stopped() {
            return Err(stopped());
        }
        let ask = Ask::Whole {
            rows: chunk.tally.row_count,
        };
        let mut turn = run.pools.turn(ask).await?;
        let at = (&mut *turn.session, &mut turn.permit);
        let mut compared = extract::compare(at, plan, Extent::All, chunk).await?;
        run.pools.end(turn);
        let is_same_at_source = compared.same;
        if compared.same {
            // Somebody may have changed a row of the target by hand.
            let mut session = run.pools.target.take().await?;
            let range = target.range(plan, Extent::All, &chunk.range)?;
            compared.same = read_back(&mut session, plan, target, &range).await? == chunk.tally;
            run.pools.target.put(session);
        }
        Ok((compared, is_same_at_source))
    });
    let (compared, is_same_at_source) = compared.await?;
    if is_same_at_source && !compared.same {
        run.retrier.store.commit(&[Change::Mismatched {
            table: plan.name.as_str().to_owned(),
        }])?;
    }
    run.retrier.progress.event(Event::ChunkCompared {
        table: plan.name.as_str(),
        window: Window::All,
        ordinal: chunk.ordinal,
        row_count: chunk.tally.row_count,
    });
    if compared.same {
        summary.rows_compared += chunk.tally.row_count;
    }
    Ok(compared)
}

/// The number of the source's present rows in a chunk's range, where a comparison does not tell it.
async fn counted(run: &RunContext<'_>, plan: &TablePlan, chunk: &Chunk) -> Result<u64> {
    let place = Place::window(plan.name.as_str(), Window::All);
    let counted = run.retrier.retry(place, || async move {
        if run.is_stopped() {
            return Err(stopped());
        }
        let mut turn = run.pools.turn(Ask::Whole { rows: 0 }).await?;
        let rows = count(&mut turn.session, plan, Extent::All, &chunk.range).await?;
        run.pools.end(turn);
        Ok(rows)
    });
    counted.await
}

/// Carries chunks that are equal at the source over from the target in place. A chunk that somebody has
/// changed there, and every later one, is read from the source instead.
async fn carry(
    run: &RunContext<'_>,
    at: LoadTarget<'_>,
    old: &Target,
    chunks: &[Chunk],
    summary: &mut TableSummary,
) -> Result<()> {
    for chunk in chunks {
        if run.is_stopped() {
            return Err(stopped());
        }
        let mut session = run.pools.target.take().await?;
        let load_id = run.retrier.clock.random();
        let Some(chunk) =
            carry_over::carry(&mut session, at.plan, old, at.target, at.lease, chunk, load_id).await?
        else {
            break;
        };
        run.pools.target.put(session);
        summary.rows_loaded += chunk.tally.row_count;
        run.retrier.meter.loaded(chunk.tally.row_count);
        run.retrier.store.commit(&[Change::Chunk {
            table: at.plan.name.as_str().to_owned(),
            window: Window::All,
            chunk,
        }])?;
    }
    Ok(())
}

/// Retries the cutover until it is done, or until readers hold the old table for too long. Returns false as
/// [`shadow_table::swap`] does.
async fn cut_over(run: &RunContext<'_>, swap: &Swap<'_>) -> Result<bool> {
    let plan = swap.plan;
    let swapped = run.retrier.retry(Place::of(plan.name.as_str()), || async move {
        try_swap(run, swap).await.map_err(|error| match error.kind() {
            ErrorKind::Transient => error.within(format!(
                "Another session keeps target table {} locked; wait for it to end, or stop it",
                plan.target
            )),
            _ => error,
        })
    });
    let swapped = swapped.await?;
    if swapped {
        let record = WindowRecord {
            window: Window::All,
            state: WindowState::Complete,
            error: None,
            updated_at: run.retrier.clock.now(),
        };
        let table = plan.name.as_str().to_owned();
        run.retrier.store.commit(&[Change::Window { table, record }])?;
        run.note(&format!("Table {}: swapped in as {}", plan.name, plan.target));
    }
    Ok(swapped)
}

async fn try_swap(run: &RunContext<'_>, swap: &Swap<'_>) -> Result<bool> {
    let mut session = run.pools.target.take().await?;
    let swapped = shadow_table::swap(&mut session, swap).await?;
    run.pools.target.put(session);
    Ok(swapped)
}
