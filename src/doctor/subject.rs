//! What all checks are about, and what is recorded of the tables that were loaded.

use chrono::{DateTime, Utc};

use crate::base::error::Result;
use crate::checkpoint::Reader;
use crate::config::Config;
use crate::model::plan::TablePlan;
use crate::mssql::{Session, Timeouts};
use crate::pipeline::known::Known;
use crate::preflight::kept::{OtherSource, look};
use crate::target::migrate::version;

/// What every check is about.
pub(super) struct Subject<'c> {
    pub(super) config: &'c Config,
    pub(super) timeouts: Timeouts,
    /// This machine's time.
    pub(super) now: DateTime<Utc>,
}

/// What is recorded of the tables that were loaded.
pub(super) struct Records<'t> {
    /// A session at the target, if it can be reached.
    pub(super) target: Option<&'t mut Session>,
    /// The state file, if it is readable.
    pub(super) reader: Option<Reader>,
}

impl Records<'_> {
    /// The plan by which a run would go on with a table.
    pub(super) async fn kept(&mut self, fresh: &TablePlan) -> Result<TablePlan> {
        let known = match &self.reader {
            Some(reader) => Known::of(reader.view()?, fresh.name.as_str())?,
            None => None,
        };
        let Some(session) = self.target.as_deref_mut() else {
            return Ok(fresh.clone());
        };
        let session = (version(session).await? > 0).then_some(session);
        let kept = look(session, fresh, known.as_ref(), OtherSource::Refused).await?;
        Ok(kept.plan)
    }
}
