//! `sync docs` prints the pages of the documentation, which are in the program.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::program;
use crate::cli::context::verbatim;

/// A page.
struct Page {
    name: &'static str,
    /// The file, by which pages link to each other.
    file: &'static str,
    content: &'static str,
    text: &'static str,
}

const PAGES: [Page; 9] = [
    Page {
        name: "readme",
        file: "README.md",
        content: "what it is, how to try it, what it promises",
        text: include_str!("../../README.md"),
    },
    Page {
        name: "operations",
        file: "docs/operations.md",
        content: "install, configure, run, status, exit codes, what to do when",
        text: include_str!("../../docs/operations.md"),
    },
    Page {
        name: "json",
        file: "docs/json.md",
        content: "what --json prints: rules, words, an example of each command",
        text: include_str!("../../docs/json.md"),
    },
    Page {
        name: "glossary",
        file: "docs/glossary.md",
        content: "the words, and the guarantees by their codes",
        text: include_str!("../../docs/glossary.md"),
    },
    Page {
        name: "architecture",
        file: "docs/architecture.md",
        content: "the way of a row, the folders, the invariants",
        text: include_str!("../../docs/architecture.md"),
    },
    Page {
        name: "performance",
        file: "docs/performance.md",
        content: "how to measure, what limits it",
        text: include_str!("../../docs/performance.md"),
    },
    Page {
        name: "format",
        file: "docs/format.md",
        content: "every byte that is kept",
        text: include_str!("../../docs/format.md"),
    },
    Page {
        name: "security",
        file: "SECURITY.md",
        content: "what holds against whom, how to report a weakness",
        text: include_str!("../../SECURITY.md"),
    },
    Page {
        name: "changelog",
        file: "CHANGELOG.md",
        content: "what has changed for its users",
        text: include_str!("../../CHANGELOG.md"),
    },
];

/// Arguments of `sync docs`.
#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    /// The page; without it, the pages are listed
    #[arg(value_name = "PAGE", value_parser = names())]
    page: Option<String>,
}

fn names() -> PossibleValuesParser {
    PAGES
        .iter()
        .map(|page| PossibleValue::new(page.name).alias(page.file))
        .collect::<Vec<_>>()
        .into()
}

pub(super) fn run(args: &DocsArgs) -> Result<ExitCode> {
    let asked = args.page.as_deref();
    let page = PAGES
        .iter()
        .find(|page| asked.is_some_and(|asked| asked == page.name || asked == page.file));
    verbatim(&match page {
        Some(page) => page.text.to_owned(),
        None => listed(),
    })?;
    Ok(ExitCode::Done)
}

fn listed() -> String {
    let lines = PAGES
        .iter()
        .map(|page| format!("{:12}  {}\n", page.name, page.content));
    format!(
        "{}\n{} docs PAGE prints one\n",
        lines.collect::<String>(),
        program::name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_page_of_docs_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(root.join("docs")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "md") {
                let file = format!("docs/{}", path.file_name().unwrap().to_str().unwrap());
                assert!(PAGES.iter().any(|page| page.file == file), "{file}");
            }
        }
        for page in PAGES {
            assert_eq!(page.text, std::fs::read_to_string(root.join(page.file)).unwrap());
        }
        assert!(listed().lines().all(|line| line.len() <= 80), "{}", listed());
    }
}
