//! Queries: SELECT with its clauses, set operations, CTEs, ORDER BY, TOP and OFFSET.

use std::collections::HashMap;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Top, TopQuantity, Value,
};

use super::binder::Binder;
use super::bound::{Bound, Collation};
use super::convert::Mode;
use super::convert::key;
use super::output::{BoundQuery, Output};
use super::scope::Scope;
use crate::sql::errors::{error, unsupported};
use crate::store::fold;
use crate::types::{SqlError, SqlType};

/// The most columns of a select list ("Maximum capacity specifications for SQL Server").
const COLUMNS_MAX: usize = 4096;

/// A select list.
#[derive(Default)]
struct SelectList {
    /// The expressions with their names.
    outputs: Vec<(String, Bound)>,
    /// The variables that they are assigned to.
    assigns: Vec<String>,
    /// The positions of the expressions that read a masked column.
    masked: Vec<usize>,
}

/// The clauses of a SELECT in SQLite SQL, without its LIMIT.
struct Clauses<'a> {
    outputs: &'a [(String, Bound)],
    distinct: bool,
    from: &'a str,
    condition: Option<String>,
    group: &'a [String],
    having: Option<String>,
    order: &'a [String],
}

fn select_sql(clauses: &Clauses<'_>) -> String {
    let output = |(i, (_, bound)): (usize, &(String, Bound))| {
        let sql = if clauses.distinct {
            distinct_key(bound, &bound.collation)
        } else {
            bound.sql.clone()
        };
        format!("{sql} AS \"c{}\"", i + 1)
    };
    let list: Vec<String> = clauses.outputs.iter().enumerate().map(output).collect();
    let word = if clauses.distinct { "DISTINCT " } else { "" };
    let mut sql = format!("SELECT {word}{}", list.join(", "));
    if !clauses.from.is_empty() {
        sql.push_str(&format!(" FROM {}", clauses.from));
    }
    if let Some(condition) = &clauses.condition {
        sql.push_str(&format!(" WHERE {condition}"));
    }
    if !clauses.group.is_empty() {
        sql.push_str(&format!(" GROUP BY {}", clauses.group.join(", ")));
    }
    if let Some(having) = &clauses.having {
        sql.push_str(&format!(" HAVING {having}"));
    }
    if !clauses.order.is_empty() {
        sql.push_str(&format!(" ORDER BY {}", clauses.order.join(", ")));
    }
    sql
}

impl Binder<'_> {
    /// A query, at the top or anywhere below.
    pub(crate) fn subquery(&mut self, query: &Query) -> Result<BoundQuery, SqlError> {
        if query.for_clause.is_some()
            || !query.locks.is_empty()
            || query.settings.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(unsupported(query));
        }
        self.ctes.push(HashMap::new());
        let bound = self.with_ctes(query);
        self.ctes.pop();
        bound
    }

    fn with_ctes(&mut self, query: &Query) -> Result<BoundQuery, SqlError> {
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            let mut bound = self.subquery(&cte.query)?;
            let names = &cte.alias.columns;
            if !names.is_empty() && names.len() != bound.columns.len() {
                let text = format!(
                    "'{}' has fewer columns than were specified in the column list.",
                    cte.alias.name.value
                );
                return Err(error(8158, 16, 1, text));
            }
            for (column, name) in bound.columns.iter_mut().zip(names) {
                column.name.clone_from(&name.name.value);
            }
            if let Some(level) = self.ctes.last_mut() {
                level.insert(fold(&cte.alias.name.value), bound);
            }
        }
        let outer = self.aggregates;
        let bound = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, Some(query)),
            body => {
                let bound = self.set_expr(body)?;
                self.ordered(bound, query)
            }
        };
        self.aggregates = outer;
        bound
    }

    pub(super) fn set_expr(&mut self, body: &SetExpr) -> Result<BoundQuery, SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::Query(query) => self.subquery(query),
            SetExpr::SetOperation { .. } => {
                // The parser nests a chain in its left sides, so that it is walked rather than descended.
                let (mut first, mut rest) = (body, Vec::new());
                while let SetExpr::SetOperation {
                    left,
                    op,
                    set_quantifier,
                    right,
                } = first
                {
                    rest.push((*op, *set_quantifier, right.as_ref()));
                    first = left;
                }
                let mut bound = self.set_expr(first)?;
                while let Some((op, quantifier, right)) = rest.pop() {
                    let right = self.set_expr(right)?;
                    bound = self.combined(bound, op, quantifier, right)?;
                }
                Ok(bound)
            }
            SetExpr::Values(values) => {
                let mut rows = Vec::with_capacity(values.rows.len());
                for row in &values.rows {
                    let row: Result<Vec<Bound>, SqlError> =
                        row.content.iter().map(|e| self.expr(e)).collect();
                    rows.push(row?);
                }
                self.values(rows)
            }
            _ => Err(unsupported(body)),
        }
    }

    fn select(&mut self, select: &Select, query: Option<&Query>) -> Result<BoundQuery, SqlError> {
        let odd = !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.sort_by.is_empty()
            || !select.named_window.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || select.exclude.is_some();
        if odd {
            return Err(unsupported(select));
        }
        self.scopes.push(Scope::default());
        let outer = std::mem::take(&mut self.grouping);
        let bound = self.select_in_scope(select, query);
        self.grouping = outer;
        self.scopes.pop();
        bound
    }

    fn select_in_scope(&mut self, select: &Select, query: Option<&Query>) -> Result<BoundQuery, SqlError> {
        self.aggregates = false;
        let from = self.from(&select.from)?;
        let condition = match &select.selection {
            Some(selection) => Some(self.predicate(selection)?),
            None => None,
        };
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return Err(unsupported(select)),
        };
        let group = self.group_by(&select.group_by)?;
        self.aggregates = true;
        let SelectList {
            mut outputs,
            assigns,
            masked,
        } = self.select_list(&select.projection)?;
        let in_list = self.grouping.ungrouped.len();
        let having = match &select.having {
            Some(having) => Some(self.predicate(having)?),
            None => None,
        };
        let in_having = self.grouping.ungrouped.len();
        let order = match query {
            Some(query) => self.select_order(query.order_by.as_ref(), &outputs)?,
            None => Vec::new(),
        };
        let grouped = !group.is_empty() || having.is_some() || self.grouping.aggregated;
        if grouped {
            self.grouping.check(in_list, in_having)?;
        }
        let one_row = grouped && group.is_empty() || from.is_empty() && query.is_some();
        let limit = match query {
            Some(query) => self.limit(select.top.as_ref(), query)?,
            None => self
                .top(select.top.as_ref())?
                .map_or(String::new(), |top| format!(" LIMIT {top}")),
        };
        for at in masked {
            outputs[at].1 = self.mask(outputs[at].1.clone())?;
        }
        let mut sql = select_sql(&Clauses {
            outputs: &outputs,
            distinct,
            from: &from,
            condition,
            group: &group,
            having,
            order: &order,
        });
        sql.push_str(&limit);
        if query.is_none() && !limit.is_empty() {
            // An operand of a set operation cannot have a LIMIT of its own in SQLite.
            sql = format!("SELECT * FROM ({sql})");
        }
        let columns = outputs
            .iter()
            .map(|(name, bound)| Output::new(name.clone(), bound))
            .collect();
        let one_row = one_row || limit == " LIMIT 1";
        Ok(BoundQuery {
            sql,
            columns,
            assigns,
            one_row,
        })
    }

    fn group_by(&mut self, group_by: &GroupByExpr) -> Result<Vec<String>, SqlError> {
        let GroupByExpr::Expressions(expressions, modifiers) = group_by else {
            return Err(unsupported(group_by));
        };
        if !modifiers.is_empty() {
            return Err(unsupported(group_by));
        }
        let mut keys = Vec::with_capacity(expressions.len());
        for expression in expressions {
            let bound = self.expr(expression)?;
            keys.push(key(&bound, Some(&bound.collation)));
            self.grouping.groups.push(bound.sql);
        }
        Ok(keys)
    }

    fn select_list(&mut self, projection: &[SelectItem]) -> Result<SelectList, SqlError> {
        let SelectList {
            mut outputs,
            mut assigns,
            mut masked,
        } = SelectList::default();
        for item in projection {
            if outputs.len() > COLUMNS_MAX {
                let text = "The number of elements in the select list exceeds the maximum allowed number of 4096 \
                            elements.";
                return Err(error(1056, 15, 1, text));
            }
            let (first, reads) = (outputs.len(), self.masked_reads);
            match item {
                SelectItem::Wildcard(_) => {
                    outputs.extend(self.all_columns(None)?.into_iter().map(named_by_column))
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    outputs.extend(self.all_columns(Some(name))?.into_iter().map(named_by_column));
                }
                SelectItem::ExprWithAlias { expr, alias }
                    if alias.value.starts_with('@') && alias.quote_style.is_none() =>
                {
                    let variable = fold(&alias.value);
                    let ty = *self
                        .variables
                        .get(&variable)
                        .ok_or_else(|| crate::sql::errors::no_variable(&alias.value))?;
                    let value = self.expr(expr)?;
                    let value = self.convert(value, ty, None, Mode::Cast)?;
                    assigns.push(variable);
                    outputs.push((String::new(), value));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    outputs.push((alias.value.clone(), self.expr(expr)?))
                }
                SelectItem::UnnamedExpr(expr) => outputs.push(named_by_column(self.expr(expr)?)),
                SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
                    return Err(unsupported(item));
                }
            }
            let read = self.masked_reads > reads;
            let of_masked = |bound: &Bound| read || bound.column.as_ref().is_some_and(|c| c.masked);
            masked.extend((first..outputs.len()).filter(|at| of_masked(&outputs[*at].1)));
        }
        if !assigns.is_empty() && assigns.len() != outputs.len() {
            let text = "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.";
            return Err(error(141, 15, 1, text));
        }
        Ok(SelectList {
            outputs,
            assigns,
            masked,
        })
    }

    fn select_order(
        &mut self,
        order: Option<&OrderBy>,
        outputs: &[(String, Bound)],
    ) -> Result<Vec<String>, SqlError> {
        let columns: Vec<Output> = outputs
            .iter()
            .map(|(name, bound)| Output::new(name.clone(), bound))
            .collect();
        let mut items = Vec::new();
        for item in order_items(order)? {
            let bound = match position(&item.expr, &columns)? {
                Some(at) => outputs[at].1.clone(),
                None => self.expr(&item.expr)?,
            };
            if bound.constant.is_some() {
                // A constant orders nothing, and SQLite would read a number as a position.
                continue;
            }
            items.push(format!(
                "{}{}",
                key(&bound, Some(&bound.collation.clone())),
                direction(item)
            ));
        }
        Ok(items)
    }

    fn top(&mut self, top: Option<&Top>) -> Result<Option<String>, SqlError> {
        match top {
            None => Ok(None),
            Some(Top {
                with_ties: false,
                percent: false,
                quantity: Some(TopQuantity::Constant(n)),
            }) => Ok(Some(n.to_string())),
            Some(Top {
                with_ties: false,
                percent: false,
                quantity: Some(TopQuantity::Expr(expr)),
            }) => self.row_count(expr).map(Some),
            Some(top) => Err(unsupported(top)),
        }
    }

    /// A number of rows: TOP, OFFSET, FETCH.
    pub(super) fn row_count(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let count = self.expr(expr)?;
        let count = self.cast(count, SqlType::BigInt)?;
        Ok(format!("tsql_rows({})", count.sql))
    }

    pub(super) fn limit(&mut self, top: Option<&Top>, query: &Query) -> Result<String, SqlError> {
        let offset = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset {
                limit: None,
                offset: Some(offset),
                limit_by,
            }) if limit_by.is_empty() => Some(self.row_count(&offset.value)?),
            Some(_) => return Err(unsupported(query)),
        };
        let count = match &query.fetch {
            Some(fetch) if !fetch.with_ties && !fetch.percent && top.is_none() => match &fetch.quantity {
                Some(quantity) => Some(self.row_count(quantity)?),
                None => Some("1".to_owned()),
            },
            Some(_) => return Err(unsupported(query)),
            None => self.top(top)?,
        };
        Ok(match (count, offset) {
            (None, None) => String::new(),
            (Some(count), None) => format!(" LIMIT {count}"),
            (count, Some(offset)) => {
                format!(" LIMIT {} OFFSET {offset}", count.unwrap_or_else(|| "-1".into()))
            }
        })
    }
}

fn named_by_column(bound: Bound) -> (String, Bound) {
    (
        bound.column.as_ref().map_or(String::new(), |c| c.name.clone()),
        bound,
    )
}

/// The key by which SQLite makes rows distinct: the value itself, with its collation.
pub(super) fn distinct_key(bound: &Bound, collation: &Collation) -> String {
    if matches!(bound.ty, SqlType::DateTimeOffset(_)) {
        bound.sql.clone()
    } else {
        key(bound, Some(collation))
    }
}

pub(super) fn order_items(order: Option<&OrderBy>) -> Result<&[OrderByExpr], SqlError> {
    match order {
        None => Ok(&[]),
        Some(OrderBy {
            kind: OrderByKind::Expressions(items),
            interpolate: None,
        }) => Ok(items),
        Some(order) => Err(unsupported(order)),
    }
}

/// The output column that an ORDER BY item names by number or by name.
pub(super) fn position(expr: &Expr, columns: &[Output]) -> Result<Option<usize>, SqlError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => match text.parse::<usize>() {
                Ok(n) if (1..=columns.len()).contains(&n) => Ok(Some(n - 1)),
                _ => Err(error(
                    108,
                    15,
                    1,
                    format!(
                        "The ORDER BY position number {text} is out of range of the number of items in the select list."
                    ),
                )),
            },
            _ => Ok(None),
        },
        Expr::Identifier(ident) => {
            let name = fold(&ident.value);
            let mut named = columns.iter().enumerate().filter(|(_, c)| fold(&c.name) == name);
            let first = named.next().map(|(position, _)| position);
            // This holds even if both are the same column: column names must be unique ("ORDER BY Clause
            // (Transact-SQL)").
            match named.next() {
                Some(_) => Err(error(
                    209,
                    16,
                    1,
                    format!("Ambiguous column name '{}'.", ident.value),
                )),
                None => Ok(first),
            }
        }
        _ => Ok(None),
    }
}

pub(super) fn direction(item: &OrderByExpr) -> &'static str {
    match item.options.sort {
        Some(sqlparser::ast::OrderBySort::Desc) => " DESC",
        _ => "",
    }
}
