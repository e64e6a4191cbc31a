//! The checkpoint store: an embedded redb file that remembers where every table, window and chunk stands.
//!
//! It is a cache of the receipts in the target, so losing it costs no rows; but a damaged one is never taken for
//! an empty one: whatever is wrong with the file is an error that names it, and the file is left as it is. One
//! process writes it, any number may read it at the same time. Every value carries its version and a check over
//! its key and its bytes. `docs/format.md` has every byte.

mod codec;
mod layout;
mod open;
mod record;
mod rehearsal;
mod replace;
mod store;
mod v1;
mod view;
mod write;

pub use record::{
    Change, Counts, FoundEqual, Pass, RunRecord, TableRecord, Tombstone, Waiting, WindowRecord, WindowState,
    load_mark,
};
pub use replace::Replacement;
pub use store::{Reader, Store};
pub use view::View;
