//! An emulator to open sessions on, and the way of a chunk through them.

use std::time::Duration;

use mssql_sync::model::row::Batch;
use mssql_sync::model::table::{Column, Identifier, TableName, TableSchema};
use mssql_sync::mssql::{Endpoint, Flow, Session, StageColumn, Timeouts, catalog};
use mssql_sync::tsql::expression::{read_expression, stage_expression};
use tds_emulator::{Emulator, EmulatorOptions, TlsMode};
use testkit::session;

/// An emulator with one login and two databases, gone with its directory.
pub struct Server {
    pub emulator: Emulator,
    _data: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Server {
        Server::start_with(TlsMode::Offered).await
    }

    pub async fn start_with(tls: TlsMode) -> Server {
        let data = tempfile::tempdir().unwrap();
        let mut options = EmulatorOptions::new(data.path());
        options.server_name = "POSREPL01".to_owned();
        options.users = vec![("reader".to_owned(), "correct horse".to_owned())];
        options.tls = tls;
        let emulator = Emulator::start(options).await.unwrap();
        emulator.create_database("POS").unwrap();
        emulator.create_database("Warehouse").unwrap();
        Server {
            emulator,
            _data: data,
        }
    }

    pub fn endpoint(&self, database: &str) -> Endpoint {
        let port = self.emulator.addr().port();
        session::endpoint("127.0.0.1", port, "reader", "correct horse", database)
    }

    pub async fn open(&self, database: &str) -> Session {
        Session::open(&self.endpoint(database), None, &timeouts())
            .await
            .unwrap()
    }
}

pub fn timeouts() -> Timeouts {
    Timeouts {
        liveness: Duration::from_secs(20),
        statement: Duration::from_secs(60),
        ..Timeouts::default()
    }
}

pub fn table(name: &str) -> TableName {
    TableName {
        schema: Identifier::new("dbo").unwrap(),
        name: Identifier::new(name).unwrap(),
    }
}

pub async fn describe(session: &mut Session, name: &str) -> TableSchema {
    catalog::describe(session, &table(name)).await.unwrap().unwrap()
}

/// Reads a table by its first column, each column compared as the one of `source`.
pub async fn read(session: &mut Session, name: &str, source: &TableSchema) -> Batch {
    let here = describe(session, name).await;
    let list: Vec<String> = here
        .columns
        .iter()
        .zip(&source.columns)
        .map(|(column, like)| {
            format!(
                "{} AS {}",
                read_expression(column, like.data_type),
                column.name.quoted()
            )
        })
        .collect();
    let sql = format!(
        "SELECT {} FROM {} ORDER BY {}",
        list.join(", "),
        here.name.quoted(),
        here.columns[0].name.quoted()
    );
    let mut batch = Batch::default();
    let count = session
        .stream(&sql, &[], |row| {
            batch.push(|out| row.encode(out))?;
            Ok(Flow::Continue)
        })
        .await
        .unwrap();
    assert_eq!(count, Some(batch.row_count() as u64));
    batch
}

pub fn stage_columns(source: &TableSchema) -> Vec<StageColumn> {
    let column = |(index, column): (usize, &Column)| StageColumn {
        name: Identifier::new(format!("c{}", index + 1)).unwrap(),
        data_type: column.data_type,
    };
    source.columns.iter().enumerate().map(column).collect()
}

/// Loads a batch into a target table by way of `#load`, as a chunk is.
pub async fn load(session: &mut Session, batch: &Batch, source: &TableSchema, target: &str) {
    let target = describe(session, target).await;
    let stage = stage_columns(source);
    session.empty_stage("#load", &stage).await.unwrap();
    let loaded = session.bulk_load("#load", 0, batch, &stage).await.unwrap();
    assert_eq!(loaded, batch.row_count() as u64);
    let names: Vec<String> = target.columns.iter().map(|column| column.name.quoted()).collect();
    let values: Vec<String> = stage
        .iter()
        .zip(&target.columns)
        .map(|(stage, column)| stage_expression(&stage.name.quoted(), stage.data_type, column))
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM #load",
        target.name.quoted(),
        names.join(", "),
        values.join(", ")
    );
    assert_eq!(session.execute(&sql, &[]).await.unwrap(), loaded);
}
