//! The hours of the source, as JSON and in what commands say, for each command that shows them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::hours::{Hours, State};

/// The hours of the source and how they stand at a time, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HoursView<'a> {
    /// The intervals as they are configured.
    allow: Vec<&'a str>,
    /// Whether the source may be read now.
    open: bool,
    /// The name of the time zone whose clock decides.
    time_zone: &'static str,
    /// The time at which that changes; `null` if it never does.
    until: Option<DateTime<Utc>>,
}

impl HoursView<'_> {
    pub(super) fn of(hours: &Hours, now: DateTime<Utc>) -> HoursView<'_> {
        let (open, until) = match hours.state(now) {
            State::Open { until } => (true, until),
            State::Closed { until } => (false, Some(until)),
        };
        HoursView {
            allow: hours.texts().collect(),
            open,
            time_zone: hours.wall().zone().name(),
            until,
        }
    }
}

/// What a command says that asks the source at once, whatever its hours; `None` if they are open.
pub(super) fn outside(hours: &Hours, now: DateTime<Utc>) -> Option<String> {
    match hours.state(now) {
        State::Open { .. } => None,
        State::Closed { until } => Some(format!(
            "note: the source is asked outside of its hours, which are closed until {}; they hold runs and comparisons alone",
            hours.wall().time(until, now)
        )),
    }
}

/// When a run that is started now begins to read; `None` if at once.
pub(super) fn waits(hours: &Hours, now: DateTime<Utc>) -> Option<String> {
    match hours.state(now) {
        State::Open { .. } => None,
        State::Closed { until } => Some(format!(
            "a run that is started now begins to read at {}; --ignore-hours reads at once",
            hours.wall().time(until, now)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hours::{Interval, Wall};

    #[test]
    fn hours_are_told_with_how_they_stand() {
        let zone = "Asia/Kuala_Lumpur".parse().unwrap();
        let hours = |texts: &[&str], machine| {
            let intervals = texts.iter().map(|text| Interval::parse(text).unwrap());
            Hours::new(intervals.collect(), Wall::new(zone, machine)).unwrap()
        };
        let now = "2025-11-24T10:00:00Z".parse().unwrap();
        let nights = hours(&["22:00-07:00", "Sat,Sun 00:00-24:00"], None);
        assert_eq!(
            nights.sentence(now),
            "22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00"
        );
        assert_eq!(
            waits(&nights, now).unwrap(),
            "a run that is started now begins to read at 22:00; --ignore-hours reads at once"
        );
        let days = hours(&["07:00-22:00"], Some(zone));
        assert_eq!(days.sentence(now), "07:00-22:00: open until 22:00");
        assert_eq!(waits(&days, now), None);
        assert_eq!(
            hours(&["00:00-24:00"], Some(zone)).sentence(now),
            "00:00-24:00: always open"
        );
    }
}
