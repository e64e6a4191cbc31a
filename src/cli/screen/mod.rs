//! The screen that a command writes on: its width, its colours, and tables that fit it.
//!
//! Nothing is told by colour alone: each mark is a character of its own. A result that goes to a file or a pipe has no
//! colours unless `--color always` asks for them.

mod table;
mod terminal;

pub(super) use table::{Cell, Column, Table};
pub(super) use terminal::{Color, Screen, Tone};
