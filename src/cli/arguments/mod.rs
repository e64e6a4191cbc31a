//! What the command line has in common for all commands: ranges of dates, the help, the manual pages.

mod day;
pub(super) mod help;

use chrono::{Local, NaiveDate};
use clap::Args;

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::model::window::DateRange;
use day::Day;

/// A range of days, both included.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct Dates {
    /// First day: YYYY-MM-DD, today, yesterday, month-start, -35d (days ago) or -3m (months ago)
    #[arg(
        long,
        visible_alias = "from",
        value_name = "DAY",
        allow_hyphen_values = true,
        requires = "end_date"
    )]
    start_date: Option<Day>,
    /// Last day, included, in the same form
    #[arg(
        long,
        visible_alias = "to",
        value_name = "DAY",
        allow_hyphen_values = true,
        requires = "start_date"
    )]
    end_date: Option<Day>,
}

impl Dates {
    /// The days of the calendar, by this machine's date; `None` without dates.
    ///
    /// # Errors
    /// `Usage` if the first day is after the last, or the calendar has no such day.
    pub(super) fn range(self, clock: &SharedClock) -> Result<Option<DateRange>> {
        let (Some(first), Some(last)) = (self.start_date, self.end_date) else {
            return Ok(None);
        };
        let today = today(clock);
        DateRange::inclusive(first.resolve(today)?, last.resolve(today)?).map(Some)
    }
}

/// The date that this machine's user has.
fn today(clock: &SharedClock) -> NaiveDate {
    clock.now().with_timezone(&Local).date_naive()
}
