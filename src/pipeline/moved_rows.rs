//! Moved rows: accounts for the rows that a load would take out of the target, before they leave (G7).
//!
//! Such a row is in the target within the range that a load replaces, and its unique key is not among the
//! rows of the load. The source tells its present place. A row that is gone may leave. If it is elsewhere,
//! the chunks of its present day are loaded again. The source is asked outside of the load's transaction, key
//! by key in batches. Inside of the transaction the number and the digest of the keys are compared again, so
//! that no row leaves that nobody asked about, and memory holds no list of keys.

use chrono::NaiveDate;

use crate::base::error::{Error, ErrorKind, Result};
use crate::governor::Ask;
use crate::model::chunk::{KeyBytes, KeyRange};
use crate::model::plan::TablePlan;
use crate::model::row::{Value, Values, key_of};
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::mssql::{Flow, Session, more_than_asked};
use crate::pipeline::pool::Pools;
use crate::source::SourceQuery;
use crate::target::leaving::{self, Accounted, HASHED, add_on_their_way};
use crate::target::table::Target;
use crate::tsql::predicate::{Where, date_of};

/// The number of keys that are read from the target at once: some hundred kilobytes.
const PAGE_KEYS: i64 = 5_000;

/// The number of keys of one statement. A server limits its parameters to 2,100.
pub(super) const KEYS_AT_ONCE: usize = 50;

/// The context of looking for the leaving rows of a load.
#[derive(Clone, Copy)]
pub struct Accounting<'a> {
    /// The plan.
    pub plan: &'a TablePlan,
    /// Its target.
    pub target: &'a Target,
    /// Connections to the source.
    pub pools: &'a Pools,
}

impl Accounting<'_> {
    /// Asks the source about every row that would leave `range` of a window. The rows of the load are staged
    /// in `session`.
    ///
    /// # Errors
    /// `FailedOver` when the source does not prove to be the one that may be read; those of the sessions.
    pub async fn of(
        &self,
        session: &mut Session,
        window: Window,
        extent: Extent,
        range: &KeyRange,
    ) -> Result<Accounted> {
        let plan = self.plan;
        let order = plan.key.order(extent.kind());
        let traced = plan.traced();
        // Each column once: a server takes no order by a name that stands twice in the list.
        let mut positions = order.clone();
        if let Some(columns) = traced {
            positions.extend(columns.iter().filter(|position| !order.contains(position)));
        }
        let of_order: Vec<usize> = (0..order.len()).collect();
        let own: Vec<usize> = traced
            .unwrap_or_default()
            .iter()
            .filter_map(|column| positions.iter().position(|position| position == column))
            .collect();
        let mut accounted = Accounted::default();
        let mut rest = range.clone();
        loop {
            let mut rows = self.page(session, extent, &rest, &positions).await?;
            let full = rows.len() as i64 == PAGE_KEYS;
            let mut keys_of_order = rows
                .iter()
                .map(|row| key_of(row, &of_order))
                .collect::<Result<Vec<_>>>()?;
            let Some(last) = keys_of_order.last().cloned() else {
                break;
            };
            if full {
                let whole = self.without_last(&keys_of_order, &last)?;
                rows.truncate(whole);
                keys_of_order.truncate(whole);
            }
            rest.after = keys_of_order.last().cloned().map(KeyBytes);
            for key in &keys_of_order {
                accounted.leaving.add_row(key);
            }
            if let Some(columns) = traced {
                let mut keys = Vec::new();
                for row in &rows {
                    let key = key_of(row, &own)?;
                    // What the source's columns cannot hold is not a row of the source.
                    if self.fits(columns, &key)? {
                        keys.push(key);
                    }
                }
                for keys in keys.chunks(KEYS_AT_ONCE) {
                    self.look_up(window, columns, keys, &mut accounted).await?;
                }
            } else if plan.key.date.is_some() {
                accounted.unfollowed += rows.len() as u64;
            }
            if !full {
                break;
            }
        }
        Ok(accounted)
    }

    /// How many rows of a full page come before its last key. An older script's table may have a key twice: the next page
    /// begins with all rows of the last one.
    fn without_last(&self, keys: &[Vec<u8>], last: &[u8]) -> Result<usize> {
        let before = keys.iter().rposition(|key| key != last).ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!(
                    "Target table {} has one key {PAGE_KEYS} times or more; delete the rows that are too many",
                    self.plan.target
                ),
            )
        })?;
        Ok(before + 1)
    }

    /// Whether the source's columns can hold a key of the target: an older script's table may be wider, or have no key.
    fn fits(&self, columns: &[usize], key: &[u8]) -> Result<bool> {
        let values = Values::new(key).collect()?;
        let mut types = columns
            .iter()
            .map(|position| self.plan.columns()[*position].data_type);
        Ok(values
            .iter()
            .all(|value| types.next().is_some_and(|data_type| data_type.holds(*value))))
    }

    /// The first rows that would leave `range`, each as the canonical bytes of the columns at `positions`.
    async fn page(
        &self,
        session: &mut Session,
        extent: Extent,
        range: &KeyRange,
        positions: &[usize],
    ) -> Result<Vec<Vec<u8>>> {
        let range = self.target.range(self.plan, extent, range)?;
        let from = leaving::not_staged(self.plan, self.target, &range);
        let mut params = range.params;
        params.push(Value::Integer(PAGE_KEYS));
        let sql = format!(
            "SELECT TOP (@P{}) {} FROM {from}{}{}",
            params.len(),
            leaving::select(self.plan, self.target, positions),
            self.target.order_by(self.plan, extent.kind()),
            HASHED
        );
        let mut rows = Vec::new();
        session
            .stream(&sql, &params, |row| {
                if rows.len() as i64 == PAGE_KEYS {
                    return Err(more_than_asked());
                }
                let mut bytes = Vec::new();
                row.encode(&mut bytes)?;
                rows.push(bytes);
                Ok(Flow::Continue)
            })
            .await?;
        Ok(rows)
    }

    /// Adds the days under which the source has these keys.
    async fn look_up(
        &self,
        window: Window,
        columns: &[usize],
        keys: &[Vec<u8>],
        accounted: &mut Accounted,
    ) -> Result<()> {
        // The chunk whose rows these were is under way.
        let found = self.days(Ask::Part, columns, keys).await?;
        for (key, days) in keys.iter().zip(found) {
            let [day] = days.as_slice() else {
                accounted.unfollowed += u64::from(!days.is_empty());
                continue;
            };
            let same = match day {
                Some(day) => window.has(*day),
                None => window == Window::Undated,
            };
            accounted.within += u64::from(same);
            accounted.days.insert(*day);
            // A key that holds the date tells no row from its old self.
            if !self.plan.key_holds_date() {
                accounted.unfollowed += add_on_their_way(&mut accounted.followed, [(key, day)]);
            }
        }
        Ok(())
    }

    /// The days under which the source has each of these keys, at most [`KEYS_AT_ONCE`]. If a key finds more than one row,
    /// nobody can tell which of them it is.
    ///
    /// # Errors
    /// Those of the sessions.
    pub(super) async fn days(
        &self,
        ask: Ask,
        columns: &[usize],
        keys: &[Vec<u8>],
    ) -> Result<Vec<Vec<Option<NaiveDate>>>> {
        let plan = self.plan;
        let mut found = vec![Vec::new(); keys.len()];
        let Some(date) = plan.date() else { return Ok(found) };
        let mut params = Vec::new();
        // Each key has a branch and so a seek of its own, whatever plan the server makes for a list of keys.
        let mut branches = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let mut clause = Where::after_params(params);
            for (position, value) in columns.iter().zip(Values::new(key).collect()?) {
                clause.equal(&plan.columns()[*position], value);
            }
            let filter;
            (filter, params) = clause.finish();
            branches.push(format!(
                "SELECT TOP (2) {number} AS [number], CAST({} AS date) AS [day] FROM {}{filter}",
                date.name.quoted(),
                plan.source.name.quoted()
            ));
        }
        let select = format!(
            "SELECT u.[number], u.[day] FROM ({}) AS u",
            branches.join(" UNION ALL ")
        );
        let mut rows = 0;
        let mut turn = self.pools.turn(ask).await?;
        turn.session
            .stream(SourceQuery::new(select, params), |row| {
                rows += 1;
                if rows > 2 * keys.len() {
                    return Err(more_than_asked());
                }
                numbered(&mut found, row.value(0)?)?.push(match row.value(1)? {
                    Value::Date(days) => date_of(days),
                    _ => None,
                });
                Ok(Flow::Continue)
            })
            .await?;
        self.pools.end(turn);
        Ok(found)
    }
}

/// What belongs to the key with this number, as a server answers with it.
pub(super) fn numbered<'a, T>(of_keys: &'a mut [T], number: Value<'_>) -> Result<&'a mut T> {
    let number = match number {
        Value::Integer(number) => usize::try_from(number).ok(),
        _ => None,
    };
    number
        .and_then(|number| of_keys.get_mut(number))
        .ok_or_else(|| Error::malformed("A server answered with a key that it was not asked for"))
}
