//! Counts what a command asks of an end: statements, rows, bytes, connections, and the time of all these, a table.
//!
//! It holds names of tables, kinds of statements and numbers only, and no value. Every session of an endpoint that has
//! one adds to it, once an answer. It also keeps the most that a run may read, because only it knows what was read.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::{SharedClock, SystemClock};
use crate::model::account::{Account, Isolation, LongestQuery};
use crate::model::pace::Cause;
use crate::mssql::profile::Spent;
use crate::tsql::label::{label, remark};

/// The counts of all sessions that share it.
#[derive(Debug)]
pub struct Meter {
    clock: SharedClock,
    state: Mutex<State>,
    /// Holds of all reads that have begun.
    holds: AtomicU64,
    /// Reads that were let through, and how many of them when a read last waited for a hold.
    admitted: AtomicU64,
    held_after: AtomicU64,
}

/// The most that a run may read of its source. It is reached once that much was read and more is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many rows.
    Rows(u64),
    /// So many bytes on the wire.
    Bytes(u64),
}

impl Limit {
    /// The key of the configuration that sets it.
    pub fn key(self) -> &'static str {
        match self {
            Limit::Rows(_) => "source_rows_max",
            Limit::Bytes(_) => "source_bytes_max",
        }
    }

    /// Its number.
    pub fn most(self) -> u64 {
        match self {
            Limit::Rows(most) | Limit::Bytes(most) => most,
        }
    }
}

#[derive(Debug)]
struct State {
    /// The accounts in the order in which they began. The first is of what belongs to no table.
    accounts: Vec<Account>,
    /// The one that is added to.
    current: usize,
    /// Connections that are open.
    open: u64,
    /// Chunks that were asked for and are not committed: at most those in flight, and those of windows that failed.
    asked: HashSet<u64>,
    limits: Vec<Limit>,
    /// Whether a chunk was let through.
    has_begun: bool,
    /// The limit because of which a chunk was not let through.
    reached: Option<Limit>,
}

impl Default for State {
    fn default() -> Self {
        State {
            accounts: vec![Account::default()],
            current: 0,
            open: 0,
            asked: HashSet::new(),
            limits: Vec::new(),
            has_begun: false,
            reached: None,
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Meter::new(&SystemClock::shared())
    }
}

/// Two meters are equal if they are the same one.
impl PartialEq for Meter {
    fn eq(&self, other: &Meter) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Meter {}

impl Meter {
    /// A meter without counts.
    pub fn new(clock: &SharedClock) -> Self {
        Meter {
            clock: SharedClock::clone(clock),
            state: Mutex::default(),
            holds: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            held_after: AtomicU64::new(0),
        }
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// What is counted from now on belongs to this table; to none, if the name is empty.
    pub fn begin(&self, table: &str) {
        let mut state = self.state();
        let known = state.accounts.iter().position(|account| account.table == table);
        state.current = known.unwrap_or_else(|| {
            state.accounts.push(Account::of(table));
            state.accounts.len() - 1
        });
        // Connections that stay open are this table's, too.
        let open = state.open;
        let account = state.account();
        account.connections_most = account.connections_most.max(open);
    }

    /// Adds a wait for a target that was away.
    pub fn waited_for_target(&self, time: Duration) {
        self.state().account().waits.add_for_target(time);
    }

    /// Adds a wait.
    pub fn waited(&self, cause: Cause, time: Duration) {
        self.state().account().waits.add(cause, time);
    }

    /// A chunk is asked for, named by what tells it from all others of its table. If it was asked for before and was not
    /// [committed](Meter::committed), it is one that is read again.
    pub fn asks(&self, chunk: impl Hash) {
        let mut state = self.state();
        let chunk = hashed(&state, chunk);
        if !state.asked.insert(chunk) {
            state.account().read_again += 1;
        }
    }

    /// The chunk is committed: if it is asked for again, that is for another reason than that it was lost.
    pub fn committed(&self, chunk: impl Hash) {
        let mut state = self.state();
        let chunk = hashed(&state, chunk);
        state.asked.remove(&chunk);
    }

    /// Rows were committed at the target.
    pub fn loaded(&self, rows: u64) {
        self.state().account().rows_loaded += rows;
    }

    /// Sets the most that may be read.
    pub fn limit(&self, limits: impl IntoIterator<Item = Limit>) {
        self.state().limits = limits.into_iter().collect();
    }

    /// Whether a chunk may be read. The first one may always, so that each run comes further.
    pub fn lets_read(&self) -> bool {
        let mut state = self.state();
        if !std::mem::replace(&mut state.has_begun, true) {
            return true;
        }
        if state.limits.is_empty() {
            return true;
        }
        let total = Account::total(&state.accounts);
        let is_reached = |limit: &Limit| match *limit {
            Limit::Rows(most) => total.rows >= most,
            Limit::Bytes(most) => total.received_bytes >= most,
        };
        let reached = state.limits.iter().copied().find(is_reached);
        state.reached = state.reached.or(reached);
        reached.is_none()
    }

    /// The limit that was reached: no further chunk is read.
    pub fn reached(&self) -> Option<Limit> {
        self.state().reached
    }

    /// The account of each table, in the order in which they began, with their numbers. The first is of no table.
    pub fn accounts(&self) -> Vec<Account> {
        self.state().accounts.clone()
    }

    /// The account that is added to, with its number among all.
    pub fn current(&self) -> (u32, Account) {
        let state = self.state();
        let number = u32::try_from(state.current).unwrap_or(u32::MAX);
        (number, state.accounts[state.current].clone())
    }

    /// A read is let through.
    pub fn admitted(&self) {
        self.admitted.fetch_add(1, Ordering::SeqCst);
    }

    /// How many reads were let through.
    pub fn reads(&self) -> u64 {
        self.admitted.load(Ordering::SeqCst)
    }

    /// A read waits for a hold of all reads, one that begins or one that goes on: a read may have been let through meanwhile,
    /// to try the source.
    pub fn held(&self, begins: bool) {
        self.held_after.store(self.reads(), Ordering::SeqCst);
        self.holds.fetch_add(u64::from(begins), Ordering::SeqCst);
    }

    /// Whether a read has waited for a hold behind one that was let through after the first `reads` ones. What was read
    /// before the hold and after it may be hours apart.
    pub fn was_held_since(&self, reads: u64) -> bool {
        self.held_after.load(Ordering::SeqCst) > reads
    }

    /// How many holds of all reads have begun.
    pub fn holds(&self) -> u64 {
        self.holds.load(Ordering::SeqCst)
    }

    /// The number of connections that are open.
    pub fn connections(&self) -> u64 {
        self.state().open
    }

    /// Adds a statement whose answer has ended, or failed.
    pub(super) fn add(&self, sql: &str, rows: u64, spent: &Spent, isolation: Option<Isolation>) {
        let mut state = self.state();
        let account = state.account();
        account.queries += 1;
        account.rows += rows;
        account.received_bytes += spent.received_bytes;
        account.sent_bytes += spent.sent_bytes;
        account.reading += spent.elapsed;
        account.isolation.extend(isolation);
        let longest = account.longest.as_ref();
        if longest.is_none_or(|longest| longest.took < spent.elapsed) {
            account.longest = Some(LongestQuery {
                statement: label(sql),
                table: account.table.clone(),
                window: remark(sql).map(str::to_owned),
                took: spent.elapsed,
            });
        }
    }

    /// Adds the bytes of a login.
    pub(super) fn add_login(&self, spent: &Spent) {
        let mut state = self.state();
        let account = state.account();
        account.received_bytes += spent.received_bytes;
        account.sent_bytes += spent.sent_bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn account(&mut self) -> &mut Account {
        &mut self.accounts[self.current]
    }
}

/// A chunk among those of all tables.
fn hashed(state: &State, chunk: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (state.current, chunk).hash(&mut hasher);
    hasher.finish()
}

/// A connection that is open, until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Meter>);

impl Open {
    pub(super) fn new(meter: &Arc<Meter>) -> Open {
        let mut state = meter.state();
        state.open += 1;
        let open = state.open;
        let account = state.account();
        account.connections_opened += 1;
        account.connections_most = account.connections_most.max(open);
        drop(state);
        Open(Arc::clone(meter))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(seconds: u64) -> Spent {
        Spent {
            count: 1,
            elapsed: Duration::from_secs(seconds),
            sent_bytes: 10,
            received_bytes: 100,
        }
    }

    const READ: &str = "/* 2025-10 */ IF 1 = 1 SELECT [A] FROM [dbo].[SALES] WHERE [A] > @P1";

    #[test]
    fn each_table_has_its_own_account() {
        let meter = Arc::new(Meter::default());
        let first = Open::new(&meter);
        meter.add("SET NOCOUNT OFF", 0, &spent(1), None);
        meter.begin("SALES");
        let second = Open::new(&meter);
        meter.add(READ, 7, &spent(3), Some(Isolation::Snapshot));
        meter.add("SELECT 1", 1, &spent(2), Some(Isolation::Snapshot));
        drop((first, second));
        meter.begin("");
        meter.begin("ITEM");
        meter.waited(Cause::Outage, Duration::from_secs(5));
        meter.begin("SALES");
        meter.add(READ, 1, &spent(1), None);

        let [none, sales, item] = <[Account; 3]>::try_from(meter.accounts()).unwrap();
        assert_eq!((none.queries, none.rows, none.connections_opened), (1, 0, 1));
        assert_eq!((sales.queries, sales.rows, sales.received_bytes), (3, 9, 300));
        assert_eq!((sales.connections_opened, sales.connections_most), (1, 2));
        assert_eq!(sales.reading, Duration::from_secs(6));
        assert_eq!(sales.isolation, [Isolation::Snapshot].into());
        let longest = sales.longest.unwrap();
        assert_eq!(longest.statement, "SELECT dbo.SALES");
        assert_eq!(longest.window.as_deref(), Some("2025-10"));
        assert_eq!(item.connections_most, 0);
        assert!(
            item.waits
                .iter()
                .any(|wait| wait == (Cause::Outage, Duration::from_secs(5)))
        );
        assert_eq!(meter.connections(), 0);
        assert_eq!(meter.current().0, 1);
    }

    #[test]
    fn a_chunk_that_was_not_committed_is_read_again() {
        let meter = Meter::default();
        meter.begin("SALES");
        meter.asks(("2025-10", 0));
        meter.asks(("2025-11", 0));
        assert_eq!(meter.current().1.read_again, 0);
        meter.committed(("2025-10", 0));
        meter.asks(("2025-10", 0));
        assert_eq!(
            meter.current().1.read_again,
            0,
            "it was loaded, and is loaded again"
        );
        meter.asks(("2025-11", 0));
        assert_eq!(meter.current().1.read_again, 1);
        meter.begin("ITEM");
        meter.asks(("2025-11", 0));
        assert_eq!(meter.current().1.read_again, 0, "of another table");
    }

    #[test]
    fn a_limit_lets_the_first_chunk_through_and_none_once_it_is_reached() {
        let meter = Meter::default();
        meter.limit([Limit::Rows(5), Limit::Bytes(1_000)]);
        meter.add(READ, 50, &spent(0), None);
        assert!(
            meter.lets_read(),
            "what came before the first chunk keeps no run from it"
        );
        assert_eq!(meter.reached(), None);
        assert!(!meter.lets_read());
        assert_eq!(meter.reached(), Some(Limit::Rows(5)));

        let meter = Meter::default();
        meter.limit([Limit::Rows(u64::MAX), Limit::Bytes(200)]);
        for may in [true, true, false] {
            assert_eq!(meter.lets_read(), may);
            meter.add(READ, 1, &spent(0), None);
        }
        assert_eq!(meter.reached(), Some(Limit::Bytes(200)));
        assert!(!meter.lets_read());
    }
}
