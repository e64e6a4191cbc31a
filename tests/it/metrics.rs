//! Metrics: what is rendered is what the store holds, after runs of every kind; the file that is written at a run's end.

use std::collections::BTreeMap;
use std::path::Path;

use mssql_sync::base::clock::SystemClock;
use mssql_sync::checkpoint::Reader;
use mssql_sync::config::Config;
use mssql_sync::metrics::render;
use mssql_sync::model::account::Account;
use mssql_sync::model::stages::Stages;
use testkit::job::{self, FIRST, LAST};
use testkit::project::{ITEM_FULL, PASSWORD_VARIABLE, T_MONTHLY};
use testkit::tables::{self, Table};
use testkit::{Project, Server, faults};

const TEXTFILE: &str = "\n[metrics]\ntextfile = \"sync.prom\"\n";

/// Samples by their names and labels.
type Samples = BTreeMap<String, f64>;

fn samples(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    let samples: Samples = lines.clone().map(sample).collect();
    assert_eq!(samples.len(), lines.count(), "a sample twice: {text}");
    samples
}

/// The metrics of a project, as any process reads them.
async fn metrics(project: &Project) -> Samples {
    let password = |name: &str| (name == PASSWORD_VARIABLE).then(|| project.password().to_owned());
    let config = Config::load(&project.home.path("sync.toml"), &password).expect("the configuration");
    let text = render(&project.state(), Some(&config), &SystemClock::shared()).await;
    samples(&text.expect("the metrics"))
}

#[track_caller]
fn assert_is(samples: &Samples, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        let found = samples
            .get(*name)
            .unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
        assert!((found - value).abs() < 1e-6, "{name} is {found}, not {value}");
    }
}

/// Asserts that no counter is lower than it was.
#[track_caller]
fn assert_grown(before: &Samples, after: &Samples) {
    let is_counter = |name: &str| {
        let name = name.split('{').next().unwrap_or(name);
        ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .any(|ending| name.ends_with(ending))
    };
    for (name, value) in before.iter().filter(|(name, _)| is_counter(name)) {
        assert!(after[name] >= *value, "{name}: {value}, then {}", after[name]);
    }
}

/// Asserts that the samples are the facts of the store.
fn assert_is_the_store(samples: &Samples, state: &Path) {
    let reader = Reader::open(state).expect("it is read").expect("it is there");
    let view = reader.view().expect("it is read");
    let sums = view.account_sums().expect("the sums");
    let mut expected = Vec::new();
    for table in view.tables().expect("the tables") {
        let name = &table.name;
        let asked = sums
            .iter()
            .find(|sum| sum.table == *name)
            .cloned()
            .unwrap_or_default();
        let mut counts = [0; 2];
        for window in view.windows(name).expect("the windows") {
            let found = view.counts(name, window.window).expect("the counts");
            counts = [counts[0] + found.verified, counts[1] + found.rows];
        }
        let of = |metric: &str| format!("{metric}{{table=\"{name}\"}}");
        expected.extend([
            (of("sync_rows_read_total"), asked.rows as f64),
            (of("sync_rows_loaded_total"), asked.rows_loaded as f64),
            (of("sync_read_bytes_total"), asked.received_bytes as f64),
            (
                of("sync_mismatches_total"),
                view.mismatches(name).expect("the number") as f64,
            ),
            (of("sync_rows_verified"), counts[1] as f64),
            (
                format!("sync_chunks{{table=\"{name}\",state=\"verified\"}}"),
                counts[0] as f64,
            ),
        ]);
    }
    for (stage, _) in Stages::default().named() {
        let times = view.stage_times(stage).expect("the times");
        let of = |part: &str| format!("sync_chunk_stage_duration_seconds_{part}{{stage=\"{stage}\"}}");
        expected.extend([
            (of("count"), times.count as f64),
            (of("sum"), times.sum.as_secs_f64()),
        ]);
    }
    for (cause, time) in Account::total(&sums).waits.iter() {
        let name = format!("sync_wait_seconds_total{{cause=\"{}\"}}", cause.as_str());
        expected.push((name, time.as_secs_f64()));
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert_is(samples, &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_what_the_store_holds_and_what_the_file_has() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    project.home.configure_too(TEXTFILE);
    job::run(&project).await.expect(0);

    let found = metrics(&project).await;
    assert_is_the_store(&found, &project.state());
    let file = project.home.read("sync.prom");
    assert_eq!(samples(&file), found, "as the run ended, so it is read");
    assert_is(
        &found,
        &[
            ("sync_state_present", 1.0),
            ("sync_rows_loaded_total{table=\"SALES\"}", 240.0),
            ("sync_rows_loaded_total{table=\"PAYMENT\"}", 240.0),
            ("sync_chunks{table=\"SALES\",state=\"verified\"}", 8.0),
            ("sync_windows{table=\"SALES\",state=\"complete\"}", 2.0),
            ("sync_windows{table=\"SALES\",state=\"failed\"}", 0.0),
            ("sync_dates_not_loaded{table=\"SALES\"}", 0.0),
            (
                "sync_chunk_stage_duration_seconds_count{stage=\"load\"}",
                job::ALL_CHUNKS.into(),
            ),
            ("sync_mismatches_total{table=\"PAYMENT\"}", 0.0),
            ("sync_run_going", 0.0),
            ("sync_last_run_exit_code", 0.0),
            ("sync_source_connections", 0.0),
        ],
    );
    assert!(
        found["sync_rows_read_total{table=\"SALES\"}"] >= 240.0,
        "{found:#?}"
    );
    assert!(found["sync_last_success_timestamp_seconds"] > 1.7e9, "{found:#?}");
    let secrets = [project.password(), server.host.as_str(), server.source.as_str()];
    for secret in secrets {
        assert!(!file.contains(secret), "{secret:?} in {file}");
    }

    // The next run has its own identity, and its sums are added.
    job::run(&project).await.expect(0);
    let again = metrics(&project).await;
    assert_grown(&found, &again);
    assert_is(&again, &[("sync_rows_loaded_total{table=\"SALES\"}", 240.0)]);
    assert!(
        again["sync_read_bytes_total{table=\"\"}"] > found["sync_read_bytes_total{table=\"\"}"],
        "{again:#?}"
    );

    // A store that is made anew begins anew, as a counter may.
    project.sync(&["rebuild"]).await.expect(0);
    let anew = metrics(&project).await;
    assert_is(
        &anew,
        &[
            ("sync_rows_loaded_total{table=\"SALES\"}", 0.0),
            ("sync_rows_verified{table=\"SALES\"}", 240.0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_grow_over_a_run_that_is_killed_and_resumed() {
    let Some(server) = Server::start_emulator("counters_grow_over_a_run_that_is_killed_and_resumed").await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let rule = job::commit().nth(5).stalls(&server);
    let mut child = project.spawn(&job::RUN_IN_TURN);
    server.faults().wait_fired(rule, 1).await;
    let during = metrics(&project).await;
    assert_is_the_store(&during, &project.state());
    assert_is(
        &during,
        &[
            ("sync_run_going", 1.0),
            ("sync_last_run_interrupted", 0.0),
            ("sync_rows_loaded_total{table=\"SALES\"}", 120.0),
            ("sync_windows{table=\"SALES\",state=\"loading\"}", 1.0),
            ("sync_windows{table=\"SALES\",state=\"complete\"}", 1.0),
            // Configured, and not reached.
            ("sync_rows_loaded_total{table=\"PAYMENT\"}", 0.0),
        ],
    );
    assert!(during["sync_source_connections"] >= 1.0, "{during:#?}");
    assert!(!during.contains_key("sync_last_run_exit_code"), "{during:#?}");

    child.kill().await.expect("the run is killed");
    let killed = metrics(&project).await;
    assert_grown(&during, &killed);
    assert_is(
        &killed,
        &[
            ("sync_run_going", 0.0),
            ("sync_last_run_interrupted", 1.0),
            ("sync_source_connections", 0.0),
            ("sync_rows_loaded_total{table=\"SALES\"}", 120.0),
        ],
    );
    server.faults().clear();
    job::run(&project).await.expect(0);
    let resumed = metrics(&project).await;
    assert_grown(&killed, &resumed);
    assert_is_the_store(&resumed, &project.state());
    // The chunk that was committed and not recorded is the store's no less.
    assert_is(
        &resumed,
        &[
            ("sync_rows_verified{table=\"SALES\"}", 240.0),
            ("sync_rows_loaded_total{table=\"SALES\"}", 240.0),
            ("sync_last_run_interrupted", 0.0),
            ("sync_last_run_exit_code", 0.0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mismatch_a_failed_window_and_a_wait_are_counted() {
    let Some(server) = Server::start_emulator("a_mismatch_a_failed_window_and_a_wait_are_counted").await
    else {
        return;
    };
    let rows = (0..400).map(|n| format!("({n}, '2025-{}-{:02}T00:00:00', {n})", 10 + n % 2, 1 + n % 28));
    let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, V int NULL");
    table.indexed("D").rows(rows).at_source(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    project.home.configure_too(TEXTFILE);
    // What is loaded of October differs, also once more from memory.
    let insert = faults::at("INSERT INTO [dbo].[t_T]");
    insert
        .clone()
        .nth(3)
        .times(2)
        .runs(&server, "UPDATE #load SET [c3] = -1");
    // The source drops a connection, and is away for a moment.
    let at_source = |place: faults::Place| place.of_the_program().in_database(&server.source).nth(2);
    at_source(faults::at("SELECT TOP (@P1)")).drops(&server);
    at_source(faults::at_login()).drops(&server);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(3);
    let differed = metrics(&project).await;
    assert_is_the_store(&differed, &project.state());
    assert_is(
        &differed,
        &[
            ("sync_mismatches_total{table=\"T\"}", 1.0),
            ("sync_windows{table=\"T\",state=\"mismatched\"}", 1.0),
            ("sync_chunks{table=\"T\",state=\"mismatched\"}", 1.0),
            ("sync_last_run_exit_code", 3.0),
        ],
    );
    assert!(
        differed["sync_wait_seconds_total{cause=\"outage\"}"] > 0.0,
        "{differed:#?}"
    );
    assert!(!differed.contains_key("sync_last_success_timestamp_seconds"));
    let file = samples(&project.home.read("sync.prom"));
    assert_eq!(file, differed, "written, although the run did not end with 0");

    server.faults().clear();
    insert.always().fails(&server, 547);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(4);
    let failed = metrics(&project).await;
    assert_is(
        &failed,
        &[
            ("sync_mismatches_total{table=\"T\"}", 1.0),
            ("sync_windows{table=\"T\",state=\"failed\"}", 1.0),
            ("sync_last_run_exit_code", 4.0),
        ],
    );
    server.faults().clear();
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    let healed = metrics(&project).await;
    for (before, after) in [(&differed, &failed), (&failed, &healed)] {
        assert_grown(before, after);
    }
    assert_is(
        &healed,
        &[
            ("sync_mismatches_total{table=\"T\"}", 1.0),
            ("sync_windows{table=\"T\",state=\"failed\"}", 0.0),
            ("sync_windows{table=\"T\",state=\"mismatched\"}", 0.0),
            ("sync_windows{table=\"T\",state=\"complete\"}", 2.0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_that_a_comparison_finds_are_counted_once_a_pass() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let before = metrics(&project).await;
    project
        .sync(&["reconcile", "--source", "--repair"])
        .await
        .expect(0);
    let same = metrics(&project).await;
    assert_is(&same, &[("sync_mismatches_total{table=\"SALES\"}", 0.0)]);
    assert!(
        same["sync_rows_read_total{table=\"SALES\"}"]
            >= before["sync_rows_read_total{table=\"SALES\"}"] + 240.0,
        "what a comparison reads of the source is read: {same:#?}"
    );
    server
        .at_target(
            "UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 31; DELETE FROM dbo.t_SALES WHERE ID = 100; \
             UPDATE dbo.t_PAYMENT SET AMOUNT = 0 WHERE NO = 1",
        )
        .await;
    project.sync(&["reconcile"]).await.expect(3);
    let found = metrics(&project).await;
    let counted = [
        ("sync_mismatches_total{table=\"SALES\"}", 2.0),
        ("sync_mismatches_total{table=\"PAYMENT\"}", 1.0),
        ("sync_differences_unrepaired{table=\"SALES\"}", 2.0),
        ("sync_differences_unrepaired{table=\"PAYMENT\"}", 1.0),
    ];
    assert_is(&found, &counted);
    // Another pass finds them again, and repairs them.
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    let repaired = metrics(&project).await;
    assert_grown(&found, &repaired);
    assert_is(
        &repaired,
        &[
            ("sync_mismatches_total{table=\"SALES\"}", 4.0),
            ("sync_mismatches_total{table=\"PAYMENT\"}", 2.0),
            ("sync_differences_unrepaired{table=\"SALES\"}", 0.0),
            ("sync_differences_unrepaired{table=\"PAYMENT\"}", 0.0),
            // Three chunks were loaded once more.
            ("sync_rows_loaded_total{table=\"SALES\"}", 300.0),
            ("sync_rows_loaded_total{table=\"PAYMENT\"}", 270.0),
        ],
    );
    // A run tells its own account, and folds none twice.
    job::run(&project).await.expect(0);
    let after = metrics(&project).await;
    assert_grown(&repaired, &after);
    assert_is(&after, &[("sync_rows_loaded_total{table=\"SALES\"}", 300.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_reference_table_that_was_changed_by_hand_is_a_mismatch_and_a_new_one_is_none() {
    let server = Server::start().await;
    let rows = (0..30).map(|n| format!("(N'C{n:03}', {n}.5)"));
    tables::items("PRICE decimal(9,2) NULL")
        .rows(rows)
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 10", ITEM_FULL);
    project.sync(&["run"]).await.expect(0);
    server
        .at_source("UPDATE dbo.ITEM SET PRICE = 9 WHERE CODE = N'C005'")
        .await;
    project.sync(&["run"]).await.expect(0);
    let changed = metrics(&project).await;
    assert_is(&changed, &[("sync_mismatches_total{table=\"ITEM\"}", 0.0)]);
    server
        .at_target("UPDATE dbo.t_ITEM SET PRICE = 0 WHERE CODE = N'C015'")
        .await;
    project.sync(&["run"]).await.expect(0);
    assert_is(
        &metrics(&project).await,
        &[("sync_mismatches_total{table=\"ITEM\"}", 1.0)],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_written_whole_after_a_run_that_ended_by_an_error_and_never_ends_one() {
    let Some(server) = Server::start_emulator(
        "the_file_is_written_whole_after_a_run_that_ended_by_an_error_and_never_ends_one",
    )
    .await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    project.home.configure_too(TEXTFILE);
    project
        .home
        .configure("require_replica = false", "require_replica = true");
    project.run(FIRST, LAST, &[]).await.expect(7);
    let refused = samples(&project.home.read("sync.prom"));
    assert_is(
        &refused,
        &[("sync_last_run_exit_code", 7.0), ("sync_state_present", 1.0)],
    );
    project
        .home
        .configure("require_replica = true", "require_replica = false");
    job::run(&project).await.expect(0);
    assert_is(
        &samples(&project.home.read("sync.prom")),
        &[("sync_last_run_exit_code", 0.0)],
    );
    let entries = std::fs::read_dir(project.home.directory()).expect("the directory");
    let left = entries.map(|entry| entry.expect("an entry").file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().contains(".new"))
        .collect();
    assert!(left.is_empty(), "nothing half is left: {left:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::metadata(project.home.path("sync.prom")).expect("it is there");
        let mode = file.permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "an exporter is another user");
    }

    project
        .home
        .configure("textfile = \"sync.prom\"", "textfile = \"nowhere/sync.prom\"");
    let ended = job::run(&project).await.expect(0);
    let warning = "warning: The metrics cannot be written to";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
    assert!(ended.stderr.contains("nowhere"), "{}", ended.stderr);
}
