//! The name that sessions give themselves, by which a server's administrator tells what they are and do: in
//! `sys.dm_exec_sessions`, in a trace, in a blocking report.

use crate::base::text::harmless_text;

/// The characters of a name that TDS carries.
const CHARS_MAX: usize = 128;

/// The digits of a run's id in the name: as many as tell runs apart, and find it in a log.
const ID_DIGITS: usize = 8;

/// The name of a session: `sync/VERSION`, with `run ID` and the table that it is opened for, if there are any.
pub fn application(run: Option<u128>, table: &str) -> String {
    let mut name = concat!("sync/", env!("CARGO_PKG_VERSION")).to_owned();
    if let Some(run) = run {
        name.push_str(&format!(" run {}", &format!("{run:032x}")[..ID_DIGITS]));
    }
    if !table.is_empty() {
        name.push(' ');
        name.push_str(&harmless_text(table));
    }
    name.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_says_what_it_is_for() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(application(None, ""), format!("sync/{version}"));
        let run = Some(0x1a2b_3c4d << 96 | 7);
        assert_eq!(application(run, ""), format!("sync/{version} run 1a2b3c4d"));
        assert_eq!(
            application(Some(7), "SALES"),
            format!("sync/{version} run 00000000 SALES")
        );
    }

    #[test]
    fn a_name_is_no_longer_than_tds_carries_and_controls_nothing() {
        let name = application(Some(7), &"é".repeat(128));
        assert_eq!(name.chars().count(), CHARS_MAX);
        assert!(
            !application(Some(7), "A\u{1b}[2J\r\nB")
                .chars()
                .any(char::is_control)
        );
    }
}
