//! What may change between two runs and what may not: a change that matters is refused and named, nothing is read and
//! nothing is written for its table, and after `sync forget` the table is loaded anew.

use testkit::{Server, job, tables};

/// Changes that a job goes on with: a name, lines of `sync.toml` and what they become, and chunks of SALES and
/// PAYMENT that are read then.
const SAFE: &[(&str, &str, &str, [u32; 2])] = &[
    ("max_workers", "[run]", "[run]\nmax_workers = 5", [3, 8]),
    ("larger chunk_rows", "chunk_rows = 30", "chunk_rows = 50", [2, 6]),
    (
        "smaller chunk_rows",
        "chunk_rows = 30",
        "chunk_rows = 7",
        [13, 36],
    ),
    (
        // Chunks end by their bytes then, and the source has sent some rows of the next one.
        "chunk_bytes_max",
        "chunk_rows = 30",
        "chunk_bytes_max = 4096",
        [job::MONTH_ROWS, job::MONTH_ROWS],
    ),
    (
        // The server compares names by letters, not by their case.
        "the case of the target's schema",
        "schema = \"dbo\"\ntable_prefix",
        "schema = \"DBO\"\ntable_prefix",
        [3, 8],
    ),
    (
        "the order of tables",
        job::TABLES,
        "\n[[table]]\nname = \"PAYMENT\"\ndate_column = \"PAID_AT\"\n\n\
         [[table]]\nname = \"SALES\"\ndate_column = \"SOLD_AT\"\n",
        [3, 8],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_do_not_matter_are_gone_on_with() {
    for (change, from, to, [sales, payment]) in SAFE {
        let Some(server) = Server::start_emulator("changes_that_do_not_matter_are_gone_on_with").await else {
            return;
        };
        job::fill(&server).await;
        let project = job::project(&server);
        job::kill_at_chunk(&server, &project, u64::from(job::MONTH_CHUNKS + 2)).await;
        project.configure(from, to);
        let mark = server.mark();
        let ended = job::run(&project).await;
        assert_eq!(ended.code(), 0, "{change}: {ended:?}");
        job::assert_equal(&server).await;
        let left = job::MONTH_ROWS - job::CHUNK_ROWS;
        server.assert_rows_read(mark, "[SALES]", left, *sales);
        server.assert_rows_read(mark, "[PAYMENT]", 2 * job::MONTH_ROWS, *payment);
        let mark = server.mark();
        job::run(&project).await.expect(0);
        server.assert_no_table_read(mark, &job::SOURCES);
    }
}

/// A change that the checkpoints of SALES do not outlive.
struct Change {
    name: &'static str,
    /// Statements in the source database.
    at_source: &'static [&'static str],
    /// Lines of `sync.toml`, and what they become.
    configure: Option<(&'static str, &'static str)>,
    /// What differs, as it is said.
    says: &'static str,
    /// The target table afterwards.
    target: &'static str,
    /// Whether the target table's columns are others then, so that it has to be dropped.
    drops: bool,
}

/// A change that needs nothing but what is named.
const PLAIN: Change = Change {
    name: "",
    at_source: &[],
    configure: None,
    says: "",
    target: "dbo.t_SALES",
    drops: false,
};

const CHANGES: &[Change] = &[
    Change {
        name: "date_column",
        configure: Some(("date_column = \"SOLD_AT\"", "date_column = \"BOOKED_AT\"")),
        says: "date column: was SOLD_AT, is BOOKED_AT",
        ..PLAIN
    },
    Change {
        name: "key",
        configure: Some(("name = \"SALES\"", "name = \"SALES\"\nkey = [\"CODE\"]")),
        says: "key: was [SOLD_AT], [ID], is [SOLD_AT], [CODE]",
        ..PLAIN
    },
    Change {
        name: "a column added",
        at_source: &["ALTER TABLE dbo.SALES ADD EXTRA int NULL"],
        says: "columns: was ",
        drops: true,
        ..PLAIN
    },
    Change {
        name: "a column dropped",
        at_source: &["ALTER TABLE dbo.SALES DROP COLUMN NOTE"],
        says: "columns: was ",
        drops: true,
        ..PLAIN
    },
    Change {
        name: "a column's type",
        at_source: &["ALTER TABLE dbo.SALES ALTER COLUMN NOTE nvarchar(80)"],
        says: "NOTE nvarchar(80) NULL",
        drops: true,
        ..PLAIN
    },
    Change {
        name: "table_prefix",
        configure: Some(("table_prefix = \"t_\"", "table_prefix = \"u_\"")),
        says: "target table: was dbo.t_SALES, is dbo.u_SALES",
        target: "dbo.u_SALES",
        ..PLAIN
    },
    Change {
        name: "the target's schema",
        configure: Some((
            "schema = \"dbo\"\ntable_prefix",
            "schema = \"other\"\ntable_prefix",
        )),
        says: "target table: was dbo.t_SALES, is other.t_SALES",
        target: "other.t_SALES",
        ..PLAIN
    },
    Change {
        name: "the source's schema",
        configure: Some(("schema = \"dbo\"\nencrypt", "schema = \"other\"\nencrypt")),
        says: "source table: was dbo.SALES, is other.SALES",
        ..PLAIN
    },
    Change {
        name: "the source's database",
        // Which one it is is known when the test runs.
        configure: Some(("{source}", "{more}")),
        says: "source database: was ",
        ..PLAIN
    },
];

/// The table that the second run has beside SALES.
const LATER: &str = "\n[[table]]\nname = \"PAYMENT\"\ndate_column = \"PAID_AT\"\n";

/// What the target has of SALES as it was loaded first.
async fn loaded(server: &Server) -> Vec<String> {
    let mut client = server.connect(&server.target).await;
    let mut all = client.dump("dbo.t_SALES").await;
    for table in ["receipt", "plan"] {
        let sql = format!("SELECT * FROM [sync].[{table}] WHERE [table_name] = N'dbo.t_SALES'");
        let mut rows = client.rows(&sql).await;
        rows.sort_unstable();
        all.append(&mut rows);
    }
    all
}

/// Number of statements of the program, in whatever database and schema, that name SALES with its schema.
fn sales_reads(server: &Server, mark: u64) -> usize {
    ["dbo", "other"]
        .iter()
        .map(|schema| server.source_reads_of(mark, &format!("[{schema}].[SALES]")).len())
        .sum()
}

async fn is_refused_and_then_loaded_anew(change: &Change) {
    let mut server = Server::start().await;
    job::fill(&server).await;
    server.at_target("CREATE SCHEMA other").await;
    let project = job::project(&server);
    project.configure(LATER, "");
    job::run(&project).await.expect(0);

    let first = server.source.clone();
    if change.name == "the source's database" {
        server.source = server.create_database().await;
        job::fill(&server).await;
    }
    let schema = if change.name == "the source's schema" {
        "other"
    } else {
        "dbo"
    };
    if schema == "other" {
        server.at_source("CREATE SCHEMA other").await;
        job::sales().in_schema("other").at_source(&server).await;
        tables::payment().in_schema("other").at_source(&server).await;
    }
    for sql in change.at_source {
        server.at_source(sql).await;
    }
    if let Some((from, to)) = change.configure {
        let fill_in = |text: &str| text.replace("{source}", &first).replace("{more}", &server.source);
        project.configure(&fill_in(from), &fill_in(to));
    }
    let before = loaded(&server).await;
    project.home.configure_too(LATER);
    let mark = server.mark();
    let ended = job::run(&project).await;
    let place = format!("{}: {ended:?}", change.name);
    assert_eq!(ended.code(), 6, "{place}");
    for says in [
        "Table SALES: what it was loaded by has changed",
        change.says,
        "`sync forget --table SALES`",
    ] {
        let said = ended.stderr.to_lowercase();
        assert!(
            said.contains(&says.to_lowercase()),
            "does not say {says}; {place}"
        );
    }
    assert_eq!(sales_reads(&server, mark), 0, "{place}");
    assert!(loaded(&server).await == before, "the target has changed; {place}");
    let payment = change.target.replace("SALES", "PAYMENT");
    server.assert_equal(&format!("{schema}.PAYMENT"), &payment).await;
    let status = project.status().await;
    assert_eq!(
        status["tables"][0]["rows"],
        2 * job::MONTH_ROWS,
        "{status}; {place}"
    );

    project.sync(&["forget", "--table", "SALES"]).await.expect(0);
    if change.drops {
        server.at_target("DROP TABLE dbo.t_SALES").await;
    }
    let mark = server.mark();
    let ended = job::run(&project).await;
    assert_eq!(ended.code(), 0, "{}, forgotten: {ended:?}", change.name);
    server
        .assert_equal(&format!("{schema}.SALES"), change.target)
        .await;
    assert!(
        !server.has_log() || sales_reads(&server, mark) > 0,
        "{}: it was not read",
        change.name
    );
    let ended = job::run(&project).await.expect(0);
    assert!(ended.stdout.contains("Everything is already loaded"), "{ended:?}");
    server.source = first;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_matter_are_refused_until_the_table_is_forgotten() {
    for change in CHANGES {
        is_refused_and_then_loaded_anew(change).await;
    }
}
