//! A table compared under its lease.
//!
//! The lease comes first, and all reads of the target after it. So no other machine's cutover can replace the
//! table that is compared and repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::error::Result;
use crate::base::text::rows;
use crate::checkpoint::Change;
use crate::config::{Mode, TableConfig};
use crate::model::plan::TablePlan;
use crate::model::window::Window;
use crate::model::window::uncovered;
use crate::mssql::{Session, catalog};
use crate::pipeline::known::Known as OfStore;
use crate::pipeline::resume::doubt::{self, was_in_step};
use crate::preflight::context::RunContext;
use crate::preflight::kept::{Kept, loaded_by, of_run, settle};
use crate::preflight::plan::{of_source, origin};
use crate::progress::Event;
use crate::reconcile::compare::{Difference, NO_RECEIPT};
use crate::reconcile::finding::{About, Finding, ReconcileOptions, Reconciled};
use crate::reconcile::repair::{self, Repair, is_not_there};
use crate::reconcile::round::{Doubt, Round, Shown};
use crate::reconcile::window::{Shared, lost_of, windows_again};
use crate::refresh::shadow_table;
use crate::refresh::shadow_table::RefreshStrategy;
use crate::target::lease;
use crate::target::lease::Lease;
use crate::target::migrate;
use crate::target::migrate::migrate;
use crate::target::receipt;
use crate::target::receipt::Recorded;
use crate::target::table::{Target, takes_rows};

/// What is to be done about receipts that are not believed.
const WAY_OUT_OF_DOUBT: &str = "`sync reconcile --repair` loads their rows again";

/// The target's records of a table, read while nobody else may write it.
struct Known {
    /// `None` if the target has no schema [sync], and so no leases.
    lease: Option<Lease>,
    /// The plan by which the table is compared, if it is from the source's catalog.
    present: Option<Present>,
    /// The target's record of the plan that its rows were loaded by.
    recorded: Option<Recorded>,
    /// The windows that have receipts.
    receipted: Vec<Window>,
    /// Windows that the store holds verified chunks of and the target has no receipt for.
    bare: Vec<Window>,
}

/// A table's present plan from the source's catalog, and the one by which it goes on.
struct Present {
    fresh: TablePlan,
    kept: Kept,
}

/// What a comparison of a table was by, and what its repair did.
#[derive(Default)]
struct Compared {
    /// The table's plan, if it is from the source's catalog.
    plan: Option<TablePlan>,
    /// Whether a repair brought keys to chunks or took some from them, or may have.
    moved: bool,
}

impl Compared {
    fn by(plan: Option<TablePlan>, moved: bool) -> Compared {
        Compared { plan, moved }
    }
}

/// Compares a table under its lease. Returns the doubt that a row is missing, or there twice, although all was compared.
pub(super) async fn try_reconcile(
    run: &RunContext<'_>,
    table: &TableConfig,
    (options, pass): (&ReconcileOptions, u128),
    round: &mut Round,
    done: &mut Reconciled,
) -> Result<Option<Doubt>> {
    let mut lease_session = run.pools.target.take().await?;
    let known = known(run, &mut lease_session, table, options).await?;
    let lease = known.lease.clone();
    if lease.is_some() {
        let target = run.config.target_table(table);
        round.begin(receipt::unfollowed(&mut lease_session, &target).await?);
    }
    let mut compared = Compared::default();
    if known.receipted.is_empty() && known.bare.is_empty() {
        run.note(&format!(
            "Table {}: nothing is loaded, so there is nothing to compare",
            table.name
        ));
    } else {
        compared = compare_known(run, &mut lease_session, table, known, (options, pass), done).await?;
    }
    let doubt = match &lease {
        Some(lease) => {
            let is_whole = options.source && options.range.is_none() && !run.is_stopped();
            let shown = Shown {
                is_whole,
                is_in_parts: round.is_in_parts(done),
                is_sound: done.left_out.is_empty() && done.findings.iter().all(|finding| finding.repaired),
                moved: compared.moved && options.source,
            };
            let unfollowed = unfollowed(run, &mut lease_session, lease, table, &shown, round).await?;
            round.doubt(&shown, unfollowed, compared.plan.as_ref())
        }
        None => None,
    };
    let released = match &lease {
        Some(lease) => lease::release(&mut lease_session, lease).await.is_ok(),
        None => true,
    };
    if released {
        run.pools.target.put(lease_session);
    }
    Ok(doubt)
}

/// The number of rows that could not be followed, which the store learns. It is reset once all of the table was compared with
/// the source in one round that moved no row: only that finds where they are.
async fn unfollowed(
    run: &RunContext<'_>,
    session: &mut Session,
    lease: &Lease,
    table: &TableConfig,
    shown: &Shown,
    round: &Round,
) -> Result<u64> {
    let (store, name) = (&run.retrier.store, table.name.as_str());
    let target = run.config.target_table(table);
    let count = receipt::unfollowed(session, &target).await?;
    let learnt = |rows| Change::Unfollowed {
        table: name.to_owned(),
        rows,
    };
    if round.tells_all(shown, count) {
        receipt::all_followed(session, lease, &target).await?;
        store.commit(&[learnt(0)])?;
        if count > 0 {
            run.warn(&format!(
                "Table {name}: {} could not be followed. Those that the source has under dates that are loaded are at the \
                 target now, and none counts any more. One that is too young to be read, or under dates that nothing is \
                 loaded of, may still come to a month that is no longer compared: only `sync reconcile --source` finds it \
                 there",
                rows(count)
            ));
        }
        return Ok(0);
    }
    // The target may have lost its number.
    if count > store.view()?.unfollowed(name)? {
        store.commit(&[learnt(count)])?;
    }
    Ok(count)
}

/// Takes the table's lease, and reads the target's records of the table. A table whose source has changed as it must not
/// is refused before that.
async fn known(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    table: &TableConfig,
    options: &ReconcileOptions,
) -> Result<Known> {
    let target = run.config.target_table(table);
    let version = migrate::version(lease_session).await?;
    if version == 0 {
        let bare = bare(run, table, &[])?;
        if bare.is_empty() || !options.repair {
            return Ok(Known {
                lease: None,
                present: None,
                recorded: None,
                receipted: Vec::new(),
                bare,
            });
        }
    }
    // What it marks and writes is of the newest version.
    if version < migrate::newest() {
        migrate(lease_session).await?;
    }
    run.wait_turn(lease_session, &target).await?;
    let has_rows = receipt::is_loaded(lease_session, std::slice::from_ref(&target)).await?
        || !bare(run, table, &[])?.is_empty();
    let present = match has_rows && options.source {
        true => Some(present_plan(run, Some(lease_session), table).await?),
        false => None,
    };
    let lease = run
        .raise_lease(lease_session, table.name.as_str(), &target)
        .await?;
    let recorded = receipt::plan(lease_session, &target).await?;
    let receipted = receipt::windows(lease_session, &target).await?;
    // A reference table's first load is recorded under the name of its shadow table until the cutover.
    let is_beside = table.mode == Mode::Full
        && receipted.is_empty()
        && receipt::left_shadow(lease_session, &target).await?.is_some()
        && !receipt::windows(lease_session, &target.shadow()?)
            .await?
            .is_empty();
    let bare = if is_beside {
        Vec::new()
    } else {
        bare(run, table, &receipted)?
    };
    Ok(Known {
        lease: Some(lease),
        present,
        recorded,
        receipted,
        bare,
    })
}

/// The windows that the store has verified or stale chunks of and that are not among the `receipted`. Another
/// run may have cut the same days into other windows, so a window whose days all have receipts does not
/// count.
fn bare(run: &RunContext<'_>, table: &TableConfig, receipted: &[Window]) -> Result<Vec<Window>> {
    let (name, view) = (table.name.as_str(), run.retrier.store.view()?);
    let mut bare = Vec::new();
    for record in view.windows(name)? {
        let window = record.window;
        if !receipted.contains(&window)
            && view.counts(name, window)?.remembered() > 0
            && !uncovered(window, receipted)?.is_empty()
        {
            bare.push(window);
        }
    }
    Ok(bare)
}

async fn compare_known(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    table: &TableConfig,
    known: Known,
    (options, pass): (&ReconcileOptions, u128),
    done: &mut Reconciled,
) -> Result<Compared> {
    let Known {
        lease,
        present,
        recorded,
        receipted,
        bare,
    } = known;
    let name = table.name.as_str();
    let is_recorded = recorded.is_some();
    let plan = match (present, &lease) {
        (Some(Present { fresh, kept }), Some(lease)) if is_recorded => {
            settle(run, lease_session, lease, &fresh, kept).await?
        }
        (Some(Present { kept, .. }), _) => kept.plan,
        (None, _) if options.source => present_plan(run, None, table).await?.kept.plan,
        (None, _) => {
            let known = OfStore::of(run.retrier.store.view()?, name)?;
            let target = run.config.target_table(table);
            let session = lease.is_some().then_some(&mut *lease_session);
            loaded_by(session, &table.name, target, recorded, known.as_ref()).await?
        }
    };
    let target = target_in_place(lease_session, &plan, &receipted, options.repair).await?;
    let mut windows: BTreeSet<Window> = receipted.iter().chain(&bare).copied().collect();
    windows.retain(|window| options.range.is_none_or(|range| window.is_asked(range)));
    if windows.is_empty() {
        note_nothing(run, name);
        return Ok(Compared::default());
    }
    run.retrier.progress.event(Event::Comparing { table: name });
    let mut there = Default::default();
    if let Some(target) = &target {
        let shared = Arc::new(shared(run, &plan, target, lease.is_some(), (options, pass)).await?);
        if lease.is_some() && lease_session.receipt_key().is_some() {
            refuse_other_key(lease_session, &plan, &windows).await?;
        }
        let doubts;
        (there, doubts) = windows_again(&shared, windows, run.max_workers(), done).await?;
        let warnings = doubt::warnings(name, &doubts, WAY_OUT_OF_DOUBT);
        warnings.iter().for_each(|text| run.warn(text));
    } else {
        all_lost(run, name, &windows, done)?;
    }
    run.retrier.progress.event(Event::Compared {
        table: name,
        chunks: done.chunks,
        differing: done.findings.len() as u64,
    });
    let repairs = options.repair && !done.findings.is_empty() && !run.is_stopped();
    let Some(lease) = lease.filter(|_| repairs) else {
        return Ok(Compared::by(options.source.then_some(plan), false));
    };
    // A comparison without the source used the recorded plan; a load needs the source's present one. A comparison alone
    // records no plan.
    let plan = match options.source && is_recorded {
        true => plan,
        false => settled_plan(run, lease_session, &lease, table).await?,
    };
    let repair = Repair {
        plan: &plan,
        target,
        lease: &lease,
        receipted: &receipted,
        there: &there,
        options,
    };
    let moved = repair::repair(run, lease_session, repair, done).await?;
    Ok(Compared::by(Some(plan), moved))
}

/// What the comparisons of a table's windows share.
async fn shared(
    run: &RunContext<'_>,
    plan: &TablePlan,
    target: &Target,
    has_receipts: bool,
    (options, pass): (&ReconcileOptions, u128),
) -> Result<Shared> {
    let read_cutoff = match options.source {
        true => Some(run.read_cutoff(plan).await?),
        false => None,
    };
    Ok(Shared {
        plan: plan.clone(),
        target: target.clone(),
        read_cutoff,
        has_receipts,
        bytes_max: run.config.run.chunk_bytes_max.saturating_mul(2),
        pass,
        run_id: run.run_id,
        in_step: match plan.is_full() {
            true => None,
            false => was_in_step(
                &run.retrier.store.view()?,
                plan.name.as_str(),
                &target.incarnation,
            )?,
        },
        pools: run.pools.clone(),
        retrier: run.retrier.clone(),
    })
}

/// The table's present plan, which the target learns.
async fn settled_plan(
    run: &RunContext<'_>,
    session: &mut Session,
    lease: &Lease,
    table: &TableConfig,
) -> Result<TablePlan> {
    let Present { fresh, kept } = present_plan(run, Some(session), table).await?;
    settle(run, session, lease, &fresh, kept).await
}

fn note_nothing(run: &RunContext<'_>, name: &str) {
    run.note(&format!(
        "Table {name}: nothing of these dates is loaded, so there is nothing to compare"
    ));
}

/// Refuses a `receipt_key` that fits none of the seals.
async fn refuse_other_key(session: &mut Session, plan: &TablePlan, windows: &BTreeSet<Window>) -> Result<()> {
    let mut seals = Vec::new();
    for window in windows {
        let receipts = receipt::read(session, &plan.target, *window).await?;
        seals.extend(receipts.iter().map(|receipt| receipt.seal));
    }
    receipt::refuse_other_key(&plan.target, seals)
}

/// The target table; `None` if it does not exist and no receipt names it. One that is to be loaded takes rows, as in a run.
async fn target_in_place(
    lease_session: &mut Session,
    plan: &TablePlan,
    receipted: &[Window],
    loads: bool,
) -> Result<Option<Target>> {
    let Some(schema) = catalog::describe(lease_session, &plan.target).await? else {
        if receipted.is_empty() {
            return Ok(None);
        }
        return Err(is_not_there(&plan.target, "there are receipts of it"));
    };
    let target = Target::new(plan, &schema)?;
    if loads {
        takes_rows(lease_session, plan, &schema).await?;
        target.refuse_misfits(plan)?;
    }
    let by_row = plan.is_full()
        && matches!(
            shadow_table::strategy(lease_session, plan).await?,
            RefreshStrategy::InPlace(..)
        );
    Ok(Some(if by_row { target.by_row(plan) } else { target }))
}

/// The table's present plan from the source's catalog, and the one by which it goes on.
async fn present_plan(
    run: &RunContext<'_>,
    lease_session: Option<&mut Session>,
    table: &TableConfig,
) -> Result<Present> {
    let mut source = run.pools.source.take().await?;
    let server = source.server().await?;
    let origin = origin(run.config, &source, &server);
    let fresh = of_source(run.config, &mut source, table, &origin).await?;
    run.pools.source.put(source);
    let kept = of_run(run, lease_session, &fresh).await?;
    Ok(Present { fresh, kept })
}

/// Reports every chunk that the store holds of a table whose target does not exist.
fn all_lost(
    run: &RunContext<'_>,
    name: &str,
    windows: &BTreeSet<Window>,
    done: &mut Reconciled,
) -> Result<()> {
    for window in windows {
        let chunks = run.retrier.store.chunks(name, *window)?;
        for chunk in lost_of(&[], &chunks) {
            done.findings.push(Finding {
                table: name.to_owned(),
                window: *window,
                ordinal: Some(chunk.ordinal),
                about: About::Lost,
                difference: Difference {
                    receipt_rows: chunk.tally.row_count,
                    why: vec![NO_RECEIPT],
                    ..Difference::default()
                },
                load_id: None,
                repaired: false,
            });
        }
    }
    Ok(())
}
