//! Conversion between storage form and TDS wire form.

mod read;
mod reader;
mod type_info;
mod write;

pub(crate) use read::{read_param, read_value_into};
pub(crate) use reader::Reader;
pub(crate) use type_info::{WireType, read_type_info, write_type_info};
pub(crate) use write::write_value;

#[cfg(test)]
mod tests;
