//! Tables, windows, chunks, rows and plans, without I/O and without a clock.

pub mod brake;
pub mod chunk;
pub mod plan;
pub mod row;
pub mod table;
pub mod window;
