//! Conditions. They are three-valued in T-SQL as in SQLite, so they are written natively over comparable sides.

use sqlparser::ast::{BinaryOperator, Expr, Query, SelectItem, SetExpr, UnaryOperator};

use super::binder::Binder;
use super::bound::{Bound, Collation};
use super::convert::key;
use super::scope::Scope;
use crate::sql::errors::{error, unsupported};
use crate::sql::{types, values};
use crate::types::{SqlError, SqlType};

impl Binder<'_> {
    /// A condition as SQLite SQL.
    pub(crate) fn predicate(&mut self, expr: &Expr) -> Result<String, SqlError> {
        match expr {
            Expr::Nested(inner) => Ok(format!("({})", self.predicate(inner)?)),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok(format!("(NOT {})", self.predicate(expr)?)),
            Expr::BinaryOp {
                op: op @ (BinaryOperator::And | BinaryOperator::Or),
                ..
            } => self.conditions(expr, op),
            Expr::BinaryOp { left, op, right } => {
                let Some(op) = comparison(op) else {
                    return Err(not_a_condition(expr));
                };
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.compare(left, op, right)
            }
            Expr::IsNull(inner) => Ok(format!("({} IS NULL)", self.expr(inner)?.sql)),
            Expr::IsNotNull(inner) => Ok(format!("({} IS NOT NULL)", self.expr(inner)?.sql)),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let low = self.compare_with(expr, ">=", low)?;
                let high = self.compare_with(expr, "<=", high)?;
                Ok(format!(
                    "({}({low} AND {high}))",
                    if *negated { "NOT " } else { "" }
                ))
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => self.in_subquery(expr, subquery, *negated),
            Expr::Exists { subquery, negated } => self.exists(subquery, *negated),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(expr, pattern, escape_char.as_deref(), *negated),
            _ => Err(not_a_condition(expr)),
        }
    }

    /// `a AND b AND c`, or the same with OR. The parser nests such a chain in its left sides, so that it is walked
    /// rather than descended. SQLite gets it in halves, because it limits the depth of a tree to 1,000.
    fn conditions(&mut self, expr: &Expr, of: &BinaryOperator) -> Result<String, SqlError> {
        let (mut first, mut rest) = (expr, Vec::new());
        while let Expr::BinaryOp { left, op, right } = first
            && op == of
        {
            rest.push(right.as_ref());
            first = left;
        }
        let mut terms = vec![self.predicate(first)?];
        for term in rest.into_iter().rev() {
            terms.push(self.predicate(term)?);
        }
        let word = if *of == BinaryOperator::And { "AND" } else { "OR" };
        Ok(halved(&terms, word))
    }

    fn compare_with(&mut self, left: &Expr, op: &str, right: &Expr) -> Result<String, SqlError> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.compare(left, op, right)
    }

    /// One comparison.
    pub(super) fn compare(&mut self, left: Bound, op: &str, right: Bound) -> Result<String, SqlError> {
        if left.ty == SqlType::Xml || right.ty == SqlType::Xml {
            return Err(error(
                305,
                16,
                1,
                "The XML data type cannot be compared or sorted, except when using the IS NULL operator.",
            ));
        }
        let (left, right, collation) = self.comparable(left, right, operation(op))?;
        Ok(format!(
            "({} {op} {})",
            key(&left, collation.as_ref()),
            key(&right, None)
        ))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<String, SqlError> {
        let left = self.expr(expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.expr(item)?);
        }
        let mut common = left.clone();
        for item in &items {
            let ty = Self::common_type(&common, item)?;
            let untyped_null = common.untyped_null && item.untyped_null;
            let collation = if types::is_text(ty) {
                super::convert::combine(&common.collation, &item.collation, "equal to")?
            } else {
                Collation::Default
            };
            common = Bound {
                ty,
                untyped_null,
                collation,
                ..common
            };
        }
        let side = |binder: &mut Self, bound: Bound| {
            if super::convert::compares_as_stored(bound.ty, common.ty) {
                Ok(bound)
            } else {
                binder.cast(bound, common.ty)
            }
        };
        let left = side(self, left)?;
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            keys.push(key(&side(self, item)?, None));
        }
        let not = if negated { "NOT " } else { "" };
        Ok(format!(
            "({} {not}IN ({}))",
            key(&left, Some(&common.collation)),
            keys.join(", ")
        ))
    }

    fn in_subquery(&mut self, expr: &Expr, subquery: &Query, negated: bool) -> Result<String, SqlError> {
        let left = self.expr(expr)?;
        let query = self.subquery(subquery)?;
        let [column] = query.columns.as_slice() else {
            let text = "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.";
            return Err(error(116, 16, 1, text));
        };
        let alias = self.alias();
        let inner = column.as_bound(&format!("{alias}.\"c1\""));
        let (left, inner, collation) = self.comparable(left, inner, "equal to")?;
        let not = if negated { "NOT " } else { "" };
        let left = key(&left, collation.as_ref());
        Ok(format!(
            "({left} {not}IN (SELECT {} FROM ({}) AS {alias}))",
            key(&inner, None),
            query.sql
        ))
    }

    fn like(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
    ) -> Result<String, SqlError> {
        let (left, pattern) = (self.expr(expr)?, self.expr(pattern)?);
        let (left, pattern) = (self.text(left)?, self.text(pattern)?);
        let collation = super::convert::combine(&left.collation, &pattern.collation, "like")?;
        let escape = match escape {
            Some(escape) => self.expr(escape)?.sql,
            None => "NULL".to_owned(),
        };
        let class = values::sqlite_collation(collation.name());
        let not = if negated { "NOT " } else { "" };
        Ok(format!(
            "({not}tsql_like({}, {}, {escape}, '{class}'))",
            left.sql, pattern.sql
        ))
    }

    /// A value as text. Other types are converted as CAST to nvarchar converts them.
    pub(super) fn text(&mut self, bound: Bound) -> Result<Bound, SqlError> {
        if types::is_text(bound.ty) && !bound.untyped_null {
            return Ok(bound);
        }
        self.cast(bound, SqlType::NVarChar(crate::types::Len::N(4000)))
    }

    /// EXISTS. A correlated one over a single base table becomes a set of row ids, which is computed once, from the
    /// subquery's side. SQLite would run the subquery again for every outer row.
    fn exists(&mut self, subquery: &Query, negated: bool) -> Result<String, SqlError> {
        let not = if negated { "NOT " } else { "" };
        if let Some(set) = self.row_id_set(subquery)? {
            return Ok(format!(
                "({set_left} {not}IN ({set_right}))",
                set_left = set.0,
                set_right = set.1
            ));
        }
        let query = self.subquery(subquery)?;
        Ok(format!("({not}EXISTS ({}))", query.sql))
    }

    fn row_id_set(&mut self, subquery: &Query) -> Result<Option<(String, String)>, SqlError> {
        let Query {
            with: None,
            body,
            order_by: None,
            limit_clause: None,
            fetch: None,
            ..
        } = subquery
        else {
            return Ok(None);
        };
        let SetExpr::Select(select) = body.as_ref() else {
            return Ok(None);
        };
        let plain = select.top.is_none()
            && select.having.is_none()
            && matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty())
            && !select.from.is_empty()
            && select.projection.iter().all(is_harmless);
        if self.aggregates {
            // Beside aggregates there is no row with an id.
            return Ok(None);
        }
        let Some(Scope { sources, .. }) = self.scopes.last() else {
            return Ok(None);
        };
        let [outer] = sources.as_slice() else {
            return Ok(None);
        };
        let (Some(selection), true, Some(table)) = (&select.selection, plain, outer.table.clone()) else {
            return Ok(None);
        };
        let outer_alias = outer.alias.clone();
        let mut copy = outer.clone();
        let alias = self.alias();
        copy.alias.clone_from(&alias);
        copy.touched = false;
        self.scopes.push(Scope { sources: vec![copy] });
        let bound = self.bind_from_where(&select.from, selection);
        let touched = self
            .scopes
            .pop()
            .is_some_and(|s| s.sources.iter().any(|s| s.touched));
        let (from, condition) = bound?;
        if !touched {
            return Ok(None);
        }
        let set = format!("SELECT {alias}._rowid_ FROM {from}, {table} AS {alias} WHERE {condition}");
        Ok(Some((format!("{outer_alias}._rowid_"), set)))
    }

    fn bind_from_where(
        &mut self,
        from: &[sqlparser::ast::TableWithJoins],
        selection: &Expr,
    ) -> Result<(String, String), SqlError> {
        self.scopes.push(Scope::default());
        let bound = self
            .from(from)
            .and_then(|from| Ok((from, self.predicate(selection)?)));
        self.scopes.pop();
        bound
    }
}

/// The conditions joined by the word, as a tree of halves.
fn halved(terms: &[String], word: &str) -> String {
    match terms {
        [] => String::new(),
        [term] => term.clone(),
        terms => {
            let (left, right) = terms.split_at(terms.len().div_ceil(2));
            format!("({} {word} {})", halved(left, word), halved(right, word))
        }
    }
}

/// Whether the select list of an EXISTS subquery has no effect on the existence of rows.
fn is_harmless(item: &SelectItem) -> bool {
    match item {
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => {
            matches!(
                e,
                Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_)
            )
        }
        SelectItem::ExprWithAliases { .. } => false,
    }
}

fn comparison(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        _ => return None,
    })
}

fn operation(op: &str) -> &'static str {
    match op {
        "=" => "equal to",
        "<>" => "not equal to",
        "<" => "less than",
        "<=" => "less than or equal to",
        ">" => "greater than",
        _ => "greater than or equal to",
    }
}

fn not_a_condition(expr: &Expr) -> SqlError {
    if matches!(
        expr,
        Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Function(_)
    ) {
        let text = format!(
            "An expression of non-boolean type specified in a context where a condition is expected, near '{expr}'."
        );
        return error(4145, 15, 1, text);
    }
    unsupported(expr)
}
