//! What the integration tests and the benchmarks stand on: a server with scratch databases, a directory with a
//! `sync.toml`, the real program, and plain reads of both ends that share no code with the engine.
//!
//! The server is the emulator, or the one that `SYNC_TEST_SERVER` names, with `SYNC_TEST_USER` and
//! `SYNC_TEST_PASSWORD`. Whatever a test makes is dropped with the value that stands for it, also when the test fails.
//! Only integration tests may use this crate: a unit test that did would compile the library twice.

pub mod client;
pub mod clock;
pub mod faults;
pub mod filled;
pub mod home;
pub mod http;
pub mod job;
pub mod log;
pub mod middle;
pub mod program;
pub mod project;
pub mod proxy;
pub mod server;
pub mod session;
pub mod statements;
pub mod story;
pub mod sweep;
pub mod tables;

pub use client::Client;
pub use home::Home;
pub use program::{APPLICATION, Ended};
pub use project::Project;
pub use proxy::Proxy;
pub use server::Server;
