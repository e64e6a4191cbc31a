//! Rows from a source table to a target table, and keys that find them again.

use mssql_sync::base::error::ErrorKind;
use mssql_sync::model::row::{Batch, Value, Values, encode};
use mssql_sync::model::table::{DataType, Identifier};
use mssql_sync::mssql::StageColumn;
use mssql_sync::tsql::expression::key_parameter;

use super::server::{Server, describe, load, read};
use super::types;

#[tokio::test]
async fn every_type_there_and_back() {
    let server = Server::start().await;
    let mut source = server.open("POS").await;
    let mut target = server.open("Warehouse").await;
    types::create(&mut source, "src").await;
    types::create_empty(&mut target, "dst").await;

    let schema = describe(&mut source, "src").await;
    assert_eq!(schema.refused, vec![]);
    types::check_types(&schema);
    let batch = read(&mut source, "src", &schema).await;
    types::check_values(&batch);

    load(&mut target, &batch, &schema, "dst").await;
    let back = read(&mut target, "dst", &schema).await;
    types::check_values(&back);
    assert_eq!(back.tally(), batch.tally());

    // Neither the driver's decoding nor ours has a part in this: the servers themselves print what they hold.
    let printed = types::printed(&mut source, "src", &schema).await;
    assert_eq!(types::printed(&mut target, "dst", &schema).await, printed);
    types::check_printed(&printed);
}

#[tokio::test]
async fn a_widened_column_compares_equal() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    types::create(&mut session, "src").await;
    let schema = describe(&mut session, "src").await;
    let batch = read(&mut session, "src", &schema).await;
    types::create_widened(&mut session, "wide").await;
    load(&mut session, &batch, &schema, "wide").await;
    assert_eq!(read(&mut session, "wide", &schema).await.tally(), batch.tally());

    // A value that differs where the wider type has room for it is seen.
    session
        .batch("UPDATE [dbo].[wide] SET [n_varchar] = [n_varchar] + N'x' WHERE [id] = 1")
        .await
        .unwrap();
    assert_ne!(read(&mut session, "wide", &schema).await.tally(), batch.tally());
}

#[tokio::test]
async fn a_key_finds_its_row() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    types::create(&mut session, "src").await;
    let schema = describe(&mut session, "src").await;
    let batch = read(&mut session, "src", &schema).await;
    let mut tried = 0;
    for (row, bytes) in batch.rows().enumerate() {
        let values = Values::new(bytes).collect().unwrap();
        for (column, value) in schema.columns.iter().zip(&values) {
            if !column.data_type.is_key() || *value == Value::Null {
                continue;
            }
            let sql = format!(
                "SELECT COUNT_BIG(*) FROM [dbo].[src] WHERE [id] = @P1 AND {} = {}",
                column.name.quoted(),
                key_parameter(column, 2)
            );
            let id = Value::Integer(row as i64);
            let found = session.rows(&sql, &[id, *value]).await.unwrap();
            assert_eq!(found[0].integer(0).unwrap(), 1, "{} of row {row}", column.name);
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} keys were tried");
}

#[tokio::test]
async fn a_bulk_load_that_does_not_fit_breaks_the_session() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    session.batch("CREATE TABLE #load ([c1] int NULL)").await.unwrap();
    let columns = [StageColumn {
        name: Identifier::new("c1").unwrap(),
        data_type: DataType::Int,
    }];
    let mut batch = Batch::default();
    assert_eq!(session.bulk_load("#load", 0, &batch, &columns).await.unwrap(), 0);
    batch.push(|out| encode(Value::Null, out)).unwrap();
    batch.push(|out| encode(Value::Text("1"), out)).unwrap();
    let error = session.bulk_load("#load", 0, &batch, &columns).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement);
    assert!(session.is_broken());
}
