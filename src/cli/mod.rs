//! The commands.
mod demo;
