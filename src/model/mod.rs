//! Tables, windows, chunks, rows and plans, without I/O and without a clock.

pub mod account;
pub mod brake;
pub mod chunk;
mod code_page;
pub mod column_digests;
mod data_type;
pub mod hours;
pub mod pace;
pub mod plan;
pub mod row;
pub mod stages;
pub mod survey;
pub mod table;
pub mod waits;
pub mod width;
pub mod window;
