//! A life: what happens to a small job, act by act, and the oracle asked after each.

use std::path::PathBuf;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, Timelike};
use proptest::sample::Index;

use crate::acts::{Act, Command, DAYS, Life as Lived, Month, Settle, SettleDays, Shape, When};
use crate::oracle::{Known, Marks};
use crate::reference::{self, Reference};
use crate::stores::{Rows, receipts, rows};
use testkit::project::T_MONTHLY;
use testkit::tables::Table;
use testkit::{Ended, Project, Server};

/// Rows at the start of a life.
const ROWS: u64 = 24;
/// Times that a command may say that it is to be run again.
const AGAIN_MAX: usize = 2;

/// A life: the server's source, an own target, and what is known of both.
pub struct Life<'s> {
    pub server: &'s Server,
    project: Project,
    pub known: Known,
    reference: Option<Reference>,
    /// Minutes since midnight.
    minutes: u32,
    /// The configuration's lines that change.
    lines: String,
    pub next_id: i64,
    pub next_value: i64,
    /// What the state file that was copied away remembers.
    saved: Option<(Marks, bool)>,
    /// Whether a backup of the target is there.
    pub backed_up: bool,
    /// Whether a run was ever done.
    loaded: bool,
    /// Whether a comparing that was cut short is gone on with.
    cut_short: bool,
    /// Whether rows were loaded that are too young to be read since `settle_minutes` rose.
    too_young: bool,
}

/// What a command ended as.
#[derive(Debug, PartialEq)]
enum End {
    Died,
    Done,
}

impl Life<'_> {
    pub fn day(&self, back: u64) -> NaiveDate {
        self.known.today - Days::new(1 + back)
    }

    /// The days that a run is asked for, both included. Some days to come belong to them: this month's window is open.
    fn asked(&self, command: Command) -> Option<(NaiveDate, NaiveDate)> {
        let today = self.known.today;
        let last = today + Days::new(3);
        match command {
            Command::Run => Some((month_of(today - Days::new(DAYS)), last)),
            Command::RunLate => Some((month_of(today) - Months::new(1), last)),
            Command::RunDays { back, days } => {
                let first = self.day(back);
                Some((first, first + Days::new(days - 1)))
            }
            Command::Forget(_) | Command::Rebuild | Command::Reconcile { .. } => None,
        }
    }

    fn arguments(&self, command: Command) -> Vec<String> {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        if let Some((first, last)) = self.asked(command) {
            let more = if self.known.hides() { " --recount" } else { "" };
            return words(&format!("run --start-date {first} --end-date {last}{more}"));
        }
        match command {
            Command::Forget(Some(back)) => {
                let month = self.day(back).format("%Y-%m");
                words(&format!("forget --table T --month {month}"))
            }
            Command::Forget(None) => words("forget --table T"),
            Command::Reconcile { source: true } => words("reconcile --source --repair"),
            Command::Reconcile { source: false } => words("reconcile --repair"),
            _ => words("rebuild"),
        }
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Do(command) => {
                self.command(*command, None).await;
                if self.asked(*command).is_some() {
                    self.nothing_more(*command).await;
                }
            }
            Act::Die(command, step) => {
                if self.command(*command, Some(*step)).await == End::Died {
                    self.cut_short |= matches!(command, Command::Reconcile { .. });
                }
            }
            Act::Settle(settle) => self.configure(*settle),
            Act::Insert(_)
            | Act::Change(_)
            | Act::Move(..)
            | Act::Delete(_)
            | Act::DeleteLast
            | Act::MoveLast(_)
            | Act::MoveAndTake(..) => self.at_source(act).await,
            Act::TargetDelete(_)
            | Act::TargetChange(_)
            | Act::TargetInsert(_)
            | Act::TargetSwap(_)
            | Act::Truncate
            | Act::TakeBack(_)
            | Act::SaveTarget
            | Act::RestoreTarget => self.at_target(act).await,
            Act::LoseState => {
                // It may not be there yet.
                let _ = std::fs::remove_file(self.project.state());
                self.known.marks.clear();
                self.cut_short = false;
            }
            Act::SaveState if self.project.state().exists() => {
                std::fs::copy(self.project.state(), self.copy()).expect("the state file is copied");
                self.saved = Some((self.known.marks.clone(), self.cut_short));
            }
            Act::RestoreState => {
                if let Some((marks, cut_short)) = self.saved.clone() {
                    std::fs::copy(self.copy(), self.project.state()).expect("the state file is copied back");
                    self.known.marks = marks;
                    self.cut_short = cut_short;
                }
            }
            Act::SaveState => {}
            Act::Reference(act) => {
                if let Some(reference) = &mut self.reference {
                    reference.act(self.server, act).await;
                }
            }
        }
    }

    fn copy(&self) -> PathBuf {
        self.project.home.path("copy.redb")
    }

    fn configure(&mut self, settle: Settle) {
        let today = self.known.today;
        let days_since = |month: NaiveDate| (today - month).num_days().unsigned_abs();
        let days = match settle.days {
            SettleDays::Count(days) => days,
            SettleDays::UpToToday(Month::Last) => days_since(month_of(today)),
            SettleDays::UpToToday(Month::BeforeLast) => days_since(month_of(today) - Months::new(1)),
        };
        // Rows are read up to half an hour after a midnight.
        let minutes = (settle.open * 24 * 60 + self.minutes).saturating_sub(30);
        self.too_young |= self.loaded && u64::from(settle.open) > self.known.open;
        (self.known.open, self.known.days) = (settle.open.into(), days);
        let lines = format!("settle_minutes = {minutes}\nsettle_days = {days}");
        self.project.configure(&self.lines, &lines);
        self.lines = lines;
    }

    /// Runs a command, which dies or does what it is for.
    async fn command(&mut self, command: Command, step: Option<u32>) -> End {
        let ended = self.attempt(command, step).await;
        if ended.code() == -1 {
            return End::Died;
        }
        let mut ended = ended;
        for _ in 0..AGAIN_MAX {
            if ended.code() == 4 {
                ended = self.attempt(command, None).await;
            }
        }
        let early = !self.loaded || self.known.receipts.is_empty();
        if matches!(command, Command::Reconcile { .. }) && ended.code() == 4 && early {
            // Where a first load died there may be nothing to compare.
            return End::Done;
        }
        if matches!(command, Command::Reconcile { .. }) && ended.code() == 3 && self.too_young {
            // Such rows have lost their receipts to a `forget`. Nobody can load them again until they are old enough.
            let unrepaired = ended
                .stdout
                .lines()
                .filter(|line| line.contains("differs") && line.starts_with('|'));
            let mut unrepaired =
                unrepaired.map(|line| line.contains("the target has rows of it under no receipt"));
            assert!(unrepaired.all(|young| young), "{}", ended.stdout);
            return End::Done;
        }
        if matches!(command, Command::Forget(Some(_))) && ended.code() == 2 {
            // There was nothing to forget.
            assert!(ended.stderr.contains("was never loaded"), "{}", ended.stderr);
            return End::Done;
        }
        ended.expect(0);
        if let Some((first, last)) = self.asked(command) {
            self.loaded = true;
            self.known.assert_done(first, last);
            if let Some(reference) = &self.reference {
                reference.assert_equal();
            }
        }
        if let Command::Reconcile { source } = command {
            if std::mem::take(&mut self.cut_short) {
                // What an earlier one has found to be the same was not compared now.
                self.attempt(command, None).await.expect(0);
            }
            self.known.assert_reconciled(source);
            if let Some(reference) = self.reference.as_ref().filter(|_| source) {
                reference.assert_reconciled();
            }
        }
        End::Done
    }

    async fn attempt(&mut self, command: Command, step: Option<u32>) -> Ended {
        let arguments = self.arguments(command);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let step = step.map(|step| step.to_string());
        let variables = step.as_deref().map(|step| ("SYNC_FAILPOINT", step));
        let ended = self.project.sync_with(&arguments, variables.as_slice()).await;
        let mut client = self.server.connect(&self.server.target).await;
        let receipts = receipts(&mut client).await;
        self.known.hold(receipts, rows(&mut client).await);
        if let Some(reference) = &mut self.reference {
            let whole = !matches!(command, Command::Reconcile { .. });
            reference.hold(&mut client, whole).await;
        }
        ended
    }

    /// The same run once more reads nothing, asks once where a row is that waits for its date, and the state file has what
    /// the receipts have.
    async fn nothing_more(&mut self, command: Command) {
        let mark = self.server.mark();
        self.attempt(command, None).await.expect(0);
        let (mut read, mut asked) = (0, 0);
        for statement in self.server.source_reads(mark, "[T]") {
            match statement.text.contains("u.[day]") {
                true => asked += statement.rows_sent,
                false => read += statement.rows_sent,
            }
        }
        assert_eq!(read, 0, "rows read by a run that has nothing to do");
        let away = self.known.away();
        assert!(
            asked <= away,
            "asked about {asked} rows, and the target lacks {away}"
        );
        self.known.note_compared();
        let status = self.project.status().await;
        let table = &status["tables"][0];
        let windows = table["windows"].as_array().expect("a list").iter();
        let chunks: Option<u64> = windows.map(|window| window["chunks"].as_u64()).sum();
        let rows: i64 = self.known.receipts.iter().map(|receipt| receipt.row_count).sum();
        assert_eq!(table["rows"], rows, "{status}");
        assert_eq!(chunks, Some(self.known.receipts.len() as u64), "{status}");
    }
}

/// Lives a life, and ends it with a run that must be done.
pub async fn live(server: &mut Server, now: NaiveDateTime, lived: &Lived) {
    let setting = lived.setting;
    server.renew_target().await;
    server.at_source("DROP TABLE IF EXISTS dbo.T").await;
    let columns = |null: &str| format!("ID int NOT NULL, D datetime2(0) {null}, V int NULL");
    let table = match setting.shape {
        Shape::Indexed => Table::new("T", &columns("NULL")).indexed("D"),
        Shape::Bare => Table::new("T", &columns("NULL")),
        Shape::Dated => Table::new("T", &columns("NOT NULL")).keyed("D, ID").indexed("ID"),
    };
    table.at_source(server).await;
    let mut tables = T_MONTHLY.to_owned();
    let mut beside = None;
    if setting.reference {
        tables.push_str(reference::TABLE);
        beside = Some(Reference::new(server).await);
    }
    let lines = "settle_minutes = 0\nsettle_days = 0".to_owned();
    let run = format!("chunk_rows = {}\nmax_workers = 2\n{lines}", setting.chunk_rows);
    let mut life = Life {
        project: Project::tuned(server, &run, &tables),
        server,
        known: Known {
            shape: setting.shape,
            today: now.date(),
            open: 0,
            days: 0,
            source: std::collections::BTreeMap::new(),
            target: Rows::new(),
            receipts: Vec::new(),
            marks: Marks::new(),
            loaded: std::collections::BTreeMap::new(),
        },
        reference: beside,
        minutes: now.hour() * 60 + now.minute(),
        lines,
        next_id: 0,
        next_value: 0,
        saved: None,
        backed_up: false,
        loaded: false,
        cut_short: false,
        too_young: false,
    };
    life.configure(setting.settle);
    let spread: Vec<When> = (0..ROWS)
        .map(|n| match n % 6 {
            5 => When::Nowhere,
            // The last days are those that a window may be left open in.
            4 => When::Back(n / 4),
            _ => When::Back(n * 7 % DAYS),
        })
        .collect();
    life.insert(&spread).await;
    for act in &lived.acts {
        life.act(act).await;
    }
    life.act(&Act::Do(Command::Run)).await;
}

fn month_of(day: NaiveDate) -> NaiveDate {
    day.with_day(1).expect("a month has a first day")
}

pub fn pick<T: Clone>(all: &[T], index: &Index) -> Option<T> {
    (!all.is_empty()).then(|| index.get(all).clone())
}
