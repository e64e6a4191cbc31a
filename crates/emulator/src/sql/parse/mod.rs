//! T-SQL text to statements: the statement level, which sqlparser does not know well enough (INSERT BULK, EXEC,
//! control flow, statements without semicolons), is read here; queries, expressions and types are sqlparser's.
//!
//! A batch is refused whole, before anything of it runs, when any of it is not understood.

mod control;
mod ddl;
mod declare;
mod dialect;
mod dml;
mod permission;

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer, TokenizerError};

use super::ast::{Batch, Statement, Stmt};
use crate::types::SqlError;
use dialect::Tsql;

/// How deep expressions and statements may nest: more than the product's deepest key predicate needs, less than a
/// connection thread's stack holds.
const DEPTH_MAX: usize = 120;

/// Parses a batch.
pub(crate) fn parse(sql: &str) -> Result<Batch, SqlError> {
    let dialect = Tsql::default();
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|e| tokenizer_error(&e))?;
    let parser = Parser::new(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens);
    let mut reader = Reader {
        parser,
        source: sql,
        ids: 0,
        depth: 0,
    };
    let statements = reader.statements(|_| false).map_err(|e| e.into_sql(sql))?;
    Ok(Batch {
        statements,
        ids: reader.ids,
    })
}

/// Parses one expression: a default, a check or a filter out of the catalog.
pub(crate) fn parse_expression(sql: &str) -> Result<Expr, SqlError> {
    let dialect = Tsql::default();
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|e| tokenizer_error(&e))?;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens);
    parser.parse_expr().map_err(|e| Failure::from(e).into_sql(sql))
}

/// Why a batch was not understood.
#[derive(Debug)]
enum Failure {
    /// Near this text, on this line.
    Near { text: String, keyword: bool, line: u64 },
    /// An error with a number of its own.
    Sql(SqlError),
}

impl From<ParserError> for Failure {
    fn from(error: ParserError) -> Failure {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => {
                return Failure::Sql(SqlError {
                    number: 191,
                    state: 1,
                    class: 15,
                    message: "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up \
                              into smaller queries."
                        .into(),
                    line: 1,
                });
            }
        };
        let (rest, line) = match message.rsplit_once(" at Line: ") {
            Some((rest, place)) => (
                rest,
                place
                    .split(',')
                    .next()
                    .and_then(|l| l.trim().parse().ok())
                    .unwrap_or(1),
            ),
            // The end of the text has no place of its own.
            None => (message.as_str(), 0),
        };
        let text = rest.rsplit_once("found: ").map_or(rest, |(_, found)| found);
        Failure::Near {
            text: text.to_owned(),
            keyword: false,
            line,
        }
    }
}

impl Failure {
    fn into_sql(self, sql: &str) -> SqlError {
        match self {
            Failure::Sql(error) => error,
            Failure::Near { text, keyword, line } => {
                let (number, kind) = if keyword { (156, "the keyword ") } else { (102, "") };
                let statement: String = sql.trim().chars().take(200).collect();
                SqlError {
                    number,
                    state: 1,
                    class: 15,
                    message: format!("Incorrect syntax near {kind}'{text}'. The statement was: {statement}"),
                    line: u32::try_from(if line == 0 {
                        sql.lines().count().max(1) as u64
                    } else {
                        line
                    })
                    .unwrap_or(1),
                }
            }
        }
    }
}

fn tokenizer_error(error: &TokenizerError) -> SqlError {
    let line = u32::try_from(error.location.line).unwrap_or(1);
    if error.message.contains("Unterminated string") {
        let message = "Unclosed quotation mark after the character string.".to_owned();
        return SqlError {
            number: 105,
            state: 1,
            class: 15,
            message,
            line,
        };
    }
    SqlError {
        number: 102,
        state: 1,
        class: 15,
        message: format!("Incorrect syntax: {}.", error.message),
        line,
    }
}

type Parsed<T> = Result<T, Failure>;

/// Reads statements off sqlparser's token stream.
struct Reader<'a> {
    parser: Parser<'a>,
    source: &'a str,
    ids: usize,
    depth: usize,
}

impl Reader<'_> {
    /// Statements up to the end, or to a word that `stop` knows (which stays unread).
    fn statements(&mut self, stop: impl Fn(&str) -> bool) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            if self.at_end() || self.peek_word().is_some_and(|w| stop(&w)) {
                return Ok(statements);
            }
            statements.push(self.statement()?);
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let line = u32::try_from(self.parser.peek_token().span.start.line).unwrap_or(1);
        let id = self.ids;
        self.ids += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParserError::RecursionLimitExceeded.into());
        }
        let kind = self.kind(id == 0)?;
        self.depth -= 1;
        Ok(Statement { kind, line, id })
    }

    fn kind(&mut self, first: bool) -> Parsed<Stmt> {
        if self.parser.peek_token().token == Token::LParen {
            return self.query_statement();
        }
        let Some(word) = self.peek_word() else {
            return Err(self.near());
        };
        if matches!(word.as_str(), "SELECT" | "WITH") {
            return self.query_statement();
        }
        let start = self.parser.next_token();
        match word.as_str() {
            "INSERT" => self.insert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "ALTER" => self.alter(),
            "TRUNCATE" => {
                self.expect("TABLE")?;
                Ok(Stmt::Truncate(self.object_name()?))
            }
            "USE" => Ok(Stmt::Use(self.ident()?)),
            "BEGIN" => self.begin(),
            "COMMIT" => {
                self.transaction_word();
                self.transaction_name()?;
                Ok(Stmt::Commit)
            }
            "ROLLBACK" => {
                self.transaction_word();
                Ok(Stmt::Rollback(self.transaction_name()?))
            }
            "SAVE" => {
                self.transaction_word();
                let name = self.transaction_name()?;
                name.map(Stmt::Save).ok_or_else(|| self.near())
            }
            "IF" => self.if_statement(),
            "WHILE" => {
                let condition = Box::new(self.expr()?);
                Ok(Stmt::While {
                    condition,
                    body: Box::new(self.statement()?),
                })
            }
            "BREAK" => Ok(Stmt::Break),
            "CONTINUE" => Ok(Stmt::Continue),
            "RETURN" => {
                let bare = self.at_end() || self.at_statement_start() || self.peek_is(&Token::SemiColon);
                Ok(Stmt::Return(if bare {
                    None
                } else {
                    Some(Box::new(self.expr()?))
                }))
            }
            "DECLARE" => self.declare(),
            "SET" => self.set(),
            "EXEC" | "EXECUTE" => self.exec(),
            "GRANT" => self.grant(),
            "DENY" => self.deny(),
            "REVOKE" => self.revoke(),
            "PRINT" => Ok(Stmt::Print(Box::new(self.expr()?))),
            "RAISERROR" => self.raiserror(),
            "THROW" => {
                let bare = self.at_end() || self.at_statement_start() || self.peek_is(&Token::SemiColon);
                Ok(Stmt::Throw(if bare {
                    Vec::new()
                } else {
                    self.list(Self::expr)?
                }))
            }
            // A batch may open with a procedure's name alone.
            _ if first && is_procedure(&word) => {
                self.parser.prev_token();
                self.exec_procedure(None)
            }
            _ => Err(Failure::Near {
                text: start.token.to_string(),
                keyword: false,
                line: start.span.start.line,
            }),
        }
    }

    fn query_statement(&mut self) -> Parsed<Stmt> {
        let query = self.parser.parse_query()?;
        self.option_clause()?;
        Ok(Stmt::Query(query))
    }

    /// `OPTION (MAXDOP 1, ...)`: hints to an optimizer that is not here.
    fn option_clause(&mut self) -> Parsed<()> {
        if self.take("OPTION") {
            self.skip_parentheses()
        } else {
            Ok(())
        }
    }

    /// Skips a parenthesized list, whatever is in it.
    fn skip_parentheses(&mut self) -> Parsed<()> {
        self.expect_token(&Token::LParen)?;
        let mut depth = 1;
        while depth > 0 {
            match self.parser.next_token().token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return Err(self.near()),
                _ => {}
            }
        }
        Ok(())
    }

    /// `WITH (...)` after a table's name.
    fn skip_hints(&mut self) -> Parsed<()> {
        if self.take("WITH") {
            self.skip_parentheses()
        } else {
            Ok(())
        }
    }

    fn at_end(&self) -> bool {
        self.parser.peek_token().token == Token::EOF
    }

    fn at_statement_start(&self) -> bool {
        const STARTS: [&str; 31] = [
            "SELECT",
            "WITH",
            "INSERT",
            "UPDATE",
            "DELETE",
            "CREATE",
            "DROP",
            "ALTER",
            "TRUNCATE",
            "USE",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVE",
            "IF",
            "ELSE",
            "WHILE",
            "BREAK",
            "CONTINUE",
            "RETURN",
            "DECLARE",
            "SET",
            "EXEC",
            "EXECUTE",
            "GRANT",
            "DENY",
            "REVOKE",
            "PRINT",
            "RAISERROR",
            "THROW",
            "END",
        ];
        self.peek_word().is_some_and(|w| STARTS.contains(&w.as_str()))
    }

    fn peek_is(&self, token: &Token) -> bool {
        self.parser.peek_token().token == *token
    }

    /// The next token as an upper-case word, if it is one without quotes.
    fn peek_word(&self) -> Option<String> {
        self.peek_nth_word(0)
    }

    fn peek_nth_word(&self, n: usize) -> Option<String> {
        match self.parser.peek_nth_token(n).token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Takes the word if it comes next.
    fn take(&mut self, word: &str) -> bool {
        let there = self.peek_word().is_some_and(|w| w == word);
        if there {
            self.parser.next_token();
        }
        there
    }

    /// Takes whichever of the words comes next.
    fn take_one(&mut self, words: &[&str]) -> bool {
        words.iter().any(|w| self.take(w))
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.take(word) { Ok(()) } else { Err(self.near()) }
    }

    fn expect_token(&mut self, token: &Token) -> Parsed<()> {
        if self.parser.consume_token(token) {
            Ok(())
        } else {
            Err(self.near())
        }
    }

    /// The error that the next token is out of place.
    fn near(&self) -> Failure {
        let next = self.parser.peek_token();
        let keyword = matches!(&next.token, Token::Word(w) if w.keyword != sqlparser::keywords::Keyword::NoKeyword
            && w.quote_style.is_none() && self.at_statement_start());
        let text = match next.token {
            Token::EOF => "the end of the statement".to_owned(),
            token => token.to_string(),
        };
        Failure::Near {
            text,
            keyword,
            line: next.span.start.line,
        }
    }

    fn expr(&mut self) -> Parsed<Expr> {
        Ok(self.parser.parse_expr()?)
    }

    /// An expression that the catalog keeps: its text as it was written.
    fn expr_text(&mut self) -> Parsed<String> {
        let start = self.parser.peek_token().span.start;
        self.parser.parse_expr()?;
        let end = self.parser.get_current_token().span.end;
        let (from, to) = (self.offset(start), self.offset(end));
        Ok(self.source.get(from..to).unwrap_or_default().trim().to_owned())
    }

    /// DEFAULT and its expression in a column's definition, where `NOT NULL` after it is not part of it: sqlparser
    /// knows that only of a whole column option.
    fn column_default(&mut self) -> Parsed<String> {
        let start = self.parser.peek_nth_token(1).span.start;
        if self.parser.parse_optional_column_option()?.is_none() {
            return Err(self.near());
        }
        let end = self.parser.get_current_token().span.end;
        let (from, to) = (self.offset(start), self.offset(end));
        Ok(self.source.get(from..to).unwrap_or_default().trim().to_owned())
    }

    /// Where a place in the text is, in bytes. Lines and columns count from 1, columns in characters.
    fn offset(&self, place: sqlparser::tokenizer::Location) -> usize {
        let (mut line, mut column) = (1, 1);
        for (at, c) in self.source.char_indices() {
            if (line, column) == (place.line, place.column) {
                return at;
            }
            if c == '\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        self.source.len()
    }

    fn ident(&mut self) -> Parsed<Ident> {
        match self.parser.peek_token().token {
            Token::Word(word) => {
                self.parser.next_token();
                Ok(word.into_ident(sqlparser::tokenizer::Span::empty()))
            }
            _ => Err(self.near()),
        }
    }

    /// A name of up to four parts; `db..t` has an empty one.
    fn object_name(&mut self) -> Parsed<ObjectName> {
        let mut parts = vec![ObjectNamePart::Identifier(self.ident()?)];
        while self.parser.consume_token(&Token::Period) {
            let part = if self.peek_is(&Token::Period) {
                Ident::new("")
            } else {
                self.ident()?
            };
            parts.push(ObjectNamePart::Identifier(part));
        }
        Ok(ObjectName(parts))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.parser.consume_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    fn integer(&mut self) -> Parsed<i64> {
        let negative = self.parser.consume_token(&Token::Minus);
        match &self.parser.peek_token().token {
            Token::Number(text, _) => {
                let value: i64 = text.parse().map_err(|_| self.near())?;
                self.parser.next_token();
                Ok(if negative { -value } else { value })
            }
            _ => Err(self.near()),
        }
    }
}

fn is_procedure(word: &str) -> bool {
    word.starts_with("SP_") || word.starts_with("XP_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is one statement that must be understood whole.
    const STATEMENTS: &[&str] = &[
        "SET XACT_ABORT ON",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET LOCK_TIMEOUT -1",
        "SET DEADLOCK_PRIORITY LOW",
        "SELECT TOP (@P1) [ID], CAST([N] AS nvarchar(max)) AS [N] FROM [s].[t] WHERE [K] > CAST(@P2 AS varchar(20)) COLLATE Latin1_General_CI_AS ORDER BY [D], [K] OPTION (MAXDOP 1)",
        "SELECT TOP 0 * FROM #load",
        "SELECT LEFT(a, 2), RIGHT(a, 1), SUBSTRING(a, 1, 2), CONVERT(varchar(10), d, 120), YEAR(d), CHAR(65), REPLACE(a, 'b', 'c'), @@TRANCOUNT, COUNT_BIG(*) FROM t WITH (NOLOCK) GROUP BY a HAVING COUNT(*) > 1",
        "INSERT INTO t VALUES (1, N'ab''c', 0x0FAB, 0x, 1.50, NULL, $1.5, 1e3, DEFAULT), (-1, '', 0x00, 0x1, -2, +3, 0, 0, 0)",
        "INSERT BULK #load ([c1] nvarchar(max), [c2] decimal(19,4), [c3] datetime2(7), [d] nchar(4)) WITH (KEEP_NULLS)",
        "DELETE t FROM [dbo].[t] AS t WHERE EXISTS (SELECT 1 FROM #load AS l WHERE CAST(l.[c1] AS int) = t.[ID])",
        "UPDATE t SET [a] = 1, t.b += 2 FROM dbo.t AS t JOIN u ON u.id = t.id WHERE t.c IS NOT NULL",
        "CREATE TABLE [s].[r] ([n] nvarchar(128) NOT NULL, [at] datetime2(3) NOT NULL CONSTRAINT [DF_x] DEFAULT SYSUTCDATETIME(), [d] binary(32) NULL, [x] int IDENTITY(1,1), g uniqueidentifier DEFAULT (NEWID()) NOT NULL, CONSTRAINT [PK_r] PRIMARY KEY CLUSTERED ([n], [at] DESC), UNIQUE (x))",
        "CREATE UNIQUE CLUSTERED INDEX [ix] ON [s].[t] ([D], [K] ASC) INCLUDE ([x]) WHERE [x] IS NOT NULL WITH (FILLFACTOR = 90)",
        "EXEC @r = sp_getapplock @Resource = @P1, @LockMode = N'Exclusive', @LockTimeout = 1000",
        "EXEC(N'CREATE SCHEMA [sync]')",
        "IF SCHEMA_ID(N'sync') IS NULL EXEC(N'x') ELSE BEGIN SELECT 1 SELECT 2; SET NOCOUNT ON END",
        "IF @@TRANCOUNT > 0 ROLLBACK",
        "ALTER DATABASE [x] SET READ_ONLY WITH ROLLBACK IMMEDIATE",
        "ALTER TABLE t ADD c int NULL, CONSTRAINT k CHECK (c > 0)",
        "BEGIN TRY SELECT 1 END TRY BEGIN CATCH THROW; END CATCH",
        "SELECT a FROM t UNION ALL SELECT b FROM u ORDER BY 1 OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY",
        "WITH c AS (SELECT 1 AS x) SELECT * FROM c WHERE x IN (SELECT y FROM u) AND x NOT LIKE '%a' ESCAPE '!'",
        "SELECT * FROM db.dbo.t, tempdb..#x",
        "SELECT @a = 1, @b = x FROM t",
    ];

    #[test]
    fn the_statements_of_the_product_are_read() {
        for sql in STATEMENTS {
            let batch = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
            assert_eq!(batch.statements.len(), 1, "{sql}");
        }
    }

    #[test]
    fn a_batch_needs_no_semicolons() {
        let sql = "DECLARE @r int\nSELECT 1 COMMIT TRANSACTION\nSELECT a FROM t ROLLBACK\nSELECT a FROM t BEGIN TRAN\nEXEC sp_rename N'a', N'b' SET NOCOUNT ON USE [x] SELECT @r SAVE TRAN p";
        let batch = parse(sql).unwrap();
        assert_eq!(batch.statements.len(), 12);
        assert_eq!(batch.statements[3].line, 3);
    }

    #[test]
    fn a_default_keeps_its_text() {
        let sql = "CREATE TABLE t (a int DEFAULT\n  (1 + 2) NOT NULL, [é] nvarchar(9) DEFAULT N'it''s' NULL)";
        let batch = parse(sql).unwrap();
        let Stmt::CreateTable(table) = &batch.statements[0].kind else {
            panic!("{batch:?}")
        };
        let text = |n: usize| match &table.columns[n].constraints[0].kind {
            super::super::ast::ConstraintKind::Default { sql, .. } => sql.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!((text(0).as_str(), text(1).as_str()), ("(1 + 2)", "N'it''s'"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = parse("SELECT 1;\nFROB x").unwrap_err();
        assert_eq!((error.number, error.line), (102, 2));
        assert!(
            error.message.starts_with("Incorrect syntax near 'FROB'."),
            "{error}"
        );
        assert_eq!(parse("SELECT 'a").unwrap_err().number, 105);
        assert_eq!(parse("SET FROB ON").unwrap_err().number, 195);
        let deep = format!("SELECT {}1{}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(parse(&deep).unwrap_err().number, 191);
    }
}
