//! The socket of the driver, with a deadline on every wait.
//!
//! The driver's own limits are fixed for the life of a connection and count tokens. The limit here is set for each
//! statement and counts silence on the wire. It also holds for writing, because a server that stops reading would
//! otherwise block a bulk load for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

/// A wait that timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stall {
    /// No answer began within this time.
    Unanswered(Duration),
    /// An answer stopped in its middle, or the server stopped reading.
    Silent,
}

const NO_STALL: u8 = 0;
const UNANSWERED: u8 = 1;
const SILENT: u8 = 2;

/// The limit of the next silence, which a session shares with its socket.
#[derive(Debug)]
pub(super) struct Watch {
    first_ms: AtomicU64,
    rest_ms: AtomicU64,
    answered: AtomicBool,
    /// Whether the server may be silent in the middle of this answer as long as before it, and of the next one.
    pauses: AtomicBool,
    next_pauses: AtomicBool,
    /// The kind of the wait that timed out; see [`Stall`].
    stall: AtomicU8,
    /// Bytes of the connection so far. They cost one addition a packet, so they are always counted.
    sent: AtomicU64,
    received: AtomicU64,
}

impl Watch {
    pub(super) fn new(first: Duration, rest: Duration) -> Arc<Self> {
        let watch = Watch {
            first_ms: AtomicU64::new(0),
            rest_ms: AtomicU64::new(millis(rest)),
            answered: AtomicBool::new(false),
            pauses: AtomicBool::new(false),
            next_pauses: AtomicBool::new(false),
            stall: AtomicU8::new(NO_STALL),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        };
        watch.expect(first);
        Arc::new(watch)
    }

    /// Starts a request, whose answer may take `first` to begin.
    pub(super) fn expect(&self, first: Duration) {
        self.first_ms.store(millis(first), Ordering::Relaxed);
        self.answered.store(false, Ordering::Relaxed);
        let pauses = self.next_pauses.swap(false, Ordering::Relaxed);
        self.pauses.store(pauses, Ordering::Relaxed);
    }

    /// Lets the answer to the next request pause as long as it may take to begin.
    pub(super) fn let_next_pause(&self) {
        self.next_pauses.store(true, Ordering::Relaxed);
    }

    /// Takes note of a part of the answer.
    fn answer(&self) {
        let pauses = self.pauses.load(Ordering::Relaxed);
        self.answered.store(!pauses, Ordering::Relaxed);
    }

    /// Replaces the limit of silence within an answer.
    pub(super) fn set_rest(&self, rest: Duration) {
        self.rest_ms.store(millis(rest), Ordering::Relaxed);
    }

    /// The wait that timed out, if one did. An error of the driver is then only its consequence.
    pub(super) fn stall(&self) -> Option<Stall> {
        match self.stall.load(Ordering::Relaxed) {
            UNANSWERED => Some(Stall::Unanswered(Duration::from_millis(
                self.first_ms.load(Ordering::Relaxed),
            ))),
            SILENT => Some(Stall::Silent),
            _ => None,
        }
    }

    /// The limit of silence at this point.
    pub(super) fn limit(&self) -> Duration {
        let limit = if self.answered.load(Ordering::Relaxed) {
            &self.rest_ms
        } else {
            &self.first_ms
        };
        Duration::from_millis(limit.load(Ordering::Relaxed))
    }

    /// Bytes of the connection so far, sent and received, as they were on the wire.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (
            self.sent.load(Ordering::Relaxed),
            self.received.load(Ordering::Relaxed),
        )
    }

    pub(super) fn add_bytes(&self, sent: usize, received: usize) {
        self.sent.fetch_add(sent as u64, Ordering::Relaxed);
        self.received.fetch_add(received as u64, Ordering::Relaxed);
    }

    fn give_up(&self, stall: u8) -> io::Error {
        self.stall.store(stall, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::TimedOut, "The wire was silent for too long")
    }

    fn rest(&self) -> Duration {
        Duration::from_millis(self.rest_ms.load(Ordering::Relaxed))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A timer that runs only during a wait.
#[derive(Debug, Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Alarm {
    fn disarm(&mut self) {
        self.armed = false;
    }

    /// Arms itself for `limit` if it is not running. Ready after that time.
    fn poll(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.armed {
            sleep.as_mut().reset(Instant::now() + limit);
            self.armed = true;
        }
        sleep.as_mut().poll(cx)
    }
}

/// A TCP connection under watch.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Compat<TcpStream>,
    watch: Arc<Watch>,
    reading: Alarm,
    writing: Alarm,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        Socket {
            stream: stream.compat_write(),
            watch,
            reading: Alarm::default(),
            writing: Alarm::default(),
        }
    }

    fn waited<T>(&mut self, poll: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.writing.disarm();
            return poll;
        }
        match self.writing.poll(cx, self.watch.rest()) {
            Poll::Ready(()) => Poll::Ready(Err(self.watch.give_up(SILENT))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Pending => match this.reading.poll(cx, this.watch.limit()) {
                Poll::Ready(()) if this.watch.answered.load(Ordering::Relaxed) => {
                    Poll::Ready(Err(this.watch.give_up(SILENT)))
                }
                Poll::Ready(()) => Poll::Ready(Err(this.watch.give_up(UNANSWERED))),
                Poll::Pending => Poll::Pending,
            },
            ready => {
                this.reading.disarm();
                this.watch.answer();
                if let Poll::Ready(Ok(received)) = ready {
                    this.watch.add_bytes(0, received);
                }
                ready
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(sent)) = poll {
            this.watch.add_bytes(sent, 0);
        }
        this.waited(poll, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(cx);
        this.waited(poll, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_close(cx);
        this.waited(poll, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_pause_if_its_request_says_so() {
        let (first, rest) = (Duration::from_secs(9), Duration::from_secs(1));
        let watch = Watch::new(first, rest);
        watch.answer();
        assert_eq!(watch.limit(), rest);
        watch.let_next_pause();
        watch.expect(first);
        watch.answer();
        assert_eq!(watch.limit(), first);
        watch.expect(first);
        watch.answer();
        assert_eq!(watch.limit(), rest, "only the next one");
    }
}
