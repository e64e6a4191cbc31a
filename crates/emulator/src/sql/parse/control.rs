//! Transactions, control flow, variables, SET and EXEC.

use sqlparser::ast::{DataType, Expr};
use sqlparser::tokenizer::Token;

use super::reader::{Failure, Parsed, Reader};
use crate::sql::ast::{Argument, Declaration, IsolationLevel, SetOption, Stmt};
use crate::types::SqlError;

/// SET options that are on or off. The emulator works that way anyway, or the session keeps the setting.
const SWITCHES: [&str; 20] = [
    "ANSI_DEFAULTS",
    "ANSI_NULLS",
    "ANSI_NULL_DFLT_ON",
    "ANSI_NULL_DFLT_OFF",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "ARITHIGNORE",
    "CONCAT_NULL_YIELDS_NULL",
    "CURSOR_CLOSE_ON_COMMIT",
    "FMTONLY",
    "IMPLICIT_TRANSACTIONS",
    "NOCOUNT",
    "NOEXEC",
    "NUMERIC_ROUNDABORT",
    "QUOTED_IDENTIFIER",
    "REMOTE_PROC_TRANSACTIONS",
    "XACT_ABORT",
    "STATISTICS",
    "FORCEPLAN",
];
/// SET options with a value.
const VALUES: [&str; 8] = [
    "LOCK_TIMEOUT",
    "DEADLOCK_PRIORITY",
    "TEXTSIZE",
    "DATEFORMAT",
    "DATEFIRST",
    "LANGUAGE",
    "ROWCOUNT",
    "CONTEXT_INFO",
];

impl Reader<'_> {
    /// BEGIN TRANSACTION, BEGIN TRY, or BEGIN ... END.
    pub(super) fn begin(&mut self) -> Parsed<Stmt> {
        if self.transaction_word() {
            self.transaction_name()?;
            return Ok(Stmt::Begin);
        }
        if self.take("TRY") {
            let body = self.until_end("TRY")?;
            while self.parser.consume_token(&Token::SemiColon) {}
            self.expect("BEGIN")?;
            self.expect("CATCH")?;
            let handler = self.until_end("CATCH")?;
            return Ok(Stmt::TryCatch { body, handler });
        }
        let block = self.statements(|w| w == "END")?;
        self.expect("END")?;
        Ok(Stmt::Block(block))
    }

    fn until_end(&mut self, what: &str) -> Parsed<Vec<crate::sql::ast::Statement>> {
        let body = self.statements(|w| w == "END")?;
        self.expect("END")?;
        self.expect(what)?;
        Ok(body)
    }

    pub(super) fn transaction_word(&mut self) -> bool {
        self.take_one(&["TRANSACTION", "TRAN", "WORK"])
    }

    pub(super) fn transaction_name(&mut self) -> Parsed<Option<String>> {
        if self.at_end()
            || self.at_statement_start()
            || !matches!(self.parser.peek_token().token, Token::Word(_))
        {
            return Ok(None);
        }
        Ok(Some(self.ident()?.value))
    }

    pub(super) fn if_statement(&mut self) -> Parsed<Stmt> {
        let condition = Box::new(self.expr()?);
        let then = Box::new(self.statement()?);
        if self.peek_is(&Token::SemiColon) && self.peek_nth_word(1).as_deref() == Some("ELSE") {
            self.parser.next_token();
        }
        let otherwise = if self.take("ELSE") {
            Some(Box::new(self.statement()?))
        } else {
            None
        };
        Ok(Stmt::If {
            condition,
            then,
            otherwise,
        })
    }

    pub(super) fn declare(&mut self) -> Parsed<Stmt> {
        let declarations = self.list(|r| {
            let name = r.variable()?;
            r.take("AS");
            let ty = r.parser.parse_data_type()?;
            if matches!(&ty, DataType::Custom(n, _) if n.to_string().eq_ignore_ascii_case("table")) {
                return Err(r.near());
            }
            let value = if r.parser.consume_token(&Token::Eq) {
                Some(r.expr()?)
            } else {
                None
            };
            Ok(Declaration { name, ty, value })
        })?;
        Ok(Stmt::Declare(declarations))
    }

    pub(super) fn set(&mut self) -> Parsed<Stmt> {
        let Some(word) = self.peek_word() else {
            return Err(self.near());
        };
        if word.starts_with('@') {
            return self.set_variable();
        }
        self.parser.next_token();
        let option = match word.as_str() {
            "IDENTITY_INSERT" => {
                let table = self.object_name()?;
                SetOption::IdentityInsert {
                    table,
                    on: self.on_or_off()?,
                }
            }
            "TRANSACTION" => {
                self.expect("ISOLATION")?;
                self.expect("LEVEL")?;
                SetOption::IsolationLevel(self.isolation_level()?)
            }
            name if SWITCHES.contains(&name) => {
                let mut names = vec![word.clone()];
                if name == "STATISTICS" {
                    self.take_one(&["IO", "TIME", "XML", "PROFILE"]);
                }
                while self.parser.consume_token(&Token::Comma) {
                    let next = self.ident()?.value.to_ascii_uppercase();
                    if !SWITCHES.contains(&next.as_str()) {
                        return Err(unknown_option(&next));
                    }
                    names.push(next);
                }
                SetOption::Switches {
                    names,
                    on: self.on_or_off()?,
                }
            }
            name if VALUES.contains(&name) => SetOption::Value {
                value: Box::new(self.expr()?),
                name: word,
            },
            _ => return Err(unknown_option(&word)),
        };
        Ok(Stmt::SetOption(option))
    }

    fn set_variable(&mut self) -> Parsed<Stmt> {
        let name = self.variable()?;
        let operator = super::dml::compound(&self.parser.peek_token().token);
        if operator.is_some() {
            self.parser.next_token();
        }
        self.expect_token(&Token::Eq)?;
        let value = self.expr()?;
        let value = match operator {
            None => value,
            Some(op) => Expr::BinaryOp {
                left: Box::new(Expr::Identifier(sqlparser::ast::Ident::new(name.clone()))),
                op,
                right: Box::new(Expr::Nested(Box::new(value))),
            },
        };
        Ok(Stmt::SetVariable {
            name,
            value: Box::new(value),
        })
    }

    pub(super) fn on_or_off(&mut self) -> Parsed<bool> {
        if self.take("ON") {
            Ok(true)
        } else if self.take("OFF") {
            Ok(false)
        } else {
            Err(self.near())
        }
    }

    fn isolation_level(&mut self) -> Parsed<IsolationLevel> {
        if self.take("SNAPSHOT") {
            return Ok(IsolationLevel::Snapshot);
        }
        let known = if self.take("READ") {
            if self.take("UNCOMMITTED") {
                return Ok(IsolationLevel::Uncommitted);
            }
            self.take("COMMITTED")
        } else if self.take("REPEATABLE") {
            self.take("READ")
        } else {
            self.take("SERIALIZABLE")
        };
        if known {
            Ok(IsolationLevel::Waiting)
        } else {
            Err(self.near())
        }
    }

    pub(super) fn exec(&mut self) -> Parsed<Stmt> {
        if self.peek_is(&Token::LParen) {
            return Ok(Stmt::ExecString(self.parenthesized(Self::expr)?));
        }
        let status = match self.peek_word() {
            Some(word) if word.starts_with('@') => {
                let name = self.variable()?;
                self.expect_token(&Token::Eq)?;
                Some(name)
            }
            _ => None,
        };
        self.exec_procedure(status)
    }

    pub(super) fn exec_procedure(&mut self, status: Option<String>) -> Parsed<Stmt> {
        let procedure = self.object_name()?;
        let none = self.at_end() || self.at_statement_start() || self.peek_is(&Token::SemiColon);
        let arguments = if none {
            Vec::new()
        } else {
            self.list(Self::argument)?
        };
        Ok(Stmt::Exec {
            status,
            procedure,
            arguments,
        })
    }

    fn argument(&mut self) -> Parsed<Argument> {
        let named = self.peek_word().is_some_and(|w| w.starts_with('@'))
            && self.parser.peek_nth_token(1).token == Token::Eq;
        let name = if named {
            let name = self.variable()?;
            self.parser.next_token();
            Some(name)
        } else {
            None
        };
        let value = self.expr()?;
        let output = self.take_one(&["OUTPUT", "OUT"]);
        Ok(Argument { name, value, output })
    }

    pub(super) fn raiserror(&mut self) -> Parsed<Stmt> {
        let arguments = self.parenthesized(Self::expr)?;
        if self.take("WITH") {
            self.list(|r| {
                if r.take_one(&["NOWAIT", "SETERROR", "LOG"]) {
                    Ok(())
                } else {
                    Err(r.near())
                }
            })?;
        }
        Ok(Stmt::RaiseError(arguments))
    }
}

fn unknown_option(name: &str) -> Failure {
    let message = format!("'{name}' is not a recognized SET option.");
    Failure::Sql(SqlError {
        number: 195,
        state: 5,
        class: 15,
        message,
        line: 1,
    })
}
