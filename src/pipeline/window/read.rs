//! Reads a chunk from the source, when and as large as the governor lets it.
//!
//! A read that was cut keeps the rows that came: the next chunk begins behind them. So nothing is read twice, and a cut is
//! never taken for the end of a window.

use crate::base::error::Result;
use crate::base::stop::stopped;
use crate::governor::{Ask, LEAST_ROWS};
use crate::model::window::Window;
use crate::pipeline::retrier::Place;
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
                sought: plan.is_sought(),
            },
            (None, true) => Ask::Chunk {
                rows: request.limits.rows as u64,
                sought: plan.is_sought(),
            },
        };
        let mut request = request.clone();
        let mut is_lifted = false;
        loop {
            if !self.retrier.meter.lets_read() {
                return Err(stopped());
            }
            let mut turn = self.pools.turn(ask).await?;
            if is_lifted {
                turn.permit.lift_budget();
            }
            request.limits.rows = request.limits.rows.min(turn.permit.rows);
            let clock = &self.retrier.clock;
            let began = clock.monotonic();
            self.retrier.meter.asks((window, &request.range.after));
            let rows = extract(&mut turn.session, plan, &request, &mut turn.permit).await?;
            let took = clock.monotonic().saturating_sub(began);
            self.pools.end(turn);
            if !rows.cut || rows.batch.row_count() > 0 {
                return Ok(Read { rows, began, took });
            }
            let asked = (request.limits.rows as u64).min(expected.unwrap_or(u64::MAX));
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
}
