//! The driver's panics, which become errors of the connection.
//!
//! The driver reads what a server sends, and what a server sends is not ours to trust. If the driver panics over it, the
//! session is broken, as after any other malformed answer. The panic's text may quote the wire, so nobody prints it.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::pin::pin;
use std::task::Poll;

use tiberius::error::Error;

thread_local! {
    /// Whether this thread runs code of the driver.
    static IN_DRIVER: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panics of the driver, which are reported as errors of the connection, from being printed as well.
pub fn hush() {
    let print = take_hook();
    set_hook(Box::new(move |info| {
        if IN_DRIVER.get() {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::debug!(place, "the driver panicked over an answer");
        } else {
            print(info);
        }
    }));
}

/// Awaits a call of the driver. A panic in it is a malformed answer.
///
/// # Errors
/// The driver's; `Protocol` if it panicked. Then the driver's state is undefined, and its client may only be dropped.
pub(super) async fn caught<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut call = pin!(call);
    poll_fn(|cx| {
        let before = IN_DRIVER.replace(true);
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
        IN_DRIVER.set(before);
        polled.unwrap_or_else(|_| Poll::Ready(Err(Error::Protocol("unreadable answer".into()))))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_protocol() {
        let panics = async {
            let none: Option<u8> = None;
            Ok(none.expect("an answer"))
        };
        assert!(matches!(caught(panics).await, Err(Error::Protocol(_))));
        assert!(!IN_DRIVER.get());
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
    }
}
