//! Scope to the socket of a run by itself: the time and the number of its clients, and its end.
#![cfg(unix)]

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mssql_sync::base::clock::{Clock, SharedClock, SystemClock};
use mssql_sync::checkpoint::Store;
use mssql_sync::control::{Ask, Desk, Server, Unheard, Work, ask, serve};
use mssql_sync::governor::{Parts, Reins, Throttle};
use mssql_sync::model::pace::Ceilings;
use mssql_sync::progress::Silent;
use testkit::clock::leaping;
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};

/// Clients that a server hears at once.
const CLIENTS_MAX: usize = 8;

/// Longer than any answer takes on the slowest machine.
const LONG: Duration = Duration::from_secs(60);

/// A clock whose waits end when it is told so.
#[derive(Debug)]
struct Still {
    waits: watch::Sender<usize>,
    over: Notify,
}

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self) -> u128 {
        1
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let over = self.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            self.waits.send_modify(|waits| *waits += 1);
            over.await;
        })
    }
}

/// A server beside a store of its own.
fn begin(state: &Path, clock: &SharedClock) -> (Server, Arc<Throttle>) {
    let store = Arc::new(Store::create_or_open(state).expect("a store"));
    let reins = Reins::new();
    let throttle = Arc::new(Throttle::new(Parts {
        clock: Arc::clone(clock),
        stop: reins.stop.clone(),
        store: Arc::clone(&store),
        progress: Arc::new(Silent),
        meter: Arc::default(),
        ceilings: Ceilings::default(),
        max_workers: 2,
        chunk_rows: 100,
        closed_until: None,
        ignores_hours: false,
    }));
    reins.give(&throttle);
    let desk = Desk {
        work: Work {
            command: "run".to_owned(),
            reads_source: true,
            run_id: 7,
            process_id: 8,
        },
        reins,
        progress: Arc::new(Silent),
        clock: Arc::clone(clock),
    };
    (serve(store, desk).expect("a socket"), throttle)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_are_let_go_in_time_and_then_others_are_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("store");
    let still = Arc::new(Still {
        waits: watch::Sender::new(0),
        over: Notify::new(),
    });
    let clock: SharedClock = Arc::clone(&still) as SharedClock;
    let (server, throttle) = begin(&state, &clock);
    let mut silent = Vec::new();
    for _ in 0..CLIENTS_MAX {
        let client = UnixStream::connect(directory.path().join("store.sock")).await;
        silent.push(client.expect("it listens"));
    }
    let mut waits = still.waits.subscribe();
    waits
        .wait_for(|waits| *waits == CLIENTS_MAX)
        .await
        .expect("the clock is there");
    let asking = tokio::spawn({
        let state = state.clone();
        async move { ask(&state, Ask::Pause, &SystemClock::shared(), LONG).await }
    });
    still.over.notify_waiters();
    for mut client in silent {
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.expect("it is closed");
        assert!(said.is_empty());
    }
    let done = asking.await.expect("it ends").expect("it is heard");
    assert!(done.changed && done.now.is_paused && throttle.figures().is_paused);

    server.end().await;
    assert!(!directory.path().join("store.sock").exists());
    let after = ask(&state, Ask::Figures, &SystemClock::shared(), LONG).await;
    assert!(matches!(after, Err(Unheard::Nobody)), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("store");
    let _deaf = UnixListener::bind(directory.path().join("store.sock")).expect("the place is free");
    let heard = ask(&state, Ask::Pause, &leaping(Duration::ZERO), LONG).await;
    assert!(matches!(heard, Err(Unheard::Silent)), "{heard:?}");
}
