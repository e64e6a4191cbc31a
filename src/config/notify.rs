//! The section of a configuration about notices: where they go, and on what.
//!
//! The URL of a ping service is its key, so it is a secret from the moment that it is read. The arguments of a command are in
//! the list of processes, so they take no variable: what is secret, the command has from its environment.

use std::time::Duration;

use http::{HeaderValue, Uri};

use super::section::{At, File, Section};
use crate::base::error::Result;
use crate::base::secret::Secret;

const NOTIFY_KEYS: &[&str] = &[
    "url",
    "authorization",
    "format",
    "command",
    "on",
    "waiting_minutes",
];

/// A restart or a slow hour of either server is over by then.
const WAITING_MINUTES_DEFAULT: u64 = 30;

/// Four weeks, as the longest outage that a run waits out.
const WAITING_MINUTES_MAX: u64 = 28 * 24 * 60;

/// Where notices about a run go, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The address that they are posted to: http or https, with a host. It may be a key.
    pub url: Option<Secret>,
    /// The value of the header `Authorization`.
    pub authorization: Option<Secret>,
    /// How the URL is called.
    pub format: NoticeFormat,
    /// A program and its arguments, which gets them on its stdin.
    pub command: Option<Vec<String>>,
    /// What they are sent on.
    pub on: Vec<NoticeEvent>,
    /// How long a wait is that they are sent on.
    pub waiting: Duration,
    /// The variables that the configuration has its secrets from, which are not the command's.
    pub variables: Vec<String>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeEvent {
    /// A run begins.
    Start,
    /// It ended with exit code 0.
    Success,
    /// It ended by an error, or before its work began.
    Failure,
    /// Rows differ, or more would leave than may.
    Mismatch,
    /// It has waited for long, or goes on after that.
    Waiting,
    /// It ended with exit code 4.
    Incomplete,
}

impl NoticeEvent {
    /// All of them, in the order of a run.
    pub const ALL: [NoticeEvent; 6] = [
        NoticeEvent::Start,
        NoticeEvent::Success,
        NoticeEvent::Failure,
        NoticeEvent::Mismatch,
        NoticeEvent::Waiting,
        NoticeEvent::Incomplete,
    ];

    /// Its name in the configuration and in a notice.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeEvent::Start => "start",
            NoticeEvent::Success => "success",
            NoticeEvent::Failure => "failure",
            NoticeEvent::Mismatch => "mismatch",
            NoticeEvent::Waiting => "waiting",
            NoticeEvent::Incomplete => "incomplete",
        }
    }
}

/// How a URL is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeFormat {
    /// The notice is posted to the URL itself.
    Json,
    /// The end of the path says what happened, as healthchecks.io takes it: `/start`, `/fail`, `/log`, the exit code.
    Healthchecks,
}

/// The section, if there is one.
pub(super) fn notify<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<Option<Notify>> {
    let Some(value) = root.value("notify") else {
        return Ok(None);
    };
    let section = Section::open(file, "[notify]", value, NOTIFY_KEYS)?;
    let url = section
        .optional("url")?
        .map(|url| address(file, url))
        .transpose()?;
    let command = command(file, &section)?;
    if url.is_none() && command.is_none() {
        return Err(section.error(
            "[notify] names no one to notify; add url = \"${NOTIFY_URL}\" or command = [\"PROGRAM\", \"ARGUMENT\"]",
        ));
    }
    if url.is_none() {
        section.refuse(&["format", "authorization"], "counts only with a `url`")?;
    }
    let authorization = section.optional("authorization")?;
    if let Some(value) = &authorization
        && HeaderValue::from_str(&value.value).is_err()
    {
        let text = "`authorization` has a character that no header may have; give it one line, as in \"Bearer ${TOKEN}\"";
        return Err(file.error(value.at, text));
    }
    let format = match section.optional("format")? {
        None => NoticeFormat::Json,
        Some(format) => match format.value.as_str() {
            "json" => NoticeFormat::Json,
            "healthchecks" => NoticeFormat::Healthchecks,
            _ => return Err(file.error(format.at, "`format` must be \"json\" or \"healthchecks\"")),
        },
    };
    let minutes = section.integer("waiting_minutes", 0..=WAITING_MINUTES_MAX)?;
    let minutes = minutes.map_or(WAITING_MINUTES_DEFAULT, |found| found.value);
    Ok(Some(Notify {
        url,
        authorization: authorization.map(|value| Secret::new(value.value)),
        format,
        command,
        on: on(file, &section, format)?,
        waiting: Duration::from_secs(60 * minutes),
        variables: variables(file.text),
    }))
}

/// Refuses what is no address of a server. No error quotes it.
fn address(file: &File<'_>, url: At<String>) -> Result<Secret> {
    let refused = |text: &str| Err(file.error(url.at, format_args!("`url` in [notify] {text}")));
    let Ok(uri) = url.value.parse::<Uri>() else {
        return refused("is no URL; write it as https://HOST/PATH, with other characters as %XX");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return refused("must begin with https:// or http://");
    }
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return refused("names no host; write it as https://HOST/PATH");
    };
    if authority.as_str().contains('@') {
        return refused(
            "has a user or a password before its host; give them as `authorization`, and remove them there",
        );
    }
    Ok(Secret::new(url.value))
}

/// The program and its arguments.
fn command(file: &File<'_>, section: &Section<'_>) -> Result<Option<Vec<String>>> {
    let written = section
        .value("command")
        .and_then(|value| value.get_ref().as_array());
    let has_variable = written.into_iter().flat_map(|list| list.iter()).find(|item| {
        let text = item.get_ref().as_str();
        text.is_some_and(|text| text.contains("${"))
    });
    if let Some(item) = has_variable {
        let text = "`command` has a variable, and arguments are in the list of processes; have the program read it from its \
                    environment";
        return Err(file.error(item.span().start, text));
    }
    match section.strings("command")? {
        None => Ok(None),
        Some(list) if list.value.is_empty() => Err(file.error(
            list.at,
            "`command` names no program; write it as [\"PROGRAM\", \"ARGUMENT\"], or remove it",
        )),
        Some(list) => Ok(Some(list.value.into_iter().map(|part| part.value).collect())),
    }
}

/// What notices are sent on: a ping service measures from the start to the end, and a person wants no word of the start.
fn on(file: &File<'_>, section: &Section<'_>, format: NoticeFormat) -> Result<Vec<NoticeEvent>> {
    let Some(list) = section.strings("on")? else {
        let all = NoticeEvent::ALL.into_iter();
        let wanted =
            |event: &NoticeEvent| format == NoticeFormat::Healthchecks || *event != NoticeEvent::Start;
        return Ok(all.filter(wanted).collect());
    };
    let known = NoticeEvent::ALL.map(NoticeEvent::as_str);
    let mut events = Vec::new();
    for name in list.value {
        let event = NoticeEvent::ALL
            .into_iter()
            .find(|event| event.as_str() == name.value);
        match event {
            Some(event) if !events.contains(&event) => events.push(event),
            Some(_) => {}
            None => {
                let text = format!(
                    "`on` has a word that is no event; the events are {}",
                    known.join(", ")
                );
                return Err(file.error(name.at, text));
            }
        }
    }
    Ok(events)
}

/// The names of the variables that a configuration's text has.
fn variables(text: &str) -> Vec<String> {
    let named = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    named.map(|(name, _)| name.to_owned()).collect()
}
