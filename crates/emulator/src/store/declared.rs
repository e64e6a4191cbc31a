//! The declarations of a database beside its tables: alias types and security policies.
//!
//! They are kept in the database's `_meta` table as one JSON value and change with the transaction that declares
//! them. A policy is kept and shown, and filters nothing.

use serde::{Deserialize, Serialize};

use super::name::fold;
use super::type_code;
use crate::types::SqlType;

/// The `user_type_id` of the first alias type. System types have ids up to 256, which is that of `sysname`
/// ("sys.types (Transact-SQL)").
const FIRST_TYPE_ID: i32 = 257;

/// An alias type, from CREATE TYPE ... FROM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AliasType {
    /// Its `user_type_id`.
    pub id: i32,
    pub schema: String,
    pub name: String,
    #[serde(with = "type_code")]
    pub ty: SqlType,
    pub nullable: bool,
}

/// A policy, from CREATE SECURITY POLICY.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub object_id: i32,
    pub schema: String,
    pub name: String,
    pub create_date: i64,
    pub enabled: bool,
    pub predicates: Vec<Predicate>,
}

/// A FILTER PREDICATE of a policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Predicate {
    /// The object id of the table.
    pub table: i32,
    /// The function with its arguments, as T-SQL.
    pub definition: String,
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Declared {
    pub types: Vec<AliasType>,
    pub policies: Vec<Policy>,
    /// The number of alias types that were ever declared. No id is given twice.
    types_made: i32,
}

impl Declared {
    /// The alias type of that schema and name, in any case.
    pub fn alias_type(&self, schema: &str, name: &str) -> Option<&AliasType> {
        let (schema, name) = (fold(schema), fold(name));
        self.types
            .iter()
            .find(|t| fold(&t.schema) == schema && fold(&t.name) == name)
    }

    /// The policy of that schema and name, in any case.
    pub fn policy(&self, schema: &str, name: &str) -> Option<&Policy> {
        let (schema, name) = (fold(schema), fold(name));
        self.policies
            .iter()
            .find(|p| fold(&p.schema) == schema && fold(&p.name) == name)
    }

    /// The id of the next alias type.
    pub fn new_type_id(&mut self) -> i32 {
        self.types_made += 1;
        FIRST_TYPE_ID + self.types_made - 1
    }
}
