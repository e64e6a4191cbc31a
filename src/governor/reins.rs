//! What steers the work of a command from outside: the request to stop, and the gate of its reads.

use std::sync::Arc;

use tokio::sync::SetOnce;

use super::throttle::Throttle;
use crate::base::stop::StopSignal;

/// The reins of a run or a comparison. Whoever began it holds them, and the work hands its gate over as soon as it has one.
#[derive(Clone, Default)]
pub struct Reins {
    /// The request to stop.
    pub stop: StopSignal,
    throttle: Arc<SetOnce<Arc<Throttle>>>,
}

impl Reins {
    /// Reins of work that has not begun.
    pub fn new() -> Self {
        Reins::default()
    }

    /// Hands the gate of the reads over.
    pub fn give(&self, throttle: &Arc<Throttle>) {
        // Work has one gate; one that is given twice is the same.
        let _ = self.throttle.set(Arc::clone(throttle));
    }

    /// The gate of the reads, once it is there.
    pub async fn throttle(&self) -> Arc<Throttle> {
        Arc::clone(self.throttle.wait().await)
    }
}
