//! What the passes of `sync reconcile` found and did not repair, a window.

use std::collections::BTreeMap;

use super::facts::WindowDifferences;
use crate::base::error::Result;
use crate::checkpoint::{Differing, Pass, View, WindowState};
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::window::Window;

/// The differences that a pass left, by table and window.
///
/// # Errors
/// `State` if a record is damaged.
pub(super) fn findings(view: &View<'_>, pass: &Pass) -> Result<Vec<WindowDifferences>> {
    let mut found = BTreeMap::<(String, Window), (u64, u64)>::new();
    for differing in view.differing(pass.id)? {
        let repaired = u64::from(is_repaired(view, pass, &differing)?);
        let of = found.entry((differing.table, differing.window)).or_default();
        (of.0, of.1) = (of.0 + 1, of.1 + repaired);
    }
    let found = found.into_iter();
    Ok(found
        .map(
            |((table, window), (differing, repaired_since))| WindowDifferences {
                table,
                window,
                differing,
                repaired_since,
            },
        )
        .collect())
}

/// Whether a difference was loaded again after the pass. A chunk is then of another load; a window that was not whole was
/// completed.
fn is_repaired(view: &View<'_>, pass: &Pass, differing: &Differing) -> Result<bool> {
    let Differing {
        table,
        window,
        ordinal,
        load_id,
    } = differing;
    if let Some(ordinal) = ordinal {
        let chunk = view.chunk(table, *window, *ordinal)?;
        // 0 is no load: nobody knows which one differed.
        let is_another = |chunk: Chunk| chunk.state == ChunkState::Verified && chunk.load_id != *load_id;
        return Ok(*load_id != 0 && chunk.is_some_and(is_another));
    }
    let windows = view.windows(table)?;
    let mut windows = windows.iter().filter(|record| record.window.overlaps(*window));
    let ended_at = pass.ended_at.unwrap_or(pass.started_at);
    Ok(windows.any(|record| record.state == WindowState::Complete && record.updated_at > ended_at))
}
