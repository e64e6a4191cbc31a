//! Requests to end the process: Ctrl-C, and what a system sends.

#[cfg(windows)]
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff,
    ctrl_shutdown,
};

/// Who asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// A person, by Ctrl-C.
    Typed,
    /// The system, or another process.
    Sent,
}

/// Ends when the process is asked to end; never ends if the system offers no such signal.
pub(super) async fn interrupted() -> Signal {
    Signals::listen().next().await
}

/// The requests to end, from when this is made: none between two of them is lost.
pub(super) struct Signals {
    #[cfg(unix)]
    streams: Vec<(Signal, tokio::signal::unix::Signal)>,
    /// Ctrl-C, Ctrl-Break, a closed console window, a logoff, a shutdown.
    #[cfg(windows)]
    streams: Option<(CtrlC, CtrlBreak, CtrlClose, CtrlLogoff, CtrlShutdown)>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> Signals {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (Signal::Typed, SignalKind::interrupt()),
            (Signal::Sent, SignalKind::terminate()),
        ];
        let streams = kinds
            .into_iter()
            .filter_map(|(who, kind)| Some((who, signal(kind).ok()?)));
        Signals {
            streams: streams.collect(),
        }
    }

    pub(super) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            let ready = |(who, stream): &mut (Signal, tokio::signal::unix::Signal)| {
                matches!(stream.poll_recv(context), std::task::Poll::Ready(Some(()))).then_some(*who)
            };
            match self.streams.iter_mut().find_map(ready) {
                Some(who) => std::task::Poll::Ready(who),
                None => std::task::Poll::Pending,
            }
        })
        .await
    }
}

#[cfg(windows)]
impl Signals {
    pub(super) fn listen() -> Signals {
        let all = || {
            Ok::<_, std::io::Error>((
                ctrl_c()?,
                ctrl_break()?,
                ctrl_close()?,
                ctrl_logoff()?,
                ctrl_shutdown()?,
            ))
        };
        Signals { streams: all().ok() }
    }

    pub(super) async fn next(&mut self) -> Signal {
        let Some((typed, brk, close, logoff, shutdown)) = &mut self.streams else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = typed.recv() => Signal::Typed,
            _ = brk.recv() => Signal::Sent,
            _ = close.recv() => Signal::Sent,
            _ = logoff.recv() => Signal::Sent,
            _ = shutdown.recv() => Signal::Sent,
        }
    }
}
