//! Gathers the facts of a report: from the state file, and from both servers unless it is told not to.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta};

use super::asked::{Asked, of};
use super::discreet::Discreet;
use super::facts::{Counted, End, Made, Months, Receipts, Report, Servers, TableFacts, WindowFacts};
use super::left_out::left_out;
use crate::base::error::{Error, ErrorKind, Result};
use crate::checkpoint::{Pass, Reader, View};
use crate::cli::context::Context;
use crate::cli::counts;
use crate::cli::shared::host;
use crate::config::{Config, Mode, TableConfig};
use crate::model::account::Account;
use crate::model::row::Tally;
use crate::model::window::{DateRange, Window, missing};
use crate::mssql::{Endpoint, catalog};
use crate::status::{
    Condition, Kept, PassStatus, Status, TableStatus, WindowDifferences, complete, kept_with_view, runs,
};
use crate::target::receipt::{self, Incarnation, Sums};
use crate::target::{lease, migrate, row_count};

/// The runs that are told. An account is kept of as many.
const RUNS_MAX: usize = 100;

/// An end by its names. An embedded one has no address that a reader could know.
pub(super) fn end(endpoint: &Endpoint, is_embedded: bool, schema: &str) -> End {
    End {
        server: match is_embedded {
            true => "embedded".to_owned(),
            false => endpoint.address(),
        },
        database: endpoint.database.clone(),
        schema: schema.to_owned(),
    }
}

/// Gathers the facts. A server that does not answer is a fact, too.
///
/// # Errors
/// `Usage` if there is no state file, or if no table has a window in a month that is asked for; `State` if the file is damaged.
pub(super) async fn gather(
    context: &Context,
    config: &Config,
    ends: (End, End),
    asked: Asked<'_>,
) -> Result<Report> {
    let path = context.state_of(&config.path);
    let Some(reader) = Reader::open(&path)? else {
        let text = format!(
            "There is no state file {}, so there is nothing to report; `sync run` makes it, and `sync rebuild` from \
             what the target proves",
            path.display()
        );
        return Err(Error::new(ErrorKind::Usage, text));
    };
    // What is read of windows besides is of the same commit, though a run goes on.
    let (mut status, view) = kept_with_view(&reader, Some(config))?;
    complete(&mut status, &path, Some(config), &context.clock).await;
    let discreet = Discreet::of(config);
    discreet.clean(&mut status);
    refuse_unknown(&status, &asked)?;
    let now = context.clock.now();
    let wall = config.source.wall;
    let settled = now.with_timezone(&wall.zone()).naive_local()
        - TimeDelta::minutes(i64::from(config.run.settle_minutes));
    let mut tables = Vec::new();
    for table in &asked.tables {
        tables.push(facts_of(config, &view, &status, table, &asked.months, settled)?);
    }
    let servers = match asked.is_offline {
        true => Servers::NotAsked,
        false => match ask(config, &view, &asked, &mut tables, &discreet).await {
            Ok(()) => Servers::Asked,
            Err(error) if error.kind() == ErrorKind::State => return Err(error),
            Err(error) => Servers::Away {
                error: discreet.text(&error.chain()),
                code: error.kind().exit_code(),
            },
        },
    };
    if status.running().is_some() {
        // The transaction of a load has taken rows out that it brings back.
        tables.iter_mut().for_each(|table| table.fewer = None);
    }
    let is_of_some = asked.tables.len() < config.tables.len();
    Ok(Report {
        made: Made {
            at: now,
            version: env!("CARGO_PKG_VERSION"),
            host: host(),
            wall,
            during_a_run: status.running().is_some(),
        },
        source: ends.0,
        target: ends.1,
        runs: runs_of(&reader, &asked, &discreet)?,
        passes: passes_of(&status, &asked),
        accounts: accounts_of(&view, &asked)?,
        left_out: left_out(config, &status, &asked, is_of_some),
        months: asked.months,
        is_of_some,
        tables,
        servers,
    })
}

/// Refuses a month of which none of the tables has anything.
fn refuse_unknown(status: &Status, asked: &Asked<'_>) -> Result<()> {
    for range in asked.months.ranges() {
        let known = asked
            .tables
            .iter()
            .filter_map(|table| of(status, table))
            .any(|table| {
                let mut windows = table.windows.iter();
                windows.any(|window| window.window.days().is_some() && window.window.is_asked(range))
                    || table.forgotten.iter().any(|month| range.has(*month))
            });
        if !known {
            let month = range.start.format("%Y-%m");
            let text = format!(
                "--month {month}: none of the tables asked for has a window in it; `sync status` shows the months that \
                 are loaded, and `sync run` loads others"
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
    }
    Ok(())
}

fn facts_of(
    config: &Config,
    view: &View<'_>,
    status: &Status,
    table: &TableConfig,
    months: &Months,
    settled: NaiveDateTime,
) -> Result<TableFacts> {
    let mut facts = TableFacts {
        name: table.name.as_str().to_owned(),
        mode: table.mode.to_string(),
        source: config.source_table(table).to_string(),
        target: config.target_table(table).to_string(),
        ..TableFacts::default()
    };
    let Some(of) = of(status, table) else {
        return Ok(facts);
    };
    facts.is_dated = of.is_dated;
    facts.unfollowed = of.unfollowed;
    let refused = of
        .refused
        .as_ref()
        .filter(|refused| !of.is_dated || months.has_some_of(refused.range()));
    facts.refused = refused.map(|refused| refused.error.clone());
    let mut forgetting = status.forgetting.iter().filter(|one| one.table == of.name);
    facts.is_being_forgotten = forgetting.any(|one| {
        let is_asked = |(start, end)| months.has_some_of(DateRange { start, end });
        one.days().is_none_or(is_asked)
    });
    for window in of.windows.iter().filter(|window| months.has(window.window)) {
        let is_named = !months.is_all() && window.window.is_dated();
        facts.windows.push(WindowFacts {
            window: window.window,
            state: window.state,
            error: window.error.clone(),
            chunks: window.counts.verified,
            tally: view.tally(&of.name, window.window)?,
            counted: None,
            receipts: None,
            must_be_complete: window.state != Condition::Open
                || is_named
                || window.window.has_passed(settled),
        });
    }
    let gaps = not_loaded(status, of, months)?.into_iter();
    facts.windows.extend(gaps.map(|window| WindowFacts {
        window,
        // In the first hour of a month, none of its rows is old enough to be read.
        state: match window.has_begun(settled) {
            true => status.of_not_loaded(of, window),
            false => Condition::Open,
        },
        error: None,
        chunks: 0,
        tally: Tally::default(),
        counted: None,
        receipts: None,
        must_be_complete: !months.is_all() || window.has_begun(settled),
    }));
    facts.windows.sort_by_key(|window| window.window);
    Ok(facts)
}

/// The days that no window covers: of the months that are asked for, or else between those of the table.
fn not_loaded(status: &Status, table: &TableStatus, months: &Months) -> Result<Vec<Window>> {
    if !table.is_dated {
        let is_known = !table.windows.is_empty();
        return Ok(if is_known { Vec::new() } else { vec![Window::All] });
    }
    if months.is_all() {
        return Ok(status.not_loaded(table));
    }
    let covered: Vec<Window> = table.windows.iter().map(|window| window.window).collect();
    let mut gaps = Vec::new();
    for range in months.ranges() {
        gaps.extend(missing(range, &covered)?);
    }
    Ok(gaps)
}

/// Asks both servers for the counts of complete windows, and the target for the sums of its receipts.
async fn ask(
    config: &Config,
    view: &View<'_>,
    asked: &Asked<'_>,
    tables: &mut [TableFacts],
    discreet: &Discreet,
) -> Result<()> {
    let counted = counts::of_windows(config, view, &asked.tables, |window| asked.months.has(window)).await?;
    let both = |rows: counts::Rows| {
        let source = rows.source()?;
        let target = rows.target().unwrap_or(0);
        Some(Counted { source, target })
    };
    for (table, count) in tables.iter_mut().zip(&counted.counts) {
        table.counted = both(count.rows);
        let errors = counted.errors.iter().find(|(name, _)| *name == count.table);
        table.count_error =
            errors.map(|(_, error)| (discreet.text(&error.chain()), error.kind().exit_code()));
        let by_window: BTreeMap<Window, counts::Rows> = count.windows.iter().copied().collect();
        let is_unfinished = |window: Window| {
            let mut unfinished = counted.unfinished.iter();
            unfinished.any(|(name, of, _)| (name, *of) == (&count.table, window))
        };
        for window in &mut table.windows {
            window.counted = by_window.get(&window.window).and_then(|rows| both(*rows));
            // By the source's clock, which knows better.
            window.must_be_complete |= is_unfinished(window.window);
        }
    }
    let mut session = lease::open_to_look(&config.target.endpoint, &config.run.timeouts).await?;
    let has_receipts = migrate::version(&mut session).await? > 0;
    for (table, facts) in asked.tables.iter().zip(tables) {
        let name = config.target_table(table);
        let there = catalog::describe(&mut session, &name).await?;
        let there = there.as_ref().map(Incarnation::of);
        let (sums, kept) = match (&there, has_receipts) {
            (Some(there), true) => (
                receipt::sums(&mut session, &name, there).await?,
                row_count::kept(&mut session, there).await?,
            ),
            // Without the table or the receipts, there is no proof of anything.
            _ => (BTreeMap::new(), None),
        };
        let proven: u64 = sums.values().map(|sums| sums.rows).sum();
        // A month has a part of the table's rows alone.
        let kept = kept.filter(|kept| asked.months.is_all() && *kept < proven);
        facts.fewer = kept.map(|kept| (kept, proven));
        let is_proven = |window: &&mut WindowFacts| window.is_complete() || window.state == Condition::Open;
        for window in facts.windows.iter_mut().filter(is_proven) {
            // A month that has just begun has no chunk yet, and no receipt.
            let sums = sums.get(&window.window).copied().unwrap_or_default();
            let marks = view.marks(&facts.name, window.window)?;
            window.receipts = Some(Receipts {
                rows: sums.rows,
                agree: agree(&sums, window, marks),
            });
        }
    }
    Ok(())
}

/// Whether receipts are those that the state file has the chunks of, and their rows in the table that now has the name.
fn agree(sums: &Sums, window: &WindowFacts, marks: i64) -> bool {
    let own = (
        window.chunks,
        window.chunks,
        window.chunks,
        window.tally.row_count,
        window.tally.byte_count,
        marks,
    );
    (
        sums.chunks,
        sums.verified,
        sums.here,
        sums.rows,
        sums.bytes,
        sums.marks,
    ) == own
}

/// The last runs whose dates and tables are asked for. One of which nothing is kept may have come to any table.
fn runs_of(reader: &Reader, asked: &Asked<'_>, discreet: &Discreet) -> Result<Vec<Kept>> {
    let mut runs = runs(reader, RUNS_MAX)?;
    runs.retain(|run| {
        let of_tables = || run.accounts.iter().filter(|account| !account.table.is_empty());
        let came_to = |of: &TableConfig| of_tables().any(|account| of.name.same_as(&account.table));
        let is_of_months = asked.months.has_some_of(run.record.range);
        // A reference table is loaded whole, whatever the dates of the run.
        let mut tables = asked
            .tables
            .iter()
            .filter(|of| is_of_months || of.mode == Mode::Full);
        is_of_months && of_tables().next().is_none() || tables.any(|of| came_to(of))
    });
    for run in &mut runs {
        run.record.error = run.record.error.as_deref().map(|error| discreet.text(error));
    }
    Ok(runs)
}

fn is_asked(asked: &Asked<'_>, table: &str) -> bool {
    asked.tables.iter().any(|of| of.name.same_as(table))
}

/// The passes that compared some of what is asked for, the latest first, each with what it found of that.
fn passes_of(status: &Status, asked: &Asked<'_>) -> Vec<PassStatus> {
    let is_of_some = |pass: &Pass| {
        let tables = pass.scope.tables.as_ref();
        tables.is_none_or(|tables| tables.iter().any(|table| is_asked(asked, table)))
            && pass
                .scope
                .range
                .is_none_or(|range| asked.months.has_some_of(range))
    };
    let passes = status.passes.iter().rev().filter(|of| is_of_some(&of.pass));
    let within = |found: &WindowDifferences| is_asked(asked, &found.table) && asked.months.has(found.window);
    passes
        .map(|of| PassStatus {
            pass: of.pass.clone(),
            found: of.found.iter().filter(|found| within(found)).cloned().collect(),
        })
        .collect()
}

fn accounts_of(view: &View<'_>, asked: &Asked<'_>) -> Result<Vec<Account>> {
    let mut accounts = view.account_sums()?;
    accounts.retain(|account| account.table.is_empty() || is_asked(asked, &account.table));
    Ok(accounts)
}
