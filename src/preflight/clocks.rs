//! Compares three clocks in UTC: the source's, the target's and this machine's. A wrong one must not lose a
//! row.
//!
//! A clock that is ahead would end and settle a window before its time. So a run compares the three at its
//! start, and anew with each reading of the source's. If they agree, the source's decides, because it dates the
//! rows. If they do not, the earliest of the three decides which rows are old enough, no window is closed or
//! settled, and the run says so.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::base::text::duration;

/// Clocks that are further apart than this disagree. Machines that keep time are within seconds of each
/// other, and rows wait `settle_minutes` anyway, an hour by default.
const APART_MAX: TimeDelta = TimeDelta::minutes(5);

/// What a server's clock showed in UTC, and this machine's at that moment.
#[derive(Debug, Clone, Copy)]
pub struct ClockReading {
    /// The server's.
    pub server: NaiveDateTime,
    /// This machine's.
    pub own: DateTime<Utc>,
    /// The time since some moment that no clock moves.
    pub at: Duration,
}

impl ClockReading {
    /// How much later this was read than `other`.
    fn since(self, other: ClockReading) -> TimeDelta {
        let span = |span: Duration| TimeDelta::from_std(span).unwrap_or_default();
        span(self.at.saturating_sub(other.at)) - span(other.at.saturating_sub(self.at))
    }
}

/// The times of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    source_utc: NaiveDateTime,
    target_utc: NaiveDateTime,
    own_utc: NaiveDateTime,
}

impl Clocks {
    /// The times of the clocks at one moment, that of the source's reading. The target's may be long ago: it goes on by the
    /// time that passed, whatever another clock has shown since.
    pub fn new(source: ClockReading, target: ClockReading) -> Clocks {
        Clocks {
            source_utc: source.server,
            target_utc: target.server + source.since(target),
            own_utc: source.own.naive_utc(),
        }
    }

    fn least(self) -> NaiveDateTime {
        self.source_utc.min(self.target_utc).min(self.own_utc)
    }

    /// Whether they agree.
    pub fn agree(self) -> bool {
        let most = self.source_utc.max(self.target_utc).max(self.own_utc);
        most - self.least() <= APART_MAX
    }

    /// The warning for an operator if they do not agree.
    pub fn warning(self) -> Option<String> {
        let told = |name, at: NaiveDateTime| format!("{name} {} UTC", at.format("%Y-%m-%d %H:%M:%S"));
        (!self.agree()).then(|| {
            format!(
                "The clocks are {} apart ({}, {}, {}): only rows that are old enough by all of them are \
                 loaded, no month is closed and none is settled; set the clock that is wrong, then run again",
                duration(
                    (self.source_utc.max(self.target_utc).max(self.own_utc) - self.least())
                        .to_std()
                        .unwrap_or_default()
                ),
                told("source", self.source_utc),
                told("target", self.target_utc),
                told("this machine", self.own_utc)
            )
        })
    }

    /// The source's time to work with when its clock shows `now`.
    pub fn of_source(self, now: NaiveDateTime) -> NaiveDateTime {
        if self.agree() {
            now
        } else {
            now - (self.source_utc - self.least())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        format!("2026-11-{text}:00").parse().unwrap()
    }

    fn clocks(source: &str, target: &str, own: &str) -> Clocks {
        Clocks {
            source_utc: at(source),
            target_utc: at(target),
            own_utc: at(own),
        }
    }

    #[test]
    fn clocks_that_agree_leave_the_source_to_decide() {
        let clocks = clocks("24T10:04", "24T10:00", "24T10:05");
        assert!(clocks.agree());
        assert_eq!(clocks.warning(), None);
        assert_eq!(clocks.of_source(at("24T12:00")), at("24T12:00"));
    }

    #[test]
    fn clocks_are_compared_at_one_moment_though_they_were_read_at_two() {
        let reading = |server, own, minutes: u64| ClockReading {
            server: at(server),
            own: at(own).and_utc(),
            at: Duration::from_secs(60 * minutes),
        };
        let read = Clocks::new(
            reading("24T10:04", "24T10:00", 10),
            reading("24T11:31", "24T11:30", 100),
        );
        assert_eq!(read, clocks("24T10:04", "24T10:01", "24T10:00"));
        assert!(read.agree());
        // The source's and this machine's jump together, as those of one domain do.
        let read = Clocks::new(
            reading("29T12:30", "29T12:30", 190),
            reading("24T11:31", "24T11:30", 100),
        );
        assert_eq!(read, clocks("29T12:30", "24T13:01", "29T12:30"));
        assert!(!read.agree());
    }

    #[test]
    fn of_clocks_that_do_not_the_least_decides() {
        for ahead in 0..3 {
            let mut shown = ["24T10:00"; 3];
            shown[ahead] = "29T10:00";
            let clocks = clocks(shown[0], shown[1], shown[2]);
            assert!(!clocks.agree());
            let text = clocks.warning().unwrap();
            assert!(text.contains("2026-11-29 10:00:00 UTC"), "{text}");
            let source_shows = at(&shown[0].replace("T10", "T11"));
            assert_eq!(clocks.of_source(source_shows), at("24T11:00"));
        }
    }
}
