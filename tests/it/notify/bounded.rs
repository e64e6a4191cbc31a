//! What bounds notices, on the test's own time: attempts, answers, commands, and the end of a run.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mssql_sync::base::clock::{Clock, SharedClock};
use mssql_sync::base::error::{Error, ErrorKind};
use mssql_sync::base::exit_code::ExitCode;
use mssql_sync::base::secret::Secret;
use mssql_sync::config::{NoticeEvent, NoticeFormat, Notify};
use mssql_sync::model::pace::{Cause, Hold};
use mssql_sync::notify::{About, Notifier};
use mssql_sync::progress::Event;
use testkit::clock::Passing;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::{Answer, Receiver};

/// The time that a URL has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The test's own time. A wait between two attempts is over once the test permits one more; a time limit, which is of whole
/// seconds, once so much time has passed.
#[derive(Debug)]
struct Gate {
    time: Arc<Passing>,
    waits: watch::Sender<usize>,
    limits: watch::Sender<Vec<Duration>>,
    permits: Semaphore,
}

impl Clock for Gate {
    fn now(&self) -> DateTime<Utc> {
        self.time.now()
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }

    fn random(&self) -> u128 {
        255
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        if wait.subsec_nanos() == 0 {
            let limit = self.time.sleep(wait);
            self.limits.send_modify(|limits| limits.push(wait));
            return limit;
        }
        Box::pin(async move {
            self.waits.send_modify(|waits| *waits += 1);
            self.permits.acquire().await.expect("it is open").forget();
            self.time.pass(wait);
        })
    }
}

/// A notifier on the test's own time.
struct Job {
    clock: Arc<Gate>,
    notifier: Arc<Notifier>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Job {
    /// So many waits between attempts are over at once.
    fn start(settings: &Notify, permits: usize) -> Job {
        let clock = Arc::new(Gate {
            time: Passing::new(Duration::ZERO),
            waits: watch::Sender::new(0),
            limits: watch::Sender::new(Vec::new()),
            permits: Semaphore::new(permits),
        });
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&warnings);
        let about = About {
            command: "run".to_owned(),
            run_id: 7,
            host: "vm".to_owned(),
            config: "sync.toml".to_owned(),
        };
        let shared: SharedClock = Arc::clone(&clock) as SharedClock;
        let notifier = Notifier::start(settings, about, shared, move |text| {
            into.lock().expect("nobody panicked").push(text.to_owned());
        });
        Job {
            clock,
            notifier: Arc::new(notifier),
            warnings,
        }
    }

    fn tell(&self, event: Event<'_>) {
        self.notifier.progress().event(event);
    }

    /// Ends the command beside the test.
    fn end(&self) -> tokio::task::JoinHandle<()> {
        let notifier = Arc::clone(&self.notifier);
        tokio::spawn(async move { notifier.end(ExitCode::Done, None).await })
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("nobody panicked").clone()
    }

    /// Waits until so many time limits have begun.
    async fn limits(&self, count: usize) {
        let mut limits = self.clock.limits.subscribe();
        limits
            .wait_for(|limits| limits.len() >= count)
            .await
            .expect("it is there");
    }

    /// Lets minutes pass until a URL is asked once more.
    async fn pass_until_asked(&self) {
        let asked = || {
            self.clock
                .limits
                .borrow()
                .iter()
                .filter(|limit| **limit == ANSWER)
                .count()
        };
        let before = asked();
        while asked() == before {
            self.clock.time.pass(Duration::from_secs(60));
            tokio::task::yield_now().await;
        }
    }
}

fn settings(on: &[NoticeEvent]) -> Notify {
    Notify {
        url: None,
        authorization: None,
        format: NoticeFormat::Json,
        command: None,
        on: on.to_vec(),
        waiting: Duration::from_secs(30 * 60),
        variables: Vec::new(),
    }
}

fn to(receiver: &Receiver, on: &[NoticeEvent]) -> Notify {
    Notify {
        url: Some(Secret::new(receiver.url("/a"))),
        ..settings(on)
    }
}

fn events(receiver: &Receiver) -> Vec<String> {
    let heard = receiver.heard();
    let events = heard
        .iter()
        .map(|heard| heard.json()["event"].as_str().expect("an event").to_owned());
    events.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_asked_again() {
    let answers = [Answer::Status(500), Answer::Status(429), Answer::Status(503)];
    let receiver = Receiver::start(answers).await;
    let job = Job::start(&to(&receiver, &[NoticeEvent::Success]), 3);
    job.end().await.expect("it ends");
    assert_eq!(events(&receiver), ["success"; 4]);
    assert_eq!(job.warnings(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_late_gets_the_notice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let url = Secret::new(format!("http://127.0.0.1:{port}/a"));
    let settings = Notify {
        url: Some(url),
        ..settings(&[NoticeEvent::Start])
    };
    let job = Job::start(&settings, 2);
    let mut waits = job.clock.waits.subscribe();
    waits.wait_for(|waits| *waits == 3).await.expect("it is there");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("it is free");
    let receiver = Receiver::on(listener, None, []);
    job.clock.permits.add_permits(1);
    receiver.wait(1).await;
    assert_eq!(events(&receiver), ["start"]);
    job.end().await.expect("it ends");
    assert_eq!(job.warnings(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_given_up_after_a_minute() {
    let receiver = Receiver::start(vec![Answer::Status(500); 1000]).await;
    let job = Job::start(&to(&receiver, &[NoticeEvent::Start]), 1000);
    while job.warnings().is_empty() {
        tokio::task::yield_now().await;
    }
    let asked = receiver.heard().len();
    assert!((5..15).contains(&asked), "{asked} attempts");
    let minute = Duration::from_secs(60)..Duration::from_secs(95);
    assert!(
        minute.contains(&job.clock.monotonic()),
        "{:?}",
        job.clock.monotonic()
    );
    assert!(
        job.warnings()[0].contains("answers with status 500"),
        "{:?}",
        job.warnings()
    );
    job.end().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_does_not_hold_up_the_end() {
    let receiver = Receiver::start(vec![Answer::Never; 1000]).await;
    let job = Job::start(&to(&receiver, &[NoticeEvent::Start, NoticeEvent::Success]), 0);
    receiver.wait(1).await;
    // The run goes on meanwhile: telling it does not wait.
    for _ in 0..1000 {
        job.tell(Event::Back { away: Duration::ZERO });
    }
    let ended = job.end();
    // The first notice's answer and the time for it: it is given up, and the last one is sent.
    job.limits(2).await;
    job.clock.time.pass(Duration::from_secs(3));
    receiver.wait(2).await;
    job.limits(4).await;
    job.clock.time.pass(Duration::from_secs(7));
    ended.await.expect("it ends");
    assert_eq!(job.clock.monotonic(), Duration::from_secs(10));
    let warnings = job.warnings();
    assert!(
        warnings[0].starts_with("Earlier notices were given up") && warnings[0].ends_with(": `start`"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("`success` was not delivered: it took longer than 7 s"),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hangs_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pid");
    let script = format!(
        "echo $$ > {0}.new && mv {0}.new {0} && exec sleep 100000",
        path.display()
    );
    let command = ["sh", "-c", &script].map(ToOwned::to_owned);
    let settings = Notify {
        command: Some(command.to_vec()),
        ..settings(&[NoticeEvent::Start])
    };
    let job = Job::start(&settings, 0);
    while !path.exists() {
        tokio::task::yield_now().await;
    }
    let pid = std::fs::read_to_string(&path)
        .expect("a file")
        .trim()
        .parse()
        .expect("a number");
    assert_eq!(mssql_sync::base::process::is_alive(pid), Some(true));
    job.clock.time.pass(Duration::from_secs(10));
    while job.warnings().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(
        job.warnings()[0].contains("was killed, because it took longer than 10 s"),
        "{:?}",
        job.warnings()
    );
    while mssql_sync::base::process::is_alive(pid) == Some(true) {
        tokio::task::yield_now().await;
    }
    job.end().await.expect("it ends");
}

/// What a hold of this cause is told as, now.
fn held(job: &Job, cause: Cause) {
    job.tell(Event::Held {
        hold: &Hold {
            cause,
            since: job.clock.now(),
            until: None,
            detail: "for a reason".to_owned(),
        },
    });
}

/// Lets all that can be done be done. There is one thread, and what is sent on this machine is there at once.
async fn settle() {
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_wait_is_told_once_it_is_long_and_once_it_is_over() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let receiver = Receiver::start([]).await;
    let job = Job::start(&to(&receiver, &[NoticeEvent::Waiting]), 1000);
    let time = &job.clock.time;
    // Its hours are what a person wanted, and a short wait is nothing to tell.
    held(&job, Cause::Hours);
    time.pass(minutes(600));
    held(&job, Cause::Lag);
    time.pass(minutes(29));
    job.tell(Event::Released {
        cause: Cause::Lag,
        waited: minutes(29),
    });
    held(&job, Cause::Pause);
    time.pass(minutes(29));
    // It is told again now and then.
    held(&job, Cause::Pause);
    job.pass_until_asked().await;
    receiver.wait(1).await;
    settle().await;
    time.pass(minutes(100));
    job.tell(Event::Released {
        cause: Cause::Pause,
        waited: minutes(130),
    });
    receiver.wait(2).await;
    settle().await;
    // Two workers meet the same outage.
    let error = Error::new(ErrorKind::Connection, "Nobody listens");
    for wait in [1, 2, 30, 30] {
        let wait = Duration::from_secs(wait);
        job.tell(Event::Retrying {
            table: "T",
            window: None,
            attempt: 1,
            wait,
            away: Some(wait),
            error: &error,
        });
    }
    job.pass_until_asked().await;
    receiver.wait(3).await;
    settle().await;
    job.tell(Event::Back { away: minutes(30) });
    job.tell(Event::Back { away: minutes(30) });
    receiver.wait(4).await;
    settle().await;
    job.end().await.expect("it ends");
    let waits: Vec<_> = receiver
        .heard()
        .iter()
        .map(|heard| heard.json()["wait"].clone())
        .collect();
    let told: Vec<(&str, bool)> = waits
        .iter()
        .map(|wait| {
            (
                wait["cause"].as_str().expect("a cause"),
                wait["is_over"].as_bool().expect("yes or no"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("pause", false),
            ("pause", true),
            ("outage", false),
            ("outage", true)
        ]
    );
    let lasted = |at: usize| waits[at]["waited_ms"].as_u64().expect("a number") / 60_000;
    assert!(
        lasted(0) >= 30 && lasted(1) >= 130 && lasted(2) >= 30,
        "{waits:?}"
    );
    assert_eq!(waits[2]["detail"], "Nobody listens");
}
