//! About how much a run reads and how long that takes, and what a plan ends with.

use indicatif::HumanBytes;

use crate::base::exit_code::ExitCode;
use crate::base::text::{duration, rows};
use crate::checkpoint::LoadRate;
use crate::run::TablePreview;

/// About how much a run reads, and how long that takes.
pub(super) struct Estimate {
    /// `None` if a table's rows are not known.
    pub(super) rows: Option<u64>,
    pub(super) bytes: Option<u64>,
    /// How fast this machine last loaded, if it is known.
    pub(super) rate: Option<LoadRate>,
}

impl Estimate {
    pub(super) fn of(previews: &[TablePreview], rate: Option<LoadRate>) -> Estimate {
        let found = || previews.iter().filter_map(|preview| preview.found.as_ref().ok());
        Estimate {
            rows: found().map(|found| found.rows_to_read).sum(),
            bytes: found().map(|found| found.bytes_to_read).sum(),
            rate: rate.filter(|rate| rate.rows > 0),
        }
    }

    /// About the time that the rows take.
    pub(super) fn time(&self) -> Option<std::time::Duration> {
        let (rows, rate) = (self.rows?, self.rate?);
        let millis = u128::from(rows) * u128::from(rate.elapsed_ms) / u128::from(rate.rows);
        Some(std::time::Duration::from_millis(
            u64::try_from(millis).unwrap_or(u64::MAX),
        ))
    }

    pub(super) fn text(&self) -> String {
        let (Some(count), Some(bytes)) = (self.rows, self.bytes) else {
            return String::new();
        };
        if count == 0 {
            return String::new();
        }
        let amount = format!("At most about {} ({})", rows(count), HumanBytes(bytes));
        match (self.time(), self.rate) {
            (Some(time), Some(rate)) => format!(
                "{amount}, which take about {} at the rate of the run that ended on {} ({}/s).",
                duration(time),
                rate.at.format("%Y-%m-%d"),
                rows(per_second(rate))
            ),
            _ => format!("{amount}."),
        }
    }
}

/// The rows that were loaded a second.
pub(super) fn per_second(rate: LoadRate) -> u64 {
    rate.rows.saturating_mul(1000) / rate.elapsed_ms.max(1)
}

/// The highest exit code: of a table that is missing or unfit and of one whose plan changed, the first.
pub(super) fn exit_of(previews: &[TablePreview]) -> ExitCode {
    let errors = previews.iter().filter_map(|preview| preview.found.as_ref().err());
    errors
        .map(|error| error.kind().exit_code())
        .max()
        .unwrap_or(ExitCode::Done)
}
