//! Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the source.
#[cfg(feature = "emulator")]
pub mod emulator;
