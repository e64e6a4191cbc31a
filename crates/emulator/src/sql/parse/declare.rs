//! CREATE and DROP of types and security policies, and the options that hide a column's values.

use sqlparser::tokenizer::Token;

use super::reader::{Parsed, Reader};
use crate::sql::ast::{CreatePolicy, Stmt};

/// `encryption_type` of the two kinds of encryption ("sys.columns (Transact-SQL)").
const ENCRYPTION_TYPES: [(&str, u8); 2] = [("DETERMINISTIC", 1), ("RANDOMIZED", 2)];

impl Reader<'_> {
    /// The part after CREATE TYPE.
    pub(super) fn create_type(&mut self) -> Parsed<Stmt> {
        let name = self.object_name()?;
        self.expect("FROM")?;
        let base = self.parser.parse_data_type()?;
        let nullable = if self.take("NOT") {
            self.expect("NULL")?;
            false
        } else {
            self.take("NULL");
            true
        };
        Ok(Stmt::CreateType { name, base, nullable })
    }

    /// The part after CREATE SECURITY POLICY. A policy without STATE is enabled ("CREATE SECURITY POLICY
    /// (Transact-SQL)").
    pub(super) fn create_policy(&mut self) -> Parsed<Stmt> {
        let name = self.object_name()?;
        let predicates = self.list(|r| {
            r.expect("ADD")?;
            r.take("FILTER");
            r.expect("PREDICATE")?;
            let definition = r.expr_text()?;
            r.expect("ON")?;
            Ok((definition, r.object_name()?))
        })?;
        let mut enabled = true;
        if self.take("WITH") {
            self.expect_token(&Token::LParen)?;
            self.expect("STATE")?;
            self.expect_token(&Token::Eq)?;
            enabled = self.take("ON");
            if !enabled {
                self.expect("OFF")?;
            }
            self.expect_token(&Token::RParen)?;
        }
        Ok(Stmt::CreatePolicy(Box::new(CreatePolicy {
            name,
            predicates,
            enabled,
        })))
    }

    /// The part after MASKED: `WITH (FUNCTION = '...')`.
    pub(super) fn masking_function(&mut self) -> Parsed<String> {
        self.expect("WITH")?;
        self.expect_token(&Token::LParen)?;
        self.expect("FUNCTION")?;
        self.expect_token(&Token::Eq)?;
        let function = match self.parser.next_token().token {
            Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => text,
            _ => {
                self.parser.prev_token();
                return Err(self.near());
            }
        };
        self.expect_token(&Token::RParen)?;
        Ok(function)
    }

    /// The part after ENCRYPTED: `WITH (COLUMN_ENCRYPTION_KEY = k, ENCRYPTION_TYPE = DETERMINISTIC, ALGORITHM =
    /// '...')`.
    pub(super) fn encryption(&mut self) -> Parsed<u8> {
        self.expect("WITH")?;
        let mut kind = None;
        self.parenthesized(|r| {
            let option = r.ident()?;
            r.expect_token(&Token::Eq)?;
            let value = r.parser.next_token().token.to_string();
            if option.value.eq_ignore_ascii_case("ENCRYPTION_TYPE") {
                let known = ENCRYPTION_TYPES.iter().find(|k| k.0.eq_ignore_ascii_case(&value));
                kind = known.map(|k| k.1);
            }
            Ok(())
        })?;
        kind.ok_or_else(|| self.near())
    }
}
