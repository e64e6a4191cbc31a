//! `sync reconcile` compares the verified chunks again and prints the findings.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, harmless_text, rows};
use crate::checkpoint::Store;
use crate::cli::account;
use crate::cli::account::AccountView;
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, json, result};
use crate::cli::notices;
use crate::cli::profile;
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::cli::shared::{identity, open_store, table, write_metrics};
use crate::cli::steered::Steered;
use crate::config::Config;
use crate::model::account::Account;
use crate::model::table::Identifier;
use crate::reconcile::{About, Finding, ReconcileOptions, Reconciled, TableState};
use crate::status::repairing;

/// Arguments of `sync reconcile`.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// Read the source's rows again, too; without this option the source is not asked
    #[arg(long)]
    source: bool,
    /// Load again from the source, in place, chunks that differ and rows without a receipt
    #[arg(long)]
    repair: bool,
    /// Delete rows of these tables that the source no longer has, however many
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table, requires = "repair")]
    allow_deletes: Vec<Identifier>,
    /// Print the keys of rows that differ
    #[arg(long, requires = "source")]
    rows: bool,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    #[command(flatten)]
    dates: Dates,
    /// Parallel windows of a table, instead of the configuration's max_workers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    max_workers: Option<u8>,
    /// Read the source at once, outside of its hours, too
    #[arg(long)]
    ignore_hours: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print at the end how often each kind of statement ran at each server, its time and its bytes
    #[arg(long)]
    profile: bool,
}

pub(super) async fn run(context: &Context, args: ReconcileArgs) -> Result<ExitCode> {
    let range = args.dates.range(&context.clock)?;
    let options = ReconcileOptions {
        source: args.source,
        repair: args.repair,
        range,
        tables: args.tables,
        allow_deletes: args.allow_deletes,
        max_workers: args.max_workers.map(usize::from),
        ignore_hours: args.ignore_hours,
    };
    let mut config = context.begin()?;
    notices::begin(context, &config, "reconcile");
    let profile = profile::start(args.profile, context, &mut config);
    let store = open_store(context, &config)?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let ended = reconcile(context, &config, Arc::clone(&store), options).await;
    embedded.stop().await;
    write_metrics(context, &config, store).await;
    profile::tell(context, profile.as_deref());
    let reconciled = ended?;
    context.notices.outcome(&ending(&reconciled));
    result(&if args.json {
        json(&View::of(&reconciled))
    } else {
        text(&reconciled, args.rows, &context.screen)
    })?;
    Ok(reconciled.exit())
}

/// Compares until it ends or is stopped.
pub(super) async fn reconcile(
    context: &Context,
    config: &Config,
    store: Arc<Store>,
    options: ReconcileOptions,
) -> Result<Reconciled> {
    let steered = Steered::new(context, "reconcile", options.source || options.repair);
    let running = crate::reconcile::reconcile(
        config,
        Arc::clone(&store),
        context.clock.clone(),
        options,
        identity(context),
        Arc::clone(&steered.progress),
        steered.reins.clone(),
    );
    steered.until_it_ends(store, running).await
}

/// The findings, for stdout.
pub(super) fn text(reconciled: &Reconciled, keys: bool, screen: &Screen) -> String {
    let mut text = String::new();
    if !reconciled.findings.is_empty() {
        let mut table = Table::new([
            Column::name("Table"),
            Column::name("Window"),
            Column::number("Chunk"),
            Column::text("Found"),
            Column::name("State"),
        ])
        .named_by(3);
        for finding in &reconciled.findings {
            let (state, tone) = match finding.repaired {
                true => ("repaired", Tone::Plain),
                false => ("differs", Tone::Bad),
            };
            let chunk = finding
                .ordinal
                .map_or_else(|| "all".to_owned(), |n| n.to_string());
            let line = [
                finding.table.as_str().into(),
                finding.window.to_string().into(),
                chunk.into(),
                found(finding).into(),
                Cell::from(state).tone(tone),
            ];
            table.line(line);
        }
        text.push_str(&table.shown(screen));
        text.push('\n');
        if keys {
            text.push_str(&named(&reconciled.findings, screen));
        }
    }
    for line in &reconciled.left_out {
        text.push_str(&screen.prose(line));
    }
    let nothing = reconciled
        .tables
        .iter()
        .filter(|table| table.state == TableState::NothingLoaded);
    let nothing: Vec<&str> = nothing.map(|table| table.name.as_str()).collect();
    if !nothing.is_empty() {
        let what = match reconciled.is_whole {
            true => "of",
            false => "of these dates of",
        };
        text.push_str(&screen.prose(&format!(
            "Not compared, because nothing {what} it is loaded: {}",
            nothing.join(", ")
        )));
    }
    // A contact with the source is nothing to tell, if it was asked for no table.
    if reconciled.accounts.iter().skip(1).any(|table| table.queries > 0) {
        text.push_str(&account::told(&reconciled.accounts, screen));
    }
    text.push_str(&screen.prose(&ending(reconciled)));
    text
}

/// The outcome in a sentence.
fn ending(reconciled: &Reconciled) -> String {
    let compared = format!(
        "{} of {} in {}",
        counted(reconciled.chunks, "chunk"),
        rows(reconciled.rows),
        counted(reconciled.tables_compared(), "table")
    );
    // What was equal then may differ by now.
    let since = reconciled.since.map_or_else(String::new, |since| {
        format!(", after {}", since.format("%Y-%m-%d %H:%M:%S UTC"))
    });
    let before = match reconciled.chunks_before {
        0 => String::new(),
        count => format!(
            " ({} were compared before it was cut short{since})",
            counted(count, "chunk")
        ),
    };
    let (differ, left) = (
        Amount::of(reconciled.findings.iter()),
        Amount::of(reconciled.findings.iter().filter(|finding| !finding.repaired)),
    );
    let rest = match reconciled.left_out.is_empty() {
        true => "",
        false => " Not all could be compared, or found where it is now.",
    };
    match (differ.all(), left.all()) {
        _ if reconciled.stopped => {
            format!("Stopped: {compared} compared{before}. Run the same command again to resume.")
        }
        (0, _) if reconciled.is_empty() => "Nothing was compared.".to_owned(),
        (0, _) => format!("Compared {compared}{before}: all are as they were verified.{rest}"),
        (_, 0) => {
            let verified = if rest.is_empty() { " and are verified" } else { "" };
            format!("Compared {compared}{before}: {differ} differed; all were loaded again{verified}.{rest}")
        }
        (all, unrepaired) => format!(
            "Compared {compared}{before}: {differ} {}; {} loads again what differs.",
            match (all, unrepaired) {
                (1, 1) => "differs".to_owned(),
                (all, unrepaired) if all == unrepaired => "differ".to_owned(),
                (_, unrepaired) => format!("differed, {unrepaired} not repaired"),
            },
            repairing(reconciled.source)
        ),
    }
}

/// The chunks and windows of findings, counted.
struct Amount {
    chunks: u64,
    windows: u64,
}

impl Amount {
    fn of<'a>(findings: impl Iterator<Item = &'a Finding>) -> Amount {
        let (chunks, windows): (Vec<_>, Vec<_>) = findings.partition(|finding| finding.ordinal.is_some());
        Amount {
            chunks: chunks.len() as u64,
            windows: windows.len() as u64,
        }
    }

    fn all(&self) -> u64 {
        self.chunks + self.windows
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.chunks, self.windows) {
            (chunks, 0) => f.write_str(&counted(chunks, "chunk")),
            (0, windows) => f.write_str(&counted(windows, "window")),
            (chunks, windows) => {
                write!(
                    f,
                    "{} and {}",
                    counted(chunks, "chunk"),
                    counted(windows, "window")
                )
            }
        }
    }
}

/// A finding in few words.
fn found(finding: &Finding) -> String {
    let difference = &finding.difference;
    let mut parts = Vec::new();
    if finding.about != About::Chunk {
        parts.extend(difference.why.iter().map(|why| (*why).to_owned()));
    }
    let known = parts.len();
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
    let source = difference
        .source_rows
        .map_or_else(String::new, |count| format!(", source {count}"));
    let (recorded, target) = (difference.receipt_rows, difference.target_rows);
    match finding.about {
        _ if parts.len() > known => {}
        About::Chunk => {
            parts.extend(difference.why.iter().map(|why| (*why).to_owned()));
            parts.push(format!("rows: receipt {recorded}, target {target}{source}"));
        }
        About::Lost => parts.push(format!("rows: verified {recorded}, target {target}{source}")),
        About::Uncovered => parts.push(rows(target)),
        About::Gap | About::Unfinished => {}
    }
    parts.join("; ")
}

/// The keys of rows that differ, one per line.
fn named(findings: &[Finding], screen: &Screen) -> String {
    let mut text = String::new();
    for finding in findings {
        for key in &finding.difference.keys {
            let columns: Vec<String> = key
                .columns
                .iter()
                .map(|(name, value)| harmless_text(&format!("{name} {value}")))
                .collect();
            let line = format!("{}: {}: {}", place(finding), key.what, columns.join(", "));
            text.push_str(&screen.prose(&line));
        }
        let told = finding.difference.keys.len() as u64;
        let all = finding
            .difference
            .rows
            .map_or(0, |counts| counts.changed + counts.missing + counts.target_only);
        if all > told {
            text.push_str(&format!("{}: and {} more\n", place(finding), rows(all - told)));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn place(finding: &Finding) -> String {
    let chunk = finding
        .ordinal
        .map_or_else(String::new, |ordinal| format!(" chunk {ordinal}"));
    format!("{} {}{chunk}", finding.table, finding.window)
}

/// The findings as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    /// What was asked of the source; `null` if nothing was.
    account: Option<AccountView>,
    chunks: u64,
    chunks_before: u64,
    /// The chunks before were compared at this time or later.
    chunks_before_since: Option<DateTime<Utc>>,
    differing: Vec<FindingView<'a>>,
    exit_code: u8,
    left_out: &'a [String],
    rows: u64,
    stopped: bool,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    chunks: u64,
    name: &'a str,
    rows: u64,
    /// `same`, `differing`, `repaired`, `nothing loaded` or `left out`.
    state: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    chunks: u64,
    differing: u64,
    rows: u64,
    /// Tables that were compared.
    tables: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FindingView<'a> {
    changed: Option<u64>,
    chunk: Option<u32>,
    keys: Vec<KeyView<'a>>,
    missing: Option<u64>,
    receipt_rows: u64,
    repaired: bool,
    source_rows: Option<u64>,
    table: &'a str,
    target_only: Option<u64>,
    target_rows: u64,
    why: &'a [&'static str],
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KeyView<'a> {
    /// The value of each key column, by its name.
    key: BTreeMap<&'a str, &'a str>,
    what: &'static str,
}

impl View<'_> {
    fn of(reconciled: &Reconciled) -> View<'_> {
        let tables = reconciled.tables.iter().map(|table| TableView {
            chunks: table.chunks,
            name: &table.name,
            rows: table.rows,
            state: table.state.as_str(),
        });
        let account = Account::total(&reconciled.accounts);
        View {
            account: (account.queries > 0).then(|| AccountView::of(&account)),
            chunks: reconciled.chunks,
            chunks_before: reconciled.chunks_before,
            chunks_before_since: reconciled.since,
            differing: reconciled.findings.iter().map(FindingView::of).collect(),
            exit_code: reconciled.exit() as u8,
            left_out: &reconciled.left_out,
            rows: reconciled.rows,
            stopped: reconciled.stopped,
            tables: tables.collect(),
            totals: TotalsView {
                chunks: reconciled.chunks + reconciled.chunks_before,
                differing: reconciled
                    .findings
                    .iter()
                    .filter(|finding| !finding.repaired)
                    .count() as u64,
                rows: reconciled.rows,
                tables: reconciled.tables_compared(),
            },
        }
    }
}

impl FindingView<'_> {
    fn of(finding: &Finding) -> FindingView<'_> {
        let difference = &finding.difference;
        let keys = difference.keys.iter().map(|key| KeyView {
            key: key
                .columns
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            what: key.what,
        });
        FindingView {
            changed: difference.rows.map(|counts| counts.changed),
            chunk: finding.ordinal,
            keys: keys.collect(),
            missing: difference.rows.map(|counts| counts.missing),
            receipt_rows: difference.receipt_rows,
            repaired: finding.repaired,
            source_rows: difference.source_rows,
            table: &finding.table,
            target_only: difference.rows.map(|counts| counts.target_only),
            target_rows: difference.target_rows,
            why: &difference.why,
            window: finding.window.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::window::Window;
    use crate::reconcile::TableCompared;
    use crate::reconcile::compare::{Difference, RowCounts, RowKey};

    fn finding() -> Finding {
        let key = RowKey {
            what: "changed",
            columns: vec![
                ("NO".to_owned(), "7".to_owned()),
                ("LINE".to_owned(), "1".to_owned()),
            ],
        };
        Finding {
            table: "SALES".to_owned(),
            window: Window::new("2025-10-01".parse().unwrap(), "2025-11-01".parse().unwrap()).unwrap(),
            ordinal: Some(3),
            about: About::Chunk,
            difference: Difference {
                receipt_rows: 10,
                target_rows: 9,
                source_rows: None,
                source: None,
                why: vec!["other rows"],
                rows: Some(RowCounts {
                    changed: 1,
                    missing: 1,
                    target_only: 0,
                }),
                keys: vec![key],
            },
            load_id: Some(9),
            repaired: false,
        }
    }

    #[test]
    fn a_key_controls_no_terminal() {
        let mut finding = finding();
        finding.difference.keys[0].columns[0].1 = "7\u{1b}[2J\u{202e}".to_owned();
        let text = named(&[finding], &Screen::none());
        assert!(text.contains("NO 7\u{fffd}[2J\u{fffd}, LINE 1"), "{text:?}");
    }

    #[test]
    fn what_was_found_as_json() {
        let reconciled = Reconciled {
            tables: vec![TableCompared {
                name: "SALES".to_owned(),
                state: TableState::Differing,
                chunks: 4,
                rows: 40,
            }],
            chunks: 4,
            rows: 40,
            findings: vec![finding()],
            left_out: vec!["left".to_owned()],
            ..Reconciled::default()
        };
        insta::assert_snapshot!(json(&View::of(&reconciled)), @r#"
        {
          "schema_version": 1,
          "account": null,
          "chunks": 4,
          "chunks_before": 0,
          "chunks_before_since": null,
          "differing": [
            {
              "changed": 1,
              "chunk": 3,
              "keys": [
                {
                  "key": {
                    "LINE": "1",
                    "NO": "7"
                  },
                  "what": "changed"
                }
              ],
              "missing": 1,
              "receipt_rows": 10,
              "repaired": false,
              "source_rows": null,
              "table": "SALES",
              "target_only": 0,
              "target_rows": 9,
              "why": [
                "other rows"
              ],
              "window": "2025-10"
            }
          ],
          "exit_code": 3,
          "left_out": [
            "left"
          ],
          "rows": 40,
          "stopped": false,
          "tables": [
            {
              "chunks": 4,
              "name": "SALES",
              "rows": 40,
              "state": "differing"
            }
          ],
          "totals": {
            "chunks": 4,
            "differing": 1,
            "rows": 40,
            "tables": 1
          }
        }
        "#);
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("reconcile");
    }
}
