//! `sync migrate` prepares the target's schema `[sync]`, or prints the SQL for that.

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::{Context, json, result};
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
    /// Print JSON
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

pub(super) async fn run(context: &Context, args: MigrateArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let done = if args.print {
        printed(&config).await.map(Done::Printed)
    } else {
        applied(&config).await.map(Done::Applied)
    };
    embedded.stop().await;
    let database = &config.target.endpoint.database;
    let nothing = format!(
        "Nothing to do: schema [sync] of {database} is of version {}.",
        newest()
    );
    result(&match done? {
        Done::Applied(names) if args.json => json(&View::of(database, &names)),
        Done::Applied(names) if names.is_empty() => format!("{nothing}\n"),
        Done::Applied(names) => format!("Applied to schema [sync] of {database}: {}.\n", names.join(", ")),
        Done::Printed(scripts) => {
            if scripts.is_empty() {
                // stdout becomes a script, and this line is no SQL.
                context.voice.say(&nothing);
            }
            scripts.join("\n")
        }
    })?;
    Ok(ExitCode::Done)
}

/// The outcome: the migrations that were applied, or the scripts of those that are missing.
enum Done {
    Applied(Vec<&'static str>),
    Printed(Vec<String>),
}

async fn applied(config: &Config) -> Result<Vec<&'static str>> {
    let mut session = target(config).await?;
    migrate(&mut session).await.map_err(|error| {
        if !error.number().is_some_and(|number| NO_RIGHT.contains(&number)) {
            return error;
        }
        let text = "The login may not create schema [sync] and its tables; grant that with \
                    migrations/admin/setup_etl_user.sql, or have somebody run what `sync migrate --print` prints";
        Error::new(ErrorKind::Preflight, text).with_source(error)
    })
}

async fn printed(config: &Config) -> Result<Vec<String>> {
    let mut session = target(config).await?;
    let pending = pending(&mut session).await?;
    Ok(pending.iter().map(|migration| migration.by_hand()).collect())
}

/// What was applied, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    /// The names of the migrations that this command applied, in order; none if there was nothing to do.
    applied: &'a [&'static str],
    /// The target's database.
    database: &'a str,
    /// The version of schema [sync] now.
    version: i32,
}

impl View<'_> {
    fn of<'a>(database: &'a str, applied: &'a [&'static str]) -> View<'a> {
        View {
            applied,
            database,
            version: newest(),
        }
    }
}

async fn target(config: &Config) -> Result<Session> {
    Session::open(&config.target.endpoint, None, &config.run.timeouts).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("migrate");
    }
}
