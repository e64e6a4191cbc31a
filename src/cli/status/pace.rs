//! `sync status --governor`: what the governor has come to, and its last decisions.

use crate::base::text::counted;
use crate::cli::screen::{Screen, Tone};
use crate::status::{Status, of_hours, of_work};

/// The lines about a run that is going, or another command that waits, below one that names it.
pub(super) fn indented(status: &Status) -> impl Iterator<Item = String> {
    of_work(status).into_iter().map(|line| format!("  {line}"))
}

/// `sync status --governor`: what the governor has come to, and its last decisions.
pub(super) fn governor(status: &Status, screen: &Screen) -> String {
    let pace = &status.pace;
    let mut text = String::new();
    let present = match status.running() {
        Some(_) => {
            let mut lines = vec!["Running:".to_owned()];
            lines.extend(indented(status));
            lines
        }
        None => vec!["No run is going.".to_owned()],
    };
    for line in present.into_iter().chain(of_hours(status)) {
        text.push_str(&screen.prose(&line));
    }
    text.push('\n');
    if pace.decisions.is_empty() {
        text.push_str("The governor has not decided anything yet.\n");
        return text;
    }
    let zone = pace
        .wall
        .name()
        .map_or_else(String::new, |name| format!(", by the clock of {name}"));
    let title = format!(
        "The last {}{zone}:",
        counted(pace.decisions.len() as u64, "decision")
    );
    text.push_str(&format!("{}\n", screen.paint(&title, Tone::Strong)));
    for decision in &pace.decisions {
        let table = match decision.table.as_str() {
            "" => String::new(),
            table => format!("{table}: "),
        };
        text.push_str(&screen.prose(&format!(
            "{} {table}{}: {}",
            pace.wall.stamp(decision.at),
            decision.action,
            decision.why
        )));
    }
    text
}
