//! The colour of a condition on a terminal.

use crate::cli::screen::{Screen, Tone};
use crate::status::Condition;

impl Condition {
    pub(super) fn tone(self) -> Tone {
        match self {
            Condition::Complete | Condition::Open | Condition::Planned | Condition::Loading => Tone::Plain,
            Condition::NotLoaded => Tone::Faint,
            Condition::Stale => Tone::Attention,
            Condition::Failed | Condition::Mismatched => Tone::Bad,
        }
    }

    /// The character in its colour.
    pub(super) fn painted(self, screen: &Screen) -> String {
        screen.paint(self.glyph(), self.tone())
    }
}
