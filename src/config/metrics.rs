//! The section `[metrics]`.

use std::path::Path;

use super::section::{File, Section};
use super::values::MetricsConfig;
use crate::base::error::Result;

const METRICS_KEYS: &[&str] = &["textfile"];

/// Exporters pass over files of other names without a word.
const ENDING: &str = "prom";

pub(super) fn metrics<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<MetricsConfig> {
    let Some(value) = root.value("metrics") else {
        return Ok(MetricsConfig::default());
    };
    let section = Section::open(file, "[metrics]", value, METRICS_KEYS)?;
    let Some(textfile) = section.optional("textfile")? else {
        return Ok(MetricsConfig::default());
    };
    let path = Path::new(&textfile.value);
    if path.extension().is_none_or(|ending| ending != ENDING) {
        let text = "`textfile` must end in .prom: the exporters read no other file; write textfile = \
                    \"/var/lib/prometheus/node-exporter/sync.prom\"";
        return Err(file.error(textfile.at, text));
    }
    let directory = file.path.parent().unwrap_or(Path::new(""));
    Ok(MetricsConfig {
        textfile: Some(directory.join(path)),
    })
}
