//! Scope to the page with the program: `sync serve` beside runs, and the page of a run that is going.

use std::net::SocketAddr;

use testkit::http::{Stream, get, get_with};
use testkit::{Ended, Project, job};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

const TOKEN: &str = "0123456789-0123456789-0123456789";

/// The address that a child says it serves the page at.
async fn address(child: &mut Child) -> SocketAddr {
    let stderr = child.stderr.as_mut().expect("it is piped");
    let mut lines = BufReader::with_capacity(1, stderr).lines();
    while let Some(line) = lines.next_line().await.expect("it is text") {
        if let Some((_, rest)) = line.split_once("page: http://") {
            let (address, _) = rest.split_once('/').expect("an address");
            return address.parse().expect("an address");
        }
    }
    panic!("it said no address");
}

/// The page of a project, as long as the child lives.
pub(crate) async fn serve(project: &Project, more: &[&str]) -> (Child, SocketAddr) {
    let mut child = project.spawn(&[&["serve", "--listen", "127.0.0.1:0"], more].concat());
    let address = address(&mut child).await;
    (child, address)
}

/// The page at the address that the configuration names, as long as the child lives.
pub(crate) async fn serve_as_configured(project: &Project) -> (Child, SocketAddr) {
    let mut child = project.spawn(&["serve"]);
    let address = address(&mut child).await;
    (child, address)
}

/// What a page says once it says this; it is a second old at most.
async fn until(address: SocketAddr, words: &str) -> String {
    loop {
        let page = get(address, "/").await.expect(200).body;
        if page.contains(words) {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_beside_an_open_page_and_is_seen_to_go_and_to_end() {
    let Some((server, project)) = job::october("a_run_begins_beside_an_open_page").await else {
        return;
    };
    let (page, address) = serve(&project, &[]).await;
    let first = until(address, "No run has been here").await;
    let (source, target) = (
        format!("{}.dbo on ", server.source),
        format!("{}.dbo on ", server.target),
    );
    let ends = &first[first.find("<p class=\"ends\">").expect("it names them")..];
    assert!(ends.contains(&source) && ends.contains(&target), "{ends}");
    let mut live = Stream::open(address, "/events").await;
    live.until("event: fragment").await;
    live.forget();

    let rule = job::commit().nth(3).stalls(&server);
    let run = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    live.until("T 2025-10: loading").await;
    until(address, "A run is going").await;
    let window = get(address, "/window?table=T&window=2025-10").await.expect(200);
    assert!(window.body.contains('T'), "{window:?}");
    live.forget();
    server.faults().remove(rule);
    Ended::of(run).await.expect(0);
    live.until("T 2025-10: complete").await;
    let metrics = get(address, "/metrics").await.expect(200);
    let loaded = "sync_rows_loaded_total{table=\"T\"} 300";
    assert!(metrics.body.contains(loaded), "{metrics:?}");
    assert_eq!(
        metrics.header("Content-Type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for path in ["/runs", "/next", "/reconcile", "/readyz"] {
        get(address, path).await.expect(200);
    }

    // A rebuild replaces the file, and `forget` changes it.
    project
        .sync(&["forget", "--table", "T", "--month", "2025-10", "--yes"])
        .await
        .expect(0);
    project.sync(&["rebuild"]).await.expect(0);
    project.sync(&RUN).await.expect(0);
    until(address, "T 2025-10: complete").await;

    // A run that was killed leaves a file that the next look repairs.
    let rule = job::commit().nth(2).stalls(&server);
    project
        .sync(&["forget", "--table", "T", "--month", "2025-10", "--yes"])
        .await
        .expect(0);
    let mut killed = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    killed.kill().await.expect("it is killed");
    until(address, "T 2025-10: planned").await;
    server.faults().clear();
    project.sync(&RUN).await.expect(0);
    drop(page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_serves_its_page_as_long_as_it_goes() {
    let Some((server, project)) = job::october("a_run_serves_its_page_as_long_as_it_goes").await else {
        return;
    };
    let rule = job::commit().nth(3).stalls(&server);
    let mut run = project.spawn(&[&RUN[..], &["--serve=127.0.0.1:0"]].concat());
    let at = address(&mut run).await;
    server.faults().wait_fired(rule, 1).await;
    until(at, "A run is going").await;
    let live = Stream::open(at, "/events").await;
    server.faults().remove(rule);
    Ended::of(run).await.expect(0);
    live.to_the_end().await;
    assert!(
        tokio::net::TcpStream::connect(at).await.is_err(),
        "it ended with the run"
    );
}

/// A run that cannot have its page says so, and does its work.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_ends_serve_and_no_run() {
    let Some((server, project)) = job::october("a_port_that_is_taken_ends_serve_and_no_run").await else {
        return;
    };
    let (_page, address) = serve(&project, &[]).await;
    let taken = address.to_string();
    let refused = project.sync(&["serve", "--listen", &taken]).await.expect(2);
    assert!(
        refused.stderr.contains(&format!("cannot be served at {taken}")),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("--listen"), "{refused:?}");
    let run = project
        .sync(&[&RUN[..], &["--serve", &taken]].concat())
        .await
        .expect(0);
    assert!(run.stderr.contains("the run goes on without it"), "{run:?}");
    server.assert_equal("dbo.T", "dbo.t_T").await;
    // Of the configuration, too.
    project
        .home
        .configure_too(&format!("\n[serve]\nlisten = \"{taken}\"\n"));
    project
        .sync(&["serve"])
        .await
        .expect(2)
        .says("another program listens");
    project
        .sync(&[&RUN[..], &["--serve"]].concat())
        .await
        .expect(0)
        .says("the run goes on without it");
    // What would be open to all is refused before the run begins.
    let all = "0.0.0.0:0";
    let open = project.sync(&["serve", "--listen", all]).await.expect(2);
    open.says("has no token");
    let open = project.sync(&[&RUN[..], &["--serve", all]].concat()).await;
    open.expect(2).says("has no token");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_with_0() {
    let server = testkit::Server::start().await;
    let project = Project::new(&server, testkit::project::T_MONTHLY);
    for name in ["-INT", "-TERM"] {
        let (page, address) = serve(&project, &["--log", "json"]).await;
        let live = Stream::open(address, "/events").await;
        let pid = page.id().expect("it runs").to_string();
        let mut kill = std::process::Command::new("kill");
        let sent = testkit::program::start_blocking(kill.args([name, &pid])).and_then(|mut kill| kill.wait());
        assert!(sent.expect("kill is there").success());
        Ended::of(page).await.expect(0);
        live.to_the_end().await;
    }
}

/// A configuration that is wrong is told by the page, and keeps nobody from what the state file has; [serve] itself counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_read_does_not_end_the_page() {
    let Some((_server, project)) =
        job::october("a_configuration_that_cannot_be_read_does_not_end_the_page").await
    else {
        return;
    };
    project.sync(&RUN).await.expect(0);
    project.configure("[run]", "[run]\nmax_wrokers = 2");
    let (page, address) = serve(&project, &[]).await;
    until(address, "T 2025-10: complete").await;
    drop(page);
    for (lines, says) in [
        ("token = \"short\"", "is shorter than 16 bytes"),
        ("listen = \"localhost\"", "must be an address and a port"),
        ("hosts = [\"http://vm/\"]", "a name or an address without a port"),
        ("tokne = \"x\"", "did you mean `token`?"),
        ("token = \"${NO_SUCH_VARIABLE}\"", "NO_SUCH_VARIABLE is not set"),
    ] {
        let before = project.home.read("sync.toml");
        project.home.configure_too(&format!("\n[serve]\n{lines}\n"));
        project
            .sync(&["serve", "--listen", "127.0.0.1:0"])
            .await
            .expect(2)
            .says(says);
        project.home.write("sync.toml", before);
    }
    // No configuration at all: the state file is named.
    std::fs::remove_file(project.home.path("sync.toml")).expect("it is there");
    let (_page, address) = serve(&project, &["--state", "state/checkpoints.redb"]).await;
    let page = until(address, "T 2025-10: complete").await;
    assert!(
        page.contains("State file <code>state/checkpoints.redb</code>"),
        "{page}"
    );
    let next = get(address, "/next").await.expect(200).body;
    assert!(
        next.contains(">sync --state state/checkpoints.redb run --start-date "),
        "{next}"
    );
}

/// The token is in no page, no log and no message; nor is a password of an end.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told() {
    let Some((_server, project)) = job::october("no_secret_is_told").await else {
        return;
    };
    project.sync(&RUN).await.expect(0);
    project
        .home
        .configure_too("\n[serve]\ntoken = \"${SERVE_TOKEN}\"\n");
    project.home.write(".env", format!("SERVE_TOKEN={TOKEN}\n"));
    let mut page = project.spawn(&["serve", "--listen", "127.0.0.1:0", "-vv", "--log", "json"]);
    let address = address(&mut page).await;
    let bearer = format!("Bearer {TOKEN}");
    let mut told = String::new();
    get(address, "/").await.expect(401);
    get_with(address, "/", &[("Authorization", &format!("{bearer}x"))])
        .await
        .expect(401);
    for path in [
        "/",
        "/window?table=T&window=2025-10",
        "/next",
        "/runs",
        "/reconcile",
        "/readyz",
        "/nothing",
    ] {
        told.push_str(&format!(
            "{:?}",
            get_with(address, path, &[("Authorization", &bearer)]).await
        ));
    }
    assert!(told.contains("T 2025-10: complete"), "{told}");
    page.start_kill().expect("it is killed");
    let mut stderr = String::new();
    let pipe = page.stderr.as_mut().expect("it is piped");
    pipe.read_to_string(&mut stderr).await.expect("it is text");
    told.push_str(&stderr);
    let state = std::fs::read(project.state()).expect("it is there");
    told.push_str(&String::from_utf8_lossy(&state));
    for secret in [TOKEN, project.password()] {
        assert!(secret.is_empty() || !told.contains(secret), "{told}");
    }
}
