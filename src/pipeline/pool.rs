//! A connection pool for one server. `take` connects if none is idle; `put` drops broken ones. The number of
//! connections never exceeds the number of workers that hold one.
//!
//! A connection that was lost takes the idle ones with it: a server that restarted has ended them all, and each would
//! cost the work that takes it an attempt.
//!
//! An end is known once a login to it was good, in this run or an earlier one. Only a known end is waited for: on a first
//! contact an error of the connection is final, because a wrong name, port, certificate or login never comes right.
//!
//! The same goes for the proof, within one run: a source that has proven itself and does not any more has failed over, and is
//! waited for. One that does not prove itself at the first contact of a run is the wrong server, which a person set or has
//! to know of, whatever earlier runs found there.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::governor::{Ask, Permit, Throttle};
use crate::mssql::{Endpoint, Guard, Session, Timeouts};
use crate::progress::Event;
use crate::source::SourceSession;
use crate::source::signs::Prober;

/// The error for a database that this login may not open. The server also gives it while the database
/// recovers.
const NO_DATABASE: u32 = 4060;

/// The error for a database that its group opens to writers alone: what a listener leads a reader to after a failover.
const NOT_FOR_READERS: u32 = 979;

/// The error for a refused login. The server also gives it while it starts. Only a person can resolve the
/// other refusals: a locked or disabled login, a password to be changed.
const LOGIN_FAILED: u32 = 18456;

/// The time for which a login that was good before is retried: longer than a server takes to start.
const REFUSED_MAX: Duration = Duration::from_secs(120);

/// The longest time between two such retries. The wait doubles up to it, which makes about a dozen retries in
/// all, however many workers want a connection: a changed password must not lock the login.
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(16);

/// The longest look at the signs of a source: a server that does not answer in that time has no need of another question.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// The state of a login that the server refuses.
#[derive(Debug, Clone, Copy)]
struct Refused {
    since: Duration,
    /// The time of the next attempt.
    until: Duration,
    wait: Duration,
}

/// The pools of a run.
#[derive(Clone)]
pub struct Pools {
    /// Connections to the source. Each has proven that the server may be read.
    pub source: Arc<Pool<SourceSession>>,
    /// Connections to the target.
    pub target: Arc<Pool<Session>>,
    /// The gate that each read of the source passes.
    pub throttle: Arc<Throttle>,
    /// What can be seen of the source's state.
    pub prober: Arc<Prober>,
}

impl Pools {
    /// Looks at the source's signs by a connection in hand, if the governor asks for them. Returns false if a read that was
    /// admitted has to wait after all. A look that fails costs the connection, and nothing else.
    pub async fn look(&self, session: &mut SourceSession) -> bool {
        if !self.throttle.wants_signs() {
            return true;
        }
        let looked = match tokio::time::timeout(LOOK_MAX, self.prober.look(session)).await {
            Ok(looked) => looked.unwrap_or_else(|error| {
                tracing::debug!(error = error.chain(), "the signs of the source were not seen");
                None
            }),
            Err(_) => {
                self.prober.gave_up();
                None
            }
        };
        let Some(signs) = looked else {
            return self.throttle.unseen();
        };
        if self.throttle.lag_max.is_some()
            && let Some(text) = self.prober.without_lag(&signs)
        {
            self.throttle.progress.event(Event::Warning(text));
        }
        self.throttle.seen(signs)
    }
}

/// The leave to read the source once, and the connection to do it by. It is closed when this is dropped;
/// [`Pools::end`] hands it back instead.
#[derive(Debug)]
pub struct Turn {
    /// The connection.
    pub session: Pooled<SourceSession>,
    /// The leave. It is given back after the connection, so that a held run keeps none open.
    pub permit: Permit,
}

impl Pools {
    /// Waits until the source may be read, and takes a connection to it. Every read of rows of a run or a comparison begins
    /// here, so that none is forgotten; what is read of the catalog and of clocks is not held.
    ///
    /// # Errors
    /// Those of [`Throttle::admit`] and of [`Pool::take`].
    pub async fn turn(&self, ask: Ask) -> Result<Turn> {
        loop {
            let permit = self.throttle.admit(ask, || self.source.close_idle()).await?;
            self.source.drop_misnamed();
            let mut session = self.source.take().await?;
            // A part of what is under way is not held, so that no look could hold it.
            let may_read = ask == Ask::Part || self.look(&mut session).await;
            if session.is_broken() {
                session = self.source.take().await?;
            }
            if may_read {
                return Ok(Turn { session, permit });
            }
            self.source.put(session);
        }
    }

    /// Ends a read: its connection is handed back, and another read may begin.
    pub fn end(&self, turn: Turn) {
        self.source.put(turn.session);
        drop(turn.permit);
    }
}

/// A connection that a pool can hold.
pub trait Connection: Sized {
    /// The proof that a connection gives when it opens.
    type Proof;

    /// Connects and proves.
    fn open(
        endpoint: &Endpoint,
        proof: &Self::Proof,
        timeouts: &Timeouts,
    ) -> impl Future<Output = Result<Self>> + Send;

    /// Whether the connection cannot be used any more.
    fn is_broken(&self) -> bool;

    /// Whether it has ended, or fell silent, so that those opened before it may have as well.
    fn is_lost(&self) -> bool;

    /// What tells its database from another one of that name; empty if nothing does.
    fn identity(&self) -> &str;
}

impl Connection for SourceSession {
    type Proof = Guard;

    async fn open(endpoint: &Endpoint, proof: &Guard, timeouts: &Timeouts) -> Result<Self> {
        SourceSession::open(endpoint, proof, timeouts).await
    }

    fn identity(&self) -> &str {
        SourceSession::identity(self)
    }

    fn is_broken(&self) -> bool {
        SourceSession::is_broken(self)
    }

    fn is_lost(&self) -> bool {
        SourceSession::is_lost(self)
    }
}

impl Connection for Session {
    type Proof = ();

    async fn open(endpoint: &Endpoint, (): &(), timeouts: &Timeouts) -> Result<Self> {
        Session::open(endpoint, None, timeouts).await
    }

    // The lease of a table is in its database.
    fn identity(&self) -> &str {
        ""
    }

    fn is_broken(&self) -> bool {
        Session::is_broken(self)
    }

    fn is_lost(&self) -> bool {
        Session::is_lost(self)
    }
}

type Idle<C> = Arc<Mutex<Vec<C>>>;

/// A connection that was taken from a pool. It is closed when it is dropped; [`Pool::put`] hands it back instead.
#[derive(Debug)]
pub struct Pooled<C: Connection> {
    /// There until it is handed back.
    session: Option<C>,
    idle: Idle<C>,
}

impl<C: Connection> Deref for Pooled<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.session.as_ref().expect("it was not handed back")
    }
}

impl<C: Connection> DerefMut for Pooled<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.session.as_mut().expect("it was not handed back")
    }
}

impl<C: Connection> Drop for Pooled<C> {
    fn drop(&mut self) {
        if self.session.as_ref().is_some_and(C::is_lost) {
            lock(&self.idle).clear();
        }
    }
}

/// The connections to one server.
#[derive(Debug)]
pub struct Pool<C: Connection> {
    endpoint: Endpoint,
    /// The name of the next connections, if it is not the endpoint's.
    named: Mutex<Option<String>>,
    /// Whether idle connections may have another.
    is_misnamed: AtomicBool,
    proof: C::Proof,
    timeouts: Timeouts,
    idle: Idle<C>,
    /// Whether this login was good on this server before, in this run or an earlier one.
    known: AtomicBool,
    /// Whether a connection was opened in this run, and so has proven itself.
    proven: AtomicBool,
    /// The identity of the database that this run began with.
    identity: OnceLock<String>,
    refused: Mutex<Option<Refused>>,
    clock: SharedClock,
}

impl<C: Connection> Pool<C> {
    /// Connections to `endpoint`, each of which proves `proof` before it is handed out.
    pub fn new(endpoint: Endpoint, proof: C::Proof, timeouts: Timeouts, clock: &SharedClock) -> Self {
        Pool {
            endpoint,
            named: Mutex::default(),
            is_misnamed: AtomicBool::new(false),
            proof,
            timeouts,
            idle: Idle::default(),
            known: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            identity: OnceLock::new(),
            refused: Mutex::new(None),
            clock: SharedClock::clone(clock),
        }
    }

    /// Records that an earlier run worked with this end, so that it is waited for, and a refused login is retried.
    pub fn assume_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// What identifies this end: server, port, database and login.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.endpoint.fingerprint()
    }

    /// Whether a login was good before.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Names the connections that are opened from now on.
    pub fn name(&self, application: String) {
        let mut named = lock(&self.named);
        if named.as_ref() != Some(&application) {
            *named = Some(application);
            // Before the first connection there is none of another name.
            let is_misnamed = self.proven.load(Ordering::Relaxed);
            self.is_misnamed.store(is_misnamed, Ordering::Relaxed);
        }
    }

    /// Drops the idle connections that may have another name than new ones: a session keeps the name that it logged in by.
    /// Only who reads rows asks for that, so that a table of which nothing is read costs no login.
    fn drop_misnamed(&self) {
        if self.is_misnamed.swap(false, Ordering::Relaxed) {
            lock(&self.idle).clear();
        }
    }

    /// An idle connection, or a new one.
    ///
    /// # Errors
    /// Those of [`Session::open`]; on a first contact, nobody retries them. `FailedOver` if the server has proven itself in this run
    /// and does not any more. If a login was good before and is refused now, `LoginAgain`, and `Login`
    /// once that lasts too long; `Connection` for a database that cannot be opened.
    pub async fn take(&self) -> Result<Pooled<C>> {
        let idle = lock(&self.idle).pop();
        let session = match idle {
            Some(session) => session,
            None => self.open().await?,
        };
        Ok(Pooled {
            session: Some(session),
            idle: Arc::clone(&self.idle),
        })
    }

    async fn open(&self) -> Result<C> {
        if let Some(refused) = *lock(&self.refused)
            && self.clock.monotonic() < refused.until
        {
            let text = format!(
                "The {} has just refused a login that was good before; it is retried later",
                self.endpoint.label
            );
            return Err(Error::new(ErrorKind::LoginAgain, text).at_end(self.endpoint.label));
        }
        let mut endpoint = self.endpoint.clone();
        if let Some(name) = &*lock(&self.named) {
            endpoint.application.clone_from(name);
        }
        let opened = C::open(&endpoint, &self.proof, &self.timeouts).await;
        match opened.and_then(|session| self.is_the_same(session)) {
            Ok(session) => {
                self.assume_known();
                self.proven.store(true, Ordering::Relaxed);
                *lock(&self.refused) = None;
                Ok(session)
            }
            Err(error) if self.has_failed_over(&error) => {
                let error = error.within("The source has failed over, and is waited for");
                Err(error.of_kind(ErrorKind::FailedOver).at_end(self.endpoint.label))
            }
            Err(error) if self.is_known() => Err(self.refused_again(error).at_end(self.endpoint.label)),
            Err(error) if is_there(&error) => Err(error.at_end(self.endpoint.label)),
            // A first contact: what does not work may never work, and nobody waits for it.
            Err(error) => Err(error.at_end(self.endpoint.label).given_up()),
        }
    }

    /// Refuses a connection to another database than this run began with. A replica keeps the identity, so that it is no
    /// failover, and nobody waits for it.
    fn is_the_same(&self, session: C) -> Result<C> {
        let found = session.identity();
        if found.is_empty() || self.identity.get_or_init(|| found.to_owned()) == found {
            return Ok(session);
        }
        let Endpoint { label, database, .. } = &self.endpoint;
        let text = format!(
            "The {label} at {} has another database {database} now than when this run began, and nothing was read of it; \
             have the name lead to the first again, then run again",
            self.endpoint.address()
        );
        Err(Error::new(ErrorKind::WrongServer, text).given_up())
    }

    /// Whether the proof failed that a connection has given in this run. A server that is refused by its name, and a host
    /// that the password may not go to, are no replica that comes back: such an error is given up already.
    fn has_failed_over(&self, error: &Error) -> bool {
        let of_proof = error.kind() == ErrorKind::WrongServer && !error.is_given_up();
        of_proof && self.proven.load(Ordering::Relaxed)
    }

    /// The meaning of a refusal if the login was good before: most likely the server or the database is
    /// starting.
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

    /// Closes the connections that nobody uses.
    pub fn close_idle(&self) {
        lock(&self.idle).clear();
    }

    /// Hands a connection back; a broken one is dropped.
    pub fn put(&self, mut session: Pooled<C>) {
        if !session.is_broken()
            && let Some(session) = session.session.take()
        {
            lock(&self.idle).push(session);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it is a server's own answer that it cannot be worked with for a while, such as that a database is being started:
/// only the right server gives it.
fn is_there(error: &Error) -> bool {
    let is_passing = matches!(error.kind(), ErrorKind::Connection | ErrorKind::Transient);
    is_passing
        && error
            .number()
            .is_some_and(|number| ![NO_DATABASE, NOT_FOR_READERS].contains(&number))
}
