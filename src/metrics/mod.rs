//! Metrics in the text format of Prometheus, from the state file.
//!
//! Every process that can read the state file gives the same text, whether a run is going or not, and no server is asked.
//! Counters are sums that the state file keeps, so a new process goes on where the last one was. Labels are names of
//! tables, states, stages and causes: never a window or a chunk, of which there are too many.

mod facts;
mod families;
#[cfg(test)]
mod tests;
pub(crate) mod textfile;

use std::path::Path;

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::checkpoint::Reader;
use crate::config::Config;
use crate::status::{Status, complete, kept};
use facts::Facts;

/// The content type of the text over HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of the state file at `state`, in the text format 0.0.4. The file is opened, read and let go. A `config` adds
/// the tables that no run has reached yet. Without a state file there is the build alone.
///
/// # Errors
/// `State` if the file is damaged or cannot be read.
pub async fn render(state: &Path, config: Option<&Config>, clock: &SharedClock) -> Result<String> {
    // It is opened once: an open of a file that nobody writes checks its every page.
    let reader = Reader::open(state)?;
    let mut status = kept(reader.as_ref(), config)?;
    complete(&mut status, state, config, clock).await;
    text(reader.as_ref(), status)
}

/// The metrics of a state file that is open already, and of the status that was read from it.
///
/// # Errors
/// As [`render`].
pub(crate) fn text(reader: Option<&Reader>, status: Status) -> Result<String> {
    let facts = match reader {
        Some(reader) => Some(Facts::read(&reader.view()?, status)?),
        None => None,
    };
    families::text(facts.as_ref())
}
