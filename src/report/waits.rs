//! What is said of the waits of the source's reads, and of the governor's decisions.
//!
//! A wait is said when it begins, when it ends, and now and then while it lasts.

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::text::rows;
use crate::model::hours::Wall;
use crate::model::pace::{Cause, Hold};
use crate::model::waits::{long, over, short};
use crate::progress::Event;

/// Often enough for one who looks into the log in the morning, seldom enough for a night.
const AGAIN: TimeDelta = TimeDelta::minutes(30);

/// Makes lines of waits and decisions, and remembers what is waited for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    wall: Wall,
    hold: Option<Hold>,
    /// The last line about the wait.
    told: Option<(Cause, DateTime<Utc>)>,
    /// The ceiling of rows a second.
    at_most: Option<u64>,
}

impl Waits {
    /// Takes note of an event. Returns its line, if it has one.
    pub(super) fn line(&mut self, event: Event<'_>, now: DateTime<Utc>) -> Option<String> {
        match event {
            Event::Wall(wall) => self.wall = wall,
            Event::Paced { rows_per_second } if rows_per_second != self.at_most => {
                self.at_most = rows_per_second;
                return Some(match rows_per_second {
                    Some(most) => format!("at most {}/s are read", rows(most)),
                    None => "any number of rows/s is read".to_owned(),
                });
            }
            Event::Held { hold } => {
                let is_told = |(cause, at): (Cause, DateTime<Utc>)| cause == hold.cause && now - at < AGAIN;
                self.hold = Some(hold.clone());
                if !self.told.is_some_and(is_told) {
                    self.told = Some((hold.cause, now));
                    return Some(long(hold, self.wall, now));
                }
            }
            Event::Released { cause, waited } => {
                self.hold = None;
                self.told = None;
                return Some(over(cause, waited));
            }
            Event::Decided { decision } if decision.action.is_told() => {
                let table = match decision.table.as_str() {
                    "" => String::new(),
                    table => format!("{table}: "),
                };
                return Some(format!("{table}{}: {}", decision.action, decision.why));
            }
            _ => {}
        }
        None
    }

    /// What is waited for, as short as a bar has room for.
    pub(super) fn short(&self, now: DateTime<Utc>) -> Option<String> {
        self.hold.as_ref().map(|hold| short(hold, self.wall, now))
    }

    /// The ceiling of rows a second.
    pub(super) fn at_most(&self) -> Option<u64> {
        self.at_most
    }
}
