//! INSERT, INSERT BULK, UPDATE and DELETE.

use sqlparser::ast::BinaryOperator;
use sqlparser::ast::{Expr, Ident, TableWithJoins};
use sqlparser::tokenizer::Token;

use super::reader::{Failure, Parsed, Reader};
use crate::sql::ast::{BulkColumn, Delete, Insert, InsertSource, Stmt, Update};

impl Reader<'_> {
    pub(super) fn insert(&mut self) -> Parsed<Stmt> {
        if self.take("BULK") {
            return self.insert_bulk();
        }
        self.take("INTO");
        let table = self.object_name()?;
        self.skip_hints()?;
        let columns = if self.peek_is(&Token::LParen) && !self.parenthesis_opens_query() {
            self.parenthesized(Self::ident)?
        } else {
            Vec::new()
        };
        self.refuse_output()?;
        let source = if self.take("DEFAULT") {
            self.expect("VALUES")?;
            InsertSource::DefaultValues
        } else if self.take("VALUES") {
            InsertSource::Values(self.list(|r| r.parenthesized(Self::value_or_default))?)
        } else if matches!(self.peek_word().as_deref(), Some("SELECT" | "WITH"))
            || self.peek_is(&Token::LParen)
        {
            InsertSource::Query(self.parser.parse_query()?)
        } else {
            return Err(self.near());
        };
        self.option_clause()?;
        Ok(Stmt::Insert(Box::new(Insert {
            table,
            columns,
            source,
        })))
    }

    fn parenthesis_opens_query(&self) -> bool {
        matches!(self.peek_nth_word(1).as_deref(), Some("SELECT" | "WITH"))
    }

    fn value_or_default(&mut self) -> Parsed<Option<Expr>> {
        if self.take("DEFAULT") {
            Ok(None)
        } else {
            self.expr().map(Some)
        }
    }

    fn insert_bulk(&mut self) -> Parsed<Stmt> {
        let table = self.object_name()?;
        let columns = self.parenthesized(|r| {
            let name = r.ident()?;
            let ty = r.parser.parse_data_type()?;
            if r.take("COLLATE") {
                r.ident()?;
            }
            if r.take("NOT") {
                r.expect("NULL")?;
            } else {
                r.take("NULL");
            }
            Ok(BulkColumn { name, ty })
        })?;
        let mut options = Vec::new();
        if self.take("WITH") {
            options = self.parenthesized(|r| {
                let name = r.ident()?.value.to_ascii_uppercase();
                match name.as_str() {
                    "KEEP_NULLS" | "TABLOCK" | "CHECK_CONSTRAINTS" | "FIRE_TRIGGERS" => {}
                    "ROWS_PER_BATCH" | "KILOBYTES_PER_BATCH" => {
                        r.expect_token(&Token::Eq)?;
                        r.integer()?;
                    }
                    _ => return Err(r.near()),
                }
                Ok(name)
            })?;
        }
        Ok(Stmt::InsertBulk {
            table,
            columns,
            options,
        })
    }

    pub(super) fn update(&mut self) -> Parsed<Stmt> {
        let top = self.top()?;
        let target = self.object_name()?;
        self.skip_hints()?;
        self.expect("SET")?;
        let assignments = self.list(|r| {
            let mut target = vec![r.ident()?];
            while r.parser.consume_token(&Token::Period) {
                target.push(r.ident()?);
            }
            let operator = match r.parser.next_token().token {
                Token::Eq => None,
                token => {
                    let operator = compound(&token).ok_or_else(|| r.near())?;
                    r.expect_token(&Token::Eq)?;
                    Some(operator)
                }
            };
            if operator.is_none() && r.take("DEFAULT") {
                return Ok((target, None));
            }
            let value = r.expr()?;
            let value = match operator {
                Some(op) => Expr::BinaryOp {
                    left: Box::new(Expr::CompoundIdentifier(target.clone())),
                    op,
                    right: Box::new(Expr::Nested(Box::new(value))),
                },
                None => value,
            };
            Ok((target, Some(value)))
        })?;
        self.refuse_output()?;
        let (from, selection) = self.tables_and_condition()?;
        Ok(Stmt::Update(Box::new(Update {
            top,
            target,
            assignments,
            from,
            selection,
        })))
    }

    pub(super) fn delete(&mut self) -> Parsed<Stmt> {
        let top = self.top()?;
        self.take("FROM");
        let target = self.object_name()?;
        self.skip_hints()?;
        self.refuse_output()?;
        let (from, selection) = self.tables_and_condition()?;
        Ok(Stmt::Delete(Box::new(Delete {
            top,
            target,
            from,
            selection,
        })))
    }

    fn tables_and_condition(&mut self) -> Parsed<(Vec<TableWithJoins>, Option<Expr>)> {
        let from = if self.take("FROM") {
            self.list(|r| r.parser.parse_table_and_joins().map_err(Failure::from))?
        } else {
            Vec::new()
        };
        let selection = if self.take("WHERE") {
            Some(self.expr()?)
        } else {
            None
        };
        self.option_clause()?;
        Ok((from, selection))
    }

    fn top(&mut self) -> Parsed<Option<Expr>> {
        if !self.take("TOP") {
            return Ok(None);
        }
        self.expect_token(&Token::LParen)?;
        let quantity = self.expr()?;
        self.expect_token(&Token::RParen)?;
        Ok(Some(quantity))
    }

    /// Refuses OUTPUT by name, because it would have to return rows.
    fn refuse_output(&mut self) -> Parsed<()> {
        if self.peek_word().is_some_and(|w| w == "OUTPUT") {
            Err(self.near())
        } else {
            Ok(())
        }
    }

    /// `@x` as a variable's name.
    pub(super) fn variable(&mut self) -> Parsed<String> {
        let Ident { value, .. } = self.ident()?;
        if value.starts_with('@') && !value.starts_with("@@") {
            Ok(value)
        } else {
            Err(self.near())
        }
    }
}

/// The operator of `+=` and similar assignments, before its `=`.
pub(super) fn compound(token: &Token) -> Option<BinaryOperator> {
    Some(match token {
        Token::Plus => BinaryOperator::Plus,
        Token::Minus => BinaryOperator::Minus,
        Token::Mul => BinaryOperator::Multiply,
        Token::Div => BinaryOperator::Divide,
        Token::Mod => BinaryOperator::Modulo,
        _ => return None,
    })
}
