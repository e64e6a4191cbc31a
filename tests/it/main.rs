//! The program and what lies below it, held to what they promise: a module a topic, all in one process.
//!
//! `cargo test --test it settle::` runs one topic.

mod cli;
mod command_line;
mod counts;
mod damage;
mod damage_place;
mod demo;
mod doctor;
mod doctor_target;
mod edges;
mod exclude_columns;
mod faults;
mod fixtures;
mod forget;
mod hidden;
mod hostile;
mod init;
mod json;
mod kept_plan;
mod lease;
mod migrate;
mod mssql_connect;
mod mssql_session;
mod names;
mod nothing_lost;
mod operations;
mod plan;
mod plan_changes;
mod preflight;
mod private;
mod profile;
#[cfg(unix)]
mod protection;
mod rebuild;
mod receipt_key;
mod reconcile;
mod reconcile_whole;
mod reference;
mod replica;
mod restored;
mod resume;
mod rights;
mod sample;
mod seeks;
mod settle;
mod start;
mod state;
mod statements;
mod status;
mod stop;
mod texts;
mod verify;
mod walk;
mod widened;
mod wire_fuzz;
