//! What is said of a notice that was not delivered.

use std::fmt::Display;
use std::sync::Arc;

/// What says it.
pub(super) type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// The warning for a notice that was not delivered.
pub(super) fn undelivered(event: &str, why: impl Display) -> String {
    format!(
        "The notice of `{event}` was not delivered: {why}; the work is not touched by it, and `sync doctor --notify` tries one"
    )
}
