//! Pool on the emulator, through a real socket: every type there and back, keys, streams that stop, guards,
//! logins, TLS, the catalog, transactions.
#![allow(
    clippy::unwrap_used,
    reason = "what a test's helpers cannot do fails the test"
)]

mod opening;
mod server;
mod statements;
mod streams;
mod transfer;
mod types;
