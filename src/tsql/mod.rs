//! SQL as text: predicates, expressions, definitions. Nothing here reaches a server.

pub mod expression;
pub mod label;
pub mod predicate;
pub mod seek;
