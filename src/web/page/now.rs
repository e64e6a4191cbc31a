//! What goes on now: the run, what it waits for, its figures, and what the governor decided; or how the last run ended.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::layout::{Tone, command, error, note, stamp};
use crate::base::exit_code::meaning;
use crate::base::program;
use crate::base::text::{counted, duration, rows, thousands};
use crate::model::pace::Figures;
use crate::model::waits::{long, millis};
use crate::status::{
    Progress, RunStatus, Status, account_line, dates_of, of_hours, of_signs, of_work, same_again, totals,
};
use crate::web::markup::{prose, shown};
use crate::web::seen::Seen;

/// The time that a rate is taken over.
const RATE_OVER: TimeDelta = TimeDelta::seconds(60);

/// The part of the page about the present.
pub(super) fn now(seen: &Seen) -> Markup {
    let status = &seen.status;
    html! {
        section #now aria-labelledby="now-head" {
            @match &status.run {
                Some(run) if run.running => (going(seen, run)),
                Some(run) => (ended(seen, run)),
                None => (never(status)),
            }
            @if status.run.as_ref().is_none_or(|run| !run.running) {
                // What another command waits for.
                @for line in of_work(status) { (note(Tone::Waiting, &html! { p { (prose(&line)) } })) }
            }
            @if let Some(hours) = of_hours(status) { p { (hours) "." } }
            @if status.is_kept { p { (totals(status)) "." } }
        }
    }
}

/// The time between two rates.
const RATE_PERIOD: TimeDelta = TimeDelta::seconds(10);

/// The rows of a second over the last minute; `None` without a look.
pub(super) fn rate(seen: &Seen, of: impl Fn(&crate::web::seen::Rate) -> f64) -> Option<f64> {
    // A rate is of the time before it: the first one may be of what was before the run.
    let begun = seen
        .status
        .running()
        .map(|run| run.record.started_at + RATE_PERIOD);
    let recent = seen.rates.iter().filter(|rate| {
        seen.status.pace.now - rate.at <= RATE_OVER && begun.is_none_or(|begun| rate.at >= begun)
    });
    let (sum, count) = recent.fold((0.0, 0_u32), |(sum, count), rate| (sum + of(rate), count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn never(status: &Status) -> Markup {
    let name = program::command();
    html! {
        h2 #now-head { "No run has been here" }
        @if status.is_kept {
            p { "The state file has no run yet. The first one copies what it is asked for, and each further one resumes:" }
        } @else {
            p { "There is no state file. These commands check the servers, tell what a run would do, and begin:" }
            (command(&format!("{name} doctor")))
            (command(&format!("{name} plan --start-date DAY --end-date DAY")))
        }
        (command(&format!("{name} run --start-date DAY --end-date DAY")))
        @if !status.is_kept {
            p { "If a run has been here and its state file was lost, this makes it anew from what the target proves:" }
            (command(&format!("{name} rebuild")))
        }
    }
}

fn going(seen: &Seen, run: &RunStatus) -> Markup {
    let (status, wall) = (&seen.status, seen.status.pace.wall);
    let record = &run.record;
    let progress = status.progress();
    html! {
        h2 #now-head { span.dot aria-hidden="true" {} "A run is going" }
        p {
            (dates_of(status, run)) ", started " (stamp(wall, record.started_at)) " as process " (record.pid) " on "
            (shown(&record.host)) ", for " (since(seen.status.pace.now, record.started_at)) "."
        }
        @if let Some(progress) = &progress { (bar(seen, progress)) }
        (waits(seen, run))
        (tiles(seen))
        @if let Some(account) = &run.account {
            @let line = account_line(account);
            @if !line.is_empty() { p.hint { (shown(&line)) } }
        }
    }
}

/// The time since then, in whole minutes once there are some: a page that changes each second tells no more.
fn since(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    let passed = (now - then).to_std().unwrap_or_default();
    match passed.as_secs() / 60 {
        0 => "less than a minute".to_owned(),
        minutes @ 1..60 => counted(minutes, "minute"),
        _ => duration(passed),
    }
}

fn bar(seen: &Seen, progress: &Progress<'_>) -> Markup {
    let left = rate(seen, |rate| rate.loaded_per_second).and_then(|rate| progress.left(rate));
    let run = seen.status.running();
    let left = left.filter(|_| seen.status.held().is_none() && run.is_none_or(|run| run.waiting.is_none()));
    html! {
        div.bar {
            label for="progress" { (shown(&progress.text())) }
            @if let Some(all) = progress.rows_expected {
                progress #progress value=(progress.rows) max=(all.max(1)) { (percent(progress.rows, all)) }
            } @else {
                progress #progress {}
            }
            @if let Some(left) = left {
                p.hint { (shown(progress.table)) " takes about " (duration(left)) " more at the rate of the last minute." }
            }
        }
    }
}

fn percent(rows: u64, all: u64) -> String {
    format!("{:.0}%", rows as f64 * 100.0 / all.max(1) as f64)
}

/// What the run waits for, and until when.
fn waits(seen: &Seen, run: &RunStatus) -> Markup {
    let status = &seen.status;
    let (wall, now) = (status.pace.wall, seen.status.pace.now);
    let is_paused = status.figures.as_ref().is_some_and(|figures| figures.is_paused);
    html! {
        @if let Some(hold) = status.held() {
            (note(Tone::Waiting, &html! {
                p { "Since " (stamp(wall, hold.since)) ", " (prose(&long(hold, wall, now))) "." }
            }))
        } @else if is_paused {
            (note(Tone::Waiting, &html! {
                p { "Paused: reads under way end first, and no further one begins; " code { (program::command()) " resume" } " goes on." }
            }))
        }
        @if let Some(waiting) = &run.waiting {
            (note(Tone::Waiting, &html! {
                p { "A server is away since " (stamp(wall, waiting.since)) ". The next try is at " (stamp(wall, waiting.next_try_at)) "." }
                (error(&waiting.error))
            }))
        }
    }
}

/// A figure, its unit, and what it is measured by.
struct Tile {
    name: &'static str,
    figure: String,
    of: String,
}

fn tiles(seen: &Seen) -> Markup {
    let status = &seen.status;
    let figures = status.figures.as_ref();
    let per_second = |rate: f64| format!("{}/s", rows(rate.round() as u64));
    let read = figures.map(|figures| figures.rows_read_per_second);
    let read = read.or_else(|| rate(seen, |rate| rate.read_per_second));
    let ceiling = figures.and_then(|figures| figures.rows_per_second);
    let mut tiles = vec![
        Tile {
            name: "Read",
            figure: read.map_or_else(unknown, per_second),
            of: ceiling.map_or_else(String::new, |most| format!("of at most {}", thousands(most))),
        },
        Tile {
            name: "Loaded",
            figure: rate(seen, |rate| rate.loaded_per_second).map_or_else(unknown, per_second),
            of: "over the last minute".to_owned(),
        },
    ];
    tiles.extend(figures.into_iter().flat_map(of_governor));
    let signs = figures.and_then(|figures| figures.signs.as_ref()).map(of_signs);
    html! {
        dl.tiles {
            @for tile in &tiles {
                div { dt { (tile.name) } dd { (tile.figure) @if !tile.of.is_empty() { small { (tile.of) } } } }
            }
        }
        @match figures {
            // The run does not answer: what it decided is in the state file.
            None => @for line in of_work(status).iter().skip(usize::from(status.held().is_some())) {
                p.hint { "The run does not tell its figures: " (prose(line)) "." }
            },
            Some(_) => @if let Some(signs) = signs.filter(|signs| !signs.is_empty()) { p.hint { "The source: " (shown(&signs)) "." } },
        }
    }
}

fn unknown() -> String {
    "not known yet".to_owned()
}

fn of_governor(figures: &Figures) -> Vec<Tile> {
    let mut tiles = vec![
        Tile {
            name: "Source connections",
            figure: format!("{} of {}", figures.connections, figures.max_workers),
            of: format!("{} under way", counted(figures.reading as u64, "read")),
        },
        Tile {
            name: "Workers",
            figure: format!("{} of {}", figures.workers, figures.max_workers),
            of: "by the governor".to_owned(),
        },
        Tile {
            name: "Chunks",
            figure: rows(figures.chunk_rows),
            of: match figures.chunk_rows < figures.chunk_rows_max {
                true => format!("at most, of chunk_rows {}", thousands(figures.chunk_rows_max)),
                false => "at most, as set".to_owned(),
            },
        },
    ];
    if figures.pause_ms > 0 {
        tiles.push(Tile {
            name: "Pause",
            figure: millis(figures.pause_ms),
            of: "between two reads of a worker".to_owned(),
        });
    }
    tiles
}

fn ended(seen: &Seen, run: &RunStatus) -> Markup {
    let (status, wall) = (&seen.status, seen.status.pace.wall);
    let record = &run.record;
    let again = same_again(status.dates_of(run), asked(status, run));
    let took = record.ended_at.map(|ended| ended - record.started_at);
    let took = took.and_then(|took| took.to_std().ok()).unwrap_or(Duration::ZERO);
    html! {
        @match (record.ended_at, record.exit_code) {
            (Some(at), Some(code)) if record.is_stopped() => {
                h2 #now-head { "The last run was stopped" }
                p {
                    "The run (" (dates_of(status, run)) ") that began " (stamp(wall, record.started_at))
                    " was asked to stop, and ended " (stamp(wall, at)) " after " (duration(took)) " with exit code " (code) "."
                }
                (note(Tone::Plain, &html! {
                    p { "What it had verified stays. The same command resumes it:" }
                    (command(&again))
                }))
            },
            (Some(at), Some(code)) => {
                h2 #now-head { "No run is going" }
                p {
                    "The last run (" (dates_of(status, run)) ") began " (stamp(wall, record.started_at)) ", ended "
                    (stamp(wall, at)) " after " (duration(took)) " with exit code " b { (code) }
                    @if let Some(words) = meaning(code) { ": " (words) } "."
                }
                @if code != 0 {
                    (note(Tone::Bad, &html! {
                        @if let Some(text) = &record.error { (error(text)) }
                        p { "Once the cause is corrected, the same command resumes it:" }
                        (command(&again))
                    }))
                }
            },
            _ => {
                h2 #now-head { "The last run was killed" }
                (note(Tone::Bad, &html! {
                    p {
                        "The run (" (dates_of(status, run)) ") that began " (stamp(wall, record.started_at)) " as process "
                        (record.pid) " on " (shown(&record.host)) " was killed or crashed. What it had verified stays. Run again to resume:"
                    }
                    (command(&again))
                }))
            },
        }
    }
}

/// The tables of a run, if they are not all that are configured.
pub(super) fn asked<'a>(status: &Status, run: &'a RunStatus) -> Option<&'a [String]> {
    let tables = run.tables.as_deref().filter(|tables| !tables.is_empty())?;
    let is_all = status.tables.iter().all(|table| tables.contains(&table.name));
    (!is_all).then_some(tables)
}

/// The last decisions of the governor, the latest first.
pub(super) fn governor(seen: &Seen) -> Markup {
    let pace = &seen.status.pace;
    html! {
        div #governor {
            @if !pace.decisions.is_empty() {
                details {
                    summary { "Last decisions of the governor (" (pace.decisions.len()) ")" }
                    ol.decisions {
                        @for decision in pace.decisions.iter().rev() {
                            li {
                                (stamp(pace.wall, decision.at)) " "
                                @if !decision.table.is_empty() { b { (shown(&decision.table)) } " " }
                                (decision.action) ": " (shown(&decision.why))
                            }
                        }
                    }
                }
            }
        }
    }
}
