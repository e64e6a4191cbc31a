//! Copies years of tables out of a live SQL Server into a warehouse: verified, resumable, gentle on the source.

pub mod cli;
pub mod config;
pub mod report;
pub mod secret;

pub mod account;
pub mod beside;
pub mod brake;
pub mod carry;
pub mod clocks;
pub mod doctor;
pub mod extract;
pub mod forget;
pub mod lease;
pub mod load;
pub mod merge;
pub mod migrate;
pub mod pipeline;
pub mod rebuild;
pub mod receipt;
pub mod reconcile;
pub mod resume;
pub mod retrier;
pub mod schedule;
pub mod sessions;
pub mod settle;
pub mod stop;
pub mod target;

pub mod chunk;
pub mod plan;
pub mod predicate;
pub mod row;
pub mod table;
pub mod window;

pub mod checkpoint;
pub mod mssql;
pub mod retry;

pub mod clock;
pub mod error;
pub mod exit_code;
pub mod failpoint;
