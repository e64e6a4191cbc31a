//! A session's connection to its databases. It knows the attached databases with their aliases, the catalogs as the
//! session's transaction sees them, and the temp tables, and it resolves the names in statements.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, Statement, StatementStatus};
use sqlparser::ast::ObjectName;

use super::errors;
use super::functions;
use super::name::NameParts;
use super::shared::{Shared, lock};
use super::sqlite;
use super::views::{self, Context, View};
use crate::store::catalog::{Catalog, TableDef};
use crate::store::database::{Database, session_connection};
use crate::store::live::LiveSession;
use crate::store::{ServerState, fold};
use crate::types::{SessionOptions, SqlError};

/// The most databases that stay attached. SQLite's own limit is 10.
const ATTACHED_MAX: usize = 8;

struct Attached {
    database: Arc<Database>,
    alias: String,
    catalog: Arc<Catalog>,
}

/// A temp table and the scope that made it.
#[derive(Clone)]
pub(crate) struct Temp {
    pub def: Arc<TableDef>,
    pub depth: u32,
}

/// A table that a statement names.
#[derive(Clone)]
pub(crate) struct TableRef {
    pub def: Arc<TableDef>,
    /// `None` for a temp table.
    pub database: Option<Arc<Database>>,
    pub alias: String,
}

impl TableRef {
    /// The table in SQLite SQL.
    pub fn sqlite(&self) -> String {
        format!("{}.{}", self.alias, self.def.sqlite_name())
    }

    /// The name as message 515 gives it.
    pub fn three_part_name(&self) -> String {
        match &self.database {
            Some(database) => format!("{}.{}", database.name, self.def.full_name()),
            None => format!("tempdb.dbo.{}", self.def.name),
        }
    }
}

/// The object that a name stands for.
pub(crate) enum Object {
    Table(TableRef),
    View(&'static View, Arc<Database>),
}

/// See the module.
pub(crate) struct Core {
    pub connection: Connection,
    pub server: Arc<ServerState>,
    pub session: u64,
    pub options: SessionOptions,
    pub current: Arc<Database>,
    home: Arc<Database>,
    pub temps: Vec<Temp>,
    /// A version that grows whenever the temp tables change.
    pub temp_version: u64,
    /// The number of open `sp_executesql` and EXEC scopes.
    pub depth: u32,
    pub shared: Arc<Mutex<Shared>>,
    /// The steps that statements took since they were last asked for.
    pub steps: AtomicU64,
    attached: Vec<Attached>,
    next_temp_id: i32,
}

impl Core {
    /// Opens the connection and its first database.
    pub fn open(
        server: Arc<ServerState>,
        options: SessionOptions,
        database: Arc<Database>,
    ) -> Result<Core, SqlError> {
        let connection = session_connection()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        server.saw_login(&options.login);
        let session = server.new_session();
        {
            let mut shared = lock(&shared);
            shared.names.server = Some(Arc::clone(&server));
            shared.names.session = session;
            shared.names.login.clone_from(&options.login);
        }
        functions::register(&connection, &shared)?;
        database.users.fetch_add(1, Ordering::SeqCst);
        let mut core = Core {
            connection,
            server,
            session,
            options,
            home: Arc::clone(&database),
            current: database,
            temps: Vec::new(),
            temp_version: 0,
            depth: 0,
            shared,
            steps: AtomicU64::new(0),
            attached: Vec::new(),
            next_temp_id: -1_000_000_000,
        };
        let database = Arc::clone(&core.current);
        core.attach(&database)?;
        let options = &core.options;
        let live = LiveSession {
            spid: options.spid,
            login: options.login.clone(),
            application: options.application.clone(),
            host: options.host.clone(),
            since: core.server.now_datetime(),
            database: database.id,
            transactions: 0,
            temps: 0,
            lock_timeout: -1,
            isolation: 2,
            request: None,
        };
        core.server.live.begin(session, live);
        Ok(core)
    }

    /// Counts the steps of a statement that has run.
    pub fn count_steps(&self, statement: &Statement<'_>) {
        let steps = statement.reset_status(StatementStatus::VmStep);
        self.steps
            .fetch_add(u64::try_from(steps).unwrap_or(0), Ordering::Relaxed);
    }

    /// Makes a database current.
    pub fn use_database(&mut self, database: Arc<Database>) -> Result<(), SqlError> {
        self.attach(&database)?;
        database.users.fetch_add(1, Ordering::SeqCst);
        self.current.users.fetch_sub(1, Ordering::SeqCst);
        self.server
            .live
            .change(self.session, |live| live.database = database.id);
        self.current = database;
        Ok(())
    }

    /// Goes back to the database that the session began in.
    pub fn use_home(&mut self) -> Result<(), SqlError> {
        let home = Arc::clone(&self.home);
        self.use_database(home)
    }

    /// The alias that a database is attached under, attaching it if it is not.
    pub fn attach(&mut self, database: &Arc<Database>) -> Result<String, SqlError> {
        if let Some(found) = self.attached.iter().find(|a| Arc::ptr_eq(&a.database, database)) {
            return Ok(found.alias.clone());
        }
        let stale: Vec<String> = self
            .attached
            .iter()
            .filter(|a| a.database.id == database.id || self.attached.len() >= ATTACHED_MAX)
            .filter(|a| !Arc::ptr_eq(&a.database, &self.current) || a.database.id == database.id)
            .map(|a| a.alias.clone())
            .collect();
        for alias in stale {
            self.detach(&alias)?;
        }
        let alias = format!("d{}", database.id);
        database.attach(&self.connection, &alias)?;
        self.attached.push(Attached {
            database: Arc::clone(database),
            alias: alias.clone(),
            catalog: Arc::default(),
        });
        Ok(alias)
    }

    fn detach(&mut self, alias: &str) -> Result<(), SqlError> {
        self.connection.flush_prepared_statement_cache();
        self.connection
            .execute_batch(&format!("DETACH \"{alias}\""))
            .map_err(|e| self.sqlite_error(&e))?;
        self.attached.retain(|a| a.alias != alias);
        Ok(())
    }

    /// Detaches a database that is about to be dropped.
    pub fn forget(&mut self, database: &Arc<Database>) -> Result<(), SqlError> {
        let alias = self
            .attached
            .iter()
            .find(|a| Arc::ptr_eq(&a.database, database))
            .map(|a| a.alias.clone());
        alias.map_or(Ok(()), |alias| self.detach(&alias))
    }

    /// A database's catalog as this session's transaction sees it now.
    pub fn catalog(&mut self, database: &Arc<Database>) -> Result<Arc<Catalog>, SqlError> {
        if database.is_closed_to(self.session) {
            let text = "is already open and can only have one user at a time.";
            return Err(errors::error(
                924,
                14,
                1,
                format!("Database '{}' {text}", database.name),
            ));
        }
        let alias = self.attach(database)?;
        let version =
            Catalog::current_version(&self.connection, &alias).map_err(|e| self.sqlite_error(&e))?;
        let at = self
            .attached
            .iter()
            .position(|a| a.alias == alias)
            .unwrap_or_default();
        if self.attached[at].catalog.version != version {
            let catalog = Catalog::load(&self.connection, &alias).map_err(|e| self.sqlite_error(&e))?;
            self.attached[at].catalog = Arc::new(catalog);
        }
        Ok(Arc::clone(&self.attached[at].catalog))
    }

    /// The database that a name refers to.
    pub fn database_of(&self, name: &NameParts) -> Result<Arc<Database>, SqlError> {
        match &name.database {
            None => Ok(Arc::clone(&self.current)),
            Some(database) => self
                .server
                .database(database)
                .ok_or_else(|| errors::no_database(database)),
        }
    }

    /// The table or view that a name stands for.
    pub fn find(&mut self, name: &NameParts) -> Result<Option<Object>, SqlError> {
        if name.is_temp() {
            return Ok(self.temp(&name.name).map(Object::Table));
        }
        let database = match &name.database {
            Some(other) => match self.server.database(other) {
                Some(database) => database,
                None => return Ok(None),
            },
            None => Arc::clone(&self.current),
        };
        if let Some(view) = views::find(name.schema.as_deref(), &name.name) {
            return Ok(Some(Object::View(view, database)));
        }
        let catalog = self.catalog(&database)?;
        let Some(def) = catalog.table(name.schema(), &name.name) else {
            return Ok(None);
        };
        let alias = self.attach(&database)?;
        Ok(Some(Object::Table(TableRef {
            def: Arc::clone(def),
            database: Some(database),
            alias,
        })))
    }

    /// A view's rows now, as a JSON array of arrays.
    pub fn view_rows(&mut self, view: &View, database: &Arc<Database>) -> Result<String, SqlError> {
        let catalog = self.catalog(database)?;
        let alias = self.attach(database)?;
        let count = |table: &TableDef| {
            let sql = format!("SELECT count(*) FROM {alias}.{}", table.sqlite_name());
            self.connection
                .query_row(&sql, [], |r| r.get(0))
                .map_err(|e| self.sqlite_error(&e))
        };
        view.json(&Context {
            database: Arc::clone(database),
            catalog,
            server: &self.server,
            login: &self.options.login,
            session: self.session,
            count: &count,
        })
    }

    /// The table of that name, for statements that change one.
    pub fn table(&mut self, name: &ObjectName) -> Result<Option<TableRef>, SqlError> {
        match self.find(&NameParts::new(name)?)? {
            Some(Object::Table(table)) => Ok(Some(table)),
            Some(Object::View(..)) => Err(errors::error(
                259,
                16,
                1,
                "Ad hoc updates to system catalogs are not allowed.",
            )),
            None => Ok(None),
        }
    }

    /// The innermost temp table of that name.
    pub fn temp(&self, name: &str) -> Option<TableRef> {
        let name = fold(name);
        let temp = self.temps.iter().rev().find(|t| fold(&t.def.name) == name)?;
        Some(TableRef {
            def: Arc::clone(&temp.def),
            database: None,
            alias: "temp".into(),
        })
    }

    /// Puts a temp table in place of the one with its id, or adds it to the current scope.
    pub fn put_temp(&mut self, def: Arc<TableDef>) {
        self.temp_version += 1;
        let depth = self.depth;
        match self.temps.iter_mut().find(|t| t.def.object_id == def.object_id) {
            Some(temp) => temp.def = def,
            None => self.temps.push(Temp { def, depth }),
        }
    }

    /// Takes a temp table out of the session.
    pub fn remove_temp(&mut self, object_id: i32) {
        self.temp_version += 1;
        self.temps.retain(|t| t.def.object_id != object_id);
    }

    /// Ends a scope and drops its temp tables.
    pub fn end_scope(&mut self) -> Result<(), SqlError> {
        let depth = self.depth;
        let gone: Vec<_> = self
            .temps
            .iter()
            .filter(|t| t.depth >= depth)
            .map(|t| Arc::clone(&t.def))
            .collect();
        self.depth = depth.saturating_sub(1);
        for def in gone {
            self.remove_temp(def.object_id);
            let drop = format!("DROP TABLE IF EXISTS temp.{}", def.sqlite_name());
            self.connection
                .execute_batch(&drop)
                .map_err(|e| self.sqlite_error(&e))?;
        }
        Ok(())
    }

    /// A fresh id for a temp object. It is negative, as SQL Server's are.
    pub fn new_temp_id(&mut self) -> i32 {
        self.next_temp_id += 1;
        self.next_temp_id
    }

    /// Lets OBJECT_ID and similar functions see the names as they are now.
    pub fn refresh_names(&mut self) -> Result<(), SqlError> {
        let database = Arc::clone(&self.current);
        let catalog = self.catalog(&database)?;
        let mut shared = lock(&self.shared);
        shared.names.database.clone_from(&database.name);
        shared.names.catalog = catalog;
        shared.names.temps = self.temps.iter().rev().map(|t| Arc::clone(&t.def)).collect();
        Ok(())
    }

    /// SQLite's error in SQL Server's terms: the error that a function raised, or the cause itself.
    pub fn sqlite_error(&self, error: &rusqlite::Error) -> SqlError {
        if let Some(raised) = lock(&self.shared).error.take() {
            return raised;
        }
        sqlite::translate(error, self.options.spid)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.server.live.end(self.session);
        self.current.users.fetch_sub(1, Ordering::SeqCst);
    }
}
