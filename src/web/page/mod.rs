//! The pages, as pure functions of what was seen.

use maud::{DOCTYPE, Markup, html};

use super::filter::Filter;
use super::seen::{ChunkLine, Seen};
use crate::checkpoint::Differing;

/// The style sheet.
pub(crate) const STYLE: &str = "body { font-family: sans-serif }\n";

fn layout(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                link rel="stylesheet" href="/style.css";
                script src="/live.js" defer {}
            }
            body { (body) }
        }
    }
}

/// The grid.
pub(crate) fn index(seen: &Seen, filter: &Filter) -> Markup {
    let parts = fragments(seen, filter);
    layout(
        "sync",
        &html! { h1 { "sync" } @for (_, part) in &parts { (part) } },
    )
}

/// The parts of the grid that change, each with its id.
pub(crate) fn fragments(seen: &Seen, _: &Filter) -> Vec<(String, Markup)> {
    let totals = seen.status.totals();
    let now = html! {
        p id="now" {
            @if !seen.status.is_kept { "No run has been here." }
            @if seen.status.running().is_some() { "A run is going. " }
            (crate::base::text::thousands(totals.rows)) " rows verified"
        }
    };
    let rows = seen.status.tables.iter().enumerate().map(|(at, table)| {
        let id = format!("table-{at}");
        let row = html! {
            p id=(id) {
                (table.name)
                @for of in &table.windows { " " (table.name) " " (of.window) ": " (of.state.as_str()) }
            }
        };
        (id, row)
    });
    std::iter::once(("now".to_owned(), now)).chain(rows).collect()
}

/// A window with its chunks; `None` if there is none of this name.
pub(crate) fn window(seen: &Seen, table: &str, window: &str, chunks: &[ChunkLine]) -> Option<Markup> {
    let found = seen.status.tables.iter().find(|of| of.name == table)?;
    found.windows.iter().find(|of| of.window.to_string() == window)?;
    let body = html! { h1 { (table) " " (window) } p { (chunks.len()) " chunks" } };
    Some(layout("sync", &body))
}

/// What the next run would do.
pub(crate) fn next(_: &Seen) -> Markup {
    layout("sync", &html! { h1 { "Next run" } })
}

/// The runs.
pub(crate) fn runs(_: &Seen) -> Markup {
    layout("sync", &html! { h1 { "Runs" } })
}

/// The differences that comparisons left: each pass by its id, with its differences.
pub(crate) fn findings(_: &Seen, _: &[(u128, Vec<Differing>)]) -> Markup {
    layout("sync", &html! { h1 { "Reconcile" } })
}

/// A page that cannot be shown, and why.
pub(crate) fn problem(status: u16, text: &str) -> Markup {
    layout("sync", &html! { h1 { (status) } p { (text) } })
}
