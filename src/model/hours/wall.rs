//! Times as a wall clock shows them to a person.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

/// The wall clock of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    zone: Tz,
    is_machines: bool,
}

impl Default for Wall {
    fn default() -> Wall {
        Wall::of_machine(None)
    }
}

impl Wall {
    /// The clock of a time zone, on a machine in the time zone `machine`.
    pub fn new(zone: Tz, machine: Option<Tz>) -> Wall {
        Wall {
            zone,
            is_machines: machine == Some(zone),
        }
    }

    /// The machine's own clock; that of UTC, and named so, where nobody knows its time zone.
    pub fn of_machine(machine: Option<Tz>) -> Wall {
        Wall::new(machine.unwrap_or(Tz::UTC), machine)
    }

    /// `2025-11-24 22:00:00`.
    pub fn stamp(self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone)
            .format("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    /// Its time zone.
    pub fn zone(self) -> Tz {
        self.zone
    }

    /// The name of its time zone, if it is not the machine's: a person takes a time without one for that of the machine.
    pub fn name(self) -> Option<&'static str> {
        (!self.is_machines).then(|| self.zone.name())
    }

    /// A time as seen from `now`: `22:00` within a day, `Mon 22:00` within a week, `2025-11-24 22:00` beyond. Seconds are
    /// told if there are any.
    pub fn time(self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.zone);
        let far = (at - now).abs();
        let day = match () {
            () if far < TimeDelta::days(1) => "",
            () if far < TimeDelta::days(7) => "%a ",
            () => "%Y-%m-%d ",
        };
        let clock = if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
        local.format(&format!("{day}{clock}")).to_string()
    }

    /// The same, with the name of the time zone if it is not the machine's: `22:00 Asia/Kuala_Lumpur`.
    pub fn named(self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        match self.name() {
            Some(name) => format!("{} {name}", self.time(at, now)),
            None => self.time(at, now),
        }
    }
}
