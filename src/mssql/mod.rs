//! Connections to SQL Server, and all code that names the driver.
//!
//! A [`crate::mssql::Session`] is one connection in its own database. It refuses a certificate that is not trusted, a
//! source whose role is not proven, a type that the driver decodes inexactly, and a connection that is out of step with
//! its server. It is safe for four reasons:
//!
//! - a password goes by TLS, to a server that is verified, in the domain that was configured, unless the configuration
//!   says otherwise or the server is on this machine;
//! - every wait on the socket has a deadline, and every answer a bound of bytes and time;
//! - a session that was left in the middle of an exchange, or whose server broke the protocol, reports itself broken;
//! - a text of the server is shown only after the values in it are removed, and what could control a terminal.

mod application;
mod bound;
mod browser;
pub mod bulk;
pub mod catalog;
mod caught;
pub(crate) mod cell;
pub mod connect;
mod counted;
mod database;
mod endpoint;
mod fault;
pub mod guard;
mod meter;
pub mod profile;
mod protection;
pub mod query;
mod redirect;
mod refusal;
mod rows;
pub mod shape;
mod socket;
pub mod tables;
pub mod value;

pub use application::application;
pub use bound::row_bytes_max;
pub use bulk::StageColumn;
pub use catalog::{ServerClock, ServerInfo};
pub use caught::hush;
pub use database::Database;
pub use endpoint::{Endpoint, LOCK_TIMEOUT_MS, Timeouts};
pub use fault::{is_conflict, is_duplicate_key, is_without_value};
pub use guard::{Guard, Proof, predicate, unproven};
pub use meter::{Limit, Meter};
pub use protection::{Encrypted, Protection};
pub use query::{Flow, Session, Streamed, more_than_asked, other_columns};
pub use rows::{Row, RowReader};
pub use tables::Listed;
