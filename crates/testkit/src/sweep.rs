//! A job that dies at each of its durable steps: the counting of the steps, and the going through them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Project, Server};

/// Cases at once: each has a server of its own, and the machines that run this have two cores.
pub const LANES: usize = 2;

/// The names of the steps of a command that nothing disturbs.
pub async fn steps(project: &Project, command: &[&str]) -> Vec<String> {
    let log = project.home.path("steps");
    let path = log.to_str().expect("a path of text");
    project
        .sync_with(command, &[("SYNC_FAILPOINT_LOG", path)])
        .await
        .expect(0);
    project.home.read("steps").lines().map(str::to_owned).collect()
}

/// Runs every case on one of the servers. `dies` returns the server and whether the step was reached: two workers take
/// turns as they like, and a run may have a step less than the one that was counted.
pub async fn sweep<C, F>(
    servers: Vec<Server>,
    cases: Vec<C>,
    dies: impl Fn(Server, C) -> F + Clone + Send + 'static,
) where
    C: Clone + Send + Sync + 'static,
    F: Future<Output = (Server, bool)> + Send,
{
    let lanes = servers.len();
    let cases = Arc::new(cases);
    let next = Arc::new(AtomicUsize::new(0));
    let mut running = tokio::task::JoinSet::new();
    for mut server in servers {
        let (cases, next, dies) = (Arc::clone(&cases), Arc::clone(&next), dies.clone());
        running.spawn(async move {
            let mut died = 0;
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let reached;
                (server, reached) = dies(server, case.clone()).await;
                died += usize::from(reached);
            }
            died
        });
    }
    let mut died = 0;
    while let Some(lane) = running.join_next().await {
        died += lane.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
    println!("{died} deaths at {} steps, no row lost, none twice", cases.len());
    assert!(
        died + 4 * lanes >= cases.len(),
        "only {died} of {} steps were reached",
        cases.len()
    );
}
