//! The limits that keep one client from taking the server away from the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What clients may take of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The time from a connection's start to the end of its LOGIN7. A client that knows no login could otherwise keep
    /// connections for ever.
    pub login: Duration,
    /// The number of connections. Each has a thread. SQL Server takes 32,767, and the largest configuration of a run
    /// some dozens.
    pub connections: usize,
    /// The bytes of all requests that are held in memory while the rest of them arrives: four of the largest.
    pub held_bytes: usize,
    /// The time before a wrong name or password is answered, so that guessing is slow. Nobody else waits for it.
    pub wrong_password: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            login: Duration::from_secs(30),
            connections: 500,
            held_bytes: 512 * 1024 * 1024,
            wrong_password: Duration::from_secs(1),
        }
    }
}

/// The bytes of requests that a server holds.
#[derive(Debug)]
pub(crate) struct Holder {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Holder {
    pub(crate) fn new(limits: &Limits) -> Holder {
        Holder {
            bytes: AtomicUsize::new(0),
            bytes_max: limits.held_bytes,
        }
    }

    /// The share of one request, which holds nothing yet.
    pub(crate) fn share(&self) -> Share<'_> {
        Share {
            holder: self,
            bytes: 0,
        }
    }

    /// The bytes that are held now.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

/// The bytes that one request holds. They are given back when it is dropped.
pub(crate) struct Share<'a> {
    holder: &'a Holder,
    bytes: usize,
}

impl Share<'_> {
    /// Holds so many bytes from now on. Returns whether there is room for them.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let all = &self.holder.bytes;
        if bytes <= self.bytes {
            all.fetch_sub(self.bytes - bytes, Ordering::SeqCst);
            self.bytes = bytes;
            return true;
        }
        let more = bytes - self.bytes;
        if all.fetch_add(more, Ordering::SeqCst) + more > self.holder.bytes_max {
            all.fetch_sub(more, Ordering::SeqCst);
            return false;
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.holder.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_limit_and_are_given_back() {
        let holder = Holder::new(&Limits {
            held_bytes: 100,
            ..Limits::default()
        });
        let (mut one, mut other) = (holder.share(), holder.share());
        assert!(one.hold(60) && other.hold(40));
        assert!(!one.hold(61) && !other.hold(41));
        assert!(one.hold(10) && other.hold(90));
        drop(other);
        assert_eq!(holder.bytes(), 10);
        assert!(one.hold(100));
    }
}
