//! Metrics in the text format of Prometheus, from the state file alone.
