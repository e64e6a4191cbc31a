//! The token stream of a text, and the readers of its smallest parts: words, names, numbers and lists.

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError};

use super::dialect::Tsql;
use crate::sql::errors::too_deep;
use crate::types::SqlError;

/// The deepest nesting of expressions and statements. A connection thread's stack holds more, and no client is
/// known to nest as deep.
pub(super) const DEPTH_MAX: usize = 120;

/// The most set operations of a statement. Words that nest a table in the same way count as such.
const SET_OPERATIONS_MAX: usize = 1_000;

/// The words that put the query or table before them one level deeper.
const SET_OPERATIONS: [&str; 7] = [
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "PIVOT",
    "UNPIVOT",
    "MATCH_RECOGNIZE",
];

/// The reason why a batch was not understood.
#[derive(Debug)]
pub(super) enum Failure {
    /// Near this text, on this line.
    Near { text: String, keyword: bool, line: u64 },
    /// An error with a number of its own.
    Sql(SqlError),
}

impl From<ParserError> for Failure {
    fn from(error: ParserError) -> Failure {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => return Failure::Sql(too_deep()),
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
            // The end of the text has no position of its own.
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
    /// The error as the client sees it.
    pub(super) fn into_sql(self, sql: &str) -> SqlError {
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

/// Refuses a statement with too many set operations, which the parser would nest without counting. Only a semicolon
/// surely ends a statement, so that statements without one count together.
fn check_set_operations(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut count = 0;
    for token in tokens {
        match &token.token {
            Token::SemiColon => count = 0,
            Token::Word(word) if word.quote_style.is_none() => {
                count += usize::from(SET_OPERATIONS.iter().any(|w| word.value.eq_ignore_ascii_case(w)));
            }
            _ => {}
        }
        if count > SET_OPERATIONS_MAX {
            return Err(too_deep());
        }
    }
    Ok(())
}

pub(super) type Parsed<T> = Result<T, Failure>;

/// Reads statements off sqlparser's token stream.
pub(super) struct Reader<'a> {
    pub(super) parser: Parser<'a>,
    pub(super) dialect: &'a Tsql,
    pub(super) source: &'a str,
    pub(super) ids: usize,
    pub(super) depth: usize,
}

impl<'a> Reader<'a> {
    /// Splits a text into tokens.
    pub(super) fn new(dialect: &'a Tsql, source: &'a str) -> Result<Reader<'a>, SqlError> {
        let tokens = Tokenizer::new(dialect, source)
            .tokenize_with_location()
            .map_err(|e| tokenizer_error(&e))?;
        check_set_operations(&tokens)?;
        let parser = Parser::new(dialect)
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(tokens);
        Ok(Reader {
            parser,
            dialect,
            source,
            ids: 0,
            depth: 0,
        })
    }

    /// `OPTION (MAXDOP 1, ...)`: hints to an optimizer, which the emulator does not have.
    pub(super) fn option_clause(&mut self) -> Parsed<()> {
        if self.take("OPTION") {
            self.skip_parentheses()
        } else {
            Ok(())
        }
    }

    /// Skips a parenthesized list, whatever is in it.
    pub(super) fn skip_parentheses(&mut self) -> Parsed<()> {
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
    pub(super) fn skip_hints(&mut self) -> Parsed<()> {
        if self.take("WITH") {
            self.skip_parentheses()
        } else {
            Ok(())
        }
    }

    /// Whether the text has ended.
    pub(super) fn at_end(&self) -> bool {
        self.parser.peek_token().token == Token::EOF
    }

    /// Whether the next word starts a statement.
    pub(super) fn at_statement_start(&self) -> bool {
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

    /// Whether the token comes next.
    pub(super) fn peek_is(&self, token: &Token) -> bool {
        self.parser.peek_token().token == *token
    }

    /// The next token as an upper-case word, if it is one without quotes.
    pub(super) fn peek_word(&self) -> Option<String> {
        self.peek_nth_word(0)
    }

    /// The nth token from here as [`peek_word`](Self::peek_word) has the next.
    pub(super) fn peek_nth_word(&self, n: usize) -> Option<String> {
        match self.parser.peek_nth_token(n).token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Takes the word if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let there = self.peek_word().is_some_and(|w| w == word);
        if there {
            self.parser.next_token();
        }
        there
    }

    /// Takes whichever of the words comes next.
    pub(super) fn take_one(&mut self, words: &[&str]) -> bool {
        words.iter().any(|w| self.take(w))
    }

    /// Takes the word, which must come next.
    pub(super) fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.take(word) { Ok(()) } else { Err(self.near()) }
    }

    /// Takes the token, which must come next.
    pub(super) fn expect_token(&mut self, token: &Token) -> Parsed<()> {
        if self.parser.consume_token(token) {
            Ok(())
        } else {
            Err(self.near())
        }
    }

    /// The error that the next token is out of place.
    pub(super) fn near(&self) -> Failure {
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

    /// An expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.dialect.begin();
        Ok(self.parser.parse_expr()?)
    }

    /// An expression that the catalog keeps, as the text that was written.
    pub(super) fn expr_text(&mut self) -> Parsed<String> {
        let start = self.parser.peek_token().span.start;
        self.expr()?;
        let end = self.parser.get_current_token().span.end;
        let (from, to) = (self.offset(start), self.offset(end));
        Ok(self.source.get(from..to).unwrap_or_default().trim().to_owned())
    }

    /// DEFAULT and its expression in a column's definition. A `NOT NULL` after it does not belong to it, and
    /// sqlparser tells them apart only in a whole column option.
    pub(super) fn column_default(&mut self) -> Parsed<String> {
        let start = self.parser.peek_nth_token(1).span.start;
        self.dialect.begin();
        if self.parser.parse_optional_column_option()?.is_none() {
            return Err(self.near());
        }
        let end = self.parser.get_current_token().span.end;
        let (from, to) = (self.offset(start), self.offset(end));
        Ok(self.source.get(from..to).unwrap_or_default().trim().to_owned())
    }

    /// The byte offset of a position in the text. Lines and columns count from 1, and columns count characters.
    pub(super) fn offset(&self, place: sqlparser::tokenizer::Location) -> usize {
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

    /// An identifier.
    pub(super) fn ident(&mut self) -> Parsed<Ident> {
        match self.parser.peek_token().token {
            Token::Word(word) => {
                self.parser.next_token();
                Ok(word.into_ident(sqlparser::tokenizer::Span::empty()))
            }
            _ => Err(self.near()),
        }
    }

    /// A name of up to four parts; `db..t` has an empty one.
    pub(super) fn object_name(&mut self) -> Parsed<ObjectName> {
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

    /// Items between commas.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.parser.consume_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Items between commas, in parentheses.
    pub(super) fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Parsed<i64> {
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
