//! The sections of a configuration about notices and log files.

use super::tests::{GOOD, load, refused, with};
use super::*;

/// The configuration with these lines in a section of its own, which is named in line 16.
fn beside(section: &str, lines: &str) -> String {
    with("[[table]]", &format!("[{section}]\n{lines}\n\n[[table]]"))
}

#[test]
fn who_is_notified_is_checked_and_no_key_is_quoted() {
    let load = |lines: &str| load(&beside("notify", lines));
    let notify = load(
        "url = \"https://ping.example/${SOURCE_PASSWORD}\"\nauthorization = \"Bearer ${TARGET_PASSWORD}\"",
    );
    let notify = notify.unwrap().notify.expect("it is there");
    let printed = format!("{notify:?} {notify:#?}");
    assert!(
        !printed.contains("from-") && !printed.contains("ping.example"),
        "{printed}"
    );
    assert_eq!(
        notify.url.unwrap().expose(),
        "https://ping.example/from-environment"
    );
    assert_eq!(
        (notify.format, notify.waiting),
        (NoticeFormat::Json, std::time::Duration::from_secs(1800))
    );
    assert!(!notify.on.contains(&NoticeEvent::Start) && notify.on.len() == 5);
    assert_eq!(
        notify.variables,
        [
            "SOURCE_PASSWORD",
            "TARGET_PASSWORD",
            "SOURCE_PASSWORD",
            "TARGET_PASSWORD"
        ]
    );
    let pinged = load("url = \"https://ping.example/a\"\nformat = \"healthchecks\"").unwrap();
    assert_eq!(pinged.notify.unwrap().on, NoticeEvent::ALL);
    for (lines, wanted) in [
        ("", ", line 16: [notify] names no one to notify"),
        ("command = []", ", line 17: `command` names no program"),
        (
            "command = [\"a\", \"${SOURCE_PASSWORD}\"]",
            ", line 17: `command` has a variable, and arguments are in the list",
        ),
        (
            "url = \"ftp://hunter2/\"",
            ", line 17: `url` in [notify] must begin with https:// or http://",
        ),
        (
            "url = \"hunter2\"",
            ", line 17: `url` in [notify] must begin with https:// or http://",
        ),
        (
            "url = \"https://a:hunter2@b/\"",
            ", line 17: `url` in [notify] has a user or a password",
        ),
        (
            "url = \"https://a/hunter 2\"",
            ", line 17: `url` in [notify] is no URL",
        ),
        (
            "url = \"http://a/\"\non = [\"hunter2\"]",
            ", line 18: `on` has a word that is no event; the events are start, succ",
        ),
        (
            "url = \"http://a/\"\nformat = \"hunter2\"",
            ", line 18: `format` must be \"json\" or \"healthchecks\"",
        ),
        (
            "url = \"http://a/\"\nauthorization = \"hunter2\\n\"",
            ", line 18: `authorization` has a character",
        ),
        (
            "command = [\"a\"]\nformat = \"json\"",
            ", line 18: `format` counts only with a `url`; remove it",
        ),
        (
            "url = \"http://a/\"\nwaiting_minutes = -1",
            ", line 18: `waiting_minutes` in [notify] must be a whole number",
        ),
        (
            "url = \"http://a/\"\nhook = 1",
            ", line 18: Unknown key `hook` in [notify]; known keys are url, authorization",
        ),
    ] {
        let said = refused(&beside("notify", lines));
        assert!(said.starts_with(wanted), "{lines}: {said}");
        assert!(!said.contains("hunter"), "{lines}: {said}");
    }
}

#[test]
fn log_files_are_beside_the_configuration() {
    let log = load(&beside("log", "directory = \"logs\""))
        .unwrap()
        .log
        .expect("it is there");
    assert!(
        log.directory.is_absolute() && log.directory.ends_with("logs"),
        "{log:?}"
    );
    assert_eq!(
        (log.format, log.rotate_bytes, log.keep_days),
        (LogFormat::Json, 100 << 20, 30)
    );
    assert_eq!(load(GOOD).unwrap().log, None);
    for (lines, wanted) in [
        (
            "",
            ", line 16: [log] has no `directory`; add directory = \"logs\"",
        ),
        (
            "directory = \"a\"\nformat = \"xml\"",
            ", line 18: `format` must be \"text\" or \"json\"",
        ),
        (
            "directory = \"a\"\nkeep_days = 0",
            ", line 18: `keep_days` in [log] must be a whole number from 1 to 3660",
        ),
        (
            "directory = \"a\"\nrotate_mib = 0",
            ", line 18: `rotate_mib` in [log] must be a whole number from 1 to 10240",
        ),
        (
            "directory = \"a\"\nlevel = 1",
            ", line 18: Unknown key `level` in [log]; known keys are directory, format",
        ),
    ] {
        let said = refused(&beside("log", lines));
        assert!(said.starts_with(wanted), "{lines}: {said}");
    }
}
