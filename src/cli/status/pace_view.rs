//! How the source is read, as JSON. Fields are declared in the order in which they are printed.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::figures::{FiguresView, HeldView, named};
use crate::cli::hours::HoursView;
use crate::model::pace::{Action, Decision};
use crate::status::Status;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PaceView<'a> {
    /// The governor's last decisions, in their order.
    decisions: Vec<DecisionView<'a>>,
    /// The figures of the run that is going; `null` if it does not tell them.
    figures: Option<FiguresView<'a>>,
    /// What all reads wait for; `null` if for nothing.
    held: Option<HeldView<'a>>,
    /// The hours of the source; `null` without any.
    hours: Option<HoursView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DecisionView<'a> {
    /// `chunk_rows`, `workers`, `pause_ms`, `held`, `released`, `cancelled` or `tuned`.
    action: &'static str,
    /// The time.
    at: DateTime<Utc>,
    /// What reads wait for or waited for, if it is about that.
    cause: Option<&'static str>,
    /// The number before, if it changes one.
    from: Option<u64>,
    /// The most rows of a query that was cancelled.
    rows: Option<u64>,
    /// The table; `null` outside of tables.
    table: Option<&'a str>,
    /// The number from then on, if it changes one.
    to: Option<u64>,
    /// The time that a query had taken that was cancelled.
    took_ms: Option<u64>,
    /// Why.
    why: &'a str,
}

impl PaceView<'_> {
    pub(super) fn of(status: &Status) -> PaceView<'_> {
        let pace = &status.pace;
        PaceView {
            decisions: pace.decisions.iter().map(DecisionView::of).collect(),
            figures: status.figures.as_ref().map(FiguresView::of),
            held: status.held().map(HeldView::of),
            hours: pace.hours.as_ref().map(|hours| HoursView::of(hours, pace.now)),
        }
    }
}

impl DecisionView<'_> {
    fn of(decision: &Decision) -> DecisionView<'_> {
        let action = decision.action;
        let (from, to) = action.numbers().unzip();
        let (rows, took_ms) = match action {
            Action::Cancelled { rows, took_ms } => (Some(rows), Some(took_ms)),
            _ => (None, None),
        };
        DecisionView {
            action: action.as_str(),
            at: decision.at,
            cause: action.cause().map(|cause| cause.as_str()),
            from,
            rows,
            table: named(&decision.table),
            to,
            took_ms,
            why: &decision.why,
        }
    }
}
