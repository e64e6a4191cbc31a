//! The tables in which a query level's names are looked up.

use std::sync::Arc;

use sqlparser::ast::Ident;

use super::bound::{Bound, Collation, Origin};
use crate::store::fold;
use crate::types::SqlType;

/// The tables of one query level, in which names are looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub sources: Vec<Source>,
}

/// One table of a FROM.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Its alias in the SQLite SQL.
    pub alias: String,
    /// Its name in messages.
    pub(super) label: String,
    /// The names it answers to, folded: alias, or database, schema and name.
    pub(super) name: String,
    pub(super) schema: Option<String>,
    pub(super) database: Option<String>,
    pub columns: Vec<SourceColumn>,
    /// The base table in SQLite SQL, if it is one.
    pub table: Option<String>,
    pub object_id: i32,
    /// Whether a column of it was asked for.
    pub touched: bool,
}

/// One column of a source.
#[derive(Debug, Clone)]
pub(super) struct SourceColumn {
    pub name: String,
    pub(super) sql: String,
    pub(super) ty: SqlType,
    pub(super) collation: Option<Arc<str>>,
    pub(super) nullable: bool,
    pub(super) identity: bool,
    pub(super) native: bool,
    pub(super) masked: bool,
}

/// A source's column in SQLite SQL.
pub(super) fn quoted(source: &Source, column: &SourceColumn) -> String {
    if source.alias.is_empty() {
        column.sql.clone()
    } else {
        format!("{}.{}", source.alias, column.sql)
    }
}

impl Source {
    /// A column of it as an expression.
    pub(super) fn bound(&self, column: &SourceColumn) -> Bound {
        let collation = column
            .collation
            .clone()
            .map_or(Collation::Default, Collation::Implicit);
        let origin = Origin {
            name: column.name.clone(),
            identity: column.identity,
            native: column.native,
            masked: column.masked,
        };
        let sql = quoted(self, column);
        Bound {
            collation,
            nullable: column.nullable,
            column: Some(origin),
            ..Bound::new(sql, column.ty)
        }
    }

    /// Whether that is its alias, or its name if it has none.
    pub fn goes_by(&self, folded: &str) -> bool {
        self.name == folded
    }

    /// Whether a column's qualifier means this source. The innermost part comes last.
    pub(super) fn answers_to(&self, qualifier: &[Ident]) -> bool {
        let part = |n: usize| {
            qualifier
                .len()
                .checked_sub(n)
                .map(|at| fold(&qualifier[at].value))
        };
        let fits = |own: &Option<String>, asked: Option<String>| match asked {
            None => true,
            Some(asked) => own.as_ref() == Some(&asked) || asked.is_empty(),
        };
        part(1).is_some_and(|name| name == self.name)
            && fits(&self.schema, part(2))
            && fits(&self.database, part(3))
            && qualifier.len() <= 3
    }
}
