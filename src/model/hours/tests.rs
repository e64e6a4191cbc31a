//! Hours as tables: texts, nights, weeks, and clocks that are put forward and back.

use proptest::prelude::*;

use super::*;

fn hours(zone: &str, intervals: &[&str]) -> Hours {
    let intervals = intervals.iter().map(|text| Interval::parse(text).unwrap());
    let zone = zone.parse().unwrap();
    Hours::new(intervals.collect(), Wall::new(zone, Some(zone))).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// `open until …`, `open` or `closed until …`, in UTC.
fn told(hours: &Hours, time: &str) -> String {
    let until = |until: DateTime<Utc>| until.format("%m-%d %H:%M:%S").to_string();
    match hours.state(at(time)) {
        State::Open { until: None } => "open".to_owned(),
        State::Open { until: Some(end) } => format!("open until {}", until(end)),
        State::Closed { until: end } => format!("closed until {}", until(end)),
    }
}

#[test]
fn an_interval_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let nights = hours("Asia/Kuala_Lumpur", &["22:00-07:00", "Sat,Sun 00:00-24:00"]);
    // Eight hours ahead of UTC. The 24th of November 2025 is a Monday.
    for (time, wanted) in [
        ("2025-11-24T10:00:00Z", "closed until 11-24 14:00:00"),
        ("2025-11-24T13:59:59.999Z", "closed until 11-24 14:00:00"),
        ("2025-11-24T14:00:00Z", "open until 11-24 23:00:00"),
        ("2025-11-24T22:59:59.999Z", "open until 11-24 23:00:00"),
        ("2025-11-24T23:00:00Z", "closed until 11-25 14:00:00"),
        // From Friday night to Monday morning without an end.
        ("2025-11-28T14:00:00Z", "open until 11-30 23:00:00"),
        ("2025-11-30T17:00:00Z", "open until 11-30 23:00:00"),
    ] {
        assert_eq!(told(&nights, time), wanted, "{time}");
    }
    let friday = hours("UTC", &["Fri 22:00-07:00"]);
    for (time, wanted) in [
        ("2025-11-28T06:59:00Z", "closed until 11-28 22:00:00"),
        ("2025-11-29T06:59:00Z", "open until 11-29 07:00:00"),
        ("2025-11-29T07:00:00Z", "closed until 12-05 22:00:00"),
    ] {
        assert_eq!(told(&friday, time), wanted, "{time}");
    }
    let sunday = hours("UTC", &["Sun 22:00-07:00"]);
    for (time, wanted) in [
        ("2025-11-30T23:00:00Z", "open until 12-01 07:00:00"),
        ("2025-12-01T07:00:00Z", "closed until 12-07 22:00:00"),
    ] {
        assert_eq!(told(&sunday, time), wanted, "{time}");
    }
}

#[test]
fn intervals_that_meet_are_one() {
    for intervals in [
        &["00:00-24:00"][..],
        &["22:00-07:00", "07:00-22:00"],
        &["Mon-Fri 00:00-24:00", "sat,SUN 00:00-24:00"],
        &["Thu-Wed 00:00-24:00"],
    ] {
        assert_eq!(
            told(&hours("UTC", intervals), "2025-11-24T10:00:00Z"),
            "open",
            "{intervals:?}"
        );
    }
    let over = hours("UTC", &["20:00-23:00", "22:00-01:00", "Tue 01:00-02:00"]);
    assert_eq!(told(&over, "2025-11-24T20:30:00Z"), "open until 11-25 02:00:00");
    assert_eq!(told(&over, "2025-11-25T20:30:00Z"), "open until 11-26 01:00:00");
    let to_midnight = hours("UTC", &["Mon 22:00-24:00"]);
    assert_eq!(
        told(&to_midnight, "2025-11-24T23:59:59Z"),
        "open until 11-25 00:00:00"
    );
}

#[test]
fn an_hour_that_is_not_there_is_neither_waited_for_nor_read_in() {
    // Berlin goes from 02:00 to 03:00 at 01:00 UTC on Sunday the 29th of March 2026.
    let within = hours("Europe/Berlin", &["Sun 02:00-03:00"]);
    for (time, wanted) in [
        ("2026-03-22T01:30:00Z", "open until 03-22 02:00:00"),
        ("2026-03-22T02:00:00Z", "closed until 04-05 00:00:00"),
        ("2026-03-29T00:59:59Z", "closed until 04-05 00:00:00"),
        ("2026-03-29T01:00:00Z", "closed until 04-05 00:00:00"),
    ] {
        assert_eq!(told(&within, time), wanted, "{time}");
    }
    // Begun or ended by an hour that is skipped, it begins or ends with the leap.
    let over = hours("Europe/Berlin", &["01:00-02:30"]);
    assert_eq!(told(&over, "2026-03-29T00:30:00Z"), "open until 03-29 01:00:00");
    let behind = hours("Europe/Berlin", &["02:30-04:00"]);
    assert_eq!(
        told(&behind, "2026-03-29T00:30:00Z"),
        "closed until 03-29 01:00:00"
    );
    assert_eq!(told(&behind, "2026-03-29T01:00:00Z"), "open until 03-29 02:00:00");
    // New York: from 02:00 to 03:00 at 07:00 UTC on the 8th of March. A night is an hour shorter.
    let night = hours("America/New_York", &["22:00-07:00"]);
    assert_eq!(told(&night, "2026-03-08T03:00:00Z"), "open until 03-08 11:00:00");
    // Lord Howe: from 02:00 to 02:30 at 15:30 UTC on the 3rd of October.
    let half = hours("Australia/Lord_Howe", &["02:00-02:30"]);
    assert_eq!(told(&half, "2026-10-03T15:29:59Z"), "closed until 10-04 15:00:00");
    let rest = hours("Australia/Lord_Howe", &["02:15-02:45"]);
    assert_eq!(told(&rest, "2026-10-03T15:00:00Z"), "closed until 10-03 15:30:00");
    assert_eq!(told(&rest, "2026-10-03T15:30:00Z"), "open until 10-03 15:45:00");
}

#[test]
fn an_hour_that_is_there_twice_is_open_or_closed_twice() {
    // Berlin goes from 03:00 back to 02:00 at 01:00 UTC on the 26th of October 2025.
    let early = hours("Europe/Berlin", &["01:00-02:30"]);
    for (time, wanted) in [
        ("2025-10-25T23:30:00Z", "open until 10-26 00:30:00"),
        ("2025-10-26T00:30:00Z", "closed until 10-26 01:00:00"),
        ("2025-10-26T01:00:00Z", "open until 10-26 01:30:00"),
        ("2025-10-26T01:30:00Z", "closed until 10-27 00:00:00"),
    ] {
        assert_eq!(told(&early, time), wanted, "{time}");
    }
    let late = hours("Europe/Berlin", &["02:30-04:00"]);
    for (time, wanted) in [
        ("2025-10-26T00:30:00Z", "open until 10-26 01:00:00"),
        ("2025-10-26T01:00:00Z", "closed until 10-26 01:30:00"),
        ("2025-10-26T01:30:00Z", "open until 10-26 03:00:00"),
    ] {
        assert_eq!(told(&late, time), wanted, "{time}");
    }
    // New York: back at 06:00 UTC on the 2nd of November. A night is an hour longer, and open all along.
    let night = hours("America/New_York", &["22:00-07:00"]);
    assert_eq!(told(&night, "2025-11-02T02:00:00Z"), "open until 11-02 12:00:00");
    // Lord Howe: from 02:00 back to 01:30 at 15:00 UTC on the 4th of April 2026.
    let half = hours("Australia/Lord_Howe", &["01:30-01:45"]);
    assert_eq!(told(&half, "2026-04-04T14:30:00Z"), "open until 04-04 14:45:00");
    assert_eq!(told(&half, "2026-04-04T14:50:00Z"), "closed until 04-04 15:00:00");
    assert_eq!(told(&half, "2026-04-04T15:00:00Z"), "open until 04-04 15:15:00");
}

#[test]
fn what_is_no_interval_is_told_apart() {
    let wanted = |text: &str| match text {
        "Mond 22:00-07:00" | "Mon, 22:00-07:00" | "Sat-San 00:00-24:00" => "has a day that is none",
        "25:00-07:00" | "24:01-07:00" | "22:60-07:00" | "22-07" | "7:00-22:00" | "+7:00-22:00" => {
            "has a time that is none"
        }
        "24:00-07:00" => "begins at 24:00",
        "Mon 22:00-22:00" => "has no length",
        _ => "is none; write times",
    };
    for text in [
        "",
        "  ",
        "Mon",
        "22:00",
        "22:00 - 07:00",
        "Mon Tue 22:00-07:00",
        "Mond 22:00-07:00",
        "Mon, 22:00-07:00",
        "Sat-San 00:00-24:00",
        "25:00-07:00",
        "24:01-07:00",
        "22:60-07:00",
        "22-07",
        "7:00-22:00",
        "+7:00-22:00",
        "24:00-07:00",
        "Mon 22:00-22:00",
    ] {
        let error = Interval::parse(text).unwrap_err();
        assert!(error.starts_with(wanted(text)), "{text}: {error}");
    }
    assert_eq!(
        Interval::parse(" Mon  22:00-07:00 ").unwrap().text(),
        "Mon 22:00-07:00"
    );
    assert_eq!(Hours::new(Vec::new(), Wall::of_machine(None)), None);
}

#[test]
fn a_time_is_told_as_near_as_it_is() {
    let kuala_lumpur = "Asia/Kuala_Lumpur".parse().unwrap();
    let wall = Wall::new(kuala_lumpur, Some(kuala_lumpur));
    let now = at("2025-11-24T10:00:00Z");
    for (time, wanted) in [
        ("2025-11-24T14:00:00Z", "22:00"),
        ("2025-11-24T14:00:05Z", "22:00:05"),
        ("2025-11-25T09:59:00Z", "17:59"),
        ("2025-11-24T09:00:00Z", "17:00"),
        ("2025-11-25T14:00:00Z", "Tue 22:00"),
        ("2025-12-05T14:00:00Z", "2025-12-05 22:00"),
    ] {
        assert_eq!(wall.time(at(time), now), wanted, "{time}");
    }
    let elsewhere = Wall::new(kuala_lumpur, Some(Tz::UTC));
    assert_eq!(wall.named(now, now), "18:00");
    assert_eq!(elsewhere.named(now, now), "18:00 Asia/Kuala_Lumpur");
    assert_eq!(Wall::of_machine(None).named(now, now), "10:00 UTC");
}

/// Weeks in which the clock of the zone is put forward or back, and one of none.
const WEEKS: [(&str, &str); 7] = [
    ("Europe/Berlin", "2026-03-26T00:00:00Z"),
    ("Europe/Berlin", "2025-10-23T00:00:00Z"),
    ("America/New_York", "2026-03-05T00:00:00Z"),
    ("America/New_York", "2025-10-30T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-01T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-02T00:00:00Z"),
    ("Asia/Kuala_Lumpur", "2025-11-24T00:00:00Z"),
];

/// Minutes that are looked at: eight days, so that a week is whole.
const MINUTES: usize = 8 * 24 * 60;

fn interval() -> impl Strategy<Value = (usize, usize, u32, u32)> {
    (0..7_usize, 0..7_usize, 0..96_u32, 1..96_u32)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_minute_is_as_the_wall_clock_says(
        (zone, start) in proptest::sample::select(&WEEKS[..]),
        intervals in proptest::collection::vec(interval(), 1..4),
    ) {
        let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let clock = |quarter: u32| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
        let texts: Vec<String> = intervals.iter().map(|(first, last, from, length)| {
            let to = clock((from + length) % 96);
            format!("{}-{} {}-{to}", day[*first], day[*last], clock(*from))
        }).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let hours = hours(zone, &texts);
        // By other means: the wall clock of each minute, and the intervals of its day and of the day before.
        let is_open = |time: DateTime<Utc>| {
            let local = time.with_timezone(&hours.wall().zone()).naive_local();
            let quarter = local.num_seconds_from_midnight() / (15 * 60);
            let today = local.weekday().num_days_from_monday() as usize;
            intervals.iter().any(|(first, last, from, length)| {
                let has = |day: usize| (day + 7 - first) % 7 <= (last + 7 - first) % 7;
                let (to, over) = (from + length, (from + length).saturating_sub(96));
                (has(today) && (*from..to).contains(&quarter)) || (has((today + 6) % 7) && quarter < over)
            })
        };
        let start = at(start);
        let minutes: Vec<DateTime<Utc>> = (0..MINUTES).map(|n| start + TimeDelta::minutes(n as i64)).collect();
        let mut next = None;
        for pair in minutes.windows(2).rev() {
            let (this, after) = (is_open(pair[0]), is_open(pair[1]));
            if this != after {
                next = Some(pair[1]);
            }
            // Beyond the last change that is looked at, the state alone is known.
            match (hours.state(pair[0]), next) {
                (State::Open { until }, Some(next)) => prop_assert!(this && until == Some(next)),
                (State::Closed { until }, Some(next)) => prop_assert!(!this && until == next),
                (State::Open { .. }, None) => prop_assert!(this),
                (State::Closed { .. }, None) => prop_assert!(!this),
            }
        }
    }
}
