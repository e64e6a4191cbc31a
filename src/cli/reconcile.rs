//! `sync reconcile`: the verified chunks compared again, and what was found.

use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use super::embedded::Embedded;
use super::run::{day, heeding, identity, open_store, table};
use super::{Context, json, result};
use crate::checkpoint::Store;
use crate::config::Config;
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::reconcile::Difference;
use crate::report::text::{counted, markdown, rows};
use crate::schedule::{self, Finding, ReconcileOptions, Reconciled, StopSignal};
use crate::table::Identifier;
use crate::window::DateRange;

/// Arguments of `sync reconcile`.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// Read the source's rows again, too; without it nothing is asked of the source
    #[arg(long)]
    source: bool,
    /// Load again, in place, the chunks that differ; these are read from the source
    #[arg(long)]
    repair: bool,
    /// Name the keys of rows that differ
    #[arg(long, requires = "source")]
    rows: bool,
    /// Only these tables, of those in the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Only windows with this day or a later one
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, requires = "end_date")]
    start_date: Option<NaiveDate>,
    /// Only windows with this day or an earlier one
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, requires = "start_date")]
    end_date: Option<NaiveDate>,
    /// Windows of a table at once, instead of the configuration's max_workers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    max_workers: Option<u8>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: ReconcileArgs) -> Result<ExitCode> {
    let range = match (args.start_date, args.end_date) {
        (Some(first), Some(last)) => Some(DateRange::inclusive(first, last)?),
        _ => None,
    };
    let options = ReconcileOptions {
        source: args.source,
        repair: args.repair,
        range,
        tables: args.tables,
        max_workers: args.max_workers.map(usize::from),
    };
    let mut config = context.load()?;
    let store = open_store(context, &config)?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let ended = reconcile(context, &config, store, options).await;
    embedded.stop().await;
    let reconciled = ended?;
    result(&if args.json {
        json(&as_json(&reconciled))
    } else {
        text(&reconciled, args.rows)
    })?;
    Ok(reconciled.exit())
}

/// Compares, and hears the wish to stop meanwhile.
pub(super) async fn reconcile(
    context: &Context,
    config: &Config,
    store: std::sync::Arc<Store>,
    options: ReconcileOptions,
) -> Result<Reconciled> {
    let stop = StopSignal::new();
    let running = schedule::reconcile(
        config,
        store,
        context.clock.clone(),
        options,
        identity(),
        context.voice.progress(),
        stop.clone(),
    );
    heeding(context, &stop, running).await
}

/// What was found, as stdout has it.
pub(super) fn text(reconciled: &Reconciled, keys: bool) -> String {
    let mut text = String::new();
    if !reconciled.findings.is_empty() {
        let mut lines = vec![["Table", "Window", "Chunk", "Found", "State"].map(str::to_owned)];
        for finding in &reconciled.findings {
            lines.push([
                finding.table.clone(),
                finding.window.to_string(),
                finding.ordinal.to_string(),
                found(&finding.difference),
                if finding.repaired { "repaired" } else { "differs" }.to_owned(),
            ]);
        }
        text.push_str(&markdown(&lines));
        text.push('\n');
        if keys {
            text.push_str(&named(&reconciled.findings));
        }
    }
    for line in &reconciled.left_out {
        text.push_str(&format!("{line}\n"));
    }
    let compared = format!(
        "{} of {} in {}",
        counted(reconciled.chunks, "chunk"),
        rows(reconciled.rows),
        counted(reconciled.tables, "table")
    );
    let before = match reconciled.chunks_before {
        0 => String::new(),
        count => format!(
            " ({} were compared before it was cut short)",
            counted(count, "chunk")
        ),
    };
    let differ = reconciled.findings.len() as u64;
    let left = reconciled
        .findings
        .iter()
        .filter(|finding| !finding.repaired)
        .count() as u64;
    text.push_str(&match (differ, left) {
        _ if reconciled.stopped => {
            format!("Stopped: {compared} compared{before}. Run the same command again to go on.\n")
        }
        (0, _) => format!("Compared {compared}{before}: all are as they were verified.\n"),
        (differ, 0) => format!(
            "Compared {compared}{before}: {} differed; all were loaded again and are verified.\n",
            counted(differ, "chunk")
        ),
        (differ, left) => format!(
            "Compared {compared}{before}: {} {}; {} loads again what differs.\n",
            counted(differ, "chunk"),
            match (differ, left) {
                (1, 1) => "differs".to_owned(),
                (differ, left) if differ == left => "differ".to_owned(),
                (_, left) => format!("differed, {left} not repaired"),
            },
            repairing(reconciled.source)
        ),
    });
    text
}

/// The command that loads again what a comparing finds.
pub(super) fn repairing(source: bool) -> &'static str {
    if source {
        "`sync reconcile --source --repair`"
    } else {
        "`sync reconcile --repair`"
    }
}

/// How a chunk differs, in few words.
fn found(difference: &Difference) -> String {
    let mut parts = Vec::new();
    if let Some(counts) = difference.rows {
        for (count, what) in [
            (counts.changed, "changed"),
            (counts.missing, "missing at the target"),
            (counts.target_only, "only at the target"),
        ] {
            if count > 0 {
                parts.push(format!("{} {what}", rows(count)));
            }
        }
    }
    if parts.is_empty() {
        parts.extend(difference.why.iter().map(|why| (*why).to_owned()));
        let source = difference
            .source_rows
            .map_or_else(String::new, |count| format!(", source {count}"));
        parts.push(format!(
            "rows: receipt {}, target {}{source}",
            difference.receipt_rows, difference.target_rows
        ));
    }
    parts.join("; ")
}

/// The keys of rows that differ, a line each.
fn named(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        for key in &finding.difference.keys {
            let columns: Vec<String> = key
                .columns
                .iter()
                .map(|(name, value)| format!("{name} {value}"))
                .collect();
            text.push_str(&format!(
                "{} {} chunk {}: {}: {}\n",
                finding.table,
                finding.window,
                finding.ordinal,
                key.what,
                columns.join(", ")
            ));
        }
        let told = finding.difference.keys.len() as u64;
        let all = finding
            .difference
            .rows
            .map_or(0, |counts| counts.changed + counts.missing + counts.target_only);
        if all > told {
            text.push_str(&format!(
                "{} {} chunk {}: and {} more\n",
                finding.table,
                finding.window,
                finding.ordinal,
                rows(all - told)
            ));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn as_json(reconciled: &Reconciled) -> serde_json::Value {
    let findings: Vec<_> = reconciled
        .findings
        .iter()
        .map(|finding| {
            let difference = &finding.difference;
            let keys: Vec<_> = difference
                .keys
                .iter()
                .map(|key| {
                    let columns: serde_json::Map<String, serde_json::Value> = key
                        .columns
                        .iter()
                        .map(|(name, value)| (name.clone(), json!(value)))
                        .collect();
                    json!({ "what": key.what, "key": columns })
                })
                .collect();
            json!({
                "table": finding.table,
                "window": finding.window.to_string(),
                "chunk": finding.ordinal,
                "why": difference.why,
                "receipt_rows": difference.receipt_rows,
                "target_rows": difference.target_rows,
                "source_rows": difference.source_rows,
                "changed": difference.rows.map(|counts| counts.changed),
                "missing": difference.rows.map(|counts| counts.missing),
                "target_only": difference.rows.map(|counts| counts.target_only),
                "keys": keys,
                "repaired": finding.repaired,
            })
        })
        .collect();
    json!({
        "tables": reconciled.tables,
        "chunks": reconciled.chunks,
        "chunks_before": reconciled.chunks_before,
        "rows": reconciled.rows,
        "differing": findings,
        "left_out": reconciled.left_out,
        "stopped": reconciled.stopped,
        "exit_code": reconciled.exit() as u8,
    })
}
