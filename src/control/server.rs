//! The side of the run: one task that accepts clients, reads a request from each, does it, and answers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

use super::place::{self, Listener, Place, Stream};
use super::wire::{self, Ask, Done, Outcome, REQUEST_BYTES_MAX, Work};
use crate::base::clock::SharedClock;
use crate::checkpoint::Store;
use crate::governor::{Reins, Throttle};
use crate::progress::{Event, Progress};

/// Clients that are heard at once. Others wait until one of these is done.
const CLIENTS_MAX: usize = 8;

/// The time of a client, from its connection to its answer. A request is one line that is sent at once.
const CLIENT_TIME: Duration = Duration::from_secs(5);

/// The pause after a client could not be accepted: the process may have no descriptor left for a while.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What a server works with.
pub struct Desk {
    /// The work that is served.
    pub work: Work,
    /// What it is steered by.
    pub reins: Reins,
    /// The receiver of its reports.
    pub progress: Arc<dyn Progress>,
    /// The clock.
    pub clock: SharedClock,
}

/// The socket of this process, until [`Server::end`].
pub struct Server {
    task: JoinHandle<()>,
    /// Goes before the store, which nobody else may open for writing while the socket's file is there.
    _place: Place,
    _store: Arc<Store>,
}

/// Serves the socket beside a store. To have the store is to be its only writer, so a socket that is there already was left
/// by a run that was killed.
///
/// # Errors
/// Those of the system: the place cannot be used. The work goes on without.
pub fn serve(store: Arc<Store>, desk: Desk) -> io::Result<Server> {
    let (listener, place) = Listener::bind(store.path())?;
    Ok(Server {
        task: tokio::spawn(serve_all(listener, desk)),
        _place: place,
        _store: store,
    })
}

impl Server {
    /// Ends it. Once this returns, no client is heard, nothing is told any more, and the socket's file is gone.
    pub async fn end(self) {
        self.task.abort();
        // It was aborted, or it has panicked, which was told then.
        let _ = self.task.await;
    }
}

/// Hears clients until it is aborted. They are all parts of this one task, so that they end with it.
async fn serve_all(listener: Listener, desk: Desk) {
    let mut clients = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < CLIENTS_MAX => match accepted {
                Ok(stream) => clients.push(hear(stream, &desk)),
                Err(error) => {
                    tracing::debug!(%error, "a client of the control socket was not accepted");
                    desk.clock.sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(()) = clients.next() => {}
        }
    }
}

/// Hears one client, who has no more than his time.
async fn hear(mut stream: Stream, desk: &Desk) {
    let heard = async {
        let outcome = match place::may_ask(&stream) {
            true => answer(&mut stream, desk).await?,
            false => Outcome::Refused("It is of another user".to_owned()),
        };
        stream.write_all(&wire::answer(outcome)).await?;
        stream.shutdown().await
    };
    tokio::select! {
        heard = heard => if let Err(error) = heard {
            tracing::debug!(%error, "a client of the control socket went away");
        },
        () = desk.clock.sleep(CLIENT_TIME) => {}
    }
}

async fn answer(stream: &mut Stream, desk: &Desk) -> io::Result<Outcome> {
    let Some(line) = wire::read_line(stream, REQUEST_BYTES_MAX).await? else {
        return Ok(Outcome::Refused("It is no line, or too long a one".to_owned()));
    };
    Ok(match wire::parse(&line) {
        Ok(ask) => Outcome::Done(Box::new(act(ask, desk, &*desk.reins.throttle().await))),
        Err(text) => Outcome::Refused(text),
    })
}

/// Does what is asked.
fn act(ask: Ask, desk: &Desk, throttle: &Throttle) -> Done {
    let before = throttle.figures();
    let stop = &desk.reins.stop;
    let changed = match ask {
        Ask::Figures => false,
        Ask::Pause => throttle.pause(),
        Ask::Resume => throttle.resume(),
        Ask::Stop if stop.is_stopped() => false,
        Ask::Stop => {
            desk.progress.event(Event::Stopping { typed: false });
            stop.stop();
            true
        }
        Ask::Tune(tuning) => {
            throttle.tune(tuning);
            let (was, is) = (&before, throttle.figures());
            (
                was.max_workers,
                was.chunk_rows_max,
                was.rows_per_second,
                was.ignores_hours,
            ) != (
                is.max_workers,
                is.chunk_rows_max,
                is.rows_per_second,
                is.ignores_hours,
            )
        }
    };
    Done {
        work: desk.work.clone(),
        changed,
        is_stopping: stop.is_stopped(),
        before,
        now: throttle.figures(),
    }
}
