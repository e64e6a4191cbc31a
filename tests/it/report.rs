//! `sync report`: what it tells is what both servers and the receipts have, and what is wrong is in its verdict and its exit
//! code.

use serde_json::Value;
use testkit::project::{ITEM_FULL, PASSWORD_VARIABLE, T_MONTHLY, monthly};
use testkit::tables::{self, Table};
use testkit::{Ended, Project, Server, faults, job};

const OUTPUT: [&str; 2] = ["--output", "report.html"];

async fn report(project: &Project, more: &[&str], code: i32) -> Value {
    let arguments = [&["report", "--json"], more].concat();
    project.sync(&arguments).await.expect(code).json()
}

async fn page(project: &Project, more: &[&str], code: i32) -> String {
    let arguments = [&["report"], &OUTPUT[..], more].concat();
    let ended = project.sync(&arguments).await.expect(code);
    assert!(ended.stdout.contains("Wrote report.html"), "{ended:?}");
    let page = project.home.read("report.html");
    assert_is_well_formed(&page);
    page
}

/// Asserts that each tag is closed where it has to be, and that nothing is fetched or run.
#[track_caller]
fn assert_is_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("url("));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("@import"));
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag has an end");
        let name = tag
            .trim_start_matches('/')
            .split_whitespace()
            .next()
            .expect("a name");
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "</{name}>"),
            false if VOID.contains(&name) => {}
            false => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Adds up digests, as numbers of 256 bits in little-endian order, by a way of the test's own.
fn add(sum: &mut [u8; 32], digest: &[u8]) {
    assert_eq!(digest.len(), 32);
    let mut carry = 0;
    for (byte, more) in sum.iter_mut().zip(digest) {
        let all = u16::from(*byte) + u16::from(*more) + carry;
        (*byte, carry) = ((all & 0xff) as u8, all >> 8);
    }
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a target table's receipts, of one month or of all, as the target has them.
async fn digest_of_receipts(server: &Server, target: &str, month: Option<&str>) -> String {
    let mut sql = format!("SELECT [digest] FROM [sync].[receipt] WHERE [table_name] = N'{target}'");
    if let Some(month) = month {
        sql.push_str(&format!(" AND [window_start] = '{month}-01'"));
    }
    let mut sum = [0; 32];
    let rows = server.connect(&server.target).await.rows(&sql).await;
    assert!(!rows.is_empty(), "{sql}");
    for row in rows {
        let (_, list) = row.split_once('[').expect("bytes");
        let list = list.split(']').next().expect("bytes");
        let bytes: Vec<u8> = list
            .split(", ")
            .map(|byte| byte.parse::<u8>().expect("a byte"))
            .collect();
        add(&mut sum, &bytes);
    }
    hex(sum)
}

fn texts(of: &Value, field: &str) -> Vec<String> {
    let list = of.as_array().expect("a list");
    list.iter()
        .map(|entry| entry[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_digests_are_those_of_both_servers() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let told = report(&project, &[], 0).await;
    assert_eq!(
        told["verdict"], "All 4 windows of 2 tables are verified, and both ends have the same 480 rows.",
        "{told}"
    );
    for (place, (source, target)) in job::SOURCES.iter().zip(job::TARGETS).enumerate() {
        let table = &told["tables"][place];
        assert_eq!(
            table["source"],
            server.count(&server.source, &format!("dbo.{source}")).await,
            "{table}"
        );
        assert_eq!(
            table["target"],
            server.count(&server.target, target).await,
            "{table}"
        );
        assert_eq!(
            table["digest"],
            digest_of_receipts(&server, target, None).await,
            "{table}"
        );
        assert_eq!(table["receipts"], 2 * job::MONTH_ROWS, "{table}");
        for (place, month) in ["2025-10", "2025-11"].iter().enumerate() {
            let window = &table["windows"][place];
            assert_eq!(
                (&window["window"], &window["state"]),
                (&(*month).into(), &"complete".into())
            );
            assert_eq!(
                window["digest"],
                digest_of_receipts(&server, target, Some(month)).await,
                "{window}"
            );
            assert_eq!(window["rows"], job::MONTH_ROWS, "{window}");
            assert_eq!(window["receipts_agree"], true, "{window}");
        }
    }
    // SALES has an index on its date; a count of each window of PAYMENT would read the table each time.
    let by_window = |table: usize| told["tables"][table]["windows"][0]["source"].clone();
    assert_eq!(
        (by_window(0), by_window(1)),
        (job::MONTH_ROWS.into(), Value::Null)
    );
    assert_eq!(told["runs"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["source"]["database"], server.source.as_str());
    assert_eq!(told["target"]["schema"], "dbo");
    let october = report(&project, &["--month", "2025-10", "--tables", "sales"], 0).await;
    assert_eq!(october["totals"]["windows"], 1, "{october}");
    assert_eq!(
        october["tables"][0]["digest"],
        told["tables"][0]["windows"][0]["digest"]
    );
    assert_eq!(october["months"][0], "2025-10");
}

/// What an auditor can do by the documentation alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_made_of_the_bytes_that_the_documentation_gives() {
    let server = Server::start().await;
    let days = [45_929_i32, 45_930, 45_935];
    server
        .at_source("CREATE TABLE dbo.T (ID int NOT NULL PRIMARY KEY, D datetime NULL, NOTE nvarchar(9) NULL)")
        .await;
    for (id, day) in days.iter().enumerate() {
        let row = format!("INSERT INTO dbo.T SELECT {id}, DATEADD(day, {day}, '1900-01-01'), NULL");
        server.at_source(&row).await;
    }
    let project = Project::new(&server, T_MONTHLY);
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let mut sum = [0; 32];
    for (id, day) in days.iter().enumerate() {
        let mut bytes = vec![1];
        bytes.extend((id as i64).to_le_bytes());
        bytes.push(9);
        bytes.extend(day.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.push(0);
        add(&mut sum, blake3::hash(&bytes).as_bytes());
    }
    let told = report(&project, &["--month", "2025-10"], 0).await;
    assert_eq!(told["tables"][0]["windows"][0]["digest"], hex(sum), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_whole_and_has_all_of_it() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let page = page(&project, &[], 0).await;
    for text in [
        "All 4 windows of 2 tables are verified, and both ends have the same 480 rows.",
        &server.source,
        &server.target,
        "Counts and digests",
        "docs format",
        &digest_of_receipts(&server, job::TARGETS[1], None).await,
        &digest_of_receipts(&server, job::TARGETS[0], Some("2025-11")).await,
        "outside of tables",
        "0: done",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(!page.contains("What is missing or differs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_hands_deleted_is_a_difference() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server.at_target("DELETE FROM dbo.t_SALES WHERE ID = 7").await;
    let told = report(&project, &[], 3).await;
    assert_eq!(told["exit_code"], 3);
    assert_eq!(
        texts(&told["faults"], "text"),
        ["2025-10: 120 rows at the source, 119 at the target"]
    );
    assert_eq!(told["tables"][0]["equal"], false);
    assert_eq!(told["tables"][1]["equal"], true);
    let page = page(&project, &[], 3).await;
    assert!(
        page.contains("Source and target differ") && page.contains("sync reconcile --source"),
        "{page}"
    );
    let command = |told: &Value| texts(&told["faults"], "command").concat();
    assert_eq!(command(&told), "sync reconcile --source --tables SALES");
    // A `sync` of another package must not get a command that is copied from the report of this one.
    let path = testkit::program::path();
    let other = path.with_file_name(format!("mssql-sync{}", std::env::consts::EXE_SUFFIX));
    let mut other = project.command(other);
    // It leaves the house, so it names no path of this machine.
    let state = ["--state", "state/checkpoints.redb"];
    let started = testkit::program::start(other.args(["report", "--json"]).args(state)).expect("it starts");
    let told = Ended::of(started).await.expect(3).json();
    assert_eq!(command(&told), "mssql-sync reconcile --source --tables SALES");
    // The other month is as it was.
    report(&project, &["--month", "2025-11"], 0).await;
    // Without a look at the servers nobody knows.
    let offline = report(&project, &["--offline"], 0).await;
    assert!(
        offline["verdict"].as_str().expect("a text").contains("not asked"),
        "{offline}"
    );
    server.at_target("DELETE FROM dbo.t_PAYMENT WHERE NO = 7").await;
    let told = report(&project, &["--tables", "PAYMENT"], 3).await;
    assert_eq!(
        texts(&told["faults"], "text"),
        ["240 rows at the source, 239 at the target"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_a_difference_from_the_comparison_that_finds_it_to_its_repair() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target("UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 7")
        .await;
    // No count shows it.
    report(&project, &[], 0).await;
    project.sync(&["reconcile"]).await.expect(3);
    let told = report(&project, &[], 3).await;
    let text = &texts(&told["faults"], "text")[0];
    assert!(
        text.starts_with("2025-10: 1 difference that `sync reconcile` found on "),
        "{text}"
    );
    assert_eq!(
        told["reconciles"][0]["findings"][0]["window"], "2025-10",
        "{told}"
    );
    let page = page(&project, &["--offline"], 3).await;
    assert!(
        page.contains("SALES 2025-10: 1 difference") && page.contains("sync reconcile --repair"),
        "{page}"
    );
    // It is of the one month and of the one table.
    report(&project, &["--month", "2025-11"], 0).await;
    report(&project, &["--tables", "PAYMENT"], 0).await;
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    let told = report(&project, &[], 0).await;
    assert_eq!(told["reconciles"][0]["repaired"], 1, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_the_state_file_does_not_know_are_a_difference() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target("DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_SALES' AND [ordinal] = 3")
        .await;
    let told = report(&project, &[], 3).await;
    let texts = texts(&told["faults"], "text");
    assert!(
        texts[0].starts_with("2025-10 to 2025-11 (2 months): the target's receipts"),
        "{texts:?}"
    );
    assert_eq!(told["tables"][0]["windows"][0]["receipts"], 90, "{told}");
    page(&project, &[], 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_complete_is_named_with_its_command() {
    let Some(server) = Server::start_emulator("what_is_not_complete_is_named_with_its_command").await else {
        return;
    };
    job::fill(&server).await;
    tables::dated("NONE").at_source(&server).await;
    let project = Project::tuned(
        &server,
        &format!("chunk_rows = {}", job::CHUNK_ROWS),
        &(job::TABLES.to_owned() + &monthly("NONE", "D")),
    );
    project
        .sync(&["report", "--json"])
        .await
        .expect(2)
        .says("There is no state file");
    job::kill_at_chunk(&server, &project, 3).await;
    let told = report(&project, &["--month", "2025-10"], 4).await;
    assert_eq!(told["exit_code"], 4);
    let faults = &told["faults"];
    assert_eq!(texts(faults, "table"), ["SALES", "PAYMENT", "NONE"], "{faults}");
    assert_eq!(texts(faults, "text")[2], "2025-10: not loaded");
    assert_eq!(
        texts(faults, "command")[2],
        "sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables NONE"
    );
    let told = report(&project, &[], 4).await;
    assert_eq!(
        texts(&told["faults"], "text").last().map(String::as_str),
        Some("2025-10 to 2025-11 (2 months): not loaded")
    );
    assert_eq!(told["runs"][0]["killed"], true, "{told}");
    let page = page(&project, &["--offline"], 4).await;
    assert!(page.contains("Not all that was asked for is complete"), "{page}");
    assert!(page.contains("killed, or its machine lost power"), "{page}");
    let none = ["report", "--month", "2031-01", "--json"];
    project
        .sync(&none)
        .await
        .expect(2)
        .says("none of the tables asked for has a window in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_month_is_missing_and_told() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    project
        .sync(&["forget", "--table", "SALES", "--month", "2025-11", "--yes"])
        .await
        .expect(0);
    let told = report(&project, &[], 4).await;
    assert_eq!(texts(&told["faults"], "text"), ["2025-11: not loaded"], "{told}");
    let left = texts(&told["left_out"], "text");
    assert!(
        left.contains(&"Forgotten, and not loaded since: 2025-11".to_owned()),
        "{left:?}"
    );
    report(&project, &["--month", "2025-10"], 0).await;
    report(&project, &["--month", "2025-11"], 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_keeps_nobody_from_a_report() {
    let Some(mut server) = Server::start_emulator("a_server_that_is_away_keeps_nobody_from_a_report").await
    else {
        return;
    };
    let project = job::finished(&server).await;
    let there = report(&project, &[], 0).await;
    server.stop_emulator().await;
    let away = report(&project, &[], 7).await;
    assert_eq!(away["counts"]["asked"], false);
    assert!(
        away["counts"]["error"]
            .as_str()
            .expect("a text")
            .contains("Nobody listens"),
        "{away}"
    );
    assert_eq!(away["tables"][0]["digest"], there["tables"][0]["digest"]);
    assert_eq!(away["tables"][0]["source"], Value::Null);
    let page = page(&project, &[], 7).await;
    assert!(
        page.contains("the counts of both ends could not be compared"),
        "{page}"
    );
    let offline = report(&project, &["--offline"], 0).await;
    assert_eq!(offline["counts"]["error"], Value::Null);
    assert_eq!(offline["tables"][1]["windows"], away["tables"][1]["windows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_asks_no_server() {
    let Some(server) = Server::start_emulator("offline_asks_no_server").await else {
        return;
    };
    let project = job::finished(&server).await;
    let mark = server.mark();
    report(&project, &["--offline"], 0).await;
    let asked = server.emulator().log().since(mark);
    assert!(
        asked
            .iter()
            .all(|statement| !statement.application.starts_with(testkit::APPLICATION))
    );
    // The source is asked for numbers alone.
    report(&project, &[], 0).await;
    server.assert_no_table_read(mark, &job::SOURCES);
}

/// A login that is refused is named by the error on stderr, and by no report.
#[tokio::test(flavor = "multi_thread")]
async fn no_login_and_no_value_is_in_a_report() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let wrong = [(PASSWORD_VARIABLE, "not the password at all")];
    for form in [&OUTPUT[..], &["--json"]] {
        let ended = project
            .sync_with(&[&["report"], form].concat(), &wrong)
            .await
            .expect(7);
        let text = match form == OUTPUT {
            true => project.home.read("report.html"),
            false => ended.stdout.clone(),
        };
        assert!(text.contains("refused the login (error 18456"), "{text}");
        for secret in [
            project.password(),
            "not the password at all",
            &format!("login {}", server.user),
            "note 王",
        ] {
            assert!(
                !text.contains(secret) && !ended.said().contains(project.password()),
                "{secret} in {text}"
            );
        }
    }
    let page = page(&project, &[], 0).await;
    for secret in [project.password(), "note 王", "00:00:00.123"] {
        assert!(!page.contains(secret), "{secret} in {page}");
    }
}

/// Only the name of a table comes from elsewhere: it stays a text.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_no_markup() {
    let Some(server) = Server::start_emulator("a_name_is_no_markup").await else {
        return;
    };
    let name = "<script>alert('x')</script>&\u{202e}";
    let ddl = format!("CREATE TABLE dbo.[{name}] (ID int NOT NULL PRIMARY KEY)");
    server.at_source(&ddl).await;
    let row = format!("INSERT INTO dbo.[{name}] VALUES (1)");
    server.at_source(&row).await;
    let project = Project::new(&server, &testkit::project::full(name));
    project.sync(&["run"]).await.expect(0);
    let page = page(&project, &[], 0).await;
    assert!(
        page.contains("&lt;script&gt;alert('x')&lt;/script&gt;&amp;\u{fffd}"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_each_kind_and_what_is_left_out() {
    let server = Server::start().await;
    let rows = ["(1, '2025-10-03', 'a')", "(2, NULL, 'b')"];
    Table::new("T", "ID int NOT NULL, D datetime NULL, HIDDEN varchar(9) NULL")
        .indexed("D")
        .rows(rows)
        .at_source(&server)
        .await;
    tables::items("NAME nvarchar(40) NULL")
        .rows(["(N'A1', N'Tea')"])
        .at_source(&server)
        .await;
    let monthly = format!("{T_MONTHLY}exclude_columns = [\"HIDDEN\"]\n");
    let project = Project::new(&server, &(monthly + ITEM_FULL));
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let told = report(&project, &[], 0).await;
    let windows = |table: usize| texts(&told["tables"][table]["windows"], "window");
    assert_eq!(
        (windows(0), windows(1)),
        (
            vec!["2025-10".to_owned(), "undated".to_owned()],
            vec!["all".to_owned()]
        )
    );
    assert_eq!(told["totals"]["source"], 3, "{told}");
    assert_eq!(told["tables"][1]["windows"][0]["receipts_agree"], true, "{told}");
    let left = texts(&told["left_out"], "text");
    assert!(
        left.iter()
            .any(|text| text.contains("column HIDDEN is not copied")),
        "{left:?}"
    );
    assert!(
        left.iter().any(|text| text.starts_with("1 row without a date")),
        "{left:?}"
    );
    // A second refresh changes the rows of the reference table, and its receipts with them.
    server.at_source("UPDATE dbo.ITEM SET NAME = N'Coffee'").await;
    project.sync(&["run", "--tables", "ITEM"]).await.expect(0);
    report(&project, &[], 0).await;
    // It is of no month, and in the report of each.
    let october = report(&project, &["--month", "2025-10"], 0).await;
    assert_eq!(october["runs"].as_array().map(Vec::len), Some(2), "{october}");
    let of_t = report(&project, &["--month", "2025-10", "--tables", "T"], 0).await;
    assert_eq!(of_t["runs"].as_array().map(Vec::len), Some(1), "{of_t}");
    let page = page(&project, &["--month", "2025-10", "--tables", "T"], 0).await;
    assert!(page.contains("Tables that were not asked for: ITEM"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_replaces_reports_alone_and_is_its_owner_s() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let to = async |path: &str, more: &[&str]| -> Ended {
        project
            .sync(&[&["report", "--offline", "--output", path], more].concat())
            .await
    };
    to("a.html", &[]).await.expect(0);
    to("a.html", &["--json"]).await.expect(0);
    let json: Value = serde_json::from_str(&project.home.read("a.html")).expect("JSON");
    assert_eq!(json["exit_code"], 0);
    to("a.html", &[]).await.expect(0);
    let config = project.home.read("sync.toml");
    to("sync.toml", &[])
        .await
        .expect(2)
        .says("is there and is no report of this program");
    assert_eq!(project.home.read("sync.toml"), config);
    to("none/a.html", &[])
        .await
        .expect(2)
        .says("There is no directory none");
    project.home.write("other.html", "<!DOCTYPE html>");
    to("other.html", &["--force"]).await.expect(0);
    assert!(project.home.read("other.html").contains("sync report"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(project.home.path("a.html"))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_that_asks_for_nothing_is_refused() {
    let server = Server::start().await;
    let project = Project::new(&server, job::TABLES);
    for (arguments, says) in [
        (&["report"][..], "--output"),
        (
            &["report", "--json", "--month", "2025-13"],
            "no month of the calendar",
        ),
        (&["report", "--json", "--tables", "SALE"], "did you mean SALES?"),
        (&["report", "--json", "--force"], "--output"),
    ] {
        project.sync(arguments).await.expect(2).says(says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_counted_hides_no_other() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server.at_source("DROP TABLE dbo.PAYMENT").await;
    let told = report(&project, &[], 7).await;
    assert_eq!(told["tables"][0]["equal"], true, "{told}");
    assert!(
        told["tables"][1]["error"]
            .as_str()
            .expect("a text")
            .contains("has no table"),
        "{told}"
    );
    assert_eq!(texts(&told["faults"], "table"), ["PAYMENT"]);
    page(&project, &[], 7).await;
}

/// A count that breaks off is a server that is away.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_breaks_off_is_told() {
    let Some(server) = Server::start_emulator("a_count_that_breaks_off_is_told").await else {
        return;
    };
    let project = job::finished(&server).await;
    faults::at("SELECT COUNT_BIG(*) FROM [dbo].[PAYMENT]").drops(&server);
    let told = report(&project, &[], 7).await;
    assert!(told["counts"]["error"].is_string(), "{told}");
    assert_eq!(told["tables"][0]["source"], Value::Null);
}
