//! The plan for people: a line for a table with nothing to do, a block for any other, and the sum of all.

use chrono::{DateTime, Utc};

use super::estimate::Estimate;
use crate::base::text::{counted, rows, wrapped};
use crate::checkpoint::Tombstone;
use crate::cli::hours::waits;
use crate::cli::screen::Screen;
use crate::model::hours::Hours;
use crate::model::window::{Window, spans};
use crate::run::{Found, RefreshWay, TablePreview, Undated, WindowPreview, Work};
use crate::status::being_forgotten;

/// Of each kind of work, this many spans of a table's windows are named; the rest is counted.
const NAMED_MAX: usize = 6;

pub(super) fn text(
    screen: &Screen,
    previews: &[TablePreview],
    forgetting: &[Tombstone],
    estimate: &Estimate,
    hours: Option<(&Hours, DateTime<Utc>)>,
) -> String {
    let mut lines = Vec::new();
    for preview in previews {
        let head = format!("{} ({}) into {}", preview.name, preview.mode, preview.target);
        match &preview.found {
            Ok(found) => lines.extend(of_table(&head, &preview.name, found)),
            Err(error) => {
                lines.push(head);
                lines.push(format!("  cannot be worked on: {}", error.chain()));
            }
        }
    }
    if !forgetting.is_empty() {
        lines.push(String::new());
    }
    lines.extend(forgetting.iter().map(being_forgotten));
    lines.push(String::new());
    if let Some((hours, now)) = hours {
        let waits = waits(hours, now).map_or_else(String::new, |waits| format!("; {waits}"));
        lines.push(format!("Hours of the source: {}{waits}", hours.sentence(now)));
    }
    lines.extend(ending(previews, estimate));
    lines.iter().map(|line| folded(screen, line)).collect()
}

/// A line with its line break, as more lines if it is wider than the terminal.
fn folded(screen: &Screen, line: &str) -> String {
    let indent = match line.starts_with("  ") {
        true => "    ",
        false => "  ",
    };
    match screen.width {
        Some(columns) => wrapped(line, columns, indent),
        None => format!("{line}\n"),
    }
}

/// The sum of all tables, and what does the work.
fn ending(previews: &[TablePreview], estimate: &Estimate) -> Vec<String> {
    let found = || previews.iter().filter_map(|preview| preview.found.as_ref().ok());
    let works = |is: fn(Work) -> bool| {
        let windows = found().flat_map(|found| &found.windows);
        windows.filter(|window| is(window.work)).count() as u64
    };
    let compare = works(|work| work == Work::Compare);
    let load = works(Work::reads) - compare;
    let tables = counted(previews.len() as u64, "table");
    let refused = match previews.len() - found().count() {
        0 => String::new(),
        count => format!(", {} cannot be worked on", counted(count as u64, "table")),
    };
    let amount = match (load, compare) {
        (0, 0) => format!("Nothing to load, of {tables}{refused}."),
        (load, 0) => format!("{} to load, of {tables}{refused}.", counted(load, "window")),
        (0, compare) => format!(
            "{} to compare and nothing to load, of {tables}{refused}.",
            counted(compare, "reference table")
        ),
        (load, compare) => format!(
            "{} to load and {} to compare, of {tables}{refused}.",
            counted(load, "window"),
            counted(compare, "reference table")
        ),
    };
    let mut lines = vec![amount];
    let about = estimate.text();
    lines.extend((!about.is_empty()).then_some(about));
    lines.push(match load + compare {
        0 => "Nothing was written.".to_owned(),
        _ => "Nothing was written; `sync run` with the same arguments does it.".to_owned(),
    });
    lines
}

fn of_table(head: &str, name: &str, found: &Found) -> Vec<String> {
    let is_idle = found.windows.iter().all(|window| !window.work.reads());
    let mut lines = Vec::new();
    if is_idle {
        let windows = windows(&found.windows).into_iter();
        let windows: Vec<String> = windows.map(|line| line.replacen(": ", " ", 1)).collect();
        lines.push(format!("{head}: {}", windows.join("; ")));
    } else {
        let there = if found.target_exists {
            "there already"
        } else {
            "to be made"
        };
        lines.push(format!("{head}: {there}"));
        let about = found.rows_estimated.map_or_else(
            || "this login cannot see the number of rows at the source".to_owned(),
            |count| format!("about {} at the source", rows(count)),
        );
        let order = match found.key.as_slice() {
            [] => "without a key: all of it is one chunk".to_owned(),
            key => format!(
                "read in the order {} ({})",
                key.join(", "),
                found.access_path.as_str()
            ),
        };
        lines.push(format!("  {about}, {order}"));
        let undated = match found.undated {
            Undated::Impossible | Undated::Counted(0) => None,
            Undated::Counted(count) => Some(format!("{} without a date: window `undated`", rows(count))),
            Undated::NotCounted => Some(
                "rows may have no date (window `undated`); no index begins with it, so they are not counted here"
                    .to_owned(),
            ),
        };
        let refreshed = found.way.as_ref().map(|way| refreshed(way, found.target_exists));
        let more = undated
            .into_iter()
            .chain(refreshed)
            .chain(windows(&found.windows));
        lines.extend(more.map(|line| format!("  {line}")));
    }
    // The block begins with the table's name, and an operator reads each note once.
    let begins = format!("Table {name}: ");
    for note in &found.notes {
        let note = format!("  {}", note.strip_prefix(&begins).unwrap_or(note));
        if !lines.contains(&note) {
            lines.push(note);
        }
    }
    lines
}

/// The way that a reference table is refreshed.
fn refreshed(way: &RefreshWay, target_exists: bool) -> String {
    match way {
        RefreshWay::Swap { goes_on: true } => {
            "an interrupted load of the shadow table is resumed and swapped in".to_owned()
        }
        RefreshWay::Swap { goes_on: false } if target_exists => {
            "compared with the target; if they differ, loaded beside it and swapped in".to_owned()
        }
        RefreshWay::Swap { goes_on: false } => {
            "loaded whole into a shadow table, which then takes its place".to_owned()
        }
        RefreshWay::InPlace(obstacles) => format!(
            "compared with the target; chunks that differ are loaded in place, as a copy would not have {}",
            obstacles.join(", ")
        ),
    }
}

/// The windows, a line for each kind of work.
fn windows(windows: &[WindowPreview]) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, is) in [
        ("complete", (|work| work == Work::Nothing) as fn(Work) -> bool),
        ("to be resumed", |work| work == Work::GoOn),
        ("to be repaired", |work| matches!(work, Work::PutRight(_))),
        ("to be loaded", |work| work == Work::Load),
        ("still to come", |work| work == Work::ToCome),
    ] {
        let of: Vec<&WindowPreview> = windows.iter().filter(|window| is(window.work)).collect();
        if of.is_empty() {
            continue;
        }
        let dates: Vec<Window> = of.iter().map(|window| window.window).collect();
        let repaired = of.iter().filter_map(|window| match window.work {
            Work::PutRight(chunks) => Some(format!("{} ({})", window.window, counted(chunks, "chunk"))),
            _ => None,
        });
        let repaired: Vec<String> = repaired.collect();
        let mut names = match repaired.is_empty() {
            true => spans(&dates),
            false => repaired,
        };
        let more = names.len().saturating_sub(NAMED_MAX);
        names.truncate(NAMED_MAX);
        names.extend((more > 0).then(|| format!("{more} more")));
        let verified: u64 = of.iter().map(|window| window.rows).sum();
        let verified = match verified {
            0 => String::new(),
            count => format!(", {} verified", rows(count)),
        };
        lines.push(format!("{title}: {}{verified}", names.join(", ")));
    }
    lines
}
