//! Rebuilds the checkpoint store from the target's receipts and plans.
//!
//! A rebuild writes nothing at the target and asks the source nothing. The new store has the same entries for
//! verified chunks as the lost one. The next run checks that the target still holds the rows.

use std::path::{Path, PathBuf};

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::base::text::harmless_text;
use crate::checkpoint::{Change, End, InStep, Replacement, TableRecord, View, WindowRecord, WindowState};
use crate::config::{Config, Mode};
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::pipeline::known::Known;
use crate::pipeline::resume::is_complete;
use crate::target::lease;
use crate::target::migrate;
use crate::target::receipt::{self, Incarnation, Receipt, Recorded};

/// The result of a rebuild.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Tables of the configuration that the target knows.
    pub tables: Vec<RebuiltTable>,
    /// The path of the old store, if there was one.
    pub aside: Option<PathBuf>,
    /// Target tables with receipts that the configuration does not name. The rebuild leaves them out.
    pub left_out: Vec<String>,
    /// Target tables of the configuration that have receipts and no plan, which neither the target nor the old store
    /// tells. The rebuild leaves them out.
    pub untold: Vec<String>,
}

/// A table of a rebuild.
#[derive(Debug, PartialEq, Eq)]
pub struct RebuiltTable {
    /// Its name in the configuration.
    pub name: String,
    /// How it is copied.
    pub mode: Mode,
    /// Its windows that have receipts.
    pub windows: Vec<RebuiltWindow>,
}

/// A window of a rebuild.
#[derive(Debug, PartialEq, Eq)]
pub struct RebuiltWindow {
    /// Its identity.
    pub window: Window,
    /// Whether it is complete.
    pub complete: bool,
    /// Its chunks that have a receipt.
    pub chunks: u64,
    /// Their rows.
    pub rows: u64,
}

impl Rebuilt {
    /// The windows of all tables.
    pub fn windows(&self) -> impl Iterator<Item = &RebuiltWindow> {
        self.tables.iter().flat_map(|table| &table.windows)
    }
}

/// Rebuilds the store at `path` from the receipts in the target of `config`.
///
/// # Errors
/// `Busy` when a run has the store; `State` when it cannot be made or the target is of a newer version; those
/// of the session. The file at `path` stays as it is then, and no part of a new one is left beside it.
pub async fn rebuild(config: &Config, path: &Path, clock: &SharedClock) -> Result<Rebuilt> {
    // A place that cannot be used is told before a server is asked. Where there is no file yet, nothing is made for a target
    // that is not there.
    let is_there = path.try_exists().unwrap_or(true);
    let begun = is_there.then(|| Replacement::begin(path)).transpose()?;
    let opened = Session::open(&config.target.endpoint, None, &config.run.timeouts).await;
    let (mut session, replacement) = match (opened, begun) {
        (Ok(session), Some(begun)) => (session, begun),
        (Ok(session), None) => (session, Replacement::begin(path)?),
        (Err(error), begun) => {
            begun.into_iter().for_each(Replacement::discard);
            return Err(error);
        }
    };
    match fill(config, &replacement, &mut session, clock).await {
        Ok(mut rebuilt) => {
            rebuilt.aside = replacement.place(clock.now())?;
            Ok(rebuilt)
        }
        Err(error) => {
            replacement.discard();
            Err(error)
        }
    }
}

/// What a new store takes over of an old one.
fn kept(old: &View<'_>) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = old.tombstones()?.into_iter().map(Change::Forget).collect();
    changes.extend(old.forgotten()?.into_iter().map(Change::ForgottenMonth));
    let end = End::Source;
    let reached = old.reached(end)?;
    changes.extend(reached.map(|fingerprint| Change::Reached { end, fingerprint }));
    Ok(changes)
}

/// Fills the new store with what the target proves.
async fn fill(
    config: &Config,
    replacement: &Replacement,
    session: &mut Session,
    clock: &SharedClock,
) -> Result<Rebuilt> {
    // What only the old store knows is kept, if that is readable: an interrupted `forget`, months that were forgotten, and
    // the source that a run has worked with.
    let kept = replacement.old().and_then(|old| match old {
        Some(old) => kept(&old.view()?),
        None => Ok(Vec::new()),
    });
    let mut changes = kept.unwrap_or_default();
    changes.push(Change::Reached {
        end: End::Target,
        fingerprint: config.target.endpoint.fingerprint(),
    });
    replacement.commit(&changes)?;
    let mut rebuilt = Rebuilt::default();
    if migrate::version(session).await? > 0 {
        let mut loaded = receipt::tables(session).await?;
        for table in &config.tables {
            let target = config.target_table(table);
            let (name, full) = (table.name.as_str(), target.exact());
            let shadow = target.shadow()?;
            loaded.retain(|loaded| {
                !loaded.eq_ignore_ascii_case(&full) && !loaded.eq_ignore_ascii_case(&shadow.exact())
            });
            let Some((recorded, unfollowed)) = recorded(session, replacement, name, &target).await? else {
                if receipt::is_loaded(session, std::slice::from_ref(&target)).await? {
                    rebuilt.untold.push(full);
                }
                continue;
            };
            let (access_path, fingerprint) = (recorded.access_path, recorded.fingerprint);
            let source = receipt::source_table(&fingerprint).unwrap_or_default().to_owned();
            replacement.commit(&[
                Change::Unfollowed {
                    table: name.to_owned(),
                    rows: unfollowed,
                },
                Change::Table(TableRecord {
                    name: name.to_owned(),
                    source,
                    target: recorded.table,
                    fingerprint,
                    access_path,
                    notes: Vec::new(),
                }),
            ])?;
            // If a refresh was cut short, the lost store had the chunks of the shadow table.
            let left = receipt::left_shadow(session, &target).await?.is_some();
            let beside = match left && table.mode == Mode::Full {
                true => receipt::windows(session, &shadow).await?,
                false => Vec::new(),
            };
            let (place, windows) = match beside {
                windows if !windows.is_empty() => (&shadow, windows),
                _ => (&target, receipt::windows(session, &target).await?),
            };
            // Asked before the receipts: those of earlier epochs are all there then.
            let epoch = lease::epoch_of(session, &target).await?;
            let (mut newest, mut seals, mut told) = (Vec::new(), Vec::new(), Vec::new());
            for window in windows {
                let receipts = receipt::read(session, place, window).await?;
                seals.extend(receipts.iter().map(|receipt| receipt.seal));
                newest.extend(receipts.iter().max_by_key(|receipt| receipt.epoch).cloned());
                let changes = of_window(receipts, place == &shadow, name, window, clock, &mut told);
                replacement.commit(&changes)?;
            }
            rebuilt.tables.push(RebuiltTable {
                name: name.to_owned(),
                mode: table.mode,
                windows: told,
            });
            receipt::refuse_other_key(place, seals)?;
            let newest = newest.into_iter().max_by_key(|receipt| receipt.epoch);
            let incarnation = newest.map(|receipt| receipt.incarnation);
            if let (Some(epoch), Some(Incarnation { object_id, created }), Mode::Monthly) =
                (epoch, incarnation, table.mode)
            {
                let at = InStep {
                    // The run of the last epoch may still be loading.
                    epoch: epoch - 1,
                    object_id,
                    created,
                };
                replacement.commit(&[Change::InStep {
                    table: name.to_owned(),
                    at,
                }])?;
            }
        }
        rebuilt.left_out = loaded.iter().map(|name| harmless_text(name)).collect();
    }
    Ok(rebuilt)
}

/// The plan that a target table was loaded by, and the number of its rows that could not be followed. If the target has
/// lost it, the old store tells it, if it is readable and has checkpoints of the target's receipts.
async fn recorded(
    session: &mut Session,
    replacement: &Replacement,
    name: &str,
    target: &TableName,
) -> Result<Option<(Recorded, u64)>> {
    if let Some(recorded) = receipt::plan(session, target).await? {
        let unfollowed = receipt::unfollowed(session, target).await?;
        return Ok(Some((recorded, unfollowed)));
    }
    let Ok(Some(old)) = replacement.old() else {
        return Ok(None);
    };
    let Ok(Some(known)) = old.view().and_then(|view| Known::of(view, name)) else {
        return Ok(None);
    };
    if !known.has_receipts(session, target).await? {
        return Ok(None);
    }
    let recorded = Recorded {
        table: target.exact(),
        access_path: known.record.access_path,
        fingerprint: known.record.fingerprint.clone(),
    };
    Ok(Some((recorded, known.unfollowed()?)))
}

fn of_window(
    receipts: Vec<Receipt>,
    is_shadow: bool,
    name: &str,
    window: Window,
    clock: &SharedClock,
    told: &mut Vec<RebuiltWindow>,
) -> Vec<Change> {
    let chunks: Vec<_> = receipts.into_iter().map(|receipt| receipt.chunk).collect();
    // Nobody sees the rows of a shadow table before the cutover.
    let complete = is_complete(&chunks) && !is_shadow;
    told.push(RebuiltWindow {
        window,
        complete,
        chunks: chunks.len() as u64,
        rows: chunks.iter().map(|chunk| chunk.tally.row_count).sum(),
    });
    let record = WindowRecord {
        window,
        state: if complete {
            WindowState::Complete
        } else {
            WindowState::Planned
        },
        error: None,
        updated_at: clock.now(),
    };
    let table = name.to_owned();
    let mut changes = vec![Change::Window {
        table: table.clone(),
        record,
    }];
    changes.extend(chunks.into_iter().map(|chunk| Change::Chunk {
        table: table.clone(),
        window,
        chunk,
    }));
    changes
}
