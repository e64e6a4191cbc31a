//! Delivers notices, one after another, each to the URL and to the command at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::http::Post;
use super::program::Program;
use super::view::{Kind, Notice};
use super::warn::{Warn, undelivered};
use super::watch::Watch;
use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::retry::{Attempts, Verdict};
use crate::config::Notify;

/// How long a URL has to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a URL that does not take a notice is asked again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How long a command has for a notice, before it is killed.
const COMMAND_MAX: Duration = Duration::from_secs(10);

/// The ways to those who are notified.
pub(super) struct Courier {
    post: Option<Post>,
    program: Option<Program>,
    clock: SharedClock,
}

impl Courier {
    pub(super) fn new(settings: Notify, clock: SharedClock) -> Courier {
        Courier {
            program: Program::new(&settings),
            post: Post::new(settings),
            clock,
        }
    }

    /// Delivers a notice, as often as that takes within a minute.
    pub(super) async fn deliver(&self, notice: &Notice) -> Result<()> {
        let posted = async {
            let mut attempts = Attempts::new(&self.clock, RETRY_MAX);
            loop {
                let Err(error) = self.post(notice).await else {
                    return Ok(());
                };
                match attempts.after(error.kind()) {
                    Verdict::Again(wait) => self.clock.sleep(wait).await,
                    Verdict::GiveUp => return Err(error),
                }
            }
        };
        // A command may have done half of its work, so it is started once.
        let (posted, ran) = tokio::join!(posted, self.run(notice));
        posted.and(ran)
    }

    /// Delivers a notice without a second attempt.
    pub(super) async fn try_once(&self, notice: &Notice) -> Result<()> {
        let (posted, ran) = tokio::join!(self.post(notice), self.run(notice));
        posted.and(ran)
    }

    async fn post(&self, notice: &Notice) -> Result<()> {
        let Some(post) = &self.post else {
            return Ok(());
        };
        tokio::select! {
            biased;
            sent = post.send(notice) => sent,
            () = self.clock.sleep(ANSWER_MAX) => {
                let text = format!("The URL of [notify] did not answer within {} s", ANSWER_MAX.as_secs());
                Err(Error::new(ErrorKind::Connection, text))
            }
        }
    }

    async fn run(&self, notice: &Notice) -> Result<()> {
        let Some(program) = &self.program else {
            return Ok(());
        };
        tokio::select! {
            biased;
            ran = program.run(notice) => ran,
            // What is dropped is killed.
            () = self.clock.sleep(COMMAND_MAX) => {
                let text = format!(
                    "The command of [notify] was killed, because it took longer than {} s",
                    COMMAND_MAX.as_secs()
                );
                Err(Error::new(ErrorKind::Config, text))
            }
        }
    }
}

/// Delivers what comes through the queue, and the notices of long waits, until the queue is closed and empty.
pub(super) async fn deliver_all(
    courier: Arc<Courier>,
    mut notices: mpsc::Receiver<Notice>,
    watch: Arc<Watch>,
    warn: Warn,
) {
    loop {
        let due = watch.due();
        let long = async {
            match due {
                Some(due) => courier.clock.sleep(due).await,
                None => std::future::pending().await,
            }
        };
        let notice = tokio::select! {
            biased;
            notice = notices.recv() => match notice {
                Some(notice) => Some(notice),
                None => return,
            },
            () = watch.changed() => None,
            () = long => watch.long_wait(),
        };
        if let Some(notice) = notice {
            let delivered = courier.deliver(&notice).await;
            watch.over(notice.event);
            told(delivered, notice.event, &warn);
        }
    }
}

/// Warns of a notice that was not delivered.
pub(super) fn told(delivered: Result<()>, event: Kind, warn: &Warn) {
    if let Err(error) = delivered {
        warn(&undelivered(event.as_str(), error.chain()));
    }
}
