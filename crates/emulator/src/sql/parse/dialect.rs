//! sqlparser's SQL Server dialect, without the words that start a statement or a clause among its aliases. A batch
//! need not have semicolons.

use std::any::TypeId;

use sqlparser::dialect::{Dialect, MsSqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tsql(MsSqlDialect);

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
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
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
            || (!starts_something(*keyword, parser) && self.0.is_select_item_alias(explicit, keyword, parser))
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        explicit
            || (!starts_something(*keyword, parser)
                && self.0.is_table_factor_alias(explicit, keyword, parser))
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, sqlparser::parser::ParserError>> {
        self.0.get_next_precedence(parser)
    }
}
