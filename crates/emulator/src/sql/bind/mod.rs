//! The binder: gives every expression of a statement a type and a collation, and writes the statement as SQLite SQL
//! over the storage form.
//!
//! Columns compare natively where both sides have one storage form; otherwise the side of lower precedence is
//! converted by a registered deterministic function, so that an index on the other side is used. Nothing is guessed:
//! an expression that it does not know is an error that quotes it.
//!
//! Queries, their sources and their expressions contain each other, so the methods of [`Binder`] are mutually
//! recursive across the files of this folder. The files' types are not: [`bound`], [`scope`], [`output`] and
//! [`binder`] come first, and no file imports one that imports it.

mod aggregate;
mod binder;
mod bound;
mod convert;
mod dates;
pub(crate) mod dml;
mod expr;
mod function;
mod grouping;
mod mask;
mod output;
mod predicate;
mod query;
mod scope;
mod set_operation;
mod source;

pub(crate) use binder::{Binder, Need, Uses};
pub(crate) use bound::{Parameter, System};
pub(crate) use convert::Mode;
