//! The plan as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::estimate::{Estimate, exit_of, per_second};
use crate::base::error::ErrorKind;
use crate::checkpoint::Tombstone;
use crate::cli::hours::HoursView;
use crate::cli::shared::ForgettingView;
use crate::model::hours::Hours;
use crate::run::{Found, RefreshWay, TablePreview, Undated, Work};

/// The previews as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    exit_code: u8,
    forgetting: Vec<ForgettingView<'a>>,
    /// The hours of the source; `null` without any. A run that is started while they are closed begins to read at their
    /// end.
    hours: Option<HoursView<'a>>,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

/// All tables together. Estimates are of the most that a run reads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    bytes_to_read: Option<u64>,
    /// By the last run of this machine that loaded much; `null` without one.
    rows_per_second: Option<u64>,
    rows_to_read: Option<u64>,
    seconds_to_read: Option<u64>,
    windows_to_load: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum TableView<'a> {
    Found(FoundView<'a>),
    Refused(RefusedView<'a>),
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FoundView<'a> {
    access_path: &'static str,
    bytes_to_read: Option<u64>,
    goes_on: Option<bool>,
    in_place_because: Option<&'a [String]>,
    key: &'a [String],
    mode: String,
    name: &'a str,
    notes: &'a [String],
    /// Verified rows of the windows below.
    rows: u64,
    rows_estimated: Option<u64>,
    rows_to_read: Option<u64>,
    /// `complete` if there is nothing to read, else `to do`.
    state: &'static str,
    swap: Option<bool>,
    target: String,
    target_exists: bool,
    undated_possible: bool,
    undated_rows: Option<u64>,
    windows: Vec<WindowView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView {
    rows: u64,
    window: String,
    work: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusedView<'a> {
    /// Whether the table or its configuration changed since it was loaded.
    changed: bool,
    error: String,
    mode: String,
    name: &'a str,
    /// `refused`.
    state: &'static str,
    target: String,
}

impl View<'_> {
    pub(super) fn of<'a>(
        previews: &'a [TablePreview],
        forgetting: &'a [Tombstone],
        estimate: &Estimate,
        hours: Option<(&'a Hours, DateTime<Utc>)>,
    ) -> View<'a> {
        let tables = previews.iter().map(|preview| match &preview.found {
            Ok(found) => TableView::Found(FoundView::of(preview, found)),
            Err(error) => TableView::Refused(RefusedView {
                changed: error.kind() == ErrorKind::Plan,
                error: error.chain(),
                mode: preview.mode.to_string(),
                name: &preview.name,
                state: "refused",
                target: preview.target.to_string(),
            }),
        });
        let found = previews.iter().filter_map(|preview| preview.found.as_ref().ok());
        let windows = found.flat_map(|found| &found.windows);
        let to_load = windows.filter(|window| window.work.reads() && window.work != Work::Compare);
        View {
            exit_code: exit_of(previews) as u8,
            forgetting: forgetting.iter().map(ForgettingView::of).collect(),
            hours: hours.map(|(hours, now)| HoursView::of(hours, now)),
            tables: tables.collect(),
            totals: TotalsView {
                bytes_to_read: estimate.bytes,
                rows_per_second: estimate.rate.map(per_second),
                rows_to_read: estimate.rows,
                seconds_to_read: estimate.time().map(|time| time.as_secs()),
                windows_to_load: to_load.count() as u64,
            },
        }
    }
}

impl<'a> FoundView<'a> {
    fn of(preview: &'a TablePreview, found: &'a Found) -> FoundView<'a> {
        let (swap, goes_on, obstacles) = match &found.way {
            None => (None, None, None),
            Some(RefreshWay::Swap { goes_on }) => (Some(true), Some(*goes_on), None),
            Some(RefreshWay::InPlace(obstacles)) => (Some(false), None, Some(obstacles.as_slice())),
        };
        let windows = found.windows.iter().map(|window| WindowView {
            rows: window.rows,
            window: window.window.to_string(),
            work: window.work.as_str(),
        });
        FoundView {
            access_path: found.access_path.as_str(),
            bytes_to_read: found.bytes_to_read,
            goes_on,
            in_place_because: obstacles,
            key: &found.key,
            mode: preview.mode.to_string(),
            name: &preview.name,
            notes: &found.notes,
            rows: found.windows.iter().map(|window| window.rows).sum(),
            rows_estimated: found.rows_estimated,
            rows_to_read: found.rows_to_read,
            state: match found.windows.iter().any(|window| window.work.reads()) {
                true => "to do",
                false => "complete",
            },
            swap,
            target: preview.target.to_string(),
            target_exists: found.target_exists,
            undated_possible: found.undated != Undated::Impossible,
            undated_rows: match found.undated {
                Undated::Counted(count) => Some(count),
                Undated::Impossible | Undated::NotCounted => None,
            },
            windows: windows.collect(),
        }
    }
}
