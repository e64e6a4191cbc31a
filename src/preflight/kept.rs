//! The plan by which a table goes on: by the key, the access path and the name of its first load, and held to all else
//! that must not change.
//!
//! The target's record of a table tells what its receipts' keys mean, so it comes first. A table that has no receipt is
//! planned anew, whatever was recorded: receipts commit together with rows, so nothing is loaded of it. A target that lost
//! the record and kept receipts has it from a state file that knows these receipts; without one nobody can tell what
//! their keys are of, and the table is refused.
//!
//! Who only looks decides by the same rules. A run looks between the table's applock and its epoch, so that a run that is
//! refused takes nothing from a working one, and once more under its lease before it writes.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::base::text::counted;
use crate::checkpoint::{Change, WindowRecord, WindowState};
use crate::model::plan::{SOURCE_DATABASE, SOURCE_IDENTITY, SOURCE_SERVER, SOURCE_TABLE, TablePlan};
use crate::model::table::{Identifier, TableName};
use crate::mssql::Session;
use crate::pipeline::known::{Known, record};
use crate::pipeline::resume::owed::Owed;
use crate::preflight::context::RunContext;
use crate::target::lease::{self, Lease};
use crate::target::receipt::{self, Fingerprint, Recorded};

/// The plan by which a table goes on.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The plan.
    pub(crate) plan: TablePlan,
    /// What becomes of the target's record.
    record: Record,
    /// The changes since the load before, as texts for an operator: first the accepted ones.
    told: Vec<String>,
    /// The change of the source's server, which is the same for all tables.
    server: Option<String>,
    /// Rows that left the table and could not be followed, which a lost record does not tell any more.
    unfollowed: u64,
}

#[derive(Debug)]
enum Record {
    /// It is as it must be.
    Stays,
    /// Its parts that may change have changed.
    Renewed(Fingerprint),
    /// There is none, or none that counts.
    New,
}

/// Whether another source than the one that was loaded is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSource {
    /// It is.
    Accepted,
    /// It is refused.
    Refused,
}

/// The plan by which a table goes on, of which `fresh` is the one that it would have if nothing were loaded of it.
/// `known` is what the state file has of it; `session` is `None` for a target without schema [sync].
///
/// # Errors
/// `Plan` if what must not change has changed, which names every difference, and if nobody can tell by what the table
/// was loaded; those of the session and of the state file.
pub(crate) async fn look(
    mut session: Option<&mut Session>,
    fresh: &TablePlan,
    known: Option<&Known<'_>>,
    other: OtherSource,
) -> Result<Kept> {
    let mut fresh = fresh.clone();
    let mut recorded = None;
    if let Some(session) = session.as_deref_mut() {
        recorded = receipt::plan(session, &fresh.target).await?;
        let name = match &recorded {
            Some(recorded) => Some(recorded.table.clone()),
            None => lease::name_of(session, &fresh.target).await?,
        };
        if let Some(name) = name {
            let target = fresh.target.respelled(&name);
            fresh = fresh.spelled(target);
        }
    }
    match (session, recorded) {
        (Some(session), Some(recorded)) => by_record(session, fresh, known, recorded, other).await,
        (session, _) => without_record(session, fresh, known, other).await,
    }
}

/// The plan of a table that the target has a record of.
async fn by_record(
    session: &mut Session,
    fresh: TablePlan,
    known: Option<&Known<'_>>,
    recorded: Recorded,
    other: OtherSource,
) -> Result<Kept> {
    let older = recorded.fingerprint;
    let plan = fresh.clone().keeping(recorded.access_path, &older);
    let is_chosen = plan.key == fresh.key && plan.differences(&older).is_empty();
    if !is_chosen && !is_begun(session, &fresh, known, &older).await? {
        return Ok(Kept::anew(fresh));
    }
    let mut kept = Kept::held(plan, &older, other)?;
    let mut renewed = older.clone();
    for (part, now) in &kept.plan.fingerprint {
        match renewed.iter_mut().find(|(name, _)| name == part) {
            Some((_, then)) => then.clone_from(now),
            None => renewed.push((part.clone(), now.clone())),
        }
    }
    if renewed != older {
        kept.record = Record::Renewed(renewed);
    }
    Ok(kept)
}

/// Whether anything is loaded by a recorded plan: the target has a receipt, or the state file has checkpoints of its
/// keys, by which a target that lost them is loaded again.
async fn is_begun(
    session: &mut Session,
    plan: &TablePlan,
    known: Option<&Known<'_>>,
    recorded: &Fingerprint,
) -> Result<bool> {
    let mut tables = vec![plan.target.clone()];
    if plan.is_full() {
        // Until its first cutover a reference table has receipts under the name of its shadow table alone.
        tables.extend(receipt::left_shadow(session, &plan.target).await?);
    }
    if receipt::is_loaded(session, &tables).await? {
        return Ok(true);
    }
    match known {
        Some(known) if TablePlan::has_same_keys(recorded, &known.record.fingerprint) => {
            Ok(!known.loaded()?.is_empty())
        }
        _ => Ok(false),
    }
}

/// The plan of a table that the target has no record of.
async fn without_record(
    mut session: Option<&mut Session>,
    fresh: TablePlan,
    known: Option<&Known<'_>>,
    other: OtherSource,
) -> Result<Kept> {
    let is_loaded = match session.as_deref_mut() {
        Some(session) => receipt::is_loaded(session, std::slice::from_ref(&fresh.target)).await?,
        None => false,
    };
    let target = fresh.target.clone();
    if let (true, Some(session)) = (is_loaded, session.as_deref_mut()) {
        return match known {
            Some(known) if known.has_receipts(session, &target).await? => {
                let record = &known.record;
                let plan = fresh.keeping(record.access_path, &record.fingerprint);
                let unfollowed = known.unfollowed()?;
                let mut kept = Kept::held(plan, &record.fingerprint, other)?;
                if !kept.plan.is_full() {
                    kept.told.push(format!(
                        "the target has lost what [sync].[plan] knew of it, and with that which rows are on their way to \
                         another date; if there may be some, run `sync reconcile --source --repair --tables {}`",
                        kept.plan.name
                    ));
                }
                Ok(Kept {
                    record: Record::New,
                    unfollowed,
                    ..kept
                })
            }
            _ => Err(untold(&fresh.name, &target)),
        };
    }
    let Some(known) = known else {
        return Ok(Kept::anew(fresh));
    };
    // Loading a table into another target than before would silently leave the old one behind.
    let record = &known.record;
    let (now, then) = (target.exact(), &record.target);
    let is_same = match session {
        Some(session) if now.to_lowercase() == then.to_lowercase() && now != *then => {
            receipt::is_same_name(session, &now, then).await?
        }
        _ => now == *then,
    };
    if !is_same {
        refuse_changes(
            &fresh,
            &[("target table", format!("target table: was {then}, is {now}"))],
        )?;
    }
    if known.loaded()?.is_empty() {
        return Ok(Kept::anew(fresh));
    }
    // The target lost all that it had, which is loaded again by the state file's checkpoints, and from the same source.
    let plan = fresh.keeping(record.access_path, &record.fingerprint);
    let mut differences = plan.differences(&record.fingerprint);
    differences.retain(|(part, _)| match *part {
        SOURCE_IDENTITY => other == OtherSource::Refused,
        part => TablePlan::KEYS.contains(&part) || [SOURCE_DATABASE, SOURCE_TABLE].contains(&part),
    });
    refuse_changes(&plan, &differences)?;
    Ok(Kept::anew(plan))
}

/// The plan that a table was loaded by, where the source is not asked: `recorded` is the target's.
///
/// # Errors
/// `Plan` if nobody can tell it; those of the session and of the state file.
pub(crate) async fn loaded_by(
    session: Option<&mut Session>,
    table: &Identifier,
    target: TableName,
    recorded: Option<Recorded>,
    known: Option<&Known<'_>>,
) -> Result<TablePlan> {
    let (access_path, fingerprint) = match (recorded, known) {
        (Some(recorded), _) => (recorded.access_path, recorded.fingerprint),
        (None, Some(known)) if is_known(session, &target, known).await? => {
            (known.record.access_path, known.record.fingerprint.clone())
        }
        (None, _) => return Err(untold(table, &target)),
    };
    TablePlan::recorded(table, target, access_path, fingerprint)
}

/// Whether the target's receipts, if it has any, are among the state file's checkpoints.
async fn is_known(session: Option<&mut Session>, target: &TableName, known: &Known<'_>) -> Result<bool> {
    match session {
        None => Ok(true),
        Some(session) => Ok(known.has_receipts(session, target).await?
            || !receipt::is_loaded(session, std::slice::from_ref(target)).await?),
    }
}

/// Takes a table's lease, and returns the plan by which the table goes on. Once this returns, the target has a record
/// of that plan, and the state file has no checkpoint of other keys. The user sees the plan's notes and changes.
///
/// # Errors
/// Those of [`look`], before anything is written; of [`lease::wait_turn`] and [`lease::raise`].
pub(crate) async fn hold(
    run: &RunContext<'_>,
    session: &mut Session,
    fresh: &TablePlan,
) -> Result<(Lease, TablePlan)> {
    run.wait_turn(session, &fresh.target).await?;
    let kept = of_run(run, Some(session), fresh).await?;
    let lease = run
        .raise_lease(session, kept.plan.name.as_str(), &kept.plan.target)
        .await?;
    let plan = settle(run, session, &lease, fresh, kept).await?;
    Ok((lease, plan))
}

/// As [`look`], for the state file of a run.
pub(crate) async fn of_run(
    run: &RunContext<'_>,
    session: Option<&mut Session>,
    fresh: &TablePlan,
) -> Result<Kept> {
    let known = Known::of(run.retrier.store.view()?, fresh.name.as_str())?;
    let other = match run.options.accept_source {
        true => OtherSource::Accepted,
        false => OtherSource::Refused,
    };
    look(session, fresh, known.as_ref(), other).await
}

/// Records what [`of_run`] found, under the lease of the table, and tells the user. Returns the plan.
///
/// # Errors
/// `Busy` if the lease was lost; those of [`look`], of the session and of the state file.
pub(crate) async fn settle(
    run: &RunContext<'_>,
    session: &mut Session,
    lease: &Lease,
    fresh: &TablePlan,
    found: Kept,
) -> Result<TablePlan> {
    let mut kept = found;
    if !matches!(kept.record, Record::Stays) {
        session.begin().await?;
        // A load that was in doubt has ended now, and its receipt counts.
        lease::fence(session, lease).await?;
        kept = of_run(run, Some(session), fresh).await?;
        write(session, &kept).await?;
        failpoint::step("plan: before COMMIT");
        session.commit().await?;
        failpoint::step("plan: after COMMIT");
    }
    let plan = kept.plan;
    forget_other_keys(run, &plan).await?;
    for text in kept.told {
        run.warn(&format!("Table {}: {text}", plan.name));
    }
    if let Some(text) = kept.server
        && run.is_news(&text)
    {
        run.warn(&format!("Table {}: {text}", plan.name));
    }
    for note in &plan.notes {
        run.note(note);
    }
    Ok(plan)
}

async fn write(session: &mut Session, kept: &Kept) -> Result<()> {
    let plan = &kept.plan;
    match &kept.record {
        Record::Stays => Ok(()),
        Record::Renewed(fingerprint) => receipt::renew_plan(session, &plan.target, fingerprint).await,
        Record::New => {
            // A table that begins anew is loaded from its start, so a shadow table of before is dropped.
            if plan.is_full()
                && let Some(shadow) = receipt::left_shadow(session, &plan.target).await?
            {
                receipt::drop_table(session, &shadow).await?;
            }
            receipt::put_plan(session, &plan.target, plan.access_path, &plan.fingerprint).await?;
            if kept.unfollowed > 0 {
                receipt::renew_left(session, &plan.target, &[], |_| kept.unfollowed).await?;
            }
            Ok(())
        }
    }
}

/// Replaces the checkpoints of a table in the state file if their keys are of other columns than the plan's: the table
/// was forgotten and loaded anew from another machine. Their days that have passed stay owed. The target's receipts are the
/// truth about the rest.
async fn forget_other_keys(run: &RunContext<'_>, plan: &TablePlan) -> Result<()> {
    let store = &run.retrier.store;
    let table = plan.name.as_str();
    let Some(known) = Known::of(store.view()?, table)? else {
        return Ok(());
    };
    if TablePlan::has_same_keys(&plan.fingerprint, &known.record.fingerprint) {
        return Ok(());
    }
    let (windows, loaded) = (known.windows()?, known.remembered()?);
    drop(known);
    let mut cutoff = None;
    if !loaded.is_empty() {
        cutoff = Some(run.read_cutoff(plan).await?);
        run.warn(&format!(
            "Table {table}: the state file has {} of a load by other keys, which the target has forgotten since; they do \
             not count, and rows of their dates until today are loaded again where the target has no receipts of them",
            counted(loaded.len() as u64, "window")
        ));
    }
    let mut changes = vec![record(plan)];
    for window in windows {
        let table = table.to_owned();
        changes.push(Change::RemoveWindow {
            table: table.clone(),
            window,
        });
        let Some(cutoff) = cutoff.filter(|_| loaded.contains(&window)) else {
            continue;
        };
        if let Some(passed) = Owed::of(window, cutoff)?.passed {
            let record = WindowRecord {
                window: passed,
                state: WindowState::Planned,
                error: None,
                updated_at: run.retrier.clock.now(),
            };
            changes.push(Change::Window {
                table: table.clone(),
                record,
            });
            changes.push(Change::Chunk {
                table,
                window: passed,
                chunk: Owed::chunk(run.retrier.clock.random()),
            });
        }
    }
    store.commit(&changes)
}

/// Refuses a plan that differs from the one that its target was loaded by.
///
/// # Errors
/// `Plan`, which names every difference.
fn refuse_changes(plan: &TablePlan, differences: &[(&str, String)]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let other = differences.iter().any(|(part, _)| *part == SOURCE_IDENTITY);
    let texts: Vec<&str> = differences.iter().map(|(_, text)| text.as_str()).collect();
    let accept = if other {
        "; or, if it is the same data at another place, run with --accept-source and then compare it by \
         `sync reconcile --source`"
    } else {
        ""
    };
    Err(Error::new(
        ErrorKind::Plan,
        format!(
            "Table {name}: what it was loaded by has changed ({}); undo the change, or run `sync forget \
             --table {name}` and then this command again to load the table anew{accept}",
            texts.join("; "),
            name = plan.name
        ),
    ))
}

/// The error for a target that has receipts of a table and lost what tells their keys.
fn untold(table: &Identifier, target: &TableName) -> Error {
    Error::new(
        ErrorKind::Plan,
        format!(
            "Table {table}: the target has receipts of {target}, but [sync].[plan] has lost the row that tells by which key \
             they were made, and this state file does not know them; put the row back from a backup, or run once from the \
             machine whose state file knows them, or run `sync forget --table {table}` and then this command again to \
             load the table anew"
        ),
    )
}

impl Kept {
    /// The plan of a table that nothing is loaded of.
    fn anew(plan: TablePlan) -> Kept {
        Kept {
            plan,
            record: Record::New,
            told: Vec::new(),
            server: None,
            unfollowed: 0,
        }
    }

    /// A plan that equals an older one but for what may change.
    fn held(plan: TablePlan, older: &Fingerprint, other: OtherSource) -> Result<Kept> {
        let is_accepted =
            |(part, _): &(&str, String)| *part == SOURCE_IDENTITY && other == OtherSource::Accepted;
        let (accepted, refused): (Vec<_>, Vec<_>) =
            plan.differences(older).into_iter().partition(is_accepted);
        refuse_changes(&plan, &refused)?;
        let changes = plan.told_changes(older);
        let (server, told): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(part, _)| *part == SOURCE_SERVER);
        let told = accepted.into_iter().chain(told).map(|(_, text)| text).collect();
        let server = server.into_iter().map(|(_, text)| text).next();
        Ok(Kept {
            plan,
            record: Record::Stays,
            told,
            server,
            unfollowed: 0,
        })
    }
}
