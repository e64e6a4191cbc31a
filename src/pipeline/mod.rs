//! Copies one window from the source to the checkpoint store, and plans how it resumes.

pub mod forget;
pub mod known;
pub mod moved_rows;
pub mod on_their_way;
pub mod pool;
pub mod rebuild;
pub mod resume;
pub mod retrier;
pub mod window;
