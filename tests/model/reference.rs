//! The reference table of a life, and what holds for it: at any time its copy is an old state of it as a whole, or the
//! source's of now as a whole; after a run that is done, it is the source's.

use std::collections::BTreeMap;

use super::acts::ReferenceAct;
use super::life::pick;
use testkit::tables::Table;
use testkit::{Client, Server};

/// Rows at the start of a life: more than a chunk.
const ROWS: i64 = 10;
/// Its section of the configuration.
pub const TABLE: &str = "\n[[table]]\nname = \"R\"\nmode = \"full\"";

type Rows = BTreeMap<i64, i64>;

#[derive(Debug, Default)]
pub struct Reference {
    source: Rows,
    /// After the last act.
    target: Rows,
    /// Whether it is in its place.
    loaded: bool,
    next: i64,
}

impl Reference {
    /// Makes the table at the source.
    pub async fn new(server: &Server) -> Reference {
        server.at_source("DROP TABLE IF EXISTS dbo.R").await;
        Table::new("R", "ID int NOT NULL, V int NULL")
            .at_source(server)
            .await;
        let mut reference = Reference::default();
        for _ in 0..ROWS {
            reference.insert(server).await;
        }
        reference
    }

    async fn insert(&mut self, server: &Server) {
        self.next += 1;
        let (id, value) = (self.next, 10 * self.next);
        self.source.insert(id, value);
        server
            .at_source(&format!("INSERT INTO dbo.R VALUES ({id}, {value})"))
            .await;
    }

    pub async fn act(&mut self, server: &Server, act: &ReferenceAct) {
        let ids: Vec<i64> = self.source.keys().copied().collect();
        match act {
            ReferenceAct::Insert => self.insert(server).await,
            ReferenceAct::Change(row) => {
                let Some(id) = pick(&ids, row) else { return };
                self.next += 1;
                let value = 10 * self.next + 1;
                self.source.insert(id, value);
                server
                    .at_source(&format!("UPDATE dbo.R SET V = {value} WHERE ID = {id}"))
                    .await;
            }
            ReferenceAct::Delete(row) => {
                // A table that is wholly empty would be taken for a mishap.
                let Some(id) = pick(&ids, row).filter(|_| ids.len() > 1) else {
                    return;
                };
                self.source.remove(&id);
                server
                    .at_source(&format!("DELETE FROM dbo.R WHERE ID = {id}"))
                    .await;
            }
            ReferenceAct::TargetDelete(row) => {
                let ids: Vec<i64> = self.target.keys().copied().collect();
                let Some(id) = pick(&ids, row) else { return };
                self.target.remove(&id);
                server
                    .at_target(&format!("DELETE FROM dbo.t_R WHERE ID = {id}"))
                    .await;
            }
        }
    }

    /// Holds it to the rule, unless single chunks of it may have been repaired.
    pub async fn hold(&mut self, client: &mut Client, whole: bool) {
        let target = rows(client).await;
        self.loaded |= !target.is_empty();
        if whole {
            assert!(
                target == self.target || target == self.source,
                "the reference table was {:?}, the source is {:?}, and now it is {target:?}",
                self.target,
                self.source
            );
        }
        self.target = target;
    }

    pub fn assert_equal(&self) {
        assert_eq!(self.target, self.source, "the reference table");
    }

    /// What was loaded of it is what the source has.
    pub fn assert_reconciled(&self) {
        if self.loaded {
            self.assert_equal();
        }
    }
}

async fn rows(client: &mut Client) -> Rows {
    let there = client
        .integer("SELECT COUNT_BIG(*) FROM sys.tables WHERE name = N't_R'")
        .await;
    if there == 0 {
        return Rows::new();
    }
    let lines = client.texts("SELECT CONCAT(ID, N'|', V) FROM dbo.t_R").await;
    let row = |line: &String| {
        let (id, value) = line.split_once('|').expect("two columns");
        (id.parse().expect("a number"), value.parse().expect("a number"))
    };
    lines.iter().map(row).collect()
}
