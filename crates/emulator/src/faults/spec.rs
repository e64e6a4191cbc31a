//! A fault rule as text, for the command line.

use std::str::FromStr;
use std::time::Duration;

use super::rule::{Action, At, Match, Rule};
use crate::store::Role;

/// The text of an error for which a rule gives none.
const ERROR_TEXT: &str = "Injected fault";
/// The severity of an error for which a rule gives none: an error that the user's statement caused.
const ERROR_CLASS: u8 = 16;

/// The error of a refused login, and its severity.
const LOGIN_FAILED: i32 = 18456;
const LOGIN_CLASS: u8 = 14;

/// Pairs of `key=value`, separated by `;` (write `;;` for a `;` within a value):
///
/// | key | value |
/// |---|---|
/// | `do` | `drop`, `stall`, `slow:MICROSECONDS` (a row), `refuse-login[:STATE]`, `error:NUMBER[:TEXT]`, `run:SQL`, `role:DATABASE=primary` or `role:DATABASE=secondary` |
/// | `at` | `before` (default), `after`, `rows:N`, `packets-out:N`, `packets-in:N`, `bulk-rows:N`, `login` |
/// | `statement` | text that the request contains, in any case |
/// | `database` | the session's current database |
/// | `application` | the beginning of the client's name for itself |
/// | `nth` | the first matching request to fire for, from 1 (default 1) |
/// | `times` | for how many requests, a number (default 1) or `all` |
/// | `class` | severity of the error, 11 to 25 (default 16; 13 for 1205) |
///
/// `do=drop;at=after;statement=COMMIT` drops the connection after the commit took effect and before its answer is
/// sent.
impl FromStr for Rule {
    type Err = String;

    fn from_str(spec: &str) -> Result<Rule, String> {
        let mut when = Match::default();
        let mut at = None;
        let mut action = None;
        let mut class = None;
        for pair in split(spec) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("Expected key=value, found '{pair}'"))?;
            match key.trim() {
                "do" => action = Some(parse_action(value)?),
                "at" => at = Some(parse_at(value)?),
                "statement" => when.statement_contains = Some(value.to_owned()),
                "database" => when.database = Some(value.to_owned()),
                "application" => when.application = Some(value.to_owned()),
                "nth" => when.nth = count(value)?,
                "times" if value == "all" => when.times = u64::MAX,
                "times" => when.times = count(value)?,
                "class" => class = Some(parse_class(value)?),
                other => return Err(format!("Unknown key '{other}' in a fault rule")),
            }
        }
        let mut action = action.ok_or("A fault rule needs do=ACTION")?;
        match (&mut action, class) {
            (Action::Error { class, .. }, Some(wanted)) => *class = wanted,
            (_, Some(_)) => return Err("class= goes with do=error only".into()),
            (_, None) => {}
        }
        let at = match (at, &action) {
            (
                None,
                Action::Error {
                    number: LOGIN_FAILED, ..
                },
            ) => At::AtLogin,
            (None | Some(At::AtLogin), Action::RefuseLogin) => At::AtLogin,
            (Some(_), Action::RefuseLogin) => return Err("do=refuse-login goes with at=login only".into()),
            (at, _) => at.unwrap_or(At::Before),
        };
        if at == At::AtLogin && when.statement_contains.is_some() {
            return Err("statement= does not go with at=login".into());
        }
        Ok(Rule { when, at, action })
    }
}

/// Splits at single semicolons and halves double ones. Empty parts are dropped.
fn split(spec: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = spec.chars().peekable();
    while let Some(character) = characters.next() {
        if character == ';' && characters.next_if_eq(&';').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn count(value: &str) -> Result<u64, String> {
    match value.trim().parse() {
        Ok(0) | Err(_) => Err(format!("Expected a count from 1, found '{value}'")),
        Ok(count) => Ok(count),
    }
}

fn parse_class(value: &str) -> Result<u8, String> {
    match value.trim().parse() {
        Ok(class @ 11..=25) => Ok(class),
        _ => Err(format!("Expected a severity from 11 to 25, found '{value}'")),
    }
}

fn parse_at(value: &str) -> Result<At, String> {
    let (name, n) = match value.split_once(':') {
        Some((name, n)) => (name, Some(n)),
        None => (value, None),
    };
    let counted = |at: fn(u64) -> At| count(n.unwrap_or_default()).map(at);
    match (name.trim(), n) {
        ("before", None) => Ok(At::Before),
        ("after", None) => Ok(At::After),
        ("login", None) => Ok(At::AtLogin),
        ("rows", _) => counted(At::AfterRows),
        ("packets-out", _) => counted(At::AfterPacketsOut),
        ("packets-in", _) => counted(At::AfterPacketsIn),
        ("bulk-rows", _) => counted(At::AfterBulkRows),
        _ => Err(format!("Unknown point '{value}' in a fault rule")),
    }
}

fn parse_action(value: &str) -> Result<Action, String> {
    let (name, rest) = match value.split_once(':') {
        Some((name, rest)) => (name, Some(rest)),
        None => (value, None),
    };
    match (name.trim(), rest) {
        ("drop", None) => Ok(Action::Drop),
        ("stall", None) => Ok(Action::Stall),
        ("slow", n) => count(n.unwrap_or_default()).map(|a_row| Action::Slow(Duration::from_micros(a_row))),
        ("refuse-login", None) => Ok(Action::RefuseLogin),
        ("refuse-login", Some(state)) => Ok(Action::Error {
            number: LOGIN_FAILED,
            state: state
                .trim()
                .parse()
                .map_err(|_| format!("Expected a state from 0 to 255, found '{state}'"))?,
            class: LOGIN_CLASS,
            message: "Login failed.".to_owned(),
        }),
        ("run", Some(sql)) if !sql.trim().is_empty() => Ok(Action::Run(sql.to_owned())),
        ("error", Some(rest)) => {
            let (number, message) = rest.split_once(':').unwrap_or((rest, ERROR_TEXT));
            let number = number
                .trim()
                .parse()
                .map_err(|_| format!("Expected an error number, found '{number}'"))?;
            let class = if number == 1205 { 13 } else { ERROR_CLASS };
            Ok(Action::Error {
                number,
                state: 1,
                class,
                message: message.to_owned(),
            })
        }
        ("role", Some(rest)) => match rest.split_once('=') {
            Some((database, role)) => Ok(Action::SetRole(database.trim().to_owned(), parse_role(role)?)),
            None => Err(format!("Expected role:DATABASE=ROLE, found '{value}'")),
        },
        _ => Err(format!("Unknown action '{value}' in a fault rule")),
    }
}

/// A role by its name on the command line: `primary` or `secondary`.
///
/// # Errors
/// A text that names the expected values.
pub fn parse_role(name: &str) -> Result<Role, String> {
    match name.trim() {
        "primary" => Ok(Role::Primary),
        "secondary" => Ok(Role::ReadableSecondary),
        other => Err(format!("Expected primary or secondary, found '{other}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let rule: Rule = "do=drop;at=after;statement=COMMIT".parse().unwrap();
        assert_eq!(
            rule,
            Rule {
                when: Match::statement("COMMIT"),
                at: At::After,
                action: Action::Drop
            }
        );
        let rule: Rule = "do=run:UPDATE t SET a = 1;;DELETE u;nth=3;times=all;database=x;application=y"
            .parse()
            .unwrap();
        assert_eq!(rule.action, Action::Run("UPDATE t SET a = 1;DELETE u".into()));
        assert_eq!(
            (rule.at, rule.when.nth, rule.when.times),
            (At::Before, 3, u64::MAX)
        );
        assert_eq!(
            (rule.when.database.as_deref(), rule.when.application.as_deref()),
            (Some("x"), Some("y"))
        );
        let rule: Rule = "do=error:1205:Chosen as the victim: sorry;at=rows:10"
            .parse()
            .unwrap();
        assert_eq!(rule.at, At::AfterRows(10));
        assert_eq!(
            rule.action,
            Action::Error {
                number: 1205,
                state: 1,
                class: 13,
                message: "Chosen as the victim: sorry".into()
            }
        );
        let rule: Rule = "do=role:src=secondary;at=packets-in:2".parse().unwrap();
        assert_eq!(
            rule.action,
            Action::SetRole("src".into(), Role::ReadableSecondary)
        );
        assert_eq!("do=refuse-login".parse::<Rule>().unwrap().at, At::AtLogin);
        let rule: Rule = "do=refuse-login:58".parse().unwrap();
        assert!(matches!(
            rule.action,
            Action::Error {
                number: 18456,
                state: 58,
                ..
            }
        ));
        assert_eq!(rule.at, At::AtLogin);
        assert_eq!(
            "do=stall;at=bulk-rows:5".parse::<Rule>().unwrap().at,
            At::AfterBulkRows(5)
        );
        assert_eq!(
            "do=stall;at=packets-out:5".parse::<Rule>().unwrap().at,
            At::AfterPacketsOut(5)
        );
        assert_eq!(
            "do=slow:250;times=all".parse::<Rule>().unwrap().action,
            Action::Slow(Duration::from_micros(250))
        );
        let rule: Rule = "do=error:50000;class=20".parse().unwrap();
        assert!(matches!(rule.action, Action::Error { class: 20, .. }));
    }

    #[test]
    fn a_bad_rule_is_refused_with_its_fault() {
        let table = [
            ("", "A fault rule needs do=ACTION"),
            ("at=after", "A fault rule needs do=ACTION"),
            ("do=explode", "Unknown action 'explode' in a fault rule"),
            ("do=drop;at=rows", "Expected a count from 1, found ''"),
            ("do=drop;at=rows:0", "Expected a count from 1, found '0'"),
            ("do=drop;at=noon", "Unknown point 'noon' in a fault rule"),
            ("do=drop;when=now", "Unknown key 'when' in a fault rule"),
            ("do=drop;statement", "Expected key=value, found 'statement'"),
            ("do=refuse-login:x", "Expected a state from 0 to 255, found 'x'"),
            ("do=slow", "Expected a count from 1, found ''"),
            ("do=error:x", "Expected an error number, found 'x'"),
            (
                "do=error:1;class=5",
                "Expected a severity from 11 to 25, found '5'",
            ),
            ("do=drop;class=16", "class= goes with do=error only"),
            ("do=role:x", "Expected role:DATABASE=ROLE, found 'role:x'"),
            ("do=role:x=king", "Expected primary or secondary, found 'king'"),
            (
                "do=refuse-login;at=after",
                "do=refuse-login goes with at=login only",
            ),
            (
                "do=drop;at=login;statement=x",
                "statement= does not go with at=login",
            ),
        ];
        for (spec, expected) in table {
            assert_eq!(spec.parse::<Rule>().unwrap_err(), expected, "{spec}");
        }
    }
}
