//! A TDS 7.4 server over SQLite: clients meet it through the real driver, real sockets and real transactions, and
//! it injects faults on demand. `demo`, the tests and the benchmarks run on it. It is no substitute for SQL Server
//! anywhere else.
//!
//! An [`Emulator`] owns its own runtime and threads, so a test that blocks does not stop it. Clients reach it only
//! through its socket. The handle does the rest: faults, the statement log, and roles. Stopping or dropping it drops
//! every connection, and a dropped connection rolls back.

mod clock;
mod emulator;
mod faults;
mod limits;
mod listen;
mod log;
mod sql;
mod store;
mod types;
mod value;
mod wire;

pub use emulator::{Emulator, EmulatorOptions, Error, OpenSession};
pub use faults::{Action, At, Faults, Match, Rule, RuleId, parse_role};
pub use limits::Limits;
pub use log::{Connection, Statement, StatementLog};
pub use store::{GroupSigns, LockMode, Role, Signs};
pub use wire::prelogin::TlsMode;
pub use wire::tls::pem;
