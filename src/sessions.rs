//! The connections of a run: opened when one is needed, handed back when it is whole, never more at once than
//! there are workers that hold one.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::mssql::{Endpoint, Guard, Session, Timeouts};

/// The connections to one end.
#[derive(Debug)]
pub struct Sessions {
    endpoint: Endpoint,
    guard: Option<Guard>,
    timeouts: Timeouts,
    idle: Mutex<Vec<Session>>,
}

impl Sessions {
    /// Connections to `endpoint`, each of which proves `guard` before it is handed out.
    pub fn new(endpoint: Endpoint, guard: Option<Guard>, timeouts: Timeouts) -> Self {
        Sessions {
            endpoint,
            guard,
            timeouts,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// An idle connection, or a new one.
    ///
    /// # Errors
    /// Those of [`Session::open`].
    pub async fn take(&self) -> Result<Session> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(session) => Ok(session),
            None => Session::open(&self.endpoint, self.guard.as_ref(), &self.timeouts).await,
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
