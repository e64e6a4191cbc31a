//! What the integration tests stand on: a server (the emulator, or the one that `SYNC_TEST_SERVER` names), scratch
//! databases on it, a project directory with a `sync.toml`, the real binary, and plain reads of both ends that
//! share no code with the engine.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

pub mod client;
pub mod job;
pub mod project;
pub mod story;
pub mod sweep;

use std::sync::atomic::{AtomicU32, Ordering};

use tds_emulator::Statement;
use tds_emulator::{Emulator, EmulatorOptions, LockMode, Role, TlsMode};

pub use client::Client;
pub use project::{Ended, Project};

/// What the program under test calls itself at a server.
pub const APPLICATION: &str = "mssql-sync";

/// The login of a test.
const USER: &str = "sync_test";
/// Its password at the emulator.
const PASSWORD: &str = "Not.a.secret-1";

static DATABASES: AtomicU32 = AtomicU32::new(0);
/// Not every server makes or drops two databases at once.
static CATALOG: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The server under test with two scratch databases on it, dropped when the test is over.
pub struct Server {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub source: String,
    pub target: String,
    /// Whether the catalog has names as they were written, and tells clustered indexes from others, as SQL Server's
    /// does. A test that expects to read either asks first.
    pub faithful: bool,
    emulator: Option<Emulator>,
    data: Option<tempfile::TempDir>,
    /// Databases beside the two.
    more: Vec<String>,
}

impl Server {
    /// The emulator, or the server that the environment names.
    pub async fn start() -> Server {
        match std::env::var("SYNC_TEST_SERVER") {
            Ok(address) => Server::elsewhere(&address).await,
            Err(_) => Server::emulated(|_| {}).await,
        }
    }

    /// The emulator, for a test that needs its faults, its log or its store; `None`, and it is said, elsewhere.
    pub async fn start_emulator(test: &str) -> Option<Server> {
        if std::env::var_os("SYNC_TEST_SERVER").is_some() {
            eprintln!("{test}: skipped, it needs the emulator");
            return None;
        }
        Some(Server::emulated(|_| {}).await)
    }

    /// The emulator with other options.
    pub async fn emulated(change: impl FnOnce(&mut EmulatorOptions)) -> Server {
        let data = tempfile::tempdir().expect("a directory for the emulator");
        let mut options = EmulatorOptions {
            data: data.path().to_owned(),
            listen: "127.0.0.1:0".parse().expect("an address"),
            server_name: "EMULATOR".to_owned(),
            users: vec![(USER.to_owned(), PASSWORD.to_owned())],
            tls: TlsMode::Offered,
            locks: LockMode::Versioned,
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
        };
        server.create_databases().await;
        server
    }

    async fn elsewhere(address: &str) -> Server {
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
        let unique = format!(
            "{}_{}",
            std::process::id(),
            DATABASES.fetch_add(1, Ordering::Relaxed)
        );
        self.source = format!("sync_test_source_{unique}");
        self.target = format!("sync_test_target_{unique}");
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
        self.target = format!(
            "sync_test_target_{}_{}",
            std::process::id(),
            DATABASES.fetch_add(1, Ordering::Relaxed)
        );
        create_database(&mut master, &self.target).await;
    }

    /// Goes on with an empty source database under the name of the one there was, which is dropped.
    pub async fn renew_source(&mut self) {
        let mut master = self.connect("master").await;
        drop_database(&mut master, &self.source).await;
        create_database(&mut master, &self.source).await;
    }

    /// Drops the scratch databases; the emulator's go with its directory.
    pub async fn finish(self) {
        if self.emulator.is_none() {
            let mut master = self.connect("master").await;
            for database in [&self.source, &self.target].into_iter().chain(&self.more) {
                drop_database(&mut master, database).await;
            }
        }
    }

    /// The emulator.
    pub fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().expect("this test asked for the emulator")
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
            ..EmulatorOptions::new(data.path())
        };
        self.emulator = Some(Emulator::start(options).await.expect("the emulator starts"));
    }

    /// Makes the source database what a readable secondary serves, and back.
    pub fn set_source_role(&self, role: Role) {
        self.emulator().set_role(&self.source, role);
    }

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

    /// Number of rows of a query's single value.
    pub async fn count(&self, database: &str, table: &str) -> i64 {
        self.connect(database)
            .await
            .integer(&format!("SELECT COUNT_BIG(*) FROM {table}"))
            .await
    }
}

async fn create_database(master: &mut Client, database: &str) {
    let _alone = CATALOG.lock().await;
    master.run(&format!("CREATE DATABASE [{database}]")).await;
}

async fn drop_database(master: &mut Client, database: &str) {
    let _alone = CATALOG.lock().await;
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

/// What the statement log of the emulator proves; elsewhere there is none, and nothing is asserted.
impl Server {
    /// Whether there is one.
    pub fn has_log(&self) -> bool {
        self.emulator.is_some()
    }

    /// A place in the statement log.
    pub fn mark(&self) -> u64 {
        self.emulator.as_ref().map_or(0, |emulator| emulator.log().mark())
    }

    /// The statements since `mark` that read a source table of schema `dbo`, but for the test's own.
    pub fn source_reads(&self, mark: u64, table: &str) -> Vec<Statement> {
        self.source_reads_of(mark, &format!("[dbo].{table}"))
    }

    /// The same, for a table with its schema.
    pub fn source_reads_of(&self, mark: u64, table: &str) -> Vec<Statement> {
        let mut statements = self.source_statements(mark, table);
        // Counting is no reading of rows, and neither is asking for the columns.
        statements.retain(|statement| {
            !statement.text.contains("COUNT_BIG(*)") && !statement.text.contains("SELECT TOP (0)")
        });
        statements
    }

    /// All statements since `mark` that are about a source table with its schema, but for the test's own.
    pub fn source_statements(&self, mark: u64, table: &str) -> Vec<Statement> {
        let source = format!("FROM {table}");
        let mut statements = self
            .emulator
            .as_ref()
            .map_or_else(Vec::new, |emulator| emulator.log().since(mark));
        statements.retain(|statement| {
            statement.database == self.source
                && statement.application != "sync-test"
                && statement.text.contains(&source)
        });
        statements
    }

    /// Number of reads of a source table's rows since `mark`, where there is a log.
    pub fn table_reads(&self, mark: u64, table: &str) -> Option<usize> {
        self.emulator
            .as_ref()
            .map(|_| self.source_reads(mark, table).len())
    }

    /// Asserts that of a source table `rows` rows were read since `mark`, in `chunks` chunks: each may ask for one
    /// row more, which tells whether there is another chunk.
    #[track_caller]
    pub fn assert_rows_read(&self, mark: u64, table: &str, rows: u32, chunks: u32) {
        if self.emulator.is_none() {
            return;
        }
        let reads = self.source_reads(mark, table);
        let read: u64 = reads.iter().map(|statement| statement.rows_sent).sum();
        let (least, most) = (u64::from(rows), u64::from(rows + chunks));
        assert!(
            (least..=most).contains(&read),
            "{read} rows of {table} were read, not {least} to {most}"
        );
    }

    /// Number of statements that `sync` sent since `mark`, to either end; 0 where there is no log.
    pub fn statements(&self, mark: u64) -> usize {
        self.emulator.as_ref().map_or(0, |emulator| {
            let statements = emulator.log().since(mark);
            statements
                .iter()
                .filter(|statement| statement.application != "sync-test")
                .count()
        })
    }

    /// Asserts that no row of these source tables was read since `mark`.
    pub fn assert_no_table_read(&self, mark: u64, tables: &[&str]) {
        for table in tables {
            assert_eq!(self.table_reads(mark, table).unwrap_or(0), 0, "reads of {table}");
        }
    }

    /// Number of tables that hold receipts: 0 before the first migration.
    pub async fn receipts_exist(&self) -> i64 {
        let sql = "SELECT COUNT_BIG(*) FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
                   WHERE s.name = N'sync' AND t.name = N'receipt'";
        self.connect(&self.target).await.integer(sql).await
    }
}
