//! Receipts and plans in the target: the truth about loaded rows, in the same database as the rows.
//!
//! The transaction that commits a chunk's rows also commits its receipt, so that neither exists without the
//! other. A session that changes receipts holds the table's lease ([`crate::target::lease`]) and writes the
//! lease's row first.

mod plan;
mod record;
mod retire;
mod sums;
mod write;

pub use plan::{
    Fingerprint, Left, Recorded, all_followed, is_loaded, is_same_name, is_shadow_of, left, left_shadow,
    plan, put_plan, renew_left, renew_plan, source_table, tables, unfollowed,
};
pub(super) use record::id_of;
pub use record::{Incarnation, Receipt, Seal, read, read_windows, refuse_other_key, windows};
pub use retire::{
    cut, drop_all, drop_from, drop_table, drop_with_table, forget, mark_all_stale, mark_stale, of_days,
    pass_on, put_seals, split,
};
pub use sums::{Sums, sums};
pub use write::{another_table, is_here, write};
