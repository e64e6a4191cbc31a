//! A source that fails over in the middle of a run: the run waits for a replica, and reads not one row meanwhile.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mssql_sync::base::clock::SharedClock;
use mssql_sync::base::error::{ErrorKind, Result};
use mssql_sync::base::exit_code::ExitCode;
use mssql_sync::checkpoint::{Reader, Store};
use mssql_sync::config::Config;
use mssql_sync::governor::Reins;
use mssql_sync::model::window::DateRange;
use mssql_sync::mssql::{Guard, Proof, Timeouts};
use mssql_sync::pipeline::pool::Pool;
use mssql_sync::preflight::context::{Identity, RunOptions};
use mssql_sync::progress::{Event, Progress, RunSummary};
use mssql_sync::reconcile::{ReconcileOptions, Reconciled, reconcile};
use mssql_sync::run::run;
use mssql_sync::source::SourceSession;
use tds_emulator::{Action, Role, RuleId, Statement};
use testkit::project::{ITEM_FULL, T_MONTHLY};
use testkit::server::is_elsewhere;
use testkit::{Project, Server, clock, faults, tables};

/// A query may take longer than any wait of these runs, so that none is cut.
const REPLICA: &str = "require_replica = true\nquery_ms_target = 60000";
const RUN: &str = "chunk_rows = 50\nmax_workers = 1";

/// A read of rows of T; the questions for its columns are none.
const READ: &str = "SELECT TOP (@P1)";

/// What a person is told.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    /// The waits before further attempts.
    waits: Mutex<Vec<Duration>>,
    /// How long each table took.
    took: Mutex<Vec<Duration>>,
}

impl Told {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panicked").clone()
    }
}

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Retrying {
                error, away, wait, ..
            } => {
                self.waits.lock().expect("nobody panicked").push(wait);
                format!("{} (away: {})", error.chain(), away.is_some())
            }
            Event::Back { .. } => "back".to_owned(),
            Event::Warning(text) => text.to_owned(),
            Event::TableDone { elapsed, .. } => {
                self.took.lock().expect("nobody panicked").push(elapsed);
                return;
            }
            _ => return,
        };
        self.lines.lock().expect("nobody panicked").push(line);
    }
}

async fn begin(test: &str) -> Option<Arc<Server>> {
    let server = Server::start_emulator(test).await?;
    tables::dated("T")
        .rows(tables::october(600))
        .at_source(&server)
        .await;
    server.set_source_role(Role::ReadableSecondary);
    Some(Arc::new(server))
}

fn config(project: &Project) -> Config {
    let environment = |_: &str| Some(project.password().to_owned());
    Config::load(Path::new(&project.home.path("sync.toml")), &environment).expect("it is valid")
}

fn identity() -> Identity {
    Identity {
        run_id: 1,
        host: "here".to_owned(),
        process_id: 1,
    }
}

fn october() -> DateRange {
    let day = |text: &str| text.parse().expect("a day");
    DateRange::inclusive(day("2025-10-01"), day("2025-10-31")).expect("a range")
}

/// A run of October in this process, on this clock.
async fn run_here(project: &Project, clock: &SharedClock, told: &Arc<Told>) -> Result<RunSummary> {
    let store = Arc::new(Store::create_or_open(&project.state()).expect("the store"));
    let options = RunOptions::of(october());
    let (config, clock) = (config(project), Arc::clone(clock));
    let progress: Arc<dyn Progress> = Arc::<Told>::clone(told);
    run(&config, store, clock, options, identity(), progress, Reins::new()).await
}

/// A comparison of all that is verified with the source, in this process, on this clock.
async fn reconcile_here(project: &Project, clock: &SharedClock, told: &Arc<Told>) -> Result<Reconciled> {
    let store = Arc::new(Store::create_or_open(&project.state()).expect("the store"));
    let options = ReconcileOptions {
        source: true,
        repair: false,
        range: None,
        tables: None,
        allow_deletes: Vec::new(),
        max_workers: Some(1),
        ignore_hours: false,
    };
    let (config, clock) = (config(project), Arc::clone(clock));
    let progress: Arc<dyn Progress> = Arc::<Told>::clone(told);
    reconcile(&config, store, clock, options, identity(), progress, Reins::new()).await
}

/// Makes the source the primary once the read with this number is done. Its session stays connected, which is harder for
/// the client than a connection that is lost.
fn fail_over_after(server: &Server, nth: u64) -> RuleId {
    let failover = Action::SetRole(server.source.clone(), Role::Primary);
    faults::at(READ).nth(nth).after().does(server, failover)
}

/// A clock whose waits see the replica back after so many of them.
fn back_after(server: &Arc<Server>, waits: u32) -> (SharedClock, Arc<AtomicU32>) {
    let (server, count) = (Arc::clone(server), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&count);
    let clock = clock::waiting(move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == waits {
            server.set_source_role(Role::ReadableSecondary);
        }
    });
    (clock, count)
}

/// The reads of rows of a table, and the first of them that the primary was asked for. All reads before it sent rows, and
/// it sent none.
#[track_caller]
fn assert_none_of_the_primary(reads: &[Statement], before: usize) {
    let asked = &reads[before];
    assert_eq!(asked.rows_sent, 0, "{}", asked.text);
    for read in &reads[..before] {
        assert!(read.rows_sent > 0, "{}", read.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_replica_and_reads_nothing_of_the_primary() {
    let Some(server) = begin("a_run_waits_for_a_replica_and_reads_nothing_of_the_primary").await else {
        return;
    };
    let project = Project::with(&server, REPLICA, RUN, T_MONTHLY);
    let rule = fail_over_after(&server, 4);
    let (there, state) = (Arc::clone(&server), project.state());
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&shown);
    let clock = clock::waiting(move |_| {
        // What `sync status` reads of a run that is going.
        let reader = Reader::open(&state).expect("a state file").expect("it is there");
        let waiting = reader.view().expect("a view").waiting().expect("it is read");
        let mut seen = seen.lock().expect("nobody panicked");
        seen.push(waiting.expect("the run waits").error);
        if seen.len() == 5 {
            there.set_source_role(Role::ReadableSecondary);
        }
    });
    let told = Arc::new(Told::default());
    let summary = run_here(&project, &clock, &told).await.expect("it ends well");
    assert_eq!(summary.exit, ExitCode::Done);
    assert_eq!(server.faults().fired(rule), 1);
    let shown = shown.lock().expect("nobody panicked").clone();
    assert_eq!(shown.len(), 5);
    assert!(
        shown[4].contains("has failed over, and is waited for"),
        "{shown:#?}"
    );

    // Five chunks of 50 rows and one more were read; the next read met the primary, and was answered without a result.
    // Connections that were opened meanwhile did not come to a read. So there is one read more than there are chunks.
    let reads = server.source_reads(0, "[T]");
    assert_none_of_the_primary(&reads, 4);
    let sent: Vec<u64> = reads.iter().map(|read| read.rows_sent).collect();
    assert_eq!(
        sent,
        [51, 51, 51, 51, 0, 51, 51, 51, 51, 51, 51, 51, 50],
        "each chunk once"
    );
    server.assert_equal("dbo.T", "dbo.t_T").await;

    let lines = told.lines();
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[0].contains("no longer proves"), "{lines:#?}");
    for line in &lines[1..5] {
        assert!(line.contains("has failed over, and is waited for"), "{lines:#?}");
        assert!(
            line.contains("READ_WRITE") && line.contains("(away: true)"),
            "{lines:#?}"
        );
    }
    assert_eq!(lines[5], "back");
}

/// The rows of all attempts add up, so that a rate over the last one alone would be too high.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_table_begins_with_its_first_attempt() {
    let Some(server) = begin("the_time_of_a_table_begins_with_its_first_attempt").await else {
        return;
    };
    let project = Project::with(&server, REPLICA, RUN, T_MONTHLY);
    // The first lock is that of the migration, the second that of the table.
    let rule = faults::at("sp_getapplock").of_the_program().nth(2).drops(&server);
    let told = Arc::new(Told::default());
    let summary = run_here(&project, &clock::waiting(|_| {}), &told)
        .await
        .expect("it ends well");
    assert_eq!(summary.exit, ExitCode::Done);
    assert_eq!(server.faults().fired(rule), 1);
    // The clock of the test has whole milliseconds.
    let waits = told.waits.lock().expect("nobody panicked").clone();
    let took = told.took.lock().expect("nobody panicked").clone();
    assert!(
        waits.len() == 1 && !waits[0].is_zero(),
        "the table is tried twice: {waits:?}"
    );
    assert!(
        took.len() == 1 && took[0].as_millis() >= waits[0].as_millis(),
        "{took:?} has the wait {waits:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_stays_one_ends_the_run_in_time_and_is_refused_by_the_next() {
    let test = "a_primary_that_stays_one_ends_the_run_in_time_and_is_refused_by_the_next";
    let Some(server) = begin(test).await else {
        return;
    };
    let run = format!("{RUN}\noutage_max_minutes = 5");
    let project = Project::with(&server, REPLICA, &run, T_MONTHLY);
    fail_over_after(&server, 4);
    let clock = clock::waiting(|_| {});
    let told = Arc::new(Told::default());
    let error = run_here(&project, &clock, &told)
        .await
        .expect_err("nothing may be read");
    assert_eq!(
        (error.kind(), error.kind().exit_code()),
        (ErrorKind::Outage, ExitCode::Incomplete)
    );
    assert!(
        error.to_string().contains("did not prove to be a replica again"),
        "{error}"
    );
    let waited = clock.monotonic();
    let most = Duration::from_secs(5 * 60 + 30);
    assert!(
        waited >= Duration::from_secs(5 * 60) && waited <= most,
        "{waited:?}"
    );
    assert_none_of_the_primary(&server.source_reads(0, "[T]"), 4);
    assert_eq!(server.source_reads(0, "[T]").len(), 5);

    // The state file knows this very end. It is refused all the same, by its first connection.
    let mark = server.mark();
    let ended = project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    ended
        .says("READ_WRITE")
        .does_not_say("retried in")
        .does_not_say("failed over");
    server.assert_no_table_read(mark, &["[T]"]);
    server.set_source_role(Role::ReadableSecondary);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// A statement about the rows of a table of the source.
const OF_ROWS: &str = "FROM [dbo].";

/// The primary meets the first statement about a table's rows, then the second, and so on to the last: of a first load, of a run
/// that finds all in place, and of a comparison with the source. Each time the command waits once, and ends as if nothing had
/// been.
#[tokio::test(flavor = "multi_thread")]
async fn every_read_of_the_source_waits_for_a_replica() {
    let Some(server) = begin("every_read_of_the_source_waits_for_a_replica").await else {
        return;
    };
    let items = (0..70).map(|n| format!("({n}, N'item {n}')"));
    let item = tables::Table::new("ITEM", "ID int NOT NULL, NAME nvarchar(20) NULL").rows(items);
    server.set_source_role(Role::Primary);
    server.at_source("DELETE FROM dbo.T WHERE ID >= 120").await;
    item.at_source(&server).await;
    server.set_source_role(Role::ReadableSecondary);
    let tables = format!("{T_MONTHLY}\n{ITEM_FULL}");
    for turn in ["first load", "all in place", "reconcile"] {
        for nth in 1.. {
            let project = Project::with(&server, REPLICA, RUN, &tables);
            if turn == "first load" {
                take_all_back(&server).await;
            } else {
                project.sync(&["rebuild"]).await.expect(0);
            }
            let mark = server.mark();
            let place = faults::at(OF_ROWS).in_database(&server.source).of_the_program();
            let rule = place
                .nth(nth)
                .does(&server, Action::SetRole(server.source.clone(), Role::Primary));
            let (clock, waits) = back_after(&server, 1);
            let told = Arc::new(Told::default());
            let is_well = if turn == "reconcile" {
                let ended = reconcile_here(&project, &clock, &told).await;
                ended.map(|found| found.findings.is_empty() && found.left_out.is_empty())
            } else {
                let ended = run_here(&project, &clock, &told).await;
                ended.map(|summary| summary.exit == ExitCode::Done)
            };
            let case = format!("{turn}, statement {nth}: {:#?}", told.lines());
            assert!(
                is_well.unwrap_or_else(|error| panic!("{}: {case}", error.chain())),
                "{case}"
            );
            server.assert_equal("dbo.T", "dbo.t_T").await;
            server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
            let fired = server.faults().fired(rule);
            server.faults().remove(rule);
            if fired == 0 {
                assert!(nth > 3, "{case}");
                break;
            }
            assert_eq!(waits.load(Ordering::SeqCst), 1, "{case}");
            let mut asked = server.statements_in(mark, &server.source);
            asked.retain(|statement| statement.text.contains(OF_ROWS));
            let met = &asked[usize::try_from(nth).expect("a small number") - 1];
            assert_eq!(met.rows_sent, 0, "{case}: {}", met.text);
        }
    }
}

/// The target as it was before the first load.
async fn take_all_back(server: &Server) {
    for table in [
        "dbo.t_T",
        "dbo.t_ITEM",
        "[sync].[receipt]",
        "[sync].[plan]",
        "[sync].[lease]",
    ] {
        let there = format!("IF OBJECT_ID(N'{table}') IS NOT NULL");
        let gone = match table.starts_with("dbo") {
            true => format!("{there} DROP TABLE {table}"),
            false => format!("{there} DELETE FROM {table}"),
        };
        server.at_target(&gone).await;
    }
}

/// What answers at the address after the failover decides: whatever may become a replica again is waited for, and a server that
/// is refused by its name never is.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_name_is_final_and_any_other_primary_is_waited_for() {
    if is_elsewhere("a_refused_name_is_final_and_any_other_primary_is_waited_for") {
        return;
    }
    let named = |name: &str| Proof::Named(vec![name.to_owned()]);
    for (proof, refuse, kind) in [
        (Proof::ReadOnly, "OTHER", ErrorKind::FailedOver),
        (named("POSREPL01"), "OTHER", ErrorKind::FailedOver),
        (Proof::ReadOnly, "EMULATOR", ErrorKind::WrongServer),
        (named("POSREPL01"), "emulator", ErrorKind::WrongServer),
    ] {
        let guard = Guard {
            proof,
            refuse_names: vec![refuse.to_owned()],
        };
        let mut server = Server::emulated(|options| options.server_name = "POSREPL01".to_owned()).await;
        server.set_source_role(Role::ReadableSecondary);
        let endpoint = server.endpoint(&server.source);
        let clock = clock::waiting(|_| {});
        let fresh =
            || Pool::<SourceSession>::new(endpoint.clone(), guard.clone(), Timeouts::default(), &clock);
        let pool = fresh();
        drop(pool.take().await.expect("it is the replica"));
        // The listener leads to the primary, which has another name.
        server.stop_emulator().await;
        server.start_emulator_again().await;
        let error = pool.take().await.expect_err("it is the primary");
        assert_eq!((error.kind(), error.end()), (kind, Some("source")), "{error}");
        // At a first contact it is the wrong server.
        let error = fresh().take().await.expect_err("it is the primary");
        assert_eq!(error.kind(), ErrorKind::WrongServer, "{error}");
    }
}
