//! Work that others steer: signals from the system, and requests from the socket beside its state file.

use std::sync::Arc;

use crate::base::exit_code::ExitCode;
use crate::checkpoint::Store;
use crate::cli::context::Context;
use crate::cli::shared::identity;
use crate::cli::signals::{Signal, Signals};
use crate::control::{Desk, Server, Work, serve};
use crate::governor::Reins;
use crate::progress::{Event, Progress};

/// A run or a comparison that is about to begin.
pub(super) struct Steered<'a> {
    context: &'a Context,
    work: Work,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) reins: Reins,
}

impl<'a> Steered<'a> {
    /// The work of a command, which reads the source or does not.
    pub(super) fn new(context: &'a Context, command: &str, reads_source: bool) -> Self {
        let identity = identity(context);
        Steered {
            context,
            work: Work {
                command: command.to_owned(),
                reads_source,
                run_id: identity.run_id,
                process_id: identity.process_id,
            },
            progress: context.notices.beside(context.voice.progress()),
            reins: Reins::new(),
        }
    }

    /// Awaits the work, which has its reins and tells its progress. Meanwhile a signal or another command may stop it.
    pub(super) async fn until_it_ends<T>(self, store: Arc<Store>, work: impl Future<Output = T>) -> T {
        let server = self.serve(store);
        let ended = tokio::select! {
            ended = work => ended,
            // This branch never ends: after the first signal the work ends by itself, the second ends the process.
            never = self.heed_signals() => match never {},
        };
        // Nobody tells anything after it, and the socket goes before the state file is another's.
        if let Some(server) = server {
            server.end().await;
        }
        self.progress.close();
        ended
    }

    /// Serves the socket; work that cannot have one says so, and goes on.
    fn serve(&self, store: Arc<Store>) -> Option<Server> {
        let desk = Desk {
            work: self.work.clone(),
            reins: self.reins.clone(),
            progress: Arc::clone(&self.progress),
            clock: Arc::clone(&self.context.clock),
        };
        match serve(store, desk) {
            Ok(server) => Some(server),
            Err(error) => {
                self.progress.event(Event::Note(&format!(
                    "`sync pause`, `sync resume`, `sync stop` and `sync tune` cannot reach this {}, because its socket \
                     cannot be made: {error}",
                    self.work.command
                )));
                None
            }
        }
    }

    /// The first Ctrl-C or SIGTERM asks the work to stop after the chunks in flight; the second stops it at once.
    async fn heed_signals(&self) -> std::convert::Infallible {
        let mut signals = Signals::listen();
        let signal = signals.next().await;
        self.progress.event(Event::Stopping {
            typed: signal == Signal::Typed,
        });
        self.reins.stop.stop();
        signals.next().await;
        self.progress.close();
        // Nothing is lost: the target rolls back the chunks in flight, and the next run resumes there.
        std::process::exit(ExitCode::Incomplete as i32)
    }
}
