//! The hours in which the source may be read, by the wall clock of a time zone.
//!
//! The wall clock alone decides. An hour that it skips in spring is not there, so an interval that lies in it does not come
//! that day. An hour that it shows twice in autumn is open or closed twice: `01:00-02:30` ends at the first 02:30, and the
//! second 02:00 begins another half an hour. So the tills, whose staff lives by the same clock, are never read outside of
//! what is written. An interval over midnight belongs to the day on which it begins.

mod parse;
#[cfg(test)]
mod tests;
mod wall;

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

pub use parse::Interval;
pub use wall::Wall;

/// Seconds of a day or a week, by the wall clock.
type Seconds = i64;

const DAY: Seconds = 24 * 60 * 60;
const WEEK: Seconds = 7 * DAY;

/// How far a change of the offset of a time zone is looked for at once. No two changes are as near to each other.
const STRIDE: TimeDelta = TimeDelta::hours(6);

/// How far a change is looked for. The hours of a week come again in the next one, except for one that the clock skips,
/// which no clock does in two weeks that follow each other.
const HORIZON: TimeDelta = TimeDelta::days(22);

/// The hours of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    intervals: Vec<Interval>,
    /// The parts of the week that are open, from its first midnight on: in order, within it, and not next to each other.
    open: Vec<(Seconds, Seconds)>,
    wall: Wall,
}

/// Whether the source may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may be read.
    Open {
        /// The end of that; `None` if it has none.
        until: Option<DateTime<Utc>>,
    },
    /// It may not be read.
    Closed {
        /// The end of that.
        until: DateTime<Utc>,
    },
}

impl Hours {
    /// The hours of these intervals; `None` if there is none, because nothing could ever be read.
    pub fn new(intervals: Vec<Interval>, wall: Wall) -> Option<Hours> {
        let mut spans = Vec::new();
        for (from, to) in intervals.iter().flat_map(Interval::spans) {
            spans.push((from, to.min(WEEK)));
            if to > WEEK {
                spans.push((0, to - WEEK));
            }
        }
        spans.sort_unstable();
        let mut open: Vec<(Seconds, Seconds)> = Vec::new();
        for (from, to) in spans {
            match open.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => open.push((from, to)),
            }
        }
        (!open.is_empty()).then_some(Hours {
            intervals,
            open,
            wall,
        })
    }

    /// The clock that decides.
    pub fn wall(&self) -> Wall {
        self.wall
    }

    /// The intervals as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.intervals.iter().map(Interval::text)
    }

    /// Whether the source may be read at a time, and the time at which that changes next.
    pub fn state(&self, at: DateTime<Utc>) -> State {
        let is_open = self.is_open(self.local(at));
        let mut now = at;
        while now < at + HORIZON {
            now = self.next_look(now);
            if self.is_open(self.local(now)) != is_open {
                break;
            }
        }
        let is_constant = self.is_open(self.local(now)) == is_open;
        match is_open {
            true => State::Open {
                until: (!is_constant).then_some(now),
            },
            // Without a change it is looked at once more then.
            false => State::Closed { until: now },
        }
    }

    /// `22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00`.
    pub fn sentence(&self, now: DateTime<Utc>) -> String {
        let texts: Vec<&str> = self.texts().collect();
        let zone = self
            .wall
            .name()
            .map_or_else(String::new, |name| format!(" ({name})"));
        let stands = match self.state(now) {
            State::Open { until: None } => "always open".to_owned(),
            State::Open { until: Some(until) } => format!("open until {}", self.wall.time(until, now)),
            State::Closed { until } => format!("closed until {}", self.wall.time(until, now)),
        };
        format!("{}{zone}: {stands}", texts.join(" and "))
    }

    /// What the wall clock shows.
    fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.wall.zone()).naive_local()
    }

    fn is_open(&self, local: NaiveDateTime) -> bool {
        let second = of_week(local);
        let mut open = self.open.iter();
        open.any(|(from, to)| (*from..*to).contains(&second))
    }

    /// The next time at which the state may change: an interval begins or ends, or the clock is put forward or back.
    fn next_look(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let second = of_week(self.local(now));
        let edges = self.open.iter().flat_map(|(from, to)| [*from, *to]);
        // The week after this one begins with the first edge again.
        let edges = edges.chain(self.open.first().map(|(from, _)| from + WEEK));
        let ahead = edges.filter(|edge| *edge > second).min().unwrap_or(WEEK) - second;
        let by_the_clock = whole_second(now) + TimeDelta::seconds(ahead);
        let zone = self.wall.zone();
        let mut from = whole_second(now);
        while from < by_the_clock {
            let to = (from + STRIDE).min(by_the_clock);
            if offset(zone, from) != offset(zone, to) {
                return changes(zone, from, to);
            }
            from = to;
        }
        by_the_clock
    }
}

/// The time without the part of its second that is over.
fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_nanosecond(0).unwrap_or(at)
}

/// Seconds since the first midnight of the week.
fn of_week(local: NaiveDateTime) -> Seconds {
    let day = Seconds::from(local.weekday().num_days_from_monday());
    day * DAY + Seconds::from(local.num_seconds_from_midnight())
}

/// Seconds that the clocks of a zone are ahead of UTC.
fn offset(zone: Tz, at: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc())
        .fix()
        .local_minus_utc()
}

/// The first second with the offset of `to`, which is not that of `from`; both are whole seconds.
fn changes(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> DateTime<Utc> {
    let (mut before, mut after) = (from, to);
    while after - before > TimeDelta::seconds(1) {
        let middle = whole_second(before + (after - before) / 2);
        match offset(zone, middle) == offset(zone, to) {
            true => after = middle,
            false => before = middle,
        }
    }
    after
}
