//! The grid: a row a table, a column a month, a cell the windows of both, the worst of them in front.
//!
//! A page of years has thousands of cells, so a cell has no more than its link, its name and its character. What changes
//! while a page is open has an id: the head of the table, and each of its rows, also those that the filter hides.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use maud::{Markup, html};

use super::layout::{class, names, of_show, window_path};
use crate::base::text::{counted, thousands};
use crate::model::window::Window;
use crate::status::{Condition, Line, Part, REFUSED, Status, worst};
use crate::web::filter::{Filter, Show};
use crate::web::markup::shown;

/// The parts into which a cell that is being loaded is filled.
const FILLS: f64 = 10.0;

/// The lines that a filter shows, and the columns that they need.
pub(super) struct Grid<'a> {
    filter: &'a Filter,
    lines: Vec<(Line<'a>, bool)>,
    /// By year and month, in their order.
    months: Vec<(i32, u32)>,
    has_undated: bool,
    has_whole: bool,
}

/// Whether a filter shows a condition. An open window waits for nothing but time.
pub(super) fn shows(show: Show, condition: Condition) -> bool {
    match show {
        Show::All => true,
        Show::Incomplete => !matches!(condition, Condition::Complete | Condition::Open),
        Show::Failed => condition.is_fault(),
    }
}

impl<'a> Grid<'a> {
    pub(super) fn of(status: &'a Status, filter: &'a Filter) -> Grid<'a> {
        let is_shown = |line: &Line<'_>| {
            let is_named = names(filter, &line.table.name);
            let is_refused = filter.show != Show::All && line.table.refused.is_some();
            let mut parts = line.parts();
            is_named && (is_refused || parts.any(|part| shows(filter.show, part.state)))
        };
        let lines = status.tables.iter().map(|table| Line::of(status, table));
        let lines: Vec<(Line<'a>, bool)> = lines
            .map(|line| {
                let shown = is_shown(&line);
                (line, shown)
            })
            .collect();
        let shown = || lines.iter().filter(|(_, shown)| *shown).map(|(line, _)| line);
        let is_asked = |part: &Part<'_>| shows(filter.show, part.state);
        let with_some: BTreeSet<(i32, u32)> = shown()
            .flat_map(|line| &line.months)
            .filter(|(_, parts)| parts.iter().any(is_asked))
            .map(|(month, _)| *month)
            .collect();
        Grid {
            months: match filter.show {
                Show::All => between(&with_some),
                _ => with_some.into_iter().collect(),
            },
            has_undated: shown().any(|line| line.undated.as_ref().is_some_and(is_asked)),
            has_whole: shown().any(|line| line.whole.as_ref().is_some_and(is_asked)),
            lines,
            filter,
        }
    }

    fn shown(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines
            .iter()
            .filter(|(_, shown)| *shown)
            .map(|(line, _)| line)
    }

    /// The ids and the markup of what changes.
    pub(super) fn fragments(&self) -> Vec<(String, Markup)> {
        let mut fragments = vec![
            ("legend".to_owned(), self.legend()),
            ("grid-head".to_owned(), self.head()),
            ("none".to_owned(), self.none()),
            ("shown".to_owned(), self.explained()),
        ];
        let rows = self.lines.iter().enumerate();
        fragments.extend(rows.map(|(at, (line, shown))| (format!("t{at}"), self.row(at, line, *shown))));
        fragments
    }

    /// The region that scrolls.
    pub(super) fn region(&self) -> Markup {
        html! {
            div.scroll.months role="region" aria-label="Grid of tables and months" tabindex="0" {
                // The content of the region is turned around, so that it opens at the latest months.
                div {
                    table.grid {
                        caption.v { "State of each table, by month" }
                        (self.head())
                        tbody {
                            @for (at, (line, shown)) in self.lines.iter().enumerate() { (self.row(at, line, *shown)) }
                        }
                    }
                }
            }
            (self.none())
        }
    }

    /// What is said where no table is shown.
    fn none(&self) -> Markup {
        let is_none = self.shown().next().is_none();
        html! { p #none.none hidden[!is_none] { @if is_none { (self.nothing()) } } }
    }

    fn nothing(&self) -> &'static str {
        match (self.lines.is_empty(), self.filter.show) {
            (true, _) => "No table is known yet.",
            (_, Show::Failed) => "Nothing is failed, mismatched or stale.",
            (_, Show::Incomplete) => "All that has ended is complete.",
            (_, Show::All) => "No table of this name is known.",
        }
    }

    fn head(&self) -> Markup {
        let years: BTreeSet<i32> = self.months.iter().map(|(year, _)| *year).collect();
        let of = |year: i32| self.months.iter().filter(move |(of, _)| *of == year).count();
        html! {
            thead #grid-head {
                tr {
                    th rowspan="2" scope="col" { "Table" }
                    @for year in &years { th.y colspan=(of(*year)) scope="colgroup" { b { (year) } } }
                    @if self.has_undated { th.e rowspan="2" scope="col" { "undated" } }
                    @if self.has_whole { th.e rowspan="2" scope="col" { "whole table" } }
                    th.r rowspan="2" scope="col" { "Rows" }
                }
                tr {
                    @for (at, (year, month)) in self.months.iter().enumerate() {
                        th.y[self.begins_year(at)] scope="col" { (name_of(*year, *month)) }
                    }
                }
            }
        }
    }

    /// Whether a month is the first of its year that is shown.
    fn begins_year(&self, at: usize) -> bool {
        at == 0 || self.months[at - 1].0 != self.months[at].0
    }

    fn row(&self, at: usize, line: &Line<'a>, is_shown: bool) -> Markup {
        let name = &line.table.name;
        let id = format!("t{at}");
        if !is_shown {
            return html! { tr #(id) hidden {} };
        }
        let only = Filter {
            show: Show::All,
            table: Some(name.clone()),
        };
        html! {
            tr #(id) class=[line.table.refused.as_ref().map(|_| "refused")] {
                th scope="row" {
                    a href={ "/" (only.query()) } title=(shown(name)) { (shown(name)) }
                    @if line.table.refused.is_some() { (refused()) }
                }
                @match line.whole {
                    Some(whole) if !self.months.is_empty() => {
                        td.w colspan=(self.months.len()) { @if whole.known.is_none() { (nothing_of(whole)) } }
                    }
                    _ => @for (column, month) in self.months.iter().enumerate() {
                        (self.cell(line, *month, self.begins_year(column)))
                    }
                }
                @if self.has_undated { (self.single(line, line.undated)) }
                @if self.has_whole { (self.single(line, line.whole)) }
                td.r { (thousands(line.table.counts().rows)) }
            }
        }
    }

    /// The cell of a month. Its end tag is left to the browser, which knows it.
    fn cell(&self, line: &Line<'a>, (year, month): (i32, u32), begins_year: bool) -> Markup {
        let name = &line.table.name;
        let parts = line.months.get(&(year, month)).map_or(&[][..], Vec::as_slice);
        let Some(state) = worst(parts) else {
            return html! { td.y[begins_year]; };
        };
        let window = match parts {
            [part] => part.window.to_string(),
            _ => format!("{year:04}-{month:02}"),
        };
        html! {
            td class=[self.classes(state, parts, begins_year)];
            a href=(window_path(self.filter, name, &window)) aria-label={ (shown(name)) " " (window) ": " (label(line, state, parts)) } {
                (state.glyph())
            }
        }
    }

    /// The cell of a window without dates.
    fn single(&self, line: &Line<'a>, part: Option<Part<'a>>) -> Markup {
        let name = &line.table.name;
        let Some(part) = part.filter(|part| part.known.is_some() || self.months.is_empty()) else {
            return html! { td.e {} };
        };
        let (state, window) = (part.state, part.window.to_string());
        let classes = self.classes(state, &[part], false).unwrap_or_default();
        if part.known.is_none() {
            return html! { td class={ "e " (classes) } { (nothing_of(part)) } };
        }
        html! {
            td class={ "e " (classes) } {
                a href=(window_path(self.filter, name, &window))
                    aria-label={ (shown(name)) " " (window) ": " (label(line, state, &[part])) } { (state.glyph()) }
            }
        }
    }

    /// The classes of a cell; none of a complete one, of which there are most.
    fn classes(&self, state: Condition, parts: &[Part<'_>], begins_year: bool) -> Option<String> {
        let mut classes = Vec::new();
        if state != Condition::Complete {
            classes.push(class(state).to_owned());
        }
        if begins_year {
            classes.push("y".to_owned());
        }
        if !shows(self.filter.show, state) {
            classes.push("x".to_owned());
        }
        let mut fill = parts.iter().filter(|part| part.state == state).filter_map(share);
        classes.extend(fill.next_back().and_then(fill_of));
        (!classes.is_empty()).then(|| classes.join(" "))
    }

    /// The conditions that occur, each with its count; a link shows where.
    pub(super) fn legend(&self) -> Markup {
        let all = || {
            let lines = self.lines.iter().map(|(line, _)| line);
            lines
                .filter(|line| names(self.filter, &line.table.name))
                .flat_map(|line| line.parts())
        };
        let refused_tables = self
            .lines
            .iter()
            .filter(|(line, _)| line.table.refused.is_some() && names(self.filter, &line.table.name));
        let tables = refused_tables.count() as u64;
        let count = |condition| all().filter(|part| part.state == condition).count() as u64;
        html! {
            ul #legend.legend aria-label="Legend: windows by their state" {
                @for condition in Condition::ALL {
                    li {
                        a href={ "/" (self.that_shows(condition).query()) } {
                            i class={ "k " (class(condition)) } aria-hidden="true" { (condition.glyph()) }
                            " " (condition.as_str()) " " b { (thousands(count(condition))) }
                        }
                    }
                }
                @if tables > 0 {
                    li { a href={ "/" (self.with(Show::Failed).query()) } { (refused()) " " b { (counted(tables, "table")) } } }
                }
            }
        }
    }

    /// The narrowest filter that shows a condition.
    fn that_shows(&self, condition: Condition) -> Filter {
        let narrowest = [Show::Failed, Show::Incomplete, Show::All];
        let show = narrowest.into_iter().find(|show| shows(*show, condition));
        self.with(show.unwrap_or_default())
    }

    /// The filter, with another choice of what is shown.
    fn with(&self, show: Show) -> Filter {
        Filter {
            show,
            table: self.filter.table.clone(),
        }
    }

    /// The choice of what is shown.
    pub(super) fn choice(&self) -> Markup {
        let tables = self.lines.iter().map(|(line, _)| line.table.name.as_str());
        html! {
            div.choice {
                ul.pills aria-label="Windows to show" {
                    @for (show, name) in [(Show::All, "All"), (Show::Incomplete, "Not complete"), (Show::Failed, "Failed")] {
                        li {
                            a href={ "/" (self.with(show).query()) } aria-current=[(show == self.filter.show).then_some("true")] { (name) }
                        }
                    }
                }
                form action="/" method="get" {
                    @if self.filter.show != Show::All { input type="hidden" name="show" value=(self.filter.show.as_str()); }
                    label for="table" { "Table" }
                    select #table name="table" {
                        option value="" { "all tables" }
                        @for name in tables { option value=(name) selected[self.filter.table.as_deref() == Some(name)] { (shown(name)) } }
                    }
                    button { "Show" }
                }
            }
            (self.explained())
        }
    }

    fn explained(&self) -> Markup {
        if *self.filter == Filter::default() {
            return html! { p #shown hidden {} };
        }
        let of = match self.filter.show {
            Show::All => "",
            Show::Incomplete => " with windows that are neither complete nor open",
            Show::Failed => {
                " with windows that are failed, mismatched or stale, or that the last run refused"
            }
        };
        let (shown, all) = (self.shown().count() as u64, self.lines.len() as u64);
        html! {
            p #shown.hint {
                "Shown: " (thousands(shown)) " of " (counted(all, "table")) (of) ". "
                @if self.filter.show != Show::All { "Months without such windows are left out. " }
                @if self.filter.table.is_some() && self.filter.show != Show::All { a href={ "/" (of_show(self.filter).query()) } { "All tables" } " " }
                a href="/" { "Everything" }
            }
        }
    }
}

/// The months from the first to the last one, without the years that nobody has.
fn between(months: &BTreeSet<(i32, u32)>) -> Vec<(i32, u32)> {
    let (Some(first), Some(last)) = (months.first(), months.last()) else {
        return Vec::new();
    };
    let years: BTreeSet<i32> = months.iter().map(|(year, _)| *year).collect();
    let all = years
        .into_iter()
        .flat_map(|year| (1..=12).map(move |month| (year, month)));
    all.filter(|month| first <= month && month <= last).collect()
}

/// `Jan`, with what paper has no room for apart.
fn name_of(year: i32, month: u32) -> Markup {
    let day = NaiveDate::from_ymd_opt(year, month, 1);
    let name = day.map_or_else(String::new, |day| day.format("%b").to_string());
    let (initial, rest) = name.split_at(name.len().min(1));
    html! { (initial) span { (rest) } }
}

/// The mark of a table that the last run refused. Its cells tell what was verified before, and look it.
fn refused() -> Markup {
    html! {
        span.badge { i.k.f aria-hidden="true" { (REFUSED) } " refused" }
    }
}

fn nothing_of(part: Part<'_>) -> Markup {
    let words = match part.state {
        Condition::NotLoaded => "nothing is loaded",
        state => state.as_str(),
    };
    html! {
        span { i class={ "k " (class(part.state)) } aria-hidden="true" { (part.state.glyph()) } " " (words) }
    }
}

/// The part of a window that is loaded, if it is begun: by its dates, or by its rows.
fn share(part: &Part<'_>) -> Option<f64> {
    let window = part.known?;
    let by_rows = || {
        let all = window.rows_expected.filter(|_| part.window == Window::All)?;
        (all > 0).then(|| window.counts.rows as f64 / all as f64)
    };
    let is_begun = matches!(part.state, Condition::Loading | Condition::Planned);
    window.share.or_else(by_rows).filter(|_| is_begun)
}

/// The class of a cell that is filled so far; `None` of one that is all but empty.
fn fill_of(share: f64) -> Option<String> {
    let tenths = (share * FILLS).round().clamp(0.0, FILLS) as u32;
    (tenths > 0).then(|| format!("fill-{tenths}"))
}

/// What a cell says: `failed, 3 of 22 chunks`.
pub(super) fn label(line: &Line<'_>, state: Condition, parts: &[Part<'_>]) -> String {
    let word = state.as_str();
    let [part] = parts else {
        let alike = parts.iter().filter(|part| part.state == state).count();
        return format!("{word}, {alike} of {} parts", parts.len());
    };
    let Some(window) = part.known else {
        return match line.table.is_forgotten(part.window) {
            true => format!("{word}, forgotten"),
            false => word.to_owned(),
        };
    };
    if part.state == Condition::Complete {
        // Nothing is left to say, thousands of times.
        return word.to_owned();
    }
    let counts = window.counts;
    let chunks = match counts.verified == counts.chunks {
        true => counted(counts.chunks, "chunk"),
        false => format!(
            "{} of {}",
            thousands(counts.verified),
            counted(counts.chunks, "chunk")
        ),
    };
    let loaded = share(part).map_or_else(String::new, |share| format!(", {:.0}% loaded", share * 100.0));
    format!("{word}, {chunks}{loaded}")
}
