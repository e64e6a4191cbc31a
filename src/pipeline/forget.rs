//! Forgets a table, or months of it: drops receipts and checkpoints, so that the rows are loaded again.
//!
//! The leases come first, so that nothing is recorded of a `forget` that is refused. Then the store records
//! tombstones, so that the next run or the next `forget` finishes an interrupted one. Then transactions
//! delete the receipts, one a month, and one commit removes the checkpoints and the tombstones. The rows at the target stay
//! until a later load of their chunks replaces them. A shadow table that a refresh has left goes with its table.
//!
//! A tombstone names its database. The configuration may lead to another one by the time it is found, whose receipts prove
//! loads of its own: there it stays as it is.

use crate::base::error::{ErrorKind, Result};
use crate::base::failpoint;
use crate::checkpoint::{Change, Tombstone};
use crate::model::table::TableName;
use crate::mssql::{Database, Session};
use crate::pipeline::retrier::Retrier;
use crate::target::lease::{self, Holder, Lease};
use crate::target::migrate;
use crate::target::receipt;

/// Forgets the windows that `tombstones` name, all of one table. Once this returns, neither the target nor the store has
/// records of them. Returns the number of receipts that the target
/// had.
///
/// # Errors
/// `Busy` when a run is loading the table, and nothing is recorded then; `State` when the store cannot be
/// written; those of the session.
pub async fn forget(
    session: &mut Session,
    retrier: &Retrier,
    holder: &Holder,
    tombstones: &[Tombstone],
) -> Result<u64> {
    let Some(first) = tombstones.first() else {
        return Ok(0);
    };
    let here = Database::of(session).await?;
    // A database that cannot be told from others is not named.
    let database = here.is(&here).then_some(here);
    let leases = take_leases(session, retrier, holder, first).await?;
    failpoint::step("forget: before the tombstone");
    let placed = tombstones.iter().cloned().map(|tombstone| Tombstone {
        database: database.clone(),
        ..tombstone
    });
    retrier
        .store
        .commit(&placed.map(Change::Forget).collect::<Vec<_>>())?;
    drop_records(session, retrier, &leases, tombstones).await
}

/// What became of an interrupted `forget`.
#[derive(Debug, PartialEq, Eq)]
pub enum Finish {
    /// It is finished.
    Finished,
    /// Its tombstone stays: a run is loading the table, and the caller works on others only.
    Busy,
    /// Its tombstone stays: it is of another database than the session's. A text says so, with the way out.
    Elsewhere(String),
}

/// Why a `forget` is not for the session's database: it is of another one. `None` if it is, or if that cannot be told.
///
/// # Errors
/// Those of [`Database::of`].
pub async fn elsewhere(session: &mut Session, tombstone: &Tombstone) -> Result<Option<String>> {
    let Some(there) = &tombstone.database else {
        return Ok(None);
    };
    let here = Database::of(session).await?;
    if there.is(&here) {
        return Ok(None);
    }
    let month = tombstone.month.map(|month| month.format("%Y-%m").to_string());
    let (of, option) = match &month {
        Some(month) => (format!(", {month}"), format!(" --month {month}")),
        None => (String::new(), String::new()),
    };
    let table = &tombstone.table;
    Ok(Some(format!(
        "Table {table}{of}: an interrupted forget is of {} and cannot be finished in {}, where nothing is forgotten; \
         point [target] back and run, which finishes it, or give it up there and forget here: `sync forget --table \
         {table}{option}`",
        there.named_beside(&here),
        here.named_beside(there)
    )))
}

/// Finishes a `forget` whose tombstone is in the store. All of it can be repeated.
///
/// # Errors
/// As [`forget`].
pub async fn finish(
    session: &mut Session,
    retrier: &Retrier,
    holder: &Holder,
    tombstone: &Tombstone,
    is_concerned: bool,
) -> Result<Finish> {
    if let Some(text) = elsewhere(session, tombstone).await? {
        return Ok(Finish::Elsewhere(text));
    }
    let leases = match take_leases(session, retrier, holder, tombstone).await {
        Err(error) if error.kind() == ErrorKind::Busy && !is_concerned => return Ok(Finish::Busy),
        leases => leases?,
    };
    drop_records(session, retrier, &leases, std::slice::from_ref(tombstone)).await?;
    Ok(Finish::Finished)
}

/// Takes the leases of the targets; none if the target has no receipts at all.
async fn take_leases(
    session: &mut Session,
    retrier: &Retrier,
    holder: &Holder,
    tombstone: &Tombstone,
) -> Result<Vec<Lease>> {
    let mut leases: Vec<Lease> = Vec::new();
    if migrate::version(session).await? == 0 {
        return Ok(leases);
    }
    for target in &tombstone.targets {
        match lease::take(session, target, holder, &retrier.clock, &retrier.stop).await {
            Ok(lease) => {
                // Two spellings of one table: the later lease has the epoch.
                if let Some(same) = leases.iter_mut().find(|other| other.table == lease.table) {
                    lease::release(session, &lease).await?;
                    *same = lease;
                } else {
                    leases.push(lease);
                }
            }
            Err(error) => {
                // The session may serve other tables.
                for lease in &leases {
                    lease::release(session, lease).await?;
                }
                return Err(error);
            }
        }
    }
    Ok(leases)
}

async fn drop_records(
    session: &mut Session,
    retrier: &Retrier,
    leases: &[Lease],
    tombstones: &[Tombstone],
) -> Result<u64> {
    let mut dropped = 0;
    for lease in leases {
        for tombstone in tombstones {
            if tombstone.month.is_none() {
                drop_shadow(session, lease).await?;
            }
            dropped += receipt::forget(session, lease, tombstone.days()).await?;
        }
        lease::release(session, lease).await?;
    }
    let changes: Vec<Change> = tombstones.iter().cloned().map(Change::Forgotten).collect();
    retrier.store.commit(&changes)?;
    Ok(dropped)
}

/// Drops the shadow table of a lease's table. Only runs that hold that lease write it.
async fn drop_shadow(session: &mut Session, lease: &Lease) -> Result<()> {
    match receipt::left_shadow(session, &TableName::parse(&lease.table)?).await? {
        Some(shadow) => receipt::drop_with_table(session, lease, &shadow).await,
        None => Ok(()),
    }
}
