//! The last runs as a table, and as JSON.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use indicatif::HumanBytes;
use serde::Serialize;

use crate::cli::account::AccountView;
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::model::account::Account;
use crate::status::Kept;

/// The runs as a table, the latest first.
pub(super) fn text(runs: &[Kept], screen: &Screen) -> String {
    if runs.is_empty() {
        return "There was no run.\n".to_owned();
    }
    let mut table = Table::new([
        Column::name("Started (UTC)"),
        Column::number("Took"),
        Column::name("Exit"),
        Column::number("Loaded"),
        Column::number("Queries"),
        Column::number("Rows read"),
        Column::number("Bytes read"),
    ]);
    for run in runs {
        let record = &run.record;
        let took = record
            .ended_at
            .map_or_else(|| "–".to_owned(), |ended| clock_face(ended - record.started_at));
        let (exit, tone) = match record.exit_code {
            Some(0) => ("0".to_owned(), Tone::Plain),
            Some(_) if record.is_stopped() => ("stopped".to_owned(), Tone::Attention),
            Some(code) => (code.to_string(), Tone::Attention),
            None if run.running => ("going".to_owned(), Tone::Plain),
            None => ("killed".to_owned(), Tone::Bad),
        };
        let [loaded, queries, rows, bytes] = match run.accounts.as_slice() {
            [] => ["–", "–", "–", "–"].map(Cell::from),
            accounts => {
                let total = Account::total(accounts);
                [
                    total.rows_loaded.into(),
                    total.queries.into(),
                    total.rows.into(),
                    HumanBytes(total.received_bytes).to_string().into(),
                ]
            }
        };
        let started = record.started_at.format("%Y-%m-%d %H:%M").to_string();
        table.line([
            started.into(),
            took.into(),
            Cell::from(exit).tone(tone),
            loaded,
            queries,
            rows,
            bytes,
        ]);
    }
    table.shown(screen)
}

/// `1:05:09`: in a column, times compare at a glance.
fn clock_face(took: TimeDelta) -> String {
    let seconds = took.num_seconds().max(0);
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The last runs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    /// The runs, the latest first.
    runs: Vec<RunView<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct RunView<'a> {
    /// What it asked of the source; `null` if that is not kept.
    account: Option<AccountView>,
    /// The last day, included.
    end_date: NaiveDate,
    /// `null` while it is going, and of a run that was killed.
    ended_at: Option<DateTime<Utc>>,
    /// The error that ended or refused it.
    error: Option<&'a str>,
    /// `null` while it is going, and of a run that was killed.
    exit_code: Option<u8>,
    /// The machine.
    host: &'a str,
    /// Whether it was killed, or its machine lost power.
    killed: bool,
    /// The process.
    pid: u32,
    /// Rows that it loaded; `null` if that is not kept.
    rows_loaded: Option<u64>,
    /// 32 hexadecimal digits.
    run_id: String,
    /// Whether it is going.
    running: bool,
    /// The first day.
    start_date: NaiveDate,
    /// The start of the run.
    started_at: DateTime<Utc>,
    /// What it asked of the source for each table that it came to.
    tables: Vec<TableView<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    account: AccountView,
    name: &'a str,
    /// Rows that it loaded.
    rows_loaded: u64,
}

impl View<'_> {
    pub(super) fn of(runs: &[Kept]) -> View<'_> {
        View {
            runs: runs.iter().map(RunView::of).collect(),
        }
    }
}

impl RunView<'_> {
    pub(in crate::cli) fn of(run: &Kept) -> RunView<'_> {
        let record = &run.record;
        let total = (!run.accounts.is_empty()).then(|| Account::total(&run.accounts));
        let tables = run.accounts.iter().filter(|account| !account.table.is_empty());
        RunView {
            account: total.as_ref().map(AccountView::of),
            end_date: record.range.last_day(),
            ended_at: record.ended_at,
            error: record.error.as_deref(),
            exit_code: record.exit_code,
            host: &record.host,
            killed: record.ended_at.is_none() && !run.running,
            pid: record.pid,
            rows_loaded: total.as_ref().map(|total| total.rows_loaded),
            run_id: format!("{:032x}", record.run_id),
            running: run.running,
            start_date: record.range.start,
            started_at: record.started_at,
            tables: tables
                .map(|account| TableView {
                    account: AccountView::of(account),
                    name: &account.table,
                    rows_loaded: account.rows_loaded,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::RunRecord;
    use crate::cli::account::tests::account;
    use crate::model::window::DateRange;

    fn kept(exit_code: Option<u8>, running: bool, accounts: Vec<Account>) -> Kept {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let day = |text: &str| text.parse().unwrap();
        Kept {
            record: RunRecord {
                run_id: 7,
                pid: 4711,
                host: "vm".to_owned(),
                started_at: at("2025-11-20T22:00:00Z"),
                ended_at: exit_code.map(|_| at("2025-11-20T22:14:30Z")),
                exit_code,
                range: DateRange {
                    start: day("2025-10-01"),
                    end: day("2025-11-01"),
                },
                error: None,
            },
            running,
            accounts,
        }
    }

    fn runs() -> [Kept; 5] {
        let mut stopped = kept(Some(4), false, Vec::new());
        stopped.record.error = Some(crate::base::stop::STOPPED.to_owned());
        [
            kept(None, true, vec![Account::default()]),
            kept(None, false, vec![Account::default(), account()]),
            kept(Some(4), false, vec![account()]),
            kept(Some(0), false, Vec::new()),
            stopped,
        ]
    }

    #[test]
    fn runs_fit_a_terminal() {
        let text = text(&runs(), &Screen::wide(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        Started (UTC)        Took  Exit        Loaded  Queries  Rows read  Bytes read
        ────────────────  ───────  ───────  ─────────  ───────  ─────────  ──────────
        2025-11-20 22:00        –  going            0        0          0         0 B
        2025-11-20 22:00        –  killed   3,399,000    1,204  3,400,112  512.00 MiB
        2025-11-20 22:00  0:14:30  4        3,399,000    1,204  3,400,112  512.00 MiB
        2025-11-20 22:00  0:14:30  0                –        –          –           –
        2025-11-20 22:00  0:14:30  stopped          –        –          –           –
        ");
    }

    #[test]
    fn a_killed_run_is_told_from_one_that_is_going() {
        let runs = runs();
        let view = serde_json::to_value(View::of(&runs)).unwrap();
        let of = |at: usize| {
            let run = &view["runs"][at];
            (
                run["running"].as_bool().unwrap(),
                run["killed"].as_bool().unwrap(),
            )
        };
        assert_eq!(
            [of(0), of(1), of(2)],
            [(true, false), (false, true), (false, false)]
        );
        assert_eq!(view["runs"][1]["rows_loaded"], 3_399_000);
        assert_eq!(view["runs"][1]["tables"][0]["name"], "SALES");
        assert!(view["runs"][3]["account"].is_null());
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("runs");
    }
}
