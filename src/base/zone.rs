//! The time zone of this machine, by its IANA name.

use chrono_tz::Tz;

/// The time zone that this process runs in: that of the variable `TZ`, or else of the system. `None` if it has no IANA
/// name, as in a container without one: what depends on it must then ask the user, because a guess would be silent.
pub fn machine() -> Option<Tz> {
    match std::env::var("TZ") {
        // POSIX has it that an empty one is UTC; a colon may stand before a name.
        Ok(name) if name.is_empty() => Some(Tz::UTC),
        Ok(name) => name.trim_start_matches(':').parse().ok(),
        Err(_) => iana_time_zone::get_timezone().ok()?.parse().ok(),
    }
}
