//! The state that outlives a session: the data directory, its databases, their roles, and the locks between
//! sessions.
//!
//! A database is one SQLite file in the data directory. This module refuses file names that it did not make, and
//! database names that it cannot keep. Connection threads can share it: everything that changes is an atomic or
//! behind one of a few short-lived mutexes, and no SQL runs while one of them is held.

pub(crate) mod access;
pub(crate) mod catalog;
pub(crate) mod database;
pub(crate) mod declared;
pub(crate) mod live;
pub(crate) mod lock;
mod name;
mod private;
mod role;
mod signs;
pub(crate) mod type_code;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::types::SqlError;
use database::Database;
use lock::LockManager;

pub(crate) use name::fold;
pub use role::{LockMode, Role};
pub use signs::{GroupSigns, Signs};

/// The answer to `@@VERSION`: a build of SQL Server 2019, the newest whose behaviour the emulator follows.
pub(crate) const VERSION_TEXT: &str = "Microsoft SQL Server 2019 (RTM) - 15.0.2000.5 (X64) \n\tSep 24 2019 13:48:23 \n\tEmulated by mssql-sync over SQLite\n\tDeveloper Edition (64-bit)";

/// Days from 1900-01-01 to 1970-01-01.
const DAYS_1900_TO_1970: i64 = 25_567;
/// Days from 0001-01-01 to 1970-01-01.
const DAYS_0001_TO_1970: i64 = 719_162;
const SECONDS_A_DAY: i64 = 86_400;

/// The options that a server is opened with.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    /// The directory of the database files. The server makes it if it is missing.
    pub data: PathBuf,
    /// The answer to `SERVERPROPERTY('ServerName')` and `@@SERVERNAME`.
    pub server_name: String,
    /// The answer to `@@VERSION`.
    pub version: String,
    /// Whether readers wait for writers.
    pub locks: LockMode,
}

/// The state that all sessions of one server share.
pub(crate) struct ServerState {
    pub(crate) data: PathBuf,
    pub(crate) server_name: String,
    pub(crate) version: String,
    pub(crate) lock_mode: LockMode,
    pub(crate) locks: LockManager,
    pub(crate) clock: Clock,
    databases: Mutex<BTreeMap<String, Arc<Database>>>,
    /// The logins that have opened a session, in the order of their first session.
    logins: Mutex<Vec<String>>,
    /// The passwords of the logins that sessions have made.
    passwords: Mutex<BTreeMap<String, String>>,
    next_session: AtomicU64,
    /// The permissions on the server that logins were granted (true) or denied.
    permissions: Mutex<BTreeMap<(String, &'static str), bool>>,
    /// The sessions that there are.
    pub(crate) live: live::Sessions,
    signs: Mutex<Signs>,
}

impl ServerState {
    /// Opens the data directory and every database in it; `master` always exists.
    ///
    /// # Errors
    /// When the directory cannot be made or read, or a file in it is not a database of this emulator.
    pub fn open(config: ServerConfig) -> Result<Arc<ServerState>, SqlError> {
        let databases = database::open_all(&config.data)?;
        let clock = Clock::start();
        let state = ServerState {
            data: config.data,
            server_name: config.server_name,
            version: config.version,
            lock_mode: config.locks,
            locks: LockManager::new(clock),
            clock,
            databases: Mutex::new(databases),
            logins: Mutex::default(),
            passwords: Mutex::default(),
            next_session: AtomicU64::new(1),
            permissions: Mutex::default(),
            live: live::Sessions::default(),
            signs: Mutex::default(),
        };
        state.create_database("master")?;
        Ok(Arc::new(state))
    }

    /// Creates a database. One of that name that exists already stays as it is.
    ///
    /// # Errors
    /// When the name cannot be kept or the file cannot be made.
    pub fn create_database(&self, name: &str) -> Result<(), SqlError> {
        let mut databases = self.databases();
        if databases.contains_key(&fold(name)) {
            return Ok(());
        }
        let id = if fold(name) == "master" {
            database::MASTER_ID
        } else {
            databases
                .values()
                .map(|d| d.id)
                .fold(database::FIRST_USER_ID - 1, i32::max)
                + 1
        };
        let database = Database::create(&self.data, name, id, self.now_datetime(), self.clock.random())?;
        databases.insert(fold(name), Arc::new(database));
        Ok(())
    }

    /// Takes a database out of the server and deletes its files. Returns whether there was one.
    pub(crate) fn drop_database(&self, name: &str) -> Result<bool, SqlError> {
        let Some(database) = self.databases().remove(&fold(name)) else {
            return Ok(false);
        };
        database.delete_files()?;
        Ok(true)
    }

    /// The databases by name, and their roles.
    pub(crate) fn roles(&self) -> Vec<(String, Role)> {
        let databases = self.databases();
        databases
            .values()
            .map(|database| (database.name.clone(), database.role()))
            .collect()
    }

    /// Changes a database's role for the statements that start from now on. A database that does not exist is
    /// ignored.
    pub fn set_role(&self, name: &str, role: Role) {
        if let Some(database) = self.database(name) {
            database.set_role(role);
        }
    }

    /// Sets a database's clock ahead, for the statements that start from now on. A database that does not exist is
    /// ignored.
    pub fn set_clock(&self, name: &str, offset_seconds: i64) {
        if let Some(database) = self.database(name) {
            database.set_clock(offset_seconds);
        }
    }

    /// The database of that name, in any case.
    pub(crate) fn database(&self, name: &str) -> Option<Arc<Database>> {
        self.databases().get(&fold(name)).cloned()
    }

    /// The name of the database with that id; empty without one.
    pub(crate) fn database_name(&self, id: i32) -> String {
        let all = self.databases();
        let found = all.values().find(|database| database.id == id);
        found.map_or_else(String::new, |database| database.name.clone())
    }

    /// Every database, in order of their ids.
    pub(crate) fn all_databases(&self) -> Vec<Arc<Database>> {
        let mut all: Vec<_> = self.databases().values().cloned().collect();
        all.sort_by_key(|d| d.id);
        all
    }

    /// Now, in 100 ns units since 0001-01-01, UTC.
    pub(crate) fn now_100ns(&self) -> i64 {
        let now = self.clock.now();
        let seconds = DAYS_0001_TO_1970 * SECONDS_A_DAY + now.timestamp();
        seconds * 10_000_000 + i64::from(now.timestamp_subsec_nanos() / 100)
    }

    /// Now as a `datetime`, in ticks of 1/300 s since 1900-01-01.
    pub(crate) fn now_datetime(&self) -> i64 {
        let now = self.clock.now();
        let seconds = DAYS_1900_TO_1970 * SECONDS_A_DAY + now.timestamp();
        seconds * 300 + i64::from(now.timestamp_subsec_millis()) * 300 / 1000
    }

    /// A number that no other session of this server has.
    pub(crate) fn new_session(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    /// Records a login that has opened a session.
    pub(crate) fn saw_login(&self, login: &str) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if !logins.iter().any(|l| fold(l) == fold(login)) {
            logins.push(login.to_owned());
        }
    }

    /// Grants a permission on the server, denies it, or takes either back.
    pub(crate) fn permit(&self, login: &str, permission: access::Permission, state: Option<bool>) {
        let mut permissions = self.permissions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (fold(login), permission.name());
        match state {
            Some(granted) => permissions.insert(key, granted),
            None => permissions.remove(&key),
        };
    }

    /// Whether a login has a permission on the server. One that was made here needs a grant, and any other a denial not to
    /// have it. `sa` is never checked.
    pub(crate) fn permits(&self, login: &str, permission: access::Permission) -> bool {
        let permissions = self.permissions.lock().unwrap_or_else(PoisonError::into_inner);
        let state = permissions.get(&(fold(login), permission.name())).copied();
        access::is_owner(login) || state.unwrap_or_else(|| !self.has_login(login))
    }

    /// What the server shows of its state beyond what it knows itself.
    pub(crate) fn signs(&self) -> Signs {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets it.
    pub(crate) fn set_signs(&self, signs: Signs) {
        *self.signs.lock().unwrap_or_else(PoisonError::into_inner) = signs;
    }

    /// Whether CREATE LOGIN, or a contained user, has made a login.
    pub(crate) fn has_login(&self, name: &str) -> bool {
        self.passwords().contains_key(&fold(name))
    }

    /// The id of a login that is known: `sa`, and those that were made here.
    pub(crate) fn login_id(&self, name: &str) -> Option<i32> {
        /// The first id of a login that an administrator makes.
        const FIRST_ID: i32 = 256;
        let name = fold(name);
        if name == "sa" {
            return Some(1);
        }
        let place = self.passwords().keys().position(|known| *known == name)?;
        Some(FIRST_ID + i32::try_from(place).ok()?)
    }

    /// Makes a login with a password, or sets its password. It lasts as long as the server runs.
    pub(crate) fn set_login(&self, name: &str, password: &str) {
        self.passwords().insert(fold(name), password.to_owned());
    }

    /// The password of a login that was made here.
    pub(crate) fn password(&self, name: &str) -> Option<String> {
        self.passwords().get(&fold(name)).cloned()
    }

    fn passwords(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The logins that have opened a session, in the order of their first session.
    pub(crate) fn logins(&self) -> Vec<String> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn databases(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Database>>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
