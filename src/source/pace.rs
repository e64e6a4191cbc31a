//! What paces the queries of one read. The governor does; this says what a read asks of it.

use std::pin::Pin;

use crate::base::error::Result;

/// The end of the time that a query may take.
pub type Over<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a query brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought {
    /// Rows.
    pub rows: u64,
    /// Their canonical bytes.
    pub bytes: u64,
    /// Whether the source has more.
    pub full: bool,
    /// Whether it was cut, because it took longer than it may.
    pub cut: bool,
}

/// What paces the queries of a read.
pub trait Pace: Send {
    /// Waits until the next query may begin, which is right then. The first one may at once.
    ///
    /// # Errors
    /// `Stopped` when the run is asked to stop meanwhile.
    fn begin(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Comes once the query that began has taken all of its time. It never comes if that is without a bound.
    fn over(&self) -> Over<'_>;

    /// Takes note of what the query brought.
    ///
    /// # Errors
    /// `State` when the store cannot be written.
    fn ended(&mut self, brought: Brought) -> Result<()>;
}
