//! The binder. It gives every expression of a statement a type and a collation, and writes the statement as SQLite
//! SQL over the storage form.
//!
//! Columns compare natively if both sides have one storage form. Otherwise a registered deterministic function
//! converts the side of lower precedence, so that SQLite can use an index on the other side. The binder guesses
//! nothing: an expression that it does not know is an error that quotes it.
//!
//! Queries, their sources and their expressions contain each other, so the methods of [`Binder`] are mutually
//! recursive across the files of this folder. The files' types are not: [`bound`], [`scope`], [`output`] and
//! [`binder`] come first, and the imports have no circle.

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
