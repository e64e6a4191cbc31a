//! `tests/statements.sql` is the list of the statements that the program sends, for who wants to read them before it is
//! let near a server. A story of all commands sends each of them to the server under test, and none that is not listed.

use std::fmt::Write as _;

use mssql_sync::tsql::label::{label, remark};
use testkit::project::{full, monthly};
use testkit::statements::{self, List};
use testkit::tables::{self, Table};
use testkit::{Ended, Project, Server, faults, job};

/// Set to write the list anew, on the embedded server.
const WRITE: &str = "SYNC_WRITE_STATEMENTS";

/// A value that is too long for a bulk load.
const LONG: &str = "REPLICATE(CAST(N'x' AS nvarchar(max)), 40000)";

const RUN: [&str; 5] = ["run", "--start-date", job::FIRST, "--end-date", job::LAST];
const PLAN: [&str; 5] = ["plan", "--start-date", job::FIRST, "--end-date", job::LAST];

/// A statement on one line, with fixed names for the databases of the test.
fn text_of(server: &Server, sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let text = match remark(sql) {
        // A read of a month is one statement, whatever the month.
        Some(month) if month.starts_with(|c: char| c.is_ascii_digit()) => {
            words.join(" ").replacen(month, "2025-10", 1)
        }
        _ => words.join(" "),
    };
    text.replace(&server.source, "SOURCE")
        .replace(&server.target, "TARGET")
}

/// The story, and what the program has sent in it.
struct Told {
    server: Server,
    project: Project,
    sent: List,
}

impl Told {
    async fn sync(&mut self, arguments: &[&str]) -> Ended {
        let ended = self
            .project
            .sync(&[&["-vv", "--log", "json"], arguments].concat())
            .await;
        for line in ended.stderr.lines().filter(|line| line.starts_with('{')) {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line of the log");
            let fields = &line["fields"];
            if fields["message"] != "statement" {
                continue;
            }
            let place = fields["place"].as_str().expect("a place");
            let end = place.split(' ').next().expect("an end").to_owned();
            let text = text_of(&self.server, fields["text"].as_str().expect("a text"));
            self.sent.insert((end, text));
        }
        ended
    }

    async fn done(&mut self, arguments: &[&str]) {
        self.sync(arguments).await.expect(0);
    }
}

/// The first day of the server's month, and today.
async fn this_month(server: &Server) -> [String; 2] {
    let today = server.today().await.to_string();
    [format!("{}-01", &today[..7]), today]
}

/// Tables of every kind: by a date that an index orders, by a walk over a key of two columns, with rows without a date,
/// and whole: swapped in, in place, of rows that point at each other, and without a key.
async fn begin(server: Server) -> Told {
    job::fill(&server).await;
    let dates = tables::october(40).chain((40..44).map(|n| format!("({n}, NULL, NULL)")));
    let dates = dates.map(|row| match row.contains("NULL") {
        true => row,
        false => row.replace(')', ", NULL)"),
    });
    Table::new("T", "ID int NOT NULL, D datetime NULL, NOTE nvarchar(max) NULL")
        .indexed("D")
        .rows(dates)
        .at_source(&server)
        .await;
    server
        .at_source(&format!("UPDATE dbo.T SET NOTE = {LONG} WHERE ID = 3"))
        .await;
    let items = || (0..50).map(|n| format!("(N'C{n:03}', N'name {n}')"));
    for name in ["ITEM", "KIND"] {
        let table = tables::items("NAME nvarchar(40) NULL").named(name).rows(items());
        table.at_source(&server).await;
    }
    Table::new("NOKEY", "A int NULL")
        .keyless()
        .rows(["(1)", "(2)"])
        .at_source(&server)
        .await;
    tables::dated("TILL").at_source(&server).await;
    server
        .at_target(
            "CREATE TABLE dbo.t_KIND (CODE nvarchar(20) NOT NULL CONSTRAINT PK_t_KIND PRIMARY KEY, \
             NAME nvarchar(40) NULL CONSTRAINT DF_t_KIND DEFAULT N'')",
        )
        .await;
    let tree = "ID int NOT NULL, PARENT int NULL, NAME nvarchar(20) NULL";
    let nodes = (0..60).map(|n| format!("({n}, {}, N'n{n}')", 59 - n));
    let table = Table::new("NODE", tree).rows(nodes);
    table.at_source(&server).await;
    Table::new("t_NODE", tree).at_target(&server).await;
    server
        .at_target(
            "ALTER TABLE dbo.t_NODE ADD CONSTRAINT FK_t_NODE FOREIGN KEY (PARENT) REFERENCES dbo.t_NODE (ID); \
             CREATE UNIQUE INDEX UX_t_NODE ON dbo.t_NODE (NAME)",
        )
        .await;
    let tables = [
        job::TABLES,
        &monthly("T", "D"),
        &monthly("TILL", "D"),
        &full("ITEM"),
        &full("KIND"),
        &full("NODE"),
        &full("NOKEY"),
    ];
    let project = Project::tuned(
        &server,
        "chunk_rows = 30\nsettle_days = 366\nsettle_minutes = 0",
        &tables.concat(),
    );
    Told {
        server,
        project,
        sent: List::new(),
    }
}

/// Sends all that the program can send.
async fn tell(told: &mut Told) {
    told.sync(&["doctor"]).await;
    told.done(&["migrate", "--print"]).await;
    told.done(&["migrate"]).await;
    told.done(&["tables"]).await;
    told.done(&PLAN).await;
    told.done(&RUN).await;
    for command in [
        &["doctor"][..],
        &PLAN,
        &["counts"],
        &["counts", "--windows"],
        &["counts", "--all"],
        &["sample"],
        &RUN,
        &["reconcile"],
        &["reconcile", "--source", "--rows"],
    ] {
        told.done(command).await;
    }

    // Late rows, moved rows and changed ones.
    for sql in [
        "INSERT INTO dbo.T (ID, D) VALUES (100, '2025-10-03T12:00:00')",
        "INSERT INTO dbo.T (ID, D) VALUES (101, NULL)",
        "UPDATE dbo.T SET D = '2025-11-02T00:00:00' WHERE ID = 7",
        "UPDATE dbo.SALES SET SOLD_AT = '2025-11-20T09:00:00' WHERE ID = 5",
        "DELETE FROM dbo.SALES WHERE ID = 200",
        "DELETE FROM dbo.SALES WHERE ID >= 120 AND ID < 180",
        "UPDATE dbo.PAYMENT SET PAID_AT = '2025-11-21T09:00:00' WHERE NO = 9",
        "UPDATE dbo.ITEM SET NAME = N'another' WHERE CODE = N'C040'",
        "UPDATE dbo.KIND SET NAME = N'another' WHERE CODE = N'C040'",
        "INSERT INTO dbo.NOKEY VALUES (3)",
        "INSERT INTO dbo.NODE VALUES (200, 200, N'n59')",
        "UPDATE dbo.NODE SET PARENT = 200 WHERE PARENT = 59",
        "DELETE FROM dbo.NODE WHERE ID = 59",
    ] {
        told.server.at_source(sql).await;
    }
    if told.server.has_log() {
        // Another server may not know them, and then the program does not send them.
        told.server
            .at_target("CREATE STATISTICS ST_NAME ON dbo.t_ITEM (NAME); ALTER TABLE dbo.t_ITEM SET (LOCK_ESCALATION = DISABLE)")
            .await;
    }
    told.done(&RUN).await;
    if told.server.has_log() {
        // A server that has not all of its state to show.
        let refused = faults::at("b.[blocked], ").does(&told.server, faults::error(208, 16));
        told.done(&["doctor"]).await;
        told.server.faults().remove(refused);
    }

    // What somebody changes at the target.
    for sql in [
        "DELETE FROM dbo.t_SALES WHERE ID = 20",
        "UPDATE dbo.t_T SET NOTE = N'by hand' WHERE ID = 8",
        "UPDATE dbo.t_PAYMENT SET AMOUNT = 0 WHERE NO = 30",
    ] {
        told.server.at_target(sql).await;
    }
    told.sync(&["reconcile"]).await.expect(3);
    told.done(&[&RUN[..], &["--recount"][..]].concat()).await;
    told.done(&["reconcile", "--source", "--repair", "--rows"]).await;

    // Rows of an older script that are in the way of those to be loaded.
    told.done(&["forget", "--table", "SALES", "--month", "2025-10"])
        .await;
    told.server
        .at_target("UPDATE dbo.t_SALES SET SOLD_AT = '2025-12-05T00:00:00' WHERE ID = 30")
        .await;
    told.done(&RUN).await;
    told.done(&["forget", "--table", "ITEM"]).await;
    told.done(&["forget", "--table", "PAYMENT"]).await;
    told.done(&RUN).await;

    // A month that is not over, and a row in it behind the last that was read.
    let [first, today] = this_month(&told.server).await;
    let sales = (0..3).map(|n| format!("({n}, '{first}T00:00:00.{n:02}0')"));
    for sql in tables::inserts("dbo.TILL", &sales.collect::<Vec<_>>()) {
        told.server.at_source(&sql).await;
    }
    let tables = ["--tables", "TILL"];
    let dates = ["--start-date", &first, "--end-date", &today];
    told.done(&[&["run"], &tables[..], &dates].concat()).await;
    let row = format!("INSERT INTO dbo.t_TILL VALUES (99, '{first}T00:00:00.900')");
    told.server.at_target(&row).await;
    told.done(&[&["reconcile", "--repair"], &tables[..]].concat())
        .await;

    told.done(&["rebuild"]).await;
    std::fs::remove_file(told.project.state()).expect("it was there");
    told.done(&RUN).await;
    told.server.at_target("DROP TABLE dbo.t_T").await;
    told.done(&RUN).await;

    // A chunk that is larger than it may be by now.
    told.project
        .configure("chunk_rows = 30", "chunk_rows = 30\nchunk_bytes_max = 4096");
    told.server.at_target("DELETE FROM dbo.t_T WHERE ID = 3").await;
    told.done(&RUN).await;
}

/// The file with a list, sorted by end and kind; a line a clause.
fn file_of(list: &List) -> String {
    let mut entries: Vec<(&str, String, &str)> = list
        .iter()
        .map(|(end, text)| (end.as_str(), label(text), text.as_str()))
        .collect();
    entries.sort_unstable();
    let mut file = String::from(
        "-- The statements that sync sends, for the tables of tests/it/statements.rs: those at the source first, by \
         kind.\n-- Names in brackets are of that test. Values are parameters, @P1 and so on. SOURCE and TARGET are the \
         databases.\n\n",
    );
    for (end, kind, text) in entries {
        let mut text = text.to_owned();
        for clause in [
            "FROM",
            "WHERE",
            "UNION ALL",
            "ORDER BY",
            "OPTION",
            "SELECT",
            "INSERT INTO",
            "DELETE",
            "VALUES",
        ] {
            text = text.replace(&format!(" {clause} "), &format!("\n    {clause} "));
        }
        let text = text.replace("; ", ";\n");
        writeln!(file, "-- at the {end}: {kind}\n{text}\nGO\n").expect("a text grows");
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_that_is_sent_is_listed() {
    let mut told = begin(Server::start().await).await;
    tell(&mut told).await;
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(statements::path(), file_of(&told.sent)).expect("the list is written");
    }
    let listed = statements::listed();
    // Another server has other indexes, names and collations, and is sent other forms of the same kinds.
    let missing: Vec<_> = match told.server.has_log() {
        true => told.sent.difference(&listed).collect(),
        false => told
            .sent
            .iter()
            .filter(|(_, text)| !statements::is_listed(text))
            .collect(),
    };
    assert!(
        missing.is_empty(),
        "sent and not in tests/statements.sql ({WRITE}=1 writes it anew): {missing:#?}"
    );
    if told.server.has_log() {
        let unsent: Vec<_> = listed.difference(&told.sent).collect();
        assert!(
            unsent.is_empty(),
            "in tests/statements.sql and not sent: {unsent:#?}"
        );
    }
}
