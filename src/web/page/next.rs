//! What a run of the same dates would do next, as far as the state file tells.

use maud::{Markup, html};

use super::layout::{Frame, Tone, command, error, note, page, stamp};
use super::now::asked;
use crate::base::program;
use crate::base::text::counted;
use crate::status::{
    Condition, Status, TableStatus, Task, WindowStatus, being_forgotten, months, of_table, same_again,
};
use crate::web::markup::shown;
use crate::web::seen::Seen;

/// A line of work: what, and which windows.
struct Step {
    what: String,
    windows: String,
}

/// The page.
pub(crate) fn next(seen: &Seen) -> Markup {
    let status = &seen.status;
    let frame = Frame {
        path: "/next",
        title: "Next run",
        events: None,
        seen: Some(seen),
    };
    let run = status.run.as_ref();
    let tables = run.and_then(|run| asked(status, run));
    let is_asked = |table: &&TableStatus| tables.is_none_or(|names| names.contains(&table.name));
    let again = run.map(|run| same_again(status.dates_of(run), tables));
    let others: Vec<&str> = status
        .tables
        .iter()
        .filter(|table| !is_asked(table))
        .map(|table| table.name.as_str())
        .collect();
    page(
        &frame,
        &html! {
            h1 { "What the next run would do" }
            p {
                "By the state file alone: no server was asked, so nothing here tells what is new at the source. "
                code { (program::command()) " plan" } " asks both servers and tells rows and time, too."
            }
            @if let Some(run) = status.running() {
                (note(Tone::Plain, &html! {
                    p {
                        "A run is going since " (stamp(status.pace.wall, run.record.started_at))
                        ". Below is what would be left if it ended now."
                    }
                }))
            }
            @match &again {
                Some(again) => { p { "The same dates and tables as the last run:" } (command(again)) },
                None => p { "No run has been here: the first one loads all days that it is asked for." },
            }
            @for tombstone in &status.forgetting {
                p { (shown(&being_forgotten(tombstone))) "." }
            }
            (work(status, &status.tables.iter().filter(is_asked).collect::<Vec<_>>()))
            @if !others.is_empty() {
                p { "The last run was not asked for " (shown(&others.join(", "))) ": the same command leaves them as they are." }
            }
            p.hint {
                "Every run also counts the days of recent windows at both ends and loads those that differ, and loads what the "
                "target has lost."
            }
        },
    )
}

fn work(status: &Status, tables: &[&TableStatus]) -> Markup {
    html! {
        @if !tables.is_empty() {
            div.scroll role="region" aria-label="Work of the next run" tabindex="0" {
                table.lines {
                    caption.v { "Work of the next run, by table" }
                    thead { tr { th scope="col" { "Table" } th scope="col" { "It" } th scope="col" { "Windows" } } }
                    @for table in tables { (of_table_work(status, table)) }
                }
            }
        }
    }
}

fn of_table_work(status: &Status, table: &TableStatus) -> Markup {
    let steps = steps(status, table);
    let refused = table.refused.as_ref();
    html! {
        tbody {
            @if steps.is_empty() {
                tr { th scope="row" { (shown(&table.name)) } td { "has nothing left to do" } td {} }
            }
            @for (at, step) in steps.iter().enumerate() {
                tr {
                    @if at == 0 { th scope="rowgroup" rowspan=(steps.len()) { (shown(&table.name)) } }
                    td { (step.what) }
                    td { (step.windows) }
                }
            }
            @if let Some(refusal) = refused {
                tr {
                    td colspan="3" {
                        (note(Tone::Bad, &html! {
                            p { "The last run refused " (shown(&table.name)) ", and the next one does so unless this is corrected:" }
                            (error(of_table(&refusal.error, &table.name)))
                        }))
                    }
                }
            }
        }
    }
}

fn steps(status: &Status, table: &TableStatus) -> Vec<Step> {
    let mut steps = Vec::new();
    for task in Task::ALL {
        let windows: Vec<&WindowStatus> = table.windows.iter().filter(|window| task.is_of(window)).collect();
        if !windows.is_empty() {
            let places: Vec<_> = windows.iter().map(|window| window.window).collect();
            steps.push(Step {
                what: task.text(&windows),
                windows: months(&places),
            });
        }
    }
    let loading = table
        .windows
        .iter()
        .filter(|window| window.state == Condition::Loading);
    let loading: Vec<_> = loading.map(|window| window.window).collect();
    if !loading.is_empty() {
        steps.push(Step {
            what: format!(
                "finishes {} that the run loads now",
                counted(loading.len() as u64, "window")
            ),
            windows: months(&loading),
        });
    }
    let asked = status.run.as_ref().filter(|run| run.is_asked(table));
    let (now, later): (Vec<_>, Vec<_>) = status
        .not_loaded(table)
        .into_iter()
        .partition(|window| asked.is_some_and(|run| window.is_asked(run.record.range)));
    for (windows, what) in [(now, "loads"), (later, "leaves, outside of its dates,")] {
        if !windows.is_empty() {
            steps.push(Step {
                what: format!("{what} days that are not loaded"),
                windows: months(&windows),
            });
        }
    }
    if !table.is_dated {
        steps.push(Step {
            what: match table.windows.is_empty() {
                true => "loads the whole table".to_owned(),
                false => "reads the whole table again, and writes what differs".to_owned(),
            },
            windows: "all".to_owned(),
        });
    } else if table.windows.is_empty() && steps.is_empty() {
        steps.push(Step {
            what: "loads the days that it is asked for: nothing is loaded".to_owned(),
            windows: String::new(),
        });
    }
    steps
}
