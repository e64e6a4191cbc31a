//! Whom a configuration notifies: the notices of a command begin, and `sync doctor` looks at them.

use std::sync::Arc;

use crate::base::program;
use crate::cli::context::Context;
use crate::cli::shared::host;
use crate::config::Config;
use crate::doctor::{Level, Report};
use crate::notify::{About, Notifier, missing_program, send_test, told_of};

/// The place of the checks of `sync doctor`.
const PLACE: &str = "notices";

/// Notifies of a command from now on, as the configuration says.
pub(super) fn begin(context: &Context, config: &Config, command: &str) {
    if let Some(settings) = &config.notify {
        let about = about(context, config, command);
        let clock = Arc::clone(&context.clock);
        let warner = context.voice.warner();
        context
            .notices
            .begin(|| Notifier::start(settings, about, clock, warner));
    }
}

fn about(context: &Context, config: &Config, command: &str) -> About {
    About {
        command: command.to_owned(),
        run_id: context.voice.run_id(),
        host: host(),
        config: config.path.display().to_string(),
    }
}

/// Reports who is notified, and sends a test if it is asked for.
pub(super) async fn check(context: &Context, report: &mut Report, config: &Config, test: bool) {
    let Some(settings) = &config.notify else {
        if test {
            let text =
                "`--notify` sends a test notice, and there is no [notify]; add it with a url or a command";
            report.add(Level::Failure, PLACE, text);
        }
        return;
    };
    let ways = match (&settings.url, &settings.command) {
        (Some(_), Some(_)) => "A URL and a command are",
        (Some(_), None) => "A URL is",
        (None, _) => "A command is",
    };
    let text = format!("{ways} notified of {}", told_of(settings));
    report.add(Level::Ok, PLACE, text);
    if settings.url.as_ref().is_some_and(|url| is_open(url.expose())) {
        let text = "`url` begins with http:// and leads to another machine: whoever is on the way reads it, and the notices; \
                    use https://";
        report.add(Level::Warning, PLACE, text);
    }
    if let Some(program) = missing_program(settings) {
        let text = format!(
            "There is no program {program} that this user may run, so the command of [notify] gets no notice; correct its \
             path, or install it"
        );
        report.add(Level::Warning, PLACE, text);
    }
    if !test {
        return;
    }
    let about = about(context, config, "doctor");
    match send_test(settings, about, Arc::clone(&context.clock)).await {
        Ok(()) => report.add(Level::Ok, PLACE, "The test notice was taken"),
        Err(error) => report.add(Level::Failure, PLACE, program::named(&error.chain())),
    }
}

/// Whether a URL goes to another machine without encryption.
fn is_open(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    let here = |host: &str| ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    uri.is_some_and(|uri| uri.scheme_str() == Some("http") && !uri.host().is_some_and(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept_as::<crate::notify::NoticeView>("notice", "A notice of sync");
    }

    #[test]
    fn what_others_can_read_on_the_way_is_told() {
        for (url, open) in [
            ("http://example.com/key", true),
            ("http://127.0.0.1:8080/key", false),
            ("http://[::1]/key", false),
            ("https://example.com/key", false),
        ] {
            assert_eq!(is_open(url), open, "{url}");
        }
    }
}
