//! The verdict of a report: one sentence, what is missing or differs, and the exit code.

use super::facts::{Counted, Report, Servers, TableFacts, WindowFacts};
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, thousands};
use crate::model::window::{Window, spans};
use crate::status::{Condition, alike, dates, reconcile_line, run_again};

/// The verdict.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) code: ExitCode,
    pub(super) sentence: String,
    /// What differs, is missing or was not asked, and the way out of each.
    pub(super) faults: Vec<Fault>,
}

/// Something that keeps a report from being clean.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: ExitCode,
    /// The table; empty for something of the whole.
    pub(super) table: String,
    pub(super) text: String,
    /// The command to run next.
    pub(super) command: Option<String>,
}

impl Verdict {
    pub(super) fn of(report: &Report) -> Verdict {
        let mut faults = Vec::new();
        for table in &report.tables {
            differing(table, &mut faults);
            found(report, table, &mut faults);
            incomplete(table, &mut faults);
            if let Some((error, code)) = &table.count_error {
                faults.push(table.fault(*code, format!("It cannot be counted: {error}"), None));
            }
        }
        if let Servers::Away { error, code } = &report.servers {
            faults.push(Fault {
                code: *code,
                table: String::new(),
                text: format!("The ends could not be counted: {error}"),
                command: None,
            });
        }
        let code = worst(&faults);
        Verdict {
            code,
            sentence: sentence(report, code),
            faults,
        }
    }
}

/// A difference outranks what could not be compared, and that what is not complete.
fn worst(faults: &[Fault]) -> ExitCode {
    let rank = |code: ExitCode| match code {
        ExitCode::Done => 0,
        ExitCode::Incomplete => 1,
        ExitCode::Mismatch => 3,
        _ => 2,
    };
    let codes = faults.iter().map(|fault| fault.code);
    codes.max_by_key(|code| rank(*code)).unwrap_or(ExitCode::Done)
}

impl TableFacts {
    fn fault(&self, code: ExitCode, text: String, command: Option<String>) -> Fault {
        Fault {
            code,
            table: self.name.clone(),
            text,
            command,
        }
    }

    fn windows_where(&self, is: impl Fn(&WindowFacts) -> bool) -> Vec<Window> {
        let windows = self.windows.iter().filter(|window| is(window));
        windows.map(|window| window.window).collect()
    }

    /// The command that loads these windows.
    fn loading(&self, windows: &[Window]) -> String {
        run_again(dates(windows), self.is_dated, &self.name)
    }
}

/// `2025-10, 2025-12 to 2026-02 (3 months)`.
fn named(windows: &[Window]) -> String {
    spans(windows).join(", ")
}

/// What differs now: rows at the two ends, receipts and state file.
fn differing(table: &TableFacts, faults: &mut Vec<Fault>) {
    let reconcile = || Some(reconcile_line(true, false, &table.name));
    let different = |counted: Counted| {
        format!(
            "{} at the source, {} at the target",
            counted_rows(counted.source),
            thousands(counted.target)
        )
    };
    let before = faults.len();
    let mut by_window = 0;
    for window in &table.windows {
        if let Some(counted) = window.counted.filter(|counted| !counted.is_equal()) {
            by_window += 1;
            let text = format!("{}: {}", window.window, different(counted));
            faults.push(table.fault(ExitCode::Mismatch, text, reconcile()));
        }
    }
    if let Some(counted) = table
        .counted
        .filter(|counted| !counted.is_equal() && by_window == 0)
    {
        faults.push(table.fault(ExitCode::Mismatch, different(counted), reconcile()));
    }
    if let Some((there, proven)) = table.fewer.filter(|_| faults.len() == before) {
        let text = format!(
            "The target table has {} of the {} that its receipts prove",
            thousands(there),
            counted_rows(proven)
        );
        faults.push(table.fault(ExitCode::Mismatch, text, reconcile()));
    }
    let others = table.windows_where(WindowFacts::disagrees);
    if !others.is_empty() {
        let text = format!(
            "{}: the target's receipts are not those that the state file knows, so the digests shown are not theirs",
            named(&others)
        );
        let command = Some(table.loading(&others));
        faults.push(table.fault(ExitCode::Mismatch, text, command));
    }
}

fn counted_rows(rows: u64) -> String {
    counted(rows, "row")
}

/// What passes of `sync reconcile` found, and nobody has repaired.
fn found(report: &Report, table: &TableFacts, faults: &mut Vec<Fault>) {
    for facts in &report.passes {
        let mine = facts.found.iter().filter(|of| of.table == table.name);
        let left = mine.filter(|of| of.left() > 0);
        let (mut windows, mut count) = (Vec::new(), 0);
        for of in left {
            windows.push(of.window);
            count += of.left();
        }
        if windows.is_empty() {
            continue;
        }
        let source = if facts.pass.source { " --source" } else { "" };
        let text = format!(
            "{}: {} that `sync reconcile{source}` found on {} and that nothing has repaired since",
            named(&windows),
            counted(count, "difference"),
            report.made.wall.stamp(facts.pass.started_at)
        );
        let command = reconcile_line(facts.pass.source, true, &table.name);
        faults.push(table.fault(ExitCode::Mismatch, text, Some(command)));
    }
}

/// What is not complete and has to be.
fn incomplete(table: &TableFacts, faults: &mut Vec<Fault>) {
    if table.windows.is_empty() {
        let command = Some(table.loading(&[]));
        faults.push(table.fault(
            ExitCode::Incomplete,
            "Nothing of it is loaded".to_owned(),
            command,
        ));
    }
    let unfinished = table
        .windows
        .iter()
        .filter(|window| window.must_be_complete && !window.is_complete());
    let unfinished = unfinished.map(|window| ((window.state, window.error.as_deref()), window.window));
    for ((state, error), windows) in alike(unfinished) {
        let code = match state {
            Condition::Mismatched => ExitCode::Mismatch,
            _ => ExitCode::Incomplete,
        };
        let mut text = format!("{}: {}", named(&windows), state.as_str());
        if let Some(error) = error {
            text.push_str(&format!(" ({error})"));
        }
        faults.push(table.fault(code, text, Some(table.loading(&windows))));
    }
    if let Some(error) = &table.refused {
        let text = format!("The last run that came to it could not finish it: {error}");
        faults.push(table.fault(ExitCode::Incomplete, text, None));
    }
    if table.unfollowed > 0 {
        let text = format!(
            "{} left the target and could not be followed",
            counted_rows(table.unfollowed)
        );
        let command = Some(reconcile_line(true, true, &table.name));
        faults.push(table.fault(ExitCode::Incomplete, text, command));
    }
    if table.is_being_forgotten {
        let text = "A `sync forget` of it was interrupted; the next run finishes that".to_owned();
        faults.push(table.fault(ExitCode::Incomplete, text, None));
    }
}

/// A sentence within another.
fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// The verdict in one sentence.
fn sentence(report: &Report, code: ExitCode) -> String {
    let windows = || report.tables.iter().flat_map(|table| &table.windows);
    let all = windows().count() as u64;
    let complete = windows().filter(|window| window.is_complete()).count() as u64;
    let open = windows()
        .filter(|window| window.state == Condition::Open && !window.must_be_complete)
        .count() as u64;
    let tables = counted(report.tables.len() as u64, "table");
    let is_all = complete + open == all && !report.tables.iter().any(|table| table.windows.is_empty());
    let verified = match (is_all, open) {
        (true, 0) if all == 1 => format!("The one window of {tables} is verified"),
        (true, 0) => format!("All {} of {tables} are verified", counted(all, "window")),
        (true, _) => format!(
            "All {} of {tables} are verified, {} of them as far as their dates have come",
            counted(all, "window"),
            thousands(open)
        ),
        (false, _) => format!(
            "{} of {} of {tables} are verified",
            thousands(complete + open),
            counted(all, "window")
        ),
    };
    let compared = match (&report.servers, report.counted()) {
        (Servers::NotAsked, _) => ", and the servers were not asked for their counts".to_owned(),
        (Servers::Away { .. }, _) => ", and the counts of both ends could not be compared".to_owned(),
        (Servers::Asked, Some(rows)) if rows.is_equal() && code == ExitCode::Done => {
            let of = match open {
                0 => String::new(),
                _ => " in those that are complete; open ones were not counted".to_owned(),
            };
            format!(", and both ends have the same {}{of}", counted_rows(rows.source))
        }
        (Servers::Asked, _) => String::new(),
    };
    match code {
        ExitCode::Mismatch => {
            format!(
                "Source and target differ, or did when they were compared; see below. By the state file, {}.",
                lowered(&verified)
            )
        }
        ExitCode::Incomplete => format!(
            "Not all that was asked for is complete; see below. By the state file, {}{compared}.",
            lowered(&verified)
        ),
        _ => format!("{verified}{compared}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::testing::{report, table, with_everything};

    fn verdict(change: impl FnOnce(&mut Report)) -> (ExitCode, String) {
        let mut report = report(vec![table("SALES", 3), table("PAYMENT", 2)]);
        change(&mut report);
        let verdict = Verdict::of(&report);
        (verdict.code, verdict.sentence)
    }

    fn state(report: &mut Report, state: Condition) {
        report.tables[0].windows[2].state = state;
    }

    #[test]
    fn a_verdict_is_a_sentence() {
        use ExitCode::{Done, Incomplete, Mismatch, Preflight};
        let all = "All 5 windows of 2 tables are verified";
        assert_eq!(
            verdict(|_| {}),
            (Done, format!("{all}, and both ends have the same 5 rows."))
        );
        assert_eq!(
            verdict(|report| report.servers = Servers::NotAsked),
            (
                Done,
                format!("{all}, and the servers were not asked for their counts.")
            )
        );
        let away = |report: &mut Report| {
            report.servers = Servers::Away {
                error: "Nobody listens".to_owned(),
                code: Preflight,
            };
        };
        assert_eq!(
            verdict(away),
            (
                Preflight,
                format!("{all}, and the counts of both ends could not be compared.")
            )
        );
        let failed = verdict(|report| state(report, Condition::Failed));
        assert_eq!(
            failed,
            (
                Incomplete,
                "Not all that was asked for is complete; see below. By the state file, 4 of 5 windows of 2 tables are \
                 verified."
                    .to_owned()
            )
        );
        // A difference outranks all else.
        let both = verdict(|report| {
            away(report);
            state(report, Condition::Mismatched);
        });
        assert_eq!(both.0, Mismatch);
        assert!(both.1.starts_with("Source and target differ"), "{both:?}");
    }

    #[test]
    fn an_open_window_is_missing_only_where_its_month_must_be_complete() {
        let open = |must_be_complete: bool| {
            verdict(|report| {
                state(report, Condition::Open);
                report.tables[0].windows[2].must_be_complete = must_be_complete;
            })
        };
        assert_eq!(open(true).0, ExitCode::Incomplete);
        let (code, sentence) = open(false);
        assert_eq!(code, ExitCode::Done);
        assert!(
            sentence.starts_with(
                "All 5 windows of 2 tables are verified, 1 of them as far as their dates have come"
            ),
            "{sentence}"
        );
    }

    #[test]
    fn each_error_of_windows_is_told() {
        let mut report = report(vec![table("SALES", 4)]);
        let errors = [Some("no room"), Some("no right"), None, Some("no room")];
        for (window, error) in report.tables[0].windows.iter_mut().zip(errors) {
            window.state = Condition::Failed;
            window.error = error.map(str::to_owned);
        }
        let faults = Verdict::of(&report).faults;
        let said: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
        assert_eq!(
            said,
            [
                "2016-01, 2016-04: failed (no room)",
                "2016-02: failed (no right)",
                "2016-03: failed"
            ]
        );
    }

    #[test]
    fn each_fault_has_its_table_and_its_way_out() {
        let report = with_everything("SALES");
        let verdict = Verdict::of(&report);
        assert_eq!(verdict.code, ExitCode::Mismatch);
        let commands: Vec<&str> = verdict
            .faults
            .iter()
            .filter_map(|fault| fault.command.as_deref())
            .collect();
        assert!(
            commands.contains(&"sync run --start-date 2016-07-01 --end-date 2016-07-31 --tables SALES"),
            "{commands:?}"
        );
        assert!(verdict.faults.iter().all(|fault| fault.table == "SALES"));
        let said: Vec<&str> = verdict.faults.iter().map(|fault| fault.text.as_str()).collect();
        for text in [
            "2016-01: 2 rows at the source, 1 at the target",
            "2016-09: the target's receipts are not those that the state file knows, so the digests shown are not theirs",
            "2016-02: 2 differences that `sync reconcile --source` found on 2025-11-22 06:00:00 and that nothing has repaired \
             since",
            "2016-03: not loaded (SALES)",
            "2 rows left the target and could not be followed",
            "Nothing of it is loaded",
            "It cannot be counted: SALES",
        ] {
            assert!(said.contains(&text), "{text} in {said:#?}");
        }
    }
}
