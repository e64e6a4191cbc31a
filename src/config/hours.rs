//! The subsection `[source.hours]` of a configuration.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::section::{File, Section};
use crate::base::error::Result;
use crate::base::text::closest;
use crate::base::zone;
use crate::model::hours::{Hours, Interval, Wall};

const HOURS_KEYS: &[&str] = &["allow", "time_zone"];

/// What `allow` may look like.
const EXAMPLE: &str = "[\"22:00-07:00\", \"Sat,Sun 00:00-24:00\"]";

/// The hours of the source, if it has some, and the clock that a person reads them by.
pub(super) fn hours<'a>(file: &'a File<'a>, source: &Section<'a>) -> Result<(Option<Hours>, Wall)> {
    let machine = zone::machine();
    let Some(value) = source.value("hours") else {
        return Ok((None, Wall::of_machine(machine)));
    };
    let section = Section::open(file, "[source.hours]", value, HOURS_KEYS)?;
    let allow = section.strings("allow")?.ok_or_else(|| {
        section.error(format_args!(
            "[source.hours] has no `allow`; add allow = {EXAMPLE}, or remove [source.hours] to read at any time"
        ))
    })?;
    let intervals = (1..).zip(&allow.value).map(|(number, text)| {
        let parsed = Interval::parse(&text.value);
        parsed.map_err(|error| {
            let text_of = format_args!("Interval {number} of `allow` in [source.hours] {error}");
            file.error(text.at, text_of)
        })
    });
    let intervals = intervals.collect::<Result<Vec<_>>>()?;
    let zone = match section.optional("time_zone")? {
        Some(name) => name.value.parse().map_err(|_| {
            let meant = closest(&name.value, &names())
                .map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
            let text = "`time_zone` in [source.hours] is no time zone of the IANA database, as \"Asia/Kuala_Lumpur\" is";
            file.error(name.at, format_args!("{text}{meant}"))
        })?,
        None => machine.ok_or_else(|| {
            section.error(
                "The time zone of this machine has no name that is known; add time_zone = \"Asia/Kuala_Lumpur\", or \
                 the one whose clock the hours mean",
            )
        })?,
    };
    let wall = Wall::new(zone, machine);
    let hours = Hours::new(intervals, wall).ok_or_else(|| {
        let text = format!(
            "`allow` in [source.hours] is empty, so nothing could ever be read; write allow = {EXAMPLE}, or remove \
             [source.hours] to read at any time"
        );
        file.error(allow.at, text)
    })?;
    Ok((Some(hours), wall))
}

/// The names of all time zones.
fn names() -> Vec<&'static str> {
    TZ_VARIANTS.iter().map(|zone: &Tz| zone.name()).collect()
}
