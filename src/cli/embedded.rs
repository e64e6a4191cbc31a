//! `server = "embedded"`: the emulator inside this process, for the length of one command.
//!
//! It listens on a free loopback port and takes a random password.

use std::path::Path;

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::config::{Config, SourceConfig};
#[cfg(feature = "emulator")]
use crate::mssql::Endpoint;

/// The directory of the database files, relative to the configuration's.
#[cfg(feature = "emulator")]
const DATA: &str = "data";

/// The embedded server's name.
#[cfg(feature = "emulator")]
const SERVER_NAME: &str = "EMBEDDED";

/// Its only login.
#[cfg(feature = "emulator")]
const USER: &str = "sync";

/// The running server of a command with an embedded end.
pub(super) struct Embedded {
    #[cfg(feature = "emulator")]
    emulator: Option<(tds_emulator::Emulator, crate::cli::serving::Serving)>,
}

impl Embedded {
    /// Starts the server if an end of `config` is embedded, and writes its address into that end. An embedded
    /// source is served as a readable secondary, as a real source should be.
    ///
    /// # Errors
    /// `Config` when both ends are one database, or this build has no embedded server; `Preflight` when the
    /// directory cannot be used; `Busy` when `sync emulator` serves it.
    #[cfg(feature = "emulator")]
    pub(super) async fn start(config: &mut Config, clock: &SharedClock) -> Result<Embedded> {
        let (source, target) = (config.source.embedded, config.target.embedded);
        if source && target && same(config) {
            let text = format!(
                "{}: an embedded source and target must be two databases; rename one",
                config.path.display()
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        let directory = config.directory().to_owned();
        let ends = [
            (source, &mut config.source.endpoint),
            (target, &mut config.target.endpoint),
        ];
        let embedded = Embedded::serve(&directory, ends, clock).await?;
        embedded.serve_source(config, Source::Replica);
        Ok(embedded)
    }

    /// The same for a command that needs the source alone.
    #[cfg(feature = "emulator")]
    pub(super) async fn start_source(config: &mut SourceConfig, clock: &SharedClock) -> Result<Embedded> {
        let directory = config.directory().to_owned();
        let source = &mut config.source;
        let ends = [(source.embedded, &mut source.endpoint)];
        let embedded = Embedded::serve(&directory, ends, clock).await?;
        if let Some((emulator, _)) = &embedded.emulator {
            emulator.set_role(&source.endpoint.database, tds_emulator::Role::ReadableSecondary);
        }
        Ok(embedded)
    }

    /// Starts the server in a configuration's directory if one of its ends is embedded, and writes its address into these.
    #[cfg(feature = "emulator")]
    async fn serve<const N: usize>(
        directory: &Path,
        ends: [(bool, &mut Endpoint); N],
        clock: &SharedClock,
    ) -> Result<Embedded> {
        use crate::base::secret::Secret;
        use crate::cli::serving::Serving;
        use tds_emulator::{Emulator, EmulatorOptions, TlsMode};

        if !ends.iter().any(|(embedded, _)| *embedded) {
            return Ok(Embedded { emulator: None });
        }
        let data = directory.join(DATA);
        let serving = Serving::together(&data)?;
        let password = Secret::new(format!("{:032x}", clock.random()));
        let options = EmulatorOptions {
            server_name: SERVER_NAME.to_owned(),
            users: vec![(USER.to_owned(), password.expose().to_owned())],
            // Loopback traffic within one process needs no encryption.
            tls: TlsMode::Off,
            ..EmulatorOptions::new(data)
        };
        let emulator = Emulator::start(options).await.map_err(failed)?;
        for (_, endpoint) in ends.into_iter().filter(|(embedded, _)| *embedded) {
            emulator.create_database(&endpoint.database).map_err(failed)?;
            endpoint.host = emulator.addr().ip().to_string();
            endpoint.port = emulator.addr().port();
            endpoint.user = USER.to_owned();
            endpoint.password = password.clone();
        }
        Ok(Embedded {
            emulator: Some((emulator, serving)),
        })
    }

    /// Refuses an embedded end: this build has no emulator.
    #[cfg(not(feature = "emulator"))]
    pub(super) async fn start(config: &mut Config, _: &SharedClock) -> Result<Embedded> {
        Embedded::refused(config.source.embedded || config.target.embedded, &config.path)
    }

    /// The same for a command that needs the source alone.
    #[cfg(not(feature = "emulator"))]
    pub(super) async fn start_source(config: &mut SourceConfig, _: &SharedClock) -> Result<Embedded> {
        Embedded::refused(config.source.embedded, &config.path)
    }

    #[cfg(not(feature = "emulator"))]
    fn refused(embedded: bool, path: &Path) -> Result<Embedded> {
        if embedded {
            let text = format!(
                "{}: this build has no embedded server; build with the feature `emulator`, or name a server",
                path.display()
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        Ok(Embedded {})
    }

    /// Changes the role of an embedded source.
    #[cfg(feature = "emulator")]
    pub(super) fn serve_source(&self, config: &Config, as_what: Source) {
        use tds_emulator::Role;
        let role = match as_what {
            Source::Replica => Role::ReadableSecondary,
            Source::Writable => Role::Primary,
        };
        if let Some((emulator, _)) = self.emulator.as_ref().filter(|_| config.source.embedded) {
            emulator.set_role(&config.source.endpoint.database, role);
        }
    }

    /// Stops the server once all its sessions have ended.
    pub(super) async fn stop(self) {
        #[cfg(feature = "emulator")]
        if let Some((emulator, _serving)) = self.emulator {
            emulator.stop().await;
        }
    }
}

/// The role of an embedded source.
#[cfg(feature = "emulator")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A readable secondary, which proves that it may be read.
    Replica,
    /// A primary, while the demo changes its rows.
    Writable,
}

#[cfg(feature = "emulator")]
fn same(config: &Config) -> bool {
    config.source.endpoint.database.to_lowercase() == config.target.endpoint.database.to_lowercase()
}

#[cfg(feature = "emulator")]
fn failed(error: tds_emulator::Error) -> Error {
    Error::new(
        ErrorKind::Preflight,
        "The embedded server cannot start; see that the directory `data` beside the configuration can be written",
    )
    .with_source(error)
}
