//! What is wrong, with whole errors and the command that puts it right; and what else there is to say of tables.

use maud::{Markup, html};

use super::layout::{badge, command, error, names, stamp, window_link};
use crate::base::text::{counted, thousands};
use crate::status::{
    Fault, Status, TableStatus, Unrepaired, differing_line, faults, missing, months, notes, of_table,
    reconcile_line, run_again,
};
use crate::web::filter::Filter;
use crate::web::markup::{prose, shown};

/// The most faults that the page of all tables lists; more belong to a page of one table.
const FAULTS_MAX: usize = 50;

/// The faults that stand open above the grid. More would push it off the screen.
const OPEN_MAX: usize = 3;

/// The faults of the tables that a filter names.
pub(super) fn section(status: &Status, filter: &Filter) -> Markup {
    let tables = status.tables.iter().filter(|table| names(filter, &table.name));
    let mut items: Vec<Markup> = Vec::new();
    for table in tables {
        items.extend(refused(status, table));
        items.extend(faults(table).iter().map(of_fault));
        items.extend(differing(table, &table.differing));
    }
    let left = items.len().saturating_sub(FAULTS_MAX) as u64;
    html! {
        section #faults aria-labelledby="faults-head" hidden[items.is_empty()] {
            h2 #faults-head { "To put right" }
            ul.faults { @for item in items.iter().take(OPEN_MAX) { li { (item) } } }
            @if items.len() > OPEN_MAX {
                details {
                    summary { "And " (counted((items.len() - OPEN_MAX) as u64, "other")) }
                    ul.faults { @for item in items.iter().take(FAULTS_MAX).skip(OPEN_MAX) { li { (item) } } }
                    @if left > 0 { p.hint { "And " (thousands(left)) " more: choose a table to see its own." } }
                }
            }
        }
    }
}

/// Why the last run that came to a table could not finish it, and the command that tries again.
pub(super) fn refused(status: &Status, table: &TableStatus) -> Option<Markup> {
    let refusal = table.refused.as_ref()?;
    let dates = table
        .is_dated
        .then(|| (refusal.first, refusal.range().last_day()));
    Some(html! {
        h3 { (shown(&table.name)) ": refused " (stamp(status.pace.wall, refusal.at)) }
        (error(of_table(&refusal.error, &table.name)))
        p { "Correct that, then run:" }
        (command(&run_again(dates, table.is_dated, &table.name)))
    })
}

/// What comparisons found in a table, and the command that puts it right.
pub(super) fn differing(table: &TableStatus, differing: &[Unrepaired]) -> Option<Markup> {
    let source = differing.iter().any(|of| of.source);
    (!differing.is_empty()).then(|| {
        html! {
            h3 { (shown(&table.name)) ": " (differing_line(differing)) }
            p { a href="/reconcile" { "What it found" } " has the chunks. This compares again, and loads what differs:" }
            (command(&reconcile_line(source, true, &table.name)))
        }
    })
}

fn of_fault(fault: &Fault<'_>) -> Markup {
    let name = &fault.table.name;
    html! {
        h3 {
            (shown(name)) " "
            @match fault.windows.as_slice() {
                [window] => (window_link(name, *window)),
                windows => (months(windows)),
            }
            " " (badge(fault.state))
        }
        (remedy(fault))
    }
}

/// The error, and what to do about it.
pub(super) fn remedy(fault: &Fault<'_>) -> Markup {
    html! {
        @if fault.stale > 0 { p { (counted(fault.stale, "chunk")) " to load again." } }
        @if let Some(text) = fault.error { (error(of_table(text, &fault.table.name))) }
        p { (fault.advice()) ":" }
        (command(&fault.command()))
    }
}

/// What is not loaded, and the notes.
pub(super) fn notes_section(status: &Status) -> Markup {
    let lines: Vec<String> = missing(status).into_iter().chain(notes(status)).collect();
    html! {
        section #notes aria-labelledby="notes-head" hidden[lines.is_empty()] {
            h2 #notes-head { "To know" }
            ul { @for line in &lines { li { (prose(line)) } } }
        }
    }
}
