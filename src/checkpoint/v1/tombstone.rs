//! Version 1 of a tombstone, and of the database that it is about, which is stored beside it. It is frozen, as all of
//! this folder.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::same_fields;
use crate::checkpoint::record;
use crate::mssql::Database;

#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct Tombstone {
    table: String,
    targets: Vec<String>,
    month: Option<NaiveDate>,
}

/// The database that a tombstone is about.
#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct ForgettingIn {
    server: String,
    name: String,
    identity: String,
    created: Option<NaiveDateTime>,
}

impl From<&record::Tombstone> for Tombstone {
    fn from(record: &record::Tombstone) -> Self {
        let record = record.clone();
        Tombstone {
            table: record.table,
            targets: record.targets,
            month: record.month,
        }
    }
}

/// Its database is stored beside it.
impl From<Tombstone> for record::Tombstone {
    fn from(stored: Tombstone) -> Self {
        record::Tombstone {
            table: stored.table,
            targets: stored.targets,
            month: stored.month,
            database: None,
        }
    }
}

same_fields!(ForgettingIn, Database, server, name, identity, created);
