//! Follows the events of a command, and makes notices of those that somebody wants to know.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify as Wake, mpsc};

use super::view::{About, Kind, Notice, NoticeView, NoticeWait, short};
use super::warn::{Warn, undelivered};
use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind};
use crate::base::exit_code::ExitCode;
use crate::base::program;
use crate::base::text::{counted, duration};
use crate::config::{NoticeEvent, Notify};
use crate::model::pace::{Cause, Hold};
use crate::progress::{Event, Progress, TableSummary};

/// What is known of a command that goes on.
pub(super) struct Watch {
    about: About,
    on: Vec<NoticeEvent>,
    /// How long a wait is that somebody wants to know of.
    long: Duration,
    clock: SharedClock,
    /// When the command began, on the monotonic clock.
    began: Duration,
    warn: Warn,
    state: Mutex<State>,
    /// Tells that a wait has begun or is over.
    changed: Wake,
}

struct State {
    /// `None` once the command ends.
    queue: Option<mpsc::Sender<Notice>>,
    /// What is on its way, in the order in which it happened.
    left: Vec<Kind>,
    tables: Vec<TableSummary>,
    /// The table that is worked on, as far as an event has named it.
    table: Option<String>,
    message: Option<String>,
    has_mismatch: bool,
    wait: Option<Wait>,
}

struct Wait {
    hold: Hold,
    is_told: bool,
}

impl State {
    fn waits_for_a_server(&self) -> bool {
        self.wait
            .as_ref()
            .is_some_and(|wait| wait.hold.cause == Cause::Outage)
    }
}

impl Watch {
    pub(super) fn new(
        settings: &Notify,
        about: About,
        clock: SharedClock,
        queue: mpsc::Sender<Notice>,
        warn: Warn,
    ) -> Watch {
        let watch = Watch {
            about,
            on: settings.on.clone(),
            long: settings.waiting,
            began: clock.monotonic(),
            clock,
            warn,
            state: Mutex::new(State {
                queue: Some(queue),
                left: Vec::new(),
                tables: Vec::new(),
                table: None,
                message: None,
                has_mismatch: false,
                wait: None,
            }),
            changed: Wake::new(),
        };
        let message = format!("`sync {}` begins.", watch.about.command);
        let begins = watch.notice(&watch.state(), NoticeEvent::Start, |view| {
            view.message = Some(message)
        });
        watch.send(&mut watch.state(), begins);
        watch
    }

    /// Keeps the sentence that says what the command came to.
    pub(super) fn outcome(&self, message: &str) {
        self.state().message = Some(message.to_owned());
    }

    /// Closes the queue. Returns the last notice, if somebody wants to know.
    pub(super) fn end(&self, exit: ExitCode, error: Option<&str>) -> Option<Notice> {
        let event = match exit {
            ExitCode::Done => NoticeEvent::Success,
            ExitCode::Mismatch => NoticeEvent::Mismatch,
            ExitCode::Incomplete => NoticeEvent::Incomplete,
            ExitCode::Internal | ExitCode::Usage | ExitCode::Busy | ExitCode::State | ExitCode::Preflight => {
                NoticeEvent::Failure
            }
        };
        let mut state = self.state();
        state.queue = None;
        let message = state.message.take();
        self.notice(&state, event, |view| {
            view.exit_code = Some(exit as u8);
            view.error = error.map(short);
            view.message = message.filter(|_| error.is_none());
        })
    }

    /// Returns once a wait has begun or is over.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The time until the wait is long enough to tell; `None` without a wait, and for one that was told.
    pub(super) fn due(&self) -> Option<Duration> {
        let state = self.state();
        let wait = state.wait.as_ref().filter(|wait| !wait.is_told)?;
        self.wants(NoticeEvent::Waiting)
            .then(|| self.long.saturating_sub(self.lasted(wait)))
    }

    /// The notice of a wait that has become long.
    pub(super) fn long_wait(&self) -> Option<Notice> {
        let mut state = self.state();
        let wait = state.wait.as_mut().filter(|wait| !wait.is_told)?;
        let lasted = self.lasted(wait);
        if lasted < self.long {
            return None;
        }
        wait.is_told = true;
        let hold = wait.hold.clone();
        let message = format!("Has waited for {}: {}", duration(lasted), hold.detail);
        let notice = self.waiting(&state, hold, lasted, message, false)?;
        state.left.push(notice.event);
        Some(notice)
    }

    /// A notice is no longer on its way, whether it arrived or not.
    pub(super) fn over(&self, event: Kind) {
        let left = &mut self.state().left;
        if let Some(at) = left.iter().position(|of| *of == event) {
            left.remove(at);
        }
    }

    /// The events whose notices are still on their way, in words.
    pub(super) fn left(&self) -> String {
        let state = self.state();
        let words = state.left.iter().map(|event| format!("`{}`", event.as_str()));
        words.collect::<Vec<_>>().join(", ")
    }

    fn lasted(&self, wait: &Wait) -> Duration {
        (self.clock.now() - wait.hold.since).to_std().unwrap_or_default()
    }

    fn wants(&self, event: NoticeEvent) -> bool {
        self.on.contains(&event)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A notice of an event that somebody wants to know.
    fn notice(
        &self,
        state: &State,
        event: NoticeEvent,
        fill: impl FnOnce(&mut NoticeView),
    ) -> Option<Notice> {
        if !self.wants(event) {
            return None;
        }
        let mut view = NoticeView::of(self.about.clone(), self.clock.now(), Kind::Event(event));
        let elapsed = self.clock.monotonic().saturating_sub(self.began);
        view.elapsed_ms = millis(elapsed);
        view.with_tables(state.tables.iter());
        fill(&mut view);
        for text in [&mut view.message, &mut view.error].into_iter().flatten() {
            *text = short(&program::named(text));
        }
        Some(Notice::of(Kind::Event(event), self.about.run_id, &view))
    }

    fn waiting(
        &self,
        state: &State,
        hold: Hold,
        lasted: Duration,
        message: String,
        is_over: bool,
    ) -> Option<Notice> {
        self.notice(state, NoticeEvent::Waiting, |view| {
            view.message = Some(message);
            view.table = state.table.clone();
            view.wait = Some(NoticeWait {
                cause: hold.cause.as_str().to_owned(),
                detail: short(&hold.detail),
                is_over,
                since: hold.since,
                until: hold.until.filter(|_| !is_over),
                waited_ms: millis(lasted),
            });
        })
    }

    /// Hands a notice to the queue, which must not be waited for.
    fn send(&self, state: &mut State, notice: Option<Notice>) {
        let (Some(queue), Some(notice)) = (&state.queue, notice) else {
            return;
        };
        let event = notice.event;
        if queue.try_send(notice).is_ok() {
            state.left.push(event);
        } else {
            (self.warn)(&undelivered(
                event.as_str(),
                "those before it are still on their way",
            ));
        }
    }

    /// Tells of the first rows that differ, or would leave.
    fn mismatch(&self, state: &mut State, table: &str, message: String) {
        if std::mem::replace(&mut state.has_mismatch, true) {
            return;
        }
        let notice = self.notice(state, NoticeEvent::Mismatch, |view| {
            view.message = Some(message);
            view.table = Some(table.to_owned());
        });
        self.send(state, notice);
    }

    fn held(&self, state: &mut State, hold: &Hold) {
        match &mut state.wait {
            // The same wait, told again now and then.
            Some(wait) if wait.hold.cause == hold.cause => {
                let since = wait.hold.since;
                wait.hold = Hold {
                    since,
                    ..hold.clone()
                };
            }
            _ => {
                self.released(state);
                state.wait = Some(Wait {
                    hold: hold.clone(),
                    is_told: false,
                });
                self.changed.notify_one();
            }
        }
    }

    fn released(&self, state: &mut State) {
        let Some(wait) = state.wait.take() else {
            return;
        };
        self.changed.notify_one();
        if wait.is_told {
            let lasted = self.lasted(&wait);
            let message = format!("Goes on after {}.", duration(lasted));
            let notice = self.waiting(state, wait.hold, lasted, message, true);
            self.send(state, notice);
        }
    }

    /// A server that is away. The wait begins with the first attempt that is seen to fail.
    fn away(&self, state: &mut State, next_try: Duration, error: &Error) {
        let now = self.clock.now();
        self.held(
            state,
            &Hold {
                cause: Cause::Outage,
                since: now,
                until: after(now, next_try),
                detail: error.chain(),
            },
        );
    }
}

impl Progress for Watch {
    fn event(&self, event: Event<'_>) {
        let mut state = self.state();
        let state = &mut *state;
        match event {
            Event::Compared { .. } => state.table = None,
            Event::Retrying {
                table,
                window: Some(_),
                ..
            } => state.table = Some(table.to_owned()),
            _ => {}
        }
        match event {
            Event::WindowFailed { table, window, error }
                if matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Held) =>
            {
                self.mismatch(state, table, format!("{table} {window}: {}", error.chain()));
            }
            Event::TableStarted { table, .. }
            | Event::WindowStarted { table, .. }
            | Event::Comparing { table } => state.table = Some(table.to_owned()),
            Event::Compared {
                table,
                chunks,
                differing,
            } if differing > 0 => {
                let of = counted(chunks, "chunk");
                self.mismatch(
                    state,
                    table,
                    format!("{table}: {differing} of {of} differ from what was verified"),
                );
            }
            Event::Retrying {
                wait,
                away: Some(_),
                error,
                ..
            } => self.away(state, wait, error),
            Event::Back { .. } if state.waits_for_a_server() => self.released(state),
            // Its hours are what a person wanted.
            Event::Held { hold } if hold.cause != Cause::Hours => self.held(state, hold),
            Event::Held { .. } | Event::Released { .. } => self.released(state),
            Event::TableDone { summary, .. } => {
                state.tables.retain(|table| table.name != summary.name);
                state.tables.push(summary.clone());
                state.table = None;
                if summary.mismatched > 0 || summary.held > 0 {
                    let what = match summary.mismatched {
                        0 => "more rows would leave the target than may",
                        _ => "rows that were read back differ from the source's",
                    };
                    self.mismatch(state, &summary.name, format!("{}: {what}", summary.name));
                }
            }
            Event::RunDone { summary, .. } => state.tables.clone_from(&summary.tables),
            _ => {}
        }
    }
}

fn after(now: DateTime<Utc>, time: Duration) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::from_std(time).ok()?)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
