//! Where rows went that are no longer under the days that the target has them under: a corrected date may have put
//! them into a window that is not compared any more, and loading their old day again would take them out for good.
//!
//! So before their old day is loaded again, their keys are looked up at the source, and the chunks of the days that
//! they are under now become stale as well. Only days that differ are looked at: their keys are read at both ends,
//! and each key that only the target has is one seek in the source's unique index.

use std::collections::{BTreeSet, HashSet};

use chrono::NaiveDate;

use crate::chunk::KeyRange;
use crate::error::Result;
use crate::mssql::{Flow, Guard, Session, predicate, read_expression, unproven};
use crate::plan::TablePlan;
use crate::predicate::{Bounds, Extent, Where, date_of, midnight};
use crate::row::{Value, Values};
use crate::table::Column;
use crate::target::Target;
use crate::window::Window;

/// Keys that are looked up of one window: more were hardly corrected by hand.
pub const KEYS_MAX: usize = 5_000;

/// Keys of one statement, whose parameters a server limits to 2,100.
const KEYS_AT_ONCE: usize = 50;

/// What is looked for.
#[derive(Debug)]
pub struct Following<'a> {
    /// The plan.
    pub plan: &'a TablePlan,
    /// Its target.
    pub target: &'a Target,
    /// The proof that each statement at the source carries.
    pub guard: &'a Guard,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Days that rows are under now; `None` for rows without a date.
    pub days: BTreeSet<Option<NaiveDate>>,
    /// Whether there were more rows than are looked up.
    pub too_many: bool,
}

impl Following<'_> {
    /// Looks up the rows that the target has under `days` of a window, within `range`, and the source does not.
    ///
    /// # Errors
    /// `WrongServer` when the source does not prove to be the one that may be read; what the sessions return.
    pub async fn run(
        &self,
        source: &mut Session,
        target: &mut Session,
        window: Window,
        range: &KeyRange,
        days: &[Option<NaiveDate>],
    ) -> Result<Followed> {
        let mut gone = HashSet::new();
        let mut followed = Followed::default();
        for day in days {
            let Some(extent) = extent(window, *day) else {
                continue;
            };
            let mut keys = self.keys(target, None, extent, range).await?;
            if keys.is_empty() {
                continue;
            }
            for key in self.keys(source, Some(self.guard), extent, range).await? {
                keys.remove(&key);
            }
            gone.extend(keys);
            if gone.len() > KEYS_MAX {
                followed.too_many = true;
                return Ok(followed);
            }
        }
        let gone: Vec<Vec<u8>> = gone.into_iter().collect();
        for keys in gone.chunks(KEYS_AT_ONCE) {
            self.look_up(source, keys, &mut followed.days).await?;
        }
        Ok(followed)
    }

    /// The unique keys of an extent at one end, as canonical bytes.
    async fn keys(
        &self,
        session: &mut Session,
        guard: Option<&Guard>,
        extent: Extent,
        range: &KeyRange,
    ) -> Result<HashSet<Vec<u8>>> {
        let plan = self.plan;
        let (proof, names) = guard.map(|guard| predicate(guard, 1)).unwrap_or_default();
        let mut clause = Where::after_params(names.iter().map(|name| Value::Text(name)).collect());
        let own = |position: usize| match guard {
            Some(_) => &plan.columns()[position],
            None => &self.target.columns[position],
        };
        clause.extent(plan.key.date.map(own), extent);
        if let Some(through) = &range.through {
            let order = match guard {
                Some(_) => plan.key_columns(extent.kind()),
                None => self.target.key_columns(plan, extent.kind()),
            };
            clause.through(&order, through)?;
        }
        let (filter, params) = clause.finish();
        let select: Vec<String> = plan
            .key
            .unique
            .iter()
            .map(|position| read_expression(own(*position), plan.columns()[*position].data_type))
            .collect();
        let select = select.join(", ");
        let sql = match guard {
            Some(_) => format!(
                "IF {proof} SELECT {select} FROM {}{filter} OPTION (MAXDOP 1)",
                plan.source.name.quoted()
            ),
            None => format!("SELECT {select} FROM {}{filter}", self.target.quoted),
        };
        let mut keys = HashSet::new();
        session
            .stream(&sql, &params, |row| {
                let mut key = Vec::new();
                row.encode(&mut key)?;
                keys.insert(key);
                Ok(Flow::Continue)
            })
            .await?
            .ok_or_else(unproven)?;
        Ok(keys)
    }

    /// Adds the days that the source has these keys under.
    async fn look_up(
        &self,
        source: &mut Session,
        keys: &[Vec<u8>],
        days: &mut BTreeSet<Option<NaiveDate>>,
    ) -> Result<()> {
        let plan = self.plan;
        let Some(date) = plan.date() else { return Ok(()) };
        let (proof, names) = predicate(self.guard, 1);
        let mut clause = Where::after_params(names.iter().map(|name| Value::Text(name)).collect());
        let columns: Vec<&Column> = plan
            .key
            .unique
            .iter()
            .map(|position| &plan.columns()[*position])
            .collect();
        let values: Vec<Vec<Value<'_>>> = keys
            .iter()
            .map(|key| Values::new(key).collect())
            .collect::<Result<_>>()?;
        clause.any_of(&columns, &values);
        let (filter, params) = clause.finish();
        let sql = format!(
            "IF {proof} SELECT CAST({} AS date) FROM {}{filter} OPTION (MAXDOP 1)",
            date.name.quoted(),
            plan.source.name.quoted()
        );
        source
            .stream(&sql, &params, |row| {
                days.insert(match row.value(0)? {
                    Value::Date(days) => date_of(days),
                    _ => None,
                });
                Ok(Flow::Continue)
            })
            .await?
            .ok_or_else(unproven)?;
        Ok(())
    }
}

/// The rows of a window that are counted under a day. An instant with an offset is counted under its own day and is in
/// the window by UTC, which may be the day before or after.
fn extent(window: Window, day: Option<NaiveDate>) -> Option<Extent> {
    let whole = Extent::of_window(window);
    let (Extent::Dates(Bounds { start, end }), Some(day)) = (whole, day) else {
        return Some(whole);
    };
    let first = midnight(day.pred_opt()?).max(start);
    let last = midnight(day.succ_opt()?.succ_opt()?).min(end);
    (first < last).then_some(Extent::Dates(Bounds {
        start: first,
        end: last,
    }))
}
