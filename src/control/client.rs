//! The side of the other commands: one request, and its answer or the reason why there is none.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::place;
use super::wire::{self, ANSWER_BYTES_MAX, Ask, Done, Outcome, Unread};
use crate::base::clock::SharedClock;
use crate::checkpoint::resolved;
use crate::model::pace::Figures;

/// The time for the figures of a status: it is shown without them rather than late.
const FIGURES_TIME: Duration = Duration::from_millis(300);

/// Why a request was not carried out, as far as is known.
#[derive(Debug)]
pub enum Unheard {
    /// Nobody serves the socket.
    Nobody,
    /// The system, or what is there, refuses this user.
    AnotherUser,
    /// What is there is of this other version.
    Version(String),
    /// It refused, for this reason.
    Refused(String),
    /// It ended before it answered.
    Ended,
    /// It did not answer in time, and may yet do what was asked.
    Silent,
    /// What it said is no answer.
    Garbage,
    /// The socket cannot be reached at all.
    Unreachable(io::Error),
}

/// Asks the work that has the state file at `state`, and waits no longer than `limit` for its answer.
///
/// # Errors
/// See [`Unheard`].
pub async fn ask(state: &Path, ask: Ask, clock: &SharedClock, limit: Duration) -> Result<Done, Unheard> {
    tokio::select! {
        heard = exchange(state, ask) => heard,
        () = clock.sleep(limit) => Err(Unheard::Silent),
    }
}

/// The state of the reads of the work that has the state file at `state`; `None` if it does not tell it in a moment.
pub async fn figures(state: &Path, clock: &SharedClock) -> Option<Figures> {
    let heard = ask(state, Ask::Figures, clock, FIGURES_TIME).await;
    heard.ok().map(|done| done.now)
}

async fn exchange(state: &Path, ask: Ask) -> Result<Done, Unheard> {
    let state = resolved(state).map_err(|_| Unheard::Nobody)?;
    let mut stream = place::connect(&state).await.map_err(unconnected)?;
    if !place::is_believed(&stream) {
        return Err(Unheard::AnotherUser);
    }
    // Who ended meanwhile may have answered before.
    let sent = stream.write_all(&wire::request(ask)).await;
    let line = match wire::read_line(&mut stream, ANSWER_BYTES_MAX).await {
        Ok(Some(line)) => line,
        _ => return Err(Unheard::Ended),
    };
    match wire::parse_answer(&line) {
        Ok(Outcome::Done(done)) if sent.is_ok() => Ok(*done),
        Ok(Outcome::Done(_)) => Err(Unheard::Garbage),
        Ok(Outcome::Refused(why)) => Err(Unheard::Refused(why)),
        Err(Unread::Version(version)) => Err(Unheard::Version(version)),
        Err(Unread::Garbage) => Err(Unheard::Garbage),
    }
}

fn unconnected(error: io::Error) -> Unheard {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unheard::Nobody,
        io::ErrorKind::PermissionDenied => Unheard::AnotherUser,
        _ => Unheard::Unreachable(error),
    }
}
