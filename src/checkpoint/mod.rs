//! The checkpoint store: an embedded redb file with the state of every table, window and chunk.
//!
//! It is a cache of the receipts in the target, so its loss costs no rows. But a damaged store is never taken for an
//! empty one: every fault of the file is an error that names it, and the file stays unchanged. One process writes the
//! store, and any number may read it meanwhile. Every value carries its version and a check over its key and its
//! bytes. `docs/format.md` has every byte.

mod codec;
mod layout;
mod lock;
mod open;
mod record;
mod rehearsal;
mod replace;
mod store;
mod v1;
mod view;
mod write;

pub use open::{Whole, holder, resolved};
pub use record::{
    Asked, Change, Counts, Differing, End, ForgottenMonth, FoundEqual, InStep, LoadRate, Pass, PassScope,
    Refusal, RunRecord, TableRecord, Tombstone, Waiting, WindowRecord, WindowState, mark,
};
pub use replace::Replacement;
pub use store::{Reader, Store};
pub use view::View;
