//! Tables and months: a small table each, with a line a year and a cell a month. They stand side by side where there is room.

use std::collections::BTreeMap;

use chrono::Datelike;
use maud::{Markup, html};

use super::{heading, shown};
use crate::base::text::thousands;
use crate::cli::report::facts::{Report, TableFacts};
use crate::model::window::Window;
use crate::status::{Condition, REFUSED};

const MONTHS: [(&str, &str); 12] = [
    ("J", "January"),
    ("F", "February"),
    ("M", "March"),
    ("A", "April"),
    ("M", "May"),
    ("J", "June"),
    ("J", "July"),
    ("A", "August"),
    ("S", "September"),
    ("O", "October"),
    ("N", "November"),
    ("D", "December"),
];

/// The class of a condition. What is told by a colour is told by its character and its word, too.
pub(super) fn class(condition: Condition) -> &'static str {
    match condition {
        Condition::Complete | Condition::Open => "good",
        Condition::NotLoaded => "idle",
        Condition::Planned | Condition::Loading | Condition::Stale => "wait",
        Condition::Failed | Condition::Mismatched => "bad",
    }
}

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section aria-labelledby="grid" {
            (heading("grid"))
            ul.legend { @for condition in Condition::ALL { li {
                span class=(class(condition)) aria-hidden="true" { (condition.glyph()) } (condition.as_str())
            } } }
            div.grids { @for (at, table) in report.tables.iter().enumerate() { (of_table(at, table)) } }
        }
    }
}

fn of_table(at: usize, table: &TableFacts) -> Markup {
    let complete = table.windows.iter().filter(|window| window.is_complete()).count() as u64;
    let mut years: BTreeMap<i32, [Vec<Condition>; 12]> = BTreeMap::new();
    let mut others = Vec::new();
    for window in &table.windows {
        match window.window {
            Window::Dates(days) => {
                let months = years.entry(days.start().year()).or_default();
                months[days.start().month0() as usize].push(window.state);
            }
            Window::All | Window::Undated => others.push((window.window.to_string(), window.state)),
        }
    }
    if table.windows.is_empty() {
        others.push(("none".to_owned(), Condition::NotLoaded));
    }
    html! {
        table.grid {
            caption {
                a href={"#table-" (at)} { (shown(&table.name)) }
                ": " (thousands(complete)) " of " (thousands(table.windows.len() as u64)) " complete"
                @if table.refused.is_some() { ", " span.bad { (REFUSED) " refused" } }
            }
            @if !years.is_empty() { thead { tr {
                th scope="col" { "Year" }
                @for (letter, month) in MONTHS {
                    th scope="col" { span aria-hidden="true" { (letter) } span.hidden { (month) } }
                }
            } } }
            tbody {
                @for (year, months) in years { tr {
                    th scope="row" { (year) }
                    @for states in months { (cell(Condition::worst(states))) }
                } }
                @for (window, state) in others { tr {
                    th scope="row" { (window) }
                    td class={"of " (class(state))} colspan="12" { (state.glyph()) " " (state.as_str()) }
                } }
            }
        }
    }
}

fn cell(state: Option<Condition>) -> Markup {
    html! {
        @match state {
            None => td {},
            Some(state) => td class=(class(state)) {
                span aria-hidden="true" { (state.glyph()) } span.hidden { (state.as_str()) }
            },
        }
    }
}
