//! sqlparser's SQL Server dialect, without the words that start a statement or a clause among its aliases. A batch
//! need not have semicolons.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, MsSqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// The most operators of one query or expression. Each may put the tree below it one level deeper, and dropping or
/// writing a tree takes stack for each level.
const OPERATORS_MAX: usize = 4_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tsql {
    base: MsSqlDialect,
    /// The operators of the current query or expression.
    operators: Cell<usize>,
    /// The token after which operators were not counted yet. The parser may read a text more than once.
    counted_to: Cell<usize>,
}

impl Tsql {
    /// Starts to count the operators of another query or expression.
    pub(super) fn begin(&self) {
        self.operators.set(0);
    }
}

/// Whether a keyword cannot be an alias without AS.
fn starts_something(keyword: Keyword, parser: &Parser) -> bool {
    if keyword == Keyword::NoKeyword {
        return matches!(&parser.get_current_token().token, Token::Word(w) if w.quote_style.is_none()
            && ["SAVE", "BREAK", "DENY"].iter().any(|k| w.value.eq_ignore_ascii_case(k)));
    }
    matches!(
        keyword,
        Keyword::BEGIN
            | Keyword::COMMIT
            | Keyword::ROLLBACK
            | Keyword::USE
            | Keyword::SET
            | Keyword::END
            | Keyword::CONTINUE
            | Keyword::OPTION
            | Keyword::SELECT
            | Keyword::WITH
            | Keyword::OUTPUT
            | Keyword::GRANT
            | Keyword::REVOKE
            | Keyword::DENY
    )
}

impl Dialect for Tsql {
    fn dialect(&self) -> TypeId {
        TypeId::of::<MsSqlDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.base.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.base.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.base.is_identifier_part(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.base.identifier_quote_style(identifier)
    }

    fn convert_type_before_value(&self) -> bool {
        true
    }

    fn supports_dollar_as_money_prefix(&self) -> bool {
        true
    }

    fn supports_eq_alias_assignment(&self) -> bool {
        true
    }

    fn supports_try_convert(&self) -> bool {
        true
    }

    /// A CASE that is not understood would be read again as a name, and its own error would be lost.
    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        matches!(kw, Keyword::CASE | Keyword::NOT | Keyword::EXISTS)
            || self.base.is_reserved_for_identifier(kw)
    }

    fn supports_boolean_literals(&self) -> bool {
        false
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_object_name_double_dot_notation(&self) -> bool {
        true
    }

    fn is_select_item_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        explicit
            || (!starts_something(*keyword, parser)
                && self.base.is_select_item_alias(explicit, keyword, parser))
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        explicit
            || (!starts_something(*keyword, parser)
                && self.base.is_table_factor_alias(explicit, keyword, parser))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        _expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if parser.index() < self.counted_to.get() {
            return None;
        }
        self.counted_to.set(parser.index() + 1);
        self.operators.set(self.operators.get() + 1);
        (self.operators.get() > OPERATORS_MAX).then_some(Err(ParserError::RecursionLimitExceeded))
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        self.base.get_next_precedence(parser)
    }
}
