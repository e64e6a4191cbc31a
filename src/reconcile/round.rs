//! What a round of a comparison shows of a table, and the doubt that it leaves: see [`crate::reconcile::rounds`].

use std::fmt;

use crate::base::text::rows;
use crate::model::plan::TablePlan;
use crate::reconcile::finding::Reconciled;

/// A round, over its attempts.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The rounds before it.
    pub(super) number: usize,
    /// Rows that could not be followed, as the first round began.
    first: Option<u64>,
    /// The same as this round began.
    begun: Option<u64>,
    /// The chunks that it compared, and their rows.
    pub(super) chunks: u64,
    pub(super) rows: u64,
    /// The chunks that attempts that failed found equal. The next attempt finds them recorded.
    pub(super) same: u64,
}

/// What an attempt at a round showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Whether all of the table was compared with the source.
    pub(super) is_whole: bool,
    /// Whether an earlier command compared some of the chunks.
    pub(super) is_in_parts: bool,
    /// Whether nothing is left that differs.
    pub(super) is_sound: bool,
    /// Whether its repair brought keys, or took some.
    pub(super) moved: bool,
}

/// The doubt that a row is missing, or is there twice.
#[derive(Debug)]
pub(super) struct Doubt {
    /// Rows that left the target and could not be followed.
    unfollowed: u64,
    /// Why.
    why: &'static str,
    /// Whether a row may be missing. Otherwise one may be there twice.
    pub(super) is_of_loss: bool,
    /// Whether another round may end it.
    pub(super) may_end: bool,
}

impl Round {
    /// Begins an attempt, with so many rows that could not be followed.
    pub(super) fn begin(&mut self, unfollowed: u64) {
        self.first.get_or_insert(unfollowed);
        self.begun.get_or_insert(unfollowed);
    }

    /// The round after it.
    pub(super) fn next(self) -> Round {
        Round {
            number: self.number + 1,
            first: self.first,
            ..Round::default()
        }
    }

    /// Chunks that an earlier command of the same pass compared.
    pub(super) fn before(&self, this: &Reconciled) -> u64 {
        this.chunks_before.saturating_sub(self.same)
    }

    /// Whether an earlier command compared some of the chunks: its results say nothing of where rows went since.
    pub(super) fn is_in_parts(&self, this: &Reconciled) -> bool {
        self.before(this) > 0
    }

    /// Whether all rows of the table are found, of which `unfollowed` left meanwhile or before.
    pub(super) fn tells_all(&self, shown: &Shown, unfollowed: u64) -> bool {
        shown.is_whole && shown.is_sound && !shown.is_in_parts && !self.let_go(unfollowed)
    }

    /// Whether a row left in this round that could not be followed.
    fn let_go(&self, unfollowed: u64) -> bool {
        self.begun.is_some_and(|begun| unfollowed > begun)
    }

    /// The doubt that is left, if `unfollowed` rows could not be followed.
    pub(super) fn doubt(&self, shown: &Shown, unfollowed: u64, plan: Option<&TablePlan>) -> Option<Doubt> {
        let plan = plan.filter(|plan| plan.key_holds_date())?;
        let is_part = shown.is_whole && shown.is_sound && shown.is_in_parts && unfollowed > 0;
        let is_new = self.first.is_some_and(|first| unfollowed > first);
        let is_of_loss = self.let_go(unfollowed) || is_part || is_new;
        (is_of_loss || shown.moved).then(|| Doubt {
            unfollowed,
            why: plan.untraced().0,
            is_of_loss,
            may_end: shown.is_whole && shown.is_sound,
        })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_of_loss {
            false => f.write_str(
                "rows came or left by the repair, and the key holds the date, so one that moved meanwhile may be there twice",
            ),
            true => write!(
                f,
                "{} left the target and could not be followed, because {}; a row that moved may be missing",
                rows(self.unfollowed),
                self.why
            ),
        }
    }
}
