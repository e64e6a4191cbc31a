//! Bound queries and their columns.

use super::bound::{Bound, Collation};
use crate::types::{Column, SqlType};

/// A query as SQLite SQL; its columns are called `c1`, `c2`, ... there.
#[derive(Debug, Clone)]
pub(crate) struct BoundQuery {
    pub sql: String,
    pub columns: Vec<Output>,
    /// `SELECT @a = ...`: the variables that take the columns, by folded name.
    pub assigns: Vec<String>,
    /// Whether it is known to have at most one row.
    pub one_row: bool,
}

/// A column of a query.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub name: String,
    pub ty: SqlType,
    pub collation: Collation,
    pub nullable: bool,
    pub identity: bool,
    pub updateable: bool,
    pub(super) untyped_null: bool,
}

impl Output {
    pub(super) fn new(name: String, bound: &Bound) -> Output {
        Output {
            name,
            ty: bound.ty,
            collation: bound.collation.clone(),
            nullable: bound.nullable,
            identity: bound.column.as_ref().is_some_and(|c| c.identity),
            updateable: bound.column.as_ref().is_some_and(|c| c.native),
            untyped_null: bound.untyped_null,
        }
    }

    /// The column as an expression of an outer query.
    pub fn as_bound(&self, sql: &str) -> Bound {
        Bound {
            collation: self.collation.clone(),
            nullable: self.nullable,
            untyped_null: self.untyped_null,
            ..Bound::new(sql.to_owned(), self.ty)
        }
    }

    /// The column as COLMETADATA describes it.
    pub fn column(&self) -> Column {
        Column {
            name: self.name.clone(),
            ty: self.ty,
            nullable: self.nullable,
            identity: self.identity,
            updateable: self.updateable,
            collation: self.collation.column_name(self.ty),
        }
    }
}
