//! The control of a run that is going: a local socket beside its state file, for its own user alone.
//!
//! The run serves it as a task beside its work, and the task ends with the work. A request is one line, and so is its
//! answer; both are short, and so is the time for them. So a client that sends garbage, nothing, or more than it may costs
//! the run nothing that counts. What crosses the socket is numbers, names of tables and texts of the governor: no secret,
//! and no value of a row.
//!
//! A run without its socket does its work all the same: `docs/decisions/0021-a-socket-beside-the-state-file.md`.

mod client;
mod server;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
mod wire;

#[cfg(unix)]
use unix as place;
#[cfg(windows)]
use windows as place;

pub use client::{Unheard, ask, figures};
pub use server::{Desk, Server, serve};
pub use wire::{Ask, Done, VERSION, Work};
