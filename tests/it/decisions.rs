//! What the store keeps of the waits and decisions of the governor.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use chrono::{DateTime, TimeDelta, Utc};
use mssql_sync::checkpoint::{Change, Reader, Store};
use mssql_sync::model::pace::{Action, Cause, Decision, Hold};

fn decision(number: u64) -> Decision {
    Decision {
        at: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(number.cast_signed()),
        table: "SALES".to_owned(),
        action: Action::ChunkRows {
            from: number,
            to: number + 1,
        },
        why: "it was slow".to_owned(),
    }
}

fn hold() -> Hold {
    Hold {
        cause: Cause::Lag,
        since: DateTime::UNIX_EPOCH,
        until: Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(30)),
        detail: "the replica is 95 s behind".to_owned(),
    }
}

#[test]
fn the_last_fifty_decisions_are_kept_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let store = Store::create_or_open(&path).unwrap();
    assert_eq!(store.view().unwrap().decisions().unwrap(), []);
    for number in 0..40 {
        store.commit(&[Change::Decided(decision(number))]).unwrap();
    }
    let all: Vec<Decision> = (0..40).map(decision).collect();
    assert_eq!(store.view().unwrap().decisions().unwrap(), all);
    drop(store);
    // Another run goes on from there, also with many at once.
    let store = Store::create_or_open(&path).unwrap();
    let more: Vec<Change> = (40..300)
        .map(|number| Change::Decided(decision(number)))
        .collect();
    store.commit(&more).unwrap();
    let last: Vec<Decision> = (250..300).map(decision).collect();
    assert_eq!(store.view().unwrap().decisions().unwrap(), last);
}

#[test]
fn what_is_waited_for_ends_with_the_wait_or_with_the_next_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let store = Store::create_or_open(&path).unwrap();
    let held = |store: &Store| store.view().unwrap().held().unwrap();
    assert_eq!(held(&store), None);
    store.commit(&[Change::Held(Some(hold()))]).unwrap();
    assert_eq!(held(&store), Some(hold()));
    store.commit(&[Change::Held(None)]).unwrap();
    assert_eq!(held(&store), None);
    store.commit(&[Change::Held(Some(hold()))]).unwrap();
    drop(store);
    // It was killed: a reader sees what it left, and that nobody writes.
    let reader = Reader::open(&path).unwrap().unwrap();
    assert_eq!(reader.view().unwrap().held().unwrap(), Some(hold()));
    assert!(!reader.is_being_written());
    drop(reader);
    assert_eq!(held(&Store::create_or_open(&path).unwrap()), None);
}
