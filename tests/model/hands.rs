//! Hands on either end: what others do to the rows, at the source and at the target.

use chrono::{NaiveDate, TimeDelta};

use crate::acts::{Act, Shape, When};
use crate::life::{Life, pick};
use crate::stores::{At, Row, Rows, literal, receipts, rows};

/// What a backup of the target holds: where it is, where it is kept, and which rows of it. The reference table stays.
const SAVED: [(&str, &str, &str); 4] = [
    ("dbo.t_T", "dbo.saved_rows", ""),
    ("[sync].[receipt]", "dbo.saved_receipt", OF_TABLE),
    ("[sync].[plan]", "dbo.saved_plan", OF_TABLE),
    ("[sync].[lease]", "dbo.saved_lease", OF_TABLE),
];
const OF_TABLE: &str = " WHERE [table_name] = N'dbo.t_T'";

impl Life<'_> {
    /// A place in time; a row's hour depends on the row.
    fn at(&self, when: When, id: i64) -> At {
        let midnight = |day: NaiveDate| day.and_hms_opt(0, 0, 0).expect("midnight");
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("a day");
        match when {
            When::Back(back) => Some(midnight(self.day(back)) + TimeDelta::hours(1 + id % 23)),
            When::Nowhere => (self.known.shape == Shape::Dated).then(|| midnight(day(1, 1, 1))),
            When::Never => Some(midnight(day(9999, 12, 31))),
        }
    }

    pub async fn insert(&mut self, whens: &[When]) {
        let mut values = Vec::new();
        for when in whens {
            let row = self.row(*when);
            self.known.source.insert(row.id, row);
            values.push(format!("({}, {}, {})", row.id, literal(row.at), row.value));
        }
        let sql = format!("INSERT INTO dbo.T VALUES {}", values.join(", "));
        self.server.at_source(&sql).await;
    }

    /// A row that nobody has yet.
    fn row(&mut self, when: When) -> Row {
        self.next_id += 1;
        self.next_value += 1;
        Row {
            id: self.next_id,
            at: self.at(when, self.next_id),
            value: self.next_value,
        }
    }

    pub async fn at_source(&mut self, act: &Act) {
        let all: Vec<Row> = self.known.source.values().copied().collect();
        let dated = all
            .iter()
            .filter(|row| row.at.is_some_and(|at| at < self.known.read_until()));
        let last = dated.max_by_key(|row| (row.at, row.id)).copied();
        match act {
            Act::Insert(whens) => self.insert(whens).await,
            Act::Change(row) => {
                if let Some(mut row) = pick(&all, row) {
                    self.next_value += 1;
                    row.value = self.next_value;
                    self.known.source.insert(row.id, row);
                    let sql = format!("UPDATE dbo.T SET V = {} WHERE ID = {}", row.value, row.id);
                    self.server.at_source(&sql).await;
                }
            }
            Act::Move(row, when) => self.move_row(pick(&all, row), *when).await,
            Act::MoveLast(when) => self.move_row(last, *when).await,
            Act::Delete(row) => self.delete(pick(&all, row)).await,
            Act::DeleteLast => self.delete(last).await,
            Act::MoveAndTake(row, when) => {
                let here = self.known.target.iter().filter(|row| all.contains(row)).copied();
                let Some(row) = pick(&here.collect::<Vec<_>>(), row) else {
                    return;
                };
                self.move_row(Some(row), *when).await;
                let mut receipts = self.known.receipts.iter();
                let chunk = receipts.find(|receipt| receipt.covers(row.id, row.at));
                let beside = chunk
                    .map(|chunk| chunk.rows(&self.known.target))
                    .unwrap_or_default();
                if let Some(other) = beside.into_iter().find(|other| *other != row) {
                    self.take(&Rows::from([other])).await;
                    self.look().await;
                }
            }
            _ => {}
        }
    }

    async fn move_row(&mut self, row: Option<Row>, when: When) {
        let Some(mut row) = row else { return };
        row.at = self.at(when, row.id);
        self.known.source.insert(row.id, row);
        let sql = format!("UPDATE dbo.T SET D = {} WHERE ID = {}", literal(row.at), row.id);
        self.server.at_source(&sql).await;
    }

    async fn delete(&mut self, row: Option<Row>) {
        let Some(row) = row else { return };
        self.known.source.remove(&row.id);
        let sql = format!("DELETE FROM dbo.T WHERE ID = {}", row.id);
        self.server.at_source(&sql).await;
    }

    /// Hands on the target, which is then looked at again.
    pub async fn at_target(&mut self, act: &Act) {
        let all: Vec<Row> = self.known.target.iter().copied().collect();
        // Before its first run there is no target table.
        let made = !self.known.receipts.is_empty();
        match act {
            Act::TargetDelete(row) => self.take(&pick(&all, row).into_iter().collect()).await,
            Act::TargetChange(row) => {
                if let Some(row) = pick(&all, row) {
                    let sql = format!("UPDATE dbo.t_T SET V = -1 WHERE {}", row.condition());
                    self.server.at_target(&sql).await;
                }
            }
            Act::TargetInsert(when) if made => {
                let at = self.row(*when).at;
                self.put(at).await;
            }
            Act::TargetSwap(row) => {
                if let Some(row) = pick(&all, row) {
                    self.take(&Rows::from([row])).await;
                    self.next_id += 1;
                    self.put(row.at).await;
                }
            }
            Act::Truncate if made => self.server.at_target("TRUNCATE TABLE dbo.t_T").await,
            Act::TakeBack(chunk) => {
                if let Some(chunk) = pick(&self.known.receipts, chunk) {
                    self.take(&chunk.rows(&self.known.target)).await;
                    let sql = format!(
                        "DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_T' \
                         AND [window_start] = '{}' AND [ordinal] = {}",
                        chunk.start, chunk.ordinal
                    );
                    self.server.at_target(&sql).await;
                }
            }
            Act::SaveTarget if made => {
                let mut sql = String::new();
                for (table, saved, of_table) in SAVED {
                    let text = format!(
                        "DROP TABLE IF EXISTS {saved}; SELECT * INTO {saved} FROM {table}{of_table}; "
                    );
                    sql.push_str(&text);
                }
                self.server.at_target(&sql).await;
                self.backed_up = true;
            }
            Act::RestoreTarget if self.backed_up => {
                let mut sql = String::new();
                for (table, saved, of_table) in SAVED {
                    let text =
                        format!("DELETE FROM {table}{of_table}; INSERT INTO {table} SELECT * FROM {saved}; ");
                    sql.push_str(&text);
                }
                self.server.at_target(&sql).await;
            }
            _ => {}
        }
        self.look().await;
    }

    /// A row that the source never had comes to the target.
    async fn put(&mut self, at: At) {
        let sql = format!(
            "INSERT INTO dbo.t_T VALUES ({}, {}, -2)",
            self.next_id,
            literal(at)
        );
        self.server.at_target(&sql).await;
    }

    /// Rows go at the target.
    async fn take(&self, rows: &Rows) {
        let mut client = self.server.connect(&self.server.target).await;
        for row in rows {
            client
                .run(&format!("DELETE FROM dbo.t_T WHERE {}", row.condition()))
                .await;
        }
    }

    /// What hands did is not held to anything.
    async fn look(&mut self) {
        let mut client = self.server.connect(&self.server.target).await;
        self.known.receipts = receipts(&mut client).await;
        self.known.target = rows(&mut client).await;
    }
}
