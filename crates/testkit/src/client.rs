//! A connection on the bare driver, for setting up and for looking: no code of the engine is in its way.

use tiberius::{AuthMethod, Config, EncryptionLevel, QueryItem};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use futures_util::TryStreamExt;

/// What a test calls itself at a server.
pub const APPLICATION: &str = "sync-test";

/// A connection in one database.
pub struct Client {
    inner: tiberius::Client<Compat<TcpStream>>,
}

impl Client {
    /// Logs in.
    pub async fn connect(host: &str, port: u16, user: &str, password: &str, database: &str) -> Client {
        let mut config = Config::new();
        config.host(host);
        config.port(port);
        config.database(database);
        config.authentication(AuthMethod::sql_server(user, password));
        config.encryption(EncryptionLevel::Off);
        config.trust_cert();
        config.application_name(APPLICATION);
        let tcp = TcpStream::connect((host, port))
            .await
            .expect("the server under test listens");
        tcp.set_nodelay(true).expect("a socket option");
        let inner = tiberius::Client::connect(config, tcp.compat_write())
            .await
            .expect("the test's login");
        Client { inner }
    }

    /// Runs a batch.
    pub async fn run(&mut self, sql: &str) {
        if let Err(error) = self.try_run(sql).await {
            panic!("{error}\nin: {}", sql.chars().take(2_000).collect::<String>());
        }
    }

    /// Runs a batch that may fail.
    pub async fn try_run(&mut self, sql: &str) -> Result<(), tiberius::error::Error> {
        self.inner
            .simple_query(sql)
            .await?
            .into_results()
            .await
            .map(|_| ())
    }

    /// Every row of a query, each as text.
    pub async fn rows(&mut self, sql: &str) -> Vec<String> {
        let mut stream = self
            .inner
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
        let mut rows = Vec::new();
        while let Some(item) = stream
            .try_next()
            .await
            .unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
        {
            if let QueryItem::Row(row) = item {
                let cells: Vec<String> = row.cells().map(|(_, cell)| format!("{cell:?}")).collect();
                rows.push(cells.join(" | "));
            }
        }
        rows
    }

    /// The first column of every row of a query, which is a text.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self
            .inner
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
            .into_first_result()
            .await
            .unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
        rows.iter()
            .map(|row| row.get::<&str, _>(0).expect("a text").to_owned())
            .collect()
    }

    /// The single integer of a query.
    pub async fn integer(&mut self, sql: &str) -> i64 {
        let row = self
            .inner
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
            .into_row()
            .await
            .unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
            .unwrap_or_else(|| panic!("no row from: {sql}"));
        row.try_get::<i64, _>(0)
            .ok()
            .flatten()
            .or_else(|| row.try_get::<i32, _>(0).ok().flatten().map(i64::from))
            .unwrap_or_else(|| panic!("no integer from: {sql}"))
    }

    /// All rows of a table, each as the driver decodes it, in an order of our own.
    pub async fn dump(&mut self, table: &str) -> Vec<String> {
        let mut rows = self.rows(&format!("SELECT * FROM {table}")).await;
        rows.sort_unstable();
        rows
    }
}
