//! The statement log: the statements of every client, in the order in which they came.
//!
//! Tests use it to prove that a client did not send something. Its memory is bounded: the oldest entries go first,
//! and long texts and values are cut.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of requests that are kept. A full demo makes a few thousand.
const ENTRIES_MAX: usize = 50_000;
/// The bytes of a request's text that are kept. The longest statements have a few thousand.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The bytes of a parameter's value that are kept: enough for any key.
const VALUE_BYTES_MAX: usize = 1024;

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its place in the order of all starts and ends; the same as `started`.
    pub sequence: u64,
    /// The session's `@@SPID`.
    pub spid: i16,
    /// The login's name.
    pub login: String,
    /// The client's name for itself.
    pub application: String,
    /// The current database when the request started.
    pub database: String,
    /// Its text. A transaction manager request reads as the statement with the same effect, and a procedure call as
    /// `EXEC name`.
    pub text: String,
    /// Names and values of its parameters. Values read as SQL Server would print them, and NULL reads as `NULL`.
    pub params: Vec<(String, String)>,
    /// The number of rows in its answer.
    pub rows_sent: u64,
    /// The number of rows that its bulk load wrote.
    pub bulk_rows: u64,
    /// The steps of the store's virtual machine: in proportion to the rows that were visited, returned or not.
    pub steps: u64,
    /// The number of the first error in its answer.
    pub error: Option<i32>,
    /// Its start, in the order of all starts and ends.
    pub started: u64,
    /// Its end. `None` while it runs, and for ever if its connection went away first.
    pub ended: Option<u64>,
}

/// A login of a client that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The session's `@@SPID`.
    pub spid: i16,
    /// The login's name.
    pub login: String,
    /// The client's name for itself.
    pub application: String,
    /// The database that it asked for.
    pub database: String,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) rows_sent: u64,
    pub(crate) steps: u64,
    pub(crate) bulk_rows: u64,
    pub(crate) error: Option<i32>,
}

#[derive(Default)]
struct State {
    last: u64,
    entries: VecDeque<Statement>,
    connections: VecDeque<Connection>,
}

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// The statements that a server's clients have sent.
#[derive(Default)]
pub struct StatementLog {
    state: Mutex<State>,
}

impl StatementLog {
    /// All entries that are kept, in order of their starts.
    pub fn entries(&self) -> Vec<Statement> {
        self.lock().entries.iter().cloned().collect()
    }

    /// The entries that started after a [`StatementLog::mark`].
    pub fn since(&self, mark: u64) -> Vec<Statement> {
        self.lock()
            .entries
            .iter()
            .filter(|entry| entry.started > mark)
            .cloned()
            .collect()
    }

    /// The present end of the log.
    pub fn mark(&self) -> u64 {
        self.lock().last
    }

    /// Forgets all entries. Sequence numbers go on.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.entries.clear();
        state.connections.clear();
    }

    /// The connections that were let in, in their order. As many are kept as there are entries.
    pub fn connections(&self) -> Vec<Connection> {
        self.lock().connections.iter().cloned().collect()
    }

    /// Records a connection.
    pub(crate) fn connected(&self, connection: Connection) {
        let mut state = self.lock();
        if state.connections.len() == ENTRIES_MAX {
            state.connections.pop_front();
        }
        state.connections.push_back(connection);
    }

    /// Records a request that starts now and returns its sequence number. `statement` holds everything but the
    /// numbers.
    pub(crate) fn start(&self, mut statement: Statement) -> u64 {
        cut(&mut statement.text, TEXT_BYTES_MAX);
        for (_, value) in &mut statement.params {
            cut(value, VALUE_BYTES_MAX);
        }
        let mut state = self.lock();
        let sequence = state.next();
        (statement.sequence, statement.started) = (sequence, sequence);
        if state.entries.len() == ENTRIES_MAX {
            state.entries.pop_front();
        }
        state.entries.push_back(statement);
        sequence
    }

    /// Records the end of a request.
    pub(crate) fn end(&self, sequence: u64, outcome: Outcome) {
        let mut state = self.lock();
        let ended = state.next();
        if let Ok(index) = state
            .entries
            .binary_search_by_key(&sequence, |entry| entry.sequence)
        {
            let entry = &mut state.entries[index];
            entry.ended = Some(ended);
            entry.rows_sent += outcome.rows_sent;
            entry.bulk_rows += outcome.bulk_rows;
            entry.steps += outcome.steps;
            entry.error = entry.error.or(outcome.error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Statement {
        Statement {
            sequence: 0,
            spid: 51,
            login: "sa".into(),
            application: "test".into(),
            database: "master".into(),
            text: text.into(),
            params: vec![("@P1".into(), "é".repeat(1000))],
            rows_sent: 0,
            bulk_rows: 0,
            steps: 0,
            error: None,
            started: 0,
            ended: None,
        }
    }

    #[test]
    fn starts_and_ends_share_one_order() {
        let log = StatementLog::default();
        let first = log.start(statement("a"));
        let second = log.start(statement("b"));
        log.end(
            first,
            Outcome {
                rows_sent: 3,
                ..Outcome::default()
            },
        );
        let mark = log.mark();
        log.start(statement("c"));
        let entries = log.entries();
        assert_eq!(
            (entries[0].started, entries[1].started, entries[0].ended),
            (first, second, Some(second + 1))
        );
        assert_eq!((entries[0].rows_sent, entries[1].ended), (3, None));
        assert_eq!(
            log.since(mark)
                .iter()
                .map(|entry| entry.text.as_str())
                .collect::<Vec<_>>(),
            ["c"]
        );
        log.clear();
        assert!(log.entries().is_empty());
        log.end(second, Outcome::default());
    }

    #[test]
    fn long_texts_are_cut_and_old_entries_go() {
        let log = StatementLog::default();
        log.start(statement(&"x".repeat(TEXT_BYTES_MAX + 1)));
        let entry = &log.entries()[0];
        assert_eq!(entry.text.len(), TEXT_BYTES_MAX + "…".len());
        assert_eq!(entry.params[0].1, "é".repeat(512) + "…");
        for _ in 0..ENTRIES_MAX {
            log.start(statement("y"));
        }
        let entries = log.entries();
        assert_eq!((entries.len(), entries[0].text.as_str()), (ENTRIES_MAX, "y"));
    }
}
