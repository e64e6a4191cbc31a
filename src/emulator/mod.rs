//! A TDS 7.4 server inside the binary, over SQLite: the real driver, real sockets, real transactions, and
//! faults on demand. It is what `demo`, the tests and the benchmarks run on, and it makes no other claim.
pub(crate) mod sql;
pub mod store;
pub mod types;
pub(crate) mod value;
