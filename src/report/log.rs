//! Writes a run as log events with fixed field names, for `--log json`.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::model::account::Account;
use crate::model::pace::Cause;
use crate::progress::{Event, Progress};

/// Hands every event to `tracing`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Progress for Log {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::RunStarted {
                run_id,
                range,
                tables,
                max_workers,
            } => {
                let start = range.map(|range| tracing::field::display(range.start));
                let end = range.map(|range| tracing::field::display(range.last_day()));
                tracing::info!(
                    run_id = format!("{run_id:032x}"),
                    start,
                    end,
                    tables,
                    max_workers,
                    "run started"
                );
            }
            Event::Note(text) => tracing::info!("{text}"),
            Event::Warning(text) => tracing::warn!("{text}"),
            Event::TableStarted {
                table,
                windows,
                rows_done,
                rows_expected,
            } => tracing::info!(table, windows, rows_done, rows_expected, "table started"),
            Event::WindowStarted { table, window } => tracing::info!(table, %window, "window started"),
            Event::ChunkVerified {
                table,
                window,
                ordinal,
                row_count,
                byte_count,
                dates: _,
                stages,
            } => tracing::info!(
                table,
                %window,
                chunk = ordinal,
                row_count,
                byte_count,
                read_ms = millis(stages.read),
                stage_ms = millis(stages.stage),
                load_ms = millis(stages.load),
                "chunk verified"
            ),
            Event::Comparing { table } => tracing::info!(table, "comparing"),
            Event::ChunkCompared {
                table,
                window,
                ordinal,
                row_count,
            } => tracing::info!(table, %window, chunk = ordinal, row_count, "chunk compared"),
            Event::Compared {
                table,
                chunks,
                differing,
            } => tracing::info!(table, chunks, differing, "compared"),
            Event::Retrying {
                table,
                window,
                attempt,
                wait,
                away,
                error,
            } => {
                let window = window.map(tracing::field::display);
                let (wait_ms, away_ms) = (millis(wait), away.map(millis));
                tracing::warn!(
                    table,
                    window,
                    attempt,
                    wait_ms,
                    away_ms,
                    error = error.chain(),
                    "retrying"
                );
            }
            Event::WindowDone { table, window, rows } => {
                tracing::info!(table, %window, row_count = rows, "window done");
            }
            Event::WindowFailed { table, window, error } => {
                tracing::error!(table, %window, error = error.chain(), "window failed");
            }
            Event::Back { away } => tracing::info!(away_ms = millis(away), "back"),
            Event::Wall(_) => {}
            Event::Paced { rows_per_second } => tracing::info!(rows_per_second, "paced"),
            Event::Held { hold } => {
                let until = hold.until.map(|until| tracing::field::display(time(until)));
                tracing::info!(
                    cause = hold.cause.as_str(),
                    since = %time(hold.since),
                    until,
                    why = hold.detail,
                    "held"
                );
            }
            Event::Released { cause, waited } => {
                tracing::info!(cause = cause.as_str(), waited_ms = millis(waited), "released");
            }
            Event::Decided { decision } => {
                let (from, to) = decision.action.numbers().unzip();
                let cause = decision.action.cause().map(Cause::as_str);
                tracing::info!(
                    table = decision.table,
                    action = decision.action.as_str(),
                    from,
                    to,
                    cause,
                    why = decision.why,
                    "decided"
                );
            }
            Event::Stopping { .. } => tracing::info!("stopping"),
            Event::TableDone { summary, elapsed } => {
                let (table, row_count) = (&summary.name, summary.rows_loaded);
                tracing::info!(table, row_count, elapsed_ms = millis(elapsed), "table done");
            }
            Event::Accounted { account } => accounted(account),
            Event::RunDone { summary, elapsed } => {
                let elapsed_ms = millis(elapsed);
                tracing::info!(exit_code = summary.exit as u8, elapsed_ms, "run done");
            }
        }
    }
}

/// A record of a table, or of the whole command, in which no table is named.
fn accounted(account: &Account) {
    let table = (!account.table.is_empty()).then_some(account.table.as_str());
    let longest = account.longest.as_ref();
    let isolation: Vec<_> = account.isolation.iter().map(|level| level.as_str()).collect();
    let waits: Vec<_> = account
        .waits
        .iter()
        .filter(|(_, time)| !time.is_zero())
        .map(|(cause, time)| format!("{} {} ms", cause.as_str(), millis(time)))
        .collect();
    tracing::info!(
        table,
        queries = account.queries,
        row_count = account.rows,
        received_bytes = account.received_bytes,
        sent_bytes = account.sent_bytes,
        reading_ms = millis(account.reading),
        longest_ms = longest.map(|longest| millis(longest.took)),
        longest_statement = longest.map(|longest| longest.statement.as_str()),
        longest_window = longest.and_then(|longest| longest.window.as_deref()),
        connections_opened = account.connections_opened,
        connections_most = account.connections_most,
        isolation = isolation.join(", "),
        waits = waits.join(", "),
        read_again = account.read_again,
        "source account"
    );
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
