//! A window: its facts, its error, the command that puts it right, and its chunks. A month of several parts is a list of
//! them, and days that no window covers have a page, too.
//!
//! The ranges of chunks are keys, which are values of rows: no page shows them.

use std::time::Duration;

use indicatif::HumanBytes;
use maud::{Markup, html};

use super::faults::{differing, refused, remedy};
use super::grid::label;
use super::layout::{Frame, Tone, badge, command, error, note, of_show, page, stamp, window_path};
use crate::base::text::{counted, thousands};
use crate::model::chunk::ChunkState;
use crate::model::stages::ChunkTiming;
use crate::model::window::Window;
use crate::status::{
    Condition, Fault, Line, Part, Unrepaired, dates, faults, months, of_expected, of_table, run_again, worst,
};
use crate::web::filter::{Filter, Show};
use crate::web::markup::{prose, shown};
use crate::web::seen::{ChunkLine, Seen};

/// What the page is about, with its neighbours.
struct Opened<'a> {
    line: &'a Line<'a>,
    part: Part<'a>,
    before: Option<Part<'a>>,
    after: Option<Part<'a>>,
}

/// The page of a window, or of a month with several parts; `None` if the table has none of this name. `filter` is what the
/// grid showed, and `chunks` are those of the window, the first ones if there are many.
pub(crate) fn window(
    seen: &Seen,
    filter: &Filter,
    table: &str,
    window: &str,
    chunks: &[ChunkLine],
) -> Option<Markup> {
    let status = &seen.status;
    let (at, table) = status
        .tables
        .iter()
        .enumerate()
        .find(|(_, of)| of.name == table)?;
    let line = Line::of(status, table);
    let parts: Vec<Part<'_>> = line.parts().collect();
    let here = parts.iter().position(|part| part.window.to_string() == window);
    let of_month: Vec<Part<'_>> = match here {
        Some(here) => vec![parts[here]],
        None => parts
            .iter()
            .filter(|part| is_in(part.window, window))
            .copied()
            .collect(),
    };
    let place = place(filter, &table.name, at);
    let (title, body) = match (of_month.as_slice(), here) {
        ([], _) => return None,
        ([part], _) => {
            let here = here.or_else(|| parts.iter().position(|of| of.window == part.window))?;
            let opened = Opened {
                line: &line,
                part: *part,
                before: here.checked_sub(1).and_then(|at| parts.get(at)).copied(),
                after: parts.get(here + 1).copied(),
            };
            let title = format!("{} {}", table.name, part.window);
            (title, one(seen, filter, &opened, chunks))
        }
        (several, _) => (
            format!("{} {window}", table.name),
            list(filter, &line, several, window),
        ),
    };
    let frame = Frame {
        path: "",
        title: &title,
        events: None,
        seen: Some(seen),
    };
    Some(page(&frame, &html! { (place) (body) }))
}

/// Whether a window lies in a month, `2025-10`.
fn is_in(window: Window, month: &str) -> bool {
    let days = window.days();
    days.is_some_and(|days| days.start().format("%Y-%m").to_string() == month)
}

/// The way back.
fn place(filter: &Filter, table: &str, at: usize) -> Markup {
    let only = Filter {
        show: Show::All,
        table: Some(table.to_owned()),
    };
    html! {
        nav.crumbs aria-label="Place" {
            a href={ "/" (of_show(filter).query()) "#t" (at) } { "Grid" } " › "
            a href={ "/" (only.query()) } { (shown(table)) }
        }
    }
}

/// A month of several parts.
fn list(filter: &Filter, line: &Line<'_>, parts: &[Part<'_>], month: &str) -> Markup {
    html! {
        h1 { (shown(&line.table.name)) " " (month) @if let Some(state) = worst(parts) { " " (badge(state)) } }
        p { "This month has " (counted(parts.len() as u64, "part")) ", because runs were asked for parts of it." }
        ul.parts {
            @for part in parts {
                li {
                    a href={ "/" (window_path(filter, &line.table.name, &part.window.to_string())) } { (part.window) }
                    " " (badge(part.state)) " " span.hint { (label(line, part.state, &[*part])) }
                }
            }
        }
    }
}

fn one(seen: &Seen, filter: &Filter, opened: &Opened<'_>, chunks: &[ChunkLine]) -> Markup {
    let (table, part) = (opened.line.table, opened.part);
    html! {
        h1 { (shown(&table.name)) " " (part.window) " " (badge(part.state)) }
        (facts(opened, chunks))
        (to_do(seen, opened))
        @if let Some(known) = part.known {
            h2 { "Chunks" }
            @if known.counts.chunks == 0 { p { "No chunk is known yet." } } @else { (lines(seen, known.counts.chunks, chunks)) }
        }
        (neighbours(filter, opened))
    }
}

fn facts(opened: &Opened<'_>, chunks: &[ChunkLine]) -> Markup {
    let (table, part) = (opened.line.table, opened.part);
    let days = dates(&[part.window]).map_or_else(
        || match part.window {
            Window::Undated => "the rows without a date".to_owned(),
            _ => "all rows of the table".to_owned(),
        },
        |(first, last)| format!("{first} to {last}"),
    );
    let attempts: u64 = chunks.iter().map(|line| u64::from(line.chunk.attempts)).sum();
    html! {
        dl.facts {
            div { dt { "Covers" } dd { (days) } }
            @if let Some(known) = part.known {
                div { dt { "Chunks verified" } dd { (known.chunks()) } }
                div { dt { "Rows" } dd { (of_expected(known.counts.rows, known.rows_expected)) } }
                div { dt { "Bytes" } dd { (HumanBytes(known.counts.bytes)) } }
                @if let Some(share) = known.share {
                    div { dt { "Loaded of its days" } dd { (format!("{:.0}%", share * 100.0)) } }
                }
                @if chunks.len() as u64 == known.counts.chunks && attempts > 0 {
                    div { dt { "Attempts" } dd { (thousands(attempts)) } }
                }
            }
            div { dt { "Mode" } dd { (table.mode) } }
        }
    }
}

/// The error, and the command; or what comes by itself.
fn to_do(seen: &Seen, opened: &Opened<'_>) -> Markup {
    let (table, part) = (opened.line.table, opened.part);
    let fault = faults(table)
        .into_iter()
        .find(|fault| fault.windows.contains(&part.window));
    let own = fault.as_ref().map(|fault| Fault {
        table,
        state: fault.state,
        error: fault.error,
        windows: vec![part.window],
        stale: part.known.map_or(0, |known| known.counts.stale),
    });
    let others = fault.filter(|fault| fault.windows.len() > 1);
    let error_of = part.known.and_then(|known| known.error.as_deref());
    html! {
        @if let Some(own) = &own {
            (note(Tone::Bad, &remedy(own)))
        } @else if let Some(text) = error_of {
            (note(Tone::Waiting, &error(of_table(text, &table.name))))
        }
        @if let Some(others) = others {
            p { "The same is so of " (months(&others.windows)) ". One command for all of them:" }
            (command(&others.command()))
        }
        @let found: Vec<Unrepaired> =
            table.differing.iter().filter(|of| of.window == part.window).copied().collect();
        @if let Some(found) = differing(table, &found) {
            (note(Tone::Bad, &found))
        } @else if own.is_none() { (of_state(opened)) }
        @if let Some(refused) = refused(&seen.status, table).filter(|_| part.state != Condition::Complete) {
            h2 { "The table" }
            (note(Tone::Bad, &refused))
        }
    }
}

fn of_state(opened: &Opened<'_>) -> Markup {
    let (table, part) = (opened.line.table, opened.part);
    let again = run_again(dates(&[part.window]), table.is_dated, &table.name);
    html! {
        @match (part.state, part.known) {
            (Condition::NotLoaded, _) if table.is_forgotten(part.window) => {
                p { "These days were loaded, and then forgotten. This loads them again:" }
                (command(&again))
            },
            (Condition::NotLoaded, _) => {
                p { "No window covers these days: no run was asked for them. This loads them:" }
                (command(&again))
            },
            (Condition::Planned, None) => p { "The run that is going comes to it." },
            (Condition::Planned, Some(_)) => {
                p { "It is not finished. Any run of the table resumes it; this one is for it alone:" }
                (command(&again))
            },
            (Condition::Loading, _) => p { "The run that is going loads it." },
            (Condition::Open, _) => p { "All that was old enough is verified. Further runs add what is to come." },
            _ => p { "All of it is verified." },
        }
    }
}

/// The times of a chunk's stages, if they are of the load that it has.
fn timing(line: &ChunkLine) -> Option<&ChunkTiming> {
    let timing = line.timing.as_ref()?;
    (timing.load_id == line.chunk.load_id).then_some(timing)
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

fn condition_of(state: ChunkState) -> Condition {
    match state {
        ChunkState::Verified => Condition::Complete,
        ChunkState::Planned => Condition::Planned,
        ChunkState::Extracted | ChunkState::Loaded => Condition::Loading,
        ChunkState::Failed => Condition::Failed,
        ChunkState::Mismatched => Condition::Mismatched,
        ChunkState::Stale => Condition::Stale,
    }
}

fn lines(seen: &Seen, all: u64, chunks: &[ChunkLine]) -> Markup {
    let left = all.saturating_sub(chunks.len() as u64);
    html! {
        @if left > 0 {
            p.hint { "The first " (thousands(chunks.len() as u64)) " of " (counted(all, "chunk")) ", and their sums." }
        }
        div.scroll role="region" aria-label="Chunks" tabindex="0" {
            table.lines {
                caption.v { "Chunks in the order of their keys; times in seconds" }
                thead { tr {
                    th scope="col" { "Chunk" }
                    th scope="col" { "State" }
                    @for name in ["Rows", "Bytes", "Read, s", "Stage, s", "Load, s", "Attempts"] { th.r scope="col" { (name) } }
                    th scope="col" { "Committed" }
                    th scope="col" { "Error" }
                } }
                tbody { @for line in chunks { (of_chunk(seen, line)) } }
                tfoot { (sums(chunks)) }
            }
        }
    }
}

fn of_chunk(seen: &Seen, line: &ChunkLine) -> Markup {
    let (chunk, timing) = (&line.chunk, timing(line));
    let condition = condition_of(chunk.state);
    html! {
        tr {
            th scope="row" { (chunk.ordinal) }
            td.badge {
                i class={ "k " (super::layout::class(condition)) } aria-hidden="true" { (condition.glyph()) } " " (chunk.state)
            }
            td.r { (thousands(chunk.tally.row_count)) }
            td.r { (HumanBytes(chunk.tally.byte_count)) }
            @match timing {
                Some(timing) => @for (_, time) in timing.stages.named() { td.r { (seconds(time)) } },
                None => @for _ in 0..3 { td.r { "–" } },
            }
            td.r { (chunk.attempts) }
            td { @if let Some(timing) = timing { (stamp(seen.status.pace.wall, timing.committed_at)) } @else { "–" } }
            td.error { @if let Some(text) = &chunk.error { (prose(text)) } }
        }
    }
}

fn sums(chunks: &[ChunkLine]) -> Markup {
    let verified = || {
        chunks
            .iter()
            .filter(|line| line.chunk.state == ChunkState::Verified)
    };
    let sum = |of: &dyn Fn(&ChunkLine) -> u64| verified().map(of).sum::<u64>();
    let attempts: u64 = chunks.iter().map(|line| u64::from(line.chunk.attempts)).sum();
    let timed: Vec<&ChunkTiming> = verified().filter_map(timing).collect();
    let mut stages = [Duration::ZERO; 3];
    for timing in &timed {
        for (sum, (_, time)) in stages.iter_mut().zip(timing.stages.named()) {
            *sum += time;
        }
    }
    html! {
        tr {
            th scope="row" { "Sum" }
            td.badge { (thousands(verified().count() as u64)) " verified" }
            td.r { (thousands(sum(&|line| line.chunk.tally.row_count))) }
            td.r { (HumanBytes(sum(&|line| line.chunk.tally.byte_count))) }
            @for time in stages { td.r { @if timed.is_empty() { "–" } @else { (seconds(time)) } } }
            td.r { (thousands(attempts)) }
            td {}
            td {}
        }
    }
}

fn neighbours(filter: &Filter, opened: &Opened<'_>) -> Markup {
    let name = &opened.line.table.name;
    let link = |part: Part<'_>| {
        let window = part.window.to_string();
        html! { a href={ "/" (window_path(filter, name, &window)) } { (window) } " " (badge(part.state)) }
    };
    html! {
        nav.pair aria-label="Windows beside it" {
            p { @if let Some(before) = opened.before { "‹ Earlier: " (link(before)) } }
            p { @if let Some(after) = opened.after { "Next: " (link(after)) " ›" } }
        }
    }
}
