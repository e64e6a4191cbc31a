//! The leave to read once, which tells the throttle what each query of the read took.

use std::sync::Arc;
use std::time::Duration;

use crate::base::error::Result;
use crate::governor::decide::{Ask, Grant, Measured};
use crate::governor::throttle::Throttle;
use crate::source::pace::{Brought, Over, Pace};

/// The leave to read once. The read is over when it is dropped.
#[derive(Debug)]
pub struct Permit {
    /// The most rows of a new chunk.
    pub rows: usize,
    throttle: Arc<Throttle>,
    ask: Ask,
    grant: Grant,
    /// Queries of the read that began, and when the last one did.
    queries: u32,
    began: Duration,
}

impl Permit {
    pub(super) fn new(throttle: &Arc<Throttle>, ask: Ask, grant: Grant) -> Self {
        Permit {
            rows: usize::try_from(grant.rows).unwrap_or(usize::MAX),
            throttle: Arc::clone(throttle),
            ask,
            grant,
            queries: 0,
            began: Duration::ZERO,
        }
    }

    /// Lets its queries take as long as they need.
    pub fn lift_budget(&mut self) {
        self.grant.budget = None;
    }
}

impl Pace for Permit {
    async fn begin(&mut self) -> Result<()> {
        // The first one is what the permit was given for.
        if self.queries > 0 {
            self.throttle.admit_again().await?;
        }
        self.queries += 1;
        self.began = self.throttle.clock.monotonic();
        Ok(())
    }

    fn over(&self) -> Over<'_> {
        match self.grant.budget {
            Some(budget) => self.throttle.clock.sleep(budget),
            None => Box::pin(std::future::pending()),
        }
    }

    fn ended(&mut self, brought: Brought) -> Result<()> {
        let read = Measured {
            rows: brought.rows,
            bytes: brought.bytes,
            took: self.throttle.clock.monotonic().saturating_sub(self.began),
            full: brought.full,
            cut: brought.cut,
        };
        self.throttle.measured(self.ask, &mut self.grant, read)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.throttle.end(self.grant);
    }
}
