//! A preview of a run, from looking at both servers. It writes nothing, takes no lease and reads no row.
//!
//! The preview judges windows by their receipts. A run also counts the target's rows, and the days of recent
//! windows on both servers, so it may find more to do than the preview says.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::harmless_text;
use crate::checkpoint::Reader;
use crate::config::{Config, Mode, TableConfig};
use crate::model::chunk::ChunkState;
use crate::model::plan::AccessPath;
use crate::model::plan::{Origin, TablePlan};
use crate::model::table::TableName;
use crate::model::window::Extent;
use crate::model::window::{DateRange, Window, missing};
use crate::mssql::{Session, catalog};
use crate::pipeline::known::Known;
use crate::pipeline::resume::{in_calendar, is_complete, refuse_dates};
use crate::preflight::ends;
use crate::preflight::kept::{OtherSource, look};
use crate::preflight::plan::{of_source, origin};
use crate::refresh::shadow_table;
use crate::refresh::shadow_table::RefreshStrategy;
use crate::refresh::together::limits;
use crate::source::{SourceQuery, SourceSession, sight};
use crate::target::receipt;
use crate::target::table::{Target, takes_rows};
use crate::target::{lease, migrate};
use crate::tsql::predicate::Where;

/// The ends and the tables, as a run would find them.
#[derive(Debug)]
pub struct Preview {
    /// What protects the connection to each end, and where it was sent on to.
    pub ends: Vec<String>,
    /// The tables.
    pub tables: Vec<TablePreview>,
}

/// A table, as a run would find it.
#[derive(Debug)]
pub struct TablePreview {
    /// Its name in the configuration.
    pub name: String,
    /// The mode in which it is copied.
    pub mode: Mode,
    /// Its target.
    pub target: TableName,
    /// The finding, or the error if the table cannot be worked on.
    pub found: Result<Found>,
}

/// The finding about a table that can be worked on.
#[derive(Debug)]
pub struct Found {
    /// Whether the target is there.
    pub target_exists: bool,
    /// The key, quoted.
    pub key: String,
    /// The way a run reads it.
    pub access_path: AccessPath,
    /// Rows at the source by its statistics, if the login may see them.
    pub rows_estimated: Option<u64>,
    /// Rows without a date: their number if an index tells it.
    pub undated: Undated,
    /// Notes for an operator.
    pub notes: Vec<String>,
    /// The windows asked for.
    pub windows: Vec<WindowPreview>,
    /// The way a reference table is refreshed.
    pub way: Option<RefreshWay>,
}

/// The number of rows without a date, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undated {
    /// There are none: the column may not be NULL, or the table has no dates.
    Impossible,
    /// The number of rows.
    Counted(u64),
    /// There may be some; no index begins with the date column, so counting them would read the table.
    NotCounted,
}

/// The way a reference table is refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshWay {
    /// A shadow table is loaded and swapped in, if the source differs.
    Swap {
        /// Whether the run resumes a load that was cut short.
        goes_on: bool,
    },
    /// In place, because a copy would lack these objects of the target.
    InPlace(Vec<String>),
}

/// A window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowPreview {
    /// Its dates.
    pub window: Window,
    /// The work of a run on it.
    pub work: Work,
    /// Rows that are verified.
    pub rows: u64,
}

/// The work of a run on a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// None: all of it is verified.
    Nothing,
    /// The run resumes after the last verified chunk.
    GoOn,
    /// This number of chunks is loaded again.
    PutRight(u64),
    /// All of it is loaded.
    Load,
    /// None yet: all its dates are still to come.
    ToCome,
    /// All of it is compared, and loaded if it differs.
    Compare,
}

impl Work {
    /// The name of the work in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Nothing => "complete",
            Work::GoOn => "go on",
            Work::PutRight(_) => "put right",
            Work::Load => "load",
            Work::ToCome => "to come",
            Work::Compare => "compare",
        }
    }
}

/// Looks at `tables`; `reader` has the state file of the runs, if there is one. A table that cannot be worked on hides no
/// other.
///
/// # Errors
/// The errors of a server as a whole: nobody listens, the login is refused, the source is not the one that
/// may be read, the target is of a newer version.
pub async fn preview(
    config: &Config,
    tables: &[TableConfig],
    range: DateRange,
    reader: Option<&Reader>,
) -> Result<Preview> {
    let timeouts = &config.run.timeouts;
    let guard = &config.source.guard;
    let mut source = SourceSession::open(&config.source.endpoint, guard, timeouts).await?;
    let mut target = lease::open_to_look(&config.target.endpoint, timeouts).await?;
    if let Some(table) = ends::read_and_written(config)? {
        ends::refuse_one_database(config, &table, &mut source, &mut target).await?;
    }
    let (there, here) = (&config.source, &config.target);
    let from = ends::protection(&there.endpoint, there.embedded, source.redirected());
    let into = ends::protection(&here.endpoint, here.embedded, target.redirected());
    let ends = from.chain(into).map(|(text, _)| text).collect();
    let server = source.server().await?;
    let loaded = migrate::version(&mut target).await? > 0;
    let look = Look {
        config,
        range,
        origin: origin(config, &mut source).await?,
        today: server.now.date(),
        loaded,
        reader,
    };
    let mut previews = Vec::new();
    let mut unseen = sight::unseen(&mut source).await?;
    for table in tables {
        let mut found = look.table(table, &mut source, &mut target).await;
        if let Ok(found) = &mut found {
            // The note is about the login, so the preview gives it once.
            found.notes.extend(unseen.take().map(str::to_owned));
        }
        if source.is_broken() || target.is_broken() {
            return Err(found.err().unwrap_or_else(|| {
                Error::new(
                    ErrorKind::Broken,
                    "A connection broke during the preview of a table; run the command again",
                )
            }));
        }
        previews.push(TablePreview {
            name: table.name.as_str().to_owned(),
            mode: table.mode,
            target: config.target_table(table),
            found,
        });
    }
    Ok(Preview {
        ends,
        tables: previews,
    })
}

struct Look<'a> {
    config: &'a Config,
    range: DateRange,
    origin: Origin,
    today: chrono::NaiveDate,
    /// Whether the target has receipts at all.
    loaded: bool,
    /// The state file.
    reader: Option<&'a Reader>,
}

/// What a table's target tells.
struct There {
    /// The plan, by the way that the table was loaded by.
    plan: TablePlan,
    exists: bool,
    /// The way that it is refreshed if it is a reference table's.
    way: Option<RefreshWay>,
    /// The windows asked for.
    windows: Vec<WindowPreview>,
    /// What its storage asks of a run.
    storage: Option<String>,
    /// What its constraints ask of a refresh in place.
    limits: Option<String>,
    /// Columns that do not hold every value of the source's, or that a copy of it makes wider.
    misfits: Vec<String>,
}

impl Look<'_> {
    async fn table(
        &self,
        table: &TableConfig,
        source: &mut SourceSession,
        target: &mut Session,
    ) -> Result<Found> {
        let plan = of_source(self.config, source, table, &self.origin).await?;
        refuse_dates(&plan, self.range)?;
        let name = plan.target.clone();
        let rows_estimated = source.estimate(&plan.source).await?;
        let there = match self.at_target(target, plan, rows_estimated).await {
            Err(error) => return Err(lease::with_holder(target, &name, error).await),
            looked => looked?,
        };
        let plan = there.plan;
        let remarks = plan
            .lookups()
            .into_iter()
            .chain(there.storage)
            .chain(there.limits);
        let remarks = remarks.map(|text| format!("Table {}: {text}", plan.name));
        Ok(Found {
            target_exists: there.exists,
            key: harmless_text(&plan.key_names()),
            access_path: plan.access_path,
            rows_estimated,
            undated: self.undated(source, &plan).await?,
            notes: plan
                .notes
                .iter()
                .cloned()
                .chain(remarks)
                .chain(there.misfits)
                .map(|note| harmless_text(&note))
                .collect(),
            windows: there.windows,
            way: there.way,
        })
    }

    async fn at_target(&self, target: &mut Session, fresh: TablePlan, rows: Option<u64>) -> Result<There> {
        let known = match self.reader {
            Some(reader) => Known::of(reader.view()?, fresh.name.as_str())?,
            None => None,
        };
        let records = self.loaded.then_some(&mut *target);
        let plan = look(records, &fresh, known.as_ref(), OtherSource::Refused)
            .await?
            .plan;
        let schema = catalog::describe(target, &plan.target).await?;
        let (way, widened) = match plan.is_full() {
            true => {
                let (way, widened) = self.way(target, &plan).await?;
                (Some(way), widened)
            }
            false => (None, Vec::new()),
        };
        // A reference table whose target lacks a column is replaced by one that has it.
        let there = match (&schema, &way) {
            (Some(schema), Some(RefreshWay::Swap { .. })) => Target::new(&plan, schema).ok(),
            (Some(schema), _) => {
                takes_rows(target, &plan, schema).await?;
                let there = Target::new(&plan, schema)?;
                there.refuse_misfits(&plan)?;
                Some(there)
            }
            (None, _) => None,
        };
        let misfits = match (&there, &way) {
            (Some(there), None | Some(RefreshWay::InPlace(_))) => there.misfit_warnings(&plan),
            _ => {
                let texts = widened.into_iter();
                texts.map(|text| format!("Table {}: {text}", plan.name)).collect()
            }
        };
        let mut windows = self.windows(target, &plan, there.as_ref()).await?;
        if way.is_some() {
            for window in &mut windows {
                window.work = Work::Compare;
            }
        }
        let chunk_rows = self.config.run.chunk_rows as usize;
        let limits = match (&schema, &way) {
            (Some(schema), Some(RefreshWay::InPlace(_))) => {
                limits(target, &plan, schema, rows, chunk_rows).await?
            }
            _ => None,
        };
        Ok(There {
            exists: schema.is_some(),
            misfits,
            storage: there.and_then(|target| target.storage_note(chunk_rows)),
            limits,
            plan,
            way,
            windows,
        })
    }

    /// The way that a reference table is refreshed, and the columns that its copy makes wider.
    async fn way(&self, target: &mut Session, plan: &TablePlan) -> Result<(RefreshWay, Vec<String>)> {
        Ok(match shadow_table::strategy(target, plan).await? {
            RefreshStrategy::InPlace(_, obstacles) => (RefreshWay::InPlace(obstacles), Vec::new()),
            RefreshStrategy::Swap(target_shape) => {
                let shadow = shadow_table::plan(plan)?;
                let target_shape = target_shape.as_deref();
                let widened = target_shape.map(|shape| shadow_table::widened(plan, shape));
                let goes_on = self.loaded
                    && shadow_table::resumable(target, &shadow, target_shape)
                        .await?
                        .is_some();
                (RefreshWay::Swap { goes_on }, widened.unwrap_or_default())
            }
        })
    }

    /// The windows asked for, with the work that their receipts show.
    async fn windows(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        target: Option<&Target>,
    ) -> Result<Vec<WindowPreview>> {
        let known = match self.loaded {
            true => receipt::windows(session, &plan.target).await?,
            false => Vec::new(),
        };
        let (mut windows, mut seals) = (Vec::new(), Vec::new());
        for window in known.iter().copied().filter(|window| window.is_asked(self.range)) {
            let receipts = receipt::read(session, &plan.target, window).await?;
            seals.extend(receipts.iter().map(|receipt| receipt.seal));
            let here = |receipt: &&receipt::Receipt| {
                target.is_some_and(|target| receipt.incarnation == target.incarnation)
                    && receipt.chunk.state == ChunkState::Verified
            };
            let rows = receipts
                .iter()
                .filter(here)
                .map(|receipt| receipt.chunk.tally.row_count)
                .sum();
            let again = receipts.len() - receipts.iter().filter(here).count();
            let chunks: Vec<_> = receipts.into_iter().map(|receipt| receipt.chunk).collect();
            let work = match again {
                0 if is_complete(&chunks) => Work::Nothing,
                0 => Work::GoOn,
                again if again == chunks.len() => Work::Load,
                again => Work::PutRight(again as u64),
            };
            windows.push(WindowPreview { window, work, rows });
        }
        receipt::refuse_other_key(&plan.target, seals)?;
        let mut new = match plan.is_full() {
            true => vec![Window::All],
            false => missing(in_calendar(plan, self.range), &known)?,
        };
        new.extend(plan.has_undated().then_some(Window::Undated));
        for window in new {
            if windows.iter().all(|known| known.window != window) {
                let work = match window {
                    Window::Dates(days) if days.start() > self.today => Work::ToCome,
                    _ => Work::Load,
                };
                windows.push(WindowPreview {
                    window,
                    work,
                    rows: 0,
                });
            }
        }
        windows.sort_by_key(|preview| preview.window);
        Ok(windows)
    }

    async fn undated(&self, source: &mut SourceSession, plan: &TablePlan) -> Result<Undated> {
        let Some(date) = plan.date().filter(|date| date.nullable) else {
            return Ok(Undated::Impossible);
        };
        if !plan.source.begins_with(&date.name) {
            return Ok(Undated::NotCounted);
        }
        let mut clause = Where::default();
        clause.extent(Some(date), Extent::Undated);
        let (filter, params) = clause.finish();
        let select = format!("SELECT COUNT_BIG(*) FROM {}{filter}", plan.source.name.quoted());
        let count = source.row(SourceQuery::new(select, params)).await?.integer(0)?;
        Ok(Undated::Counted(count.cast_unsigned()))
    }
}
