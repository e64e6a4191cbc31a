//! The times of the demo's sales: October and November 2025, in shop hours, more on weekends and at meals.

use super::random::Random;

/// 2025-10-01, in days since 0001-01-01.
pub(super) const FIRST_DAY: i32 = 739_524;

/// 1900-01-01, the origin of `datetime`, in days since 0001-01-01.
const DAYS_TO_1900: i32 = 693_595;

/// October and November.
pub(super) const DAYS: u64 = 61;

/// Ticks of `datetime` in a second.
const TICKS_PER_SECOND: u64 = 300;

const TICKS_PER_DAY: u64 = 24 * 3600 * TICKS_PER_SECOND;

/// The relative sales of each day of the week, from Monday.
const WEEKDAY_WEIGHTS: [u64; 7] = [10, 10, 10, 11, 13, 16, 15];

/// 2025-10-01 was a Wednesday.
const FIRST_WEEKDAY: u64 = 2;

/// The relative sales of each hour, from 10:00: lunch, dinner, and a few late sales.
const HOUR_WEIGHTS: [u64; 14] = [3, 6, 12, 11, 6, 5, 5, 7, 11, 13, 10, 6, 2, 1];

const FIRST_HOUR: u64 = 10;

/// An instant to 1/300 s, the precision of `datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Days since 0001-01-01.
    pub(super) days: i32,
    /// Units of 1/300 s since midnight.
    pub(super) ticks: u32,
}

impl Moment {
    /// The instant `ticks` later, in units of 1/300 s.
    pub(super) fn plus(self, ticks: u64) -> Moment {
        let all = u64::from(self.ticks) + ticks;
        Moment {
            days: self.days + i32::try_from(all / TICKS_PER_DAY).expect("the demo lasts months"),
            ticks: u32::try_from(all % TICKS_PER_DAY).expect("a day's ticks fit"),
        }
    }

    /// The instant this many seconds later.
    pub(super) fn plus_seconds(self, seconds: u64) -> Moment {
        self.plus(seconds * TICKS_PER_SECOND)
    }

    /// Days since 1900-01-01.
    pub(super) fn days_since_1900(self) -> i32 {
        self.days - DAYS_TO_1900
    }

    /// Units of 100 ns since midnight, whole milliseconds.
    pub(super) fn milliseconds_as_100ns(self) -> u64 {
        u64::from(self.ticks) * 10 / 3 * 10_000
    }
}

/// A random moment of the eight years before the two months, at any hour.
pub(super) fn long_ago(random: &mut Random) -> Moment {
    const YEARS_AS_DAYS: u64 = 8 * 365;
    let days = i32::try_from(random.below(YEARS_AS_DAYS)).expect("eight years of days fit");
    let midnight = Moment {
        days: FIRST_DAY - 1 - days,
        ticks: 0,
    };
    midnight.plus(random.below(TICKS_PER_DAY))
}

/// Spreads things over the two months.
#[derive(Debug)]
pub(super) struct Calendar {
    /// For each hour of each day, the sum of its weight and all earlier weights.
    sums: Vec<u64>,
}

impl Calendar {
    pub(super) fn new() -> Self {
        let mut sum = 0;
        let sums = (0..DAYS)
            .flat_map(|day| {
                let weekday = (FIRST_WEEKDAY + day) % 7;
                HOUR_WEIGHTS.map(|hour| hour * WEEKDAY_WEIGHTS[weekday as usize])
            })
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Calendar { sums }
    }

    /// The moment of event number `rank` of `count` successive events, give or take a minute.
    pub(super) fn moment(&self, rank: u64, count: u64, random: &mut Random) -> Moment {
        let total = self.sums.last().expect("the calendar has hours");
        // In units of 2^-20 weight: fine enough to place an event within its hour.
        let position = (2 * u128::from(rank) + 1) * (u128::from(*total) << 20) / (2 * u128::from(count));
        let position = u64::try_from(position).expect("the sum of all weights fits");
        let hour = self.sums.partition_point(|sum| sum << 20 <= position);
        let before = if hour == 0 { 0 } else { self.sums[hour - 1] };
        let weight = self.sums[hour] - before;
        let into_hour = (position - (before << 20)) * (3600 * TICKS_PER_SECOND) / (weight << 20);
        let (day, hour) = (hour / HOUR_WEIGHTS.len(), hour % HOUR_WEIGHTS.len());
        let midnight = Moment {
            days: FIRST_DAY + i32::try_from(day).expect("there are 61 days"),
            ticks: 0,
        };
        let jitter = random.below(60 * TICKS_PER_SECOND);
        midnight
            .plus_seconds((FIRST_HOUR + hour as u64) * 3600)
            .plus((into_hour + jitter).min(3600 * TICKS_PER_SECOND - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn the_days_are_those_of_october_and_november() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(FIRST_DAY, day(2025, 10, 1).num_days_from_ce() - 1);
        assert_eq!(DAYS_TO_1900, day(1900, 1, 1).num_days_from_ce() - 1);
        assert_eq!(
            DAYS,
            (day(2025, 12, 1) - day(2025, 10, 1)).num_days().cast_unsigned()
        );
        assert_eq!(
            FIRST_WEEKDAY,
            u64::from(day(2025, 10, 1).weekday().num_days_from_monday())
        );
    }

    #[test]
    fn every_day_has_its_share_and_nights_are_quiet() {
        let calendar = Calendar::new();
        let count = 44_579;
        let mut days = vec![0_u64; DAYS as usize];
        for rank in 0..count {
            let moment = calendar.moment(rank, count, &mut Random::of(1, 1, rank));
            days[usize::try_from(moment.days - FIRST_DAY).unwrap()] += 1;
            let hour = moment.ticks / (3600 * 300);
            assert!((10..24).contains(&hour), "{moment:?}");
        }
        assert!(days.iter().all(|count| (400..1200).contains(count)), "{days:?}");
        assert!(days[3] > days[0], "Saturday sells more than Wednesday");
    }

    #[test]
    fn one_thing_alone_is_in_the_middle() {
        let moment = Calendar::new().moment(0, 1, &mut Random::of(1, 1, 0));
        assert!(
            (FIRST_DAY + 28..FIRST_DAY + 33).contains(&moment.days),
            "{moment:?}"
        );
    }

    #[test]
    fn a_moment_passes_midnight() {
        let late = Moment {
            days: 5,
            ticks: 24 * 3600 * 300 - 1,
        };
        assert_eq!(late.plus(1), Moment { days: 6, ticks: 0 });
        assert_eq!(Moment { days: 0, ticks: 1 }.milliseconds_as_100ns(), 30_000);
    }
}
