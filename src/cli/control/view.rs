//! What was done, as JSON; and the state of a run's reads.

use serde::Serialize;

use crate::cli::figures::{FiguresView, HeldView};
use crate::control::{Ask, Done};

/// What was done, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    /// Whether anything is otherwise than before.
    changed: bool,
    /// The command that is going: `run` or `reconcile`.
    command: &'a str,
    /// The state of its reads.
    figures: FiguresView<'a>,
    /// What all reads wait for; `null` if for nothing.
    held: Option<HeldView<'a>>,
    /// `paused`, `resumed`, `stopping` or `tuned`.
    outcome: &'static str,
    /// Its process.
    pid: u32,
    /// Whether it reads rows of the source, which is all that a pause holds.
    reads_source: bool,
    run_id: String,
    /// Whether it was asked to stop, now or before.
    stopping: bool,
}

impl View<'_> {
    pub(super) fn of(ask: Ask, done: &Done) -> View<'_> {
        View {
            changed: done.changed,
            command: &done.work.command,
            figures: FiguresView::of(&done.now),
            held: done.now.hold.as_ref().map(HeldView::of),
            outcome: match ask {
                Ask::Pause => "paused",
                Ask::Resume => "resumed",
                Ask::Stop => "stopping",
                Ask::Tune(_) => "tuned",
                Ask::Figures => "told",
            },
            pid: done.work.process_id,
            reads_source: done.work.reads_source,
            run_id: format!("{:032x}", done.work.run_id),
            stopping: done.is_stopping,
        }
    }
}
