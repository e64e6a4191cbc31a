//! Dates and times: calendar, ranges, rounding, and the storage form of each type.
//!
//! Every conversion between them goes through [`Moment`], a local day and time of day in units of 100 ns, with an
//! offset from UTC. It is exact for all types but `datetime`, and it returns the 1/300 s ticks of `datetime`
//! unchanged.

use crate::types::{Cell, OwnedCell, SqlError, SqlType};
use crate::value::error;

/// Units of 100 ns in a second.
pub(crate) const UNITS_PER_SECOND: i64 = 10_000_000;
/// Units of 100 ns in a day.
pub(crate) const UNITS_PER_DAY: i64 = 86_400 * UNITS_PER_SECOND;
/// Ticks of `datetime` in a day.
pub(crate) const TICKS_PER_DAY: i64 = 86_400 * 300;
/// Days from 0001-01-01 to 1900-01-01.
pub(crate) const DAYS_TO_1900: i64 = 693_595;
/// 9999-12-31 in days since 0001-01-01.
pub(crate) const MAX_DAYS: i64 = 3_652_058;
/// 1753-01-01, the first day of `datetime`, in days since 1900-01-01.
const DATETIME_FIRST_DAY: i64 = -53_690;
/// 9999-12-31, the last day of `datetime`, in days since 1900-01-01.
const DATETIME_LAST_DAY: i64 = MAX_DAYS - DAYS_TO_1900;
/// The first minute after the range of `smalldatetime`: it ends with 2079-06-06.
const SMALL_END: i64 = 65_536 * 1_440;
/// The largest offset: 14 hours either way.
pub(crate) const MAX_OFFSET: i16 = 14 * 60;

/// A local date and time with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Days since 0001-01-01.
    pub(crate) days: i64,
    /// 100 ns units since midnight.
    pub(crate) units: i64,
    /// Minutes east of UTC.
    pub(crate) offset: i16,
}

/// Whether the type is a date or time.
pub(crate) fn is_temporal(ty: SqlType) -> bool {
    matches!(
        ty,
        SqlType::Date
            | SqlType::Time(_)
            | SqlType::DateTime
            | SqlType::SmallDateTime
            | SqlType::DateTime2(_)
            | SqlType::DateTimeOffset(_)
    )
}

/// Days since 0001-01-01 of a date of the proleptic Gregorian calendar. `None` when there is no such day in
/// 0001..=9999.
pub(crate) fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i64> {
    if !(1..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
    {
        return None;
    }
    // Years start in March, so that the leap day is the last of its year.
    let shifted = i64::from(year) - i64::from(month <= 2);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    Some(shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 306)
}

/// Days of a month.
pub(crate) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of days since 0001-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i32, u32, u32) {
    // Days since 0000-03-01.
    let from_march = days + 306;
    let era = from_march.div_euclid(146_097);
    let in_era = from_march.rem_euclid(146_097);
    let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, day as u32)
}

/// A `datetime` tick count as 100 ns units, rounded: .003 is .0033333, as in SQL Server from compatibility level
/// 130 on.
pub(crate) fn units_of_ticks(ticks: i64) -> i64 {
    (ticks * 100_000 + 1) / 3
}

/// 100 ns units of a day as `datetime` ticks, rounded: .005 is .007. The result may be the next midnight.
pub(crate) fn ticks_of_units(units: i64) -> i64 {
    (units * 3 + 50_000) / 100_000
}

/// Milliseconds that a tick count within a second prints as: 0, 3, 7, 10...
pub(crate) fn milliseconds_of_ticks(ticks: i64) -> i64 {
    (ticks * 10 + 1) / 3
}

/// Rounds units of a day to `scale` digits of a second, half up. The result may be the next midnight.
pub(crate) fn round_units(units: i64, scale: u8) -> i64 {
    let step = 10i64.pow(u32::from(7 - scale.min(7)));
    (units + step / 2) / step * step
}

/// 10 bytes that sort by the UTC moment: UTC units, then the offset.
pub(crate) fn offset_blob(utc_units: u64, offset: i16) -> [u8; 10] {
    let mut blob = [0; 10];
    blob[..8].copy_from_slice(&utc_units.to_be_bytes());
    blob[8..].copy_from_slice(&(offset ^ i16::MIN).to_be_bytes());
    blob
}

/// Splits [`offset_blob`] again.
pub(crate) fn from_offset_blob(blob: &[u8]) -> Option<(u64, i16)> {
    let blob: &[u8; 10] = blob.try_into().ok()?;
    let (units, offset) = blob.split_at(8);
    Some((
        u64::from_be_bytes(units.try_into().ok()?),
        i16::from_be_bytes(offset.try_into().ok()?) ^ i16::MIN,
    ))
}

impl Moment {
    /// Reads a stored value. `None` for a cell that is no such value.
    pub(crate) fn from_cell(cell: Cell<'_>, ty: SqlType) -> Option<Moment> {
        let (days, units, offset) = match (ty, cell) {
            (SqlType::Date, Cell::Integer(days)) => (days, 0, 0),
            (SqlType::Time(_), Cell::Integer(units)) => (DAYS_TO_1900, units, 0),
            (SqlType::DateTime, Cell::Integer(ticks)) => (
                DAYS_TO_1900 + ticks.div_euclid(TICKS_PER_DAY),
                units_of_ticks(ticks.rem_euclid(TICKS_PER_DAY)),
                0,
            ),
            (SqlType::SmallDateTime, Cell::Integer(minutes)) => (
                DAYS_TO_1900 + minutes.div_euclid(1_440),
                minutes.rem_euclid(1_440) * 60 * UNITS_PER_SECOND,
                0,
            ),
            (SqlType::DateTime2(_), Cell::Integer(units)) => (
                units.div_euclid(UNITS_PER_DAY),
                units.rem_euclid(UNITS_PER_DAY),
                0,
            ),
            (SqlType::DateTimeOffset(_), Cell::Blob(blob)) => {
                let (utc, offset) = from_offset_blob(blob)?;
                let local = i64::try_from(utc).ok()?.checked_add(minutes_to_units(offset))?;
                (
                    local.div_euclid(UNITS_PER_DAY),
                    local.rem_euclid(UNITS_PER_DAY),
                    offset,
                )
            }
            _ => return None,
        };
        Some(Moment { days, units, offset })
    }

    /// The stored value of type `to`, rounded to it. `None` when it is out of the type's range.
    pub(crate) fn to_cell(self, to: SqlType) -> Option<OwnedCell> {
        let value = match to {
            SqlType::Date => self.days,
            // A time that rounds up to midnight wraps.
            SqlType::Time(scale) => round_units(self.units, scale) % UNITS_PER_DAY,
            SqlType::DateTime => {
                let day = self.days - DAYS_TO_1900;
                let ticks = day * TICKS_PER_DAY + ticks_of_units(self.units);
                let days = ticks.div_euclid(TICKS_PER_DAY);
                return (DATETIME_FIRST_DAY..=DATETIME_LAST_DAY)
                    .contains(&days)
                    .then_some(OwnedCell::Integer(ticks));
            }
            SqlType::SmallDateTime => {
                // It goes through `datetime`, so that 29.999 s is 30 s and rounds up.
                let minutes =
                    (self.days - DAYS_TO_1900) * 1_440 + (ticks_of_units(self.units) + 9_000) / 18_000;
                return (0..SMALL_END)
                    .contains(&minutes)
                    .then_some(OwnedCell::Integer(minutes));
            }
            SqlType::DateTime2(scale) => {
                let units = self.days * UNITS_PER_DAY + round_units(self.units, scale);
                return in_range(units).then_some(OwnedCell::Integer(units));
            }
            SqlType::DateTimeOffset(scale) => {
                let local = self.days * UNITS_PER_DAY + round_units(self.units, scale);
                let utc = local - minutes_to_units(self.offset);
                if !in_range(local) || !in_range(utc) {
                    return None;
                }
                return Some(OwnedCell::Blob(
                    offset_blob(u64::try_from(utc).ok()?, self.offset).to_vec(),
                ));
            }
            _ => return None,
        };
        Some(OwnedCell::Integer(value))
    }

    /// Works as [`Moment::to_cell`], with the error of a conversion from `from`.
    pub(crate) fn convert(self, from: SqlType, to: SqlType) -> Result<OwnedCell, SqlError> {
        self.to_cell(to).ok_or_else(|| error::date_out_of_range(from, to))
    }
}

fn in_range(units: i64) -> bool {
    (0..(MAX_DAYS + 1) * UNITS_PER_DAY).contains(&units)
}

fn minutes_to_units(minutes: i16) -> i64 {
    i64::from(minutes) * 60 * UNITS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(y: i32, m: u32, d: u32, units: i64) -> Moment {
        Moment {
            days: days_from_civil(y, m, d).unwrap(),
            units,
            offset: 0,
        }
    }

    #[test]
    fn calendar() {
        assert_eq!(days_from_civil(1, 1, 1), Some(0));
        assert_eq!(days_from_civil(1900, 1, 1), Some(DAYS_TO_1900));
        assert_eq!(days_from_civil(9999, 12, 31), Some(MAX_DAYS));
        assert_eq!(
            days_from_civil(1753, 1, 1),
            Some(DAYS_TO_1900 + DATETIME_FIRST_DAY)
        );
        assert_eq!(days_from_civil(1900, 2, 29), None);
        assert_eq!(
            days_from_civil(2000, 2, 29),
            days_from_civil(2000, 3, 1).map(|d| d - 1)
        );
        assert_eq!(days_from_civil(0, 1, 1), None);
        assert_eq!(days_from_civil(10_000, 1, 1), None);
        for days in (0..=MAX_DAYS).step_by(61).chain([0, MAX_DAYS]) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), Some(days));
        }
    }

    #[test]
    fn ticks_round_to_000_003_007() {
        // <https://learn.microsoft.com/sql/t-sql/data-types/datetime-transact-sql>, "Rounding of datetime fractional
        // second precision".
        for (milliseconds, printed) in [
            (0, 0),
            (1, 0),
            (2, 3),
            (3, 3),
            (4, 3),
            (5, 7),
            (6, 7),
            (7, 7),
            (8, 7),
            (9, 10),
            (998, 997),
            (999, 1000),
        ] {
            let ticks = ticks_of_units(milliseconds * 10_000);
            assert_eq!(milliseconds_of_ticks(ticks), printed, "{milliseconds} ms");
        }
        for ticks in (0..TICKS_PER_DAY).step_by(7) {
            assert_eq!(ticks_of_units(units_of_ticks(ticks)), ticks);
        }
        assert_eq!((units_of_ticks(1), units_of_ticks(2)), (33_333, 66_667));
    }

    #[test]
    fn ranges() {
        let last = UNITS_PER_DAY - 1;
        assert_eq!(moment(9999, 12, 31, last).to_cell(SqlType::DateTime), None);
        assert_eq!(moment(9999, 12, 31, last).to_cell(SqlType::DateTime2(0)), None);
        assert!(
            moment(9999, 12, 31, last)
                .to_cell(SqlType::DateTime2(7))
                .is_some()
        );
        assert_eq!(moment(1752, 12, 31, 0).to_cell(SqlType::DateTime), None);
        // A time that rounds up into the range belongs to it.
        assert_eq!(
            moment(1752, 12, 31, last).to_cell(SqlType::DateTime),
            Some(OwnedCell::Integer(DATETIME_FIRST_DAY * TICKS_PER_DAY))
        );
        assert_eq!(moment(2079, 6, 6, last).to_cell(SqlType::SmallDateTime), None);
        assert_eq!(
            moment(2079, 6, 6, 0).to_cell(SqlType::SmallDateTime),
            Some(OwnedCell::Integer(65_535 * 1_440))
        );
        assert_eq!(moment(1899, 12, 31, 0).to_cell(SqlType::SmallDateTime), None);
        let early = Moment {
            offset: 60,
            ..moment(1, 1, 1, 0)
        };
        assert_eq!(
            early.to_cell(SqlType::DateTimeOffset(0)),
            None,
            "UTC would be before year 1"
        );
        assert_eq!(
            moment(1900, 1, 1, last).to_cell(SqlType::Time(0)),
            Some(OwnedCell::Integer(0))
        );
    }

    #[test]
    fn smalldatetime_rounds_at_29_999() {
        // <https://learn.microsoft.com/sql/t-sql/data-types/smalldatetime-transact-sql>
        let at = |ms: i64| moment(1900, 1, 1, ms * 10_000).to_cell(SqlType::SmallDateTime);
        assert_eq!(at(29_998), Some(OwnedCell::Integer(0)));
        assert_eq!(at(29_999), Some(OwnedCell::Integer(1)));
    }

    #[test]
    fn offsets_sort_by_utc() {
        let a = Moment {
            days: 700_000,
            units: 0,
            offset: 840,
        }
        .to_cell(SqlType::DateTimeOffset(7))
        .unwrap();
        let b = Moment {
            days: 700_000,
            units: 0,
            offset: -840,
        }
        .to_cell(SqlType::DateTimeOffset(7))
        .unwrap();
        let (OwnedCell::Blob(x), OwnedCell::Blob(y)) = (&a, &b) else {
            panic!("{a:?} {b:?}")
        };
        assert!(x[..8] < y[..8]);
        let back = Moment::from_cell(b.as_cell(), SqlType::DateTimeOffset(7));
        assert_eq!(
            back,
            Some(Moment {
                days: 700_000,
                units: 0,
                offset: -840
            })
        );
    }

    proptest::proptest! {
        #[test]
        fn datetime_gives_its_ticks_back(ticks in -53_690 * TICKS_PER_DAY..(MAX_DAYS - DAYS_TO_1900 + 1) * TICKS_PER_DAY) {
            let moment = Moment::from_cell(Cell::Integer(ticks), SqlType::DateTime).unwrap();
            proptest::prop_assert_eq!(moment.to_cell(SqlType::DateTime), Some(OwnedCell::Integer(ticks)));
        }
    }
}
