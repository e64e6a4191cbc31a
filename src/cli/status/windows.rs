//! Lists of `sync status`: all windows, and those with a fault, each with the command that puts it right.

use crate::base::text::counted;
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::status::{
    Fault, Status, differing_line, faults, months, of_expected, of_table, reconcile_line, run_again,
};

/// All windows of all tables, a line each.
pub(super) fn windows(status: &Status, screen: &Screen) -> String {
    let mut lines = Table::new([
        Column::name("Table"),
        Column::name("Window"),
        Column::name("State"),
        Column::number("Chunks"),
        Column::number("Rows"),
        Column::text("Error"),
    ])
    .named_by(2);
    for table in &status.tables {
        for window in &table.windows {
            lines.line([
                Cell::from(table.name.as_str()),
                window.window.to_string().into(),
                Cell::from(window.state.as_str()).tone(window.state.tone()),
                window.chunks().into(),
                match window.rows_expected {
                    None => window.counts.rows.into(),
                    expected => of_expected(window.counts.rows, expected).into(),
                },
                window
                    .error
                    .as_ref()
                    .map_or("", |error| of_table(error, &table.name))
                    .into(),
            ]);
        }
    }
    match lines.is_empty() {
        true => "No window is known.\n".to_owned(),
        false => lines.text(screen),
    }
}

/// What is failed, mismatched, stale or refused, with whole errors.
pub(super) fn failed(status: &Status, screen: &Screen) -> String {
    let mut text = String::new();
    for table in &status.tables {
        if let Some(refusal) = &table.refused {
            let refused = screen.paint("refused", Tone::Bad);
            let at = refusal.at.format("%Y-%m-%d %H:%M:%S UTC");
            text.push_str(&format!("{}: {refused} at {at}\n", table.name));
            text.push_str(&screen.prose(&format!("  {}", of_table(&refusal.error, &table.name))));
            let dates = table
                .is_dated
                .then(|| (refusal.first, refusal.range().last_day()));
            text.push_str("  Correct that, then run:\n");
            text.push_str(&line_of(&run_again(dates, table.is_dated, &table.name)));
        }
        for fault in faults(table) {
            text.push_str(&of_fault(&fault, screen));
        }
        if !table.differing.is_empty() {
            let differs = screen.paint(&differing_line(&table.differing), Tone::Bad);
            let source = table.differing.iter().any(|of| of.source);
            text.push_str(&screen.prose(&format!("{}: {differs}", table.name)));
            text.push_str(&line_of(&reconcile_line(source, true, &table.name)));
        }
    }
    match text.is_empty() {
        true => "Nothing is failed, mismatched, stale, refused or found to differ.\n".to_owned(),
        false => text.trim_end().to_owned() + "\n",
    }
}

fn of_fault(fault: &Fault<'_>, screen: &Screen) -> String {
    let name = &fault.table.name;
    let stale = match fault.stale {
        0 => String::new(),
        count => format!(", {} to load again", counted(count, "chunk")),
    };
    let state = screen.paint(fault.state.as_str(), fault.state.tone());
    let head = format!("{name} {}: ", months(&fault.windows));
    let mut text = format!("{head}{state}{stale}\n");
    if let Some(error) = fault.error {
        text.push_str(&screen.prose(&format!("  {}", of_table(error, name))));
    }
    text.push_str(&screen.prose(&format!("  {}:", fault.advice())));
    text.push_str(&line_of(&fault.command()));
    text
}

/// A command on a line of its own, to be copied.
fn line_of(command: &str) -> String {
    format!("    {command}\n\n")
}
