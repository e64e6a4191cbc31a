//! Whole files: the values of a good one, and the error of each bad one.

use super::*;
use crate::base::error::Error;
use crate::mssql::Proof;

const GOOD: &str = r#"[source]
server = "replica.example"
database = "POS"
user = "reader"
password = "${SOURCE_PASSWORD}"
schema = "COM_5013"

[target]
server = "127.0.0.1,14330"
database = "Warehouse"
user = "etl_user"
password = "${TARGET_PASSWORD}"
schema = "dbo"
table_prefix = "com_5013_"

[[table]]
name = "APP_4_SALES"
date_column = "SALES_DATE"

[[table]]
name = "APP_4_ITEM"
mode = "full"
"#;

fn load(text: &str) -> Result<Config, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sync.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(directory.path().join(".env"), "TARGET_PASSWORD=from-file\n").unwrap();
    Config::load(&path, &|name| {
        (name == "SOURCE_PASSWORD").then(|| "from-environment".to_owned())
    })
}

/// The error's text after `sync.toml`.
fn refused(text: &str) -> String {
    let error = load(text).unwrap_err();
    assert_eq!(error.kind(), crate::base::error::ErrorKind::Config);
    let text = error.chain();
    text.split_once("sync.toml")
        .expect("the file is named")
        .1
        .to_owned()
}

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    GOOD.replacen(from, to, 1)
}

#[test]
fn no_printing_of_a_configuration_shows_a_password() {
    let literal = with("${SOURCE_PASSWORD}", "hunter2");
    for config in [load(GOOD).unwrap(), load(&literal).unwrap()] {
        let printed = format!("{config:?} {config:#?} {:?}", config.source.endpoint.password);
        for password in ["from-environment", "from-file", "hunter2"] {
            assert!(!printed.contains(password), "{printed}");
        }
    }
}

#[test]
fn the_file_of_metrics_is_beside_the_configuration_and_one_that_exporters_read() {
    let file = |textfile: &str| format!("{GOOD}[metrics]\ntextfile = \"{textfile}\"\n");
    assert_eq!(load(GOOD).unwrap().metrics.textfile, None);
    let config = load(&file("out/sync.prom")).unwrap();
    let expected = config.directory().join("out/sync.prom");
    assert_eq!(config.metrics.textfile, Some(expected));
    for name in ["sync.txt", "prom", ".prom"] {
        let text = refused(&file(name));
        assert!(
            text.starts_with(", line 24: `textfile` must end in .prom"),
            "{text}"
        );
    }
    assert!(refused(&file("")).contains("is empty"));
    assert!(refused(&format!("{GOOD}[metrics]\nfile = 1\n")).contains("Unknown key `file` in [metrics]"));
}

#[test]
fn a_good_file_is_read() {
    let config = load(GOOD).unwrap();
    let source = &config.source.endpoint;
    assert_eq!(
        (source.host.as_str(), source.port, source.encrypt),
        ("replica.example", 1433, true)
    );
    assert_eq!(source.password.expose(), "from-environment");
    assert!(source.read_only_intent && !config.target.endpoint.read_only_intent);
    assert_eq!(config.target.endpoint.port, 14_330);
    assert_eq!(config.target.endpoint.password.expose(), "from-file");
    assert!(config.source.require_replica);
    assert_eq!(config.source.guard.proof, Proof::ReadOnly);
    assert_eq!((config.run.max_workers, config.run.chunk_rows), (2, 20_000));
    assert_eq!(
        (config.run.chunk_bytes_max, config.run.settle_minutes),
        (16 << 20, 60)
    );
    assert_eq!(config.run.leaving_rows_max_percent, 10);
    assert_eq!(config.tables[1].mode, Mode::Full);
    assert_eq!(
        config.target_table(&config.tables[0]).quoted(),
        "[dbo].[com_5013_APP_4_SALES]"
    );
    assert_eq!(
        config.source_table(&config.tables[0]).quoted(),
        "[COM_5013].[APP_4_SALES]"
    );
}

#[test]
fn hours_have_a_clock_and_each_fault_its_line() {
    let hours = |lines: &str| with("[target]", &format!("[source.hours]\n{lines}\n\n[target]"));
    let config = load(&hours(
        "allow = [\"22:00-07:00\", \"Sat,Sun 00:00-24:00\"]\ntime_zone = \"Asia/Kuala_Lumpur\"",
    ));
    let source = config.unwrap().source;
    let found = source.hours.expect("they are there");
    assert_eq!(
        found.texts().collect::<Vec<_>>(),
        ["22:00-07:00", "Sat,Sun 00:00-24:00"]
    );
    assert_eq!(found.wall().zone().name(), "Asia/Kuala_Lumpur");
    assert_eq!(found.wall(), source.wall);
    assert_eq!(load(GOOD).unwrap().source.hours, None);
    for (lines, wanted) in [
        (
            "",
            ", line 8: [source.hours] has no `allow`; add allow = [\"22:00-07:00\"",
        ),
        (
            "allow = []",
            ", line 9: `allow` in [source.hours] is empty, so nothing could ever be read",
        ),
        (
            "allow = [\"\"]",
            ", line 9: `allow` in [source.hours] is empty; give it a value",
        ),
        (
            "allow = [\"22:00-07:00\",\n  \"25:00-07:00\"]",
            ", line 10: Interval 2 of `allow` in [source.hours] has a time that is none",
        ),
        (
            "allow = \"22:00-07:00\"",
            ", line 9: `allow` in [source.hours] must be a list of strings",
        ),
        (
            "alow = []",
            ", line 9: Unknown key `alow` in [source.hours]; did you mean `allow`?",
        ),
        (
            "allow = [\"22:00-07:00\"]\ntime_zone = \"Asia/Kuala_Lumpor\"",
            ", line 10: `time_zone` in [source.hours] is no time zone of the IANA database, as \"Asia/Kuala_Lumpur\" \
             is; did you mean \"Asia/Kuala_Lumpur\"?",
        ),
    ] {
        let error = refused(&hours(lines));
        assert!(error.starts_with(wanted), "{lines}: {error}");
    }
}

#[test]
fn columns_that_are_excluded_have_their_line() {
    let table = |to: &str| load(&with("\"SALES_DATE\"", to)).unwrap().tables.remove(0);
    assert_eq!(table("\"SALES_DATE\"\nexclude_columns = []").exclude_columns, []);
    let excluded = table("\"SALES_DATE\"\nexclude_columns = [\"A\",\n  \"B\"]").exclude_columns;
    let found: Vec<_> = excluded
        .iter()
        .map(|column| (column.name.as_str(), column.line))
        .collect();
    assert_eq!(found, [("A", 19), ("B", 20)]);
}

#[test]
fn no_secret_is_printed() {
    let text = format!("{:?}", load(GOOD).unwrap());
    assert!(
        !text.contains("from-environment") && !text.contains("from-file"),
        "{text}"
    );
}

#[test]
fn the_proofs_of_a_replica() {
    let named = "schema = \"COM_5013\"\nreplica_proof = \"named\"\nreplica_names = [\"R/POS\"]\nrefuse_names = [\"P\"]";
    let guard = load(&with("schema = \"COM_5013\"", named)).unwrap().source.guard;
    assert_eq!(guard.proof, Proof::Named(vec!["R/POS".to_owned()]));
    assert_eq!(guard.refuse_names, ["P"]);
    let any = "schema = \"COM_5013\"\nrequire_replica = false";
    let source = load(&with("schema = \"COM_5013\"", any)).unwrap().source;
    assert_eq!((source.guard.proof, source.require_replica), (Proof::None, false));
}

#[test]
fn embedded_ends_have_no_login() {
    let text = r#"
[source]
server = "embedded"
database = "POS"
schema = "COM_5013"
[target]
server = "embedded"
database = "Warehouse"
schema = "dbo"
[[table]]
name = "T"
date_column = "D"
"#;
    let config = load(text).unwrap();
    assert!(config.source.embedded && config.target.embedded);
    let text = text.replacen("database", "port = 1\ndatabase", 1);
    assert_eq!(
        refused(&text),
        ", line 4: `port` has no meaning with server = \"embedded\"; remove it"
    );
}

/// Changes that break [`GOOD`], each with the error it causes: text, replacement, error after the file's name.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "user",
        "usr",
        ", line 4: Unknown key `usr` in [source]; did you mean `user`? The known keys are server, port, database, user, password, schema, encrypt, trust_server_certificate, ca_file, require_replica, replica_proof, replica_names, refuse_names, redirect_hosts, rows_per_second, mib_per_second, queries_per_second, query_ms_target, replica_lag_max_seconds, hours",
    ),
    (
        "mode = \"full\"\n",
        "mode = \"full\"\n[tables]\n",
        ", line 23: Unknown key `tables` in the file; did you mean `table`? The known keys are source, target, run, serve, metrics, table",
    ),
    (
        "user = \"reader\"",
        "",
        ", line 1: [source] has no `user`; add user = \"NAME\"",
    ),
    (
        "\"reader\"",
        "\"\"",
        ", line 4: `user` in [source] is empty; give it a value",
    ),
    (
        "\"${SOURCE_PASSWORD}\"",
        "12345",
        ", line 5: `password` in [source] must be text in quotes",
    ),
    (
        "${SOURCE_PASSWORD}",
        "${SOURCE",
        ", line 5: A `${` begins a variable and has no name and closing brace; write `${NAME}`",
    ),
    (
        "replica.example",
        "np:x",
        ", line 2: `server` names a protocol other than TCP; write \"HOST\" or \"tcp:HOST,PORT\"",
    ),
    (
        "14330\"",
        "14330\"\nport = 1",
        ", line 10: `server` gives a port already; remove `port`, or the port in `server`",
    ),
    (
        "schema = \"COM_5013\"",
        "schema = \"a\"\nencrypt = \"yes\"",
        ", line 7: `encrypt` in [source] must be true or false, without quotes",
    ),
    (
        "schema = \"COM_5013\"",
        "schema = \"a\"\nredirect_hosts = [\"node2.example\", \"node3:1433\"]",
        ", line 7: A host in `redirect_hosts` must be a name or an address without a port, as in \"node2.example.com\"",
    ),
    (
        "schema = \"COM_5013\"",
        "schema = \"a\"\nreplica_names = [\"A/B\"]",
        ", line 7: `replica_names` counts only with replica_proof = \"named\"; set that, or remove the names",
    ),
    (
        "schema = \"COM_5013\"",
        "schema = \"a\"\nreplica_proof = \"named\"",
        ", line 1: replica_proof = \"named\" needs the names: add replica_names = [\"SERVER/DATABASE\"]",
    ),
    (
        "schema = \"COM_5013\"",
        "schema = \"a\"\nreplica_proof = \"maybe\"",
        ", line 7: `replica_proof` must be \"read_only\" or \"named\"",
    ),
    (
        "[[table]]",
        "[run]\nmax_workers = 0\n[[table]]",
        ", line 17: `max_workers` in [run] must be a whole number from 1 to 16",
    ),
    (
        "[[table]]",
        "[run]\nchunk_rows = -1\n[[table]]",
        ", line 17: `chunk_rows` in [run] must be a whole number from 1 to 1000000",
    ),
    (
        "[[table]]",
        "[run]\nleaving_rows_max_percent = 101\n[[table]]",
        ", line 17: `leaving_rows_max_percent` in [run] must be a whole number from 0 to 100",
    ),
    (
        "mode = \"full\"",
        "mode = \"weekly\"",
        ", line 22: `mode` must be \"monthly\" or \"full\"",
    ),
    (
        "mode = \"full\"",
        "",
        ", line 20: Table APP_4_ITEM has no `date_column`; name the column by which it is cut into months, or set mode = \"full\" for a reference table",
    ),
    (
        "mode = \"full\"",
        "mode = \"full\"\ndate_column = \"D\"",
        ", line 23: `date_column` has no meaning with mode = \"full\"; remove it",
    ),
    (
        "mode = \"full\"",
        "mode = \"full\"\nkey = []",
        ", line 23: `key` names no column; remove it to have the key chosen for you",
    ),
    (
        "\"SALES_DATE\"",
        "\"SALES_DATE\"\nexclude_columns = [\"A\", \"a\"]",
        ", line 19: `exclude_columns` names a twice; remove one",
    ),
    (
        "\"SALES_DATE\"",
        "\"SALES_DATE\"\nexclude_columns = [\"A\",\n\"sales_date\"]",
        ", line 20: `exclude_columns` names sales_date, the `date_column`, by which the table is cut into months; remove it here",
    ),
    (
        "\"SALES_DATE\"",
        "\"SALES_DATE\"\nkey = [\"ID\"]\nexclude_columns = [\"ID\"]",
        ", line 20: `exclude_columns` names ID, a column of `key`, by which rows are told apart; remove it here, or name another key",
    ),
    (
        "\"SALES_DATE\"",
        "\"SALES_DATE\"\nexclude_columns = \"A\"",
        ", line 19: `exclude_columns` in [[table]] must be a list of strings, as in [\"A\", \"B\"]",
    ),
    (
        "APP_4_ITEM",
        "app_4_sales",
        ", line 21: Table app_4_sales is listed twice; remove one of the two",
    ),
    (
        "[source]",
        "[source",
        ", line 1: This is not TOML: unclosed table, expected `]`",
    ),
    (
        "user = \"reader\"",
        "user = \"reader\"\nuser = \"b\"",
        ", line 5: This is not TOML: duplicate key",
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_line_and_the_fix() {
    for (from, to, expected) in REFUSED {
        assert_eq!(refused(&with(from, to)), *expected);
    }
}

#[test]
fn a_missing_variable_is_named_with_both_places_to_set_it() {
    let text = refused(&with("${SOURCE_PASSWORD}", "${NOPE}"));
    assert!(
        text.starts_with(
            ", line 5: The variable NOPE is not set; set it in the environment or write NOPE=… into "
        ),
        "{text}"
    );
    assert!(text.ends_with(".env"), "{text}");
}

#[test]
fn a_prefix_that_makes_a_name_too_long_is_refused() {
    let told = refused(&with("com_5013_", &"p".repeat(120)));
    assert!(told.starts_with(", line 17: The name "), "{told}");
}

#[test]
fn a_source_that_is_its_own_target_is_refused() {
    let text = GOOD
        .replace("127.0.0.1,14330", "REPLICA.example,1433")
        .replace("Warehouse", "pos")
        .replace("\"dbo\"", "\"com_5013\"")
        .replace("\"com_5013_\"", "\"\"");
    let told = refused(&text);
    assert!(
        told.starts_with(": [source] and [target] are the same tables"),
        "{told}"
    );
}

#[test]
fn a_target_that_is_the_shadow_table_of_another_is_refused() {
    let named = |name: &str| with("name = \"APP_4_SALES\"", &format!("name = \"{name}\""));
    let told = refused(&named("app_4_item__SYNC"));
    assert!(
        told.starts_with(
            ", line 17: The target of table app_4_item__SYNC would be com_5013_APP_4_ITEM__sync, the shadow table that \
             each refresh of table APP_4_ITEM makes and drops; "
        ),
        "{told}"
    );
    // A table that is copied by months has none.
    load(&named("APP_4_ITEM__sync2")).unwrap();
    let monthly = named("APP_4_ITEM__sync").replace("mode = \"full\"", "date_column = \"CHANGED\"");
    load(&monthly).unwrap();
}

#[test]
fn no_error_quotes_a_password() {
    for text in [
        with("\"${SOURCE_PASSWORD}\"", "\"hunter2"),
        with("password = \"${SOURCE_PASSWORD}\"", "password = [\"hunter2\"]"),
        with("password = \"${SOURCE_PASSWORD}\"", "port = \"hunter2\""),
        with("password = \"${SOURCE_PASSWORD}\"", "password = hunter2"),
    ] {
        let told = refused(&text);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn the_page_has_an_address_a_token_and_names() {
    let serve = |lines: &str| with("[target]", &format!("[serve]\n{lines}\n\n[target]"));
    let lines =
        "listen = \"[::1]:9\"\ntoken = \"${SOURCE_PASSWORD}\"\nhosts = [\"VM.example\", \"192.0.2.7\"]";
    let config = load(&serve(lines)).unwrap();
    assert_eq!(config.serve.listen, Some("[::1]:9".parse().unwrap()));
    assert_eq!(config.serve.hosts, ["vm.example", "192.0.2.7"]);
    let token = config.serve.token.as_ref().unwrap();
    assert_eq!(token.expose(), "from-environment");
    assert!(!format!("{config:?}").contains("from-environment"));
    let none = load(GOOD).unwrap().serve;
    assert!(none.listen.is_none() && none.token.is_none() && none.hosts.is_empty());
    for (lines, wanted) in [
        (
            "listen = \"8080\"",
            ", line 9: `listen` in [serve] must be an address and a port",
        ),
        (
            "token = \"hunter2\"",
            ", line 9: `token` in [serve] is shorter than 16 bytes",
        ),
        (
            "hosts = [\"vm:80\"]",
            ", line 9: A host of `hosts` in [serve] must be a name",
        ),
        ("port = 80", ", line 9: Unknown key `port` in [serve]"),
    ] {
        let text = refused(&serve(lines));
        assert!(text.starts_with(wanted) && !text.contains("hunter2"), "{text}");
    }
}
