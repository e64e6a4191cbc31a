//! The file of a report: its owner's alone, whole or not there, and in the place of no file of another kind.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::html::HEAD;
use crate::base::disk::full;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::private;

/// How a report as JSON begins.
const JSON_HEAD: &str = "{\n  \"schema_version\": 1,\n  \"account\": {";

/// Refuses a path where no report can be written: one whose directory is missing, or where another file is that nobody
/// has given up by --force.
///
/// # Errors
/// `Usage` for such a path.
pub(super) fn refuse_other(path: &Path, force: bool) -> Result<()> {
    let refused = |text: String| Err(Error::new(ErrorKind::Usage, text));
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return refused(format!(
            "There is no directory {}; make it, or give another --output",
            directory.display()
        ));
    }
    if path.is_dir() || path.file_name().is_none() {
        return refused(format!(
            "{} is a directory; give --output the name of a file in it",
            path.display()
        ));
    }
    if force || path.symlink_metadata().is_err() || is_report(path) {
        return Ok(());
    }
    refused(format!(
        "{} is there and is no report of this program; give another --output, or --force to replace it",
        path.display()
    ))
}

/// Whether a file begins as a report does.
fn is_report(path: &Path) -> bool {
    let heads = [HEAD, JSON_HEAD];
    let most = heads.iter().map(|head| head.len()).max().unwrap_or_default();
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64).read_to_end(&mut start));
    read.is_ok() && heads.iter().any(|head| start.starts_with(head.as_bytes()))
}

/// Writes a report. A kill leaves the whole file or what was there.
///
/// # Errors
/// `Usage` if it cannot be written there.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    private::write(path, text.as_bytes()).map_err(|error| {
        let text = match full(path, &error) {
            Some(full) => format!("The report {full}, or give another --output"),
            None => format!(
                "Cannot write {}; give an --output that can be written",
                path.display()
            ),
        };
        Error::new(ErrorKind::Usage, text).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::context::json;
    use crate::cli::report::testing::{report, table};
    use crate::cli::report::verdict::Verdict;
    use crate::cli::report::view::View;

    #[test]
    fn a_report_as_json_begins_as_one_is_known_by() {
        let report = report(vec![table("SALES", 1)]);
        let text = json(&View::of(&report, &Verdict::of(&report)));
        assert!(text.starts_with(JSON_HEAD), "{text}");
    }

    #[test]
    fn only_a_report_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.html");
        let said = |path: &Path| refuse_other(path, false).map_err(|error| (error.kind(), error.to_string()));
        assert_eq!(said(&path), Ok(()));
        for (text, ours) in [
            (HEAD, true),
            (JSON_HEAD, true),
            ("", false),
            ("<!DOCTYPE html>", false),
            ("[source]", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(said(&path).is_ok(), ours, "{text}");
            assert!(refuse_other(&path, true).is_ok(), "{text}");
        }
        let (kind, text) = said(&path).unwrap_err();
        assert_eq!(kind, ErrorKind::Usage);
        assert!(text.contains("--force"), "{text}");
        for (path, says) in [
            (directory.path().join("none/report.html"), "There is no directory"),
            (directory.path().to_owned(), "is a directory"),
        ] {
            assert!(said(&path).unwrap_err().1.contains(says), "{}", path.display());
            assert!(refuse_other(&path, true).is_err(), "--force makes no directory");
        }
    }
}
