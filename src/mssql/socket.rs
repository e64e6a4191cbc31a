//! The socket of the driver, with a deadline on every wait and a bound on every answer.
//!
//! The driver's own limits are fixed for the life of a connection and count tokens. The limit here is set for each
//! statement and counts silence on the wire. It also holds for writing, because a server that stops reading would
//! otherwise block a bulk load for ever.
//!
//! Silence is not all that a broken or hostile server can do: an answer can also be endless, or arrive byte by byte. The
//! driver holds a row until all of it is there, and some callers hold a whole answer. So an answer has a [`Bound`] of
//! bytes and of time, which the socket counts, where nothing of the driver gets past it:
//!
//! - An answer that is collected is bounded as a whole. What its rows take in memory is counted as well, because a
//!   small row takes many times the bytes that it had on the wire.
//! - An answer that is streamed is bounded from one row that is given out to the next. However long it is, what the
//!   driver holds of it is not. What a caller keeps of the rows is the caller's to bound.
//!
//! Bytes are counted as they arrive, with the few that TLS adds. A declared length counts nothing: the driver takes
//! memory for a value as its bytes arrive, at most 8 KiB ahead.

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

use crate::mssql::bound::Bound;

/// A wait that timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stall {
    /// No answer began within this time.
    Unanswered(Duration),
    /// An answer stopped in its middle, or the server stopped reading.
    Silent,
    /// An answer had more than so many bytes.
    Endless(u64),
    /// A row had more than so many bytes.
    LargeRow(u64),
    /// An answer, or a row of it, was not whole within this time.
    Slow(Duration),
}

const NO_STALL: u8 = 0;
const UNANSWERED: u8 = 1;
const SILENT: u8 = 2;
const ENDLESS: u8 = 3;
const SLOW: u8 = 4;

/// The limits of the next silence and of the answer, which a session shares with its socket.
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
    /// The bound of the answer, what is left of its bytes, and its deadline in milliseconds after `began`.
    bytes_max: AtomicU64,
    bytes_left: AtomicU64,
    whole_ms: AtomicU64,
    deadline_ms: AtomicU64,
    began: Instant,
    /// Whether what arrives is a row.
    in_rows: AtomicBool,
    /// Bytes of the connection so far. They cost one addition a packet, so they are always counted.
    sent: AtomicU64,
    received: AtomicU64,
}

impl Watch {
    pub(super) fn new(first: Duration, rest: Duration, bound: Bound) -> Arc<Self> {
        let watch = Watch {
            first_ms: AtomicU64::new(0),
            rest_ms: AtomicU64::new(millis(rest)),
            answered: AtomicBool::new(false),
            pauses: AtomicBool::new(false),
            next_pauses: AtomicBool::new(false),
            stall: AtomicU8::new(NO_STALL),
            bytes_max: AtomicU64::new(0),
            bytes_left: AtomicU64::new(0),
            whole_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(0),
            began: Instant::now(),
            in_rows: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        };
        watch.expect(first, bound);
        Arc::new(watch)
    }

    /// Starts a request, whose answer may take `first` to begin and has this bound.
    pub(super) fn expect(&self, first: Duration, bound: Bound) {
        self.bytes_max.store(bound.bytes, Ordering::Relaxed);
        self.whole_ms.store(millis(bound.whole), Ordering::Relaxed);
        self.in_rows.store(false, Ordering::Relaxed);
        self.renew();
        self.first_ms.store(millis(first), Ordering::Relaxed);
        self.answered.store(false, Ordering::Relaxed);
        let pauses = self.next_pauses.swap(false, Ordering::Relaxed);
        self.pauses.store(pauses, Ordering::Relaxed);
    }

    /// Takes note that rows are what comes next.
    pub(super) fn expect_rows(&self) {
        self.in_rows.store(true, Ordering::Relaxed);
    }

    /// Starts the bound of the answer anew, because a row of it was given out.
    pub(super) fn renew(&self) {
        let whole = self.whole_ms.load(Ordering::Relaxed);
        let deadline = millis(self.began.elapsed()).saturating_add(whole);
        self.deadline_ms.store(deadline, Ordering::Relaxed);
        self.bytes_left
            .store(self.bytes_max.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Counts bytes against the bound of the answer: those that arrived, or those that its rows take in memory.
    ///
    /// # Errors
    /// If the bound is passed.
    pub(super) fn charge(&self, bytes: usize) -> io::Result<()> {
        let left = self.bytes_left.load(Ordering::Relaxed);
        match left.checked_sub(bytes as u64) {
            Some(left) => self.bytes_left.store(left, Ordering::Relaxed),
            None => return Err(self.give_up(ENDLESS)),
        }
        Ok(())
    }

    /// The time until the answer must be whole.
    fn until_deadline(&self) -> Duration {
        let deadline = self.deadline_ms.load(Ordering::Relaxed);
        Duration::from_millis(deadline).saturating_sub(self.began.elapsed())
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
            ENDLESS => {
                let bytes = self.bytes_max.load(Ordering::Relaxed);
                Some(match self.in_rows.load(Ordering::Relaxed) {
                    true => Stall::LargeRow(bytes),
                    false => Stall::Endless(bytes),
                })
            }
            SLOW => Some(Stall::Slow(Duration::from_millis(
                self.whole_ms.load(Ordering::Relaxed),
            ))),
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
        io::Error::new(
            io::ErrorKind::TimedOut,
            "The limits of the connection were passed",
        )
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
        let watch = &this.watch;
        let left = watch.until_deadline();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Pending => match this.reading.poll(cx, watch.limit().min(left)) {
                Poll::Ready(()) if watch.until_deadline().is_zero() => Poll::Ready(Err(watch.give_up(SLOW))),
                Poll::Ready(()) if watch.answered.load(Ordering::Relaxed) => {
                    Poll::Ready(Err(watch.give_up(SILENT)))
                }
                Poll::Ready(()) => Poll::Ready(Err(watch.give_up(UNANSWERED))),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(Ok(received)) => {
                this.reading.disarm();
                watch.answer();
                watch.add_bytes(0, received);
                if left.is_zero() && received > 0 {
                    return Poll::Ready(Err(watch.give_up(SLOW)));
                }
                Poll::Ready(watch.charge(received).map(|()| received))
            }
            failed => {
                this.reading.disarm();
                failed
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
    use futures_util::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const BOUND: Bound = Bound {
        bytes: 1_000,
        whole: Duration::from_secs(60),
    };

    #[test]
    fn an_answer_may_pause_if_its_request_says_so() {
        let (first, rest) = (Duration::from_secs(9), Duration::from_secs(1));
        let watch = Watch::new(first, rest, BOUND);
        watch.answer();
        assert_eq!(watch.limit(), rest);
        watch.let_next_pause();
        watch.expect(first, BOUND);
        watch.answer();
        assert_eq!(watch.limit(), first);
        watch.expect(first, BOUND);
        watch.answer();
        assert_eq!(watch.limit(), rest, "only the next one");
    }

    /// A socket whose other end writes `bytes` at once.
    async fn receiving(bytes: usize, bound: Bound) -> (Socket, Arc<Watch>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(&vec![0; bytes]).await.unwrap();
        let watch = Watch::new(Duration::from_secs(9), Duration::from_secs(9), bound);
        (Socket::new(stream, watch.clone()), watch)
    }

    #[tokio::test]
    async fn bytes_are_counted_from_row_to_row() {
        let (mut socket, watch) = receiving(3_000, BOUND).await;
        let mut buffer = [0; 900];
        socket.read_exact(&mut buffer).await.unwrap();
        watch.expect_rows();
        watch.renew();
        socket.read_exact(&mut buffer).await.unwrap();
        assert_eq!(watch.stall(), None);
        assert!(socket.read_exact(&mut buffer).await.is_err());
        assert_eq!(watch.stall(), Some(Stall::LargeRow(1_000)));
    }

    #[tokio::test]
    async fn what_rows_take_in_memory_counts_as_well() {
        let (mut socket, watch) = receiving(500, BOUND).await;
        socket.read_exact(&mut [0; 500]).await.unwrap();
        watch.charge(500).unwrap();
        assert!(watch.charge(1).is_err());
        assert_eq!(watch.stall(), Some(Stall::Endless(1_000)));
    }

    #[tokio::test]
    async fn an_answer_has_a_deadline_beside_its_silences() {
        let whole = Duration::ZERO;
        let (mut socket, watch) = receiving(1, Bound { bytes: 9, whole }).await;
        assert!(socket.read_exact(&mut [0]).await.is_err());
        assert_eq!(watch.stall(), Some(Stall::Slow(whole)));
    }
}
