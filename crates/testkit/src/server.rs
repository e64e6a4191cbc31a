//! A server under test: the emulator, or the one that `SYNC_TEST_SERVER` names, with scratch databases on it.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::NaiveDate;
use tds_emulator::{Emulator, EmulatorOptions, Faults, Limits, Role, TlsMode};
use tokio::sync::MutexGuard;

use crate::{Client, statements};

/// The login of a test.
const USER: &str = "sync_test";
/// Its password at the emulator.
const PASSWORD: &str = "Not.a.secret-1";

static DATABASES: AtomicU32 = AtomicU32::new(0);
/// Tests on one server take turns: not every server makes two databases at once, or tells the applocks of one from those of
/// another.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The emulator's limits, but no test waits for the answer to a wrong password.
fn limits() -> Limits {
    Limits {
        wrong_password: std::time::Duration::ZERO,
        ..Limits::default()
    }
}

/// The server under test with two scratch databases on it, which go with this value.
pub struct Server {
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The login of a test.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The name of the source database.
    pub source: String,
    /// The name of the target database.
    pub target: String,
    /// Whether the catalog has names as they were written, and tells clustered indexes from others, as SQL Server's
    /// does. A test that expects to read either asks first.
    pub faithful: bool,
    emulator: Option<Emulator>,
    /// The emulator's directory; there is none for a server that was there before.
    data: Option<tempfile::TempDir>,
    /// Databases beside the two.
    more: Vec<String>,
    /// The turn of a test on a server that was there before; it ends after the databases are dropped.
    _turn: Option<MutexGuard<'static, ()>>,
}

/// Whether the test needs the emulator and the environment names another server; then it is said.
pub fn is_elsewhere(test: &str) -> bool {
    let elsewhere = std::env::var_os("SYNC_TEST_SERVER").is_some();
    if elsewhere {
        eprintln!("{test}: skipped, it needs the emulator");
    }
    elsewhere
}

impl Server {
    /// The emulator, or the server that the environment names.
    pub async fn start() -> Server {
        match std::env::var("SYNC_TEST_SERVER") {
            Ok(address) => Server::elsewhere(&address, Some(TURN.lock().await)).await,
            Err(_) => Server::emulated(|_| {}).await,
        }
    }

    /// Two more databases on the same server, or another emulator, for a test that has begun.
    pub async fn another(&self) -> Server {
        match std::env::var("SYNC_TEST_SERVER") {
            Ok(address) => Server::elsewhere(&address, None).await,
            Err(_) => Server::emulated(|_| {}).await,
        }
    }

    /// The emulator, for a test that needs its faults, its log or its store; `None`, and it is said, elsewhere.
    pub async fn start_emulator(test: &str) -> Option<Server> {
        if is_elsewhere(test) {
            return None;
        }
        Some(Server::emulated(|_| {}).await)
    }

    /// The emulator with other options.
    pub async fn emulated(change: impl FnOnce(&mut EmulatorOptions)) -> Server {
        let data = tempfile::tempdir().expect("a directory for the emulator");
        let mut options = EmulatorOptions {
            users: vec![(USER.to_owned(), PASSWORD.to_owned())],
            limits: limits(),
            ..EmulatorOptions::new(data.path())
        };
        change(&mut options);
        let emulator = Emulator::start(options).await.expect("the emulator starts");
        let address = emulator.addr();
        let mut server = Server {
            host: address.ip().to_string(),
            port: address.port(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            source: String::new(),
            target: String::new(),
            faithful: true,
            emulator: Some(emulator),
            data: Some(data),
            more: Vec::new(),
            _turn: None,
        };
        server.create_databases().await;
        server
    }

    async fn elsewhere(address: &str, turn: Option<MutexGuard<'static, ()>>) -> Server {
        let (host, port) = address.split_once(',').expect("SYNC_TEST_SERVER is host,port");
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let mut server = Server {
            host: host.trim().to_owned(),
            port: port.trim().parse().expect("SYNC_TEST_SERVER is host,port"),
            user: variable("SYNC_TEST_USER"),
            password: variable("SYNC_TEST_PASSWORD"),
            source: String::new(),
            target: String::new(),
            faithful: false,
            emulator: None,
            data: None,
            more: Vec::new(),
            _turn: turn,
        };
        server.create_databases().await;
        let mut client = server.connect(&server.target).await;
        client
            .run("CREATE TABLE dbo.Probe (A int NOT NULL CONSTRAINT PK_Probe PRIMARY KEY CLUSTERED)")
            .await;
        let sql =
            "SELECT CONCAT(name, N'|', type) FROM sys.indexes WHERE object_id = OBJECT_ID(N'dbo.Probe')";
        server.faithful = client.texts(sql).await == ["PK_Probe|1"];
        client.run("DROP TABLE dbo.Probe").await;
        server
    }

    async fn create_databases(&mut self) {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        self.source = format!("sync_test_source_{}_{number}", std::process::id());
        self.target = format!("sync_test_target_{}_{number}", std::process::id());
        let mut master = self.connect("master").await;
        for database in [&self.source, &self.target] {
            create_database(&mut master, database).await;
        }
    }

    /// Makes another database on the server.
    pub async fn create_database(&mut self) -> String {
        let name = format!("{}_{}", self.source, self.more.len());
        let mut master = self.connect("master").await;
        create_database(&mut master, &name).await;
        self.more.push(name.clone());
        name
    }

    /// Goes on with an empty target database in the place of the one there was, which is dropped.
    pub async fn renew_target(&mut self) {
        let mut master = self.connect("master").await;
        drop_database(&mut master, &self.target).await;
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        self.target = format!("sync_test_target_{}_{number}", std::process::id());
        create_database(&mut master, &self.target).await;
    }

    /// Goes on with an empty source database under the name of the one there was, which is dropped.
    pub async fn renew_source(&mut self) {
        let mut master = self.connect("master").await;
        drop_database(&mut master, &self.source).await;
        create_database(&mut master, &self.source).await;
    }

    /// The emulator.
    pub fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().expect("this test asked for the emulator")
    }

    /// The emulator's faults.
    pub fn faults(&self) -> &Faults {
        self.emulator().faults()
    }

    /// Whether there is an emulator that runs.
    pub(crate) fn running(&self) -> Option<&Emulator> {
        self.emulator.as_ref()
    }

    /// Ends the emulator, as a server that goes down.
    pub async fn stop_emulator(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            emulator.stop().await;
        }
    }

    /// Starts it again, on the same address and files.
    pub async fn start_emulator_again(&mut self) {
        let data = self.data.as_ref().expect("the emulator's directory");
        let options = EmulatorOptions {
            listen: format!("{}:{}", self.host, self.port)
                .parse()
                .expect("an address"),
            users: vec![(USER.to_owned(), PASSWORD.to_owned())],
            tls: TlsMode::Offered,
            limits: limits(),
            ..EmulatorOptions::new(data.path())
        };
        self.emulator = Some(Emulator::start(options).await.expect("the emulator starts"));
    }

    /// Makes the source database what a readable secondary serves, and back.
    pub fn set_source_role(&self, role: Role) {
        self.emulator().set_role(&self.source, role);
    }
}

impl Drop for Server {
    /// Drops the databases, also when the test fails. Those of the emulator go with its directory; what the program has
    /// sent there is looked at.
    fn drop(&mut self) {
        if self.data.is_some() {
            if let (Some(emulator), false) = (&self.emulator, std::thread::panicking()) {
                statements::assert_listed(&emulator.log().entries());
            }
            return;
        }
        let address = (
            self.host.clone(),
            self.port,
            self.user.clone(),
            self.password.clone(),
        );
        let mut databases = std::mem::take(&mut self.more);
        databases.extend([self.source.clone(), self.target.clone()]);
        // Dropping may happen on a thread of a runtime, which cannot wait for another one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let (host, port, user, password) = &address;
                let mut master = Client::connect(host, *port, user, password, "master").await;
                for database in databases.iter().filter(|name| !name.is_empty()) {
                    drop_database(&mut master, database).await;
                }
            });
        });
        if dropped.join().is_err() {
            eprintln!("databases of {} and {} are left behind", self.source, self.target);
        }
    }
}

async fn create_database(master: &mut Client, database: &str) {
    master.run(&format!("CREATE DATABASE [{database}]")).await;
}

async fn drop_database(master: &mut Client, database: &str) {
    // A connection that a test has just closed may still count as a user of the database.
    for _ in 0..1_000 {
        if master
            .try_run(&format!("DROP DATABASE [{database}]"))
            .await
            .is_ok()
        {
            return;
        }
    }
    eprintln!("{database} is still in use and is left behind");
}

/// What is at its two ends.
impl Server {
    /// A plain connection to one of its databases.
    pub async fn connect(&self, database: &str) -> Client {
        Client::connect(&self.host, self.port, &self.user, &self.password, database).await
    }

    /// Runs statements in the source database.
    pub async fn at_source(&self, sql: &str) {
        self.connect(&self.source).await.run(sql).await;
    }

    /// Runs statements in the target database.
    pub async fn at_target(&self, sql: &str) {
        self.connect(&self.target).await.run(sql).await;
    }

    /// The day that the source's clock shows.
    pub async fn today(&self) -> NaiveDate {
        self.day("SYSDATETIME()").await
    }

    /// The last day of which rows are old enough to be read: the one that the source's clock showed an hour ago, which is the
    /// default of `settle_minutes`. A month that had ended by then is read to its end.
    pub async fn last_day(&self) -> NaiveDate {
        self.day("DATEADD(hour, -1, SYSDATETIME())").await
    }

    async fn day(&self, at: &str) -> NaiveDate {
        let sql = format!("SELECT CONVERT(nvarchar(10), {at}, 23)");
        let day = self.connect(&self.source).await.texts(&sql).await.remove(0);
        day.parse().expect("a day")
    }

    /// Asserts that a table at the source and its copy at the target hold the same rows, each once.
    pub async fn assert_equal(&self, source_table: &str, target_table: &str) {
        let source = self.connect(&self.source).await.dump(source_table).await;
        let target = self.connect(&self.target).await.dump(target_table).await;
        assert_eq!(
            source.len(),
            target.len(),
            "rows of {source_table} and {target_table}"
        );
        for (row, (left, right)) in source.iter().zip(&target).enumerate() {
            assert_eq!(left, right, "row {row} of {source_table}");
        }
    }

    /// The receipts of the target, as text, ordered.
    pub async fn receipts(&self) -> Vec<String> {
        let sql = "SELECT [table_name], CAST([window_start] AS nvarchar(10)) AS [first], [ordinal], \
                   CAST([window_end] AS nvarchar(10)) AS [end], [state], [row_count] \
                   FROM [sync].[receipt] ORDER BY [table_name], [window_start], [ordinal]";
        self.connect(&self.target).await.rows(sql).await
    }

    /// Number of tables that hold receipts: 0 before the first migration.
    pub async fn receipts_exist(&self) -> i64 {
        let sql = "SELECT COUNT_BIG(*) FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
                   WHERE s.name = N'sync' AND t.name = N'receipt'";
        self.connect(&self.target).await.integer(sql).await
    }

    /// The loads that the target's receipts prove, of all windows of all tables, by their ids.
    pub async fn loads(&self) -> Vec<String> {
        let sql = "SELECT [window_start], [ordinal], [load_id] FROM [sync].[receipt] ORDER BY [window_start], [ordinal]";
        self.connect(&self.target).await.rows(sql).await
    }

    /// Number of rows of a table.
    pub async fn count(&self, database: &str, table: &str) -> i64 {
        self.connect(database)
            .await
            .integer(&format!("SELECT COUNT_BIG(*) FROM {table}"))
            .await
    }
}
