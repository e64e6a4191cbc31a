//! A preview of a run, from looking at both servers. It writes nothing, takes no lease and reads no row.
//!
//! The preview judges windows by their receipts and the state file, as a run does ([`look`]). A run also counts the days of
//! recent windows on both servers, and the target's rows if their number is not the receipts', so it may find more to do
//! than the preview says.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::harmless_text;
use crate::checkpoint::{Reader, Tombstone};
use crate::config::{Config, Mode, TableConfig};
use crate::model::plan::AccessPath;
use crate::model::plan::{Origin, TablePlan};
use crate::model::table::TableName;
use crate::model::width::row_bytes;
use crate::model::window::{DateRange, Extent, Kind, Window, missing};
use crate::mssql::{ServerClock, Session, catalog};
use crate::pipeline::forget::elsewhere;
use crate::pipeline::known::Known;
use crate::pipeline::resume::look::{Asked, Looked, LookedAt, look};
use crate::pipeline::resume::{in_calendar, read_cutoff, refuse_dates};
use crate::preflight::ends;
use crate::preflight::kept::{self, OtherSource};
use crate::preflight::plan::{of_source, origin};
use crate::refresh::shadow_table;
use crate::refresh::shadow_table::RefreshStrategy;
use crate::refresh::together::limits;
use crate::source::{SourceQuery, SourceSession, sight};
use crate::target::table::{Target, takes_rows};
use crate::target::{lease, migrate};
use crate::tsql::predicate::Where;

/// The ends and the tables, as a run would find them.
#[derive(Debug)]
pub struct Preview {
    /// What protects the connection to each end, and where it was sent on to.
    pub ends: Vec<String>,
    /// The tables and months that a run goes on to forget.
    pub forgetting: Vec<Tombstone>,
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
    /// The names of the key's columns, in their order.
    pub key: Vec<String>,
    /// The way a run reads it.
    pub access_path: AccessPath,
    /// Rows at the source by its statistics, if the login may see them.
    pub rows_estimated: Option<u64>,
    /// About the most rows that a run reads: those at the source that are not verified, or none if there is no work.
    pub rows_to_read: Option<u64>,
    /// About as many bytes.
    pub bytes_to_read: Option<u64>,
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
    /// Whether a run reads rows of the source for it.
    pub fn reads(self) -> bool {
        match self {
            Work::Nothing | Work::ToCome => false,
            Work::GoOn | Work::PutRight(_) | Work::Load | Work::Compare => true,
        }
    }

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
/// other. `other` says whether another source than the one that was loaded is accepted.
///
/// # Errors
/// The errors of a server as a whole: nobody listens, the login is refused, the source is not the one that
/// may be read, the target is of a newer version.
pub async fn preview(
    config: &Config,
    tables: &[TableConfig],
    range: DateRange,
    reader: Option<&Reader>,
    other: OtherSource,
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
    let mut ends: Vec<String> = from.chain(into).map(|(text, _)| text).collect();
    let mut forgetting = Vec::new();
    for tombstone in reader.map_or_else(|| Ok(Vec::new()), |reader| reader.view()?.tombstones())? {
        match elsewhere(&mut target, &tombstone).await? {
            Some(text) => ends.push(text),
            None => forgetting.push(tombstone),
        }
    }
    let server = source.server().await?;
    let loaded = migrate::version(&mut target).await? > 0;
    let look = Look {
        config,
        range,
        origin: origin(config, &source, &server),
        clock: server.clock,
        loaded,
        reader,
        forgetting: &forgetting,
        other,
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
        forgetting,
        tables: previews,
    })
}

struct Look<'a> {
    config: &'a Config,
    range: DateRange,
    origin: Origin,
    /// The source's clock.
    clock: ServerClock,
    /// Whether the target has receipts at all.
    loaded: bool,
    /// The state file.
    reader: Option<&'a Reader>,
    /// What a run goes on to forget.
    forgetting: &'a [Tombstone],
    other: OtherSource,
}

/// What a table's target tells.
struct There {
    /// The plan, by the way that the table was loaded by.
    plan: TablePlan,
    exists: bool,
    /// The way that it is refreshed if it is a reference table's.
    way: Option<RefreshWay>,
    /// The windows asked for.
    windows: Windows,
    /// What its storage asks of a run.
    storage: Option<String>,
    /// What its constraints ask of a refresh in place.
    limits: Option<String>,
    /// Columns that do not hold every value of the source's, or that a copy of it makes wider.
    misfits: Vec<String>,
}

/// The windows of a table, with what is verified of it.
#[derive(Default)]
struct Windows {
    previews: Vec<WindowPreview>,
    /// Verified rows of the whole table, and their bytes.
    rows: u64,
    bytes: u64,
    warnings: Vec<String>,
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
        let windows = there.windows;
        let works = windows.previews.iter().any(|window| window.work.reads());
        let of_table = |text: String| format!("Table {}: {text}", plan.name);
        // What it costs to read a table is told if it is read.
        let remarks = plan
            .lookups()
            .into_iter()
            .chain(there.storage)
            .chain(there.limits);
        let remarks = remarks.filter(|_| works).map(of_table);
        let cost = plan.scans().map(of_table).filter(|_| !works);
        let rows_to_read = match (works, plan.is_full()) {
            (false, _) => Some(0),
            (true, true) => rows_estimated,
            (true, false) => rows_estimated.map(|rows| rows.saturating_sub(windows.rows)),
        };
        // Of rows that are there already it is known how wide they are.
        let bytes_of = |rows: u64| match windows.rows {
            0 => rows.saturating_mul(row_bytes(plan.columns())),
            known => (u128::from(rows) * u128::from(windows.bytes) / u128::from(known)) as u64,
        };
        let key = plan.key_columns(Kind::Dates(())).into_iter();
        Ok(Found {
            target_exists: there.exists,
            key: key.map(|column| column.name.to_string()).collect(),
            access_path: plan.access_path,
            rows_estimated,
            rows_to_read,
            bytes_to_read: rows_to_read.map(bytes_of),
            undated: self.undated(source, &plan).await?,
            notes: plan
                .notes
                .iter()
                .filter(|note| Some(*note) != cost.as_ref())
                .cloned()
                .chain(remarks)
                .chain(there.misfits)
                .chain(windows.warnings)
                .map(|note| harmless_text(&note))
                .collect(),
            windows: windows.previews,
            way: there.way,
        })
    }

    async fn at_target(&self, target: &mut Session, fresh: TablePlan, rows: Option<u64>) -> Result<There> {
        let known = match self.reader {
            Some(reader) => Known::of(reader.view()?, fresh.name.as_str())?,
            None => None,
        };
        let records = self.loaded.then_some(&mut *target);
        let plan = kept::look(records, &fresh, known.as_ref(), self.other)
            .await?
            .plan;
        drop(known);
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
            for window in &mut windows.previews {
                // What is not there yet is compared with nothing.
                window.work = match schema.is_some() {
                    true => Work::Compare,
                    false => Work::Load,
                };
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

    /// The windows that a run works on, with the work that receipts and state file show.
    async fn windows(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        target: Option<&Target>,
    ) -> Result<Windows> {
        let now = self.clock.for_dates(plan.date().map(|date| date.data_type));
        let view = self.reader.map(Reader::view).transpose()?;
        let asked = Asked {
            range: self.range,
            read_cutoff: read_cutoff(now, self.config.run.settle_minutes),
            view: view.as_ref(),
        };
        let looked = match self.loaded {
            true => look(session, plan, target, &asked).await?,
            false => Looked::default(),
        };
        let mut windows = Windows {
            rows: looked.rows,
            bytes: looked.bytes,
            warnings: looked.warnings,
            previews: looked.windows.iter().map(begun).collect(),
        };
        let mut known = looked.receipted;
        known.extend(windows.previews.iter().map(|preview| preview.window));
        let mut new = match plan.is_full() {
            true => vec![Window::All],
            false => missing(in_calendar(plan, self.range), &known)?,
        };
        new.extend(plan.has_undated().then_some(Window::Undated));
        for window in new {
            if !known.contains(&window) {
                let work = match window {
                    Window::Dates(days) if days.start() > self.clock.now.date() => Work::ToCome,
                    _ => Work::Load,
                };
                windows.previews.push(WindowPreview {
                    window,
                    work,
                    rows: 0,
                });
            }
        }
        windows.previews.sort_by_key(|preview| preview.window);
        // A run first finishes what is being forgotten.
        for forgetting in self.forgetting {
            let of_it = |preview: &&mut WindowPreview| {
                forgetting.table == plan.name.as_str() && forgetting.covers(preview.window)
            };
            for preview in windows.previews.iter_mut().filter(of_it) {
                windows.rows = windows.rows.saturating_sub(preview.rows);
                (preview.work, preview.rows) = (Work::Load, 0);
            }
        }
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

/// The work in a window that was begun.
fn begun(looked: &LookedAt) -> WindowPreview {
    let work = match (looked.redo, looked.is_closed) {
        (0, true) => Work::Nothing,
        (0, false) => Work::GoOn,
        (_, _) if looked.rows == 0 => Work::Load,
        (chunks, _) => Work::PutRight(chunks),
    };
    WindowPreview {
        window: looked.window,
        work,
        rows: looked.rows,
    }
}
