//! T-SQL text to statements. sqlparser does not know the statement level well enough (INSERT BULK, EXEC, control
//! flow, statements without semicolons), so it is parsed here. Queries, expressions and types are sqlparser's.
//!
//! If any part of a batch is not understood, the whole batch is refused before anything of it runs.

mod control;
mod ddl;
mod declare;
mod dialect;
mod dml;
mod permission;
mod reader;

use sqlparser::ast::{Expr, ObjectName, SetExpr};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Token;

use super::ast::{Batch, Insert, InsertSource, Statement, Stmt};
use crate::types::SqlError;
use dialect::Tsql;
use reader::{DEPTH_MAX, Failure, Parsed, Reader};

/// Parses a batch.
pub(crate) fn parse(sql: &str) -> Result<Batch, SqlError> {
    let dialect = Tsql::default();
    let mut reader = Reader::new(&dialect, sql)?;
    let statements = reader.statements(|_| false).map_err(|e| e.into_sql(sql))?;
    Ok(Batch {
        statements,
        ids: reader.ids,
    })
}

/// Parses one expression: a default, a check or a filter from the catalog.
pub(crate) fn parse_expression(sql: &str) -> Result<Expr, SqlError> {
    let dialect = Tsql::default();
    let mut reader = Reader::new(&dialect, sql)?;
    reader.expr().map_err(|e| e.into_sql(sql))
}

impl Reader<'_> {
    /// Statements up to the end, or to a word that `stop` knows. That word stays unread.
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
        self.dialect.begin();
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
            // A batch may begin with a procedure's name alone.
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
        let mut query = self.parser.parse_query()?;
        self.option_clause()?;
        let into = match query.body.as_mut() {
            SetExpr::Select(select) => select.into.take(),
            _ => None,
        };
        let Some(into) = into else {
            return Ok(Stmt::Query(query));
        };
        let name = match into.targets.as_slice() {
            [Expr::Identifier(ident)] => vec![ident.clone()],
            [Expr::CompoundIdentifier(idents)] => idents.clone(),
            _ => return Err(self.near()),
        };
        let insert = Insert {
            table: ObjectName::from(name),
            columns: Vec::new(),
            source: InsertSource::Query(query),
        };
        Ok(Stmt::SelectInto(Box::new(Statement {
            kind: Stmt::Insert(Box::new(insert)),
            line: 1,
            id: 0,
        })))
    }
}

fn is_procedure(word: &str) -> bool {
    word.starts_with("SP_") || word.starts_with("XP_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is one statement that the parser must understand whole.
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
        "EXEC @r = sp_getapplock @LockMode = N'Shared', @Resource = @P1, @LockTimeout = 1000",
        "EXEC(N'CREATE SCHEMA [shop]')",
        "IF SCHEMA_ID(N'shop') IS NULL EXEC(N'x') ELSE BEGIN SELECT 1 SELECT 2; SET NOCOUNT ON END",
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
    fn each_statement_is_read_whole() {
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
    fn an_unknown_statement_is_named() {
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
