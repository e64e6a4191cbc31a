//! Names that would be statements, if they were not quoted: of tables, columns, keys and indexes, in each command.

use testkit::project::{full, monthly};
use testkit::{Project, Server};

const FIRST: &str = "2025-10-01";
const LAST: &str = "2025-10-31";

/// A name that ends a bracket, one that ends a quoted text, and one that ends a quoted name; each drops KEEP then.
const ENDS: [&str; 3] = [
    "a]; DROP TABLE dbo.KEEP; --",
    "b'; DROP TABLE dbo.KEEP; --",
    "c\"; DROP TABLE dbo.KEEP; --",
];

fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// Makes a table whose name has this end, and so have those of its columns, its key and its index, and its texts.
async fn make(server: &Server, end: &str) {
    let name = |part: &str| bracketed(&format!("{part}{end}"));
    let (table, id, date) = (format!("dbo.{}", name("T")), name("ID"), name("D"));
    let columns = format!(
        "{id} int NOT NULL, {date} datetime NOT NULL, {} nvarchar(60) NULL",
        name("NOTE")
    );
    let key = format!("CONSTRAINT {} PRIMARY KEY CLUSTERED ({id})", name("PK"));
    server
        .at_source(&format!("CREATE TABLE {table} ({columns}, {key})"))
        .await;
    server
        .at_source(&format!("CREATE INDEX {} ON {table} ({date})", name("IX")))
        .await;
    let text = end.replace('\'', "''");
    let rows = (0..40).map(|n| format!("({n}, '2025-10-{:02}', N'{n} {text}')", 1 + n % 28));
    let rows: Vec<String> = rows.collect();
    server
        .at_source(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_text_becomes_a_statement() {
    for end in ENDS {
        for is_full in [false, true] {
            // Another server may know no such names.
            let Some(server) = Server::start_emulator("no_name_and_no_text_becomes_a_statement").await else {
                return;
            };
            for keep in [
                "CREATE TABLE dbo.KEEP (ID int NOT NULL)",
                "INSERT INTO dbo.KEEP VALUES (1)",
            ] {
                server.at_source(keep).await;
                server.at_target(keep).await;
            }
            make(&server, end).await;
            let quoted = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
            let name = quoted(&format!("T{end}"));
            let table = match is_full {
                true => full(&name),
                false => monthly(&name, &quoted(&format!("D{end}"))),
            };
            let project = Project::tuned(&server, "chunk_rows = 10", &table);
            for code in [0, 0] {
                project.run(FIRST, LAST, &[]).await.expect(code);
            }
            let dates = ["--start-date", FIRST, "--end-date", LAST];
            for command in [
                &["doctor"][..],
                &["plan"],
                &["counts"],
                &["sample"],
                &["reconcile", "--source", "--repair"],
                &["status"],
                &["rebuild"],
            ] {
                let dated = command[0] == "plan";
                let args: Vec<&str> = command
                    .iter()
                    .copied()
                    .chain(dates.iter().copied().filter(|_| dated))
                    .collect();
                let ended = project.sync(&args).await;
                assert!(!ended.said().contains("syntax"), "{command:?}: {ended:?}");
                assert!(
                    matches!(ended.status.code(), Some(0 | 4 | 7)),
                    "{command:?}: {ended:?}"
                );
            }
            let (source, target) = (format!("T{end}"), format!("t_T{end}"));
            let (source, target) = (
                format!("dbo.{}", bracketed(&source)),
                format!("dbo.{}", bracketed(&target)),
            );
            server.assert_equal(&source, &target).await;
            project
                .sync(&["forget", "--table", &format!("T{end}")])
                .await
                .expect(0);
            project.run(FIRST, LAST, &[]).await.expect(0);
            server.assert_equal(&source, &target).await;
            for database in [&server.source, &server.target] {
                let kept = server
                    .connect(database)
                    .await
                    .integer("SELECT COUNT_BIG(*) FROM dbo.KEEP")
                    .await;
                assert_eq!(kept, 1, "{end}");
            }
        }
    }
}
