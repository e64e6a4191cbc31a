//! A table that the source does not have: which one was probably meant.

use crate::base::text::{closest, shown};
use crate::model::table::TableName;
use crate::source::SourceSession;

/// The tables that this login sees.
const NAMES: &str = "SELECT s.name AS [schema_name], t.name AS [table_name] FROM sys.tables AS t \
    JOIN sys.schemas AS s ON s.schema_id = t.schema_id ORDER BY s.name, t.name";

/// The middle of a sentence: that the source has no such table, and which one was probably meant. That is the only one of this
/// name, whatever its schema, or one of the schema whose name differs by a few letters. The source is asked for names alone;
/// if it does not tell them, none is offered.
pub async fn absent(session: &mut SourceSession, table: &TableName) -> String {
    let mut names: Vec<(String, String)> = Vec::new();
    for row in session.session.many_rows(NAMES, &[]).await.unwrap_or_default() {
        if let (Ok(schema), Ok(name)) = (row.text("schema_name"), row.text("table_name")) {
            names.push((schema.to_owned(), name.to_owned()));
        }
    }
    let meant = meant(table, &names).map_or_else(String::new, |(schema, name)| {
        format!("did you mean {}.{}? If not, ", shown(schema), shown(name))
    });
    format!("no table {table} that this login may see; {meant}")
}

fn meant<'n>(table: &TableName, names: &'n [(String, String)]) -> Option<(&'n str, &'n str)> {
    let (schema, name) = (table.schema.as_str(), table.name.as_str());
    let is_same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    let mut elsewhere = names.iter().filter(|(_, of)| is_same(of, name));
    if let (Some((schema, name)), None) = (elsewhere.next(), elsewhere.next()) {
        return Some((schema, name));
    }
    let beside: Vec<&str> = names
        .iter()
        .filter(|(of, _)| is_same(of, schema))
        .map(|(_, name)| name.as_str())
        .collect();
    closest(name, &beside).and_then(|near| {
        let found = names
            .iter()
            .find(|(of, name)| is_same(of, schema) && name == near);
        found.map(|(schema, name)| (schema.as_str(), name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::Identifier;

    fn meant_by(schema: &str, name: &str) -> Option<String> {
        let names = ["dbo.SALE_LINE", "dbo.SHOP", "old.SHOP", "com.VOID_LINE"];
        let names = names.map(|name| name.split_once('.').unwrap());
        let names = names.map(|(schema, name)| (schema.to_owned(), name.to_owned()));
        let part = |text: &str| Identifier::new(text).unwrap();
        let table = TableName {
            schema: part(schema),
            name: part(name),
        };
        meant(&table, &names).map(|(schema, name)| format!("{schema}.{name}"))
    }

    #[test]
    fn the_table_that_was_meant_is_one_of_another_schema_or_of_nearly_the_same_name() {
        assert_eq!(meant_by("dbo", "void_line").as_deref(), Some("com.VOID_LINE"));
        assert_eq!(meant_by("DBO", "SALES_LINE").as_deref(), Some("dbo.SALE_LINE"));
        assert_eq!(meant_by("dbo", "SHOPS").as_deref(), Some("dbo.SHOP"));
        assert_eq!(meant_by("com", "SHOP"), None, "two have it");
        assert_eq!(meant_by("dbo", "STAFF"), None);
    }
}
