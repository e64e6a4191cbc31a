//! Notices about a run, to a URL and to a command.
//!
//! A run hands a notice to a queue and goes on: who delivers them is another task. A notice that is not taken is retried for a
//! minute and then dropped with a warning, and so is one for which the queue has no room. The end of a command waits for its last
//! notice for ten seconds at most, and its exit code is the one that it would have had. No notice has a value of a row or a secret.

mod courier;
mod http;
mod program;
mod view;
mod warn;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::config::{NoticeEvent, Notify};
use crate::progress::Progress;
use courier::Courier;
use view::Notice;
use warn::{Warn, undelivered};
use watch::Watch;

pub use view::{About, NoticeView};

/// Notices that wait for their turn. A run has about four; more of them come only of waits.
const QUEUE_MAX: usize = 16;

/// How long the end of a command waits for the notices before the last one.
const EARLIER_MAX: Duration = Duration::from_secs(3);

/// How long it waits for the last one. A system that shuts down gives a program a little longer than both.
const LAST_MAX: Duration = Duration::from_secs(7);

/// The notices of a command.
pub struct Notifier {
    watch: Arc<Watch>,
    courier: Arc<Courier>,
    clock: SharedClock,
    warn: Warn,
    /// The task that delivers; it ends when the queue is closed and empty.
    delivering: Mutex<Option<JoinHandle<()>>>,
}

impl Notifier {
    /// Begins to deliver. `about` says whose notices they are, and `warn` is told of those that are not delivered.
    pub fn start(
        settings: &Notify,
        about: About,
        clock: SharedClock,
        warn: impl Fn(&str) + Send + Sync + 'static,
    ) -> Notifier {
        let warn: Warn = Arc::new(warn);
        let (queue, notices) = mpsc::channel(QUEUE_MAX);
        let watch = Arc::new(Watch::new(
            settings,
            about,
            SharedClock::clone(&clock),
            queue,
            Arc::clone(&warn),
        ));
        let courier = Arc::new(Courier::new(settings.clone(), SharedClock::clone(&clock)));
        let delivering = courier::deliver_all(
            Arc::clone(&courier),
            notices,
            Arc::clone(&watch),
            Arc::clone(&warn),
        );
        Notifier {
            watch,
            courier,
            clock,
            warn,
            delivering: Mutex::new(Some(tokio::spawn(delivering))),
        }
    }

    /// What the events of the run are told to.
    pub fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.watch) as Arc<dyn Progress>
    }

    /// Keeps the sentence that says what the command came to, and what to do next.
    pub fn outcome(&self, message: &str) {
        self.watch.outcome(message);
    }

    /// Sends the last notice, of a command that ends with this exit code, or by this error, and waits for it for a bounded time.
    pub async fn end(&self, exit: ExitCode, error: Option<&str>) {
        let last = self.watch.end(exit, error);
        let delivering = self
            .delivering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut delivering) = delivering {
            tokio::select! {
                biased;
                _ = &mut delivering => {}
                () = self.clock.sleep(EARLIER_MAX) => {
                    delivering.abort();
                    let left = self.watch.left();
                    (self.warn)(&format!("Earlier notices were given up, as the command ends: {left}"));
                }
            }
        }
        let Some(last) = last else {
            return;
        };
        tokio::select! {
            biased;
            delivered = self.courier.deliver(&last) => courier::told(delivered, last.event, &self.warn),
            () = self.clock.sleep(LAST_MAX) => (self.warn)(&undelivered(
                last.event.as_str(),
                format_args!("it took longer than {} s", LAST_MAX.as_secs()),
            )),
        }
    }

    /// Gives up what is not delivered yet.
    pub fn give_up(&self) {
        let delivering = self
            .delivering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(delivering) = delivering {
            delivering.abort();
        }
    }
}

/// Delivers one notice that says it is a test, each way once.
///
/// # Errors
/// `Connection` for a URL or a command that did not take it.
pub async fn send_test(settings: &Notify, about: About, clock: SharedClock) -> Result<()> {
    let notice = Notice::test(about, clock.now());
    Courier::new(settings.clone(), clock).try_once(&notice).await
}

/// The program of the command of `[notify]`, if the system does not find it.
pub fn missing_program(settings: &Notify) -> Option<&str> {
    let program = settings.command.as_deref()?.first()?;
    (!program::is_there(program)).then_some(program)
}

/// The events that notices are sent on, in words.
pub fn told_of(settings: &Notify) -> String {
    let words: Vec<&str> = settings.on.iter().copied().map(NoticeEvent::as_str).collect();
    words.join(", ")
}
