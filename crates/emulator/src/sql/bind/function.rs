//! Scalar functions by name: the number and types of their arguments, and their result types.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

use super::binder::Binder;
use super::bound::{Bound, Collation, System};
use super::convert;
use super::convert::Mode;
use crate::sql::errors::{error, unsupported, wrong_arguments};
use crate::sql::functions::conversion::TRY;
use crate::sql::{types, values};
use crate::store::type_code::encode;
use crate::types::{Len, OwnedCell, SqlError, SqlType};

/// nvarchar(n).
const fn nvarchar(n: u16) -> SqlType {
    SqlType::NVarChar(Len::N(n))
}

impl Binder<'_> {
    /// A function call as sqlparser read it.
    pub(super) fn function(&mut self, function: &Function) -> Result<Bound, SqlError> {
        let FunctionArguments::None = function.parameters else {
            return Err(unsupported(function));
        };
        if !function.within_group.is_empty() || function.filter.is_some() || function.null_treatment.is_some()
        {
            return Err(unsupported(function));
        }
        let parts: Vec<String> = function
            .name
            .0
            .iter()
            .filter_map(|p| p.as_ident())
            .map(|i| i.value.clone())
            .collect();
        let Some(name) = parts.last() else {
            return Err(unsupported(function));
        };
        if parts.len() > 1 && !parts[0].eq_ignore_ascii_case("sys") {
            return Err(error(
                4121,
                16,
                1,
                format!("Cannot find the user-defined function \"{}\".", function.name),
            ));
        }
        let name = name.to_ascii_uppercase();
        let mut arguments = Vec::new();
        let mut star = false;
        let mut distinct = false;
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return Err(unsupported(function)),
            FunctionArguments::List(list) => {
                if !list.clauses.is_empty() {
                    return Err(unsupported(function));
                }
                distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                        _ => return Err(unsupported(function)),
                    }
                }
            }
        }
        if let Some(over) = &function.over {
            return self.window(&name, &arguments, star, over);
        }
        if matches!(
            name.as_str(),
            "COUNT" | "COUNT_BIG" | "SUM" | "MIN" | "MAX" | "AVG"
        ) {
            return self.aggregate(&name, &arguments, star, distinct);
        }
        if star || distinct {
            return Err(unsupported(function));
        }
        self.function_named(&name, &arguments)
    }

    /// A function by its upper-case name.
    pub(super) fn function_named(&mut self, name: &str, arguments: &[&Expr]) -> Result<Bound, SqlError> {
        if let Some(bound) = self.date_function(name, arguments)? {
            return Ok(bound);
        }
        if let Some(bound) = self.session_function(name, arguments)? {
            return Ok(bound);
        }
        match (name, arguments) {
            ("COALESCE", [_, ..]) => self.coalesce(arguments),
            ("ISNULL", [value, other]) => self.isnull(value, other),
            ("NULLIF", [value, other]) => self.nullif(value, other),
            ("IIF", [condition, yes, no]) => {
                let condition = self.predicate(condition)?;
                let values = vec![self.expr(yes)?, self.expr(no)?];
                let (values, ty, collation) = self.unify(values)?;
                let sql = format!(
                    "CASE WHEN {condition} THEN {} ELSE {} END",
                    values[0].sql, values[1].sql
                );
                Ok(Bound {
                    collation,
                    ..Bound::new(sql, ty)
                })
            }
            ("CONCAT", [_, ..]) => self.concat(arguments),
            ("LEN", [text]) => {
                let text = self.text_argument(text)?;
                Ok(Bound {
                    nullable: text.nullable,
                    ..Bound::new(format!("tsql_len({})", text.sql), SqlType::Int)
                })
            }
            ("DATALENGTH", [value]) => {
                let value = self.expr(value)?;
                let utf8 = i64::from(values::is_utf8(value.collation.name()));
                let sql = format!("tsql_datalength({}, {}, {utf8})", value.sql, encode(value.ty));
                Ok(Bound {
                    nullable: value.nullable,
                    ..Bound::new(sql, SqlType::Int)
                })
            }
            ("UPPER" | "LOWER" | "LTRIM" | "RTRIM" | "TRIM" | "REVERSE", [text]) => {
                let text = self.text_argument(text)?;
                let sql = format!("tsql_{}({})", name.to_ascii_lowercase(), text.sql);
                let ty = varying(text.ty);
                Ok(Bound {
                    collation: text.collation,
                    nullable: text.nullable,
                    ..Bound::new(sql, ty)
                })
            }
            ("LEFT" | "RIGHT" | "REPLICATE", [text, n]) => {
                let (text, n) = (self.text_argument(text)?, self.int_argument(n)?);
                let ty = if name == "REPLICATE" {
                    widest(text.ty)
                } else {
                    varying(text.ty)
                };
                let sql = format!("tsql_{}({}, {})", name.to_ascii_lowercase(), text.sql, n.sql);
                Ok(Bound {
                    collation: text.collation,
                    ..Bound::new(sql, ty)
                })
            }
            ("SUBSTRING", [value, start, n]) => {
                let (value, start, n) = (
                    self.expr(value)?,
                    self.int_argument(start)?,
                    self.int_argument(n)?,
                );
                if types::is_binary(value.ty) {
                    let sql = format!("tsql_subbytes({}, {}, {})", value.sql, start.sql, n.sql);
                    return Ok(Bound::new(
                        sql,
                        values::concatenated(value.ty, SqlType::VarBinary(Len::N(1))),
                    ));
                }
                let text = self.text(value)?;
                let sql = format!("tsql_substring({}, {}, {})", text.sql, start.sql, n.sql);
                let ty = varying(text.ty);
                Ok(Bound {
                    collation: text.collation,
                    ..Bound::new(sql, ty)
                })
            }
            ("REPLACE", [text, from, to]) => {
                let (text, from, to) = (
                    self.text_argument(text)?,
                    self.text_argument(from)?,
                    self.text_argument(to)?,
                );
                let class = values::sqlite_collation(text.collation.name());
                let sql = format!("tsql_replace({}, {}, {}, '{class}')", text.sql, from.sql, to.sql);
                let ty = widest(values::concatenated(text.ty, to.ty));
                Ok(Bound {
                    collation: text.collation,
                    ..Bound::new(sql, ty)
                })
            }
            ("CHARINDEX", [part, text, rest @ ..]) if rest.len() < 2 => {
                let (part, text) = (self.text_argument(part)?, self.text_argument(text)?);
                let start = match rest {
                    [start] => self.int_argument(start)?.sql,
                    _ => "1".to_owned(),
                };
                let class = values::sqlite_collation(
                    convert::combine(&text.collation, &part.collation, "charindex")?.name(),
                );
                Ok(Bound::new(
                    format!("tsql_charindex({}, {}, {start}, '{class}')", part.sql, text.sql),
                    SqlType::Int,
                ))
            }
            ("CHAR" | "NCHAR", [code]) => {
                let code = self.int_argument(code)?;
                let ty = if name == "CHAR" {
                    SqlType::Char(1)
                } else {
                    SqlType::NChar(1)
                };
                Ok(Bound::new(
                    format!("tsql_{}({})", name.to_ascii_lowercase(), code.sql),
                    ty,
                ))
            }
            ("ASCII" | "UNICODE", [text]) => {
                let text = self.text_argument(text)?;
                Ok(Bound::new(
                    format!("tsql_{}({})", name.to_ascii_lowercase(), text.sql),
                    SqlType::Int,
                ))
            }
            ("SPACE", [n]) => {
                let n = self.int_argument(n)?;
                Ok(Bound::new(
                    format!("tsql_replicate(' ', {})", n.sql),
                    SqlType::VarChar(Len::N(8000)),
                ))
            }
            ("QUOTENAME", [text]) => {
                let text = self.text_argument(text)?;
                Ok(Bound::new(
                    format!("('[' || replace({}, ']', ']]') || ']')", text.sql),
                    nvarchar(258),
                ))
            }
            ("ABS" | "SIGN" | "CEILING" | "FLOOR", [value]) => self.math(name, value, None),
            ("ROUND", [value, digits]) => self.math(name, value, Some(digits)),
            ("NEWID", []) => Ok(Bound::new("tsql_newid()".into(), SqlType::UniqueIdentifier).not_null()),
            _ => Err(unknown_function(name, arguments.len())),
        }
    }

    /// An argument as text.
    pub(super) fn text_argument(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        let value = self.expr(expr)?;
        self.text(value)
    }

    /// An argument as a whole number.
    pub(super) fn int_argument(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        let value = self.expr(expr)?;
        self.cast(value, SqlType::BigInt)
    }

    fn coalesce(&mut self, arguments: &[&Expr]) -> Result<Bound, SqlError> {
        let mut bounds = Vec::with_capacity(arguments.len());
        for argument in arguments {
            bounds.push(self.expr(argument)?);
        }
        let (bounds, ty, collation) = self.unify(bounds)?;
        let nullable = bounds.iter().all(|b| b.nullable);
        let list: Vec<&str> = bounds.iter().map(|b| b.sql.as_str()).collect();
        let sql = if let [one] = list.as_slice() {
            (*one).to_owned()
        } else {
            format!("coalesce({})", list.join(", "))
        };
        Ok(Bound {
            collation,
            nullable,
            ..Bound::new(sql, ty)
        })
    }

    fn isnull(&mut self, value: &Expr, other: &Expr) -> Result<Bound, SqlError> {
        let (value, other) = (self.expr(value)?, self.expr(other)?);
        if value.untyped_null {
            return Ok(other);
        }
        let other = self.convert(other, value.ty, Some(value.collation.name()), Mode::Cast)?;
        let nullable = value.nullable && other.nullable;
        let sql = format!("ifnull({}, {})", value.sql, other.sql);
        Ok(Bound {
            collation: value.collation,
            nullable,
            ..Bound::new(sql, value.ty)
        })
    }

    fn nullif(&mut self, value: &Expr, other: &Expr) -> Result<Bound, SqlError> {
        let (value, other) = (self.expr(value)?, self.expr(other)?);
        let equal = self.compare(value.clone(), "=", other)?;
        let sql = format!("CASE WHEN {equal} THEN NULL ELSE {} END", value.sql);
        Ok(Bound {
            collation: value.collation,
            ..Bound::new(sql, value.ty)
        })
    }

    fn concat(&mut self, arguments: &[&Expr]) -> Result<Bound, SqlError> {
        let (mut parts, mut ty, mut collation) =
            (Vec::new(), SqlType::VarChar(Len::N(1)), Collation::Default);
        for argument in arguments {
            let text = match self.expr(argument)? {
                b if b.untyped_null => continue,
                b if types::is_text(b.ty) => b,
                b => self.cast(b, SqlType::VarChar(Len::N(4000)))?,
            };
            ty = values::concatenated(ty, text.ty);
            collation = convert::combine(&collation, &text.collation, "concat")?;
            parts.push(format!("ifnull({}, '')", text.sql));
        }
        let sql = if parts.is_empty() {
            "''".to_owned()
        } else {
            format!("({})", parts.join(" || "))
        };
        Ok(Bound {
            collation,
            nullable: false,
            ..Bound::new(sql, ty)
        })
    }

    fn math(&mut self, name: &str, value: &Expr, digits: Option<&Expr>) -> Result<Bound, SqlError> {
        let value = self.expr(value)?;
        let value = if types::is_number(value.ty) {
            value
        } else {
            self.cast(value, SqlType::Float)?
        };
        let digits = match digits {
            Some(digits) => self.int_argument(digits)?.sql,
            None => "0".to_owned(),
        };
        let code = encode(value.ty);
        let cast = |sql: String| Bound {
            nullable: value.nullable,
            ..Bound::new(sql, value.ty)
        };
        let sql = format!("tsql_math('{name}', {}, {code}, {digits})", value.sql);
        match (name, value.ty) {
            (
                "CEILING" | "FLOOR",
                SqlType::Decimal {
                    precision,
                    scale,
                    numeric,
                },
            ) if scale > 0 => {
                let whole = SqlType::Decimal {
                    precision,
                    scale: 0,
                    numeric,
                };
                self.cast(cast(sql), whole)
            }
            _ => Ok(cast(sql)),
        }
    }

    /// CONVERT, with its style if it has one.
    pub(super) fn convert_function(
        &mut self,
        expr: &Expr,
        to: SqlType,
        styles: &[Expr],
        mode: Mode,
    ) -> Result<Bound, SqlError> {
        let value = self.expr(expr)?;
        let value = Bound {
            column: None,
            ..value
        };
        let collation = value.collation.name().to_owned();
        let style = match styles {
            [] => return self.convert(value, to, Some(&collation), mode),
            [style] => {
                let style = self.expr(style)?;
                self.cast(style, SqlType::Int)?
            }
            _ => return Err(wrong_arguments("convert", "2 or 3")),
        };
        if style.constant == Some(OwnedCell::Integer(0)) || !values::style_matters(value.ty, to) {
            return self.convert(value, to, Some(&collation), mode);
        }
        let flags = if mode == Mode::Try { TRY } else { 0 };
        let sql = format!(
            "tsql_convert({}, {}, {}, {flags}, {})",
            value.sql,
            encode(value.ty),
            encode(to),
            style.sql
        );
        Ok(Bound {
            collation: value.collation,
            ..Bound::new(sql, to)
        })
    }

    /// Functions that answer about the session, the server or the catalog.
    fn session_function(&mut self, name: &str, arguments: &[&Expr]) -> Result<Option<Bound>, SqlError> {
        let plain = |binder: &mut Self, value: System, ty: SqlType| Some(binder.system(value, ty));
        Ok(match (name, arguments) {
            ("DB_NAME", []) => plain(self, System::DatabaseName, nvarchar(128)),
            ("DB_ID", []) => plain(self, System::DatabaseId, SqlType::SmallInt),
            ("XACT_STATE", []) => plain(self, System::XactState, SqlType::SmallInt),
            ("SCOPE_IDENTITY", []) => plain(
                self,
                System::ScopeIdentity,
                SqlType::Decimal {
                    precision: 38,
                    scale: 0,
                    numeric: true,
                },
            ),
            ("SUSER_SNAME" | "SUSER_NAME" | "ORIGINAL_LOGIN" | "SYSTEM_USER", []) => {
                plain(self, System::Login, nvarchar(128))
            }
            ("APP_NAME", []) => plain(self, System::Application, nvarchar(128)),
            ("HOST_NAME", []) => plain(self, System::Host, nvarchar(128)),
            ("USER_NAME" | "CURRENT_USER" | "SESSION_USER", []) => plain(self, System::User, nvarchar(128)),
            ("ERROR_NUMBER", []) => plain(self, System::ErrorNumber, SqlType::Int),
            ("ERROR_MESSAGE", []) => plain(self, System::ErrorMessage, nvarchar(4000)),
            ("ERROR_SEVERITY", []) => plain(self, System::ErrorSeverity, SqlType::Int),
            ("ERROR_STATE", []) => plain(self, System::ErrorState, SqlType::Int),
            ("ERROR_LINE", []) => plain(self, System::ErrorLine, SqlType::Int),
            (
                "USER_NAME" | "DB_NAME" | "OBJECT_NAME" | "SCHEMA_NAME" | "TYPE_NAME" | "OBJECT_SCHEMA_NAME",
                [_, ..],
            )
            | ("SCHEMA_NAME", []) => Some(self.meta(name, arguments, nvarchar(128))?),
            ("OBJECT_ID", [_] | [_, _])
            | ("SCHEMA_ID", [] | [_])
            | ("HAS_PERMS_BY_NAME", [_, _, _, ..])
            | ("HAS_DBACCESS", [_])
            | ("TYPE_ID" | "DATABASE_PRINCIPAL_ID" | "SUSER_ID", [_]) => {
                Some(self.meta(name, arguments, SqlType::Int)?)
            }
            ("SUSER_SID", [_]) => Some(self.meta(name, arguments, SqlType::VarBinary(Len::N(85)))?),
            ("DB_ID", [_]) | ("COL_LENGTH", [_, _]) | ("APPLOCK_TEST", [_, _, _, _]) => {
                Some(self.meta(name, arguments, SqlType::SmallInt)?)
            }
            ("SERVERPROPERTY", [_]) | ("DATABASEPROPERTYEX", [_, _]) => {
                Some(self.meta(name, arguments, nvarchar(256))?)
            }
            ("IS_SRVROLEMEMBER" | "IS_ROLEMEMBER" | "IS_MEMBER", [_, ..]) => {
                Some(self.literal(OwnedCell::Integer(1), SqlType::Int))
            }
            _ => None,
        })
    }

    fn meta(&mut self, name: &str, arguments: &[&Expr], ty: SqlType) -> Result<Bound, SqlError> {
        self.uses.names = true;
        let mut sql = format!("tsql_meta('{name}'");
        for argument in arguments {
            let argument = self.expr(argument)?;
            sql.push_str(&format!(", {}", argument.sql));
        }
        sql.push(')');
        Ok(Bound::new(sql, ty))
    }

    /// `@@NAME`.
    pub(super) fn global(&mut self, name: &str) -> Result<Bound, SqlError> {
        let text =
            |binder: &mut Self, text: &str| binder.literal(OwnedCell::Text(text.to_owned()), nvarchar(300));
        let int = |binder: &mut Self, value: i64| binder.literal(OwnedCell::Integer(value), SqlType::Int);
        Ok(match name.to_ascii_uppercase().as_str() {
            "@@VERSION" => {
                let version = self.core.server.version.clone();
                text(self, &version)
            }
            "@@SERVERNAME" => {
                let name = self.core.server.server_name.clone();
                text(self, &name)
            }
            "@@SERVICENAME" => text(self, "MSSQLSERVER"),
            "@@LANGUAGE" => text(self, "us_english"),
            "@@TRANCOUNT" => self.system(System::TranCount, SqlType::Int),
            "@@ROWCOUNT" => self.system(System::RowCount, SqlType::Int),
            "@@ERROR" => self.system(System::Error, SqlType::Int),
            "@@SPID" => self.system(System::Spid, SqlType::SmallInt),
            "@@LOCK_TIMEOUT" => self.system(System::LockTimeout, SqlType::Int),
            "@@IDENTITY" => self.system(
                System::ScopeIdentity,
                SqlType::Decimal {
                    precision: 38,
                    scale: 0,
                    numeric: true,
                },
            ),
            // 15.0.2000 as SQL Server packs it: 0x0F0007D0.
            "@@MICROSOFTVERSION" => int(self, 0x0F00_07D0),
            "@@MAX_PRECISION" => self.literal(OwnedCell::Integer(38), SqlType::TinyInt),
            "@@DATEFIRST" => self.literal(OwnedCell::Integer(7), SqlType::TinyInt),
            "@@TEXTSIZE" => int(self, i64::from(i32::MAX)),
            "@@MAX_CONNECTIONS" => int(self, 32_767),
            "@@OPTIONS" => int(self, 5496),
            "@@NESTLEVEL" => int(self, i64::from(self.core.depth)),
            _ => return Err(crate::sql::errors::no_variable(name)),
        })
    }
}

/// The varying type of a text type.
fn varying(ty: SqlType) -> SqlType {
    match ty {
        SqlType::Char(n) => SqlType::VarChar(Len::N(n)),
        SqlType::NChar(n) => SqlType::NVarChar(Len::N(n)),
        other => other,
    }
}

/// The longest type of the family that is not max, unless it is max already.
fn widest(ty: SqlType) -> SqlType {
    match ty {
        SqlType::Char(_) | SqlType::VarChar(Len::N(_)) => SqlType::VarChar(Len::N(8000)),
        SqlType::NChar(_) | SqlType::NVarChar(Len::N(_)) => nvarchar(4000),
        other => other,
    }
}

fn unknown_function(name: &str, count: usize) -> SqlError {
    const KNOWN: [(&str, &str); 14] = [
        ("ISNULL", "2"),
        ("NULLIF", "2"),
        ("LEN", "1"),
        ("DATALENGTH", "1"),
        ("UPPER", "1"),
        ("LOWER", "1"),
        ("LEFT", "2"),
        ("RIGHT", "2"),
        ("SUBSTRING", "3"),
        ("REPLACE", "3"),
        ("REPLICATE", "2"),
        ("ABS", "1"),
        ("CHAR", "1"),
        ("NEWID", "0"),
    ];
    if let Some((_, needed)) = KNOWN.iter().find(|k| k.0 == name)
        && count.to_string() != *needed
    {
        return wrong_arguments(&name.to_ascii_lowercase(), needed);
    }
    error(
        195,
        15,
        10,
        format!("'{name}' is not a recognized built-in function name."),
    )
}

/// A string literal's text.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(s) | Value::NationalStringLiteral(s) => Some(s),
            _ => None,
        },
        Expr::Identifier(ident) => Some(&ident.value),
        _ => None,
    }
}
