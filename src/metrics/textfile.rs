//! The metrics as a file, for the textfile collectors of the node and Windows exporters.
//!
//! The file is written whole beside its place and moved there, so that no exporter reads half of it.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::private;
use crate::config::Config;

/// On Windows, a file cannot be replaced while an exporter reads it, which takes it milliseconds.
const ATTEMPTS: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(100);

/// Writes the metrics of the state file at `state` to the file that the configuration names, if it names one. The file is
/// whole and durable once this returns.
///
/// # Errors
/// Those of [`render`](super::render); `Config` if the file cannot be written.
pub(crate) async fn write(state: &Path, config: &Config, clock: &SharedClock) -> Result<()> {
    let Some(path) = &config.metrics.textfile else {
        return Ok(());
    };
    let text = super::render(state, Some(config), clock).await?;
    for attempt in 1.. {
        match private::write_shared(path, text.as_bytes()) {
            Ok(()) => return Ok(()),
            Err(error) if cfg!(windows) && attempt < ATTEMPTS && is_in_use(&error) => {
                clock.sleep(BETWEEN).await
            }
            Err(error) => {
                let path = path.display();
                let text = format!(
                    "The metrics cannot be written to {path}, which `textfile` in [metrics] names; see to its directory, \
                     and let this user write there"
                );
                return Err(Error::new(ErrorKind::Config, text).with_source(error));
            }
        }
    }
    Ok(())
}

fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
