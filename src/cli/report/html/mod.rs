//! The report as one page: style inside, no script, nothing that a browser would fetch.
//!
//! All of it is made from facts alone. What comes from elsewhere is escaped as it is written.

mod grid;
mod history;
mod tables;

use std::borrow::Cow;

use maud::{Markup, PreEscaped, html};

use super::facts::{End, Report, Servers};
use super::verdict::{Fault, Verdict};
use crate::base::exit_code::ExitCode;
use crate::base::program;
use crate::web::markup::{prose, shown};

/// How a report as a page begins, by which one is known. A browser that obeys the policy loads nothing and runs nothing.
pub(super) const HEAD: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"generator\" content=\"sync report\">\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'\">";

const STYLE: &str = include_str!("style.css");

/// The sections, by their anchors and headings.
const SECTIONS: [(&str, &str); 7] = [
    ("grid", "Tables and months"),
    ("windows", "Counts and digests"),
    ("findings", "Comparisons and repairs"),
    ("runs", "Runs"),
    ("account", "What was asked of the source"),
    ("left-out", "What is left out"),
    ("check", "How to check this"),
];

/// The page.
pub(super) fn page(report: &Report, verdict: &Verdict) -> String {
    let title = format!(
        "{} to {}: what is verified",
        report.source.database, report.target.database
    );
    let title = shown(&title);
    let body = html! {
        meta name="viewport" content="width=device-width, initial-scale=1";
        title { (title) }
        style { (PreEscaped(STYLE)) }
    };
    let main = html! {
        body {
            header {
                h1 { (title) }
                (verdict_of(verdict))
                (about(report))
                nav aria-label="Sections" { ul {
                    @for (anchor, heading) in SECTIONS { li { a href={"#" (anchor)} { (heading) } } }
                } }
            }
            main {
                (faults(&verdict.faults))
                (grid::section(report))
                (tables::section(report))
                (history::findings(report))
                (history::runs(report))
                (history::account(report))
                (left_out(report))
                (check(report))
            }
            footer { p { "Made by sync " (report.made.version) " on " (shown(&report.made.host)) ", "
                (report.made.wall.stamp(report.made.at)) " " (report.made.wall.zone().name()) "." } }
        }
    };
    format!(
        "{HEAD}{}</head>{}</html>\n",
        body.into_string(),
        main.into_string()
    )
}

/// The heading of a section, by its anchor.
fn heading(anchor: &str) -> Markup {
    let found = SECTIONS.iter().find(|(of, _)| *of == anchor);
    html! { h2 id=(anchor) { (found.map_or(anchor, |(_, heading)| *heading)) } }
}

/// A table that a narrow screen scrolls, and that a keyboard reaches.
fn scrolled(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

fn verdict_of(verdict: &Verdict) -> Markup {
    let (class, glyph) = match verdict.code {
        ExitCode::Done => ("good", "✓"),
        ExitCode::Mismatch => ("bad", "✗"),
        _ => ("wait", "!"),
    };
    html! {
        div class={"verdict " (class)} role="note" aria-label="Verdict" {
            p { span aria-hidden="true" { (glyph) " " } (shown(&verdict.sentence)) }
        }
    }
}

/// What the report is about, and how it was made.
fn about(report: &Report) -> Markup {
    let made = &report.made;
    let end = |end: &End| {
        let place = format!(
            "server {}, database {}, schema {}",
            end.server, end.database, end.schema
        );
        html! { (shown(&place)) }
    };
    let months: Vec<String> = report
        .months
        .iter()
        .map(|month| month.format("%Y-%m").to_string())
        .collect();
    let months: Cow<'_, str> = match months.as_slice() {
        [] => "all dates that are known".into(),
        months => months.join(", ").into(),
    };
    let tables = report.tables.len();
    html! {
        dl {
            dt { "Source" } dd { (end(&report.source)) }
            dt { "Target" } dd { (end(&report.target)) }
            dt { "Subject" } dd {
                (tables) @if report.is_of_some { " chosen" } @if tables == 1 { " table; " } @else { " tables; " } (months)
            }
            dt { "Made" } dd {
                (made.wall.stamp(made.at)) " " (made.wall.zone().name()) ", by sync " (made.version) " on "
                (shown(&made.host))
                @if made.during_a_run { "; a run was going meanwhile, so some numbers may be of different moments" }
            }
            dt { "Times" } dd { "by the clock of " (made.wall.zone().name()) }
            dt { "Counts" } dd { (match &report.servers {
                Servers::NotAsked => "not made: no server was asked (--offline)",
                Servers::Asked => "made now, at both servers",
                Servers::Away { .. } => "not made: a server could not be asked",
            }) }
        }
    }
}

fn faults(faults: &[Fault]) -> Markup {
    html! {
        @if !faults.is_empty() {
            section aria-labelledby="faults" {
                h2 id="faults" { "What is missing or differs" }
                ul { @for fault in faults { li {
                    @if !fault.table.is_empty() { strong { (shown(&fault.table)) } ": " }
                    (prose(&fault.text)) "."
                    @if let Some(command) = &fault.command { " Next: " code { (shown(command)) } "." }
                } } }
            }
        }
    }
}

fn left_out(report: &Report) -> Markup {
    html! {
        section aria-labelledby="left-out" {
            (heading("left-out"))
            @if report.left_out.is_empty() { p { "Nothing that is known." } }
            @else { ul { @for left in &report.left_out { li {
                @if !left.table.is_empty() { strong { (shown(&left.table)) } ": " }
                (prose(&left.text)) "."
            } } } }
        }
    }
}

/// What the report proves and what it does not, and how a reader checks it without this program.
fn check(report: &Report) -> Markup {
    html! {
        section aria-labelledby="check" {
            (heading("check"))
            p { "A digest is the sum, modulo 2" sup { "256" } ", of the BLAKE3 hashes of rows, as 64 hexadecimal digits of its 32 \
                 bytes in little-endian order. Digests of chunks add up to that of their window, and those of windows to that of \
                 their table. A row's hash is over its canonical bytes, which the page “Format” of the program's \
                 documentation defines under “Canonical rows”; " code { (program::name()) " docs format" } " prints that page. So anybody who \
                 reads the rows of a window at either end can compute its digest, in any order of the rows." }
            p { "At the target, the digests of a window's chunks are in " code { "[sync].[receipt]" } " ("
                code { "digest" } ", " code { "row_count" } ", by " code { "table_name" } " and " code { "window_start" }
                "). Each was committed together with its rows, after these had been read back from the table and found to have \
                 the digest of the rows read from the source." }
            p { "A digest here is of the rows as they were loaded, or last repaired. It does not show what somebody changed at \
                 either end since. " code { (program::name()) " reconcile" } " reads the target's rows again and compares them, "
                code { (program::name()) " reconcile --source" } " the source's as well; the section on comparisons says when that \
                 was done, and over what." }
            @match &report.servers {
                Servers::Asked => p { "The counts were made at both servers while this report was made, one table after another, \
                    and not at one moment." },
                _ => p { "This report was made from the state file alone: nothing in it was asked of a server when it was made." },
            }
        }
    }
}

#[cfg(test)]
mod tests;
