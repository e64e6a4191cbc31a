//! Date and time functions. They compute on datetime2(7), 100 ns units since 0001-01-01, and convert back.

use sqlparser::ast::Expr;

use super::binder::Binder;
use super::bound::{Bound, System};
use super::function::literal_text;
use crate::sql::errors::{error, wrong_arguments};
use crate::sql::functions::dates::Part;
use crate::sql::types;
use crate::types::{Len, SqlError, SqlType};

/// The type that date arithmetic is done in.
const EXACT: SqlType = SqlType::DateTime2(7);

impl Binder<'_> {
    /// A date function, if the name is one.
    pub(super) fn date_function(
        &mut self,
        name: &str,
        arguments: &[&Expr],
    ) -> Result<Option<Bound>, SqlError> {
        let now = match (name, arguments) {
            ("GETDATE" | "CURRENT_TIMESTAMP" | "GETUTCDATE", []) => Some(SqlType::DateTime),
            ("SYSDATETIME" | "SYSUTCDATETIME", []) => Some(EXACT),
            ("SYSDATETIMEOFFSET", []) => Some(SqlType::DateTimeOffset(7)),
            _ => None,
        };
        if let Some(ty) = now {
            return Ok(Some(self.system(System::Now(ty), ty).not_null()));
        }
        Ok(Some(match (name, arguments) {
            ("YEAR" | "MONTH" | "DAY", [value]) => {
                let part = match name {
                    "YEAR" => Part::Year,
                    "MONTH" => Part::Month,
                    _ => Part::Day,
                };
                self.date_part(part, value)?
            }
            ("DATEPART", [part, value]) => {
                let part = self.part(name, part)?;
                self.date_part(part, value)?
            }
            ("DATENAME", [part, value]) => {
                let part = self.part(name, part)?;
                let number = self.date_part(part, value)?;
                let sql = match part {
                    Part::Month | Part::Weekday => {
                        let exact = self.exact(value)?;
                        format!("tsql_datename({}, {})", part as i64, exact.sql)
                    }
                    _ => format!("CAST({} AS TEXT)", number.sql),
                };
                Bound::new(sql, SqlType::NVarChar(Len::N(30)))
            }
            ("DATEADD", [part, number, value]) => {
                let part = self.part(name, part)?;
                let number = self.int_argument(number)?;
                self.date_add(part, &number, value)?
            }
            ("DATEDIFF" | "DATEDIFF_BIG", [part, from, to]) => {
                let part = self.part(name, part)?;
                let (from, to) = (self.exact(from)?, self.exact(to)?);
                let (ty, small) = if name == "DATEDIFF" {
                    (SqlType::Int, 1)
                } else {
                    (SqlType::BigInt, 0)
                };
                let nullable = from.nullable || to.nullable;
                let sql = format!(
                    "tsql_datediff({}, {}, {}, {small})",
                    part as i64, from.sql, to.sql
                );
                Bound {
                    nullable,
                    ..Bound::new(sql, ty)
                }
            }
            ("EOMONTH", [value]) => {
                let value = self.exact(value)?;
                Bound::new(format!("tsql_eomonth({})", value.sql), SqlType::Date)
            }
            ("DATEFROMPARTS", [year, month, day]) => {
                let (year, month, day) = (
                    self.int_argument(year)?,
                    self.int_argument(month)?,
                    self.int_argument(day)?,
                );
                Bound::new(
                    format!("tsql_datefromparts({}, {}, {})", year.sql, month.sql, day.sql),
                    SqlType::Date,
                )
            }
            ("DATEADD" | "DATEDIFF" | "DATEDIFF_BIG" | "DATEFROMPARTS", _) => {
                return Err(wrong_arguments(&name.to_ascii_lowercase(), "3"));
            }
            ("DATEPART" | "DATENAME", _) => return Err(wrong_arguments(&name.to_ascii_lowercase(), "2")),
            ("YEAR" | "MONTH" | "DAY", _) => return Err(wrong_arguments(&name.to_ascii_lowercase(), "1")),
            _ => return Ok(None),
        }))
    }

    fn part(&self, function: &str, expr: &Expr) -> Result<Part, SqlError> {
        let name = literal_text(expr).unwrap_or_default();
        Part::parse(name).ok_or_else(|| {
            let function = function.to_ascii_lowercase();
            error(
                155,
                15,
                1,
                format!("'{expr}' is not a recognized {function} option."),
            )
        })
    }

    /// A value as datetime2(7).
    fn exact(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        let value = self.expr(expr)?;
        self.as_exact(value)
    }

    fn as_exact(&mut self, value: Bound) -> Result<Bound, SqlError> {
        if types::is_integer(value.ty) && !value.untyped_null {
            // A number counts days since 1900.
            let value = self.cast(value, SqlType::DateTime)?;
            return self.cast(value, EXACT);
        }
        self.cast(value, EXACT)
    }

    fn date_part(&mut self, part: Part, value: &Expr) -> Result<Bound, SqlError> {
        let value = self.exact(value)?;
        let sql = format!("tsql_datepart({}, {})", part as i64, value.sql);
        Ok(Bound {
            nullable: value.nullable,
            ..Bound::new(sql, SqlType::Int)
        })
    }

    fn date_add(&mut self, part: Part, number: &Bound, value: &Expr) -> Result<Bound, SqlError> {
        let value = self.expr(value)?;
        let ty = match value.ty {
            ty @ (SqlType::Date
            | SqlType::Time(_)
            | SqlType::SmallDateTime
            | SqlType::DateTime2(_)
            | SqlType::DateTimeOffset(_)) => ty,
            _ => SqlType::DateTime,
        };
        let nullable = value.nullable || number.nullable;
        if matches!(ty, SqlType::DateTimeOffset(_)) {
            let sql = format!(
                "tsql_dateadd_offset({}, {}, {})",
                part as i64, number.sql, value.sql
            );
            return Ok(Bound {
                nullable,
                ..Bound::new(sql, ty)
            });
        }
        let exact = self.as_exact(value)?;
        let sum = Bound {
            nullable,
            ..Bound::new(
                format!("tsql_dateadd({}, {}, {})", part as i64, number.sql, exact.sql),
                EXACT,
            )
        };
        self.cast(sum, ty)
    }
}
