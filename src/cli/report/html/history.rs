//! What was done: comparisons and their findings, runs, and what was asked of the source.

use chrono::{DateTime, Utc};
use indicatif::HumanBytes;
use maud::{Markup, html};

use super::{heading, prose, scrolled, shown};
use crate::base::exit_code::meaning;
use crate::base::text::{counted, duration, thousands};
use crate::cli::report::facts::Report;
use crate::model::account::Account;
use crate::status::{Kept, PassStatus, account_line};

pub(super) fn findings(report: &Report) -> Markup {
    let wall = report.made.wall;
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Started" }
                th scope="col" { "Ended" }
                th scope="col" { "Compared" }
                th scope="col" { "Scope" }
                th.n scope="col" { "Same" }
                th.n scope="col" { "Repaired" }
                th.n scope="col" { "Differing" }
                th scope="col" { "Found in this report's windows" }
            } }
            tbody { @for of in &report.passes { tr {
                th.k scope="row" { (wall.stamp(of.pass.started_at)) }
                td.k { (match of.pass.ended_at {
                    Some(at) => wall.stamp(at),
                    None => "cut short, or under way".to_owned(),
                }) }
                td { @if of.pass.source { "source, target and receipts" } @else { "target and receipts" } }
                td { (scope(of)) }
                td.n { (thousands(of.pass.same)) }
                td.n { (thousands(of.pass.repaired)) }
                td.n { (thousands(of.pass.differing)) }
                td { (found(of)) }
            } } }
        }
    };
    html! {
        section aria-labelledby="findings" {
            (heading("findings"))
            p { "Passes of " code { "reconcile" } ", the latest first. Numbers are of chunks, over all that a pass compared. Those \
                 that are kept: the last, those that can be resumed, the last over all tables and dates, and the last with the \
                 source." }
            @if report.passes.is_empty() {
                p { "Nothing was compared again since it was loaded, as far as the state file knows. Every chunk was read back and \
                     compared when it was loaded." }
            } @else { (scrolled("Table of comparisons", &table)) }
        }
    }
}

fn scope(of: &PassStatus) -> String {
    let scope = &of.pass.scope;
    let tables = match &scope.tables {
        None => "all tables".to_owned(),
        Some(tables) => shown(&tables.join(", ")),
    };
    let dates = match scope.range {
        None => "all dates".to_owned(),
        Some(range) => range.to_string(),
    };
    let left_out = match of.pass.left_out {
        0 => String::new(),
        count => format!("; {} could not be compared", counted(count, "table")),
    };
    format!("{tables}; {dates}{left_out}")
}

fn found(of: &PassStatus) -> Markup {
    html! {
        @if of.found.is_empty() { "no difference left" }
        @else { ul { @for finding in &of.found { li {
            (shown(&finding.table)) " " (finding.window) ": " (counted(finding.differing, "difference"))
            @if finding.repaired_since > 0 { ", " (thousands(finding.repaired_since)) " loaded again since" }
        } } } }
    }
}

pub(super) fn runs(report: &Report) -> Markup {
    let wall = report.made.wall;
    let stamp = |at: Option<DateTime<Utc>>| at.map_or_else(|| "–".to_owned(), |at| wall.stamp(at));
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Started" }
                th scope="col" { "Ended" }
                th scope="col" { "Dates" }
                th scope="col" { "Host" }
                th scope="col" { "How it ended" }
                th.n scope="col" { "Rows loaded" }
                th.n scope="col" { "Rows read" }
            } }
            tbody { @for run in &report.runs {
                @let total = (!run.accounts.is_empty()).then(|| Account::total(&run.accounts));
                tr {
                    th.k scope="row" { (wall.stamp(run.record.started_at)) }
                    td.k { (stamp(run.record.ended_at)) }
                    td { (run.record.range) }
                    td { (shown(&run.record.host)) }
                    td { (ended(run)) }
                    td.n { (total.as_ref().map_or_else(|| "–".to_owned(), |total| thousands(total.rows_loaded))) }
                    td.n { (total.as_ref().map_or_else(|| "–".to_owned(), |total| thousands(total.rows))) }
                }
            } }
        }
    };
    html! {
        section aria-labelledby="runs" {
            (heading("runs"))
            p { "The last runs that may have worked on these tables and dates, the latest first. Rows are those of a whole run." }
            @if report.runs.is_empty() { p { "None is kept." } } @else { (scrolled("Table of runs", &table)) }
        }
    }
}

fn ended(run: &Kept) -> Markup {
    html! {
        @match run.record.exit_code {
            Some(code) if run.record.is_stopped() => { (code) ": it was asked to stop" },
            Some(code) => { (code) ": " (meaning(code).unwrap_or("an unknown exit code")) },
            None => { @if run.running { "it is going" } @else { "killed, or its machine lost power" } },
        }
        @if let Some(error) = run.record.error.as_ref().filter(|_| !run.record.is_stopped()) { br; span.soft { (prose(error)) } }
    }
}

pub(super) fn account(report: &Report) -> Markup {
    let total = Account::total(&report.accounts);
    let mut accounts: Vec<&Account> = report.accounts.iter().collect();
    // What is of no table comes last.
    accounts.sort_by_key(|account| account.table.is_empty());
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Table" }
                th.n scope="col" { "Queries" }
                th.n scope="col" { "Rows read" }
                th.n scope="col" { "Bytes received" }
                th.n scope="col" { "Time of reading" }
                th.n scope="col" { "Longest query" }
                th.n scope="col" { "Chunks read again" }
                th.n scope="col" { "Waited" }
            } }
            tbody { @for of in accounts {
                (line(if of.table.is_empty() { "outside of tables" } else { &of.table }, of))
            } }
            tfoot { (line("All", &total)) }
        }
    };
    let sentence = account_line(&total);
    html! {
        section aria-labelledby="account" {
            (heading("account"))
            @if sentence.is_empty() { p { "Nothing is kept of it." } }
            @else {
                p { "By all runs for these tables, whatever their dates. " (shown(&sentence)) }
                (scrolled("Table of what was asked", &table))
            }
        }
    }
}

fn line(name: &str, account: &Account) -> Markup {
    let longest = account.longest.as_ref();
    let waited = account.waits.iter().map(|(_, time)| time).sum();
    html! {
        tr {
            th scope="row" { (shown(name)) }
            td.n { (thousands(account.queries)) }
            td.n { (thousands(account.rows)) }
            td.n { (HumanBytes(account.received_bytes)) }
            td.n { (duration(account.reading)) }
            td.n { (longest.map_or_else(|| "–".to_owned(), |longest| duration(longest.took))) }
            td.n { (thousands(account.read_again)) }
            td.n { (duration(waited)) }
        }
    }
}
