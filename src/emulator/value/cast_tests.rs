//! Casts against documented examples.
