//! Notices about a run to a URL and to a command, never in the way of the run.
