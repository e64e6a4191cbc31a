//! The outcome of a run as text: a line for each table, and what to do next.

use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, gist, rows, thousands};
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::progress::{RunSummary, TableSummary};

/// Whether everything was loaded before the run.
pub(in crate::cli) fn nothing_to_do(summary: &RunSummary) -> bool {
    summary.exit == ExitCode::Done && summary.tables.iter().all(|table| table.already_complete)
}

/// The outcome of a run, for stdout, with the lines about what it asked of the source.
pub(in crate::cli) fn text(summary: &RunSummary, account: &str, screen: &Screen) -> String {
    if nothing_to_do(summary) {
        let total: u64 = summary.tables.iter().map(|table| table.rows_total).sum();
        let tables = counted(summary.tables.len() as u64, "table");
        let compared: u64 = summary.tables.iter().map(|table| table.rows_compared).sum();
        let read = match compared {
            0 => "No row was read from the source.".to_owned(),
            count => format!(
                "{} of reference tables {} read from the source and {} in place.",
                rows(count),
                if count == 1 { "was" } else { "were" },
                if count == 1 { "is the one" } else { "are those" },
            ),
        };
        return format!(
            "Everything is already loaded and verified: {} in {tables}. {read}\n{account}",
            rows(total)
        );
    }
    let mut table = Table::new([
        Column::name("Table"),
        Column::number("Loaded now"),
        Column::number("Verified"),
        Column::number("Windows"),
        Column::text("State"),
    ]);
    for line in &summary.tables {
        let windows = line.windows_done + line.windows_failed + line.windows_open;
        let (state, tone) = state(line);
        table.line([
            line.name.as_str().into(),
            line.rows_loaded.into(),
            line.rows_total.into(),
            format!("{} of {windows}", line.windows_done).into(),
            Cell::from(state).tone(tone),
        ]);
    }
    let table = match screen.width {
        Some(_) => table.text(screen),
        None => table.markdown(),
    };
    // The way on is what a person looks for last.
    format!("{table}\n{account}{}", screen.prose(&ending(summary)))
}

/// What the run came to, and what to do next.
pub(super) fn ending(summary: &RunSummary) -> String {
    let sum = |of: fn(&TableSummary) -> u64| rows(summary.tables.iter().map(of).sum());
    let loaded = sum(|table| table.rows_loaded);
    match summary.exit {
        ExitCode::Done => {
            let tables = counted(summary.tables.len() as u64, "table");
            format!(
                "Done: {loaded} loaded now, {} verified in {tables}.",
                sum(|table| table.rows_total)
            )
        }
        ExitCode::Mismatch if summary.tables.iter().all(|table| table.mismatched == 0) => {
            "Held: a load would have deleted more rows from the target than `leaving_rows_max_percent` permits; the tables \
             and windows are named above."
                .to_owned()
        }
        ExitCode::Mismatch => {
            "Mismatch: rows that were read back differ from the source's and were not committed. Fix the cause above first, \
             then run again; `sync status` names the windows."
                .to_owned()
        }
        ExitCode::Incomplete => {
            let word = match summary.was_stopped() {
                true => "Stopped",
                false => "Incomplete",
            };
            format!("{word}: {loaded} loaded now. {}", way_on(summary))
        }
        ExitCode::Internal | ExitCode::Usage | ExitCode::Busy | ExitCode::State | ExitCode::Preflight => {
            let refused = summary.tables.iter().filter(|table| table.error.is_some());
            format!(
                "{} of {} could not be loaded. {}",
                refused.count(),
                counted(summary.tables.len() as u64, "table"),
                cause(summary).unwrap_or_else(|| "The reasons are above.".to_owned())
            )
        }
    }
}

/// What to do after a run that is incomplete. To run again helps only where time or another attempt can.
fn way_on(summary: &RunSummary) -> String {
    let some = |of: fn(&TableSummary) -> bool| summary.tables.iter().any(of);
    let again = "Run the same command again to go on.".to_owned();
    if let Some(cause) = cause(summary) {
        return cause;
    }
    if let Some(limit) = summary.limit {
        return format!(
            "It has read what one run may, {} = {}. {again}",
            limit.key(),
            thousands(limit.most())
        );
    }
    if summary.is_stopped || some(TableSummary::is_unfinished) {
        return again;
    }
    if summary.is_doubtful {
        return "Set the clock that is wrong first, then run the same command again.".to_owned();
    }
    if some(|table| table.rows_ahead > 0) {
        return "Rows are dated beyond the source's clock: correct their dates there, or run again when that time has come."
            .to_owned();
    }
    if some(|table| table.rows_unfollowed > 0) {
        return "Rows that left the target could not be followed: `sync reconcile --source --repair` finds where they are."
            .to_owned();
    }
    again
}

/// The causes that are named one by one.
const CAUSES_MAX: usize = 3;

/// The advice to remove what another run would meet again; `None` without any.
fn cause(summary: &RunSummary) -> Option<String> {
    let lasting = summary.tables.iter().filter_map(|table| {
        let refused = table.error.as_ref().filter(|_| table.preflight.is_some());
        Some(of_table(&table.name, table.lasting.as_ref().or(refused)?))
    });
    let causes: Vec<String> = lasting.collect();
    let more = match causes.len().saturating_sub(CAUSES_MAX) {
        0 => String::new(),
        more => format!(" And {}.", counted(more as u64, "more table")),
    };
    let word = match causes.len() {
        0 => return None,
        1 => "cause",
        _ => "causes",
    };
    let named = causes.into_iter().take(CAUSES_MAX).collect::<Vec<_>>().join(" ");
    Some(format!(
        "Fix the {word} above first, then run the same command again. {named}{more}"
    ))
}

/// The gist of what a table met.
fn of_table(name: &str, error: &str) -> String {
    let place = format!("Table {name}");
    let bare = match error.strip_prefix(&place).and_then(|rest| rest.split_once(": ")) {
        Some((_, bare)) => bare,
        None => error,
    };
    let gist = gist(bare);
    let stop = if gist.ends_with('…') { "" } else { "." };
    format!("{place}: {gist}{stop}")
}

fn state(table: &TableSummary) -> (String, Tone) {
    if let Some(error) = &table.error {
        // The line is the table's already.
        let place = format!("Table {}: ", table.name);
        return (error.strip_prefix(&place).unwrap_or(error).to_owned(), Tone::Bad);
    }
    let counts = [
        (table.mismatched as u64, "chunk", " mismatched", Tone::Bad),
        (table.held as u64, "window", " held", Tone::Bad),
        (
            table.rows_ahead,
            "row",
            " beyond the source's clock",
            Tone::Attention,
        ),
        (table.rows_unfollowed, "row", " not followed", Tone::Attention),
        (table.windows_failed as u64, "window", " failed", Tone::Bad),
        (table.windows_open as u64, "window", " open", Tone::Attention),
    ];
    let told = counts.iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = told
        .clone()
        .map(|(count, noun, what, _)| format!("{}{what}", counted(*count, noun)))
        .collect();
    if !parts.is_empty() {
        let is_bad = told.into_iter().any(|(.., tone)| *tone == Tone::Bad);
        let tone = if is_bad { Tone::Bad } else { Tone::Attention };
        return (parts.join(", "), tone);
    }
    let text = match table.already_complete {
        _ if !table.is_looked_at => return ("not looked at".to_owned(), Tone::Faint),
        true if table.rows_compared > 0 => "compared, unchanged",
        true => "was verified before",
        false if table.is_swapped && table.rows_loaded == 0 && table.rows_total > 0 => "swapped in",
        false => "verified",
    };
    (text.to_owned(), Tone::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> TableSummary {
        TableSummary {
            name: name.to_owned(),
            is_looked_at: true,
            windows_done: 2,
            rows_total: 1000,
            ..TableSummary::default()
        }
    }

    fn summary(exit: ExitCode, tables: impl Into<Vec<TableSummary>>) -> RunSummary {
        RunSummary {
            tables: tables.into(),
            exit,
            is_stopped: false,
            is_doubtful: false,
            limit: None,
            accounts: Vec::new(),
        }
    }

    fn loaded_and_before() -> RunSummary {
        let loaded = TableSummary {
            rows_loaded: 1000,
            ..line("A")
        };
        let before = TableSummary {
            already_complete: true,
            ..line("LONGER_NAME")
        };
        summary(ExitCode::Done, [loaded, before])
    }

    #[test]
    fn a_run_that_loaded_says_what() {
        insta::assert_snapshot!(text(&loaded_and_before(), "", &Screen::none()), @r"
        | Table       | Loaded now | Verified | Windows | State               |
        | ----------- | ---------: | -------: | ------: | ------------------- |
        | A           |      1,000 |    1,000 |  2 of 2 | verified            |
        | LONGER_NAME |          0 |    1,000 |  2 of 2 | was verified before |

        Done: 1,000 rows loaded now, 2,000 rows verified in 2 tables.
        ");
        let text = text(&loaded_and_before(), "Source: 1 query\n", &Screen::none());
        assert!(text.contains("|\n\nSource: 1 query\nDone: "), "{text}");
    }

    #[test]
    fn a_terminal_gets_a_table_that_fits_and_whole_errors_below() {
        let error = "Table LONGER_NAME: Source has no table [COM].[LONGER_NAME] that this login may see; check its name, or \
                     grant SELECT on it";
        let mut summary = loaded_and_before();
        summary.exit = ExitCode::Preflight;
        summary.tables[1].error = Some(error.to_owned());
        summary.tables[1].preflight = Some(ExitCode::Preflight);
        let text = text(&summary, "", &Screen::wide(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        Table        Loaded now  Verified  Windows  State
        ───────────  ──────────  ────────  ───────  ────────────────────────────────────
        A                 1,000     1,000   2 of 2  verified
        LONGER_NAME           0     1,000   2 of 2  Source has no table [COM].[LONGER_N…

        LONGER_NAME: Source has no table [COM].[LONGER_NAME] that this login may see;
          check its name, or grant SELECT on it

        1 of 2 tables could not be loaded. Fix the cause above first, then run the same
          command again. Table LONGER_NAME: Source has no table [COM].[LONGER_NAME] that
          this login may …
        ");
    }

    #[test]
    fn a_run_that_did_not_finish_says_so() {
        let table = TableSummary {
            windows_done: 0,
            windows_failed: 1,
            windows_open: 1,
            mismatched: 2,
            ..line("A")
        };
        let text = text(&summary(ExitCode::Incomplete, [table]), "", &Screen::none());
        assert!(text.contains("0 of 2"), "{text}");
        assert!(
            text.contains("2 chunks mismatched, 1 window failed, 1 window open"),
            "{text}"
        );
        assert!(text.ends_with("Run the same command again to go on.\n"), "{text}");
    }

    /// To run again is said only where it can help.
    #[test]
    fn each_ending_says_the_way_on() {
        let failed = |lasting: Option<&str>| TableSummary {
            windows_failed: 1,
            lasting: lasting.map(str::to_owned),
            ..line("A")
        };
        let full = "Table A, window 2025-10, chunk 3: The target answered error 1105, state 2: no room";
        let ahead = TableSummary {
            rows_ahead: 1,
            ..line("A")
        };
        let unfollowed = TableSummary {
            rows_unfollowed: 1,
            ..line("A")
        };
        let doubtful = RunSummary {
            is_doubtful: true,
            ..summary(ExitCode::Incomplete, [line("A")])
        };
        let stopped = RunSummary {
            is_stopped: true,
            ..summary(ExitCode::Incomplete, [line("A")])
        };
        let refused = TableSummary {
            error: Some("Table A: Source has no table dbo.A; check its name".to_owned()),
            preflight: Some(ExitCode::Preflight),
            ..line("A")
        };
        let endings = [
            summary(ExitCode::Incomplete, [failed(None)]),
            summary(ExitCode::Incomplete, [failed(Some(full)), failed(Some(full))]),
            summary(ExitCode::Incomplete, [ahead]),
            summary(ExitCode::Incomplete, [unfollowed]),
            doubtful,
            stopped,
            summary(ExitCode::Preflight, [refused, line("B")]),
        ];
        insta::assert_snapshot!(endings.each_ref().map(ending).join("\n"), @r"
        Incomplete: 0 rows loaded now. Run the same command again to go on.
        Incomplete: 0 rows loaded now. Fix the causes above first, then run the same command again. Table A: The target answered error 1105. Table A: The target answered error 1105.
        Incomplete: 0 rows loaded now. Rows are dated beyond the source's clock: correct their dates there, or run again when that time has come.
        Incomplete: 0 rows loaded now. Rows that left the target could not be followed: `sync reconcile --source --repair` finds where they are.
        Incomplete: 0 rows loaded now. Set the clock that is wrong first, then run the same command again.
        Stopped: 0 rows loaded now. Run the same command again to go on.
        1 of 2 tables could not be loaded. Fix the cause above first, then run the same command again. Table A: Source has no table dbo.A.
        ");
    }

    #[test]
    fn a_table_that_the_run_did_not_come_to_is_not_verified() {
        let waited = TableSummary {
            name: "A".to_owned(),
            ..TableSummary::default()
        };
        let text = text(&summary(ExitCode::Incomplete, [waited]), "", &Screen::none());
        assert!(text.contains("|  0 of 0 | not looked at |"), "{text}");
    }

    #[test]
    fn a_run_with_nothing_to_do_is_one_line() {
        let table = TableSummary {
            already_complete: true,
            ..line("A")
        };
        assert_eq!(
            text(
                &summary(ExitCode::Done, [table]),
                "Source: 1 query\n",
                &Screen::none()
            ),
            "Everything is already loaded and verified: 1,000 rows in 1 table. No row was read from the source.\nSource: 1 \
             query\n"
        );
    }
}
