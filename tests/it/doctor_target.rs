//! `sync doctor` about the target: settings of its database, and tables that a run did not make.

use testkit::project::{full, monthly};
use testkit::tables::Table;
use testkit::{Project, Server};

const TABLE: &str = "ID int NOT NULL, AT datetime NOT NULL";

async fn doctor(project: &Project) -> String {
    project.sync(&["doctor"]).await.expect(0).stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_target_database_are_told_with_the_statement_that_changes_them() {
    let test = "settings_of_the_target_database_are_told_with_the_statement_that_changes_them";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    Table::new("SALES", TABLE).indexed("AT").at_source(&server).await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    for (on, off, says) in [
        (
            "DELAYED_DURABILITY = FORCED",
            "DELAYED_DURABILITY = DISABLED",
            "SET DELAYED_DURABILITY = DISABLED",
        ),
        (
            "READ_COMMITTED_SNAPSHOT OFF",
            "READ_COMMITTED_SNAPSHOT ON",
            "SET READ_COMMITTED_SNAPSHOT ON",
        ),
        ("RECOVERY FULL", "RECOVERY SIMPLE", "SET RECOVERY SIMPLE"),
    ] {
        server
            .at_target(&format!("ALTER DATABASE CURRENT SET {off}"))
            .await;
        let said = doctor(&project).await;
        assert!(!said.contains(says), "{said}");
        server
            .at_target(&format!("ALTER DATABASE CURRENT SET {on}"))
            .await;
        let said = doctor(&project).await;
        assert!(said.contains(says), "{says}: {said}");
        server
            .at_target(&format!("ALTER DATABASE CURRENT SET {off}"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_a_table_that_sync_did_not_make() {
    let server = Server::start().await;
    Table::new("SALES", TABLE).indexed("AT").at_source(&server).await;
    Table::new("t_SALES", TABLE).at_target(&server).await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    let says = "CREATE INDEX [IX_t_SALES_key] ON [dbo].[t_SALES] ([AT], [ID])";
    let said = doctor(&project).await;
    assert!(said.contains(says), "{said}");
    assert!(!said.contains("cost every insert"), "{said}");
    server.at_target(says).await;
    server
        .at_target("CREATE INDEX IX_reports ON dbo.t_SALES (ID, AT)")
        .await;
    let said = doctor(&project).await;
    assert!(!said.contains("CREATE INDEX"), "{said}");
    assert!(
        said.contains("nonclustered indexes (IX_reports) cost every insert"),
        "{said}"
    );
    // A table that a run makes has what it needs, and no more.
    server.at_target("DROP TABLE dbo.t_SALES").await;
    project.run("2025-10-01", "2025-10-01", &[]).await.expect(0);
    let said = doctor(&project).await;
    assert!(
        !said.contains("cost every insert") && !said.contains("CREATE INDEX"),
        "{said}"
    );
}

/// A table that has another column than it was loaded with is refused, and named once.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_about_a_table_names_the_table_once() {
    let server = Server::start().await;
    Table::new("ITEM", TABLE).at_source(&server).await;
    let project = Project::new(&server, &full("ITEM"));
    project.sync(&["run"]).await.expect(0);
    server.at_source("ALTER TABLE dbo.ITEM ADD MORE int NULL").await;
    let said = project.sync(&["run"]).await.expect(6);
    assert_eq!(said.stderr.matches("Table ITEM: ").count(), 1, "{}", said.stderr);
}
