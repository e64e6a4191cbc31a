//! The files of `sync init`, held to what the program reads.

use std::path::PathBuf;

use super::files::{ENV_EXAMPLE, ENV_EXAMPLE_NAME, TEMPLATE, write_new};
use crate::config::{Config, Mode};

/// A directory with the files, and the path of the configuration.
fn written() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("sync.toml");
    assert!(write_new(&config, TEMPLATE).unwrap());
    assert!(write_new(&directory.path().join(ENV_EXAMPLE_NAME), ENV_EXAMPLE).unwrap());
    (directory, config)
}

#[test]
fn the_configuration_needs_servers_and_passwords_only() {
    let (directory, path) = written();
    std::fs::rename(
        directory.path().join(".env.example"),
        directory.path().join(".env"),
    )
    .unwrap();
    let config = Config::load(&path, &|_| None).unwrap();
    assert!(config.source.require_replica && config.source.endpoint.encrypt);
    // Any certificate is accepted on this machine alone, and who names another server is told.
    assert!(config.source.endpoint.protection().verified);
    assert!(!config.target.endpoint.protected().1);
    let elsewhere = std::fs::read_to_string(&path).unwrap();
    let elsewhere = elsewhere.replace("\"127.0.0.1\"", "\"warehouse.example\"");
    std::fs::write(&path, elsewhere).unwrap();
    let moved = Config::load(&path, &|_| None).unwrap();
    assert!(moved.target.endpoint.protected().1);
    assert_eq!(config.target.table_prefix, "com_5013_");
    let of_mode = |mode| {
        config
            .tables
            .iter()
            .filter(|table| table.mode == mode)
            .map(|table| table.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of_mode(Mode::Full),
        [
            "APP_4_CASHIER_DRAWER",
            "APP_4_CUSTOMER",
            "APP_4_EXTENDEDSALESITEM",
            "APP_4_ITEM",
            "APP_4_POINTRECORD",
            "APP_4_SALESDELIVERY",
            "APP_4_STOCK",
            "APP_4_VOUCHER_MASTER",
            "LOCATION_DETAIL"
        ]
    );
    assert_eq!(of_mode(Mode::Monthly).len(), 10);
}

#[cfg(feature = "emulator")]
#[test]
fn its_tables_are_those_of_the_demo() {
    let (_directory, path) = written();
    let config = Config::load(&path, &|_| Some("x".to_owned())).unwrap();
    let tables: Vec<_> = config
        .tables
        .iter()
        .map(|table| {
            let date = table.date_column.as_ref().map(|date| date.as_str());
            (table.name.as_str(), date)
        })
        .collect();
    let demo: Vec<_> = crate::cli::demo::tables().collect();
    assert_eq!(tables, demo);
}

#[test]
fn what_is_commented_out_is_configuration_too() {
    // An unknown key in a comment would teach an error.
    let (directory, path) = written();
    let text: String = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("replica_proof") && !line.contains("ca_file"))
        .map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line)))
        .collect();
    std::fs::write(&path, text).unwrap();
    let variable = |name: &str| match name {
        "NOTIFY_URL" => "https://example.com/key",
        _ => "as long as a key must be",
    };
    let config = Config::load(&path, &|name| Some(variable(name).to_owned())).unwrap();
    assert_eq!(config.notify.unwrap().on.len(), 5);
    assert_eq!(config.log.unwrap().keep_days, 30);
    assert_eq!(config.source.guard.refuse_names, ["POSPROD01"]);
    assert_eq!(config.run.settle_minutes, 60);
    assert_eq!(config.run.settle_days, 35);
    assert_eq!(config.run.leaving_rows_max_percent, 10);
    drop(directory);
}

/// The settings that are commented out as defaults are the defaults.
#[test]
fn the_template_has_every_key() {
    let (_directory, path) = written();
    for heading in [
        "[source]",
        "[target]",
        "[run]",
        "[serve]",
        "[metrics]",
        "[notify]",
        "[log]",
        "[[table]]",
    ] {
        let template = TEMPLATE.replacen(&format!("\n#: {heading}\n"), &format!("\n{heading}\n"), 1);
        let text = template.replacen(
            &format!("\n{heading}\n"),
            &format!("\n{heading}\nno_such_key = 1\n"),
            1,
        );
        std::fs::write(&path, text).unwrap();
        let refused = Config::load(&path, &|_| Some("x".to_owned()))
            .unwrap_err()
            .chain();
        let (_, known) = refused
            .split_once("known keys are ")
            .unwrap_or_else(|| panic!("{heading}: {refused}"));
        let start = template.find(&format!("\n{heading}\n")).unwrap();
        let section = &template[start + 1..];
        let section = match heading {
            "[[table]]" => section,
            // The next heading, also one that is commented out.
            _ => {
                let ends = ["\n[", "\n#: ["].map(|next| section.find(next).unwrap_or(section.len()));
                &section[..ends[0].min(ends[1])]
            }
        };
        let missing: Vec<&str> = known
            .split(", ")
            .filter(|key| {
                let is_it = |line: &str| line.trim_start_matches("#: ").starts_with(&format!("{key} = "));
                !section.lines().any(is_it)
            })
            .collect();
        assert!(missing.is_empty(), "{heading} of the template lacks {missing:?}");
    }
}

/// Each variable of the template, also of what is commented out, has a line in the example.
#[test]
fn the_example_has_every_variable() {
    for part in TEMPLATE.split("= \"${").skip(1) {
        let name = part.split('}').next().unwrap();
        let is_it = |line: &str| line.trim_start_matches('#').starts_with(&format!("{name}="));
        assert!(ENV_EXAMPLE.lines().any(is_it), "{name}");
    }
}

#[test]
fn a_file_that_is_there_stays() {
    let (directory, path) = written();
    std::fs::write(&path, "mine").unwrap();
    assert!(!write_new(&path, "ours").unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        2,
        "nothing else is left behind"
    );
}
