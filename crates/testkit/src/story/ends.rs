//! What happens at the two ends of a story: rows, clocks, backups, another source.

use chrono::NaiveDate;

use crate::{Client, Server, tables};

use super::{FIRST_SECOND, LAST_SECOND, Story};

/// What happens at the source.
impl Story {
    /// So many rows a day, spread over each day, with ids that rise with the days.
    pub async fn rows(&mut self, first: NaiveDate, last: NaiveDate, a_day: u32) {
        let mut values = Vec::new();
        let mut id = self.made.iter().map(|(id, _)| *id).max().unwrap_or(0);
        for day in first.iter_days().take_while(|day| *day <= last) {
            for n in 0..a_day {
                id += 1;
                let second = FIRST_SECOND + (LAST_SECOND - FIRST_SECOND) * n / (a_day.max(2) - 1);
                let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
                values.push(format!("({id}, '{day}T{time}', {id})"));
                self.made.push((id, day));
            }
        }
        self.insert(&values).await;
    }

    /// So many rows without regard to dates, as a reference table has them.
    pub async fn plain_rows(&mut self, count: i64) {
        let values: Vec<String> = (1..=count).map(|id| format!("({id}, NULL, {id})")).collect();
        self.insert(&values).await;
    }

    async fn insert(&self, values: &[String]) {
        let mut client = self.server.connect(&self.server.source).await;
        for table in &self.tables {
            for sql in tables::inserts(&format!("dbo.{table}"), values) {
                client.run(&sql).await;
            }
        }
    }

    /// A second table of the same columns and rows, which a run comes to after the first.
    pub async fn and_a_table_after_it(&mut self, name: &'static str) {
        self.server.at_source(&self.table.create(name)).await;
        self.server
            .at_source(&format!("INSERT INTO dbo.{name} SELECT * FROM dbo.T"))
            .await;
        self.tables.push(name);
        self.project.home.configure_too(&self.table.section(name));
    }

    /// A new row; returns its id.
    pub async fn adds(&mut self, at: &str) -> i64 {
        self.last_late_id += 1;
        let id = self.last_late_id;
        self.source(&format!("INSERT INTO dbo.T VALUES ({id}, '{at}', 0)"))
            .await;
        id
    }

    /// A row's date changes.
    pub async fn moves(&self, id: i64, at: &str) {
        self.source(&format!("UPDATE dbo.T SET D = '{at}' WHERE ID = {id}"))
            .await;
    }

    /// Rows go.
    pub async fn deletes(&self, ids: &[i64]) {
        self.source(&format!("DELETE FROM dbo.T WHERE {}", is_one_of(ids)))
            .await;
    }

    /// All rows go.
    pub async fn empties_source(&self) {
        self.source("DELETE FROM dbo.T").await;
    }

    /// The table is dropped and made again, empty.
    pub async fn makes_source_table_anew(&self) {
        self.source("DROP TABLE dbo.T").await;
        self.source(&self.table.create("T")).await;
    }

    /// Runs a statement at the source.
    pub async fn source(&self, sql: &str) {
        self.server.at_source(sql).await;
    }
}

/// Clocks, which only the emulator lets a test set.
impl Story {
    /// The source's clock is so many seconds off.
    pub fn source_clock(&self, seconds: i64) {
        self.server.emulator().set_clock(&self.server.source, seconds);
    }

    /// The target's clock is.
    pub fn target_clock(&self, seconds: i64) {
        self.server.emulator().set_clock(&self.server.target, seconds);
    }
}

/// What happens at the target, and to the state file.
impl Story {
    /// Rows go from the target.
    pub async fn target_deletes(&self, ids: &[i64]) {
        self.server
            .at_target(&format!("DELETE FROM dbo.t_T WHERE {}", is_one_of(ids)))
            .await;
    }

    /// Copies the target's rows and all that proves them, as a backup does.
    pub async fn saves_target(&self) {
        saves(&mut self.server.connect(&self.server.target).await).await;
    }

    /// Puts back what [`Story::saves_target`] copied, into the same tables.
    pub async fn restores_target(&self) {
        restores(&mut self.server.connect(&self.server.target).await).await;
    }

    /// Copies the state file away.
    pub fn saves_state(&mut self) {
        self.state = Some(std::fs::read(self.project.state()).expect("there is a state file"));
    }

    /// Copies it back.
    pub fn restores_state(&self) {
        let state = self.state.as_ref().expect("it was saved");
        std::fs::write(self.project.state(), state).expect("it is copied back");
    }
}

/// What a backup of the target holds, and where the copy is kept.
const KEPT: [(&str, &str); 4] = [
    ("dbo.t_T", "dbo.kept_T"),
    ("[sync].[receipt]", "dbo.kept_receipt"),
    ("[sync].[plan]", "dbo.kept_plan"),
    ("[sync].[lease]", "dbo.kept_lease"),
];

/// Copies the target's rows and the tables that prove them.
pub async fn saves(client: &mut Client) {
    for (table, kept) in KEPT {
        // It is there when the target was saved before.
        let _ = client.try_run(&format!("DROP TABLE {kept}")).await;
        client.run(&format!("SELECT * INTO {kept} FROM {table}")).await;
    }
}

/// Puts them back.
pub async fn restores(client: &mut Client) {
    for (table, kept) in KEPT {
        client.run(&format!("DELETE FROM {table}")).await;
        client
            .run(&format!("INSERT INTO {table} SELECT * FROM {kept}"))
            .await;
    }
}

/// Another source.
impl Story {
    /// The source database is dropped and made again under its name, with its table and rows.
    pub async fn makes_source_database_anew(&mut self) {
        let rows = self.source_rows().await;
        self.server.renew_source().await;
        self.source(&self.table.create("T")).await;
        self.insert(&rows).await;
    }

    /// Makes a database of the source's name on another server, with its table and rows.
    pub async fn makes_source_at(&self, other: &Server) {
        let name = &self.server.source;
        let mut client = other.connect("master").await;
        client.run(&format!("CREATE DATABASE [{name}]")).await;
        let mut client = other.connect(name).await;
        client.run(&self.table.create("T")).await;
        for sql in tables::inserts("dbo.T", &self.source_rows().await) {
            client.run(&sql).await;
        }
    }

    /// From now on the source is at this address.
    pub fn reads_from(&self, host: &str, port: u16) {
        let text = self.project.home.read("sync.toml");
        let (source, rest) = text.split_once("[target]").expect("a section [target]");
        let lines = source.lines().map(|line| {
            if line.starts_with("server = ") {
                format!("server = \"{host},{port}\"")
            } else {
                line.to_owned()
            }
        });
        let source = lines.collect::<Vec<_>>().join("\n");
        self.project
            .home
            .write("sync.toml", format!("{source}\n[target]{rest}"));
    }

    /// The source's rows as lists of values.
    async fn source_rows(&self) -> Vec<String> {
        let sql =
            "SELECT CONCAT(N'(', ID, N', ''', CONVERT(nvarchar(19), D, 126), N''', ', V, N')') FROM dbo.T";
        self.server.connect(&self.server.source).await.texts(sql).await
    }
}

fn is_one_of(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("ID IN ({})", ids.join(", "))
}
