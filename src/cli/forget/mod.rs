//! `sync forget` drops receipts and checkpoints of a table, so that the next run loads it again.
//!
//! It looks first, and says what it would drop: a person is asked, a script is not.

mod subject;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use chrono::{Months, NaiveDate};
use clap::Args;

use super::embedded::Embedded;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::stop::StopSignal;
use crate::checkpoint::{Reader, Store, Tombstone, View};
use crate::cli::context::{Context, json, result};
use crate::cli::shared::{host, month, open_store, table};
use crate::config::Config;
use crate::model::table::{Identifier, TableName};
use crate::model::window::Window;
use crate::mssql::Session;
use crate::pipeline::forget::{self, Finish};
use crate::pipeline::retrier::Retrier;
use crate::preflight::left_forgetting;
use crate::progress::Silent;
use crate::target::lease::{self, Holder};
use crate::target::migrate;
use crate::target::receipt::{self, Incarnation};
use subject::{Amount, Outcome, Span, Subject, ToForget};
use view::ForgetView;

/// Arguments of `sync forget`.
#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The table, by its name in the configuration
    #[arg(long, visible_alias = "tables", value_name = "NAME", value_parser = table)]
    table: Identifier,
    /// Only the windows of this month
    #[arg(long, value_name = "YYYY-MM", value_parser = month, conflicts_with_all = ["from", "to"])]
    month: Option<NaiveDate>,
    /// Only the windows of this month and later ones
    #[arg(long, value_name = "YYYY-MM", value_parser = month, requires = "to")]
    from: Option<NaiveDate>,
    /// Only the windows of this month and earlier ones
    #[arg(long, value_name = "YYYY-MM", value_parser = month, requires = "from")]
    to: Option<NaiveDate>,
    /// Say what would be forgotten, and forget nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; a command whose input is no terminal never asks
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: ForgetArgs) -> Result<ExitCode> {
    let mut config = context.begin()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let ended = forget(context, &config, &args).await;
    embedded.stop().await;
    ended
}

async fn forget(context: &Context, config: &Config, args: &ForgetArgs) -> Result<ExitCode> {
    let months = args.months()?;
    // Nobody else changes what is loaded between what is told and what is dropped.
    let (store, reader) = match args.dry_run {
        true => (None, Reader::open(&context.state_of(&config.path))?),
        false => (Some(open_store(context, config)?), None),
    };
    let found = {
        let view = match (&store, &reader) {
            (Some(store), _) => Some(store.view()?),
            (None, reader) => reader.as_ref().map(Reader::view).transpose()?,
        };
        let subject = Subject::of(config, view.as_ref(), &args.table, months.is_some())?;
        look(config, view.as_ref(), subject, months).await?
    };
    let asked = !args.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let outcome = match store {
        None => Outcome::WouldForget,
        Some(_) if asked && !found.is_empty() && !confirmed(&found.question())? => Outcome::Kept,
        Some(store) => {
            drop_all(context, config, store, &found).await?;
            Outcome::Forgotten
        }
    };
    result(&match args.json {
        true => json(&ForgetView::of(&found, outcome)),
        false => found.text(outcome, &context.screen),
    })?;
    Ok(match outcome {
        Outcome::Kept => ExitCode::Incomplete,
        Outcome::WouldForget | Outcome::Forgotten => ExitCode::Done,
    })
}

impl ForgetArgs {
    fn months(&self) -> Result<Option<Span>> {
        let (first, last) = match (self.month, self.from, self.to) {
            (Some(month), _, _) => (month, month),
            (None, Some(from), Some(to)) => (from, to),
            (None, _, _) => return Ok(None),
        };
        let end = last.checked_add_months(Months::new(1)).filter(|_| first <= last);
        end.map(|end| Some((first, end))).ok_or_else(|| {
            let text = format!(
                "--from {} is after --to {}; both are included, swap them",
                first.format("%Y-%m"),
                last.format("%Y-%m")
            );
            Error::new(ErrorKind::Usage, text)
        })
    }
}

/// Looks at what is loaded, by the target's receipts and by the state file.
async fn look(
    config: &Config,
    view: Option<&View<'_>>,
    subject: Subject,
    months: Option<Span>,
) -> Result<ToForget> {
    let mut loaded = BTreeMap::new();
    if let Some(view) = view {
        for record in view.windows(&subject.name)? {
            let counts = view.counts(&subject.name, record.window)?;
            if counts.remembered() > 0 {
                let (chunks, rows) = (counts.chunks, counts.rows);
                loaded.insert(record.window, Amount { chunks, rows });
            }
        }
    }
    let mut session = lease::open_to_look(&config.target.endpoint, &config.run.timeouts).await?;
    let mut is_readable = true;
    for target in &subject.targets {
        let target = TableName::parse(target)?;
        match receipts(&mut session, &target).await {
            Ok(receipts) => loaded.extend(receipts),
            // Receipts that hands have changed are what a `forget` may be for.
            Err(error) if error.kind() == ErrorKind::State => is_readable = false,
            Err(error) => return Err(lease::with_holder(&mut session, &target, error).await),
        }
    }
    let is_pending = match view {
        Some(view) => view.tombstones()?.iter().any(|other| other.table == subject.name),
        None => false,
    };
    let windows: BTreeMap<Window, Amount> = loaded
        .iter()
        .filter(|(window, _)| months.is_none_or(|months| is_within(**window, months)))
        .map(|(window, amount)| (*window, *amount))
        .collect();
    let found = ToForget {
        subject,
        months,
        windows,
    };
    if months.is_some() && found.windows.is_empty() && is_readable && !is_pending {
        return Err(found.never_loaded(loaded.into_keys().collect()));
    }
    Ok(found)
}

fn is_within(window: Window, (first, end): Span) -> bool {
    window
        .days()
        .is_some_and(|days| first <= days.start() && days.start() < end)
}

/// The windows of a target that have receipts; none if it has no schema [sync].
async fn receipts(session: &mut Session, target: &TableName) -> Result<BTreeMap<Window, Amount>> {
    if migrate::version(session).await? == 0 {
        return Ok(BTreeMap::new());
    }
    // It does not matter whether the rows are in the table that is there now.
    let any = Incarnation {
        object_id: 0,
        created: String::new(),
    };
    let sums = receipt::sums(session, target, &any).await?.into_iter();
    Ok(sums
        .map(|(window, sums)| {
            let (chunks, rows) = (sums.chunks, sums.rows);
            (window, Amount { chunks, rows })
        })
        .collect())
}

/// Asks on the terminal; anything but a yes is a no.
fn confirmed(question: &str) -> Result<bool> {
    let mut answer = String::new();
    let mut ask = || {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        std::io::stdin().lock().read_line(&mut answer)
    };
    ask().map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            "Cannot ask on the terminal; give --yes to forget without a question",
        )
        .with_source(error)
    })?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// The warning that an interrupted `forget` of another database gives way to the same one of this.
fn given_up(earlier: &Tombstone) -> String {
    let there = earlier.database.as_ref();
    let (server, name) = there.map_or(("", ""), |there| (there.server.as_str(), there.name.as_str()));
    format!(
        "Table {}: an interrupted forget in database {name} on server {server} is given up; its receipts there stay, so \
         forget it there too before that database is the target again",
        earlier.table
    )
}

/// Drops the receipts and checkpoints.
async fn drop_all(context: &Context, config: &Config, store: Arc<Store>, found: &ToForget) -> Result<()> {
    let retrier = Retrier {
        clock: context.clock.clone(),
        stop: StopSignal::new(),
        store,
        progress: Arc::new(Silent),
        outage_max: config.run.outage_max,
        meter: Arc::default(),
        broke: Arc::default(),
    };
    let holder = Holder {
        run_id: context.clock.random(),
        host: host(),
        process_id: std::process::id(),
    };
    let mut session = Session::open(&config.target.endpoint, None, &config.run.timeouts).await?;
    let tombstones = found.tombstones();
    // An interrupted earlier `forget` is finished first.
    for earlier in retrier.store.view()?.tombstones()? {
        let is_concerned = earlier.table == found.subject.name;
        let is_same = |one: &Tombstone| one.table == earlier.table && one.month == earlier.month;
        let text = match forget::finish(&mut session, &retrier, &holder, &earlier, is_concerned).await? {
            Finish::Finished => continue,
            Finish::Busy => left_forgetting(&earlier.table),
            Finish::Elsewhere(_) if tombstones.iter().any(is_same) => given_up(&earlier),
            Finish::Elsewhere(text) => text,
        };
        context.voice.say(&format!("warning: {text}"));
    }
    forget::forget(&mut session, &retrier, &holder, &tombstones).await?;
    Ok(())
}
