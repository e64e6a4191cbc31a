//! Whatever happens in whatever order, a copy is what its receipts say and its receipts are what the source was.
//!
//! Random lives of a small job (runs, deaths at any step, rows that come, change, move and go at the source, hands on
//! the target, lost and rebuilt state files) are held to an oracle that shares no code with the engine. After every
//! command: a chunk whose receipt is new holds the rows that the source has now in its range; one whose receipt was
//! there before holds what it held; rows outside of all receipts are only ever old ones. After a run that says it is
//! done, every window asked for is covered by its receipts without a gap, every row it counts is there, and the next
//! run reads no row.
//!
//! `SYNC_MODEL_CASES` is how many lives are lived, `SYNC_MODEL_SEED` which ones; a failure prints the shortest life
//! that shows it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::{Client, Project, Server};

/// Lives that are lived where nobody says how many.
const CASES_DEFAULT: u32 = 40;
/// Lives at once.
const LANES: u32 = 2;
/// Days that rows are dated within, back from today.
const DAYS: u64 = 70;
/// How long after its end a window is compared, which is the configuration's default.
const SETTLE_DAYS: u64 = 35;
/// Rows at the start of a life.
const ROWS: u32 = 24;

const TABLE: &str = "[[table]]\nname = \"T\"\ndate_column = \"D\"";

/// What happens.
#[derive(Debug, Clone)]
enum Act {
    /// A run over all dates.
    Run,
    /// A run over the last month alone.
    RunLate,
    /// A run that dies at a step.
    Die(u32),
    /// Rows come to the source: so many days back, or without a date.
    Insert(Vec<Option<u64>>),
    /// A row's value changes there.
    Change(prop::sample::Index),
    /// A row's date changes there.
    Move(prop::sample::Index, Option<u64>),
    /// A row goes there.
    Delete(prop::sample::Index),
    /// A row goes at the target.
    TargetDelete(prop::sample::Index),
    /// A row's value changes at the target.
    TargetChange(prop::sample::Index),
    /// A row that the source has not comes to the target.
    TargetInsert(Option<u64>),
    /// All rows go at the target.
    Truncate,
    /// The state file goes.
    LoseState,
    /// It is copied away.
    SaveState,
    /// The copy comes back, however old it is.
    RestoreState,
    /// It is made anew.
    Rebuild,
    /// A month is forgotten.
    Forget(u64),
    /// All that is verified is compared at both ends, and what differs is loaded again.
    Reconcile,
}

fn act() -> impl Strategy<Value = Act> {
    let row = any::<prop::sample::Index>;
    let back = || prop::option::weighted(0.8, 0..DAYS);
    prop_oneof![
        4 => Just(Act::Run),
        1 => Just(Act::RunLate),
        6 => (1..110_u32).prop_map(Act::Die),
        3 => vec(back(), 1..6).prop_map(Act::Insert),
        1 => row().prop_map(Act::Change),
        1 => (row(), back()).prop_map(|(row, day)| Act::Move(row, day)),
        1 => row().prop_map(Act::Delete),
        1 => row().prop_map(Act::TargetDelete),
        1 => row().prop_map(Act::TargetChange),
        1 => back().prop_map(Act::TargetInsert),
        1 => Just(Act::Truncate),
        1 => Just(Act::LoseState),
        1 => Just(Act::SaveState),
        1 => Just(Act::RestoreState),
        1 => Just(Act::Rebuild),
        1 => (0..DAYS).prop_map(Act::Forget),
        1 => Just(Act::Reconcile),
    ]
}

/// A row's date, where it has one.
type At = Option<NaiveDateTime>;
type Rows = BTreeMap<i64, (At, i64)>;

/// A receipt as the target has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Receipt {
    start: NaiveDate,
    end: NaiveDate,
    ordinal: i64,
    verified: bool,
    load: String,
    after: Option<(At, i64)>,
    through: Option<(At, i64)>,
    row_count: i64,
}

impl Receipt {
    /// Whether it is of the rows without a date, whose window begins and ends on the last day.
    fn is_undated(&self) -> bool {
        self.start == self.end
    }

    fn covers(&self, id: i64, date: At) -> bool {
        let key = (date, id);
        let day = date.map(|date| date.date());
        day.is_none_or(|day| self.start <= day && day < self.end)
            && day.is_none() == self.is_undated()
            && self.after.is_none_or(|after| key > after)
            && self.through.is_none_or(|through| key <= through)
    }

    fn rows(&self, rows: &Rows) -> Rows {
        rows.iter()
            .filter(|(id, (date, _))| self.covers(**id, *date))
            .map(|(id, row)| (*id, *row))
            .collect()
    }
}

/// A life: the server's source, an own target, and what is known of both.
struct Life<'s> {
    server: &'s Server,
    project: Project,
    today: NaiveDate,
    source: Rows,
    next_id: i64,
    next_value: i64,
    /// The target after the last act.
    target: Rows,
    receipts: Vec<Receipt>,
}

impl Life<'_> {
    fn range(&self, first: NaiveDate) -> [String; 2] {
        // Some days to come belong to the range: the window of this month is open.
        [first.to_string(), (self.today + Days::new(3)).to_string()]
    }

    fn first_day(&self) -> NaiveDate {
        let day = self.today - Days::new(DAYS);
        day.with_day(1).expect("a month has a first day")
    }

    fn last_month(&self) -> NaiveDate {
        let first = self.today.with_day(1).expect("a month has a first day");
        first - Months::new(1)
    }

    /// Rows of day `back`, from today, at an hour that depends on the row.
    fn date(&self, back: Option<u64>, id: i64) -> At {
        let day = self.today - Days::new(1 + back?);
        Some(day.and_hms_opt(0, 0, 0).expect("midnight") + TimeDelta::hours(id % 24))
    }

    fn copy(&self) -> PathBuf {
        self.project.directory.path().join("copy.redb")
    }

    async fn source(&self, sql: String) {
        self.server.at_source(&sql).await;
    }

    async fn insert(&mut self, backs: &[Option<u64>]) {
        let mut values = Vec::new();
        for back in backs {
            let (id, value) = (self.next_id, self.next_value);
            self.next_id += 1;
            self.next_value += 1;
            let date = self.date(*back, id);
            self.source.insert(id, (date, value));
            values.push(format!("({id}, {}, {value})", literal(date)));
        }
        self.source(format!("INSERT INTO dbo.T VALUES {}", values.join(", ")))
            .await;
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Run => self.run(self.first_day()).await,
            Act::RunLate => self.run(self.last_month()).await,
            Act::Die(step) => {
                let [first, last] = self.range(self.first_day());
                let arguments = ["run", "--start-date", &first, "--end-date", &last];
                let step = step.to_string();
                let ended = self
                    .project
                    .sync_with(&arguments, &[("SYNC_FAILPOINT", &step)])
                    .await;
                if ended.code() != -1 {
                    ended.expect(0);
                }
                self.hold().await;
            }
            Act::Insert(backs) => self.insert(backs).await,
            Act::Change(row) => {
                if let Some(id) = pick(&self.source, row) {
                    self.next_value += 1;
                    let value = self.next_value;
                    self.source.entry(id).and_modify(|row| row.1 = value);
                    self.source(format!("UPDATE dbo.T SET V = {value} WHERE ID = {id}"))
                        .await;
                }
            }
            Act::Move(row, back) => {
                if let Some(id) = pick(&self.source, row) {
                    let date = self.date(*back, id);
                    self.source.entry(id).and_modify(|row| row.0 = date);
                    let date = literal(date);
                    self.source(format!("UPDATE dbo.T SET D = {date} WHERE ID = {id}"))
                        .await;
                }
            }
            Act::Delete(row) => {
                if let Some(id) = pick(&self.source, row) {
                    self.source.remove(&id);
                    self.source(format!("DELETE FROM dbo.T WHERE ID = {id}")).await;
                }
            }
            Act::TargetDelete(row) => {
                if let Some(id) = pick(&self.target, row) {
                    self.target.remove(&id);
                    self.touch(format!("DELETE FROM dbo.t_T WHERE ID = {id}")).await;
                }
            }
            Act::TargetChange(row) => {
                if let Some(id) = pick(&self.target, row) {
                    self.target.entry(id).and_modify(|row| row.1 = -1);
                    self.touch(format!("UPDATE dbo.t_T SET V = -1 WHERE ID = {id}"))
                        .await;
                }
            }
            Act::TargetInsert(back) => {
                if !self.receipts.is_empty() {
                    let id = self.next_id;
                    self.next_id += 1;
                    let date = self.date(*back, id);
                    self.target.insert(id, (date, -2));
                    self.touch(format!(
                        "INSERT INTO dbo.t_T VALUES ({id}, {}, -2)",
                        literal(date)
                    ))
                    .await;
                }
            }
            Act::Truncate => {
                if !self.receipts.is_empty() {
                    self.target.clear();
                    self.touch("TRUNCATE TABLE dbo.t_T".to_owned()).await;
                }
            }
            Act::LoseState => {
                // It may not be there yet.
                let _ = std::fs::remove_file(self.project.state());
            }
            Act::SaveState => {
                if self.project.state().exists() {
                    std::fs::copy(self.project.state(), self.copy()).expect("the state file is copied");
                }
            }
            Act::RestoreState => {
                if self.copy().exists() {
                    std::fs::copy(self.copy(), self.project.state()).expect("the copy is put back");
                }
            }
            Act::Forget(back) => {
                let month = (self.today - Days::new(1 + back)).format("%Y-%m").to_string();
                self.project
                    .sync(&["forget", "--table", "T", "--month", &month])
                    .await
                    .expect(0);
                self.hold().await;
            }
            Act::Reconcile => {
                self.project
                    .sync(&["reconcile", "--source", "--repair"])
                    .await
                    .expect(0);
                self.hold().await;
                for receipt in &self.receipts {
                    assert!(receipt.verified, "{receipt:?}");
                    let there = receipt.rows(&self.source);
                    assert_eq!(receipt.rows(&self.target), there, "{receipt:?} was reconciled");
                }
            }
            Act::Rebuild => {
                self.project.sync(&["rebuild"]).await.expect(0);
                self.hold().await;
            }
        }
    }

    async fn touch(&self, sql: String) {
        self.server.at_target(&sql).await;
    }

    /// A run that must end with everything asked for loaded, and a second one that must find nothing to read.
    async fn run(&mut self, first: NaiveDate) {
        let [from, to] = self.range(first);
        let arguments = ["run", "--start-date", &from, "--end-date", &to];
        self.project.sync(&arguments).await.expect(0);
        self.hold().await;
        self.assert_done(first);
        let mark = self.server.mark();
        self.project.sync(&arguments).await.expect(0);
        let read: u64 = self
            .server
            .source_reads(mark, "[T]")
            .iter()
            .map(|statement| statement.rows_sent)
            .sum();
        assert_eq!(read, 0, "rows read by a run that has nothing to do");
        let status = self.project.status().await;
        let rows: i64 = self.receipts.iter().map(|receipt| receipt.row_count).sum();
        let verified = self.receipts.iter().filter(|receipt| receipt.verified).count();
        assert_eq!(status["totals"]["verified"], verified, "{status}");
        if verified == self.receipts.len() {
            assert_eq!(status["totals"]["rows"], rows, "{status}");
        }
    }

    /// Compares what is there with what was there and what the source has.
    async fn hold(&mut self) {
        let mut client = self.server.connect(&self.server.target).await;
        let receipts = receipts(&mut client).await;
        let target = rows(&mut client).await;
        let before: BTreeSet<&String> = self.receipts.iter().map(|receipt| &receipt.load).collect();
        let places: BTreeSet<(NaiveDate, i64)> = receipts
            .iter()
            .map(|receipt| (receipt.start, receipt.ordinal))
            .collect();
        assert_eq!(places.len(), receipts.len(), "a chunk has two receipts");
        let mut covered = BTreeSet::new();
        for receipt in &receipts {
            let there = receipt.rows(&target);
            for id in there.keys() {
                assert!(covered.insert(*id), "row {id} is in two receipts: {receipts:?}");
            }
            if !receipt.verified {
                continue;
            }
            if before.contains(&receipt.load) {
                assert_eq!(there, receipt.rows(&self.target), "what {receipt:?} held");
            } else {
                assert_eq!(
                    there,
                    receipt.rows(&self.source),
                    "what {receipt:?} was loaded with"
                );
                assert_eq!(there.len() as i64, receipt.row_count, "{receipt:?}");
            }
        }
        for (id, row) in target.iter().filter(|(id, _)| !covered.contains(id)) {
            assert_eq!(
                self.target.get(id),
                Some(row),
                "row {id} is new and nothing proves it"
            );
        }
        self.receipts = receipts;
        self.target = target;
    }

    /// A run from `first` on said that it is done.
    fn assert_done(&self, first: NaiveDate) {
        let mut windows: BTreeMap<(NaiveDate, NaiveDate), Vec<&Receipt>> = BTreeMap::new();
        for receipt in &self.receipts {
            windows
                .entry((receipt.start, receipt.end))
                .or_default()
                .push(receipt);
        }
        assert!(
            self.receipts.iter().any(Receipt::is_undated),
            "rows without a date are in no window"
        );
        let open = self.today.with_day(1).expect("a month has a first day");
        let mut day = first;
        while day < open {
            let (start, end) = *windows
                .keys()
                .find(|(start, end)| *start <= day && day < *end)
                .unwrap_or_else(|| panic!("{day} is in no window that has receipts"));
            assert!(start <= day);
            day = end;
        }
        for ((start, end), receipts) in &windows {
            if *end <= first {
                continue;
            }
            let mut after = None;
            for (ordinal, receipt) in receipts.iter().enumerate() {
                assert!(receipt.verified, "{receipt:?}");
                assert_eq!(receipt.ordinal, ordinal as i64, "{receipts:?}");
                assert_eq!(receipt.after, after, "{receipts:?}");
                after = receipt.through;
            }
            // A run counts the target by the window: hands that take a row and put another there are not noticed.
            let there: usize = receipts
                .iter()
                .map(|receipt| receipt.rows(&self.target).len())
                .sum();
            let proven: i64 = receipts.iter().map(|receipt| receipt.row_count).sum();
            assert_eq!(
                there as i64, proven,
                "rows of the window of {start}: {receipts:?}"
            );
            // None of these windows is settled: whatever came, moved or went, each day has as many rows as the source.
            let by_day = |rows: &Rows| {
                let mut days = BTreeMap::new();
                for receipt in receipts {
                    for (date, _) in receipt.rows(rows).values() {
                        *days.entry(date.map(|date| date.date())).or_insert(0) += 1;
                    }
                }
                days
            };
            if *end + Days::new(SETTLE_DAYS) > self.today {
                assert_eq!(
                    by_day(&self.target),
                    by_day(&self.source),
                    "rows a day of {start}"
                );
            }
            let closed = *start < open || start == end;
            assert_eq!(
                after.is_none(),
                closed,
                "the last receipt of {start}: {receipts:?}"
            );
            // An open window goes on after its last key: whatever the source has there is loaded.
            if let Some(after) = after {
                let missed = self.source.iter().find(|(id, (date, _))| {
                    date.is_some_and(|date| *start <= date.date() && date.date() < *end)
                        && (*date, **id) > after
                });
                assert_eq!(missed, None, "after {after:?}");
            }
        }
    }
}

fn pick(rows: &Rows, index: &prop::sample::Index) -> Option<i64> {
    let ids: Vec<i64> = rows.keys().copied().collect();
    (!ids.is_empty()).then(|| *index.get(&ids))
}

fn literal(date: At) -> String {
    date.map_or_else(
        || "NULL".to_owned(),
        |date| date.format("'%Y-%m-%dT%H:%M:%S'").to_string(),
    )
}

async fn rows(client: &mut Client) -> Rows {
    let there = client
        .integer("SELECT COUNT_BIG(*) FROM sys.tables WHERE name = N't_T'")
        .await;
    if there == 0 {
        return Rows::new();
    }
    let sql = "SELECT CONCAT(ID, N'|', CONVERT(nvarchar(19), D, 126), N'|', V) FROM dbo.t_T";
    let mut rows = Rows::new();
    for line in client.texts(sql).await {
        let parts: Vec<&str> = line.split('|').collect();
        let date = (!parts[1].is_empty()).then(|| parts[1].parse().expect("a date"));
        let row = (date, parts[2].parse().expect("a value"));
        let twice = rows.insert(parts[0].parse().expect("a number"), row);
        assert_eq!(twice, None, "row {line} is there twice");
    }
    rows
}

async fn receipts(client: &mut Client) -> Vec<Receipt> {
    let there = client
        .integer(
            "SELECT COUNT_BIG(*) FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
             WHERE s.name = N'sync' AND t.name = N'receipt'",
        )
        .await;
    if there == 0 {
        return Vec::new();
    }
    let sql = "SELECT CONCAT(CONVERT(nvarchar(10), [window_start], 23), N'|', CONVERT(nvarchar(10), [window_end], 23), \
               N'|', [ordinal], N'|', [state], N'|', CONVERT(varchar(32), [load_id], 2), N'|', \
               CONVERT(varchar(80), [key_after], 2), N'|', CONVERT(varchar(80), [key_through], 2), N'|', [row_count]) \
               FROM [sync].[receipt] ORDER BY [window_start], [ordinal]";
    let parse = |line: &String| {
        let parts: Vec<&str> = line.split('|').collect();
        Receipt {
            start: parts[0].parse().expect("a date"),
            end: parts[1].parse().expect("a date"),
            ordinal: parts[2].parse().expect("a number"),
            verified: parts[3] == "verified",
            load: parts[4].to_owned(),
            after: key(parts[5]),
            through: key(parts[6]),
            row_count: parts[7].parse().expect("a number"),
        }
    };
    client.texts(sql).await.iter().map(parse).collect()
}

/// A key of a datetime2 and an int, or of an int alone where there is no date, as docs/format.md has it, from its hex
/// digits.
fn key(hex: &str) -> Option<(At, i64)> {
    if hex.is_empty() {
        return None;
    }
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex digits"))
        .collect();
    let id = i64::from_le_bytes(bytes[bytes.len() - 8..].try_into().expect("eight bytes"));
    if bytes.len() == 9 {
        assert_eq!(bytes[0], 1, "{hex}");
        return Some((None, id));
    }
    assert_eq!((bytes.len(), bytes[0], bytes[13]), (22, 8, 1), "{hex}");
    let days = i32::from_le_bytes(bytes[1..5].try_into().expect("four bytes"));
    let units = u64::from_le_bytes(bytes[5..13].try_into().expect("eight bytes"));
    let day = NaiveDate::from_ymd_opt(1, 1, 1).expect("the first day") + TimeDelta::days(i64::from(days));
    let nanoseconds = i64::try_from(units * 100).expect("a time of day");
    let at = day.and_hms_opt(0, 0, 0).expect("midnight") + TimeDelta::nanoseconds(nanoseconds);
    Some((Some(at), id))
}

async fn live(server: &mut Server, today: NaiveDate, acts: &[Act]) {
    server.renew_target().await;
    server.at_source("DELETE FROM dbo.T").await;
    let project = Project::with(
        server,
        "require_replica = false",
        "chunk_rows = 4\nmax_workers = 2",
        TABLE,
    );
    let mut life = Life {
        server,
        project,
        today,
        source: Rows::new(),
        next_id: 1,
        next_value: 1,
        target: Rows::new(),
        receipts: Vec::new(),
    };
    let spread: Vec<Option<u64>> = (0..u64::from(ROWS))
        .map(|n| (n % 6 != 5).then_some(n * 7 % DAYS))
        .collect();
    life.insert(&spread).await;
    for act in acts {
        life.act(act).await;
    }
    life.run(life.first_day()).await;
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn lives() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    #[expect(
        clippy::disallowed_methods,
        reason = "a new seed each time, printed, unless one is given"
    )]
    let now: DateTime<Utc> = Utc::now();
    let seed = number("SYNC_MODEL_SEED").unwrap_or_else(|| now.timestamp_millis().unsigned_abs());
    let cases = number("SYNC_MODEL_CASES").map_or(CASES_DEFAULT, |cases| cases as u32);
    println!("SYNC_MODEL_SEED={seed} SYNC_MODEL_CASES={cases}");
    let lane = |lane: u32| {
        let Some(mut server) = runtime.block_on(Server::start_emulator("lives")) else {
            return;
        };
        runtime.block_on(server.at_source(
            "CREATE TABLE dbo.T (ID int NOT NULL CONSTRAINT PK_T PRIMARY KEY CLUSTERED, D datetime2(0) NULL, V int NULL); \
             CREATE INDEX IX_T ON dbo.T (D)",
        ));
        let config = Config {
            cases: cases / LANES + u32::from(lane < cases % LANES),
            failure_persistence: None,
            max_shrink_iters: 200,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&lane.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let server = std::cell::RefCell::new(&mut server);
        let ended = TestRunner::new_with_rng(config, rng).run(&vec(act(), 1..12), |acts| {
            runtime.block_on(live(&mut server.borrow_mut(), now.date_naive(), &acts));
            Ok(())
        });
        if let Err(error) = ended {
            panic!("SYNC_MODEL_SEED={seed}, lane {lane}: {error}");
        }
    };
    std::thread::scope(|scope| {
        for number in 0..LANES {
            scope.spawn(move || lane(number));
        }
    });
}
