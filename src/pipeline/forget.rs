//! Forgetting: receipts and checkpoints of a table, or of a month of it, dropped so that it is loaded again.
//!
//! A tombstone in the store comes first, so that a forgetting that is cut short is finished by the next run or the
//! next `forget`; then the receipts go in one transaction, then the checkpoints and the tombstone in one commit. The
//! rows at the target stay where they are until chunks that are loaded again replace them.

use crate::base::error::Result;
use crate::base::failpoint;
use crate::checkpoint::{Change, Tombstone};
use crate::mssql::Session;
use crate::pipeline::retrier::Retrier;
use crate::target::lease;
use crate::target::lease::Holder;
use crate::target::migrate;
use crate::target::receipt;

/// Forgets what `tombstone` names. Once this returns, neither the target nor the store knows of it.
///
/// # Errors
/// `Busy` when a run is loading the table; `State` when the store cannot be written; what the session returns.
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

/// Finishes a forgetting whose tombstone is in the store. All of it can be repeated.
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
