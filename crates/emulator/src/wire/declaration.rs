//! Parameter declarations, `@P1 int, @P2 decimal(10, 2) OUTPUT`, and the values that are sent for them.
//!
//! A client may send a value in another type than it declares (a driver sends a typeless NULL, for one). The
//! parameter has the declared type, and the value is converted to it.

use std::collections::HashMap;

use sqlparser::dialect::MsSqlDialect;
use sqlparser::parser::Parser;

use crate::sql::types::{Place, sql_type};
use crate::types::{Param, SqlError, SqlType};
use crate::value::cast;

/// A declared parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    name: String,
    ty: SqlType,
}

fn parse(declaration: &str) -> Result<Vec<Declared>, SqlError> {
    parts(declaration).into_iter().map(declared).collect()
}

/// Splits at the commas outside parentheses.
fn parts(declaration: &str) -> Vec<&str> {
    let mut depth = 0i32;
    let mut parts: Vec<&str> = declaration
        .split(|character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            character == ',' && depth == 0
        })
        .map(str::trim)
        .collect();
    if parts == [""] {
        parts.clear();
    }
    parts
}

fn declared(part: &str) -> Result<Declared, SqlError> {
    let incorrect = || SqlError {
        number: 102,
        state: 1,
        class: 15,
        message: format!("Incorrect syntax near '{part}'."),
        line: 1,
    };
    let (name, rest) = part.split_once(char::is_whitespace).ok_or_else(incorrect)?;
    if !name.starts_with('@') {
        return Err(incorrect());
    }
    let rest = rest.split('=').next().unwrap_or_default();
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    words.retain(|word| !["as", "output", "out", "readonly"].contains(&word.to_lowercase().as_str()));
    let parsed = Parser::new(&MsSqlDialect {})
        .try_with_sql(&words.join(" "))
        .and_then(|mut parser| parser.parse_data_type())
        .map_err(|_| incorrect())?;
    let (ty, _) = sql_type(&parsed, Place::Declaration)?;
    Ok(Declared {
        name: name.to_owned(),
        ty,
    })
}

/// Gives every value the name and the type of its parameter. The value belongs to the parameter that the client
/// named, or else to the one at its place.
///
/// # Errors
/// 8178 for a declared parameter without a value, 8144 for more values than parameters, 102 and 243 for a
/// declaration that cannot be read. A value that does not fit its parameter gives the error of its conversion.
pub(crate) fn bind(declaration: &str, statement: &str, values: Vec<Param>) -> Result<Vec<Param>, SqlError> {
    let declared = parse(declaration)?;
    let plain = |name: &str| name.trim_start_matches('@').to_lowercase();
    let mut places = HashMap::with_capacity(declared.len());
    for (place, declared) in declared.iter().enumerate() {
        places.entry(plain(&declared.name)).or_insert(place);
    }
    let mut bound: Vec<Option<Param>> = vec![None; declared.len()];
    for (place, value) in values.into_iter().enumerate() {
        let slot = if value.name.is_empty() {
            place
        } else {
            places.get(&plain(&value.name)).copied().unwrap_or(usize::MAX)
        };
        *bound.get_mut(slot).ok_or_else(too_many)? = Some(value);
    }
    let pairs = declared.into_iter().zip(bound);
    pairs
        .map(|(declared, value)| match value {
            Some(value) => converted(declared, value),
            None => Err(not_supplied(declaration, statement, &declared.name)),
        })
        .collect()
}

fn converted(declared: Declared, mut value: Param) -> Result<Param, SqlError> {
    if value.ty != declared.ty {
        let converted = cast::cast(value.value.as_cell(), value.ty, declared.ty, None)?.into_owned();
        value.value = converted;
        value.ty = declared.ty;
    }
    value.name = declared.name;
    Ok(value)
}

fn too_many() -> SqlError {
    let message = "Procedure or function  has too many arguments specified.".to_owned();
    SqlError {
        number: 8144,
        state: 2,
        class: 16,
        message,
        line: 1,
    }
}

fn not_supplied(declaration: &str, statement: &str, name: &str) -> SqlError {
    let message = format!(
        "The parameterized query '({declaration}){statement}' expects the parameter '{name}', which was not supplied."
    );
    SqlError {
        number: 8178,
        state: 1,
        class: 16,
        message,
        line: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Len, OwnedCell};

    fn int(name: &str, value: i64) -> Param {
        Param {
            name: name.into(),
            ty: SqlType::Int,
            value: OwnedCell::Integer(value),
            output: false,
        }
    }

    #[test]
    fn declarations_are_read() {
        let declared = parse("@P1 int,@b decimal(10, 2) OUTPUT , @c AS nvarchar(max), @d float(24)").unwrap();
        let expected = [
            ("@P1", SqlType::Int),
            (
                "@b",
                SqlType::Decimal {
                    precision: 10,
                    scale: 2,
                    numeric: false,
                },
            ),
            ("@c", SqlType::NVarChar(Len::Max)),
            ("@d", SqlType::Real),
        ];
        assert_eq!(
            declared
                .iter()
                .map(|d| (d.name.as_str(), d.ty))
                .collect::<Vec<_>>(),
            expected
        );
        assert_eq!(parse(" ").unwrap(), []);
        for wrong in ["@a", "a int", "@a int,", "@a (int"] {
            assert_eq!(parse(wrong).unwrap_err().number, 102, "{wrong}");
        }
        assert_eq!(parse("@a whatever").unwrap_err().number, 243);
    }

    #[test]
    fn values_find_their_parameters() {
        let bound = bind(
            "@P1 int, @b int, @c int",
            "S",
            vec![int("", 1), int("@C", 3), int("B", 2)],
        )
        .unwrap();
        assert_eq!(bound, [int("@P1", 1), int("@b", 2), int("@c", 3)]);
        let error = bind("@a int", "SELECT @a", vec![]).unwrap_err();
        assert_eq!(
            error.message,
            "The parameterized query '(@a int)SELECT @a' expects the parameter '@a', which was not supplied."
        );
        assert_eq!(
            bind("@a int", "", vec![int("", 1), int("", 2)])
                .unwrap_err()
                .number,
            8144
        );
        assert_eq!(bind("@a int", "", vec![int("@b", 1)]).unwrap_err().number, 8144);
    }

    #[test]
    fn values_get_the_declared_type() {
        let null = Param {
            value: OwnedCell::Null,
            ..int("", 0)
        };
        let bound = bind("@a nvarchar(10), @b nvarchar(10)", "", vec![null, int("", 12)]).unwrap();
        assert_eq!(
            bound.iter().map(|param| &param.value).collect::<Vec<_>>(),
            [&OwnedCell::Null, &OwnedCell::Text("12".into())]
        );
        assert!(
            bound
                .iter()
                .all(|param| param.ty == SqlType::NVarChar(Len::N(10)))
        );
        assert!(bind("@a tinyint", "", vec![int("", 256)]).is_err());
    }
}
