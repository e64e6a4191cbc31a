//! Files and functions that a reader can hold in mind.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{files, is_tests, parse};

/// Past it, a file is split.
const FILE_LINES_MAX: usize = 600;

/// A screen.
const FUNCTION_LINES_MAX: usize = 70;

/// An arm of a function's outermost match, whose own lines are not counted if its arms are short.
const ARM_LINES_MAX: usize = 30;

#[test]
fn every_file_says_what_it_is_and_is_short_enough() {
    let mut faults = Vec::new();
    for (path, text) in ["src", "tests", "benches", "crates"].into_iter().flat_map(files) {
        if !text.starts_with("//!") {
            faults.push(format!("{path} does not open with //!"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{path} has {lines} lines"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_function_fits_on_a_screen() {
    let mut faults = Vec::new();
    for (path, text) in ["src", "crates"].into_iter().flat_map(files) {
        if !is_tests(&path) {
            let mut long = Long::default();
            long.visit_file(&parse(&text));
            faults.extend(long.found.into_iter().map(|found| format!("{path}: {found}")));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// One style of module root: a folder's is its `mod.rs`.
#[test]
fn a_folder_s_module_root_is_its_mod_rs() {
    let mut faults = Vec::new();
    for (path, _) in ["src", "crates"].into_iter().flat_map(files) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path.trim_end_matches(".rs"));
        if folder.is_dir() {
            faults.push(format!("{path} stands beside its folder"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Collects functions that are too long.
#[derive(Default)]
struct Long {
    found: Vec<String>,
}

impl Long {
    fn look(&mut self, name: &syn::Ident, block: &syn::Block, start: usize) {
        let lines = block.span().end().line - start + 1;
        let mut flat = Flat::default();
        flat.visit_block(block);
        let beside = lines.saturating_sub(flat.lines);
        if beside > FUNCTION_LINES_MAX || (lines > FUNCTION_LINES_MAX && flat.longest_arm > ARM_LINES_MAX) {
            self.found
                .push(format!("{name} has {lines} lines, {beside} beside its matches"));
        }
    }
}

/// The outermost matches and tables of a function.
#[derive(Default)]
struct Flat {
    lines: usize,
    longest_arm: usize,
}

impl<'ast> Visit<'ast> for Flat {
    fn visit_expr_match(&mut self, found: &'ast syn::ExprMatch) {
        self.lines += lines(found);
        for arm in &found.arms {
            self.longest_arm = self.longest_arm.max(lines(arm));
        }
    }

    fn visit_expr_array(&mut self, found: &'ast syn::ExprArray) {
        self.lines += lines(found);
    }
}

fn lines(part: &impl Spanned) -> usize {
    let span = part.span();
    span.end().line - span.start().line + 1
}

impl<'ast> Visit<'ast> for Long {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.look(&item.sig.ident, &item.block, item.sig.span().start().line);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.look(&item.sig.ident, &item.block, item.sig.span().start().line);
        visit::visit_impl_item_fn(self, item);
    }
}
