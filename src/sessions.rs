//! The connections of a run: opened when one is needed, handed back when it is whole, never more at once than
//! there are workers that hold one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::mssql::{Endpoint, Guard, Session, Timeouts};

/// A database that this login may not open, as the server says it while the database recovers, too.
const NO_DATABASE: u32 = 4060;

/// The connections to one end.
#[derive(Debug)]
pub struct Sessions {
    endpoint: Endpoint,
    guard: Option<Guard>,
    timeouts: Timeouts,
    idle: Mutex<Vec<Session>>,
    /// Whether this login was good at this end before, in this run or an earlier one.
    known: AtomicBool,
}

impl Sessions {
    /// Connections to `endpoint`, each of which proves `guard` before it is handed out.
    pub fn new(endpoint: Endpoint, guard: Option<Guard>, timeouts: Timeouts) -> Self {
        Sessions {
            endpoint,
            guard,
            timeouts,
            idle: Mutex::new(Vec::new()),
            known: AtomicBool::new(false),
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
    /// Those of [`Session::open`]; once a login was good, `LoginAgain` for one that is refused, and `Connection`
    /// for a database that cannot be opened.
    pub async fn take(&self) -> Result<Session> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(session) = idle {
            return Ok(session);
        }
        match Session::open(&self.endpoint, self.guard.as_ref(), &self.timeouts).await {
            Ok(session) => {
                self.assume_known();
                Ok(session)
            }
            Err(error) if self.is_known() => Err(refused_again(error)),
            Err(error) => Err(error),
        }
    }

    /// Hands a connection back; a broken one is dropped.
    pub fn put(&self, session: Session) {
        if !session.is_broken() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(session);
        }
    }
}

/// What a refusal means where the login was good before: the server or the database is starting, most likely.
fn refused_again(error: Error) -> Error {
    match (error.kind(), error.number()) {
        (ErrorKind::Login, Some(NO_DATABASE)) => error.of_kind(ErrorKind::Connection),
        (ErrorKind::Login, _) => error.of_kind(ErrorKind::LoginAgain),
        _ => error,
    }
}
