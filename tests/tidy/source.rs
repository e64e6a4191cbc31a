//! The sources as they are parsed: which file is which module, and what it imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module of a crate, by its path from the crate's root: `["target", "receipt"]`.
pub type Module = Vec<String>;

/// A crate's sources, parsed.
pub struct Crate {
    files: BTreeMap<Module, syn::File>,
    /// What a module hands on from another one, by name.
    reexports: BTreeMap<(Module, String), Module>,
}

/// All files of Rust under `directory`, by their path from the repository's root.
pub fn files(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut waiting = vec![root.join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((portable(path.strip_prefix(root).unwrap()), text));
            }
        }
    }
    assert!(!files.is_empty(), "{directory} has no files");
    files.sort();
    files
}

fn portable(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Whether a file is all tests.
pub fn is_tests(path: &str) -> bool {
    path.contains("/tests/") || ["tests.rs", "testing.rs"].iter().any(|end| path.ends_with(end))
}

/// Whether an item is only built for tests.
fn is_test_item(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|path| path.is_ident("test")))
    })
}

/// A parsed file without what is built for tests only.
pub fn parse(text: &str) -> syn::File {
    let mut file = syn::parse_file(text).unwrap();
    file.items.retain(|item| {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => return true,
        };
        !is_test_item(attributes)
    });
    file
}

impl Crate {
    /// The crate whose sources are in `directory`.
    pub fn read(directory: &str) -> Crate {
        let mut files = BTreeMap::new();
        for (path, text) in self::files(directory) {
            if !is_tests(&path) {
                let path = PathBuf::from(path.strip_prefix(directory).unwrap());
                files.insert(module_of(&path), parse(&text));
            }
        }
        let mut read = Crate {
            files,
            reexports: BTreeMap::new(),
        };
        let mut reexports = BTreeMap::new();
        for (module, file) in &read.files {
            for item in &file.items {
                if let syn::Item::Use(item) = item
                    && !matches!(item.vis, syn::Visibility::Inherited)
                {
                    for (leaf, name) in leaves(&item.tree) {
                        if let Some(target) = read.absolute(module, &leaf) {
                            reexports.insert((module.clone(), name), target);
                        }
                    }
                }
            }
        }
        read.reexports = reexports;
        read
    }

    /// Which modules each module imports.
    pub fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut imports = BTreeMap::new();
        for (module, file) in &self.files {
            let mut found = Paths::default();
            found.visit_file(file);
            let named = found.paths.iter().filter_map(|path| self.absolute(module, path));
            let mut imported: BTreeSet<Module> = named.map(|path| self.module(path)).collect();
            imported.remove(module);
            imports.insert(module.clone(), imported);
        }
        imports
    }

    /// The path from the crate's root that `path` means in `module`; `None` for a path into another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut absolute = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.clone(),
            "super" => module[..module.len().checked_sub(1)?].to_vec(),
            child => {
                let mut inside = module.clone();
                inside.push(child.to_owned());
                if !self.files.contains_key(&inside) {
                    return None;
                }
                inside
            }
        };
        for part in rest {
            match part.as_str() {
                "super" => {
                    absolute.pop()?;
                }
                part => absolute.push(part.to_owned()),
            }
        }
        Some(absolute)
    }

    /// The module that defines what a path names: not one that only hands it on.
    fn module(&self, mut path: Vec<String>) -> Module {
        for _ in 0..8 {
            let known = (0..=path.len())
                .rev()
                .map(|length| path[..length].to_vec())
                .find(|prefix| self.files.contains_key(prefix))
                .unwrap_or_default();
            let Some(name) = path.get(known.len()) else {
                return known;
            };
            match self.reexports.get(&(known.clone(), name.clone())) {
                Some(target) => path = target.clone(),
                None => return known,
            }
        }
        panic!("{path:?} is handed on in a circle")
    }
}

fn module_of(path: &Path) -> Module {
    let mut module: Module = path
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The paths that a use declaration imports, each with the name that it has then.
fn leaves(tree: &syn::UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree)
            .into_iter()
            .map(|(mut leaf, name)| {
                let ident = path.ident.to_string();
                let name = if name == "self" { ident.clone() } else { name };
                leaf.insert(0, ident);
                (leaf, name)
            })
            .collect(),
        syn::UseTree::Name(name) if name.ident == "self" => vec![(Vec::new(), "self".to_owned())],
        syn::UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        syn::UseTree::Rename(rename) => vec![(vec![rename.ident.to_string()], rename.rename.to_string())],
        syn::UseTree::Glob(_) => vec![(Vec::new(), "*".to_owned())],
        syn::UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// Collects the paths that a file names.
#[derive(Default)]
struct Paths {
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // What is only handed on is no import: whoever takes it imports it from where it is defined.
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.paths
                .extend(leaves(&item.tree).into_iter().map(|(leaf, _)| leaf));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names = path.segments.iter().map(|segment| segment.ident.to_string());
            self.paths.push(names.collect());
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::cli)` names a folder, and takes nothing from it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_item(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}
