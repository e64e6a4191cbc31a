//! The hours of a source: no row is read outside of them, what is under way is finished, and a person may say otherwise.
//!
//! The server's clock is the machine's, so the time zone is one in which it is more than an hour before the hours begin: another
//! hour may begin meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use mssql_sync::base::clock::{Clock, SharedClock, SystemClock};
use mssql_sync::base::exit_code::ExitCode;
use mssql_sync::base::stop::StopSignal;
use mssql_sync::checkpoint::Store;
use mssql_sync::config::Config;
use mssql_sync::governor::Reins;
use mssql_sync::model::window::DateRange;
use mssql_sync::preflight::context::{Identity, RunOptions};
use mssql_sync::progress::{Event, Progress, RunSummary};
use testkit::project::{PASSWORD_VARIABLE, T_MONTHLY};
use testkit::{Project, Server, faults, tables};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

/// Runs that a signal stops.
#[cfg(unix)]
const DATES: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

/// A time zone whose clock shows this hour, whole hours from UTC.
fn zone_at(now: DateTime<Utc>, hour: i32) -> (String, TimeDelta) {
    let ahead = (hour - i32::try_from(now.hour()).unwrap() + 35) % 24 - 11;
    // The names of these zones have it the other way round.
    (format!("Etc/GMT{:+}", -ahead), TimeDelta::hours(ahead.into()))
}

struct Job {
    server: Server,
    project: Project,
    /// The time at which it began.
    began: DateTime<Utc>,
    /// How far the clock of the hours is ahead of UTC.
    ahead: TimeDelta,
}

impl Job {
    /// Six chunks of a table, of a source that may be read from ten at night to seven; it is past eight at night.
    async fn begin(test: &str) -> Option<Job> {
        let server = Server::start_emulator(test).await?;
        tables::dated("T")
            .rows(tables::october(300))
            .at_source(&server)
            .await;
        let began = SystemClock::shared().now();
        let (zone, ahead) = zone_at(began, 20);
        let source = format!(
            "require_replica = false\n\n[source.hours]\nallow = [\"22:00-07:00\"]\ntime_zone = \"{zone}\""
        );
        let project = Project::with(&server, &source, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY);
        Some(Job {
            server,
            project,
            began,
            ahead,
        })
    }

    /// A time by the clock of the hours, so many days after it began.
    fn at(&self, days: i64, time: &str) -> DateTime<Utc> {
        let today = (self.began + self.ahead).date_naive();
        let time: NaiveTime = time.parse().unwrap();
        let local: NaiveDateTime = (today + TimeDelta::days(days)).and_time(time);
        local.and_utc() - self.ahead
    }

    /// Starts a run in this process, on a clock that a test moves.
    fn start(&self, ignore_hours: bool) -> Run {
        let clock = Hand::at(self.began);
        let (sender, told) = mpsc::unbounded_channel();
        let reins = Reins::new();
        let stop = reins.stop.clone();
        let password = self.project.password().to_owned();
        let config = Config::load(&self.project.home.path("sync.toml"), &|name| {
            (name == PASSWORD_VARIABLE).then(|| password.clone())
        });
        let (config, state) = (config.unwrap(), self.project.state());
        std::fs::create_dir_all(state.with_file_name("")).unwrap();
        let store = Arc::new(Store::create_or_open(&state).unwrap());
        let options = RunOptions {
            ignore_hours,
            ..RunOptions::of(
                DateRange::inclusive("2025-10-01".parse().unwrap(), "2025-10-31".parse().unwrap()).unwrap(),
            )
        };
        let identity = Identity {
            run_id: clock.random(),
            host: "vm".to_owned(),
            process_id: std::process::id(),
        };
        let shared: SharedClock = clock.clone();
        let (runtime, (ends, work)) = (Handle::current(), oneshot::channel());
        // A thread that nobody waits for: a run that hangs must not keep a test from failing.
        std::thread::spawn(move || {
            let told = Arc::new(Tells(sender));
            let running = mssql_sync::run::run(&config, store, shared, options, identity, told, reins);
            // Nobody hears it if the test has failed.
            let _ = ends.send(runtime.block_on(running));
        });
        Run {
            clock,
            stop,
            told,
            work,
        }
    }

    /// The read of a chunk, counted from 1 and from now on.
    fn read(&self, nth: u64) -> faults::Place {
        let chunk = faults::at("SELECT TOP (@P1)").in_database(&self.server.source);
        chunk.of_the_program().nth(nth)
    }

    fn reads(&self) -> usize {
        self.server.source_reads(0, "[T]").len()
    }
}

struct Run {
    clock: Arc<Hand>,
    stop: StopSignal,
    told: mpsc::UnboundedReceiver<String>,
    work: oneshot::Receiver<mssql_sync::base::error::Result<RunSummary>>,
}

impl Run {
    /// Waits until the run has told this. What came before is passed over, except for a wait.
    async fn tells(&mut self, wanted: &str) {
        loop {
            let told = self.told.recv().await.expect("the run goes on");
            if told == wanted {
                return;
            }
            assert!(!told.starts_with("held"), "{told} before {wanted}");
        }
    }

    /// Waits until it has ended, which it must do without another wait.
    async fn ends(mut self) -> ExitCode {
        let summary = self.work.await.unwrap().unwrap();
        while let Ok(told) = self.told.try_recv() {
            assert!(!told.starts_with("held"), "{told}");
        }
        summary.exit
    }
}

/// Hands on what is waited for, and the chunks.
struct Tells(mpsc::UnboundedSender<String>);

impl Progress for Tells {
    fn event(&self, event: Event<'_>) {
        let told = match event {
            Event::Held { hold } => format!("held {}", hold.cause.as_str()),
            Event::Released { cause, .. } => format!("released {}", cause.as_str()),
            Event::ChunkVerified { ordinal, .. } => format!("chunk {ordinal}"),
            _ => return,
        };
        // Who has heard enough does not listen on.
        let _ = self.0.send(told);
    }
}

/// A clock that a test moves by hand: it stands still otherwise, and who sleeps wakes once it has come that far.
#[derive(Debug)]
struct Hand {
    start: DateTime<Utc>,
    passed: watch::Sender<Duration>,
}

impl Hand {
    /// A clock that stands at a time.
    fn at(start: DateTime<Utc>) -> Arc<Hand> {
        Arc::new(Hand {
            start,
            passed: watch::Sender::new(Duration::ZERO),
        })
    }

    /// Moves it on to a time.
    fn move_to(&self, time: DateTime<Utc>) {
        let passed = (time - self.start).to_std().expect("it is not moved back");
        self.passed.send_replace(passed);
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        self.start + TimeDelta::from_std(self.monotonic()).expect("a test is shorter")
    }

    fn monotonic(&self) -> Duration {
        *self.passed.borrow()
    }

    fn random(&self) -> u128 {
        SystemClock::shared().random()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.monotonic() + duration;
        let mut passed = self.passed.subscribe();
        Box::pin(async move {
            // The sender is in `self`, so waiting cannot fail.
            let _ = passed.wait_for(|passed| *passed >= until).await;
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_under_way_at_the_edge_is_finished_and_the_next_one_waits() {
    let name = "a_chunk_under_way_at_the_edge_is_finished_and_the_next_one_waits";
    let Some(job) = Job::begin(name).await else {
        return;
    };
    let third = job.read(3).stalls(&job.server);
    let mut run = job.start(false);
    run.tells("held hours").await;
    assert_eq!(job.reads(), 0, "no row is read before ten");
    let status = job.project.status().await;
    let held = &status["pace"]["held"];
    assert_eq!(held["cause"], "hours", "{status}");
    let until: DateTime<Utc> = held["until"].as_str().unwrap().parse().unwrap();
    assert_eq!(until, job.at(0, "22:00:00"), "{status}");
    assert_eq!(status["pace"]["hours"]["open"], false, "{status}");

    run.clock.move_to(job.at(1, "06:59:59.900"));
    run.tells("released hours").await;
    job.server.faults().wait_fired(third, 1).await;
    // Seven o'clock has come, and the third chunk is being read.
    run.clock.move_to(job.at(1, "07:00:00.100"));
    job.server.faults().remove(third);
    run.tells("chunk 1").await;
    let (mut is_held, mut is_loaded) = (false, false);
    while !(is_held && is_loaded) {
        match run.told.recv().await.expect("the run goes on").as_str() {
            "held hours" => is_held = true,
            "chunk 2" => is_loaded = true,
            other => panic!("{other}"),
        }
    }
    assert_eq!(job.reads(), 3, "the fourth chunk is not asked for");
    assert_eq!(job.server.receipts().await.len(), 3);

    // A request to stop ends the wait at once, and the next run waits again.
    run.stop.stop();
    assert_eq!(run.ends().await, ExitCode::Incomplete);
    let status = job.project.status().await;
    assert_eq!(status["pace"]["held"], serde_json::Value::Null, "{status}");
    assert_eq!(job.reads(), 3);
    let mut run = job.start(false);
    run.tells("held hours").await;
    assert_eq!(job.reads(), 3);

    // Over midnight nothing changes.
    let second = job.read(2).stalls(&job.server);
    run.clock.move_to(job.at(0, "23:59:59.900"));
    run.tells("released hours").await;
    job.server.faults().wait_fired(second, 1).await;
    run.clock.move_to(job.at(1, "00:00:00.100"));
    job.server.faults().remove(second);
    assert_eq!(run.ends().await, ExitCode::Done);
    job.server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(job.server.receipts().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_ignore_the_hours() {
    let Some(job) = Job::begin("a_person_may_ignore_the_hours").await else {
        return;
    };
    assert_eq!(job.start(true).ends().await, ExitCode::Done);
    job.server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// By the program itself, on the machine's clock, in a time zone in which it is noon.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_until_when_it_waits_and_stops_at_once() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let name = "the_program_says_until_when_it_waits_and_stops_at_once";
    let Some(job) = Job::begin(name).await else {
        return;
    };
    let (night, noon) = (zone_at(job.began, 20).0, zone_at(job.began, 12).0);
    job.project.configure(&night, &noon);
    let planned = job
        .project
        .sync(&["plan", DATES[1], DATES[2], DATES[3], DATES[4]])
        .await;
    let planned = planned.expect(0);
    let wanted = format!(
        "Hours of the source: 22:00-07:00 ({noon}): closed until 22:00; a run that is started now begins to read at \
         22:00; --ignore-hours reads at once\n"
    );
    assert!(planned.stdout.contains(&wanted), "{}", planned.stdout);

    let mut child = job.project.spawn(&DATES);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waiting = format!(
        "waiting until 22:00 {noon} for the source's hours; `sync tune --ignore-hours` reads at once"
    );
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.ends_with(&waiting)) {
        said.push(
            lines
                .next_line()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("{said:?}")),
        );
    }
    let status = job.project.sync(&["status"]).await.expect(0);
    assert!(status.stdout.contains(&waiting), "{}", status.stdout);
    let pid = child.id().unwrap().to_string();
    let mut kill = std::process::Command::new("kill");
    let sent = testkit::program::start_blocking(kill.args(["-INT", &pid])).and_then(|mut kill| kill.wait());
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(4));
    assert_eq!(job.reads(), 0);

    // A run that is killed while it waits leaves nothing that is shown as if it were going.
    let mut child = job.project.spawn(&DATES);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().ends_with(&waiting) {}
    child.kill().await.unwrap();
    let status = job.project.status().await;
    assert_eq!(status["pace"]["held"], serde_json::Value::Null, "{status}");

    let ignoring = [&["--log", "json"][..], &DATES, &["--ignore-hours"]].concat();
    let ended = job.project.sync(&ignoring).await.expect(0);
    assert!(!ended.stderr.contains("\"held\""), "{}", ended.stderr);
    let noted = "--ignore-hours: the source is read outside of its hours";
    assert!(ended.stderr.contains(noted), "{}", ended.stderr);
    job.server.assert_equal("dbo.T", "dbo.t_T").await;
}
