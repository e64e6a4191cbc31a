//! Columns that an operator leaves out.

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::plan::unique_columns;
use crate::model::table::{Identifier, RefusedColumn, TableSchema};

impl TableSchema {
    /// Moves a column to those that are not copied. A unique index that holds it is no key any more.
    ///
    /// # Errors
    /// `Preflight` if there is no such column, if no key would be left or no column at all; the table is then unchanged.
    pub fn exclude(&mut self, name: &Identifier, key: Option<&[Identifier]>) -> Result<()> {
        let table = &self.name;
        let refused = |text: String| Err(Error::new(ErrorKind::Preflight, text));
        let Some(position) = self.position(name.as_str()) else {
            return match self
                .refused
                .iter_mut()
                .find(|column| column.name.same_as(name.as_str()))
            {
                Some(column) => {
                    *column = RefusedColumn::excluded(column.name.clone());
                    Ok(())
                }
                None => {
                    let all = self.columns.iter().map(|column| &column.name);
                    let all = all.chain(self.refused.iter().map(|column| &column.name));
                    refused(format!(
                        "Table {table} has no column {name}; exclude_columns may name its columns: {}",
                        listed(all)
                    ))
                }
            };
        };
        let mut without = self.clone();
        let column = without.columns.remove(position);
        without.refused.push(RefusedColumn::excluded(column.name));
        if without.columns.is_empty() {
            return refused(format!(
                "Table {table} has no other column than {name}; take the table out, or {name} out of exclude_columns"
            ));
        }
        if let (Ok(unique), Err(_)) = (unique_columns(self, key), unique_columns(&without, key)) {
            let unique = unique.into_iter().map(|position| &self.columns[position].name);
            return refused(format!(
                "Column {name} of table {table} cannot be excluded: its rows are told apart by the unique index over {}, \
                 and there is no other without {name}; take {name} out of exclude_columns",
                listed(unique)
            ));
        }
        *self = without;
        Ok(())
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a Identifier>) -> String {
    names.map(Identifier::as_str).collect::<Vec<_>>().join(", ")
}
