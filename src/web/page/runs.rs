//! The runs that are kept, each with how it ended and what it asked of the source.

use indicatif::HumanBytes;
use maud::{Markup, html};

use super::layout::{Frame, error, page, stamp};
use crate::base::exit_code::meaning;
use crate::base::text::{duration, thousands};
use crate::model::account::Account;
use crate::status::{Kept, account_line};
use crate::web::markup::shown;
use crate::web::seen::Seen;

/// The page.
pub(crate) fn runs(seen: &Seen) -> Markup {
    let frame = Frame {
        path: "/runs",
        title: "Runs",
        events: None,
        seen: Some(seen),
    };
    page(
        &frame,
        &html! {
            h1 { "Runs" }
            @if seen.runs.is_empty() {
                p { "There was no run." }
            } @else {
                div.scroll role="region" aria-label="Runs" tabindex="0" {
                    table.lines.runs {
                        caption.v { "The last runs, the latest first" }
                        thead { tr {
                            th scope="col" { "Started" }
                            th scope="col" { "Ended" }
                            th.r scope="col" { "Took" }
                            th scope="col" { "Exit" }
                            th scope="col" { "Dates" }
                            @for name in ["Loaded", "Queries", "Rows read", "Bytes read"] { th.r scope="col" { (name) } }
                        } }
                        @for run in &seen.runs { (of_run(seen, run)) }
                    }
                }
            }
        },
    )
}

fn of_run(seen: &Seen, run: &Kept) -> Markup {
    let (wall, record) = (seen.status.pace.wall, &run.record);
    let total = (!run.accounts.is_empty()).then(|| Account::total(&run.accounts));
    let end = match record.ended_at {
        None if run.running => Some(seen.status.pace.now),
        ended => ended,
    };
    let took = end.and_then(|end| (end - record.started_at).to_std().ok());
    html! {
        tbody {
            tr {
                th scope="row" { (stamp(wall, record.started_at)) }
                td { @match record.ended_at { Some(at) => (stamp(wall, at)), None => "–" } }
                td.r { @match took { Some(took) => (duration(took)), None => "–" } }
                td { (exit(run)) }
                td { (record.range) }
                @match &total {
                    Some(total) => {
                        td.r { (thousands(total.rows_loaded)) }
                        td.r { (thousands(total.queries)) }
                        td.r { (thousands(total.rows)) }
                        td.r { (HumanBytes(total.received_bytes)) }
                    },
                    None => @for _ in 0..4 { td.r { "–" } },
                }
            }
            @if record.error.is_some() || total.is_some() {
                tr.more { td colspan="9" { (more(run, total.as_ref())) } }
            }
        }
    }
}

fn exit(run: &Kept) -> Markup {
    html! {
        @match run.record.exit_code {
            Some(0) => { b { "0" } " done" },
            Some(code) if run.record.is_stopped() => { b { (code) } " stopped: the same command again resumes it" },
            Some(code) => { b.bad { (code) } @if let Some(words) = meaning(code) { " " (words) } },
            None if run.running => { b { "going" } },
            None => { b.bad { "killed" } ", or crashed" },
        }
    }
}

fn more(run: &Kept, total: Option<&Account>) -> Markup {
    let record = &run.record;
    html! {
        @if let Some(text) = record.error.as_ref().filter(|_| !record.is_stopped()) { (error(text)) }
        @if let Some(total) = total {
            details {
                summary { "Account by table" }
                p { (shown(&account_line(total))) }
                p.hint { "Run " code { (format!("{:032x}", record.run_id)) } ", process " (record.pid) " on " (shown(&record.host)) "." }
                table.lines {
                    caption.v { "What the run asked of the source, by table" }
                    thead { tr {
                        th scope="col" { "Table" }
                        @for name in ["Loaded", "Queries", "Rows read", "Bytes read", "Reading", "Waited", "Read again"] {
                            th.r scope="col" { (name) }
                        }
                    } }
                    tbody { @for account in &run.accounts { (of_account(account)) } }
                }
            }
        }
    }
}

fn of_account(account: &Account) -> Markup {
    let waited = account.waits.iter().map(|(_, time)| time).sum();
    html! {
        tr {
            th scope="row" { @if account.table.is_empty() { "outside of tables" } @else { (shown(&account.table)) } }
            td.r { (thousands(account.rows_loaded)) }
            td.r { (thousands(account.queries)) }
            td.r { (thousands(account.rows)) }
            td.r { (HumanBytes(account.received_bytes)) }
            td.r { (duration(account.reading)) }
            td.r { (duration(waited)) }
            td.r { (thousands(account.read_again)) }
        }
    }
}
