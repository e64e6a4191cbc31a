//! The facts that metrics are made of: those of the status, and the sums that the state file keeps beside them.

use chrono::{DateTime, Utc};

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::checkpoint::{RunRecord, View};
use crate::model::account::Account;
use crate::model::pace::Cause;
use crate::model::stages::{StageTimes, Stages};
use crate::status::{Condition, Status, TableStatus};

/// What the metrics of a state file say.
pub(super) struct Facts {
    pub(super) tables: Vec<TableFacts>,
    /// What was asked of the source for all tables, those included that are known no more.
    pub(super) asked: Account,
    /// What was asked of it for no table.
    pub(super) asked_for_none: Account,
    pub(super) stages: Vec<(&'static str, StageTimes)>,
    pub(super) is_going: bool,
    /// Whether the last run neither goes nor has ended: it was killed.
    pub(super) is_interrupted: bool,
    pub(super) connections: usize,
    /// What reads wait for now.
    pub(super) held: Vec<Cause>,
    pub(super) last_success: Option<DateTime<Utc>>,
    pub(super) last_exit_code: Option<u8>,
}

/// What they say of a table.
pub(super) struct TableFacts {
    pub(super) name: String,
    pub(super) asked: Account,
    pub(super) mismatches: u64,
    /// Differences that comparisons found and that nobody has put right since.
    pub(super) unrepaired: u64,
    pub(super) rows_verified: u64,
    pub(super) is_refused: bool,
    /// For each condition, the windows that stand so.
    pub(super) windows: [u64; Condition::ALL.len()],
    /// Days within the table's dates that no window has.
    pub(super) dates_not_loaded: u64,
    /// For each state, the chunks.
    pub(super) chunks: [(&'static str, u64); 5],
}

impl Facts {
    pub(super) fn read(view: &View<'_>, status: Status) -> Result<Facts> {
        let sums = view.account_sums()?;
        let asked_for = |table: &str| {
            // A server need not tell names by their case.
            let same = |sum: &&Account| sum.table.to_lowercase() == table.to_lowercase();
            Account::total(sums.iter().filter(same))
        };
        let mut tables = Vec::new();
        for table in &status.tables {
            tables.push(TableFacts {
                mismatches: view.mismatches(&table.name)?,
                ..TableFacts::of(&status, table, asked_for(&table.name))
            });
        }
        let mut stages = Vec::new();
        for (name, _) in Stages::default().named() {
            stages.push((name, view.stage_times(name)?));
        }
        let ended = view.last_run_that(|run| run.exit_code.is_some())?;
        let succeeded = view.last_run_that(is_success)?;
        let run = status.run.as_ref();
        Ok(Facts {
            tables,
            asked: Account::total(&sums),
            asked_for_none: asked_for(""),
            stages,
            is_going: status.running().is_some(),
            is_interrupted: run.is_some_and(|run| !run.running && run.record.ended_at.is_none()),
            connections: status.figures.as_ref().map_or(0, |figures| figures.connections),
            held: held(&status),
            last_success: succeeded.and_then(|run| run.ended_at),
            last_exit_code: ended.and_then(|run| run.exit_code),
        })
    }
}

impl TableFacts {
    fn of(status: &Status, table: &TableStatus, asked: Account) -> TableFacts {
        let not_loaded = status.not_loaded(table);
        let counts = table.counts();
        let conditions = table.windows.iter().map(|window| window.state);
        let conditions = conditions.chain(
            not_loaded
                .iter()
                .map(|window| status.of_not_loaded(table, *window)),
        );
        let mut windows = [0; Condition::ALL.len()];
        for condition in conditions {
            for (of, count) in Condition::ALL.into_iter().zip(&mut windows) {
                *count += u64::from(of == condition);
            }
        }
        let days = not_loaded.iter().filter_map(|window| window.days());
        let days = days.map(|days| (days.end() - days.start()).num_days());
        let told = counts.remembered();
        TableFacts {
            name: table.name.clone(),
            asked,
            mismatches: 0,
            unrepaired: table.differing.iter().map(|differing| differing.count).sum(),
            rows_verified: counts.rows,
            is_refused: table.refused.is_some(),
            windows,
            dates_not_loaded: days.map(|days| u64::try_from(days).unwrap_or(0)).sum(),
            chunks: [
                ("verified", counts.verified),
                ("stale", counts.stale),
                ("failed", counts.failed),
                ("mismatched", counts.mismatched),
                ("planned", counts.chunks.saturating_sub(told)),
            ],
        }
    }
}

fn is_success(run: &RunRecord) -> bool {
    run.exit_code == Some(ExitCode::Done as u8)
}

/// What reads wait for: a hold of all reads, and an outage that a run waits out.
fn held(status: &Status) -> Vec<Cause> {
    let waits = status.running().is_some_and(|run| run.waiting.is_some());
    let outage = waits.then_some(Cause::Outage);
    status
        .held()
        .map(|hold| hold.cause)
        .into_iter()
        .chain(outage)
        .collect()
}
