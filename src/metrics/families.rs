//! The metrics as families of samples, and these as text.
//!
//! The registries of metric libraries count for themselves. Here all is counted already, buckets included, so the families
//! are built from the facts, and the library writes them.

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::facts::{Facts, TableFacts};
use crate::base::error::{Error, ErrorKind, Result};
use crate::model::pace::Cause;
use crate::model::stages::{BOUNDS_MS, StageTimes};
use crate::status::Condition;

/// The labels of a sample.
type Labels<'a> = &'a [(&'static str, &'a str)];

/// Families of samples, in their order.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

/// The metrics of a state file, or those that there are without one.
pub(super) fn text(facts: Option<&Facts>) -> Result<String> {
    let mut families = Families::default();
    families.build(facts.is_some());
    if let Some(facts) = facts {
        families.tables(facts);
        families.source(facts);
        families.run(facts);
    }
    TextEncoder::new().encode_to_string(&families.0).map_err(|error| {
        Error::new(ErrorKind::Internal, "The metrics cannot be written as text").with_source(error)
    })
}

impl Families {
    fn build(&mut self, is_kept: bool) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.gauges(
            "sync_build_info",
            "The version of the program. Always 1.",
            [gauge(&version, 1.0)],
        );
        self.gauges(
            "sync_state_present",
            "Whether there is a state file. Without one, no run has begun.",
            [gauge(&[], f64::from(is_kept))],
        );
    }

    fn tables(&mut self, facts: &Facts) {
        let each = |value: fn(&TableFacts) -> f64| {
            let of = move |table: &TableFacts| counter(&[("table", &table.name)], value(table));
            facts.tables.iter().map(of)
        };
        self.counters(
            "sync_rows_read_total",
            "Rows received from the source for a table: its own, read again or compared, and those of counts and catalog.",
            each(|table| table.asked.rows as f64),
        );
        self.counters(
            "sync_rows_loaded_total",
            "Rows committed and verified at the target.",
            each(|table| table.asked.rows_loaded as f64),
        );
        let bytes = each(|table| table.asked.received_bytes as f64);
        let none = counter(&[("table", "")], facts.asked_for_none.received_bytes as f64);
        self.counters(
            "sync_read_bytes_total",
            "Bytes received from the source, as they were on the wire. Without a table: logins, proofs and catalog.",
            bytes.chain([none]),
        );
        self.counters(
            "sync_mismatches_total",
            "Differences found: rows read back or compared again were not those of the source.",
            each(|table| table.mismatches as f64),
        );
        let each = |value: fn(&TableFacts) -> f64| {
            let of = move |table: &TableFacts| gauge(&[("table", &table.name)], value(table));
            facts.tables.iter().map(of)
        };
        self.gauges(
            "sync_differences_unrepaired",
            "Differences that comparisons found and that nobody has put right since.",
            each(|table| table.unrepaired as f64),
        );
        self.gauges(
            "sync_rows_verified",
            "Rows of the verified chunks.",
            each(|table| table.rows_verified as f64),
        );
        self.gauges(
            "sync_dates_not_loaded",
            "Days between a table's first and last, and of the last run, of which nothing is loaded.",
            each(|table| table.dates_not_loaded as f64),
        );
        self.gauges(
            "sync_table_refused",
            "Whether the last run that came to a table could not finish it.",
            each(|table| f64::from(table.is_refused)),
        );
        self.states(facts);
    }

    fn states(&mut self, facts: &Facts) {
        let windows = facts.tables.iter().flat_map(|table| {
            let states = Condition::ALL.into_iter().zip(table.windows);
            states.map(|(state, count)| {
                let state = state.as_str().replace(' ', "_");
                gauge(&[("table", &table.name), ("state", &state)], count as f64)
            })
        });
        self.gauges(
            "sync_windows",
            "Windows by the state that sync status shows; months without a window as planned or not_loaded.",
            windows,
        );
        let chunks = facts.tables.iter().flat_map(|table| {
            let states = table.chunks.iter();
            states.map(|(state, count)| gauge(&[("table", &table.name), ("state", state)], *count as f64))
        });
        self.gauges("sync_chunks", "Chunks by state.", chunks);
    }

    fn source(&mut self, facts: &Facts) {
        let stages = facts.stages.iter();
        self.add(
            MetricType::HISTOGRAM,
            "sync_chunk_stage_duration_seconds",
            "Time that a stage of a committed chunk took.",
            stages.map(|(stage, times)| histogram(stage, times)),
        );
        let away = ("target_outage", facts.asked.waits.for_target());
        let waits = facts
            .asked
            .waits
            .iter()
            .map(|(cause, time)| (cause.as_str(), time));
        let waits = waits.chain([away]);
        self.counters(
            "sync_wait_seconds_total",
            "Time that reads of the source waited, by cause, and windows for a target that was away. Those of parallel windows \
             add up.",
            waits.map(|(cause, time)| counter(&[("cause", cause)], time.as_secs_f64())),
        );
        let held = Cause::ALL.map(|cause| {
            let is_held = f64::from(facts.held.contains(&cause));
            gauge(&[("cause", cause.as_str())], is_held)
        });
        self.gauges(
            "sync_source_held",
            "Whether all reads of the source wait for this cause now.",
            held,
        );
        self.gauges(
            "sync_source_connections",
            "Connections to the source that a run or a comparison has open.",
            [gauge(&[], facts.connections as f64)],
        );
    }

    fn run(&mut self, facts: &Facts) {
        self.gauges(
            "sync_run_going",
            "Whether a run is going.",
            [gauge(&[], f64::from(facts.is_going))],
        );
        self.gauges(
            "sync_last_run_interrupted",
            "Whether the last run was killed: it is not going, and did not end.",
            [gauge(&[], f64::from(facts.is_interrupted))],
        );
        self.gauges(
            "sync_last_run_exit_code",
            "Exit code of the last run that ended. 0 is done.",
            facts.last_exit_code.map(|code| gauge(&[], f64::from(code))),
        );
        self.gauges(
            "sync_last_success_timestamp_seconds",
            "End of the last run with exit code 0, in seconds since 1970.",
            facts
                .last_success
                .map(|at| gauge(&[], at.timestamp_millis() as f64 / 1_000.0)),
        );
    }

    fn counters(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) {
        self.add(MetricType::COUNTER, name, help, samples);
    }

    fn gauges(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) {
        self.add(MetricType::GAUGE, name, help, samples);
    }

    /// Adds a family. One without samples is no family.
    fn add(&mut self, kind: MetricType, name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) {
        let samples: Vec<Metric> = samples.into_iter().collect();
        if samples.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(samples);
        self.0.push(family);
    }
}

fn gauge(labels: Labels<'_>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

fn counter(labels: Labels<'_>, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

fn histogram(stage: &str, times: &StageTimes) -> Metric {
    let buckets = BOUNDS_MS.into_iter().zip(times.within).map(|(bound_ms, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound_ms as f64 / 1_000.0);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(times.count);
    histogram.set_sample_sum(times.sum.as_secs_f64());
    let mut metric = labelled(&[("stage", stage)]);
    metric.set_histogram(histogram);
    metric
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}
