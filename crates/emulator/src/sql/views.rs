//! The catalog views: rows made from the table catalog when a statement that names one runs.
//!
//! A view reaches SQLite as one JSON parameter, so the rows are those of the moment and of this session's
//! transaction, and nothing is kept twice.

mod more;
mod rows;
mod security;

use std::sync::Arc;

use serde_json::Value;

use super::core::Core;
use crate::store::catalog::Catalog;
use crate::store::database::Database;
use crate::types::{Len, SqlError, SqlType};

/// What a view makes its rows from.
struct Context<'a> {
    core: &'a mut Core,
    database: Arc<Database>,
    catalog: Arc<Catalog>,
}

/// A column: its name, its type, and whether it may be NULL.
type ViewColumn = (&'static str, SqlType, bool);

/// A catalog view.
pub(crate) struct View {
    pub schema: &'static str,
    pub name: &'static str,
    pub columns: &'static [ViewColumn],
    rows: fn(&mut Context<'_>) -> Result<Vec<Value>, SqlError>,
}

const NAME: SqlType = SqlType::NVarChar(Len::N(128));
const DESC: SqlType = SqlType::NVarChar(Len::N(60));
const TEXT: SqlType = SqlType::NVarChar(Len::Max);
const CODE: SqlType = SqlType::Char(2);
const INT: SqlType = SqlType::Int;
const BIT: SqlType = SqlType::Bit;
const TINY: SqlType = SqlType::TinyInt;
const SMALL: SqlType = SqlType::SmallInt;
const BIG: SqlType = SqlType::BigInt;
const TIME: SqlType = SqlType::DateTime;

const OBJECT_COLUMNS: &[ViewColumn] = &[
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

const VIEWS: &[View] = &[
    View {
        schema: "sys",
        name: "tables",
        columns: &[
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
            ("max_column_id_used", INT, false),
            ("is_memory_optimized", BIT, true),
            ("temporal_type", TINY, true),
            ("is_external", BIT, false),
            ("is_published", BIT, false),
            ("is_replicated", BIT, true),
            ("is_tracked_by_cdc", BIT, true),
        ],
        rows: rows::tables,
    },
    View {
        schema: "sys",
        name: "objects",
        columns: OBJECT_COLUMNS,
        rows: rows::objects,
    },
    View {
        schema: "sys",
        name: "all_objects",
        columns: OBJECT_COLUMNS,
        rows: rows::objects,
    },
    View {
        schema: "sys",
        name: "schemas",
        columns: &[
            ("name", NAME, false),
            ("schema_id", INT, false),
            ("principal_id", INT, true),
        ],
        rows: rows::schemas,
    },
    View {
        schema: "sys",
        name: "columns",
        columns: COLUMN_COLUMNS,
        rows: rows::columns,
    },
    View {
        schema: "sys",
        name: "all_columns",
        columns: COLUMN_COLUMNS,
        rows: rows::columns,
    },
    View {
        schema: "sys",
        name: "identity_columns",
        columns: &[
            ("object_id", INT, false),
            ("name", NAME, true),
            ("column_id", INT, false),
            ("seed_value", BIG, true),
            ("increment_value", BIG, true),
        ],
        rows: rows::identity_columns,
    },
    View {
        schema: "sys",
        name: "types",
        columns: &[
            ("name", NAME, false),
            ("system_type_id", TINY, false),
            ("user_type_id", INT, false),
            ("schema_id", INT, false),
            ("principal_id", INT, true),
            ("max_length", SMALL, false),
            ("precision", TINY, false),
            ("scale", TINY, false),
            ("collation_name", NAME, true),
            ("is_nullable", BIT, true),
            ("is_user_defined", BIT, false),
            ("is_assembly_type", BIT, false),
            ("is_table_type", BIT, false),
        ],
        rows: rows::types,
    },
    View {
        schema: "sys",
        name: "indexes",
        columns: &[
            ("object_id", INT, false),
            ("name", NAME, true),
            ("index_id", INT, false),
            ("type", TINY, false),
            ("type_desc", DESC, true),
            ("is_unique", BIT, true),
            ("data_space_id", INT, true),
            ("ignore_dup_key", BIT, true),
            ("is_primary_key", BIT, true),
            ("is_unique_constraint", BIT, true),
            ("fill_factor", TINY, false),
            ("is_padded", BIT, true),
            ("is_disabled", BIT, true),
            ("is_hypothetical", BIT, true),
            ("has_filter", BIT, true),
            ("filter_definition", TEXT, true),
        ],
        rows: rows::indexes,
    },
    View {
        schema: "sys",
        name: "index_columns",
        columns: &[
            ("object_id", INT, false),
            ("index_id", INT, false),
            ("index_column_id", INT, false),
            ("column_id", INT, false),
            ("key_ordinal", TINY, false),
            ("partition_ordinal", TINY, false),
            ("is_descending_key", BIT, true),
            ("is_included_column", BIT, true),
        ],
        rows: rows::index_columns,
    },
    View {
        schema: "sys",
        name: "key_constraints",
        columns: &[
            ("name", NAME, false),
            ("object_id", INT, false),
            ("schema_id", INT, false),
            ("parent_object_id", INT, false),
            ("type", CODE, true),
            ("type_desc", DESC, true),
            ("create_date", TIME, false),
            ("unique_index_id", INT, true),
        ],
        rows: rows::key_constraints,
    },
    View {
        schema: "sys",
        name: "default_constraints",
        columns: &[
            ("name", NAME, false),
            ("object_id", INT, false),
            ("schema_id", INT, false),
            ("parent_object_id", INT, false),
            ("parent_column_id", INT, false),
            ("definition", TEXT, true),
        ],
        rows: rows::default_constraints,
    },
    View {
        schema: "sys",
        name: "check_constraints",
        columns: &[
            ("name", NAME, false),
            ("object_id", INT, false),
            ("schema_id", INT, false),
            ("parent_object_id", INT, false),
            ("definition", TEXT, true),
            ("is_disabled", BIT, false),
        ],
        rows: rows::check_constraints,
    },
    View {
        schema: "sys",
        name: "partitions",
        columns: &[
            ("partition_id", BIG, false),
            ("object_id", INT, false),
            ("index_id", INT, false),
            ("partition_number", INT, false),
            ("rows", BIG, true),
            ("data_compression", TINY, false),
            ("data_compression_desc", DESC, true),
        ],
        rows: rows::partitions,
    },
    View {
        schema: "sys",
        name: "databases",
        columns: &[
            ("name", NAME, false),
            ("database_id", INT, false),
            ("create_date", TIME, false),
            ("compatibility_level", TINY, false),
            ("collation_name", NAME, true),
            ("user_access", TINY, true),
            ("user_access_desc", DESC, true),
            ("is_read_only", BIT, true),
            ("state", TINY, true),
            ("state_desc", DESC, true),
            ("snapshot_isolation_state", TINY, true),
            ("is_read_committed_snapshot_on", BIT, true),
            ("recovery_model", TINY, true),
            ("recovery_model_desc", DESC, true),
            ("service_broker_guid", SqlType::UniqueIdentifier, false),
        ],
        rows: rows::databases,
    },
    View {
        schema: "INFORMATION_SCHEMA",
        name: "TABLES",
        columns: &[
            ("TABLE_CATALOG", NAME, true),
            ("TABLE_SCHEMA", NAME, true),
            ("TABLE_NAME", NAME, false),
            ("TABLE_TYPE", SqlType::VarChar(Len::N(10)), true),
        ],
        rows: rows::information_tables,
    },
    View {
        schema: "INFORMATION_SCHEMA",
        name: "COLUMNS",
        columns: &[
            ("TABLE_CATALOG", NAME, true),
            ("TABLE_SCHEMA", NAME, true),
            ("TABLE_NAME", NAME, false),
            ("COLUMN_NAME", NAME, true),
            ("ORDINAL_POSITION", INT, true),
            ("COLUMN_DEFAULT", TEXT, true),
            ("IS_NULLABLE", SqlType::VarChar(Len::N(3)), true),
            ("DATA_TYPE", NAME, true),
            ("CHARACTER_MAXIMUM_LENGTH", INT, true),
            ("NUMERIC_PRECISION", TINY, true),
            ("NUMERIC_SCALE", INT, true),
            ("DATETIME_PRECISION", SMALL, true),
            ("COLLATION_NAME", NAME, true),
        ],
        rows: rows::information_columns,
    },
];

const COLUMN_COLUMNS: &[ViewColumn] = &[
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
    /// The view of that schema and name, in any case.
    pub fn find(schema: Option<&str>, name: &str) -> Option<&'static View> {
        let schema = schema?;
        View::all().find(|view| view.is(schema, name))
    }

    /// The number that OBJECT_ID has for it: a system object's is negative.
    pub fn object_id(schema: &str, name: &str) -> Option<i32> {
        let position = View::all().position(|view| view.is(schema, name))?;
        i32::try_from(position).ok().map(|position| -1 - position)
    }

    fn all() -> impl Iterator<Item = &'static View> {
        VIEWS.iter().chain(more::VIEWS).chain(security::VIEWS)
    }

    fn is(&self, schema: &str, name: &str) -> bool {
        self.schema.eq_ignore_ascii_case(schema) && self.name.eq_ignore_ascii_case(name)
    }

    /// Its rows now, as a JSON array of arrays.
    pub fn json(&self, core: &mut Core, database: &Arc<Database>) -> Result<String, SqlError> {
        let catalog = core.catalog(database)?;
        let mut context = Context {
            core,
            database: Arc::clone(database),
            catalog,
        };
        Ok(Value::Array((self.rows)(&mut context)?).to_string())
    }
}
