//! The keys and values of the file. Keys are built by hand, which fixes their order. Values stand between a version
//! and a check.

use std::path::Path;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layout::{DECIDED, FORGETTING_IN, WAY_OUT};
use super::record::{RunRecord, Tombstone};
use crate::base::error::{Error, ErrorKind, Result};
use crate::model::window::Window;

/// The version that every value begins with.
const VERSION: u8 = 1;

/// The longest body of a value, in bytes. A chunk with two keys of the widest index (1,700 bytes) and an error's text
/// takes some kilobytes; a table of a thousand columns takes some hundred.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The most memory that decoding may request, in bytes. bincode counts a list by the memory of its elements. A pair
/// of texts takes three times the bytes that two empty texts take in the file, so every value that was written can be
/// read.
const DECODE_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

/// Length of the check, in bytes.
const CHECK_BYTES: usize = 32;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<DECODE_BYTES_MAX>> = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<DECODE_BYTES_MAX>();

/// Key of a table: its name and a zero byte, which no name holds.
pub(super) fn table_key(table: &str) -> Vec<u8> {
    prefix(table)
}

/// The prefix of all keys of a table.
pub(super) fn prefix(table: &str) -> Vec<u8> {
    let mut key = table.as_bytes().to_vec();
    key.push(0);
    key
}

/// Key of a window: the table's, then its first day and the day after its last, as days from the common era.
pub(super) fn window_key(table: &str, window: Window) -> Vec<u8> {
    let mut key = prefix(table);
    let (start, end) = window.to_stored();
    for day in [start, end] {
        key.extend_from_slice(&day_bytes(day));
    }
    key
}

fn day_bytes(day: NaiveDate) -> [u8; 4] {
    (day.num_days_from_ce().cast_unsigned() ^ (1 << 31)).to_be_bytes()
}

/// Whether the window in a key of a window or chunk begins on or after `first` and before `end`.
pub(super) fn starts_within(key: &[u8], prefix: &[u8], first: NaiveDate, end: NaiveDate) -> bool {
    key.get(prefix.len()..prefix.len() + 4)
        .is_some_and(|start| day_bytes(first).as_slice() <= start && start < day_bytes(end).as_slice())
}

/// The window's key within a chunk's key.
pub(super) fn window_of(chunk_key: &[u8]) -> &[u8] {
    &chunk_key[..chunk_key.len().saturating_sub(4)]
}

/// Key of a tombstone: the table's, then the month's first day if it covers a month.
pub(super) fn tombstone_key(tombstone: &Tombstone) -> Vec<u8> {
    let mut key = prefix(&tombstone.table);
    key.extend(tombstone.month.map(day_bytes).into_iter().flatten());
    key
}

/// Key in `meta` of the database that a tombstone is about: a prefix, and the tombstone's key.
pub(super) fn forgetting_in_key(tombstone: &Tombstone) -> Vec<u8> {
    [FORGETTING_IN, &tombstone_key(tombstone)].concat()
}

/// Key of a chunk: the window's, then its ordinal.
pub(super) fn chunk_key(table: &str, window: Window, ordinal: u32) -> Vec<u8> {
    let mut key = window_key(table, window);
    key.extend_from_slice(&ordinal.to_be_bytes());
    key
}

/// Key of a pass: its identity.
pub(super) fn pass_key(id: u128) -> [u8; 16] {
    id.to_be_bytes()
}

/// Prefix of the keys in `meta` of the moments at which the store agreed with all receipts of a table.
pub(super) fn in_step_prefix(table: &str) -> Vec<u8> {
    [b"in step ".as_slice(), &table_key(table)].concat()
}

/// Key in `meta` of such a moment: the table, and its identity.
pub(super) fn in_step_key(table: &str, object_id: i32, created: &str) -> Vec<u8> {
    [
        &in_step_prefix(table)[..],
        &object_id.to_be_bytes(),
        created.as_bytes(),
    ]
    .concat()
}

/// Key in `meta` of what a pass has repaired.
pub(super) fn repaired_key(id: u128) -> Vec<u8> {
    [b"repaired ".as_slice(), &pass_key(id)].concat()
}

/// Key in `meta` of something about a table: a prefix, and the table's key.
pub(super) fn about_key(prefix: &[u8], table: &str) -> Vec<u8> {
    [prefix, &table_key(table)].concat()
}

/// Key in `meta` of something about a month of a table: a prefix, the table's key, and the month's first day.
pub(super) fn month_key(prefix: &[u8], table: &str, month: NaiveDate) -> Vec<u8> {
    [&about_key(prefix, table)[..], &day_bytes(month)].concat()
}

/// Key in `meta` of something about a pass: a prefix, and the pass.
pub(super) fn of_pass_key(prefix: &[u8], pass: u128) -> Vec<u8> {
    [prefix, &pass_key(pass)].concat()
}

/// Key in `meta` of a decision: its number.
pub(super) fn decided_key(number: u64) -> Vec<u8> {
    [DECIDED, &number.to_be_bytes()].concat()
}

/// The number of a decision, of its key.
pub(super) fn number_of_decision(key: &[u8]) -> Option<u64> {
    let number = key.strip_prefix(DECIDED)?.try_into().ok()?;
    Some(u64::from_be_bytes(number))
}

/// The ordinal of a chunk, of its key.
pub(super) fn ordinal_of(chunk_key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*chunk_key.last_chunk()?))
}

/// Key of a chunk that a pass compared: the chunk's, then the pass's.
pub(super) fn checked_key(table: &str, window: Window, ordinal: u32, pass: u128) -> Vec<u8> {
    let mut key = chunk_key(table, window, ordinal);
    key.extend_from_slice(&pass_key(pass));
    key
}

/// Prefix of the keys of a run's accounts.
pub(super) fn accounts_prefix(run_id: u128) -> [u8; 16] {
    run_id.to_be_bytes()
}

/// Key of an account: the run, and the number among the run's.
pub(super) fn account_key(run_id: u128, number: u32) -> Vec<u8> {
    [&accounts_prefix(run_id)[..], &number.to_be_bytes()].concat()
}

/// Key of a run: its start in milliseconds, then its identity.
pub(super) fn run_key(run: &RunRecord) -> Vec<u8> {
    let mut key = (run.started_at.timestamp_millis().cast_unsigned() ^ (1 << 63))
        .to_be_bytes()
        .to_vec();
    key.extend_from_slice(&run.run_id.to_be_bytes());
    key
}

/// Encodes a record: version, body and check.
pub(super) fn encode(key: &[u8], record: &impl Serialize) -> Result<Vec<u8>> {
    let body = bincode::serde::encode_to_vec(record, CONFIG).map_err(|error| {
        Error::new(ErrorKind::Internal, "A checkpoint cannot be encoded").with_source(error)
    })?;
    // bincode applies its limit only when it decodes, so a value that is written too long could never be read.
    if body.len() > BODY_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::Internal,
            format!(
                "A checkpoint of {} bytes is longer than any should be",
                body.len()
            ),
        ));
    }
    let mut value = Vec::with_capacity(1 + body.len() + CHECK_BYTES);
    value.push(VERSION);
    value.extend_from_slice(&body);
    let check = check(key, &value);
    value.extend_from_slice(&check);
    Ok(value)
}

/// Decodes a value: its check must hold, its version must be known, and no bytes may be left over.
pub(super) fn decode<T: DeserializeOwned>(path: &Path, key: &[u8], value: &[u8]) -> Result<T> {
    let damaged = |what: &str| {
        Error::new(
            ErrorKind::State,
            format!(
                "The state file {} is damaged ({what}); it is left as it is: {WAY_OUT}",
                path.display()
            ),
        )
    };
    let split = value
        .len()
        .checked_sub(CHECK_BYTES)
        .ok_or_else(|| damaged("a record is cut off"))?;
    let (versioned, stored) = value.split_at(split);
    if check(key, versioned) != stored {
        return Err(damaged("a record does not match its check"));
    }
    let (version, body) = versioned
        .split_first()
        .ok_or_else(|| damaged("a record is empty"))?;
    if *version != VERSION {
        return Err(Error::new(
            ErrorKind::State,
            format!(
                "The state file {} has records of version {version}, this program knows {VERSION}; \
                 use the program that wrote it, or {WAY_OUT}",
                path.display()
            ),
        ));
    }
    let (record, used) = bincode::serde::decode_from_slice(body, CONFIG)
        .map_err(|error| not_known(path).with_source(error))?;
    if used == body.len() {
        Ok(record)
    } else {
        Err(damaged("a record has bytes left over"))
    }
}

/// The error for a record that is as it was written, by its check, and still cannot be decoded: a later program wrote a
/// choice that this one does not know.
fn not_known(path: &Path) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The state file {} has a record that this program cannot read, although it is as it was written; \
             use the program that wrote it, or {WAY_OUT}",
            path.display()
        ),
    )
}

fn check(key: &[u8], versioned: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(versioned);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let value = encode(b"key", &(7_u32, "text")).unwrap();
        let path = Path::new("store");
        assert_eq!(
            decode::<(u32, String)>(path, b"key", &value).unwrap(),
            (7, "text".to_owned())
        );
        for position in 0..value.len() {
            for bit in 0..8 {
                let mut damaged = value.clone();
                damaged[position] ^= 1 << bit;
                assert_eq!(
                    decode::<(u32, String)>(path, b"key", &damaged)
                        .unwrap_err()
                        .kind(),
                    ErrorKind::State
                );
            }
        }
        assert!(decode::<(u32, String)>(path, b"other key", &value).is_err());
        for end in 0..value.len() {
            assert!(decode::<(u32, String)>(path, b"key", &value[..end]).is_err());
        }
    }

    #[test]
    fn whatever_is_written_can_be_read() {
        let path = Path::new("store");
        // The list that takes the most memory for its bytes, as long as a body may be.
        let pairs = vec![(String::new(), String::new()); BODY_BYTES_MAX / 16 - 1];
        let value = encode(b"key", &pairs).unwrap();
        assert!(decode::<Vec<(String, String)>>(path, b"key", &value).unwrap() == pairs);
        let error = encode(b"key", &vec![0_u8; BODY_BYTES_MAX]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_length_that_lies_asks_for_no_memory() {
        let path = Path::new("store");
        let value = encode(b"key", &u64::MAX).unwrap();
        assert!(decode::<Vec<u8>>(path, b"key", &value).is_err());
        let value = encode(b"key", &(7_u32, 8_u32)).unwrap();
        assert!(
            decode::<u32>(path, b"key", &value).is_err(),
            "bytes are left over"
        );
    }

    #[test]
    fn a_version_that_is_not_known_is_refused_as_such() {
        let mut value = encode(b"key", &7_u32).unwrap();
        value[0] = VERSION + 1;
        let end = value.len() - CHECK_BYTES;
        let renewed = check(b"key", &value[..end]);
        value[end..].copy_from_slice(&renewed);
        let error = decode::<u32>(Path::new("store"), b"key", &value).unwrap_err();
        assert!(
            error.to_string().contains("version 2, this program knows 1"),
            "{error}"
        );
    }

    #[test]
    fn a_choice_of_a_later_program_is_no_damage() {
        #[derive(Debug, serde::Deserialize)]
        enum Choice {
            One,
        }
        let path = Path::new("store");
        assert!(matches!(
            decode::<Choice>(path, b"key", &encode(b"key", &0_u32).unwrap()).unwrap(),
            Choice::One
        ));
        let error = decode::<Choice>(path, b"key", &encode(b"key", &1_u32).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        let text = error.to_string();
        assert!(
            text.contains("use the program that wrote it") && !text.contains("damaged"),
            "{text}"
        );
    }

    #[test]
    fn keys_are_in_the_order_of_what_they_name() {
        let window =
            |start: &str, end: &str| Window::new(start.parse().unwrap(), end.parse().unwrap()).unwrap();
        let (october, november) = (
            window("2025-10-01", "2025-11-01"),
            window("2025-11-01", "2025-12-01"),
        );
        let keys = [
            chunk_key("A", october, 0),
            chunk_key("A", october, 300),
            chunk_key("A", november, 0),
            chunk_key("AB", october, 0),
        ];
        assert!(keys.is_sorted());
        assert!(!chunk_key("AB", october, 0).starts_with(&prefix("A")));
    }
}
