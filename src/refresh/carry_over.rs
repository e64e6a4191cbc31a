//! The carry-over: a chunk moves from the target into the shadow table, and the source is not asked.

use std::collections::BTreeMap;

use crate::base::error::{ErrorKind, Result};
use crate::model::brake::Brake;
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, next_state};
use crate::model::plan::TablePlan;
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::lease::Lease;
use crate::target::leaving::Accounted;
use crate::target::load;
use crate::target::load::{Load, Loaded};
use crate::target::receipt::{Receipt, Seal};
use crate::target::stage;
use crate::target::table::Target;

/// Loads a chunk of a reference table from `from` into `to`, and proves it by the tally that the source's
/// rows have. Returns `None` and commits nothing if `from` no longer has these rows.
///
/// # Errors
/// As [`load::commit`]. The caller drops the session on any error.
pub async fn carry(
    session: &mut Session,
    plan: &TablePlan,
    from: &Target,
    to: &Target,
    lease: &Lease,
    chunk: &Chunk,
    load_id: u128,
) -> Result<Option<Chunk>> {
    let mut chunk = Chunk {
        state: ChunkState::Planned,
        attempts: 1,
        error: None,
        load_id,
        ..chunk.clone()
    };
    let range = from.range(plan, Extent::All, &chunk.range)?;
    match stage::stage_from(session, plan, from, &range).await {
        Ok(staged) if staged == chunk.tally.row_count => {}
        // Rows are missing, or a value was changed to one that the source's column cannot hold.
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::Statement => return Ok(None),
        Err(error) => return Err(error),
    }
    for event in [ChunkEvent::ReadFromSource, ChunkEvent::Staged] {
        chunk.state = next_state(chunk.state, event)?;
    }
    let claim = Receipt {
        window: Window::All,
        chunk: chunk.clone(),
        epoch: lease.epoch,
        incarnation: to.incarnation.clone(),
        seal: Seal::Unasked,
    };
    let load = Load {
        window: Window::All,
        owned: (Extent::All, &claim.chunk.range),
        claim: Some(&claim),
        // The table is new and has no row that could leave.
        accounted: &Accounted::default(),
        overtaken: false,
        brake: (Brake { percent: 100 }, &BTreeMap::new()),
        batch: None,
    };
    match load::commit(session, plan, to, lease, load).await? {
        Loaded::Committed(_) | Loaded::AlreadyCommitted => {
            chunk.state = next_state(chunk.state, ChunkEvent::Committed)?;
            Ok(Some(chunk))
        }
        Loaded::Differed { .. } | Loaded::Unaccounted { .. } => Ok(None),
    }
}
