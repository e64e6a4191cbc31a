//! What was forgotten, or would be, as JSON.

use serde::Serialize;

use super::subject::{Amount, Outcome, ToForget};

/// What was forgotten, or would be, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ForgetView<'a> {
    /// `forgotten`, `would forget` or `kept`.
    outcome: &'static str,
    /// The command that loads it again.
    run_again: String,
    tables: [TableView<'a>; 1],
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    chunks: u64,
    mode: Option<String>,
    name: &'a str,
    rows: u64,
    windows: Vec<WindowView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView {
    chunks: u64,
    rows: u64,
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    chunks: u64,
    rows: u64,
    windows: u64,
}

impl ForgetView<'_> {
    pub(super) fn of(found: &ToForget, outcome: Outcome) -> ForgetView<'_> {
        let Amount { chunks, rows } = found.sum();
        let windows = found.windows.iter().map(|(window, amount)| WindowView {
            chunks: amount.chunks,
            rows: amount.rows,
            window: window.to_string(),
        });
        ForgetView {
            outcome: match outcome {
                Outcome::Forgotten => "forgotten",
                Outcome::WouldForget => "would forget",
                Outcome::Kept => "kept",
            },
            run_again: found.run_line(),
            tables: [TableView {
                chunks,
                mode: found.subject.mode.map(|mode| mode.to_string()),
                name: &found.subject.name,
                rows,
                windows: windows.collect(),
            }],
            totals: TotalsView {
                chunks,
                rows,
                windows: found.windows.len() as u64,
            },
        }
    }
}
