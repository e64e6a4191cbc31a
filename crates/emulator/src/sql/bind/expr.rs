//! Scalar expressions: literals, columns, variables, operators, CASE, CAST and COLLATE.

use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, CaseWhen, CastKind, Expr, Query, UnaryOperator, Value};

use super::binder::Binder;
use super::bound::{Bound, Collation, Parameter};
use super::convert::Mode;
use super::convert::combine;
use crate::sql::errors::{error, no_variable, too_deep, unsupported};
use crate::sql::types::{self, Place};
use crate::sql::values;
use crate::store::catalog::DEFAULT_COLLATION;
use crate::store::fold;
use crate::store::type_code::encode;
use crate::types::{Cell, Len, OwnedCell, SqlError, SqlType};
use crate::value::arithmetic;
use crate::value::operator::Operator;
use crate::value::{parse, promote};

/// The longest SQLite text of an expression: several times what a request may hold. An expression may be written
/// more than once, and what contains it again.
const TEXT_BYTES_MAX: usize = 256 * 1024 * 1024;

impl Binder<'_> {
    /// A scalar expression.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        self.count()?;
        let mark = self.grouping.ungrouped.len();
        let bound = self.any_expr(expr)?;
        self.settled(bound, mark)
    }

    fn settled(&mut self, bound: Bound, mark: usize) -> Result<Bound, SqlError> {
        self.grouping.settle(&bound.sql, mark);
        if bound.sql.len() > TEXT_BYTES_MAX {
            return Err(too_deep());
        }
        Ok(bound)
    }

    /// `a + b - c`: a chain of operators. The parser nests each in the left side of the next, so that it is walked
    /// rather than descended: it may have thousands.
    fn chain(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        let mark = self.grouping.ungrouped.len();
        let (mut first, mut rest) = (expr, Vec::new());
        while let Expr::BinaryOp { left, op, right } = first
            && let Some(operator) = operator(op)
        {
            rest.push((operator, right.as_ref()));
            first = left;
        }
        if rest.is_empty() {
            return Err(unsupported(expr));
        }
        let mut bound = self.expr(first)?;
        while let Some((operator, right)) = rest.pop() {
            let right = self.expr(right)?;
            let whole = self.arithmetic(bound, operator, right)?;
            bound = self.settled(whole, mark)?;
        }
        Ok(bound)
    }

    fn any_expr(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        match expr {
            Expr::Nested(inner) => {
                let inner = self.expr(inner)?;
                let sql = if inner.column.is_some() || inner.constant.is_some() {
                    inner.sql
                } else {
                    format!("({})", inner.sql)
                };
                Ok(Bound { sql, ..inner })
            }
            Expr::Value(value) => self.value(&value.value),
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with("@@") => {
                self.global(&ident.value)
            }
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with('@') => {
                self.variable(&ident.value)
            }
            Expr::Identifier(ident)
                if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("CURRENT_TIMESTAMP") =>
            {
                self.function_named("CURRENT_TIMESTAMP", &[])
            }
            Expr::Identifier(ident) => self.column(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(idents) => self.column(idents),
            Expr::UnaryOp {
                op: UnaryOperator::Plus,
                expr,
            } => self.expr(expr),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => {
                let inner = self.expr(expr)?;
                self.negate(inner)
            }
            Expr::BinaryOp { .. } => self.chain(expr),
            Expr::Collate { expr, collation } => {
                let name = collation.to_string().replace(['[', ']', '"'], "");
                let inner = self.expr(expr)?;
                self.collate(inner, &name)
            }
            Expr::Cast {
                kind,
                expr,
                data_type,
                format: None,
            } => {
                let mode = match kind {
                    CastKind::Cast => Mode::Cast,
                    CastKind::TryCast => Mode::Try,
                    _ => return Err(unsupported(expr)),
                };
                let inner = self.expr(expr)?;
                if data_type.to_string().eq_ignore_ascii_case("sql_variant") {
                    return Ok(inner);
                }
                let (ty, _) = types::sql_type(data_type, Place::Cast)?;
                let collation = inner.collation.name().to_owned();
                let inner = Bound {
                    column: None,
                    ..inner
                };
                self.convert(inner, ty, Some(&collation), mode)
            }
            Expr::Convert {
                is_try,
                expr,
                data_type: Some(ty),
                charset: None,
                styles,
                ..
            } => {
                let mode = if *is_try { Mode::Try } else { Mode::Cast };
                let (ty, _) = types::sql_type(ty, Place::Cast)?;
                self.convert_function(expr, ty, styles, mode)
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Function(function) => self.function(function),
            Expr::Subquery(query) => self.scalar_subquery(query),
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for: Some(len),
                ..
            } => self.function_named("SUBSTRING", &[expr, from, len]),
            Expr::Trim {
                trim_where: None,
                trim_what: None,
                expr,
                trim_characters: None,
            } => self.function_named("TRIM", &[expr]),
            Expr::Ceil { expr, .. } => self.function_named("CEILING", &[expr]),
            Expr::Floor { expr, .. } => self.function_named("FLOOR", &[expr]),
            _ => Err(unsupported(expr)),
        }
    }

    /// A query that stands for a value.
    fn scalar_subquery(&mut self, query: &Query) -> Result<Bound, SqlError> {
        let query = self.subquery(query)?;
        let [column] = query.columns.as_slice() else {
            let text = "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.";
            return Err(error(116, 16, 1, text));
        };
        // Two rows or more are an error. SQLite would take the first.
        let sql = if query.one_row {
            format!("({})", query.sql)
        } else {
            let alias = self.alias();
            format!(
                "(SELECT CASE WHEN count(*) > 1 THEN tsql_many() ELSE max({alias}.c1) END \
                 FROM (SELECT * FROM ({}) LIMIT 2) AS {alias})",
                query.sql
            )
        };
        Ok(Bound {
            collation: column.collation.clone(),
            ..Bound::new(sql, column.ty)
        })
    }

    fn value(&mut self, value: &Value) -> Result<Bound, SqlError> {
        match value {
            Value::Null => Ok(self.null()),
            // sqlparser reads a money literal as a placeholder.
            Value::Number(text, _) | Value::Placeholder(text) => {
                let (value, ty) = parse::number_literal(text)?;
                Ok(self.literal(value, ty))
            }
            Value::SingleQuotedString(text) => {
                let ty = parse::string_literal_type(text, false);
                let kept = if text.is_ascii() {
                    OwnedCell::Text(text.clone())
                } else {
                    let wide = OwnedCell::Text(text.clone());
                    values::cast(wide.as_cell(), SqlType::NVarChar(Len::Max), ty, false)?
                };
                Ok(self.literal(kept, ty))
            }
            Value::NationalStringLiteral(text) => Ok(self.literal(
                OwnedCell::Text(text.clone()),
                parse::string_literal_type(text, true),
            )),
            Value::HexStringLiteral(text) => {
                let (bytes, ty) = parse::binary_literal(&format!("0x{text}"))?;
                Ok(self.literal(bytes, ty))
            }
            _ => Err(unsupported(value)),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Bound, SqlError> {
        let folded = fold(name);
        let ty = *self.variables.get(&folded).ok_or_else(|| no_variable(name))?;
        Ok(Bound::new(self.parameter(Parameter::Variable(folded)), ty))
    }

    fn negate(&mut self, inner: Bound) -> Result<Bound, SqlError> {
        if !types::is_number(inner.ty) && !inner.untyped_null {
            let text = format!(
                "Operand data type {} is invalid for minus operator.",
                types::name(inner.ty)
            );
            return Err(error(8117, 16, 1, text));
        }
        let ty = inner.ty;
        if let Some(value) = inner.constant.as_ref().filter(|v| v.as_cell() != Cell::Null)
            && let Ok(negated) = arithmetic::negate(value.as_cell(), ty)
        {
            return Ok(self.literal(negated, ty));
        }
        Ok(Bound {
            nullable: inner.nullable,
            ..Bound::new(format!("tsql_negate({}, {})", inner.sql, encode(ty)), ty)
        })
    }

    /// `left op right`, with SQL Server's result type.
    pub(super) fn arithmetic(&mut self, left: Bound, op: Operator, right: Bound) -> Result<Bound, SqlError> {
        if left.untyped_null || right.untyped_null {
            let ty = Self::common_type(&left, &right)?;
            return Ok(self.literal(OwnedCell::Null, ty));
        }
        if op == Operator::Add && types::is_text(left.ty) && types::is_text(right.ty) {
            return self.concatenate(left, right);
        }
        if op == Operator::Add && types::is_binary(left.ty) && types::is_binary(right.ty) {
            let ty = values::concatenated(left.ty, right.ty);
            return Ok(Bound::new(format!("tsql_bytes({}, {})", left.sql, right.sql), ty));
        }
        let right = self.narrowed(right, left.ty);
        let left = self.narrowed(left, right.ty);
        let ty = promote::arithmetic_type(op, left.ty, right.ty)?;
        let code = op as i64;
        let sql = format!(
            "tsql_arith({code}, {}, {}, {}, {})",
            left.sql,
            encode(left.ty),
            right.sql,
            encode(right.ty)
        );
        let nullable = left.nullable || right.nullable;
        Ok(Bound {
            nullable,
            ..Bound::new(sql, ty)
        })
    }

    /// An integer literal beside a decimal has the precision of its digits, not that of int.
    fn narrowed(&mut self, bound: Bound, other: SqlType) -> Bound {
        match (&bound.constant, bound.ty, other) {
            (Some(OwnedCell::Integer(value)), SqlType::Int, SqlType::Decimal { .. }) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                let precision = u8::try_from(digits).unwrap_or(10);
                let ty = SqlType::Decimal {
                    precision,
                    scale: 0,
                    numeric: true,
                };
                self.literal(OwnedCell::Integer(*value), ty)
            }
            _ => bound,
        }
    }

    fn concatenate(&mut self, left: Bound, right: Bound) -> Result<Bound, SqlError> {
        let ty = values::concatenated(left.ty, right.ty);
        let collation = combine(&left.collation, &right.collation, "add")?;
        let nullable = left.nullable || right.nullable;
        Ok(Bound {
            collation,
            nullable,
            ..Bound::new(format!("({} || {})", left.sql, right.sql), ty)
        })
    }

    /// `x COLLATE name`.
    fn collate(&mut self, inner: Bound, name: &str) -> Result<Bound, SqlError> {
        if !types::is_text(inner.ty) {
            let text = format!(
                "Expression type {} is invalid for COLLATE clause.",
                types::name(inner.ty)
            );
            return Err(error(447, 16, 0, text));
        }
        if !values::known_collation(name) {
            return Err(error(448, 16, 1, format!("Invalid collation '{name}'.")));
        }
        let wanted: Option<Arc<str>> = if name.eq_ignore_ascii_case("database_default") {
            None
        } else {
            Some(Arc::from(name))
        };
        // Within one type, a code page may hold fewer characters than UTF-8 does.
        let inner = match inner.ty {
            ty @ (SqlType::Char(_) | SqlType::VarChar(_)) => {
                self.convert(inner, ty, wanted.as_deref(), Mode::Cast)?
            }
            _ => inner,
        };
        let collation = wanted.map_or(
            Collation::Explicit(Arc::from(DEFAULT_COLLATION)),
            Collation::Explicit,
        );
        Ok(Bound { collation, ..inner })
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Bound, SqlError> {
        let (mut tests, mut results) = (Vec::new(), Vec::new());
        for CaseWhen { condition, result } in conditions {
            tests.push(match operand {
                Some(operand) => {
                    let (left, right) = (self.expr(operand)?, self.expr(condition)?);
                    self.compare(left, "=", right)?
                }
                None => self.predicate(condition)?,
            });
            results.push(self.expr(result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expr(otherwise)?,
            None => self.null(),
        });
        let (results, ty, collation) = self.unify(results)?;
        let mut sql = String::from("CASE");
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {test} THEN {}", result.sql));
        }
        if let Some(last) = results.last() {
            sql.push_str(&format!(" ELSE {}", last.sql));
        }
        sql.push_str(" END");
        let nullable = results.iter().any(|r| r.nullable);
        Ok(Bound {
            collation,
            nullable,
            ..Bound::new(sql, ty)
        })
    }

    /// Values of which one is the result: their common type, and each of them converted to it.
    pub(super) fn unify(&mut self, values: Vec<Bound>) -> Result<(Vec<Bound>, SqlType, Collation), SqlError> {
        let mut common: Option<Bound> = None;
        for value in &values {
            common = Some(match common {
                None => value.clone(),
                Some(common) => {
                    let ty = Self::common_type(&common, value)?;
                    let collation = if types::is_text(ty) {
                        combine(&common.collation, &value.collation, "CASE")?
                    } else {
                        Collation::Default
                    };
                    let untyped_null = common.untyped_null && value.untyped_null;
                    Bound {
                        collation,
                        untyped_null,
                        ..Bound::new(String::new(), ty)
                    }
                }
            });
        }
        let common = common.map_or((SqlType::Int, Collation::Default), |c| (c.ty, c.collation));
        let mut converted = Vec::with_capacity(values.len());
        for value in values {
            converted.push(self.convert(value, common.0, Some(common.1.name()), Mode::Cast)?);
        }
        Ok((converted, common.0, common.1))
    }
}

fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Add,
        BinaryOperator::Minus => Operator::Subtract,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        _ => return None,
    })
}
