//! One database: its SQLite file, its state outside any session, and the ways in which a connection reaches it.
//!
//! The file name is the database's name with every byte outside `[A-Za-z0-9_-]` percent-encoded, so that no name
//! reaches outside the directory. The file's own `_meta` table has its name, id and date. A file without it is
//! refused.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::name::fold;
use super::private;
use super::role::Role;
use crate::types::SqlError;
use crate::value::guid;

/// `master`'s id, as SQL Server numbers it.
pub(crate) const MASTER_ID: i32 = 1;
/// 1 to 4 are the system databases.
pub(crate) const FIRST_USER_ID: i32 = 5;
/// The time that a connection waits for a writer of another process.
const OTHER_PROCESS_WAIT: Duration = Duration::from_secs(10);
/// The extension of database files.
const EXTENSION: &str = "db";
/// What follows the name of the file, and of its journals.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A setting of a database that only `sys.databases` shows, by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    ReadCommittedSnapshot,
    RecoveryModel,
    DelayedDurability,
}

/// One database of a server.
pub(crate) struct Database {
    pub name: String,
    pub id: i32,
    /// Its creation time, as a `datetime`.
    pub create_date: i64,
    /// Its `service_broker_guid`, in storage order. It distinguishes the database from every other, including one
    /// that is created later under its name ("sys.databases (Transact-SQL)").
    pub broker: [u8; 16],
    pub path: PathBuf,
    /// The seconds that its sessions' clock is ahead of the server's.
    clock_offset: AtomicI64,
    secondary: AtomicBool,
    read_only: AtomicBool,
    /// Whether sessions may read it under SNAPSHOT, until the server ends.
    snapshot: AtomicBool,
    /// What ALTER DATABASE set, until the server ends. It is kept and shown, and changes nothing.
    settings: Mutex<BTreeMap<Setting, u8>>,
    /// The session that has it for itself (SINGLE_USER), or 0.
    single_user: AtomicU64,
    /// The number of sessions whose current database it is.
    pub users: AtomicUsize,
    identities: Mutex<HashMap<i32, Arc<AtomicI64>>>,
}

impl Database {
    /// Makes the file and its meta tables.
    pub fn create(
        directory: &Path,
        name: &str,
        id: i32,
        create_date: i64,
        random: u128,
    ) -> Result<Database, SqlError> {
        let broker = guid::to_storage(&random.to_be_bytes());
        if name.is_empty() || name.chars().count() > 128 {
            return Err(io_error(format!("The database name '{name}' is not valid.")));
        }
        let path = directory.join(format!("{}.{EXTENSION}", encode(name)));
        match private::file(&path) {
            // What a kill left of an earlier attempt; another file is refused below.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && !path.is_symlink() => {}
            made => made.map_err(|e| io_error(format!("{}: {e}", path.display())))?,
        }
        let connection = Connection::open(&path).map_err(|e| file_error(&path, &e))?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE;
                 CREATE TABLE _meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
                 CREATE TABLE _catalog(object_id INTEGER PRIMARY KEY, definition TEXT NOT NULL);
                 CREATE TABLE _identity(object_id INTEGER PRIMARY KEY, last INTEGER NOT NULL);",
            )
            .and_then(|()| {
                let mut insert = connection.prepare("INSERT INTO _meta VALUES (?1, ?2)")?;
                insert.execute(("name", name))?;
                insert.execute(("id", id))?;
                insert.execute(("create_date", create_date))?;
                insert.execute(("broker", &broker[..]))?;
                insert.execute(("read_only", 0))?;
                insert.execute(("version", 1))?;
                insert.execute(("schemas", r#"{"1":"dbo","3":"INFORMATION_SCHEMA","4":"sys"}"#))?;
                insert.execute(("next_object_id", 245_575_913))?;
                connection.execute_batch("COMMIT")
            })
            .map_err(|e| file_error(&path, &e))?;
        Ok(Database {
            broker,
            ..Database::new(name.to_owned(), id, create_date, path)
        })
    }

    /// The GUID for a database of an older version, whose file has none. It is the same at every opening.
    fn new(name: String, id: i32, create_date: i64, path: PathBuf) -> Database {
        let mut broker = [0; 16];
        let hash = blake3::hash(format!("{name}\0{id}\0{create_date}").as_bytes());
        broker.copy_from_slice(&hash.as_bytes()[..16]);
        Database {
            name,
            id,
            create_date,
            broker,
            path,
            clock_offset: AtomicI64::new(0),
            secondary: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            snapshot: AtomicBool::new(false),
            settings: Mutex::new(BTreeMap::new()),
            single_user: AtomicU64::new(0),
            users: AtomicUsize::new(0),
            identities: Mutex::new(HashMap::new()),
        }
    }

    fn open(path: PathBuf) -> Result<Database, SqlError> {
        let connection = Connection::open(&path).map_err(|e| file_error(&path, &e))?;
        let get = |key: &str| -> rusqlite::Result<rusqlite::types::Value> {
            connection.query_row("SELECT value FROM _meta WHERE key = ?1", [key], |row| row.get(0))
        };
        let read = || -> rusqlite::Result<(String, i64, i64, i64)> {
            Ok((
                text(get("name")?),
                integer(&get("id")?),
                integer(&get("create_date")?),
                integer(&get("read_only")?),
            ))
        };
        let (name, id, create_date, read_only) = read().map_err(|e| file_error(&path, &e))?;
        let broker = connection
            .query_row("SELECT value FROM _meta WHERE key = 'broker'", [], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|e| file_error(&path, &e))?;
        let id = i32::try_from(id).map_err(|_| io_error(format!("{}: bad database id", path.display())))?;
        let mut database = Database::new(name, id, create_date, path);
        database.read_only = AtomicBool::new(read_only != 0);
        database.broker = broker.unwrap_or(database.broker);
        Ok(database)
    }

    /// Attaches it to a session's connection under `alias`.
    pub fn attach(&self, connection: &Connection, alias: &str) -> Result<(), SqlError> {
        let path = self
            .path
            .to_str()
            .ok_or_else(|| io_error("The data directory's path is not UTF-8.".into()))?;
        connection
            .execute(&format!("ATTACH DATABASE ?1 AS \"{alias}\""), [path])
            .and_then(|_| {
                connection.execute_batch(&format!(
                    "PRAGMA \"{alias}\".cache_size=-4096; PRAGMA \"{alias}\".mmap_size=0;"
                ))?;
                // Inside a transaction it stays at FULL, which is as correct and slower.
                if connection.is_autocommit() {
                    connection.execute_batch(&format!("PRAGMA \"{alias}\".synchronous=NORMAL;"))?;
                }
                Ok(())
            })
            .map_err(|e| file_error(&self.path, &e))
    }

    /// Deletes the file and its journals.
    pub fn delete_files(&self) -> Result<(), SqlError> {
        for suffix in SUFFIXES {
            match std::fs::remove_file(suffixed(&self.path, suffix)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_error(format!("{}: {e}", self.path.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub fn role(&self) -> Role {
        match self.secondary.load(Ordering::SeqCst) {
            true => Role::ReadableSecondary,
            false => Role::Primary,
        }
    }

    pub fn set_role(&self, role: Role) {
        self.secondary
            .store(role == Role::ReadableSecondary, Ordering::SeqCst);
    }

    /// Sets the clock of the sessions whose current database it is so many seconds ahead of the server's.
    pub fn set_clock(&self, offset_seconds: i64) {
        self.clock_offset.store(offset_seconds, Ordering::SeqCst);
    }

    /// The seconds that its sessions' clock is ahead of the server's.
    pub fn clock_offset(&self) -> i64 {
        self.clock_offset.load(Ordering::SeqCst)
    }

    pub fn is_read_only(&self) -> bool {
        self.secondary.load(Ordering::SeqCst) || self.read_only.load(Ordering::SeqCst)
    }

    /// `ALTER DATABASE ... SET READ_ONLY | READ_WRITE`. The file keeps it.
    pub fn set_read_only(&self, read_only: bool) -> Result<(), SqlError> {
        let connection = Connection::open(&self.path).map_err(|e| file_error(&self.path, &e))?;
        connection
            .busy_timeout(OTHER_PROCESS_WAIT)
            .and_then(|()| {
                connection.execute(
                    "UPDATE _meta SET value = ?1 WHERE key = 'read_only'",
                    [i64::from(read_only)],
                )
            })
            .map_err(|e| file_error(&self.path, &e))?;
        self.read_only.store(read_only, Ordering::SeqCst);
        Ok(())
    }

    /// Sets ALLOW_SNAPSHOT_ISOLATION.
    pub fn allow_snapshot(&self, on: bool) {
        self.snapshot.store(on, Ordering::SeqCst);
    }

    /// Whether sessions may read it under SNAPSHOT.
    pub fn allows_snapshot(&self) -> bool {
        self.snapshot.load(Ordering::SeqCst)
    }

    /// Sets what only the catalog shows.
    pub fn set(&self, setting: Setting, value: u8) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.insert(setting, value);
    }

    /// The value of a setting, if any was set.
    pub fn setting(&self, setting: Setting) -> Option<u8> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.get(&setting).copied()
    }

    /// Makes it SINGLE_USER for that session, or MULTI_USER with 0.
    pub fn set_single_user(&self, session: u64) {
        self.single_user.store(session, Ordering::SeqCst);
    }

    /// Whether some session has it for itself.
    pub fn is_single_user(&self) -> bool {
        self.single_user.load(Ordering::SeqCst) != 0
    }

    /// Whether another session has it for itself.
    pub fn is_closed_to(&self, session: u64) -> bool {
        let owner = self.single_user.load(Ordering::SeqCst);
        owner != 0 && owner != session
    }

    /// The counter of a table's identity column. It starts from `last` if this process has not used it yet. As in
    /// SQL Server, a rollback does not undo it.
    pub fn identity(
        &self,
        object_id: i32,
        last: impl FnOnce() -> Result<i64, SqlError>,
    ) -> Result<Arc<AtomicI64>, SqlError> {
        if let Some(counter) = self.identities().get(&object_id) {
            return Ok(Arc::clone(counter));
        }
        let counter = Arc::new(AtomicI64::new(last()?));
        Ok(Arc::clone(self.identities().entry(object_id).or_insert(counter)))
    }

    /// Forgets the counter of a table that was truncated or dropped.
    pub fn forget_identity(&self, object_id: i32) {
        self.identities().remove(&object_id);
    }

    fn identities(&self) -> std::sync::MutexGuard<'_, HashMap<i32, Arc<AtomicI64>>> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's own connection. `main` is empty and in memory, databases are attached, and temp tables stay in
/// memory.
pub(crate) fn session_connection() -> Result<Connection, SqlError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;")?;
        connection.busy_timeout(OTHER_PROCESS_WAIT)?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(connection)
    };
    open().map_err(|e| io_error(e.to_string()))
}

/// Opens every database file of the directory. Makes the directory if it is missing.
pub(crate) fn open_all(directory: &Path) -> Result<BTreeMap<String, Arc<Database>>, SqlError> {
    let wrap = |e: std::io::Error| io_error(format!("{}: {e}", directory.display()));
    private::directory(directory).map_err(wrap)?;
    let mut databases = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(wrap)? {
        let path = entry.map_err(wrap)?.path();
        if path.extension().is_some_and(|e| e == EXTENSION) {
            for suffix in SUFFIXES {
                private::tighten(&suffixed(&path, suffix)).map_err(wrap)?;
            }
            let database = Database::open(path)?;
            databases.insert(fold(&database.name), Arc::new(database));
        }
    }
    Ok(databases)
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

fn encode(name: &str) -> String {
    name.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn text(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Text(text) => text,
        _ => String::new(),
    }
}

fn integer(value: &rusqlite::types::Value) -> i64 {
    match value {
        rusqlite::types::Value::Integer(v) => *v,
        _ => 0,
    }
}

fn file_error(path: &Path, error: &rusqlite::Error) -> SqlError {
    io_error(format!("{}: {error}", path.display()))
}

/// The error of a failing store. 823 is SQL Server's number for it.
fn io_error(message: String) -> SqlError {
    SqlError {
        number: 823,
        state: 1,
        class: 24,
        message,
        line: 1,
    }
}
