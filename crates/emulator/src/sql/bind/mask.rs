//! The masks that a login without UNMASK reads in place of a masked column's values ("Dynamic Data Masking").
//!
//! An expression of a select list that reads a masked column is masked as a whole, by its own type, and NULL stays
//! NULL. A count tells no value and is not masked. Predicates, GROUP BY and ORDER BY see the values themselves.
//! Outside a derived table or a CTE they see the output of its select list.

use super::binder::Binder;
use super::bound::Bound;
use crate::sql::types;
use crate::sql::values;
use crate::types::{Cell, Len, OwnedCell, SqlError, SqlType};

/// The mask of text, cut to the length of its column.
const TEXT: &str = "xxxx";

impl Binder<'_> {
    /// The mask of the function `default()` in place of a value.
    pub(super) fn mask(&mut self, bound: Bound) -> Result<Bound, SqlError> {
        let ty = bound.ty;
        let from = |text: &str| {
            let source = SqlType::VarChar(Len::N(30));
            values::cast(Cell::Text(text), source, ty, false)
        };
        let mask = match ty {
            _ if types::is_number(ty) => from("0")?,
            SqlType::Char(n)
            | SqlType::NChar(n)
            | SqlType::VarChar(Len::N(n))
            | SqlType::NVarChar(Len::N(n)) => from(&TEXT[..TEXT.len().min(usize::from(n))])?,
            SqlType::VarChar(Len::Max) | SqlType::NVarChar(Len::Max) => from(TEXT)?,
            SqlType::Binary(n) => {
                let mut bytes = vec![0; usize::from(n)];
                bytes[0] = b'0';
                OwnedCell::Blob(bytes)
            }
            SqlType::VarBinary(_) => OwnedCell::Blob(vec![b'0']),
            SqlType::Xml => OwnedCell::Text("<masked />".to_owned()),
            SqlType::UniqueIdentifier => OwnedCell::Blob(vec![0; 16]),
            SqlType::Time(_) => from("00:00:00")?,
            _ => from("1900-01-01")?,
        };
        let mask = self.literal(mask, ty).sql;
        let sql = format!("CASE WHEN {} IS NULL THEN NULL ELSE {mask} END", bound.sql);
        Ok(Bound {
            sql,
            constant: None,
            ..bound
        })
    }
}
