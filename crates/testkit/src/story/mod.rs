//! Stories: what happens to a table at both ends, one event a line, and what must be there afterwards.
//!
//! A story has a source table dbo.T and its target dbo.t_T on a scratch server, a project, and a memory of which rows
//! it made. Days are counted from the server's own, because the program decides by that clock what is old enough.
//! Both ends are read by the bare driver: no code of the engine is in the way.

mod ends;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;

use chrono::{Datelike, Days, Months, NaiveDate};

use crate::project::{full, monthly};
use crate::{Client, Ended, Project, Server, tables};

pub use ends::{restores, saves};

/// Times of day of the rows that a story makes, the last so that `smalldatetime` does not round it up.
const FIRST_SECOND: u32 = 5;
const LAST_SECOND: u32 = 86_360;

/// Ids of the rows that a story adds later, far above those that it begins with.
const FIRST_LATE_ID: i64 = 900_001;

/// Lives a story for each case, one after another, and fails with all those that failed.
pub async fn each<C, F>(cases: impl IntoIterator<Item = C>, story: impl Fn(C) -> F)
where
    C: Debug,
    F: Future<Output = ()> + Send + 'static,
{
    let mut failed = Vec::new();
    for case in cases {
        let name = format!("{case:?}");
        if let Err(error) = tokio::spawn(story(case)).await {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            failed.push(format!("{name}: {}", text.unwrap_or_default()));
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

/// The source table of a story: `ID int`, `D` of a date type, `V int`.
#[derive(Debug, Clone)]
pub struct Table {
    date_type: &'static str,
    key: &'static str,
    indexes: Vec<&'static str>,
    full: bool,
}

impl Table {
    /// A table whose date has this type, its key the ID.
    pub fn dated(date_type: &'static str) -> Table {
        Table {
            date_type,
            key: "ID",
            indexes: Vec::new(),
            full: false,
        }
    }

    /// A reference table.
    pub fn reference() -> Table {
        Table {
            full: true,
            ..Table::dated("datetime2(0)")
        }
    }

    /// With an index that begins with the date.
    pub fn indexed(self) -> Table {
        self.indexed_by("D")
    }

    /// With an index on these columns.
    pub fn indexed_by(mut self, columns: &'static str) -> Table {
        self.indexes.push(columns);
        self
    }

    /// With another key, whose columns are not NULL.
    pub fn keyed(mut self, columns: &'static str) -> Table {
        self.key = columns;
        self
    }

    fn create(&self, name: &str) -> String {
        let null = if self.key.contains('D') && self.key != "ID" {
            "NOT NULL"
        } else {
            "NULL"
        };
        let columns = format!("ID int NOT NULL, D {} {null}, V int NULL", self.date_type);
        let table = tables::Table::new(name, &columns).keyed(self.key);
        self.indexes
            .iter()
            .fold(table, |table, columns| table.indexed(columns))
            .create()
    }

    fn section(&self, name: &str) -> String {
        if self.full { full(name) } else { monthly(name, "D") }
    }
}

/// A table's life at both ends.
pub struct Story {
    /// The server of both ends.
    pub server: Server,
    /// The project.
    pub project: Project,
    /// The server's day when the story began.
    pub today: NaiveDate,
    /// The last day whose rows were old enough to be read then.
    last_day: NaiveDate,
    table: Table,
    tables: Vec<&'static str>,
    config: BTreeMap<String, String>,
    made: Vec<(i64, NaiveDate)>,
    last_late_id: i64,
    state: Option<Vec<u8>>,
}

impl Story {
    /// A story on the server under test.
    pub async fn begin(table: Table) -> Story {
        Story::on(Server::start().await, table).await
    }

    /// A story that needs the emulator; `None`, and it is said, elsewhere.
    pub async fn begin_emulated(test: &str, table: Table) -> Option<Story> {
        Some(Story::on(Server::start_emulator(test).await?, table).await)
    }

    async fn on(server: Server, table: Table) -> Story {
        server.at_source(&table.create("T")).await;
        let (today, last_day) = (server.today().await, server.last_day().await);
        let project = Project::new(&server, &table.section("T"));
        Story {
            server,
            project,
            today,
            last_day,
            table,
            tables: vec!["T"],
            config: BTreeMap::new(),
            made: Vec::new(),
            last_late_id: FIRST_LATE_ID - 1,
            state: None,
        }
    }
}

/// Its days.
impl Story {
    /// A day so many days from the server's own.
    pub fn day(&self, days: i64) -> NaiveDate {
        let by = Days::new(days.unsigned_abs());
        if days < 0 {
            self.today - by
        } else {
            self.today + by
        }
    }

    /// The first day of a month so many months from the one that is being read. In a month's first hour that is the month
    /// before.
    pub fn month(&self, months: i32) -> NaiveDate {
        let first = self.last_day.with_day(1).expect("a month has a first day");
        let by = Months::new(months.unsigned_abs());
        if months < 0 { first - by } else { first + by }
    }

    /// A month that has ended, and the days since: with `settle_days` set to them it is compared today for the last
    /// time.
    pub fn month_that_settles_today(&self) -> (NaiveDate, u64) {
        let first = self.month(if self.last_day.day() > 1 { -1 } else { -2 });
        let end = last_of(first) + Days::new(1);
        (first, (self.today - end).num_days().unsigned_abs())
    }

    /// The rows that the story began with under a day.
    pub fn of(&self, day: NaiveDate) -> Vec<i64> {
        let of_day = self.made.iter().filter(|(_, at)| *at == day);
        of_day.map(|(id, _)| *id).collect()
    }

    /// The first of them.
    #[track_caller]
    pub fn first_of(&self, day: NaiveDate) -> i64 {
        *self
            .of(day)
            .first()
            .unwrap_or_else(|| panic!("no row was made under {day}"))
    }
}

/// The last day of a month.
pub fn last_of(first: NaiveDate) -> NaiveDate {
    first + Months::new(1) - Days::new(1)
}

/// A day of a month, counted from 1.
pub fn nth(first: NaiveDate, day: u64) -> NaiveDate {
    first + Days::new(day - 1)
}

/// An instant as T-SQL writes it.
pub fn at(day: NaiveDate, time: &str) -> String {
    format!("{day}T{time}")
}

/// What is asked of the program.
impl Story {
    /// Sets a key of `[run]`, given as a line of `sync.toml`.
    pub fn config(&mut self, line: &str) {
        let (key, _) = line.split_once('=').expect("a line of sync.toml");
        match self.config.insert(key.trim().to_owned(), line.to_owned()) {
            Some(older) => self
                .project
                .configure(&format!("\n{older}\n"), &format!("\n{line}\n")),
            None => self.project.configure("\n[run]\n", &format!("\n[run]\n{line}\n")),
        }
    }

    /// `sync run` for these days, both included.
    pub async fn run(&self, first: impl ToString, last: impl ToString) -> Ended {
        self.run_with(first, last, &[]).await
    }

    /// The same with more arguments.
    pub async fn run_with(&self, first: impl ToString, last: impl ToString, more: &[&str]) -> Ended {
        self.project
            .run(&first.to_string(), &last.to_string(), more)
            .await
    }

    /// `sync run` that dies at one of its durable steps, counted from 1, as a machine without power does.
    pub async fn dies_at_step(&self, first: NaiveDate, last: NaiveDate, step: u32) {
        let (first, last) = (first.to_string(), last.to_string());
        let arguments = [
            "run",
            "--start-date",
            &first,
            "--end-date",
            &last,
            "--max-workers",
            "1",
        ];
        let variables = [("SYNC_FAILPOINT", step.to_string())];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let ended = self.project.sync_with(&arguments, &variables).await;
        assert!(ended.status.code().is_none(), "it did not die: {ended:?}");
    }

    /// `sync run` as for reference tables, which need no dates.
    pub async fn refresh(&self, more: &[&str]) -> Ended {
        let arguments = [&["run"], more].concat();
        self.project.sync(&arguments).await
    }

    /// `sync reconcile`.
    pub async fn reconcile(&self, more: &[&str]) -> Ended {
        let arguments = [&["reconcile"], more].concat();
        self.project.sync(&arguments).await
    }

    /// `sync forget` for a month.
    pub async fn forgets(&self, month: NaiveDate) -> Ended {
        let month = month.format("%Y-%m").to_string();
        self.project
            .sync(&["forget", "--table", "T", "--month", &month])
            .await
    }
}

/// What must be there.
impl Story {
    /// Asserts that both ends hold the same rows, each once.
    pub async fn equal(&self) {
        self.equal_but(&[], &[]).await;
    }

    /// Asserts that they do but for rows that only the source has, and rows that only the target has.
    pub async fn equal_but(&self, only_source: &[i64], only_target: &[i64]) {
        self.compared("T", only_source, only_target).await;
    }

    /// Asserts that a further table is the same at both ends.
    pub async fn equal_too(&self, table: &str) {
        self.compared(table, &[], &[]).await;
    }

    async fn compared(&self, table: &str, only_source: &[i64], only_target: &[i64]) {
        let (server, target) = (&self.server, format!("dbo.t_{table}"));
        let there = ids_and_rows(&mut server.connect(&server.source).await, &format!("dbo.{table}")).await;
        let here = ids_and_rows(&mut server.connect(&server.target).await, &target).await;
        let lost = without(&there, &here);
        let extra = without(&here, &there);
        assert_eq!(
            (&lost[..], &extra[..]),
            (only_source, only_target),
            "rows that only the source has, and rows that only the target has, of {} and {}",
            there.len(),
            here.len()
        );
    }

    /// Asserts that a run for these days has nothing to do.
    pub async fn nothing_is_left(&self, first: NaiveDate, last: NaiveDate) {
        self.run(first, last)
            .await
            .exits(0)
            .says("Everything is already loaded");
    }

    /// The loads that the receipts prove, of all windows, by their ids.
    pub async fn loads(&self) -> Vec<String> {
        self.server.loads().await
    }
}

/// Every row of a table as its id and its text, ordered.
async fn ids_and_rows(client: &mut Client, table: &str) -> Vec<(i64, String)> {
    let texts = client.rows(&format!("SELECT ID, D, V FROM {table}")).await;
    let mut rows: Vec<(i64, String)> = texts.into_iter().map(|row| (id_of(&row), row)).collect();
    rows.sort_unstable();
    rows
}

/// The ids of the rows of `left` that are not in `right`; one that is there twice is needed twice.
fn without(left: &[(i64, String)], right: &[(i64, String)]) -> Vec<i64> {
    let mut there: BTreeMap<&(i64, String), usize> = BTreeMap::new();
    for row in right {
        *there.entry(row).or_default() += 1;
    }
    let mut missing = Vec::new();
    for row in left {
        match there.get_mut(row) {
            Some(count) if *count > 0 => *count -= 1,
            _ => missing.push(row.0),
        }
    }
    missing
}

/// The id of a row that begins with it, as the driver shows it: `I32(Some(17)) | …`.
fn id_of(row: &str) -> i64 {
    let digits: String = row
        .chars()
        .skip_while(|sign| *sign != '(')
        .skip_while(|sign| !sign.is_ascii_digit() && *sign != '-')
        .take_while(|sign| sign.is_ascii_digit() || *sign == '-')
        .collect();
    digits.parse().expect("a row begins with its id")
}
