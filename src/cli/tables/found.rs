//! The tables of the source as `sync tables` and `sync init --from-source` find them.

use crate::base::error::{Error, ErrorKind, Result};
use crate::config::Source;
use crate::model::survey::{DateColumn, Survey, Way};
use crate::mssql::Timeouts;
use crate::source::{SourceSession, sight};

/// A table of the source's schema.
pub(in crate::cli) struct Found {
    /// Its name, exactly.
    pub(in crate::cli) name: String,
    /// Its rows in the server's statistics.
    pub(in crate::cli) rows: Option<u64>,
    /// How it could be copied; an error if this login cannot copy it.
    pub(in crate::cli) survey: Result<Survey>,
}

impl Found {
    /// The column that cuts it into months, `None` for a table that is copied whole, or why it cannot be copied.
    pub(in crate::cli) fn way(&self) -> Result<Option<&DateColumn>, String> {
        let survey = self.survey.as_ref().map_err(Error::chain)?;
        match &survey.way {
            Way::Not(why) => Err(why.clone()),
            Way::Full => Ok(None),
            Way::Monthly(name, _) => Ok(survey.dates.iter().find(|date| &date.name == name)),
        }
    }

    /// Whether a configuration means it by this name.
    pub(in crate::cli) fn is_named(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }
}

/// Reads the catalog of the source's schema, and no row.
pub(in crate::cli) async fn read(source: &Source, timeouts: &Timeouts) -> Result<Vec<Found>> {
    let mut session = SourceSession::open(&source.endpoint, &source.guard, timeouts).await?;
    let listed = sight::tables(&mut session, &source.schema).await?;
    if listed.is_empty() {
        let text = format!(
            "Schema {} of database {} has no table that this login sees; correct `schema`, or GRANT SELECT on the \
             schema to it (as the script does that `sync migrate --admin reader` prints)",
            source.schema, source.endpoint.database
        );
        return Err(Error::new(ErrorKind::Preflight, text));
    }
    let found = listed.into_iter().map(|table| Found {
        survey: match table.schema {
            Ok(_) if table.name.contains("${") => Err(Error::new(
                ErrorKind::Preflight,
                "Its name has `${`, which begins a variable in a configuration, so no configuration can name it",
            )),
            described => described.map(|schema| Survey::of(&schema, table.rows)),
        },
        name: table.name,
        rows: table.rows,
    });
    Ok(found.collect())
}
