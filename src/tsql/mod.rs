//! SQL as text: predicates, expressions, definitions. Nothing here reaches a server.

pub mod expression;
pub mod label;
pub mod predicate;
pub mod seek;

#[cfg(test)]
pub(crate) mod testing {
    use crate::model::table::{Column, DataType, Identifier};

    /// A column of a test. A text has the collation of most servers.
    pub fn column(name: &str, data_type: DataType) -> Column {
        Column {
            name: Identifier::new(name).unwrap(),
            data_type,
            nullable: false,
            identity: false,
            collation: data_type.is_text().then(|| "Latin1_General_CI_AS".to_owned()),
        }
    }
}
