//! `docs/monitoring/` held to the program and to Prometheus itself: the text by `promtool`, the rules by their own tests, and
//! each query of dashboard and alerts by a Prometheus that has scraped a project.
//!
//! Without `promtool` and `prometheus` on the path these tests print that they were skipped. With
//! `SYNC_REQUIRE_PROMETHEUS=1` that is a failure.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mssql_sync::base::clock::SystemClock;
use mssql_sync::metrics::render;
use serde_json::Value;
use testkit::{Ended, Home, Project, Server, job, program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A Prometheus on a busy machine has started and scraped by then.
const PATIENCE: Duration = Duration::from_secs(120);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring")
}

fn document(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Starts a tool of Prometheus; `None` if it is not there.
fn start(tool: &str, arguments: &[&str], place: &Path) -> Option<Child> {
    let mut command = Command::new(tool);
    command
        .args(arguments)
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    match program::start(&mut command) {
        Ok(child) => Some(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let required = std::env::var("SYNC_REQUIRE_PROMETHEUS").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "SYNC_REQUIRE_PROMETHEUS=1, but there is no {tool} on the path (package prometheus)"
            );
            eprintln!("Skipped: there is no {tool} on the path (package prometheus)");
            None
        }
        Err(error) => panic!("{tool} could not be started: {error}"),
    }
}

/// Runs `promtool`; false if it is not there.
async fn promtool(arguments: &[&str], place: &Path, stdin: &str) -> bool {
    let Some(mut child) = start("promtool", arguments, place) else {
        return false;
    };
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(stdin.as_bytes()).await.expect("it reads");
    drop(input);
    Ended::of(child).await.expect(0);
    true
}

async fn text(state: &Path) -> String {
    render(state, None, &SystemClock::shared())
        .await
        .expect("the metrics")
}

/// The names of metrics in a text: words that begin with `sync_`.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("sync_"));
    names.map(str::to_owned).collect()
}

/// The names of the families in a text of metrics.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let name = |line: &str| line.split(' ').next().map(str::to_owned);
    types.filter_map(name).collect()
}

/// The queries of the dashboard, with the titles of their panels, as Grafana sends them.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut queries = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().expect("targets") {
            let mut query = target["expr"].as_str().expect("a query").to_owned();
            for (variable, value) in [
                ("$__rate_interval", "1h"),
                ("$__range", "1h"),
                ("$job", ".*"),
                ("$instance", ".*"),
                ("$table", ".*"),
            ] {
                query = query.replace(variable, value);
            }
            assert!(!query.contains('$'), "a variable without a value: {query}");
            queries.push((panel["title"].to_string(), query));
        }
    }
    assert!(queries.len() >= panels.len(), "a panel without a query");
    queries
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).expect("JSON");
    assert!(
        dashboard["schemaVersion"].as_u64() >= Some(39),
        "Grafana 10 or later"
    );
    assert!(dashboard["uid"].is_string());
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "job", "instance", "table"]);
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its number is taken");
        assert!(panel["description"].is_string(), "{title}");
        for of in [panel, &panel["targets"][0]] {
            assert_eq!(of["datasource"]["uid"], "${datasource}", "{title}");
        }
        let at = |field: &str| panel["gridPos"][field].as_u64().expect("a number");
        assert!(at("x") + at("w") <= 24, "{title} is too wide");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} lies on another");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_explained_and_every_one_that_is_asked_for_exists() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let families = families(&text(&project.state()).await);
    assert!(families.len() > 15, "{families:?}");
    let explained = names(&document("README.md"));
    for family in &families {
        assert!(explained.contains(family), "README.md does not explain {family}");
    }
    for file in [
        "README.md",
        "alerts.yml",
        "alerts_test.yml",
        "grafana-dashboard.json",
    ] {
        for name in names(&document(file)) {
            let family = name.strip_suffix("_bucket").unwrap_or(&name);
            assert!(
                families.contains(family),
                "{file} names {name}, which does not exist"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_in_the_text_the_rules_and_the_example() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let text = text(&project.state()).await;
    let place = Home::empty();
    for text in [text, self::text(&place.path("nothing.redb")).await] {
        // It also finds what is not wrong and not usual: names without a unit, counters that do not end in _total.
        if !promtool(&["check", "metrics"], place.directory(), &text).await {
            return;
        }
    }
    promtool(&["check", "rules", "alerts.yml"], &folder(), "").await;
    promtool(&["test", "rules", "alerts_test.yml"], &folder(), "").await;
    for file in ["prometheus.yml", "alerts.yml"] {
        place.write(file, document(file));
    }
    place.write("sync.token", "a token");
    promtool(&["check", "config", "prometheus.yml"], place.directory(), "").await;
}

#[test]
fn each_alert_is_tried_and_explained() {
    let rules = document("alerts.yml");
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 10, "{alerts:?}");
    let tests = document("alerts_test.yml");
    let readme = document("README.md");
    for alert in alerts {
        let tried = format!("alertname: {alert}\n        exp_alerts:");
        assert!(tests.contains(&tried), "no test in which {alert} comes");
        assert!(readme.contains(alert), "README.md does not explain {alert}");
    }
}

/// A Prometheus that scrapes a page each second.
struct Prometheus {
    address: String,
    _child: Child,
    _home: Home,
}

impl Prometheus {
    /// `None` if there is none on this machine.
    async fn start(page: SocketAddr) -> Option<Prometheus> {
        let home = Home::empty();
        home.write(
            "prometheus.yml",
            format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
                 rule_files: [alerts.yml]\n\
                 scrape_configs:\n- job_name: sync\n  static_configs: [{{targets: [\"{page}\"]}}]\n"
            ),
        );
        home.write("alerts.yml", document("alerts.yml"));
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let listen = format!("--web.listen-address={address}");
        let arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            &listen,
            "--log.level=error",
        ];
        let child = start("prometheus", &arguments, home.directory())?;
        Some(Prometheus {
            address,
            _child: child,
            _home: home,
        })
    }

    /// The scrapes that it has kept.
    async fn scrapes(&self) -> u64 {
        let found = self.query("count_over_time(up[1h])").await;
        let count = found.first().and_then(|sample| sample["value"][1].as_str());
        count.map_or(0, |count| count.parse().expect("a number"))
    }

    /// Waits until it holds what the page has now: the second scrape from here has begun after this.
    async fn scrape(&self) {
        let from = self.scrapes().await;
        let scraped = async {
            while self.scrapes().await < from + 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, scraped).await.expect("it scrapes");
    }

    /// What its API answers.
    async fn ask(&self, path: &str) -> Value {
        let request = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        loop {
            let mut answer = String::new();
            if let Ok(mut stream) = TcpStream::connect(&self.address).await {
                stream.write_all(request.as_bytes()).await.expect("it reads");
                stream.read_to_string(&mut answer).await.expect("it answers");
            }
            // It begins to listen, and then to answer, after it was started.
            match answer.split_once("\r\n\r\n") {
                Some((head, body)) if !head.contains(" 503 ") => {
                    return serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
                }
                _ => tokio::task::yield_now().await,
            }
        }
    }

    /// The samples that a query has now.
    async fn query(&self, query: &str) -> Vec<Value> {
        let escape = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        let escaped: String = query.bytes().map(escape).collect();
        let mut answer = self.ask(&format!("query?query={escaped}")).await;
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let result = answer["data"]["result"].take();
        result.as_array().expect("a list").clone()
    }

    /// Scrapes until a query has samples.
    async fn until(&self, query: &str) {
        for _ in 0..20 {
            self.scrape().await;
            if !self.query(query).await.is_empty() {
                return;
            }
        }
        panic!("{query} has no sample");
    }
}

/// The project whose metrics are scraped: first October is loaded, then the rest, and a row is changed by hand.
async fn go_on(server: &Server, project: &Project) {
    job::run(project).await.expect(0);
    server
        .at_target("UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 31")
        .await;
    project.sync(&["reconcile"]).await.expect(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_has_scraped_answers_each_query() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let (_page, page) = crate::serve::serve(&project, &[]).await;
    let Some(prometheus) = Prometheus::start(page).await else {
        return;
    };
    prometheus.until("sync_build_info").await;
    go_on(&server, &project).await;
    prometheus
        .until("increase(sync_mismatches_total{table=\"SALES\"}[1h]) > 0")
        .await;

    for (panel, query) in queries() {
        // What is shown only where it is not 0 need not be there.
        let query = match query.strip_suffix(" > 0") {
            Some(all) => format!("{all} >= 0"),
            None => query,
        };
        let found = prometheus.query(&query).await;
        assert!(!found.is_empty(), "{panel}: {query}");
    }
    let loaded = prometheus.query("sync_rows_loaded_total{table=\"SALES\"}").await;
    assert_eq!(loaded[0]["value"][1], "240", "{loaded:?}");
    let reads = prometheus
        .query("histogram_quantile(0.5, sync_chunk_stage_duration_seconds_bucket{stage=\"read\"})")
        .await;
    assert_ne!(reads[0]["value"][1], "NaN", "{reads:?}");

    prometheus
        .until("ALERTS{alertname=\"SyncMismatch\", alertstate=\"firing\"}")
        .await;
    let rules = prometheus.ask("rules").await;
    let rules = rules["data"]["groups"][0]["rules"]
        .as_array()
        .expect("rules")
        .clone();
    assert!(rules.len() >= 10, "{rules:?}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        // All is done, but for the row that was changed.
        let expected = rule["name"] == "SyncMismatch";
        assert_eq!(rule["state"] != "inactive", expected, "{rule}");
    }
}
