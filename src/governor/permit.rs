//! The leave to read once: how a read waits for it, and how it tells the throttle what each of its queries took.

use std::sync::Arc;
use std::time::Duration;

use crate::base::error::Result;
use crate::base::stop::stopped;
use crate::governor::decide::{Answer, Ask, Grant, Measured};
use crate::governor::throttle::{HOLD_MIN, Throttle, Waiting};
use crate::source::pace::{Brought, Over, Pace};

/// The leave to read once. The read is over when it is dropped.
#[derive(Debug)]
pub struct Permit {
    /// The most rows of a new chunk.
    pub rows: usize,
    /// The most bytes of a new chunk.
    pub bytes: usize,
    throttle: Arc<Throttle>,
    ask: Ask,
    grant: Grant,
    /// Queries of the read that began, and when the last one did.
    queries: u32,
    began: Duration,
}

impl Throttle {
    /// Waits until a read may begin. `at_hold` is called while all reads are held, and releases what a held run should not
    /// keep at the source.
    ///
    /// # Errors
    /// `Stopped` if the run is asked to stop and the read would wait, or is that of a new chunk; `State` when the store
    /// cannot be written.
    pub async fn admit(self: &Arc<Self>, ask: Ask, at_hold: impl Fn() + Send) -> Result<Permit> {
        let mut changed = self.changed.subscribe();
        let mut waiting: Option<Waiting<'_>> = None;
        let is_new = matches!(ask, Ask::Chunk { .. });
        loop {
            if self.stop.is_stopped() && (is_new || waiting.is_some()) {
                self.tell(None)?;
                return Err(stopped());
            }
            changed.mark_unchanged();
            let now = self.clock.monotonic();
            let (answer, decided) = self.ask(now, ask);
            self.publish(decided)?;
            let wait = match answer {
                Answer::Go(grant) => {
                    let permit = Permit::new(self, ask, grant);
                    drop(waiting);
                    // One that probes is not the end of what all others wait for.
                    if !grant.is_probe && ask != Ask::Part {
                        self.tell(None)?;
                    }
                    return Ok(permit);
                }
                Answer::Wait(wait) => wait,
            };
            if waiting.as_ref().map(|waiting| waiting.cause) != wait.cause {
                drop(waiting);
                waiting = wait.cause.map(|cause| self.waits(cause, now));
            }
            let time = wait.until.map(|until| until.saturating_sub(now));
            if let Some(cause) = wait.cause
                && !wait.hold.is_empty()
                && time.is_none_or(|time| time >= HOLD_MIN)
            {
                at_hold();
                self.tell(Some(self.held(cause, &wait, time)))?;
            }
            self.wait(wait.until, &mut changed).await;
        }
    }
}

impl Permit {
    fn new(throttle: &Arc<Throttle>, ask: Ask, grant: Grant) -> Self {
        Permit {
            rows: usize::try_from(grant.rows).unwrap_or(usize::MAX),
            bytes: usize::try_from(grant.bytes).unwrap_or(usize::MAX),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::stop::StopSignal;
    use crate::checkpoint::Store;
    use crate::governor::decide::Wait;
    use crate::governor::throttle::Parts;
    use crate::model::pace::{Cause, Ceilings};
    use crate::mssql::Meter;
    use crate::progress::Silent;

    /// A read that tries the source in the middle of a hold is of another time than those that wait on.
    #[test]
    fn a_read_within_a_hold_is_told_from_those_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let meter = Arc::new(Meter::default());
        let throttle = Throttle::new(Parts {
            clock: SystemClock::shared(),
            stop: StopSignal::default(),
            store: Arc::new(Store::create_or_open(&directory.path().join("store")).unwrap()),
            progress: Arc::new(Silent),
            meter: Arc::clone(&meter),
            ceilings: Ceilings::default(),
            max_workers: 2,
            chunk_rows: 100,
            closed_until: None,
            ignores_hours: false,
        });
        let wait = Wait {
            cause: Some(Cause::Latency),
            until: None,
            hold: "it is slow".to_owned(),
        };
        let waits = || {
            throttle
                .tell(Some(throttle.held(Cause::Latency, &wait, None)))
                .unwrap()
        };
        waits();
        let reads = meter.reads();
        waits();
        assert!(!meter.was_held_since(reads), "nothing was read before it");
        let now = throttle.clock.monotonic();
        let (answer, _) = throttle.ask(now, Ask::Whole { rows: 1 });
        assert!(matches!(answer, Answer::Go(_)));
        waits();
        assert!(
            meter.was_held_since(reads),
            "one read came before, the next one waits"
        );
        assert_eq!(meter.holds(), 1);
    }
}
