//! The ceilings of rows, bytes and queries a second: what a read takes is a debt that time pays off, and no read begins
//! while there is one.
//!
//! All workers share it, and nothing is saved up: a run that was held reads no faster after it.

use std::time::Duration;

/// What all reads have taken of a ceiling.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Debt {
    /// A second's worth; `None` for any.
    per_second: Option<u64>,
    /// The time at which nothing is owed any more.
    paid_at: Duration,
}

impl Debt {
    pub(super) fn new(per_second: Option<u64>) -> Self {
        Debt {
            per_second: per_second.filter(|most| *most > 0),
            paid_at: Duration::ZERO,
        }
    }

    /// A second's worth.
    pub(super) fn per_second(&self) -> Option<u64> {
        self.per_second
    }

    /// Changes the ceiling. What was taken under the one before is not owed any more, so that a ceiling that is lifted
    /// lets go at once.
    pub(super) fn set(&mut self, per_second: Option<u64>) {
        *self = Debt::new(per_second);
    }

    /// The time at which a read may begin.
    pub(super) fn paid_at(&self) -> Duration {
        self.paid_at
    }

    /// Takes as much at `now`.
    pub(super) fn take(&mut self, now: Duration, amount: u64) {
        if let Some(per_second) = self.per_second {
            let owed = seconds(amount as f64 / per_second as f64);
            self.paid_at = self.paid_at.max(now).saturating_add(owed);
        }
    }

    /// Corrects what was taken for more than it was.
    pub(super) fn give_back(&mut self, amount: u64) {
        if let Some(per_second) = self.per_second {
            let owed = seconds(amount as f64 / per_second as f64);
            self.paid_at = self.paid_at.saturating_sub(owed);
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_begins_when_the_one_before_is_paid_off() {
        let mut debt = Debt::new(Some(1_000));
        // Now, rows taken, rows given back; when the next one may begin, in milliseconds.
        let table = [
            (0, 1_000, 0, 1_000),
            (1_000, 1_000, 500, 1_500),
            // Time that nobody used is not saved up.
            (60_000, 250, 0, 60_250),
            (60_000, 250, 0, 60_500),
        ];
        for (now, rows, back, next) in table {
            debt.take(Duration::from_millis(now), rows);
            debt.give_back(back);
            assert_eq!(debt.paid_at(), Duration::from_millis(next), "at {now}");
        }
    }

    #[test]
    fn without_a_ceiling_nothing_is_owed() {
        for none in [None, Some(0)] {
            let mut debt = Debt::new(none);
            debt.take(Duration::from_secs(1), u64::MAX);
            assert_eq!(debt.paid_at(), Duration::ZERO);
        }
        let mut debt = Debt::new(Some(1));
        debt.take(Duration::from_secs(1), u64::MAX);
        debt.set(None);
        assert_eq!(debt.paid_at(), Duration::ZERO);
    }
}
