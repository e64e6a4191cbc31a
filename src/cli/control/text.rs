//! What was done, in words.

use crate::base::text::{counted, shown, thousands};
use crate::control::{Ask, Done};
use crate::model::pace::{Cause, Figures};

/// What a request has changed.
pub(super) fn text(ask: Ask, done: &Done) -> String {
    let mut text = match ask {
        Ask::Pause => paused(done),
        Ask::Resume => resumed(done),
        Ask::Stop if done.changed => {
            "Stopping: the chunks in flight are finished first; the same command again resumes.".to_owned()
        }
        Ask::Stop => "It was asked to stop already, and finishes the chunks in flight.".to_owned(),
        Ask::Tune(_) => tuned(done),
        Ask::Figures => String::new(),
    };
    if done.is_stopping && ask != Ask::Stop {
        text.push_str(" It was asked to stop, and ends after the chunks in flight.");
    }
    text
}

fn paused(done: &Done) -> String {
    let what = match (done.changed, done.now.reading) {
        (false, _) => "It was paused already".to_owned(),
        (true, 0) => "Paused".to_owned(),
        (true, 1) => "Paused: 1 read under way ends first".to_owned(),
        (true, reads) => format!("Paused: {} under way end first", counted(reads as u64, "read")),
    };
    let mut text = format!("{what}; `sync resume` goes on.");
    if !done.work.reads_source {
        text.push_str(&format!(
            " But this `sync {}` reads nothing of the source, and a pause holds nothing else.",
            shown(&done.work.command)
        ));
    }
    text
}

fn resumed(done: &Done) -> String {
    let held = done.now.hold.as_ref().filter(|hold| hold.cause != Cause::Pause);
    match (done.changed, held) {
        (true, None) => "Resumed.".to_owned(),
        (true, Some(hold)) => format!("Resumed, but it still waits: {}.", shown(&hold.detail)),
        (false, None) => "It was not paused.".to_owned(),
        (false, Some(hold)) => format!("It was not paused; it waits: {}.", shown(&hold.detail)),
    }
}

/// The settings before and now, of those that are otherwise.
fn tuned(done: &Done) -> String {
    let settings = |figures: &Figures| {
        let rate = figures.rows_per_second;
        [
            ("max_workers", figures.max_workers.to_string()),
            ("chunk_rows", thousands(figures.chunk_rows_max)),
            (
                "rows_per_second",
                rate.map_or_else(|| "any number".to_owned(), thousands),
            ),
            (
                "the hours of the source",
                if figures.ignores_hours {
                    "ignored"
                } else {
                    "heeded"
                }
                .to_owned(),
            ),
        ]
    };
    let (before, now) = (settings(&done.before), settings(&done.now));
    let changed = before.iter().zip(&now).filter(|(was, is)| was != is);
    let changed: Vec<String> = changed
        .map(|((name, was), (_, is))| format!("{name}: {was} before, {is} now"))
        .collect();
    match changed.is_empty() {
        true => "Nothing has changed: it was set so already.".to_owned(),
        false => format!("Tuned, until it ends. {}.", changed.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Work;
    use crate::model::pace::{Hold, Tuning};

    fn done(changed: bool) -> Done {
        Done {
            work: Work {
                command: "run".to_owned(),
                reads_source: true,
                run_id: 1,
                process_id: 2,
            },
            changed,
            is_stopping: false,
            before: Figures::default(),
            now: Figures::default(),
        }
    }

    #[test]
    fn a_pause_tells_what_ends_first() {
        let mut done = done(true);
        assert_eq!(text(Ask::Pause, &done), "Paused; `sync resume` goes on.");
        done.now.reading = 1;
        assert!(text(Ask::Pause, &done).starts_with("Paused: 1 read under way ends first;"));
        done.now.reading = 2;
        assert!(text(Ask::Pause, &done).starts_with("Paused: 2 reads under way end first;"));
        done.changed = false;
        done.is_stopping = true;
        assert_eq!(
            text(Ask::Pause, &done),
            "It was paused already; `sync resume` goes on. It was asked to stop, and ends after the chunks in flight."
        );
        done.work.reads_source = false;
        assert!(text(Ask::Pause, &done).contains("reads nothing of the source"));
    }

    #[test]
    fn a_resume_tells_what_it_still_waits_for() {
        let mut done = done(true);
        done.now.hold = Some(Hold {
            cause: Cause::Pause,
            since: chrono::DateTime::UNIX_EPOCH,
            until: None,
            detail: "a person paused it".to_owned(),
        });
        assert_eq!(text(Ask::Resume, &done), "Resumed.", "the pause is just over");
        done.now.hold.as_mut().unwrap().cause = Cause::Hours;
        done.now.hold.as_mut().unwrap().detail = "until 22:00\u{1b}[2J".to_owned();
        assert_eq!(
            text(Ask::Resume, &done),
            "Resumed, but it still waits: until 22:00\u{fffd}[2J."
        );
    }

    #[test]
    fn settings_are_told_as_they_were_and_are() {
        let mut done = done(true);
        let tune = Ask::Tune(Tuning::default());
        assert_eq!(text(tune, &done), "Nothing has changed: it was set so already.");
        done.before.max_workers = 2;
        done.now.max_workers = 1;
        done.now.rows_per_second = Some(5_000);
        done.now.ignores_hours = true;
        assert_eq!(
            text(tune, &done),
            "Tuned, until it ends. max_workers: 2 before, 1 now; rows_per_second: any number before, 5,000 now; \
             the hours of the source: heeded before, ignored now."
        );
    }
}
