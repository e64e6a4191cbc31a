//! The plan that a target table was loaded by, restored from its fingerprint alone.

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::plan::columns::{columns_of, names_of};
use crate::model::plan::{
    AccessPath, COLUMNS, DATE_COLUMN, KEY, KEY_COLLATIONS, NO_DATE, SOURCE_TABLE, TablePlan,
};
use crate::model::table::{Identifier, Key, TableName, TableSchema};

impl TablePlan {
    /// Restores the plan that a target table was loaded by from its fingerprint, without the source. The plan
    /// suffices to read the target back and to compare it.
    ///
    /// # Errors
    /// `State` if the fingerprint lacks a part or cannot be parsed.
    pub fn recorded(
        name: &Identifier,
        target: TableName,
        access_path: AccessPath,
        fingerprint: Vec<(String, String)>,
    ) -> Result<TablePlan> {
        let part = |wanted: &str| {
            let found = fingerprint.iter().find(|(part, _)| part == wanted);
            found
                .map(|(_, value)| value.as_str())
                .ok_or_else(|| unreadable(&target))
        };
        let source_name =
            TableName::parse(part(SOURCE_TABLE)?).map_err(|error| unreadable(&target).with_source(error))?;
        let mut source = TableSchema {
            name: source_name,
            object_id: 0,
            create_date: chrono::NaiveDateTime::MIN,
            columns: columns_of(part(COLUMNS)?).ok_or_else(|| unreadable(&target))?,
            refused: Vec::new(),
            indexes: Vec::new(),
            columnstore: false,
        };
        let position = |column: &str| source.position(column).ok_or_else(|| unreadable(&target));
        let date = match part(DATE_COLUMN)? {
            NO_DATE if access_path == AccessPath::Key => None,
            column => Some(position(column)?),
        };
        let date_first = date.is_some() && access_path.is_date_first();
        let mut unique = Vec::new();
        for column in names_of(part(KEY)?).ok_or_else(|| unreadable(&target))? {
            let position = position(&column)?;
            // The date that comes first need not be part of the unique key.
            unique.extend((!date_first || Some(position) != date).then_some(position));
        }
        let texts: Vec<usize> = unique
            .iter()
            .copied()
            .filter(|position| source.columns[*position].data_type.is_text())
            .collect();
        // Without the part, which older plans lack, the target's own collations apply.
        if let Ok(collations) = part(KEY_COLLATIONS) {
            for (position, collation) in texts.into_iter().zip(collations.split(", ")) {
                source.columns[position].collation = (!collation.is_empty()).then(|| collation.to_owned());
            }
        }
        Ok(TablePlan {
            name: name.clone(),
            source,
            target,
            key: Key {
                date,
                unique,
                date_first,
            },
            access_path,
            fingerprint,
            notes: Vec::new(),
            traced: None,
            is_key_asked: false,
            is_shadow: false,
        })
    }
}

fn unreadable(target: &TableName) -> Error {
    Error::new(
        ErrorKind::State,
        format!(
            "The plan of target table {target} in [sync].[plan] does not tell its columns and key; give --source, so that \
             the source is asked for them"
        ),
    )
}
