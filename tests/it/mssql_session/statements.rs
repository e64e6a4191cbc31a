//! The catalog, transactions, counts, and the errors of statements.

use mssql_sync::base::error::ErrorKind;
use mssql_sync::model::row::Value;
use mssql_sync::model::table::{DataType, Length};
use mssql_sync::mssql::{Flow, catalog};

use super::server::{Server, describe, table};

#[tokio::test]
async fn the_catalog_as_it_is() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    session
        .batch(
            "CREATE TABLE [dbo].[T] ([id] int IDENTITY(1,1) NOT NULL, [day] datetime NOT NULL, [name] nvarchar(20) \
             COLLATE Latin1_General_BIN2 NULL, CONSTRAINT [PK_T] PRIMARY KEY NONCLUSTERED ([id])); \
             CREATE UNIQUE CLUSTERED INDEX [cx] ON [dbo].[T] ([day], [id]); \
             CREATE INDEX [ix] ON [dbo].[T] ([name] DESC) INCLUDE ([day]); \
             CREATE UNIQUE INDEX [fx] ON [dbo].[T] ([name]) WHERE [name] IS NOT NULL",
        )
        .await
        .unwrap();
    let schema = describe(&mut session, "T").await;
    assert_eq!(schema.name, table("T"));
    let column = |name: &str| &schema.columns[schema.position(name).unwrap()];
    assert!(column("id").identity && !column("id").nullable);
    assert_eq!(column("name").data_type, DataType::NVarChar(Length::N(20)));
    assert_eq!(column("name").collation.as_deref(), Some("Latin1_General_BIN2"));
    assert_eq!(column("day").collation, None);
    let index = |name: &str| schema.indexes.iter().find(|index| index.name == name).unwrap();
    let names = |name: &str| {
        index(name)
            .columns
            .iter()
            .map(|c| c.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(index("PK_T").primary_key && index("PK_T").unique && !index("PK_T").clustered);
    assert!(index("cx").clustered && index("cx").unique && index("cx").complete && index("cx").ascending);
    assert_eq!(names("cx"), ["day", "id"]);
    assert!(!index("ix").unique && !index("ix").ascending);
    assert_eq!(names("ix"), ["name"], "an included column is none of the key");
    assert!(
        !index("fx").unique && !index("fx").complete,
        "a filtered index is unique for a part only"
    );

    let again = describe(&mut session, "T").await;
    assert_eq!(again.object_id, schema.object_id);
    assert_eq!(
        catalog::describe(&mut session, &table("nothing")).await.unwrap(),
        None
    );

    let info = catalog::server(&mut session).await.unwrap();
    assert_eq!(
        (info.server_name.as_str(), info.database.as_str()),
        ("POSREPL01", "POS")
    );
    assert_eq!(info.updateability, "READ_WRITE");
    assert!(info.clock.now >= schema.create_date && !info.version.is_empty() && !info.version.contains('\n'));
}

#[tokio::test]
async fn transactions_counts_and_errors() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    session
        .batch("CREATE TABLE [dbo].[t] ([id] int NOT NULL CONSTRAINT [PK_t] PRIMARY KEY, [name] nvarchar(20) NULL)")
        .await
        .unwrap();
    let insert = "INSERT INTO [dbo].[t] ([id], [name]) VALUES (@P1, @P2), (@P3, N'b')";
    let params = [Value::Integer(1), Value::Text("Zoë 🦀"), Value::Integer(2)];
    session.begin().await.unwrap();
    assert_eq!(session.execute(insert, &params).await.unwrap(), 2);
    session.rollback().await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(session.execute("DELETE FROM [dbo].[t]", &[]).await.unwrap(), 0);
    session.begin().await.unwrap();
    session.execute(insert, &params).await.unwrap();
    session.commit().await.unwrap();

    let mut other = server.open("POS").await;
    let rows = other
        .rows(
            "SELECT [name], CAST(NULL AS int) FROM [dbo].[t] WHERE [id] = @P1",
            &params[..1],
        )
        .await;
    let rows = rows.unwrap();
    assert_eq!(rows[0].text(0).unwrap(), "Zoë 🦀");
    assert_eq!(rows[0].optional_integer(1).unwrap(), None);
    assert_eq!(
        other
            .rows("SELECT [id] FROM [dbo].[t] WHERE [id] = 9", &[])
            .await
            .unwrap()
            .len(),
        0
    );

    let error = session.execute(insert, &params).await.unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Statement, Some(2627)));
    let text = error.chain();
    assert!(
        text.contains("PK_t") && text.contains("(…)") && !text.contains("(1)"),
        "{text}"
    );
    assert!(
        !session.is_broken(),
        "a server's error leaves the connection in step"
    );
    let error = session.rows("SELECT [x] FROM [dbo].[t]", &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Preflight, Some(207)));
    let error = session.commit().await.unwrap_err();
    assert_eq!((error.kind(), error.number()), (ErrorKind::Statement, Some(3902)));

    let error = session
        .stream("SELECT CAST(1 AS money) AS [m]", &[], |_| Ok(Flow::Continue))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broken, "money would come as a float");
    assert!(!session.is_broken());
}

#[tokio::test]
async fn a_server_that_goes_away_breaks_the_session() {
    let server = Server::start().await;
    let mut session = server.open("POS").await;
    server.emulator.drop_connections();
    // Statements that were under way when the connections were told to go may still be answered.
    let error = loop {
        if let Err(error) = session.batch("SELECT 1").await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Broken);
    assert!(session.is_broken());
    assert_eq!(
        server
            .open("POS")
            .await
            .rows("SELECT 1 AS [a]", &[])
            .await
            .unwrap()
            .len(),
        1
    );
}
