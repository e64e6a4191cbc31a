//! Reads a chunk from the source, when and as large as the governor lets it.
//!
//! A read that was cut keeps the rows that came: the next chunk begins behind them. So nothing is read twice, and a cut is
//! never taken for the end of a window.

use std::sync::{MutexGuard, PoisonError};

use crate::base::error::Result;
use crate::base::stop::stopped;
use crate::governor::{Ask, Found, LEAST_ROWS};
use crate::model::plan::{AccessPath, TablePlan};
use crate::model::window::Window;
use crate::pipeline::retrier::Place;
use crate::pipeline::window::density::Densities;
use crate::pipeline::window::{Read, TableContext};
use crate::source::extract::{Request, extract};

/// The part of its rows by which a chunk is asked for again, of which the source sent none in time.
const AGAIN_DIVISOR: u64 = 4;

impl TableContext {
    /// Reads a chunk of a window; one that is loaded again has about the `expected` rows.
    pub(super) async fn read(
        &self,
        window: Window,
        request: &Request,
        expected: Option<u64>,
    ) -> Result<Read> {
        // Once a chunk, and not once an attempt: each run may read one, however often that takes.
        if !self.retrier.meter.lets_read() {
            return Err(stopped());
        }
        let name = self.plan.name.as_str();
        let read = self.retrier.retry(Place::window(name, window), || async move {
            match self.try_read(window, request, expected).await {
                Ok(read) => Ok(read),
                Err(error) => Err(error.within(format!("Table {name}, window {window}"))),
            }
        });
        read.await
    }

    /// If the source sends no row of a chunk in time, it is asked for fewer, and at last for as long as it takes.
    async fn try_read(&self, window: Window, request: &Request, expected: Option<u64>) -> Result<Read> {
        let plan = &self.plan;
        let ask = match (expected, plan.has_key()) {
            (_, false) => Ask::Whole {
                rows: expected.unwrap_or(0),
            },
            (Some(rows), true) => Ask::Again {
                rows,
                found: found(plan),
            },
            (None, true) => Ask::Chunk {
                rows: request.limits.rows as u64,
                found: found(plan),
            },
        };
        let mut request = request.clone();
        let mut is_lifted = false;
        loop {
            let mut turn = self.pools.turn(ask).await?;
            if is_lifted {
                turn.permit.lift_budget();
            }
            let limits = &mut request.limits;
            limits.rows = limits.rows.min(turn.permit.rows);
            limits.bytes = limits.bytes.min(turn.permit.bytes);
            let is_forward = matches!(ask, Ask::Chunk { .. }) && plan.access_path == AccessPath::Date;
            if is_forward {
                request.until = self.densities().until(window, &request)?;
            }
            let clock = &self.retrier.clock;
            let began = clock.monotonic();
            self.retrier.meter.asks((window, &request.range.after));
            let rows = extract(&mut turn.session, plan, &request, &mut turn.permit).await?;
            let took = clock.monotonic().saturating_sub(began);
            self.pools.end(turn);
            if !rows.cut || rows.batch.row_count() > 0 {
                if is_forward {
                    self.densities().learn(window, &request, &rows)?;
                }
                return Ok(Read { rows, began, took });
            }
            // The rest of a chunk that was split has rows that nobody has counted.
            let about = expected.filter(|rows| *rows > 0);
            let about = about.unwrap_or(self.pools.throttle.chunk_rows() as u64);
            let asked = about.min(request.limits.rows as u64);
            let fewer = (asked / AGAIN_DIVISOR).max(LEAST_ROWS);
            is_lifted = fewer >= asked;
            if is_lifted {
                self.pools.throttle.tell_lifted();
            }
            request.limits.rows = request
                .limits
                .rows
                .min(usize::try_from(fewer).unwrap_or(usize::MAX));
        }
    }

    /// No code under the lock panics half-way.
    fn densities(&self) -> MutexGuard<'_, Densities> {
        self.densities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the source finds the rows of a chunk.
fn found(plan: &TablePlan) -> Found {
    match plan.access_path {
        AccessPath::Date | AccessPath::Key => Found::ByIndex,
        AccessPath::Walk => Found::ByWalk,
        // The server sorts a day that an index finds, and scans the table for one that none does: all of it each time.
        AccessPath::DayWalk => Found::ByScan,
    }
}
