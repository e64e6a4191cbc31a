//! The JSON Schemas of the commands' results, in `docs/schema/`: made from the views, and held to them.
//!
//! The documentation of a view's field is its description there.

#![cfg(test)]

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::context::{SCHEMA_VERSION, VERSION_FIELD};

/// Set to write the schemas anew.
const WRITE: &str = "SYNC_WRITE_SCHEMAS";

/// Asserts that `docs/schema/` has the schema of what a command prints, whose view is `V`.
#[track_caller]
pub(super) fn assert_kept<V: JsonSchema>(command: &str) {
    assert_kept_as::<V>(command, &format!("sync {command} --json"));
}

/// The same of a view that no command prints, under a title of its own.
#[track_caller]
pub(super) fn assert_kept_as<V: JsonSchema>(command: &str, title: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/schema")
        .join(format!("{command}.json"));
    let schema = serde_json::to_string_pretty(&schema_of::<V>(title)).expect("a schema is JSON") + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(path.with_file_name("")).expect("the directory is made");
        std::fs::write(&path, &schema).expect("the schema is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    // Where Git writes the lines of a text as Windows has them.
    let kept = kept.replace("\r\n", "\n");
    assert!(
        kept == schema,
        "{} is not the schema of `{title}`; {WRITE}=1 writes it anew:\n{schema}",
        path.display()
    );
}

/// The schema of a view with the version in front, which allows no other field.
fn schema_of<V: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<V>().to_value();
    strict(&mut schema);
    let root = schema.as_object_mut().expect("a view is an object");
    root.insert("title".to_owned(), json!(title));
    let properties = root["properties"].as_object_mut().expect("it has fields");
    let version = json!({
        "const": SCHEMA_VERSION,
        "description": "The version of the vocabulary; docs/json.md says what changes it.",
    });
    properties.insert(VERSION_FIELD.to_owned(), version);
    let required = root.entry("required").or_insert_with(|| json!([]));
    let required = required.as_array_mut().expect("names of fields");
    required.insert(0, json!(VERSION_FIELD));
    schema
}

/// Has every object with fields refuse others.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(strict);
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace("`None`", "`null`");
            }
            if object.get("properties").is_some_and(Value::is_object) {
                object.entry("additionalProperties").or_insert(Value::Bool(false));
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(strict),
        _ => {}
    }
}
