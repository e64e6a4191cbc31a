//! Transactions and the write lock.
//!
//! BEGIN TRANSACTION takes nothing. The first write takes the database's FIFO lock and only then opens SQLite's
//! transaction. So no reader delays a writer, and SQLite never finds a stale snapshot under a writer. For the same
//! reason a transaction that has written only temp tables takes the lock before it reads a database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::state::{Ran, SqlSession, Stop, sent};
use crate::sql::ast::IsolationLevel;
use crate::sql::core::{TableRef, Temp};
use crate::sql::errors::{self, error};
use crate::store::LockMode;
use crate::store::database::Database;
use crate::store::lock::{AppOwner, Wait, Waiter};
use crate::types::{Sink, SqlError, TransactionEvent};

/// No transaction descriptor is given twice in a process.
static NEXT_DESCRIPTOR: AtomicU64 = AtomicU64::new(1);

impl SqlSession {
    pub(super) fn sqlite(&self, sql: &str) -> Result<(), SqlError> {
        self.core
            .connection
            .execute_batch(sql)
            .map_err(|e| self.core.sqlite_error(&e))
    }

    /// BEGIN TRANSACTION.
    pub(super) fn begin(&mut self, sink: &mut dyn Sink) -> Ran<()> {
        self.transaction.count += 1;
        if self.transaction.count == 1 {
            self.transaction.descriptor = NEXT_DESCRIPTOR.fetch_add(1, Ordering::Relaxed);
            self.transaction.temps.clone_from(&self.core.temps);
            sent(sink.transaction(TransactionEvent::Begun, self.transaction.descriptor))?;
        }
        Ok(())
    }

    /// COMMIT TRANSACTION.
    pub(super) fn commit(&mut self, sink: &mut dyn Sink) -> Ran<()> {
        match self.transaction.count {
            0 => {
                let text = "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
                Err(error(3902, 16, 1, text).into())
            }
            _ if self.transaction.doomed => Err(errors::doomed().into()),
            1 => {
                if self.transaction.open
                    && let Err(e) = self.sqlite("COMMIT")
                {
                    let descriptor = self.transaction.descriptor;
                    self.roll_back_all();
                    sent(sink.transaction(TransactionEvent::RolledBack, descriptor))?;
                    return Err(e.into());
                }
                let descriptor = self.end_transaction();
                sent(sink.transaction(TransactionEvent::Committed, descriptor))
            }
            _ => {
                self.transaction.count -= 1;
                Ok(())
            }
        }
    }

    /// ROLLBACK TRANSACTION, or to a savepoint.
    pub(super) fn roll_back(&mut self, name: Option<&str>, sink: &mut dyn Sink) -> Ran<()> {
        if self.transaction.count == 0 {
            let text = "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
            return Err(error(3903, 16, 1, text).into());
        }
        if let Some(name) = name
            && let Some(at) = self.transaction.savepoints.iter().rposition(|s| s.0 == name)
        {
            self.transaction.savepoints.truncate(at + 1);
            if let Some(saved) = self.transaction.savepoints.last() {
                self.core.temps.clone_from(&saved.1);
                self.core.temp_version += 1;
            }
            return Ok(self.sqlite(&format!("ROLLBACK TO user{at}"))?);
        }
        let descriptor = self.transaction.descriptor;
        self.roll_back_all();
        sent(sink.transaction(TransactionEvent::RolledBack, descriptor))
    }

    /// SAVE TRANSACTION.
    pub(super) fn save(&mut self, name: &str) -> Ran<()> {
        if self.transaction.count == 0 {
            let text = "Cannot issue SAVE TRANSACTION when there is no active transaction.";
            return Err(error(628, 16, 0, text).into());
        }
        self.open_sqlite()?;
        let at = self.transaction.savepoints.len();
        self.sqlite(&format!("SAVEPOINT user{at}"))?;
        self.transaction
            .savepoints
            .push((name.to_owned(), self.core.temps.clone()));
        Ok(())
    }

    /// Rolls everything back and frees every lock of the transaction. Safe to call at any time.
    pub(super) fn roll_back_all(&mut self) {
        if !self.core.connection.is_autocommit() {
            // SQLite may have rolled back by itself already. Nothing else can be done about it.
            let _ = self.sqlite("ROLLBACK");
        }
        if self.transaction.count > 0 {
            let temps = std::mem::take(&mut self.transaction.temps);
            self.core.temps = temps;
            self.core.temp_version += 1;
        }
        self.bulk = None;
        self.end_transaction();
    }

    fn end_transaction(&mut self) -> u64 {
        let ended = std::mem::take(&mut self.transaction);
        for database in &ended.locked {
            self.core
                .server
                .locks
                .unlock_writer(database.id, self.core.session);
        }
        self.core
            .server
            .locks
            .release_apps(self.core.session, Some(AppOwner::Transaction));
        ended.descriptor
    }

    fn open_sqlite(&mut self) -> Result<(), SqlError> {
        if !self.transaction.open {
            self.sqlite("BEGIN")?;
            self.transaction.open = true;
        }
        Ok(())
    }

    /// Takes a database's write lock.
    fn lock(&mut self, database: &Arc<Database>) -> Result<(), SqlError> {
        if self.transaction.locked.iter().any(|d| Arc::ptr_eq(d, database)) {
            return Ok(());
        }
        let wait = self.core.server.locks.lock_writer(database.id, self.waiter());
        self.waited(wait)?;
        self.transaction.locked.push(Arc::clone(database));
        Ok(())
    }

    pub(super) fn waiter(&self) -> Waiter<'_> {
        Waiter {
            session: self.core.session,
            timeout: self.settings.lock_timeout,
            cancel: &self.core.options.cancel,
        }
    }

    fn waited(&self, wait: Wait) -> Result<(), SqlError> {
        match wait {
            Wait::Granted | Wait::GrantedLater => Ok(()),
            Wait::TimedOut => Err(errors::lock_timeout()),
            Wait::Cancelled => Err(errors::cancelled()),
            Wait::Deadlock => Err(errors::deadlock(self.core.options.spid)),
        }
    }

    /// Waits for the sessions whose locks on these tables keep readers out. Returns whether it had to wait.
    pub(super) fn wait_for_tables(&self, reads: &[(i32, i32)]) -> Result<bool, SqlError> {
        let mut later = false;
        for (database, table) in reads {
            if self.settings.isolation == IsolationLevel::Snapshot {
                self.check_snapshot(*database)?;
            }
            // A writer keeps no reader out that reads by row versions, or what is not committed.
            let waits = self.settings.isolation == IsolationLevel::Waiting;
            if !waits && self.core.server.lock_mode == LockMode::Strict {
                continue;
            }
            let wait = self
                .core
                .server
                .locks
                .wait_for_table(*database, *table, self.waiter());
            later |= wait == Wait::GrantedLater;
            self.waited(wait)?;
        }
        Ok(later)
    }

    /// Refuses to read a database under SNAPSHOT that does not allow it.
    fn check_snapshot(&self, id: i32) -> Result<(), SqlError> {
        let databases = self.core.server.all_databases();
        match databases.iter().find(|database| database.id == id) {
            Some(database) if !database.allows_snapshot() => Err(errors::no_snapshot(&database.name)),
            _ => Ok(()),
        }
    }

    /// Takes the schema modification lock of a table that this change alters, renames or drops. The lock keeps
    /// readers out under row versioning too ("Transaction locking and row versioning guide").
    pub(super) fn modify_schema(&self, table: &TableRef) {
        if let Some(database) = &table.database {
            self.core
                .server
                .locks
                .mark_table(database.id, table.def.object_id, self.core.session);
        }
    }

    /// Takes the locks that a reading statement needs.
    pub(super) fn before_reading(&mut self, reads: &[(i32, i32)]) -> Result<(), SqlError> {
        self.wait_for_tables(reads)?;
        if self.transaction.open {
            for (id, _) in reads {
                let database = self.core.server.all_databases().into_iter().find(|d| d.id == *id);
                if let Some(database) = database.filter(|d| !d.is_read_only()) {
                    self.lock(&database)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses a change of a read-only database.
    pub(super) fn check_writable(&self, database: &Database) -> Result<(), SqlError> {
        if database.is_read_only() {
            Err(errors::read_only(&database.name))
        } else {
            Ok(())
        }
    }

    /// Runs a change as one statement: all of it stays, or nothing. `database` is `None` for temp tables. Strict
    /// readers wait for `table`.
    pub(super) fn change<T>(
        &mut self,
        database: Option<&Arc<Database>>,
        table: i32,
        work: impl FnOnce(&mut SqlSession) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.start_change(database, table)?;
        let temps = self.core.temps.clone();
        let done = work(self);
        self.end_change(done, temps)
    }

    /// The first half of a change.
    pub(super) fn start_change(
        &mut self,
        database: Option<&Arc<Database>>,
        table: i32,
    ) -> Result<(), SqlError> {
        if self.transaction.doomed {
            return Err(errors::doomed());
        }
        if let Some(database) = database {
            self.check_writable(database)?;
            self.lock(database)?;
            // The role may have changed during the wait.
            if let Err(e) = self.check_writable(database) {
                self.unlock_if_autocommit();
                return Err(e);
            }
            if self.core.server.lock_mode == LockMode::Strict {
                self.core
                    .server
                    .locks
                    .mark_table(database.id, table, self.core.session);
            }
        }
        let opened = if self.transaction.count == 0 {
            self.sqlite("BEGIN")
        } else {
            self.open_sqlite()
                .and_then(|()| self.sqlite("SAVEPOINT statement"))
        };
        if opened.is_err() {
            self.unlock_if_autocommit();
        }
        opened
    }

    /// The second half of a change.
    pub(super) fn end_change<T>(
        &mut self,
        done: Result<T, SqlError>,
        temps: Vec<Temp>,
    ) -> Result<T, SqlError> {
        let autocommit = self.transaction.count == 0;
        let ended = match &done {
            Ok(_) if autocommit => self.sqlite("COMMIT"),
            Ok(_) => self.sqlite("RELEASE statement"),
            Err(_) => Ok(()),
        };
        if done.is_err() || ended.is_err() {
            if !self.core.connection.is_autocommit() {
                let undo = if autocommit {
                    "ROLLBACK"
                } else {
                    "ROLLBACK TO statement; RELEASE statement"
                };
                // The error that led here is the one to report.
                let _ = self.sqlite(undo);
            }
            self.core.temps = temps;
            self.core.temp_version += 1;
        }
        self.unlock_if_autocommit();
        ended.and(done)
    }

    fn unlock_if_autocommit(&mut self) {
        if self.transaction.count == 0 {
            for database in std::mem::take(&mut self.transaction.locked) {
                self.core
                    .server
                    .locks
                    .unlock_writer(database.id, self.core.session);
            }
        }
    }

    /// IMPLICIT_TRANSACTIONS: a statement opens a transaction if none is open.
    pub(super) fn implicit_begin(&mut self, sink: &mut dyn Sink) -> Ran<()> {
        if self.settings.implicit_transactions && self.transaction.count == 0 {
            self.begin(sink)
        } else {
            Ok(())
        }
    }

    /// Handles an error. XACT_ABORT and the error's severity decide the fate of the transaction and the batch.
    pub(super) fn after_error(&mut self, failure: &SqlError, sink: &mut dyn Sink) -> Ran<()> {
        let raised_by_user = failure.number >= 50_000 || errors::raised_by_procedure(failure.number);
        let abort = self.settings.xact_abort && !raised_by_user;
        if abort || errors::ends_transaction(failure.number) {
            if self.transaction.count > 0 {
                let descriptor = self.transaction.descriptor;
                self.roll_back_all();
                sent(sink.transaction(TransactionEvent::RolledBack, descriptor))?;
            }
            return Err(Stop::Reported);
        }
        if errors::ends_statement_only(failure.number) || raised_by_user {
            if matches!(failure.number, 515 | 547 | 2601 | 2627 | 8115 | 8134 | 8152) {
                sent(sink.info(&error(3621, 0, 0, "The statement has been terminated.")))?;
            }
            return Ok(());
        }
        Err(Stop::Reported)
    }
}
