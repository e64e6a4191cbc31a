//! A connection pool for one server. `take` connects if none is idle; `put` drops broken ones. There are never more
//! connections than workers that hold one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::mssql::{Endpoint, Guard, Session, Timeouts};
use crate::source::SourceSession;

/// A database that this login may not open, as the server says it while the database recovers, too.
const NO_DATABASE: u32 = 4060;

/// A login that is refused, as the server says it while it starts, too. The other refusals (locked, disabled, its
/// password to be changed) only a person can change.
const LOGIN_FAILED: u32 = 18456;

/// How long a login that was good before is tried again: longer than a server takes to start.
const REFUSED_MAX: Duration = Duration::from_secs(120);

/// The longest time between two such tries. With the doubling before it about a dozen are made in all, however many
/// workers want one: a password that was changed must not lock the login.
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(16);

/// A login that is being refused.
#[derive(Debug, Clone, Copy)]
struct Refused {
    since: Duration,
    /// No login is tried before this.
    until: Duration,
    wait: Duration,
}

/// The pools of a run.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Connections to the source. Each has proven that the server may be read.
    pub source: Arc<Pool<SourceSession>>,
    /// Connections to the target.
    pub target: Arc<Pool<Session>>,
}

/// What a pool holds.
pub trait Connection: Sized {
    /// What a connection proves when it opens.
    type Proof;

    /// Connects and proves.
    fn open(
        endpoint: &Endpoint,
        proof: &Self::Proof,
        timeouts: &Timeouts,
    ) -> impl Future<Output = Result<Self>> + Send;

    /// Whether the connection cannot be used any more.
    fn is_broken(&self) -> bool;
}

impl Connection for SourceSession {
    type Proof = Guard;

    async fn open(endpoint: &Endpoint, proof: &Guard, timeouts: &Timeouts) -> Result<Self> {
        SourceSession::open(endpoint, proof, timeouts).await
    }

    fn is_broken(&self) -> bool {
        SourceSession::is_broken(self)
    }
}

impl Connection for Session {
    type Proof = ();

    async fn open(endpoint: &Endpoint, (): &(), timeouts: &Timeouts) -> Result<Self> {
        Session::open(endpoint, None, timeouts).await
    }

    fn is_broken(&self) -> bool {
        Session::is_broken(self)
    }
}

/// The connections to one server.
#[derive(Debug)]
pub struct Pool<C: Connection> {
    endpoint: Endpoint,
    proof: C::Proof,
    timeouts: Timeouts,
    idle: Mutex<Vec<C>>,
    /// Whether this login was good at this end before, in this run or an earlier one.
    known: AtomicBool,
    refused: Mutex<Option<Refused>>,
    clock: SharedClock,
}

impl<C: Connection> Pool<C> {
    /// Connections to `endpoint`, each of which proves `proof` before it is handed out.
    pub fn new(endpoint: Endpoint, proof: C::Proof, timeouts: Timeouts, clock: &SharedClock) -> Self {
        Pool {
            endpoint,
            proof,
            timeouts,
            idle: Mutex::new(Vec::new()),
            known: AtomicBool::new(false),
            refused: Mutex::new(None),
            clock: SharedClock::clone(clock),
        }
    }

    /// An earlier run has worked with this end: what refuses a login now may pass.
    pub fn assume_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Whether a login was good before.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// An idle connection, or a new one.
    ///
    /// # Errors
    /// Those of [`Session::open`]; once a login was good, `LoginAgain` for one that is refused now (`Login` when it
    /// has been for too long), and `Connection` for a database that cannot be opened.
    pub async fn take(&self) -> Result<C> {
        let idle = lock(&self.idle).pop();
        if let Some(session) = idle {
            return Ok(session);
        }
        if let Some(refused) = *lock(&self.refused)
            && self.clock.monotonic() < refused.until
        {
            let text = format!(
                "The {} has just refused a login that was good before; it is not tried again yet",
                self.endpoint.label
            );
            return Err(Error::new(ErrorKind::LoginAgain, text));
        }
        match C::open(&self.endpoint, &self.proof, &self.timeouts).await {
            Ok(session) => {
                self.assume_known();
                *lock(&self.refused) = None;
                Ok(session)
            }
            Err(error) if self.is_known() => Err(self.refused_again(error)),
            Err(error) => Err(error),
        }
    }

    /// What a refusal means where the login was good before: the server or the database is starting, most likely.
    fn refused_again(&self, error: Error) -> Error {
        match (error.kind(), error.number()) {
            (ErrorKind::Login, Some(NO_DATABASE)) => error.of_kind(ErrorKind::Connection),
            (ErrorKind::Login, Some(LOGIN_FAILED)) => {
                let now = self.clock.monotonic();
                let mut refused = lock(&self.refused);
                let wait = refused.map_or(Duration::from_secs(1), |refused| {
                    (refused.wait * 2).min(REFUSED_WAIT_MAX)
                });
                let since = refused.map_or(now, |refused| refused.since);
                *refused = Some(Refused {
                    since,
                    until: now + wait,
                    wait,
                });
                if now.saturating_sub(since) < REFUSED_MAX {
                    error.of_kind(ErrorKind::LoginAgain)
                } else {
                    error
                }
            }
            _ => error,
        }
    }

    /// Hands a connection back; a broken one is dropped.
    pub fn put(&self, session: C) {
        if !session.is_broken() {
            lock(&self.idle).push(session);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
