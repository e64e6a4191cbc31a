//! The pace of the source, in runs on the real driver: a source that slows down and recovers, a query that sends nothing,
//! one that stops in its middle; ceilings, pauses and hours. Time is the test's own, and nothing waits for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use mssql_sync::base::clock::{Clock, SharedClock};
use mssql_sync::base::error::ErrorKind;
use mssql_sync::base::exit_code::ExitCode;
use mssql_sync::base::stop::StopSignal;
use mssql_sync::checkpoint::Store;
use mssql_sync::config::Config;
use mssql_sync::governor::{Ask, Found, Parts, Reins, Throttle};
use mssql_sync::model::pace::{Action as Decided, Cause, Ceilings, Tuning};
use mssql_sync::model::window::DateRange;
use mssql_sync::mssql::{Guard, Meter, Proof, Timeouts};
use mssql_sync::pipeline::pool::{Pool, Pools};
use mssql_sync::preflight::context::{Identity, RunOptions};
use mssql_sync::progress::{Event, Progress, RunSummary};
use tds_emulator::{Action, At};
use testkit::clock::Passing;
use testkit::project::{PASSWORD_VARIABLE, T_MONTHLY};
use testkit::tables::Table;
use testkit::{Project, Server, faults};

/// The read of a chunk of the table.
const READ: &str = "FROM [dbo].[T] WHERE";

/// Ten times the time that a query should take. Shorter waits pass at once, and this one only with the source's own time.
const BUDGET: Duration = Duration::from_secs(20);

/// What was heard of a run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Decided(Decided),
    /// A chunk, and the time of its read.
    Chunk(u64, Duration),
    Held(Cause),
    Released(Cause),
    Said(String),
}

#[derive(Default)]
struct Ear(Mutex<Vec<Heard>>);

impl Ear {
    fn heard(&self) -> Vec<Heard> {
        self.0.lock().expect("nobody panicked").clone()
    }

    fn decided(&self) -> Vec<Decided> {
        let heard = self.heard().into_iter();
        let decided = heard.filter_map(|heard| match heard {
            Heard::Decided(action) => Some(action),
            _ => None,
        });
        decided.collect()
    }
}

impl Progress for Ear {
    fn event(&self, event: Event<'_>) {
        let heard = match event {
            Event::Decided { decision } => Heard::Decided(decision.action),
            Event::ChunkVerified {
                row_count, stages, ..
            } => Heard::Chunk(row_count, stages.read),
            Event::Held { hold } => Heard::Held(hold.cause),
            Event::Released { cause, .. } => Heard::Released(cause),
            Event::Note(text) | Event::Warning(text) => Heard::Said(text.to_owned()),
            _ => return,
        };
        self.0.lock().expect("nobody panicked").push(heard);
    }
}

/// A run of October and November in this process, on the test's own time.
struct Job {
    server: Server,
    project: Project,
    clock: Arc<Passing>,
    ear: Arc<Ear>,
    rows: u32,
}

impl Job {
    /// A table of so many rows, spread evenly over both months.
    async fn of(server: Server, rows: u32, run: &str) -> Job {
        let values = (0..rows).map(|n| {
            let of_month = n % (rows / 2);
            let minute = of_month * 1_440 * 28 / (rows / 2);
            format!(
                "({n}, '2025-{}-{:02}T{:02}:{:02}:00', {n})",
                10 + n / (rows / 2),
                1 + minute / 1_440,
                minute / 60 % 24,
                minute % 60
            )
        });
        let table = Table::new("T", "ID int NOT NULL, D datetime NOT NULL, N int NOT NULL");
        table.indexed("D").rows(values).at_source(&server).await;
        let project = Project::tuned(&server, run, T_MONTHLY);
        std::fs::create_dir_all(project.home.path("state")).expect("a directory for the state");
        Job {
            server,
            project,
            clock: Passing::new(BUDGET),
            ear: Arc::default(),
            rows,
        }
    }

    fn store(&self) -> Arc<Store> {
        Arc::new(Store::create_or_open(&self.project.state()).expect("a store"))
    }

    fn config(&self) -> Config {
        let password = self.project.password().to_owned();
        let environment = move |name: &str| (name == PASSWORD_VARIABLE).then(|| password.clone());
        let path = self.project.home.directory().join("sync.toml");
        Config::load(&path, &environment).expect("a configuration")
    }

    async fn run(&self, reins: Reins) -> RunSummary {
        let day = |text: &str| text.parse().expect("a day");
        let options =
            RunOptions::of(DateRange::inclusive(day("2025-10-01"), day("2025-11-30")).expect("a range"));
        let identity = Identity {
            run_id: self.clock.random(),
            host: "vm".to_owned(),
            process_id: 1,
        };
        let clock: SharedClock = Arc::clone(&self.clock) as SharedClock;
        let ear = Arc::clone(&self.ear) as Arc<dyn Progress>;
        let config = self.config();
        let ended = mssql_sync::run::run(&config, self.store(), clock, options, identity, ear, reins).await;
        ended.expect("the run ends")
    }

    /// Runs to the end. All is there once, and no row was read twice: each chunk asks for one row more than it has.
    async fn runs_whole(&self) {
        let mark = self.server.mark();
        let summary = self.run(Reins::new()).await;
        assert_eq!(summary.exit, ExitCode::Done, "{:?}", self.ear.heard());
        self.server.assert_equal("dbo.T", "dbo.t_T").await;
        let reads = self.server.table_reads(mark, "[T]").expect("there is a log");
        let reads = u32::try_from(reads).expect("few reads");
        self.server.assert_rows_read(mark, "[T]", self.rows, reads);
    }

    /// Connections to the source behind a throttle, as a run has them.
    fn pools(&self, ceilings: Ceilings, stop: &StopSignal, closed: Option<TimeDelta>) -> Pools {
        let clock: SharedClock = Arc::clone(&self.clock) as SharedClock;
        let opens = closed.map(|closed| self.clock.now() + closed);
        let throttle = Throttle::new(Parts {
            clock: Arc::clone(&clock),
            stop: stop.clone(),
            store: self.store(),
            progress: Arc::clone(&self.ear) as Arc<dyn Progress>,
            meter: Arc::new(Meter::default()),
            ceilings,
            max_workers: 2,
            chunk_rows: 100,
            closed_until: opens.map(|opens| Arc::new(move |now| (now < opens).then_some(opens)) as _),
            ignores_hours: false,
        });
        let guard = Guard {
            proof: Proof::None,
            refuse_names: Vec::new(),
        };
        let pool = |database: &str| self.server.endpoint(database);
        let timeouts = Timeouts::default();
        Pools {
            source: Arc::new(Pool::new(pool(&self.server.source), guard, timeouts, &clock)),
            target: Arc::new(Pool::new(pool(&self.server.target), (), timeouts, &clock)),
            throttle: Arc::new(throttle),
            prober: Arc::default(),
        }
    }
}

const CHUNK: Ask = Ask::Chunk {
    rows: 100,
    found: Found::ByIndex,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_slows_down_is_read_more_gently_and_nothing_twice() {
    let test = "a_source_that_slows_down_is_read_more_gently_and_nothing_twice";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let job = Job::of(server, 14_000, "chunk_rows = 400\nmax_workers = 2").await;
    let clock = Arc::clone(&job.clock);
    job.server.faults().pass_time_by(move |time| clock.pass(time));
    let slow = |micros| Action::Slow(Duration::from_micros(micros));
    faults::at(READ)
        .of_the_program()
        .always()
        .does(&job.server, slow(500));
    let in_the_middle = faults::at(READ).of_the_program().nth(9).times(10);
    in_the_middle.does(&job.server, slow(20_000));
    job.runs_whole().await;
    let decided = job.ear.decided();
    let place = |wanted: &dyn Fn(&Decided) -> bool| decided.iter().position(wanted);
    let smaller = place(&|action| {
        matches!(
            action,
            Decided::ChunkRows {
                from: 400,
                to: ..=200
            }
        )
    });
    let fewer = place(&|action| matches!(action, Decided::Workers { from: 2, to: 1 }));
    let more = place(&|action| matches!(action, Decided::Workers { from: 1, to: 2 }));
    let larger = place(&|action| matches!(action, Decided::ChunkRows { to: 400, .. }));
    assert!(smaller.is_some() && smaller < larger, "{decided:?}");
    assert!(fewer.is_some() && fewer < more, "{decided:?}");
    // After three of the slow reads a query takes the time that it should. The other worker's time counts as well, as long
    // as there is one.
    let slow = |than: u64| {
        let heard = job.ear.heard().into_iter();
        heard
            .filter(|heard| matches!(heard, Heard::Chunk(_, took) if *took > Duration::from_secs(than)))
            .count()
    };
    assert!(slow(1) > 5, "{:?}", job.ear.heard());
    assert!(slow(4) <= 3, "{:?}", job.ear.heard());
}

#[tokio::test]
async fn a_query_that_sends_nothing_is_cancelled_and_asked_for_less() {
    let test = "a_query_that_sends_nothing_is_cancelled_and_asked_for_less";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let job = Job::of(server, 2_000, "chunk_rows = 800\nmax_workers = 1").await;
    let rule = faults::at(READ).of_the_program().nth(2).stalls(&job.server);
    let (clock, faults) = (&job.clock, job.server.faults());
    let passes = async {
        faults.wait_fired(rule, 1).await;
        clock.pass(BUDGET);
    };
    tokio::join!(job.runs_whole(), passes);
    let decided = job.ear.decided();
    let cancelled = Decided::Cancelled {
        rows: 800,
        took_ms: 20_000,
    };
    let smaller = Decided::ChunkRows { from: 800, to: 200 };
    assert_eq!(decided.get(..2), Some(&[cancelled, smaller][..]), "{decided:?}");
    let reads = job.server.source_reads(0, "[T]");
    let asked: Vec<&str> = reads
        .iter()
        .filter_map(|read| Some(read.params.first()?.1.as_str()))
        .collect();
    assert_eq!(asked.get(..3), Some(&["801", "801", "201"][..]), "{asked:?}");
}

#[tokio::test]
async fn a_source_that_sends_nothing_however_little_is_asked_is_waited_for() {
    let test = "a_source_that_sends_nothing_however_little_is_asked_is_waited_for";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let job = Job::of(server, 200, "chunk_rows = 100\nmax_workers = 1").await;
    let rule = faults::at(READ).of_the_program().times(2).stalls(&job.server);
    let (clock, faults) = (&job.clock, job.server.faults());
    let passes = async {
        faults.wait_fired(rule, 1).await;
        clock.pass(BUDGET);
        faults.wait_fired(rule, 2).await;
        // Nothing cuts it now.
        clock.pass(BUDGET * 2);
        faults.release(rule);
    };
    tokio::join!(job.runs_whole(), passes);
    let said = job.ear.heard().into_iter().filter(|heard| match heard {
        Heard::Said(text) => text.contains("takes the time it needs"),
        _ => false,
    });
    assert_eq!(said.count(), 1, "it is said once");
}

#[tokio::test]
async fn a_read_that_stops_in_its_middle_keeps_its_rows() {
    let test = "a_read_that_stops_in_its_middle_keeps_its_rows";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let job = Job::of(server, 2_000, "chunk_rows = 800\nmax_workers = 1").await;
    let stalls = faults::at(READ).of_the_program().nth(2).point(At::AfterRows(150));
    let rule = stalls.stalls(&job.server);
    let (clock, faults) = (&job.clock, job.server.faults());
    let passes = async {
        faults.wait_fired(rule, 1).await;
        // The rows are on their way: whatever comes after them comes later.
        for _ in 0..20 {
            job.server.at_source("SELECT 1").await;
        }
        clock.pass(BUDGET);
    };
    tokio::join!(job.runs_whole(), passes);
    let chunks: Vec<u64> = (job.ear.heard().into_iter())
        .filter_map(|heard| match heard {
            Heard::Chunk(rows, _) => Some(rows),
            _ => None,
        })
        .collect();
    assert!(chunks.contains(&150), "{chunks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_of_rows_holds_a_run() {
    let Some(server) = Server::start_emulator("a_ceiling_of_rows_holds_a_run").await else {
        return;
    };
    let job = Job::of(server, 2_000, "chunk_rows = 800\nmax_workers = 2").await;
    job.project.configure(
        "require_replica = false",
        "require_replica = false\nrows_per_second = 200",
    );
    job.runs_whole().await;
    let took = job.clock.monotonic();
    assert!(took >= Duration::from_secs(2_000 / 200 - 1), "{took:?}");
}

#[tokio::test]
async fn a_paused_run_reads_nothing_and_keeps_no_connection() {
    let server = Server::start().await;
    let job = Job::of(server, 20, "").await;
    let stop = StopSignal::new();
    let pools = job.pools(Ceilings::default(), &stop, None);
    let throttle = &pools.throttle;
    let mut turn = pools.turn(CHUNK).await.expect("a read begins");
    turn.session.server().await.expect("it answers");
    assert_eq!(throttle.figures().reading, 1);
    assert!(throttle.pause());
    assert!(!throttle.pause(), "it was paused before");
    // What is under way ends, and keeps nothing.
    pools.end(turn);
    let waits = async {
        let turn = pools.turn(CHUNK).await.expect("it begins after all");
        assert!(!throttle.figures().is_paused);
        pools.end(turn);
    };
    let resumes = async {
        while throttle.figures().hold.is_none() {
            tokio::task::yield_now().await;
        }
        let figures = throttle.figures();
        assert_eq!((figures.reading, figures.is_paused), (0, true));
        assert!(throttle.resume());
        assert!(!throttle.resume(), "it was going before");
    };
    tokio::join!(waits, resumes);
    let heard = job.ear.heard();
    let of_the_hold = [Heard::Held(Cause::Pause), Heard::Released(Cause::Pause)];
    for wanted in &of_the_hold {
        assert_eq!(
            heard.iter().filter(|heard| *heard == wanted).count(),
            1,
            "{heard:?}"
        );
    }
    // Whoever waits leaves at once when the run is asked to stop.
    throttle.pause();
    let stops = async {
        while throttle.figures().hold.is_none() {
            tokio::task::yield_now().await;
        }
        stop.stop();
    };
    let (refused, ()) = tokio::join!(pools.turn(CHUNK), stops);
    assert_eq!(refused.expect_err("it stops").kind(), ErrorKind::Stopped);
    assert_eq!(throttle.figures().hold, None);
}

#[tokio::test]
async fn reads_wait_for_the_hours_and_a_person_may_ignore_them() {
    let server = Server::start().await;
    let job = Job::of(server, 20, "").await;
    let stop = StopSignal::new();
    let pools = job.pools(Ceilings::default(), &stop, Some(TimeDelta::hours(1)));
    let throttle = &pools.throttle;
    let opens = job.clock.now() + TimeDelta::hours(1);
    let passes = async {
        while throttle.figures().hold.is_none() {
            tokio::task::yield_now().await;
        }
        let hold = throttle.figures().hold.expect("it is held");
        assert_eq!((hold.cause, hold.until), (Cause::Hours, Some(opens)));
        job.clock.pass(Duration::from_secs(3_600));
    };
    let (turn, ()) = tokio::join!(pools.turn(CHUNK), passes);
    pools.end(turn.expect("it begins when they open"));

    drop(pools);
    let pools = job.pools(Ceilings::default(), &stop, Some(TimeDelta::hours(1)));
    let ignores = Tuning {
        ignore_hours: Some(true),
        ..Tuning::default()
    };
    pools.throttle.tune(ignores);
    pools.end(pools.turn(CHUNK).await.expect("it begins at once"));
}

#[tokio::test]
async fn tuned_workers_begin_at_once() {
    let server = Server::start().await;
    let job = Job::of(server, 20, "").await;
    let pools = job.pools(Ceilings::default(), &StopSignal::new(), None);
    let throttle = &pools.throttle;
    let first = pools.turn(CHUNK).await.expect("a read begins");
    let second = pools.turn(CHUNK).await.expect("a second begins");
    let tunes = async {
        throttle.more_workers_than(2).await;
        assert_eq!(throttle.max_workers(), 3);
    };
    let waits = async {
        let tuned = async {
            throttle.tune(Tuning {
                max_workers: Some(3),
                ..Tuning::default()
            });
        };
        tokio::join!(pools.turn(CHUNK), tuned).0.expect("a third begins")
    };
    let (third, ()) = tokio::join!(waits, tunes);
    assert_eq!(throttle.figures().reading, 3);
    for turn in [first, second, third] {
        pools.end(turn);
    }
    assert_eq!(job.ear.decided(), [Decided::Tuned]);
}
