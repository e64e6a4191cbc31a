//! What commands print as JSON: each result is of its schema in `docs/schema/`, and of the shape of its example in
//! `docs/json.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::project::{full, monthly};
use testkit::tables::{self, Table};
use testkit::{Ended, Project, Server, faults, job};

use crate::operations::COMMANDS;

/// Set to write the examples of the page anew, on the embedded server.
const WRITE: &str = "SYNC_WRITE_EXAMPLES";

/// The field that each result begins with.
const VERSION: &str = "\"schema_version\": 1,";

const DATES: [&str; 4] = ["--start-date", job::FIRST, "--end-date", job::LAST];

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn page() -> String {
    std::fs::read_to_string(at("docs/json.md"))
        .expect("the page is there")
        .replace("\r\n", "\n")
}

/// What has a schema and is no result of a command: the tests of notices hold it.
const NO_RESULT: &str = "notice";

/// The commands that have a schema.
fn with_schema() -> BTreeSet<String> {
    let files = std::fs::read_dir(at("docs/schema")).expect("the schemas are there");
    let names = files.map(|file| file.expect("a file").path());
    names
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != NO_RESULT)
        .collect()
}

/// A project, and what its commands have printed.
struct Told {
    server: Server,
    project: Project,
    /// The example of each command.
    examples: BTreeMap<String, Value>,
    /// The commands whose results were looked at.
    commands: BTreeSet<String>,
}

impl Told {
    /// Runs a command, and holds its result to its schema.
    async fn result(&mut self, arguments: &[&str], code: i32) -> Value {
        let ended = self.project.sync(&[arguments, &["--json"]].concat()).await;
        let ended = ended.expect(code);
        let command = arguments[0].to_owned();
        assert_is_of_its_schema(&command, &ended);
        self.commands.insert(command);
        ended.json()
    }

    /// The same, and the result becomes the example of its command.
    async fn example(&mut self, arguments: &[&str], code: i32) {
        let result = self.result(arguments, code).await;
        let mut example = reduced(&result, &mut BTreeSet::new(), "");
        self.anywhere(&mut example);
        self.examples.insert(arguments[0].to_owned(), example);
    }

    /// Takes what is of this machine and this moment out of a result.
    fn anywhere(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.anywhere(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    match name.as_str() {
                        "pid" => *field = 4711.into(),
                        "run_id" => *field = "9f1c6b2ad05e4f7c8a3b5d7e9f102132".into(),
                        _ => self.anywhere(field),
                    }
                }
            }
            Value::String(text) => {
                let address = format!("{},{}", self.server.host, self.server.port);
                *text = text
                    .replace(&self.server.source, "POS")
                    .replace(&self.server.target, "Warehouse")
                    .replace(&address, "replica.example")
                    .replace(&address.replace(',', ":"), "replica.example:1433")
                    .replace(&self.server.user, "reader");
                if chrono_like(text) {
                    *text = "2025-12-01T03:04:05Z".to_owned();
                }
            }
            _ => {}
        }
    }
}

/// Whether a text is an instant, as `2025-12-01T03:04:05.123Z`.
fn chrono_like(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

#[track_caller]
fn assert_is_of_its_schema(command: &str, ended: &Ended) {
    assert!(
        ended.stdout.starts_with(&format!("{{\n  {VERSION}")),
        "sync {command}: {}",
        ended.stdout
    );
    assert_value_is_of_its_schema(command, &ended.json());
}

/// Asserts that a value is what a schema of `docs/schema/` says.
#[track_caller]
pub(crate) fn assert_value_is_of_its_schema(name: &str, result: &Value) {
    let path = at(&format!("docs/schema/{name}.json"));
    let schema = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_str(&schema).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(result)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{name}: {faults:#?} in {result}");
}

/// Asserts that the example of a section of the page has the shape of a value.
#[track_caller]
pub(crate) fn assert_example(section: &str, value: &Value) {
    let page = page();
    let written: Value = serde_json::from_str(&page[place_of(&page, section)]).expect("an example is JSON");
    assert_eq!(
        shape_of(value),
        shape_of(&written),
        "{section} in docs/json.md, and {value:#}"
    );
}

/// The fields of a value and their types, whichever item of a list they are in.
fn shape(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            for item in items {
                shape(item, &format!("{path}[]"), found);
            }
            "list"
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                shape(field, &format!("{path}.{name}"), found);
            }
            "object"
        }
    };
    found.insert(format!("{path}: {kind}"));
}

/// A result in which each list of objects has only its first one and those that show something new. `shown` is what is known so far.
fn reduced(value: &Value, shown: &mut BTreeSet<String>, path: &str) -> Value {
    match value {
        Value::Array(items) => {
            let path = format!("{path}[]");
            let mut kept = Vec::new();
            for item in items {
                let mut seen = BTreeSet::new();
                shape(item, &path, &mut seen);
                // A list that has something is not shown as one that has nothing.
                if kept.is_empty() || !item.is_object() || !seen.is_subset(shown) {
                    kept.push(reduced(item, shown, &path));
                    shown.extend(seen);
                }
            }
            Value::Array(kept)
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), reduced(field, shown, &format!("{path}.{name}"))))
            .collect(),
        other => other.clone(),
    }
}

fn shape_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    shape(value, "", &mut found);
    found
}

/// The text of an example: the version first, as the program prints it.
fn text_of(example: &Value) -> String {
    let mut fields = example.as_object().expect("a result is an object").clone();
    fields.remove("schema_version");
    let text = serde_json::to_string_pretty(&fields).expect("JSON");
    text.replacen("{\n", &format!("{{\n  {VERSION}\n"), 1)
}

/// The place of a command's example in the page: what follows the first line with its fence.
fn place_of(page: &str, command: &str) -> std::ops::Range<usize> {
    let heading = format!("\n## {command}\n");
    let section = page
        .find(&heading)
        .unwrap_or_else(|| panic!("docs/json.md has no section {command}"))
        + heading.len();
    let end = page[section..]
        .find("\n## ")
        .map_or(page.len(), |end| section + end);
    let fence = "```json\n";
    let start = page[section..end]
        .find(fence)
        .unwrap_or_else(|| panic!("docs/json.md has no example of {command}"));
    let start = section + start + fence.len();
    let close = page[start..].find("```").expect("the end of the example");
    start..start + close
}

async fn begin() -> Told {
    let server = Server::start().await;
    let sales = [
        "(1, '2025-10-03T10:00:00', 12.50)",
        "(2, '2025-10-04T11:30:00', 3.20)",
        "(3, '2025-11-02T09:15:00', 7.00)",
    ];
    tables::sales("AMOUNT decimal(9,2) NULL")
        .rows(sales)
        .at_source(&server)
        .await;
    let items = ["(N'A1', N'Tea')", "(N'B2', N'Coffee')"];
    let items = tables::items("NAME nvarchar(40) NULL").rows(items);
    items.at_source(&server).await;
    Table::new("NOTES", "A int NULL, AT datetime NULL")
        .keyless()
        .rows(["(1, NULL)"])
        .at_source(&server)
        .await;
    let project = Project::new(&server, &(monthly("SALES", "SOLD_AT") + &full("ITEM")));
    Told {
        server,
        project,
        examples: BTreeMap::new(),
        commands: BTreeSet::new(),
    }
}

/// Every command that prints JSON, before a run, after it, with what is found to differ, and with what cannot be copied.
async fn tell(told: &mut Told) {
    told.result(&["status"], 0).await;
    told.result(&["counts"], 4).await;
    told.example(&["doctor"], 0).await;
    told.example(&["tables"], 0).await;
    told.example(&["migrate"], 0).await;
    told.result(&["migrate"], 0).await;
    told.example(&[&["plan"], &DATES[..]].concat(), 0).await;
    told.example(&[&["run"], &DATES[..]].concat(), 0).await;
    told.example(&["status"], 0).await;
    told.example(&["runs"], 0).await;
    told.example(&["counts"], 0).await;
    told.result(&["report"], 0).await;
    told.result(&["counts", "--windows"], 0).await;
    told.result(&["counts", "--all"], 0).await;
    told.example(&["sample"], 0).await;
    told.result(&["reconcile", "--source"], 0).await;
    steer(told).await;

    let sql = "UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 2";
    told.server.at_target(sql).await;
    told.example(&["reconcile", "--source", "--rows"], 3).await;
    told.result(&["status"], 0).await;
    told.example(&["report"], 3).await;
    told.result(&[&["plan"], &DATES[..]].concat(), 0).await;

    told.example(&["forget", "--table", "SALES", "--dry-run"], 0)
        .await;
    told.result(&["rebuild"], 0).await;
    told.example(&["rebuild"], 0).await;

    told.project.home.configure_too(&full("NONE"));
    told.result(&["tables"], 0).await;
    told.result(&[&["plan"], &DATES[..]].concat(), 7).await;
    told.result(&["doctor"], 7).await;
    told.result(&["sample"], 4).await;
}

/// The commands that speak to a run, while a comparison stands still that reads nothing of the source: so nothing of it depends
/// on how far it has come.
async fn steer(told: &mut Told) {
    let place = faults::at("FROM [dbo].[t_SALES] WHERE").of_the_program();
    let rule = place.stalls(&told.server);
    let child = told.project.spawn(&["reconcile"]);
    told.server.faults().wait_fired(rule, 1).await;
    told.example(&["tune", "--rows-per-second", "5000"], 0).await;
    told.example(&["pause"], 0).await;
    told.example(&["resume"], 0).await;
    told.example(&["stop"], 0).await;
    told.server.faults().remove(rule);
    Ended::of(child).await.expect(4);
    // What was cut short would be resumed by the next one.
    told.project.sync(&["reconcile"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_result_is_of_its_schema_and_of_the_shape_of_its_example() {
    let mut told = begin().await;
    tell(&mut told).await;
    assert_eq!(told.commands, with_schema(), "schemas, and commands of the story");
    if !told.server.has_log() {
        return;
    }
    let mut page = page();
    for (command, example) in &told.examples {
        let place = place_of(&page, command);
        if std::env::var_os(WRITE).is_some() {
            page.replace_range(place, &(text_of(example) + "\n"));
            continue;
        }
        let written: Value = serde_json::from_str(&page[place]).expect("an example is JSON");
        let (is, was) = (shape_of(example), shape_of(&written));
        assert!(
            is == was,
            "sync {command} --json prints another shape than its example in docs/json.md; {WRITE}=1 writes it anew: \
             not in the example {:#?}, not printed {:#?}",
            is.difference(&was),
            was.difference(&is)
        );
    }
    let told: BTreeSet<String> = told.examples.keys().cloned().collect();
    assert_eq!(told, with_schema(), "examples, and schemas");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(at("docs/json.md"), page).expect("the page is written");
    }
}

/// Whoever has the flag has a schema.
#[tokio::test]
async fn each_command_that_prints_json_has_a_schema() {
    let home = testkit::Home::empty();
    let mut there = BTreeSet::new();
    for command in COMMANDS {
        if home.sync(&[command, "--help"]).stdout.contains("--json") {
            there.insert(command.to_owned());
        }
    }
    assert_eq!(there, with_schema());
}

/// A command that fails before it has a result prints none.
#[test]
fn a_failure_is_no_result() {
    for arguments in [
        &["doctor"][..],
        &["status"],
        &["counts"],
        &["sample"],
        &["reconcile"],
    ] {
        let home = testkit::Home::empty();
        let ended = home.sync(&[arguments, &["--json"]].concat());
        if ended.code() == 0 || arguments == ["doctor"] {
            continue;
        }
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{arguments:?}: {ended}");
    }
}
