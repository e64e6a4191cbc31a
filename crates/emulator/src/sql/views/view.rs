//! The parts of a catalog view: its name, its columns, and the function that makes its rows.

use std::sync::Arc;

use serde_json::Value;

use crate::store::ServerState;
use crate::store::catalog::{Catalog, TableDef};
use crate::store::database::Database;
use crate::types::{Len, SqlError, SqlType};

/// The sources of a view's rows.
pub(crate) struct Context<'a> {
    pub database: Arc<Database>,
    /// The database's catalog as the session's transaction sees it.
    pub catalog: Arc<Catalog>,
    pub server: &'a ServerState,
    pub login: &'a str,
    /// The session, as locks know it.
    pub session: u64,
    /// Counts a table's rows.
    pub count: &'a dyn Fn(&TableDef) -> Result<i64, SqlError>,
}

impl Context<'_> {
    pub(super) fn schema_id(&self, table: &TableDef) -> i32 {
        self.catalog.schema(&table.schema).map_or(1, |s| s.0)
    }

    /// The tables that the login may see.
    pub(super) fn all(&self) -> Vec<Arc<TableDef>> {
        let seen = |t: &&Arc<TableDef>| !self.catalog.hides(self.login, t);
        self.catalog.all_tables().filter(seen).cloned().collect()
    }
}

/// The rows of a view.
pub(super) type Rows = Result<Vec<Value>, SqlError>;

/// A column: its name, its type, and whether it may be NULL.
pub(crate) type ViewColumn = (&'static str, SqlType, bool);

/// A catalog view.
pub(crate) struct View {
    pub schema: &'static str,
    pub name: &'static str,
    pub columns: &'static [ViewColumn],
    pub(super) rows: fn(&Context<'_>) -> Rows,
}

pub(super) const NAME: SqlType = SqlType::NVarChar(Len::N(128));
pub(super) const DESC: SqlType = SqlType::NVarChar(Len::N(60));
pub(super) const TEXT: SqlType = SqlType::NVarChar(Len::Max);
pub(super) const CODE: SqlType = SqlType::Char(2);
pub(super) const INT: SqlType = SqlType::Int;
pub(super) const BIT: SqlType = SqlType::Bit;
pub(super) const TINY: SqlType = SqlType::TinyInt;
pub(super) const SMALL: SqlType = SqlType::SmallInt;
pub(super) const BIG: SqlType = SqlType::BigInt;
pub(super) const TIME: SqlType = SqlType::DateTime;

pub(super) const OBJECT_COLUMNS: &[ViewColumn] = &[
    ("name", NAME, false),
    ("object_id", INT, false),
    ("principal_id", INT, true),
    ("schema_id", INT, false),
    ("parent_object_id", INT, false),
    ("type", CODE, false),
    ("type_desc", DESC, true),
    ("create_date", TIME, false),
    ("modify_date", TIME, false),
    ("is_ms_shipped", BIT, false),
];

pub(super) const COLUMN_COLUMNS: &[ViewColumn] = &[
    ("object_id", INT, false),
    ("name", NAME, true),
    ("column_id", INT, false),
    ("system_type_id", TINY, false),
    ("user_type_id", INT, false),
    ("max_length", SMALL, false),
    ("precision", TINY, false),
    ("scale", TINY, false),
    ("collation_name", NAME, true),
    ("is_nullable", BIT, true),
    ("is_ansi_padded", BIT, false),
    ("is_rowguidcol", BIT, false),
    ("is_identity", BIT, false),
    ("is_computed", BIT, false),
    ("is_filestream", BIT, false),
    ("is_sparse", BIT, true),
    ("is_hidden", BIT, true),
    ("generated_always_type", TINY, true),
    ("default_object_id", INT, false),
    ("encryption_type", INT, true),
    ("encryption_type_desc", DESC, true),
    ("is_masked", BIT, false),
];

impl View {
    /// Whether that is its schema and name, in any case.
    pub(super) fn is(&self, schema: &str, name: &str) -> bool {
        self.schema.eq_ignore_ascii_case(schema) && self.name.eq_ignore_ascii_case(name)
    }

    /// Its rows now, as a JSON array of arrays.
    pub fn json(&self, context: &Context<'_>) -> Result<String, SqlError> {
        Ok(Value::Array((self.rows)(context)?).to_string())
    }
}
