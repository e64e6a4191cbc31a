//! The eight words for how a window, a month, a year or a table stands, each with a character of its own.
//!
//! The characters have the width of a letter, and the fonts of the consoles of Windows have them. They differ without
//! colour.

/// How a part of a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Condition {
    /// All of it is verified.
    Complete,
    /// All that was old enough is verified; its end is still to come.
    Open,
    /// Nothing of it is loaded.
    NotLoaded,
    /// It is known or begun, and not finished.
    Planned,
    /// The run that is going loads it.
    Loading,
    /// Verified chunks of it are to be loaded again.
    Stale,
    /// It failed.
    Failed,
    /// A chunk of it differed when its rows were read back.
    Mismatched,
}

/// The character of a table that the last run refused, which is no state of a window.
pub(crate) const REFUSED: &str = "!";

impl Condition {
    /// All of them, from the best to the worst.
    pub(crate) const ALL: [Condition; 8] = [
        Condition::Complete,
        Condition::Open,
        Condition::NotLoaded,
        Condition::Planned,
        Condition::Loading,
        Condition::Stale,
        Condition::Failed,
        Condition::Mismatched,
    ];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Condition::Complete => "complete",
            Condition::Open => "open",
            Condition::NotLoaded => "not loaded",
            Condition::Planned => "planned",
            Condition::Loading => "loading",
            Condition::Stale => "stale",
            Condition::Failed => "failed",
            Condition::Mismatched => "mismatched",
        }
    }

    /// The character for it.
    pub(crate) fn glyph(self) -> &'static str {
        match self {
            Condition::Complete => "■",
            Condition::Open => "▄",
            Condition::NotLoaded => "·",
            Condition::Planned => "○",
            Condition::Loading => "►",
            Condition::Stale => "~",
            Condition::Failed => "X",
            Condition::Mismatched => "≠",
        }
    }

    /// Whether something is to be put right: it is listed with its error and its command.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Condition::Failed | Condition::Mismatched | Condition::Stale)
    }

    /// The worst of several; `None` of none.
    pub(crate) fn worst(of: impl IntoIterator<Item = Condition>) -> Option<Condition> {
        of.into_iter()
            .max_by_key(|condition| Condition::ALL.iter().position(|other| other == condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::columns_of;
    use std::collections::BTreeSet;

    #[test]
    fn characters_differ_and_are_as_wide_as_a_letter() {
        let glyphs: BTreeSet<_> = Condition::ALL.iter().map(|condition| condition.glyph()).collect();
        assert_eq!(glyphs.len(), Condition::ALL.len());
        for glyph in glyphs {
            assert_eq!((columns_of(glyph), glyph.chars().count()), (1, 1), "{glyph}");
            // The fonts of consoles have Latin-1 and the characters of the old code pages, all below this one.
            assert!(glyph.chars().all(|c| c < '\u{2700}'), "{glyph}");
        }
    }

    #[test]
    fn the_worst_of_a_year_stands_for_it() {
        use Condition::{Complete, Failed, NotLoaded, Stale};
        assert_eq!(Condition::worst([Complete, Failed, Stale]), Some(Failed));
        assert_eq!(Condition::worst([Complete, NotLoaded]), Some(NotLoaded));
        assert_eq!(Condition::worst([]), None);
    }
}
