//! The rounds in which one command compares a table.
//!
//! Windows are compared one after another, so a row that moves meanwhile may come from a window that was compared already, or go
//! to one. If the unique key holds the date, nothing else tells of such a row: its new place takes it as another row, and its old
//! one lets it go. So a repair that brought keys or took some leaves a doubt, and the table is compared once more, until a round
//! moves no row. A doubt that is left after the last round is told, and if a row may be missing, the command does not end well.

use crate::base::error::{Error, ErrorKind, Result};
use crate::checkpoint::Change;
use crate::config::TableConfig;
use crate::pipeline::retrier::Place;
use crate::preflight::context::RunContext;
use crate::reconcile::finding::{Finding, ReconcileOptions, Reconciled, TableCompared, TableState};
use crate::reconcile::round::{Doubt, Round};
use crate::reconcile::table;

/// The most rounds of a table in one command, each of which reads the table at the source. A row that moved meanwhile leaves in
/// the first and comes in the second, and the third shows that all rows are there.
const ROUNDS_MAX: usize = 3;
/// The same where no row may be missing. One that came in the first and was there before leaves in the second. Every late row
/// comes, so that where they keep coming a third would show no more.
const ROUNDS_OF_COMING_MAX: usize = 2;

/// Compares a table in rounds, and repeats an attempt when a connection breaks outside of its windows.
pub(super) async fn reconcile_table(
    run: &RunContext<'_>,
    table: &TableConfig,
    options: &ReconcileOptions,
    pass: u128,
    done: &mut Reconciled,
) -> Result<()> {
    let name = table.name.as_str();
    let mut attempts = run.retrier.attempts();
    let mut round = Round::default();
    // The findings of the rounds before, all of which are repaired.
    let mut findings = Vec::new();
    loop {
        let mut this = Reconciled::default();
        let ended = table::try_reconcile(run, table, (options, pass), &mut round, &mut this).await;
        round.chunks += this.chunks;
        round.rows += this.rows;
        let error = match ended {
            Ok(doubt) => {
                run.retrier.succeeded(&attempts)?;
                if let Some(doubt) = &doubt
                    && goes_again(run, &round, doubt)
                {
                    again(run, name, doubt)?;
                    findings.append(&mut this.findings);
                    (attempts, round) = (run.retrier.attempts(), round.next());
                    continue;
                }
                match doubt.filter(|_| !run.is_stopped()) {
                    Some(doubt) if doubt.is_of_loss => this.left_out.push(told(name, &doubt)),
                    Some(doubt) => run.warn(&told(name, &doubt)),
                    None => {}
                }
                findings.append(&mut this.findings);
                this.findings = findings;
                end(run, name, &round, this, done);
                return Ok(());
            }
            Err(error) => error.within_once(format!("Table {name}")),
        };
        round.same += this.chunks - this.differing();
        let Err(error) = run.retrier.wait(&mut attempts, error, Place::of(name)).await else {
            continue;
        };
        if error.kind() != ErrorKind::Stopped {
            findings.append(&mut this.findings);
        }
        fail(run, name, error, (&round, findings), done)?;
        return Ok(());
    }
}

fn goes_again(run: &RunContext<'_>, round: &Round, doubt: &Doubt) -> bool {
    let most = match doubt.is_of_loss {
        true => ROUNDS_MAX,
        false => ROUNDS_OF_COMING_MAX,
    };
    doubt.may_end && !run.is_stopped() && round.number + 1 < most
}

/// Prepares another round: what earlier ones found of the chunks does not count for it.
fn again(run: &RunContext<'_>, name: &str, doubt: &Doubt) -> Result<()> {
    run.note(&format!("Table {name}: {doubt}; it is compared again"));
    run.retrier.store.commit(&[Change::Unchecked {
        table: name.to_owned(),
    }])
}

/// What there is to do about a doubt that is left.
fn told(name: &str, doubt: &Doubt) -> String {
    format!(
        "Table {name}: {doubt}; run `sync reconcile --source --repair --tables {name}`, which compares all of it again"
    )
}

/// Adds a table that was compared.
fn end(run: &RunContext<'_>, name: &str, round: &Round, mut this: Reconciled, done: &mut Reconciled) {
    let before = round.before(&this);
    // A table that the stop came before is not known.
    if !(run.is_stopped() && this.is_empty()) {
        done.tables.push(compared(name, this.state(), round, before));
    }
    done.chunks += round.chunks;
    done.rows += round.rows;
    done.chunks_before += before;
    done.findings.append(&mut this.findings);
    done.left_out.append(&mut this.left_out);
}

/// Adds a table that could not be compared, unless the error ends the command.
fn fail(
    run: &RunContext<'_>,
    name: &str,
    error: Error,
    (round, mut findings): (&Round, Vec<Finding>),
    done: &mut Reconciled,
) -> Result<()> {
    let kind = error.kind();
    done.chunks += round.chunks;
    done.rows += round.rows;
    done.findings.append(&mut findings);
    if kind == ErrorKind::Stopped {
        return Ok(());
    }
    if kind.ends_the_run() {
        return Err(error);
    }
    run.warn(&error.chain());
    done.left_out.push(error.chain());
    done.tables.push(compared(name, TableState::LeftOut, round, 0));
    done.has_changed |= kind == ErrorKind::Plan;
    Ok(())
}

fn compared(name: &str, state: TableState, round: &Round, before: u64) -> TableCompared {
    TableCompared {
        name: name.to_owned(),
        state,
        chunks: round.chunks + before,
        rows: round.rows,
    }
}
