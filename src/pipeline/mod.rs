//! One window from the source to the checkpoint store, and what it resumes from.

pub mod forget;
pub mod moved_rows;
pub mod pool;
pub mod rebuild;
pub mod resume;
pub mod retrier;
pub mod window;
