//! `sync migrate` prepares the target's schema `[sync]`, or prints the SQL for that.

use clap::Args;

use super::embedded::Embedded;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::{Context, result};
use crate::config::Config;
use crate::mssql::Session;
use crate::target::migrate::{migrate, newest, pending};

/// The server's error numbers for a CREATE without the right to it, in a database and in a schema.
const NO_RIGHT: [u32; 2] = [262, 2760];

/// Arguments of `sync migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Print the missing SQL, for somebody else to run; write nothing
    #[arg(long)]
    print: bool,
}

pub(super) async fn run(context: &Context, args: MigrateArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let text = if args.print {
        printed(&config).await
    } else {
        applied(&config).await
    };
    embedded.stop().await;
    let Some(text) = text? else {
        let nothing = format!(
            "Nothing to do: schema [sync] of {} is of version {}.",
            config.target.endpoint.database,
            newest()
        );
        if args.print {
            // stdout becomes a script, and this line is no SQL.
            context.voice.say(&nothing);
        } else {
            result(&format!("{nothing}\n"))?;
        }
        return Ok(ExitCode::Done);
    };
    result(&text)?;
    Ok(ExitCode::Done)
}

async fn applied(config: &Config) -> Result<Option<String>> {
    let mut session = target(config).await?;
    let names = migrate(&mut session).await.map_err(|error| {
        if !error.number().is_some_and(|number| NO_RIGHT.contains(&number)) {
            return error;
        }
        let text = "The login may not create schema [sync] and its tables; grant that with \
                    migrations/admin/setup_etl_user.sql, or have somebody run what `sync migrate --print` prints";
        Error::new(ErrorKind::Preflight, text).with_source(error)
    })?;
    if names.is_empty() {
        return Ok(None);
    }
    let database = &config.target.endpoint.database;
    Ok(Some(format!(
        "Applied to schema [sync] of {database}: {}.\n",
        names.join(", ")
    )))
}

async fn printed(config: &Config) -> Result<Option<String>> {
    let mut session = target(config).await?;
    let scripts: Vec<String> = pending(&mut session)
        .await?
        .iter()
        .map(|migration| migration.by_hand())
        .collect();
    Ok((!scripts.is_empty()).then(|| scripts.join("\n")))
}

async fn target(config: &Config) -> Result<Session> {
    Session::open(&config.target.endpoint, None, &config.run.timeouts).await
}
