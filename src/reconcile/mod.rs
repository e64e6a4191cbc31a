//! Compares every verified chunk of the tables again, one table after another and several windows in
//! parallel, and repairs the chunks that differ in place.
//!
//! Without `--source` nothing is asked of the source: the plan is the one that the target recorded. Each
//! chunk that is equal is recorded, so that a pass that was cut short resumes after it. A chunk that the
//! store holds as verified and the target has no receipt for is a finding, too: no loaded row is lost
//! silently.

pub mod compare;
mod finding;
mod repair;
mod round;
mod rounds;
mod table;
mod window;

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::checkpoint::{Change, Differing, Pass, PassScope, Store};
use crate::config::Config;
use crate::governor::Reins;
use crate::model::account::{Account, of_comparison};
use crate::model::window::DateRange;
use crate::mssql::Meter;
use crate::pipeline::retrier::Retrier;
use crate::preflight::context::{Identity, RunContext, RunOptions};
use crate::preflight::{contact, ends};
use crate::progress::{Event, Progress};
pub use finding::{About, Finding, ReconcileOptions, Reconciled, TableCompared, TableState};

/// A pass that was cut short is resumed for a week. Then its first results are too old to count.
const PASS_AGE_MAX_DAYS: i64 = 7;

/// Compares and, if asked to, repairs.
///
/// # Errors
/// The errors that end a run as a whole. Chunks that were equal stay recorded.
pub async fn reconcile(
    config: &Config,
    store: Arc<Store>,
    clock: SharedClock,
    options: ReconcileOptions,
    identity: Identity,
    progress: Arc<dyn Progress>,
    reins: Reins,
) -> Result<Reconciled> {
    config.knows("--allow-deletes", &options.allow_deletes)?;
    let run_options = run_options(&options, clock.now().date_naive())?;
    let retrier = Retrier {
        clock: Arc::clone(&clock),
        stop: reins.stop.clone(),
        store: Arc::clone(&store),
        progress,
        outage_max: config.run.outage_max,
        meter: Arc::new(Meter::new(&clock)),
        broke: Arc::default(),
    };
    let run = RunContext::new(config, run_options, identity, retrier);
    reins.give(&run.pools.throttle);
    contact(&run, options.source || options.repair).await?;
    if options.source || options.repair {
        ends::refuse(&run).await?;
    }
    let mut pass = begin(&run, &options)?;
    let mut done = Reconciled::begun(&options);
    for table in run.chosen()? {
        run.begin_table(table.name.as_str());
        let compared = rounds::reconcile_table(&run, table, &options, pass.id, &mut done).await;
        run.end_table();
        if compared.is_err() {
            store.commit(&run.accounts_of(of_comparison(run.run_id)))?;
        }
        compared?;
        if run.is_stopped() {
            done.stopped = true;
            break;
        }
    }
    if done.chunks_before > 0 {
        done.since = Some(pass.started_at);
    }
    let unrepaired = done.findings.iter().filter(|finding| !finding.repaired);
    pass.differing = unrepaired.clone().count() as u64;
    pass.repaired += done.findings.len() as u64 - pass.differing;
    let chunks = unrepaired.filter(|finding| finding.about == About::Chunk);
    let same = done.chunks_before + done.chunks.saturating_sub(chunks.count() as u64);
    pass.left_out = done.left_out.len() as u64;
    if done.stopped {
        // An earlier command may have come further.
        pass.same = pass.same.max(same);
    } else {
        pass.same = same;
        pass.ended_at = Some(clock.now());
    }
    end(&run, pass, &done)?;
    done.accounts = run.retrier.meter.accounts();
    let total = Account::total(&done.accounts);
    run.retrier.progress.event(Event::Accounted { account: &total });
    Ok(done)
}

/// The options of the work, as those of a run.
fn run_options(options: &ReconcileOptions, today: NaiveDate) -> Result<RunOptions> {
    let range = options.range;
    let range = range.map_or_else(|| DateRange::inclusive(today, today), Ok)?;
    Ok(RunOptions {
        tables: options.tables.clone(),
        max_workers: options.max_workers,
        allow_deletes: options.allow_deletes.clone(),
        ignore_hours: options.ignore_hours,
        ..RunOptions::of(range)
    })
}

/// Records what a pass came to.
fn end(run: &RunContext<'_>, pass: Pass, done: &Reconciled) -> Result<()> {
    let store = &run.retrier.store;
    let mut changes = vec![
        Change::Waiting(None),
        Change::Held(None),
        differing(store, pass.id, done)?,
    ];
    changes.extend(mismatched(store, pass.id, done)?);
    changes.extend(run.accounts_of(of_comparison(run.run_id)));
    let passes = store.view()?.passes()?;
    changes.extend(refuted(&pass, &passes).map(|other| Change::RemovePass(other.id)));
    changes.push(Change::Pass(pass));
    store.commit(&changes)
}

/// The differences that an earlier command of the pass has not counted.
fn mismatched(store: &Store, pass: u128, done: &Reconciled) -> Result<Vec<Change>> {
    let counted = store.view()?.differing(pass)?;
    let is_counted = |finding: &&Finding| {
        counted.iter().any(|differing| {
            let before = (&differing.table, differing.window, differing.ordinal);
            before == (&finding.table, finding.window, finding.ordinal)
        })
    };
    let new = done.findings.iter().filter(|finding| !is_counted(finding));
    let mismatched = |finding: &Finding| Change::Mismatched {
        table: finding.table.clone(),
    };
    Ok(new.map(mismatched).collect())
}

/// The differences that are left, with the loads that they are of: a later load of them is a repair.
fn differing(store: &Store, pass: u128, done: &Reconciled) -> Result<Change> {
    let view = store.view()?;
    let mut all = Vec::new();
    for finding in done.findings.iter().filter(|finding| !finding.repaired) {
        let (table, window) = (&finding.table, finding.window);
        let chunk = match finding.ordinal {
            Some(ordinal) => view.chunk(table, window, ordinal)?,
            None => None,
        };
        all.push(Differing {
            table: table.clone(),
            window,
            ordinal: finding.ordinal,
            load_id: finding
                .load_id
                .or(chunk.map(|chunk| chunk.load_id))
                .unwrap_or_default(),
        });
    }
    Ok(Change::Differing { pass, all })
}

/// Whether a pass has ended and left differences. Nobody may forget them before a later one has compared the same again.
fn has_found(pass: &Pass) -> bool {
    pass.ended_at.is_some() && pass.differing > 0
}

/// The ended passes whose differences are no more, or are those of `pass` as well: it came later, and compared all that they
/// did, and more.
fn refuted<'a>(pass: &'a Pass, others: &'a [Pass]) -> impl Iterator<Item = &'a Pass> {
    let has_compared_all = pass.ended_at.is_some() && pass.left_out == 0;
    others.iter().filter(move |other| {
        has_compared_all
            && other.id != pass.id
            && has_found(other)
            && other.ended_at.is_some_and(|ended| ended <= pass.started_at)
            && (pass.source || !other.source)
            && pass.scope.covers(&other.scope)
    })
}

/// Begins a pass, or resumes the one of the same ends, tables and dates that was cut short. A pass of other
/// ones stays as it is.
fn begin(run: &RunContext<'_>, options: &ReconcileOptions) -> Result<Pass> {
    let (store, clock) = (&run.retrier.store, &run.retrier.clock);
    let now = clock.now();
    let scope = scope(run, options)?;
    let is_recent =
        |pass: &Pass| now.signed_duration_since(pass.started_at) < TimeDelta::days(PASS_AGE_MAX_DAYS);
    let is_cut_short = |pass: &Pass| pass.ended_at.is_none() && is_recent(pass);
    let (alike, others): (Vec<_>, Vec<_>) = store
        .view()?
        .passes()?
        .into_iter()
        .partition(|pass| (pass.source, &pass.scope) == (options.source, &scope));
    let resumed = alike.iter().rfind(|pass| is_cut_short(pass)).cloned();
    let mut changes = vec![Change::Waiting(None)];
    let ended = alike
        .iter()
        .filter(|pass| resumed.as_ref().is_none_or(|resumed| resumed.id != pass.id) && !has_found(pass));
    changes.extend(ended.map(|pass| Change::RemovePass(pass.id)));
    let with_source = others.iter().rfind(|pass| pass.source && pass.ended_at.is_some());
    let with_source = with_source.map(|pass| pass.id);
    changes.extend(others.into_iter().map(|pass| {
        // The last pass over everything, and the last with the source, are told until the next one.
        let is_told = pass.ended_at.is_some() && (pass.scope.is_whole() || Some(pass.id) == with_source);
        match is_cut_short(&pass) || is_told || has_found(&pass) {
            true => Change::Pass(pass),
            false => Change::RemovePass(pass.id),
        }
    }));
    if let Some(pass) = &resumed {
        run.note(&format!(
            "Resuming the reconcile of {}, which was cut short; chunks that it found equal are not read again",
            pass.started_at.format("%Y-%m-%d %H:%M UTC")
        ));
    }
    let pass = resumed.unwrap_or_else(|| Pass {
        id: clock.random(),
        source: options.source,
        scope,
        started_at: now,
        ended_at: None,
        same: 0,
        differing: 0,
        repaired: 0,
        left_out: 0,
    });
    changes.push(Change::Pass(pass.clone()));
    store.commit(&changes)?;
    Ok(pass)
}

/// The tables and dates of the command.
fn scope(run: &RunContext<'_>, options: &ReconcileOptions) -> Result<PassScope> {
    let chosen = run.chosen()?;
    let is_all = chosen.len() == run.config.tables.len();
    let names = || {
        chosen
            .iter()
            .map(|table| table.name.as_str().to_owned())
            .collect()
    };
    Ok(PassScope {
        tables: (!is_all).then(names),
        range: options.range,
    })
}
