//! The pages, as pure functions of what was seen.
//!
//! They have no inline style, no inline script and no handler, so that the policy of their contents allows none. Texts are
//! escaped by maud. What is shown has no value of a row: errors and notes are kept without any, and keys are left out.

mod faults;
mod findings;
mod grid;
mod layout;
mod next;
mod now;
mod plot;
mod runs;
#[cfg(test)]
mod tests;
mod window;

use maud::{Markup, html};

use super::filter::Filter;
use super::markup::{prose, shown};
use super::seen::Seen;
use crate::status::{Line, Part, Status, TableStatus, of_expected, of_table};
use grid::Grid;
use layout::{Frame, Tone, badge, note, page};

pub(crate) use findings::findings;
pub(crate) use next::next;
pub(crate) use runs::runs;
pub(crate) use window::window;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");

/// The page of all tables, or of those that a filter shows.
pub(crate) fn index(seen: &Seen, filter: &Filter) -> Markup {
    let status = &seen.status;
    let grid = Grid::of(status, filter);
    let frame = Frame {
        path: "/",
        title: filter.table.as_deref().unwrap_or("Status"),
        events: Some(format!("/events{}", filter.query())),
        seen: Some(seen),
    };
    let legend = grid.legend();
    page(
        &frame,
        &html! {
            h1 { "Status" @if let Some(table) = &filter.table { " of " (shown(table)) } }
            @if let Some(error) = &seen.config_error {
                (note(Tone::Bad, &html! {
                    p { "The configuration cannot be read. This page shows what the state file has." }
                    (layout::error(error))
                }))
            }
            div.head { (now::now(seen)) (plot::plot(seen)) }
            (faults::section(status, filter))
            (now::governor(seen))
            section.tables aria-labelledby="grid-title" {
                h2 #grid-title { "Grid" }
                (grid.choice())
                (legend)
                (grid.region())
            }
            @if let Some(table) = &filter.table { (windows(seen, table)) }
            (faults::notes_section(status))
        },
    )
}

/// The parts of [`index`] that change, each with the id of its element. A row of the grid is there for each table, also one
/// that the filter hides. A table that is new to the configuration has an id that an older page lacks.
pub(crate) fn fragments(seen: &Seen, filter: &Filter) -> Vec<(String, Markup)> {
    let status = &seen.status;
    let mut fragments = vec![
        ("now".to_owned(), now::now(seen)),
        ("plot".to_owned(), plot::plot(seen)),
        ("governor".to_owned(), now::governor(seen)),
        ("faults".to_owned(), faults::section(status, filter)),
        ("notes".to_owned(), faults::notes_section(status)),
        ("as-of".to_owned(), layout::as_of(seen)),
    ];
    fragments.extend(Grid::of(status, filter).fragments());
    if let Some(table) = &filter.table {
        fragments.push(("windows".to_owned(), windows(seen, table)));
    }
    fragments
}

/// A page that tells why there is no other.
pub(crate) fn problem(status: u16, text: &str) -> Markup {
    let title = match status {
        400 => "The address is not understood",
        401 => "Not allowed",
        404 => "There is no such page",
        503 => "The state file cannot be shown",
        _ => "This cannot be shown",
    };
    let frame = Frame {
        path: "",
        title,
        events: None,
        seen: None,
    };
    page(
        &frame,
        &html! {
            h1 { (title) }
            (note(Tone::Bad, &layout::error(text)))
            p { a href="/" { "To the grid" } }
        },
    )
}

/// The windows of a table as a list, which a telephone shows better than a grid.
fn windows(seen: &Seen, table: &str) -> Markup {
    let mut tables = seen.status.tables.iter();
    let table = tables.find(|of| of.name.to_lowercase() == table.to_lowercase());
    html! {
        section #windows aria-labelledby="windows-head" hidden[table.is_none()] {
            h2 #windows-head { "Windows" }
            @if let Some(table) = table {
                div.scroll role="region" aria-label="List of windows" tabindex="0" {
                    table.lines {
                        caption.v { "Windows of " (shown(&table.name)) }
                        thead { tr {
                            th scope="col" { "Window" }
                            th scope="col" { "State" }
                            th.r scope="col" { "Chunks" }
                            th.r scope="col" { "Rows" }
                            th scope="col" { "Error" }
                        } }
                        tbody { (lines(&seen.status, table)) }
                    }
                }
            }
        }
    }
}

/// The windows by date, and the days between them that no window covers.
fn lines(status: &Status, table: &TableStatus) -> Markup {
    let parts: Vec<Part<'_>> = Line::of(status, table).parts().collect();
    html! {
        @for part in parts.iter().filter(|part| part.known.is_some() || part.window.is_dated()) {
            tr {
                th scope="row" { (layout::window_link(&table.name, part.window)) }
                td { (badge(part.state)) }
                @match part.known {
                    Some(window) => {
                        td.r { (window.chunks()) }
                        td.r { (of_expected(window.counts.rows, window.rows_expected)) }
                        td.error { @if let Some(error) = &window.error { (prose(of_table(error, &table.name))) } }
                    },
                    None => { td.r { "–" } td.r { "–" } td {} },
                }
            }
        }
    }
}
