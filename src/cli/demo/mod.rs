//! The whole job with nothing to install.

mod calendar;
mod random;
mod rows;
mod tables;
mod words;
