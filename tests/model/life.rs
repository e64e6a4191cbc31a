//! A life: what happens to a small job, act by act, and what must hold after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{Datelike, Days, Months, NaiveDate, TimeDelta};
use proptest::prelude::*;

use crate::Act;
use crate::stores::{At, Receipt, Rows, literal, receipts, rows};
use crate::support::{Project, Server};

/// Days that rows are dated within, back from today.
pub const DAYS: u64 = 70;
/// How long after its end a window is compared, which is the configuration's default.
const SETTLE_DAYS: u64 = 35;
/// Rows at the start of a life.
const ROWS: u32 = 24;

const TABLE: &str = "[[table]]\nname = \"T\"\ndate_column = \"D\"";

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

/// Lives a life, and ends it with a run that must be done.
pub async fn live(server: &mut Server, today: NaiveDate, acts: &[Act]) {
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

fn pick(rows: &Rows, index: &prop::sample::Index) -> Option<i64> {
    let ids: Vec<i64> = rows.keys().copied().collect();
    (!ids.is_empty()).then(|| *index.get(&ids))
}
