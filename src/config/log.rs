//! The section of a configuration about log files.

use std::path::PathBuf;

use super::section::{File, Section};
use crate::base::error::Result;

const LOG_KEYS: &[&str] = &["directory", "format", "rotate_mib", "keep_days"];

/// A day of a run in full detail takes a few MiB; an editor still opens a file of this size.
const ROTATE_MIB_DEFAULT: u64 = 100;

/// Ten GiB, more than any editor opens.
const ROTATE_MIB_MAX: u64 = 10 * 1024;

/// A month, which is when somebody asks why the last close was late.
const KEEP_DAYS_DEFAULT: u64 = 30;

/// Ten years.
const KEEP_DAYS_MAX: u64 = 3660;

/// Where log files are written, and for how long they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFiles {
    /// The directory, which is made if it is missing.
    pub directory: PathBuf,
    /// The form of a line.
    pub format: LogFormat,
    /// A file that is as large is followed by the next one.
    pub rotate_bytes: u64,
    /// A file is removed after so many days.
    pub keep_days: u32,
}

/// The form of a line of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text with its fields as `name=value`.
    Text,
    /// One JSON object.
    Json,
}

/// The section, if there is one. A relative directory is one beside the configuration.
pub(super) fn log<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<Option<LogFiles>> {
    let Some(value) = root.value("log") else {
        return Ok(None);
    };
    let section = Section::open(file, "[log]", value, LOG_KEYS)?;
    let directory = section.required("directory", "logs")?.value;
    let format = match section.optional("format")? {
        None => LogFormat::Json,
        Some(format) => match format.value.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(file.error(format.at, "`format` must be \"text\" or \"json\"")),
        },
    };
    let number = |key: &str, range, default| -> Result<u64> {
        Ok(section.integer(key, range)?.map_or(default, |found| found.value))
    };
    let keep_days = number("keep_days", 1..=KEEP_DAYS_MAX, KEEP_DAYS_DEFAULT)?;
    Ok(Some(LogFiles {
        directory: file.path.with_file_name("").join(directory),
        format,
        rotate_bytes: number("rotate_mib", 1..=ROTATE_MIB_MAX, ROTATE_MIB_DEFAULT)? << 20,
        keep_days: u32::try_from(keep_days).expect("the range was checked"),
    }))
}
