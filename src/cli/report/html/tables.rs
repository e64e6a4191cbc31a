//! A section a table: its windows with the counts of both ends, receipts and digests.

use maud::{Markup, html};

use super::{grid, heading, scrolled, shown};
use crate::base::text::thousands;
use crate::cli::report::facts::{Counted, Report, Servers, TableFacts, WindowFacts};
use crate::cli::report::view::hex;

pub(super) fn section(report: &Report) -> Markup {
    let was_asked = report.servers == Servers::Asked;
    html! {
        section aria-labelledby="windows" {
            (heading("windows"))
            p { "Rows are those of verified chunks, as the state file has them"
                @if was_asked {
                    "; receipts those that the target has of them; source and target what both servers counted now in complete \
                     windows. ✓: equal, ✗: they differ, –: not counted"
                } "." }
            @for (at, table) in report.tables.iter().enumerate() { (of_table(at, table, was_asked)) }
        }
    }
}

fn of_table(at: usize, table: &TableFacts, was_asked: bool) -> Markup {
    let tally = table.tally();
    let is_by_window = table.windows.iter().any(|window| window.counted.is_some());
    let label = format!("Windows of {}", shown(&table.name));
    let lines = html! {
        table {
            thead { tr {
                th scope="col" { "Window" }
                th scope="col" { "State" }
                th.n scope="col" { "Chunks" }
                th.n scope="col" { "Rows" }
                @if was_asked {
                    th.n scope="col" { "Receipts" }
                    th.n scope="col" { "Source" }
                    th.n scope="col" { "Target" }
                    th scope="col" { "Equal" }
                }
                th scope="col" { "Digest" }
            } }
            tbody { @for window in &table.windows { (of_window(window, was_asked)) } }
            tfoot { tr {
                th scope="row" { "All" }
                td.k { (table.state().as_str()) }
                td.n { (thousands(table.chunks())) }
                td.n { (thousands(tally.row_count)) }
                @if was_asked {
                    td.n { (number(table.receipt_rows())) }
                    (both(table.counted))
                }
                td.digest { @if table.chunks() > 0 { (hex(tally.digest)) } @else { "–" } }
            } }
        }
    };
    html! {
        h3 id={"table-" (at)} { (shown(&table.name)) }
        p.soft { (shown(&table.source)) " to " (shown(&table.target)) ", " (table.mode) }
        @if let Some((error, _)) = &table.count_error { p { "It cannot be counted: " (shown(error)) "." } }
        @if was_asked && table.counted.is_some() && !is_by_window && table.windows.len() > 1 {
            p { "Its windows were counted together, because no index of the source finds the rows of one." }
        }
        @if table.windows.is_empty() { p { "Nothing of it is loaded." } }
        @else { (scrolled(&label, &lines)) }
    }
}

fn of_window(window: &WindowFacts, was_asked: bool) -> Markup {
    html! {
        tr {
            th.k scope="row" { (window.window) }
            td class={"k " (grid::class(window.state))} { (window.state.glyph()) " " (window.state.as_str()) }
            td.n { (thousands(window.chunks)) }
            td.n { (thousands(window.tally.row_count)) }
            @if was_asked {
                td.n { (number(window.receipts.map(|receipts| receipts.rows)))
                    @if window.disagrees() { span.bad { " ✗" span.hidden { " others than the state file knows" } } } }
                (both(window.counted))
            }
            td.digest { @if window.chunks > 0 { (hex(window.tally.digest)) } @else { "–" } }
        }
    }
}

fn number(count: Option<u64>) -> String {
    count.map_or_else(|| "–".to_owned(), thousands)
}

/// The counts of both ends, and whether they are equal.
fn both(counted: Option<Counted>) -> Markup {
    html! {
        td.n { (number(counted.map(|counted| counted.source))) }
        td.n { (number(counted.map(|counted| counted.target))) }
        @match counted.map(Counted::is_equal) {
            Some(true) => td.k { span aria-hidden="true" { "✓" } span.hidden { "equal" } },
            Some(false) => td.k.bad { span aria-hidden="true" { "✗" } " differ" },
            None => td.k { "–" },
        }
    }
}
