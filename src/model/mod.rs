//! Tables, windows, chunks, rows and plans. Pure: no I/O, no clock.

pub mod brake;
pub mod chunk;
pub mod plan;
pub mod row;
pub mod table;
pub mod window;
