//! Log files: what is in them, when the next one begins, how long they are kept, and that a run goes on without them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::NaiveDate;
use mssql_sync::base::clock::{Clock as _, SharedClock};
use mssql_sync::config::{LogFiles, LogFormat};
use mssql_sync::report::Files;
use serde_json::Value;
use testkit::clock::Passing;
use testkit::project::T_MONTHLY;
use testkit::{Ended, Project, Server, tables};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Log files in a directory, on the test's own time.
struct Log {
    home: testkit::Home,
    clock: Arc<Passing>,
    files: Files,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn new(rotate_bytes: u64) -> Log {
        Log::of(testkit::Home::empty(), rotate_bytes)
    }

    fn of(home: testkit::Home, rotate_bytes: u64) -> Log {
        let clock = Passing::new(Duration::ZERO);
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&warnings);
        let settings = settings(&home.path("logs"), rotate_bytes);
        let files = Files::new(settings, Arc::clone(&clock) as SharedClock, move |text| {
            into.lock().expect("nobody panicked").push(text.to_owned());
        });
        Log {
            home,
            clock,
            files,
            warnings,
        }
    }

    fn line(&self, text: &str) {
        self.files.line(format!("{text}\n").as_bytes());
    }

    fn today(&self) -> NaiveDate {
        self.clock.now().date_naive()
    }

    fn read(&self, name: &str) -> String {
        self.home.read(&format!("logs/{name}"))
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("nobody panicked").clone()
    }
}

fn settings(directory: &Path, rotate_bytes: u64) -> LogFiles {
    LogFiles {
        directory: directory.to_owned(),
        format: LogFormat::Text,
        rotate_bytes,
        keep_days: 30,
    }
}

fn paths(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn names(directory: &Path) -> Vec<String> {
    let names = paths(directory).into_iter().map(|path| {
        let name = path.file_name().expect("a name");
        name.to_string_lossy().into_owned()
    });
    names.collect()
}

#[test]
fn the_next_file_begins_when_one_is_full_and_when_the_day_ends() {
    let log = Log::new(20);
    let first = log.today();
    for text in ["one", "two", "three is longer than all", "four"] {
        log.line(text);
    }
    log.clock.pass(DAY);
    log.line("five");
    assert_eq!(
        log.read(&format!("sync-{first}.1.log")),
        "one\ntwo\nthree is longer than all\n"
    );
    assert_eq!(log.read(&format!("sync-{first}.2.log")), "four\n");
    assert_eq!(log.read(&format!("sync-{}.1.log", log.today())), "five\n");
    assert_eq!(names(&log.home.path("logs")).len(), 3);
    // The next command goes on where this one was.
    let log = Log::of(log.home, 20);
    log.line("six");
    assert_eq!(log.read(&format!("sync-{first}.2.log")), "four\nsix\n");
    assert_eq!(log.warnings(), [""; 0]);
}

#[test]
fn files_are_kept_for_their_days_and_not_without_an_end() {
    let log = Log::new(1 << 20);
    let before = |days: u64| log.today() - chrono::Days::new(days);
    let (kept, old) = (before(30), before(31));
    for name in [
        format!("sync-{kept}.1.jsonl"),
        format!("sync-{old}.7.log"),
        format!("sync-{old}.1.jsonl"),
    ] {
        log.home.write(&format!("logs/{name}"), "x");
    }
    // None of these is a log file of this program.
    let foreign = [
        "sync-2001-01-01.1.txt",
        "sync-2001-01-01.log",
        "other-2001-01-01.1.log",
        "sync-2001-01-01.1.log.gz",
    ];
    for name in foreign {
        log.home.write(&format!("logs/{name}"), "x");
    }
    log.line("one");
    let mut wanted: Vec<String> = foreign.map(str::to_owned).to_vec();
    wanted.extend([
        format!("sync-{kept}.1.jsonl"),
        format!("sync-{}.1.log", log.today()),
    ]);
    wanted.sort();
    assert_eq!(names(&log.home.path("logs")), wanted);
    for number in 1..=150 {
        log.home.write(&format!("logs/sync-{kept}.{number}.jsonl"), "x");
    }
    let log = Log::of(log.home, 1 << 20);
    log.line("two");
    let left = names(&log.home.path("logs"));
    assert_eq!(left.len() - foreign.len(), 100, "{left:?}");
    assert!(
        left.contains(&format!("sync-{kept}.150.jsonl")) && !left.contains(&format!("sync-{kept}.9.jsonl"))
    );
}

#[test]
fn two_at_once_tear_no_line_and_lose_none() {
    let home = testkit::Home::empty();
    let directory = home.path("logs");
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let settings = settings(&directory, 20_000);
            let clock: SharedClock = Passing::new(Duration::ZERO);
            std::thread::spawn(move || {
                let files = Files::new(settings, clock, |warning| panic!("{warning}"));
                for number in 0..1000 {
                    let line = format!("{writer} {number} {}\n", "x".repeat(number % 60));
                    files.line(line.as_bytes());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("it ends");
    }
    let mut seen = BTreeSet::new();
    for path in paths(&directory) {
        let text = std::fs::read_to_string(&path).expect("a file");
        for line in text.lines() {
            let parts: Vec<&str> = line.split(' ').collect();
            let number: usize = parts[1].parse().expect("a number");
            assert_eq!(parts[2], "x".repeat(number % 60), "{line}");
            assert!(seen.insert((parts[0].to_owned(), number)), "twice: {line}");
        }
    }
    assert_eq!(seen.len(), 4000);
    assert!(paths(&directory).len() >= 5, "they rotate");
}

#[test]
fn a_line_that_was_cut_by_a_kill_does_not_swallow_the_next() {
    let log = Log::new(1 << 20);
    let name = format!("sync-{}.1.log", log.today());
    log.home.write(&format!("logs/{name}"), "half of a li");
    log.line("one");
    log.line("two");
    assert_eq!(log.read(&name), "half of a li\none\ntwo\n");
}

#[test]
fn a_place_that_takes_no_file_is_warned_of_once_and_tried_again() {
    let log = Log::new(1 << 20);
    log.home.write("logs", "a file is in the way");
    for _ in 0..3 {
        log.line("lost");
        log.clock.pass(Duration::from_secs(60));
    }
    let [warning] = &log.warnings()[..] else {
        panic!("{:?}", log.warnings());
    };
    assert!(
        warning.starts_with("The log file in ") && warning.contains("The work goes on"),
        "{warning}"
    );
    std::fs::remove_file(log.home.path("logs")).expect("it was there");
    log.line("one");
    assert_eq!(log.read(&format!("sync-{}.1.log", log.today())), "one\n");
    // Somebody clears the directory away.
    std::fs::remove_dir_all(log.home.path("logs")).expect("it was there");
    log.clock.pass(Duration::from_secs(10));
    log.line("two");
    assert_eq!(log.read(&format!("sync-{}.1.log", log.today())), "two\n");
    assert_eq!(log.warnings().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_is_its_owner_s_alone_and_no_link_is_followed() {
    use std::os::unix::fs::PermissionsExt as _;
    let log = Log::new(1 << 20);
    log.line("one");
    let mode = |path: PathBuf| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    let name = format!("logs/sync-{}.1.log", log.today());
    assert_eq!(
        (mode(log.home.path("logs")), mode(log.home.path(&name))),
        (0o700, 0o600)
    );
    let log = Log::new(1 << 20);
    log.home.write("victim", "precious");
    std::fs::create_dir(log.home.path("logs")).expect("a directory");
    std::os::unix::fs::symlink(log.home.path("victim"), log.home.path(&name)).expect("a link");
    log.line("one");
    assert_eq!(
        (log.home.read("victim"), log.warnings().len()),
        ("precious".to_owned(), 1)
    );
}

async fn begin(log: &str) -> (Server, Project) {
    let server = Server::start().await;
    tables::dated("T")
        .rows(tables::october(300))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
    project.home.configure_too(&format!("\n[log]\n{log}\n"));
    (server, project)
}

/// The records of text that has one object a line.
fn records(text: &str) -> Vec<Value> {
    let parsed = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parsed).collect()
}

/// The text of the log files, which are removed.
fn taken(project: &Project) -> String {
    let mut text = String::new();
    for path in paths(&project.home.path("logs")) {
        text.push_str(&std::fs::read_to_string(&path).expect("a file"));
        std::fs::remove_file(path).expect("it was there");
    }
    text
}

/// A record without its time.
fn untimed(mut record: Value) -> String {
    record.as_object_mut().expect("an object").remove("timestamp");
    record.to_string()
}

async fn sync(project: &Project, flags: &[&str], arguments: &[&str], code: i32) -> Ended {
    project.sync(&[flags, arguments].concat()).await.expect(code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_the_records_of_stderr_as_json() {
    let (_server, project) = begin("directory = \"logs\"").await;
    let commands: [(&[&str], i32); 5] = [
        (&RUN, 0),
        (&["run", "--tables", "NONE"], 2),
        (&["reconcile", "--source"], 0),
        (&["counts"], 0),
        (&["forget", "--table", "T", "--yes"], 0),
    ];
    for flags in [["-v"], ["-vv"]] {
        for (arguments, code) in &commands {
            let ended = sync(
                &project,
                &[&["--log", "json"], &flags[..]].concat(),
                arguments,
                *code,
            )
            .await;
            let [told, kept] = [&ended.stderr, &taken(&project)].map(|text| {
                // Workers may write at once, and each in its order.
                let mut told: Vec<String> = records(text).into_iter().map(untimed).collect();
                told.sort();
                told
            });
            assert!(told == kept, "{arguments:?}: {told:#?} and in the file {kept:#?}");
            assert!(
                ["counts", "forget"].contains(&arguments[0]) || !kept.is_empty(),
                "{arguments:?}"
            );
        }
    }
}

/// What stderr has as bars or lines it has once, and a log file has all of it.
#[tokio::test(flavor = "multi_thread")]
async fn stderr_is_as_it_is_without_a_file() {
    let (_server, project) = begin("directory = \"logs\"").await;
    let lines = |ended: &Ended| -> Vec<String> {
        let lines = ended.stderr.lines().filter(|line| !line.starts_with("run "));
        // The first run makes the table.
        let lines = lines.filter(|line| !line.starts_with("note: Ta"));
        // Times differ, and so does how often a slow machine tells of progress.
        let lines = lines.filter(|line| !line.contains(" %, "));
        lines
            .map(|line| line.split(" in ").next().unwrap_or_default().to_owned())
            .collect()
    };
    let kept = sync(&project, &[], &RUN, 0).await;
    let file = records(&taken(&project));
    let messages: Vec<&str> = file
        .iter()
        .filter_map(|record| record["fields"]["message"].as_str())
        .collect();
    for message in [
        "run started",
        "table started",
        "chunk verified",
        "window done",
        "table done",
        "source account",
        "run done",
    ] {
        assert!(messages.contains(&message), "{message}: {messages:?}");
        assert!(!kept.stderr.contains(message), "{message}: {kept}");
    }
    let ids: BTreeSet<&str> = file
        .iter()
        .filter_map(|record| record["run_id"].as_str())
        .collect();
    let run = project.status().await["run"]["run_id"].clone();
    assert_eq!(
        ids.into_iter().collect::<Vec<_>>(),
        [run.as_str().expect("an id")]
    );
    let refused = sync(&project, &[], &["run", "--tables", "NONE"], 2).await;
    let failed = records(&taken(&project)).pop().expect("a record");
    assert_eq!(
        (
            &failed["level"],
            &failed["fields"]["message"],
            &failed["fields"]["exit_code"]
        ),
        (&"ERROR".into(), &"failed".into(), &2.into())
    );
    assert!(
        refused
            .stderr
            .contains(failed["fields"]["error"].as_str().expect("an error")),
        "{refused}"
    );
    sync(&project, &[], &["forget", "--table", "T", "--yes"], 0).await;
    taken(&project);

    project.configure("[log]\ndirectory = \"logs\"", "");
    let bare = sync(&project, &[], &RUN, 0).await;
    assert_eq!(lines(&kept), lines(&bare));
    assert_eq!(taken(&project), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_has_the_time_the_run_and_the_fields() {
    let (_server, project) = begin("directory = \"logs\"\nformat = \"text\"").await;
    sync(&project, &[], &RUN, 0).await;
    assert!(names(&project.home.path("logs"))[0].ends_with(".1.log"));
    let text = taken(&project);
    let id = project.status().await["run"]["run_id"].clone();
    let id = &id.as_str().expect("an id")[..8];
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(3, ' ').collect();
        chrono::DateTime::parse_from_rfc3339(parts[0]).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(parts[1], id, "{line}");
    }
    assert!(
        text.contains(" INFO chunk verified table=\"T\" window=2025-10 chunk=0 row_count=50 "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_at_once_share_a_file() {
    let (_server, project) = begin("directory = \"logs\"").await;
    let mut ended = Vec::new();
    for child in [0; 3].map(|_| project.spawn(&RUN)) {
        ended.push(Ended::of(child).await.code());
    }
    ended.sort_unstable();
    assert!(
        ended[0] == 0 && ended.iter().all(|code| [0, 5].contains(code)),
        "{ended:?}"
    );
    let records = records(&taken(&project));
    let ids: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| record["run_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_room_for_its_log_is_a_run_with_a_warning() {
    let (_server, project) = begin("directory = \"no/logs\"").await;
    project.home.write("no", "a file is in the way");
    for flags in [&[][..], &["-v"], &["--log", "json"]] {
        let ended = sync(&project, flags, &RUN, 0).await;
        let warnings = ended
            .stderr
            .matches("cannot be written, and lines are missing there")
            .count();
        assert_eq!(warnings, 1, "{ended}");
        if flags.len() == 2 {
            records(&ended.stderr);
        }
    }
    let ended = project.sync(&["doctor"]).await.expect(0);
    ended
        .says("no takes no file, so a command works without its log in")
        .does_not_say("log files: There is no");
    project.configure("no/logs", "new/logs");
    let ended = project.sync(&["doctor"]).await.expect(0);
    ended.says("log files: There is no");
}

/// The fields of each record are those that the page names, and it names no record that is none.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_the_fields_of_each_record() {
    let (_server, project) = begin("directory = \"logs\"").await;
    let sources = [
        "src/report/log.rs",
        "src/cli/voice/mod.rs",
        "src/cli/profile.rs",
        "src/mssql/query.rs",
    ];
    let sources: String = sources
        .map(|path| {
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
        })
        .concat();
    let told = crate::operations::records_told();
    for (message, fields) in &told {
        assert!(
            sources.contains(&format!("\"{message}\"")),
            "no record is called {message}"
        );
        for field in fields {
            assert!(sources.contains(field.as_str()), "no record has {field}");
        }
    }
    // A login that was never good is final.
    let wrong = [("SYNC_TEST_PROJECT_PASSWORD", "wrong")];
    project.sync_with(&RUN, &wrong).await.expect(7);
    sync(
        &project,
        &["-vv", "--log", "json"],
        &[&RUN[..], &["--profile"]].concat(),
        0,
    )
    .await;
    sync(&project, &["-vv"], &["reconcile", "--source"], 0).await;
    let mut seen = BTreeSet::new();
    for record in records(&taken(&project)) {
        let fields = record["fields"].as_object().expect("fields");
        let message = fields["message"].as_str().expect("a message");
        let Some(known) = told.get(message) else {
            let of_any = fields
                .keys()
                .all(|field| ["message", "error", "place"].contains(&field.as_str()));
            assert!(of_any, "a record that the page does not name: {record}");
            continue;
        };
        seen.insert(message.to_owned());
        for field in fields.keys().filter(|field| *field != "message") {
            assert!(
                known.contains(field),
                "the page does not name {field} of {message}: {record}"
            );
        }
    }
    assert!(seen.len() >= 11, "{seen:?}");
}
