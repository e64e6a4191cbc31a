//! Values: the storage of SQL Server's types in SQLite, their wire form, comparison, conversion and printing.
//!
//! It owns the storage form (see the table in the crate's README) and every rule that depends on a data type. It
//! guesses nothing. A value that the target type cannot hold is SQL Server's own error, by number and text. A value
//! that the storage form cannot hold (an unpaired surrogate) is an error too. Nothing in here does I/O or reads a
//! clock, so every rule is tested by its inputs and outputs alone.

pub(crate) mod arithmetic;
pub(crate) mod cast;
mod cast_binary;
pub(crate) mod cell;
pub(crate) mod collation;
mod collation_names;
pub(crate) mod conversion;
pub(crate) mod decimal;
pub(crate) mod error;
pub(crate) mod guid;
pub(crate) mod operator;
pub(crate) mod parse;
mod parse_datetime;
pub(crate) mod promote;
pub(crate) mod render;
pub(crate) mod temporal;
pub(crate) mod text;
pub(crate) mod wire_codec;
mod xml;
