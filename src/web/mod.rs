//! The live page: what `sync status` shows, drawn for a browser. It reads the state file, asks no server, and changes nothing.
//!
//! It never holds the state file, so that a run may begin and a rebuild may replace it while a page is open. A run that
//! serves it is neither slowed nor ended by its readers: they are few, each has its time, and what they ask for is drawn on
//! threads of its own. `docs/decisions/0023-a-page-that-is-rendered-here.md`.

mod filter;
mod guard;
mod listen;
mod live;
mod looks;
pub(crate) mod markup;
mod page;
mod seen;
mod server;

pub use listen::{LISTEN_DEFAULT, Server, refuse_open, serve, try_out};
pub use looks::Place;
