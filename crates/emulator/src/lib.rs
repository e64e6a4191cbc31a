//! A TDS 7.4 server over SQLite: the real driver, real sockets, real transactions, and
//! faults on demand. It is what `demo`, the tests and the benchmarks run on, and it makes no other claim.
//!
//! An [`Emulator`] owns its own runtime and threads, so a test that blocks does not stop it. Clients reach it through
//! its socket only; what they cannot do (faults, the statement log, roles) is on the handle. Stopping it, or dropping
//! it, drops every connection, and a dropped connection rolls back.

mod clock;
mod emulator;
mod faults;
mod listen;
mod log;
mod sql;
mod store;
mod types;
mod value;
mod wire;

pub use emulator::{Emulator, EmulatorOptions, Error};
pub use faults::{Action, At, Faults, Match, Rule, RuleId, parse_role};
pub use log::{Statement, StatementLog};
pub use store::{LockMode, Role};
pub use wire::prelogin::TlsMode;
