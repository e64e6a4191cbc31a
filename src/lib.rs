//! Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the source.

pub mod chunk;
pub mod clock;
pub mod error;
pub mod exit_code;
pub mod mssql;
pub mod row;
pub mod secret;
pub mod table;
pub mod window;

#[cfg(feature = "emulator")]
pub mod emulator;
