//! What the passes of `sync reconcile` found and did not repair, a window.

use std::collections::BTreeMap;

use super::read::is_repaired;
use crate::base::error::Result;
use crate::checkpoint::{Pass, View};
use crate::model::window::Window;

/// The number of differences that a pass left in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowDifferences {
    /// The table.
    pub(crate) table: String,
    /// The window.
    pub(crate) window: Window,
    /// Its chunks that differed, and one more if the window as a whole did.
    pub(crate) differing: u64,
    /// Those of them that a run has loaded again since.
    pub(crate) repaired_since: u64,
}

/// The differences that a pass left, by table and window.
///
/// # Errors
/// `State` if a record is damaged.
pub(crate) fn findings(view: &View<'_>, pass: &Pass) -> Result<Vec<WindowDifferences>> {
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
