//! Connections to SQL Server, and all code that names the driver.
//!
//! A [`crate::mssql::Session`] is one connection in its own database. It refuses a certificate that is not trusted, a
//! source whose role is not proven, a type that the driver decodes inexactly, and a connection that is out of step with
//! its server. It is safe for four reasons:
//!
//! - a password goes by TLS, to a server that is verified, in the domain that was configured, unless the configuration
//!   says otherwise or the server is on this machine;
//! - every wait on the socket has a deadline;
//! - a session that was left in the middle of an exchange reports itself broken;
//! - a text of the server is shown only after the values in it are removed, and what could control a terminal.

mod browser;
pub mod bulk;
pub mod catalog;
pub(crate) mod cell;
pub mod connect;
mod database;
mod endpoint;
mod fault;
pub mod guard;
pub mod profile;
mod protection;
pub mod query;
mod redirect;
mod refusal;
mod rows;
pub mod shape;
mod socket;
pub mod value;

pub use bulk::StageColumn;
pub use catalog::ServerInfo;
pub use database::Database;
pub use endpoint::{Endpoint, LOCK_TIMEOUT_MS, Timeouts};
pub use fault::{is_conflict, is_duplicate_key, is_without_value};
pub use guard::{Guard, Proof, predicate, unproven};
pub use protection::{Encrypted, Protection};
pub use query::{Flow, Session};
pub use rows::{Row, RowReader};
