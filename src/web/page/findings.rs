//! The passes of `sync reconcile`, the differences that they left, and the command that repairs them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::layout::{Frame, command, page, stamp, window_link};
use crate::base::program;
use crate::base::text::{counted, thousands};
use crate::checkpoint::Differing;
use crate::model::window::Window;
use crate::status::{PassStatus, outcome_of, repair_line, subject_of};
use crate::web::markup::{prose, shown};
use crate::web::seen::Seen;

/// The most differences of a pass that the page lists.
const DIFFERING_MAX: usize = 1_000;

/// The differences of a window: those of chunks by their numbers, and whether the window as a whole differs.
type ByWindow<'a> = BTreeMap<(&'a str, Window), (Vec<u32>, bool)>;

/// The page. `differing` has the differences that passes left, each with the identity of its pass; passes without any may be
/// missing.
pub(crate) fn findings(seen: &Seen, differing: &[(u128, Vec<Differing>)]) -> Markup {
    let passes = &seen.status.passes;
    let frame = Frame {
        path: "/reconcile",
        title: "Reconcile",
        events: None,
        as_of: Some((seen.status.pace.wall, seen.status.pace.now)),
    };
    let of = |pass: &PassStatus| {
        let found = differing.iter().find(|(id, _)| *id == pass.pass.id);
        found.map_or(&[][..], |(_, all)| all.as_slice())
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
                (command(&format!("{} reconcile", program::name())))
                (command(&format!("{} reconcile --source", program::name())))
            }
            @for pass in passes.iter().rev() { (of_pass(seen, pass, of(pass))) }
        },
    )
}

fn of_pass(seen: &Seen, status: &PassStatus, differing: &[Differing]) -> Markup {
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
                    ("Loaded again since", status.repaired_since),
                ] {
                    div { dt { (name) } dd { (thousands(count)) } }
                }
            }
            @if !differing.is_empty() { (list(seen, status, differing)) }
        }
    }
}

fn list(seen: &Seen, status: &PassStatus, differing: &[Differing]) -> Markup {
    let (wall, pass) = (seen.status.pace.wall, &status.pass);
    let mut windows = ByWindow::new();
    for found in differing.iter().take(DIFFERING_MAX) {
        let (chunks, is_whole) = windows.entry((&found.table, found.window)).or_default();
        match found.ordinal {
            Some(ordinal) => chunks.push(ordinal),
            None => *is_whole = true,
        }
    }
    let left = differing.len().saturating_sub(DIFFERING_MAX) as u64;
    let mut tables: Vec<&str> = differing.iter().map(|found| found.table.as_str()).collect();
    tables.sort_unstable();
    tables.dedup();
    html! {
        div.scroll role="region" aria-label={ "Differences of the pass of " (wall.stamp(pass.started_at)) } tabindex="0" {
            table.lines {
                caption.v { "Differences that the pass left" }
                thead { tr { th scope="col" { "Table" } th scope="col" { "Window" } th scope="col" { "What differs" } } }
                tbody {
                    @for ((table, window), (chunks, is_whole)) in &windows {
                        tr {
                            th scope="row" { (shown(table)) }
                            td { (window_link(table, *window)) }
                            td { (what(chunks, *is_whole)) }
                        }
                    }
                }
            }
        }
        @if left > 0 { p.hint { "And " (counted(left, "other difference")) "." } }
        @if status.differing() > 0 {
            @if status.repaired_since > 0 {
                @let verb = if status.repaired_since == 1 { "was" } else { "were" };
                p { (thousands(status.repaired_since)) " of these " (verb) " loaded again since." }
            }
            p { "This compares again and repairs what still differs:" }
            @for table in tables { (command(&repair_line(pass.source, table))) }
        } @else {
            p { "All of these were loaded again since." }
        }
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
