//! `sync serve` serves the page with the state of every table and run, until it is interrupted; `sync run --serve` does so as
//! long as the run is going.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;

use crate::base::error::{Error, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::Context;
use crate::cli::signals::Signals;
use crate::config::{Config, Serve};
use crate::web::{self, Place, Server, refuse_open};

/// Arguments of `sync serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address and port to listen on, instead of the configuration's [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(context: &Context, args: ServeArgs) -> Result<ExitCode> {
    let mut signals = Signals::listen();
    // The rest of the configuration may be wrong: the page says so, and without it there are no log files.
    let _ = context.begin();
    let mut serve = Serve::load(&context.config, &|name| std::env::var(name).ok())?;
    serve.listen = args.listen.or(serve.listen);
    let server = begin(context, &serve).await?;
    signals.next().await;
    server.end().await;
    Ok(ExitCode::Done)
}

/// The page of a run, until [`Beside::end`].
pub(super) struct Beside(Option<Server>);

impl Beside {
    /// Serves the page if `asked` for, at an address of its own or at the configuration's. A run that cannot have its page says
    /// so, and goes on.
    ///
    /// # Errors
    /// `Usage` if the page would be open to other machines.
    pub(super) async fn begin(
        context: &Context,
        config: &Config,
        asked: Option<Option<SocketAddr>>,
    ) -> Result<Beside> {
        let Some(address) = asked else {
            return Ok(Beside(None));
        };
        let mut serve = config.serve.clone();
        serve.listen = address.or(serve.listen);
        refuse_open(&serve, serve.listen.unwrap_or(web::LISTEN_DEFAULT))?;
        let begun = begin(context, &serve).await;
        if let Err(error) = &begun {
            context.voice.say(&format!("warning: {}", unserved(error)));
        }
        Ok(Beside(begun.ok()))
    }

    /// Ends it with the run.
    pub(super) async fn end(self) {
        if let Some(server) = self.0 {
            server.end().await;
        }
    }
}

fn unserved(error: &Error) -> String {
    format!("{}; the run goes on without it", error.chain())
}

async fn begin(context: &Context, serve: &Serve) -> Result<Server> {
    let place = Place {
        state: context.state_of(&context.config),
        config: context.config.clone(),
    };
    let server = web::serve(serve, place, Arc::clone(&context.clock)).await?;
    let address = server.address();
    context.voice.say(&format!("page: http://{address}/"));
    if !address.ip().to_canonical().is_loopback() {
        context.voice.say(
            "warning: the page has no TLS: what is read there, and the token, can be read on the way; put a proxy with TLS \
             in front of it",
        );
    }
    Ok(server)
}
