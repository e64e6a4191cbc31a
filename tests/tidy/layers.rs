//! Data goes one way: each folder imports only from those below it, and no two files import each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Crate, Module};

/// The folders of `src/`, from the command line down.
const LAYERS: [&str; 25] = [
    "cli",
    "web",
    "metrics",
    "notify",
    "status",
    "control",
    "report",
    "doctor",
    "run",
    "reconcile",
    "refresh",
    "backfill",
    "late_rows",
    "preflight",
    "pipeline",
    "governor",
    "source",
    "target",
    "checkpoint",
    "config",
    "progress",
    "mssql",
    "tsql",
    "model",
    "base",
];

#[test]
fn each_folder_imports_only_from_those_below_it() {
    let layer = |module: &Module| {
        let folder = module.first()?;
        let layer = LAYERS.iter().position(|layer| layer == folder);
        Some(layer.unwrap_or_else(|| panic!("src/{folder} is in no layer")))
    };
    let mut faults = Vec::new();
    for (module, imports) in Crate::read("src").imports() {
        for import in imports {
            // The root, main.rs, lib.rs and bin/, is above all of them.
            if let (Some(from), Some(to)) = (layer_of_file(&module, layer), layer_of_file(&import, layer))
                && to < from
            {
                faults.push(format!("{} imports {}", module.join("::"), import.join("::")));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

fn layer_of_file(module: &Module, layer: impl Fn(&Module) -> Option<usize>) -> Option<usize> {
    if module
        .first()
        .is_some_and(|first| ["main", "bin"].contains(&first.as_str()))
    {
        return None;
    }
    layer(module)
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for directory in ["src", "crates/emulator/src", "crates/testkit/src"] {
        let imports = Crate::read(directory).imports();
        let circles = circles(&imports);
        assert!(circles.is_empty(), "{directory}: {circles:#?}");
    }
}

/// The modules of which each reaches itself, by what it reaches.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let mut circles = Vec::new();
    for module in imports.keys() {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&Module> = imports[module].iter().collect();
        while let Some(next) = waiting.pop() {
            if reached.insert(next) {
                waiting.extend(imports.get(next).into_iter().flatten());
            }
        }
        if reached.contains(module) {
            circles.push(module.join("::"));
        }
    }
    circles
}

#[test]
fn a_circle_is_found_through_a_file_that_only_hands_on() {
    let module = |name: &str| vec![name.to_owned()];
    let imports = BTreeMap::from([
        (module("a"), BTreeSet::from([module("b")])),
        (module("b"), BTreeSet::from([module("c")])),
        (module("c"), BTreeSet::from([module("b")])),
    ]);
    assert_eq!(circles(&imports), ["b", "c"]);
}
