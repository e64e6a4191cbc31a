//! Nothing is lost with exit 0: stories in which a row could leave the target without a word, or never come.
//!
//! Two rules are held to. A row leaves the target only when it is accounted for: it was replaced, or the source was
//! asked and no longer has it, or the window that it is in now is loaded again. And a run that ends with exit 0 has
//! copied every row of its dates, and leaves no window unfinished whose end has passed.

mod brake;
mod chains;
mod clocks;
mod identity;
mod leaving;
mod on_their_way;
mod open_windows;
mod restored;
mod sentinels;
mod settled;
