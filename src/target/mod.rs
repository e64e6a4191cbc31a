//! Writes to the target, in the order in which a load needs them.

pub mod create;
pub mod lease;
pub mod leaving;
pub mod load;
pub mod merge;
pub mod migrate;
pub mod misfit;
pub mod receipt;
pub mod row_count;
pub mod stage;
pub mod table;
pub mod together;
