//! What all pages share: the frame, times in one zone, notes, commands to copy, links.

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, html};

use crate::model::hours::Wall;
use crate::model::window::Window;
use crate::status::Condition;
use crate::web::filter::Filter;
use crate::web::markup::{prose, shown};
use crate::web::seen::{Seen, Subject};

/// The mark of the program, in a tab of a browser.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath \
    fill='%230b6e4f' d='M1 1h6v6H1zM9 9h6v6H9z'/%3E%3Cpath fill='%235b8def' d='M9 1h6v6H9zM1 9h6v6H1z'/%3E%3C/svg%3E";

/// The pages of the navigation, each with its path and its name.
const PAGES: [(&str, &str); 4] = [
    ("/", "Status"),
    ("/next", "Next run"),
    ("/runs", "Runs"),
    ("/reconcile", "Reconcile"),
];

/// What differs between the frames of pages.
pub(super) struct Frame<'a> {
    /// The path of the page in the navigation; empty if it is not in it.
    pub(super) path: &'a str,
    pub(super) title: &'a str,
    /// The path of the events that keep the page up to date, if it is kept.
    pub(super) events: Option<String>,
    /// What was looked at; `None` of a page without it.
    pub(super) seen: Option<&'a Seen>,
}

/// A whole page.
pub(super) fn page(frame: &Frame<'_>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (shown(frame.title)) " · sync" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/style.css";
                @if let Some(events) = &frame.events {
                    script src="/live.js" defer data-events=(events) {}
                    noscript { meta http-equiv="refresh" content="10"; }
                }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    p.brand { span.mark aria-hidden="true" {} "sync" }
                    nav aria-label="Pages" {
                        ul {
                            @for (path, name) in PAGES {
                                li { a href=(path) aria-current=[(path == frame.path).then_some("page")] { (name) } }
                            }
                        }
                    }
                    @if let Some((source, target)) = frame.seen.and_then(|seen| seen.subject.ends.as_ref()) {
                        p.ends { (shown(source)) " → " (shown(target)) }
                    }
                }
                main #main tabindex="-1" { (body) }
                footer.foot {
                    @if let Some(seen) = frame.seen { (as_of(seen)) (files(&seen.subject)) }
                    p { "sync " (env!("CARGO_PKG_VERSION")) ". This page only shows: it asks no server and changes nothing." }
                }
            }
        }
    }
}

/// The time of a page, and the zone of all its times.
pub(super) fn as_of(seen: &Seen) -> Markup {
    let (wall, now) = (seen.status.pace.wall, seen.status.pace.now);
    html! {
        p #as-of { "As of " (stamp(wall, now)) ". All times are of the time zone " (wall.zone().name()) "." }
    }
}

/// The files that a page was made from.
fn files(subject: &Subject) -> Markup {
    html! {
        p { "State file " code { (shown(&subject.state)) } ", configuration " code { (shown(&subject.config)) } "." }
    }
}

/// A time as a wall clock has it.
pub(super) fn stamp(wall: Wall, at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.format("%Y-%m-%dT%H:%M:%SZ")) { (wall.stamp(at)) } }
}

/// A command on a line of its own: a click selects all of it.
pub(super) fn command(line: &str) -> Markup {
    html! {
        p.cmd { code title="A click selects all of it" { (shown(line)) } }
    }
}

/// How pressing a note is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    Plain,
    Waiting,
    Bad,
}

/// A note that stands out.
pub(super) fn note(tone: Tone, body: &Markup) -> Markup {
    let class = match tone {
        Tone::Plain => "note",
        Tone::Waiting => "note wait",
        Tone::Bad => "note bad",
    };
    html! { div class=(class) { (body) } }
}

/// A text of several lines, such as an error with its causes.
pub(super) fn error(text: &str) -> Markup {
    html! { p.error { (prose(text)) } }
}

/// A condition as its character and its word.
pub(super) fn badge(condition: Condition) -> Markup {
    html! {
        span.badge { i class={ "k " (class(condition)) } aria-hidden="true" { (condition.glyph()) } " " (condition.as_str()) }
    }
}

/// The class of a condition in the style sheet: short, because each cell has one.
pub(super) fn class(condition: Condition) -> &'static str {
    match condition {
        Condition::Complete => "c",
        Condition::Open => "o",
        Condition::NotLoaded => "n",
        Condition::Planned => "p",
        Condition::Loading => "l",
        Condition::Stale => "s",
        Condition::Failed => "f",
        Condition::Mismatched => "m",
    }
}

/// Whether a filter names a table, or none.
pub(super) fn names(filter: &Filter, table: &str) -> bool {
    let name = filter.table.as_ref();
    name.is_none_or(|name| name.to_lowercase() == table.to_lowercase())
}

/// The address of the page of a window, which leads back to what `filter` shows.
pub(super) fn window_path(filter: &Filter, table: &str, window: &str) -> String {
    let back = of_show(filter).query().replace('?', "&");
    format!("window?table={}&window={window}{back}", encoded(table))
}

/// A filter for the same conditions of all tables.
pub(super) fn of_show(filter: &Filter) -> Filter {
    Filter {
        show: filter.show,
        table: None,
    }
}

/// A name in a query.
fn encoded(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

/// A link to a window, from a page other than the grid.
pub(super) fn window_link(table: &str, window: Window) -> Markup {
    let window = window.to_string();
    html! { a href={ "/" (window_path(&Filter::default(), table, &window)) } { (window) } }
}
