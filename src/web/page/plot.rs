//! The rows of a second over the last hour, as a drawing with its axes, and in words.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::base::text::thousands;
use crate::web::seen::{Rate, Seen};

/// The time that is drawn.
const SPAN: TimeDelta = TimeDelta::hours(1);

/// The time that a point of a line stands for. Parts of it begin at the same times in each drawing, so that points stay.
const POINT_SECONDS: i64 = 30;

/// Points further apart than this are not joined: nobody looked in between.
const GAP_SECONDS: i64 = 120;

/// The size of the drawing in its own units, which the page stretches.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 100.0;

/// The parts of the vertical axis.
const STEPS: u64 = 2;

/// A line: seconds of the epoch, and the rows of a second.
type Points = BTreeMap<i64, f64>;

fn points(rates: &[Rate], of: impl Fn(&Rate) -> f64) -> Points {
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for rate in rates {
        let at = rate.at.timestamp().div_euclid(POINT_SECONDS) * POINT_SECONDS;
        let (sum, count) = sums.entry(at).or_default();
        (*sum, *count) = (*sum + of(rate).max(0.0), *count + 1.0);
    }
    sums.into_iter()
        .map(|(at, (sum, count))| (at, sum / count))
        .collect()
}

/// The smallest number of 1, 2 or 5 and zeros that is no smaller.
fn rounded_up(most: f64) -> u64 {
    let most = most.max(1.0);
    let mut unit = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if factor * unit >= most {
                return (factor * unit) as u64;
            }
        }
        unit *= 10.0;
    }
}

/// A line as the path of a drawing.
fn path(points: &Points, start: DateTime<Utc>, top: u64) -> String {
    let mut path = String::new();
    let mut before = None;
    for (at, rate) in points {
        let x = (at - start.timestamp()) as f64 * WIDTH / SPAN.num_seconds() as f64;
        let y = HEIGHT - rate * HEIGHT / top as f64;
        let joined = before.is_some_and(|before| at - before <= GAP_SECONDS);
        // A point alone is a short stroke.
        let step = if joined { "L" } else { "h1M" };
        let step = if path.is_empty() { "M" } else { step };
        // Writing to a text does not fail.
        let _ = write!(path, "{step}{:.0} {:.0}", x.max(0.0), y);
        before = Some(*at);
    }
    if !path.is_empty() {
        path.push_str("h1");
    }
    path
}

/// The drawing.
pub(super) fn plot(seen: &Seen) -> Markup {
    let start = seen.status.pace.now - SPAN;
    let rates: Vec<Rate> = seen
        .rates
        .iter()
        .filter(|rate| rate.at >= start)
        .copied()
        .collect();
    let [read, loaded] = [
        points(&rates, |rate| rate.read_per_second),
        points(&rates, |rate| rate.loaded_per_second),
    ];
    let most = |points: &Points| points.values().copied().fold(0.0, f64::max);
    let top = rounded_up(most(&read).max(most(&loaded)));
    let words = |name: &str, points: &Points| {
        let now = points.values().last().copied().unwrap_or_default();
        format!(
            "{name}: {} rows/s at the end, {} at most",
            thousands(now.round() as u64),
            thousands(most(points).round() as u64)
        )
    };
    html! {
        figure #plot.plot {
            figcaption { "Rows a second over the last hour" }
            @if rates.is_empty() {
                p.hint { "No rate is known yet: this page takes one every few seconds while it is served." }
            } @else {
                div.chart {
                    ul.axis.up aria-hidden="true" { @for step in (0..=STEPS).rev() { li { (label(top, step)) } } }
                    svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                        aria-label={ (words("Read", &read)) ". " (words("Loaded", &loaded)) "." } {
                        @for step in 0..=STEPS {
                            @let y = HEIGHT * step as f64 / STEPS as f64;
                            path.line d={ "M0 " (y) "H" (WIDTH) } {}
                        }
                        path.read d=(path(&read, start, top)) {}
                        path.loaded d=(path(&loaded, start, top)) {}
                    }
                    ul.axis.along aria-hidden="true" {
                        li { (clock(seen, start)) } li { (clock(seen, start + SPAN / 2)) } li { (clock(seen, seen.status.pace.now)) }
                    }
                }
                ul.key {
                    li { i.read aria-hidden="true" {} (words("read", &read)) }
                    li { i.loaded aria-hidden="true" {} (words("loaded", &loaded)) }
                }
            }
        }
    }
}

/// A step of the vertical axis; half a row has no label.
fn label(top: u64, step: u64) -> String {
    match (top * step).is_multiple_of(STEPS) {
        true => thousands(top * step / STEPS),
        false => String::new(),
    }
}

/// A time in minutes.
fn clock(seen: &Seen, at: DateTime<Utc>) -> Markup {
    let wall = seen.status.pace.wall;
    let text = at.with_timezone(&wall.zone()).format("%H:%M");
    html! { time datetime=(at.format("%Y-%m-%dT%H:%MZ")) { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let ends = [0.0, 1.0, 1.5, 4_812.0, 5_000.0, 5_001.0].map(rounded_up);
        assert_eq!(ends, [1, 1, 2, 5_000, 5_000, 10_000]);
    }

    #[test]
    fn a_line_is_broken_where_nobody_looked() {
        let points = Points::from([(0, 0.0), (30, 50.0), (1800, 100.0)]);
        let start = DateTime::from_timestamp(0, 0).unwrap();
        assert_eq!(path(&points, start, 100), "M0 100L6 50h1M360 0h1");
        assert_eq!(path(&Points::new(), start, 100), "");
    }
}
