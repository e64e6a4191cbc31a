//! Intervals of hours as text: `22:00-07:00`, `Sat,Sun 00:00-24:00`, `Mon-Fri 20:30-06:00`.

use super::{DAY, Seconds};

/// The days of the week, from the first on.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// How an interval is written.
const UNREADABLE: &str = "is none; write times, and days before them if it is not every day, as in \"22:00-07:00\", \
     \"Sat,Sun 00:00-24:00\" or \"Mon-Fri 20:30-06:00\"";

/// An interval on each of some days. It may end on the day after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    text: String,
    days: [bool; 7],
    /// From midnight on the day that it begins on.
    from: Seconds,
    /// As `from`; beyond a day if it ends on the next one.
    to: Seconds,
}

impl Interval {
    /// Parses an interval.
    ///
    /// # Errors
    /// What is wrong and how to write it, to be said of the interval: the text itself may be a misplaced password.
    pub fn parse(text: &str) -> Result<Interval, &'static str> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times) = match words.as_slice() {
            [times] => ([true; 7], *times),
            [days, times] => (days_of(days)?, *times),
            _ => return Err(UNREADABLE),
        };
        let (from, to) = times.split_once('-').ok_or(UNREADABLE)?;
        let (from, to) = (time(from)?, time(to)?);
        if from == DAY {
            return Err("begins at 24:00, which is only an end; write 00:00 and the day after");
        }
        if from == to {
            return Err("has no length; write 00:00-24:00 for a whole day");
        }
        Ok(Interval {
            text: words.join(" "),
            days,
            from,
            to: if to < from { to + DAY } else { to },
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its parts of the week, in seconds from its first midnight on. One of the last day may end in the week after.
    pub(super) fn spans(&self) -> impl Iterator<Item = (Seconds, Seconds)> {
        let days = (0..).step_by(DAY as usize).zip(self.days);
        days.filter(|(_, is_open)| *is_open)
            .map(|(midnight, _)| (midnight + self.from, midnight + self.to))
    }
}

/// `22:00` in seconds.
fn time(text: &str) -> Result<Seconds, &'static str> {
    const WRONG: &str = "has a time that is none; write times from 00:00 to 23:59, or 24:00 as an end";
    let (hour, minute) = text.split_once(':').ok_or(WRONG)?;
    let number = |text: &str, most: Seconds| {
        let is_two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<Seconds>().ok().filter(|number| *number <= most);
        number.filter(|_| is_two_digits).ok_or(WRONG)
    };
    let seconds = 60 * (60 * number(hour, 24)? + number(minute, 59)?);
    (seconds <= DAY).then_some(seconds).ok_or(WRONG)
}

/// `Mon-Fri`, `Sat,Sun` or `Fri-Mon,Wed`.
fn days_of(text: &str) -> Result<[bool; 7], &'static str> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // A range may go over the end of the week.
        let count = (last + 7 - first) % 7 + 1;
        for day in first..first + count {
            days[day % 7] = true;
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, &'static str> {
    let known = DAYS.iter().position(|day| day.eq_ignore_ascii_case(text));
    known.ok_or("has a day that is none; write Mon, Tue, Wed, Thu, Fri, Sat or Sun, and lists without blanks")
}
