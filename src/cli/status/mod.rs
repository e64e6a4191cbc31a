//! `sync status` shows the state of every table and window from the checkpoint file alone.
//!
//! It asks no server. It therefore answers during a run, after a killed run, and when no server is reachable.

mod facts;
mod view;

use chrono::{DateTime, Utc};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, rows, thousands};
use crate::checkpoint::{Pass, PassScope, Reader};
use crate::cli::context::{Context, json, result};
use crate::cli::shared::{being_forgotten, repairing};
use crate::config::{Config, Mode};
use crate::model::plan::AccessPath;
use crate::progress::last_day;
use facts::{RunStatus, Status, TableStatus, WindowStatus};
use view::View;

/// Arguments of `sync status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: StatusArgs) -> Result<ExitCode> {
    let path = context.state_of(&context.config);
    let status = match Reader::open(&path)? {
        Some(reader) => read(&reader, context.load().ok().as_ref())?,
        None => {
            let path = path.display();
            context.voice.say(&format!(
                "note: there is no state file {path}: no run has been here, or it was lost; a run or `sync rebuild` makes it \
                 from what the target proves"
            ));
            Status::default()
        }
    };
    result(&if args.json {
        json(&View::of(&status))
    } else {
        text(&status)
    })?;
    Ok(ExitCode::Done)
}

/// Reads the checkpoint file. A readable `config` adds the tables that no run has reached yet.
fn read(reader: &Reader, config: Option<&Config>) -> Result<Status> {
    let view = reader.view()?;
    let mut tables = Vec::new();
    for record in view.tables()? {
        let mut table = TableStatus {
            mode: match record.access_path {
                AccessPath::Key => Mode::Full,
                AccessPath::Date | AccessPath::DayWalk | AccessPath::Walk => Mode::Monthly,
            }
            .to_string(),
            notes: record.notes,
            unfollowed: view.unfollowed(&record.name)?,
            name: record.name,
            windows: Vec::new(),
        };
        for window in view.windows(&table.name)? {
            table.windows.push(WindowStatus {
                window: window.window.to_string(),
                dates: window
                    .window
                    .days()
                    .map(|days| (days.start().to_string(), days.end().to_string())),
                state: window.state.as_str(),
                error: window.error,
                counts: view.counts(&table.name, window.window)?,
            });
        }
        tables.push(table);
    }
    for configured in config.map_or(&[][..], |config| &config.tables) {
        let mode = configured.mode.to_string();
        match tables
            .iter_mut()
            .find(|table| configured.name.same_as(&table.name))
        {
            Some(table) => table.mode = mode,
            None => tables.push(TableStatus {
                name: configured.name.as_str().to_owned(),
                mode,
                ..TableStatus::default()
            }),
        }
    }
    if let Some(config) = config {
        // Tables keep the order in which they are copied; those no longer configured come last.
        let place = |table: &TableStatus| config.tables.iter().position(|of| of.name.same_as(&table.name));
        tables.sort_by_key(|table| place(table).unwrap_or(usize::MAX));
    }
    // The lock is read before the record: a run that ends in between then counts as ended.
    let written = reader.is_being_written();
    let waiting = view.waiting()?;
    // After a killed run, another command may hold the store.
    let writer = view.writer()?;
    let run = view.last_run()?.map(|record| {
        let running = written && record.ended_at.is_none() && writer == Some(record.pid);
        RunStatus {
            running,
            record,
            waiting: waiting.filter(|_| running),
        }
    });
    Ok(Status {
        tables,
        run,
        forgetting: view.tombstones()?,
        passes: view.passes()?,
    })
}

fn text(status: &Status) -> String {
    let mut text = String::new();
    for table in &status.tables {
        let counts = table.counts();
        text.push_str(&format!(
            "{} ({}): {}\n",
            table.name,
            table.mode,
            rows(counts.rows)
        ));
        if !table.windows.is_empty() {
            text.push_str(&format!("{}\n", windows(table)));
        }
        for note in &table.notes {
            text.push_str(&format!("{note}\n"));
        }
        if table.unfollowed > 0 {
            text.push_str(&format!(
                "{} left the target and could not be followed; `sync reconcile --source --repair --tables {}` finds them\n",
                rows(table.unfollowed),
                table.name
            ));
        }
        text.push('\n');
    }
    let totals = status.totals();
    text.push_str(&format!(
        "Total: {} verified, {} of {}",
        rows(totals.rows),
        thousands(totals.verified),
        counted(totals.chunks, "chunk")
    ));
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.mismatched, "mismatched"),
        (totals.stale, "stale"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", thousands(count)));
        }
    }
    text.push('\n');
    for tombstone in &status.forgetting {
        text.push_str(&being_forgotten(tombstone));
    }
    if let Some(run) = &status.run {
        text.push_str(&last_run(run));
    }
    for pass in &status.passes {
        text.push_str(&of_pass(pass));
    }
    text
}

fn of_pass(pass: &Pass) -> String {
    let ends = if pass.source {
        "with the source"
    } else {
        "at the target"
    };
    let began = pass.started_at.format("%Y-%m-%d %H:%M:%S UTC");
    let outcome = match (pass.ended_at, pass.differing) {
        (None, _) => "and is unfinished; the same command resumes it".to_owned(),
        (Some(_), 0) if pass.same + pass.repaired == 0 => "and nothing was compared".to_owned(),
        (Some(_), 0) => format!("{} compared, none differs", counted(pass.same, "chunk")),
        (Some(_), differing) => format!(
            "{} the same, {} not; {} repairs those that still differ",
            counted(pass.same, "chunk"),
            thousands(differing),
            repairing(pass.source)
        ),
    };
    let repaired = match pass.repaired {
        0 => String::new(),
        1 => "; 1 that differed was repaired".to_owned(),
        count => format!("; {} that differed were repaired", thousands(count)),
    };
    let left_out = match pass.left_out {
        0 => String::new(),
        count => format!("; {} could not be compared", counted(count, "table")),
    };
    format!(
        "Reconcile {ends}{}: began at {began}, {outcome}{repaired}{left_out}\n",
        of_scope(&pass.scope)
    )
}

/// The tables and dates of a pass; empty for all.
fn of_scope(scope: &PassScope) -> String {
    let tables = scope.tables.as_ref();
    let tables = tables.map_or_else(String::new, |tables| format!(", only {}", tables.join(", ")));
    let range = scope.range.map_or_else(String::new, |range| {
        format!(", {} to {}", range.start, last_day(range))
    });
    tables + &range
}

fn windows(table: &TableStatus) -> Table {
    let mut lines = Table::new();
    lines
        .load_preset(presets::ASCII_MARKDOWN)
        .set_header(["Window", "State", "Chunks", "Rows", "Error"]);
    for column in [2, 3] {
        if let Some(column) = lines.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for window in &table.windows {
        let counts = window.counts;
        lines.add_row([
            window.window.clone(),
            window.state.to_owned(),
            format!("{} of {}", thousands(counts.verified), thousands(counts.chunks)),
            thousands(counts.rows),
            window.error.clone().unwrap_or_default(),
        ]);
    }
    lines
}

fn last_run(run: &RunStatus) -> String {
    let record = &run.record;
    let asked = format!("{} to {}", record.range.start, last_day(record.range));
    let at = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut text = format!(
        "Last run: {asked}, started {} as process {} on {}",
        at(record.started_at),
        record.pid,
        record.host
    );
    match (record.ended_at, record.exit_code) {
        (Some(ended), Some(code)) => text.push_str(&format!(", ended {} with exit code {code}", at(ended))),
        _ if run.running => text.push_str(", still running"),
        _ => text.push_str(", ended without an exit code; run again to resume"),
    }
    if let Some(error) = &record.error {
        text.push_str(&format!("\n  {error}"));
    }
    if let Some(waiting) = &run.waiting {
        text.push_str(&format!(
            "\n  waiting since {}, next try {}: {}",
            at(waiting.since),
            at(waiting.next_try_at),
            waiting.error
        ));
    }
    text.push('\n');
    text
}
