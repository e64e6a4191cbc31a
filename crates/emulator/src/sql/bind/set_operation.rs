//! Table value constructors, UNION, EXCEPT and INTERSECT, and ORDER BY over them.

use sqlparser::ast::{Query, SetOperator, SetQuantifier};

use super::binder::Binder;
use super::bound::{Bound, Collation};
use super::convert::Mode;
use super::convert::{combine, key};
use super::output::{BoundQuery, Output};
use super::query::{direction, distinct_key, order_items, position};
use crate::sql::errors::{error, unsupported};
use crate::sql::types;
use crate::types::SqlError;

impl Binder<'_> {
    /// A table value constructor.
    pub(super) fn values(&mut self, rows: Vec<Vec<Bound>>) -> Result<BoundQuery, SqlError> {
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|r| r.len() != width) {
            let text = "All the derived table's rows must have the same number of expressions.";
            return Err(error(10709, 16, 1, text));
        }
        let mut columns: Vec<(Vec<Bound>, Output)> = Vec::new();
        for at in 0..width {
            let (cells, ty, collation) = self.unify(rows.iter().map(|r| r[at].clone()).collect())?;
            let nullable = cells.iter().any(|c| c.nullable);
            let output = Output::new(
                String::new(),
                &Bound {
                    collation,
                    nullable,
                    ..Bound::new(String::new(), ty)
                },
            );
            columns.push((cells, output));
        }
        let lines: Vec<String> = (0..rows.len())
            .map(|row| {
                let cells: Vec<&str> = columns.iter().map(|c| c.0[row].sql.as_str()).collect();
                format!("({})", cells.join(", "))
            })
            .collect();
        let names: Vec<String> = (1..=width).map(|n| format!("column{n} AS \"c{n}\"")).collect();
        let sql = format!("SELECT {} FROM (VALUES {})", names.join(", "), lines.join(", "));
        Ok(BoundQuery {
            sql,
            columns: columns.into_iter().map(|c| c.1).collect(),
            assigns: Vec::new(),
            one_row: false,
        })
    }

    pub(super) fn combined(
        &mut self,
        left: BoundQuery,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: BoundQuery,
    ) -> Result<BoundQuery, SqlError> {
        if left.columns.len() != right.columns.len() {
            let text = "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.";
            return Err(error(205, 16, 1, text));
        }
        let all = quantifier == SetQuantifier::All;
        let word = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
            (SetOperator::Union, SetQuantifier::None) => "UNION",
            (SetOperator::Except, SetQuantifier::None) => "EXCEPT",
            (SetOperator::Intersect, SetQuantifier::None) => "INTERSECT",
            _ => return Err(unsupported(op)),
        };
        let (mut lefts, mut rights, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (l, r)) in left.columns.iter().zip(&right.columns).enumerate() {
            let name = format!("\"c{}\"", at + 1);
            let (a, b) = (l.as_bound(&name), r.as_bound(&name));
            let ty = Self::common_type(&a, &b)?;
            let collation = if types::is_text(ty) {
                combine(&l.collation, &r.collation, "UNION")?
            } else {
                Collation::Default
            };
            let nullable = l.nullable || r.nullable;
            for (side, into) in [(a, &mut lefts), (b, &mut rights)] {
                let converted = self.convert(side, ty, Some(collation.name()), Mode::Cast)?;
                let sql = if all {
                    converted.sql.clone()
                } else {
                    distinct_key(&converted, &collation)
                };
                into.push(format!("{sql} AS {name}"));
            }
            let output = Bound {
                collation,
                nullable,
                ..Bound::new(String::new(), ty)
            };
            columns.push(Output::new(l.name.clone(), &output));
        }
        let sql = format!(
            "SELECT {} FROM ({}) {word} SELECT {} FROM ({})",
            lefts.join(", "),
            left.sql,
            rights.join(", "),
            right.sql
        );
        // The parentheses keep a chain of operations in its written order.
        let sql = format!("SELECT * FROM ({sql})");
        Ok(BoundQuery {
            sql,
            columns,
            assigns: Vec::new(),
            one_row: false,
        })
    }

    /// ORDER BY and OFFSET over a set operation. They can name its output columns only.
    pub(super) fn ordered(&mut self, bound: BoundQuery, query: &Query) -> Result<BoundQuery, SqlError> {
        let (mut order, alias) = (Vec::new(), self.alias());
        for item in order_items(query.order_by.as_ref())? {
            let at = position(&item.expr, &bound.columns)?
                .ok_or_else(|| error(104, 16, 1, "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or EXCEPT operator."))?;
            let column = &bound.columns[at];
            let sql = key(
                &column.as_bound(&format!("{alias}.\"c{}\"", at + 1)),
                Some(&column.collation),
            );
            order.push(format!("{sql}{}", direction(item)));
        }
        let limit = self.limit(None, query)?;
        if order.is_empty() && limit.is_empty() {
            return Ok(bound);
        }
        let order = if order.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", order.join(", "))
        };
        let sql = format!("SELECT * FROM ({}) AS {alias}{order}{limit}", bound.sql);
        Ok(BoundQuery { sql, ..bound })
    }
}
