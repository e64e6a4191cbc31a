//! The report as JSON. Fields are declared in the order in which they are printed.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::facts::{End, Report, Servers, TableFacts, WindowFacts};
use super::verdict::{Fault, Verdict};
use crate::cli::account::AccountView;
use crate::cli::runs::RunView;
use crate::model::account::Account;
use crate::model::row::{Digest, Tally};
use crate::model::window::DateRange;
use crate::status::{PassStatus, WindowDifferences};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    /// What all runs asked of the source for these tables, and outside of tables.
    account: AccountView,
    counts: ServersView<'a>,
    exit_code: u8,
    /// What differs, is missing or was not asked.
    faults: Vec<FaultView<'a>>,
    /// What the report is not about.
    left_out: Vec<LeftOutView<'a>>,
    made: MadeView<'a>,
    /// The months that were asked for; `null` for all dates.
    months: Option<Vec<String>>,
    /// The passes of `sync reconcile` over some of it, the latest first.
    reconciles: Vec<PassView<'a>>,
    /// The last runs that may have worked on it, the latest first.
    runs: Vec<RunView<'a>>,
    source: EndView<'a>,
    tables: Vec<TableView<'a>>,
    target: EndView<'a>,
    totals: TotalsView,
    /// The verdict in one sentence.
    verdict: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ServersView<'a> {
    /// Whether both servers were asked.
    asked: bool,
    /// The error of the one that did not answer.
    error: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FaultView<'a> {
    /// The command to run next, if there is one.
    command: Option<&'a str>,
    /// The exit code of a report with this alone.
    exit_code: u8,
    /// `null` for something of the whole.
    table: Option<&'a str>,
    text: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LeftOutView<'a> {
    /// `null` for something of the whole.
    table: Option<&'a str>,
    text: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct MadeView<'a> {
    at: DateTime<Utc>,
    /// Whether a run was going meanwhile.
    during_a_run: bool,
    /// The machine.
    host: &'a str,
    /// The version of the program.
    version: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EndView<'a> {
    database: &'a str,
    schema: &'a str,
    /// `HOST:PORT`, `HOST\INSTANCE` or `embedded`.
    server: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PassView<'a> {
    /// The chunks and windows that differed and were not repaired.
    differing: u64,
    /// The last day, included; `null` for all dates.
    end_date: Option<NaiveDate>,
    /// `null` while it is under way, or after it was cut short.
    ended_at: Option<DateTime<Utc>>,
    /// What it found within the report and did not repair, by window.
    findings: Vec<FindingView<'a>>,
    /// The tables that could not be compared.
    left_out: u64,
    /// The chunks and windows that differed and were repaired.
    repaired: u64,
    /// The chunks that were the same.
    same: u64,
    /// Whether it compared the source, too.
    source: bool,
    /// The first day; `null` for all dates.
    start_date: Option<NaiveDate>,
    /// The start of the pass.
    started_at: DateTime<Utc>,
    /// `null` for all tables.
    tables: Option<&'a [String]>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FindingView<'a> {
    /// Its chunks that differed, and one more if the window as a whole did.
    differing: u64,
    /// Those of them that a run has loaded again since.
    repaired_since: u64,
    table: &'a str,
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    /// What all runs asked of the source for it; `null` if nothing is kept of that.
    account: Option<AccountView>,
    /// The canonical bytes of the rows.
    bytes: u64,
    /// The verified chunks.
    chunks: u64,
    /// The digest of the rows, 64 hexadecimal digits; `null` if none is verified.
    digest: Option<String>,
    /// Whether both ends have as many rows in the complete windows; `null` if they were not counted.
    equal: Option<bool>,
    /// Why it cannot be counted.
    error: Option<&'a str>,
    /// `monthly` or `full`.
    mode: &'a str,
    /// Its name in the configuration.
    name: &'a str,
    /// The rows of the receipts of complete windows; `null` if the target was not asked.
    receipts: Option<u64>,
    /// The rows of the verified chunks.
    rows: u64,
    /// The rows of the complete windows at the source; `null` if they were not counted.
    source: Option<u64>,
    /// Its name at the source, with its schema.
    source_table: &'a str,
    /// The worst state of its windows.
    state: &'static str,
    /// The rows of the complete windows at the target; `null` if they were not counted.
    target: Option<u64>,
    /// Its name at the target.
    target_table: &'a str,
    windows: Vec<WindowView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView<'a> {
    /// The canonical bytes of the rows.
    bytes: u64,
    /// The verified chunks.
    chunks: u64,
    /// The digest of the rows, 64 hexadecimal digits; `null` if none is verified.
    digest: Option<String>,
    /// The day after the last.
    end: Option<NaiveDate>,
    /// Whether both ends have as many rows; `null` if it was not counted by itself.
    equal: Option<bool>,
    /// The error that it failed with, or the difference.
    error: Option<&'a str>,
    /// The rows of its receipts; `null` if it is not complete, or the target was not asked.
    receipts: Option<u64>,
    /// Whether these are the receipts of the chunks that the digest is of.
    receipts_agree: Option<bool>,
    /// The rows of the verified chunks.
    rows: u64,
    source: Option<u64>,
    /// The first day; `null` without dates.
    start: Option<NaiveDate>,
    /// `complete`, `open`, `not loaded`, `planned`, `loading`, `stale`, `failed` or `mismatched`.
    state: &'static str,
    target: Option<u64>,
    /// Its name: a month, a part of one, `undated` or `all`.
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    /// The verified chunks.
    chunks: u64,
    /// The complete windows.
    complete: u64,
    /// The rows of the verified chunks.
    rows: u64,
    source: Option<u64>,
    target: Option<u64>,
    /// The windows of any state.
    windows: u64,
}

/// A digest in the order of its bytes, as receipts have it.
pub(super) fn hex(digest: Digest) -> String {
    use std::fmt::Write as _;
    digest.to_bytes().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes it");
        text
    })
}

fn digest_of(chunks: u64, tally: Tally) -> Option<String> {
    (chunks > 0).then(|| hex(tally.digest))
}

impl<'a> View<'a> {
    pub(super) fn of(report: &'a Report, verdict: &'a Verdict) -> View<'a> {
        let (asked, error) = match &report.servers {
            Servers::NotAsked => (false, None),
            Servers::Asked => (true, None),
            Servers::Away { error, .. } => (false, Some(error.as_str())),
        };
        let made = &report.made;
        let months = report
            .months
            .iter()
            .map(|month| month.format("%Y-%m").to_string());
        View {
            account: AccountView::of(&Account::total(&report.accounts)),
            counts: ServersView { asked, error },
            exit_code: verdict.code as u8,
            faults: verdict.faults.iter().map(FaultView::of).collect(),
            left_out: report
                .left_out
                .iter()
                .map(|left| LeftOutView {
                    table: named(&left.table),
                    text: &left.text,
                })
                .collect(),
            made: MadeView {
                at: made.at,
                during_a_run: made.during_a_run,
                host: &made.host,
                version: made.version,
            },
            months: (!report.months.is_all()).then(|| months.collect()),
            reconciles: report.passes.iter().map(PassView::of).collect(),
            runs: report.runs.iter().map(RunView::of).collect(),
            source: EndView::of(&report.source),
            tables: report
                .tables
                .iter()
                .map(|table| TableView::of(table, &report.accounts))
                .collect(),
            target: EndView::of(&report.target),
            totals: TotalsView::of(report),
            verdict: &verdict.sentence,
        }
    }
}

fn named(table: &str) -> Option<&str> {
    (!table.is_empty()).then_some(table)
}

impl FaultView<'_> {
    fn of(fault: &Fault) -> FaultView<'_> {
        FaultView {
            command: fault.command.as_deref(),
            exit_code: fault.code as u8,
            table: named(&fault.table),
            text: &fault.text,
        }
    }
}

impl EndView<'_> {
    fn of(end: &End) -> EndView<'_> {
        EndView {
            database: &end.database,
            schema: &end.schema,
            server: &end.server,
        }
    }
}

impl PassView<'_> {
    fn of(facts: &PassStatus) -> PassView<'_> {
        let pass = &facts.pass;
        let range = pass.scope.range;
        PassView {
            differing: pass.differing,
            end_date: range.map(DateRange::last_day),
            ended_at: pass.ended_at,
            findings: facts.found.iter().map(FindingView::of).collect(),
            left_out: pass.left_out,
            repaired: pass.repaired,
            same: pass.same,
            source: pass.source,
            start_date: range.map(|range| range.start),
            started_at: pass.started_at,
            tables: pass.scope.tables.as_deref(),
        }
    }
}

impl FindingView<'_> {
    fn of(finding: &WindowDifferences) -> FindingView<'_> {
        FindingView {
            differing: finding.differing,
            repaired_since: finding.repaired_since,
            table: &finding.table,
            window: finding.window.to_string(),
        }
    }
}

impl<'a> TableView<'a> {
    fn of(table: &'a TableFacts, accounts: &[Account]) -> TableView<'a> {
        let (tally, chunks) = (table.tally(), table.chunks());
        TableView {
            account: AccountView::of_table(accounts, &table.name),
            bytes: tally.byte_count,
            chunks,
            digest: digest_of(chunks, tally),
            equal: table.counted.map(|_| !table.differs()),
            error: table.count_error.as_ref().map(|(error, _)| error.as_str()),
            mode: &table.mode,
            name: &table.name,
            receipts: table.receipt_rows(),
            rows: tally.row_count,
            source: table.counted.map(|counted| counted.source),
            source_table: &table.source,
            state: table.state().as_str(),
            target: table.counted.map(|counted| counted.target),
            target_table: &table.target,
            windows: table.windows.iter().map(WindowView::of).collect(),
        }
    }
}

impl WindowView<'_> {
    fn of(window: &WindowFacts) -> WindowView<'_> {
        let days = window.window.days();
        WindowView {
            bytes: window.tally.byte_count,
            chunks: window.chunks,
            digest: digest_of(window.chunks, window.tally),
            end: days.map(|days| days.end()),
            equal: window.counted.map(|counted| counted.is_equal()),
            error: window.error.as_deref(),
            receipts: window.receipts.map(|receipts| receipts.rows),
            receipts_agree: window.receipts.map(|receipts| receipts.agree),
            rows: window.tally.row_count,
            source: window.counted.map(|counted| counted.source),
            start: days.map(|days| days.start()),
            state: window.state.as_str(),
            target: window.counted.map(|counted| counted.target),
            window: window.window.to_string(),
        }
    }
}

impl TotalsView {
    fn of(report: &Report) -> TotalsView {
        let windows = || report.tables.iter().flat_map(|table| &table.windows);
        let counted = report.counted();
        TotalsView {
            chunks: windows().map(|window| window.chunks).sum(),
            complete: windows().filter(|window| window.is_complete()).count() as u64,
            rows: windows().map(|window| window.tally.row_count).sum(),
            source: counted.map(|counted| counted.source),
            target: counted.map(|counted| counted.target),
            windows: windows().count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("report");
    }

    #[test]
    fn a_digest_is_written_in_the_order_of_its_bytes() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (0xab, 0x01);
        let hex = hex(Digest::from_bytes(&bytes));
        assert_eq!((&hex[..2], &hex[62..], hex.len()), ("ab", "01", 64));
    }
}
