//! The passes of `sync reconcile`, the differences that they left, and the command that repairs them.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::layout::{Frame, command, page, stamp, window_link};
use crate::base::program;
use crate::base::text::{counted, thousands};
use crate::model::window::Window;
use crate::status::{PassStatus, WindowDifferences, outcome_of, reconcile_line, subject_of};
use crate::web::markup::{prose, shown};
use crate::web::seen::{PassDifferences, Seen};

/// The most differences of a pass that the page lists.
const DIFFERING_MAX: usize = 1_000;

/// The differences of a window: those of chunks by their numbers, and whether the window as a whole differs.
type ByWindow<'a> = BTreeMap<(&'a str, Window), (Vec<u32>, bool)>;

/// The page. Passes that left no differences may be missing in `differing`.
pub(crate) fn findings(seen: &Seen, differing: &[PassDifferences]) -> Markup {
    let passes = &seen.status.passes;
    let frame = Frame {
        path: "/reconcile",
        title: "Reconcile",
        events: None,
        seen: Some(seen),
    };
    let of = |pass: &PassStatus| {
        let mut left = differing.iter().filter(|left| !left.chunks.is_empty());
        left.find(|left| left.pass_id == pass.pass.id)
    };
    page(
        &frame,
        &html! {
            h1 { "Reconcile" }
            p {
                "Each pass reads verified chunks back and compares them with what proved them, and with "
                "the source if it was told to. These are the passes that are kept, the latest first."
            }
            @if passes.is_empty() {
                p { "Nothing was compared yet. These compare all that is loaded:" }
                (command(&format!("{} reconcile", program::command())))
                (command(&format!("{} reconcile --source", program::command())))
            }
            @for pass in passes.iter().rev() { (of_pass(seen, pass, of(pass))) }
        },
    )
}

fn of_pass(seen: &Seen, status: &PassStatus, left: Option<&PassDifferences>) -> Markup {
    let (wall, pass) = (seen.status.pace.wall, &status.pass);
    let mut subject = subject_of(pass);
    // A head begins with a capital.
    subject[..1].make_ascii_uppercase();
    html! {
        section.pass {
            h2 { (shown(&subject)) }
            p {
                "Began " (stamp(wall, pass.started_at))
                @match pass.ended_at { Some(at) => { ", ended " (stamp(wall, at)) }, None => ", not ended" }
                ": " (prose(&outcome_of(status))) "."
            }
            dl.tiles {
                @for (name, count) in [
                    ("The same", pass.same),
                    ("Differ still", status.differing()),
                    ("Repaired", pass.repaired),
                    ("Loaded again since", status.repaired_since()),
                ] {
                    div { dt { (name) } dd { (thousands(count)) } }
                }
            }
            @if let Some(left) = left { (list(seen, status, left)) }
        }
    }
}

fn list(seen: &Seen, status: &PassStatus, left: &PassDifferences) -> Markup {
    let (wall, pass) = (seen.status.pace.wall, &status.pass);
    let mut windows = ByWindow::new();
    for found in left.chunks.iter().take(DIFFERING_MAX) {
        let (chunks, is_whole) = windows.entry((&found.table, found.window)).or_default();
        match found.ordinal {
            Some(ordinal) => chunks.push(ordinal),
            None => *is_whole = true,
        }
    }
    let others = left.chunks.len().saturating_sub(DIFFERING_MAX) as u64;
    let still = status.found.iter().filter(|of| of.left() > 0);
    let tables: BTreeSet<&str> = still.map(|of| of.table.as_str()).collect();
    html! {
        div.scroll role="region" aria-label={ "Differences of the pass of " (wall.stamp(pass.started_at)) } tabindex="0" {
            table.lines {
                caption.v { "Differences that the pass left" }
                thead { tr {
                    @for name in ["Table", "Window", "What differed", "Loaded again since"] { th scope="col" { (name) } }
                } }
                tbody {
                    @for of in &status.found {
                        @if let Some((chunks, is_whole)) = windows.get(&(of.table.as_str(), of.window)) {
                            tr {
                                th scope="row" { (shown(&of.table)) }
                                td { (window_link(&of.table, of.window)) }
                                td { (what(chunks, *is_whole)) }
                                td { (since(of)) }
                            }
                        }
                    }
                }
            }
        }
        @if others > 0 { p.hint { "And " (counted(others, "other difference")) "." } }
        @if !tables.is_empty() {
            p { "This compares again and repairs what still differs:" }
            @for table in tables { (command(&reconcile_line(pass.source, true, table))) }
        } @else {
            p { "All of these were loaded again since." }
        }
    }
}

/// How many of a window's differences were loaded again.
fn since(of: &WindowDifferences) -> String {
    match of.repaired_since {
        0 => "none".to_owned(),
        all if all >= of.differing => "all".to_owned(),
        some => format!("{} of {}", thousands(some), thousands(of.differing)),
    }
}

/// `chunks 3, 4 and 9`, or the window.
fn what(chunks: &[u32], is_whole: bool) -> String {
    let numbers: Vec<String> = chunks.iter().map(u32::to_string).collect();
    let noun = if chunks.len() == 1 { "chunk" } else { "chunks" };
    match (numbers.is_empty(), is_whole) {
        (true, _) => "the window as a whole".to_owned(),
        (false, false) => format!("{noun} {}", numbers.join(", ")),
        (false, true) => format!("{noun} {}, and the window as a whole", numbers.join(", ")),
    }
}
