//! The outcome of a run as JSON.

use serde::Serialize;

use crate::cli::account::AccountView;
use crate::config::{Config, Mode};
use crate::model::account::Account;
use crate::mssql::Limit;
use crate::progress::{RunSummary, TableSummary};

/// The outcome of a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RunView<'a> {
    /// What it asked of the source.
    account: AccountView,
    /// As the process's.
    exit_code: u8,
    /// The limit that ended it, `source_rows_max` or `source_bytes_max`; `null` without one.
    limit: Option<&'static str>,
    /// Its id, as on each line of its log and in its receipts.
    run_id: String,
    /// Whether it was asked to stop.
    stopped: bool,
    tables: Vec<TableView<'a>>,
    totals: Totals,
}

/// The outcome of a table.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    /// What was asked of the source for it; `null` if nothing was.
    account: Option<AccountView>,
    /// Why it was refused, or the part of it that is left out.
    error: Option<&'a str>,
    mode: &'static str,
    name: &'a str,
    /// Rows of the requested windows that this run or an earlier one verified.
    rows: u64,
    /// Rows of a reference table that were read and found unchanged.
    rows_compared: u64,
    /// Rows that this run loaded.
    rows_loaded: u64,
    /// `complete`, `open`, `failed`, `mismatched`, `held`, `refused`, or `planned` for one that it did not come to.
    state: &'static str,
    window_totals: WindowTotals,
}

/// Windows of a table, by their state.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowTotals {
    complete: usize,
    failed: usize,
    held: usize,
    open: usize,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Totals {
    rows: u64,
    rows_loaded: u64,
}

impl<'a> RunView<'a> {
    pub(super) fn of(config: &Config, run_id: u128, summary: &'a RunSummary) -> RunView<'a> {
        let tables = &summary.tables;
        RunView {
            account: AccountView::of(&Account::total(&summary.accounts)),
            exit_code: summary.exit as u8,
            limit: summary.limit.map(Limit::key),
            run_id: format!("{run_id:032x}"),
            stopped: summary.is_stopped,
            tables: tables
                .iter()
                .map(|table| TableView::of(config, summary, table))
                .collect(),
            totals: Totals {
                rows: tables.iter().map(|table| table.rows_total).sum(),
                rows_loaded: tables.iter().map(|table| table.rows_loaded).sum(),
            },
        }
    }
}

impl<'a> TableView<'a> {
    fn of(config: &Config, summary: &RunSummary, table: &'a TableSummary) -> TableView<'a> {
        let mut configured = config.tables.iter();
        let configured = configured.find(|configured| configured.name.same_as(&table.name));
        TableView {
            account: AccountView::of_table(&summary.accounts, &table.name),
            error: table.error.as_deref(),
            mode: match configured.map(|configured| configured.mode) {
                Some(Mode::Full) => "full",
                Some(Mode::Monthly) | None => "monthly",
            },
            name: &table.name,
            rows: table.rows_total,
            rows_compared: table.rows_compared,
            rows_loaded: table.rows_loaded,
            state: table.state(),
            window_totals: WindowTotals {
                complete: table.windows_done,
                failed: table.windows_failed,
                held: table.held,
                open: table.windows_open,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<RunView<'_>>("run");
    }
}
