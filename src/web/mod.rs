//! The live page: what `sync status` shows, drawn for a browser. It reads the state file, asks no server, and changes nothing.

#[allow(dead_code, reason = "the server is what shows it")]
mod filter;
#[allow(dead_code, unused_imports, reason = "the server is what shows it")]
mod page;
#[allow(dead_code, reason = "the server is what shows it")]
mod seen;
