//! The account of what a run asked of its source, held against the server's own count; the limits of a run; the names of
//! sessions.

use serde_json::Value;
use tds_emulator::At;
use testkit::job::{self, FIRST, LAST};
use testkit::project::{ITEM_FULL, T_MONTHLY};
use testkit::tables::{self, Table};
use testkit::{APPLICATION, Ended, Project, Server, faults};

/// What the server has counted of the program's sessions at the source since `mark`. Connections are all that there were.
struct Asked {
    queries: u64,
    rows: u64,
    connections: u64,
}

impl Asked {
    fn of(server: &Server, mark: u64) -> Asked {
        let statements = server.statements_in(mark, &server.source);
        let log = server.emulator().log();
        let connections = log.connections().into_iter().filter(|connection| {
            connection.application.starts_with(APPLICATION) && connection.database == server.source
        });
        Asked {
            queries: statements.len() as u64,
            rows: statements.iter().map(|statement| statement.rows_sent).sum(),
            connections: connections.count() as u64,
        }
    }

    #[track_caller]
    fn assert_is(&self, account: &Value) {
        assert_eq!(account["queries"], self.queries, "{account}");
        assert_eq!(account["rows"], self.rows, "{account}");
        assert_eq!(account["connections_opened"], self.connections, "{account}");
    }
}

async fn run_json(project: &Project) -> Ended {
    project.run(FIRST, LAST, &["--json"]).await
}

async fn runs(project: &Project) -> Value {
    project.sync(&["runs", "--json"]).await.expect(0).json()["runs"].take()
}

/// The sum of a number over the tables of a run.
fn sum(run: &Value, field: &str) -> u64 {
    let tables = run["tables"].as_array().expect("a list of tables");
    let numbers = tables.iter().map(|table| table["account"][field].as_u64());
    numbers.map(|number| number.expect("a number")).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_what_the_server_has_counted() {
    let Some(server) = Server::start_emulator("the_account_is_what_the_server_has_counted").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let mark = server.mark();
    let run = run_json(&project).await.expect(0).json();
    let account = &run["account"];
    Asked::of(&server, mark).assert_is(account);
    // What every session may read, the rows of the catalog, and one row more a chunk.
    assert!(
        account["rows"].as_u64() > Some(u64::from(job::ALL_ROWS)),
        "{account}"
    );
    assert!(account["received_bytes"].as_u64() > Some(10_000), "{account}");
    assert!(account["connections_most"].as_u64() <= Some(3), "{account}");
    assert_eq!(account["read_again"], 0);
    assert_eq!(account["waits_ms"]["outage"], 0);
    assert!(sum(&run, "rows") < account["rows"].as_u64().expect("a number"));
    assert_eq!(run["tables"][0]["account"]["longest"]["table"], "SALES", "{run}");

    // The store has the same.
    let kept = runs(&project).await;
    assert_eq!(&kept[0]["account"], account);
    assert_eq!(kept[0]["rows_loaded"], job::ALL_ROWS);
    assert_eq!(kept[0]["tables"][1]["name"], "PAYMENT");
    assert_eq!(kept[0]["tables"][1]["account"], run["tables"][1]["account"]);
    assert_eq!(&project.status().await["run"]["account"], account);

    let shown = job::run(&project).await.expect(0);
    assert!(shown.stdout.contains("\nSource: "), "{shown:?}");
    let kept = runs(&project).await;
    assert_eq!(kept.as_array().map(Vec::len), Some(2));
    assert_eq!(kept[0]["rows_loaded"], 0);
    assert_eq!(&kept[1]["account"], account);
    let last = project.sync(&["runs", "--last", "1"]).await.expect(0);
    assert_eq!(last.stdout.lines().count(), 3, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_off_counts_and_is_counted_as_read_again() {
    let Some(server) =
        Server::start_emulator("a_read_that_breaks_off_counts_and_is_counted_as_read_again").await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let mark = server.mark();
    faults::at("FROM [dbo].[SALES] WHERE")
        .in_database(&server.source)
        .nth(3)
        .drops(&server);
    let ended = run_json(&project).await.expect(0);
    let account = &ended.json()["account"];
    Asked::of(&server, mark).assert_is(account);
    assert_eq!(account["read_again"], 1, "{ended:?}");
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_away_is_waited_for_and_the_wait_is_told() {
    let Some(server) =
        Server::start_emulator("a_source_that_goes_away_is_waited_for_and_the_wait_is_told").await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let mark = server.mark();
    faults::anywhere()
        .of_the_program()
        .in_database(&server.source)
        .nth(2)
        .point(At::AtLogin)
        .drops(&server);
    let account = run_json(&project).await.expect(0).json()["account"].take();
    Asked::of(&server, mark).assert_is(&account);
    assert!(account["waits_ms"]["outage"].as_u64() > Some(0), "{account}");
    assert_eq!(account["read_again"], 0, "the source was not asked for a chunk");
}

/// It is no wait of reads, and is told beside them.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_goes_away_is_waited_for_and_the_wait_is_told() {
    let Some(server) =
        Server::start_emulator("a_target_that_goes_away_is_waited_for_and_the_wait_is_told").await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    project
        .home
        .configure_too("\n[metrics]\ntextfile = \"sync.prom\"\n");
    let at_target = |place: faults::Place| place.of_the_program().in_database(&server.target);
    // A load loses its connection, and the next attempt finds nobody.
    job::commit().nth(2).drops(&server);
    at_target(faults::at_login()).nth(3).times(2).drops(&server);
    let account = run_json(&project).await.expect(0).json()["account"].take();
    let waits = &account["waits_ms"];
    assert!(waits["target_outage"].as_u64() > Some(0), "{account}");
    assert_eq!(waits["outage"], 0, "{account}");
    let metrics = project.home.read("sync.prom");
    let counter = "sync_wait_seconds_total{cause=\"target_outage\"} ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(counter));
    let seconds: f64 = line.expect("it is there").parse().expect("a number");
    assert!(seconds > 0.0, "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_cancelled_counts_and_of_its_rows_those_that_came() {
    let Some(server) =
        Server::start_emulator("a_query_that_is_cancelled_counts_and_of_its_rows_those_that_came").await
    else {
        return;
    };
    let rows = (0..50).map(|n| format!("({n}, '2025-10-01T00:00:00', REPLICATE(N'x', 4000))"));
    Table::new("T", "ID int NOT NULL, D datetime NULL, NOTE nvarchar(4000) NULL")
        .indexed("D")
        .rows(rows)
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_bytes_max = 4096\nmax_workers = 1", T_MONTHLY);
    let mark = server.mark();
    let account = run_json(&project).await.expect(0).json()["account"].take();
    let asked = Asked::of(&server, mark);
    assert_eq!(account["queries"], asked.queries, "{account}");
    let rows = account["rows"].as_u64().expect("a number");
    assert!(
        rows > 50 * 2 && rows <= asked.rows,
        "{rows} of {} rows",
        asked.rows
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_a_record_a_table_and_one_of_the_run() {
    let Some(server) = Server::start_emulator("the_log_has_a_record_a_table_and_one_of_the_run").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let ended = project
        .run(FIRST, LAST, &["--json", "--log", "json"])
        .await
        .expect(0);
    let records: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the log is JSON"))
        .filter(|record: &Value| record["fields"]["message"] == "source account")
        .collect();
    let names: Vec<&str> = records
        .iter()
        .map(|record| record["fields"]["table"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, ["SALES", "PAYMENT", ""]);
    let run = ended.json();
    assert_eq!(records[2]["fields"]["queries"], run["account"]["queries"]);
    assert_eq!(
        records[0]["fields"]["row_count"],
        run["tables"][0]["account"]["rows"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_has_an_account() {
    let Some(server) = Server::start_emulator("a_killed_run_has_an_account").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    job::kill_at_chunk(&server, &project, 3).await;
    let run = runs(&project).await[0].take();
    assert_eq!(
        (&run["killed"], &run["running"]),
        (&true.into(), &false.into()),
        "{run}"
    );
    assert_eq!(run["rows_loaded"], 2 * job::CHUNK_ROWS, "{run}");
    assert!(run["tables"][0]["account"]["queries"].as_u64() > Some(2), "{run}");
    let text = project.sync(&["runs"]).await.expect(0).stdout;
    assert!(text.contains("killed"), "{text}");
    assert!(
        project
            .sync(&["status"])
            .await
            .expect(0)
            .stdout
            .contains("Source: ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_a_run_politely_and_each_run_comes_further() {
    let Some(server) = Server::start_emulator("a_limit_ends_a_run_politely_and_each_run_comes_further").await
    else {
        return;
    };
    job::fill(&server).await;
    for (key, most) in [("source_rows_max", 1), ("source_bytes_max", 15_000)] {
        server
            .at_target("DROP TABLE IF EXISTS dbo.t_SALES, dbo.t_PAYMENT")
            .await;
        let keys = format!(
            "chunk_rows = {}\nmax_workers = 1\n{key} = {most}",
            job::CHUNK_ROWS
        );
        let project = Project::tuned(&server, &keys, job::TABLES);
        let mut loaded = 0;
        let mut ended = 0;
        loop {
            let mark = server.mark();
            let run = run_json(&project).await;
            let told = run.json();
            let now = told["totals"]["rows_loaded"].as_u64().expect("a number");
            loaded += now;
            if told["exit_code"] == 0 {
                break;
            }
            ended += 1;
            assert_eq!(told["exit_code"], 4, "{run:?}");
            assert_eq!(
                (&told["limit"], &told["stopped"]),
                (&key.into(), &false.into()),
                "{run:?}"
            );
            assert!(
                run.stderr.contains(&format!("{key} = {most} is reached")),
                "{run:?}"
            );
            assert!(now > 0, "each run loads a chunk at least: {run:?}");
            // No chunk was read that is not loaded, and of those after it none.
            let reads: usize = job::SOURCES
                .iter()
                .map(|source| server.source_reads(mark, source).len())
                .sum();
            if most == 1 {
                assert_eq!((now, reads), (u64::from(job::CHUNK_ROWS), 1), "{run:?}");
            }
        }
        assert_eq!(loaded, u64::from(job::ALL_ROWS));
        assert!(ended > 0, "{key} ended no run");
        job::assert_equal(&server).await;
        job::assert_complete(&project).await;
    }
    let project = Project::tuned(&server, "source_rows_max = 1", job::TABLES);
    server.at_target("DROP TABLE dbo.t_SALES").await;
    let text = job::run(&project).await.expect(4).stdout;
    assert!(
        text.contains(
            "It has read what one run may, source_rows_max = 1. Run the same command again to go on."
        ),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_the_comparison_of_a_reference_table() {
    let Some(server) = Server::start_emulator("a_limit_ends_the_comparison_of_a_reference_table").await
    else {
        return;
    };
    let items = (0..90).map(|n| format!("(N'C{n:03}', N'name {n}')"));
    tables::items("NAME nvarchar(40) NULL")
        .rows(items)
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 30", ITEM_FULL);
    project.sync(&["run"]).await.expect(0);
    server
        .at_source("UPDATE dbo.ITEM SET NAME = N'other' WHERE CODE = N'C089'")
        .await;
    let limited = Project::tuned(&server, "chunk_rows = 30\nsource_rows_max = 1", ITEM_FULL);
    limited.sync(&["run"]).await;
    let mark = server.mark();
    let run = limited.sync(&["run", "--json"]).await.expect(4);
    assert_eq!(run.json()["limit"], "source_rows_max", "{run:?}");
    server.assert_rows_read(mark, "[ITEM]", 30, 1);
    project.sync(&["run"]).await.expect(0);
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_named_after_its_run_and_table_and_a_read_after_its_window() {
    let Some(server) =
        Server::start_emulator("a_session_is_named_after_its_run_and_table_and_a_read_after_its_window")
            .await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let mark = server.mark();
    let run = run_json(&project).await.expect(0).json();
    let id = &run["run_id"].as_str().expect("an id")[..8];
    let name = format!("sync/{} run {id}", env!("CARGO_PKG_VERSION"));
    let mut names: Vec<String> = server
        .statements_in(mark, &server.source)
        .into_iter()
        .map(|statement| statement.application)
        .collect();
    names.dedup();
    let of = |table: &str| format!("{name} {table}");
    assert_eq!(names, [name.clone(), of("SALES"), of("PAYMENT")]);
    for statement in server.statements_in(mark, &server.target) {
        assert_eq!(statement.application, name, "{}", statement.text);
    }
    // One login a worker and table, and one before the tables.
    assert!(
        run["account"]["connections_opened"].as_u64() <= Some(1 + 2 * 2 + 2),
        "{run}"
    );
    let reads = server.source_reads(mark, "[SALES]");
    assert!(!reads.is_empty());
    for read in &reads {
        let is_of = |month: &str| read.text.starts_with(&format!("/* {month} */ IF "));
        assert!(is_of("2025-10") || is_of("2025-11"), "{}", read.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_with_the_source_has_an_account_and_one_without_has_none() {
    let Some(server) =
        Server::start_emulator("a_comparison_with_the_source_has_an_account_and_one_without_has_none").await
    else {
        return;
    };
    let project = job::finished(&server).await;
    let without = project.sync(&["reconcile", "--json"]).await.expect(0).json();
    assert!(without["account"].is_null(), "{without}");
    server.emulator().log().clear();
    let mark = server.mark();
    let with = project
        .sync(&["reconcile", "--source", "--json"])
        .await
        .expect(0)
        .json();
    Asked::of(&server, mark).assert_is(&with["account"]);
    let text = project.sync(&["reconcile", "--source"]).await.expect(0).stdout;
    assert!(text.lines().any(|line| line.starts_with("Source: ")), "{text}");
}
