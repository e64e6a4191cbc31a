//! Forgets a table, or a month of it: drops receipts and checkpoints, so that the rows are loaded again.
//!
//! The store records a tombstone first, so that the next run or the next `forget` finishes an interrupted
//! one. Then one transaction deletes the receipts, and one commit removes the checkpoints and the tombstone.
//! The rows at the target stay until a later load of their chunks replaces them.

use crate::base::error::Result;
use crate::base::failpoint;
use crate::checkpoint::{Change, Tombstone};
use crate::mssql::Session;
use crate::pipeline::retrier::Retrier;
use crate::target::lease;
use crate::target::lease::Holder;
use crate::target::migrate;
use crate::target::receipt;

/// Forgets the windows that `tombstone` names. Once this returns, neither the target nor the store has
/// records of them.
///
/// # Errors
/// `Busy` when a run is loading the table; `State` when the store cannot be written; those of the session.
pub async fn forget(
    session: &mut Session,
    retrier: &Retrier,
    holder: &Holder,
    tombstone: &Tombstone,
) -> Result<()> {
    failpoint::step("forget: before the tombstone");
    retrier.store.commit(&[Change::Forget(tombstone.clone())])?;
    finish(session, retrier, holder, tombstone).await
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
) -> Result<()> {
    if migrate::version(session).await? > 0 {
        for target in &tombstone.targets {
            let lease = lease::take(session, target, holder, &retrier.clock, &retrier.stop).await?;
            receipt::forget(session, &lease, tombstone.days()).await?;
            lease::release(session, &lease).await?;
        }
    }
    retrier.store.commit(&[Change::Forgotten(tombstone.clone())])
}
